/* Everything at once, from many threads: meant for ThreadSanitizer, and for deadlocks. */
#include "tests/unit/cache/fixture.h"

#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 6, ROUNDS = 60, MESSAGES = 400 };

struct worker {
    struct fixture *f;
    unsigned number;
    atomic_uint *failures;
};

static void expect(struct worker *w, bool good)
{
    if (!good)
        atomic_fetch_add(w->failures, 1);
}

/* cmocka's asserts belong to the main thread: this one looks a message up without them. */
static bool find(struct fixture *f, uint32_t uid, struct cache_inode *inode)
{
    return cache_message_find(f->cache, f->inbox, uid, inode) == CACHE_OK;
}

static void *fetch(void *argument)
{
    struct worker *w = argument;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        struct cache_inode inode;
        uint32_t uid = (i * 7 + w->number * 3) % MESSAGES + 1;
        uint64_t bytes = uid * 1009ull % 300000;
        if (!find(w->f, uid, &inode))
            continue; /* gone meanwhile */
        enum cache_error error = fixture_body(w->f->cache, inode.message, uid, bytes, 30000);
        expect(w, error == CACHE_OK || error == CACHE_ERR_ABSENT);
        uint64_t size = 0;
        error = cache_body_pin(w->f->cache, inode.message, &size);
        expect(w, error == CACHE_OK || error == CACHE_ERR_ABSENT);
        if (error != CACHE_OK)
            continue;
        expect(w, fixture_body_is(w->f->cache, inode.message, uid, bytes, 65536));
        cache_body_unpin(w->f->cache, inode.message);
    }
    return NULL;
}

static void *read_lists(void *argument)
{
    struct worker *w = argument;
    struct cache_inode inodes[32];
    for (int i = 0; i < ROUNDS; i++) {
        size_t count = 1;
        for (uint64_t after = 0; count > 0; after = count > 0 ? inodes[count - 1].ino : 0)
            expect(w, cache_inode_list(w->f->cache, w->f->inbox_ino, after, inodes, 32, &count) ==
                          CACHE_OK);
        struct cache_figures figures;
        expect(w, cache_figures_get(w->f->cache, &figures) == CACHE_OK);
        cache_mailbox_checked(w->f->cache, w->f->inbox, i);
    }
    return NULL;
}

static void *write_rows(void *argument)
{
    struct worker *w = argument;
    struct heard heard = {0};
    for (uint32_t i = 0; i < ROUNDS; i++) {
        char stem[32];
        uint32_t uid = MESSAGES + i * THREADS + w->number + 1, gone = i * 5 + w->number + 1;
        const char *texts[] = {"\\Seen", "\\Seen \\Flagged"};
        const struct cache_new_flags flags = {.uid = uid / 2, .flags = texts[i % 2]};
        const struct cache_new_message one = {.uid = uid, .stem = stem, .flags = "x"};
        const struct cache_mailbox_facts facts = {.uidnext = uid};
        snprintf(stem, sizeof stem, "new-%u", i);
        expect(w, cache_messages_add(w->f->cache, w->f->inbox, FIXTURE_UIDVALIDITY, &one, 1, 0,
                                     false, fixture_file_name, heard_change, &heard) == CACHE_OK);
        expect(w, cache_messages_flags(w->f->cache, w->f->inbox, FIXTURE_UIDVALIDITY, &flags, 1,
                                       heard_change, &heard) == CACHE_OK);
        expect(w, cache_messages_gone(w->f->cache, w->f->inbox, FIXTURE_UIDVALIDITY, &gone, 1,
                                      heard_change, &heard) == CACHE_OK);
        expect(w, cache_mailbox_note(w->f->cache, w->f->inbox, &facts, NULL, NULL) == CACHE_OK);
    }
    return NULL;
}

static void test_everything_at_once(void **state)
{
    struct fixture *f = *state;
    static void *(*const kinds[])(void *) = {fetch, fetch, read_lists, write_rows};
    enum { KINDS = sizeof kinds / sizeof *kinds };
    pthread_t threads[THREADS * KINDS];
    struct worker workers[THREADS * KINDS];
    atomic_uint failures = 0;
    f->limit = 4 << 20; /* so that eviction takes part */
    fixture_reopen(f);
    f->cache->writer.grace_ms = 0;
    fixture_add(f, 1, MESSAGES);
    for (unsigned i = 0; i < THREADS * KINDS; i++) {
        workers[i] = (struct worker){f, i / KINDS, &failures};
        assert_int_equal(pthread_create(&threads[i], NULL, kinds[i % KINDS], &workers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS * KINDS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&failures), 0);
    fixture_reopen(f);
    struct cache_figures figures;
    uint64_t directories = 0, messages = 0;
    assert_int_equal(cache_figures_get(f->cache, &figures), CACHE_OK);
    assert_int_equal(cache_inode_count(f->cache, f->inbox_ino, &directories, &messages), CACHE_OK);
    assert_int_equal(figures.messages, messages);
    assert_true(figures.body_bytes <= f->limit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_everything_at_once, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
