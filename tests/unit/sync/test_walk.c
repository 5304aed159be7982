/* A program that goes from one mailbox to the next (sync/stroll.c): what is asked about ahead, what
 * that spares, and that nothing waits for an answer that does not come. */
#include "tests/unit/test.h"

#include <stdio.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "message/summary.h"
#include "sync/internal.h"
#include "tests/unit/sync/rig.h"

enum { BOXES = 8, SLOW_MS = 300 };

static const uint32_t few[] = {1, 2, 3};

static void begin(struct rig *rig, size_t messages)
{
    rig_init(rig, few, 3);
    rig->server.mailboxes = BOXES;
    atomic_store(&rig->server.count, messages);
    assert_int_equal(rig_start(rig), SYNC_OK);
}

/* As opendir does; 0 is the root. */
static void want(struct rig *rig, int64_t mailbox, struct told *told)
{
    told_init(told);
    sync_want_listing(rig->sync, mailbox, told_tell, told);
}

static enum sync_error walk_to(struct rig *rig, const char *mailbox)
{
    struct told told;
    want(rig, mailbox != NULL ? rig_mailbox(rig, mailbox) : 0, &told);
    return told_wait(&told);
}

static bool settles(struct rig *rig, unsigned statuses)
{
    int64_t deadline = clock_ms() + RIG_PATIENCE_MS;
    while (atomic_load(&rig->server.statuses) < statuses || !rig_listed(rig, "M8")) {
        if (clock_ms() > deadline)
            return false;
        usleep(2000);
    }
    return true;
}

static void test_empty_ones_are_not_opened(void **state)
{
    struct rig rig;
    begin(&rig, 0);
    assert_int_equal(walk_to(&rig, NULL), SYNC_OK);
    assert_int_equal(walk_to(&rig, "M1"), SYNC_OK);
    assert_true(settles(&rig, BOXES - 1));
    for (unsigned i = 1; i <= BOXES; i++) {
        char name[8];
        snprintf(name, sizeof name, "M%u", i);
        assert_true(rig_listed(&rig, name));
        assert_int_equal(walk_to(&rig, name), SYNC_OK);
    }
    assert_int_equal(atomic_load(&rig.server.examines), 1);
    assert_int_equal(atomic_load(&rig.server.statuses), BOXES - 1);
    atomic_store(&rig.server.count, 3); /* it is one like any other from then on */
    rig_age(&rig, "M5");
    assert_int_equal(rig_list(&rig, "M5"), SYNC_OK);
    assert_int_equal(rig_count(&rig, "M5"), 3);
    rig_end(&rig);
}

/* One that opens a single mailbox asks about nothing else. */
static void test_no_walk(void **state)
{
    struct rig rig;
    begin(&rig, 0);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(walk_to(&rig, "M1"), SYNC_OK);
        rig_age(&rig, "M1");
    }
    assert_int_equal(rig_list(&rig, "M2"), SYNC_OK);
    assert_int_equal(atomic_load(&rig.server.statuses), 0);
    rig_end(&rig);
}

static atomic_bool mute;

/* STATUS takes its time, or its connection ends. */
static bool slow_status(struct session *s, const char *tag, const char *command)
{
    if (strncasecmp(command, "STATUS", 6) != 0)
        return false;
    usleep(SLOW_MS * 1000);
    if (atomic_load(&mute))
        session_hang_up(s);
    return atomic_load(&mute);
}

static bool is_asked(struct rig *rig)
{
    pthread_mutex_lock(&rig->sync->lock);
    bool asked = rig->sync->strolls[0] != 0;
    pthread_mutex_unlock(&rig->sync->lock);
    return asked;
}

/* Who comes before the answer waits for it: no EXAMINE, and no connection for that. */
static void test_who_comes_early(void **state)
{
    struct rig rig;
    struct told first, second;
    begin(&rig, 0);
    atomic_store(&mute, false);
    atomic_store(&rig.server.hook, slow_status);
    assert_int_equal(walk_to(&rig, NULL), SYNC_OK);
    want(&rig, rig_mailbox(&rig, "M1"), &first);
    assert_int_equal(told_wait(&first), SYNC_OK);
    for (int64_t until = clock_ms() + RIG_PATIENCE_MS; !is_asked(&rig) && clock_ms() < until;)
        usleep(1000);
    want(&rig, rig_mailbox(&rig, "M3"), &second);
    assert_int_equal(told_wait(&second), SYNC_OK);
    assert_true(rig_listed(&rig, "M3"));
    assert_int_equal(atomic_load(&rig.server.examines), 1);
    assert_int_equal(atomic_load(&rig.server.accepted), 1);
    rig_end(&rig);
}

/* The connection ends under the questions: who waited asks by himself. */
static void test_no_answer(void **state)
{
    struct rig rig;
    begin(&rig, 3);
    atomic_store(&mute, true);
    atomic_store(&rig.server.hook, slow_status);
    assert_int_equal(walk_to(&rig, NULL), SYNC_OK);
    assert_int_equal(walk_to(&rig, "M1"), SYNC_OK);
    assert_int_equal(walk_to(&rig, "M2"), SYNC_OK);
    assert_int_equal(rig_count(&rig, "M2"), 3);
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_ones_are_not_opened),
        cmocka_unit_test(test_no_walk),
        cmocka_unit_test(test_who_comes_early),
        cmocka_unit_test(test_no_answer),
    };
    message_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
