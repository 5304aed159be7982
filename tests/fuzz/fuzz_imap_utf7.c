/*
 * What decodes, encodes again, and decodes to the same text; what is UTF-8 encodes, and decodes to
 * itself. A refusal leaves the buffer as it was.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "imap/utf7.h"
#include "tests/fuzz/fuzz.h"

static void must_equal(const struct buffer *b, const char *data, size_t len)
{
    if (b->len != len || (len > 0 && memcmp(b->data, data, len) != 0))
        abort();
}

static void decode_first(const char *name, size_t len)
{
    struct buffer text, encoded, again;
    buffer_init(&text, 1024 * 1024);
    buffer_init(&encoded, 1024 * 1024);
    buffer_init(&again, 1024 * 1024);
    if (!buffer_append_text(&text, "kept"))
        abort();
    if (!imap_utf7_decode(name, len, &text)) {
        must_equal(&text, "kept", 4);
    } else {
        buffer_consume(&text, 4);
        if (!imap_utf7_encode(text.data, text.len, &encoded) ||
            !imap_utf7_decode(encoded.data, encoded.len, &again))
            abort();
        must_equal(&again, text.data, text.len);
    }
    buffer_free(&text);
    buffer_free(&encoded);
    buffer_free(&again);
}

static void encode_first(const char *text, size_t len)
{
    struct buffer encoded, again;
    buffer_init(&encoded, 1024 * 1024);
    buffer_init(&again, 1024 * 1024);
    if (!imap_utf7_encode(text, len, &encoded)) {
        must_equal(&encoded, "", 0);
    } else {
        for (size_t i = 0; i < encoded.len; i++) {
            if (encoded.data[i] < 0x20 || encoded.data[i] > 0x7E)
                abort();
        }
        if (!imap_utf7_decode(encoded.data, encoded.len, &again))
            abort();
        must_equal(&again, text, len);
    }
    buffer_free(&encoded);
    buffer_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    decode_first((const char *)data, size);
    encode_first((const char *)data, size);
    return 0;
}
