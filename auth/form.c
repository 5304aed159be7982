/* See form.h. */
#include "auth/form.h"

#include <string.h>

void auth_form_init(struct buffer *form)
{
    buffer_init(form, AUTH_FORM_MAX);
    (void)!buffer_reserve(form, AUTH_FORM_MAX); /* without memory adding fails */
}

static bool append_encoded(struct buffer *form, const char *value)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
    for (; *value != '\0'; value++) {
        bool good = strchr(plain, *value) != NULL
                        ? buffer_append_byte(form, *value)
                        : buffer_printf(form, "%%%02X", (unsigned)(unsigned char)*value);
        if (!good)
            return false;
    }
    return true;
}

bool auth_form_add(struct buffer *form, const char *name, const char *value)
{
    if (form->len > 0 && form->data[form->len - 1] != '?' && !buffer_append_byte(form, '&'))
        return false;
    return append_encoded(form, name) && buffer_append_byte(form, '=') &&
           append_encoded(form, value);
}

static int digit(char c)
{
    return c >= '0' && c <= '9'                     ? c - '0'
           : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                    : -1;
}

static bool decode(const char *text, size_t len, struct buffer *value)
{
    for (size_t i = 0; i < len; i++) {
        char byte = text[i];
        if (byte == '+') {
            byte = ' ';
        } else if (byte == '%') {
            int high = len - i < 3 ? -1 : digit(text[i + 1]);
            int low = high < 0 ? -1 : digit(text[i + 2]);
            if (low < 0)
                return false;
            byte = (char)(high * 16 + low);
            i += 2;
        }
        if (byte == '\0' || !buffer_append_byte(value, byte))
            return false;
    }
    return true;
}

bool auth_form_find(const char *query, size_t len, const char *name, struct buffer *value)
{
    const char *found = NULL, *end = query + len;
    size_t name_len = strlen(name), found_len = 0;
    buffer_clear(value);
    for (const char *at = query; at < end;) {
        const char *next = memchr(at, '&', (size_t)(end - at));
        size_t pair = (size_t)((next != NULL ? next : end) - at);
        if (pair > name_len && memcmp(at, name, name_len) == 0 && at[name_len] == '=') {
            if (found != NULL)
                return false;
            found = at + name_len + 1;
            found_len = pair - name_len - 1;
        }
        at += pair + 1;
    }
    return found != NULL && decode(found, found_len, value);
}
