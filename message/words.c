/*
 * See words.h. RFC 2047 section 5 wants each encoded word to hold whole characters, and many
 * mailers cut a base64 text every so many bytes regardless, most often in Chinese and Japanese
 * mail. GMime puts such neighbours together again when they are quoted-printable; of base64 it
 * loses what follows the first word's padding, and the last bytes of a word that has no padding.
 *
 * So base64 is decoded here, words of one charset that only white space separates are put together,
 * and one word is written back. Quoted-printable and whatever is no well-formed word pass through.
 * Linear in the length of `raw`; the result is at most a few bytes a word longer.
 */
#include "message/words.h"

#include <stdbool.h>
#include <string.h>

#include <glib.h>

#include "message/charset.h"

/* An encoded word within the field: pointers into it. */
struct word {
    const char *charset;
    size_t charset_len;
    const char *text;
    size_t text_len;
    const char *end; /* after "?=" */
};

static bool is_base64(char c)
{
    return g_ascii_isalnum(c) || c == '+' || c == '/' || c == '=';
}

/* Reads the base64 word at `p`; false where there is none. */
static bool read_word(const char *p, struct word *word)
{
    if (p[0] != '=' || p[1] != '?')
        return false;
    word->charset = p + 2;
    word->charset_len = strcspn(word->charset, "? ");
    p = word->charset + word->charset_len;
    if (word->charset_len == 0 || p[0] != '?' || (p[1] != 'B' && p[1] != 'b') || p[2] != '?')
        return false;
    word->text = p + 3;
    for (p = word->text; is_base64(*p);)
        p++;
    word->text_len = (size_t)(p - word->text);
    word->end = p + 2;
    return p[0] == '?' && p[1] == '=';
}

static bool same_charset(const struct word *a, const struct word *b)
{
    return a->charset_len == b->charset_len &&
           g_ascii_strncasecmp(a->charset, b->charset, a->charset_len) == 0;
}

static unsigned value_of(char c)
{
    if (g_ascii_isupper(c))
        return (unsigned)(c - 'A');
    if (g_ascii_islower(c))
        return (unsigned)(c - 'a') + 26;
    if (g_ascii_isdigit(c))
        return (unsigned)(c - '0') + 52;
    return c == '+' ? 62 : 63;
}

/* Appends what the base64 text stands for; '=' ends a group wherever it comes. */
static void decode(GByteArray *bytes, const char *text, size_t len)
{
    unsigned bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '=') {
            held = 0;
            continue;
        }
        bits = (bits << 6 | value_of(text[i])) & 0xFFFF;
        held += 6;
        if (held >= 8) {
            held -= 8;
            guint8 byte = (guint8)(bits >> held);
            g_byte_array_append(bytes, &byte, 1);
        }
    }
}

/* Appends to `out` the words from `first` on that belong together; returns where they end. */
static const char *join_from(const struct word *first, GString *out)
{
    GByteArray *bytes = g_byte_array_new();
    struct word next = *first;
    const char *end;
    do {
        decode(bytes, next.text, next.text_len);
        end = next.end;
    } while (read_word(end + strspn(end, " \t"), &next) && same_charset(first, &next));
    char *text = g_base64_encode(bytes->data, bytes->len);
    if (bytes->len > 0)
        g_string_append_printf(out, "=?%.*s?B?%s?=", (int)first->charset_len, first->charset, text);
    g_free(text);
    g_byte_array_free(bytes, TRUE);
    return end;
}

/* GMime opens a converter for each word. */
static void keep_charsets(const char *raw)
{
    char name[40];
    for (const char *at = raw; (at = strstr(at, "=?")) != NULL;) {
        at += 2;
        size_t len = strcspn(at, "?* ");
        if (len == 0 || len >= sizeof name)
            continue;
        memcpy(name, at, len);
        name[len] = '\0';
        charset_keep(name);
    }
}

char *message_words_join(const char *raw)
{
    keep_charsets(raw);
    if (strstr(raw, "?B?") == NULL && strstr(raw, "?b?") == NULL)
        return g_strdup(raw);
    GString *out = g_string_sized_new(strlen(raw) + 16);
    for (const char *p = raw; *p != '\0';) {
        size_t plain = strcspn(p, "=");
        struct word word;
        g_string_append_len(out, p, (gssize)plain);
        p += plain;
        if (read_word(p, &word))
            p = join_from(&word, out);
        else if (*p != '\0')
            g_string_append_c(out, *p++);
    }
    return g_string_free(out, FALSE);
}
