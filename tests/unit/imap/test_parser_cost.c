/*
 * What the parser costs: a big response is linear in its bytes however they arrive, and many small
 * ones go by fast. The bounds are loose enough for a sanitizer and a slow machine; a quadratic
 * parser would miss them by orders of magnitude.
 */
#include "tests/unit/test.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "imap/parser.h"

enum { BOUND_MS = 20000 };

static const struct imap_response none;

/* Feeds in pieces; the last response seen, and how many there were. */
static size_t feed(struct imap_parser *parser, const struct buffer *data, size_t piece,
                   const struct imap_response **last)
{
    size_t count = 0;
    for (size_t at = 0; at < data->len;) {
        const struct imap_response *response = NULL;
        size_t used = 0, len = data->len - at < piece ? data->len - at : piece;
        enum imap_parse result = imap_parser_next(parser, data->data + at, len, &used, &response);
        assert_true(result == IMAP_PARSE_MORE || result == IMAP_PARSE_RESPONSE);
        at += used;
        if (response != NULL) {
            count++;
            *last = response;
        }
    }
    return count;
}

static void append(struct buffer *data, const char *text)
{
    assert_true(buffer_append_text(data, text));
}

static void a_million_uids(void **state)
{
    static const size_t pieces[] = {1, 4096, SIZE_MAX};
    struct buffer data;
    buffer_init(&data, 64 * 1024 * 1024);
    append(&data, "* SEARCH");
    for (unsigned uid = 1000000; uid < 2000000; uid++)
        assert_true(buffer_printf(&data, " %u", uid));
    append(&data, "\r\n");
    int64_t start = clock_ms();
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        struct imap_parser *parser = imap_parser_new(NULL, NULL);
        const struct imap_response *last = &none;
        assert_int_equal(feed(parser, &data, pieces[i], &last), 1);
        assert_int_equal(last->search.count, 1000000);
        assert_int_equal(last->search.numbers[999999], 1999999);
        imap_parser_free(&parser);
    }
    assert_true(clock_ms() - start < BOUND_MS);
    buffer_free(&data);
}

/* A long first word before many literals: it must not be looked at again for each. */
static void many_literals(void **state)
{
    struct buffer data;
    buffer_init(&data, 64 * 1024 * 1024);
    append(&data, "* X");
    for (int i = 0; i < 4000000; i++)
        assert_true(buffer_append_byte(&data, 'x'));
    for (int i = 0; i < 500000; i++)
        append(&data, " {1}\r\na");
    append(&data, "\r\n");
    struct imap_parser *parser = imap_parser_new(NULL, NULL);
    const struct imap_response *last = &none;
    int64_t start = clock_ms();
    assert_int_equal(feed(parser, &data, 4096, &last), 1);
    assert_int_equal(last->kind, IMAP_RESPONSE_OTHER);
    assert_true(clock_ms() - start < BOUND_MS);
    imap_parser_free(&parser);
    buffer_free(&data);
}

static void many_fetches(void **state)
{
    char header[301] = {0};
    struct buffer data;
    buffer_init(&data, 256 * 1024 * 1024);
    memset(header, 'h', 300);
    for (unsigned i = 1; i <= 100000; i++)
        assert_true(buffer_printf(&data,
                                  "* %u FETCH (UID %u FLAGS (\\Seen) INTERNALDATE \" 7-Feb-2024 "
                                  "02:44:25 -0700\" RFC822.SIZE 4711 "
                                  "BODY[HEADER.FIELDS (FROM SUBJECT)] {300}\r\n%s)\r\n",
                                  i, i, header));
    struct imap_parser *parser = imap_parser_new(NULL, NULL);
    const struct imap_response *last = &none;
    int64_t start = clock_ms();
    assert_int_equal(feed(parser, &data, 16384, &last), 100000);
    print_message("100,000 FETCH: %lld ms\n", (long long)(clock_ms() - start));
    assert_int_equal(last->fetch.present, IMAP_FETCH_UID | IMAP_FETCH_FLAGS |
                                              IMAP_FETCH_INTERNALDATE | IMAP_FETCH_SIZE |
                                              IMAP_FETCH_HEADER);
    assert_true(clock_ms() - start < BOUND_MS);
    imap_parser_free(&parser);
    buffer_free(&data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_million_uids),
        cmocka_unit_test(many_literals),
        cmocka_unit_test(many_fetches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
