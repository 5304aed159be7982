/* A machine that was asleep: its connections are looked at before anything waits for them. */
#include "tests/unit/test.h"

#include "base/clock.h"
#include "message/summary.h"
#include "sync/internal.h"
#include "tests/unit/sync/rig.h"

static const uint32_t few[] = {1, 2, 3};

enum { NEVER_MS = 3600000 };

static atomic_uint deaf; /* the connection that nothing is heard of any more */

static bool may_be_deaf(struct session *s, const char *tag, const char *command)
{
    return s->number == atomic_load(&deaf);
}

/* What the network swallows is found out long before the bound that holds otherwise. */
static void test_after_sleep(void **state)
{
    struct rig rig;
    rig_init(&rig, few, 3);
    rig.server.mailboxes = 1;
    rig.poll_ms = NEVER_MS;
    rig.connections = 1;
    rig.timeout_ms = 60000;
    atomic_store(&deaf, 0);
    atomic_store(&rig.server.hook, may_be_deaf);
    assert_int_equal(rig_start(&rig), SYNC_OK);
    assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
    int64_t before = clock_ms();
    atomic_store(&deaf, 1);
    atomic_fetch_sub(&rig.sync->workers[0].asleep, 3600000);
    assert_int_equal(rig_list(&rig, "M1"), SYNC_OK);
    assert_int_equal(rig_count(&rig, "M1"), 3);
    assert_int_equal(atomic_load(&rig.server.accepted), 2);
    assert_in_range(clock_ms() - before, CHECK_MS / 2, RIG_PATIENCE_MS);
    atomic_store(&deaf, 0);
    /* One that answers is kept. */
    atomic_fetch_sub(&rig.sync->workers[0].asleep, 3600000);
    rig_age(&rig, "M1");
    assert_int_equal(rig_list(&rig, "M1"), SYNC_OK);
    assert_int_equal(atomic_load(&rig.server.accepted), 2);
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_after_sleep),
    };
    message_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
