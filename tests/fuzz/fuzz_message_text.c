/*
 * A message: whatever it holds, its text view is valid UTF-8 without control characters but tab and
 * LF, ends with a line end, is a few times as long as the message at most, and the same when the
 * source gives the bytes in small pieces.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "message/summary.h"
#include "message/text_view.h"
#include "tests/fuzz/fuzz.h"

enum { TIMES_MAX = 64, SPARE = 4096 };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    message_init();
    return 0;
}

static bool gather(void *ctx, const char *data, size_t len)
{
    g_string_append_len(ctx, data, (gssize)len);
    return true;
}

struct pieces {
    const uint8_t *data;
    size_t size;
};

static ssize_t read_pieces(void *ctx, uint64_t offset, void *data, size_t len)
{
    const struct pieces *pieces = ctx;
    if (offset >= pieces->size)
        return 0;
    size_t left = pieces->size - (size_t)offset;
    size_t take = len < left ? len : left;
    memcpy(data, pieces->data + offset, take);
    return (ssize_t)take;
}

static void check_text(const GString *text, size_t size)
{
    check(text->len <= size * TIMES_MAX + SPARE);
    check(text->len > 0 && text->str[text->len - 1] == '\n');
    check(strlen(text->str) == text->len && g_utf8_validate(text->str, (gssize)text->len, NULL));
    for (const char *p = text->str; *p != '\0'; p += g_utf8_skip[(unsigned char)*p]) {
        gunichar c = g_utf8_get_char(p);
        check(c == '\t' || c == '\n' || g_unichar_type(c) != G_UNICODE_CONTROL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    message_init(); /* the replay calls no initialiser */
    struct message_source source;
    struct pieces pieces = {data, size};
    GString *text = g_string_new(NULL), *again = g_string_new(NULL);
    const struct message_sink sink = {gather, text}, sink_again = {gather, again};
    message_source_bytes(&source, data, size);
    check(message_text_view(&source, &sink) == MESSAGE_OK);
    check_text(text, size);
    source = (struct message_source){.read = read_pieces, .ctx = &pieces, .size = size};
    check(message_text_view(&source, &sink_again) == MESSAGE_OK);
    check(strcmp(text->str, again->str) == 0);
    g_string_free(text, TRUE);
    g_string_free(again, TRUE);
    return 0;
}
