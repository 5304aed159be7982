/* The table of states, told once more by hand, and every event tried in every state. */
#include "tests/unit/cache/journal_fixture.h"

#include "base/log.h"

enum { NO = JOURNAL_NONE, GONE = JOURNAL_STATES };

static const struct {
    enum journal_event event;
    enum journal_state from;
    unsigned to;
} allowed[] = {
    {JOURNAL_DO_SEND,    JOURNAL_INTENT,     JOURNAL_SENT   },
    {JOURNAL_DO_RETURN,  JOURNAL_SENT,       JOURNAL_INTENT },
    {JOURNAL_DO_SUCCEED, JOURNAL_SENT,       JOURNAL_DONE   },
    {JOURNAL_DO_SUCCEED, JOURNAL_HELD,       JOURNAL_DONE   },
    {JOURNAL_DO_REFUSE,  JOURNAL_INTENT,     JOURNAL_REFUSED},
    {JOURNAL_DO_REFUSE,  JOURNAL_SENT,       JOURNAL_REFUSED},
    {JOURNAL_DO_HOLD,    JOURNAL_INTENT,     JOURNAL_HELD   },
    {JOURNAL_DO_HOLD,    JOURNAL_SENT,       JOURNAL_HELD   },
    {JOURNAL_DO_RETRY,   JOURNAL_REFUSED,    JOURNAL_INTENT },
    {JOURNAL_DO_RETRY,   JOURNAL_UNFINISHED, JOURNAL_INTENT },
    {JOURNAL_DO_RETRY,   JOURNAL_HELD,       JOURNAL_INTENT },
    {JOURNAL_DO_FINISH,  JOURNAL_DONE,       GONE           },
    {JOURNAL_DO_DROP,    JOURNAL_INTENT,     GONE           },
    {JOURNAL_DO_DROP,    JOURNAL_REFUSED,    GONE           },
    {JOURNAL_DO_DROP,    JOURNAL_UNFINISHED, GONE           },
    {JOURNAL_DO_DROP,    JOURNAL_HELD,       GONE           },
};

static unsigned expected(unsigned event, unsigned from)
{
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
        if (allowed[i].event == event && allowed[i].from == from)
            return allowed[i].to;
    return NO;
}

static int64_t row_in(struct rig *rig, enum journal_state state)
{
    struct journal_spool *spool = rig_spool(rig, 1, 100);
    struct journal_intent intent = rig_append(spool, 1);
    int64_t id = 0;
    assert_int_equal(journal_add(rig->journal, &intent, 1,
                                 state == JOURNAL_UNFINISHED ? state : JOURNAL_INTENT, &id),
                     CACHE_OK);
    journal_spool_close(&spool);
    rig_brings(rig, id, state);
    assert_int_equal(rig_state(rig, id), state);
    return id;
}

static void test_every_event_in_every_state(void **state)
{
    struct rig *rig = *state;
    for (unsigned event = 0; event < JOURNAL_EVENTS; event++) {
        for (unsigned from = JOURNAL_INTENT; from < JOURNAL_STATES; from++) {
            unsigned to = expected(event, from);
            int64_t id = row_in(rig, from);
            enum cache_error error = rig_do(rig, id, event);
            if (error != (to == NO ? CACHE_ERR_STATE : CACHE_OK))
                fail_msg("event %u in state %u: error %d", event, from, (int)error);
            unsigned after = to == NO ? from : to == GONE ? (unsigned)JOURNAL_NONE : to;
            assert_int_equal(rig_state(rig, id), after);
            assert_int_equal(journal_next(event, from), to);
            if (after != JOURNAL_NONE)
                assert_true(rig_spool_is(rig, id, 1, 100)); /* bytes go with the row alone */
        }
    }
    assert_int_equal(journal_next(JOURNAL_EVENTS, JOURNAL_INTENT), JOURNAL_NONE);
    assert_int_equal(journal_next(JOURNAL_DO_SEND, JOURNAL_STATES), JOURNAL_NONE);
}

/* Only the user's word, or proof that nothing happened, leads back to where it is sent from. */
static void test_ways_back_to_intent(void **state)
{
    for (unsigned event = 0; event < JOURNAL_EVENTS; event++)
        for (unsigned from = 0; from < JOURNAL_STATES; from++)
            if (journal_next(event, from) == JOURNAL_INTENT)
                assert_true(event == JOURNAL_DO_RETRY ||
                            (event == JOURNAL_DO_RETURN && from == JOURNAL_SENT));
}

int main(void)
{
    log_open("/dev/null");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_event_in_every_state, rig_setup, rig_teardown),
        cmocka_unit_test(test_ways_back_to_intent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
