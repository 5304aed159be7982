/*
 * A message: its parts have names that a directory can hold, each once; a directory stands before
 * what is in it; sizes are exact; no part is longer than the message.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "message/parts.h"
#include "message/summary.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    message_init();
    return 0;
}

static bool count(void *ctx, const char *data, size_t len)
{
    *(uint64_t *)ctx += len;
    return true;
}

static void check_name(const char *name)
{
    size_t len = strlen(name);
    check(len > 0 && len <= MESSAGE_NAME_MAX && g_utf8_validate(name, -1, NULL));
    check(name[0] != '.' && strchr(name, '/') == NULL);
    for (const char *p = name; *p != '\0'; p += g_utf8_skip[(unsigned char)*p])
        check(g_unichar_type(g_utf8_get_char(p)) != G_UNICODE_CONTROL);
}

static void check_part(const struct message_parts *parts, size_t index,
                       const struct message_source *source, GHashTable *names)
{
    const struct message_part *part = message_parts_get(parts, index);
    uint64_t size = 0;
    const struct message_sink sink = {count, &size};
    check_name(part->name);
    check(part->parent >= -1 && part->parent < (int)index);
    check(part->parent < 0 || message_parts_get(parts, (size_t)part->parent)->directory);
    check(g_hash_table_add(names, g_strdup_printf("%d/%s", part->parent, part->name)));
    if (part->directory)
        return;
    check(message_parts_write(parts, index, source, &sink) == MESSAGE_OK);
    check(size == part->size && size <= source->size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    message_init(); /* the replay calls no initialiser */
    struct message_source source;
    struct message_parts *parts;
    GHashTable *names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    message_source_bytes(&source, data, size);
    check(message_parts_read(&parts, &source) == MESSAGE_OK);
    check(message_parts_count(parts) > 0 && message_parts_count(parts) <= MESSAGE_PARTS_MAX);
    for (size_t i = 0; i < message_parts_count(parts); i++)
        check_part(parts, i, &source, names);
    message_parts_free(&parts);
    g_hash_table_destroy(names);
    return 0;
}
