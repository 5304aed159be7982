/*
 * The inside of a connection, shared by the files that make it up and by nobody else:
 *
 *   connect.c     opens: greeting, STARTTLS, sign-in, probe
 *   connection.c  the public calls: step, IDLE, close
 *   pipeline.c    requests: their bytes on the way out, their replies by tag
 *   dispatch.c    responses: what each means for the connection, then on to the handler
 *   selected.c    the selected mailbox
 *
 * A request is its bytes (tag, text, literals, final CRLF) with marks, its holds: places where
 * sending stops until the server says "+". A literal that is not LITERAL+ is one, the response line
 * of AUTHENTICATE another, the DONE of IDLE a third that also waits for the caller's word. So
 * there is one rule for all of them, and all that is queued behind a hold waits with it.
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
    IMAP_REQUEST_STARTTLS,
    IMAP_REQUEST_AUTHENTICATE,
    IMAP_REQUEST_IDLE,
};

struct imap_request {
    struct imap_request *next;
    enum imap_request_kind kind;
    char tag[16];
    char verb[16]; /* for texts: "UID FETCH", "SELECT" */
    struct buffer bytes;
    size_t at; /* bytes handed to the output so far */
    size_t holds[IMAP_LITERALS_MAX];
    unsigned hold_count, hold_next;
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
    unsigned next_tag;
    bool idle_on;           /* an IDLE request is in the pipeline */
    bool idling;            /* the server said that it idles */
    bool idle_ending;       /* DONE may go out */
    const char *auth_error; /* answers an error challenge of AUTHENTICATE */

    bool greeted, preauth;
    bool switching; /* STARTTLS was accepted: not one byte more in clear text */
    bool bye;       /* the BYE of our LOGOUT came */
    bool write_failed;
    unsigned capabilities;
    bool capabilities_known;
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

    int64_t progress_at;    /* clock_ms of the last progress */
    size_t progress_bytes;  /* moved since */
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

/* Writes what the socket takes. False: it is dead for writing; what was read may tell why. */
bool imap_pipeline_flush(struct imap_connection *c);
bool imap_pipeline_wants_write(const struct imap_connection *c);

/* The server said "+". */
void imap_pipeline_continue(struct imap_connection *c);

/* The caller's word that IDLE may end: DONE goes out once the server is idling. */
void imap_pipeline_idle_end(struct imap_connection *c);

/* The oldest request without an answer; NULL: none. */
struct imap_request *imap_pipeline_oldest(const struct imap_connection *c);
struct imap_request *imap_pipeline_find(const struct imap_connection *c, struct imap_span tag);

/* Completes a request; it may be gone afterwards. */
void imap_pipeline_complete(struct imap_connection *c, struct imap_request *request,
                            const struct imap_completion *completion);
/* Completes all of them with `failure`, and drops what was not sent. */
void imap_pipeline_abort(struct imap_connection *c, const struct imap_failure *failure);

/* --- dispatch.c --- */

void imap_dispatch(struct imap_connection *c, const struct imap_response *response);

/* --- selected.c --- */

void imap_selected_clear(struct imap_selected *selected);
/* Whatever of the response concerns the selected mailbox, or the one being selected. */
void imap_selected_note(struct imap_connection *c, const struct imap_response *response);
/* A request was answered, with or without success. */
void imap_selected_answered(struct imap_connection *c, const struct imap_request *request,
                            bool success);

/* --- connection.c --- */

void imap_state_enter(struct imap_connection *c, enum imap_state state);

/* The first call decides how the connection ends; the others change nothing. */
void imap_connection_end(struct imap_connection *c, const struct imap_failure *failure);
void imap_connection_end_text(struct imap_connection *c, enum imap_error error, const char *text);

/* One wait, all that came, and what it led to, but for the completing of requests after an end. */
void imap_connection_turn(struct imap_connection *c, int wait_ms, int wake_fd);

#endif
