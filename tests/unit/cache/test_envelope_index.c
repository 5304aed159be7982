/* The index of envelopes: what may have a word, what is not in it yet, rows that change, and those
 * of messages that are gone. */
#include "tests/unit/cache/fixture.h"

#include "cache/envelope_index.h"
#include "cache/outcomes.h"

enum { VERSION = 3, SET = 64, ARCHIVE_UIDVALIDITY = 42, PLENTY = 5200 };

static void open_index(struct fixture *f)
{
    assert_int_equal(text_index_open(f->cache, VERSION), CACHE_OK);
}

static int64_t archive(struct fixture *f)
{
    struct cache_mailbox row;
    assert_int_equal(cache_mailbox_find(f->cache, "Archive", &row), CACHE_OK);
    cache_mailbox_free(&row);
    return row.id;
}

static void add_to(struct fixture *f, int64_t mailbox, uint32_t uidvalidity, uint32_t uid,
                   const char *subject)
{
    const struct cache_new_message one = {.uid = uid,
                                          .size = 777,
                                          .flags = "",
                                          .subject = subject,
                                          .from = "jane <jane@example.org>",
                                          .stem = subject};
    assert_int_equal(cache_messages_add(f->cache, mailbox, uidvalidity, &one, 1, uid, false,
                                        fixture_file_name, NULL, NULL),
                     CACHE_OK);
}

static void add(struct fixture *f, uint32_t uid, const char *subject)
{
    add_to(f, f->inbox, FIXTURE_UIDVALIDITY, uid, subject);
}

struct set {
    struct envelope_index_entry entries[SET];
    char words[SET][128];
    size_t count;
};

static bool visit(void *ctx, const struct cache_row *row)
{
    struct set *set = ctx;
    snprintf(set->words[set->count], sizeof set->words[0], "%s\n%s\n%s", row->from, row->to,
             row->subject);
    set->entries[set->count] = (struct envelope_index_entry){
        .message = row->id, .words = set->words[set->count], .len = strlen(set->words[set->count])};
    set->count++;
    return true;
}

/* Indexes what is not, at most `max`. Returns how many. */
static size_t fill(struct fixture *f, size_t max)
{
    static struct set set;
    size_t all = 0;
    do {
        size_t left = max - all;
        set.count = 0;
        assert_int_equal(envelope_index_next(f->cache, left < SET ? left : SET, visit, &set),
                         CACHE_OK);
        if (set.count > 0)
            assert_int_equal(envelope_index_add(f->cache, set.entries, set.count), CACHE_OK);
        all += set.count;
    } while (set.count > 0 && all < max);
    return all;
}

/* How many may have the words; the first of them. */
static size_t asked(struct fixture *f, const char *one, const char *two, int64_t *first)
{
    const char *needles[] = {one, two};
    int64_t *messages = NULL;
    size_t found = 0;
    assert_int_equal(envelope_index_ask(f->cache, needles, two != NULL ? 2 : 1, &messages, &found),
                     CACHE_OK);
    for (size_t i = 1; i < found; i++)
        assert_true(messages[i] > messages[i - 1]);
    if (first != NULL)
        *first = found > 0 ? messages[0] : 0;
    free(messages);
    return found;
}

static void expect_absent(struct fixture *f, const char *needle)
{
    int64_t *messages = NULL;
    size_t found = 0;
    assert_int_equal(envelope_index_ask(f->cache, &needle, 1, &messages, &found), CACHE_ERR_ABSENT);
    assert_null(messages);
}

static void test_ask(void **state)
{
    struct fixture *f = *state;
    int64_t first;
    expect_absent(f, "report");
    open_index(f);
    add(f, 1, "quarterly report");
    add(f, 2, "gr\u00FCsse");
    add(f, 3, "report of \"costs\"");
    assert_int_equal(asked(f, "report", NULL, NULL), 3); /* nothing is known of them */
    assert_int_equal(fill(f, 2), 2);
    assert_int_equal(asked(f, "nowhere", NULL, NULL), 1);
    assert_int_equal(fill(f, 100), 1);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(asked(f, "report", NULL, &first), 2);
        assert_int_equal(first, fixture_find(f, 1).message);
        assert_int_equal(asked(f, "report", "\"cos", &first), 1);
        assert_int_equal(first, fixture_find(f, 3).message);
        assert_int_equal(asked(f, "jane", "\u00FCss", &first), 1);
        assert_int_equal(first, fixture_find(f, 2).message);
        assert_int_equal(asked(f, "nowhere", NULL, NULL), 0);
        expect_absent(f, "re"); /* too short to say */
        assert_int_equal(fill(f, 100), 0);
        fixture_reopen(f);
        open_index(f);
    }
}

/* A copy has its original's envelope until the server tells; what changes then is found again. */
static void test_restated(void **state)
{
    struct fixture *f = *state;
    int64_t first;
    struct cache_inode copy;
    const struct cache_mailbox_facts facts = {.uidvalidity = ARCHIVE_UIDVALIDITY};
    open_index(f);
    add(f, 1, "as it was");
    assert_int_equal(cache_mailbox_note(f->cache, archive(f), &facts, NULL, NULL), CACHE_OK);
    const struct cache_place from = {f->inbox, FIXTURE_UIDVALIDITY, 1};
    const struct cache_arrival arrival = {
        .place = {archive(f), ARCHIVE_UIDVALIDITY, 9},
          .name = "copy.eml"
    };
    assert_int_equal(cache_message_copied(f->cache, &from, &arrival, &copy, NULL, NULL), CACHE_OK);
    assert_int_equal(fill(f, 100), 2);
    assert_int_equal(asked(f, "as it was", NULL, NULL), 2);
    assert_int_equal(asked(f, "rewritten", NULL, NULL), 0);
    add_to(f, archive(f), ARCHIVE_UIDVALIDITY, 9, "rewritten");
    for (int again = 0; again < 2; again++) {
        assert_int_equal(asked(f, "rewritten", NULL, &first), 1);
        assert_int_equal(first, copy.message);
        assert_int_equal(asked(f, "as it was", NULL, NULL), 2); /* one of them once was */
        fixture_reopen(f);
        open_index(f);
    }
    assert_int_equal(cache_messages_gone(f->cache, archive(f), ARCHIVE_UIDVALIDITY, &(uint32_t){9},
                                         1, NULL, NULL),
                     CACHE_OK);
    assert_int_equal(asked(f, "rewritten", NULL, NULL), 0);
}

/* Where most messages may match, or most are not in it, the rows are as good. */
static void test_too_many(void **state)
{
    struct fixture *f = *state;
    int64_t first;
    open_index(f);
    fixture_add(f, 1, PLENTY);
    expect_absent(f, "needle");
    assert_int_equal(fill(f, 1000), 1000);
    add(f, PLENTY + 1, "a needle");
    assert_int_equal(asked(f, "needle", NULL, NULL), PLENTY + 1 - 1000);
    assert_int_equal(fill(f, SIZE_MAX), PLENTY + 1 - 1000);
    assert_int_equal(asked(f, "needle", NULL, &first), 1);
    assert_int_equal(first, fixture_find(f, PLENTY + 1).message);
    expect_absent(f, "usual length");
}

/* Once most rows are of messages that are gone, it is made anew. */
static void test_tidy(void **state)
{
    struct fixture *f = *state;
    enum { MANY = 1600 };
    bool again = true;
    open_index(f);
    fixture_add(f, 1, MANY);
    assert_int_equal(fill(f, SIZE_MAX), MANY);
    assert_int_equal(envelope_index_tidy(f->cache, &again), CACHE_OK);
    assert_false(again);
    fixture_remove(f, 1, MANY - 1);
    assert_int_equal(envelope_index_tidy(f->cache, &again), CACHE_OK);
    assert_true(again);
    assert_int_equal(fill(f, SIZE_MAX), 1);
    assert_int_equal(asked(f, "usual length", NULL, NULL), 1);
    assert_int_equal(envelope_index_tidy(f->cache, &again), CACHE_OK);
    assert_false(again);
}

/* An index.db that lost its last messages with the power gives their ids to others. */
static void test_ids_given_again(void **state)
{
    struct fixture *f = *state;
    open_index(f);
    add(f, 1, "first");
    add(f, 2, "second");
    fill(f, 100);
    cache_close(&f->cache);
    sqlite3 *handle = NULL;
    assert_int_equal(sqlite3_open(fixture_path(f, "index.db"), &handle), SQLITE_OK);
    assert_int_equal(sqlite3_exec(handle,
                                  "DELETE FROM inode WHERE uid = 2; DELETE FROM message WHERE"
                                  " uid = 2; UPDATE sqlite_sequence SET seq = seq - 1"
                                  " WHERE name = 'message'",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(handle);
    fixture_open(f);
    open_index(f);
    add(f, 2, "another");
    assert_int_equal(asked(f, "another", NULL, NULL), 2);
    assert_int_equal(fill(f, 100), 2);
    assert_int_equal(asked(f, "another", NULL, NULL), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)
        CASE(test_ask),  CASE(test_restated),        CASE(test_too_many),
        CASE(test_tidy), CASE(test_ids_given_again),
#undef CASE
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
