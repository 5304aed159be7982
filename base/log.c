/* See log.h. A record is formatted on the stack and written with one write(2), so lines never mix.
 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { RECORD_MAX = 2048 };

static int log_fd = STDERR_FILENO; /* set before threads start */
static atomic_int log_level_now = LOG_LEVEL_INFO;

static const char *const level_names[] = {"error", "warning", "info", "debug"};

int log_open(const char *path)
{
    if (path == NULL) {
        log_fd = STDERR_FILENO;
        return 0;
    }
    /* A pipe or terminal that nobody reads must not keep anybody waiting, here or at a record. */
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
    if (fd < 0)
        return -1;
    log_fd = fd;
    return 0;
}

void log_set_level(enum log_level level)
{
    atomic_store(&log_level_now, (int)level);
}

bool log_enabled(enum log_level level)
{
    return (int)level <= atomic_load(&log_level_now);
}

/* Decodes one UTF-8 sequence; returns its length, or 0 when it is not valid. */
static size_t utf8_decode(const unsigned char *s, size_t len, uint32_t *code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t need = s[0] < 0x80   ? 1
                  : s[0] < 0xC2 ? 0
                  : s[0] < 0xE0 ? 2
                  : s[0] < 0xF0 ? 3
                  : s[0] < 0xF5 ? 4
                                : 0;
    if (need == 0 || need > len)
        return 0;
    *code = need == 1 ? s[0] : s[0] & (0x7Fu >> need);
    for (size_t i = 1; i < need; i++) {
        if ((s[i] & 0xC0) != 0x80)
            return 0;
        *code = *code << 6 | (s[i] & 0x3Fu);
    }
    if (need > 1 &&
        (*code < least[need] || *code > 0x10FFFF || (*code >= 0xD800 && *code < 0xE000)))
        return 0;
    return need;
}

/* Whether a terminal could act on this character, or show the line in another order. */
static bool unprintable(uint32_t code)
{
    return code < 0x20 || (code >= 0x7F && code < 0xA0) || (code >= 0x200B && code <= 0x200F) ||
           (code >= 0x2028 && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069) ||
           code == 0xFEFF;
}

void log_make_printable(char *text, size_t len)
{
    for (size_t i = 0; i < len;) {
        uint32_t code = 0;
        size_t n = utf8_decode((const unsigned char *)text + i, len - i, &code);
        if (n == 0 || unprintable(code)) {
            size_t bad = n == 0 ? 1 : n;
            memset(text + i, '?', bad);
            n = bad;
        }
        i += n;
    }
}

void log_write(enum log_level level, const char *format, ...)
{
    if (!log_enabled(level))
        return;
    int saved = errno;
    char record[RECORD_MAX];
    struct timespec now;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    size_t len = strftime(record, sizeof record, "%Y-%m-%dT%H:%M:%S", &tm);
    len += (size_t)snprintf(record + len, sizeof record - len,
                            ".%03ldZ outlookfs[%d] %s: ", now.tv_nsec / 1000000, (int)getpid(),
                            level_names[level]);
    va_list args;
    va_start(args, format);
    errno = saved;
    int more = vsnprintf(record + len, sizeof record - len - 1, format, args);
    va_end(args);
    size_t room = sizeof record - len - 2;
    len += more < 0 ? 0 : (size_t)more > room ? room : (size_t)more;
    log_make_printable(record, len);
    record[len++] = '\n';
    ssize_t ignored =
        write(log_fd, record, len); /* a log that cannot be written has nowhere to say so */
    (void)ignored;
    errno = saved;
}
