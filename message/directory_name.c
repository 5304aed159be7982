/*
 * See name.h: the directory name of one component of a mailbox name. Unlike a message's name it is
 * what the user called the mailbox, so as much as possible stays: spaces, punctuation, emoji.
 *
 * Changed are only the characters that a path, a terminal or a reader would take for something
 * else. '/' becomes U+2215, a dot at the start U+2024 (no hidden directory, no "." and ".."), and
 * U+FFFD stands for controls, bidi controls, zero-width characters, line and paragraph separators
 * and invalid bytes. Variation selectors stay: they belong to the emoji before them. The text is
 * brought to NFC first; none of the replacements composes with what follows it, so the result is
 * in NFC, and a name made from a name is the same name.
 */
#include "message/name.h"

#include <stdio.h>
#include <string.h>

#include "message/unicode.h"

enum { SOURCE_MAX = 4096, ONE_DOT_LEADER = 0x2024, REPLACEMENT = 0xFFFD, DIVISION_SLASH = 0x2215 };

static gunichar shown_as(gunichar c, bool first)
{
    if (c == '/')
        return DIVISION_SLASH;
    if (c == '.' && first)
        return ONE_DOT_LEADER;
    return unicode_is_control(c) || unicode_is_hidden(c) ? REPLACEMENT : c;
}

int message_name_directory(char *name, const char *component, size_t len, unsigned ordinal)
{
    char suffix[sizeof "~4294967295"] = "";
    char text[MESSAGE_NAME_MAX + 8];
    size_t used = 0;
    if (len == 0)
        return -1;
    if (ordinal >= 2)
        snprintf(suffix, sizeof suffix, "~%u", ordinal);
    size_t max = MESSAGE_NAME_MAX - strlen(suffix);
    char *normal = unicode_normalize(component, unicode_prefix(component, len, SOURCE_MAX));
    for (char *p = normal; *p != '\0' && used <= max; p = g_utf8_next_char(p))
        used += (size_t)g_unichar_to_utf8(shown_as(g_utf8_get_char(p), used == 0), text + used);
    g_free(normal);
    used = unicode_cut(text, used, max);
    memcpy(name, text, used);
    strcpy(name + used, suffix);
    return 0;
}
