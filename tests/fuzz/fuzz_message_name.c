/*
 * INTERNALDATE (8 bytes), then sender and subject with a NUL between: the name has the contract's
 * form and characters, is in NFC, fits with and without a UID, and a field made of a field is the
 * same again.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "message/name.h"
#include "tests/fuzz/fuzz.h"

enum { STEM_MAX = MESSAGE_NAME_MAX - 4, DATE_LEN = 18 };

static bool is_mark(gunichar c)
{
    GUnicodeType type = g_unichar_type(c);
    return type == G_UNICODE_NON_SPACING_MARK || type == G_UNICODE_SPACING_MARK ||
           type == G_UNICODE_ENCLOSING_MARK;
}

static bool is_base(gunichar c)
{
    return g_unichar_isalpha(c) || g_unichar_type(c) == G_UNICODE_DECIMAL_NUMBER;
}

static void check_date(const char *text)
{
    static const char form[] = "0000-00-00_000000_";
    for (size_t i = 0; i < DATE_LEN; i++)
        check(form[i] == '0' ? g_ascii_isdigit(text[i]) : text[i] == form[i]);
}

/* The characters of a stem after its date. */
static void check_characters(const char *text)
{
    gunichar previous = '_';
    for (const char *p = text; *p != '\0'; p += g_utf8_skip[(unsigned char)*p]) {
        gunichar c = g_utf8_get_char(p);
        check(is_base(c) || (is_mark(c) && (is_base(previous) || is_mark(previous))) ||
              (c < 0x80 && strchr("-._+@=,", (int)c) != NULL));
        check(c != '-' || previous != '-');
        previous = c;
    }
    check(text[0] != '-' && text[0] != '.' && previous != '-' && previous != '.');
}

static void check_stem(const char *stem, size_t max)
{
    check(strlen(stem) <= max && g_utf8_validate(stem, -1, NULL));
    check_date(stem);
    check_characters(stem + DATE_LEN);
    char *normal = g_utf8_normalize(stem, -1, G_NORMALIZE_NFC);
    check(normal != NULL && strcmp(normal, stem) == 0);
    g_free(normal);
}

static void check_file(const char *stem, uint32_t uid)
{
    char name[MESSAGE_NAME_MAX + 1];
    char suffix[32] = ".eml";
    message_name_file(name, stem, uid);
    if (uid != 0)
        snprintf(suffix, sizeof suffix, "~%u.eml", (unsigned)uid);
    check(strlen(name) <= MESSAGE_NAME_MAX && g_str_has_suffix(name, suffix));
    name[strlen(name) - strlen(suffix)] = '\0';
    check_stem(name, MESSAGE_NAME_MAX - strlen(suffix));
    check(strncmp(name, stem, strlen(name)) == 0);
}

static void check_stable(const char *subject)
{
    char first[MESSAGE_NAME_MAX + 1];
    char second[MESSAGE_NAME_MAX + 1];
    message_name_stem(first, 0, "x", subject);
    message_name_stem(second, 0, "x", first + DATE_LEN + 2);
    check(strcmp(first, second) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char stem[MESSAGE_NAME_MAX + 1];
    int64_t date;
    if (size < sizeof date)
        return 0;
    memcpy(&date, data, sizeof date);
    char *from = g_strndup((const char *)data + sizeof date, size - sizeof date);
    size_t skip = sizeof date + strlen(from) + 1;
    char *subject = skip < size ? g_strndup((const char *)data + skip, size - skip) : g_strdup("");
    message_name_stem(stem, date, from, subject);
    check_stem(stem, STEM_MAX);
    check_file(stem, 0);
    check_file(stem, 1);
    check_file(stem, UINT32_MAX);
    check_stable(subject);
    g_free(from);
    g_free(subject);
    return 0;
}
