/* Names and places while changes are under way: aliases, hidden, pending, staged. */
#include "tests/unit/cache/fixture.h"

#include "cache/outcomes.h"

static uint64_t count_in(struct fixture *f, uint64_t ino)
{
    uint64_t directories = 0, messages = 0;
    assert_int_equal(cache_inode_count(f->cache, ino, &directories, &messages), CACHE_OK);
    return messages;
}

static enum cache_error rename_to(struct fixture *f, uint64_t ino, uint64_t parent,
                                  const char *name, bool replace, struct heard *heard)
{
    *heard = (struct heard){0};
    return cache_inode_rename(f->cache, ino, parent, name, replace, heard_change, heard);
}

static void test_alias(void **state)
{
    struct fixture *f = *state;
    struct heard heard;
    fixture_add(f, 1, 3);
    uint64_t ino = fixture_find(f, 1).ino;
    assert_int_equal(rename_to(f, ino, f->inbox_ino, "mine", false, &heard), CACHE_OK);
    assert_int_equal(heard.gone, 1);
    assert_int_equal(heard.came, 1);
    assert_string_equal(heard.last_gone, "stem-1.eml");
    assert_string_equal(heard.last_came, "mine");
    assert_int_equal(rename_to(f, ino, f->inbox_ino, "mine", false, &heard), CACHE_OK);
    assert_int_equal(heard.gone + heard.came, 0); /* it is so already */
    fixture_expect_at(f, f->inbox_ino, "stem-1.eml", 0);
    fixture_reopen(f);
    fixture_add(f, 1, 3); /* a later listing of the same UIDs */
    fixture_expect_at(f, f->inbox_ino, "mine", ino);
    assert_true(fixture_find(f, 1).alias);
    assert_int_equal(rename_to(f, ino, f->inbox_ino, "stem-2.eml", false, &heard),
                     CACHE_ERR_EXISTS);
    fixture_expect_at(f, f->inbox_ino, "mine", ino);
    assert_int_equal(rename_to(f, ino, f->inbox_ino, "stem-2.eml", true, &heard), CACHE_OK);
    assert_int_equal(heard.gone, 2);
    assert_int_equal(count_in(f, f->inbox_ino), 2);
    assert_true(fixture_find(f, 2).hidden);
    uint64_t archive = fixture_directory(f, "Archive").ino;
    assert_int_equal(rename_to(f, ino, archive, "2024", true, &heard), CACHE_ERR_EXISTS);
    assert_int_equal(rename_to(f, archive, CACHE_ROOT_INO, "x", false, &heard), CACHE_ERR_STATE);
    assert_int_equal(rename_to(f, ino, ino, "x", false, &heard), CACHE_ERR_STATE);
    assert_int_equal(rename_to(f, ino, 999, "x", false, &heard), CACHE_ERR_ABSENT);
    assert_int_equal(rename_to(f, 999, archive, "x", false, &heard), CACHE_ERR_ABSENT);
    assert_int_equal(rename_to(f, ino, archive, "a/b", false, &heard), CACHE_ERR_STATE);
}

/* commit=journal: a move shows at once, while the server does not know of it. */
static void test_pending_move(void **state)
{
    struct fixture *f = *state;
    struct heard heard;
    const uint32_t uid = 2;
    uint64_t archive = fixture_directory(f, "Archive").ino;
    fixture_add(f, 1, 3);
    uint64_t ino = fixture_find(f, 2).ino;
    assert_int_equal(rename_to(f, ino, archive, "there.eml", false, &heard), CACHE_OK);
    assert_int_equal(count_in(f, f->inbox_ino), 2);
    assert_int_equal(count_in(f, archive), 1);
    fixture_expect_at(f, archive, "there.eml", ino);
    struct cache_inode inode = fixture_find(f, 2); /* to the server it is what it was */
    assert_true(inode.pending);
    assert_int_equal(inode.mailbox, f->inbox);
    /* The outcome comes: nothing moves any more. */
    struct cache_mailbox row;
    assert_int_equal(cache_mailbox_find(f->cache, "Archive", &row), CACHE_OK);
    const struct cache_place from = {f->inbox, FIXTURE_UIDVALIDITY, 2}, to = {row.id, 42, 9};
    cache_mailbox_free(&row);
    heard = (struct heard){0};
    assert_int_equal(
        cache_message_moved(f->cache, &from, &to, NULL, false, &inode, heard_change, &heard),
        CACHE_OK);
    assert_int_equal(heard.gone, 0);
    assert_int_equal(inode.ino, ino);
    assert_string_equal(inode.name, "there.eml");
    assert_false(inode.pending);
    assert_int_equal(count_in(f, archive), 1);
    /* Another one is refused: back. */
    ino = fixture_find(f, 3).ino;
    assert_int_equal(rename_to(f, ino, archive, "there.eml", true, &heard), CACHE_OK);
    assert_int_equal(count_in(f, archive), 1);
    const uint32_t third = 3;
    assert_int_equal(cache_messages_show(f->cache, f->inbox, FIXTURE_UIDVALIDITY, &third, 1,
                                         heard_change, &heard),
                     CACHE_OK);
    fixture_expect_at(f, f->inbox_ino, "there.eml", ino);
    assert_int_equal(count_in(f, archive), 0);
    /* Gone on the server while it is shown elsewhere: the right directory is counted. */
    assert_int_equal(rename_to(f, ino, archive, "again.eml", false, &heard), CACHE_OK);
    const uint32_t both[] = {1, 3};
    assert_int_equal(
        cache_messages_gone(f->cache, f->inbox, FIXTURE_UIDVALIDITY, both, 2, heard_change, &heard),
        CACHE_OK);
    assert_int_equal(count_in(f, f->inbox_ino), 0);
    assert_int_equal(count_in(f, archive), 0);
    assert_int_equal(
        cache_messages_show(f->cache, f->inbox, FIXTURE_UIDVALIDITY, &uid, 1, NULL, NULL),
        CACHE_OK); /* unknown by now */
}

static void test_hidden(void **state)
{
    struct fixture *f = *state;
    struct heard heard = {0};
    struct cache_inode inodes[8];
    size_t count = 0;
    const uint32_t uids[] = {2, 3, 99};
    fixture_add(f, 1, 4);
    assert_int_equal(fixture_body(f->cache, fixture_find(f, 2).message, 2, 3000, 3000), CACHE_OK);
    for (int round = 0; round < 2; round++)
        assert_int_equal(cache_messages_hide(f->cache, f->inbox, FIXTURE_UIDVALIDITY, uids, 3, true,
                                             heard_change, &heard),
                         CACHE_OK);
    assert_int_equal(heard.gone, 2);
    assert_int_equal(cache_inode_list(f->cache, f->inbox_ino, 0, inodes, 8, &count), CACHE_OK);
    assert_int_equal(count, 2);
    assert_int_equal(count_in(f, f->inbox_ino), 2);
    fixture_expect_at(f, f->inbox_ino, "stem-2.eml", 0);
    assert_int_equal(cache_inode_get(f->cache, fixture_find(f, 2).ino, &inodes[0]), CACHE_OK);
    assert_true(inodes[0].hidden); /* whoever has it open reads on */
    assert_true(fixture_body_is(f->cache, inodes[0].message, 2, 3000, 1000));
    fixture_reopen(f); /* hidden for good: \Deleted is there tomorrow too */
    fixture_expect_at(f, f->inbox_ino, "stem-2.eml", 0);
    fixture_add(f, 1, 4);
    fixture_expect_at(f, f->inbox_ino, "stem-2.eml", 0);
    /* Its name is free, and the ways back and out go by what is shown. */
    assert_int_equal(
        rename_to(f, fixture_find(f, 1).ino, f->inbox_ino, "stem-2.eml", false, &heard), CACHE_OK);
    heard = (struct heard){0};
    assert_int_equal(
        cache_messages_show(f->cache, f->inbox, FIXTURE_UIDVALIDITY, uids, 1, heard_change, &heard),
        CACHE_OK);
    assert_int_equal(heard.came, 1);
    fixture_expect_at(f, f->inbox_ino, "stem-2~2.eml", fixture_find(f, 2).ino);
    assert_int_equal(count_in(f, f->inbox_ino), 3);
    heard = (struct heard){0};
    assert_int_equal(cache_messages_gone(f->cache, f->inbox, FIXTURE_UIDVALIDITY, uids + 1, 1,
                                         heard_change, &heard),
                     CACHE_OK);
    assert_int_equal(heard.gone, 0); /* nobody saw it */
    assert_int_equal(count_in(f, f->inbox_ino), 3);
    assert_int_equal(cache_messages_hide(f->cache, f->inbox, 1, uids, 1, true, NULL, NULL),
                     CACHE_ERR_STALE);
}

/* What is pending is so in this process alone: the journal says what is to be so again. */
static void test_pending_ends_with_the_process(void **state)
{
    struct fixture *f = *state;
    struct heard heard;
    const uint32_t uids[] = {1, 2};
    uint64_t archive = fixture_directory(f, "Archive").ino;
    fixture_add(f, 1, 5);
    assert_int_equal(
        cache_messages_hide(f->cache, f->inbox, FIXTURE_UIDVALIDITY, uids, 2, false, NULL, NULL),
        CACHE_OK);
    assert_int_equal(rename_to(f, fixture_find(f, 3).ino, archive, "x.eml", false, &heard),
                     CACHE_OK);
    assert_int_equal(
        rename_to(f, fixture_find(f, 4).ino, f->inbox_ino, "stem-1.eml", false, &heard), CACHE_OK);
    fixture_reopen(f);
    fixture_expect_at(f, f->inbox_ino, "stem-1~1.eml",
                      fixture_find(f, 1).ino); /* its name went to 4 */
    fixture_expect_at(f, f->inbox_ino, "stem-2.eml", fixture_find(f, 2).ino);
    fixture_expect_at(f, f->inbox_ino, "x.eml", fixture_find(f, 3).ino);
    fixture_expect_at(f, archive, "x.eml", 0);
    assert_int_equal(count_in(f, f->inbox_ino), 5);
    assert_int_equal(count_in(f, archive), 0);
    assert_false(fixture_find(f, 3).pending);
}

static void test_staged(void **state)
{
    struct fixture *f = *state;
    struct heard heard = {0};
    struct cache_inode inode, inodes[8];
    uint64_t visible = 0, reserved = 0, ino = 0;
    size_t count = 0;
    fixture_add(f, 1, 1);
    assert_int_equal(
        cache_staged_create(f->cache, f->inbox_ino, ".x.swp", true, &visible, heard_change, &heard),
        CACHE_OK);
    assert_int_equal(heard.came, 1);
    assert_int_equal(cache_staged_create(f->cache, f->inbox_ino, "stem-1.eml", false, &reserved,
                                         heard_change, &heard),
                     CACHE_OK);
    assert_int_equal(heard.came, 1);
    assert_true(reserved > visible);
    static const char *const taken[] = {".x.swp", "stem-1.eml"};
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(
            cache_staged_create(f->cache, f->inbox_ino, taken[i], true, &ino, NULL, NULL),
            CACHE_ERR_EXISTS);
    assert_int_equal(cache_staged_create(f->cache, f->inbox_ino, "..", true, &ino, NULL, NULL),
                     CACHE_ERR_STATE);
    assert_int_equal(cache_staged_create(f->cache, 999, "x", true, &ino, NULL, NULL),
                     CACHE_ERR_ABSENT);
    assert_int_equal(cache_staged_create(f->cache, visible, "x", true, &ino, NULL, NULL),
                     CACHE_ERR_STATE);
    assert_int_equal(cache_staged_note(f->cache, visible, 4096, 1234567890), CACHE_OK);
    assert_int_equal(cache_inode_lookup(f->cache, f->inbox_ino, ".x.swp", &inode), CACHE_OK);
    assert_int_equal(inode.kind, CACHE_STAGED);
    assert_int_equal(inode.size, 4096);
    assert_true(inode.size_exact);
    assert_int_equal(inode.mtime, 1234567890);
    assert_int_equal(inode.mailbox + inode.message, 0);
    assert_int_equal(cache_inode_list(f->cache, f->inbox_ino, 0, inodes, 8, &count), CACHE_OK);
    assert_int_equal(count, 2);
    assert_int_equal(count_in(f, f->inbox_ino), 1);
    /* Renamed, over another one too; a message gives way to it as well. */
    assert_int_equal(cache_staged_create(f->cache, f->inbox_ino, "#a#", true, &ino, NULL, NULL),
                     CACHE_OK);
    assert_int_equal(rename_to(f, ino, f->inbox_ino, ".x.swp", true, &heard), CACHE_OK);
    assert_int_equal(heard.gone, 2);
    assert_int_equal(cache_inode_get(f->cache, visible, &inode), CACHE_ERR_ABSENT);
    assert_int_equal(cache_staged_note(f->cache, visible, 1, 1), CACHE_ERR_ABSENT);
    assert_int_equal(rename_to(f, ino, f->inbox_ino, "stem-1.eml", true, &heard), CACHE_OK);
    assert_true(fixture_find(f, 1).hidden);
    assert_int_equal(cache_staged_remove(f->cache, fixture_find(f, 1).ino, NULL, NULL),
                     CACHE_ERR_STATE);
    heard = (struct heard){0};
    for (int round = 0; round < 2; round++)
        assert_int_equal(cache_staged_remove(f->cache, ino, heard_change, &heard), CACHE_OK);
    assert_int_equal(heard.gone, 1);
    assert_int_equal(cache_staged_create(f->cache, f->inbox_ino, "left", true, &ino, NULL, NULL),
                     CACHE_OK);
    fixture_reopen(f);
    fixture_expect_at(f, f->inbox_ino, "left", 0);
    assert_int_equal(cache_inode_get(f->cache, reserved, &inode), CACHE_ERR_ABSENT);
    uint64_t next = 0;
    assert_int_equal(cache_staged_create(f->cache, f->inbox_ino, "next", true, &next, NULL, NULL),
                     CACHE_OK);
    assert_true(next > ino);
}

/* A file that is published: its name, its size and its date in one step. */
static void test_staged_place(void **state)
{
    struct fixture *f = *state;
    struct heard heard = {0};
    struct cache_inode inode;
    uint64_t archive = fixture_directory(f, "Archive").ino;
    struct cache_staged_stand stand = {
        .parent = f->inbox_ino, .name = "a.eml", .size = 4096, .mtime = 1234567890};
    fixture_add(f, 1, 1);
    assert_int_equal(
        cache_staged_create(f->cache, f->inbox_ino, "a.eml", true, &stand.ino, NULL, NULL),
        CACHE_OK);
    assert_int_equal(cache_staged_place(f->cache, &stand, &inode, heard_change, &heard), CACHE_OK);
    assert_int_equal(inode.size, 4096);
    assert_int_equal(inode.mtime, 1234567890);
    stand.parent = archive;
    stand.name = "b.eml";
    stand.size = 1;
    heard = (struct heard){0};
    assert_int_equal(cache_staged_place(f->cache, &stand, &inode, heard_change, &heard), CACHE_OK);
    assert_int_equal(heard.gone, 1);
    assert_int_equal(heard.came, 1);
    assert_int_equal(inode.parent, archive);
    assert_string_equal(inode.name, "b.eml");
    fixture_expect_at(f, archive, "b.eml", stand.ino);
    stand.parent = f->inbox_ino;
    stand.name = "stem-1.eml"; /* taken */
    stand.size = 2;
    assert_int_equal(cache_staged_place(f->cache, &stand, &inode, heard_change, &heard), CACHE_OK);
    assert_int_equal(inode.parent, archive);
    assert_int_equal(inode.size, 2);
    stand.replace = true;
    assert_int_equal(cache_staged_place(f->cache, &stand, &inode, heard_change, &heard), CACHE_OK);
    assert_true(fixture_find(f, 1).hidden);
    fixture_expect_at(f, f->inbox_ino, "stem-1.eml", stand.ino);
    stand.ino = 9999;
    assert_int_equal(cache_staged_place(f->cache, &stand, &inode, heard_change, &heard),
                     CACHE_ERR_ABSENT);
    assert_int_equal(inode.ino, 0);
}

/* It is on its way farther when it is known to have got so far. */
static void test_passed(void **state)
{
    struct fixture *f = *state;
    struct heard heard = {0};
    struct cache_inode inode;
    struct cache_mailbox row;
    fixture_add(f, 1, 3);
    uint64_t ino = fixture_find(f, 2).ino;
    assert_int_equal(rename_to(f, ino, f->inbox_ino, "end.eml", false, &heard), CACHE_OK);
    assert_int_equal(cache_mailbox_find(f->cache, "Archive", &row), CACHE_OK);
    const struct cache_place inbox[] = {
        {f->inbox, FIXTURE_UIDVALIDITY, 2},
        {f->inbox, FIXTURE_UIDVALIDITY, 8}
    };
    const struct cache_place archive = {row.id, 42, 9};
    cache_mailbox_free(&row);
    /* Back to where it was: it never leaves its directory. */
    heard = (struct heard){0};
    assert_int_equal(
        cache_message_passed(f->cache, &inbox[0], &archive, &inode, heard_change, &heard),
        CACHE_OK);
    assert_int_equal(heard.gone, 0);
    assert_int_equal(inode.mailbox, archive.mailbox);
    assert_true(inode.pending);
    fixture_expect_at(f, f->inbox_ino, "end.eml", ino);
    assert_int_equal(count_in(f, f->inbox_ino), 3);
    assert_int_equal(cache_message_moved(f->cache, &archive, &inbox[1], NULL, false, &inode,
                                         heard_change, &heard),
                     CACHE_OK);
    assert_false(inode.pending);
    fixture_expect_at(f, f->inbox_ino, "end.eml", ino);
    assert_int_equal(count_in(f, f->inbox_ino), 3);
    /* Hidden: it is to be removed. */
    const uint32_t uid = 8;
    assert_int_equal(cache_messages_hide(f->cache, f->inbox, FIXTURE_UIDVALIDITY, &uid, 1, false,
                                         heard_change, &heard),
                     CACHE_OK);
    assert_int_equal(
        cache_message_passed(f->cache, &inbox[1], &archive, &inode, heard_change, &heard),
        CACHE_OK);
    assert_true(inode.hidden && inode.pending);
    assert_int_equal(count_in(f, fixture_directory(f, "Archive").ino), 0);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_alias),  CASE(test_pending_move),
        CASE(test_hidden), CASE(test_pending_ends_with_the_process),
        CASE(test_staged), CASE(test_staged_place),
        CASE(test_passed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
