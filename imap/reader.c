/*
 * See reader.h. The text is what assembler.h describes: no LF but a literal's, so a quoted string
 * that meets one is broken, and "{n}" CR LF is always followed by its n bytes (checked again here
 * all the same). Pure functions on the caller's memory.
 */
#include "imap/reader.h"

#include <string.h>
#include <strings.h>

void imap_reader_init(struct imap_reader *r, char *text, size_t len, unsigned depth)
{
    *r = (struct imap_reader){.at = text, .end = len > 0 ? text + len : text, .depth = depth};
}

bool imap_reader_at_end(const struct imap_reader *r)
{
    return r->at == r->end;
}

bool imap_reader_peek(const struct imap_reader *r, char byte)
{
    return r->at < r->end && *r->at == byte;
}

bool imap_reader_byte(struct imap_reader *r, char byte)
{
    if (!imap_reader_peek(r, byte))
        return false;
    r->at++;
    return true;
}

bool imap_reader_space(struct imap_reader *r)
{
    char *start = r->at;
    while (imap_reader_peek(r, ' '))
        r->at++;
    return r->at > start;
}

struct imap_span imap_reader_rest(const struct imap_reader *r)
{
    char *end = r->end;
    while (end > r->at && end[-1] == ' ')
        end--;
    return (struct imap_span){r->at, (size_t)(end - r->at)};
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* What ends a number: a token's end, or the end of a code, a section or an origin. */
static bool ends_number(const struct imap_reader *r, const char *at)
{
    return at == r->end || *at == ' ' || *at == ')' || *at == '(' || *at == ']' || *at == '>';
}

bool imap_reader_number(struct imap_reader *r, uint64_t max, uint64_t *value)
{
    uint64_t n = 0;
    char *at = r->at;
    for (; at < r->end && is_digit(*at); at++) {
        unsigned digit = (unsigned)(*at - '0');
        if (n > max / 10 || n * 10 > max - digit)
            return false;
        n = n * 10 + digit;
    }
    if (at == r->at || !ends_number(r, at))
        return false;
    r->at = at;
    *value = n;
    return true;
}

static bool is_atom_byte(char c)
{
    return c != ' ' && c != '(' && c != ')' && c != '"' && c != '\n';
}

bool imap_reader_atom(struct imap_reader *r, struct imap_span *atom)
{
    char *at = r->at;
    while (at < r->end && is_atom_byte(*at))
        at++;
    if (at == r->at)
        return false;
    *atom = (struct imap_span){r->at, (size_t)(at - r->at)};
    r->at = at;
    return true;
}

/* The quote that closes the string which opens at `at`; NULL when there is none. */
static char *quoted_end(const struct imap_reader *r, char *at, bool *escaped)
{
    *escaped = false;
    for (at++; at < r->end && *at != '"' && *at != '\n'; at++) {
        if (*at != '\\')
            continue;
        *escaped = true;
        if (++at == r->end || *at == '\n')
            return NULL;
    }
    return at < r->end && *at == '"' ? at : NULL;
}

static size_t unescape(char *text, size_t len)
{
    size_t out = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\\' && i + 1 < len)
            i++;
        text[out++] = text[i];
    }
    return out;
}

static bool take_quoted(struct imap_reader *r, struct imap_span *string)
{
    bool escaped = false;
    char *end = imap_reader_peek(r, '"') ? quoted_end(r, r->at, &escaped) : NULL;
    if (end == NULL)
        return false;
    char *text = r->at + 1;
    size_t len = (size_t)(end - text);
    *string = (struct imap_span){text, escaped ? unescape(text, len) : len};
    r->at = end + 1;
    return true;
}

/* After "{n}" or "{n+}", maybe with "~" before it: where the line break is. NULL: no literal. */
static char *literal_break(const struct imap_reader *r, uint64_t *n)
{
    char *at = r->at;
    if (at < r->end && *at == '~')
        at++;
    if (at == r->end || *at++ != '{')
        return NULL;
    char *digits = at;
    for (*n = 0; at < r->end && is_digit(*at); at++) {
        if (*n > (UINT64_MAX - 9) / 10)
            return NULL;
        *n = *n * 10 + (unsigned)(*at - '0');
    }
    if (at == digits)
        return NULL;
    if (at < r->end && *at == '+')
        at++;
    return at < r->end && *at == '}' ? at + 1 : NULL;
}

static bool take_literal(struct imap_reader *r, struct imap_span *string)
{
    uint64_t n = 0;
    char *at = literal_break(r, &n);
    if (at == NULL || r->end - at < 2 || at[0] != '\r' || at[1] != '\n')
        return false;
    at += 2;
    if (n > (uint64_t)(r->end - at))
        return false;
    *string = (struct imap_span){at, (size_t)n};
    r->at = at + n;
    return true;
}

bool imap_reader_streamed(struct imap_reader *r)
{
    uint64_t n = 0;
    char *at = literal_break(r, &n);
    if (at == NULL || at == r->end || *at != '\n')
        return false;
    r->at = at + 1;
    return true;
}

bool imap_reader_string(struct imap_reader *r, struct imap_span *string)
{
    return take_quoted(r, string) || take_literal(r, string);
}

bool imap_reader_astring(struct imap_reader *r, struct imap_span *string)
{
    return imap_reader_string(r, string) ||
           (!imap_reader_peek(r, '{') && imap_reader_atom(r, string));
}

bool imap_reader_nil(struct imap_reader *r)
{
    struct imap_reader copy = *r;
    struct imap_span word;
    if (!imap_reader_atom(&copy, &word) || !imap_span_is(word, "NIL"))
        return false;
    r->at = copy.at;
    return true;
}

bool imap_reader_nstring(struct imap_reader *r, struct imap_span *string)
{
    if (!imap_reader_nil(r))
        return imap_reader_string(r, string);
    *string = (struct imap_span){0};
    return true;
}

/* One token that is not a parenthesis. */
static bool skip_token(struct imap_reader *r)
{
    struct imap_span ignored;
    if (imap_reader_peek(r, '"')) {
        bool escaped = false;
        char *end = quoted_end(r, r->at, &escaped);
        if (end != NULL)
            r->at = end + 1;
        return end != NULL;
    }
    return take_literal(r, &ignored) || imap_reader_streamed(r) || imap_reader_atom(r, &ignored);
}

bool imap_reader_skip(struct imap_reader *r)
{
    char *start = r->at;
    unsigned depth = 0;
    do {
        if (depth > 0)
            imap_reader_space(r);
        bool ok = true;
        if (imap_reader_byte(r, '('))
            ok = ++depth <= r->depth;
        else if (depth > 0 && imap_reader_byte(r, ')'))
            depth--;
        else
            ok = skip_token(r);
        if (!ok) {
            r->at = start;
            return false;
        }
    } while (depth > 0);
    return true;
}

bool imap_reader_list(struct imap_reader *r, struct imap_span *inside)
{
    char *start = r->at;
    if (!imap_reader_peek(r, '(') || !imap_reader_skip(r))
        return false;
    *inside = (struct imap_span){start + 1, (size_t)(r->at - start) - 2};
    return true;
}

bool imap_span_is(struct imap_span span, const char *word)
{
    size_t len = strlen(word);
    return span.len == len && span.data != NULL && strncasecmp(span.data, word, len) == 0;
}

bool imap_span_digits(struct imap_span span)
{
    for (size_t i = 0; i < span.len; i++) {
        if (!is_digit(span.data[i]))
            return false;
    }
    return span.len > 0;
}
