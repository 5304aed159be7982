/*
 * The daemon's side of the control socket (control.h): one thread that polls the socket and its
 * clients, so that a client that says nothing, or does not read, keeps nobody waiting. Each client
 * has a bounded line in, a bounded answer out, and CONTROL_PATIENCE_MS for its part of each
 * exchange; while its answer is being made (control_call.h), as long as that takes. When every
 * place is taken, whoever comes gets the place of the client that has moved nothing for the
 * longest: connections that are only held open, however many, keep nobody out, and the backlog of
 * the socket never fills. The same where the process has no descriptor left for one more; where no
 * client has one to give, the thread rests rather than try again at once. No call here touches the
 * mount. Signals are left to the main thread.
 */
#include "cli/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "cli/control_call.h"
#include "cli/paths.h"
#include "cli/report.h"

enum { REST_MS = 200 };

struct client {
    int fd;           /* -1: a free place */
    int passed;       /* a descriptor that came with the bytes in `in`, or -1 */
    int64_t deadline; /* for its part of the exchange */
    uint64_t moved;   /* server->moves when it came, or when bytes of it last moved */
    struct buffer in, out;
    size_t sent;               /* of `out` */
    struct control_call *call; /* the request that it waits for; NULL: none */
};

struct control_server {
    int dir, listener;
    char name[CONTROL_NAME_MAX];
    char *mountpoint;
    pthread_t thread;
    struct control_source source;
    struct calls calls;
    atomic_bool stopping;
    /* The server's thread only. */
    uint64_t moves;
    int64_t rest_until; /* nobody is taken before */
    struct client clients[CONTROL_CLIENTS];
};

static void client_drop(struct client *client)
{
    call_abandon(&client->call);
    close(client->fd);
    if (client->passed >= 0)
        close(client->passed);
    client->fd = client->passed = -1;
    buffer_free(&client->in);
    buffer_free(&client->out);
}

/* The client to give up: the one that moved least recently, of those that wait for no answer while
 * there are such; NULL: there is none. */
static struct client *client_oldest(struct control_server *server)
{
    struct client *oldest = NULL;
    for (size_t i = 0; i < CONTROL_CLIENTS; i++) {
        struct client *client = &server->clients[i];
        if (client->fd < 0)
            continue;
        bool waits = client->call != NULL, oldest_waits = oldest != NULL && oldest->call != NULL;
        if (oldest == NULL ||
            (waits != oldest_waits ? oldest_waits : client->moved < oldest->moved))
            oldest = client;
    }
    return oldest;
}

/* A free place; there is always one, if need be that of the oldest client. */
static struct client *client_place(struct control_server *server)
{
    for (size_t i = 0; i < CONTROL_CLIENTS; i++)
        if (server->clients[i].fd < 0)
            return &server->clients[i];
    struct client *oldest = client_oldest(server);
    client_drop(oldest);
    return oldest;
}

/* No descriptor could be had for a client that waits. */
static void make_room(struct control_server *server)
{
    struct client *oldest = client_oldest(server);
    if (oldest != NULL)
        client_drop(oldest);
    else
        server->rest_until = clock_ms() + REST_MS;
}

/* Takes a client of this user (or root). */
static void client_accept(struct control_server *server)
{
    int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
        make_room(server);
    if (fd < 0)
        return;
    struct ucred peer = {.uid = (uid_t)-1};
    socklen_t len = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0 ||
        (peer.uid != geteuid() && peer.uid != 0)) {
        log_warn("control: a client of user %u was turned away", (unsigned)peer.uid);
        close(fd);
        return;
    }
    struct client *client = client_place(server);
    *client = (struct client){.fd = fd, .passed = -1};
    client->deadline = clock_ms() + CONTROL_PATIENCE_MS;
    client->moved = ++server->moves;
    buffer_init(&client->in, CONTROL_REQUEST_MAX);
    buffer_init(&client->out, CONTROL_ANSWER_MAX);
}

/* Makes what is in client->out a line on its way out. */
static bool client_reply(struct client *client)
{
    client->deadline = clock_ms() + CONTROL_PATIENCE_MS;
    client->sent = 0;
    return buffer_append_byte(&client->out, '\n');
}

static bool client_refuse(struct client *client, const char *error)
{
    return buffer_printf(&client->out, "{\"error\":\"%s\",\"code\":%d}", error, CLI_OTHER) &&
           client_reply(client);
}

/* Takes the first whole line as a request, if there is one. */
static bool client_request(struct control_server *server, struct client *client)
{
    const char *end = client->in.len > 0 ? memchr(client->in.data, '\n', client->in.len) : NULL;
    if (end == NULL)
        return client->in.len < CONTROL_REQUEST_MAX; /* longer than any request: not a client */
    size_t len = (size_t)(end - client->in.data);
    struct control_request request;
    const char *error = control_request_parse(client->in.data, len, &request);
    buffer_consume(&client->in, len + 1);
    request.fd = client->passed;
    client->passed = -1;
    client->call = error == NULL ? call_new(&server->calls) : NULL;
    if (client->call != NULL) {
        client->deadline = INT64_MAX;
        server->source.take(server->source.ctx, &request, client->call);
    }
    if (request.fd >= 0)
        close(request.fd);
    if (client->call != NULL)
        return true;
    return client_refuse(client, error != NULL ? error : "the mount is going away");
}

/* Where the answer has come, sends it on its way. */
static bool client_collect(struct client *client)
{
    if (!call_collect(&client->call, &client->out))
        return true;
    if (client->out.len == 0)
        return client_refuse(client, "the mount is going away, or has no memory");
    return client_reply(client);
}

/* Keeps the descriptor that came along, if one did: one at a time. */
static void client_take_descriptor(struct client *client, struct msghdr *message)
{
    struct cmsghdr *header = CMSG_FIRSTHDR(message);
    if (header == NULL || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
        header->cmsg_len != CMSG_LEN(sizeof(int)))
        return;
    if (client->passed >= 0)
        close(client->passed);
    memcpy(&client->passed, CMSG_DATA(header), sizeof(int));
}

static bool client_receive(struct client *client)
{
    size_t space = CONTROL_REQUEST_MAX - client->in.len;
    struct iovec bytes = {.iov_base = buffer_reserve(&client->in, space), .iov_len = space};
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))]; /* the kernel closes what finds no room */
    } control;
    struct msghdr message = {.msg_iov = &bytes,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = CMSG_LEN(sizeof(int))}; /* not two */
    ssize_t n = bytes.iov_base != NULL ? recvmsg(client->fd, &message, MSG_CMSG_CLOEXEC) : 0;
    if (n <= 0)
        return n < 0 && (errno == EAGAIN || errno == EINTR);
    buffer_commit(&client->in, (size_t)n);
    client_take_descriptor(client, &message);
    return true;
}

static bool client_send(struct client *client)
{
    ssize_t n = send(client->fd, client->out.data + client->sent, client->out.len - client->sent,
                     MSG_NOSIGNAL);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    client->sent += (size_t)n;
    if (client->sent == client->out.len) /* and its memory, which may be a lot */
        buffer_free(&client->out);
    return true;
}

/* Moves what bytes there are; false when the client is to go. One that waits for an answer has
 * events only when it goes. */
static bool client_move(struct control_server *server, struct client *client)
{
    if (client->call != NULL)
        return false;
    if (!(client->out.len > 0 ? client_send(client) : client_receive(client)))
        return false;
    client->moved = ++server->moves;
    return client->out.len > 0 || client_request(server, client);
}

/* Fills `fds`; returns the time until the first deadline, or -1. */
static int prepare(struct control_server *server, struct pollfd *fds)
{
    int64_t first = INT64_MAX;
    for (size_t i = 0; i < CONTROL_CLIENTS; i++) {
        struct client *client = &server->clients[i];
        fds[i] = (struct pollfd){.fd = client->fd};
        if (client->call == NULL)
            fds[i].events = client->out.len > 0 ? POLLOUT : POLLIN;
        if (client->fd >= 0 && client->deadline < first)
            first = client->deadline;
    }
    bool rests = clock_ms() < server->rest_until;
    if (rests && server->rest_until < first)
        first = server->rest_until;
    fds[CONTROL_CLIENTS] = (struct pollfd){.fd = rests ? -1 : server->listener, .events = POLLIN};
    fds[CONTROL_CLIENTS + 1] = (struct pollfd){.fd = server->calls.wake, .events = POLLIN};
    return first == INT64_MAX ? -1 : clock_until(first);
}

/* What has happened to one client since; false when it is to go. */
static bool client_turn(struct control_server *server, struct client *client, short events,
                        int64_t now)
{
    if (client->call != NULL && !client_collect(client))
        return false;
    if (events != 0 && !client_move(server, client))
        return false;
    return now < client->deadline;
}

static void *serve(void *arg)
{
    struct control_server *server = arg;
    struct pollfd fds[CONTROL_CLIENTS + 2];
    eventfd_t count;
    while (!atomic_load(&server->stopping)) {
        int wait = prepare(server, fds);
        if (poll(fds, CONTROL_CLIENTS + 2, wait) < 0 && errno != EINTR)
            break;
        (void)!eventfd_read(server->calls.wake, &count);
        int64_t now = clock_ms();
        for (size_t i = 0; i < CONTROL_CLIENTS; i++)
            if (fds[i].fd >= 0 && !client_turn(server, &server->clients[i], fds[i].revents, now))
                client_drop(&server->clients[i]);
        if (fds[CONTROL_CLIENTS].revents != 0)
            client_accept(server);
    }
    return NULL;
}

/* Opens the directory for sockets, made where missing; -1 with errno. It must be this user's own,
 * since whoever owns it decides who answers there. */
static int open_dir(const char *account)
{
    int fd = -1;
    char *path = paths_runtime_dir();
    if (path == NULL)
        path = paths_state_dir(account);
    if (path != NULL && paths_make_dir(path) == 0)
        fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct stat st;
    if (fd >= 0 && (fstat(fd, &st) != 0 || st.st_uid != geteuid() || (st.st_mode & 022) != 0)) {
        close(fd);
        fd = -1;
        errno = EPERM;
    }
    free(path);
    return fd;
}

static bool open_socket(struct control_server *server, const char *account)
{
    server->dir = open_dir(account);
    server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (server->dir < 0 || server->listener < 0)
        return false;
    struct sockaddr_un address;
    control_name(server->mountpoint, server->name);
    control_address(server->dir, server->name, &address);
    unlinkat(server->dir, server->name, 0); /* left by a daemon that died: the mount is ours now */
    /* The mode is the socket inode's own when it is bound; umask would be the whole process's. */
    if (fchmod(server->listener, 0600) != 0 ||
        bind(server->listener, (const struct sockaddr *)&address, sizeof address) != 0)
        return false;
    return listen(server->listener, SOMAXCONN) == 0;
}

static void release(struct control_server *server)
{
    for (size_t i = 0; i < CONTROL_CLIENTS; i++)
        if (server->clients[i].fd >= 0)
            client_drop(&server->clients[i]);
    if (server->listener >= 0)
        close(server->listener);
    if (server->dir >= 0)
        close(server->dir);
    calls_destroy(&server->calls);
    free(server->mountpoint);
    free(server);
}

struct control_server *control_server_start(const char *account, const char *mountpoint,
                                            const struct control_source *source, char *why)
{
    struct control_server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        cli_cause(why, "no memory");
        return NULL;
    }
    for (size_t i = 0; i < CONTROL_CLIENTS; i++)
        server->clients[i].fd = server->clients[i].passed = -1;
    server->source = *source;
    server->mountpoint = strdup(mountpoint);
    server->dir = server->listener = -1;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    errno = ENOMEM;
    bool good = calls_init(&server->calls) && server->mountpoint != NULL &&
                open_socket(server, account) &&
                pthread_create(&server->thread, NULL, serve, server) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!good) {
        cli_cause(why, "the control socket cannot be made: %s; see XDG_RUNTIME_DIR",
                  strerror(errno));
        release(server);
        return NULL;
    }
    return server;
}

void control_server_detach(struct control_server *server)
{
    if (server != NULL)
        calls_finish(&server->calls);
}

void control_server_stop(struct control_server **server)
{
    if (*server == NULL)
        return;
    calls_finish(&(*server)->calls);
    atomic_store(&(*server)->stopping, true);
    eventfd_write((*server)->calls.wake, 1);
    pthread_join((*server)->thread, NULL);
    unlinkat((*server)->dir, (*server)->name, 0);
    release(*server);
    *server = NULL;
}
