/*
 * See log.h. A record is formatted on the stack and written with one write(2), so lines never mix.
 *
 * The status line has a descriptor of its own, a copy of stderr, since stderr itself is turned
 * elsewhere for a while when mounting. Only while there is one do writers take its lock: erase,
 * write the record, draw again.
 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/terminal.h"

enum { RECORD_MAX = 2048, STATUS_MAX = 1024 };

static int log_fd = STDERR_FILENO; /* set before threads start */
static atomic_int log_level_now = LOG_LEVEL_INFO;

static struct {
    atomic_bool active;
    pthread_mutex_t lock;
    /* Protected by lock: */
    int fd;         /* the terminal */
    bool below_log; /* the log goes to the same one */
    bool drawn;
    char text[STATUS_MAX];
} status = {.lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1};

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
           code == 0x061C || code == 0x180E || code == 0xFEFF ||
           (code >= 0xFFF9 && code <= 0xFFFB) || (code >= 0xE0000 && code <= 0xE007F);
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

/* ---- the status line ---- */

static void put(int fd, const char *text, size_t len)
{
    ssize_t ignored = write(fd, text, len); /* a log that cannot be written has nowhere to say so */
    (void)ignored;
}

static bool takes_bytes(int fd)
{
    struct pollfd room = {.fd = fd, .events = POLLOUT};
    return poll(&room, 1, 0) == 1 && (room.revents & POLLOUT) != 0;
}

/* Before a record, which will wait for the terminal too, `wait` is true. */
static void status_erase_locked(bool wait)
{
    static const char erase[] = "\r\033[K";
    if (status.drawn && !terminal_busy(status.fd) && (wait || takes_bytes(status.fd)))
        put(status.fd, erase, sizeof erase - 1);
    status.drawn = false;
}

/* Over what is there, then erase what is left of it: so it does not flicker. The last column stays
 * free, or some terminals would wrap. */
static void status_draw_locked(void)
{
    char line[STATUS_MAX + 8];
    unsigned columns, rows;
    if (status.text[0] == '\0' || terminal_busy(status.fd) || !takes_bytes(status.fd))
        return;
    terminal_size(status.fd, &columns, &rows);
    size_t fits = terminal_fit(status.text, strlen(status.text), columns - 1);
    int len = snprintf(line, sizeof line, "\r%.*s\033[K", (int)fits, status.text);
    put(status.fd, line, (size_t)len);
    status.drawn = true;
}

bool log_status_begin(void)
{
    if (!terminal_usable(STDERR_FILENO))
        return false;
    pthread_mutex_lock(&status.lock);
    status.fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    status.below_log = terminal_same(log_fd, status.fd);
    status.drawn = false;
    status.text[0] = '\0';
    bool active = status.fd >= 0;
    atomic_store(&status.active, active);
    pthread_mutex_unlock(&status.lock);
    return active;
}

void log_status(const char *text)
{
    pthread_mutex_lock(&status.lock);
    if (status.fd >= 0 && !(status.drawn && strcmp(status.text, text) == 0)) {
        snprintf(status.text, sizeof status.text, "%s", text);
        log_make_printable(status.text, strlen(status.text));
        if (status.text[0] == '\0')
            status_erase_locked(false);
        else
            status_draw_locked();
    }
    pthread_mutex_unlock(&status.lock);
}

void log_status_end(void)
{
    pthread_mutex_lock(&status.lock);
    if (status.fd >= 0) {
        status_erase_locked(false);
        close(status.fd);
        status.fd = -1;
        atomic_store(&status.active, false);
    }
    pthread_mutex_unlock(&status.lock);
}

/* Writes a line to `fd`, above the status line where that stands on the same terminal. */
static void write_line(int fd, bool below, const char *line, size_t len)
{
    if (!atomic_load(&status.active)) {
        put(fd, line, len);
        return;
    }
    pthread_mutex_lock(&status.lock);
    bool clear = status.fd >= 0 && (below || status.below_log);
    if (clear)
        status_erase_locked(true);
    put(fd, line, len);
    if (clear)
        status_draw_locked();
    pthread_mutex_unlock(&status.lock);
}

/* ---- records ---- */

void log_beside(const char *line, size_t len)
{
    write_line(STDERR_FILENO, true, line, len);
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
    write_line(log_fd, false, record, len);
    errno = saved;
}
