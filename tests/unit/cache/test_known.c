/* Bytes that are known by their digest; and all of it in a file of version 1. */
#include "tests/unit/cache/fixture.h"

#include <sys/stat.h>

#include "cache/outcomes.h"
#include "cache/schema.h"

static void test_digests(void **state)
{
    struct fixture *f = *state;
    struct cache_inode inode;
    struct cache_incoming *incoming = NULL;
    bool same = true;
    /* SHA-256 of "abc", as FIPS 180-2 has it. */
    static const uint8_t abc[CACHE_SHA256] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
                                              0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
                                              0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c,
                                              0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
    fixture_add(f, 1, 3);
    int64_t message = fixture_find(f, 2).message;
    assert_int_equal(cache_message_with_bytes(f->cache, abc, 3, NULL, &inode), CACHE_ERR_ABSENT);
    assert_int_equal(cache_incoming_begin(f->cache, &incoming), CACHE_OK);
    assert_int_equal(cache_incoming_write(incoming, "ab", 2), CACHE_OK);
    assert_int_equal(cache_incoming_write(incoming, "c", 1), CACHE_OK);
    cache_incoming_commit(&incoming, message, NULL, NULL);
    assert_int_equal(cache_mailbox_subscribed(f->cache, f->inbox, true), CACHE_OK); /* a barrier */
    assert_int_equal(cache_message_with_bytes(f->cache, abc, 3, NULL, &inode), CACHE_OK);
    assert_int_equal(inode.uid, 2);
    assert_int_equal(cache_message_with_bytes(f->cache, abc, 4, NULL, &inode), CACHE_ERR_ABSENT);
    int64_t date = 1700000002;
    assert_int_equal(cache_message_with_bytes(f->cache, abc, 3, &date, &inode), CACHE_OK);
    date++;
    assert_int_equal(cache_message_with_bytes(f->cache, abc, 3, &date, &inode), CACHE_ERR_ABSENT);
    assert_int_equal(cache_message_same(f->cache, message, abc, 3, &same), CACHE_OK);
    assert_true(same);
    assert_int_equal(cache_message_same(f->cache, message, abc, 2, &same), CACHE_OK);
    assert_false(same);
    assert_int_equal(cache_message_same(f->cache, fixture_find(f, 1).message, abc, 3, &same),
                     CACHE_OK);
    assert_false(same);
    assert_int_equal(cache_message_same(f->cache, 999, abc, 3, &same), CACHE_ERR_ABSENT);
    /* Known even when the body was evicted; not while it is on its way out of the mailbox. */
    f->limit = 0;
    fixture_reopen(f);
    fixture_body(f->cache, fixture_find(f, 3).message, 3, 100, 100);
    assert_int_equal(cache_message_with_bytes(f->cache, abc, 3, NULL, &inode), CACHE_OK);
    const uint32_t uid = 2;
    assert_int_equal(
        cache_messages_hide(f->cache, f->inbox, FIXTURE_UIDVALIDITY, &uid, 1, false, NULL, NULL),
        CACHE_OK);
    assert_int_equal(cache_message_with_bytes(f->cache, abc, 3, NULL, &inode), CACHE_ERR_ABSENT);
}

/* ---- a file of version 1 ---- */

static void make_version_1(struct fixture *f)
{
    struct db_kind kind = db_index_kind;
    struct db db;
    int code = SQLITE_OK;
    static const char rows[] =
        "INSERT INTO account VALUES (1, 'jane@example.org', 'imap.example.org', 5, 1);"
        "INSERT INTO mailbox (id, name, ino, delimiter, role, selectable, subscribed, uidvalidity)"
        " VALUES (1, 'INBOX', 2, 47, 1, 1, 0, 7);"
        "INSERT INTO inode (ino, parent, kind, mailbox, uid, size, exact, mtime, ctime, messages,"
        " name) VALUES (2, 1, 1, 1, 0, 0, 0, 0, 0, 2, 'Inbox');"
        "INSERT INTO message (id, mailbox, uid, size, internaldate, flags, subject, sender,"
        " recipients, date, message_id) VALUES (1, 1, 1, 10, 1, '', 'one', '', '', '', ''),"
        " (2, 1, 2, 20, 2, '', 'two', '', '', '', '');"
        "INSERT INTO inode (ino, parent, kind, mailbox, message, uid, size, exact, mtime, ctime,"
        " name) VALUES (3, 2, 2, 1, 1, 1, 10, 0, 1, 1, 'stem-1.eml'),"
        " (4, 2, 2, 1, 2, 2, 20, 0, 2, 2, 'stem-2.eml');";
    kind.version = 1;
    fclose(fopen(fixture_path(f, kind.file), "w"));
    assert_int_equal(chmod(fixture_path(f, kind.file), 0600), 0);
    assert_int_equal(db_open(&db, &kind, f->directory), SQLITE_OK);
    assert_int_equal(schema_bring_up(&db, &code), SCHEMA_GOOD);
    assert_int_equal(sqlite3_exec(db.handle, rows, NULL, NULL, NULL), SQLITE_OK);
    db_close(&db);
}

static void test_upgrade_from_version_1(void **state)
{
    struct fixture *f = *state;
    struct cache_inode inodes[4];
    size_t count = 0;
    make_version_1(f);
    fixture_open(f);
    assert_int_equal(fixture_count_files(f, "index.db.aside-"), 0);
    f->inbox = 1;
    f->inbox_ino = 2;
    assert_int_equal(cache_inode_list(f->cache, 2, 0, inodes, 4, &count), CACHE_OK);
    assert_int_equal(count, 2);
    assert_int_equal(inodes[1].ino, 4);
    assert_false(inodes[1].hidden || inodes[1].pending || inodes[1].alias);
    fixture_expect_at(f, 2, "stem-1.eml", 3);
    /* All that is new works on it. */
    assert_int_equal(cache_inode_rename(f->cache, 3, 2, "stem-2.eml", true, NULL, NULL), CACHE_OK);
    assert_true(fixture_find(f, 2).hidden);
    fixture_add(f, 1, 3);
    assert_int_equal(fixture_body(f->cache, 2, 2, 100, 100), CACHE_OK);
    fixture_reopen(f);
    fixture_expect_at(f, 2, "stem-2.eml", 3);
    fixture_expect_at(f, 2, "stem-2~2.eml", 4);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
#define BARE(test) cmocka_unit_test_setup_teardown(test, fixture_setup_bare, fixture_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_digests),
        BARE(test_upgrade_from_version_1),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
