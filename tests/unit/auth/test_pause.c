/* How soon a login may be renewed again (auth/pause.h), by a clock that the tests set. */
#include "tests/unit/test.h"

#include <string.h>

#include "auth/pause.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND };

static struct buffer token(const char *text)
{
    struct buffer b;
    buffer_init(&b, 100);
    assert_true(buffer_append_text(&b, text));
    return b;
}

static void fails(struct auth_pause *pause, const struct buffer *refresh, int64_t now,
                  enum auth_error error)
{
    auth_pause_begin(pause, refresh);
    auth_pause_failed(pause, now, error, "why");
}

static bool stands(const struct auth_pause *pause, const struct buffer *refresh, int64_t now)
{
    enum auth_error error = AUTH_OK;
    char text[AUTH_TEXT_MAX] = "";
    bool it_does = auth_pause_stands(pause, refresh, now, &error, text);
    assert_int_equal(error, it_does ? pause->error : AUTH_OK);
    assert_string_equal(text, it_does ? "why" : "");
    return it_does;
}

/* A second, two, four, ... and half a minute from then on. */
static void test_longer_and_longer(void **state)
{
    static const int64_t lengths[] = {1, 2, 4, 8, 16, 30, 30, 30};
    struct auth_pause pause = {0};
    struct buffer refresh = token("refresh");
    int64_t now = 5 * SECOND;
    assert_false(stands(&pause, &refresh, 0));
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        fails(&pause, &refresh, now, AUTH_ERR_NETWORK);
        assert_true(stands(&pause, &refresh, now + lengths[i] * SECOND - 1));
        now += lengths[i] * SECOND;
        assert_false(stands(&pause, &refresh, now));
    }
    auth_pause_begin(&pause, &refresh);
    auth_pause_done(&pause, false, now);
    assert_false(stands(&pause, &refresh, now));
    fails(&pause, &refresh, now, AUTH_ERR_STORE);
    assert_false(stands(&pause, &refresh, now + SECOND)); /* the count begins anew */
    buffer_wipe(&refresh);
}

static void test_refused_for_long(void **state)
{
    struct auth_pause pause = {0};
    struct buffer refresh = token("refresh"), other = token("refresh-of-a-new-login");
    fails(&pause, &refresh, 0, AUTH_ERR_REFUSED);
    assert_true(stands(&pause, &refresh, 5 * MINUTE - 1));
    assert_false(stands(&pause, &other, 1)); /* somebody has signed in */
    assert_false(stands(&pause, &refresh, 5 * MINUTE));
    fails(&pause, &other, 1, AUTH_ERR_NETWORK);
    assert_false(stands(&pause, &other, 1 + SECOND)); /* the first failure of this one */
    buffer_wipe(&refresh);
    buffer_wipe(&other);
}

static void test_cancelled_is_no_failure(void **state)
{
    struct auth_pause pause = {0};
    struct buffer refresh = token("refresh");
    fails(&pause, &refresh, 0, AUTH_ERR_CANCELLED);
    assert_false(stands(&pause, &refresh, 0));
    buffer_wipe(&refresh);
}

static void test_early_refusals(void **state)
{
    struct auth_pause pause = {0};
    auth_pause_done(&pause, false, 0);
    assert_false(auth_pause_refusals(&pause, 0));
    auth_pause_done(&pause, true, MINUTE);
    assert_true(auth_pause_refusals(&pause, 6 * MINUTE - 1));
    assert_false(auth_pause_refusals(&pause, 6 * MINUTE));
    auth_pause_done(&pause, false, 2 * MINUTE); /* its time was over: not what is counted here */
    assert_true(auth_pause_refusals(&pause, 3 * MINUTE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_longer_and_longer),
        cmocka_unit_test(test_refused_for_long),
        cmocka_unit_test(test_cancelled_is_no_failure),
        cmocka_unit_test(test_early_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
