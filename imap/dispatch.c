/*
 * What each response means for the connection itself, then on to the caller's handler.
 *
 * Outlook says important things in odd places: back-off in NO, BAD, BYE or a line of its own; that
 * the mailbox is unreachable in a BAD to any command; that it is unavailable in a bare line
 * (OUTLOOK.md sections 1, 3, 5). All texts go through imap_failure_classify, wherever they stand.
 * A throttled reply is often followed by a BYE that gives no reason, or by nothing but the end: the
 * back-off is remembered and becomes the reason.
 */
#include "imap/pipeline.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "imap/capability.h"
#include "imap/failure.h"

enum { LOG_TEXT_MAX = 200 };

static const char *const status_names[] = {"OK", "NO", "BAD", "BYE", "PREAUTH"};

static int cut(struct imap_span span)
{
    return (int)(span.len < LOG_TEXT_MAX ? span.len : LOG_TEXT_MAX);
}

/* For the debug log: never what may be part of a message (envelopes, headers, bodies). */
static void log_response(const struct imap_connection *c, const struct imap_response *r)
{
    const char *host = c->settings.host;
    if (!log_enabled(LOG_LEVEL_DEBUG))
        return;
    switch (r->kind) {
    case IMAP_RESPONSE_CONTINUE:
        log_debug("imap: %s: S: +", host);
        break;
    case IMAP_RESPONSE_STATUS: {
        struct imap_span tag = r->tag, text = r->status.text;
        log_debug("imap: %s: S: %.*s %s (code %d) %.*s", host, tag.data != NULL ? cut(tag) : 1,
                  tag.data != NULL ? tag.data : "*", status_names[r->status.status],
                  (int)r->status.code.kind, cut(text), text.data != NULL ? text.data : "");
        break;
    }
    case IMAP_RESPONSE_CAPABILITY:
        log_debug("imap: %s: S: * CAPABILITY %.*s", host, cut(r->capability),
                  r->capability.data != NULL ? r->capability.data : "");
        break;
    case IMAP_RESPONSE_FETCH:
        log_debug("imap: %s: S: * %u FETCH (uid %u, items %#x)", host, r->fetch.sequence,
                  r->fetch.uid, r->fetch.present);
        break;
    case IMAP_RESPONSE_BARE:
        log_debug("imap: %s: S: a line that is not IMAP, %zu bytes", host, r->line.len);
        break;
    default:
        log_debug("imap: %s: S: * untagged kind %d, number %u", host, (int)r->kind, r->number);
        break;
    }
}

static void note_capabilities(struct imap_connection *c, struct imap_span words)
{
    c->capabilities = imap_capability_parse(words);
    c->capabilities_known = true;
}

static void note_namespace(struct imap_connection *c, const struct imap_response *response)
{
    for (size_t i = 0; i < response->namespaces.count; i++) {
        const struct imap_namespace *item = &response->namespaces.items[i];
        if (item->kind != 0)
            continue;
        char *prefix = strndup(item->prefix.data != NULL ? item->prefix.data : "",
                               item->prefix.data != NULL ? item->prefix.len : 0);
        if (prefix == NULL)
            return;
        if (c->namespace_known) { /* the pointer was given out: the first word stands */
            free(prefix);
            return;
        }
        free(c->namespace_prefix);
        c->namespace_prefix = prefix;
        c->namespace_delimiter = item->delimiter;
        c->namespace_known = true;
        return;
    }
}

static void note_throttle(struct imap_connection *c, struct imap_span text)
{
    int64_t backoff = imap_failure_backoff(text);
    c->throttled = true;
    if (backoff > 0)
        c->backoff_ms = backoff;
}

/* Ends the connection for what a server's text said; CLOSED where it said nothing special. */
static void end_with_text(struct imap_connection *c, enum imap_error error, struct imap_span text)
{
    struct imap_failure failure;
    if (error == IMAP_OK)
        error = c->throttled ? IMAP_ERR_THROTTLED : IMAP_ERR_CLOSED;
    if (error == IMAP_ERR_THROTTLED)
        note_throttle(c, text);
    imap_failure_from_server(&failure, error, c->settings.host, "the connection", text);
    if (error == IMAP_ERR_THROTTLED)
        failure.backoff_ms = c->backoff_ms;
    imap_connection_end(c, &failure);
}

static void on_bye(struct imap_connection *c, const struct imap_response *response)
{
    struct imap_span text = response->status.text;
    if (c->state == IMAP_STATE_LOGOUT) {
        c->bye = true;
        return;
    }
    enum imap_error error = imap_failure_classify(text);
    if (error == IMAP_OK && response->status.code.kind == IMAP_CODE_UNAVAILABLE)
        error = IMAP_ERR_UNAVAILABLE;
    end_with_text(c, error, text);
}

static enum imap_error reply_error(const struct imap_response *response)
{
    if (response->status.status == IMAP_STATUS_OK)
        return IMAP_OK;
    enum imap_error error = imap_failure_classify(response->status.text);
    if (error != IMAP_OK)
        return error;
    if (response->status.code.kind == IMAP_CODE_UNAVAILABLE)
        return IMAP_ERR_UNAVAILABLE;
    return response->status.status == IMAP_STATUS_NO ? IMAP_ERR_NO : IMAP_ERR_BAD;
}

/* Fills *failure for a reply that is not OK; the reason, where it is a refusal. */
static enum imap_refusal explain(const struct imap_connection *c, const struct imap_request *r,
                                 const struct imap_response *response, enum imap_error error,
                                 struct imap_failure *failure)
{
    enum imap_refusal refusal = IMAP_REFUSAL_NONE;
    struct imap_span text = response->status.text;
    if (error == IMAP_ERR_NO || error == IMAP_ERR_BAD)
        refusal = imap_failure_refusal(r->verb, &response->status.code, text);
    if (error != IMAP_OK)
        imap_failure_from_refusal(failure, error, refusal, c->settings.host, r->verb, text);
    return refusal;
}

static void on_tagged(struct imap_connection *c, const struct imap_response *response)
{
    struct imap_request *r = imap_pipeline_find(c, response->tag);
    if (r == NULL) {
        log_debug("imap: %s: a reply to no command", c->settings.host);
        return;
    }
    enum imap_error error = reply_error(response);
    struct imap_failure failure = {.error = IMAP_OK};
    enum imap_refusal refusal = explain(c, r, response, error, &failure);
    if (error == IMAP_OK && imap_sending_is_short(c, r)) {
        imap_connection_end_text(c, IMAP_ERR_PROTOCOL,
                                 "the server accepted a message before all of it was sent");
        return;
    }
    if (error == IMAP_ERR_THROTTLED)
        note_throttle(c, response->status.text);
    else if (error == IMAP_OK)
        c->throttled = false;
    imap_selected_answered(c, r, error == IMAP_OK);
    if (r->kind == IMAP_REQUEST_STARTTLS && error == IMAP_OK)
        c->switching = true;
    if (r->kind == IMAP_REQUEST_COMPRESS && error == IMAP_OK)
        c->compressing = true;
    if (r->kind == IMAP_REQUEST_IDLE && c->state == IMAP_STATE_IDLE)
        imap_state_enter(c, IMAP_STATE_READY);
    if (error == IMAP_ERR_UNUSABLE || error == IMAP_ERR_EXPIRED)
        imap_connection_end(c, &failure); /* before the callback, so that it cannot submit more */
    struct imap_completion completion = {
        .error = error, .response = response, .failure = &failure, .refusal = refusal};
    imap_pipeline_complete(c, r, &completion);
}

static void on_greeting(struct imap_connection *c, const struct imap_response *response)
{
    bool status = response->kind == IMAP_RESPONSE_STATUS && response->tag.data == NULL;
    if (status && (response->status.status == IMAP_STATUS_OK ||
                   response->status.status == IMAP_STATUS_PREAUTH)) {
        c->greeted = true;
        c->preauth = response->status.status == IMAP_STATUS_PREAUTH;
        c->progress_at = clock_ms();
        c->progress_bytes = 0;
        return;
    }
    enum imap_error error =
        response->kind == IMAP_RESPONSE_BARE ? imap_failure_classify(response->line) : IMAP_OK;
    if (status && response->status.status == IMAP_STATUS_BYE)
        on_bye(c, response);
    else if (error != IMAP_OK)
        end_with_text(c, error, response->line);
    else
        imap_connection_end_text(c, IMAP_ERR_PROTOCOL,
                                 "it does not greet as an IMAP server does; check host= and port=");
}

/* A line that is not IMAP: fatal when it says why, else (a bare COPYUID) the handler's. */
static bool on_bare(struct imap_connection *c, const struct imap_response *response)
{
    enum imap_error error = imap_failure_classify(response->line);
    if (error == IMAP_OK) {
        imap_uids_note(c, &response->status.code);
        return true;
    }
    end_with_text(c, error, response->line);
    return false;
}

static void on_code(struct imap_connection *c, const struct imap_response *response)
{
    const struct imap_code *code = &response->status.code;
    struct imap_span text = response->status.text;
    if (code->kind == IMAP_CODE_CAPABILITY)
        note_capabilities(c, code->text);
    else if (code->kind == IMAP_CODE_ALERT)
        log_info("imap: %s: the server's alert: %.*s", c->settings.host, IMAP_QUOTE(text));
}

/* Untagged status: false when nothing is left for the handler. */
static bool on_untagged_status(struct imap_connection *c, const struct imap_response *response)
{
    if (response->status.status == IMAP_STATUS_BYE) {
        on_bye(c, response);
        return false;
    }
    if (response->status.status != IMAP_STATUS_OK &&
        imap_failure_classify(response->status.text) == IMAP_ERR_THROTTLED)
        note_throttle(c, response->status.text);
    if (response->status.status == IMAP_STATUS_OK)
        imap_uids_note(c, &response->status.code);
    return true;
}

/* Takes note of a response that is neither "+" nor tagged; false when it is dealt with. */
static bool note(struct imap_connection *c, const struct imap_response *response)
{
    switch (response->kind) {
    case IMAP_RESPONSE_STATUS:
        if (!on_untagged_status(c, response))
            return false;
        break;
    case IMAP_RESPONSE_BARE:
        return on_bare(c, response);
    case IMAP_RESPONSE_CAPABILITY:
        note_capabilities(c, response->capability);
        break;
    case IMAP_RESPONSE_NAMESPACE:
        note_namespace(c, response);
        break;
    case IMAP_RESPONSE_ENABLED:
        c->qresync |= (imap_capability_parse(response->capability) & IMAP_CAP_QRESYNC) != 0;
        break;
    default:
        break;
    }
    imap_selected_note(c, response);
    return true;
}

void imap_dispatch(struct imap_connection *c, const struct imap_response *response)
{
    log_response(c, response);
    if (response->kind == IMAP_RESPONSE_STATUS)
        on_code(c, response);
    if (c->state == IMAP_STATE_GREETING && !c->greeted) {
        on_greeting(c, response);
    } else if (response->kind == IMAP_RESPONSE_CONTINUE) {
        imap_sending_continue(c);
    } else if (response->kind == IMAP_RESPONSE_STATUS && response->tag.data != NULL) {
        imap_selected_note(c, response);
        on_tagged(c, response);
    } else if (note(c, response)) {
        bool open = c->state == IMAP_STATE_READY || c->state == IMAP_STATE_IDLE;
        if (open && c->handler.untagged != NULL)
            c->handler.untagged(c->handler.ctx, response);
    }
}
