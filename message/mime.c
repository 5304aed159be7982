/*
 * See mime.h: what a header says of an entity, and undoing its encoding.
 *
 * Parameters are read by GMime: RFC 2231 continuations and charsets, and encoded words where RFC
 * 2047 forbids them and mailers write them. A Content-Type that is none is text/plain (RFC 2045
 * section 5.2), a multipart without a boundary or without parts as well: its text is all there is
 * to read.
 */
#include "message/mime.h"

#include <string.h>

#include "message/header.h"
#include "message/text.h"
#include "message/unicode.h"

enum { FIELD_TYPE, FIELD_ENCODING, FIELD_DISPOSITION, FIELD_COUNT, DECODE_PIECE = 32 * 1024 };

static ssize_t read_bytes(void *ctx, uint64_t offset, void *data, size_t len)
{
    const struct message_source *source = ctx;
    if (offset >= source->size)
        return 0;
    size_t left = (size_t)(source->size - offset);
    size_t take = len < left ? len : left;
    memcpy(data, source->bytes + offset, take);
    return (ssize_t)take;
}

void message_source_bytes(struct message_source *source, const void *bytes, size_t len)
{
    *source =
        (struct message_source){.read = read_bytes, .ctx = source, .size = len, .bytes = bytes};
}

bool mime_is(const struct mime_node *node, const char *type, const char *subtype)
{
    return strcmp(node->type, type) == 0 &&
           (subtype == NULL || strcmp(node->subtype, subtype) == 0);
}

/* A file name of a parameter: bounded, valid, without a line end; NULL where nothing is left. */
static char *take_name(const char *value)
{
    if (value == NULL)
        return NULL;
    char *decoded = message_text_decode(value);
    decoded[unicode_cut(decoded, strlen(decoded), MIME_NAME_MAX)] = '\0';
    if (decoded[0] != '\0')
        return decoded;
    g_free(decoded);
    return NULL;
}

static void read_type(struct mime_node *node, const char *raw, char *boundary)
{
    GMimeContentType *type = g_mime_content_type_parse(message_text_options(), raw);
    node->type = g_ascii_strdown(g_mime_content_type_get_media_type(type), -1);
    node->subtype = g_ascii_strdown(g_mime_content_type_get_media_subtype(type), -1);
    node->charset = g_strdup(g_mime_content_type_get_parameter(type, "charset"));
    node->name = take_name(g_mime_content_type_get_parameter(type, "name"));
    const char *mark = g_mime_content_type_get_parameter(type, "boundary");
    if (strcmp(node->type, "multipart") == 0 && mark != NULL && strlen(mark) <= MIME_BOUNDARY_MAX) {
        strcpy(boundary, mark);
        for (size_t len = strlen(boundary); len > 0 && g_ascii_isspace(boundary[len - 1]);)
            boundary[--len] = '\0';
    }
    g_object_unref(type);
}

static void read_disposition(struct mime_node *node, const char *raw)
{
    GMimeContentDisposition *disposition =
        g_mime_content_disposition_parse(message_text_options(), raw);
    const char *value = g_mime_content_disposition_get_disposition(disposition);
    node->attachment = value != NULL && g_ascii_strcasecmp(value, "attachment") == 0;
    char *name = take_name(g_mime_content_disposition_get_parameter(disposition, "filename"));
    if (name != NULL) {
        g_free(node->name);
        node->name = name;
    }
    g_object_unref(disposition);
}

static bool is_identity(GMimeContentEncoding encoding)
{
    return encoding != GMIME_CONTENT_ENCODING_BASE64 &&
           encoding != GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE &&
           encoding != GMIME_CONTENT_ENCODING_UUENCODE;
}

/* message/rfc822 and what is built like it; encoded ones, which RFC 2046 section 5.2.1 forbids,
 * are a leaf. */
static bool is_message(const struct mime_node *node)
{
    return strcmp(node->type, "message") == 0 && is_identity(node->encoding) &&
           (strcmp(node->subtype, "rfc822") == 0 || strcmp(node->subtype, "global") == 0 ||
            strcmp(node->subtype, "news") == 0);
}

void mime_make_text(struct mime_node *node)
{
    g_free(node->type);
    g_free(node->subtype);
    node->kind = MIME_LEAF;
    node->type = g_strdup("text");
    node->subtype = g_strdup("plain");
}

static void settle_kind(struct mime_node *node, const char *boundary)
{
    if (strcmp(node->type, "multipart") != 0) {
        node->kind = is_message(node) ? MIME_MESSAGE : MIME_LEAF;
        return;
    }
    if (boundary[0] != '\0' && node->depth < MIME_DEPTH_MAX)
        node->kind = MIME_MULTIPART;
    else
        mime_make_text(node);
}

bool mime_header_read(struct mime_node *node, const char *header, size_t len, bool digest,
                      char *boundary)
{
    struct message_header_field fields[FIELD_COUNT] = {
        [FIELD_TYPE] = {.name = "Content-Type"},
        [FIELD_ENCODING] = {.name = "Content-Transfer-Encoding"},
        [FIELD_DISPOSITION] = {.name = "Content-Disposition"},
    };
    bool collected = message_header_collect(header, len, fields, FIELD_COUNT);
    boundary[0] = '\0';
    if (collected) {
        const char *type = fields[FIELD_TYPE].raw.data;
        if (strchr(type, '/') == NULL)
            type = digest ? "message/rfc822" : "text/plain";
        node->encoding = g_mime_content_encoding_from_string(fields[FIELD_ENCODING].raw.data);
        read_type(node, type, boundary);
        read_disposition(node, fields[FIELD_DISPOSITION].raw.data);
        settle_kind(node, boundary);
    }
    message_header_free(fields, FIELD_COUNT);
    return collected;
}

/* One piece through the filter; the last one with `complete`. */
static bool decode_piece(GMimeFilter *filter, char *data, size_t len, bool complete,
                         const struct message_sink *sink)
{
    char *out = data;
    size_t out_len = len, room = 0;
    if (filter != NULL && complete)
        g_mime_filter_complete(filter, data, len, 0, &out, &out_len, &room);
    else if (filter != NULL)
        g_mime_filter_filter(filter, data, len, 0, &out, &out_len, &room);
    return out_len == 0 || sink->write(sink->ctx, out, out_len);
}

enum message_result mime_decode(const struct message_source *source, const struct mime_node *node,
                                const struct message_sink *sink)
{
    enum message_result result = MESSAGE_OK;
    char *data = g_malloc(DECODE_PIECE);
    GMimeFilter *filter = NULL;
    if (node->kind == MIME_LEAF && !is_identity(node->encoding))
        filter = g_mime_filter_basic_new(node->encoding, FALSE);
    for (uint64_t at = node->begin; at < node->end && result == MESSAGE_OK;) {
        uint64_t left = node->end - at;
        size_t ask = left < DECODE_PIECE ? (size_t)left : DECODE_PIECE;
        ssize_t got = source->read(source->ctx, at, data, ask);
        if (got <= 0)
            result = MESSAGE_UNREADABLE;
        else if (!decode_piece(filter, data, (size_t)got, false, sink))
            result = MESSAGE_STOPPED;
        else
            at += (uint64_t)got;
    }
    if (result == MESSAGE_OK && filter != NULL &&
        node->encoding == GMIME_CONTENT_ENCODING_BASE64) { /* in case it lacks its padding */
        memcpy(data, "==", 2);
        if (!decode_piece(filter, data, 2, false, sink))
            result = MESSAGE_STOPPED;
    }
    if (result == MESSAGE_OK && !decode_piece(filter, data, 0, true, sink))
        result = MESSAGE_STOPPED;
    if (filter != NULL)
        g_object_unref(filter);
    g_free(data);
    return result;
}

void mime_tree_free(struct mime_tree *tree)
{
    for (size_t i = 0; i < tree->count; i++) {
        g_free(tree->nodes[i].type);
        g_free(tree->nodes[i].subtype);
        g_free(tree->nodes[i].charset);
        g_free(tree->nodes[i].name);
    }
    g_free(tree->nodes);
    *tree = (struct mime_tree){0};
}
