/* See part_name.h. */
#include "message/part_name.h"

#include <stdio.h>
#include <string.h>

#include "message/name.h"
#include "message/unicode.h"

enum { EXTENSION_MAX = 24, SOURCE_MAX = 1024 };

/* What stands after the last separator, also those of Windows. */
static const char *base_name(const char *path)
{
    const char *base = path;
    for (const char *p = path; *p != '\0'; p++) {
        if (*p == '/' || *p == '\\')
            base = p + 1;
    }
    return base;
}

/* Where the extension of `name` begins: at its last dot, or at its end. */
static size_t extension_at(const char *name, size_t len)
{
    const char *dot = strrchr(name, '.');
    if (dot == NULL || dot == name || len - (size_t)(dot - name) > EXTENSION_MAX)
        return len;
    return (size_t)(dot - name);
}

bool part_name_make(char *name, const char *wanted, unsigned ordinal)
{
    char suffix[16] = "";
    const char *base = base_name(wanted);
    size_t source = strnlen(base, SOURCE_MAX + 1);
    char *normal = unicode_normalize(base, unicode_prefix(base, source, SOURCE_MAX));
    GString *safe = g_string_new(NULL);
    for (char *p = g_strstrip(normal); *p != '\0'; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);
        if (unicode_is_control(c) || unicode_is_hidden(c))
            g_string_append(safe, "\uFFFD");
        else if (c == '.' && safe->len == 0)
            g_string_append(safe, "\u2024");
        else
            g_string_append_unichar(safe, c);
    }
    if (ordinal >= 2)
        snprintf(suffix, sizeof suffix, "~%u", ordinal);
    size_t dot = extension_at(safe->str, safe->len), tail = safe->len - dot;
    size_t stem = unicode_cut(safe->str, dot, MESSAGE_NAME_MAX - tail - strlen(suffix));
    snprintf(name, MESSAGE_NAME_MAX + 1, "%.*s%s%s", (int)stem, safe->str, suffix, safe->str + dot);
    bool some = safe->len > 0;
    g_string_free(safe, TRUE);
    g_free(normal);
    return some;
}
