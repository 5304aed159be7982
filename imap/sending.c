/*
 * The requests' bytes on their way to the socket.
 *
 * The output is one block of fixed size that is filled only when it is empty: it is never moved or
 * grown, so a secret that passed through it is wiped in one place. A streamed literal is read
 * straight into it, so a message costs no memory of its own, and at most one source is open.
 *
 * A "+" must only ever release the literal that it was meant for: if the server then refuses the
 * command, it takes a literal that it did not ask for as commands. Servers send a "+" for a
 * LITERAL+ literal too (OUTLOOK.md section 4), and nothing in a "+" says whose it is. So a request
 * that will wait for one is not begun while another, with LITERAL+ literals, is without its reply:
 * a needless "+" comes before that reply, and finds nobody waiting.
 *
 * A server may also refuse a literal that is on its way. It reads the rest all the same (RFC 7888
 * section 4), so the rest is sent, but as filler: the caller has its answer and may have given up
 * the source, and a server that loses count is handed one long senseless line, not mail.
 *
 * What was handed to the socket is counted in two offsets of the connection, bytes filled and bytes
 * written; a request knows where it begins between them. Under TLS a record that is not out whole
 * counts as not written, rightly, since the other side cannot read it. A compressed block counts as
 * written before its first byte is out: of what is left of it later nobody knows whose it is.
 */
#include "imap/pipeline.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "imap/failure.h"

enum { CHALLENGES_MAX = 4, FILLER = 'x' };

/* Whether sending stands still at a hold of `r`. */
static bool held(const struct imap_request *r)
{
    return r->hold_next < r->hold_count && r->at == r->holds[r->hold_next];
}

/* Whether nothing of `r` may go out now: at a hold, or before its first byte. */
static bool waits(const struct imap_connection *c, const struct imap_request *r)
{
    return held(r) || (r->at == 0 && r->hold_count > 0 && c->plus_in_flight > 0);
}

/* ---- sources ---- */

static bool in_source(const struct imap_request *r)
{
    return r->source.read != NULL && r->at == r->source_at && r->source_taken < r->source.size;
}

void imap_sending_close_source(struct imap_request *r)
{
    if (r->source_open && r->source.close != NULL)
        r->source.close(r->source.ctx);
    r->source_open = false;
}

void imap_sending_explain(const struct imap_connection *c, const struct imap_request *r,
                          struct imap_failure *failure)
{
    const char *what = r->at == 0 ? "opened" : "read to its end";
    const char *why =
        r->source_errno != 0 ? imap_failure_errno(r->source_errno) : "it is shorter than it was";
    imap_failure_set(failure, IMAP_ERR_SOURCE,
                     "%s: %s: the message to send cannot be %s (%s); nothing was stored, look at "
                     "the disk and try again",
                     c->settings.host, r->verb, what, why);
}

/* The source cannot be opened: nothing was sent, so this request ends and the others go on. */
static void fail_alone(struct imap_connection *c, struct imap_request *r)
{
    struct imap_failure failure;
    imap_sending_explain(c, r, &failure);
    struct imap_completion completion = {.error = failure.error, .failure = &failure};
    c->sending = r->next;
    imap_pipeline_complete(c, r, &completion);
}

static void fail_midway(struct imap_connection *c, struct imap_request *r, int number)
{
    r->source_failed = true;
    r->source_errno = number;
    imap_connection_end_text(
        c, IMAP_ERR_CLOSED,
        "a message on its way to the server cannot be read to its end; the connection is given up");
}

/* The source's next bytes, or filler in their place; 0 where it failed. */
static size_t take_source(struct imap_connection *c, struct imap_request *r, char *to, size_t room)
{
    uint64_t left = r->source.size - r->source_taken;
    size_t len = left < room ? (size_t)left : room;
    if (r->answered) {
        memset(to, FILLER, len);
        r->source_taken += len;
        return len;
    }
    ssize_t got = r->source.read(r->source.ctx, r->source_taken, to, len);
    if (got <= 0 || (size_t)got > len) {
        fail_midway(c, r, got < 0 ? (int)-got : got > 0 ? EINVAL : 0);
        return 0;
    }
    r->source_taken += (size_t)got;
    if (r->source_taken == r->source.size)
        imap_sending_close_source(r);
    return (size_t)got;
}

/* ---- the output ---- */

/* The request's turn has come. False: it is over already. */
static bool begin(struct imap_connection *c, struct imap_request *r)
{
    if (r->source.read != NULL && r->source.open != NULL)
        r->source_errno = r->source.open(r->source.ctx);
    if (r->source_errno != 0) {
        fail_alone(c, r);
        return false;
    }
    r->source_open = r->source.read != NULL;
    r->begins = c->filled;
    c->plus_in_flight += r->plus ? 1 : 0;
    return true;
}

/* The request's next bytes, up to where it waits, reads from its source, or ends. */
static size_t take(struct imap_connection *c, struct imap_request *r, char *to, size_t room)
{
    if (in_source(r))
        return take_source(c, r, to, room);
    size_t end = r->hold_next < r->hold_count ? r->holds[r->hold_next] : r->bytes.len;
    if (r->source.read != NULL && r->at < r->source_at && r->source_at < end)
        end = r->source_at;
    size_t len = end - r->at < room ? end - r->at : room;
    memcpy(to, r->bytes.data + r->at, len);
    r->at += len;
    c->out_sensitive = c->out_sensitive || r->sensitive;
    return len;
}

/* Moves bytes from the requests into the empty output block, as far as they may go. */
static void fill(struct imap_connection *c)
{
    while (!c->ended && c->out_len < sizeof c->out && c->sending != NULL && !waits(c, c->sending)) {
        struct imap_request *r = c->sending;
        if (r->at == 0 && !begin(c, r))
            continue;
        size_t len = take(c, r, c->out + c->out_len, sizeof c->out - c->out_len);
        c->out_len += len;
        c->filled += len;
        if (r->at == r->bytes.len) {
            c->sending = r->next;
            if (r->answered)
                imap_pipeline_drop_answered(c);
        }
    }
}

void imap_sending_wipe(struct imap_connection *c)
{
    if (c->out_sensitive)
        explicit_bzero(c->out, sizeof c->out);
    c->out_sensitive = false;
    c->out_at = c->out_len = 0;
}

bool imap_sending_flush(struct imap_connection *c)
{
    for (;;) {
        if (c->out_at == c->out_len) {
            imap_sending_wipe(c);
            fill(c);
        }
        if (c->ended)
            return true;
        if (c->out_at == c->out_len)
            return imap_stream_flush(c->stream) == IMAP_OK;
        size_t sent = 0;
        if (imap_stream_write(c->stream, c->out + c->out_at, c->out_len - c->out_at, &sent) !=
            IMAP_OK)
            return false;
        if (sent == 0)
            return true;
        c->out_at += sent;
        c->written += sent;
        c->progress_bytes += sent;
    }
}

bool imap_sending_wants_write(const struct imap_connection *c)
{
    return c->out_at < c->out_len || (c->sending != NULL && !waits(c, c->sending));
}

/* ---- answers ---- */

bool imap_sending_is_short(const struct imap_connection *c, const struct imap_request *r)
{
    return r->source.read != NULL && c->written < r->begins + r->literals_end;
}

enum imap_outcome imap_sending_outcome(const struct imap_connection *c,
                                       const struct imap_request *r)
{
    if (r->at == 0 || c->written <= r->begins)
        return IMAP_OUTCOME_NOT_SENT;
    return c->written < r->begins + r->literals_end ? IMAP_OUTCOME_NOT_WHOLE : IMAP_OUTCOME_UNKNOWN;
}

void imap_sending_answered(struct imap_connection *c, struct imap_request *r)
{
    imap_sending_close_source(r);
    if (r->at > 0)
        c->plus_in_flight -= r->plus ? 1 : 0;
    if (r == c->sending && held(r)) /* refused before its "+": the rest is never sent */
        c->sending = r->next;
}

/* Another "+" within AUTHENTICATE: the server explains a refusal in it and wants an answer before
 * it says NO (OUTLOOK.md section 1; RFC 7628 section 3.2.3). */
static void answer_challenge(struct imap_connection *c, struct imap_request *r)
{
    if (++r->challenges > CHALLENGES_MAX) {
        imap_connection_end_text(c, IMAP_ERR_PROTOCOL, "the sign-in does not end");
        return;
    }
    const char *answer = c->auth_error != NULL ? c->auth_error : "";
    if (!buffer_append_text(&r->bytes, answer) || !buffer_append_text(&r->bytes, "\r\n"))
        imap_connection_end_text(c, IMAP_ERR_MEMORY, "out of memory");
    else
        c->sending = r;
}

void imap_sending_continue(struct imap_connection *c)
{
    struct imap_request *r = c->sending, *oldest = imap_pipeline_oldest(c);
    bool all_out = c->out_at == c->out_len;
    if (r != NULL && held(r) && all_out) {
        if (r->kind != IMAP_REQUEST_IDLE) {
            r->hold_next++;
            return;
        }
        c->idling = true;
        if (c->idle_ending)
            r->hold_next++;
    } else if (oldest != NULL && oldest->kind == IMAP_REQUEST_AUTHENTICATE && r == NULL) {
        answer_challenge(c, oldest);
    } else {
        log_debug("imap: %s: a \"+\" that nobody waits for", c->settings.host);
    }
}

void imap_sending_idle_end(struct imap_connection *c)
{
    struct imap_request *r = c->sending;
    c->idle_ending = true;
    if (r != NULL && r->kind == IMAP_REQUEST_IDLE && held(r) && c->idling)
        r->hold_next++;
    c->progress_at = clock_ms();
    c->progress_bytes = 0;
}
