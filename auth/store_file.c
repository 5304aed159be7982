/*
 * See store_file.h. Names are looked up in a directory that was opened and looked at once, so that
 * nobody can change it for another in between; links are not followed; a pipe in the file's place
 * is not waited for.
 *
 * Replacing: the new content is written to a file of its own and synced before it takes the old
 * one's name, and the directory is synced after. Killed anywhere, the old file or the new one has
 * the name, whole; the other's leavings are removed by the next writer. Modes are set by chmod, so
 * that the umask does not matter.
 */
#include "auth/store_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/fail.h"
#include "base/file.h"

static const char file_name[] = "token";
static const char new_name[] = "token.new";

/* "DIR/token VERB: ERRNO" */
static enum auth_error failed(const struct store_dir *dir, const char *verb, int error, char *text)
{
    return auth_fail(text, AUTH_ERR_STORE, "%.200s/%s %s: %s", dir->path, file_name, verb,
                     strerrordesc_np(error));
}

static enum auth_error absent(const struct store_dir *dir, char *text)
{
    return auth_fail(text, AUTH_ERR_ABSENT, "there is no %.200s/%s", dir->path, file_name);
}

/* Some file systems cannot sync a directory, and say so; they do it by themselves. */
static bool sync_dir(int fd)
{
    return fsync(fd) == 0 || errno == EINVAL;
}

/* ---- the directory ---- */

/* A new directory's name is on disk only when the one above is. One that cannot be opened for
 * reading cannot be synced; then the name is as durable as any other of that system. */
static void sync_parent(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *parent = slash != NULL ? strndup(path, slash > path ? (size_t)(slash - path) : 1) : NULL;
    int fd = parent != NULL ? open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        sync_dir(fd);
        close(fd);
    }
    free(parent);
}

static bool make_one(const char *path)
{
    if (mkdir(path, 0700) != 0)
        return errno == EEXIST;
    if (chmod(path, 0700) != 0)
        return false;
    sync_parent(path);
    return true;
}

/* Cuts `path` at each of its slashes, and puts it together again. */
static bool make_all(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        bool made = make_one(path);
        *slash = '/';
        if (!made)
            return false;
    }
    return make_one(path);
}

enum auth_error store_dir_make(const char *path, char *text)
{
    char *copy = strdup(path);
    if (copy == NULL)
        return auth_fail(text, AUTH_ERR_MEMORY, "out of memory");
    errno = ENOENT;
    bool made = copy[0] == '/' && make_all(copy);
    int error = errno;
    free(copy);
    return made ? AUTH_OK
                : auth_fail(text, AUTH_ERR_STORE, "cannot make the directory %.200s: %s", path,
                            strerrordesc_np(error));
}

enum auth_error store_dir_open(const char *path, struct store_dir *dir, char *text)
{
    struct stat st;
    enum auth_error error = AUTH_ERR_STORE;
    *dir = (struct store_dir){.path = path, .fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (dir->fd < 0 && errno == ENOENT)
        error = auth_fail(text, AUTH_ERR_ABSENT, "there is no %.200s", path);
    else if (dir->fd < 0 || fstat(dir->fd, &st) != 0)
        auth_fail(text, error, "cannot use the directory %.200s: %s", path, strerrordesc_np(errno));
    else if (st.st_uid == geteuid() && (st.st_mode & 022) == 0)
        return AUTH_OK;
    else
        auth_fail(text, error,
                  "the directory %.200s is another user's, or others can write to it; chmod 700 it",
                  path);
    store_dir_close(dir);
    return error;
}

void store_dir_close(struct store_dir *dir)
{
    if (dir->fd >= 0)
        close(dir->fd);
    dir->fd = -1;
}

bool store_file_exists(const char *path)
{
    struct stat st;
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    bool exists = fd >= 0 && fstatat(fd, file_name, &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (fd >= 0)
        close(fd);
    return exists;
}

/* ---- reading ---- */

static enum auth_error check(const struct stat *st, size_t max, const char *path, char *text)
{
    const enum auth_error bad = AUTH_ERR_STORE;
    if (!S_ISREG(st->st_mode))
        return auth_fail(text, bad, "%.200s/%s is not a regular file; remove it", path, file_name);
    if (st->st_uid != geteuid())
        return auth_fail(text, bad, "%.200s/%s belongs to another user (uid %u); remove it", path,
                         file_name, (unsigned)st->st_uid);
    if ((st->st_mode & 077) != 0)
        return auth_fail(text, bad,
                         "%.200s/%s can be read by others (mode %04o); chmod 600 it, and sign in "
                         "again if others may have read it",
                         path, file_name, (unsigned)(st->st_mode & 07777));
    if (st->st_size < 0 || (uintmax_t)st->st_size > max)
        return auth_fail(text, bad, "%.200s/%s is too long to be a login; remove it", path,
                         file_name);
    return AUTH_OK;
}

/* To the end, or to the ceiling: what is cut off does not parse. Room is made once, so that growing
 * leaves no copy of a token behind. False with errno. */
static bool read_all(int fd, struct buffer *content)
{
    errno = ENOMEM;
    if (buffer_reserve(content, content->max) == NULL)
        return false;
    while (content->len < content->max) {
        ssize_t got = read(fd, content->data + content->len, content->max - content->len);
        if (got == 0)
            break;
        if (got > 0)
            buffer_commit(content, (size_t)got);
        else if (errno != EINTR)
            return false;
    }
    return true;
}

enum auth_error store_file_read(const struct store_dir *dir, struct buffer *content, char *text)
{
    struct stat st;
    int fd = openat(dir->fd, file_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return absent(dir, text);
    if (fd < 0 && errno == ELOOP)
        return auth_fail(text, AUTH_ERR_STORE, "%.200s/%s is a symbolic link; remove it", dir->path,
                         file_name);
    if (fd < 0)
        return failed(dir, "cannot be opened", errno, text);
    enum auth_error error = AUTH_OK;
    if (fstat(fd, &st) != 0)
        error = failed(dir, "cannot be looked at", errno, text);
    if (error == AUTH_OK)
        error = check(&st, content->max, dir->path, text);
    if (error == AUTH_OK && !read_all(fd, content))
        error = failed(dir, "cannot be read", errno, text);
    close(fd);
    return error;
}

/* ---- writing ---- */

/* Writes token.new and syncs it. False with errno. */
static bool write_new(const struct store_dir *dir, const struct buffer *content)
{
    if (unlinkat(dir->fd, new_name, 0) != 0 && errno != ENOENT)
        return false;
    int fd = openat(dir->fd, new_name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    bool written =
        fchmod(fd, 0600) == 0 && file_write_all(fd, content->data, content->len) && fsync(fd) == 0;
    int error = errno;
    if (close(fd) != 0 && written) /* where quotas are told of late */
        return false;
    errno = error;
    return written;
}

enum auth_error store_file_replace(const struct store_dir *dir, const struct buffer *content,
                                   char *text)
{
    if (!write_new(dir, content) || renameat(dir->fd, new_name, dir->fd, file_name) != 0) {
        int error = errno;
        unlinkat(dir->fd, new_name, 0);
        return auth_fail(text, AUTH_ERR_STORE,
                         "%.200s/%s cannot be written: %s; it stays as it was", dir->path,
                         file_name, strerrordesc_np(error));
    }
    if (!sync_dir(dir->fd))
        return failed(dir, "may not be on disk yet", errno, text);
    return AUTH_OK;
}

enum auth_error store_file_remove(const struct store_dir *dir, char *text)
{
    unlinkat(dir->fd, new_name, 0);
    if (unlinkat(dir->fd, file_name, 0) != 0)
        return errno == ENOENT ? absent(dir, text) : failed(dir, "cannot be removed", errno, text);
    return sync_dir(dir->fd) ? AUTH_OK : failed(dir, "may still be on disk", errno, text);
}
