/*
 * Changes whose connection ends at any byte of the dialogue, in both directions; and processes that
 * end with changes in the journal. In the end each message is on the server once, or nobody was
 * told that it is.
 */
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "message/summary.h"
#include "tests/unit/sync/changing.h"

enum { CUTS_MAX = 2000 };

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { TIMED = 0, STEP = 7 };
#else
enum { TIMED = 1, STEP = 1 };
#endif

enum operation { APPEND, MOVE, COPY, TRASH, EXPUNGE, REPLACE, OPERATIONS };
static const char *const names[] = {"append", "move", "copy", "trash", "expunge", "replace"};

/* The operation about message `n`, which is in INBOX, or is published as n + 10000. */
static enum sync_error operate(struct rig *rig, enum operation operation, unsigned n)
{
    switch (operation) {
    case APPEND:
        return changing_publish(rig, "Archive", n + 10000, 0);
    case MOVE:
        return changing_move(rig, "INBOX", n, "Archive");
    case COPY:
        return changing_copy(rig, "INBOX", n, "Archive");
    case REPLACE:
        return changing_publish(rig, "INBOX", n + 10000, rig_message(rig, "INBOX", n));
    default:
        return changing_remove(rig, "INBOX", n);
    }
}

struct counts {
    unsigned inbox, archive, trash, published_inbox, published_archive;
};

static struct counts count(unsigned n)
{
    return (struct counts){store_count("INBOX", n), store_count("Archive", n),
                           store_count("Trash", n), store_count("INBOX", n + 10000),
                           store_count("Archive", n + 10000)};
}

/* What may be after success, and what after an error: nothing lost, nothing doubled. */
static bool right(enum operation operation, enum sync_error error, struct counts c)
{
    bool ok = error == SYNC_OK;
    switch (operation) {
    case APPEND:
        return ok ? c.published_archive == 1 : c.published_archive <= 1;
    case MOVE:
        return ok ? c.inbox == 0 && c.archive == 1 : c.inbox + c.archive == 1;
    case COPY:
        return c.inbox == 1 && (ok ? c.archive == 1 : c.archive <= 1);
    case TRASH:
        return ok ? c.inbox == 0 && c.trash == 1 : c.inbox + c.trash == 1;
    case EXPUNGE:
        return ok ? c.inbox == 0 : c.inbox <= 1;
    default:
        return c.inbox + c.trash == 1 && c.published_inbox <= 1 && (!ok || c.published_inbox == 1);
    }
}

static void cut_everywhere(enum operation operation, bool in, const char *servers)
{
    struct rig rig;
    changing_init(&rig, CUTS_MAX);
    rig.connections = 1;
    rig.expunge = operation == EXPUNGE;
    store.no_move = strstr(servers, "move") != NULL;
    store.no_uidplus = strstr(servers, "uidplus") != NULL;
    store.no_literal_plus = strstr(servers, "literal") != NULL;
    changing_start(&rig);
    bool cut = true;
    unsigned n = 1;
    for (long at = 0; cut && n < CUTS_MAX; at += STEP, n++) {
        atomic_store(&store.was_cut, false);
        atomic_store(in ? &store.cut_in : &store.cut_out, at);
        enum sync_error error = operate(&rig, operation, n);
        cut = atomic_load(&store.was_cut);
        atomic_store(&store.cut_in, -1);
        atomic_store(&store.cut_out, -1);
        struct counts c = count(n);
        if (!right(operation, error, c) || (error != SYNC_OK && operation != REPLACE))
            fail_msg("%s, %s, server without \"%s\", cut at %ld: error %d; %u %u %u %u %u",
                     names[operation], in ? "in" : "out", servers, at, (int)error, c.inbox,
                     c.archive, c.trash, c.published_inbox, c.published_archive);
    }
    assert_false(cut);
    assert_true(n > 20 / STEP);
    assert_int_equal(changing_settle(&rig), SYNC_OK);
    assert_int_equal(changing_rows(&rig), 0);
    changing_end(&rig);
}

/* Each kind of server where it makes a difference to the operation. */
static void test_cuts(void **state)
{
    static const struct {
        enum operation operation;
        const char *servers;
    } rows[] = {
        {APPEND,  ""            },
        {APPEND,  "literal"     },
        {APPEND,  "uidplus"     },
        {MOVE,    ""            },
        {MOVE,    "move"        },
        {MOVE,    "move uidplus"},
        {COPY,    ""            },
        {COPY,    "uidplus"     },
        {TRASH,   ""            },
        {EXPUNGE, ""            },
        {EXPUNGE, "uidplus"     },
        {REPLACE, ""            },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cut_everywhere(rows[i].operation, false, rows[i].servers);
        cut_everywhere(rows[i].operation, true, rows[i].servers);
    }
}

/* ---- no way to find out ---- */

static void go_down(struct store *s, const char *command)
{
    if (strncmp(command, "UID MOVE", 8) == 0 || strncmp(command, "UID COPY", 8) == 0)
        atomic_store(&s->down, true);
}

/* The change was carried out, and the server does not come back: held, and looked for by the next
 * process only at the user's word. */
static void test_held(void **state)
{
    struct rig rig;
    changing_init(&rig, 5);
    rig.connections = 1;
    rig.timeout_ms = 600;
    changing_start(&rig);
    store_after(go_down);
    atomic_store(&store.cut_out, 120); /* within the answer to UID MOVE, behind SELECT's */
    enum sync_error error = changing_move(&rig, "INBOX", 2, "Archive");
    assert_int_equal(error, SYNC_ERR_UNCONFIRMED);
    assert_int_equal(changing_state(&rig), JOURNAL_HELD);
    assert_int_equal(store_count("Archive", 2), 1);
    store_after(NULL);
    atomic_store(&store.cut_out, -1);
    atomic_store(&store.down, false);
    rig_stop(&rig);
    changing_start(&rig);
    /* a connection stands again: it is looked for, and is there */
    assert_int_equal(changing_settle(&rig), SYNC_OK);
    assert_int_equal(changing_rows(&rig), 0);
    assert_int_equal(store_count(NULL, 2), 1);
    changing_end(&rig);
}

/* ---- an earlier process ---- */

enum { REPLAYED = 8 };

/* Rows as a process that was killed left them: half of them carried out. */
static void leave_rows(struct rig *rig, enum journal_kind kind, enum journal_state state)
{
    struct journal *journal = sync_journal(rig->sync);
    uint32_t inbox = store_box("INBOX")->uidvalidity, archive = store_box("Archive")->uidvalidity;
    for (unsigned n = 1; n <= REPLAYED; n++) {
        char id[64], subject[64];
        size_t len;
        int64_t row;
        snprintf(id, sizeof id, "<m%u@example.com>", n);
        snprintf(subject, sizeof subject, "message %u", n);
        char *text = store_message(n, &len);
        struct journal_intent intent = {.kind = kind,
                                        .mailbox = kind == JOURNAL_APPEND ? "" : "INBOX",
                                        .uidvalidity = kind == JOURNAL_APPEND ? 0 : inbox,
                                        .uid = kind == JOURNAL_APPEND ? 0 : n,
                                        .target = "Archive",
                                        .target_uidvalidity = archive,
                                        .target_uidnext = 1,
                                        .name = "left.eml",
                                        .message_id = id,
                                        .date = "Mon, 23 Nov 2026 09:14:02 +0000",
                                        .from = "Jane Doe <jane@example.com>",
                                        .subject = subject,
                                        .size = len};
        if (kind == JOURNAL_APPEND) {
            assert_int_equal(journal_spool_create(journal, &intent.spool), CACHE_OK);
            assert_int_equal(journal_spool_write(intent.spool, 0, text, len), CACHE_OK);
        }
        assert_int_equal(journal_add(journal, &intent, 1, state, &row), CACHE_OK);
        if (intent.spool != NULL)
            journal_spool_close(&intent.spool);
        free(text);
        if (state == JOURNAL_SENT && n % 2 == 0) { /* this one got there */
            store_add("Archive", n);
            if (kind == JOURNAL_MOVE) {
                struct store_mailbox *box = store_box("INBOX");
                for (size_t i = 0; i < box->count; i++)
                    box->messages[i].deleted |= box->messages[i].uid == n;
            }
        }
    }
    struct store_mailbox *box = store_box("INBOX");
    for (size_t i = 0; i < box->count;) {
        if (box->messages[i].deleted) {
            free(box->messages[i].body);
            box->count--;
            memmove(&box->messages[i], &box->messages[i + 1],
                    (box->count - i) * sizeof box->messages[0]);
        } else {
            i++;
        }
    }
}

static void test_replay(void **state)
{
    static const enum journal_kind kinds[] = {JOURNAL_APPEND, JOURNAL_COPY, JOURNAL_MOVE};
    for (size_t k = 0; k < 3; k++) {
        for (int sent = 0; sent < 2; sent++) {
            struct rig rig;
            changing_init(&rig, kinds[k] == JOURNAL_APPEND ? 0 : REPLAYED);
            changing_start(&rig);
            leave_rows(&rig, kinds[k], sent ? JOURNAL_SENT : JOURNAL_INTENT);
            rig_stop(&rig);
            assert_int_equal(rig_start(&rig), SYNC_OK);
            while (changing_rows(&rig) > 0)
                assert_int_equal(changing_settle(&rig), SYNC_OK);
            for (unsigned n = 1; n <= REPLAYED; n++) {
                assert_int_equal(store_count("Archive", n), 1);
                assert_int_equal(store_count("INBOX", n), kinds[k] == JOURNAL_COPY);
            }
            changing_end(&rig);
        }
    }
}

/* ---- many ---- */

enum { MANY = 1000 };

static void ask_many(struct rig *rig, struct told *told, int operation)
{
    for (uint32_t i = 0; i < MANY; i++) {
        told_init(&told[i]);
        int64_t message = rig_message(rig, "INBOX", i + 1), archive = rig_mailbox(rig, "Archive");
        if (operation == 0)
            sync_move(rig->sync, message, archive, NULL, false, told_changed, &told[i]);
        else if (operation == 1)
            sync_copy(rig->sync, message, archive, NULL, false, told_changed, &told[i]);
        else
            sync_remove(rig->sync, message, told_changed, &told[i]);
        assert_int_equal(told_wait(&told[i]), SYNC_OK);
    }
}

/* commit=journal: a few commands for a thousand changes, and each file there in the end. */
static void test_batches(void **state)
{
    static struct told told[MANY];
    for (int operation = 0; operation < 3; operation++) {
        struct rig rig;
        changing_init(&rig, MANY);
        rig.by_journal = true;
        store.delay_ms = 50;
        changing_start(&rig);
        int64_t start = clock_ms();
        ask_many(&rig, told, operation);
        int64_t asked = clock_ms() - start;
        assert_int_equal(rig_count(&rig, "INBOX"), operation == 1 ? MANY : 0);
        assert_int_equal(changing_settle(&rig), SYNC_OK);
        int64_t took = clock_ms() - start;
        print_message("%d journal: %lld ms asked, %lld settled; %u moves, %u copies\n", operation,
                      (long long)asked, (long long)took, atomic_load(&store.moves),
                      atomic_load(&store.copies));
        const char *target = operation == 2 ? "Trash" : "Archive";
        for (unsigned n = 1; n <= MANY; n++)
            assert_int_equal(store_count(target, n), 1);
        assert_int_equal(changing_rows(&rig), 0);
        assert_int_equal(rig_count(&rig, target), MANY);
        /* What gathers during one command goes with the next: the slower it comes, the more
         * commands there are, but never more than round trips. */
        unsigned commands = atomic_load(&store.moves) + atomic_load(&store.copies);
        assert_true(commands < MANY / 10 || (!TIMED && commands < 2 * took / store.delay_ms));
        assert_true(atomic_load(&store.longest_line) < 4000);
        assert_true(!TIMED || took < 10000);
        changing_end(&rig);
    }
}

/* commit=server: one round trip each. */
static void test_one_by_one(void **state)
{
    enum { SOME = 50 };
    for (int operation = 0; operation < 4; operation++) {
        struct rig rig;
        changing_init(&rig, SOME + 1);
        store.delay_ms = 20;
        changing_start(&rig);
        enum sync_error error = SYNC_OK;
        int64_t start = 0;
        unsigned commands = 0;
        for (unsigned n = 1; n <= SOME + 1 && error == SYNC_OK; n++) {
            if (n == 2) {
                start = clock_ms();
                commands = atomic_load(&store.commands);
            }
            error = operate(&rig, operation, n);
        }
        int64_t took = clock_ms() - start;
        assert_int_equal(error, SYNC_OK);
        print_message("%s: %lld ms each at 20 ms\n", names[operation], (long long)took / SOME);
        assert_int_equal(atomic_load(&store.commands) - commands, SOME); /* and no others */
        changing_end(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_by_one), cmocka_unit_test(test_batches),
        cmocka_unit_test(test_held),       cmocka_unit_test(test_replay),
        cmocka_unit_test(test_cuts),
    };
    message_init();
    log_set_level(LOG_LEVEL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
