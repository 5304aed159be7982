/* The directory tree: what LIST said becomes directories; names stay, collide, go. */
#include "tests/unit/cache/fixture.h"

#define MAILBOX(n, p, s)                                                                           \
    {                                                                                              \
        .name = (n), .parent = (p), .shown = (s), .delimiter = '/', .selectable = true             \
    }
#define REPLACE(f, entries, heard)                                                                 \
    assert_int_equal(cache_tree_replace((f)->cache, entries, sizeof(entries) / sizeof *(entries),  \
                                        fixture_shown_ordinal, heard_change, heard),               \
                     CACHE_OK)

static struct cache_mailbox mailbox_of(struct fixture *f, const char *name)
{
    struct cache_mailbox row;
    assert_int_equal(cache_mailbox_find(f->cache, name, &row), CACHE_OK);
    cache_mailbox_free(&row);
    return row;
}

static struct cache_inode directory_of(struct fixture *f, const char *name)
{
    struct cache_inode inode;
    assert_int_equal(cache_inode_get(f->cache, mailbox_of(f, name).ino, &inode), CACHE_OK);
    return inode;
}

static void test_root(void **state)
{
    struct fixture *f = *state;
    struct cache_inode root, entries[4];
    uint64_t directories = 0, messages = 0;
    size_t count = 0;
    fixture_open(f);
    assert_int_equal(cache_inode_get(f->cache, CACHE_ROOT_INO, &root), CACHE_OK);
    assert_int_equal(root.kind, CACHE_DIRECTORY);
    assert_int_equal(root.parent, CACHE_ROOT_INO);
    assert_int_equal(root.mailbox, 0);
    assert_int_equal(cache_inode_list(f->cache, CACHE_ROOT_INO, 0, entries, 4, &count), CACHE_OK);
    assert_int_equal(count, 0);
    fixture_tree(f);
    assert_int_equal(cache_inode_list(f->cache, CACHE_ROOT_INO, 0, entries, 4, &count), CACHE_OK);
    assert_int_equal(count, 2);
    assert_string_equal(entries[0].name, "Inbox");
    assert_int_equal(cache_inode_count(f->cache, CACHE_ROOT_INO, &directories, &messages),
                     CACHE_OK);
    assert_int_equal(directories, 2);
    assert_int_equal(messages, 0);
    assert_int_equal(cache_inode_count(f->cache, 99, &directories, &messages), CACHE_ERR_ABSENT);
}

static void test_traits(void **state)
{
    struct fixture *f = *state;
    struct cache_mailbox row = mailbox_of(f, "INBOX");
    assert_int_equal(row.role, CACHE_ROLE_INBOX);
    assert_int_equal(row.delimiter, '/');
    assert_true(row.selectable);
    assert_false(row.subscribed);
    assert_true(mailbox_of(f, "Archive/2024").subscribed);
    assert_int_equal(cache_mailbox_find(f->cache, "inbox", &row), CACHE_ERR_ABSENT);
}

static void test_same_list_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct heard heard = {0};
    struct cache_inode before = directory_of(f, "Archive/2024");
    static const struct cache_tree_entry same[] = {
        MAILBOX("Archive", NULL, "Archive"),
        MAILBOX("Archive/2024", "Archive", "A name that differs now"),
        MAILBOX("INBOX", NULL, "Inbox"),
    };
    fixture_reopen(f);
    REPLACE(f, same, &heard);
    assert_int_equal(heard.came + heard.gone, 0);
    struct cache_inode after = directory_of(f, "Archive/2024");
    assert_int_equal(after.ino, before.ino);
    assert_string_equal(after.name, "2024"); /* a name once shown stays */
    assert_false(mailbox_of(f, "Archive/2024").subscribed);
}

static void test_colliding_directories(void **state)
{
    struct fixture *f = *state;
    struct heard heard = {0};
    static const struct cache_tree_entry entries[] = {
        MAILBOX("a:b", NULL, "a-b"),          MAILBOX("a?b", NULL, "a-b"),
        MAILBOX("a*b", NULL, "a-b"),          MAILBOX("bad", NULL, "../etc"),
        MAILBOX("bad/child", "bad", "child"), MAILBOX("orphan", "nowhere", "orphan"),
    };
    struct cache_mailbox row;
    fixture_open(f);
    REPLACE(f, entries, &heard);
    assert_int_equal(heard.came, 3);
    assert_string_equal(directory_of(f, "a:b").name, "a-b");
    assert_string_equal(directory_of(f, "a?b").name, "a-b~2");
    assert_string_equal(directory_of(f, "a*b").name, "a-b~3");
    assert_int_equal(cache_mailbox_find(f->cache, "bad", &row), CACHE_ERR_ABSENT);
    assert_int_equal(cache_mailbox_find(f->cache, "bad/child", &row), CACHE_ERR_ABSENT);
}

static void test_removal(void **state)
{
    struct fixture *f = *state;
    struct heard heard = {0};
    struct cache_inode inode;
    struct cache_mailbox row;
    uint64_t directories = 0, messages = 0;
    static const struct cache_tree_entry rest[] = {MAILBOX("Archive", NULL, "Archive")};
    fixture_add(f, 1, 2100);
    assert_int_equal(fixture_body(f->cache, fixture_find(f, 9).message, 9, 200000, 4096), CACHE_OK);
    REPLACE(f, rest, &heard);
    assert_int_equal(heard.gone, 2102); /* messages, Inbox, Archive/2024 */
    assert_int_equal(heard.came, 0);
    assert_int_equal(cache_mailbox_find(f->cache, "INBOX", &row), CACHE_ERR_ABSENT);
    assert_int_equal(cache_inode_get(f->cache, f->inbox_ino, &inode), CACHE_ERR_ABSENT);
    assert_int_equal(cache_message_find(f->cache, f->inbox, 9, &inode), CACHE_ERR_ABSENT);
    assert_int_equal(cache_inode_count(f->cache, CACHE_ROOT_INO, &directories, &messages),
                     CACHE_OK);
    assert_int_equal(directories, 1);
    struct cache_figures figures;
    assert_int_equal(cache_figures_get(f->cache, &figures), CACHE_OK);
    assert_int_equal(figures.messages + figures.bodies + figures.body_bytes, 0);
    /* When the mailbox comes back it is another one. */
    int64_t old = f->inbox;
    fixture_tree(f);
    assert_true(f->inbox > old);
}

static void test_directory_wins_over_message(void **state)
{
    struct fixture *f = *state;
    struct heard heard = {0};
    struct cache_inode inode;
    static const struct cache_tree_entry entries[] = {
        MAILBOX("INBOX", NULL, "Inbox"),
        MAILBOX("INBOX/x", "INBOX", "stem-2.eml"),
        MAILBOX("INBOX/y", "INBOX", "stem-2~2.eml"),
        MAILBOX("Archive", NULL, "Archive"),
        MAILBOX("Archive/2024", "Archive", "2024"),
    };
    fixture_add(f, 1, 3);
    uint64_t ino = fixture_find(f, 2).ino;
    REPLACE(f, entries, &heard);
    /* x took the name, then y took the one that the message had moved to. */
    assert_string_equal(fixture_find(f, 2).name, "stem-2~2-2.eml");
    assert_int_equal(fixture_find(f, 2).ino, ino);
    assert_int_equal(cache_inode_lookup(f->cache, f->inbox_ino, "stem-2.eml", &inode), CACHE_OK);
    assert_int_equal(inode.kind, CACHE_DIRECTORY);
    assert_int_equal(heard.gone, 2);
    assert_int_equal(heard.came, 4);
    /* And a message that comes later gives way at once. */
    const struct cache_new_message one = {.uid = 9, .stem = "stem-2"};
    assert_int_equal(cache_messages_add(f->cache, f->inbox, FIXTURE_UIDVALIDITY, &one, 1, 0, false,
                                        fixture_file_name, NULL, NULL),
                     CACHE_OK);
    assert_string_equal(fixture_find(f, 9).name, "stem-2~9.eml");
}

static void test_level_changes(void **state)
{
    struct fixture *f = *state;
    struct heard heard = {0};
    uint64_t directories = 0, messages = 0;
    struct cache_inode before = directory_of(f, "Archive/2024");
    static const struct cache_tree_entry flat[] = {
        MAILBOX("INBOX", NULL, "Inbox"),
        MAILBOX("Archive/2024", NULL, "Archive 2024"),
    };
    REPLACE(f, flat, &heard);
    struct cache_inode after = directory_of(f, "Archive/2024");
    assert_int_equal(after.ino, before.ino);
    assert_int_equal(after.parent, CACHE_ROOT_INO);
    assert_string_equal(after.name, "Archive 2024");
    assert_int_equal(heard.gone, 2);
    assert_int_equal(heard.came, 1);
    assert_int_equal(cache_inode_count(f->cache, CACHE_ROOT_INO, &directories, &messages),
                     CACHE_OK);
    assert_int_equal(directories, 2);
}

/* RFC 3501 6.3.4: a deleted mailbox with children stays as \Noselect, its messages do not. */
static void test_noselect_has_no_messages(void **state)
{
    struct fixture *f = *state;
    struct heard heard = {0};
    static const struct cache_tree_entry entries[] = {
        {.name = "INBOX", .shown = "Inbox", .delimiter = '/'},
    };
    fixture_add(f, 1, 3);
    REPLACE(f, entries, &heard);
    assert_int_equal(heard.gone, 5);
    assert_int_equal(mailbox_of(f, "INBOX").listed_uid, 0);
    assert_false(mailbox_of(f, "INBOX").selectable);
}

static bool count_two(void *ctx, const struct cache_mailbox *mailbox)
{
    assert_non_null(mailbox->name);
    return ++*(unsigned *)ctx < 2;
}

static void test_each_stops(void **state)
{
    struct fixture *f = *state;
    unsigned visits = 0;
    assert_int_equal(cache_mailbox_each(f->cache, count_two, &visits), CACHE_OK);
    assert_int_equal(visits, 2);
}

static void test_facts(void **state)
{
    struct fixture *f = *state;
    struct cache_mailbox_facts facts = {
        .uidnext = 10, .unseen = 3, .has_unseen = true, .messages = 4, .highestmodseq = 99};
    assert_int_equal(cache_mailbox_note(f->cache, f->inbox, &facts, NULL, NULL), CACHE_OK);
    struct cache_mailbox row = mailbox_of(f, "INBOX");
    assert_int_equal(row.uidvalidity, FIXTURE_UIDVALIDITY);
    assert_int_equal(row.uidnext, 10);
    assert_int_equal(row.unseen, 3);
    assert_int_equal(row.messages, 0); /* not said */
    assert_int_equal(row.highestmodseq, 99);
    assert_int_equal(cache_mailbox_note(f->cache, 99, &facts, NULL, NULL), CACHE_ERR_ABSENT);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
#define BARE(test) cmocka_unit_test_setup_teardown(test, fixture_setup_bare, fixture_teardown)
    const struct CMUnitTest tests[] = {
        BARE(test_root),
        CASE(test_traits),
        CASE(test_same_list_changes_nothing),
        BARE(test_colliding_directories),
        CASE(test_removal),
        CASE(test_directory_wins_over_message),
        CASE(test_level_changes),
        CASE(test_noselect_has_no_messages),
        CASE(test_each_stops),
        CASE(test_facts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
