/* Rows: what is written is read, what depends on what, limits, listing. */
#include "tests/unit/cache/journal_fixture.h"

#include <errno.h>

#include "base/log.h"

static void test_everything_is_kept(void **state)
{
    struct rig *rig = *state;
    uint8_t sha256[JOURNAL_SHA256];
    struct journal_spool *spool = rig_spool(rig, 1, 70000);
    assert_int_equal(journal_spool_digest(spool, sha256), CACHE_OK);
    int64_t id = rig_add(rig, rig_append(spool, 9));
    journal_spool_close(&spool);
    for (int round = 0; round < 2; round++) {
        struct journal_row row = rig_row(rig, id);
        assert_int_equal(row.state, JOURNAL_INTENT);
        assert_int_equal(row.intent.kind, JOURNAL_APPEND);
        assert_string_equal(row.intent.mailbox, "");
        assert_string_equal(row.intent.target, "Archive");
        assert_int_equal(row.intent.target_uidvalidity, 7);
        assert_string_equal(row.intent.flags, "\\Seen");
        assert_int_equal(row.intent.internaldate, 1700000009);
        assert_string_equal(row.intent.name, "a name.eml");
        assert_string_equal(row.intent.message_id, "<0123456789.abcdef@mail.example.org>");
        assert_string_equal(row.intent.date, "Mon, 23 Nov 2026 09:14:02 +0100");
        assert_string_equal(row.intent.from, "Jane Doe <jane@example.org>");
        assert_string_equal(row.intent.subject, "A subject");
        assert_int_equal(row.intent.size, 9);
        assert_true(row.has_spool);
        assert_int_equal(row.spool_bytes, 70000);
        assert_memory_equal(row.sha256, sha256, sizeof sha256);
        assert_int_equal(row.attempts, 0);
        assert_string_equal(row.reason, "");
        assert_true(row.created > 1700000000);
        journal_row_free(&row);
        assert_true(rig_spool_is(rig, id, 1, 70000));
        rig_reopen(rig);
    }
}

static void test_walk_of_an_append(void **state)
{
    struct rig *rig = *state;
    int64_t id = rig_add_append(rig, 1, 1000);
    assert_int_equal(rig_do(rig, id, JOURNAL_DO_SEND), CACHE_OK);
    struct journal_row row = rig_row(rig, id);
    assert_int_equal(row.intent.target_uidnext, 100);
    assert_int_equal(row.attempts, 1);
    journal_row_free(&row);
    assert_int_equal(rig_do(rig, id, JOURNAL_DO_SUCCEED), CACHE_OK);
    row = rig_row(rig, id);
    assert_int_equal(row.done_uidvalidity, 7);
    assert_int_equal(row.done_uid, 1000 + id);
    journal_row_free(&row);
    assert_true(rig_spool_is(rig, id, 1, 1000));
    assert_int_equal(rig_do(rig, id, JOURNAL_DO_FINISH), CACHE_OK);
    assert_int_equal(rig_state(rig, id), JOURNAL_NONE);
    rig_reopen(rig);
    assert_int_equal(rig_spools(rig), 0);
    struct journal_figures figures;
    assert_int_equal(journal_figures_get(rig->journal, &figures), CACHE_OK);
    assert_int_equal(figures.bytes, 0);
    assert_true(rig_add(rig, rig_move(1)) > id); /* ids are not used again */
}

static void test_refusal_and_retry(void **state)
{
    struct rig *rig = *state;
    int64_t id = rig_add_append(rig, 1, 1000);
    rig_brings(rig, id, JOURNAL_REFUSED);
    rig_reopen(rig);
    struct journal_row row = rig_row(rig, id);
    assert_int_equal(row.state, JOURNAL_REFUSED);
    assert_int_equal(row.code, EIO);
    assert_string_equal(row.reason, "because");
    journal_row_free(&row);
    assert_int_equal(journal_retry(rig->journal, id), CACHE_OK);
    rig_brings(rig, id, JOURNAL_DONE);
    row = rig_row(rig, id);
    assert_int_equal(row.attempts, 2);
    assert_string_equal(row.reason, "");
    journal_row_free(&row);
    assert_int_equal(journal_retry(rig->journal, 99), CACHE_ERR_ABSENT);
    assert_int_equal(journal_retry(rig->journal, id), CACHE_ERR_STATE);
}

/* A save over an existing message: the old one goes once the new one is there, or not at all. */
static void test_old_version_waits_for_the_new(void **state)
{
    struct rig *rig = *state;
    for (int dropped = 0; dropped < 2; dropped++) {
        struct journal_spool *spool = rig_spool(rig, 1, 100);
        struct journal_intent both[2] = {rig_append(spool, 1), rig_move(5)};
        struct journal_row rows[4];
        size_t count = 0;
        int64_t ids[2];
        both[1].after = JOURNAL_PREVIOUS;
        assert_int_equal(journal_add(rig->journal, both, 2, JOURNAL_INTENT, ids), CACHE_OK);
        journal_spool_close(&spool);
        assert_int_equal(journal_ready(rig->journal, 0, rows, 4, &count), CACHE_OK);
        assert_int_equal(count, 1);
        assert_int_equal(rows[0].id, ids[0]);
        journal_row_free(&rows[0]);
        assert_int_equal(rig_do(rig, ids[1], JOURNAL_DO_SEND), CACHE_ERR_STATE);
        rig_brings(rig, ids[0], dropped != 0 ? JOURNAL_REFUSED : JOURNAL_DONE);
        assert_int_equal(rig_do(rig, ids[1], JOURNAL_DO_SEND), CACHE_ERR_STATE);
        enum journal_event end = dropped != 0 ? JOURNAL_DO_DROP : JOURNAL_DO_FINISH;
        assert_int_equal(rig_do(rig, ids[0], end), CACHE_OK);
        if (dropped != 0) {
            assert_int_equal(rig_state(rig, ids[1]), JOURNAL_NONE); /* the old one stands */
            continue;
        }
        struct journal_row row = rig_row(rig, ids[1]);
        assert_int_equal(row.intent.after, 0);
        assert_int_equal(row.intent.uid, 5);
        journal_row_free(&row);
        rig_brings(rig, ids[1], JOURNAL_DONE);
        assert_int_equal(rig_do(rig, ids[1], JOURNAL_DO_FINISH), CACHE_OK);
    }
    rig_reopen(rig);
    assert_int_equal(rig_spools(rig), 0);
}

/* Moving a message that is itself still being uploaded: its UID comes with the outcome. */
static void test_message_without_a_uid_yet(void **state)
{
    struct rig *rig = *state;
    int64_t append = rig_add_append(rig, 1, 10);
    struct journal_intent move = {.kind = JOURNAL_MOVE, .target = "Other", .made_by = append};
    int64_t second = rig_add(rig, move);
    move.made_by = second;
    move.target = "Third";
    int64_t third = rig_add(rig, move);
    struct journal_row row = rig_row(rig, second);
    assert_string_equal(row.intent.mailbox, "Archive"); /* where the first one puts it */
    assert_int_equal(row.intent.uid, 0);
    journal_row_free(&row);
    rig_brings(rig, append, JOURNAL_DONE);
    row = rig_row(rig, second);
    assert_int_equal(row.intent.uidvalidity, 7);
    assert_int_equal(row.intent.uid, 1000 + append);
    assert_int_equal(row.intent.made_by, append); /* the cache has not heard yet */
    journal_row_free(&row);
    /* One that comes when the outcome is known has it at once. */
    move.made_by = append;
    int64_t late = rig_add(rig, move);
    row = rig_row(rig, late);
    assert_int_equal(row.intent.uid, 1000 + append);
    journal_row_free(&row);
    assert_int_equal(rig_do(rig, append, JOURNAL_DO_FINISH), CACHE_OK);
    assert_int_equal(rig_do(rig, second, JOURNAL_DO_SEND), CACHE_OK);
    /* The second one succeeds, but nobody says where the message is: the third cannot go on. */
    struct journal_move silent = {.id = second, .event = JOURNAL_DO_SUCCEED};
    assert_int_equal(journal_do(rig->journal, &silent, 1, true), CACHE_OK);
    assert_int_equal(rig_do(rig, second, JOURNAL_DO_FINISH), CACHE_OK);
    row = rig_row(rig, third);
    assert_int_equal(row.state, JOURNAL_HELD);
    assert_non_null(strstr(row.reason, "did not tell"));
    journal_row_free(&row);
    /* Its row is gone: the caller looks in the cache. */
    int64_t id = 0;
    move.made_by = append;
    assert_int_equal(journal_add(rig->journal, &move, 1, JOURNAL_INTENT, &id), CACHE_ERR_ABSENT);
}

static void test_drop_takes_all_that_waits(void **state)
{
    struct rig *rig = *state;
    int64_t first = rig_add_append(rig, 1, 10);
    struct journal_intent move = {.kind = JOURNAL_MOVE, .target = "Other", .made_by = first};
    int64_t second = rig_add(rig, move);
    struct journal_spool *spool = rig_spool(rig, 2, 10);
    struct journal_intent append = rig_append(spool, 2);
    append.after = second;
    int64_t third = rig_add(rig, append);
    journal_spool_close(&spool);
    int64_t other = rig_add(rig, rig_move(7));
    assert_int_equal(rig_do(rig, first, JOURNAL_DO_DROP), CACHE_OK);
    assert_int_equal(rig_state(rig, first), JOURNAL_NONE);
    assert_int_equal(rig_state(rig, second), JOURNAL_NONE);
    assert_int_equal(rig_state(rig, third), JOURNAL_NONE);
    assert_int_equal(rig_state(rig, other), JOURNAL_INTENT);
    rig_reopen(rig);
    assert_int_equal(rig_spools(rig), 0);
}

/* Each move of a batch stands or falls by itself. */
static void test_batch_has_a_result_each(void **state)
{
    struct rig *rig = *state;
    int64_t good = rig_add(rig, rig_move(1)), sent = rig_add(rig, rig_move(2));
    rig_brings(rig, sent, JOURNAL_SENT);
    struct journal_move moves[] = {
        {.id = good, .event = JOURNAL_DO_SEND   },
        {.id = sent, .event = JOURNAL_DO_SEND   },
        {.id = 999,  .event = JOURNAL_DO_SEND   },
        {.id = sent, .event = JOURNAL_DO_SUCCEED, .uidvalidity = 7, .uid = 8},
        {.id = sent,  .event = JOURNAL_EVENTS                            },
    };
    assert_int_equal(journal_do(rig->journal, moves, 5, false), CACHE_ERR_STATE);
    static const enum cache_error expected[] = {CACHE_OK, CACHE_ERR_STATE, CACHE_ERR_ABSENT,
                                                CACHE_OK, CACHE_ERR_STATE};
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(moves[i].result, expected[i]);
    assert_int_equal(rig_state(rig, good), JOURNAL_SENT);
    assert_int_equal(rig_state(rig, sent), JOURNAL_DONE);
}

/* All rows of one call or none, and no name is left in the outbox. */
static void test_add_is_all_or_nothing(void **state)
{
    struct rig *rig = *state;
    struct journal_spool *spool = rig_spool(rig, 1, 100);
    struct journal_intent both[2] = {rig_append(spool, 1), rig_move(5)};
    int64_t ids[2];
    both[1].after = 77;
    assert_int_equal(journal_add(rig->journal, both, 2, JOURNAL_INTENT, ids), CACHE_ERR_ABSENT);
    assert_int_equal(rig_count(rig, "outbox-", ""), 1);
    assert_false(journal_spool_sealed(spool));
    assert_int_equal(journal_spool_write(spool, 100, "x", 1), CACHE_OK);
    both[1].after = JOURNAL_PREVIOUS;
    assert_int_equal(journal_add(rig->journal, both, 2, JOURNAL_INTENT, ids), CACHE_OK);
    assert_true(journal_spool_sealed(spool));
    assert_int_equal(journal_spool_write(spool, 0, "x", 1), CACHE_ERR_STATE);
    assert_int_equal(journal_add(rig->journal, both, 2, JOURNAL_INTENT, ids), CACHE_ERR_STATE);
    journal_spool_close(&spool);
    assert_int_equal(rig_spools(rig), 1);
    rig_reopen(rig);
    struct journal_row row = rig_row(rig, ids[0]);
    assert_int_equal(row.spool_bytes, 101);
    journal_row_free(&row);
    both[0].after = JOURNAL_PREVIOUS; /* there is none before it */
    both[0].spool = spool = rig_spool(rig, 2, 5);
    assert_int_equal(journal_add(rig->journal, both, 1, JOURNAL_INTENT, ids), CACHE_ERR_ABSENT);
    both[0].after = 0;
    both[0].spool = NULL; /* an APPEND of nothing */
    assert_int_equal(journal_add(rig->journal, both, 1, JOURNAL_INTENT, ids), CACHE_ERR_STATE);
    static const enum journal_state births[] = {JOURNAL_NONE, JOURNAL_DONE, JOURNAL_REFUSED,
                                                JOURNAL_HELD};
    both[0].spool = spool;
    for (size_t i = 0; i < sizeof births / sizeof *births; i++)
        assert_int_equal(journal_add(rig->journal, both, 1, births[i], ids), CACHE_ERR_STATE);
    journal_spool_close(&spool);
}

static void test_born_sent(void **state)
{
    struct rig *rig = *state;
    struct journal_intent move = rig_move(1);
    int64_t id = 0;
    move.target_uidnext = 55;
    assert_int_equal(journal_add(rig->journal, &move, 1, JOURNAL_SENT, &id), CACHE_OK);
    struct journal_row row = rig_row(rig, id);
    assert_int_equal(row.state, JOURNAL_SENT);
    assert_int_equal(row.attempts, 1);
    assert_int_equal(row.intent.target_uidnext, 55);
    journal_row_free(&row);
    move.after = id;
    assert_int_equal(journal_add(rig->journal, &move, 1, JOURNAL_SENT, &id), CACHE_ERR_STATE);
}

static void test_limits(void **state)
{
    struct rig *rig = *state;
    struct journal_spool *first = NULL, *second = NULL;
    struct journal_intent move = rig_move(1);
    struct journal_figures figures;
    int64_t id = 0;
    rig->limits = (struct journal_limits){.rows = 3, .bytes = 10000};
    rig_reopen(rig);
    for (int i = 0; i < 3; i++)
        id = rig_add(rig, move);
    assert_int_equal(journal_add(rig->journal, &move, 1, JOURNAL_INTENT, &id), CACHE_ERR_LIMIT);
    assert_int_equal(rig_do(rig, 1, JOURNAL_DO_DROP), CACHE_OK);
    assert_int_equal(journal_add(rig->journal, &move, 1, JOURNAL_INTENT, &id), CACHE_OK);
    assert_int_equal(rig_do(rig, 2, JOURNAL_DO_DROP), CACHE_OK);

    first = rig_spool(rig, 1, 9000);
    second = rig_spool(rig, 2, 1000);
    assert_int_equal(journal_spool_write(second, 1000, "x", 1), CACHE_ERR_LIMIT);
    assert_int_equal(journal_spool_truncate(second, UINT64_C(1) << 40), CACHE_ERR_LIMIT);
    assert_int_equal(journal_spool_truncate(second, UINT64_MAX), CACHE_ERR_LIMIT);
    assert_int_equal(journal_spool_write(second, UINT64_MAX - 1, "xyz", 3), CACHE_ERR_LIMIT);
    assert_int_equal(journal_spool_size(second), 1000);
    assert_int_equal(journal_spool_truncate(second, 500), CACHE_OK);
    assert_int_equal(journal_spool_write(second, 500, "x", 1), CACHE_OK);
    journal_spool_close(&second);
    struct journal_intent append = rig_append(first, 1);
    assert_int_equal(journal_add(rig->journal, &append, 1, JOURNAL_INTENT, &id), CACHE_OK);
    journal_spool_close(&first);
    rig_reopen(rig);
    assert_int_equal(journal_figures_get(rig->journal, &figures), CACHE_OK);
    assert_int_equal(figures.bytes, 9000);
    assert_int_equal(figures.rows[JOURNAL_INTENT], 3);
    assert_int_equal(rig_do(rig, id, JOURNAL_DO_DROP), CACHE_OK);
    rig_reopen(rig);
    assert_int_equal(journal_figures_get(rig->journal, &figures), CACHE_OK);
    assert_int_equal(figures.bytes, 0);
}

static void test_lists(void **state)
{
    struct rig *rig = *state;
    struct journal_row rows[8];
    size_t count = 0, all = 0;
    for (uint32_t uid = 1; uid <= 20; uid++)
        rig_add(rig, rig_move(uid));
    for (int64_t id = 2; id <= 20; id += 4)
        rig_brings(rig, id, JOURNAL_REFUSED);
    int64_t after = 0;
    do {
        assert_int_equal(journal_list(rig->journal, JOURNAL_NONE, after, rows, 8, &count),
                         CACHE_OK);
        for (size_t i = 0; i < count; i++) {
            assert_true(rows[i].id > after);
            after = rows[i].id;
            journal_row_free(&rows[i]);
        }
        all += count;
    } while (count > 0);
    assert_int_equal(all, 20);
    assert_int_equal(journal_list(rig->journal, JOURNAL_REFUSED, 6, rows, 8, &count), CACHE_OK);
    assert_int_equal(count, 3);
    assert_int_equal(rows[0].id, 10);
    for (size_t i = 0; i < count; i++)
        journal_row_free(&rows[i]);
    assert_int_equal(journal_ready(rig->journal, 18, rows, 8, &count), CACHE_OK);
    assert_int_equal(count, 2);
    for (size_t i = 0; i < count; i++)
        journal_row_free(&rows[i]);
    assert_int_equal(journal_find(rig->journal, "INBOX", 3, 7, &rows[0]), CACHE_OK);
    assert_int_equal(rows[0].id, 7);
    journal_row_free(&rows[0]);
    assert_int_equal(journal_find(rig->journal, "INBOX", 4, 7, &rows[0]), CACHE_ERR_ABSENT);
    assert_string_equal(journal_kind_name(JOURNAL_UNSUBSCRIBE), "unsubscribe");
    assert_string_equal(journal_kind_name(JOURNAL_KINDS), "unknown");
    assert_string_equal(journal_state_name(JOURNAL_HELD), "held");
}

/* A mailbox gets another name: the rows that were there before it name the new one. */
static void test_rename_is_followed(void **state)
{
    static const struct {
        const char *before, *after;
    } cases[] = {
        {"Work",         "Done"        },
        {"Work/2024",    "Done/2024"   },
        {"Work/2024/x",  "Done/2024/x" },
        {"Workshop",     "Workshop"    },
        {"work",         "work"        },
        {"Work\xC3\xA9", "Work\xC3\xA9"},
        {"",             ""            },
    };
    enum { CASES = sizeof cases / sizeof *cases };
    struct rig *rig = *state;
    int64_t ids[CASES], late = 0;
    for (size_t i = 0; i < CASES; i++) {
        struct journal_intent intent = rig_move(1);
        intent.mailbox = cases[i].before;
        intent.target = cases[CASES - 1 - i].before;
        ids[i] = rig_add(rig, intent);
    }
    struct journal_intent rename = {
        .kind = JOURNAL_RENAME, .mailbox = "Work", .target = "Done", .delimiter = '/'};
    int64_t id = rig_add(rig, rename);
    struct journal_intent created = {.kind = JOURNAL_CREATE, .mailbox = "Work"};
    late = rig_add(rig, created);
    rig_brings(rig, id, JOURNAL_DONE);
    for (size_t i = 0; i < CASES; i++) {
        struct journal_row row = rig_row(rig, ids[i]);
        assert_string_equal(row.intent.mailbox, cases[i].after);
        assert_string_equal(row.intent.target, cases[CASES - 1 - i].after);
        journal_row_free(&row);
    }
    struct journal_row row = rig_row(rig, id);
    assert_string_equal(row.intent.mailbox, "Work");
    journal_row_free(&row);
    row = rig_row(rig, late);
    assert_string_equal(row.intent.mailbox, "Work"); /* another one */
    journal_row_free(&row);
}

/* journal_add_rows tells what journal_get would. */
static void test_rows_of_an_add(void **state)
{
    struct rig *rig = *state;
    struct journal_row rows[2];
    struct journal_spool *spool = rig_spool(rig, 1, 3000);
    struct journal_intent intents[2] = {rig_append(spool, 9), rig_move(5)};
    intents[1].after = JOURNAL_PREVIOUS;
    assert_int_equal(journal_add_rows(rig->journal, intents, 2, JOURNAL_INTENT, rows), CACHE_OK);
    journal_spool_close(&spool);
    assert_int_equal(rows[1].intent.after, rows[0].id);
    for (int i = 0; i < 2; i++) {
        struct journal_row row = rig_row(rig, rows[i].id);
        assert_int_equal(row.state, rows[i].state);
        assert_int_equal(row.intent.kind, rows[i].intent.kind);
        assert_string_equal(row.intent.target, rows[i].intent.target);
        assert_string_equal(row.intent.name, rows[i].intent.name);
        assert_int_equal(row.spool_bytes, rows[i].spool_bytes);
        assert_memory_equal(row.sha256, rows[i].sha256, sizeof row.sha256);
        journal_row_free(&row);
        journal_row_free(&rows[i]);
    }
    intents[0] = rig_move(6);
    intents[1].after = 9999; /* no row: nothing is added, and there is nothing to free */
    assert_int_equal(journal_add_rows(rig->journal, intents, 2, JOURNAL_INTENT, rows),
                     CACHE_ERR_ABSENT);
    assert_null(rows[0].memory);
    struct journal_figures figures;
    assert_int_equal(journal_figures_get(rig->journal, &figures), CACHE_OK);
    assert_int_equal(figures.rows[JOURNAL_INTENT], 2);
}

int main(void)
{
    log_open("/dev/null");
#define CASE(test)  cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)
#define FILES(test) cmocka_unit_test_setup_teardown(test, rig_setup_files, rig_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_everything_is_kept),
        FILES(test_everything_is_kept),
        CASE(test_walk_of_an_append),
        FILES(test_walk_of_an_append),
        CASE(test_refusal_and_retry),
        CASE(test_old_version_waits_for_the_new),
        CASE(test_message_without_a_uid_yet),
        CASE(test_drop_takes_all_that_waits),
        CASE(test_batch_has_a_result_each),
        FILES(test_add_is_all_or_nothing),
        CASE(test_born_sent),
        CASE(test_rows_of_an_add),
        CASE(test_limits),
        CASE(test_lists),
        CASE(test_rename_is_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
