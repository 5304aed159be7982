/*
 * See text_view.h. The tree of the message (message/mime.h) is walked once: each leaf is shown,
 * noted as an attachment, or passed over because another alternative is shown.
 */
#include "message/text_view.h"

#include <string.h>

#include "base/buffer.h"
#include "message/charset.h"
#include "message/header.h"
#include "message/html.h"
#include "message/mime.h"
#include "message/text.h"
#include "message/unicode.h"

enum { FIELD_MAX = MIME_HEADER_MAX }; /* bytes shown of one field */

struct view {
    const struct message_source *source;
    const struct message_sink *sink;
    struct mime_tree tree;
    struct message_sink counted; /* `sink`, by way of view_write */
    bool any;                    /* text was written below the fields */
    char last;                   /* the last byte written */
    GString *attachments;        /* lines */
};

static bool view_write(void *ctx, const char *data, size_t len)
{
    struct view *view = ctx;
    if (len == 0)
        return true;
    view->last = data[len - 1];
    return view->sink->write(view->sink->ctx, data, len);
}

static enum message_result view_text(struct view *view, const char *text)
{
    return view_write(view, text, strlen(text)) ? MESSAGE_OK : MESSAGE_STOPPED;
}

/* Ends the line that is under way. */
static enum message_result view_end_line(struct view *view)
{
    return view->last == '\n' ? MESSAGE_OK : view_text(view, "\n");
}

/* ---- fields ---- */

/* A field decoded, without controls; g_free. */
static char *field_text(const char *raw)
{
    char *decoded = message_text_decode_whole(raw);
    decoded[unicode_cut(decoded, strlen(decoded), FIELD_MAX)] = '\0';
    return decoded;
}

static enum message_result view_fields_of(struct view *view, const char *header, size_t len)
{
    struct message_header_field fields[] = {
        {.name = "From"}, {.name = "To"}, {.name = "Cc"}, {.name = "Date"}, {.name = "Subject"}};
    enum { COUNT = sizeof fields / sizeof *fields };
    enum message_result result = message_header_collect_most(header, len, fields, COUNT, FIELD_MAX)
                                     ? MESSAGE_OK
                                     : MESSAGE_NO_MEMORY;
    for (size_t i = 0; i < COUNT && result == MESSAGE_OK; i++) {
        if (!fields[i].found)
            continue;
        char *text = field_text(fields[i].raw.data);
        char *line = g_strdup_printf("%s: %s\n", fields[i].name, text);
        result = view_text(view, line);
        g_free(line);
        g_free(text);
    }
    message_header_free(fields, COUNT);
    return result;
}

/* The fields of a message whose header begins at `begin` and ends before `end`. */
static enum message_result view_fields(struct view *view, uint64_t begin, uint64_t end)
{
    size_t len = end - begin < MIME_HEADER_MAX ? (size_t)(end - begin) : MIME_HEADER_MAX;
    char *header = g_malloc(len + 1);
    size_t got = 0;
    enum message_result result = MESSAGE_OK;
    while (got < len && result == MESSAGE_OK) {
        ssize_t more = view->source->read(view->source->ctx, begin + got, header + got, len - got);
        if (more <= 0)
            result = MESSAGE_UNREADABLE;
        else
            got += (size_t)more;
    }
    if (result == MESSAGE_OK)
        result = view_fields_of(view, header, got);
    g_free(header);
    if (result == MESSAGE_OK)
        result = view_text(view, "\n");
    return result;
}

/* ---- text ---- */

static bool probe_write(void *ctx, const char *data, size_t len)
{
    struct utf8_probe *probe = ctx;
    utf8_probe_write(probe, data, len);
    return !probe->broken;
}

static bool reader_write(void *ctx, const char *data, size_t len)
{
    return charset_reader_write(ctx, data, len);
}

/* The text of a leaf to `sink`: decoded, in UTF-8. */
static enum message_result leaf_text(struct view *view, const struct mime_node *node,
                                     const char *charset, const struct message_sink *sink)
{
    struct utf8_probe probe = {0};
    if (charset_is_vague(charset)) {
        const struct message_sink probing = {probe_write, &probe};
        enum message_result result = mime_decode(view->source, node, &probing);
        if (result != MESSAGE_OK && result != MESSAGE_STOPPED)
            return result;
    }
    struct charset_reader *reader = charset_reader_new(charset, utf8_probe_end(&probe), sink);
    const struct message_sink reading = {reader_write, reader};
    enum message_result result = mime_decode(view->source, node, &reading);
    if (result == MESSAGE_OK && !charset_reader_end(reader))
        result = MESSAGE_STOPPED;
    charset_reader_free(reader);
    return result;
}

/* Gathers up to the ceiling; then it takes no more. */
static bool gather(void *ctx, const char *data, size_t len)
{
    struct buffer *buffer = ctx;
    size_t room = buffer->max - buffer->len;
    return buffer_append(buffer, data, len < room ? len : room) && len <= room;
}

/* HTML that names its charset only within itself. */
static char *own_charset(struct view *view, const struct mime_node *node)
{
    struct buffer head;
    buffer_init(&head, 4096);
    const struct message_sink sink = {gather, &head};
    enum message_result result = mime_decode(view->source, node, &sink);
    char *charset = NULL;
    if ((result == MESSAGE_OK || result == MESSAGE_STOPPED) && head.len > 0)
        charset = html_charset(head.data, head.len);
    buffer_free(&head);
    return charset;
}

static enum message_result view_html(struct view *view, const struct mime_node *node)
{
    struct buffer html;
    char *own = charset_is_vague(node->charset) ? own_charset(view, node) : NULL;
    buffer_init(&html, HTML_MAX);
    const struct message_sink sink = {gather, &html};
    enum message_result result = leaf_text(view, node, own != NULL ? own : node->charset, &sink);
    bool whole = result == MESSAGE_OK;
    if (result == MESSAGE_STOPPED && html.len == html.max)
        result = MESSAGE_OK;
    else if (result == MESSAGE_STOPPED)
        result = MESSAGE_NO_MEMORY;
    if (result == MESSAGE_OK && html.len > 0)
        result = html_to_text(html.data, html.len, whole, &view->counted);
    buffer_free(&html);
    g_free(own);
    return result;
}

static enum message_result view_leaf(struct view *view, const struct mime_node *node)
{
    if (node->begin == node->end)
        return MESSAGE_OK;
    enum message_result result = view->any ? view_text(view, "\n") : MESSAGE_OK;
    view->any = true;
    if (result == MESSAGE_OK && mime_is(node, "text", "html"))
        result = view_html(view, node);
    else if (result == MESSAGE_OK)
        result = leaf_text(view, node, node->charset, &view->counted);
    return result == MESSAGE_OK ? view_end_line(view) : result;
}

/* ---- which parts ---- */

/* Text that is shown where it stands. Calendars, cards and RTF are for programs, but reports of
 * delivery are text in all but name. */
static bool is_shown(const struct mime_node *node)
{
    static const char *const programs[] = {"calendar", "vcard", "x-vcard", "directory", "rtf"};
    if (node->kind != MIME_LEAF || node->attachment)
        return false;
    if (strcmp(node->type, "message") == 0)
        return mime_is(node, "message", "delivery-status") ||
               mime_is(node, "message", "disposition-notification");
    if (strcmp(node->type, "text") != 0)
        return false;
    for (size_t i = 0; i < G_N_ELEMENTS(programs); i++) {
        if (strcmp(node->subtype, programs[i]) == 0)
            return false;
    }
    return true;
}

static bool find_text(void *ctx, const char *data, size_t len)
{
    bool *found = ctx;
    for (size_t i = 0; i < len && !*found; i++)
        *found = (unsigned char)data[i] > ' ';
    return !*found;
}

static bool has_text(struct view *view, const struct mime_node *node)
{
    bool found = false;
    const struct message_sink sink = {find_text, &found};
    enum message_result result = mime_decode(view->source, node, &sink);
    return result != MESSAGE_UNREADABLE && found;
}

/* How good the best text within node `index` is: 3 plain, 2 HTML, 1 other text, 0 none. */
static int worth(struct view *view, int index)
{
    const struct mime_node *nodes = view->tree.nodes;
    int best = 0;
    for (int i = index; i < nodes[index].after; i++) {
        int rank = 0;
        if (!is_shown(&nodes[i]))
            continue;
        if (mime_is(&nodes[i], "text", "plain"))
            rank = has_text(view, &nodes[i]) ? 3 : 0;
        else
            rank = mime_is(&nodes[i], "text", "html") ? 2 : 1;
        best = rank > best ? rank : best;
    }
    return best;
}

/* The child of a multipart/alternative that is shown; -1: it has none. */
static int choose(struct view *view, int index)
{
    int best = -1, chosen = -1;
    for (int i = index + 1; i < view->tree.nodes[index].after; i = view->tree.nodes[i].after) {
        int rank = worth(view, i);
        if (rank > best) {
            best = rank;
            chosen = i;
        }
    }
    return chosen;
}

static bool count_bytes(void *ctx, const char *data, size_t len)
{
    *(uint64_t *)ctx += len;
    return true;
}

static enum message_result note_attachment(struct view *view, const struct mime_node *node)
{
    uint64_t bytes = 0;
    const struct message_sink sink = {count_bytes, &bytes};
    enum message_result result = mime_decode(view->source, node, &sink);
    char *type = g_strdup_printf("%s/%s", node->type, node->subtype);
    char *shown = message_text_clean(type);
    g_string_append_printf(view->attachments, "- %s (%s, %" G_GUINT64_FORMAT " bytes)\n",
                           node->name != NULL ? node->name : "unnamed", shown, bytes);
    g_free(shown);
    g_free(type);
    return result;
}

static enum message_result view_message(struct view *view, int index)
{
    const struct mime_node *inner = &view->tree.nodes[index];
    enum message_result result = view->any ? view_text(view, "\n") : MESSAGE_OK;
    if (result == MESSAGE_OK)
        result = view_text(view, MESSAGE_TEXT_NESTED);
    if (result == MESSAGE_OK)
        result = view_fields(view, inner->header, inner->begin);
    view->any = false; /* the empty line below the fields is there */
    return result;
}

/* The nodes from `index` to before `end`; of an alternative that is not chosen only what is no text
 * (`passed`): it may hold files. Recursion is bounded by MIME_DEPTH_MAX. */
static enum message_result view_nodes(struct view *view, int index, int end, bool passed)
{
    const struct mime_node *nodes = view->tree.nodes;
    enum message_result result = MESSAGE_OK;
    for (int i = index; i < end && result == MESSAGE_OK; i = nodes[i].after) {
        const struct mime_node *node = &nodes[i];
        bool shown = is_shown(node);
        if (node->kind == MIME_MULTIPART && !passed && mime_is(node, "multipart", "alternative")) {
            int chosen = choose(view, i);
            for (int child = i + 1; child < node->after && result == MESSAGE_OK;
                 child = nodes[child].after)
                result = view_nodes(view, child, nodes[child].after, child != chosen);
            continue;
        }
        if (node->kind == MIME_MESSAGE && !passed) {
            result = note_attachment(view, node);
            if (result == MESSAGE_OK && i + 1 < node->after)
                result = view_message(view, i + 1);
        } else if (node->kind == MIME_LEAF && shown && !passed) {
            result = view_leaf(view, node);
        }
        if (result == MESSAGE_OK && node->kind != MIME_LEAF)
            result = view_nodes(view, i + 1, node->after, passed);
        else if (result == MESSAGE_OK && (!shown || (node->name != NULL && !passed)))
            result = note_attachment(view, node);
    }
    return result;
}

static enum message_result view_attachments(struct view *view)
{
    enum message_result result = MESSAGE_OK;
    if (view->attachments->len == 0)
        return result;
    if (view->any)
        result = view_text(view, "\n");
    if (result == MESSAGE_OK)
        result = view_text(view, MESSAGE_TEXT_ATTACHMENTS);
    return result == MESSAGE_OK ? view_text(view, view->attachments->str) : result;
}

enum message_result message_text_view(const struct message_source *source,
                                      const struct message_sink *sink)
{
    struct view view = {.source = source, .sink = sink, .last = '\n'};
    view.counted = (struct message_sink){view_write, &view};
    view.attachments = g_string_new(NULL);
    enum message_result result = mime_tree_read(&view.tree, source);
    if (result == MESSAGE_OK)
        result = view_fields(&view, 0, view.tree.nodes[0].begin);
    if (result == MESSAGE_OK)
        result = view_nodes(&view, 0, (int)view.tree.count, false);
    if (result == MESSAGE_OK)
        result = view_attachments(&view);
    g_string_free(view.attachments, TRUE);
    mime_tree_free(&view.tree);
    return result;
}
