/*
 * A header block: whatever it holds, each field of its summary is valid UTF-8 in NFC, bounded, free
 * of controls and of white space at its ends; and the name made of it is one that CONTRACT.md
 * allows (fuzz_message_name.c looks at that closely).
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "message/name.h"
#include "message/summary.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    message_init();
    return 0;
}

static void check_field(const char *text)
{
    size_t len = strlen(text);
    check(len <= MESSAGE_FIELD_MAX && g_utf8_validate(text, -1, NULL));
    for (const char *p = text; *p != '\0'; p += g_utf8_skip[(unsigned char)*p])
        check(g_unichar_type(g_utf8_get_char(p)) != G_UNICODE_CONTROL);
    check(len == 0 || (text[0] != ' ' && text[len - 1] != ' '));
    char *normal = g_utf8_normalize(text, -1, G_NORMALIZE_NFC);
    check(normal != NULL && strcmp(normal, text) == 0);
    g_free(normal);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct message_summary summary;
    char stem[MESSAGE_NAME_MAX + 1];
    message_init(); /* the replay calls no initialiser */
    check(message_summary_parse((const char *)data, size, &summary));
    check_field(summary.from_name);
    check_field(summary.from);
    check_field(summary.to);
    check_field(summary.subject);
    check_field(summary.date);
    check_field(summary.message_id);
    check(!message_is_placeholder((const char *)data, size, summary.subject));
    message_is_placeholder((const char *)data, size, "");
    message_name_stem(stem, 0, summary.from_name, summary.subject);
    check(strlen(stem) <= MESSAGE_NAME_MAX - 4);
    message_summary_free(&summary);
    return 0;
}
