/* See match.h. Most text is ASCII, which is folded byte by byte; the rest by GLib's tables, which
 * do not depend on the locale. */
#include "message/match.h"

#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "message/header.h"
#include "message/text.h"

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_ascii(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] >= 0x80 || text[i] == '\0')
            return false;
    }
    return true;
}

/* Runs of white space become one space; the room is the text's own. */
static size_t join_spaces(char *to, const char *text, size_t len)
{
    size_t count = 0;
    for (size_t i = 0; i < len; i++) {
        bool space = is_space(text[i]);
        if (!space || count == 0 || to[count - 1] != ' ')
            to[count++] = space ? ' ' : text[i];
    }
    to[count] = '\0';
    return count;
}

static char *fold_unicode(const char *text, size_t len)
{
    char *valid = g_utf8_make_valid(text, (gssize)len);
    char *folded = g_utf8_casefold(valid, -1);
    char *copy = strdup(folded);
    g_free(folded);
    g_free(valid);
    return copy;
}

char *message_fold(const char *text, size_t len)
{
    bool ascii = is_ascii(text, len);
    char *folded = ascii ? malloc(len + 1) : fold_unicode(text, len);
    if (folded == NULL)
        return NULL;
    len = join_spaces(folded, ascii ? text : folded, ascii ? len : strlen(folded));
    for (size_t i = 0; ascii && i < len; i++)
        folded[i] = g_ascii_tolower(folded[i]);
    return folded;
}

bool message_fold_append(struct buffer *folded, const char *text, size_t len)
{
    char *more = len > 0 ? message_fold(text, len) : NULL;
    if (more == NULL)
        return len == 0;
    bool spaces = folded->len > 0 && folded->data[folded->len - 1] == ' ' && more[0] == ' ';
    bool good = buffer_append_text(folded, more + spaces);
    free(more);
    return good;
}

bool message_folded_has(const char *folded, const char *needle)
{
    return strstr(folded, needle) != NULL;
}

struct look {
    const char *needle;
    bool found;
};

static bool look_at(void *ctx, const char *raw)
{
    struct look *look = ctx;
    char *text = message_text_decode(raw);
    char *folded = message_fold(text, strlen(text));
    look->found = folded != NULL && message_folded_has(folded, look->needle);
    free(folded);
    g_free(text);
    return !look->found;
}

bool message_header_has(const char *header, size_t len, const char *name, const char *needle)
{
    struct look look = {.needle = needle};
    return message_header_each(header, len, name, look_at, &look) && look.found;
}
