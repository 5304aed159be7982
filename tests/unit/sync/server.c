/* See server.h. */
#include "tests/unit/test.h"

#include "tests/unit/sync/server.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- sending ---- */

void session_hang_up(struct session *s)
{
    shutdown(s->fd, SHUT_RDWR);
}

static bool send_all(struct session *s, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(s->fd, data, len, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        data += n;
        len -= (size_t)n;
    }
    return true;
}

/* Takes one of the cuts that are left. */
static bool cut_due(struct server *server)
{
    int left = atomic_load(&server->cut_times);
    while (left > 0 && !atomic_compare_exchange_weak(&server->cut_times, &left, left - 1))
        continue;
    return left > 0;
}

bool session_write(struct session *s, const char *data, size_t len)
{
    long at = atomic_load(&s->server->cut_at);
    bool counts = at >= 0 && s->mailbox[0] != '\0';
    if (counts && at < (long)len && cut_due(s->server)) {
        send_all(s, data, (size_t)at);
        session_hang_up(s);
        return false;
    }
    if (counts)
        atomic_fetch_sub(&s->server->cut_at, at < (long)len ? at : (long)len);
    return send_all(s, data, len);
}

bool session_send(struct session *s, const char *format, ...)
{
    char text[SERVER_LINE_MAX];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return len >= 0 && (size_t)len < sizeof text && session_write(s, text, (size_t)len);
}

/* ---- the mailbox ---- */

char *server_body(const struct server *server, uint32_t uid, size_t *len)
{
    size_t room = server->body_bytes + 256;
    char *body = malloc(room);
    if (body == NULL)
        abort();
    int n =
        snprintf(body, room,
                 "From: Jane Doe <jane@example.com>\r\nSubject: message %u\r\n\r\nText.\r\n", uid);
    *len = (size_t)n;
    for (; *len < server->body_bytes; ++*len)
        body[*len] = (char)('a' + (*len + uid) % 26);
    return body;
}

bool session_examined(struct session *s, const char *tag)
{
    struct server *server = s->server;
    size_t count = atomic_load(&server->count);
    uint32_t next = count > 0 ? server->uids[count - 1] + 1 : 1;
    if (!session_send(s, "* %zu EXISTS\r\n* 0 RECENT\r\n* OK [UIDVALIDITY %u]\r\n", count,
                      atomic_load(&server->uidvalidity)))
        return false;
    if (!server->no_uidnext && !session_send(s, "* OK [UIDNEXT %u]\r\n", next))
        return false;
    return session_send(s, "%s OK [READ-ONLY] EXAMINE completed.\r\n", tag);
}

bool session_row(struct session *s, size_t index)
{
    char header[128];
    uint32_t uid = s->server->uids[index];
    int len = snprintf(header, sizeof header,
                       "From: Jane <jane@example.com>\r\nSubject: message %u\r\n\r\n", uid);
    return session_send(
        s,
        "* %zu FETCH (RFC822.SIZE 100 UID %u FLAGS (\\Seen) INTERNALDATE "
        "\"23-Nov-2026 09:14:02 +0000\" BODY[HEADER.FIELDS (FROM SUBJECT)] {%d}\r\n%s)\r\n",
        index + 1, uid, len, header);
}

bool session_flags(struct session *s, size_t index)
{
    return session_send(s, "* %zu FETCH (UID %u FLAGS (\\Seen))\r\n", index + 1,
                        s->server->uids[index]);
}

bool session_body(struct session *s, uint32_t uid)
{
    size_t len;
    char *body = server_body(s->server, uid, &len);
    bool good = session_send(s, "* 1 FETCH (UID %u BODY[] {%zu}\r\n", uid, len) &&
                session_write(s, body, len) && session_send(s, ")\r\n");
    free(body);
    return good;
}

bool command_range(const char *command, uint32_t *first, uint32_t *last)
{
    if (strncasecmp(command, "UID FETCH ", 10) != 0)
        return false;
    char *end;
    *first = *last = (uint32_t)strtoul(command + 10, &end, 10);
    if (*end == ':')
        *last = end[1] == '*' ? UINT32_MAX : (uint32_t)strtoul(end + 1, NULL, 10);
    return true;
}

bool command_is_body(const char *command)
{
    return strstr(command, "BODY.PEEK[])") != NULL;
}

static bool fetch(struct session *s, const char *tag, const char *command)
{
    struct server *server = s->server;
    uint32_t first, last;
    size_t count = atomic_load(&server->count);
    if (s->mailbox[0] == '\0' || !command_range(command, &first, &last))
        return session_send(s, "%s BAD Command received in Invalid state.\r\n", tag);
    atomic_fetch_add(&server->fetches, 1);
    bool header = strstr(command, "HEADER") != NULL, body = command_is_body(command);
    if (last == UINT32_MAX && count > 0 && first > server->uids[count - 1])
        first = server->uids[count - 1]; /* n:* always holds the last one */
    for (size_t i = 0; i < count; i++) {
        uint32_t uid = server->uids[i];
        if (uid < first || uid > last)
            continue;
        if (!(body ? session_body(s, uid) : header ? session_row(s, i) : session_flags(s, i)))
            return false;
    }
    return session_send(s, "%s OK FETCH completed.\r\n", tag);
}

/* ---- commands ---- */

static bool login(struct session *s, const char *tag, const char *command)
{
    const char *password = s->server->password;
    s->signed_in = password == NULL || strstr(command, password) != NULL;
    return session_send(s, s->signed_in ? "%s OK done\r\n" : "%s NO AUTHENTICATE failed.\r\n", tag);
}

static bool list(struct session *s, const char *tag, const char *command)
{
    const char *verb = strncasecmp(command, "LSUB", 4) == 0 ? "LSUB" : "LIST";
    atomic_fetch_add(&s->server->lists, 1);
    if (!session_send(s, "* %s () \"/\" INBOX\r\n", verb))
        return false;
    for (unsigned i = 1; i <= s->server->mailboxes; i++) {
        if (!session_send(s, "* %s () \"/\" M%u\r\n", verb, i))
            return false;
    }
    return session_send(s, "%s OK completed.\r\n", tag);
}

static bool examine(struct session *s, const char *tag, const char *command)
{
    const char *name = command + 8;
    atomic_fetch_add(&s->server->examines, 1);
    snprintf(s->mailbox, sizeof s->mailbox, "%s", name);
    return session_examined(s, tag);
}

static bool logout(struct session *s, const char *tag, const char *command)
{
    session_send(s, "* BYE signing off.\r\n%s OK LOGOUT completed.\r\n", tag);
    return false;
}

static bool capability(struct session *s, const char *tag, const char *command)
{
    const char *words = s->server->capabilities;
    return session_send(s, "* CAPABILITY %s\r\n%s OK done\r\n",
                        words != NULL ? words : "IMAP4rev1 LITERAL+ NAMESPACE", tag);
}

static bool status(struct session *s, const char *tag, const char *command)
{
    struct server *server = s->server;
    char name[64] = "";
    size_t count = atomic_load(&server->count);
    sscanf(command, "%*s %63s", name);
    atomic_fetch_add(&server->statuses, 1);
    return session_send(s,
                        "* STATUS %s (MESSAGES %zu UIDNEXT %u UIDVALIDITY %u UNSEEN 0)\r\n"
                        "%s OK STATUS completed.\r\n",
                        name, count, count > 0 ? server->uids[count - 1] + 1 : 1,
                        atomic_load(&server->uidvalidity), tag);
}

static bool idle(struct session *s, const char *tag, const char *command)
{
    bool good = session_send(s, "+ IDLE accepted, awaiting DONE command.\r\n");
    pthread_mutex_lock(&s->server->lock);
    snprintf(s->idle_tag, sizeof s->idle_tag, "%s", tag);
    pthread_mutex_unlock(&s->server->lock);
    return good;
}

static bool idle_over(struct session *s)
{
    char tag[sizeof s->idle_tag];
    pthread_mutex_lock(&s->server->lock);
    memcpy(tag, s->idle_tag, sizeof tag);
    s->idle_tag[0] = '\0';
    pthread_mutex_unlock(&s->server->lock);
    return tag[0] != '\0' && session_send(s, "%s OK IDLE completed.\r\n", tag);
}

unsigned server_push(struct server *server)
{
    unsigned told = 0;
    pthread_mutex_lock(&server->lock);
    for (size_t i = 0; i < SESSIONS_MAX; i++) {
        struct session *s = &server->sessions[i];
        if (s->used && !s->over && s->idle_tag[0] != '\0')
            told += session_send(s, "* %zu EXISTS\r\n", atomic_load(&server->count));
    }
    pthread_mutex_unlock(&server->lock);
    return told;
}

static bool namespace(struct session *s, const char *tag, const char *command)
{
    return session_send(s, "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n%s OK done\r\n", tag);
}

static bool answer(struct session *s, const char *tag, const char *command)
{
    static const struct {
        const char *verb;
        bool (*run)(struct session *, const char *, const char *);
    } verbs[] = {
        {"CAPABILITY", capability},
        {"LOGIN",      login     },
        {"NAMESPACE",  namespace },
        {"LIST",       list      },
        {"LSUB",       list      },
        {"EXAMINE",    examine   },
        {"STATUS",     status    },
        {"IDLE",       idle      },
        {"UID FETCH",  fetch     },
        {"LOGOUT",     logout    },
    };
    server_hook *hook = atomic_load(&s->server->hook);
    if (hook != NULL && hook(s, tag, command))
        return true;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strncasecmp(command, verbs[i].verb, strlen(verbs[i].verb)) == 0)
            return verbs[i].run(s, tag, command);
    }
    return session_send(s, "%s OK done\r\n", tag);
}

/* ---- threads ---- */

static bool take_line(struct session *s, char *line)
{
    for (;;) {
        char *end = memchr(s->in, '\n', s->in_len);
        if (end != NULL) {
            size_t len = (size_t)(end - s->in);
            memcpy(line, s->in, len);
            line[len > 0 && line[len - 1] == '\r' ? len - 1 : len] = '\0';
            s->in_len -= len + 1;
            memmove(s->in, end + 1, s->in_len);
            return true;
        }
        ssize_t n = s->in_len < sizeof s->in
                        ? recv(s->fd, s->in + s->in_len, sizeof s->in - s->in_len, 0)
                        : 0;
        if (n <= 0)
            return false;
        s->in_len += (size_t)n;
    }
}

bool session_read(struct session *s, char *to, size_t len)
{
    for (size_t at = 0; at < len;) {
        if (s->in_len == 0) {
            ssize_t n = recv(s->fd, s->in, sizeof s->in, 0);
            if (n <= 0)
                return false;
            s->in_len = (size_t)n;
        }
        size_t take = s->in_len < len - at ? s->in_len : len - at;
        memcpy(to + at, s->in, take);
        s->in_len -= take;
        memmove(s->in, s->in + take, s->in_len);
        at += take;
    }
    return true;
}

static void *serve(void *arg)
{
    struct session *s = arg;
    char line[SERVER_LINE_MAX];
    bool going = session_send(s, "* OK ready\r\n");
    while (going && take_line(s, line)) {
        char *command = strchr(line, ' ');
        if (strcasecmp(line, "DONE") == 0) {
            going = idle_over(s);
            continue;
        }
        if (command == NULL)
            break;
        *command++ = '\0';
        going = answer(s, line, command);
    }
    shutdown(s->fd, SHUT_WR);
    while (recv(s->fd, s->in, sizeof s->in, 0) > 0) /* else unread bytes turn the end into RST */
        continue;
    pthread_mutex_lock(&s->server->lock);
    s->over = true;
    pthread_mutex_unlock(&s->server->lock);
    return NULL;
}

static void session_free(struct session *s)
{
    pthread_join(s->thread, NULL);
    close(s->fd);
    s->used = false;
}

/* A place for a connection; finished ones are cleared away. With the lock held. */
static struct session *place(struct server *server)
{
    struct session *found = NULL;
    for (size_t i = 0; i < SESSIONS_MAX; i++) {
        struct session *s = &server->sessions[i];
        if (s->used && s->over)
            session_free(s);
        if (!s->used && found == NULL)
            found = s;
    }
    return found;
}

static void *accept_all(void *arg)
{
    struct server *server = arg;
    for (int fd; (fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0;) {
        int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        pthread_mutex_lock(&server->lock);
        struct session *s = place(server);
        if (s == NULL) {
            close(fd);
        } else {
            memset(s, 0, sizeof *s);
            s->server = server;
            s->fd = fd;
            s->used = true;
            s->number = atomic_fetch_add(&server->accepted, 1) + 1;
            pthread_create(&s->thread, NULL, serve, s);
        }
        pthread_mutex_unlock(&server->lock);
    }
    return NULL;
}

void server_start(struct server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(server->listener, 16), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &len), 0);
    server->port = ntohs(address.sin_port);
    pthread_mutex_init(&server->lock, NULL);
    assert_int_equal(pthread_create(&server->thread, NULL, accept_all, server), 0);
}

void server_stop(struct server *server)
{
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->listener);
    for (size_t i = 0; i < SESSIONS_MAX; i++) {
        if (server->sessions[i].used) {
            shutdown(server->sessions[i].fd, SHUT_RDWR);
            session_free(&server->sessions[i]);
        }
    }
    pthread_mutex_destroy(&server->lock);
}
