/*
 * See store_lock.h. The lock is flock(2) on a file of its own, since the token file is replaced:
 * the kernel lets it go when its holder dies, and it holds between threads, too. The file is never
 * removed: who still waits for the lock of one that has lost its name would not keep out who makes
 * the next.
 *
 * flock can be waited for neither beside a descriptor nor with a bound, but by signals, which a
 * library has no right to. So it is tried again and again, 5 to 50 ms apart, asleep in poll(2) on
 * cancel_fd; beside the round trip that its holder is making, this is nothing.
 */
#include "auth/store_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/fail.h"
#include "base/clock.h"

enum { FIRST_PAUSE_MS = 5, LAST_PAUSE_MS = 50 };

static const char lock_name[] = "token.lock";

static enum auth_error failed(const struct store_dir *dir, const char *what, char *text)
{
    return auth_fail(text, AUTH_ERR_STORE, "%.200s/%s cannot be %s: %s", dir->path, lock_name, what,
                     strerrordesc_np(errno));
}

/* fchmod, since a umask could take the right to open it again. */
static enum auth_error lock_open(const struct store_dir *dir, int *fd, char *text)
{
    enum auth_error error = AUTH_OK;
    *fd = openat(dir->fd, lock_name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (*fd >= 0 && fchmod(*fd, 0600) == 0)
        return AUTH_OK;
    error = failed(dir, "opened", text);
    if (*fd >= 0)
        close(*fd);
    return error;
}

static enum auth_error lock_wait(const struct store_dir *dir, int fd, int timeout_ms, int cancel_fd,
                                 char *text)
{
    int64_t deadline = clock_ms() + timeout_ms;
    struct pollfd cancel = {.fd = cancel_fd, .events = POLLIN};
    int pause = FIRST_PAUSE_MS;
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return failed(dir, "locked", text);
        int left = clock_until(deadline);
        if (left == 0)
            return auth_fail(text, AUTH_ERR_TIMEOUT,
                             "another outlookfs has held %.200s/%s for %d s; try again later",
                             dir->path, lock_name, (timeout_ms + 999) / 1000);
        if (poll(&cancel, 1, pause < left ? pause : left) > 0)
            return auth_fail(text, AUTH_ERR_CANCELLED, "waiting for %.200s/%s was interrupted",
                             dir->path, lock_name);
        pause = pause * 2 < LAST_PAUSE_MS ? pause * 2 : LAST_PAUSE_MS;
    }
    return AUTH_OK;
}

enum auth_error store_lock_take(const struct store_dir *dir, int timeout_ms, int cancel_fd, int *fd,
                                char *text)
{
    enum auth_error error = lock_open(dir, fd, text);
    if (error == AUTH_OK) {
        error = lock_wait(dir, *fd, timeout_ms, cancel_fd, text);
        if (error != AUTH_OK)
            close(*fd);
    }
    if (error != AUTH_OK)
        *fd = -1;
    return error;
}
