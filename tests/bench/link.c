/*
 * A link between two loopback ports: a TCP relay that gives every byte a one-way delay and every
 * direction a bandwidth, shared by all connections.
 *
 *     bench_link LISTEN_PORT TARGET_HOST:PORT RTT_MS MBIT_PER_S
 *
 * Port 0 takes a free one. The first line on stdout is the port; the last, after SIGTERM or SIGINT,
 * the bytes each way and the CPU time, as JSON. 0 for RTT or rate is no delay or no limit.
 *
 * A connection costs what it costs on such a wire: its client is accepted at once by the kernel,
 * but the server hears of it after 1.5 round trips (SYN, SYN-ACK, ACK), and so does anything that
 * the client sends meanwhile. One thread, epoll; pacing is in pipe.h.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/pipe.h"

enum { CONNECTIONS = 64, SLACK = 128 * 1024, UP = 0, DOWN = 1, EVENTS = 2 * CONNECTIONS + 2 };

struct connection {
    int fd[2]; /* the client's, the server's; -1 */
    uint32_t interest[2];
    int64_t connect_at; /* when the server hears of it; 0: it has */
    struct pipe pipe[2];
    bool used;
};

static struct link {
    int epoll, listener, signals;
    struct sockaddr_in target;
    struct direction direction[2];
    int64_t rtt;
    struct connection connections[CONNECTIONS];
} wire;

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "bench_link: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void drop(struct connection *c)
{
    for (int side = 0; side < 2; side++) {
        if (c->fd[side] >= 0)
            close(c->fd[side]);
        pipe_free(&c->pipe[side]);
    }
    *c = (struct connection){
        .fd = {-1, -1}
    };
}

static void watch(struct connection *c, int side, uint32_t interest)
{
    struct epoll_event event = {.events = interest,
                                .data.u64 = (uint64_t)(c - wire.connections) * 2 + (unsigned)side};
    if (c->fd[side] < 0 || c->interest[side] == interest)
        return;
    if (epoll_ctl(wire.epoll, EPOLL_CTL_MOD, c->fd[side], &event) != 0)
        die("epoll_ctl");
    c->interest[side] = interest;
}

static void add(struct connection *c, int side, int fd)
{
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct epoll_event event = {.data.u64 = (uint64_t)(c - wire.connections) * 2 + (unsigned)side};
    if (epoll_ctl(wire.epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        die("epoll_ctl");
    c->fd[side] = fd;
    c->interest[side] = 0;
}

static void accept_one(int64_t now)
{
    int fd = accept4(wire.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    struct connection *c = NULL;
    for (int i = 0; i < CONNECTIONS && c == NULL; i++)
        if (!wire.connections[i].used)
            c = &wire.connections[i];
    int64_t stands = now + wire.rtt * 3 / 2;
    if (c == NULL || !pipe_open(&c->pipe[UP], &wire.direction[UP], stands) ||
        !pipe_open(&c->pipe[DOWN], &wire.direction[DOWN], stands)) {
        close(fd);
        return;
    }
    c->used = true;
    c->connect_at = stands;
    add(c, 0, fd);
}

static bool connect_server(struct connection *c)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    int bytes = (int)wire.direction[DOWN].window;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    c->connect_at = 0;
    add(c, 1, fd);
    return connect(fd, (const struct sockaddr *)&wire.target, sizeof wire.target) == 0 ||
           errno == EINPROGRESS;
}

/* Moves what can be moved; returns when it wants to be called next. `ready` are epoll's events for
 * each side. */
static int64_t serve(struct connection *c, const uint32_t ready[2], int64_t now)
{
    if (c->connect_at != 0 && c->connect_at <= now && !connect_server(c)) {
        drop(c);
        return INT64_MAX;
    }
    bool good = true;
    for (int side = 0; side < 2 && good; side++) { /* pipe[UP] is read at side 0 */
        struct pipe *pipe = &c->pipe[side];
        int to = c->fd[1 - side];
        if ((ready[side] & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && pipe_wants(pipe))
            good = pipe_read(pipe, c->fd[side], now);
        if (to >= 0 && (!pipe->blocked || (ready[1 - side] & EPOLLOUT) != 0))
            good = good && pipe_write(pipe, to, now);
    }
    if (!good || (c->pipe[UP].closed && c->pipe[DOWN].closed)) {
        drop(c);
        return INT64_MAX;
    }
    int64_t next = c->connect_at != 0 ? c->connect_at : INT64_MAX;
    for (int side = 0; side < 2; side++) {
        int64_t due = c->fd[1 - side] >= 0 ? pipe_due(&c->pipe[side]) : INT64_MAX;
        next = due < next ? due : next;
        watch(c, side,
              (pipe_wants(&c->pipe[side]) ? (uint32_t)EPOLLIN : 0) |
                  (c->pipe[1 - side].blocked ? (uint32_t)EPOLLOUT : 0));
    }
    return next;
}

static void open_listener(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int one = 1, bytes = (int)wire.direction[UP].window;
    wire.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(wire.listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(wire.listener, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    if (bind(wire.listener, (const struct sockaddr *)&address, len) != 0 ||
        listen(wire.listener, CONNECTIONS) != 0 ||
        getsockname(wire.listener, (struct sockaddr *)&address, &len) != 0)
        die("listen");
    printf("%u\n", ntohs(address.sin_port));
    fflush(stdout);
}

static void open_epoll(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    wire.signals = signalfd(-1, &set, SFD_CLOEXEC);
    wire.epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event listener = {.events = EPOLLIN, .data.u64 = 2 * CONNECTIONS};
    struct epoll_event signals = {.events = EPOLLIN, .data.u64 = 2 * CONNECTIONS + 1};
    if (wire.signals < 0 || wire.epoll < 0 ||
        epoll_ctl(wire.epoll, EPOLL_CTL_ADD, wire.listener, &listener) != 0 ||
        epoll_ctl(wire.epoll, EPOLL_CTL_ADD, wire.signals, &signals) != 0)
        die("epoll");
}

/* Waits until `next` or for events; false when a signal ends the program. */
static bool wait_events(int64_t next, uint32_t ready[CONNECTIONS][2])
{
    struct epoll_event events[EVENTS];
    int64_t left = next == INT64_MAX ? 0 : next - pipe_now();
    left = left < 0 ? 0 : left;
    struct timespec wait = {.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000};
    int n = epoll_pwait2(wire.epoll, events, EVENTS, next == INT64_MAX ? NULL : &wait, NULL);
    memset(ready, 0, sizeof(uint32_t[CONNECTIONS][2]));
    for (int i = 0; i < n; i++) {
        uint64_t which = events[i].data.u64;
        if (which == 2 * CONNECTIONS + 1)
            return false;
        if (which == 2 * CONNECTIONS)
            accept_one(pipe_now());
        else
            ready[which / 2][which % 2] = events[i].events;
    }
    return true;
}

static void run(void)
{
    uint32_t ready[CONNECTIONS][2];
    for (int64_t next = INT64_MAX; wait_events(next, ready);) {
        int64_t now = pipe_now();
        next = INT64_MAX;
        for (int i = 0; i < CONNECTIONS; i++) {
            struct connection *c = &wire.connections[i];
            int64_t due = c->used ? serve(c, ready[i], now) : INT64_MAX;
            next = due < next ? due : next;
        }
    }
}

static void report(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    printf("{\"up\":%llu,\"down\":%llu,\"cpu_s\":%.3f}\n",
           (unsigned long long)wire.direction[UP].bytes,
           (unsigned long long)wire.direction[DOWN].bytes,
           (double)use.ru_utime.tv_sec + (double)use.ru_stime.tv_sec +
               (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6);
}

int main(int argc, char **argv)
{
    char *colon = argc == 5 ? strchr(argv[2], ':') : NULL;
    if (colon == NULL) {
        fprintf(stderr, "usage: bench_link LISTEN_PORT TARGET_HOST:PORT RTT_MS MBIT_PER_S\n");
        return 2;
    }
    *colon = '\0';
    wire.target.sin_family = AF_INET;
    wire.target.sin_port = htons((uint16_t)atoi(colon + 1));
    if (inet_pton(AF_INET, argv[2], &wire.target.sin_addr) != 1 ||
        ntohl(wire.target.sin_addr.s_addr) >> 24 != 127) {
        fprintf(stderr, "bench_link: the target must be an address of loopback, 127.x.x.x\n");
        return 2;
    }
    double mbit = atof(argv[4]);
    wire.rtt = (int64_t)(atof(argv[3]) * 1e6);
    for (int way = 0; way < 2; way++) {
        struct direction *direction = &wire.direction[way];
        direction->delay = wire.rtt / 2;
        direction->ns_per_byte = mbit > 0 ? 8000 / mbit : 0;
        double on_wire = (double)direction->delay / 1e9 * (mbit > 0 ? mbit : 10000) * 125000;
        direction->window = (size_t)on_wire + SLACK;
    }
    for (int i = 0; i < CONNECTIONS; i++)
        wire.connections[i] = (struct connection){
            .fd = {-1, -1}
        };
    open_listener((uint16_t)atoi(argv[1]));
    open_epoll();
    run();
    report();
    return 0;
}
