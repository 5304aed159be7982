/*
 * See transcript.h. The text of a response names only what the response says: absent parts are left
 * out, so that an expected transcript reads like the conversation. Running out of memory aborts.
 */
#include "tests/unit/imap/transcript.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const struct transcript transcript_default = {
    .limits = {.response = 1024 * 1024, .body = 1024 * 1024, .depth = 8, .inline_body = 0},
    .body_bytes = UINT64_MAX,
};

struct run {
    const struct transcript *t;
    struct buffer *log;
    uint64_t taken;
};

#define put(...)                                                                                   \
    do {                                                                                           \
        if (!buffer_printf(__VA_ARGS__))                                                           \
            abort();                                                                               \
    } while (0)

static void put_bytes(struct buffer *log, const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)data[i];
        if (byte >= 0x20 && byte < 0x7F)
            put(log, "%c", byte);
        else
            put(log, "<%02X>", byte);
    }
}

static void put_span(struct buffer *log, const char *name, struct imap_span span)
{
    if (span.data == NULL)
        return;
    put(log, " %s=\"", name);
    put_bytes(log, span.data, span.len);
    put(log, "\"");
}

static void put_number(struct buffer *log, const char *name, uint64_t number)
{
    if (number != 0)
        put(log, " %s=%" PRIu64, name, number);
}

static void put_status(struct buffer *log, const struct imap_response *r)
{
    static const char *const words[] = {"OK", "NO", "BAD", "BYE", "PREAUTH"};
    put(log, "status %s", words[r->status.status]);
    put_span(log, "tag", r->tag);
}

static void put_code(struct buffer *log, const struct imap_code *code)
{
    if (code->kind == IMAP_CODE_NONE)
        return;
    put(log, " code=%u", code->kind);
    put_number(log, "number", code->number);
    put_span(log, "source", code->source);
    put_span(log, "target", code->target);
    put_span(log, "code-text", code->text);
}

static void put_flags(struct buffer *log, const struct imap_flags *flags)
{
    put(log, " flags=%X", flags->system);
    put_span(log, "flags-text", flags->text);
}

static void put_list(struct buffer *log, const struct imap_response *r)
{
    put(log, "%s attributes=%X", r->kind == IMAP_RESPONSE_LIST ? "list" : "lsub",
        r->list.attributes);
    if (r->list.delimiter != 0)
        put_span(log, "delimiter", (struct imap_span){&r->list.delimiter, 1});
    put_span(log, "name", r->list.name);
    if (r->list.malformed)
        put(log, " malformed");
}

static void put_mailbox_status(struct buffer *log, const struct imap_mailbox_status *s)
{
    put(log, "mailbox-status present=%X", s->present);
    put_span(log, "name", s->name);
    put_number(log, "messages", s->messages);
    put_number(log, "uidnext", s->uidnext);
    put_number(log, "uidvalidity", s->uidvalidity);
    put_number(log, "unseen", s->unseen);
    put_number(log, "highestmodseq", s->highestmodseq);
    put_number(log, "size", s->size);
    put_number(log, "appendlimit", s->appendlimit);
}

static void put_search(struct buffer *log, const struct imap_search *s)
{
    put(log, s->extended ? "esearch" : "search");
    for (size_t i = 0; i < s->count; i++)
        put(log, " %" PRIu32, s->numbers[i]);
    if (s->uid)
        put(log, " uid");
    put_span(log, "all", s->all);
    put_number(log, "min", s->min);
    put_number(log, "max", s->max);
    put_number(log, "total", s->total);
    put_number(log, "modseq", s->modseq);
}

static void put_body(struct buffer *log, const struct imap_fetch *f)
{
    static const char *const forms[] = {"nil", "inline", "streamed"};
    bool present = (f->present & IMAP_FETCH_BODY) != 0;
    if (!present && f->body_form != IMAP_BODY_STREAMED)
        return;
    put(log, " body-%s=%s", present ? "is" : "not", forms[f->body_form]);
    put_number(log, "length", f->body_length);
    put_span(log, "body", f->body);
    if (f->body_partial)
        put(log, " origin=%" PRIu64, f->body_origin);
}

static void put_fetch(struct buffer *log, const struct imap_fetch *f)
{
    put(log, "fetch %" PRIu32, f->sequence);
    put_number(log, "uid", f->uid);
    if ((f->present & IMAP_FETCH_FLAGS) != 0)
        put_flags(log, &f->flags);
    if ((f->present & IMAP_FETCH_INTERNALDATE) != 0)
        put(log, " date=%" PRId64, f->internaldate);
    if ((f->present & IMAP_FETCH_SIZE) != 0)
        put(log, " size=%" PRIu64, f->size);
    if ((f->present & IMAP_FETCH_MODSEQ) != 0)
        put(log, " modseq=%" PRIu64, f->modseq);
    if ((f->present & IMAP_FETCH_HEADER) != 0 && f->header.data == NULL)
        put(log, " header=nil");
    put_span(log, "header", f->header);
    put_span(log, "envelope", f->envelope);
    put_body(log, f);
}

static void put_items(struct buffer *log, const struct imap_response *r)
{
    for (size_t i = 0; i < r->namespaces.count; i++) {
        const struct imap_namespace *n = &r->namespaces.items[i];
        put(log, " %u", n->kind);
        put_span(log, "prefix", n->prefix);
        if (n->delimiter != 0)
            put_span(log, "delimiter", (struct imap_span){&n->delimiter, 1});
    }
    for (size_t i = 0; i < r->id.count; i++) {
        if (r->id.items[i].data == NULL)
            put(log, " nil");
        put_span(log, i % 2 == 0 ? "key" : "value", r->id.items[i]);
    }
    put_span(log, "root", r->quota.root);
    for (size_t i = 0; i < r->quota.count; i++) {
        put_span(log, "resource", r->quota.items[i].name);
        put(log, " %" PRIu64 " of %" PRIu64, r->quota.items[i].usage, r->quota.items[i].limit);
    }
    put_span(log, "mailbox", r->quotaroot.mailbox);
    for (size_t i = 0; i < r->quotaroot.count; i++)
        put_span(log, "root", r->quotaroot.roots[i]);
}

static void put_other(struct buffer *log, const struct imap_response *r)
{
    static const char *const names[] = {
        [IMAP_RESPONSE_CONTINUE] = "continue",
        [IMAP_RESPONSE_STATUS] = "",
        [IMAP_RESPONSE_CAPABILITY] = "capability",
        [IMAP_RESPONSE_FLAGS] = "flags",
        [IMAP_RESPONSE_EXISTS] = "exists",
        [IMAP_RESPONSE_RECENT] = "recent",
        [IMAP_RESPONSE_EXPUNGE] = "expunge",
        [IMAP_RESPONSE_VANISHED] = "vanished",
        [IMAP_RESPONSE_NAMESPACE] = "namespace",
        [IMAP_RESPONSE_ID] = "id",
        [IMAP_RESPONSE_QUOTA] = "quota",
        [IMAP_RESPONSE_QUOTAROOT] = "quotaroot",
        [IMAP_RESPONSE_ENABLED] = "enabled",
        [IMAP_RESPONSE_OTHER] = "other",
        [IMAP_RESPONSE_BARE] = "bare",
    };
    put(log, "%s", names[r->kind]);
    if (r->kind == IMAP_RESPONSE_EXISTS || r->kind == IMAP_RESPONSE_RECENT ||
        r->kind == IMAP_RESPONSE_EXPUNGE)
        put(log, " %" PRIu32, r->number);
    if (r->kind == IMAP_RESPONSE_FLAGS)
        put_flags(log, &r->flags);
    if (r->vanished.earlier)
        put(log, " earlier");
    put_span(log, "uids", r->vanished.uids);
    put_span(log, "words", r->capability);
    put_items(log, r);
    if (r->kind == IMAP_RESPONSE_OTHER || r->kind == IMAP_RESPONSE_BARE)
        put_span(log, "line", r->line);
}

static void put_response(struct buffer *log, const struct imap_response *r)
{
    if (r->kind == IMAP_RESPONSE_STATUS)
        put_status(log, r);
    else if (r->kind == IMAP_RESPONSE_LIST || r->kind == IMAP_RESPONSE_LSUB)
        put_list(log, r);
    else if (r->kind == IMAP_RESPONSE_MAILBOX_STATUS)
        put_mailbox_status(log, &r->mailbox_status);
    else if (r->kind == IMAP_RESPONSE_SEARCH)
        put_search(log, &r->search);
    else if (r->kind == IMAP_RESPONSE_FETCH)
        put_fetch(log, &r->fetch);
    else
        put_other(log, r);
    put_code(log, &r->status.code);
    put_span(log, "text", r->status.text);
    put(log, "\n");
}

static bool body_begin(void *ctx, uint32_t sequence, uint64_t length)
{
    struct run *run = ctx;
    put(run->log, "body %" PRIu32 " %" PRIu64 ": ", sequence, length);
    return !run->t->refuse_body;
}

static bool body_chunk(void *ctx, const char *data, size_t len)
{
    struct run *run = ctx;
    uint64_t room = run->t->body_bytes - run->taken;
    size_t taken = len < room ? len : (size_t)room;
    put_bytes(run->log, data, taken);
    run->taken += taken;
    return taken == len;
}

static void body_end(void *ctx)
{
    struct run *run = ctx;
    put(run->log, " end ");
}

/* A piece of its own size on the heap, so that a sanitizer sees a step beyond it. */
static enum imap_parse feed_piece(struct imap_parser *parser, const char *data, size_t len,
                                  struct buffer *log)
{
    enum imap_parse result = IMAP_PARSE_MORE;
    char *piece = malloc(len > 0 ? len : 1);
    if (piece == NULL)
        abort();
    if (len > 0)
        memcpy(piece, data, len);
    for (size_t at = 0; at < len;) {
        const struct imap_response *response = NULL;
        size_t used = 0;
        result = imap_parser_next(parser, piece + at, len - at, &used, &response);
        at += used;
        if (result != IMAP_PARSE_RESPONSE)
            break;
        put_response(log, response);
    }
    free(piece);
    return result;
}

void transcript_run(const struct transcript *t, const char *data, size_t len, size_t cut,
                    size_t piece, struct buffer *log)
{
    struct run run = {.t = t, .log = log};
    const struct imap_body_sink sink = {&run, body_begin, body_chunk, body_end};
    struct imap_parser *parser = imap_parser_new(&t->limits, &sink);
    if (parser == NULL)
        abort();
    enum imap_parse result = feed_piece(parser, data, cut, log);
    for (size_t at = cut; at < len && result != IMAP_PARSE_BAD && result != IMAP_PARSE_TOO_LARGE;) {
        size_t size = piece > 0 && piece < len - at ? piece : len - at;
        result = feed_piece(parser, data + at, size, log);
        at += size;
    }
    if (result == IMAP_PARSE_BAD || result == IMAP_PARSE_TOO_LARGE)
        put(log, result == IMAP_PARSE_BAD ? "bad" : "too large");
    else
        put(log, imap_parser_idle(parser) ? "idle" : "cut");
    imap_parser_free(&parser);
}
