/*
 * An IMAP server for the tests of sync/: real enough to be listed and fetched from, on loopback,
 * without TLS, a thread a connection. Every mailbox (INBOX, M1, M2, ...) holds the same messages.
 *
 * A test's misbehaviour goes into `hook`, which sees each command first and may answer it itself,
 * or into the cut: the connection ends in the middle of an answer, at a byte that the test chooses.
 * Nothing in these threads asserts: cmocka's jumps belong to the main thread.
 */
#ifndef OUTLOOKFS_TESTS_UNIT_SYNC_SERVER_H
#define OUTLOOKFS_TESTS_UNIT_SYNC_SERVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SESSIONS_MAX = 64, SERVER_LINE_MAX = 8192 };

struct server;

struct session {
    struct server *server;
    pthread_t thread;
    int fd;
    bool used, over;
    unsigned number; /* of this server's connections, from 1 */
    bool signed_in;
    bool mute;         /* a hook's own */
    uint32_t heard;    /* a hook's own: UIDs below this are what it knows of its mailbox */
    char mailbox[64];  /* examined; "": none */
    char idle_tag[16]; /* in IDLE; "": not. Protected by the server's lock */
    char in[SERVER_LINE_MAX];
    size_t in_len;
};

/* True: the command is dealt with. False from session_send: the connection is over. */
typedef bool server_hook(struct session *s, const char *tag, const char *command);

struct server {
    int listener;
    uint16_t port;
    pthread_t thread;
    pthread_mutex_t lock;
    struct session sessions[SESSIONS_MAX]; /* protected by lock: used, over, fd */
    /* Set before the start, or while no command is under way. */
    unsigned mailboxes; /* besides INBOX */
    const uint32_t *uids;
    _Atomic size_t count;
    atomic_uint uidvalidity;
    size_t body_bytes; /* at least; 0: short ones */
    bool no_uidnext;
    const char *password;     /* NULL: any will do */
    const char *capabilities; /* NULL: few */
    _Atomic(server_hook *) hook;
    /* The cut counts bytes of answers to EXAMINE and FETCH, afresh on each connection. */
    atomic_long cut_at; /* -1: no cut */
    atomic_int cut_times;
    atomic_uint accepted, fetches, examines, lists, statuses;
};

void server_start(struct server *server);
void server_stop(struct server *server);

/* Tells each session that idles how many messages there are; returns how many were told. */
unsigned server_push(struct server *server);

/* Sends, false when the connection ended (or was cut just now). */
bool session_send(struct session *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool session_write(struct session *s, const char *data, size_t len);
/* Reads what follows the command's line; false when the connection ended. For a hook. */
bool session_read(struct session *s, char *to, size_t len);
/* Ends the connection at once. */
void session_hang_up(struct session *s);

/* The untagged answers that make a normal server. */
bool session_examined(struct session *s, const char *tag);
bool session_row(struct session *s, size_t index);   /* as a listing asks */
bool session_flags(struct session *s, size_t index); /* UID and FLAGS */
bool session_body(struct session *s, uint32_t uid);  /* UID and BODY[] */
/* The whole body of `uid`; malloc. */
char *server_body(const struct server *server, uint32_t uid, size_t *len);

/* The first and last UID of "UID FETCH a:b ..."; false when it is another command. */
bool command_range(const char *command, uint32_t *first, uint32_t *last);
bool command_is_body(const char *command);

#endif
