/*
 * The client's side of the control socket (control.h). A daemon may have been started with another
 * environment, so each place where sockets may be is looked at: the runtime directory, then every
 * account's state directory. A socket that refuses the connection belongs to a daemon that died.
 */
#include "cli/control.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/paths.h"
#include "cli/report.h"

/* Returns a connection to `name` in `dir`, or -1; removes a dead socket. */
static int connect_in(int dir, const char *name)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un address;
    control_address(dir, name, &address);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0) {
        struct ucred peer = {.uid = (uid_t)-1};
        socklen_t len = sizeof peer;
        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.uid == geteuid())
            return fd;
    } else if (fd >= 0 && errno == ECONNREFUSED) {
        unlinkat(dir, name, 0);
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Calls `visit` with each directory that may hold sockets, until it returns true. */
static void each_dir(bool (*visit)(void *ctx, int dir), void *ctx)
{
    bool done = false;
    char *runtime = paths_runtime_dir();
    int dir = runtime != NULL ? open(runtime, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    free(runtime);
    if (dir >= 0) {
        done = visit(ctx, dir);
        close(dir);
    }
    char *state = done ? NULL : paths_state_dir(NULL);
    DIR *accounts = state != NULL ? opendir(state) : NULL;
    free(state);
    const struct dirent *entry;
    while (accounts != NULL && !done && (entry = readdir(accounts)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        dir =
            openat(dirfd(accounts), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (dir < 0)
            continue;
        done = visit(ctx, dir);
        close(dir);
    }
    if (accounts != NULL)
        closedir(accounts);
}

struct search {
    char name[CONTROL_NAME_MAX];
    int fd;
};

static bool search_dir(void *ctx, int dir)
{
    struct search *search = ctx;
    search->fd = connect_in(dir, search->name);
    return search->fd >= 0;
}

int control_connect(const char *mountpoint, pid_t *pid)
{
    struct search search = {.fd = -1};
    control_name(mountpoint, search.name);
    each_dir(search_dir, &search);
    struct ucred peer = {0};
    socklen_t len = sizeof peer;
    if (pid != NULL)
        *pid = search.fd >= 0 && getsockopt(search.fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0
                   ? peer.pid
                   : 0;
    return search.fd;
}

struct visitor {
    void (*visit)(void *ctx, int fd);
    void *ctx;
    unsigned count;
};

static bool visit_dir(void *ctx, int dir)
{
    struct visitor *visitor = ctx;
    int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *sockets = copy >= 0 ? fdopendir(copy) : NULL;
    const struct dirent *entry;
    while (sockets != NULL && (entry = readdir(sockets)) != NULL) {
        size_t len = strlen(entry->d_name);
        if (len < 5 || len >= CONTROL_NAME_MAX || strcmp(entry->d_name + len - 5, ".sock") != 0)
            continue;
        int fd = connect_in(dir, entry->d_name);
        if (fd < 0)
            continue;
        visitor->count++;
        visitor->visit(visitor->ctx, fd);
    }
    if (sockets != NULL)
        closedir(sockets);
    else if (copy >= 0)
        close(copy);
    return false;
}

unsigned control_each(void (*visit)(void *ctx, int fd), void *ctx)
{
    struct visitor visitor = {.visit = visit, .ctx = ctx};
    each_dir(visit_dir, &visitor);
    return visitor.count;
}

static bool wait_for(int fd, short events, int64_t deadline)
{
    struct pollfd one = {.fd = fd, .events = events};
    int ready;
    do
        ready = poll(&one, 1, clock_until(deadline));
    while (ready < 0 && errno == EINTR && clock_until(deadline) > 0);
    return ready == 1;
}

static bool send_all(int fd, const char *text, int64_t deadline)
{
    size_t len = strlen(text);
    while (len > 0) {
        ssize_t n = send(fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return false;
        if (n > 0) {
            text += n;
            len -= (size_t)n;
        } else if (!wait_for(fd, POLLOUT, deadline)) {
            return false;
        }
    }
    return true;
}

bool control_exchange(int fd, const char *request, struct buffer *out, char *why)
{
    int64_t deadline = clock_ms() + CONTROL_PATIENCE_MS;
    if (!send_all(fd, request, deadline))
        return cli_cause(why, "the mount's process does not take requests");
    size_t start = out->len;
    for (;;) {
        char *room = buffer_reserve(out, 4096);
        if (room == NULL)
            return cli_cause(why, "the mount's process answers with too much");
        if (!wait_for(fd, POLLIN, deadline))
            return cli_cause(why, "the mount's process does not answer");
        ssize_t n = recv(fd, room, 4096, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n <= 0)
            return cli_cause(why, "the mount's process ended");
        buffer_commit(out, (size_t)n);
        char *end = memchr(out->data + start, '\n', out->len - start);
        if (end != NULL) {
            *end = '\0';
            out->len = (size_t)(end - out->data);
            return true;
        }
    }
}
