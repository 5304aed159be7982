/*
 * Deflate in buffers of fixed size: what is compressed comes out as it went in, however it is cut;
 * what is not deflate is an error; what grows without bound costs no memory.
 */
#include "tests/unit/test.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "imap/deflate.h"
#include "tests/unit/imap/deflate_feed.h"

enum { GUARD = 16 };

/* Feeds `wire` in pieces and appends to `out` what comes, read with so much room at a time. */
static enum imap_error run(const char *wire, size_t len, size_t piece, size_t room, char *out,
                           size_t most, size_t *total)
{
    struct imap_deflate *d = imap_deflate_new(wire, 0);
    enum imap_error error = IMAP_OK;
    assert_non_null(d);
    *total = 0;
    for (size_t at = 0; error == IMAP_OK;) {
        char block[4096 + GUARD];
        size_t got = 0;
        memset(block, '#', sizeof block);
        error = imap_inflate(d, block, room, &got);
        assert_true(got <= room && *total + got <= most);
        for (size_t i = 0; i < GUARD; i++)
            assert_int_equal(block[room + i], '#');
        memcpy(out + *total, block, got);
        *total += got;
        if (error != IMAP_OK || got > 0)
            continue;
        if (at == len)
            break;
        assert_true(deflate_feed(d, wire, len, piece, &at));
    }
    imap_deflate_free(&d);
    assert_null(d);
    return error;
}

/* Appends the compressed `text` to `wire`. */
static size_t pack(struct imap_deflate *d, const char *text, size_t len, char *wire)
{
    size_t total = 0;
    while (len > 0) {
        size_t pending = 0, taken = imap_deflate(d, text, len);
        assert_in_range(taken, 1, len);
        const char *from = imap_deflate_pending(d, &pending);
        assert_in_range(pending, 1, taken + 1024);
        memcpy(wire + total, from, pending / 2); /* as a socket does that takes half of it */
        imap_deflate_sent(d, pending / 2);
        total += pending / 2;
        from = imap_deflate_pending(d, &pending);
        memcpy(wire + total, from, pending);
        imap_deflate_sent(d, pending);
        total += pending;
        imap_deflate_pending(d, &pending);
        assert_int_equal(pending, 0);
        text += taken;
        len -= taken;
    }
    return total;
}

static void cut_anywhere_it_is_the_same(void **state)
{
    (void)state;
    static const char *const texts[] = {"* 1 FETCH (UID 7 FLAGS (\\Seen))\r\n",
                                        "* 2 FETCH (UID 8 FLAGS (\\Seen))\r\nA6 OK done\r\n", "x"};
    static const size_t rooms[] = {1, 2, 7, 4096};
    char wire[1000], whole[1000] = "", out[1000];
    size_t len = 0;
    struct imap_deflate *d = imap_deflate_new(NULL, 0);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        len += pack(d, texts[i], strlen(texts[i]), wire + len);
        strcat(whole, texts[i]);
    }
    imap_deflate_free(&d);
    for (size_t piece = 1; piece <= len; piece++) {
        for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++) {
            size_t total = 0;
            assert_int_equal(run(wire, len, piece, rooms[i], out, sizeof out, &total), IMAP_OK);
            assert_int_equal(total, strlen(whole));
            assert_memory_equal(out, whole, total);
        }
    }
    for (size_t cut = 0; cut <= len; cut++) { /* what is not there yet is no error */
        size_t total = 0;
        assert_int_equal(run(wire, cut, cut + 1, 4096, out, sizeof out, &total), IMAP_OK);
        assert_memory_equal(out, whole, total);
    }
}

/* A flush brings all that was compressed; what cannot be compressed fits too. */
static void noise_passes(void **state)
{
    (void)state;
    enum { SIZE = 3 * IMAP_DEFLATE_MAX + 5 };
    static char noise[SIZE], wire[2 * SIZE], out[SIZE];
    unsigned random = 12345;
    for (size_t i = 0; i < SIZE; i++) {
        random = random * 1103515245 + 12345;
        noise[i] = (char)(random >> 16);
    }
    struct imap_deflate *d = imap_deflate_new(NULL, 0);
    assert_int_equal(imap_deflate(d, noise, SIZE), IMAP_DEFLATE_MAX);
    imap_deflate_free(&d);
    d = imap_deflate_new(NULL, 0);
    size_t total = 0, len = pack(d, noise, SIZE, wire);
    imap_deflate_free(&d);
    assert_int_equal(run(wire, len, IMAP_INFLATE_MAX, 4096, out, SIZE, &total), IMAP_OK);
    assert_int_equal(total, SIZE);
    assert_memory_equal(out, noise, SIZE);
}

/* 64 MiB out of 64 KiB: each read gives its room's worth, and the heap stays as it is. */
static void a_bomb_costs_no_memory(void **state)
{
    (void)state;
    enum { SIZE = 64 << 20 };
    static unsigned char zeros[1 << 16], wire[1 << 17];
    static char out[4096 + GUARD];
    z_stream z = {.next_out = wire, .avail_out = sizeof wire};
    deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
    for (size_t n = 0; n < SIZE; n += sizeof zeros) {
        z.next_in = zeros;
        z.avail_in = sizeof zeros;
        assert_int_equal(deflate(&z, Z_NO_FLUSH), Z_OK);
    }
    deflate(&z, Z_SYNC_FLUSH);
    size_t len = sizeof wire - z.avail_out, total = 0, got = 0, heap = 0;
    deflateEnd(&z);
    size_t first = len < IMAP_INFLATE_MAX ? len : IMAP_INFLATE_MAX;
    struct imap_deflate *d = imap_deflate_new((char *)wire, first);
    for (size_t at = first;;) {
        memset(out + sizeof out - GUARD, '#', GUARD);
        assert_int_equal(imap_inflate(d, out, sizeof out - GUARD, &got), IMAP_OK);
        assert_int_equal(out[sizeof out - GUARD], '#');
        total += got;
        if (heap == 0) /* zlib makes its window with the first bytes */
            heap = mallinfo2().uordblks;
        if (got == 0 && at == len)
            break;
        if (got == 0) {
            size_t room = 0;
            char *to = imap_inflate_wants(d, &room);
            assert_true(room >= len - at);
            memcpy(to, wire + at, len - at);
            imap_inflate_came(d, len - at);
            at = len;
        }
    }
    assert_int_equal(total, SIZE);
    assert_true(mallinfo2().uordblks <= heap);
    imap_deflate_free(&d);
}

#define WORD "\x4a\x54\x48\xce\x4f\x49\x05\x00\x00\x00\xff\xff" /* "a code", flushed */

static void what_is_not_deflate_is_an_error(void **state)
{
    (void)state;
    static const struct {
        const char *name, *wire;
        size_t len, before;
        enum imap_error error;
    } rows[] = {
        {"nothing",               "",                                         0,  0, IMAP_OK          },
        {"a word",                WORD,                                       12, 6, IMAP_OK          },
        {"a block of a bad kind", "\x07",                                     1,  0, IMAP_ERR_PROTOCOL},
        {"a length that lies",    "\x00\x05\x00\x05\x00",                     5,  0, IMAP_ERR_PROTOCOL},
        {"a copy from before",    "\x4b\x04\x02\x00\x03",                     5,  0, IMAP_ERR_PROTOCOL},
        {"zlib's own header",     "\x78\x9c\x4b\x54\x48\xce\x4f",             7,  0, IMAP_ERR_PROTOCOL},
        {"clear text",            "* OK clear text\r\n",                      17, 0, IMAP_ERR_PROTOCOL},
        {"the end",               "\x03\x00",                                 2,  0, IMAP_ERR_PROTOCOL},
        {"a word, then bad",      WORD "\x07",                                13, 6, IMAP_ERR_PROTOCOL},
        {"a word, then the end",  WORD "\x03\x00",                            14, 6, IMAP_ERR_PROTOCOL},
        {"empty blocks",          "\x00\x00\x00\xff\xff\x00\x00\x00\xff\xff", 10, 0, IMAP_OK          },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (size_t piece = 1; piece <= rows[i].len + 1; piece++) {
            char out[100];
            size_t total = 0;
            enum imap_error error =
                run(rows[i].wire, rows[i].len, piece, 64, out, sizeof out, &total);
            if (error != rows[i].error || total < rows[i].before)
                print_error("%s: %d, %zu bytes\n", rows[i].name, (int)error, total);
            assert_int_equal(error, rows[i].error);
            assert_true(total >= rows[i].before);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_anywhere_it_is_the_same),
        cmocka_unit_test(noise_passes),
        cmocka_unit_test(a_bomb_costs_no_memory),
        cmocka_unit_test(what_is_not_deflate_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
