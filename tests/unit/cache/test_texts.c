/* Text views that are kept with their bodies: found, read, replaced, and gone when the body goes.
 */
#include "tests/unit/cache/fixture.h"

#include "cache/texts.h"

enum { VERSION = 1, BODY = 50000 };

static uint64_t bytes_of(struct fixture *f)
{
    struct cache_figures figures;
    assert_int_equal(cache_figures_get(f->cache, &figures), CACHE_OK);
    return figures.body_bytes;
}

static int64_t add_one(struct fixture *f, uint32_t uid)
{
    fixture_add(f, uid, uid);
    int64_t message = fixture_find(f, uid).message;
    assert_int_equal(fixture_body(f->cache, message, uid, BODY, 65536), CACHE_OK);
    return message;
}

/* Keeps a text of `size` bytes and waits for it: the writer runs its jobs in order. */
static void keep(struct fixture *f, int64_t message, uint32_t version, uint32_t seed, uint64_t size)
{
    uint32_t index = 0;
    for (uint64_t at = 0; at < size || index == 0; at += CACHE_TEXT_PIECE, index++) {
        size_t len = size - at < CACHE_TEXT_PIECE ? (size_t)(size - at) : CACHE_TEXT_PIECE;
        char *data = malloc(len + 1);
        for (size_t i = 0; i < len; i++)
            data[i] = (char)fixture_byte(seed, at + i);
        cache_text_keep(f->cache, message, version, index, data, len, at + len == size ? size : 0);
    }
    (void)cache_messages_gone(f->cache, f->inbox, FIXTURE_UIDVALIDITY, &(uint32_t){999999}, 1, NULL,
                              NULL);
}

static void check(struct fixture *f, int64_t message, uint32_t seed, uint64_t size)
{
    char *data = malloc(size + 1);
    uint64_t found = 0, body = 0;
    size_t got = 0;
    assert_int_equal(cache_text_find(f->cache, message, VERSION, &found), CACHE_OK);
    assert_int_equal(found, size);
    assert_int_equal(cache_body_pin(f->cache, message, &body), CACHE_OK);
    assert_int_equal(cache_text_read(f->cache, message, size, 0, data, size + 1, &got), CACHE_OK);
    assert_int_equal(got, size);
    for (uint64_t i = 0; i < size; i++)
        assert_int_equal((unsigned char)data[i], fixture_byte(seed, i));
    assert_int_equal(cache_text_read(f->cache, message, size, size / 2, data, 10, &got), CACHE_OK);
    assert_int_equal((unsigned char)data[0], fixture_byte(seed, size / 2));
    cache_body_unpin(f->cache, message);
    free(data);
}

static void test_kept(void **state)
{
    struct fixture *f = *state;
    uint64_t size = 0;
    int64_t message = add_one(f, 1);
    assert_int_equal(cache_text_find(f->cache, message, VERSION, &size), CACHE_ERR_ABSENT);
    keep(f, message, VERSION, 7, 1000);
    check(f, message, 7, 1000);
    assert_int_equal(bytes_of(f), BODY + 1000);
    keep(f, message, VERSION, 8, 2000); /* the first one stays */
    check(f, message, 7, 1000);
    assert_int_equal(cache_text_find(f->cache, message, VERSION + 1, &size), CACHE_ERR_ABSENT);
    assert_true(fixture_body_is(f->cache, message, 1, BODY, 9999));
    fixture_reopen(f);
    check(f, message, 7, 1000);
    assert_int_equal(bytes_of(f), BODY + 1000);
}

static void test_large_and_replaced(void **state)
{
    struct fixture *f = *state;
    uint64_t size = 3 * CACHE_TEXT_PIECE + 17;
    int64_t message = add_one(f, 1);
    keep(f, message, VERSION + 1, 9, 500000);
    assert_int_equal(bytes_of(f), BODY + 500000);
    keep(f, message, VERSION, 7, size);
    check(f, message, 7, size);
    assert_int_equal(bytes_of(f), BODY + size);
}

static void test_gone_with_its_body(void **state)
{
    struct fixture *f = *state;
    uint64_t size = 0;
    uint32_t uid = 1;
    int64_t message = add_one(f, uid);
    keep(f, message, VERSION, 7, 1000);
    assert_int_equal(
        cache_messages_gone(f->cache, f->inbox, FIXTURE_UIDVALIDITY, &uid, 1, NULL, NULL),
        CACHE_OK);
    assert_int_equal(cache_text_find(f->cache, message, VERSION, &size), CACHE_ERR_ABSENT);
    assert_int_equal(bytes_of(f), 0);
    keep(f, message, VERSION, 7, 1000); /* too late: nothing happens */
    assert_int_equal(cache_text_find(f->cache, message, VERSION, &size), CACHE_ERR_ABSENT);
    assert_int_equal(bytes_of(f), 0);
}

/* Texts fill the room as bodies do; who goes first takes its text along. */
static void test_evicted(void **state)
{
    struct fixture *f = *state;
    uint64_t size = 0;
    f->limit = 4 * BODY;
    fixture_reopen(f);
    f->cache->writer.grace_ms = 0;
    int64_t first = add_one(f, 1);
    keep(f, first, VERSION, 7, 2 * BODY);
    assert_int_equal(bytes_of(f), 3 * BODY);
    add_one(f, 2);
    assert_int_equal(cache_text_find(f->cache, first, VERSION, &size), CACHE_OK);
    add_one(f, 3);
    assert_int_equal(cache_text_find(f->cache, first, VERSION, &size), CACHE_ERR_ABSENT);
    assert_int_equal(bytes_of(f), 2 * BODY);
}

/* A piece is missing: what another body left behind must not be taken for a text. */
static void test_incomplete(void **state)
{
    struct fixture *f = *state;
    uint64_t size = 0;
    int64_t message = add_one(f, 1);
    cache_text_keep(f->cache, message, VERSION, 1, calloc(1, 10), 10, CACHE_TEXT_PIECE + 10);
    keep(f, add_one(f, 2), VERSION, 7, 10);
    assert_int_equal(cache_text_find(f->cache, message, VERSION, &size), CACHE_ERR_ABSENT);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {TEST(test_kept), TEST(test_large_and_replaced),
                                       TEST(test_gone_with_its_body), TEST(test_evicted),
                                       TEST(test_incomplete)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
