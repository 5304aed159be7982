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

static void note_arrived(void *ctx, const struct cache_change *change)
{
    *(uint64_t *)ctx = change->ino;
}

static void test_kept_whole(void **state)
{
    struct fixture *f = *state;
    uint64_t arrived = 0;
    f->limit = 100000;
    fixture_reopen(f);
    f->cache->writer.grace_ms = 0;
    fixture_add(f, 1, 6);
    assert_int_equal(cache_keep_all(f->cache, note_arrived, &arrived), CACHE_OK);
    for (uint32_t uid = 1; uid <= 5; uid++) {
        struct cache_inode inode = fixture_find(f, uid);
        assert_int_equal(fixture_body(f->cache, inode.message, uid, 60000, 65536), CACHE_OK);
        assert_int_equal(arrived, inode.ino);
    }
    assert_int_equal(figures_of(f).bodies, 5);
    assert_int_equal(cache_keep_all(f->cache, NULL, NULL), CACHE_OK);
    arrived = 0;
    assert_int_equal(fixture_body(f->cache, fixture_find(f, 6).message, 6, 60000, 65536), CACHE_OK);
    assert_int_equal(arrived, 0);
    wait_for_bodies(f, 1);
}

/* Bodies of INBOX, which is kept: those of Archive go first, however new; then nothing else helps.
 */
static void test_kept_mailboxes_go_last(void **state)
{
    struct fixture *f = *state;
    struct cache_mailbox archive = {0};
    const struct cache_new_message other[] = {
        {.uid = 1, .size = 10, .stem = "a"},
        {.uid = 2, .size = 10, .stem = "b"},
        {.uid = 3, .size = 10, .stem = "c"}
    };
    struct cache_inode inode;
    f->limit = 350000;
    fixture_reopen(f);
    f->cache->writer.grace_ms = 0;
    fixture_add(f, 1, 5);
    assert_int_equal(cache_mailbox_find(f->cache, "Archive", &archive), CACHE_OK);
    const struct cache_mailbox_facts facts = {.uidvalidity = 5};
    assert_int_equal(cache_mailbox_note(f->cache, archive.id, &facts, NULL, NULL), CACHE_OK);
    assert_int_equal(cache_messages_add(f->cache, archive.id, 5, other, 3, 3, true,
                                        fixture_file_name, NULL, NULL),
                     CACHE_OK);
    assert_int_equal(cache_keep_mailboxes(f->cache, &f->inbox, 1, false), CACHE_OK);
    for (uint32_t uid = 1; uid <= 3; uid++)
        assert_int_equal(fixture_body(f->cache, fixture_find(f, uid).message, uid, 100000, 65536),
                         CACHE_OK);
    for (uint32_t uid = 1; uid <= 3; uid++) {
        assert_int_equal(cache_message_find(f->cache, archive.id, uid, &inode), CACHE_OK);
        assert_int_equal(fixture_body(f->cache, inode.message, uid, 100000, 65536), CACHE_OK);
    }
    wait_for_bodies(f, 3);
    for (uint32_t uid = 1; uid <= 3; uid++)
        assert_true(fixture_body_is(f->cache, fixture_find(f, uid).message, uid, 100000, 65536));
    assert_int_equal(fixture_body(f->cache, fixture_find(f, 4).message, 4, 100000, 65536),
                     CACHE_OK);
    wait_for_bodies(f, 3); /* of four that are kept */
    assert_int_equal(cache_keep_mailboxes(f->cache, NULL, 0, true), CACHE_OK);
    for (uint32_t uid = 1; uid <= 3; uid++) {
        assert_int_equal(cache_message_find(f->cache, archive.id, uid, &inode), CACHE_OK);
        assert_int_equal(fixture_body(f->cache, inode.message, uid, 100000, 65536), CACHE_OK);
    }
    wait_for_bodies(f, 3);
    for (uint32_t uid = 1; uid <= 4; uid++)
        assert_false(fixture_body_is(f->cache, fixture_find(f, uid).message, uid, 100000, 65536));
    cache_mailbox_free(&archive);
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

/* ---- opens that were made before (memo.h) ---- */

static bool remembered(struct fixture *f, uint64_t ino)
{
    struct memo_entry entry;
    return memo_find(&f->cache->memo, ino, &entry);
}

static void test_open_is_remembered(void **state)
{
    struct fixture *f = *state;
    struct cache_inode inode, again;
    fixture_add(f, 1, 3);
    uint64_t ino = fixture_find(f, 2).ino;
    assert_int_equal(cache_message_pin(f->cache, ino, &inode), CACHE_ERR_ABSENT);
    assert_int_equal(cache_message_pin(f->cache, f->inbox_ino, &inode), CACHE_ERR_ABSENT);
    assert_int_equal(cache_message_pin(f->cache, 123456, &inode), CACHE_ERR_ABSENT);
    assert_int_equal(fixture_body(f->cache, fixture_find(f, 2).message, 2, 5000, 100), CACHE_OK);
    assert_false(remembered(f, ino));
    assert_int_equal(cache_message_pin(f->cache, ino, &inode), CACHE_OK);
    assert_true(remembered(f, ino));
    assert_int_equal(cache_message_pin(f->cache, ino, &again), CACHE_OK);
    assert_int_equal(again.parent, inode.parent);
    assert_int_equal(again.kind, CACHE_MESSAGE);
    assert_int_equal(again.message, inode.message);
    assert_int_equal(again.mailbox, f->inbox);
    assert_int_equal(again.uid, 2);
    assert_int_equal(again.size, 5000);
    assert_true(again.size_exact);
    assert_int_equal(again.mtime, inode.mtime);
    assert_int_equal(again.ctime, inode.ctime);
    cache_body_unpin(f->cache, inode.message);
    cache_body_unpin(f->cache, inode.message);
    assert_int_equal(cache_message_pin(f->cache, ino, &again), CACHE_OK);
    assert_true(fixture_body_is(f->cache, again.message, 2, 5000, 700));
    cache_body_unpin(f->cache, again.message);
    fixture_add(f, 4, 4); /* any commit at all */
    assert_false(remembered(f, ino));
    assert_int_equal(cache_message_pin(f->cache, ino, &again), CACHE_OK);
    assert_true(remembered(f, ino));
    cache_body_unpin(f->cache, again.message);
}

/* What is remembered of a message that goes, or of a body that is evicted, is found out. */
static void test_remembered_and_gone(void **state)
{
    struct fixture *f = *state;
    struct cache_inode inode;
    uint32_t uid = 1;
    f->limit = 100000;
    fixture_reopen(f);
    f->cache->writer.grace_ms = 0;
    fixture_add(f, 1, 3);
    uint64_t ino = fixture_find(f, 1).ino, other = fixture_find(f, 2).ino;
    assert_int_equal(fixture_body(f->cache, fixture_find(f, 1).message, 1, 60000, 65536), CACHE_OK);
    assert_int_equal(cache_message_pin(f->cache, ino, &inode), CACHE_OK);
    cache_body_unpin(f->cache, inode.message);
    assert_true(remembered(f, ino));
    assert_int_equal(fixture_body(f->cache, fixture_find(f, 2).message, 2, 60000, 65536), CACHE_OK);
    assert_int_equal(cache_message_pin(f->cache, ino, &inode), CACHE_ERR_ABSENT);
    assert_int_equal(cache_message_pin(f->cache, other, &inode), CACHE_OK);
    cache_body_unpin(f->cache, inode.message);
    assert_true(remembered(f, other));
    uid = 2;
    assert_int_equal(
        cache_messages_gone(f->cache, f->inbox, FIXTURE_UIDVALIDITY, &uid, 1, NULL, NULL),
        CACHE_OK);
    assert_int_equal(cache_message_pin(f->cache, other, &inode), CACHE_ERR_ABSENT);
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
        CASE(test_kept_whole),
        CASE(test_kept_mailboxes_go_last),
        CASE(test_open_is_remembered),
        CASE(test_remembered_and_gone),
        CASE(test_least_recently_used_goes_first),
        CASE(test_too_large_body_is_served),
        CASE(test_room_on_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
