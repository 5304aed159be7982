/* Which events are raised, in which order and how many, with a helper that just notes them. */
#include "tests/unit/test.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "fs/events.h"

enum { NOTED_MAX = 8192 };

struct helper {
    pthread_mutex_t lock;
    unsigned count; /* protected by lock, as the next */
    struct event noted[NOTED_MAX];
    useconds_t takes;
};

static void note(void *ctx, const struct event *event)
{
    struct helper *h = ctx;

    pthread_mutex_lock(&h->lock);
    if (h->count < NOTED_MAX)
        h->noted[h->count] = *event;
    h->count++;
    pthread_mutex_unlock(&h->lock);
    if (h->takes > 0)
        usleep(h->takes);
}

static struct helper helper;

static struct events *start(void)
{
    const struct event_ops ops = {.ctx = &helper, .raise = note};
    struct events *events;

    memset(&helper, 0, sizeof(helper));
    pthread_mutex_init(&helper.lock, NULL);
    events = events_start(&ops);
    assert_non_null(events);
    return events;
}

static unsigned count_of(enum event_kind kind)
{
    unsigned count = 0;

    pthread_mutex_lock(&helper.lock);
    for (unsigned i = 0; i < helper.count && i < NOTED_MAX; i++)
        count += helper.noted[i].kind == kind;
    pthread_mutex_unlock(&helper.lock);
    return count;
}

/* Waits up to 5 s for so many of a kind. */
static bool reaches(enum event_kind kind, unsigned count)
{
    for (int64_t until = clock_ms() + 5000; clock_ms() < until; usleep(2000))
        if (count_of(kind) >= count)
            return true;
    return false;
}

enum news { CAME, GONE, CHANGED };

static void tell(struct events *events, enum news news, uint64_t parent, uint64_t ino,
                 const char *name)
{
    struct cache_change change = {
        .parent = parent, .ino = ino, .gone = news == GONE, .came = news == CAME};

    snprintf(change.name, sizeof(change.name), "%s", name);
    events_note(events, &change);
}

/* A change that ends a case: everything before it was raised by then, or never is. */
static void wait_for_last(struct events *events)
{
    tell(events, CAME, 99, 9999, "last");
    for (int64_t until = clock_ms() + 5000; clock_ms() < until; usleep(2000)) {
        pthread_mutex_lock(&helper.lock);
        bool there = helper.count > 0 && helper.noted[helper.count - 1].ino == 9999;
        pthread_mutex_unlock(&helper.lock);
        if (there)
            return;
    }
    fail_msg("the last event was not raised");
}

static void assert_event(unsigned at, enum event_kind kind, uint64_t ino, const char *name)
{
    assert_true(at < helper.count);
    assert_int_equal(helper.noted[at].kind, kind);
    assert_int_equal(helper.noted[at].ino, ino);
    assert_string_equal(helper.noted[at].name, name);
}

static void in_order(void **state)
{
    struct events *events = start();

    tell(events, GONE, 2, 10, "a");
    tell(events, CAME, 2, 11, "a");
    tell(events, CHANGED, 2, 12, "b");
    wait_for_last(events);
    assert_int_equal(helper.count, 4);
    assert_event(0, EVENT_DELETE, 10, "a");
    assert_event(1, EVENT_CREATE, 11, "a");
    assert_event(2, EVENT_ATTRIB, 12, "b");
    events_stop(&events);
    assert_null(events);
}

static void news_of_one_joins(void **state)
{
    struct events *events = start();

    tell(events, CAME, 2, 10, "came-and-went");
    tell(events, CHANGED, 2, 10, "came-and-went");
    tell(events, GONE, 2, 10, "came-and-went");
    tell(events, CAME, 2, 11, "came-and-changed");
    tell(events, CHANGED, 2, 11, "came-and-changed");
    tell(events, CHANGED, 2, 12, "changed-twice");
    tell(events, CHANGED, 2, 12, "changed-twice");
    tell(events, CHANGED, 2, 13, "changed-and-went");
    tell(events, GONE, 2, 13, "changed-and-went");
    wait_for_last(events);
    assert_int_equal(helper.count, 4);
    assert_event(0, EVENT_CREATE, 11, "came-and-changed");
    assert_event(1, EVENT_ATTRIB, 12, "changed-twice");
    assert_event(2, EVENT_DELETE, 13, "changed-and-went");
    events_stop(&events);
}

/* A directory that bears another name is the same inode. */
static void moved_elsewhere(void **state)
{
    struct events *events = start();

    tell(events, GONE, 1, 10, "old");
    tell(events, CAME, 2, 10, "new");
    wait_for_last(events);
    assert_int_equal(helper.count, 3);
    assert_event(0, EVENT_DELETE, 10, "old");
    assert_event(1, EVENT_CREATE, 10, "new");
    events_stop(&events);
}

/* At most some hundreds, then one change of the directory; the other directory is told of. */
static void flood_ends_in_one_change(void **state)
{
    struct events *events = start();
    unsigned single;

    for (unsigned i = 0; i < 5000; i++)
        tell(events, CAME, 2, 100 + i, "x");
    assert_true(reaches(EVENT_DIRECTORY, 1));
    single = count_of(EVENT_CREATE);
    assert_in_range(single, 100, 700);
    usleep(900000); /* longer than quiet */
    assert_int_equal(count_of(EVENT_DIRECTORY), 1);
    assert_int_equal(count_of(EVENT_CREATE), single);
    assert_int_equal(helper.noted[helper.count - 1].kind, EVENT_DIRECTORY);
    assert_int_equal(helper.noted[helper.count - 1].ino, 2);
    tell(events, CAME, 2, 50000, "after");
    wait_for_last(events);
    assert_int_equal(count_of(EVENT_CREATE), single + 2);
    events_stop(&events);
}

/* The rate holds over time, not just for what comes at once. */
static void rate_is_bounded(void **state)
{
    struct events *events = start();
    int64_t begin = clock_ms();

    for (unsigned i = 0; i < 2000; i++) {
        tell(events, CAME, 2 + i, 10000 + i, "x"); /* each in a directory of its own */
        usleep(500);
    }
    usleep(300000);
    pthread_mutex_lock(&helper.lock);
    assert_true(helper.count <= 300 + (unsigned)(clock_ms() - begin) * 300 / 1000 + 1);
    assert_true(helper.count >= 300);
    pthread_mutex_unlock(&helper.lock);
    events_stop(&events);
}

/* More directories than are remembered one by one: the root stands for the rest. */
static void many_floods(void **state)
{
    struct events *events = start();

    for (unsigned i = 0; i < 6000; i++)
        tell(events, CAME, 2 + i % 200, 10000 + i, "x");
    assert_true(reaches(EVENT_DIRECTORY, 10));
    usleep(900000);
    assert_true(count_of(EVENT_DIRECTORY) <= 200);
    unsigned root = 0;
    for (unsigned i = 0; i < helper.count; i++)
        root += helper.noted[i].kind == EVENT_DIRECTORY && helper.noted[i].ino == CACHE_ROOT_INO;
    assert_true(root >= 1);
    events_stop(&events);
}

static void stops_with_work_left(void **state)
{
    struct events *events = start();

    helper.takes = 20000;
    for (unsigned i = 0; i < 500; i++)
        tell(events, CAME, 2, 100 + i, "x");
    assert_true(reaches(EVENT_CREATE, 1));
    events_halt(events);
    assert_true(events_stopping(events));
    assert_true(count_of(EVENT_CREATE) < 400);
    tell(events, CAME, 2, 9000, "late");
    events_halt(events);
    events_stop(&events);
    events_stop(&events);
    events_halt(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order),
        cmocka_unit_test(news_of_one_joins),
        cmocka_unit_test(moved_elsewhere),
        cmocka_unit_test(flood_ends_in_one_change),
        cmocka_unit_test(rate_is_bounded),
        cmocka_unit_test(many_floods),
        cmocka_unit_test(stops_with_work_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
