/*
 * What survives when the process does not: a child writes, is killed at some moment, and the next
 * open must find the two files in agreement. And a disk that is full, made by RLIMIT_FSIZE.
 */
#include "tests/unit/cache/fixture.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

static void sleep_ms(long ms)
{
    struct timespec wait = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&wait, NULL);
}

static int64_t query(struct fixture *f, const char *file, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_open(fixture_path(f, file), &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return value;
}

/* Adds messages and bodies, removes some, without end. */
static void write_for_ever(struct fixture *f)
{
    fixture_open(f);
    fixture_tree(f);
    struct cache_mailbox row;
    if (cache_mailbox_find(f->cache, "INBOX", &row) != CACHE_OK)
        _exit(1);
    uint32_t uid = row.listed_uid + 1;
    for (;; uid++) {
        fixture_add(f, uid, uid);
        if (fixture_body(f->cache, fixture_find(f, uid).message, uid, uid * 70001ull % 900000,
                         50000) != CACHE_OK)
            _exit(1);
        uint32_t gone = uid / 2;
        if (uid % 3 == 0 && cache_messages_gone(f->cache, f->inbox, FIXTURE_UIDVALIDITY, &gone, 1,
                                                NULL, NULL) != CACHE_OK)
            _exit(1);
    }
}

/* Both files, looked at from outside and through the cache. */
static void check_consistency(struct fixture *f)
{
    struct cache_mailbox row;
    struct cache_figures figures;
    uint32_t uids[4096];
    size_t count = 0;
    uint64_t whole = 0, bytes = 0;
    assert_int_equal(cache_mailbox_find(f->cache, "INBOX", &row), CACHE_OK);
    f->inbox = row.id;
    cache_mailbox_free(&row);
    assert_int_equal(cache_message_uids(f->cache, f->inbox, 0, uids, 4096, &count), CACHE_OK);
    for (size_t i = 0; i < count; i++) {
        struct cache_inode inode = fixture_find(f, uids[i]);
        uint64_t size = 0;
        if (cache_body_pin(f->cache, inode.message, &size) != CACHE_OK)
            continue;
        cache_body_unpin(f->cache, inode.message);
        assert_int_equal(size, uids[i] * 70001ull % 900000);
        assert_true(inode.size_exact);
        assert_int_equal(inode.size, size);
        assert_true(fixture_body_is(f->cache, inode.message, uids[i], size, 65536));
        whole++;
        bytes += size;
    }
    assert_int_equal(cache_figures_get(f->cache, &figures), CACHE_OK);
    assert_int_equal(figures.messages, count);
    assert_int_equal(figures.bodies, whole);
    assert_int_equal(figures.body_bytes, bytes);
    assert_int_equal(query(f, "bodies.db", "SELECT count(*) FROM body WHERE message IS NULL"), 0);
    assert_int_equal(
        query(f, "bodies.db",
              "SELECT count(*) FROM chunk WHERE id >> 16 NOT IN (SELECT id FROM body)"),
        0);
    assert_int_equal(query(f, "bodies.db", "SELECT coalesce(sum(length(data)), 0) FROM chunk"),
                     (int64_t)bytes);
    assert_int_equal(
        query(f, "index.db",
              "SELECT count(*) FROM inode WHERE message IS NOT NULL AND message NOT IN "
              "(SELECT id FROM message)"),
        0);
}

static void test_killed_while_writing(void **state)
{
    struct fixture *f = *state;
    fixture_open(f);
    fixture_tree(f);
    cache_close(&f->cache);
    for (int round = 0; round < 12; round++) {
        pid_t child = fork();
        if (child == 0)
            write_for_ever(f);
        sleep_ms(60 + round * 37);
        assert_int_equal(kill(child, SIGKILL), 0);
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status)); /* it did not fail before */
        fixture_open(f);
        check_consistency(f);
        cache_close(&f->cache);
    }
    assert_int_equal(fixture_count_files(f, ".aside-"), 0);
}

/* The states between the two commits, made by hand. */
static void test_files_apart(void **state)
{
    struct fixture *f = *state;
    struct cache_figures figures;
    fixture_open(f);
    fixture_tree(f);
    fixture_add(f, 1, 3);
    for (uint32_t uid = 1; uid <= 3; uid++)
        assert_int_equal(fixture_body(f->cache, fixture_find(f, uid).message, uid, 200000, 4096),
                         CACHE_OK);
    int64_t orphan = fixture_find(f, 3).message;
    cache_close(&f->cache);
    sqlite3 *db = NULL;
    char sql[300];
    assert_int_equal(sqlite3_open(fixture_path(f, "index.db"), &db), SQLITE_OK);
    snprintf(sql, sizeof sql,
             "UPDATE inode SET exact = 0, size = 5 WHERE uid = 1; UPDATE account SET clean = 0;"
             "DELETE FROM inode WHERE uid = 3; DELETE FROM message WHERE uid = 3;"
             "UPDATE inode SET messages = 2 WHERE messages = 3;"
             "UPDATE sqlite_sequence SET seq = %lld WHERE name = 'message'",
             (long long)orphan - 1);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    fixture_open(f);
    assert_int_equal(fixture_find(f, 1).size, 200000); /* adopted */
    assert_true(fixture_find(f, 1).size_exact);
    assert_int_equal(cache_figures_get(f->cache, &figures), CACHE_OK);
    assert_int_equal(figures.bodies, 2);
    assert_int_equal(figures.body_bytes, 400000);
    /* The id of the message that was lost is given again, and must not find the old body. */
    fixture_add(f, 4, 4);
    assert_int_equal(fixture_find(f, 4).message, orphan);
    uint64_t size = 0;
    assert_int_equal(cache_body_pin(f->cache, orphan, &size), CACHE_ERR_ABSENT);
}

/* In a child: files may grow to 3 MB, no further. Returns 0 when all went as it should. */
static int fill_the_disk(struct fixture *f)
{
    struct rlimit limit = {3 << 20, RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    fixture_open(f);
    fixture_tree(f);
    fixture_add(f, 1, 200);
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
        return 1;
    enum cache_error error = CACHE_OK;
    uint32_t uid = 1;
    for (; error == CACHE_OK && uid <= 200; uid++)
        error = fixture_body(f->cache, fixture_find(f, uid).message, uid, 200000, 50000);
    if (error != CACHE_ERR_FULL)
        return 2;
    error = fixture_body(f->cache, fixture_find(f, 199).message, 1, 9 << 20, 50000);
    if (error != CACHE_ERR_FULL)
        return 3;
    if (!fixture_body_is(f->cache, fixture_find(f, 1).message, 1, 200000, 65536))
        return 4;
    fixture_reopen(f); /* even now */
    fixture_find(f, 1);
    limit.rlim_cur = RLIM_INFINITY; /* room again: the cache goes on */
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
        return 5;
    uid = 150;
    if (fixture_body(f->cache, fixture_find(f, uid).message, uid, 200000, 50000) != CACHE_OK)
        return 6;
    cache_close(&f->cache);
    return 0;
}

static void test_full_disk(void **state)
{
    struct fixture *f = *state;
    pid_t child = fork();
    if (child == 0)
        _exit(fill_the_disk(f));
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    fixture_open(f);
    struct cache_mailbox row;
    assert_int_equal(cache_mailbox_find(f->cache, "INBOX", &row), CACHE_OK);
    f->inbox = row.id;
    cache_mailbox_free(&row);
    assert_true(fixture_body_is(f->cache, fixture_find(f, 150).message, 150, 200000, 65536));
    assert_int_equal(query(f, "bodies.db", "SELECT count(*) FROM body WHERE message IS NULL"), 0);
    assert_int_equal(query(f, "bodies.db",
                           "SELECT count(*) FROM body WHERE size <> (SELECT sum(length(data)) FROM "
                           "chunk WHERE chunk.id >> 16 = body.id)"),
                     0);
    assert_int_equal(fixture_count_files(f, ".aside-"), 0);
}

int main(void)
{
    log_open("/dev/null"); /* a full disk is many errors in the log */
#define BARE(test) cmocka_unit_test_setup_teardown(test, fixture_setup_bare, fixture_teardown)
    const struct CMUnitTest tests[] = {
        BARE(test_killed_while_writing),
        BARE(test_files_apart),
        BARE(test_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
