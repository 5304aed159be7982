/* What journal_open finds: locks, damage, spools without rows, rows without spools. */
#include "tests/unit/cache/journal_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"

static void test_second_opener_is_refused(void **state)
{
    struct rig *rig = *state;
    char text[JOURNAL_TEXT_MAX];
    assert_int_equal(rig_try_open(rig, text), CACHE_ERR_BUSY);
    assert_non_null(strstr(text, "in use by another mount"));
    assert_non_null(strstr(text, "cache_dir=DIR"));
    pid_t child = fork();
    if (child == 0)
        _exit(rig_try_open(rig, text));
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), CACHE_ERR_BUSY);
    rig_add(rig, rig_move(1)); /* the first one goes on */
}

/* Two mounts of one account have two cache directories, and so two journals; a symlink to a cache
 * directory is that directory. */
static void test_one_journal_a_cache(void **state)
{
    struct rig *rig = *state;
    struct rig other = *rig;
    char text[JOURNAL_TEXT_MAX];
    snprintf(other.cache, sizeof other.cache, "%.150s/other", rig->directory);
    assert_int_equal(mkdir(other.cache, 0700), 0);
    rig_add_append(rig, 1, 10);
    assert_int_equal(rig_try_open(&other, text), CACHE_OK);
    assert_int_equal(rig_count(rig, "journal-", ".lock"), 2);
    snprintf(other.cache, sizeof other.cache, "%.150s/link", rig->directory);
    assert_int_equal(symlink(rig->cache, other.cache), 0);
    assert_int_equal(rig_try_open(&other, text), CACHE_ERR_BUSY);
    snprintf(other.cache, sizeof other.cache, "%.150s/none", rig->directory);
    assert_int_equal(rig_try_open(&other, text), CACHE_ERR_IO);
    assert_non_null(strstr(text, "cannot use the cache directory"));
}

static void test_modes(void **state)
{
    struct rig *rig = *state;
    struct stat st;
    char text[JOURNAL_TEXT_MAX];
    rig_add_append(rig, 1, 10);
    assert_int_equal(stat(rig->state, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    static const char *const ends[] = {".db", ".db-wal", ".lock"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        assert_int_equal(stat(rig_find(rig, "journal-", ends[i]), &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
    }
    assert_int_equal(rig_count(rig, "journal-", "-shm"), 0);
    journal_close(&rig->journal);
    assert_int_equal(rig_count(rig, "journal-", "-wal"), 0);
    assert_int_equal(chmod(rig->state, 0770), 0);
    assert_int_equal(rig_try_open(rig, text), CACHE_ERR_IO);
    assert_non_null(strstr(text, "chmod 700"));
    assert_int_equal(chmod(rig->state, 0700), 0);
}

/* ---- damage ---- */

static void run_sql(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void spoil_truncate(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(truncate(path, st.st_size / 2), 0);
}

static void spoil_text(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    int fd = open(path, O_WRONLY);
    for (off_t at = 0; at < st.st_size; at++)
        assert_int_equal(pwrite(fd, "x", 1, at), 1);
    close(fd);
}

static void spoil_foreign(const char *path)
{
    unlink(path);
    run_sql(path, "CREATE TABLE bookmarks (url TEXT); INSERT INTO bookmarks VALUES ('x')");
}

static void spoil_table(const char *path)
{
    run_sql(path, "DROP TABLE intent");
}

static void spoil_index(const char *path) /* quick_check finds it */
{
    run_sql(path, "PRAGMA writable_schema = 1; DELETE FROM sqlite_schema WHERE name ="
                  " 'intent_state'");
}

static void spoil_marked(const char *path)
{
    char mark[RIG_PATH + 400];
    snprintf(mark, sizeof mark, "%s.damaged", path);
    close(open(mark, O_WRONLY | O_CREAT, 0600));
}

static void spoil_removed(const char *path)
{
    unlink(path);
}

static const struct {
    const char *name;
    void (*spoil)(const char *path);
    unsigned aside;
} damages[] = {
    {"truncated",  spoil_truncate, 1},
    {"text",       spoil_text,     1},
    {"foreign",    spoil_foreign,  1},
    {"table gone", spoil_table,    1},
    {"index gone", spoil_index,    1},
    {"marked",     spoil_marked,   1},
    {"removed",    spoil_removed,  0},
};

/* Never deleted; the bytes are held, because nobody knows whether they were sent. */
static void test_damaged_journal(void **state)
{
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        struct rig *rig = *state;
        rig->limits.small = 1;
        rig_open(rig);
        int64_t id = rig_add_append(rig, 4, 5000);
        for (uint32_t uid = 1; uid < 200; uid++)
            rig_add(rig, rig_move(uid));
        journal_close(&rig->journal);
        damages[i].spoil(rig_find(rig, "journal-", ".db"));
        rig_open(rig);
        if (rig_count(rig, "journal-", ".aside-") != damages[i].aside)
            fail_msg("%s: not set aside", damages[i].name);
        assert_int_equal(rig_count(rig, "journal-", ".damaged"), 0);
        for (int round = 0; round < 2; round++) { /* and stays so */
            struct journal_row row = rig_row(rig, id);
            assert_int_equal(row.state, JOURNAL_HELD);
            assert_non_null(strstr(row.reason, "may have been sent"));
            journal_row_free(&row);
            assert_true(rig_spool_is(rig, id, 4, 5000));
            rig_reopen(rig);
        }
        assert_int_equal(journal_retry(rig->journal, id), CACHE_ERR_STATE); /* where to? */
        assert_true(rig_add(rig, rig_move(1)) > id);
        assert_int_equal(rig_do(rig, id, JOURNAL_DO_DROP), CACHE_OK);
        rig_teardown(state);
        assert_int_equal(rig_setup_bare(state), 0);
    }
}

/* What stood in the database itself is saved from it where it can be read. */
static void test_damaged_journal_with_bytes(void **state)
{
    static void (*const spoil[])(const char *) = {spoil_table, spoil_index, spoil_marked};
    for (size_t i = 0; i < sizeof spoil / sizeof *spoil; i++) {
        struct rig *rig = *state;
        rig_open(rig);
        int64_t first = rig_add_append(rig, 4, 5000), gone = rig_add_append(rig, 5, 50);
        int64_t last = rig_add_append(rig, 6, 60000);
        rig_brings(rig, gone, JOURNAL_DONE);
        assert_int_equal(rig_do(rig, gone, JOURNAL_DO_FINISH), CACHE_OK);
        assert_int_equal(rig_spools(rig), 0);
        journal_close(&rig->journal);
        spoil[i](rig_find(rig, "journal-", ".db"));
        for (int round = 0; round < 2; round++) {
            rig_open(rig);
            assert_int_equal(rig_count(rig, "journal-", ".aside-"), 1);
            assert_int_equal(rig_state(rig, first), JOURNAL_HELD);
            assert_int_equal(rig_state(rig, gone), JOURNAL_NONE);
            assert_int_equal(rig_state(rig, last), JOURNAL_HELD);
            assert_true(rig_spool_is(rig, first, 4, 5000));
            assert_true(rig_spool_is(rig, last, 6, 60000));
            journal_close(&rig->journal);
        }
        rig_teardown(state);
        assert_int_equal(rig_setup_bare(state), 0);
    }
}

/* A journal from before small spools stood in the database: all of its spools are files. */
static void test_journal_of_version_1(void **state)
{
    struct rig *rig = *state;
    int64_t old = rig_add_append(rig, 4, 5000);
    journal_close(&rig->journal);
    run_sql(rig_find(rig, "journal-", ".db"),
            "DROP TRIGGER intent_gone; DROP TABLE small; PRAGMA user_version = 1");
    rig->limits.small = 0;
    rig_open(rig);
    assert_int_equal(rig_state(rig, old), JOURNAL_INTENT);
    assert_true(rig_spool_is(rig, old, 4, 5000));
    int64_t new = rig_add_append(rig, 5, 5000);
    assert_int_equal(rig_spools(rig), 1);
    rig_reopen(rig);
    assert_true(rig_spool_is(rig, old, 4, 5000));
    assert_true(rig_spool_is(rig, new, 5, 5000));
    assert_int_equal(rig_do(rig, old, JOURNAL_DO_DROP), CACHE_OK);
    assert_int_equal(rig_do(rig, new, JOURNAL_DO_DROP), CACHE_OK);
    rig_reopen(rig);
    assert_int_equal(rig_spools(rig), 0);
}

/* One of a later version is neither used nor touched. */
static void test_newer_journal_is_left_alone(void **state)
{
    struct rig *rig = *state;
    char text[JOURNAL_TEXT_MAX];
    int64_t id = rig_add_append(rig, 4, 5000);
    journal_close(&rig->journal);
    run_sql(rig_find(rig, "journal-", ".db"), "PRAGMA user_version = 1000");
    assert_int_equal(rig_try_open(rig, text), CACHE_ERR_IO);
    assert_non_null(strstr(text, "later version"));
    assert_int_equal(rig_count(rig, "journal-", ".aside-"), 0);
    char same[40];
    snprintf(same, sizeof same, "PRAGMA user_version = %d", JOURNAL_VERSION);
    run_sql(rig_find(rig, "journal-", ".db"), same);
    rig_open(rig);
    assert_int_equal(rig_state(rig, id), JOURNAL_INTENT);
}

/* ---- the outbox and the rows ---- */

static void write_file(struct rig *rig, const char *name, const char *text)
{
    char path[RIG_PATH + 400];
    snprintf(path, sizeof path, "%s/%s", rig_find(rig, "outbox-", ""), name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void test_spools_without_rows(void **state)
{
    struct rig *rig = *state;
    char directory[RIG_PATH + 400];
    int64_t old = rig_add_append(rig, 1, 10);
    int64_t last = rig_add_append(rig, 2, 10);
    assert_int_equal(rig_do(rig, old, JOURNAL_DO_DROP), CACHE_OK);
    journal_close(&rig->journal);
    write_file(rig, "1", "its row went: it was sent or dropped");
    write_file(rig, "7", "was being published when the machine stopped");
    write_file(rig, "8", "");
    write_file(rig, "new-12", "was being written");
    static const char *const strange[] = {"readme", "07", "-9", "99999999999999999999", "0", "7x"};
    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++)
        write_file(rig, strange[i], "not ours");
    snprintf(directory, sizeof directory, "%s/9", rig_find(rig, "outbox-", ""));
    assert_int_equal(mkdir(directory, 0700), 0);
    rig_open(rig);
    assert_int_equal(rig_state(rig, old), JOURNAL_NONE);
    assert_int_equal(rig_state(rig, last), JOURNAL_INTENT);
    assert_int_equal(rig_state(rig, 8), JOURNAL_NONE);
    assert_int_equal(rig_state(rig, 9), JOURNAL_NONE);
    struct journal_row row = rig_row(rig, 7);
    assert_int_equal(row.state, JOURNAL_UNFINISHED);
    assert_int_equal(row.spool_bytes, 44);
    assert_string_equal(row.intent.target, "");
    journal_row_free(&row);
    assert_int_equal(journal_retry(rig->journal, 7), CACHE_ERR_STATE);
    assert_int_equal(rig_spools(rig), 2 + 6 + 1); /* 2, 7, the strange ones, the directory */
    assert_int_equal(rig_add_append(rig, 3, 10), 8);
    assert_int_equal(rig_do(rig, 7, JOURNAL_DO_DROP), CACHE_OK);
    rig_reopen(rig);
    assert_int_equal(rig_state(rig, 7), JOURNAL_NONE);
}

static void test_rows_without_bytes(void **state)
{
    struct rig *rig = *state;
    char path[RIG_PATH + 400];
    int64_t gone = rig_add_append(rig, 1, 10), cut = rig_add_append(rig, 2, 10);
    int64_t done = rig_add_append(rig, 3, 10), good = rig_add_append(rig, 4, 10);
    rig_brings(rig, done, JOURNAL_DONE);
    journal_close(&rig->journal);
    snprintf(path, sizeof path, "%s/%d", rig_find(rig, "outbox-", ""), (int)gone);
    assert_int_equal(unlink(path), 0);
    snprintf(path, sizeof path, "%s/%d", rig_find(rig, "outbox-", ""), (int)done);
    assert_int_equal(unlink(path), 0);
    snprintf(path, sizeof path, "%s/%d", rig_find(rig, "outbox-", ""), (int)cut);
    assert_int_equal(truncate(path, 5), 0);
    rig_open(rig);
    assert_int_equal(rig_state(rig, gone), JOURNAL_HELD);
    assert_int_equal(rig_state(rig, cut), JOURNAL_HELD);
    assert_int_equal(rig_state(rig, done), JOURNAL_DONE);
    assert_int_equal(rig_state(rig, good), JOURNAL_INTENT);
    struct journal_spool *spool = NULL;
    assert_int_equal(journal_spool_open(rig->journal, gone, &spool), CACHE_ERR_ABSENT);
    assert_null(spool);
}

/* SQLite's plan of every statement: a row is found by an index. */
static void test_plans(void **state)
{
    struct rig *rig = *state;
    sqlite3 *db = NULL;
    unsigned explained = 0;
    journal_close(&rig->journal);
    assert_int_equal(sqlite3_open(rig_find(rig, "journal-", ".db"), &db), SQLITE_OK);
    for (unsigned n = 0; n < journal_db_kind.all; n++) {
        char sql[1024];
        sqlite3_stmt *statement = NULL;
        assert_non_null(journal_db_kind.queries[n]);
        snprintf(sql, sizeof sql, "EXPLAIN QUERY PLAN %s", journal_db_kind.queries[n]);
        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
        /* The exceptions run once at open, or once when a mailbox was renamed; GROUP BY state is
         * in the order of an index. */
        bool walks = n == INTENT_TOTALS || n == INTENT_SPOOLS || n == INTENT_MAILBOX_RENAMED ||
                     n == INTENT_TARGET_RENAMED || n == INTENT_FIGURES || n == INTENT_LAST ||
                     n == INTENT_OWNER;
        while (sqlite3_step(statement) == SQLITE_ROW) {
            const char *plan = (const char *)sqlite3_column_text(statement, 3);
            bool scan = strstr(plan, "SCAN") != NULL && strstr(plan, "SCAN gone") == NULL &&
                        strstr(plan, "CONSTANT ROW") == NULL;
            explained++;
            if ((scan && !walks) || strstr(plan, "TEMP B-TREE") != NULL)
                fail_msg("%s: %s", journal_db_kind.queries[n], plan);
        }
        sqlite3_finalize(statement);
    }
    sqlite3_close(db);
    assert_true(explained > 20);
}

int main(void)
{
    log_open("/dev/null");
#define CASE(test)  cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)
#define FILES(test) cmocka_unit_test_setup_teardown(test, rig_setup_files, rig_teardown)
#define BARE(test)  cmocka_unit_test_setup_teardown(test, rig_setup_bare, rig_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_second_opener_is_refused),
        CASE(test_one_journal_a_cache),
        CASE(test_modes),
        BARE(test_damaged_journal),
        BARE(test_damaged_journal_with_bytes),
        FILES(test_journal_of_version_1),
        CASE(test_newer_journal_is_left_alone),
        FILES(test_spools_without_rows),
        FILES(test_rows_without_bytes),
        CASE(test_plans),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
