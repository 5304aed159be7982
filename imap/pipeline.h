/*
 * The inside of a connection, shared by the files that make it up and by nobody else:
 *
 *   connect.c     opens: greeting, STARTTLS, sign-in
 *   probe.c       the end of the opening: capabilities anew, ID, NAMESPACE, ENABLE, COMPRESS
 *   opening.c     what the two share: how a command of the opening ends, and the opening with it
 *   connection.c  the public calls: step, IDLE, close
 *   pipeline.c    requests: made from commands, found by tag, completed
 *   sending.c     their bytes on the way out: holds, sources, and what had gone out at the end
 *   dispatch.c    responses: what each means for the connection, then on to the handler
 *   selected.c    the selected mailbox
 *   uids.c        APPENDUID and COPYUID, and whose they are
 *
 * A request is its bytes (tag, text, literals, final CRLF) with marks. One mark says where the
 * bytes of a streamed literal go in. The others are its holds: places where sending stops until the
 * server says "+". A literal that is not LITERAL+ is one, the response line of AUTHENTICATE
 * another, the DONE of IDLE a third that also waits for the caller's word. So there is one rule for
 * all of them, and all that is queued behind a hold waits with it.
 *
 * Everything here runs in the connection's thread.
 */
#ifndef OUTLOOKFS_IMAP_PIPELINE_H
#define OUTLOOKFS_IMAP_PIPELINE_H

#include "imap/connection.h"
#include "imap/stream.h"

enum imap_state {
    IMAP_STATE_GREETING,
    IMAP_STATE_STARTTLS,
    IMAP_STATE_CAPABILITY,
    IMAP_STATE_AUTHENTICATE,
    IMAP_STATE_PROBE,
    IMAP_STATE_READY,
    IMAP_STATE_IDLE,
    IMAP_STATE_LOGOUT,
    IMAP_STATE_CLOSED,
};

enum imap_request_kind {
    IMAP_REQUEST_PLAIN,
    IMAP_REQUEST_SELECT, /* and EXAMINE */
    IMAP_REQUEST_CLOSE,  /* and UNSELECT */
    IMAP_REQUEST_APPEND,
    IMAP_REQUEST_COPY, /* UID COPY and UID MOVE */
    IMAP_REQUEST_STARTTLS,
    IMAP_REQUEST_COMPRESS,
    IMAP_REQUEST_AUTHENTICATE,
    IMAP_REQUEST_IDLE,
};

/* What APPENDUID or COPYUID said outside a tagged reply. */
struct imap_noted_uids {
    uint32_t uidvalidity; /* 0: nothing */
    struct buffer source, target;
};

struct imap_request {
    struct imap_request *next;
    enum imap_request_kind kind;
    char tag[16];
    char verb[16]; /* for texts: "UID FETCH", "SELECT" */
    struct buffer bytes;
    size_t at; /* how many of `bytes` were put into the output; 0: the request's turn is to come */
    size_t holds[IMAP_LITERALS_MAX];
    unsigned hold_count, hold_next;
    bool plus;                         /* it has literals that do not wait for a "+" */
    struct imap_literal_source source; /* read == NULL: none */
    size_t source_at;                  /* where in `bytes` the source's go in */
    uint64_t source_taken;             /* how many of them were put into the output */
    bool source_open;
    bool source_failed; /* which ends the connection */
    int source_errno;   /* then: 0 it ended early */
    uint64_t begins;    /* once at > 0: the first byte's offset in all that the connection sends */
    uint64_t literals_end; /* where the last literal ends, from the first byte on; 0: none */
    struct imap_noted_uids uids;
    bool sensitive;
    bool answered; /* tagged reply seen; lingers only until its bytes are out */
    unsigned challenges;
    char *mailbox; /* SELECT */
    bool read_only;
    imap_done_fn *done;
    void *ctx;
};

enum { IMAP_OUT_MAX = 32 * 1024, IMAP_IN_MAX = 64 * 1024 };

struct imap_connection {
    struct imap_settings settings;
    struct imap_handler handler;
    struct imap_stream *stream;
    struct imap_parser *parser;
    enum imap_state state;

    struct imap_request *first, *last; /* in order of submission */
    struct imap_request *sending;      /* the first whose bytes are not all out; NULL: none */
    size_t in_flight;                  /* requests not answered */
    size_t completed;                  /* requests ever completed */
    size_t plus_in_flight; /* those begun, not answered, that may draw a "+" for nobody */
    unsigned next_tag;
    bool idle_on;           /* an IDLE request is in the pipeline */
    bool idling;            /* the server said that it idles */
    bool idle_ending;       /* DONE may go out */
    const char *auth_error; /* answers an error challenge of AUTHENTICATE */

    bool greeted, preauth;
    bool switching;   /* STARTTLS was accepted: not one byte more in clear text */
    bool compressing; /* COMPRESS was accepted: the byte after its OK is compressed */
    bool bye;         /* the BYE of our LOGOUT came */
    bool write_failed;
    unsigned capabilities;
    bool capabilities_known;
    bool qresync; /* ENABLEd (RFC 7162) */
    char *namespace_prefix;
    char namespace_delimiter;
    bool namespace_known;

    struct imap_selected selected; /* what the caller sees */
    struct imap_selected opening;  /* what the oldest SELECT in flight has brought so far */
    const struct imap_request *opening_for;

    bool ended; /* `failure` says why; requests are completed with it at the end of step */
    struct imap_failure failure;
    bool throttled; /* the newest word of the server was "throttled" */
    int64_t backoff_ms;

    int check_ms;           /* bound until the next byte comes; 0: settings.timeout_ms */
    int64_t progress_at;    /* clock_ms of the last progress */
    size_t progress_bytes;  /* moved since */
    uint64_t acknowledged;  /* imap_stream_acknowledged at the last look */
    uint64_t filled;        /* bytes ever put into out */
    uint64_t written;       /* bytes ever handed to the socket */
    size_t out_at, out_len; /* out[out_at .. out_len) waits for the socket */
    bool out_sensitive;
    char out[IMAP_OUT_MAX];
    char in[IMAP_IN_MAX];
};

/* --- pipeline.c --- */

/* Queues a request. `command` is emptied in any case. */
enum imap_error imap_pipeline_submit(struct imap_connection *c, struct imap_command *command,
                                     enum imap_request_kind kind, imap_done_fn *done, void *ctx)
    __attribute__((warn_unused_result));

/* Queues `line`, and `after` to follow the server's "+" (NULL: nothing). Neither ends in CRLF. */
enum imap_error imap_pipeline_submit_lines(struct imap_connection *c, const char *line,
                                           const char *after, enum imap_request_kind kind,
                                           imap_done_fn *done, void *ctx)
    __attribute__((warn_unused_result));

/* The oldest request without an answer; NULL: none. */
struct imap_request *imap_pipeline_oldest(const struct imap_connection *c);
/* The one without an answer that has this tag; NULL: none, or not one byte of it was sent. */
struct imap_request *imap_pipeline_find(const struct imap_connection *c, struct imap_span tag);

/* Forgets the requests that were answered and whose bytes are out. */
void imap_pipeline_drop_answered(struct imap_connection *c);

/* Completes a request; it may be gone afterwards. Error, response, failure and refusal are given in
 * `completion`; the rest of it is found here. */
void imap_pipeline_complete(struct imap_connection *c, struct imap_request *request,
                            const struct imap_completion *completion);
/* Completes all of them with `failure`, and drops what was not sent. */
void imap_pipeline_abort(struct imap_connection *c, const struct imap_failure *failure);

/* --- sending.c --- */

/* Writes what the socket takes. False: it is dead for writing; what was read may tell why. */
bool imap_sending_flush(struct imap_connection *c);
bool imap_sending_wants_write(const struct imap_connection *c);
/* Empties the output; nothing of it stays in memory. */
void imap_sending_wipe(struct imap_connection *c);

/* The server said "+". */
void imap_sending_continue(struct imap_connection *c);

/* The caller's word that IDLE may end: DONE goes out once the server is idling. */
void imap_sending_idle_end(struct imap_connection *c);

/* `r` was answered: a literal that waits for its "+" is never sent; one that is on its way is, but
 * not from its source. */
void imap_sending_answered(struct imap_connection *c, struct imap_request *r);
/* Whether bytes of the source of `r` are still to be sent. */
bool imap_sending_is_short(const struct imap_connection *c, const struct imap_request *r);
/* What is sure about `r` if the connection ends now. */
enum imap_outcome imap_sending_outcome(const struct imap_connection *c,
                                       const struct imap_request *r);
/* Fills *failure for a source that failed. */
void imap_sending_explain(const struct imap_connection *c, const struct imap_request *r,
                          struct imap_failure *failure);
void imap_sending_close_source(struct imap_request *r);

/* --- uids.c --- */

/* Untagged or bare: noted for the request that it is about, where that is sure. */
void imap_uids_note(struct imap_connection *c, const struct imap_code *code);
/* What the completion of a request of this kind says, from its tagged reply or else from what was
 * noted; both must outlive the completion. */
struct imap_told_uids {
    struct imap_copyuid copyuid;
    struct imap_appenduid appenduid;
};
void imap_uids_tell(enum imap_request_kind kind, const struct imap_noted_uids *noted,
                    struct imap_told_uids *told, struct imap_completion *completion);
void imap_uids_free(struct imap_noted_uids *noted);

/* --- dispatch.c --- */

void imap_dispatch(struct imap_connection *c, const struct imap_response *response);

/* --- selected.c --- */

void imap_selected_clear(struct imap_selected *selected);
/* Whatever of the response concerns the selected mailbox, or the one being selected. */
void imap_selected_note(struct imap_connection *c, const struct imap_response *response);
/* A request was answered, with or without success. */
void imap_selected_answered(struct imap_connection *c, const struct imap_request *request,
                            bool success);
/* Whether a command that names UIDs of this mailbox may be put in the pipeline now. */
bool imap_selected_is(const struct imap_connection *c, const char *mailbox, uint32_t uidvalidity);

/* --- connection.c --- */

void imap_state_enter(struct imap_connection *c, enum imap_state state);

/* The first call decides how the connection ends; the others change nothing. */
void imap_connection_end(struct imap_connection *c, const struct imap_failure *failure);
void imap_connection_end_text(struct imap_connection *c, enum imap_error error, const char *text);

/* One wait, all that came, and what it led to, but for the completing of requests after an end. */
void imap_connection_turn(struct imap_connection *c, int wait_ms, int wake_fd);

#endif
