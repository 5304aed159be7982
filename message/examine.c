/*
 * See examine.h. The view passes through a window: raw text is gathered to a block, folded, put
 * behind the end of the block before, as far as the longest needle reaches, and each needle looked
 * for in that. What is not met by then is not in it, so only negated terms take the whole text.
 */
#include "message/examine.h"

#include <stdlib.h>
#include <string.h>

#include "message/blocks.h"
#include "message/match.h"
#include "message/mime.h"
#include "message/text_view.h"

enum {
    HEADER_MAX = 256 * 1024,      /* bytes of a header that are looked at */
    WINDOW_MAX = 8 * BLOCKS_SIZE, /* folding makes text longer, at most three times */
};

struct window {
    const struct message_query *query;
    bool met[MESSAGE_QUERY_TERMS];
    size_t left, needle;     /* needles not met yet; bytes of the longest */
    bool below;              /* the fields are over, and `fresh` begins below them */
    bool newline;            /* the last byte was one */
    bool failed;             /* no memory */
    struct buffer folded[2]; /* of the whole, and of what is below the fields */
};

static bool wants_view(const struct message_query_term *term)
{
    return term->key == MESSAGE_QUERY_TEXT || term->key == MESSAGE_QUERY_BODY;
}

/* ---- the window ---- */

static void look(struct window *w, struct buffer *folded, enum message_query_key key)
{
    for (size_t i = 0; i < w->query->count; i++) {
        const struct message_query_term *term = &w->query->terms[i];
        if (term->key != key || w->met[i] || !message_folded_has(folded->data, term->folded))
            continue;
        w->met[i] = true;
        w->left--;
    }
    if (folded->len > w->needle)
        buffer_consume(folded, folded->len - w->needle);
}

/* Puts text behind what the window holds. */
static bool put(struct window *w, struct buffer *folded, enum message_query_key key,
                const char *text, size_t len)
{
    bool good = message_fold_append(folded, text, len);
    if (good && len > 0 && folded->data != NULL)
        look(w, folded, key);
    return good;
}

/* Where in the block what is below the fields begins; its length: not there. */
static size_t find_below(struct window *w, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bool newline = text[i] == '\n';
        if (newline && w->newline) {
            w->below = true;
            return i + 1;
        }
        w->newline = newline;
    }
    return len;
}

static bool take_block(void *ctx, const char *text, size_t len)
{
    struct window *w = ctx;
    size_t from = w->below ? 0 : find_below(w, text, len);
    bool good = put(w, &w->folded[0], MESSAGE_QUERY_TEXT, text, len) &&
                put(w, &w->folded[1], MESSAGE_QUERY_BODY, text + from, len - from);
    w->failed |= !good;
    return good && w->left > 0;
}

static enum message_result examine_view(const struct message_source *source, struct window *w)
{
    struct blocks blocks;
    blocks_begin(&blocks, take_block, w);
    const struct message_sink sink = {.write = blocks_write, .ctx = &blocks};
    enum message_result result = message_text_view(source, &sink);
    if (result == MESSAGE_OK)
        (void)blocks_end(&blocks);
    if (result == MESSAGE_STOPPED && w->left == 0)
        result = MESSAGE_OK;
    bool failed = w->failed || blocks.failed;
    blocks_free(&blocks);
    return failed ? MESSAGE_NO_MEMORY : result;
}

static enum message_result look_at_view(const struct message_query *query,
                                        const struct message_source *source, bool *met)
{
    struct window w = {.query = query, .newline = true};
    enum message_result result = MESSAGE_OK;
    for (size_t i = 0; i < query->count; i++) {
        if (!wants_view(&query->terms[i]))
            continue;
        size_t len = strlen(query->terms[i].folded);
        w.needle = len > w.needle ? len : w.needle;
        w.left++;
    }
    if (w.left == 0)
        return MESSAGE_OK;
    buffer_init(&w.folded[0], WINDOW_MAX);
    buffer_init(&w.folded[1], WINDOW_MAX);
    result = examine_view(source, &w);
    for (size_t i = 0; i < query->count; i++) {
        if (wants_view(&query->terms[i]) && w.met[i] == query->terms[i].negated)
            *met = false;
    }
    buffer_free(&w.folded[0]);
    buffer_free(&w.folded[1]);
    return result;
}

/* ---- fields and attachments ---- */

static enum message_result look_at_header(const struct message_query *query,
                                          const struct message_source *source, bool *met)
{
    size_t len = source->size < HEADER_MAX ? (size_t)source->size : HEADER_MAX;
    char *header = malloc(len + 1);
    ssize_t got = header != NULL ? source->read(source->ctx, 0, header, len) : 0;
    for (size_t i = 0; i < query->count && header != NULL && got >= 0; i++) {
        const struct message_query_term *term = &query->terms[i];
        bool cc = term->key == MESSAGE_QUERY_CC;
        if (!cc && term->key != MESSAGE_QUERY_HEADER)
            continue;
        if (message_header_has(header, (size_t)got, cc ? "Cc" : term->name, term->folded) ==
            term->negated)
            *met = false;
    }
    bool memory = header != NULL;
    free(header);
    return !memory ? MESSAGE_NO_MEMORY : got < 0 ? MESSAGE_UNREADABLE : MESSAGE_OK;
}

/* A part that is called so, or that has a file name. */
static enum message_result look_for_attachment(const struct message_source *source, bool *found)
{
    struct mime_tree tree;
    enum message_result result = mime_tree_read(&tree, source);
    for (size_t i = 0; i < tree.count && result == MESSAGE_OK; i++) {
        const struct mime_node *node = &tree.nodes[i];
        *found |= node->attachment || (node->kind == MIME_LEAF && node->name != NULL);
    }
    mime_tree_free(&tree);
    return result;
}

static enum message_result look_at_parts(const struct message_query *query,
                                         const struct message_source *source, bool *met)
{
    bool found = false, asked = false;
    enum message_result result = MESSAGE_OK;
    for (size_t i = 0; i < query->count && result == MESSAGE_OK; i++) {
        if (query->terms[i].key != MESSAGE_QUERY_ATTACHMENT)
            continue;
        if (!asked)
            result = look_for_attachment(source, &found);
        asked = true;
        *met = *met && found != query->terms[i].negated;
    }
    return result;
}

enum message_result message_examine(const struct message_query *query,
                                    const struct message_source *source, bool *met)
{
    *met = true;
    enum message_result result = look_at_header(query, source, met);
    if (result == MESSAGE_OK && *met)
        result = look_at_parts(query, source, met);
    if (result == MESSAGE_OK && *met)
        result = look_at_view(query, source, met);
    *met = *met && result == MESSAGE_OK;
    return result;
}
