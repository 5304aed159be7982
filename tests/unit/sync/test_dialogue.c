/*
 * sync/ against a server that mostly behaves: listings, refreshes and bodies, and the odd but legal
 * ways in which servers answer. What breaks is in test_faults.c.
 */
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "message/summary.h"
#include "tests/unit/sync/rig.h"

static const uint32_t few[] = {1, 2, 3, 10, 11};
static const uint32_t sparse[] = {1, 1000000, 4000000000};

static void test_list_and_fetch(void **state)
{
    struct rig rig;
    rig_init(&rig, few, 5);
    rig.server.mailboxes = 2;
    assert_int_equal(rig_start(&rig), SYNC_OK);
    assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
    assert_true(rig_listed(&rig, "INBOX"));
    assert_int_equal(rig_count(&rig, "INBOX"), 5);
    assert_false(rig_listed(&rig, "M1"));
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(rig_fetch(&rig, "INBOX", few[i]), SYNC_OK);
        assert_true(rig_body_right(&rig, "INBOX", few[i]));
    }
    assert_int_equal(rig_list(&rig, "M2"), SYNC_OK);
    assert_int_equal(rig_count(&rig, "M2"), 5);
    rig_end(&rig);
}

static void test_empty_mailbox(void **state)
{
    for (int without = 0; without < 2; without++) {
        struct rig rig;
        rig_init(&rig, few, 0);
        rig.server.no_uidnext = without;
        assert_int_equal(rig_start(&rig), SYNC_OK);
        assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
        assert_true(rig_listed(&rig, "INBOX"));
        rig_end(&rig);
    }
}

/* What comes later shows, what was listed stays, with and without UIDNEXT. */
static void test_new_mail(void **state)
{
    for (int without = 0; without < 2; without++) {
        struct rig rig;
        rig_init(&rig, few, 3);
        rig.server.no_uidnext = without;
        assert_int_equal(rig_start(&rig), SYNC_OK);
        assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
        assert_int_equal(rig_count(&rig, "INBOX"), 3);
        atomic_store(&rig.server.count, 5);
        rig_age(&rig, "INBOX");
        assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
        assert_int_equal(rig_count(&rig, "INBOX"), 5);
        rig_end(&rig);
    }
}

static void test_removed(void **state)
{
    static const uint32_t left[] = {1, 3, 11};
    struct rig rig;
    rig_init(&rig, few, 5);
    assert_int_equal(rig_start(&rig), SYNC_OK);
    assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
    rig.server.uids = left;
    atomic_store(&rig.server.count, 3);
    rig_age(&rig, "INBOX");
    assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
    assert_int_equal(rig_count(&rig, "INBOX"), 3);
    assert_int_equal(rig_message(&rig, "INBOX", 2), 0);
    assert_int_not_equal(rig_message(&rig, "INBOX", 3), 0);
    rig_end(&rig);
}

/* The server names one message twice and keeps another to itself: none of them went. */
static bool forgetful(struct session *s, const char *tag, const char *command)
{
    uint32_t first, last;
    if (!command_range(command, &first, &last) || strstr(command, "(UID FLAGS)") == NULL)
        return false;
    session_flags(s, 0);
    session_flags(s, 0);
    session_flags(s, 1);
    session_flags(s, 3);
    session_flags(s, 3);
    session_send(s, "* 9 FETCH (UID 77 FLAGS ())\r\n%s OK done\r\n", tag);
    return true;
}

static void test_a_message_left_out_is_not_gone(void **state)
{
    struct rig rig;
    rig_init(&rig, few, 5);
    assert_int_equal(rig_start(&rig), SYNC_OK);
    assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
    atomic_store(&rig.server.count, 4); /* 11 went, and 3 is not named */
    atomic_store(&rig.server.hook, forgetful);
    rig_age(&rig, "INBOX");
    assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
    assert_int_not_equal(rig_message(&rig, "INBOX", 3), 0);
    rig_end(&rig);
}

static void test_sparse(void **state)
{
    for (int without = 0; without < 2; without++) {
        struct rig rig;
        rig_init(&rig, sparse, 3);
        rig.server.no_uidnext = without;
        assert_int_equal(rig_start(&rig), SYNC_OK);
        assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
        assert_int_equal(rig_count(&rig, "INBOX"), 3);
        assert_int_equal(rig_fetch(&rig, "INBOX", 4000000000), SYNC_OK);
        assert_true(rig_body_right(&rig, "INBOX", 4000000000));
        assert_true(atomic_load(&rig.server.fetches) < 20);
        rig_end(&rig);
    }
}

static void test_many(void **state)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    enum { MANY = 8000 };
#else
    enum { MANY = 100000 };
#endif
    static uint32_t uids[MANY];
    struct rig rig;
    struct rusage before, after;
    for (uint32_t i = 0; i < MANY; i++)
        uids[i] = i * 3 + 1;
    rig_init(&rig, uids, MANY);
    assert_int_equal(rig_start(&rig), SYNC_OK);
    getrusage(RUSAGE_SELF, &before);
    assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
    assert_int_equal(rig_count(&rig, "INBOX"), MANY);
    rig_age(&rig, "INBOX");
    atomic_store(&rig.server.count, MANY - 2);
    assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
    getrusage(RUSAGE_SELF, &after);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_true(after.ru_maxrss - before.ru_maxrss < 48 * 1024);
#endif
    rig_end(&rig);
}

/* ---- odd answers to a body's FETCH ---- */

static bool body_before_uid(struct session *s, uint32_t uid)
{
    size_t len;
    char *body = server_body(s->server, uid, &len);
    session_send(s, "* 1 FETCH (BODY[] {%zu}\r\n", len);
    session_write(s, body, len);
    free(body);
    return session_send(s, " UID %u)\r\n", uid);
}

static bool body_twice(struct session *s, uint32_t uid)
{
    return session_body(s, uid) && session_send(s, "* 1 FETCH (UID %u BODY[] {3}\r\nxyz)\r\n", uid);
}

static bool stranger_first(struct session *s, uint32_t uid)
{
    return session_body(s, uid + 1000) && session_send(s, "* 4 FETCH (FLAGS (\\Seen))\r\n") &&
           session_body(s, uid);
}

static bool in_quotes(struct session *s, uint32_t uid)
{
    return session_send(s, "* 1 FETCH (UID %u BODY[] \"Subject: x\")\r\n", uid);
}

static bool nothing(struct session *s, uint32_t uid)
{
    return true;
}

static bool nil(struct session *s, uint32_t uid)
{
    return session_send(s, "* 1 FETCH (UID %u BODY[] NIL)\r\n", uid);
}

static bool without_uid(struct session *s, uint32_t uid)
{
    return session_send(s, "* 1 FETCH (BODY[] {3}\r\nxyz)\r\n");
}

static bool placeholder(struct session *s, uint32_t uid)
{
    static const char text[] = "Subject: Retrieval using the IMAP4 protocol failed for the "
                               "following message: 1\r\n\r\n";
    return session_send(s, "* 1 FETCH (UID %u BODY[] {%zu}\r\n%s)\r\n", uid, sizeof text - 1, text);
}

/* The literal is longer than it says: what is left of it is no IMAP. */
static bool literal_too_short(struct session *s, uint32_t uid)
{
    return session_send(s, "* 1 FETCH (UID %u BODY[] {3}\r\nabcdefghij)\r\n", uid);
}

/* Nobody asked for a part, and it need not be the whole. */
static bool a_part(struct session *s, uint32_t uid)
{
    return session_send(s, "* 1 FETCH (UID %u BODY[]<0> {10}\r\nSubject: x)\r\n", uid);
}

static const struct odd_body {
    const char *name;
    bool (*answer)(struct session *s, uint32_t uid);
    const char *reply;
    enum sync_error error;
    bool here, same;
} odd_bodies[] = {
    {"body before UID",   body_before_uid,   "OK done",                   SYNC_OK,              true,  true },
    {"body twice",        body_twice,        "OK done",                   SYNC_OK,              true,  true },
    {"another's first",   stranger_first,    "OK done",                   SYNC_OK,              true,  true },
    {"in quotes",         in_quotes,         "OK done",                   SYNC_OK,              true,  false},
    {"OK without a body", nothing,           "OK FETCH completed.",       SYNC_ERR_UNFETCHABLE, false, false},
    {"NIL",               nil,               "OK done",                   SYNC_ERR_UNFETCHABLE, false, false},
    {"no UID",            without_uid,       "OK done",                   SYNC_ERR_UNFETCHABLE, false, false},
    {"placeholder",       placeholder,       "OK done",                   SYNC_ERR_UNFETCHABLE, false, false},
    {"a part",            a_part,            "OK done",                   SYNC_ERR_UNFETCHABLE, false, false},
    {"NO",                nothing,           "NO such luck",              SYNC_ERR_UNFETCHABLE, false, false},
    {"BAD",               nothing,           "BAD what",                  SYNC_ERR_UNFETCHABLE, false, false},
    {"unavailable",       nothing,           "NO Server Unavailable. 15", SYNC_ERR_UNREACHABLE, false, false},
    {"literal too short", literal_too_short, "OK done",                   SYNC_ERR_UNFETCHABLE, false, false},
};

static const struct odd_body *odd;

static bool answer_oddly(struct session *s, const char *tag, const char *command)
{
    uint32_t first, last;
    if (!command_range(command, &first, &last) || !command_is_body(command))
        return false;
    odd->answer(s, first);
    session_send(s, "%s %s\r\n", tag, odd->reply);
    return true;
}

static void test_odd_bodies(void **state)
{
    for (size_t i = 0; i < sizeof odd_bodies / sizeof *odd_bodies; i++) {
        struct rig rig;
        odd = &odd_bodies[i];
        rig_init(&rig, few, 5);
        assert_int_equal(rig_start(&rig), SYNC_OK);
        assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
        atomic_store(&rig.server.hook, answer_oddly);
        enum sync_error error = rig_fetch(&rig, "INBOX", 10);
        if (error != odd->error || rig_body_here(&rig, "INBOX", 10) != odd->here ||
            (odd->same && !rig_body_right(&rig, "INBOX", 10)))
            fail_msg("%s: error %d", odd->name, (int)error);
        atomic_store(&rig.server.hook, NULL); /* nothing of it stays */
        assert_int_equal(rig_fetch(&rig, "INBOX", 3), SYNC_OK);
        assert_true(rig_body_right(&rig, "INBOX", 3));
        rig_end(&rig);
    }
}

/* Another client took the message away: OK and nothing, for its bytes and for itself. */
static bool answer_nothing(struct session *s, const char *tag, const char *command)
{
    uint32_t first, last;
    if (!command_range(command, &first, &last) || first != 10 || last != 10)
        return false;
    session_send(s, "%s OK FETCH completed.\r\n", tag);
    return true;
}

static void test_body_of_what_went(void **state)
{
    struct rig rig;
    rig_init(&rig, few, 5);
    assert_int_equal(rig_start(&rig), SYNC_OK);
    assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
    atomic_store(&rig.server.hook, answer_nothing);
    assert_int_equal(rig_fetch(&rig, "INBOX", 10), SYNC_ERR_GONE);
    rig_end(&rig);
}

/* The session still counts it, and tells flags of it, until it is asked for news. */
static atomic_bool asked_for_news;

static bool answer_of_the_past(struct session *s, const char *tag, const char *command)
{
    uint32_t first, last;
    if (strcmp(command, "NOOP") == 0) {
        atomic_store(&asked_for_news, true);
        return session_send(
            s, "* 2 FETCH (UID 10 FLAGS (\\Deleted))\r\n* 2 EXPUNGE\r\n%s OK done\r\n", tag);
    }
    if (!command_range(command, &first, &last) || first != 10 || last != 10)
        return false;
    if (!command_is_body(command) && !atomic_load(&asked_for_news))
        session_send(s, "* 2 FETCH (UID 10)\r\n");
    session_send(s, "%s OK FETCH completed.\r\n", tag);
    return true;
}

/* It is there, and comes once the mailbox is opened anew. */
static bool answer_at_second_sight(struct session *s, const char *tag, const char *command)
{
    uint32_t first, last;
    if (atomic_load(&s->server->examines) > 1 || !command_range(command, &first, &last) ||
        !command_is_body(command))
        return false;
    session_send(s, "%s OK FETCH completed.\r\n", tag);
    return true;
}

static void test_body_in_doubt(void **state)
{
    struct rig rig;
    rig_init(&rig, few, 5);
    rig.connections = 1;
    assert_int_equal(rig_start(&rig), SYNC_OK);
    assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
    assert_int_equal(atomic_load(&rig.server.examines), 1);
    atomic_store(&rig.server.hook, answer_at_second_sight);
    assert_int_equal(rig_fetch(&rig, "INBOX", 10), SYNC_OK);
    assert_true(rig_body_right(&rig, "INBOX", 10));
    rig_end(&rig);
    rig_init(&rig, few, 5);
    assert_int_equal(rig_start(&rig), SYNC_OK);
    assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
    atomic_store(&asked_for_news, false);
    atomic_store(&rig.server.hook, answer_of_the_past);
    assert_int_equal(rig_fetch(&rig, "INBOX", 10), SYNC_ERR_GONE);
    rig_end(&rig);
}

/* Many at once, over few connections and mailboxes: each told once, each right. */
static void test_crowd(void **state)
{
    enum { CROWD = 60 };
    static uint32_t uids[CROWD];
    static struct told told[CROWD * 2];
    static const char *const names[] = {"M1", "M2"};
    for (unsigned connections = 1; connections <= 3; connections++) {
        struct rig rig;
        for (uint32_t i = 0; i < CROWD; i++)
            uids[i] = i + 1;
        rig_init(&rig, uids, CROWD);
        rig.server.mailboxes = 2;
        rig.server.body_bytes = 30000;
        rig.connections = connections;
        assert_int_equal(rig_start(&rig), SYNC_OK);
        for (size_t m = 0; m < 2; m++)
            assert_int_equal(rig_list(&rig, names[m]), SYNC_OK);
        for (size_t i = 0; i < (size_t)CROWD * 2; i++) {
            told_init(&told[i]);
            sync_want_body(rig.sync, rig_message(&rig, names[i % 2], uids[i / 2]), told_tell,
                           &told[i]);
        }
        for (size_t i = 0; i < (size_t)CROWD * 2; i++) {
            assert_int_equal(told_wait(&told[i]), SYNC_OK);
            assert_true(rig_body_right(&rig, names[i % 2], uids[i / 2]));
        }
        rig_end(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list_and_fetch),
        cmocka_unit_test(test_empty_mailbox),
        cmocka_unit_test(test_new_mail),
        cmocka_unit_test(test_removed),
        cmocka_unit_test(test_a_message_left_out_is_not_gone),
        cmocka_unit_test(test_sparse),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_odd_bodies),
        cmocka_unit_test(test_body_of_what_went),
        cmocka_unit_test(test_body_in_doubt),
        cmocka_unit_test(test_crowd),
    };
    message_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
