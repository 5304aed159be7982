/* sync/readers.h and rate.h: who reads in which order, what it may have ahead, and how much. */
#include "tests/unit/test.h"

#include <stdlib.h>
#include <string.h>

#include "sync/rate.h"
#include "sync/readers.h"

static struct readers *make(void)
{
    struct readers *readers = calloc(1, sizeof *readers);
    assert_non_null(readers);
    return readers;
}

/* What stands before message n where inode order is 1, 2, 3 ... and name order `apart` steps. */
static struct readers_before before(int64_t n, int64_t apart)
{
    struct readers_before found = {0};
    for (size_t i = 0; i < READER_NEAR; i++) {
        int64_t far = (int64_t)i + 1;
        found.rows[CACHE_BY_INODE][i].message = n - far;
        found.rows[CACHE_BY_INODE_BACK][i].message = n + far;
        found.rows[CACHE_BY_NAME][i].message = n - far * apart;
        found.rows[CACHE_BY_NAME_BACK][i].message = n + far * apart;
    }
    for (size_t o = 0; o < CACHE_ORDERS; o++)
        found.counts[o] = READER_NEAR;
    return found;
}

static bool miss(struct readers *readers, int64_t n, int64_t now, enum cache_order *order)
{
    struct readers_before found = before(n, 997);
    bool guess;
    return readers_recognise(readers, n, &found, false, now, order, &guess) && !guess;
}

static void test_orders(void **state)
{
    static const struct {
        int64_t first, second;
        bool known;
        enum cache_order order;
    } rows[] = {
        {5000, 5001,               true,  CACHE_BY_INODE     },
        {5000, 5000 + READER_NEAR, true,  CACHE_BY_INODE     },
        {5000, 4999,               true,  CACHE_BY_INODE_BACK},
        {5000, 5997,               true,  CACHE_BY_NAME      },
        {5000, 3006,               true,  CACHE_BY_NAME_BACK },
        {5000, 5001 + READER_NEAR, false, 0                  },
        {5000, 5500,               false, 0                  },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct readers *readers = make();
        enum cache_order order = 0;
        assert_false(miss(readers, rows[i].first, 10, &order));
        assert_int_equal(miss(readers, rows[i].second, 20, &order), rows[i].known);
        if (rows[i].known)
            assert_int_equal(order, rows[i].order);
        free(readers);
    }
}

/* Two programs whose misses alternate are both seen; one long ago does not count. */
static void test_trail(void **state)
{
    struct readers *readers = make();
    enum cache_order order;
    assert_false(miss(readers, 5000, 10, &order));
    assert_false(miss(readers, 9500, 20, &order));
    assert_true(miss(readers, 5001, 30, &order));
    assert_true(miss(readers, 9499, 40, &order));
    assert_int_equal(order, CACHE_BY_INODE_BACK);
    assert_false(miss(readers, 20000, 50, &order));
    assert_false(miss(readers, 20001, 60 + READER_GONE_MS, &order));
    free(readers);
}

static struct reader *reader_of(struct readers *readers, int64_t first, size_t count, int64_t now)
{
    struct reader *reader = readers_add(readers, now);
    for (size_t i = 0; i < count; i++) {
        struct cache_near near = {
            .message = first + (int64_t)i, .uid = (uint32_t)i + 1, .size = 10};
        reader_expect(reader, &near);
    }
    return reader;
}

static void test_moves_on(void **state)
{
    struct readers *readers = make();
    struct reader *reader = reader_of(readers, 100, 200, 0);
    size_t at = 0;
    assert_int_equal(reader->ahead, 2000);
    assert_int_equal(reader->wanted, 2000);
    for (int64_t n = 100; n < 110; n++) {
        struct reader_entry *entry = reader_wanted(reader, &at);
        assert_int_equal(entry->message, n);
        reader_asked(reader, entry);
    }
    assert_int_equal(reader->wanted, 1900);
    readers_want_again(readers, 104);
    readers_want_again(readers, 104);
    readers_want_again(readers, 150);
    assert_int_equal(reader->wanted, 1910);
    at = 0;
    reader_asked(reader, reader_wanted(reader, &at));
    assert_int_equal(at, 5);
    assert_int_equal(reader->wanted, 1900);
    assert_ptr_equal(readers_open(readers, 100, 5), reader);
    assert_int_equal(reader->ahead, 1990);
    assert_int_equal(reader->wanted, 1900);
    assert_int_equal(reader->opened, 5);
    /* Out of order: what is left out stays expected for a while. */
    assert_ptr_equal(readers_open(readers, 103, 6), reader);
    assert_ptr_equal(readers_open(readers, 101, 7), reader);
    assert_int_equal(reader->ahead, 1970);
    assert_null(readers_open(readers, 99, 8));
    assert_ptr_equal(readers_open(readers, 103 + READER_LAG + 10, 9), reader);
    assert_null(readers_open(readers, 102, 10));
    assert_ptr_equal(readers_open(readers, 103 + READER_LAG, 11), reader);
    free(readers);
}

static void test_room(void **state)
{
    struct readers *readers = make();
    struct reader *reader = reader_of(readers, 1, READER_ENTRIES + 5, 0);
    assert_int_equal(reader_room(reader), 0);
    assert_int_equal(reader->ahead, READER_ENTRIES * 10);
    for (int64_t n = 1; n <= 50; n++)
        assert_non_null(readers_open(readers, n, 1));
    assert_int_equal(reader_room(reader), 50);
    for (int64_t n = 0; n < 50; n++) /* around the end of the ring */
        reader_expect(reader, &(struct cache_near){.message = 5000 + n, .size = 10});
    for (int64_t n = 51; n <= READER_ENTRIES; n++)
        assert_non_null(readers_open(readers, n, 2));
    for (int64_t n = 0; n < 50; n++)
        assert_non_null(readers_open(readers, 5000 + n, 3));
    assert_int_equal(reader->ahead, 0);
    assert_int_equal(reader->wanted, 0);
    free(readers);
}

static void test_places(void **state)
{
    struct readers *readers = make();
    uint64_t second = 0;
    for (int64_t i = 0; i < READERS_MAX; i++) {
        struct reader *reader = reader_of(readers, 1000 * (i + 1), 3, i);
        if (i == 1)
            second = reader->number;
    }
    assert_int_equal(readers->active, READERS_MAX);
    assert_non_null(readers_open(readers, 1000, 50)); /* the first one is not the stillest now */
    readers_add(readers, 60);
    assert_int_equal(readers->active, READERS_MAX);
    assert_null(readers_find(readers, second));
    assert_int_equal(readers_reading(readers, 60), READERS_MAX);
    assert_int_equal(readers_reading(readers, 61 + READER_STOP_MS), 1);
    assert_null(readers_open(readers, 1, 61 + READER_GONE_MS));
    assert_int_equal(readers->active, 0);
    free(readers);
}

static void test_budget(void **state)
{
    struct rate rate = {0};
    assert_int_equal(rate_budget(&rate), RATE_BUDGET_MIN);
    rate_answered(&rate, 50);
    assert_int_equal(rate_budget(&rate), RATE_BUDGET_MIN);
    /* 10 MB a second in steps of 10 ms. */
    for (int64_t now = 1000; now < 2000; now += 10)
        rate_moved(&rate, 100000, now);
    assert_in_range(rate.bytes_per_s, 9900000, 10100000);
    assert_in_range(rate_budget(&rate), 1980000, 2020000);
    /* A reader that pauses does not make the wire slow, one long answer not the way long. */
    rate_moved(&rate, 100, 60000);
    rate_answered(&rate, 450);
    assert_in_range(rate.round_trip_ms, 50, 100);
    assert_in_range(rate.bytes_per_s, 9900000, 10100000);
    rate_answered(&rate, 40);
    assert_int_equal(rate.round_trip_ms, 40);
    /* A wire that becomes slow is noticed. */
    for (int64_t now = 70000; now < 75000; now += 10)
        rate_moved(&rate, 1000, now);
    assert_in_range(rate.bytes_per_s, 100000, 200000);
    assert_int_equal(rate_budget(&rate), RATE_BUDGET_MIN);
    rate = (struct rate){.round_trip_ms = INT64_MAX / 4, .bytes_per_s = UINT64_MAX / 4};
    assert_int_equal(rate_budget(&rate), RATE_BUDGET_MAX);
}

/* A message that was moved while it was looked up stands among those of another mailbox. */
static void test_moved_meanwhile(void **state)
{
    struct readers *readers = make();
    struct reader *reader = readers_add(readers, 10);
    reader->mailbox = 4;
    const struct cache_near rows[] = {
        {.message = 1, .mailbox = 4, .uid = 99,  .size = 500},
        {.message = 2, .mailbox = 9, .uid = 99,  .size = 500},
        {.message = 3, .mailbox = 4, .uid = 100, .size = 500},
    };
    for (size_t i = 0; i < 3; i++)
        reader_expect(reader, &rows[i]);
    size_t at = 0;
    assert_int_equal(reader->wanted, 1000);
    assert_int_equal(reader_wanted(reader, &at)->message, 1);
    assert_int_equal(reader_wanted(reader, &at)->message, 3);
    assert_null(reader_wanted(reader, &at));
    free(readers);
}

/* Who opened the directory and then what stands first in it goes on; from its end many take one. */
static void test_the_first_of_all(void **state)
{
    static const struct {
        enum cache_order first;
        bool opened, known;
    } rows[] = {
        {CACHE_BY_INODE,      true,  true },
        {CACHE_BY_NAME,       true,  true },
        {CACHE_BY_INODE,      false, false},
        {CACHE_BY_INODE_BACK, true,  false},
        {CACHE_BY_NAME_BACK,  true,  false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct readers *readers = make();
        struct readers_before found = before(5000, 997);
        enum cache_order order = CACHE_BY_NAME_BACK;
        found.counts[rows[i].first] = 0;
        bool guess = false;
        assert_int_equal(
            readers_recognise(readers, 5000, &found, rows[i].opened, 10, &order, &guess),
            rows[i].known);
        assert_int_equal(guess, rows[i].known);
        if (rows[i].known)
            assert_int_equal(order, rows[i].first);
        free(readers);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_orders), cmocka_unit_test(test_the_first_of_all),
        cmocka_unit_test(test_trail),  cmocka_unit_test(test_moves_on),
        cmocka_unit_test(test_room),   cmocka_unit_test(test_places),
        cmocka_unit_test(test_budget), cmocka_unit_test(test_moved_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
