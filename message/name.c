/*
 * See name.h: how a message's file name is made. DATE_TIME_FROM_SUBJECT, where FROM and SUBJECT are
 * fields: filtered one at a time, so that no field can borrow from its neighbour.
 *
 * A field keeps letters and decimal digits of any script (categories L*, Nd; not the other
 * numbers, such as superscripts and fractions), combining marks directly after one of these or
 * after another mark, and . _ + @ = , and turns each run of anything else into one '-'. Controls,
 * bidi and zero-width characters are "anything else" too. It neither starts nor ends with '-' or
 * '.'. Text is in NFC before it is filtered; since what is dropped always leaves a '-', no two
 * characters become neighbours that were not, and the result is in NFC as well.
 *
 * The split of the bytes: FROM gets at most FROM_MAX, SUBJECT what is left of STEM_MAX. So a long
 * sender never eats the subject, and the name depends on nothing but the message.
 */
#include "message/name.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "message/unicode.h"

enum {
    STEM_MAX = MESSAGE_NAME_MAX - 4, /* room for ".eml" */
    DATE_LEN = 18,                   /* YYYY-MM-DD_HHMMSS_ */
    FROM_MAX = 60,
    SOURCE_MAX = 4096, /* bytes looked at of a sender or subject */
};

static const int64_t last_second = INT64_C(253402300799); /* 9999-12-31T23:59:59Z */

/* A field as it grows: `text` holds `max` bytes, one more character of 6 bytes and a NUL. */
struct field {
    char text[STEM_MAX + 8];
    size_t len;
    size_t max;
    bool gap;  /* something was dropped since the last character kept */
    bool base; /* a mark may follow */
};

static void field_keep(struct field *f, gunichar c)
{
    if (f->gap && f->len > 0)
        f->text[f->len++] = '-';
    f->gap = false;
    if (f->len <= f->max)
        f->len += (size_t)g_unichar_to_utf8(c, f->text + f->len);
}

static void field_put(struct field *f, gunichar c)
{
    if (unicode_is_word(c) || (f->base && unicode_is_mark(c))) {
        field_keep(f, c);
        f->base = true;
        return;
    }
    f->base = false;
    if (c == 0 || c >= 0x80 || strchr("._+@=,", (int)c) == NULL)
        f->gap = true;
    else if (c != '.' || f->len > 0)
        field_keep(f, c);
}

/* The length of `text` without the '-' and '.' at its end. */
static size_t trimmed(const char *text, size_t len)
{
    while (len > 0 && (text[len - 1] == '-' || text[len - 1] == '.'))
        len--;
    return len;
}

/* Writes the field made of `text`, at most `max` bytes, to `to`; `otherwise` when nothing is left.
 * Returns its length. */
static size_t write_field(char *to, size_t max, const char *text, const char *otherwise)
{
    size_t source = strnlen(text, SOURCE_MAX + 1);
    char *normal = unicode_normalize(text, unicode_prefix(text, source, SOURCE_MAX));
    struct field f = {.max = max};
    for (char *p = normal; *p != '\0' && f.len <= max; p = g_utf8_next_char(p))
        field_put(&f, g_utf8_get_char(p));
    g_free(normal);
    size_t len = trimmed(f.text, unicode_cut(f.text, f.len, max));
    if (len == 0)
        return (size_t)(stpcpy(to, otherwise) - to);
    memcpy(to, f.text, len);
    to[len] = '\0';
    return len;
}

static void write_date(char *to, int64_t internaldate)
{
    time_t when = internaldate < 0 ? 0 : internaldate > last_second ? last_second : internaldate;
    struct tm tm;
    char text[80];
    gmtime_r(&when, &tm);
    snprintf(text, sizeof text, "%04d-%02d-%02d_%02d%02d%02d_", tm.tm_year + 1900, tm.tm_mon + 1,
             tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    memcpy(to, text, DATE_LEN + 1);
}

void message_name_stem(char *stem, int64_t internaldate, const char *from_name, const char *subject)
{
    write_date(stem, internaldate);
    size_t len = DATE_LEN;
    len += write_field(stem + len, FROM_MAX, from_name, "unknown");
    stem[len++] = '_';
    write_field(stem + len, STEM_MAX - len, subject, "no-subject");
}

void message_name_file(char *name, const char *stem, uint32_t uid)
{
    char suffix[sizeof "~4294967295.eml"] = ".eml";
    if (uid != 0)
        snprintf(suffix, sizeof suffix, "~%u.eml", (unsigned)uid);
    size_t max = MESSAGE_NAME_MAX - strlen(suffix);
    size_t len = strlen(stem);
    if (len > max)
        len = trimmed(stem, unicode_cut(stem, len, max));
    memcpy(name, stem, len);
    strcpy(name + len, suffix);
}
