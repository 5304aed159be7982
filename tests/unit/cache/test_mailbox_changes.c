/* CREATE, DELETE and RENAME as the cache sees them, before a LIST and after one. */
#include "tests/unit/cache/fixture.h"

#include "cache/outcomes.h"

static void test_mailbox_created_and_removed(void **state)
{
    struct fixture *f = *state;
    struct heard heard = {0};
    int64_t id = 0, again = 0;
    struct cache_mailbox row;
    struct cache_tree_entry entry = {.name = "Archive/New",
                                     .parent = "Archive",
                                     .shown = "New",
                                     .delimiter = '/',
                                     .selectable = true,
                                     .subscribed = true};
    uint64_t archive = fixture_directory(f, "Archive").ino;
    assert_int_equal(
        cache_mailbox_created(f->cache, &entry, fixture_shown_ordinal, &id, heard_change, &heard),
        CACHE_OK);
    assert_int_equal(heard.came, 1);
    assert_int_equal(cache_mailbox_created(f->cache, &entry, fixture_shown_ordinal, &again,
                                           heard_change, &heard),
                     CACHE_OK);
    assert_int_equal(again, id);
    assert_int_equal(heard.came, 1);
    fixture_expect_at(f, archive, "New", fixture_directory(f, "Archive/New").ino);
    assert_int_equal(cache_mailbox_subscribed(f->cache, id, false), CACHE_OK);
    assert_int_equal(cache_mailbox_get(f->cache, id, &row), CACHE_OK);
    assert_false(row.subscribed);
    cache_mailbox_free(&row);
    assert_int_equal(cache_mailbox_subscribed(f->cache, 999, false), CACHE_ERR_ABSENT);
    entry.name = "Nowhere/x";
    entry.parent = "Nowhere";
    assert_int_equal(
        cache_mailbox_created(f->cache, &entry, fixture_shown_ordinal, NULL, NULL, NULL),
        CACHE_ERR_ABSENT);
    heard = (struct heard){0};
    for (int round = 0; round < 2; round++)
        assert_int_equal(cache_mailbox_removed(f->cache, "Archive/New", heard_change, &heard),
                         CACHE_OK);
    assert_int_equal(heard.gone, 1);
    fixture_expect_at(f, archive, "New", 0);
    /* One with children stays as a level (RFC 3501 6.3.4), without its messages. */
    assert_int_equal(cache_mailbox_removed(f->cache, "Archive", heard_change, &heard), CACHE_OK);
    assert_int_equal(cache_mailbox_find(f->cache, "Archive", &row), CACHE_OK);
    assert_false(row.selectable);
    cache_mailbox_free(&row);
    fixture_expect_at(f, archive, "2024", fixture_directory(f, "Archive/2024").ino);
}

static void test_removed_with_messages(void **state)
{
    struct fixture *f = *state;
    struct heard heard = {0};
    struct cache_figures figures;
    fixture_add(f, 1, 2100);
    assert_int_equal(cache_mailbox_removed(f->cache, "INBOX", heard_change, &heard), CACHE_OK);
    assert_int_equal(heard.gone, 2101);
    assert_int_equal(cache_figures_get(f->cache, &figures), CACHE_OK);
    assert_int_equal(figures.messages, 0);
}

static void test_mailbox_renamed(void **state)
{
    struct fixture *f = *state;
    struct heard heard = {0};
    struct cache_mailbox row;
    uint64_t archive = fixture_directory(f, "Archive").ino,
             below = fixture_directory(f, "Archive/2024").ino;
    const struct cache_tree_entry lookalike = {
        .name = "Archived", .shown = "Archived", .delimiter = '/', .selectable = true};
    assert_int_equal(
        cache_mailbox_created(f->cache, &lookalike, fixture_shown_ordinal, NULL, NULL, NULL),
        CACHE_OK);
    fixture_add(f, 1, 1);
    for (int round = 0; round < 2; round++)
        assert_int_equal(cache_mailbox_renamed(f->cache, "Archive", "INBOX/Old", "INBOX", "Old",
                                               fixture_shown_ordinal, heard_change, &heard),
                         CACHE_OK);
    assert_int_equal(heard.gone, 1);
    assert_int_equal(heard.came, 1);
    assert_int_equal(fixture_directory(f, "INBOX/Old").ino, archive);
    assert_int_equal(fixture_directory(f, "INBOX/Old").parent, f->inbox_ino);
    assert_int_equal(fixture_directory(f, "INBOX/Old/2024").ino, below);
    assert_int_equal(fixture_directory(f, "INBOX/Old/2024").parent, archive);
    assert_string_equal(fixture_directory(f, "Archived").name, "Archived");
    assert_int_equal(cache_mailbox_find(f->cache, "Archive", &row), CACHE_ERR_ABSENT);
    uint64_t directories = 0, messages = 0;
    assert_int_equal(cache_inode_count(f->cache, f->inbox_ino, &directories, &messages), CACHE_OK);
    assert_int_equal(directories, 1);
    assert_int_equal(messages, 1);
    assert_int_equal(cache_mailbox_renamed(f->cache, "None", "Other", NULL, "Other",
                                           fixture_shown_ordinal, NULL, NULL),
                     CACHE_ERR_ABSENT);
    /* A name that is taken gets its ordinal, as in a listing. */
    assert_int_equal(cache_mailbox_renamed(f->cache, "INBOX/Old", "Old", NULL, "Archived",
                                           fixture_shown_ordinal, NULL, NULL),
                     CACHE_OK);
    assert_string_equal(fixture_directory(f, "Old").name, "Archived~2");
    assert_int_equal(fixture_directory(f, "Old/2024").ino, below);
}

/* A LIST that ran in between knows the new names already: they make way for those that moved. */
static void test_list_was_faster_than_rename(void **state)
{
    struct fixture *f = *state;
    uint64_t archive = fixture_directory(f, "Archive").ino,
             below = fixture_directory(f, "Archive/2024").ino;
    static const struct cache_tree_entry listed[] = {
        {.name = "New",   .shown = "New", .delimiter = '/', .selectable = true},
        { .name = "New/2024",
         .parent = "New",
         .shown = "2024",
         .delimiter = '/',
         .selectable = true},
    };
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(
            cache_mailbox_created(f->cache, &listed[i], fixture_shown_ordinal, NULL, NULL, NULL),
            CACHE_OK);
    assert_int_equal(cache_mailbox_renamed(f->cache, "Archive", "New", NULL, "New",
                                           fixture_shown_ordinal, NULL, NULL),
                     CACHE_OK);
    assert_int_equal(fixture_directory(f, "New").ino, archive);
    assert_int_equal(fixture_directory(f, "New/2024").ino, below);
    assert_string_equal(fixture_directory(f, "New").name, "New");
    uint64_t directories = 0, messages = 0;
    assert_int_equal(cache_inode_count(f->cache, CACHE_ROOT_INO, &directories, &messages),
                     CACHE_OK);
    assert_int_equal(directories, 2);
    assert_int_equal(cache_inode_count(f->cache, archive, &directories, &messages), CACHE_OK);
    assert_int_equal(directories, 1);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_mailbox_created_and_removed),
        CASE(test_removed_with_messages),
        CASE(test_mailbox_renamed),
        CASE(test_list_was_faster_than_rename),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
