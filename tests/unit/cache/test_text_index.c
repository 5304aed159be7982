/* The index of texts: what may have a word, what is not in it yet, bodies that go, and files that
 * are not fit for use. */
#include "tests/unit/cache/fixture.h"

#include <unistd.h>

#include "cache/text_index.h"

enum { VERSION = 3, BODY = 400 };

static const char *const texts[] = {
    "from: jane subject: quarterly report",
    "nothing of note",
    "gr\u00FCsse aus k\u00F6ln",
    "\u65E5\u672C\u8A9E\u306E\u672C\u6587",
    "say \"invoice\" and report",
    "ab",
};
enum { TEXTS = sizeof texts / sizeof *texts };

static int64_t add_body(struct fixture *f, uint32_t uid)
{
    fixture_add(f, uid, uid);
    int64_t message = fixture_find(f, uid).message;
    assert_int_equal(fixture_body(f->cache, message, uid, BODY, BODY), CACHE_OK);
    return message;
}

static void open_index(struct fixture *f)
{
    assert_int_equal(text_index_open(f->cache, VERSION), CACHE_OK);
}

static void reopen(struct fixture *f)
{
    fixture_reopen(f);
    open_index(f);
}

/* Indexes what is not: body number n, counted from one, has text n. Returns how many. */
static size_t fill(struct fixture *f, size_t max)
{
    struct text_index_body bodies[8];
    struct text_index_entry entries[8];
    size_t count = 0, all = 0;
    do {
        assert_int_equal(text_index_next(f->cache, bodies, max < 8 ? max : 8, &count), CACHE_OK);
        for (size_t i = 0; i < count; i++) {
            const char *text = texts[(size_t)(bodies[i].body - 1) % TEXTS];
            entries[i] = (struct text_index_entry){
                .body = bodies[i].body, .text = text, .len = strlen(text)};
        }
        if (count > 0)
            assert_int_equal(text_index_add(f->cache, entries, count), CACHE_OK);
        all += count;
        max -= count;
    } while (count > 0 && max > 0);
    return all;
}

/* Which UIDs may have the words, as bits. */
static unsigned asked(struct fixture *f, const char *one, const char *two)
{
    const char *needles[] = {one, two};
    int64_t *messages = NULL;
    size_t found = 0;
    bool whole = false;
    unsigned bits = 0;
    assert_int_equal(
        text_index_ask(f->cache, needles, two != NULL ? 2 : 1, &messages, &found, &whole),
        CACHE_OK);
    for (size_t i = 0; i < found; i++) {
        assert_true(i == 0 || messages[i] > messages[i - 1]);
        for (uint32_t uid = 1; uid <= TEXTS; uid++) {
            struct cache_inode inode;
            if (cache_message_find(f->cache, f->inbox, uid, &inode) == CACHE_OK)
                bits |= inode.message == messages[i] ? 1U << uid : 0;
        }
    }
    free(messages);
    return bits;
}

static uint64_t indexed(struct fixture *f)
{
    struct cache_figures figures;
    assert_int_equal(cache_figures_get(f->cache, &figures), CACHE_OK);
    assert_int_equal(figures.index_bytes > 0, figures.indexed > 0);
    return figures.indexed;
}

static void add_all(struct fixture *f)
{
    for (uint32_t uid = 1; uid <= TEXTS; uid++)
        add_body(f, uid);
}

static void test_ask(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *one, *two;
        unsigned bits;
    } rows[] = {
        {"report",                               NULL,     1U << 1 | 1U << 5},
        {"quarterly report",                     NULL,     1U << 1          },
        {"report",                               "\"inv",  1U << 5          },
        {"ort",                                  "x",      1U << 1 | 1U << 5},
        {"k\u00F6l",                             NULL,     1U << 3          },
        {"\u672C\u8A9E\u306E",                   NULL,     1U << 4          },
        {"REPORT",                               NULL,     0                }, /* it is not folded */
        {"a word of many pieces, none of which", NULL,     0                },
        {"from: jane subject: quarterly report", "report", 1U << 1          },
    };
    open_index(f);
    add_all(f);
    assert_int_equal(asked(f, "report", NULL), 0x7E); /* nothing is known of them */
    assert_int_equal(fill(f, 2), 2);
    assert_int_equal(asked(f, "report", NULL), 0x7E & ~(1U << 2));
    assert_int_equal(fill(f, 100), TEXTS - 2);
    assert_int_equal(indexed(f), TEXTS);
    for (int again = 0; again < 2; again++, reopen(f)) {
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
            assert_int_equal(asked(f, rows[i].one, rows[i].two), rows[i].bits);
        assert_int_equal(indexed(f), TEXTS);
        assert_int_equal(fill(f, 100), 0);
    }
}

static void test_too_short(void **state)
{
    struct fixture *f = *state;
    const char *const needles[] = {"ab", "\u65E5\u672C", ""};
    int64_t *messages = NULL;
    size_t found = 0;
    bool whole = false;
    assert_int_equal(text_index_ask(f->cache, needles, 3, &messages, &found, &whole),
                     CACHE_ERR_ABSENT);
    open_index(f);
    add_all(f);
    fill(f, 100);
    assert_int_equal(text_index_ask(f->cache, needles, 3, &messages, &found, &whole),
                     CACHE_ERR_ABSENT);
    assert_null(messages);
}

/* What has no text to be had may have any; what is gone has none, and is passed over. */
static void test_unread_and_gone(void **state)
{
    struct fixture *f = *state;
    struct text_index_body bodies[8];
    struct text_index_entry entries[3] = {
        {.state = TEXT_INDEX_UNREAD},
        {                .state = TEXT_INDEX_GONE                         },
        { .text = texts[0],                          .len = 9}
    };
    size_t count = 0;
    uint64_t size = 0;
    open_index(f);
    for (uint32_t uid = 1; uid <= 3; uid++)
        add_body(f, uid);
    assert_int_equal(text_index_next(f->cache, bodies, 8, &count), CACHE_OK);
    assert_int_equal(count, 3);
    assert_int_equal(cache_body_hold(f->cache, bodies[1].message, bodies[1].body, &size), CACHE_OK);
    assert_int_equal(size, BODY);
    cache_body_unpin(f->cache, bodies[1].message);
    assert_int_equal(cache_body_hold(f->cache, bodies[1].message, bodies[2].body, &size),
                     CACHE_ERR_ABSENT);
    assert_int_equal(
        cache_messages_gone(f->cache, f->inbox, FIXTURE_UIDVALIDITY, &(uint32_t){2}, 1, NULL, NULL),
        CACHE_OK);
    assert_int_equal(cache_body_hold(f->cache, bodies[1].message, bodies[1].body, &size),
                     CACHE_ERR_ABSENT);
    for (size_t i = 0; i < 3; i++)
        entries[i].body = bodies[i].body;
    assert_int_equal(text_index_add(f->cache, entries, 3), CACHE_OK);
    assert_int_equal(asked(f, "never there", NULL), 1U << 1);
    assert_int_equal(asked(f, "jane", NULL), 1U << 1); /* of the third nine bytes were given */
    assert_int_equal(asked(f, "from", NULL), 1U << 1 | 1U << 3);
    assert_int_equal(
        cache_messages_gone(f->cache, f->inbox, FIXTURE_UIDVALIDITY, &(uint32_t){3}, 1, NULL, NULL),
        CACHE_OK);
    assert_int_equal(asked(f, "from", NULL), 1U << 1);
}

/* Once most rows are of bodies that are gone, it is made anew. */
static void test_tidy(void **state)
{
    struct fixture *f = *state;
    enum { MANY = 1600 };
    bool again = true;
    open_index(f);
    fixture_add(f, 1, MANY);
    for (uint32_t uid = 1; uid <= MANY; uid++)
        assert_int_equal(fixture_body(f->cache, fixture_find(f, uid).message, uid, 20, 20),
                         CACHE_OK);
    assert_int_equal(fill(f, MANY), MANY);
    assert_int_equal(text_index_tidy(f->cache, &again), CACHE_OK);
    assert_false(again);
    fixture_remove(f, 1, MANY - 1);
    assert_int_equal(text_index_tidy(f->cache, &again), CACHE_OK);
    assert_true(again);
    assert_int_equal(indexed(f), 0);
    assert_int_equal(fill(f, 100), 1);
    assert_int_equal(indexed(f), 1);
    assert_int_equal(text_index_tidy(f->cache, &again), CACHE_OK);
    assert_false(again);
}

/* A body on its way in has its place in the order; those behind it wait for it, and may match
 * meanwhile. */
static void test_order(void **state)
{
    struct fixture *f = *state;
    struct cache_incoming *slow = NULL;
    static char chunk[200000];
    open_index(f);
    add_body(f, 1);
    fixture_add(f, 2, 2);
    assert_int_equal(cache_incoming_begin(f->cache, &slow), CACHE_OK);
    assert_int_equal(cache_incoming_write(slow, chunk, sizeof chunk), CACHE_OK);
    add_body(f, 3);
    assert_int_equal(fill(f, 100), 1);
    assert_int_equal(asked(f, "never there", NULL), 1U << 3);
    cache_incoming_abort(&slow);
    add_body(f, 4); /* its transaction is after the other one's end */
    assert_int_equal(fill(f, 100), 2);
    assert_int_equal(asked(f, "never there", NULL), 0);
}

/* It takes its part of the room and no more. */
static void test_room(void **state)
{
    struct fixture *f = *state;
    struct text_index_body bodies[8];
    size_t count = 0;
    f->limit = 200000;
    fixture_reopen(f);
    open_index(f);
    for (uint32_t uid = 1; uid <= 3; uid++)
        add_body(f, uid);
    assert_int_equal(fill(f, 1), 1);
    assert_int_equal(text_index_next(f->cache, bodies, 8, &count), CACHE_ERR_LIMIT);
    assert_int_equal(asked(f, "quarterly", NULL), 0xE);
}

static void spoil(struct fixture *f, const char *how)
{
    const char *path = fixture_path(f, "search.db");
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    if (strcmp(how, "short") == 0)
        assert_int_equal(ftruncate(fileno(file), 5000), 0);
    else
        assert_true(fwrite(how, strlen(how), 1, file) == 1);
    fclose(file);
}

/* Whatever is wrong with the file, it is made anew, and nothing is lost meanwhile. */
static void test_spoilt(void **state)
{
    struct fixture *f = *state;
    static const char *const ways[] = {"no database at all", "short"};
    open_index(f);
    add_all(f);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        fill(f, 100);
        assert_int_equal(asked(f, "quarterly", NULL), 1U << 1);
        cache_close(&f->cache);
        spoil(f, ways[i]);
        fixture_open(f);
        open_index(f);
        assert_int_equal(indexed(f), 0);
        assert_int_equal(asked(f, "quarterly", NULL), 0x7E);
    }
    assert_int_equal(fixture_count_files(f, "search.db.aside"), 0);
    fill(f, 100);
    fixture_reopen(f);
    assert_int_equal(text_index_open(f->cache, VERSION + 1), CACHE_OK); /* another text */
    assert_int_equal(indexed(f), 0);
}

/* A bodies.db that is started anew gives the same ids to others. */
static void test_other_bodies(void **state)
{
    struct fixture *f = *state;
    open_index(f);
    add_all(f);
    fill(f, 100);
    cache_close(&f->cache);
    unlink(fixture_path(f, "bodies.db"));
    fixture_open(f);
    open_index(f);
    assert_int_equal(indexed(f), 0);
    assert_int_equal(fixture_body(f->cache, fixture_find(f, 2).message, 2, BODY, BODY), CACHE_OK);
    assert_int_equal(asked(f, "never there", NULL), 1U << 2);
}

static void expect_whole(struct fixture *f, bool expected)
{
    const char *const needles[] = {"word"};
    int64_t *messages = NULL;
    size_t found = 0;
    bool whole = !expected;
    assert_int_equal(text_index_ask(f->cache, needles, 1, &messages, &found, &whole), CACHE_OK);
    assert_int_equal(whole, expected);
    free(messages);
}

/* As many bodies as messages do not make it whole while one is of a message that is gone. */
static void test_whole(void **state)
{
    struct fixture *f = *state;
    uint64_t size;
    open_index(f);
    expect_whole(f, true);
    int64_t first = add_body(f, 1);
    expect_whole(f, true);
    fixture_add(f, 2, 2);
    expect_whole(f, false);
    assert_int_equal(cache_body_pin(f->cache, first, &size), CACHE_OK);
    assert_int_equal(
        cache_messages_gone(f->cache, f->inbox, FIXTURE_UIDVALIDITY, &(uint32_t){1}, 1, NULL, NULL),
        CACHE_OK);
    expect_whole(f, false);
    cache_body_unpin(f->cache, first);
    add_body(f, 3);
    expect_whole(f, false);
    assert_int_equal(fixture_body(f->cache, fixture_find(f, 2).message, 2, BODY, BODY), CACHE_OK);
    expect_whole(f, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)
        CASE(test_ask),    CASE(test_too_short),    CASE(test_unread_and_gone),
        CASE(test_tidy),   CASE(test_order),        CASE(test_room),
        CASE(test_spoilt), CASE(test_other_bodies), CASE(test_whole),
#undef CASE
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
