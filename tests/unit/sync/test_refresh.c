/*
 * The second half of a refresh (sync/refresh.c): what went, and whose flags changed, over a server
 * that can do little and one that can do more.
 */
#include "tests/unit/test.h"

#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "message/summary.h"
#include "sync/carry.h"
#include "tests/unit/sync/rig.h"

static const uint32_t few[] = {1, 2, 3, 10, 11}, left[] = {1, 3, 11};

#define PLAIN     "IMAP4rev1 LITERAL+ NAMESPACE"
#define SEARCHING PLAIN " UIDPLUS"
#define EXTENDED  SEARCHING " ESEARCH"

static atomic_uint searches, most_ahead;

/* Commands that came behind the one that is being answered. */
static unsigned ahead_of(const struct session *s)
{
    static char bytes[4 * SERVER_LINE_MAX];
    unsigned commands = 0;
    size_t len = s->in_len;
    memcpy(bytes, s->in, len);
    ssize_t more = recv(s->fd, bytes + len, sizeof bytes - len, MSG_PEEK | MSG_DONTWAIT);
    len += more > 0 ? (size_t)more : 0;
    for (size_t i = 0; i < len; i++)
        commands += bytes[i] == '\n';
    return commands;
}

/* The first window is answered once others have come, or nobody waits for them any more. */
static bool waits_for_more(struct session *s, const char *tag, const char *command)
{
    int64_t deadline = clock_ms() + 2000;
    if (strstr(command, "(UID FLAGS)") == NULL)
        return false;
    unsigned ahead = ahead_of(s);
    while (atomic_load(&most_ahead) == 0 && ahead < 3 && clock_ms() < deadline) {
        poll(&(struct pollfd){.fd = -1}, 1, 5);
        ahead = ahead_of(s);
    }
    if (ahead > atomic_load(&most_ahead))
        atomic_store(&most_ahead, ahead);
    return false;
}

/* An opendir waits no longer than a second for a refresh. */
static bool comes_to(struct rig *rig, const char *mailbox, uint64_t messages)
{
    int64_t deadline = clock_ms() + RIG_PATIENCE_MS;
    while (rig_count(rig, mailbox) != messages && clock_ms() < deadline)
        poll(&(struct pollfd){.fd = -1}, 1, 10);
    return rig_count(rig, mailbox) == messages;
}

static void test_windows_go_ahead(void **state)
{
    enum { MANY = 26000, LEFT = MANY - 2 };
    static uint32_t uids[MANY];
    struct rig rig;
    for (uint32_t i = 0; i < MANY; i++)
        uids[i] = i * 3 + 1;
    rig_init(&rig, uids, MANY);
    atomic_store(&most_ahead, 0);
    assert_int_equal(rig_start(&rig), SYNC_OK);
    assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
    atomic_store(&rig.server.count, LEFT);
    atomic_store(&rig.server.hook, waits_for_more);
    rig_age(&rig, "INBOX");
    assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
    assert_true(comes_to(&rig, "INBOX", LEFT));
    assert_in_range(atomic_load(&most_ahead), 3, 9); /* six windows, and never without bound */
    rig_end(&rig);
}

/* "UID SEARCH [RETURN (ALL)] UID a:b", as both kinds of servers answer it. */
static bool finds(struct session *s, const char *tag, const char *command)
{
    unsigned first, last;
    const char *range = strstr(command, " UID ");
    if (strncmp(command, "UID SEARCH", 10) != 0)
        return false;
    atomic_fetch_add(&searches, 1);
    bool extended = strstr(command, "RETURN (ALL)") != NULL;
    if (range == NULL || sscanf(range, " UID %u:%u", &first, &last) != 2)
        return session_send(s, "%s BAD Command Argument Error. 11\r\n", tag);
    const char *before = extended ? " UID ALL " : " ";
    session_send(s, extended ? "* ESEARCH (TAG \"%s\")" : "* SEARCH", tag);
    for (size_t i = 0; i < atomic_load(&s->server->count); i++) {
        if (s->server->uids[i] >= first && s->server->uids[i] <= last) {
            session_send(s, "%s%u", before, s->server->uids[i]);
            before = extended ? "," : " ";
        }
    }
    return session_send(s, "\r\n%s OK done\r\n", tag);
}

static bool refuses(struct session *s, const char *tag, const char *command)
{
    if (strncmp(command, "UID SEARCH", 10) != 0)
        return false;
    atomic_fetch_add(&searches, 1);
    return session_send(s, "%s BAD Command Argument Error. 11\r\n", tag);
}

/* More than there can be, all the same. */
static bool boasts(struct session *s, const char *tag, const char *command)
{
    if (strncmp(command, "UID SEARCH", 10) != 0)
        return false;
    atomic_fetch_add(&searches, 1);
    return session_send(s, "* ESEARCH (TAG \"%s\") UID ALL 1:4294967295\r\n%s OK done\r\n", tag,
                        tag);
}

/* Says OK, and names one too few. */
static bool forgets(struct session *s, const char *tag, const char *command)
{
    if (strncmp(command, "UID SEARCH", 10) != 0)
        return false;
    atomic_fetch_add(&searches, 1);
    return session_send(s, "* SEARCH 1 1 11 11\r\n%s OK done\r\n", tag);
}

/* Many more behind them: where there is no CONDSTORE a small mailbox is not searched. */
enum { CROWD = 1200 };
static uint32_t crowd[5 + CROWD], crowd_left[3 + CROWD];

static void gather(uint32_t *to, const uint32_t *first, size_t count)
{
    memcpy(to, first, count * sizeof *first);
    for (uint32_t i = 0; i < CROWD; i++)
        to[count + i] = 100 + i;
}

static void test_what_went_by_search(void **state)
{
    static const struct {
        const char *capabilities;
        server_hook *hook;
        unsigned left, searches, flags; /* what is asked, and messages in the end */
    } cases[] = {
        {SEARCHING, finds,   3, 1, 0},
        {EXTENDED,  finds,   3, 1, 0},
        {SEARCHING, refuses, 3, 1, 1},
        {EXTENDED,  boasts,  5, 1, 0},
        {SEARCHING, forgets, 5, 1, 0},
        {PLAIN,     finds,   3, 0, 1},
    };
    gather(crowd, few, 5);
    gather(crowd_left, left, 3);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rig rig;
        rig_init(&rig, crowd, 5 + CROWD);
        rig.server.capabilities = cases[i].capabilities;
        assert_int_equal(rig_start(&rig), SYNC_OK);
        assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
        rig.server.uids = crowd_left;
        atomic_store(&rig.server.count, 3 + CROWD);
        atomic_store(&rig.server.hook, cases[i].hook);
        atomic_store(&searches, 0);
        unsigned fetches = atomic_load(&rig.server.fetches);
        rig_age(&rig, "INBOX");
        assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
        assert_true(comes_to(&rig, "INBOX", cases[i].left + CROWD));
        assert_int_equal(rig_message(&rig, "INBOX", 2) == 0, cases[i].left == 3);
        assert_int_not_equal(rig_message(&rig, "INBOX", 3), 0);
        assert_int_equal(atomic_load(&searches), cases[i].searches);
        assert_int_equal(atomic_load(&rig.server.fetches) - fetches, 1 + cases[i].flags);
        rig_end(&rig);
    }
}

/* Flags are told by the way. */
static void test_a_small_mailbox_is_not_searched(void **state)
{
    struct rig rig;
    rig_init(&rig, few, 5);
    rig.server.capabilities = SEARCHING;
    assert_int_equal(rig_start(&rig), SYNC_OK);
    assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
    rig.server.uids = left;
    atomic_store(&rig.server.count, 3);
    atomic_store(&rig.server.hook, finds);
    atomic_store(&searches, 0);
    rig_age(&rig, "INBOX");
    assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
    assert_true(comes_to(&rig, "INBOX", 3));
    assert_int_equal(atomic_load(&searches), 0);
    rig_end(&rig);
}

/* ---- QRESYNC (RFC 7162) ---- */

#define RESYNCING SEARCHING " QRESYNC"

static const char *_Atomic meanwhile; /* what a mailbox's EXAMINE tells */
static atomic_uint resyncs, changes;  /* CHANGEDSINCE */

static bool resyncing(struct session *s, const char *tag, const char *command)
{
    size_t count = atomic_load(&s->server->count);
    if (strcmp(command, "ENABLE QRESYNC") == 0)
        return session_send(s, "* ENABLED QRESYNC\r\n%s OK done\r\n", tag);
    if (strstr(command, "CHANGEDSINCE 10)") != NULL) {
        atomic_fetch_add(&changes, 1);
        return session_send(s, "* 2 FETCH (UID 3 FLAGS (\\Flagged) MODSEQ (20))\r\n%s OK\r\n", tag);
    }
    if (strncmp(command, "EXAMINE ", 8) != 0)
        return finds(s, tag, command);
    snprintf(s->mailbox, sizeof s->mailbox, "%s", command + 8);
    if (strstr(command, "INBOX (QRESYNC (7 10 1:11))") != NULL) {
        atomic_fetch_add(&resyncs, 1);
        session_send(s, "%s", atomic_load(&meanwhile));
    }
    return session_send(s,
                        "* %zu EXISTS\r\n* OK [UIDVALIDITY %u] x\r\n* OK [UIDNEXT 12] x\r\n"
                        "* OK [HIGHESTMODSEQ %d] x\r\n%s OK [READ-ONLY] done\r\n",
                        count, atomic_load(&s->server->uidvalidity), count == 5 ? 10 : 20, tag);
}

static struct sync *_Atomic storing; /* whose STORE ends while EXAMINE is on its way */
static _Atomic int64_t stored_in;

static bool resyncing_late(struct session *s, const char *tag, const char *command)
{
    struct sync *sync = atomic_load(&storing);
    if (strncmp(command, "EXAMINE ", 8) == 0 && sync != NULL)
        stored_note(sync, atomic_load(&stored_in), 3);
    return resyncing(s, tag, command);
}

static bool flags_are(struct rig *rig, uint32_t uid, const char *flags)
{
    struct cache_message row = {0};
    assert_int_equal(cache_message_get(sync_cache(rig->sync), rig_message(rig, "INBOX", uid), &row),
                     CACHE_OK);
    bool are = strcmp(row.flags, flags) == 0;
    cache_message_free(&row);
    return are;
}

#define FLAG    "* 2 FETCH (UID 3 FLAGS (\\Flagged) MODSEQ (20))\r\n"
#define FOREIGN "* VANISHED (EARLIER) 1\r\n* 1 FETCH (UID 1 FLAGS (\\Deleted) MODSEQ (15))\r\n"
#define CLOSED  "* OK [CLOSED] Previous mailbox closed.\r\n"

static void test_what_examine_tells(void **state)
{
    static const struct {
        const char *meanwhile;
        bool other; /* another mailbox was open */
        unsigned searches, changes;
    } cases[] = {
        {"* VANISHED (EARLIER) 2,10\r\n" FLAG,                         false, 0, 0},
        {"* VANISHED (EARLIER) 10\r\n* VANISHED (EARLIER) 2\r\n" FLAG, false, 0, 0},
        {"* VANISHED (EARLIER) 100:4294967295,2:2,4:10,2\r\n" FLAG,    false, 0, 0},
        {"* VANISHED (EARLIER) 2\r\n" FLAG,                            false, 1, 0},
        {"* VANISHED (EARLIER) 1:10\r\n" FLAG,                         false, 1, 0},
        {"* VANISHED (EARLIER) 2,x\r\n" FLAG,                          false, 1, 0},
        {FLAG,                                                         false, 1, 0},
        {FOREIGN CLOSED "* VANISHED (EARLIER) 2,10\r\n" FLAG,          true,  0, 0},
        {FOREIGN "* VANISHED (EARLIER) 2,10\r\n",                      true,  1, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rig rig;
        rig_init(&rig, few, 5);
        rig.connections = 1;
        rig.server.mailboxes = 1;
        rig.server.capabilities = RESYNCING;
        atomic_store(&rig.server.hook, resyncing);
        atomic_store(&meanwhile, cases[i].meanwhile);
        assert_int_equal(rig_start(&rig), SYNC_OK);
        assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
        assert_int_equal(rig_count(&rig, "INBOX"), 5);
        if (cases[i].other)
            assert_int_equal(rig_list(&rig, "M1"), SYNC_OK);
        rig.server.uids = left;
        atomic_store(&rig.server.count, 3);
        atomic_store(&searches, 0);
        atomic_store(&resyncs, 0);
        atomic_store(&changes, 0);
        rig_age(&rig, "INBOX");
        assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
        assert_true(comes_to(&rig, "INBOX", 3));
        assert_int_equal(rig_message(&rig, "INBOX", 2), 0);
        assert_true(flags_are(&rig, 3, "\\Flagged") && flags_are(&rig, 1, "\\Seen"));
        assert_int_equal(atomic_load(&resyncs), 1);
        assert_int_equal(atomic_load(&searches), cases[i].searches);
        assert_int_equal(atomic_load(&changes), cases[i].changes);
        rig_end(&rig);
    }
}

/* Of the mailbox that bears the name now nothing was asked. */
static void test_a_resync_of_another_mailbox(void **state)
{
    struct rig rig;
    rig_init(&rig, few, 5);
    rig.server.capabilities = RESYNCING;
    atomic_store(&rig.server.hook, resyncing);
    atomic_store(&meanwhile, FOREIGN);
    assert_int_equal(rig_start(&rig), SYNC_OK);
    assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
    atomic_store(&rig.server.uidvalidity, 8);
    rig_age(&rig, "INBOX");
    assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
    assert_true(comes_to(&rig, "INBOX", 5));
    assert_true(flags_are(&rig, 1, "\\Seen"));
    rig_end(&rig);
}

/* Flags that a STORE of ours may have overtaken are left out, and asked for again: somebody else
 * may have changed them after it. */
static void test_flags_beside_a_store(void **state)
{
    struct rig rig;
    rig_init(&rig, few, 5);
    rig.connections = 1;
    rig.server.capabilities = RESYNCING;
    atomic_store(&rig.server.hook, resyncing_late);
    atomic_store(&meanwhile, "* VANISHED (EARLIER) 2,10\r\n" FLAG);
    atomic_store(&resyncs, 0);
    assert_int_equal(rig_start(&rig), SYNC_OK);
    assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
    atomic_store(&stored_in, rig_mailbox(&rig, "INBOX"));
    rig.server.uids = left;
    atomic_store(&rig.server.count, 3);
    for (int again = 0; again < 2; again++) {
        atomic_store(&storing, again == 0 ? rig.sync : NULL);
        for (int64_t now = clock_ms(); clock_ms() == now;) /* the STORE was in another one */
            sched_yield();
        rig_age(&rig, "INBOX");
        assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
        assert_true(comes_to(&rig, "INBOX", 3));
        assert_true(flags_are(&rig, 3, again == 0 ? "\\Seen" : "\\Flagged"));
    }
    assert_int_equal(atomic_load(&resyncs), 2);
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_windows_go_ahead),
        cmocka_unit_test(test_what_went_by_search),
        cmocka_unit_test(test_a_small_mailbox_is_not_searched),
        cmocka_unit_test(test_what_examine_tells),
        cmocka_unit_test(test_a_resync_of_another_mailbox),
        cmocka_unit_test(test_flags_beside_a_store),
    };
    message_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
