/*
 * The looks that nobody asks for (sync/watch.c, poll.c): Inbox is watched, gives way to work, and
 * is watched again; other mailboxes are polled; a server that was away is found again.
 */
#include "tests/unit/test.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "message/summary.h"
#include "tests/unit/sync/changing.h"

static const uint32_t few[] = {1, 2, 3, 10, 11};

enum { NEVER_MS = 3600000, OFTEN_MS = 100 };

#define WITH_IDLE "IMAP4rev1 LITERAL+ NAMESPACE IDLE"

/* Until the condition holds, within the rig's patience. */
static bool comes(bool (*condition)(struct rig *rig), struct rig *rig)
{
    int64_t deadline = clock_ms() + RIG_PATIENCE_MS;
    while (!condition(rig)) {
        if (clock_ms() > deadline)
            return false;
        usleep(5000);
    }
    return true;
}

static bool pushed(struct rig *rig)
{
    return server_push(&rig->server) > 0;
}

static bool inbox_has_five(struct rig *rig)
{
    return rig_count(rig, "INBOX") == 5;
}

static bool m1_has_five(struct rig *rig)
{
    return rig_count(rig, "M1") == 5;
}

static void start(struct rig *rig, const char *capabilities, int64_t poll_ms)
{
    rig_init(rig, few, 3);
    rig->server.mailboxes = 1;
    rig->server.capabilities = capabilities;
    rig->poll_ms = poll_ms;
}

static void test_inbox_is_watched(void **state)
{
    for (unsigned connections = 1; connections <= 2; connections++) {
        struct rig rig;
        start(&rig, WITH_IDLE, NEVER_MS);
        rig.connections = connections;
        assert_int_equal(rig_start(&rig), SYNC_OK);
        assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
        assert_true(comes(pushed, &rig));
        assert_int_equal(rig_count(&rig, "INBOX"), 3);
        atomic_store(&rig.server.count, 5);
        assert_true(comes(pushed, &rig));
        assert_true(comes(inbox_has_five, &rig));
        rig_end(&rig);
    }
}

/* Work in another mailbox is done while it watches, and it watches again. */
static void test_it_gives_way(void **state)
{
    struct rig rig;
    start(&rig, WITH_IDLE, NEVER_MS);
    rig.connections = 1;
    assert_int_equal(rig_start(&rig), SYNC_OK);
    assert_int_equal(rig_list(&rig, "M1"), SYNC_OK);
    for (size_t i = 0; i < 3; i++) {
        assert_true(comes(pushed, &rig));
        assert_int_equal(rig_fetch(&rig, "M1", few[i]), SYNC_OK);
        assert_true(rig_body_right(&rig, "M1", few[i]));
    }
    assert_int_equal(atomic_load(&rig.server.accepted), 1);
    rig_end(&rig);
}

/* Without IDLE too; a poll in which nothing changed asks for no message. */
static void test_others_are_polled(void **state)
{
    struct rig rig;
    start(&rig, NULL, OFTEN_MS);
    assert_int_equal(rig_start(&rig), SYNC_OK);
    assert_int_equal(rig_list(&rig, "M1"), SYNC_OK);
    atomic_store(&rig.server.count, 5);
    assert_true(comes(m1_has_five, &rig));
    rig_end(&rig);
}

static bool polled_twice(struct rig *rig)
{
    return atomic_load(&rig->server.statuses) >= 3;
}

/* Nobody asks for anything: the connection that went is made again. */
static void test_found_again(void **state)
{
    struct rig rig;
    start(&rig, WITH_IDLE, NEVER_MS);
    assert_int_equal(rig_start(&rig), SYNC_OK);
    assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
    assert_true(comes(pushed, &rig));
    unsigned before = atomic_load(&rig.server.accepted);
    for (size_t i = 0; i < SESSIONS_MAX; i++) {
        pthread_mutex_lock(&rig.server.lock);
        if (rig.server.sessions[i].used && !rig.server.sessions[i].over)
            session_hang_up(&rig.server.sessions[i]);
        pthread_mutex_unlock(&rig.server.lock);
    }
    atomic_store(&rig.server.count, 5);
    assert_true(comes(inbox_has_five, &rig));
    assert_true(atomic_load(&rig.server.accepted) > before);
    rig_end(&rig);
}

/* ---- a change while the watch opens Inbox ---- */

static atomic_bool holding, let_go;

/* Whether the client has sent a SELECT behind the command that is held. */
static bool select_came(const struct session *s)
{
    char bytes[2 * SERVER_LINE_MAX];
    size_t len = s->in_len;
    memcpy(bytes, s->in, len);
    ssize_t more = recv(s->fd, bytes + len, sizeof bytes - len, MSG_PEEK | MSG_DONTWAIT);
    len += more > 0 ? (size_t)more : 0;
    return memmem(bytes, len, "SELECT", 6) != NULL;
}

/* The answer to the watch's EXAMINE waits until the change has been sent, or has failed. */
static bool examine_held(struct session *s, const char *tag, const char *command)
{
    if (strncmp(command, "EXAMINE ", 8) == 0 && !atomic_load(&let_go)) {
        atomic_store(&holding, true);
        while (!atomic_load(&let_go) && !select_came(s))
            poll(&(struct pollfd){.fd = -1}, 1, 1);
    }
    return store_answer(s, tag, command);
}

static bool examine_is_held(struct rig *rig)
{
    return rig != NULL && atomic_load(&holding);
}

/* What is open for changes is another mailbox until EXAMINE is answered. */
static void test_a_change_behind_its_examine(void **state)
{
    struct rig rig;
    changing_init(&rig, 3);
    rig.poll_ms = NEVER_MS;
    rig.connections = 1;
    changing_start(&rig);
    assert_int_equal(changing_move(&rig, "INBOX", 1, "Archive"), SYNC_OK);
    atomic_store(&holding, false);
    atomic_store(&let_go, false);
    atomic_store(&rig.server.hook, examine_held);
    assert_int_equal(changing_store(&rig, "Archive", 1, "+\\Seen"), SYNC_OK);
    assert_true(comes(examine_is_held, &rig));
    enum sync_error error = changing_store(&rig, "INBOX", 2, "+\\Seen");
    atomic_store(&let_go, true);
    assert_int_equal(error, SYNC_OK);
    changing_end(&rig);
}

static void test_no_news_costs_no_fetch(void **state)
{
    struct rig rig;
    start(&rig, "IMAP4rev1 LITERAL+ NAMESPACE CONDSTORE", OFTEN_MS);
    assert_int_equal(rig_start(&rig), SYNC_OK);
    assert_int_equal(rig_list(&rig, "M1"), SYNC_OK);
    unsigned fetches = atomic_load(&rig.server.fetches);
    atomic_store(&rig.server.statuses, 0);
    assert_true(comes(polled_twice, &rig));
    assert_int_equal(atomic_load(&rig.server.fetches), fetches);
    rig_end(&rig);
}

/* ---- NOTIFY (RFC 5465) ---- */

#define WITH_NOTIFY WITH_IDLE " CONDSTORE NOTIFY"

static atomic_uint sets, nones;
static atomic_bool refusing;

static bool notifies(struct session *s, const char *tag, const char *command)
{
    if (strncmp(command, "NOTIFY SET STATUS (selected", 27) == 0) {
        atomic_fetch_add(&sets, 1);
        return session_send(s, atomic_load(&refusing) ? "%s NO not now\r\n" : "%s OK done\r\n",
                            tag);
    }
    if (strcmp(command, "NOTIFY NONE") == 0) {
        atomic_fetch_add(&nones, 1);
        return session_send(s, "%s OK done\r\n", tag);
    }
    return false;
}

/* To whoever idles; how many were told. */
static unsigned tell_idlers(struct rig *rig, const char *line)
{
    unsigned told = 0;
    pthread_mutex_lock(&rig->server.lock);
    for (size_t i = 0; i < SESSIONS_MAX; i++) {
        struct session *s = &rig->server.sessions[i];
        if (s->used && !s->over && s->idle_tag[0] != '\0')
            told += session_send(s, "%s\r\n", line);
    }
    pthread_mutex_unlock(&rig->server.lock);
    return told;
}

static bool polled(struct rig *rig)
{
    return atomic_load(&rig->server.statuses) > 0;
}

static bool told_of_m1(struct rig *rig)
{
    return tell_idlers(rig, "* STATUS M1 (UIDVALIDITY 7 MESSAGES 5 UIDNEXT 12)") > 0;
}

/* What the server tells of another mailbox counts at once; while a job has the connection it tells
 * nothing that could be taken for an answer. */
static void test_the_server_tells_of_others(void **state)
{
    for (unsigned connections = 1; connections <= 2; connections++) {
        struct rig rig;
        start(&rig, WITH_NOTIFY, NEVER_MS);
        rig.connections = connections;
        atomic_store(&rig.server.hook, notifies);
        atomic_store(&refusing, false);
        atomic_store(&sets, 0);
        atomic_store(&nones, 0);
        assert_int_equal(rig_start(&rig), SYNC_OK);
        assert_int_equal(rig_list(&rig, "M1"), SYNC_OK);
        assert_true(comes(polled, &rig)); /* once, since the connection is new */
        assert_true(comes(pushed, &rig));
        unsigned asked = atomic_load(&sets), ended = atomic_load(&nones);
        atomic_store(&rig.server.statuses, 0);
        atomic_store(&rig.server.count, 5);
        assert_true(comes(told_of_m1, &rig));
        assert_true(comes(m1_has_five, &rig));
        assert_true(comes(pushed, &rig));
        if (connections == 1) {
            assert_int_equal(atomic_load(&nones), ended + 1);
            assert_int_equal(atomic_load(&sets), asked + 1);
        }
        assert_int_equal(atomic_load(&rig.server.statuses), 0);
        rig_end(&rig);
    }
}

/* A server that refuses is polled, and not asked again by this connection; one that gives up, too.
 */
static void test_a_server_that_does_not_tell(void **state)
{
    for (int refuses = 0; refuses < 2; refuses++) {
        struct rig rig;
        start(&rig, WITH_NOTIFY, OFTEN_MS);
        rig.connections = 1;
        atomic_store(&rig.server.hook, notifies);
        atomic_store(&refusing, refuses != 0);
        atomic_store(&sets, 0);
        assert_int_equal(rig_start(&rig), SYNC_OK);
        assert_int_equal(rig_list(&rig, "M1"), SYNC_OK);
        assert_true(comes(pushed, &rig));
        if (!refuses)
            while (tell_idlers(&rig, "* OK [NOTIFICATIONOVERFLOW] too much") == 0)
                usleep(1000);
        unsigned asked = atomic_load(&sets);
        atomic_store(&rig.server.count, 5);
        atomic_store(&rig.server.statuses, 0);
        assert_true(comes(m1_has_five, &rig));
        assert_true(comes(polled_twice, &rig));
        assert_true(atomic_load(&sets) - asked <=
                    (refuses ? 0 : 1)); /* it may cross the overflow */
        rig_end(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inbox_is_watched),
        cmocka_unit_test(test_it_gives_way),
        cmocka_unit_test(test_others_are_polled),
        cmocka_unit_test(test_found_again),
        cmocka_unit_test(test_no_news_costs_no_fetch),
        cmocka_unit_test(test_the_server_tells_of_others),
        cmocka_unit_test(test_a_server_that_does_not_tell),
        cmocka_unit_test(test_a_change_behind_its_examine),
    };
    message_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
