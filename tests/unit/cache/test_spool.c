/* Spools: writing, sealing, copies, what fsync(2) keeps, and a disk that is full. */
#include "tests/unit/cache/journal_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"

/* SHA-256 of "abc" and of nothing: FIPS 180-2, and NIST's examples. */
static const uint8_t sha_abc[JOURNAL_SHA256] = {
    0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
    0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
static const uint8_t sha_nothing[JOURNAL_SHA256] = {
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
    0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55};

static void test_digest(void **state)
{
    struct rig *rig = *state;
    uint8_t sha256[JOURNAL_SHA256];
    struct journal_spool *spool = rig_spool(rig, 1, 0);
    assert_int_equal(journal_spool_digest(spool, sha256), CACHE_OK);
    assert_memory_equal(sha256, sha_nothing, sizeof sha256);
    assert_int_equal(journal_spool_write(spool, 0, "abd", 3), CACHE_OK);
    assert_int_equal(journal_spool_digest(spool, sha256), CACHE_OK);
    assert_int_equal(journal_spool_write(spool, 2, "c", 1), CACHE_OK); /* after a digest */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(journal_spool_digest(spool, sha256), CACHE_OK);
        assert_memory_equal(sha256, sha_abc, sizeof sha256);
    }
    journal_spool_close(&spool);
    assert_null(spool);
    journal_spool_close(&spool);
}

static void test_sparse_and_truncated(void **state)
{
    struct rig *rig = *state;
    char data[16];
    size_t got = 0;
    struct journal_spool *spool = rig_spool(rig, 1, 0);
    assert_int_equal(journal_spool_write(spool, 1000, "end", 3), CACHE_OK);
    assert_int_equal(journal_spool_size(spool), 1003);
    assert_int_equal(journal_spool_read(spool, 998, data, sizeof data, &got), CACHE_OK);
    assert_int_equal(got, 5);
    assert_memory_equal(data, "\0\0end", 5);
    assert_int_equal(journal_spool_truncate(spool, 999), CACHE_OK);
    assert_int_equal(journal_spool_read(spool, 999, data, sizeof data, &got), CACHE_OK);
    assert_int_equal(got, 0);
    assert_int_equal(journal_spool_read(spool, UINT64_MAX, data, sizeof data, &got), CACHE_OK);
    assert_int_equal(got, 0);
    assert_int_equal(journal_spool_truncate(spool, 2000), CACHE_OK);
    assert_int_equal(journal_spool_size(spool), 2000);
    assert_int_equal(journal_spool_read(spool, 1000, data, sizeof data, &got), CACHE_OK);
    assert_int_equal(got, sizeof data);
    assert_memory_equal(data, (char[16]){0}, sizeof data); /* what was cut off is gone */
    assert_int_equal(journal_spool_write(spool, 65535, "ab", 2), CACHE_OK); /* now it is a file */
    assert_true(spool->fd >= 0);
    assert_int_equal(journal_spool_read(spool, 65530, data, sizeof data, &got), CACHE_OK);
    assert_int_equal(got, 7);
    assert_memory_equal(data, "\0\0\0\0\0ab", 7);
    journal_spool_close(&spool);
}

static void test_nameless_until_added(void **state)
{
    struct rig *rig = *state;
    struct stat st;
    struct journal_spool *spool = rig_spool(rig, 1, 100);
    assert_int_equal(rig_spools(rig), 0);
    int64_t id = rig_add(rig, rig_append(spool, 1));
    assert_int_equal(rig_spools(rig), 1);
    assert_int_equal(spool->fd, -1); /* nobody reads it */
    assert_int_equal(stat(rig_find(rig, "outbox-", ""), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    journal_spool_close(&spool);
    assert_true(rig_spool_is(rig, id, 1, 100));
    assert_int_equal(journal_spool_open(rig->journal, id, &spool), CACHE_OK);
    assert_int_equal(fstat(spool->fd, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    journal_spool_close(&spool);
    assert_int_equal(journal_spool_open(rig->journal, 99, &spool), CACHE_ERR_ABSENT);
    assert_null(spool);
    int64_t move = rig_add(rig, rig_move(1));
    assert_int_equal(journal_spool_open(rig->journal, move, &spool), CACHE_ERR_ABSENT);
}

/* Writing on after the first version was published: the one on its way never changes. */
static void test_copy_of_a_sealed_spool(void **state)
{
    struct rig *rig = *state;
    static const uint64_t sizes[] = {0, 1, 9000, 65535, 65536, 300000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct journal_spool *spool = rig_spool(rig, 5, sizes[i]), *next = NULL;
        int64_t first = rig_add(rig, rig_append(spool, 1));
        assert_int_equal(journal_spool_copy(spool, &next), CACHE_OK);
        journal_spool_close(&spool);
        assert_int_equal(journal_spool_size(next), sizes[i]);
        unsigned char byte = rig_byte(5, sizes[i]);
        assert_int_equal(journal_spool_write(next, sizes[i], &byte, 1), CACHE_OK);
        int64_t second = rig_add(rig, rig_append(next, 1));
        journal_spool_close(&next);
        assert_true(rig_spool_is(rig, first, 5, sizes[i]));
        assert_true(rig_spool_is(rig, second, 5, sizes[i] + 1));
    }
}

/* Many, more than memory is for: they are as they were all the time, and no memory stays. */
static void test_memory_is_bounded(void **state)
{
    enum { MANY = 400, SIZE = 60000 };
    struct rig *rig = *state;
    static struct journal_spool *spools[MANY], *copies[MANY];
    for (unsigned i = 0; i < MANY; i++)
        spools[i] = rig_spool(rig, i, SIZE);
    assert_true(rig->journal->held <= 16 << 20);
    assert_true(spools[0]->fd < 0);
    assert_true(spools[MANY - 1]->fd >= 0); /* a file, though it is small */
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(journal_spool_copy(spools[i], &copies[i]), CACHE_OK);
        assert_int_equal(journal_spool_write(copies[i], 0, "other", 5), CACHE_OK);
        assert_int_equal(rig_add(rig, rig_append(spools[i], 1)), i + 1);
    }
    assert_true(rig->journal->held <= 16 << 20);
    for (unsigned i = 0; i < MANY; i++) {
        char data[6] = "";
        size_t got;
        assert_int_equal(journal_spool_read(copies[i], 0, data, 5, &got), CACHE_OK);
        assert_string_equal(data, "other");
        journal_spool_close(&copies[i]);
        unsigned char byte = 0;
        assert_int_equal(journal_spool_read(spools[i], SIZE - 1, &byte, 1, &got), CACHE_OK);
        assert_int_equal(byte, rig_byte(i, SIZE - 1));
        journal_spool_rest(spools[i]);
        assert_true(rig_spool_is(rig, i + 1, i, SIZE));
        journal_spool_close(&spools[i]);
    }
    assert_int_equal(rig->journal->held, 0);
}

/* As many changes as may be queue with a handful of descriptors. */
static void test_queued_spools_have_no_descriptors(void **state)
{
    enum { MANY = 100 };
    struct rig *rig = *state;
    static struct journal_spool *spools[MANY];
    for (unsigned i = 0; i < MANY; i++) {
        spools[i] = rig_spool(rig, i, 70000);
        rig_add(rig, rig_append(spools[i], 1));
    }
    int lowest = dup(0);
    assert_true(lowest < MANY / 2);
    close(lowest);
    for (unsigned i = 0; i < MANY; i++) {
        unsigned char byte = 0;
        size_t got;
        assert_int_equal(journal_spool_read(spools[i], 69999, &byte, 1, &got), CACHE_OK);
        assert_int_equal(byte, rig_byte(i, 69999));
        journal_spool_close(&spools[i]);
    }
}

/* fsync(2): the bytes have a row from then on; publishing makes it an intent, in place. */
static void test_keep_and_publish(void **state)
{
    struct rig *rig = *state;
    struct journal_row rows[2];
    size_t count = 0;
    struct journal_spool *spool = rig_spool(rig, 3, 100);
    struct journal_intent intent = rig_append(spool, 3);
    assert_int_equal(journal_spool_keep(spool, &intent, NULL), CACHE_OK);
    unsigned char byte = rig_byte(3, 100);
    assert_int_equal(journal_spool_write(spool, 100, &byte, 1), CACHE_OK); /* it goes on */
    assert_int_equal(journal_spool_keep(spool, &intent, NULL), CACHE_OK);
    assert_int_equal(journal_list(rig->journal, JOURNAL_NONE, 0, rows, 2, &count), CACHE_OK);
    assert_int_equal(count, 1);
    int64_t id = rows[0].id;
    assert_int_equal(rows[0].state, JOURNAL_UNFINISHED);
    assert_string_equal(rows[0].intent.target, "Archive");
    assert_non_null(strstr(rows[0].reason, "did not close"));
    journal_row_free(&rows[0]);
    /* While it is being written the user cannot take it away. */
    assert_int_equal(journal_retry(rig->journal, id), CACHE_ERR_BUSY);
    assert_int_equal(rig_do(rig, id, JOURNAL_DO_DROP), CACHE_ERR_BUSY);
    assert_int_equal(rig_add(rig, intent), id);
    journal_spool_close(&spool);
    assert_int_equal(rig_state(rig, id), JOURNAL_INTENT);
    assert_true(rig_spool_is(rig, id, 3, 101));
    assert_int_equal(rig_spools(rig), 1);
    rig_reopen(rig);
    assert_true(rig_spool_is(rig, id, 3, 101));
    struct journal_row row = rig_row(rig, id);
    assert_string_equal(row.reason, "");
    journal_row_free(&row);
}

static void test_killed_writer(void **state)
{
    struct rig *rig = *state;
    struct journal_spool *spool = rig_spool(rig, 3, 100);
    struct journal_intent intent = rig_append(spool, 3);
    uint8_t sha256[JOURNAL_SHA256];
    assert_int_equal(journal_spool_keep(spool, &intent, "its writer was killed"), CACHE_OK);
    unsigned char byte = rig_byte(3, 100);
    assert_int_equal(journal_spool_write(spool, 100, &byte, 1), CACHE_OK);
    assert_int_equal(journal_spool_digest(spool, sha256), CACHE_OK);
    journal_spool_close(&spool);
    rig_reopen(rig);
    struct journal_row row = rig_row(rig, 1);
    assert_int_equal(row.state, JOURNAL_UNFINISHED);
    assert_string_equal(row.reason, "its writer was killed");
    assert_int_equal(row.spool_bytes, 101);
    journal_row_free(&row);
    assert_int_equal(journal_retry(rig->journal, 1), CACHE_OK); /* what is there is sent */
    row = rig_row(rig, 1);
    assert_int_equal(row.state, JOURNAL_INTENT);
    assert_memory_equal(row.sha256, sha256, sizeof sha256);
    assert_int_equal(row.spool_bytes, 101);
    journal_row_free(&row);
}

static void test_forget(void **state)
{
    struct rig *rig = *state;
    struct journal_figures figures;
    struct journal_spool *spool = rig_spool(rig, 3, 100), *copy = NULL;
    struct journal_intent intent = rig_append(spool, 3);
    assert_int_equal(journal_spool_forget(spool), CACHE_OK); /* nothing to forget */
    assert_int_equal(journal_spool_keep(spool, &intent, NULL), CACHE_OK);
    assert_int_equal(journal_spool_forget(spool), CACHE_OK);
    assert_int_equal(rig_state(rig, 1), JOURNAL_NONE);
    assert_int_equal(journal_spool_write(spool, 0, "x", 1), CACHE_ERR_STATE);
    assert_int_equal(journal_spool_copy(spool, &copy), CACHE_OK); /* its bytes can be read yet */
    journal_spool_close(&spool);
    rig_add(rig, rig_append(copy, 1));
    assert_int_equal(journal_spool_forget(copy), CACHE_ERR_STATE);
    journal_spool_close(&copy);
    rig_reopen(rig);
    assert_int_equal(rig_spools(rig), 1);
    assert_int_equal(journal_figures_get(rig->journal, &figures), CACHE_OK);
    assert_int_equal(figures.bytes, 100);
}

/* In a child: files may grow to 1 MB, no further. Returns 0 when all went as it should. */
static int fill_the_disk(struct rig *rig)
{
    struct rlimit limit = {1 << 20, RLIM_INFINITY};
    static char data[300000];
    signal(SIGXFSZ, SIG_IGN);
    rig_open(rig);
    struct journal_spool *spool = rig_spool(rig, 1, 900000);
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
        return 1;
    if (journal_spool_write(spool, 900000, data, sizeof data) != CACHE_ERR_FULL)
        return 2;
    if (journal_spool_size(spool) != 900000 || lseek(spool->fd, 0, SEEK_END) != 900000)
        return 3;
    if (journal_spool_truncate(spool, 2 << 20) != CACHE_ERR_FULL)
        return 4;
    /* The spool is good, but the journal's WAL has no room: no row, and no name. */
    limit.rlim_cur = 1 << 10;
    struct journal_intent intent = rig_append(spool, 1);
    int64_t id = 0;
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
        return 5;
    if (journal_add(rig->journal, &intent, 1, JOURNAL_INTENT, &id) != CACHE_ERR_FULL)
        return 6;
    if (rig_spools(rig) > 1 || access(rig_find(rig, "outbox-", ""), F_OK) != 0)
        return 7;
    limit.rlim_cur = RLIM_INFINITY; /* room again: the journal goes on */
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
        return 8;
    for (int i = 0; i < 2; i++)
        if (journal_add(rig->journal, &intent, 1, JOURNAL_INTENT, &id) !=
            (i == 0 ? CACHE_OK : CACHE_ERR_STATE))
            return 9;
    journal_spool_close(&spool);
    if (!rig_spool_is(rig, id, 1, 900000))
        return 10;
    journal_close(&rig->journal);
    return 0;
}

static void test_full_disk(void **state)
{
    struct rig *rig = *state;
    pid_t child = fork();
    if (child == 0)
        _exit(fill_the_disk(rig));
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    rig_open(rig);
    assert_int_equal(rig_spools(rig), 1);
    assert_true(rig_spool_is(rig, 1, 1, 900000));
    assert_int_equal(rig_count(rig, "journal-", ".aside-"), 0);
}

int main(void)
{
    log_open("/dev/null");
#define CASE(test)  cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)
#define FILES(test) cmocka_unit_test_setup_teardown(test, rig_setup_files, rig_teardown)
#define BARE(test)  cmocka_unit_test_setup_teardown(test, rig_setup_bare, rig_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_digest),
        FILES(test_digest),
        CASE(test_sparse_and_truncated),
        FILES(test_sparse_and_truncated),
        FILES(test_nameless_until_added),
        CASE(test_copy_of_a_sealed_spool),
        FILES(test_copy_of_a_sealed_spool),
        CASE(test_memory_is_bounded),
        CASE(test_queued_spools_have_no_descriptors),
        CASE(test_keep_and_publish),
        CASE(test_killed_writer),
        CASE(test_forget),
        BARE(test_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
