/*
 * See assembler.h. Two things are decided here, both when a line's LF arrives, from the text
 * gathered so far: does the line end here or announce a literal, and does that literal gather or
 * stream.
 *
 * A literal counts only in untagged data: status responses, continuations and lines that are not
 * IMAP hold free text (RFC 3501 section 7.1), in which "{5}" means nothing. It must stand at the
 * very end of the line, behind a space or "(". Neither decision looks at more than the line's first
 * three words and its last token, so the cost of a response is linear in its bytes however they are
 * cut. The bytes of an earlier literal are never taken for the line: they are the sender's of the
 * mail, who could write an announcement there.
 *
 * Runs on the connection's thread.
 */
#include "imap/assembler.h"

#include <string.h>

#include "imap/parse.h"

/* More memory than this is given back between responses. */
enum { TEXT_KEPT = 64 * 1024 };

void imap_assembler_init(struct imap_assembler *a, const struct imap_parser_limits *limits,
                         const struct imap_body_sink *sink)
{
    *a = (struct imap_assembler){.limits = *limits};
    if (sink != NULL)
        a->sink = *sink;
    buffer_init(&a->text, limits->response);
}

void imap_assembler_free(struct imap_assembler *a)
{
    buffer_free(&a->text);
}

void imap_assembler_reset(struct imap_assembler *a)
{
    if (a->text.cap > TEXT_KEPT)
        buffer_free(&a->text);
    else
        buffer_clear(&a->text);
    a->segment = 0;
    a->kind = IMAP_LINE_UNKNOWN;
    a->sequence = 0;
    a->state = IMAP_ASSEMBLER_LINE;
    a->left = 0;
    a->streamed = a->delivered = false;
    a->streamed_at = 0;
    a->body_length = 0;
}

/* Looks at the line's first words: "* OK", "* 1 FETCH (", "* LIST", "A1 OK", "+ ". */
static enum imap_line_kind find_line_kind(const struct buffer *text, uint32_t *sequence)
{
    struct imap_reader r;
    struct imap_span word;
    enum imap_status status;
    uint64_t number = 0;
    imap_reader_init(&r, text->data, text->len, 0);
    if (!imap_reader_byte(&r, '*') || !imap_reader_space(&r))
        return IMAP_LINE_TEXT;
    struct imap_reader numbered = r;
    if (!imap_reader_atom(&r, &word))
        return IMAP_LINE_TEXT;
    if (imap_span_digits(word)) {
        if (imap_reader_number(&numbered, UINT32_MAX, &number))
            *sequence = (uint32_t)number;
        imap_reader_space(&r);
        if (!imap_reader_atom(&r, &word))
            return IMAP_LINE_TEXT;
        return imap_span_is(word, "FETCH") ? IMAP_LINE_FETCH : IMAP_LINE_DATA;
    }
    return imap_parse_status_word(word, &status) ? IMAP_LINE_TEXT : IMAP_LINE_DATA;
}

/* The same, once a response: a long first word before many literals is read once. */
static enum imap_line_kind line_kind(struct imap_assembler *a)
{
    if (a->kind == IMAP_LINE_UNKNOWN)
        a->kind = find_line_kind(&a->text, &a->sequence);
    return a->kind;
}

enum announcement { ANNOUNCE_NONE, ANNOUNCE_LITERAL, ANNOUNCE_BROKEN, ANNOUNCE_HUGE };

/* Digits to a number; false when it does not fit. */
static bool to_number(struct imap_span digits, uint64_t *n)
{
    *n = 0;
    for (size_t i = 0; i < digits.len; i++) {
        unsigned digit = (unsigned)(digits.data[i] - '0');
        if (*n > (UINT64_MAX - digit) / 10)
            return false;
        *n = *n * 10 + digit;
    }
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool starts_value(struct imap_span segment, size_t at)
{
    return at > 0 && (segment.data[at - 1] == ' ' || segment.data[at - 1] == '(');
}

/* Whether the segment ends in " {n}", " {n+}" or " ~{n}" (RFC 7888, RFC 3516); *at is where that
 * begins. */
static enum announcement find_announcement(struct imap_span segment, size_t *at, uint64_t *n)
{
    const char *s = segment.data;
    size_t end = segment.len;
    if (end == 0 || s[end - 1] != '}')
        return ANNOUNCE_NONE;
    end -= end > 1 && s[end - 2] == '+' ? 2 : 1;
    size_t i = end;
    while (i > 0 && is_digit(s[i - 1]))
        i--;
    if (i == 0 || s[i - 1] != '{')
        return ANNOUNCE_NONE;
    *at = i >= 2 && s[i - 2] == '~' ? i - 2 : i - 1;
    if (!starts_value(segment, *at))
        return ANNOUNCE_NONE;
    if (i == end)
        return ANNOUNCE_BROKEN;
    return to_number((struct imap_span){s + i, end - i}, n) ? ANNOUNCE_LITERAL : ANNOUNCE_HUGE;
}

/* A last token that starts as a literal but is none: what follows could be anything. Asked only of
 * a FETCH, which else ends in ")". */
static bool ends_in_broken_literal(struct imap_span segment)
{
    const char *brace = segment.len == 0 ? NULL : memrchr(segment.data, '{', segment.len);
    if (brace == NULL || !starts_value(segment, (size_t)(brace - segment.data)))
        return false;
    for (const char *at = brace; at < segment.data + segment.len; at++) {
        if (*at == ' ' || *at == ')' || *at == '"')
            return false;
    }
    return true;
}

static bool ends_with_item(struct imap_span segment, const char *item)
{
    size_t len = strlen(item);
    if (segment.len < len || !starts_value(segment, segment.len - len))
        return false;
    return imap_span_is((struct imap_span){segment.data + segment.len - len, len}, item);
}

/* Whether the item before `segment`'s end is BODY[], BODY[]<n> or RFC822. */
static bool announces_body(struct imap_span segment)
{
    const char *s = segment.data;
    while (segment.len > 0 && s[segment.len - 1] == ' ')
        segment.len--;
    if (segment.len == 0 || s[segment.len - 1] != '>')
        return ends_with_item(segment, "BODY[]") || ends_with_item(segment, "RFC822");
    segment.len--;
    while (segment.len > 0 && (is_digit(s[segment.len - 1]) || s[segment.len - 1] == '.'))
        segment.len--;
    if (segment.len == 0 || s[segment.len - 1] != '<')
        return false;
    segment.len--;
    return ends_with_item(segment, "BODY[]");
}

static bool gathers_inline(const struct imap_assembler *a, uint64_t n)
{
    return a->limits.inline_body > 0 && n <= a->limits.inline_body;
}

/* The literal is over: the line goes on. */
static void line_resume(struct imap_assembler *a)
{
    a->state = IMAP_ASSEMBLER_LINE;
    a->segment = a->text.len;
}

static void body_finish(struct imap_assembler *a)
{
    if (a->state == IMAP_ASSEMBLER_BODY) {
        a->delivered = true;
        if (a->sink.end != NULL)
            a->sink.end(a->sink.ctx);
    }
    line_resume(a);
}

static enum imap_parse body_start(struct imap_assembler *a, size_t at, uint64_t n)
{
    if (n > a->limits.body || !buffer_append_byte(&a->text, '\n'))
        return IMAP_PARSE_TOO_LARGE;
    a->left = n;
    a->state = IMAP_ASSEMBLER_DROP;
    if (!a->streamed) {
        a->streamed = true;
        a->streamed_at = at;
        a->body_length = n;
        if (a->sink.begin != NULL && a->sink.begin(a->sink.ctx, a->sequence, n))
            a->state = IMAP_ASSEMBLER_BODY;
    }
    if (n == 0)
        body_finish(a);
    return IMAP_PARSE_MORE;
}

static enum imap_parse literal_start(struct imap_assembler *a, uint64_t n)
{
    if (!buffer_append(&a->text, "\r\n", 2) || n > a->text.max - a->text.len)
        return IMAP_PARSE_TOO_LARGE;
    a->left = n;
    a->state = IMAP_ASSEMBLER_LITERAL;
    if (n == 0)
        line_resume(a);
    return IMAP_PARSE_MORE;
}

/* A LF has come; the text ends before it and its CR. */
static enum imap_parse line_end(struct imap_assembler *a)
{
    struct imap_span segment = {a->text.data, a->text.len};
    if (a->segment > 0)
        segment = (struct imap_span){a->text.data + a->segment, a->text.len - a->segment};
    size_t at = 0;
    uint64_t n = 0;
    a->cr = false;
    enum announcement announcement = find_announcement(segment, &at, &n);
    if (announcement == ANNOUNCE_NONE && ends_in_broken_literal(segment))
        announcement = ANNOUNCE_BROKEN;
    if (announcement == ANNOUNCE_NONE || line_kind(a) == IMAP_LINE_TEXT)
        return IMAP_PARSE_RESPONSE;
    if (announcement == ANNOUNCE_BROKEN)
        return a->kind == IMAP_LINE_FETCH ? IMAP_PARSE_BAD : IMAP_PARSE_RESPONSE;
    if (announcement == ANNOUNCE_HUGE)
        return IMAP_PARSE_TOO_LARGE;
    segment.len = at;
    if (a->kind == IMAP_LINE_FETCH && announces_body(segment) && !gathers_inline(a, n))
        return body_start(a, a->segment + at, n);
    return literal_start(a, n);
}

/* Bytes of a line, up to and with its LF. A CR waits to see what comes after it. */
static enum imap_parse take_line(struct imap_assembler *a, const char *data, size_t len,
                                 size_t *used)
{
    const char *lf = memchr(data, '\n', len);
    size_t run = lf == NULL ? len : (size_t)(lf - data);
    *used = lf == NULL ? len : run + 1;
    if (run > 0) {
        if (a->cr && !buffer_append_byte(&a->text, '\r'))
            return IMAP_PARSE_TOO_LARGE;
        a->cr = data[run - 1] == '\r';
        if (!buffer_append(&a->text, data, a->cr ? run - 1 : run))
            return IMAP_PARSE_TOO_LARGE;
    }
    return lf == NULL ? IMAP_PARSE_MORE : line_end(a);
}

static enum imap_parse take_literal(struct imap_assembler *a, const char *data, size_t len,
                                    size_t *used)
{
    *used = a->left < len ? (size_t)a->left : len;
    a->left -= *used;
    if (a->state == IMAP_ASSEMBLER_LITERAL) {
        if (!buffer_append(&a->text, data, *used))
            return IMAP_PARSE_TOO_LARGE;
        if (a->left == 0)
            line_resume(a);
        return IMAP_PARSE_MORE;
    }
    if (a->state == IMAP_ASSEMBLER_BODY && a->sink.chunk != NULL &&
        !a->sink.chunk(a->sink.ctx, data, *used))
        a->state = IMAP_ASSEMBLER_DROP;
    if (a->left == 0)
        body_finish(a);
    return IMAP_PARSE_MORE;
}

enum imap_parse imap_assembler_feed(struct imap_assembler *a, const char *data, size_t len,
                                    size_t *used)
{
    enum imap_parse result = IMAP_PARSE_MORE;
    for (*used = 0; result == IMAP_PARSE_MORE && *used < len;) {
        size_t taken = 0;
        if (a->state == IMAP_ASSEMBLER_LINE)
            result = take_line(a, data + *used, len - *used, &taken);
        else
            result = take_literal(a, data + *used, len - *used, &taken);
        *used += taken;
    }
    return result;
}
