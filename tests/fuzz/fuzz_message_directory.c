/*
 * The component of a mailbox name, after one byte that chooses the ordinal: its directory name is
 * one path component, never hidden, in NFC, without controls and format characters, within the
 * limit, and its own directory name.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "message/name.h"
#include "tests/fuzz/fuzz.h"

static void check_name(const char *name)
{
    check(name[0] != '\0' && name[0] != '.' && strchr(name, '/') == NULL);
    check(strlen(name) <= MESSAGE_NAME_MAX && g_utf8_validate(name, -1, NULL));
    for (const char *p = name; *p != '\0'; p += g_utf8_skip[(unsigned char)*p]) {
        GUnicodeType type = g_unichar_type(g_utf8_get_char(p));
        check(type != G_UNICODE_CONTROL && type != G_UNICODE_FORMAT &&
              type != G_UNICODE_LINE_SEPARATOR && type != G_UNICODE_PARAGRAPH_SEPARATOR);
    }
    char *normal = g_utf8_normalize(name, -1, G_NORMALIZE_NFC);
    check(normal != NULL && strcmp(normal, name) == 0);
    g_free(normal);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned ordinals[] = {0, 1, 2, 10, 4294967295U};
    char name[MESSAGE_NAME_MAX + 1];
    char again[MESSAGE_NAME_MAX + 1];
    if (size < 1)
        return 0;
    const char *component = (const char *)data + 1;
    unsigned ordinal = ordinals[data[0] % (sizeof ordinals / sizeof *ordinals)];
    if (message_name_directory(name, component, size - 1, ordinal) != 0) {
        check(size == 1);
        return 0;
    }
    check_name(name);
    check(message_name_directory(again, name, strlen(name), 0) == 0);
    check(strcmp(name, again) == 0);
    return 0;
}
