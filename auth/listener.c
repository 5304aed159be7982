/*
 * See listener.h. One poll loop over the listening socket and a few clients: browsers open
 * connections ahead of need and say nothing on them, and ask for /favicon.ico, so a client may
 * neither block the others nor end the wait. A client has a bounded request and ten seconds.
 */
#include "auth/listener.h"
#include "auth/fail.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "auth/exchange.h"
#include "base/clock.h"

enum { CLIENTS = 8, REQUEST_MAX = AUTH_CODE_MAX + 16384, CLIENT_MS = 10000, REST_MS = 200 };

struct client {
    int fd; /* -1: a free place */
    int64_t deadline;
    struct buffer request;
};

struct auth_listener {
    int fd;
    unsigned port;
    struct client clients[CLIENTS];
};

static const char good_page[] = "outlookfs has what it needs.";
static const char bad_page[] = "Signing in did not succeed; the terminal tells why.";
static const char other_page[] = "There is nothing here.";

enum auth_error auth_listener_open(struct auth_listener **listener, char *text)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    struct auth_listener *l = calloc(1, sizeof *l);
    if (l == NULL) {
        return auth_fail(text, AUTH_ERR_MEMORY, "no memory to sign in");
    }
    for (size_t i = 0; i < CLIENTS; i++)
        l->clients[i].fd = -1;
    l->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l->fd < 0 || bind(l->fd, (struct sockaddr *)&address, len) != 0 ||
        listen(l->fd, CLIENTS) != 0 || getsockname(l->fd, (struct sockaddr *)&address, &len) != 0) {
        snprintf(text, AUTH_TEXT_MAX, "no port can be opened on 127.0.0.1 (%s); use --device",
                 strerrordesc_np(errno));
        auth_listener_close(&l);
        return AUTH_ERR_STORE;
    }
    l->port = ntohs(address.sin_port);
    *listener = l;
    return AUTH_OK;
}

unsigned auth_listener_port(const struct auth_listener *listener)
{
    return listener->port;
}

static void client_drop(struct client *client)
{
    close(client->fd);
    client->fd = -1;
    buffer_wipe(&client->request);
}

void auth_listener_close(struct auth_listener **listener)
{
    struct auth_listener *l = *listener;
    if (l == NULL)
        return;
    for (size_t i = 0; i < CLIENTS; i++)
        if (l->clients[i].fd >= 0)
            client_drop(&l->clients[i]);
    if (l->fd >= 0)
        close(l->fd);
    free(l);
    *listener = NULL;
}

/* NULL: there is no client. */
static struct client *oldest_client(struct auth_listener *l)
{
    struct client *oldest = NULL;
    for (size_t i = 0; i < CLIENTS; i++) {
        struct client *client = &l->clients[i];
        if (client->fd >= 0 && (oldest == NULL || client->deadline < oldest->deadline))
            oldest = client;
    }
    return oldest;
}

/* The oldest client makes room for a new one. */
static struct client *place(struct auth_listener *l)
{
    for (size_t i = 0; i < CLIENTS; i++)
        if (l->clients[i].fd < 0)
            return &l->clients[i];
    struct client *oldest = oldest_client(l);
    client_drop(oldest);
    return oldest;
}

/* Where this process has no descriptor left, the oldest client gives his; and where there is none,
 * to try again at once would be a loop. */
static void make_room(struct auth_listener *l)
{
    struct client *oldest = oldest_client(l);
    if (oldest != NULL)
        client_drop(oldest);
    else
        poll(NULL, 0, REST_MS);
}

static void client_accept(struct auth_listener *l)
{
    int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
            make_room(l);
        return;
    }
    struct client *client = place(l);
    client->fd = fd;
    client->deadline = clock_ms() + CLIENT_MS;
    buffer_init(&client->request, REQUEST_MAX);
}

/* The page is smaller than any socket's buffer, so one send takes it. */
static void client_answer(const struct client *client, const char *status, const char *sentence)
{
    char answer[1024];
    int len = snprintf(
        answer, sizeof answer,
        "HTTP/1.1 %s\r\nContent-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\n"
        "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n"
        "Referrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\n"
        "Connection: close\r\n\r\n"
        "<!doctype html><html lang=en><meta charset=utf-8><title>outlookfs</title>"
        "<body style=\"font:1.2em sans-serif;margin:4em\"><p>%s</p>"
        "<p>You can close this window.</p></body></html>\n",
        status, sentence);
    ssize_t ignored = send(client->fd, answer, (size_t)len, MSG_NOSIGNAL);
    (void)ignored; /* a browser that is gone needs no page */
    shutdown(client->fd, SHUT_WR);
}

/* Answers one whole request; true when it is the one that was waited for. */
static bool client_serve(const struct client *client, const char *state,
                         struct auth_returned *returned)
{
    static const char start[] = "GET /?";
    const char *head = client->request.data;
    size_t line = strcspn(head, "\r\n");
    const char *query = head + sizeof start - 1;
    const char *end = memchr(head, ' ', line) == NULL || strncmp(head, start, sizeof start - 1) != 0
                          ? NULL
                          : memchr(query, ' ', line - (sizeof start - 1));
    if (end == NULL) {
        client_answer(client, "404 Not Found", other_page);
        return false;
    }
    if (!auth_returned_read(query, (size_t)(end - query), state, returned)) {
        client_answer(client, "400 Bad Request", other_page);
        return false;
    }
    client_answer(client, "200 OK", returned->error[0] == '\0' ? good_page : bad_page);
    return true;
}

enum progress { MORE, FINISHED, CAME_BACK };

static enum progress client_read(struct client *client, const char *state,
                                 struct auth_returned *returned)
{
    char *room = buffer_reserve(&client->request, 4096);
    ssize_t n = room != NULL ? recv(client->fd, room, 4096, 0) : 0;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return MORE;
    if (n <= 0)
        return FINISHED;
    buffer_commit(&client->request, (size_t)n);
    if (strstr(client->request.data, "\r\n\r\n") == NULL)
        return MORE;
    return client_serve(client, state, returned) ? CAME_BACK : FINISHED;
}

/* One wait and what it led to; true when the browser has come back. */
static bool turn(struct auth_listener *l, struct pollfd *fds, const char *state,
                 struct auth_returned *returned)
{
    bool came = false;
    int64_t now = clock_ms();
    for (size_t i = 0; i < CLIENTS && !came; i++) {
        struct client *client = &l->clients[i];
        if (client->fd < 0 || client->fd != fds[i].fd)
            continue;
        enum progress progress = fds[i].revents != 0 ? client_read(client, state, returned) : MORE;
        came = progress == CAME_BACK;
        if (progress != MORE || now >= client->deadline)
            client_drop(client);
    }
    if (!came && fds[CLIENTS].revents != 0)
        client_accept(l);
    return came;
}

/* Fills the descriptors; returns the time until the next deadline. */
static int prepare(const struct auth_listener *l, struct pollfd *fds, int cancel_fd,
                   int64_t deadline)
{
    for (size_t i = 0; i < CLIENTS; i++) {
        fds[i] = (struct pollfd){.fd = l->clients[i].fd, .events = POLLIN};
        if (l->clients[i].fd >= 0 && l->clients[i].deadline < deadline)
            deadline = l->clients[i].deadline;
    }
    fds[CLIENTS] = (struct pollfd){.fd = l->fd, .events = POLLIN};
    fds[CLIENTS + 1] = (struct pollfd){.fd = cancel_fd, .events = POLLIN};
    return clock_until(deadline);
}

enum auth_error auth_listener_wait(struct auth_listener *listener, const char *state,
                                   int timeout_ms, int cancel_fd, struct auth_returned *returned,
                                   char *text)
{
    struct pollfd fds[CLIENTS + 2];
    int64_t deadline = clock_ms() + timeout_ms;
    while (clock_ms() < deadline) {
        if (poll(fds, CLIENTS + 2, prepare(listener, fds, cancel_fd, deadline)) < 0)
            continue; /* EINTR */
        if (fds[CLIENTS + 1].revents != 0) {
            snprintf(text, AUTH_TEXT_MAX, "signing in was interrupted; nothing was changed");
            return AUTH_ERR_CANCELLED;
        }
        if (turn(listener, fds, state, returned))
            return AUTH_OK;
    }
    snprintf(text, AUTH_TEXT_MAX,
             "the browser did not come back within %d minutes; try again, or use --device",
             timeout_ms / 60000);
    return AUTH_ERR_REFUSED;
}
