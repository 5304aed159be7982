/* Many threads at once (meant for ThreadSanitizer too), what they cost the disk, and how fast. */
#include "tests/unit/cache/journal_fixture.h"

#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

/* Counts what reaches the disk: the program's own symbols go before libc's, for SQLite too. */
static atomic_uint syncs;

int fsync(int fd)
{
    atomic_fetch_add(&syncs, 1);
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    atomic_fetch_add(&syncs, 1);
    return (int)syscall(SYS_fdatasync, fd);
}

static unsigned syncs_of(struct rig *rig, int64_t id, enum journal_event event, bool durable)
{
    struct journal_move move = {.id = id, .event = event, .uidvalidity = 7, .uid = 8};
    unsigned before = atomic_load(&syncs);
    assert_int_equal(journal_do(rig->journal, &move, 1, durable), CACHE_OK);
    return atomic_load(&syncs) - before;
}

static void test_one_alone(void **state)
{
    struct rig *rig = *state;
    rig_add(rig, rig_move(1)); /* the first one also makes the WAL */
    unsigned before = atomic_load(&syncs);
    int64_t id = rig_add(rig, rig_move(1));
    assert_int_equal(atomic_load(&syncs) - before, 1);
    assert_int_equal(syncs_of(rig, id, JOURNAL_DO_SEND, false), 1); /* whether asked for or not */
    assert_int_equal(syncs_of(rig, id, JOURNAL_DO_SUCCEED, false), 0);
    assert_int_equal(syncs_of(rig, id, JOURNAL_DO_FINISH, false), 0);
    id = rig_add(rig, rig_move(1));
    assert_int_equal(syncs_of(rig, id, JOURNAL_DO_SEND, false), 1);
    assert_int_equal(syncs_of(rig, id, JOURNAL_DO_SUCCEED, true), 1);
    for (int large = 0; large < 2; large++) {
        struct journal_spool *spool = rig_spool(rig, 1, large ? 70000 : 5000);
        before = atomic_load(&syncs);
        rig_add(rig, rig_append(spool, 1)); /* a small one goes with its row; bytes, name, row */
        assert_int_equal(atomic_load(&syncs) - before, large ? 3 : 1);
        journal_spool_close(&spool);
    }
}

enum { THREADS = 8, EACH = 125 };

struct worker {
    struct rig *rig;
    unsigned number;
    bool spools, walks;
    atomic_uint *failures;
};

static void expect(struct worker *w, bool good)
{
    if (!good)
        atomic_fetch_add(w->failures, 1);
}

static void walk(struct worker *w, int64_t id)
{
    static const enum journal_event way[] = {JOURNAL_DO_SEND, JOURNAL_DO_SUCCEED,
                                             JOURNAL_DO_FINISH};
    struct journal_row rows[4];
    size_t count = 0;
    for (size_t i = 0; i < sizeof way / sizeof *way; i++)
        expect(w, rig_do(w->rig, id, way[i]) == CACHE_OK);
    expect(w, journal_list(w->rig->journal, JOURNAL_INTENT, 0, rows, 4, &count) == CACHE_OK);
    for (size_t i = 0; i < count; i++)
        journal_row_free(&rows[i]);
}

static void *add_many(void *argument)
{
    struct worker *w = argument;
    for (uint32_t i = 0; i < EACH; i++) {
        struct journal_spool *spool = NULL;
        int64_t id = 0;
        struct journal_intent intent = rig_move(w->number * EACH + i + 1);
        if (w->spools) {
            expect(w, journal_spool_create(w->rig->journal, &spool) == CACHE_OK);
            expect(w, journal_spool_write(spool, 0, &i, sizeof i) == CACHE_OK);
            intent = rig_append(spool, i);
        }
        expect(w, journal_add(w->rig->journal, &intent, 1, JOURNAL_INTENT, &id) == CACHE_OK);
        journal_spool_close(&spool);
        if (w->walks)
            walk(w, id);
    }
    return NULL;
}

/* Returns ms. */
static int64_t run_threads(struct rig *rig, bool spools, bool walks)
{
    pthread_t threads[THREADS];
    struct worker workers[THREADS];
    atomic_uint failures = 0;
    int64_t began = clock_ms();
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){rig, i, spools, walks, &failures};
        assert_int_equal(pthread_create(&threads[i], NULL, add_many, &workers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&failures), 0);
    return clock_ms() - began;
}

/* They share the commits: far fewer syncs than intents, each of them durable. */
static void test_many_at_once(void **state)
{
    struct rig *rig = *state;
    struct journal_figures figures;
    unsigned before = atomic_load(&syncs);
    int64_t ms = run_threads(rig, false, false);
    unsigned used = atomic_load(&syncs) - before;
    print_message("%d intents from %d threads: %lld ms, %u syncs\n", THREADS * EACH, THREADS,
                  (long long)ms, used);
    assert_true(used < THREADS * EACH / 2);
    assert_int_equal(journal_figures_get(rig->journal, &figures), CACHE_OK);
    assert_int_equal(figures.rows[JOURNAL_INTENT], THREADS * EACH);
}

static void test_everything_at_once(void **state)
{
    struct rig *rig = *state;
    struct journal_figures figures;
    unsigned before = atomic_load(&syncs);
    int64_t ms = run_threads(rig, true, true);
    print_message("%d spools on their whole way: %lld ms, %u syncs\n", THREADS * EACH,
                  (long long)ms, atomic_load(&syncs) - before);
    rig_reopen(rig);
    assert_int_equal(rig_spools(rig), 0);
    assert_int_equal(journal_figures_get(rig->journal, &figures), CACHE_OK);
    assert_int_equal(figures.bytes, 0);
    for (unsigned i = 0; i < JOURNAL_STATES; i++)
        assert_int_equal(figures.rows[i], 0);
}

int main(void)
{
    log_set_level(LOG_LEVEL_ERROR);
#define CASE(test) cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_one_alone),
        CASE(test_many_at_once),
        CASE(test_everything_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
