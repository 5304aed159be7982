/*
 * One connection to an IMAP server: TCP, TLS, sign-in, then commands in a pipeline.
 *
 * The thread that opens a connection owns it; nobody else calls anything here. Opening blocks, up
 * to settings.connect_timeout_ms for TCP and TLS and settings.timeout_ms without progress
 * afterwards. After that the connection never blocks except in imap_connection_step, which waits
 * for the socket, the wake descriptor and the clock, moves what bytes there are, and calls back.
 *
 * Commands are pipelined: submit writes to a queue, and as many as were submitted are on their way
 * at once. The server answers in order (RFC 3501 section 5.5), so each tagged reply completes the
 * command with that tag. Untagged data belongs to no command and goes to the handler as it comes.
 *
 * States: greeting -> (starttls) -> capability -> authenticate -> ready -> (idle) -> logout ->
 * closed. One function moves between them and logs each move at debug level.
 */
#ifndef OUTLOOKFS_IMAP_CONNECTION_H
#define OUTLOOKFS_IMAP_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "imap/command.h"
#include "imap/error.h"
#include "imap/parser.h"
#include "imap/response.h"

enum imap_tls { IMAP_TLS_IMPLICIT, IMAP_TLS_STARTTLS, IMAP_TLS_NONE };
enum imap_auth { IMAP_AUTH_XOAUTH2, IMAP_AUTH_OAUTHBEARER, IMAP_AUTH_PASSWORD };

struct imap_settings {
    const char *host;
    uint16_t port;
    enum imap_tls tls;  /* IMAP_TLS_NONE only where every address of host is loopback */
    const char *cafile; /* adds these roots (PEM) to the system's; NULL: the system's alone */
    enum imap_auth auth;
    const char *username;
    bool compress;          /* COMPRESS=DEFLATE where the server offers it */
    int connect_timeout_ms; /* TCP and TLS, each */
    int timeout_ms;         /* longest time without 1 KiB of progress or a completed command */
    int cancel_fd; /* readable: everything returns IMAP_ERR_CANCELLED at once; -1: none. Not read
                      from. */
};

/* Capabilities that change what we do. Updated from every CAPABILITY seen. */
enum {
    IMAP_CAP_SASL_IR = 1 << 0,
    IMAP_CAP_LITERAL_PLUS = 1 << 1,
    IMAP_CAP_UIDPLUS = 1 << 2,
    IMAP_CAP_MOVE = 1 << 3,
    IMAP_CAP_ID = 1 << 4,
    IMAP_CAP_UNSELECT = 1 << 5,
    IMAP_CAP_IDLE = 1 << 6,
    IMAP_CAP_NAMESPACE = 1 << 7,
    IMAP_CAP_CONDSTORE = 1 << 8,
    IMAP_CAP_QRESYNC = 1 << 9,
    IMAP_CAP_ESEARCH = 1 << 10,
    IMAP_CAP_LIST_EXTENDED = 1 << 11,
    IMAP_CAP_LIST_STATUS = 1 << 12,
    IMAP_CAP_SPECIAL_USE = 1 << 13,
    IMAP_CAP_NOTIFY = 1 << 14,
    IMAP_CAP_QUOTA = 1 << 15,
    IMAP_CAP_COMPRESS = 1 << 16,
    IMAP_CAP_STARTTLS = 1 << 17,
    IMAP_CAP_LOGINDISABLED = 1 << 18,
    IMAP_CAP_AUTH_PLAIN = 1 << 19,
    IMAP_CAP_AUTH_XOAUTH2 = 1 << 20,
    IMAP_CAP_AUTH_OAUTHBEARER = 1 << 21,
    IMAP_CAP_ENABLE = 1 << 22,
    IMAP_CAP_APPENDLIMIT = 1 << 23,
    IMAP_CAP_LITERAL_MINUS = 1 << 24,
};

struct imap_connection;

/* What the server says besides tagged replies. All called from within imap_connection_step. The
 * connection has already taken note of what concerns itself (capabilities, the selected mailbox).
 */
struct imap_handler {
    void *ctx;
    void (*untagged)(void *ctx, const struct imap_response *response);
    struct imap_body_sink body; /* body.ctx is its own */
};

/*
 * Connects, checks the certificate, signs in with `secret` (access token or password), and probes
 * with NAMESPACE where the server has it, else NOOP (OUTLOOK.md section 1: "authenticated but not
 * connected"), pipelined with CAPABILITY and ID, and COMPRESS (RFC 4978) where both sides want it,
 * after the sign-in, so that no secret is compressed. Returns IMAP_OK and the connection, or the
 * error with *failure filled for a person. `secret` is not kept. Handler and settings' strings must
 * outlive the connection.
 */
enum imap_error imap_connection_open(struct imap_connection **connection,
                                     const struct imap_settings *settings, const char *secret,
                                     const struct imap_handler *handler,
                                     struct imap_failure *failure)
    __attribute__((warn_unused_result));

/* LOGOUT where the connection still stands, waiting for the BYE at most a second, then closes.
 * Commands in flight complete with IMAP_ERR_CANCELLED first. *connection becomes NULL. */
void imap_connection_close(struct imap_connection **connection);

unsigned imap_connection_capabilities(const struct imap_connection *c); /* IMAP_CAP_x bits */

/* Whether SELECT and EXAMINE take imap_command_resync's words: the server has QRESYNC (RFC 7162)
 * and enabled it. It then says VANISHED where others say EXPUNGE. */
bool imap_connection_resyncs(const struct imap_connection *c);

/* The personal namespace: prefix (may be "") and delimiter (0 unknown). Valid while the connection
 * is. */
void imap_connection_namespace(const struct imap_connection *c, const char **prefix,
                               char *delimiter);

/* The mailbox that is selected, as the last SELECT or EXAMINE and what came since described it. */
struct imap_selected {
    char *name; /* the server's own name; NULL: nothing selected */
    bool read_only;
    uint32_t uidvalidity;
    uint32_t uidnext; /* 0: the server did not say */
    uint32_t exists;
    uint64_t highestmodseq;
    unsigned permanent_flags; /* IMAP_FLAG_x bits */
    char *permanent_keywords; /* PERMANENTFLAGS as sent; NULL: not sent, all are permanent */
};
/* Never NULL; changes under step; `name` is NULL between a SELECT's submission and its OK. */
const struct imap_selected *imap_connection_selected(const struct imap_connection *c);

/*
 * What is sure about a command that ended. A command that changes mail is sent again only where it
 * was surely not carried out (imap_outcome_is_undone); after UNKNOWN the caller looks at the
 * mailbox first.
 *
 * "Handed to the socket" is counted byte by byte; the server may have got less, never more. Under
 * TLS it means in a record that went out whole.
 */
enum imap_outcome {
    IMAP_OUTCOME_ANSWERED,  /* the server's tagged reply came: `error` says what it was */
    IMAP_OUTCOME_NOT_SENT,  /* not one byte of the command was handed to the socket */
    IMAP_OUTCOME_NOT_WHOLE, /* it has literals, and the last of them (an APPEND's message) was not
                               handed over to its last byte: the server, which knows its length,
                               cannot have carried it out */
    IMAP_OUTCOME_UNKNOWN,   /* more than that was handed over, and no reply came */
};

/* Whether the command was surely not carried out. An answer is no answer to this: a refused MOVE
 * may have moved some. */
static inline bool imap_outcome_is_undone(enum imap_outcome outcome)
{
    return outcome == IMAP_OUTCOME_NOT_SENT || outcome == IMAP_OUTCOME_NOT_WHOLE;
}

/* Where the server says that copies went (RFC 4315); imap_uidpairs_init walks the sets. */
struct imap_copyuid {
    uint32_t uidvalidity;            /* of the target mailbox */
    struct imap_span source, target; /* as sent, not checked; both empty: nothing was copied */
};
struct imap_appenduid {
    uint32_t uidvalidity, uid;
};

/* How a command ended. Everything that it points to is valid during the call. */
struct imap_completion {
    enum imap_error error;                /* IMAP_OK, IMAP_ERR_NO, IMAP_ERR_BAD, IMAP_ERR_THROTTLED,
                                             IMAP_ERR_SOURCE,                or what ended the connection */
    const struct imap_response *response; /* the tagged reply; NULL: there was none */
    const struct imap_failure *failure;   /* for a person, and the back-off */
    enum imap_refusal refusal;            /* why, after IMAP_ERR_NO and IMAP_ERR_BAD */
    enum imap_outcome outcome;
    /* Of UID COPY and UID MOVE, and of APPEND, whether it stood in the reply, in an untagged OK or
     * in a bare line before it; NULL: the server did not say, or not so that it is sure which of
     * several commands it meant. It may name fewer UIDs than were asked for: nothing is known of
     * the others. What came before a connection broke is told too: those copies are there. */
    const struct imap_copyuid *copyuid;
    const struct imap_appenduid *appenduid;
};
typedef void imap_done_fn(void *ctx, const struct imap_completion *completion);

/* Takes the command's content (it is empty afterwards, whatever is returned) and puts it in the
 * pipeline. `done` is called exactly once, from step or close, unless submit itself fails. A done
 * function may submit more commands; it must not call step or close. */
enum imap_error imap_connection_submit(struct imap_connection *c, struct imap_command *command,
                                       imap_done_fn *done, void *ctx)
    __attribute__((warn_unused_result));

/*
 * As imap_connection_submit, for a command that changes mail by UID (UID COPY, MOVE, STORE,
 * EXPUNGE) or that empties a mailbox (EXPUNGE). UIDs mean messages only together with the mailbox's
 * UIDVALIDITY (RFC 3501 section 2.3.1.1), and pipelined behind a SELECT that turns out to open
 * something else they would hit other mail. So it refuses with IMAP_ERR_STALE, and sends nothing,
 * unless `mailbox` is selected by a SELECT (not EXAMINE) that was answered, has this UIDVALIDITY,
 * and nothing that changes the selection is in flight behind it.
 *
 * A caller submits SELECT, waits for its done function, and calls this in it or later. On
 * IMAP_ERR_STALE it looks at imap_connection_selected: another `name`, or none, means to select
 * again; another `uidvalidity` means that the UIDs it knew stand for nothing any more; `read_only`
 * that the server allows no change. A server that names no UIDVALIDITY is never changed by UID.
 */
enum imap_error imap_connection_submit_changing(struct imap_connection *c, const char *mailbox,
                                                uint32_t uidvalidity, struct imap_command *command,
                                                imap_done_fn *done, void *ctx)
    __attribute__((warn_unused_result));

/* Whether the other side is still there is in doubt (the machine was asleep): a NOOP goes out where
 * nothing is expected, and the next byte has to come within `bound_ms`, if that is less than
 * settings.timeout_ms. IDLE must have been ended. What is submitted afterwards goes out behind it.
 */
enum imap_error imap_connection_check(struct imap_connection *c, int bound_ms)
    __attribute__((warn_unused_result));

/* Commands submitted and not yet completed. */
size_t imap_connection_in_flight(const struct imap_connection *c);

/*
 * Waits at most `wait_ms` (-1: no bound but the settings') for bytes, for room to write, or for
 * `wake_fd` to be readable (-1: none; not read from), then handles all there is without waiting
 * again. IMAP_OK: go on. Anything else: the connection is finished, each command in flight has been
 * completed with that error (one whose source failed with IMAP_ERR_SOURCE), and only
 * imap_connection_close may follow; imap_connection_failure tells more.
 */
enum imap_error imap_connection_step(struct imap_connection *c, int wait_ms, int wake_fd)
    __attribute__((warn_unused_result));
const struct imap_failure *imap_connection_failure(const struct imap_connection *c);

/* IDLE (RFC 2177): no other command may be submitted until imap_connection_idle_end was called.
 * `done` completes when the server confirmed the end. Pushes reach the handler. */
enum imap_error imap_connection_idle(struct imap_connection *c, imap_done_fn *done, void *ctx)
    __attribute__((warn_unused_result));
enum imap_error imap_connection_idle_end(struct imap_connection *c)
    __attribute__((warn_unused_result));

#endif
