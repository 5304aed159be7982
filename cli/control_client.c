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
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/paths.h"
#include "cli/report.h"

/* Returns a connection to `name` in `dir`, or -1; removes a dead socket. The socket's backlog may
 * be full for a moment: connect waits for room, but not without a bound (unix(7): SO_SNDTIMEO). */
static int connect_in(int dir, const char *name)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct timeval patience = {.tv_sec = CONTROL_PATIENCE_MS / 1000};
    struct sockaddr_un address;
    control_address(dir, name, &address);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0) {
        struct ucred peer = {.uid = (uid_t)-1};
        socklen_t len = sizeof peer;
        if (fcntl(fd, F_SETFL, O_NONBLOCK) == 0 &&
            getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.uid == geteuid())
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
        if (!paths_account_valid(entry->d_name))
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

/* Sends bytes, and with the first of them `pass` unless that is -1. */
static ssize_t send_some(int fd, const char *text, size_t len, int pass)
{
    struct iovec bytes = {.iov_base = (void *)(uintptr_t)text, .iov_len = len}; /* only read */
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1};
    if (pass >= 0) {
        message.msg_control = &control;
        message.msg_controllen = CMSG_LEN(sizeof(int));
        control.header = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.header), &pass, sizeof pass);
    }
    return sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

bool control_send(int fd, const char *request, int pass, char *why)
{
    int64_t deadline = clock_ms() + CONTROL_PATIENCE_MS;
    size_t len = strlen(request);
    while (len > 0) {
        ssize_t n = send_some(fd, request, len, pass);
        if (n > 0) {
            request += n;
            len -= (size_t)n;
            pass = -1;
        } else if ((errno != EAGAIN && errno != EINTR) || !wait_for(fd, POLLOUT, deadline)) {
            return cli_cause(why, "the mount's process does not take requests");
        }
    }
    return true;
}

static enum control_got lost(char *why, const char *cause)
{
    cli_cause(why, "%s", cause);
    return CONTROL_LOST;
}

enum control_got control_receive(int fd, struct buffer *out, int ms, char *why)
{
    enum { PART = 65536 };
    int64_t deadline = clock_ms() + ms;
    for (;;) {
        char *room = buffer_reserve(out, PART);
        if (room == NULL)
            return lost(why, "the mount's process answers with too much");
        if (!wait_for(fd, POLLIN, deadline))
            return CONTROL_LATER;
        ssize_t n = recv(fd, room, PART, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n <= 0)
            return lost(why, "the mount's process ended");
        buffer_commit(out, (size_t)n);
        if (out->data[out->len - 1] != '\n') /* one request at a time: it is the last byte */
            continue;
        out->data[--out->len] = '\0';
        return CONTROL_ANSWER;
    }
}

bool control_exchange(int fd, const char *request, struct buffer *out, char *why)
{
    if (!control_send(fd, request, -1, why))
        return false;
    enum control_got got = control_receive(fd, out, CONTROL_PATIENCE_MS, why);
    if (got == CONTROL_LATER)
        cli_cause(why, "the mount's process does not answer");
    return got == CONTROL_ANSWER;
}
