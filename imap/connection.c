/*
 * The public face of a connection: step, submit, IDLE, close. See pipeline.h for the parts.
 *
 * One turn is: write what the socket takes, wait, read and handle what came (at most 1 MiB, so that
 * the wake descriptor is noticed under a flood), write again, look at the clock. The connection
 * ends in one place, imap_connection_end, which only notes the reason; the requests in flight are
 * completed with it at the end of the step, when no response is being handled any more.
 *
 * The bound (settings.timeout_ms) runs while something is expected: the greeting, or a reply. It
 * starts anew with each completed command and, once signed in, with each KiB that moved, to or from
 * the other side's TCP: a slow download or upload goes on, a server that dribbles one byte at a
 * time does not. IDLE has no bound.
 */
#include "imap/pipeline.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "imap/failure.h"
#include "imap/wait.h"

enum { TURN_MAX = 1024 * 1024, PROGRESS_BYTES = 1024, LOGOUT_MS = 1000 };

static const char *const state_names[] = {
    [IMAP_STATE_GREETING] = "greeting",
    [IMAP_STATE_STARTTLS] = "starttls",
    [IMAP_STATE_CAPABILITY] = "capability",
    [IMAP_STATE_AUTHENTICATE] = "authenticate",
    [IMAP_STATE_PROBE] = "probe",
    [IMAP_STATE_READY] = "ready",
    [IMAP_STATE_IDLE] = "idle",
    [IMAP_STATE_LOGOUT] = "logout",
    [IMAP_STATE_CLOSED] = "closed",
};

void imap_state_enter(struct imap_connection *c, enum imap_state state)
{
    log_debug("imap: %s: %s -> %s", c->settings.host, state_names[c->state], state_names[state]);
    c->state = state;
}

void imap_connection_end(struct imap_connection *c, const struct imap_failure *failure)
{
    if (c->ended)
        return;
    c->ended = true;
    c->failure = *failure;
    log_debug("imap: %s", failure->text);
}

void imap_connection_end_text(struct imap_connection *c, enum imap_error error, const char *text)
{
    struct imap_failure failure;
    imap_failure_set(&failure, error, "%s: %s", c->settings.host, text);
    imap_connection_end(c, &failure);
}

/* The end of the stream: the reason is the last thing the server said, if that was one. */
static void end_of_stream(struct imap_connection *c)
{
    struct imap_failure failure;
    if (c->throttled) {
        imap_failure_from_server(&failure, IMAP_ERR_THROTTLED, c->settings.host, "the connection",
                                 (struct imap_span){NULL, 0});
        failure.backoff_ms = c->backoff_ms;
    } else {
        imap_failure_set(&failure, IMAP_ERR_CLOSED,
                         "%s: the server or the network ended the connection%s; try again",
                         c->settings.host,
                         imap_parser_idle(c->parser) ? "" : " in the middle of a response");
    }
    imap_connection_end(c, &failure);
}

/* Whether an answer is due. */
static bool timed(const struct imap_connection *c)
{
    if (c->state == IMAP_STATE_GREETING)
        return !c->greeted;
    const struct imap_request *oldest = imap_pipeline_oldest(c);
    if (oldest == NULL)
        return false;
    return oldest->kind != IMAP_REQUEST_IDLE || !c->idling || c->idle_ending;
}

/* RFC 4978 section 3: what follows the OK is compressed, be it in the same packet. */
static void compress(struct imap_connection *c, const char *rest, size_t len)
{
    c->compressing = false;
    if (imap_stream_compress(c->stream, rest, len) != IMAP_OK)
        imap_connection_end_text(c, IMAP_ERR_MEMORY, "out of memory");
    else
        log_debug("imap: %s: compressed from here on", c->settings.host);
}

static void parse(struct imap_connection *c, size_t len)
{
    for (size_t at = 0; at < len && !c->ended;) {
        const struct imap_response *response = NULL;
        size_t used = 0;
        if (c->switching) {
            imap_connection_end_text(c, IMAP_ERR_PROTOCOL,
                                     "clear text followed STARTTLS: somebody may be meddling with "
                                     "the connection; use tls=implicit");
            return;
        }
        switch (imap_parser_next(c->parser, c->in + at, len - at, &used, &response)) {
        case IMAP_PARSE_RESPONSE:
            imap_dispatch(c, response);
            break;
        case IMAP_PARSE_MORE:
            if (used == 0)
                return;
            break;
        case IMAP_PARSE_BAD:
            imap_connection_end_text(c, IMAP_ERR_PROTOCOL,
                                     "the server sent what is not IMAP; check host= and port=");
            break;
        case IMAP_PARSE_TOO_LARGE:
            imap_connection_end_text(c, IMAP_ERR_TOO_LARGE,
                                     "the server sent a response larger than any should be");
            break;
        }
        at += used;
        if (c->compressing) {
            compress(c, c->in + at, len - at);
            return;
        }
    }
}

static void receive(struct imap_connection *c)
{
    for (size_t total = 0; total < TURN_MAX && !c->ended && !c->switching && !c->bye;) {
        size_t got = 0;
        enum imap_error error = imap_stream_read(c->stream, c->in, sizeof c->in, &got);
        if (got == 0) {
            if (error == IMAP_ERR_PROTOCOL)
                imap_connection_end_text(c, error,
                                         "what the server sent cannot be decompressed; try again, "
                                         "or use compress=no");
            else if (error != IMAP_OK || c->write_failed)
                end_of_stream(c);
            return;
        }
        total += got;
        c->progress_bytes += got;
        if (got > 0 && c->check_ms != 0) { /* it is there */
            c->check_ms = 0;
            c->progress_at = clock_ms();
        }
        parse(c, got);
    }
}

/* Whether the other side took another KiB of what the kernel holds for it. A large message is in
 * the kernel's hands long before it is through a slow uplink. */
static bool drained(struct imap_connection *c)
{
    uint64_t acknowledged = imap_stream_acknowledged(c->stream);
    if (acknowledged < c->acknowledged + PROGRESS_BYTES)
        return false;
    c->acknowledged = acknowledged;
    return true;
}

static int bound_of(const struct imap_connection *c)
{
    bool checked = c->check_ms > 0 && c->check_ms < c->settings.timeout_ms;
    return checked ? c->check_ms : c->settings.timeout_ms;
}

static void checked(void *ctx, const struct imap_completion *completion)
{
    (void)ctx;
    (void)completion; /* any answer will do */
}

enum imap_error imap_connection_check(struct imap_connection *c, int bound_ms)
{
    struct imap_command command;
    enum imap_error error = IMAP_OK;
    if (!timed(c)) {
        imap_command_init(&command, "NOOP");
        error = imap_connection_submit(c, &command, checked, NULL);
    }
    c->check_ms = bound_ms;
    c->progress_at = clock_ms();
    return error;
}

static void check_progress(struct imap_connection *c)
{
    bool opening = c->state < IMAP_STATE_READY;
    int64_t now = clock_ms();
    if (!opening && (c->progress_bytes >= PROGRESS_BYTES || drained(c))) {
        c->progress_at = now;
        c->progress_bytes = 0;
    }
    if (c->ended || !timed(c) || now - c->progress_at < bound_of(c))
        return;
    struct imap_failure failure;
    imap_failure_set(&failure, IMAP_ERR_TIMEOUT,
                     "%s: no progress for %d.%d s (%s); check the network or raise -o timeout",
                     c->settings.host, bound_of(c) / 1000, bound_of(c) / 100 % 10,
                     state_names[c->state]);
    imap_connection_end(c, &failure);
}

static int64_t earlier(int64_t a, int64_t b)
{
    if (a < 0 || b < 0)
        return a < 0 ? b : a;
    return a < b ? a : b;
}

/* Waits for the socket, the wake descriptor or the clock, whichever is first. */
static void await(struct imap_connection *c, int wait_ms, int wake_fd)
{
    int64_t deadline = wait_ms < 0 ? -1 : clock_ms() + wait_ms;
    if (timed(c))
        deadline = earlier(deadline, c->progress_at + bound_of(c));
    if (imap_stream_more(c->stream) || c->write_failed)
        deadline = 0;
    struct imap_wait wait = {
        .fd = imap_stream_fd(c->stream),
        .events = imap_stream_events(c->stream, imap_sending_wants_write(c)),
        .wake_fd = wake_fd,
        .cancel_fd = c->settings.cancel_fd,
        .deadline = deadline,
    };
    enum imap_error error = imap_wait(&wait);
    if (error == IMAP_ERR_CANCELLED)
        imap_connection_end_text(c, error, "cancelled");
    else if (error == IMAP_ERR_MEMORY)
        imap_connection_end_text(c, error, "out of memory");
}

static void flush(struct imap_connection *c)
{
    if (!c->ended && !c->write_failed)
        c->write_failed = !imap_sending_flush(c);
}

void imap_connection_turn(struct imap_connection *c, int wait_ms, int wake_fd)
{
    size_t completed = c->completed;
    flush(c);
    if (c->ended) /* by a source */
        return;
    await(c, c->completed == completed ? wait_ms : 0, wake_fd); /* a caller may wait for that one */
    receive(c);
    flush(c);
    check_progress(c);
}

enum imap_error imap_connection_step(struct imap_connection *c, int wait_ms, int wake_fd)
{
    if (c->state == IMAP_STATE_CLOSED)
        return c->failure.error;
    imap_connection_turn(c, wait_ms, wake_fd);
    if (!c->ended)
        return IMAP_OK;
    imap_state_enter(c, IMAP_STATE_CLOSED);
    imap_selected_clear(&c->selected);
    imap_pipeline_abort(c, &c->failure);
    return c->failure.error;
}

/* Whether a command may be submitted now; else the reason. */
static enum imap_error may_submit(const struct imap_connection *c)
{
    if (c->ended)
        return c->failure.error;
    if (c->state >= IMAP_STATE_LOGOUT)
        return IMAP_ERR_CANCELLED;
    return c->idle_on && !c->idle_ending ? IMAP_ERR_BAD : IMAP_OK;
}

static void empty_command(struct imap_command *command)
{
    if (command->sensitive)
        buffer_wipe(&command->text);
    imap_command_free(command);
}

enum imap_error imap_connection_submit(struct imap_connection *c, struct imap_command *command,
                                       imap_done_fn *done, void *ctx)
{
    enum imap_error error = may_submit(c);
    if (error == IMAP_OK)
        return imap_pipeline_submit(c, command, IMAP_REQUEST_PLAIN, done, ctx);
    empty_command(command);
    return error;
}

enum imap_error imap_connection_submit_changing(struct imap_connection *c, const char *mailbox,
                                                uint32_t uidvalidity, struct imap_command *command,
                                                imap_done_fn *done, void *ctx)
{
    enum imap_error error = may_submit(c);
    if (error == IMAP_OK && !imap_selected_is(c, mailbox, uidvalidity))
        error = IMAP_ERR_STALE;
    if (error == IMAP_OK)
        return imap_pipeline_submit(c, command, IMAP_REQUEST_PLAIN, done, ctx);
    empty_command(command);
    return error;
}

enum imap_error imap_connection_idle(struct imap_connection *c, imap_done_fn *done, void *ctx)
{
    enum imap_error error = may_submit(c);
    if (error == IMAP_OK && c->idle_on)
        error = IMAP_ERR_BAD;
    if (error == IMAP_OK)
        error = imap_pipeline_submit_lines(c, "IDLE", "DONE", IMAP_REQUEST_IDLE, done, ctx);
    if (error == IMAP_OK) {
        c->idle_on = true;
        imap_state_enter(c, IMAP_STATE_IDLE);
    }
    return error;
}

enum imap_error imap_connection_idle_end(struct imap_connection *c)
{
    if (c->ended)
        return c->failure.error;
    if (c->idle_on && !c->idle_ending)
        imap_sending_idle_end(c);
    return IMAP_OK;
}

/* Whether the server would read LOGOUT as a command: nothing is half said. *idling: after DONE. */
static bool at_boundary(const struct imap_connection *c, bool *idling)
{
    const struct imap_request *r = c->sending;
    *idling = r != NULL && r->kind == IMAP_REQUEST_IDLE && c->idling && !c->idle_ending;
    return c->out_at == c->out_len && (r == NULL || r->at == 0 || *idling);
}

static void logout(struct imap_connection *c, bool boundary, bool idling, bool wait)
{
    int64_t deadline = clock_ms() + LOGOUT_MS;
    if (!boundary || imap_pipeline_submit_lines(c, "LOGOUT", NULL, IMAP_REQUEST_PLAIN, NULL, NULL))
        return;
    if (idling) {
        memcpy(c->out, "DONE\r\n", 6);
        c->out_len = 6;
        c->filled += 6;
    }
    flush(c);
    while (wait && !c->ended && !c->bye && clock_until(deadline) > 0)
        imap_connection_turn(c, clock_until(deadline), -1);
}

void imap_connection_close(struct imap_connection **connection)
{
    struct imap_connection *c = *connection;
    if (c == NULL)
        return;
    if (c->state != IMAP_STATE_CLOSED) {
        struct imap_failure cancelled;
        bool idling = false, boundary = !c->ended && at_boundary(c, &idling);
        bool wait = c->in_flight == 0 || (idling && c->in_flight == 1);
        imap_failure_set(&cancelled, IMAP_ERR_CANCELLED, "%s: closed", c->settings.host);
        imap_state_enter(c, IMAP_STATE_LOGOUT);
        imap_pipeline_abort(c, &cancelled);
        logout(c, boundary, idling, wait);
        imap_pipeline_abort(c, &cancelled);
        imap_state_enter(c, IMAP_STATE_CLOSED);
    }
    imap_stream_free(&c->stream);
    imap_parser_free(&c->parser);
    imap_selected_clear(&c->selected);
    imap_selected_clear(&c->opening);
    free(c->namespace_prefix);
    free(c);
    *connection = NULL;
}

bool imap_connection_resyncs(const struct imap_connection *c)
{
    return c->qresync;
}

unsigned imap_connection_capabilities(const struct imap_connection *c)
{
    return c->capabilities;
}

void imap_connection_namespace(const struct imap_connection *c, const char **prefix,
                               char *delimiter)
{
    *prefix = c->namespace_prefix != NULL ? c->namespace_prefix : "";
    *delimiter = c->namespace_delimiter;
}

const struct imap_selected *imap_connection_selected(const struct imap_connection *c)
{
    return &c->selected;
}

size_t imap_connection_in_flight(const struct imap_connection *c)
{
    return c->in_flight;
}

const struct imap_failure *imap_connection_failure(const struct imap_connection *c)
{
    return &c->failure;
}
