/*
 * The parser sees the same conversation however its bytes are cut: whole, byte by byte, and in
 * pieces whose size comes from the input. The input's first byte also chooses the limits and when
 * the sink refuses.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/imap/transcript.h"

static void must_agree(const struct transcript *t, const char *data, size_t len, size_t piece,
                       const struct buffer *whole)
{
    struct buffer log;
    buffer_init(&log, 64 * 1024 * 1024);
    transcript_run(t, data, len, 0, piece, &log);
    if (log.len != whole->len || memcmp(log.data, whole->data, log.len) != 0)
        abort();
    buffer_free(&log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    unsigned choice = data[0];
    struct transcript t = transcript_default;
    if ((choice & 1) != 0)
        t.limits = (struct imap_parser_limits){.response = 300, .body = 200, .depth = 3};
    if ((choice & 2) != 0)
        t.limits.inline_body = 20;
    t.refuse_body = (choice & 4) != 0;
    if ((choice & 8) != 0)
        t.body_bytes = 7;
    const char *text = (const char *)data + 1;
    struct buffer whole;
    buffer_init(&whole, 64 * 1024 * 1024);
    transcript_run(&t, text, size - 1, size - 1, 0, &whole);
    must_agree(&t, text, size - 1, 1, &whole);
    must_agree(&t, text, size - 1, 2 + choice / 16, &whole);
    buffer_free(&whole);
    return 0;
}
