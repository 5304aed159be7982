/*
 * The daemon's side of the control socket (control.h): one thread that polls the socket and its
 * clients, so that a client that says nothing, or does not read, keeps nobody waiting. Each client
 * has a bounded line in, a bounded answer out, and CONTROL_PATIENCE_MS for each exchange. No call
 * here touches the mount. Signals are left to the main thread.
 */
#include "cli/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "cli/paths.h"
#include "cli/report.h"

struct client {
    int fd; /* -1: a free place */
    int64_t deadline;
    struct buffer in, out;
};

struct control_server {
    int dir, listener, stop;
    char name[CONTROL_NAME_MAX];
    char *mountpoint;
    pthread_t thread;
    pthread_mutex_t lock;
    bool attached;                /* protected by lock */
    struct control_source source; /* called under lock, so that detach waits for the call's end */
    struct client clients[CONTROL_CLIENTS];
};

static void client_drop(struct client *client)
{
    close(client->fd);
    client->fd = -1;
    buffer_free(&client->in);
    buffer_free(&client->out);
}

/* Takes a client of this user (or root) into a free place; the caller saw that there is one. */
static void client_accept(struct control_server *server)
{
    int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    struct ucred peer = {.uid = (uid_t)-1};
    socklen_t len = sizeof peer;
    struct client *client = NULL;
    for (size_t i = 0; i < CONTROL_CLIENTS && client == NULL; i++)
        if (server->clients[i].fd < 0)
            client = &server->clients[i];
    if (client == NULL || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0 ||
        (peer.uid != geteuid() && peer.uid != 0)) {
        log_warn("control: a client of user %u was turned away", (unsigned)peer.uid);
        close(fd);
        return;
    }
    client->fd = fd;
    client->deadline = clock_ms() + CONTROL_PATIENCE_MS;
    buffer_init(&client->in, CONTROL_REQUEST_MAX);
    buffer_init(&client->out, CONTROL_ANSWER_MAX);
}

/* Answers the first whole line, if there is one and nothing is still on its way out. */
static bool client_answer(struct control_server *server, struct client *client)
{
    const char *end = client->in.len > 0 ? memchr(client->in.data, '\n', client->in.len) : NULL;
    if (end == NULL)
        return client->in.len < CONTROL_REQUEST_MAX; /* longer than any request: not a client */
    size_t len = (size_t)(end - client->in.data);
    pthread_mutex_lock(&server->lock);
    bool good = control_answer(client->in.data, len, server->mountpoint,
                               server->attached ? &server->source : NULL, &client->out);
    pthread_mutex_unlock(&server->lock);
    buffer_consume(&client->in, len + 1);
    client->deadline = clock_ms() + CONTROL_PATIENCE_MS;
    return good;
}

/* Moves what bytes there are; false when the client is to go. */
static bool client_move(struct control_server *server, struct client *client)
{
    if (client->out.len > 0) {
        ssize_t n = send(client->fd, client->out.data, client->out.len, MSG_NOSIGNAL);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        buffer_consume(&client->out, (size_t)n);
    } else {
        size_t space = CONTROL_REQUEST_MAX - client->in.len;
        char *room = buffer_reserve(&client->in, space);
        ssize_t n = room != NULL ? recv(client->fd, room, space, 0) : 0;
        if (n <= 0)
            return n < 0 && (errno == EAGAIN || errno == EINTR);
        buffer_commit(&client->in, (size_t)n);
    }
    return client->out.len > 0 || client_answer(server, client);
}

/* Fills `fds`; returns the time until the first deadline, or -1. */
static int prepare(struct control_server *server, struct pollfd *fds)
{
    bool full = true;
    int64_t first = INT64_MAX;
    for (size_t i = 0; i < CONTROL_CLIENTS; i++) {
        struct client *client = &server->clients[i];
        fds[i] =
            (struct pollfd){.fd = client->fd, .events = client->out.len > 0 ? POLLOUT : POLLIN};
        full = full && client->fd >= 0;
        if (client->fd >= 0 && client->deadline < first)
            first = client->deadline;
    }
    fds[CONTROL_CLIENTS] = (struct pollfd){.fd = full ? -1 : server->listener, .events = POLLIN};
    fds[CONTROL_CLIENTS + 1] = (struct pollfd){.fd = server->stop, .events = POLLIN};
    return first == INT64_MAX ? -1 : clock_until(first);
}

static void *serve(void *arg)
{
    struct control_server *server = arg;
    struct pollfd fds[CONTROL_CLIENTS + 2];
    for (;;) {
        int wait = prepare(server, fds);
        if (poll(fds, CONTROL_CLIENTS + 2, wait) < 0 && errno != EINTR)
            break;
        if (fds[CONTROL_CLIENTS + 1].revents != 0)
            break;
        int64_t now = clock_ms();
        for (size_t i = 0; i < CONTROL_CLIENTS; i++) {
            struct client *client = &server->clients[i];
            if (fds[i].fd >= 0 &&
                ((fds[i].revents != 0 && !client_move(server, client)) || now >= client->deadline))
                client_drop(client);
        }
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
    server->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (server->dir < 0 || server->listener < 0 || server->stop < 0)
        return false;
    struct sockaddr_un address;
    control_name(server->mountpoint, server->name);
    control_address(server->dir, server->name, &address);
    unlinkat(server->dir, server->name, 0); /* left by a daemon that died: the mount is ours now */
    /* The mode is the socket inode's own when it is bound; umask would be the whole process's. */
    if (fchmod(server->listener, 0600) != 0 ||
        bind(server->listener, (const struct sockaddr *)&address, sizeof address) != 0)
        return false;
    return listen(server->listener, 64) == 0;
}

static void release(struct control_server *server)
{
    for (size_t i = 0; i < CONTROL_CLIENTS; i++)
        if (server->clients[i].fd >= 0)
            client_drop(&server->clients[i]);
    const int fds[] = {server->listener, server->dir, server->stop};
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    pthread_mutex_destroy(&server->lock);
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
        server->clients[i].fd = -1;
    server->source = *source;
    server->attached = true;
    server->mountpoint = strdup(mountpoint);
    server->dir = server->listener = server->stop = -1;
    pthread_mutex_init(&server->lock, NULL);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    errno = ENOMEM;
    bool good = server->mountpoint != NULL && open_socket(server, account) &&
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
    if (server == NULL)
        return;
    pthread_mutex_lock(&server->lock);
    server->attached = false;
    pthread_mutex_unlock(&server->lock);
}

void control_server_stop(struct control_server **server)
{
    if (*server == NULL)
        return;
    uint64_t one = 1;
    ssize_t ignored = write((*server)->stop, &one, sizeof one); /* an eventfd of 0 takes it */
    (void)ignored;
    pthread_join((*server)->thread, NULL);
    unlinkat((*server)->dir, (*server)->name, 0);
    release(*server);
    *server = NULL;
}
