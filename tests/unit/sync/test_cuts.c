/*
 * sync/ against a server that asks to wait, and one whose connections end at any byte. Every
 * request ends, once, within its bound: with the right result, or with one error and nothing half
 * done.
 */
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "message/summary.h"
#include "sync/internal.h"
#include "tests/unit/sync/rig.h"

static const uint32_t few[] = {1, 2, 3, 10, 11};

static bool is(const char *command, const char *verb)
{
    return strncasecmp(command, verb, strlen(verb)) == 0;
}

/* ---- throttled ---- */

static atomic_uint throttled;
static const char *throttled_verb, *throttled_reply;
static unsigned throttle_times;
static bool throttled_bye;

static bool throttle(struct session *s, const char *tag, const char *command)
{
    if (!is(command, throttled_verb) || atomic_fetch_add(&throttled, 1) >= throttle_times)
        return false;
    if (throttled_bye)
        session_send(s, "* BYE %s\r\n", throttled_reply);
    else
        session_send(s, "%s %s\r\n", tag, throttled_reply);
    if (throttled_bye)
        session_hang_up(s);
    return true;
}

static void set_throttle(struct rig *rig, const char *verb, const char *reply, unsigned times)
{
    atomic_store(&throttled, 0);
    throttled_verb = verb;
    throttled_reply = reply;
    throttle_times = times;
    throttled_bye = reply[0] == 'R';
    atomic_store(&rig->server.hook, throttle);
}

/* A back-off that fits into the bound is waited for, one that does not is told at once. */
static void test_throttled(void **state)
{
    static const struct {
        const char *verb, *reply;
        enum sync_error error;
        int64_t least_ms, most_ms;
    } rows[] = {
        {"UID FETCH", "NO Request is throttled. Suggested Backoff Time: 400 milliseconds",   SYNC_OK,
         400,                                                                                            2500},
        {"UID FETCH", "BAD Request is throttled. Suggested Backoff Time: 400 milliseconds",  SYNC_OK,
         400,                                                                                            2500},
        {"EXAMINE",   "BAD Request is throttled. Suggested Backoff Time: 400 milliseconds",  SYNC_OK,
         400,                                                                                            2500},
        {"UID FETCH", "Request is throttled. Suggested Backoff Time: 400 milliseconds",      SYNC_OK,
         400,                                                                                            2500},
        {"UID FETCH", "NO Request is throttled. Suggested Backoff Time: 92415 milliseconds",
         SYNC_ERR_THROTTLED,                                                                          0, 1500},
        {"UID FETCH", "Request is throttled. Suggested Backoff Time: 92415 milliseconds",
         SYNC_ERR_THROTTLED,                                                                          0, 1500},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (int body = 0; body < 2; body++) {
            struct rig rig;
            rig_init(&rig, few, 5);
            assert_int_equal(rig_start(&rig), SYNC_OK);
            if (body)
                assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
            set_throttle(&rig, rows[i].verb, rows[i].reply, 1);
            int64_t start = clock_ms();
            enum sync_error error = body ? rig_fetch(&rig, "INBOX", 3) : rig_list(&rig, "INBOX");
            int64_t took = clock_ms() - start;
            bool asked = !(body && is(rows[i].verb, "EXAMINE")); /* selected already */
            if (error != rows[i].error || took > rows[i].most_ms ||
                (asked && took < rows[i].least_ms))
                fail_msg("row %zu, body %d: error %d after %lld ms", i, body, (int)error,
                         (long long)took);
            rig_end(&rig);
        }
    }
}

/* LSUB is asked for beside LIST: its back-off counts as well. */
static void test_throttled_lsub(void **state)
{
    struct rig rig;
    rig_init(&rig, few, 5);
    set_throttle(&rig, "LSUB", "NO Request is throttled. Suggested Backoff Time: 600 milliseconds",
                 3);
    int64_t start = clock_ms();
    assert_int_equal(rig_start(&rig), SYNC_OK);
    assert_true(clock_ms() - start >= 1500);
    assert_true(atomic_load(&throttled) <= 5);
    rig_end(&rig);
}

/* ---- an empty LIST ---- */

static bool empty_list(struct session *s, const char *tag, const char *command)
{
    if (!is(command, "LIST") && !is(command, "LSUB"))
        return false;
    session_send(s, "%s OK completed.\r\n", tag);
    return true;
}

/* A server that lists nothing is out of its mind; the cache does not follow it. */
static void test_empty_list(void **state)
{
    struct rig rig;
    rig_init(&rig, few, 5);
    assert_int_equal(rig_start(&rig), SYNC_OK);
    assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
    rig_stop(&rig);
    atomic_store(&rig.server.hook, empty_list);
    assert_int_equal(rig_start(&rig), SYNC_OK); /* from the cache */
    assert_int_equal(rig_count(&rig, "INBOX"), 5);
    rig_end(&rig);
}

/* ---- cuts ---- */

enum { CUTS_MAX = 2500 };

/* One connection cut at byte `at`: the request is repeated on another and succeeds. All cut: one
 * error, nothing half done, and the next request succeeds. */
static void test_cut_listing(void **state)
{
    struct rig rig;
    rig_init(&rig, few, 3);
    rig.server.mailboxes = CUTS_MAX;
    assert_int_equal(rig_start(&rig), SYNC_OK);
    char name[16];
    long at = 0;
    bool cut = true;
    for (unsigned i = 1; cut && i < CUTS_MAX; i += 2, at++) {
        snprintf(name, sizeof name, "M%u", i);
        atomic_store(&rig.server.cut_at, at);
        atomic_store(&rig.server.cut_times, 1);
        assert_int_equal(rig_list(&rig, name), SYNC_OK);
        assert_true(rig_listed(&rig, name));
        assert_int_equal(rig_count(&rig, name), 3);
        cut = atomic_load(&rig.server.cut_times) == 0;
        snprintf(name, sizeof name, "M%u", i + 1);
        atomic_store(&rig.server.cut_at, at);
        atomic_store(&rig.server.cut_times, 100);
        enum sync_error error = rig_list(&rig, name);
        if (cut && (error != SYNC_ERR_UNREACHABLE || rig_listed(&rig, name)))
            fail_msg("cut at %ld: error %d", at, (int)error);
        atomic_store(&rig.server.cut_times, 0);
        assert_int_equal(rig_list(&rig, name), SYNC_OK);
        assert_int_equal(rig_count(&rig, name), 3);
    }
    assert_false(cut); /* the last one passed the end of the dialogue */
    assert_true(at > 300);
    rig_end(&rig);
}

static void test_cut_body(void **state)
{
    static uint32_t uids[CUTS_MAX];
    struct rig rig;
    for (uint32_t i = 0; i < CUTS_MAX; i++)
        uids[i] = i + 1;
    rig_init(&rig, uids, CUTS_MAX);
    assert_int_equal(rig_start(&rig), SYNC_OK);
    assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
    pthread_mutex_lock(&rig.sync->lock);
    rig.sync->cache_size = 0; /* no room for what nobody asked for: this is about single bodies */
    pthread_mutex_unlock(&rig.sync->lock);
    long at = 0;
    bool cut = true;
    for (uint32_t uid = 1; cut && uid < CUTS_MAX; uid += 2, at++) {
        atomic_store(&rig.server.cut_at, at);
        atomic_store(&rig.server.cut_times, 1);
        assert_int_equal(rig_fetch(&rig, "INBOX", uid), SYNC_OK);
        assert_true(rig_body_right(&rig, "INBOX", uid));
        cut = atomic_load(&rig.server.cut_times) == 0;
        atomic_store(&rig.server.cut_at, at);
        atomic_store(&rig.server.cut_times, 100);
        enum sync_error error = rig_fetch(&rig, "INBOX", uid + 1);
        bool here = rig_body_here(&rig, "INBOX", uid + 1);
        if (error != SYNC_OK && (error != SYNC_ERR_UNREACHABLE || here))
            fail_msg("cut at %ld: error %d", at, (int)error);
        atomic_store(&rig.server.cut_times, 0);
        assert_int_equal(rig_fetch(&rig, "INBOX", uid + 1), SYNC_OK);
        assert_true(rig_body_right(&rig, "INBOX", uid + 1));
    }
    assert_false(cut);
    assert_true(at > 60);
    rig_end(&rig);
}

/* A sign-in that is cut at any byte is one error, and the mount that fails leaves nothing. */
static atomic_long sign_in_left;

static bool cut_sign_in(struct session *s, const char *tag, const char *command)
{
    static const char *const replies[][2] = {
        {"CAPABILITY", "* CAPABILITY IMAP4rev1 NAMESPACE\r\n%s OK done\r\n"  },
        {"LOGIN",      "%s OK done\r\n"                                      },
        {"NAMESPACE",  "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n%s OK done\r\n"},
        {"LIST",       "* LIST () \"/\" INBOX\r\n%s OK done\r\n"             },
        {"LSUB",       "* LSUB () \"/\" INBOX\r\n%s OK done\r\n"             },
    };
    char text[256] = "";
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
        const char *hole = strstr(replies[i][1], "%s");
        if (is(command, replies[i][0]))
            snprintf(text, sizeof text, "%.*s%s%s", (int)(hole - replies[i][1]), replies[i][1], tag,
                     hole + 2);
    }
    long len = (long)strlen(text), left = atomic_load(&sign_in_left);
    long send = len < left ? len : left;
    session_write(s, text, (size_t)send);
    atomic_fetch_sub(&sign_in_left, send);
    if (send < len)
        session_hang_up(s);
    return true;
}

static void test_cut_sign_in(void **state)
{
    bool good = false;
    for (long at = 0; !good; at += 5) {
        struct rig rig;
        rig_init(&rig, few, 0);
        rig.connections = 1;
        atomic_store(&sign_in_left, at);
        atomic_store(&rig.server.hook, cut_sign_in);
        enum sync_error error = rig_start(&rig);
        good = error == SYNC_OK;
        if (!good && (error != SYNC_ERR_UNREACHABLE || rig.text[0] == '\0' || rig.sync != NULL))
            fail_msg("cut at %ld: error %d, %s", at, (int)error, rig.text);
        rig_end(&rig);
        assert_true(at < 600);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_throttled),  cmocka_unit_test(test_throttled_lsub),
        cmocka_unit_test(test_empty_list), cmocka_unit_test(test_cut_listing),
        cmocka_unit_test(test_cut_body),   cmocka_unit_test(test_cut_sign_in),
    };
    message_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
