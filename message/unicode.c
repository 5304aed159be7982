/*
 * See unicode.h. GLib carries its own Unicode tables, so the answers depend on GLib's version and
 * on nothing else of the machine: not on the locale, not on the C library. Between two versions of
 * GLib only code points differ that the older one did not know; Unicode promises that what is
 * assigned keeps its normal form.
 *
 * A few characters are letters or marks by category and yet show nothing (Unicode calls them
 * default ignorable). Two names that differ in them alone look the same, so they count as neither.
 */
#include "message/unicode.h"

#include <string.h>

enum { CUT_LOOKBACK = 32 };

struct range {
    gunichar first;
    gunichar last;
};

static const struct range invisible_letters[] = {
    {0x115F, 0x1160}, /* Hangul fillers for leading consonant and vowel */
    {0x3164, 0x3164}, /* Hangul filler */
    {0xFFA0, 0xFFA0}, /* halfwidth Hangul filler */
};

static const struct range invisible_marks[] = {
    {0x034F,  0x034F }, /* combining grapheme joiner */
    {0x17B4,  0x17B5 }, /* Khmer inherent vowels */
    {0x180B,  0x180F }, /* Mongolian variation selectors */
    {0xFE00,  0xFE0F }, /* variation selectors */
    {0xE0100, 0xE01EF}, /* variation selectors supplement */
};

static bool in_ranges(gunichar c, const struct range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (c >= ranges[i].first && c <= ranges[i].last)
            return true;
    }
    return false;
}

static bool is_plain_ascii(const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        if (byte == 0 || byte >= 0x80)
            return false;
    }
    return true;
}

char *unicode_normalize(const char *bytes, size_t len)
{
    if (is_plain_ascii(bytes, len))
        return g_strndup(bytes, len);
    char *valid = g_utf8_make_valid(bytes, (gssize)len);
    char *normal = g_utf8_normalize(valid, -1, G_NORMALIZE_NFC);
    if (normal == NULL)
        return valid;
    g_free(valid);
    return normal;
}

size_t unicode_prefix(const char *bytes, size_t len, size_t max)
{
    if (len <= max)
        return len;
    size_t at = max;
    while (at > 0 && max - at < 3 && ((unsigned char)bytes[at] & 0xC0) == 0x80)
        at--;
    return at;
}

size_t unicode_cut(const char *text, size_t len, size_t max)
{
    if (len <= max)
        return len;
    size_t character = unicode_prefix(text, len, max);
    for (size_t at = character; at > 0 && max - at <= CUT_LOOKBACK;) {
        if (!g_unichar_ismark(g_utf8_get_char(text + at)))
            return at;
        at = (size_t)(g_utf8_prev_char(text + at) - text);
    }
    return character;
}

bool unicode_is_word(gunichar c)
{
    switch (g_unichar_type(c)) {
    case G_UNICODE_UPPERCASE_LETTER:
    case G_UNICODE_LOWERCASE_LETTER:
    case G_UNICODE_TITLECASE_LETTER:
    case G_UNICODE_MODIFIER_LETTER:
    case G_UNICODE_DECIMAL_NUMBER:
        return true;
    case G_UNICODE_OTHER_LETTER:
        return !in_ranges(c, invisible_letters, G_N_ELEMENTS(invisible_letters));
    default:
        return false;
    }
}

bool unicode_is_mark(gunichar c)
{
    return g_unichar_ismark(c) && !in_ranges(c, invisible_marks, G_N_ELEMENTS(invisible_marks));
}

bool unicode_is_control(gunichar c)
{
    return c < 0x20 || (c >= 0x7F && c < 0xA0);
}

bool unicode_is_hidden(gunichar c)
{
    switch (g_unichar_type(c)) {
    case G_UNICODE_FORMAT:
    case G_UNICODE_LINE_SEPARATOR:
    case G_UNICODE_PARAGRAPH_SEPARATOR:
        return true;
    default:
        return in_ranges(c, invisible_letters, G_N_ELEMENTS(invisible_letters));
    }
}
