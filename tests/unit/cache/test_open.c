/* What cache_open finds: locks, other accounts, damage of every sort, other schema versions. */
#include "tests/unit/cache/fixture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "cache/schema.h"

static enum cache_error try_open(struct fixture *f, const char *user, const char *host, char *text)
{
    struct cache *second = NULL;
    enum cache_error error = cache_open(&second, f->directory, user, host, 1 << 20, text);
    cache_close(&second);
    return error;
}

static void test_second_open_is_refused(void **state)
{
    struct fixture *f = *state;
    char text[CACHE_TEXT_MAX];
    assert_int_equal(try_open(f, "jane@example.org", "imap.example.org", text), CACHE_ERR_BUSY);
    assert_non_null(strstr(text, "in use by another mount"));
    pid_t child = fork();
    if (child == 0)
        _exit(try_open(f, "jane@example.org", "imap.example.org", text));
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), CACHE_ERR_BUSY);
    fixture_add(f, 1, 1); /* the first one goes on */
    cache_close(&f->cache);
    assert_int_equal(try_open(f, "jane@example.org", "imap.example.org", text), CACHE_OK);
}

static void test_modes_and_missing_directories(void **state)
{
    struct fixture *f = *state;
    char base[FIXTURE_PATH];
    struct stat st;
    memcpy(base, f->directory, sizeof base);
    snprintf(f->directory, sizeof f->directory, "%.100s/a", base);
    fixture_open(f);
    assert_int_equal(stat(f->directory, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    static const char *const files[] = {"index.db", "bodies.db", "index.db-wal", "lock"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        assert_int_equal(stat(fixture_path(f, files[i]), &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
    }
    cache_close(&f->cache);
    assert_int_equal(stat(fixture_path(f, "index.db-wal"), &st), -1); /* plain files remain */
    static const char *const all[] = {"index.db", "bodies.db", "lock"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        unlink(fixture_path(f, all[i]));
    rmdir(f->directory);
    memcpy(f->directory, base, sizeof base);
}

static void test_unusable_directory(void **state)
{
    struct fixture *f = *state;
    char text[CACHE_TEXT_MAX], path[FIXTURE_PATH * 2 + 256];
    struct cache *cache = NULL;
    FILE *file = fopen(fixture_path(f, "plain"), "w");
    fclose(file);
    snprintf(path, sizeof path, "%s/below", fixture_path(f, "plain"));
    assert_int_equal(cache_open(&cache, path, "u", "h", 1, text), CACHE_ERR_IO);
    assert_null(cache);
    assert_non_null(strstr(text, "cannot create the cache directory"));
    assert_int_equal(cache_open(&cache, "", "u", "h", 1, text), CACHE_ERR_IO);
    static const mode_t open_to_others[] = {0777, 0770, 01777, 0702};
    for (size_t i = 0; i < sizeof open_to_others / sizeof *open_to_others; i++) {
        assert_int_equal(chmod(f->directory, open_to_others[i]), 0);
        assert_int_equal(cache_open(&cache, f->directory, "u", "h", 1, text), CACHE_ERR_IO);
        assert_null(cache);
        assert_non_null(strstr(text, "others can write to it"));
    }
    assert_int_equal(chmod(f->directory, 0755), 0); /* the files are 0600 all the same */
    assert_int_equal(cache_open(&cache, f->directory, "u", "h", 1, text), CACHE_OK);
    cache_close(&cache);
}

static void test_reopen_keeps_everything(void **state)
{
    struct fixture *f = *state;
    fixture_add(f, 1, 50);
    struct cache_inode before = fixture_find(f, 7), after;
    assert_int_equal(fixture_body(f->cache, before.message, 7, 200000, 4096), CACHE_OK);
    for (int i = 0; i < 3; i++)
        fixture_reopen(f);
    after = fixture_find(f, 7);
    assert_int_equal(after.ino, before.ino);
    assert_string_equal(after.name, before.name);
    assert_true(fixture_body_is(f->cache, after.message, 7, 200000, 4096));
    assert_int_equal(fixture_count_files(f, ".aside-"), 0);
}

static void test_other_account(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *user, *host;
        unsigned aside;
    } cases[] = {
        {"jane@example.org", "IMAP.example.org",  0}, /* hosts have no case */
        {"jane@example.org", "imap2.example.org", 2},
        {"joe@example.org",  "imap2.example.org", 4},
    };
    char text[CACHE_TEXT_MAX];
    fixture_add(f, 1, 5);
    cache_close(&f->cache);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(try_open(f, cases[i].user, cases[i].host, text), CACHE_OK);
        assert_int_equal(fixture_count_files(f, ".db.aside-"), cases[i].aside);
    }
}

/* ---- damage ---- */

static void spoil_truncate(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(truncate(path, st.st_size / 2), 0);
}

static void spoil_fill(const char *path, char byte)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    int fd = open(path, O_WRONLY);
    for (off_t at = 0; at < st.st_size; at++)
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void spoil_zeros(const char *path)
{
    spoil_fill(path, '\0');
}

static void spoil_text(const char *path)
{
    spoil_fill(path, 'x');
}

static void spoil_short(const char *path)
{
    assert_int_equal(truncate(path, 10), 0);
}

static void spoil_header(const char *path)
{
    int fd = open(path, O_WRONLY);
    static const char junk[64] = "SQLite format 3 or perhaps not";
    assert_int_equal(pwrite(fd, junk, sizeof junk, 0), sizeof junk);
    close(fd);
}

static void spoil_schema(const char *path) /* the first page, after the header */
{
    int fd = open(path, O_WRONLY);
    static const char junk[2000] = {0x7F, 0x7F, 0x7F};
    assert_int_equal(pwrite(fd, junk, sizeof junk, 100), sizeof junk);
    close(fd);
}

static void run_sql(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void spoil_foreign(const char *path)
{
    unlink(path);
    run_sql(path, "CREATE TABLE bookmarks (url TEXT); INSERT INTO bookmarks VALUES ('x')");
}

static void spoil_newer(const char *path)
{
    run_sql(path, "PRAGMA user_version = 1000");
}

static void spoil_table(const char *path)
{
    run_sql(path, strstr(path, "index.db") != NULL ? "DROP TABLE message" : "DROP TABLE chunk");
}

static void spoil_directory(const char *path)
{
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
}

static void spoil_marked(const char *path)
{
    char marker[FIXTURE_PATH + 300];
    snprintf(marker, sizeof marker, "%s.damaged", path);
    close(open(marker, O_WRONLY | O_CREAT, 0600));
}

typedef void spoil_fn(const char *path);
static const struct {
    const char *name;
    spoil_fn *spoil;
} damages[] = {
    {"truncated",   spoil_truncate },
    {"zeros",       spoil_zeros    },
    {"text",        spoil_text     },
    {"short",       spoil_short    },
    {"header",      spoil_header   },
    {"schema page", spoil_schema   },
    {"foreign",     spoil_foreign  },
    {"newer",       spoil_newer    },
    {"table gone",  spoil_table    },
    {"directory",   spoil_directory},
    {"marked",      spoil_marked   },
};

static void prepare(struct fixture *f)
{
    fixture_open(f);
    fixture_tree(f);
    fixture_add(f, 1, 300);
    assert_int_equal(fixture_body(f->cache, fixture_find(f, 3).message, 3, 200000, 4096), CACHE_OK);
    cache_close(&f->cache);
}

/* index.db is lost: all begins anew, and the old bodies, which bear ids of the old index, go too.
 */
static void test_damaged_index(void **state)
{
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        struct fixture *f = *state;
        struct cache_figures figures;
        prepare(f);
        damages[i].spoil(fixture_path(f, "index.db"));
        fixture_open(f);
        assert_int_equal(cache_figures_get(f->cache, &figures), CACHE_OK);
        assert_int_equal(figures.messages + figures.mailboxes + figures.bodies, 0);
        if (fixture_count_files(f, "index.db.aside-") != 1)
            fail_msg("%s: not set aside", damages[i].name);
        assert_int_equal(fixture_count_files(f, "bodies.db.aside-"), 1);
        assert_int_equal(fixture_count_files(f, ".damaged"), 0);
        fixture_tree(f);
        fixture_add(f, 1, 3);
        fixture_reopen(f);
        fixture_find(f, 3);
        fixture_teardown(state);
        assert_int_equal(fixture_setup_bare(state), 0);
    }
}

/* bodies.db is lost: the index stays; what was exact stays exact; the body is fetched again. */
static void test_damaged_bodies(void **state)
{
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        struct fixture *f = *state;
        struct cache_figures figures;
        prepare(f);
        damages[i].spoil(fixture_path(f, "bodies.db"));
        fixture_open(f);
        assert_int_equal(cache_figures_get(f->cache, &figures), CACHE_OK);
        assert_int_equal(figures.messages, 300);
        assert_int_equal(figures.bodies + figures.body_bytes, 0);
        if (fixture_count_files(f, "bodies.db.aside-") != 1)
            fail_msg("%s: not set aside", damages[i].name);
        assert_int_equal(fixture_count_files(f, "index.db.aside-"), 0);
        struct cache_inode inode = fixture_find(f, 3);
        assert_int_equal(inode.size, 200000);
        assert_false(fixture_body_is(f->cache, inode.message, 3, 200000, 4096));
        assert_int_equal(fixture_body(f->cache, inode.message, 3, 200000, 4096), CACHE_OK);
        assert_true(fixture_body_is(f->cache, inode.message, 3, 200000, 4096));
        fixture_teardown(state);
        assert_int_equal(fixture_setup_bare(state), 0);
    }
}

static void test_empty_files_are_new(void **state)
{
    struct fixture *f = *state;
    prepare(f);
    assert_int_equal(truncate(fixture_path(f, "index.db"), 0), 0);
    assert_int_equal(truncate(fixture_path(f, "bodies.db"), 0), 0);
    fixture_open(f);
    fixture_tree(f);
    assert_int_equal(fixture_count_files(f, ".aside-"), 0);
}

/* Damage deep in a file shows only in use: an error, not a crash, and the next open starts anew. */
static void test_damage_found_in_use(void **state)
{
    struct fixture *f = *state;
    struct cache_inode inode;
    struct cache_message message;
    unsigned errors = 0;
    prepare(f);
    int fd = open(fixture_path(f, "index.db"), O_RDWR);
    static char junk[4096];
    struct stat st;
    memset(junk, 0xA5, sizeof junk);
    fstat(fd, &st);
    for (off_t at = 24 * 4096; at + 4096 <= st.st_size; at += 4096)
        assert_int_equal(pwrite(fd, junk, sizeof junk, at), sizeof junk);
    close(fd);
    fixture_open(f);
    assert_int_equal(fixture_count_files(f, ".aside-"), 0);
    for (uint32_t uid = 1; uid <= 300; uid++) {
        enum cache_error error = cache_message_find(f->cache, f->inbox, uid, &inode);
        if (error == CACHE_OK) {
            error = cache_message_get(f->cache, inode.message, &message);
            cache_message_free(&message);
        }
        errors += error == CACHE_ERR_IO ? 1 : 0;
    }
    assert_true(errors > 0);
    assert_int_equal(fixture_count_files(f, "index.db.damaged"), 1);
    fixture_reopen(f);
    assert_int_equal(fixture_count_files(f, "index.db.aside-"), 1);
    fixture_tree(f);
    fixture_add(f, 1, 300);
}

/* ---- schema versions ---- */

static const char *const made_up_steps[] = {
    "CREATE TABLE a (x INTEGER); INSERT INTO a VALUES (1)",
    "ALTER TABLE a ADD COLUMN y INTEGER NOT NULL DEFAULT 5",
    "UPDATE a SET x = x + y",
    "INSERT INTO nowhere VALUES (1)",
};

static struct db_kind made_up(unsigned version)
{
    return (struct db_kind){.file = "made-up.db",
                            .application_id = 77,
                            .page_size = 4096,
                            .steps = made_up_steps,
                            .version = version};
}

static enum schema_verdict bring_up(struct fixture *f, unsigned version, int64_t *x)
{
    struct db_kind kind = made_up(version);
    struct db db;
    int code = SQLITE_OK;
    *x = -1;
    assert_int_equal(db_open(&db, &kind, f->directory), SQLITE_OK);
    enum schema_verdict verdict = schema_bring_up(&db, &code);
    if (verdict != SCHEMA_FOREIGN)
        assert_int_equal(schema_integer(&db, "SELECT x FROM a", x), SQLITE_OK);
    db_close(&db);
    return verdict;
}

static void test_upgrade_in_steps(void **state)
{
    struct fixture *f = *state;
    int64_t x = 0;
    fclose(fopen(fixture_path(f, "made-up.db"), "w"));
    assert_int_equal(bring_up(f, 1, &x), SCHEMA_GOOD);
    assert_int_equal(x, 1);
    assert_int_equal(bring_up(f, 3, &x), SCHEMA_GOOD);
    assert_int_equal(x, 6);
    assert_int_equal(bring_up(f, 3, &x), SCHEMA_GOOD); /* nothing runs twice */
    assert_int_equal(x, 6);
    assert_int_equal(bring_up(f, 2, &x), SCHEMA_NEWER);
    assert_int_equal(x, 6);
    assert_int_equal(bring_up(f, 4, &x), SCHEMA_FAILED); /* undone as a whole */
    assert_int_equal(bring_up(f, 3, &x), SCHEMA_GOOD);
    run_sql(fixture_path(f, "made-up.db"), "PRAGMA application_id = 78");
    assert_int_equal(bring_up(f, 3, &x), SCHEMA_FOREIGN);
}

int main(void)
{
    log_open("/dev/null"); /* every damage below is one error in the log */
#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
#define BARE(test) cmocka_unit_test_setup_teardown(test, fixture_setup_bare, fixture_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_second_open_is_refused), BARE(test_modes_and_missing_directories),
        BARE(test_unusable_directory),     CASE(test_reopen_keeps_everything),
        CASE(test_other_account),          BARE(test_damaged_index),
        BARE(test_damaged_bodies),         BARE(test_empty_files_are_new),
        BARE(test_damage_found_in_use),    BARE(test_upgrade_in_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
