/*
 * See header.h. Only the few fields asked for are copied, and each up to a ceiling, so a header of
 * a megabyte costs one pass over its bytes and no more. GMime's own parser would build objects for
 * every field of the message; for a listing of 100,000 messages that is most of the time.
 *
 * Tolerated, because real mail has it: LF for CRLF, spaces before the colon, lines without a colon
 * (skipped, they end nothing), folding by a line of spaces alone, a field given twice (the first
 * counts), NUL and lone CR inside a field (they are spaces to us, as all controls are).
 */
#include "message/header.h"

#include <string.h>
#include <strings.h>

#include "message/unicode.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Appends a line of a field, controls as spaces, as far as the ceiling allows. */
static bool append_line(struct buffer *raw, const char *line, size_t len)
{
    size_t room = raw->max - raw->len;
    size_t take = unicode_prefix(line, len, room);
    char *to = buffer_reserve(raw, take);
    if (to == NULL)
        return false;
    for (size_t i = 0; i < take; i++) {
        unsigned char byte = (unsigned char)line[i];
        to[i] = byte < 0x20 || byte == 0x7F ? ' ' : line[i];
    }
    buffer_commit(raw, take);
    return true;
}

/* The field that `line` starts, if it is asked for and not yet found; *value is where its text
 * begins. */
static struct message_header_field *match_field(const char *line, size_t len,
                                                struct message_header_field *fields, size_t count,
                                                size_t *value)
{
    const char *colon = memchr(line, ':', len);
    if (colon == NULL)
        return NULL;
    size_t name = (size_t)(colon - line);
    *value = name + 1;
    while (name > 0 && is_blank(line[name - 1]))
        name--;
    while (*value < len && is_blank(line[*value]))
        ++*value;
    for (size_t i = 0; i < count; i++) {
        if (strlen(fields[i].name) == name && strncasecmp(fields[i].name, line, name) == 0)
            return fields[i].found ? NULL : &fields[i];
    }
    return NULL;
}

/* The length of the line at `at` without its end; *next is where the following one starts. */
static size_t line_length(const char *header, size_t len, size_t at, size_t *next)
{
    const char *end = memchr(header + at, '\n', len - at);
    size_t stop = end == NULL ? len : (size_t)(end - header);
    *next = end == NULL ? len : stop + 1;
    if (stop > at && header[stop - 1] == '\r')
        stop--;
    return stop - at;
}

static bool collect_lines(const char *header, size_t len, struct message_header_field *fields,
                          size_t count)
{
    struct message_header_field *current = NULL;
    size_t next = 0;
    for (size_t at = 0; at < len; at = next) {
        const char *line = header + at;
        size_t length = line_length(header, len, at, &next);
        size_t value = 0;
        if (length == 0)
            break;
        if (!is_blank(line[0]))
            current = match_field(line, length, fields, count, &value);
        if (current == NULL)
            continue;
        current->found = true;
        if (!append_line(&current->raw, line + value, length - value))
            return false;
    }
    return true;
}

bool message_header_collect(const char *header, size_t len, struct message_header_field *fields,
                            size_t count)
{
    return message_header_collect_most(header, len, fields, count, MESSAGE_HEADER_RAW_MAX);
}

bool message_header_collect_most(const char *header, size_t len,
                                 struct message_header_field *fields, size_t count, size_t max)
{
    for (size_t i = 0; i < count; i++) {
        buffer_init(&fields[i].raw, max);
        if (!buffer_append(&fields[i].raw, "", 0))
            return false;
    }
    return collect_lines(header, len, fields, count);
}

/* The field is over. */
static bool visit_field(struct message_header_field *field,
                        bool (*visit)(void *ctx, const char *raw), void *ctx)
{
    bool go_on = !field->found || visit(ctx, field->raw.data);
    field->found = false;
    buffer_clear(&field->raw);
    return go_on;
}

bool message_header_each(const char *header, size_t len, const char *name,
                         bool (*visit)(void *ctx, const char *raw), void *ctx)
{
    struct message_header_field field = {.name = name};
    bool good = true, go_on = true;
    size_t next = 0;
    buffer_init(&field.raw, MESSAGE_HEADER_RAW_MAX);
    for (size_t at = 0; at < len && good && go_on; at = next) {
        const char *line = header + at;
        size_t length = line_length(header, len, at, &next), value = 0;
        if (length == 0)
            break;
        if (!is_blank(line[0])) {
            go_on = visit_field(&field, visit, ctx);
            field.found = match_field(line, length, &field, 1, &value) != NULL;
        }
        if (go_on && field.found)
            good = append_line(&field.raw, line + value, length - value) &&
                   buffer_append(&field.raw, "", 0);
    }
    if (good && go_on)
        visit_field(&field, visit, ctx);
    message_header_free(&field, 1);
    return good;
}

void message_header_free(struct message_header_field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buffer_free(&fields[i].raw);
}
