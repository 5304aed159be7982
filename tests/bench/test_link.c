/*
 * Measures bench_link (path in argv[1]) at 100 Mbit/s and 50 ms: the rate each way with one and
 * with four connections, a round trip, making a connection, that the bytes are the same, and its
 * own CPU time. A rate above the nominal one is as wrong as one below 97 %.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FLOW_BYTES = 24 * 1000 * 1000, PIECE = 65536, FLOWS = 4, RTT_MS = 50 };

static int failures;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void check(const char *what, double value, double least, double most)
{
    int good = value >= least && value <= most;
    printf("%s %-34s %9.2f (%.2f to %.2f)\n", good ? "ok  " : "FAIL", what, value, least, most);
    failures += !good;
}

static int socket_at(uint16_t port, int listening, uint16_t *got)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int bad = listening ? bind(fd, (struct sockaddr *)&address, len) != 0 || listen(fd, 16) != 0
                        : connect(fd, (struct sockaddr *)&address, len) != 0;
    if (bad || (got != NULL && getsockname(fd, (struct sockaddr *)&address, &len) != 0)) {
        perror("socket");
        exit(1);
    }
    if (got != NULL)
        *got = ntohs(address.sin_port);
    return fd;
}

static char byte_at(size_t offset)
{
    return (char)(offset * 131 >> 5);
}

struct flow {
    int fd;
    size_t bytes;
    size_t wrong;
    double first, last; /* when the first and the last byte came */
};

static void *send_flow(void *arg)
{
    struct flow *flow = arg;
    char piece[PIECE];
    for (size_t sent = 0; sent < flow->bytes;) {
        size_t n = flow->bytes - sent < PIECE ? flow->bytes - sent : PIECE;
        for (size_t i = 0; i < n; i++)
            piece[i] = byte_at(sent + i);
        ssize_t gone = send(flow->fd, piece, n, MSG_NOSIGNAL);
        if (gone <= 0)
            break;
        sent += (size_t)gone;
    }
    shutdown(flow->fd, SHUT_WR);
    return NULL;
}

static void *receive_flow(void *arg)
{
    struct flow *flow = arg;
    char piece[PIECE];
    size_t got = 0;
    for (ssize_t n; (n = recv(flow->fd, piece, PIECE, 0)) > 0; got += (size_t)n) {
        flow->last = now();
        if (got == 0)
            flow->first = flow->last;
        for (size_t i = 0; i < (size_t)n; i++)
            flow->wrong += piece[i] != byte_at(got + i);
    }
    flow->wrong += got != flow->bytes;
    return NULL;
}

/* Sends FLOW_BYTES in all over `count` connections, client to server or back; Mbit/s. */
static void measure_rate(const char *what, uint16_t port, int listener, int count, int down)
{
    struct flow sending[FLOWS], receiving[FLOWS];
    pthread_t threads[2 * FLOWS];
    size_t wrong = 0;
    for (int i = 0; i < count; i++) {
        int client = socket_at(port, 0, NULL);
        int server = accept(listener, NULL, NULL);
        size_t bytes = (size_t)FLOW_BYTES / (size_t)count;
        sending[i] = (struct flow){.fd = down ? server : client, .bytes = bytes};
        receiving[i] = (struct flow){.fd = down ? client : server, .bytes = bytes};
    }
    for (int i = 0; i < count; i++) {
        pthread_create(&threads[2 * i], NULL, receive_flow, &receiving[i]);
        pthread_create(&threads[2 * i + 1], NULL, send_flow, &sending[i]);
    }
    double first = 1e18, last = 0;
    for (int i = 0; i < count; i++) {
        pthread_join(threads[2 * i], NULL);
        pthread_join(threads[2 * i + 1], NULL);
        first = receiving[i].first < first ? receiving[i].first : first;
        last = receiving[i].last > last ? receiving[i].last : last;
        wrong += receiving[i].wrong;
        close(sending[i].fd);
        close(receiving[i].fd);
    }
    check(what, FLOW_BYTES * 8 / 1e6 / (last - first), 97, 101);
    check("  wrong bytes", (double)wrong, 0, 0);
}

static void measure_round_trip(uint16_t port, int listener)
{
    char byte = 'x';
    double start = now();
    int client = socket_at(port, 0, NULL);
    int server = accept(listener, NULL, NULL);
    check("server hears of a connection, ms", (now() - start) * 1e3, 1.5 * RTT_MS - 1,
          1.5 * RTT_MS + 20);
    double best = 1e18;
    for (int i = 0; i < 5; i++) {
        start = now();
        if (send(client, &byte, 1, 0) != 1 || recv(server, &byte, 1, 0) != 1 ||
            send(server, &byte, 1, 0) != 1 || recv(client, &byte, 1, 0) != 1)
            failures++;
        best = now() - start < best ? now() - start : best;
    }
    check("a round trip, ms", best * 1e3, RTT_MS, RTT_MS + 3);
    close(client);
    start = now();
    if (recv(server, &byte, 1, 0) != 0)
        failures++;
    check("an end crosses, ms", (now() - start) * 1e3, RTT_MS / 2.0 - 1, RTT_MS / 2.0 + 10);
    close(server);
}

static pid_t start_link(const char *program, uint16_t target, FILE **out)
{
    int ends[2];
    char where[32], rtt[16];
    snprintf(where, sizeof where, "127.0.0.1:%u", target);
    snprintf(rtt, sizeof rtt, "%d", RTT_MS);
    if (pipe(ends) != 0)
        exit(1);
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        execl(program, program, "0", where, rtt, "100", (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    *out = fdopen(ends[0], "r");
    return child;
}

int main(int argc, char **argv)
{
    unsigned port = 0;
    uint16_t target;
    FILE *out;
    alarm(50);
    int listener = socket_at(0, 1, &target);
    pid_t child = start_link(argc > 1 ? argv[1] : "./bench_link", target, &out);
    if (fscanf(out, "%u", &port) != 1)
        return 1;
    measure_round_trip((uint16_t)port, listener);
    measure_rate("1 connection down, Mbit/s", (uint16_t)port, listener, 1, 1);
    measure_rate("1 connection up, Mbit/s", (uint16_t)port, listener, 1, 0);
    measure_rate("4 connections down, Mbit/s", (uint16_t)port, listener, FLOWS, 1);
    unsigned long long up = 0, down = 0;
    double cpu = 0;
    kill(child, SIGTERM);
    if (fscanf(out, " {\"up\":%llu,\"down\":%llu,\"cpu_s\":%lf}", &up, &down, &cpu) != 3)
        failures++;
    waitpid(child, NULL, 0);
    check("bytes counted, million", (double)(up + down) / 1e6, 72, 72.01);
    check("CPU of the link, % of one core", cpu / (3 * FLOW_BYTES * 8 / 1e8) * 100, 0, 25);
    return failures != 0;
}
