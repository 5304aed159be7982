/*
 * Changes against a server that can be changed (store.h): each operation with each kind of server,
 * each kind of answer, and what the server holds afterwards.
 */
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "message/summary.h"
#include "tests/unit/sync/changing.h"

/* ---- each operation, with each kind of server ---- */

static const struct kind {
    const char *name;
    bool no_move, no_uidplus, no_literal_plus, mute_copyuid, bare_copyuid;
} kinds[] = {
    {.name = "all"        },
    {                        .name = "no MOVE",      .no_move = true},
    {                        .name = "no UIDPLUS",   .no_uidplus = true},
    {                        .name = "neither",      .no_move = true, .no_uidplus = true},
    {      .name = "no LITERAL+", .no_literal_plus = true},
    {.name = "mute",        .mute_copyuid = true},
    {         .name = "bare",        .bare_copyuid = true},
};

static void set_kind(const struct kind *kind)
{
    store.no_move = kind->no_move;
    store.no_uidplus = kind->no_uidplus;
    store.no_literal_plus = kind->no_literal_plus;
    store.mute_copyuid = kind->mute_copyuid;
    store.bare_copyuid = kind->bare_copyuid;
}

static void expect(const char *what, const struct kind *kind, bool good)
{
    if (!good)
        fail_msg("%s with %s", what, kind->name);
}

static void test_operations(void **state)
{
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        const struct kind *kind = &kinds[k];
        for (int by_journal = 0; by_journal < 2; by_journal++) {
            struct rig rig;
            changing_init(&rig, 6);
            rig.by_journal = by_journal;
            set_kind(kind);
            changing_start(&rig);
            expect("move", kind, changing_move(&rig, "INBOX", 1, "Archive") == SYNC_OK);
            expect("copy", kind, changing_copy(&rig, "INBOX", 2, "Archive") == SYNC_OK);
            expect("remove", kind, changing_remove(&rig, "INBOX", 3) == SYNC_OK);
            expect("store", kind, changing_store(&rig, "INBOX", 4, "+\\Flagged") == SYNC_OK);
            expect("publish", kind, changing_publish(&rig, "Archive", 100, 0) == SYNC_OK);
            expect("settle", kind, changing_settle(&rig) == SYNC_OK);
            expect("moved", kind,
                   store_count("INBOX", 1) == 0 && store_count("Archive", 1) == 1 &&
                       store_count(NULL, 1) == 1);
            expect("copied", kind, store_count("INBOX", 2) == 1 && store_count("Archive", 2) == 1);
            expect("removed", kind, store_count("Trash", 3) == 1 && store_count(NULL, 3) == 1);
            expect("stored", kind, store_flagged("INBOX", 4, "\\Flagged"));
            expect("published", kind, store_count("Archive", 100) == 1);
            expect("journal is empty", kind, changing_rows(&rig) == 0);
            expect("cache", kind,
                   rig_message(&rig, "Archive", store_uid("Archive", 1)) != 0 &&
                       rig_message(&rig, "Archive", store_uid("Archive", 2)) != 0 &&
                       rig_message(&rig, "Archive", store_uid("Archive", 100)) != 0 &&
                       rig_message(&rig, "Trash", store_uid("Trash", 3)) != 0);
            changing_end(&rig);
        }
    }
}

static void test_expunge(void **state)
{
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        const struct kind *kind = &kinds[k];
        struct rig rig;
        changing_init(&rig, 4);
        rig.expunge = true;
        set_kind(kind);
        changing_start(&rig);
        expect("expunge", kind, changing_remove(&rig, "INBOX", 2) == SYNC_OK);
        expect("expunged", kind, store_count(NULL, 2) == 0 && store_total("INBOX") == 3);
        assert_int_equal(rig_message(&rig, "INBOX", 2), 0);
        pthread_mutex_lock(&store.lock);
        store_box("INBOX")->messages[0].deleted = true; /* by somebody else */
        pthread_mutex_unlock(&store.lock);
        expect("expunge", kind, changing_remove(&rig, "INBOX", 3) == SYNC_OK);
        expect("another's", kind, store_total("INBOX") == (kind->no_uidplus ? 3 : 2));
        changing_end(&rig);
    }
}

static void test_expunge_fails(void **state)
{
    for (int times = 1; times <= 10; times += 9) {
        struct rig rig;
        changing_init(&rig, 4);
        rig.expunge = true;
        changing_start(&rig);
        atomic_store(&store.expunge_fails, times);
        assert_int_equal(changing_remove(&rig, "INBOX", 2), SYNC_OK);
        assert_int_equal(store_total("INBOX"), times == 1 ? 3 : 4);
        assert_int_equal(rig_count(&rig, "INBOX"), 3); /* hidden, if nothing else */
        changing_end(&rig);
    }
}

/* ---- refusals ---- */

static void test_refusals(void **state)
{
    static const struct {
        const char *verb, *reply;
        enum sync_error error;
    } rows[] = {
        {"APPEND", "NO Maximum size of appendable message has been exceeded",             SYNC_ERR_TOO_LARGE},
        {"APPEND", "BAD Command Error. 10",                                               SYNC_ERR_INVALID  },
        {"APPEND", "NO [OVERQUOTA] full",                                                 SYNC_ERR_QUOTA    },
        {"APPEND", "NO [TRYCREATE] not there",                                            SYNC_ERR_GONE     },
        {"APPEND", "NO because",                                                          SYNC_ERR_REFUSED  },
        {"APPEND", "NO Request is throttled. Suggested Backoff Time: 92415 milliseconds",
         SYNC_ERR_THROTTLED                                                                                 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rig rig;
        changing_init(&rig, 2);
        changing_start(&rig);
        store.refuse_verb = rows[i].verb;
        store.refuse_reply = rows[i].reply;
        atomic_store(&store.refuse_times, 1);
        enum sync_error error = changing_publish(&rig, "Archive", 100, 0);
        if (error != rows[i].error)
            fail_msg("%s: %d", rows[i].reply, (int)error);
        assert_int_equal(store_count(NULL, 100), 0);
        assert_int_equal(changing_state(&rig), JOURNAL_REFUSED);
        changing_end(&rig);
    }
}

static void test_gone(void **state)
{
    struct rig rig;
    changing_init(&rig, 6);
    changing_start(&rig);
    store_keep("INBOX", 1);
    assert_int_equal(changing_move(&rig, "INBOX", 2, "Archive"), SYNC_ERR_GONE);
    assert_int_equal(changing_copy(&rig, "INBOX", 3, "Archive"), SYNC_ERR_GONE);
    assert_int_equal(changing_store(&rig, "INBOX", 4, "+\\Seen"), SYNC_ERR_GONE);
    assert_int_equal(changing_remove(&rig, "INBOX", 5), SYNC_ERR_GONE);
    assert_int_equal(changing_rows(&rig), 0);
    changing_end(&rig);
}

static void test_uidvalidity(void **state)
{
    struct rig rig;
    changing_init(&rig, 6);
    struct told told;
    changing_start(&rig);
    int64_t third = rig_message(&rig, "INBOX", 3); /* the look that follows may find another one */
    pthread_mutex_lock(&store.lock);
    store_box("INBOX")->uidvalidity = 999;
    pthread_mutex_unlock(&store.lock);
    assert_int_equal(changing_move(&rig, "INBOX", 2, "Archive"), SYNC_ERR_GONE);
    told_init(&told);
    sync_remove(rig.sync, third, told_changed, &told);
    assert_int_equal(told_wait(&told), SYNC_ERR_GONE);
    assert_int_equal(store_total("INBOX"), 6);
    assert_int_equal(atomic_load(&store.moves), 0);
    changing_end(&rig);
}

static void test_not_messages(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        enum sync_error error;
    } rows[] = {
        {"hello world\n",            12, SYNC_ERR_INVALID},
        {"",                         0,  SYNC_ERR_INVALID},
        {"From jane Mon\nA: b\n\nx", 22, SYNC_ERR_INVALID},
        {"A: b\n\nx\0y",             9,  SYNC_ERR_INVALID},
        {"A: b\n\nx\ny\r\nz",        12, SYNC_OK         },
    };
    struct rig rig;
    changing_init(&rig, 2);
    changing_start(&rig);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(changing_bytes(&rig, "Archive", rows[i].bytes, rows[i].len, "x.eml", 0),
                         rows[i].error);
    assert_int_equal(store_total("Archive"), 1);
    assert_string_equal(store_box("Archive")->messages[0].body, "A: b\r\n\r\nx\r\ny\r\nz");
    /* Again: nothing is sent, whoever asks. */
    unsigned before = atomic_load(&store.appends);
    int64_t message = rig_message(&rig, "Archive", 1);
    assert_int_equal(changing_bytes(&rig, "Archive", "A: b\n\nx\ny\nz", 11, "x.eml", message),
                     SYNC_OK);
    assert_int_equal(atomic_load(&store.appends), before);
    assert_int_equal(store_total("Archive"), 1);
    changing_end(&rig);
}

static void test_replaces(void **state)
{
    struct rig rig;
    changing_init(&rig, 3);
    changing_start(&rig);
    assert_int_equal(changing_store(&rig, "INBOX", 2, "+\\Flagged"), SYNC_OK);
    assert_int_equal(changing_publish(&rig, "INBOX", 200, rig_message(&rig, "INBOX", 2)), SYNC_OK);
    assert_int_equal(store_count("INBOX", 200), 1);
    assert_int_equal(store_count("INBOX", 2), 0);
    assert_int_equal(store_count("Trash", 2), 1);
    assert_true(store_flagged("INBOX", store_uid("INBOX", 200), "\\Flagged"));
    assert_int_equal(changing_rows(&rig), 0);
    assert_int_equal(rig_count(&rig, "INBOX"), 3);
    changing_end(&rig);
}

static void test_offline(void **state)
{
    struct rig rig;
    changing_init(&rig, 3);
    changing_start(&rig);
    atomic_store(&store.down, true);
    enum sync_error error = changing_move(&rig, "INBOX", 1, "Archive");
    assert_true(error == SYNC_ERR_DOWN || error == SYNC_ERR_UNREACHABLE);
    assert_int_equal(changing_rows(&rig), 0);
    assert_int_equal(store_count("INBOX", 1), 1);
    atomic_store(&store.down, false);
    changing_end(&rig);
}

static void test_mailboxes(void **state)
{
    struct rig rig;
    struct told told;
    changing_init(&rig, 2);
    changing_start(&rig);
    told_init(&told);
    sync_mailbox_create(rig.sync, 0, "Pläne", told_changed, &told);
    assert_int_equal(told_wait(&told), SYNC_OK);
    assert_string_equal(told.inode.name, "Pläne");
    assert_non_null(store_box("Pl&AOQ-ne"));
    assert_true(store_box("Pl&AOQ-ne")->subscribed);
    told_init(&told);
    sync_mailbox_create(rig.sync, 0, "Pläne", told_changed, &told);
    assert_int_equal(told_wait(&told), SYNC_ERR_EXISTS);
    told_init(&told);
    sync_mailbox_rename(rig.sync, rig_mailbox(&rig, "Pl&AOQ-ne"), rig_mailbox(&rig, "Archive"),
                        "old", told_changed, &told);
    assert_int_equal(told_wait(&told), SYNC_OK);
    assert_non_null(store_box("Archive/old"));
    told_init(&told);
    sync_mailbox_remove(rig.sync, rig_mailbox(&rig, "Archive"), told_changed, &told);
    assert_int_equal(told_wait(&told), SYNC_ERR_NOT_EMPTY);
    told_init(&told);
    sync_mailbox_remove(rig.sync, rig_mailbox(&rig, "INBOX"), told_changed, &told);
    assert_int_equal(told_wait(&told), SYNC_ERR_BUSY);
    store_add("Archive/old", 77);
    told_init(&told);
    sync_mailbox_remove(rig.sync, rig_mailbox(&rig, "Archive/old"), told_changed, &told);
    assert_int_equal(told_wait(&told), SYNC_ERR_NOT_EMPTY);
    store_keep("Archive/old", 0);
    told_init(&told);
    sync_mailbox_remove(rig.sync, rig_mailbox(&rig, "Archive/old"), told_changed, &told);
    assert_int_equal(told_wait(&told), SYNC_OK);
    assert_null(store_box("Archive/old"));
    assert_int_equal(changing_rows(&rig), 0);
    changing_end(&rig);
}

static void test_flags_not_kept(void **state)
{
    struct rig rig;
    changing_init(&rig, 2);
    store.permanent = "\\Seen \\Flagged";
    changing_start(&rig);
    assert_int_equal(changing_store(&rig, "INBOX", 1, "+$Forwarded"), SYNC_ERR_UNSUPPORTED);
    assert_int_equal(changing_store(&rig, "INBOX", 1, "+\\Seen"), SYNC_OK);
    assert_int_equal(changing_store(&rig, "INBOX", 1, "+\\Recent"), SYNC_ERR_INVALID);
    assert_int_equal(changing_store(&rig, "INBOX", 1, "+(\\Seen"), SYNC_ERR_INVALID);
    changing_end(&rig);
}

/* Somebody else's flags, told just before and just behind the answer to SELECT. */
static bool select_with_news(struct session *s, const char *tag, const char *command)
{
    bool selects = strncmp(command, "SELECT ", 7) == 0;
    if (selects && !session_send(s, "* 1 FETCH (UID 1 FLAGS (\\Answered))\r\n"))
        return true;
    bool dealt = store_answer(s, tag, command);
    if (selects)
        session_send(s, "* 1 FETCH (UID 1 FLAGS (\\Answered))\r\n");
    return dealt;
}

/* They are no answer to a STORE that has not been sent. */
static void test_news_before_a_store(void **state)
{
    struct rig rig;
    changing_init(&rig, 2);
    changing_start(&rig);
    atomic_store(&rig.server.hook, select_with_news);
    assert_int_equal(changing_store(&rig, "INBOX", 1, "+\\Flagged"), SYNC_OK);
    assert_true(store_flagged("INBOX", 1, "\\Flagged"));
    changing_end(&rig);
}

/* A connection that has not heard of the message yet. */
static void test_a_store_that_does_nothing(void **state)
{
    static const char *const wanted[] = {"+\\Flagged", "\\Flagged", "\\Seen \\Flagged"};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        struct rig rig;
        changing_init(&rig, 2);
        changing_start(&rig);
        atomic_store(&store.deaf_stores, 1);
        unsigned stores = atomic_load(&store.stores);
        assert_int_equal(changing_store(&rig, "INBOX", 1, wanted[i]), SYNC_OK);
        assert_true(store_flagged("INBOX", 1, "\\Flagged"));
        assert_int_equal(atomic_load(&store.stores) - stores, 2);
        atomic_store(&store.deaf_stores, 1);
        assert_int_equal(changing_store(&rig, "INBOX", 1, "-\\Flagged"), SYNC_OK);
        assert_false(store_flagged("INBOX", 1, "\\Flagged"));
        assert_int_equal(changing_store(&rig, "INBOX", 1, "+\\Answered"), SYNC_OK);
        atomic_store(&store.deaf_stores, 1);
        assert_int_equal(changing_store(&rig, "INBOX", 1, ""), SYNC_OK);
        assert_false(store_flagged("INBOX", 1, "\\Answered"));
        changing_end(&rig);
    }
}

/* A connection does not know yet of what another one brought: each change is done all the same, by
 * the connection that has the mailbox open. */
static void test_changes_to_what_was_not_heard_of(void **state)
{
    for (int expunge = 0; expunge < 2; expunge++) {
        struct rig rig;
        uint32_t uids[4];
        changing_init(&rig, 1);
        rig.expunge = expunge;
        store.deaf = true;
        changing_start(&rig);
        assert_int_equal(changing_store(&rig, "INBOX", 1, "+\\Flagged"), SYNC_OK);
        for (unsigned i = 0; i < 4; i++) {
            assert_int_equal(changing_publish(&rig, "INBOX", 100 + i, 0), SYNC_OK);
            uids[i] = store_uid("INBOX", 100 + i);
        }
        unsigned selects = atomic_load(&store.selects);
        assert_int_equal(changing_remove(&rig, "INBOX", uids[0]), SYNC_OK);
        assert_int_equal(store_count(NULL, 100), expunge ? 0 : 1);
        assert_int_equal(store_count("INBOX", 100), 0);
        assert_int_equal(changing_move(&rig, "INBOX", uids[1], "Archive"), SYNC_OK);
        assert_int_equal(store_count("Archive", 101), 1);
        assert_int_equal(changing_copy(&rig, "INBOX", uids[2], "Archive"), SYNC_OK);
        assert_int_equal(store_count("Archive", 102), 1);
        unsigned stores = atomic_load(&store.stores);
        assert_int_equal(changing_store(&rig, "INBOX", uids[3], "+\\Flagged"), SYNC_OK);
        assert_true(store_flagged("INBOX", uids[3], "\\Flagged"));
        assert_int_equal(atomic_load(&store.stores) - stores, 1);
        assert_int_equal(atomic_load(&store.selects), selects);
        changing_end(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operations),
        cmocka_unit_test(test_expunge),
        cmocka_unit_test(test_expunge_fails),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_gone),
        cmocka_unit_test(test_uidvalidity),
        cmocka_unit_test(test_not_messages),
        cmocka_unit_test(test_replaces),
        cmocka_unit_test(test_offline),
        cmocka_unit_test(test_mailboxes),
        cmocka_unit_test(test_flags_not_kept),
        cmocka_unit_test(test_news_before_a_store),
        cmocka_unit_test(test_a_store_that_does_nothing),
        cmocka_unit_test(test_changes_to_what_was_not_heard_of),
    };
    message_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
