/*
 * See pipeline.h for what a request is.
 *
 * A request is made at submit, whole but for the bytes of a streamed literal, so a queue of any
 * length costs the memory of its requests alone. A request whose reply comes while its bytes are
 * still on their way (a literal that the server refused early) stays in the list until they are
 * out, or the server would take the rest of it for commands.
 */
#include "imap/pipeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/log.h"
#include "imap/failure.h"

enum { LITERAL_MINUS_MAX = 4096, LOG_LINE_MAX = 200, LINE_EXTRA = 64 };

static void request_free(struct imap_request *r)
{
    imap_sending_close_source(r);
    imap_uids_free(&r->uids);
    if (r->sensitive)
        buffer_wipe(&r->bytes);
    else
        buffer_free(&r->bytes);
    free(r->mailbox);
    free(r);
}

static struct imap_request *request_new(struct imap_connection *c, enum imap_request_kind kind,
                                        size_t room, imap_done_fn *done, void *ctx)
{
    struct imap_request *r = calloc(1, sizeof *r);
    if (r == NULL)
        return NULL;
    r->kind = kind;
    r->done = done;
    r->ctx = ctx;
    buffer_init(&r->bytes, room + LINE_EXTRA);
    snprintf(r->tag, sizeof r->tag, "A%u", ++c->next_tag);
    if (buffer_reserve(&r->bytes, room + LINE_EXTRA) == NULL ||
        !buffer_printf(&r->bytes, "%s ", r->tag)) {
        request_free(r);
        return NULL;
    }
    return r;
}

static void set_verb(struct imap_request *r, const char *text, size_t len)
{
    size_t n = 0;
    bool uid = len >= 4 && strncasecmp(text, "UID ", 4) == 0;
    while (n < len && n + 1 < sizeof r->verb && ((uid && n == 3) || text[n] > ' '))
        n++;
    memcpy(r->verb, text, n);
    r->verb[n] = '\0';
}

static void log_request(const struct imap_connection *c, const struct imap_request *r)
{
    if (!log_enabled(LOG_LEVEL_DEBUG))
        return;
    const char *end = memchr(r->bytes.data, '\r', r->bytes.len);
    size_t len = end != NULL ? (size_t)(end - r->bytes.data) : r->bytes.len;
    if (r->sensitive)
        log_debug("imap: %s: C: %s %s ...", c->settings.host, r->tag, r->verb);
    else
        log_debug("imap: %s: C: %.*s", c->settings.host,
                  (int)(len < LOG_LINE_MAX ? len : LOG_LINE_MAX), r->bytes.data);
}

static void enqueue(struct imap_connection *c, struct imap_request *r)
{
    if (c->in_flight == 0) {
        c->progress_at = clock_ms();
        c->progress_bytes = 0;
    }
    if (c->last != NULL)
        c->last->next = r;
    else
        c->first = r;
    c->last = r;
    c->in_flight++;
    if (c->sending == NULL)
        c->sending = r;
    log_request(c, r);
}

static uint64_t literal_size(const struct imap_command *command, unsigned i)
{
    bool streamed = command->source.read != NULL && i + 1 == command->literal_count;
    return streamed ? command->source.size : command->literals[i].len;
}

/* Whether the literals may go without waiting (RFC 7888). All of a command's or none: a "+" that a
 * server sends needlessly for one must not be taken for the word that another waits for. */
static bool takes_plus(const struct imap_connection *c, const struct imap_command *command)
{
    if ((c->capabilities & IMAP_CAP_LITERAL_PLUS) != 0)
        return true;
    if ((c->capabilities & IMAP_CAP_LITERAL_MINUS) == 0)
        return false;
    for (unsigned i = 0; i < command->literal_count; i++) {
        if (literal_size(command, i) > LITERAL_MINUS_MAX)
            return false;
    }
    return true;
}

/* A line's piece: trusted to hold no CR, LF or NUL, and checked all the same. */
static bool append_piece(struct imap_request *r, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\r' || text[i] == '\n' || text[i] == '\0')
            return false;
    }
    return buffer_append(&r->bytes, text, len);
}

/* Copies one literal, or marks where its source's bytes go. */
static bool append_literal(struct imap_request *r, const struct imap_command *command, unsigned i)
{
    size_t start = command->literals[i].at, len = command->literals[i].len;
    if (!r->plus)
        r->holds[r->hold_count++] = r->bytes.len;
    if (command->source.read != NULL && i + 1 == command->literal_count) {
        r->source = command->source;
        r->source_at = r->bytes.len;
    }
    r->literals_end = r->bytes.len + literal_size(command, i);
    return buffer_append(&r->bytes, command->text.data + start, len);
}

/* Copies the command's text into the request: each "{n}" CRLF becomes "{n+}" CRLF or a hold. */
static enum imap_error build(struct imap_connection *c, struct imap_request *r,
                             const struct imap_command *command)
{
    size_t at = 0, line = r->bytes.len;
    r->plus = command->literal_count > 0 && takes_plus(c, command);
    for (unsigned i = 0; i < command->literal_count; i++) {
        size_t start = command->literals[i].at, len = command->literals[i].len;
        if (start < at + 3 || start > command->text.len || len > command->text.len - start)
            return IMAP_ERR_PROTOCOL;
        if (!append_piece(r, command->text.data + at, start - 3 - at) ||
            !buffer_append_text(&r->bytes, r->plus ? "+}\r\n" : "}\r\n"))
            return IMAP_ERR_PROTOCOL;
        line += start - at;
        if (line > IMAP_LINE_MAX)
            return IMAP_ERR_TOO_LARGE;
        if (!append_literal(r, command, i))
            return IMAP_ERR_MEMORY;
        at = start + len;
        line = 0;
    }
    if (!append_piece(r, command->text.data + at, command->text.len - at) ||
        !buffer_append_text(&r->bytes, "\r\n"))
        return IMAP_ERR_PROTOCOL;
    return line + command->text.len - at + 2 > IMAP_LINE_MAX ? IMAP_ERR_TOO_LARGE : IMAP_OK;
}

/* The mailbox that SELECT or EXAMINE names: its only argument, in any of the three forms. */
static bool set_mailbox(struct imap_request *r, const struct imap_command *command)
{
    const char *text = command->text.data;
    size_t len = command->text.len, at = strlen(r->verb) + 1, n = 0;
    r->read_only = strcasecmp(r->verb, "EXAMINE") == 0;
    if (command->literal_count > 0) {
        r->mailbox = strndup(text + command->literals[0].at, command->literals[0].len);
        return r->mailbox != NULL;
    }
    r->mailbox = malloc(len + 1);
    if (r->mailbox == NULL)
        return false;
    bool quoted = at < len && text[at] == '"';
    for (at += quoted ? 1 : 0; at < len && text[at] != (quoted ? '"' : ' '); at++) {
        if (quoted && text[at] == '\\' && at + 1 < len)
            at++;
        r->mailbox[n++] = text[at];
    }
    r->mailbox[n] = '\0';
    return true;
}

static enum imap_request_kind kind_of(const char *verb)
{
    static const struct {
        const char *verb;
        enum imap_request_kind kind;
    } kinds[] = {
        {"SELECT",   IMAP_REQUEST_SELECT},
        {"EXAMINE",  IMAP_REQUEST_SELECT},
        {"CLOSE",    IMAP_REQUEST_CLOSE },
        {"UNSELECT", IMAP_REQUEST_CLOSE },
        {"APPEND",   IMAP_REQUEST_APPEND},
        {"UID COPY", IMAP_REQUEST_COPY  },
        {"UID MOVE", IMAP_REQUEST_COPY  },
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcasecmp(verb, kinds[i].verb) == 0)
            return kinds[i].kind;
    }
    return IMAP_REQUEST_PLAIN;
}

static void empty_command(struct imap_command *command)
{
    if (command->sensitive)
        buffer_wipe(&command->text);
    imap_command_free(command);
}

enum imap_error imap_pipeline_submit(struct imap_connection *c, struct imap_command *command,
                                     enum imap_request_kind kind, imap_done_fn *done, void *ctx)
{
    struct imap_request *r = NULL;
    enum imap_error error = IMAP_ERR_MEMORY;
    if (command->broken || command->text.len == 0 || command->literal_count > IMAP_LITERALS_MAX)
        goto out;
    r = request_new(c, kind, command->text.len, done, ctx);
    if (r == NULL)
        goto out;
    r->sensitive = command->sensitive;
    set_verb(r, command->text.data, command->text.len);
    error = build(c, r, command);
    if (error != IMAP_OK)
        goto out;
    if (kind == IMAP_REQUEST_PLAIN)
        r->kind = kind_of(r->verb);
    if (r->kind == IMAP_REQUEST_SELECT && !set_mailbox(r, command)) {
        error = IMAP_ERR_MEMORY;
        goto out;
    }
    if (r->kind == IMAP_REQUEST_SELECT)
        imap_selected_clear(&c->selected);
    enqueue(c, r);
    r = NULL;
out:
    if (r != NULL)
        request_free(r);
    empty_command(command);
    return error;
}

enum imap_error imap_pipeline_submit_lines(struct imap_connection *c, const char *line,
                                           const char *after, enum imap_request_kind kind,
                                           imap_done_fn *done, void *ctx)
{
    size_t room = strlen(line) + (after != NULL ? strlen(after) : 0);
    struct imap_request *r = request_new(c, kind, room, done, ctx);
    if (r == NULL)
        return IMAP_ERR_MEMORY;
    r->sensitive = kind == IMAP_REQUEST_AUTHENTICATE;
    set_verb(r, line, strlen(line));
    bool whole = buffer_append_text(&r->bytes, line) && buffer_append_text(&r->bytes, "\r\n");
    r->holds[0] = r->bytes.len;
    r->hold_count = after != NULL ? 1 : 0;
    if (after != NULL)
        whole =
            whole && buffer_append_text(&r->bytes, after) && buffer_append_text(&r->bytes, "\r\n");
    if (!whole) {
        request_free(r);
        return IMAP_ERR_MEMORY;
    }
    enqueue(c, r);
    return IMAP_OK;
}

void imap_pipeline_drop_answered(struct imap_connection *c)
{
    struct imap_request **link = &c->first, *last = NULL;
    while (*link != NULL) {
        struct imap_request *r = *link;
        if (r->answered && r != c->sending) {
            *link = r->next;
            request_free(r);
        } else {
            last = r;
            link = &r->next;
        }
    }
    c->last = last;
}

struct imap_request *imap_pipeline_oldest(const struct imap_connection *c)
{
    struct imap_request *r = c->first;
    while (r != NULL && r->answered)
        r = r->next;
    return r;
}

struct imap_request *imap_pipeline_find(const struct imap_connection *c, struct imap_span tag)
{
    struct imap_request *r = c->first;
    while (r != NULL && (r->answered || strlen(r->tag) != tag.len ||
                         strncasecmp(r->tag, tag.data, tag.len) != 0))
        r = r->next;
    return r != NULL && r->at > 0 ? r : NULL;
}

void imap_pipeline_complete(struct imap_connection *c, struct imap_request *r,
                            const struct imap_completion *completion)
{
    struct imap_completion whole = *completion;
    struct imap_noted_uids noted = r->uids; /* outlives the request, as `whole` points there */
    struct imap_told_uids told;
    r->uids = (struct imap_noted_uids){0};
    whole.outcome = whole.response != NULL ? IMAP_OUTCOME_ANSWERED : imap_sending_outcome(c, r);
    imap_uids_tell(r->kind, &noted, &told, &whole);
    r->answered = true;
    c->in_flight--;
    c->completed++;
    c->progress_at = clock_ms();
    c->progress_bytes = 0;
    if (r->kind == IMAP_REQUEST_IDLE)
        c->idle_on = c->idling = c->idle_ending = false;
    imap_sending_answered(c, r);
    imap_done_fn *done = r->done;
    void *ctx = r->ctx;
    imap_pipeline_drop_answered(c);
    if (done != NULL)
        done(ctx, &whole);
    imap_uids_free(&noted);
}

void imap_pipeline_abort(struct imap_connection *c, const struct imap_failure *failure)
{
    c->sending = NULL;
    imap_pipeline_drop_answered(c);
    struct imap_request *oldest;
    while ((oldest = imap_pipeline_oldest(c)) != NULL) {
        struct imap_failure own = *failure;
        if (oldest->source_failed)
            imap_sending_explain(c, oldest, &own);
        struct imap_completion completion = {.error = own.error, .failure = &own};
        imap_pipeline_complete(c, oldest, &completion);
    }
    imap_pipeline_drop_answered(c);
    c->out_sensitive = true; /* cheap, and nothing stays behind */
    imap_sending_wipe(c);
}
