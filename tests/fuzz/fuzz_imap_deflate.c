/*
 * What a server compressed comes out the same however its bytes are cut and whatever room there is
 * for it, and never more than that room; and what we compress, of the same input, is read back.
 * The input's first byte chooses pieces and rooms.
 */
#include <string.h>

#include "base/buffer.h"
#include "imap/deflate.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/imap/deflate_feed.h"

enum { OUTPUT_MAX = 1 << 20 };

/* Appends what `wire` inflates to, OUTPUT_MAX bytes of it at most. */
static enum imap_error inflate_all(const char *wire, size_t len, size_t piece, size_t room,
                                   struct buffer *out)
{
    char block[4096];
    enum imap_error error = IMAP_OK;
    size_t first = len < piece ? len : piece, at = first;
    struct imap_deflate *d = imap_deflate_new(wire, first);
    check(d != NULL);
    while (error == IMAP_OK && out->len < OUTPUT_MAX) {
        size_t got = 0;
        error = imap_inflate(d, block, room, &got);
        check(got <= room && (error == IMAP_OK || got == 0));
        size_t left = OUTPUT_MAX - out->len;
        check(got == 0 || buffer_append(out, block, got < left ? got : left));
        if (error != IMAP_OK || got > 0)
            continue;
        if (at == len)
            break;
        check(deflate_feed(d, wire, len, piece, &at));
    }
    imap_deflate_free(&d);
    return error;
}

static void deflate_all(const char *text, size_t len, struct buffer *wire)
{
    struct imap_deflate *d = imap_deflate_new(NULL, 0);
    check(d != NULL);
    while (len > 0) {
        size_t pending = 0, taken = imap_deflate(d, text, len);
        check(taken > 0 && taken <= len);
        const char *from = imap_deflate_pending(d, &pending);
        check(buffer_append(wire, from, pending));
        imap_deflate_sent(d, pending);
        text += taken;
        len -= taken;
    }
    imap_deflate_free(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const char *wire = (const char *)data + 1;
    size_t len = size - 1, piece = 1 + data[0] % 16, room = 1 + (data[0] / 16) * 7;
    struct buffer whole, cut, packed, back;
    buffer_init(&whole, OUTPUT_MAX + 1);
    buffer_init(&cut, OUTPUT_MAX + 1);
    buffer_init(&packed, 2 * size + 4096);
    buffer_init(&back, OUTPUT_MAX + 1);
    enum imap_error error = inflate_all(wire, len, IMAP_INFLATE_MAX, 4096, &whole);
    check(inflate_all(wire, len, piece, room, &cut) == error || whole.len == OUTPUT_MAX);
    check(cut.len == whole.len);
    check(whole.len == 0 || memcmp(cut.data, whole.data, whole.len) == 0);
    deflate_all(wire, len, &packed);
    if (len < OUTPUT_MAX) {
        check(inflate_all(packed.data, packed.len, IMAP_INFLATE_MAX, 4096, &back) == IMAP_OK);
        check(back.len == len && (len == 0 || memcmp(back.data, wire, len) == 0));
    }
    buffer_free(&whole);
    buffer_free(&cut);
    buffer_free(&packed);
    buffer_free(&back);
    return 0;
}
