/*
 * sync/ against a server that breaks: silence, dribble, refusals, a UIDVALIDITY that changes, a
 * token that runs out; and an end at any moment. Every request ends, once, within its bound.
 */
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "message/summary.h"
#include "tests/unit/sync/rig.h"

static const uint32_t few[] = {1, 2, 3, 10, 11};

static bool is(const char *command, const char *verb)
{
    return strncasecmp(command, verb, strlen(verb)) == 0;
}

/* ---- silence ---- */

static const char *silent_verb;

static bool silent(struct session *s, const char *tag, const char *command)
{
    s->mute |= is(command, silent_verb);
    return s->mute;
}

/* The bound is the bound, whatever it is that does not come. */
static void test_silence(void **state)
{
    static const struct {
        const char *verb;
        bool start, body;
    } rows[] = {
        {"LOGIN",     true,  false},
        {"NAMESPACE", true,  false},
        {"LIST",      true,  false},
        {"LSUB",      true,  false},
        {"EXAMINE",   false, false},
        {"UID FETCH", false, false},
        {"UID FETCH", false, true },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rig rig;
        rig_init(&rig, few, 5);
        rig.timeout_ms = 300;
        silent_verb = rows[i].verb;
        atomic_store(&rig.server.hook, rows[i].start ? silent : NULL);
        int64_t start = clock_ms();
        enum sync_error error = rig_start(&rig);
        if (!rows[i].start) {
            assert_int_equal(error, SYNC_OK);
            if (rows[i].body)
                assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
            atomic_store(&rig.server.hook, silent);
            start = clock_ms();
            error = rows[i].body ? rig_fetch(&rig, "INBOX", 2) : rig_list(&rig, "INBOX");
        }
        int64_t took = clock_ms() - start;
        if (error != SYNC_ERR_UNREACHABLE || took < 250 || took > 3000)
            fail_msg("%s: error %d after %lld ms", rows[i].verb, (int)error, (long long)took);
        if (!rows[i].start) {
            atomic_store(&rig.server.hook, NULL); /* the server comes round */
            error = SYNC_ERR_UNREACHABLE;
            for (int again = 0; again < 3 && error != SYNC_OK; again++) /* on the mute connection */
                error = rig_list(&rig, "INBOX");
            assert_int_equal(error, SYNC_OK);
            assert_int_equal(rig_fetch(&rig, "INBOX", 3), SYNC_OK);
        }
        rig_end(&rig);
    }
}

/* A byte now and then is no progress; many KiB, slowly, are. */
static bool dribble(struct session *s, const char *tag, const char *command)
{
    uint32_t uid, last;
    if (!command_range(command, &uid, &last))
        return false;
    session_send(s, "* 1 FETCH (UID %u BODY[] {60000}\r\n", uid);
    while (session_write(s, "x", 1))
        usleep(20000);
    return true;
}

static bool slow(struct session *s, const char *tag, const char *command)
{
    uint32_t uid, last;
    size_t len;
    if (!command_range(command, &uid, &last))
        return false;
    char *body = server_body(s->server, uid, &len);
    session_send(s, "* 1 FETCH (UID %u BODY[] {%zu}\r\n", uid, len);
    for (size_t at = 0; at < len; at += 2000) {
        session_write(s, body + at, len - at < 2000 ? len - at : 2000);
        usleep(50000);
    }
    free(body);
    session_send(s, ")\r\n%s OK done\r\n", tag);
    return true;
}

static void test_dribble(void **state)
{
    struct rig rig;
    rig_init(&rig, few, 5);
    rig.timeout_ms = 400;
    rig.server.body_bytes = 30000;
    assert_int_equal(rig_start(&rig), SYNC_OK);
    assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
    atomic_store(&rig.server.hook, slow);
    assert_int_equal(rig_fetch(&rig, "INBOX", 2),
                     SYNC_OK); /* not the first: none is fetched ahead */
    assert_true(rig_body_right(&rig, "INBOX", 2));
    atomic_store(&rig.server.hook, dribble);
    int64_t start = clock_ms();
    assert_int_equal(rig_fetch(&rig, "INBOX", 3), SYNC_ERR_UNREACHABLE);
    assert_true(clock_ms() - start < 3000);
    assert_false(rig_body_here(&rig, "INBOX", 3));
    rig_end(&rig);
}

/* A listing whose rows come slowly makes progress, too. */
static bool slow_rows(struct session *s, const char *tag, const char *command)
{
    if (strstr(command, "HEADER") == NULL)
        return false;
    for (size_t i = 0; i < atomic_load(&s->server->count); i++) {
        session_row(s, i);
        usleep(10000);
    }
    session_send(s, "%s OK done\r\n", tag);
    return true;
}

static void test_slow_listing(void **state)
{
    enum { ROWS = 120 };
    static uint32_t uids[ROWS];
    struct rig rig;
    for (uint32_t i = 0; i < ROWS; i++)
        uids[i] = i + 1;
    rig_init(&rig, uids, ROWS);
    rig.timeout_ms = 500;
    assert_int_equal(rig_start(&rig), SYNC_OK);
    atomic_store(&rig.server.hook, slow_rows);
    assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
    assert_int_equal(rig_count(&rig, "INBOX"), ROWS);
    rig_end(&rig);
}

/* ---- UIDVALIDITY ---- */

static void test_new_uidvalidity(void **state)
{
    struct rig rig;
    rig_init(&rig, few, 5);
    rig.server.mailboxes = 1;
    assert_int_equal(rig_start(&rig), SYNC_OK);
    assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
    assert_int_equal(rig_list(&rig, "M1"), SYNC_OK);
    int64_t old = rig_message(&rig, "INBOX", 3);
    atomic_store(&rig.server.uidvalidity, 8);
    struct told told;
    told_init(&told);
    sync_want_body(rig.sync, old, told_tell, &told); /* EXAMINE says that UIDs mean other mail */
    assert_int_equal(told_wait(&told), SYNC_ERR_GONE);
    assert_int_equal(rig_count(&rig, "INBOX"), 0);
    assert_false(rig_listed(&rig, "INBOX"));
    assert_int_equal(rig_count(&rig, "M1"), 5);
    assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
    assert_int_equal(rig_count(&rig, "INBOX"), 5);
    assert_int_not_equal(rig_message(&rig, "INBOX", 3), old);
    rig_end(&rig);
}

/* A refresh that meets a new UIDVALIDITY becomes a listing from the start. */
static void test_new_uidvalidity_at_refresh(void **state)
{
    for (int without = 0; without < 2; without++) {
        struct rig rig;
        rig_init(&rig, few, 5);
        rig.server.no_uidnext = without;
        assert_int_equal(rig_start(&rig), SYNC_OK);
        assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
        int64_t old = rig_message(&rig, "INBOX", 1);
        atomic_store(&rig.server.uidvalidity, 8);
        rig_age(&rig, "INBOX");
        assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
        assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
        assert_true(rig_listed(&rig, "INBOX"));
        assert_int_equal(rig_count(&rig, "INBOX"), 5);
        assert_int_not_equal(rig_message(&rig, "INBOX", 1), old);
        rig_end(&rig);
    }
}

/* ---- refusals ---- */

static bool refuse_examine(struct session *s, const char *tag, const char *command)
{
    if (!is(command, "EXAMINE"))
        return false;
    s->mailbox[0] = '\0';
    session_send(s, "%s NO Mailbox does not exist.\r\n", tag);
    return true;
}

static void test_examine_refused(void **state)
{
    struct rig rig;
    rig_init(&rig, few, 5);
    rig.server.mailboxes = 1;
    assert_int_equal(rig_start(&rig), SYNC_OK);
    assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
    assert_int_equal(rig_list(&rig, "M1"), SYNC_OK);
    atomic_store(&rig.server.hook, refuse_examine);
    assert_int_equal(rig_fetch(&rig, "INBOX", 1), SYNC_ERR_GONE);
    rig_age(&rig, "INBOX");
    enum sync_error refreshed = rig_list(&rig, "INBOX");
    assert_true(refreshed == SYNC_OK || refreshed == SYNC_ERR_GONE);
    assert_int_equal(rig_count(&rig, "INBOX"), 5); /* LIST decides what is lost, not a NO */
    atomic_store(&rig.server.hook, NULL);
    assert_int_equal(rig_fetch(&rig, "INBOX", 1), SYNC_OK);
    rig_end(&rig);
}

/* Outlook.com's way to say that there are too many connections: one has to do. */
static bool one_connection(struct session *s, const char *tag, const char *command)
{
    if (s->number == 1 || !is(command, "NAMESPACE"))
        return false;
    session_send(s, "%s BAD User is authenticated but not connected.\r\n", tag);
    return true;
}

static void test_second_connection_refused(void **state)
{
    enum { BODIES = 40 };
    static uint32_t uids[BODIES];
    static struct told told[BODIES * 2];
    struct rig rig;
    for (uint32_t i = 0; i < BODIES; i++)
        uids[i] = i + 1;
    rig_init(&rig, uids, BODIES);
    rig.server.mailboxes = 1;
    rig.connections = 3;
    rig.server.body_bytes = 50000;
    atomic_store(&rig.server.hook, one_connection);
    assert_int_equal(rig_start(&rig), SYNC_OK);
    assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
    assert_int_equal(rig_list(&rig, "M1"), SYNC_OK);
    for (size_t i = 0; i < (size_t)BODIES * 2; i++) {
        told_init(&told[i]);
        sync_want_body(rig.sync, rig_message(&rig, i % 2 ? "M1" : "INBOX", uids[i / 2]), told_tell,
                       &told[i]);
    }
    for (size_t i = 0; i < (size_t)BODIES * 2; i++)
        assert_int_equal(told_wait(&told[i]), SYNC_OK);
    rig_end(&rig);
}

/* ---- the token ---- */

/* The command prints the number of its run; the server wants another token from time to time. */
static bool expire(struct session *s, const char *tag, const char *command)
{
    if (!command_is_body(command) || s->number != 1)
        return false;
    s->server->password = "token-2";
    session_send(s, "* BYE Session invalidated - AccessTokenExpired\r\n");
    session_hang_up(s);
    return true;
}

static void test_token_renewed(void **state)
{
    struct rig rig;
    char command[200];
    rig_init(&rig, few, 5);
    rig.connections = 1;
    rig.server.password = "token-1";
    snprintf(command, sizeof command, "echo x >> %s/runs; echo token-$(wc -l < %s/runs)",
             rig.directory, rig.directory);
    rig.secret = command;
    assert_int_equal(rig_start(&rig), SYNC_OK);
    assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
    atomic_store(&rig.server.hook, expire);
    assert_int_equal(rig_fetch(&rig, "INBOX", 3), SYNC_OK);
    assert_true(rig_body_right(&rig, "INBOX", 3));
    rig_end(&rig);
}

/* One that is refused is renewed once, no more; and the same again is not even tried. */
static void test_token_refused(void **state)
{
    static const struct {
        const char *secret;
        int connections;
    } rows[] = {
        {"echo token-$$", 2},
        {"echo token",    1}
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rig rig;
        rig_init(&rig, few, 5);
        rig.server.password = "never";
        rig.secret = rows[i].secret;
        assert_int_equal(rig_start(&rig), SYNC_ERR_AUTH);
        assert_int_equal(atomic_load(&rig.server.accepted), rows[i].connections);
        assert_non_null(strstr(rig.text, "refused the sign-in"));
        rig_end(&rig);
    }
}

/* ---- the end, at any moment ---- */

static void test_stop_at_any_moment(void **state)
{
    enum { REQUESTS = 12, ROUNDS = 40 };
    struct told told[REQUESTS];
    srand(7);
    for (int round = 0; round < ROUNDS; round++) {
        struct rig rig;
        rig_init(&rig, few, 5);
        rig.server.mailboxes = 6;
        rig.connections = 3;
        assert_int_equal(rig_start(&rig), SYNC_OK);
        assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
        silent_verb = round % 3 == 0 ? "NAMESPACE" : "UID FETCH";
        atomic_store(&rig.server.hook, round % 3 == 2 ? NULL : silent);
        char name[8];
        for (int i = 0; i < REQUESTS; i++) {
            told_init(&told[i]);
            snprintf(name, sizeof name, "M%d", i % 6 + 1);
            if (i % 2)
                sync_want_body(rig.sync, rig_message(&rig, "INBOX", few[i % 5]), told_tell,
                               &told[i]);
            else
                sync_want_listing(rig.sync, rig_mailbox(&rig, name), told_tell, &told[i]);
        }
        usleep((useconds_t)(rand() % 4000));
        int64_t start = clock_ms();
        rig_stop(&rig);
        assert_true(clock_ms() - start < 2500);
        for (int i = 0; i < REQUESTS; i++) {
            if (told[i].times != 1 ||
                (told[i].error != SYNC_OK && told[i].error != SYNC_ERR_STOPPING))
                fail_msg("round %d: told %d times, error %d", round, told[i].times,
                         (int)told[i].error);
        }
        rig_end(&rig);
    }
}

/* Stopped while a token command asks a person. */
static void test_stop_while_a_command_runs(void **state)
{
    struct rig rig;
    char command[200];
    struct told told;
    rig_init(&rig, few, 5);
    rig.connections = 1;
    rig.server.password = "token";
    snprintf(command, sizeof command, "if test -e %s/slow; then sleep 30; fi; echo token",
             rig.directory);
    rig.secret = command;
    assert_int_equal(rig_start(&rig), SYNC_OK);
    assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
    char path[80];
    snprintf(path, sizeof path, "%s/slow", rig.directory);
    FILE *mark = fopen(path, "w");
    assert_non_null(mark);
    fclose(mark);
    atomic_store(&rig.server.hook, expire);
    told_init(&told);
    sync_want_body(rig.sync, rig_message(&rig, "INBOX", 1), told_tell, &told);
    usleep(300000);
    int64_t start = clock_ms();
    rig_stop(&rig);
    assert_true(clock_ms() - start < 2500);
    assert_int_equal(told.times, 1);
    assert_int_equal(told.error, SYNC_ERR_STOPPING);
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_dribble),
        cmocka_unit_test(test_slow_listing),
        cmocka_unit_test(test_new_uidvalidity),
        cmocka_unit_test(test_new_uidvalidity_at_refresh),
        cmocka_unit_test(test_examine_refused),
        cmocka_unit_test(test_second_connection_refused),
        cmocka_unit_test(test_token_renewed),
        cmocka_unit_test(test_token_refused),
        cmocka_unit_test(test_stop_at_any_moment),
        cmocka_unit_test(test_stop_while_a_command_runs),
    };
    message_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
