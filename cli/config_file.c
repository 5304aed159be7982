/*
 * See config_file.h. The file is the user's own, but is read with a ceiling all the same; and since
 * it may name commands to run, one that others can write to is refused. A new one is written beside
 * the old and renamed over it once it is on disk. Where accounts.json is a link, as in a collection
 * of dotfiles, what it points to is replaced.
 *
 * The lock is flock(2) on the directory in which accounts.json is looked for: two who sign in at
 * the same time read and write one after the other, and no file for the lock lies about. Whoever
 * may read the directory can hold that lock, so it is waited for with a bound.
 */
#include "cli/config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "cli/paths.h"
#include "cli/report.h"

enum { PATIENCE_MS = 5000, PAUSE_MS = 20 };

unsigned config_file_line(const struct buffer *text, const char *at)
{
    unsigned line = 1;
    for (const char *c = text->data; c < at; c++)
        line += *c == '\n';
    return line;
}

/* Reads the whole file; false with errno. */
static bool read_all(int fd, struct buffer *text)
{
    for (;;) {
        char *room = buffer_reserve(text, 4096);
        if (room == NULL) {
            errno = EFBIG;
            return false;
        }
        ssize_t n = read(fd, room, 4096);
        if (n < 0)
            return false;
        if (n == 0)
            return text->len > 0 || buffer_append_byte(text, ' ');
        buffer_commit(text, (size_t)n);
    }
}

static enum config_file parse(const char *path, const struct buffer *text, cJSON **root, char *why)
{
    const char *end = memchr(text->data, '\0', text->len); /* which cJSON would let pass */
    if (end == NULL)
        *root = cJSON_ParseWithLengthOpts(text->data, text->len + 1, &end, true);
    if (*root == NULL) {
        cli_cause(why, "%.300s:%u: not JSON here; correct the file", path,
                  end != NULL ? config_file_line(text, end) : 1);
        return CONFIG_FILE_BAD;
    }
    const cJSON *accounts = cJSON_GetObjectItemCaseSensitive(*root, "accounts");
    if (cJSON_IsObject(*root) && (accounts == NULL || cJSON_IsObject(accounts)))
        return CONFIG_FILE_READ;
    cJSON_Delete(*root);
    *root = NULL;
    cli_cause(why, "%.300s:1: must be {\"accounts\": {\"ACCOUNT\": {...}}}", path);
    return CONFIG_FILE_BAD;
}

/* Whether the file may be used; warns, once, where others can read it. */
static bool check(const char *path, const struct stat *st, char *why)
{
    static bool warned;
    if (!S_ISREG(st->st_mode))
        return cli_cause(why, "%.300s: not a regular file; replace it by one", path);
    if ((st->st_uid != geteuid() && st->st_uid != 0) || (st->st_mode & 002) != 0)
        return cli_cause(why,
                         "%.300s: another user's, or others can write to it, and it may name "
                         "commands to run; make it your own, and chmod 600 it",
                         path);
    if ((st->st_mode & 077) != 0 && !warned)
        cli_warn("%.300s can be read by others; chmod 600 it", path);
    warned = warned || (st->st_mode & 077) != 0;
    return true;
}

enum config_file config_file_read(const char *path, struct buffer *text, cJSON **root, char *why)
{
    *root = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        cli_cause(why, "%.300s: %s", path, strerror(errno));
        return errno == ENOENT || errno == ENOTDIR ? CONFIG_FILE_ABSENT : CONFIG_FILE_BAD;
    }
    struct stat st;
    cli_cause(why, "%.300s: cannot be read (a file of at most 1 MiB)", path);
    bool good = fstat(fd, &st) == 0 && check(path, &st, why) && read_all(fd, text);
    close(fd);
    return good ? parse(path, text, root, why) : CONFIG_FILE_BAD;
}

static bool make_directory(const char *path)
{
    char copy[PATH_MAX];
    snprintf(copy, sizeof copy, "%s", path);
    char *slash = strrchr(copy, '/');
    if (slash == NULL || slash == copy)
        return true;
    *slash = '\0';
    return paths_make_dir(copy) == 0;
}

/* Where a file system has no locks, it goes without. False: another one has held it for long. */
static bool lock(int fd)
{
    int64_t deadline = clock_ms() + PATIENCE_MS;
    while (flock(fd, LOCK_EX | LOCK_NB) != 0 && (errno == EWOULDBLOCK || errno == EINTR)) {
        if (clock_until(deadline) == 0)
            return false;
        poll(NULL, 0, PAUSE_MS);
    }
    return true;
}

int config_file_lock(const char *path, char *why)
{
    int fd = -1;
    if (strlen(path) >= PATH_MAX)
        errno = ENAMETOOLONG;
    else if (make_directory(path))
        fd = file_open_directory(path);
    if (fd < 0) {
        cli_cause(why, "%.300s cannot be written: %s", path, strerror(errno));
        return -1;
    }
    if (lock(fd))
        return fd;
    close(fd);
    cli_cause(why, "%.300s: another process has locked its directory for %d s; try again later",
              path, PATIENCE_MS / 1000);
    return -1;
}

bool config_file_write(const char *path, const cJSON *root, char *why)
{
    char real[PATH_MAX];
    if (realpath(path, real) == NULL)
        snprintf(real, sizeof real, "%s", path);
    char *text = cJSON_Print(root), *lines = NULL;
    int len = text != NULL ? asprintf(&lines, "%s\n", text) : -1;
    bool good = len >= 0 && file_replace(real, lines, (size_t)len);
    if (!good)
        cli_cause(why, "%.300s cannot be written: %s", real,
                  len < 0 ? "no memory" : strerror(errno));
    if (len >= 0)
        free(lines);
    cJSON_free(text);
    return good;
}
