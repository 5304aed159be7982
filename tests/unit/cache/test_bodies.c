/* Bodies: arriving in any pieces, reading, pins, eviction. */
#include "tests/unit/cache/fixture.h"

#include <sys/stat.h>
#include <time.h>

static void sleep_ms(long ms)
{
    struct timespec wait = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&wait, NULL);
}

static struct cache_figures figures_of(struct fixture *f)
{
    struct cache_figures figures;
    assert_int_equal(cache_figures_get(f->cache, &figures), CACHE_OK);
    return figures;
}

/* Upkeep runs with the next transaction or within a second: waits until `bodies` are left. */
static void wait_for_bodies(struct fixture *f, uint64_t bodies)
{
    for (int i = 0; i < 100 && figures_of(f).bodies != bodies; i++)
        sleep_ms(50);
    assert_int_equal(figures_of(f).bodies, bodies);
}

/* Rows of chunks, as a second look at what is really on disk. */
static int64_t chunk_count(struct fixture *f)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_open(fixture_path(f, "bodies.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT count(*) FROM chunk", -1, &statement, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t count = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return count;
}

static void test_sizes_and_pieces(void **state)
{
    struct fixture *f = *state;
    static const struct {
        uint64_t size;
        size_t piece;
        int64_t chunks;
    } cases[] = {
        {0,              1,       0  },
        {1,              1,       1  },
        {CHUNK_SIZE - 1, 1000,    1  },
        {CHUNK_SIZE,     16384,   1  },
        {CHUNK_SIZE + 1, 16384,   2  },
        {3 * CHUNK_SIZE, 1 << 20, 3  },
        {1000001,        777,     8  },
        {20 << 20,       50000,   160},
    };
    int64_t chunks = 0;
    fixture_add(f, 1, 20);
    for (uint32_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t message = fixture_find(f, i + 1).message;
        uint64_t size = 0;
        assert_int_equal(cache_body_pin(f->cache, message, &size), CACHE_ERR_ABSENT);
        assert_int_equal(fixture_body(f->cache, message, i, cases[i].size, cases[i].piece),
                         CACHE_OK);
        struct cache_inode inode = fixture_find(f, i + 1);
        assert_true(inode.size_exact);
        assert_int_equal(inode.size, cases[i].size);
        assert_true(fixture_body_is(f->cache, message, i, cases[i].size, 1 << 20));
        assert_true(fixture_body_is(f->cache, message, i, cases[i].size, 100001));
        chunks += cases[i].chunks;
        assert_int_equal(chunk_count(f), chunks);
    }
    assert_int_equal(figures_of(f).bodies, 8);
    fixture_reopen(f);
    assert_int_equal(figures_of(f).bodies, 8);
    for (uint32_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_true(
            fixture_body_is(f->cache, fixture_find(f, i + 1).message, i, cases[i].size, 131072));
}

static void test_read_bounds(void **state)
{
    struct fixture *f = *state;
    unsigned char data[64];
    size_t got = 9;
    uint64_t size = 0;
    fixture_add(f, 1, 1);
    int64_t message = fixture_find(f, 1).message;
    assert_int_equal(cache_body_read(f->cache, message, 0, data, 10, &got), CACHE_ERR_ABSENT);
    assert_int_equal(fixture_body(f->cache, message, 1, 100, 100), CACHE_OK);
    assert_int_equal(cache_body_pin(f->cache, message, &size), CACHE_OK);
    assert_int_equal(cache_body_read(f->cache, message, 90, data, 64, &got), CACHE_OK);
    assert_int_equal(got, 10);
    assert_int_equal(cache_body_read(f->cache, message, 100, data, 64, &got), CACHE_OK);
    assert_int_equal(got, 0);
    assert_int_equal(cache_body_read(f->cache, message, UINT64_MAX, data, 64, &got), CACHE_OK);
    assert_int_equal(got, 0);
    cache_body_unpin(f->cache, message);
}

static void test_head_and_size(void **state)
{
    struct fixture *f = *state;
    struct cache_incoming *incoming = NULL;
    size_t len = 0;
    static char data[10000];
    memset(data, 'a', sizeof data);
    assert_int_equal(cache_incoming_begin(f->cache, &incoming), CACHE_OK);
    assert_int_equal(cache_incoming_write(incoming, "Subject: ", 9), CACHE_OK);
    assert_memory_equal(cache_incoming_head(incoming, &len), "Subject: ", 9);
    assert_int_equal(len, 9);
    assert_int_equal(cache_incoming_write(incoming, data, sizeof data), CACHE_OK);
    assert_memory_equal(cache_incoming_head(incoming, &len), "Subject: aaa", 12);
    assert_int_equal(len, 8192);
    assert_int_equal(cache_incoming_size(incoming), 10009);
    cache_incoming_abort(&incoming);
    assert_null(incoming);
}

static void test_abort_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    static char data[CHUNK_SIZE];
    fixture_add(f, 1, 1);
    int64_t message = fixture_find(f, 1).message;
    for (int chunks = 0; chunks < 4; chunks++) {
        struct cache_incoming *incoming = NULL;
        assert_int_equal(cache_incoming_begin(f->cache, &incoming), CACHE_OK);
        for (int i = 0; i < chunks; i++)
            assert_int_equal(cache_incoming_write(incoming, data, sizeof data), CACHE_OK);
        cache_incoming_abort(&incoming);
    }
    assert_int_equal(fixture_body(f->cache, message, 1, 10, 10), CACHE_OK);
    assert_int_equal(chunk_count(f), 1);
}

static void test_second_body_is_dropped(void **state)
{
    struct fixture *f = *state;
    fixture_add(f, 1, 1);
    int64_t message = fixture_find(f, 1).message;
    assert_int_equal(fixture_body(f->cache, message, 1, 300000, 65536), CACHE_OK);
    assert_int_equal(fixture_body(f->cache, message, 2, 400000, 65536), CACHE_OK);
    assert_true(fixture_body_is(f->cache, message, 1, 300000, 65536));
    assert_int_equal(chunk_count(f), 3);
    assert_int_equal(figures_of(f).body_bytes, 300000);
    assert_int_equal(fixture_find(f, 1).size, 300000);
}

static void test_body_of_unknown_message(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(fixture_body(f->cache, 4711, 1, 300000, 65536), CACHE_ERR_ABSENT);
    fixture_add(f, 1, 1);
    assert_int_equal(chunk_count(f), 0);
}

static void test_pinned_body_outlives_its_message(void **state)
{
    struct fixture *f = *state;
    const uint32_t uid = 1;
    uint64_t size = 0;
    unsigned char byte = 0;
    size_t got = 0;
    fixture_add(f, 1, 1);
    int64_t message = fixture_find(f, 1).message;
    assert_int_equal(fixture_body(f->cache, message, 1, 300000, 65536), CACHE_OK);
    assert_int_equal(cache_body_pin(f->cache, message, &size), CACHE_OK);
    assert_int_equal(cache_body_pin(f->cache, message, &size), CACHE_OK);
    assert_int_equal(
        cache_messages_gone(f->cache, f->inbox, FIXTURE_UIDVALIDITY, &uid, 1, NULL, NULL),
        CACHE_OK);
    cache_body_unpin(f->cache, message);
    assert_int_equal(cache_body_read(f->cache, message, 299999, &byte, 1, &got), CACHE_OK);
    assert_int_equal(byte, fixture_byte(1, 299999));
    cache_body_unpin(f->cache, message);
    wait_for_bodies(f, 0);
    assert_int_equal(chunk_count(f), 0);
    assert_int_equal(cache_body_pin(f->cache, message, &size), CACHE_ERR_ABSENT);
}

static void test_body_goes_with_its_message(void **state)
{
    struct fixture *f = *state;
    const uint32_t uid = 1;
    uint64_t size = 0;
    fixture_add(f, 1, 1);
    int64_t message = fixture_find(f, 1).message;
    assert_int_equal(fixture_body(f->cache, message, 1, 300000, 65536), CACHE_OK);
    assert_int_equal(
        cache_messages_gone(f->cache, f->inbox, FIXTURE_UIDVALIDITY, &uid, 1, NULL, NULL),
        CACHE_OK);
    assert_int_equal(cache_body_pin(f->cache, message, &size), CACHE_ERR_ABSENT);
    assert_int_equal(figures_of(f).body_bytes, 0);
    assert_int_equal(chunk_count(f), 0);
}

static void test_eviction(void **state)
{
    struct fixture *f = *state;
    uint64_t size = 0;
    f->limit = 1000000;
    fixture_reopen(f);
    f->cache->writer.grace_ms = 0;
    fixture_add(f, 1, 20);
    int64_t first = fixture_find(f, 1).message;
    assert_int_equal(fixture_body(f->cache, first, 1, 100000, 65536), CACHE_OK);
    assert_int_equal(cache_body_pin(f->cache, first, &size), CACHE_OK);
    for (uint32_t uid = 2; uid <= 20; uid++)
        assert_int_equal(fixture_body(f->cache, fixture_find(f, uid).message, uid, 100000, 65536),
                         CACHE_OK);
    assert_int_equal(figures_of(f).body_bytes, 1000000);
    assert_true(fixture_body_is(f->cache, first, 1, 100000, 65536)); /* pinned */
    for (uint32_t uid = 2; uid <= 20; uid++)
        assert_int_equal(fixture_body_is(f->cache, fixture_find(f, uid).message, uid, 100000, 9999),
                         uid > 11);
    assert_int_equal(chunk_count(f), 10);
    struct cache_inode inode = fixture_find(f, 5); /* evicted: its exact size is still known */
    assert_true(inode.size_exact);
    assert_int_equal(inode.size, 100000);
    cache_body_unpin(f->cache, first);
    assert_int_equal(fixture_body(f->cache, fixture_find(f, 2).message, 2, 100000, 65536),
                     CACHE_OK);
    assert_false(fixture_body_is(f->cache, first, 1, 100000, 65536));
    assert_true(fixture_body_is(f->cache, fixture_find(f, 2).message, 2, 100000, 65536));
}

/* Stamps have the grain of an hour: bodies stored "hours ago" and used since outlive the others. */
static void test_least_recently_used_goes_first(void **state)
{
    struct fixture *f = *state;
    sqlite3 *db = NULL;
    f->limit = 1000000;
    fixture_add(f, 1, 20);
    for (uint32_t uid = 1; uid <= 10; uid++)
        assert_int_equal(fixture_body(f->cache, fixture_find(f, uid).message, uid, 100000, 65536),
                         CACHE_OK);
    cache_close(&f->cache);
    assert_int_equal(sqlite3_open(fixture_path(f, "bodies.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "UPDATE body SET used = used - 3", NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
    fixture_open(f);
    assert_true(fixture_body_is(f->cache, fixture_find(f, 1).message, 1, 100000, 65536));
    fixture_reopen(f); /* writes the stamp */
    f->cache->writer.grace_ms = 0;
    for (uint32_t uid = 11; uid <= 15; uid++)
        assert_int_equal(fixture_body(f->cache, fixture_find(f, uid).message, uid, 100000, 65536),
                         CACHE_OK);
    assert_true(fixture_body_is(f->cache, fixture_find(f, 1).message, 1, 100000, 65536));
    assert_false(fixture_body_is(f->cache, fixture_find(f, 2).message, 2, 100000, 65536));
    assert_true(fixture_body_is(f->cache, fixture_find(f, 7).message, 7, 100000, 65536));
}

/* A body larger than all the room is served all the same, and goes once nobody wants it. */
static void test_too_large_body_is_served(void **state)
{
    struct fixture *f = *state;
    f->limit = 100000;
    fixture_reopen(f);
    f->cache->writer.grace_ms = 1500;
    fixture_add(f, 1, 2);
    int64_t message = fixture_find(f, 1).message;
    assert_int_equal(fixture_body(f->cache, message, 1, 1000000, 65536), CACHE_OK);
    assert_true(fixture_body_is(f->cache, message, 1, 1000000, 65536));
    wait_for_bodies(f, 0);
}

static int64_t file_size(struct fixture *f, const char *file)
{
    struct stat st;
    assert_int_equal(stat(fixture_path(f, file), &st), 0);
    return st.st_size;
}

/* The WAL stays bounded while much is written, and a smaller limit gives the disk its room back. */
static void test_room_on_disk(void **state)
{
    struct fixture *f = *state;
    fixture_add(f, 1, 60);
    for (uint32_t uid = 1; uid <= 50; uid++) {
        assert_int_equal(fixture_body(f->cache, fixture_find(f, uid).message, uid, 1 << 20, 65536),
                         CACHE_OK);
        assert_true(file_size(f, "bodies.db-wal") < 2 * db_bodies_kind.wal_soft);
    }
    assert_true(file_size(f, "index.db-wal") < 2 * db_index_kind.wal_soft);
    cache_close(&f->cache);
    int64_t before = file_size(f, "bodies.db");
    assert_true(before > 50 << 20);
    f->limit = 40 << 20;
    fixture_open(f);
    f->cache->writer.grace_ms = 0;
    assert_int_equal(fixture_body(f->cache, fixture_find(f, 60).message, 60, 1000, 1000), CACHE_OK);
    for (int i = 0; i < 150 && file_size(f, "bodies.db") >= before - (4 << 20); i++)
        sleep_ms(50);
    assert_true(file_size(f, "bodies.db") < before - (4 << 20));
    assert_true(fixture_body_is(f->cache, fixture_find(f, 50).message, 50, 1 << 20, 65536));
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_sizes_and_pieces),
        CASE(test_read_bounds),
        CASE(test_head_and_size),
        CASE(test_abort_leaves_nothing),
        CASE(test_second_body_is_dropped),
        CASE(test_body_of_unknown_message),
        CASE(test_pinned_body_outlives_its_message),
        CASE(test_body_goes_with_its_message),
        CASE(test_eviction),
        CASE(test_least_recently_used_goes_first),
        CASE(test_too_large_body_is_served),
        CASE(test_room_on_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
