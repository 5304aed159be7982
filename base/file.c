/* See file.h. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool file_read_all(int fd, struct buffer *text)
{
    char piece[4096];
    for (;;) {
        ssize_t n = read(fd, piece, sizeof piece);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0;
        if (!buffer_append(text, piece, (size_t)n)) {
            errno = text->len + (size_t)n > text->max ? EFBIG : ENOMEM;
            return false;
        }
    }
}

bool file_write_all(int fd, const void *data, size_t len)
{
    const char *at = data;
    while (len > 0) {
        ssize_t n = write(fd, at, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

int file_open_directory(const char *path)
{
    char copy[PATH_MAX];
    snprintf(copy, sizeof copy, "%s", path);
    char *slash = strrchr(copy, '/');
    if (slash == NULL)
        return open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    slash[slash == copy] = '\0';
    return open(copy, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Some file systems cannot sync a directory, and say so; they do it by themselves. */
static bool sync_directory(const char *path)
{
    int fd = file_open_directory(path);
    bool good = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL);
    if (fd >= 0)
        close(fd);
    return good;
}

bool file_replace(const char *path, const void *data, size_t len)
{
    char fresh[PATH_MAX + 8];
    snprintf(fresh, sizeof fresh, "%s.new", path);
    unlink(fresh); /* left by one who was killed */
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    bool good = file_write_all(fd, data, len) && fsync(fd) == 0;
    good = close(fd) == 0 && good;
    good = good && rename(fresh, path) == 0 && sync_directory(path);
    if (!good) {
        int error = errno;
        unlink(fresh);
        errno = error;
    }
    return good;
}
