/* Messages and their inodes: arriving, listing, flags, leaving, and that names and numbers stay. */
#include "tests/unit/cache/fixture.h"

#include <time.h>

static void test_add_and_get(void **state)
{
    struct fixture *f = *state;
    struct cache_message message;
    fixture_add(f, 1, 3);
    struct cache_inode inode = fixture_find(f, 2), same;
    assert_string_equal(inode.name, "stem-2.eml");
    assert_int_equal(inode.kind, CACHE_MESSAGE);
    assert_int_equal(inode.parent, f->inbox_ino);
    assert_int_equal(inode.mailbox, f->inbox);
    assert_int_equal(inode.size, 1002);
    assert_false(inode.size_exact);
    assert_int_equal(inode.mtime, 1700000002);
    assert_int_equal(cache_inode_get(f->cache, inode.ino, &same), CACHE_OK);
    assert_int_equal(same.message, inode.message);
    assert_int_equal(cache_inode_lookup(f->cache, f->inbox_ino, "stem-2.eml", &same), CACHE_OK);
    assert_int_equal(same.ino, inode.ino);
    assert_int_equal(cache_inode_lookup(f->cache, f->inbox_ino, "STEM-2.eml", &same),
                     CACHE_ERR_ABSENT);
    assert_int_equal(cache_message_get(f->cache, inode.message, &message), CACHE_OK);
    assert_int_equal(message.uid, 2);
    assert_int_equal(message.size, 1002);
    assert_string_equal(message.flags, "\\Seen");
    assert_string_equal(message.to, "John <john@example.org>");
    assert_string_equal(message.message_id, "<0123456789.abcdef@mail.example.org>");
    cache_message_free(&message);
    assert_int_equal(cache_message_get(f->cache, 999, &message), CACHE_ERR_ABSENT);
    assert_int_equal(cache_inode_get(f->cache, 999, &same), CACHE_ERR_ABSENT);
}

static enum cache_error add_one(struct fixture *f, uint32_t uid, const char *stem,
                                const char *flags, struct heard *heard)
{
    const struct cache_new_message one = {.uid = uid, .size = 5, .stem = stem, .flags = flags};
    return cache_messages_add(f->cache, f->inbox, FIXTURE_UIDVALIDITY, &one, 1, 0, false,
                              fixture_file_name, heard_change, heard);
}

static void test_colliding_names(void **state)
{
    struct fixture *f = *state;
    static const struct {
        uint32_t uid;
        const char *stem, *name;
    } cases[] = {
        {10, "same",    "same.eml"      },
        {11, "same",    "same~11.eml"   },
        {12, "same~13", "same~13.eml"   },
        {13, "same",    "same~13-2.eml" },
        {14, "a/b",     "message~14.eml"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct heard heard = {0};
        assert_int_equal(add_one(f, cases[i].uid, cases[i].stem, "", &heard), CACHE_OK);
        assert_string_equal(fixture_find(f, cases[i].uid).name, cases[i].name);
        assert_int_equal(heard.came, 1);
        assert_string_equal(heard.last_came, cases[i].name);
    }
}

static void test_long_names(void **state)
{
    char name[CACHE_NAME_MAX + 1], numbered[CACHE_NAME_MAX + 1];
    memset(name, 'x', CACHE_NAME_MAX);
    name[CACHE_NAME_MAX] = '\0';
    memcpy(name + 160, "\xE2\x82\xAC\xE2\x82\xAC\xE2\x82\xAC\xE2\x82\xAC", 12);
    memcpy(name + CACHE_NAME_MAX - 4, ".eml", 4);
    for (unsigned ordinal = 1; ordinal < 1000; ordinal *= 5) {
        name_numbered(numbered, name, 4294967295u, ordinal);
        assert_true(strlen(numbered) <= CACHE_NAME_MAX);
        assert_true(strlen(numbered) > CACHE_NAME_MAX - 4);
        assert_non_null(strstr(numbered, "~4294967295"));
        const char *tilde = strchr(numbered, '~');
        size_t euros = (size_t)(tilde - numbered) - 160; /* no character is cut in two */
        assert_true((size_t)(tilde - numbered) < 160 || euros % 3 == 0 || euros > 12);
    }
}

static void test_known_uid_keeps_its_row(void **state)
{
    struct fixture *f = *state;
    struct heard heard = {0};
    assert_int_equal(add_one(f, 5, "first", "\\Seen", &heard), CACHE_OK);
    struct cache_inode before = fixture_find(f, 5);
    memset(&heard, 0, sizeof heard);
    assert_int_equal(add_one(f, 5, "second", "\\Seen", &heard), CACHE_OK);
    assert_int_equal(heard.came + heard.gone, 0);
    uint64_t unseen = 9;
    assert_int_equal(cache_message_unseen(f->cache, f->inbox, &unseen), CACHE_OK);
    assert_int_equal(unseen, 0);
    assert_int_equal(add_one(f, 5, "second", "\\Flagged", &heard), CACHE_OK);
    assert_int_equal(cache_message_unseen(f->cache, f->inbox, &unseen), CACHE_OK);
    assert_int_equal(unseen, 1);
    memset(&heard, 0, sizeof heard);
    assert_int_equal(add_one(f, 5, "second", "\\Seen \\Flagged", &heard), CACHE_OK);
    assert_int_equal(heard.came, 1);
    assert_int_equal(heard.last_ino, before.ino);
    struct cache_inode after = fixture_find(f, 5);
    assert_int_equal(after.ino, before.ino);
    assert_int_equal(after.message, before.message);
    assert_string_equal(after.name, "first.eml");
    assert_true(after.ctime > before.ctime);
    assert_int_equal(after.mtime, before.mtime);
}

static void test_wrong_uidvalidity_is_stale(void **state)
{
    struct fixture *f = *state;
    const struct cache_new_message one = {.uid = 1, .stem = "x"};
    const struct cache_new_flags flags = {.uid = 1, .flags = "\\Seen"};
    const uint32_t uid = 1;
    fixture_add(f, 1, 1);
    assert_int_equal(
        cache_messages_add(f->cache, f->inbox, 8, &one, 1, 0, false, fixture_file_name, NULL, NULL),
        CACHE_ERR_STALE);
    assert_int_equal(cache_messages_flags(f->cache, f->inbox, 8, &flags, 1, NULL, NULL),
                     CACHE_ERR_STALE);
    assert_int_equal(cache_messages_gone(f->cache, f->inbox, 8, &uid, 1, NULL, NULL),
                     CACHE_ERR_STALE);
    fixture_find(f, 1);
    assert_int_equal(
        cache_messages_add(f->cache, 999, 7, &one, 1, 0, false, fixture_file_name, NULL, NULL),
        CACHE_ERR_ABSENT);
}

static void test_listing_state(void **state)
{
    struct fixture *f = *state;
    struct cache_mailbox row;
    fixture_add(f, 1, 3);
    assert_int_equal(cache_mailbox_get(f->cache, f->inbox, &row), CACHE_OK);
    assert_int_equal(row.listed_uid, 3);
    assert_false(row.listed);
    assert_int_equal(row.checked_ms, 0);
    cache_mailbox_free(&row);
    assert_int_equal(cache_messages_add(f->cache, f->inbox, FIXTURE_UIDVALIDITY, NULL, 0, 9, true,
                                        fixture_file_name, NULL, NULL),
                     CACHE_OK);
    cache_mailbox_checked(f->cache, f->inbox, 12345);
    cache_mailbox_checked(f->cache, f->inbox + 1, 2);
    cache_mailbox_checked(f->cache, f->inbox - 1, 1);
    assert_int_equal(cache_mailbox_get(f->cache, f->inbox, &row), CACHE_OK);
    assert_int_equal(row.listed_uid, 9);
    assert_true(row.listed);
    assert_int_equal(row.checked_ms, 12345);
    cache_mailbox_free(&row);
    fixture_reopen(f);
    assert_int_equal(cache_mailbox_find(f->cache, "INBOX", &row), CACHE_OK);
    assert_int_equal(row.listed_uid, 9);
    assert_true(row.listed);
    assert_int_equal(row.checked_ms, 0);
    cache_mailbox_free(&row);
}

/* Reads all entries of INBOX by pages of `page`. */
static size_t list_all(struct fixture *f, uint64_t after, size_t page, uint64_t *inos, size_t max)
{
    struct cache_inode inodes[64];
    size_t total = 0, count = 1;
    while (count > 0) {
        assert_int_equal(cache_inode_list(f->cache, f->inbox_ino, after, inodes, page, &count),
                         CACHE_OK);
        for (size_t i = 0; i < count; i++) {
            assert_true(inodes[i].ino > after);
            after = inodes[i].ino;
            assert_true(total < max);
            inos[total++] = after;
        }
    }
    return total;
}

static void test_list_is_stable(void **state)
{
    struct fixture *f = *state;
    uint64_t all[400] = {0}, later[400] = {0};
    uint32_t gone[] = {1, 50, 100};
    fixture_add(f, 1, 200);
    assert_int_equal(list_all(f, 0, 64, all, 400), 200);
    assert_int_equal(list_all(f, 0, 7, later, 400), 200);
    assert_memory_equal(all, later, 200 * sizeof *all);
    assert_int_equal(
        cache_messages_gone(f->cache, f->inbox, FIXTURE_UIDVALIDITY, gone, 3, NULL, NULL),
        CACHE_OK);
    fixture_add(f, 201, 210);
    /* An offset from before, even one of an entry that is gone, goes on with the same entries. */
    size_t rest = list_all(f, all[99], 64, later, 400);
    assert_int_equal(rest, 110);
    assert_memory_equal(later, all + 100, 100 * sizeof *all);
    /* Numbers are never reused, not even those at the end. */
    uint32_t last = 210;
    uint64_t last_ino = later[rest - 1];
    assert_int_equal(
        cache_messages_gone(f->cache, f->inbox, FIXTURE_UIDVALIDITY, &last, 1, NULL, NULL),
        CACHE_OK);
    fixture_reopen(f);
    fixture_add(f, 211, 211);
    assert_true(fixture_find(f, 211).ino > last_ino);
    assert_int_equal(fixture_find(f, 150).ino, all[149]);
}

static void test_uids(void **state)
{
    struct fixture *f = *state;
    uint32_t uids[10];
    size_t count = 0;
    fixture_add(f, 5, 25);
    assert_int_equal(cache_message_uids(f->cache, f->inbox, 0, uids, 10, &count), CACHE_OK);
    assert_int_equal(count, 10);
    assert_int_equal(uids[0], 5);
    assert_int_equal(cache_message_uids(f->cache, f->inbox, 22, uids, 10, &count), CACHE_OK);
    assert_int_equal(count, 3);
    assert_int_equal(uids[2], 25);
    assert_int_equal(cache_message_uids(f->cache, f->inbox, 25, uids, 10, &count), CACHE_OK);
    assert_int_equal(count, 0);
}

static void test_flags(void **state)
{
    struct fixture *f = *state;
    struct heard heard = {0};
    struct cache_message message;
    fixture_add(f, 1, 3);
    const struct cache_new_flags flags[] = {
        {1,  "\\Seen",    0 }, /* as it was */
        {2,  "\\Flagged", 10},
        {99, "\\Seen",    0 }, /* unknown */
        {2,  "\\Deleted", 9 }, /* older than what is known */
    };
    assert_int_equal(cache_messages_flags(f->cache, f->inbox, FIXTURE_UIDVALIDITY, flags, 4,
                                          heard_change, &heard),
                     CACHE_OK);
    assert_int_equal(heard.came, 1);
    assert_int_equal(heard.gone, 0);
    struct cache_inode inode = fixture_find(f, 2);
    assert_int_equal(heard.last_ino, inode.ino);
    assert_true(inode.ctime > inode.mtime);
    assert_int_equal(cache_message_get(f->cache, inode.message, &message), CACHE_OK);
    assert_string_equal(message.flags, "\\Flagged");
    cache_message_free(&message);
}

/* Keeps what is not about UID 2. */
static size_t not_two(void *ctx, struct cache_new_flags *flags, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (flags[i].uid != 2)
            flags[kept++] = flags[i];
    }
    *(size_t *)ctx += count;
    return kept;
}

static void test_flags_that_still_count(void **state)
{
    enum { COUNT = 2500 };
    static struct cache_new_flags flags[COUNT];
    struct fixture *f = *state;
    struct heard heard = {0};
    struct cache_message message;
    size_t asked = 0;
    fixture_add(f, 1, COUNT);
    for (uint32_t i = 0; i < COUNT; i++)
        flags[i] = (struct cache_new_flags){.uid = i + 1, .flags = "\\Flagged"};
    assert_int_equal(cache_messages_flags_if(f->cache, f->inbox, FIXTURE_UIDVALIDITY, flags, COUNT,
                                             not_two, &asked, heard_change, &heard),
                     CACHE_OK);
    assert_int_equal(asked, COUNT);
    assert_int_equal(heard.came, COUNT - 1);
    struct cache_inode inode = fixture_find(f, 2);
    assert_int_equal(cache_message_get(f->cache, inode.message, &message), CACHE_OK);
    assert_string_not_equal(message.flags, "\\Flagged");
    cache_message_free(&message);
}

static void test_gone(void **state)
{
    struct fixture *f = *state;
    struct heard heard = {0};
    struct cache_inode inode;
    uint64_t directories = 0, messages = 0;
    static uint32_t uids[2500];
    fixture_add(f, 1, 2600);
    for (uint32_t i = 0; i < 2500; i++)
        uids[i] = i + 1;
    assert_int_equal(cache_messages_gone(f->cache, f->inbox, FIXTURE_UIDVALIDITY, uids, 2500,
                                         heard_change, &heard),
                     CACHE_OK);
    assert_int_equal(heard.gone, 2500);
    assert_int_equal(cache_message_find(f->cache, f->inbox, 2500, &inode), CACHE_ERR_ABSENT);
    fixture_find(f, 2501);
    assert_int_equal(cache_inode_count(f->cache, f->inbox_ino, &directories, &messages), CACHE_OK);
    assert_int_equal(messages, 100);
    assert_int_equal(cache_messages_gone(f->cache, f->inbox, FIXTURE_UIDVALIDITY, uids, 2500,
                                         heard_change, &heard),
                     CACHE_OK);
    assert_int_equal(heard.gone, 2500);
    assert_int_equal(cache_inode_count(f->cache, f->inbox_ino, &directories, &messages), CACHE_OK);
    assert_int_equal(messages, 100);
}

static void test_uidvalidity_drops_only_that_mailbox(void **state)
{
    struct fixture *f = *state;
    struct heard heard = {0};
    struct cache_mailbox row;
    struct cache_inode kept, inode;
    const struct cache_new_message one = {.uid = 1, .stem = "kept"};
    assert_int_equal(cache_mailbox_find(f->cache, "Archive", &row), CACHE_OK);
    int64_t archive = row.id;
    cache_mailbox_free(&row);
    struct cache_mailbox_facts facts = {.uidvalidity = 3};
    assert_int_equal(cache_mailbox_note(f->cache, archive, &facts, NULL, NULL), CACHE_OK);
    assert_int_equal(
        cache_messages_add(f->cache, archive, 3, &one, 1, 1, true, fixture_file_name, NULL, NULL),
        CACHE_OK);
    assert_int_equal(cache_message_find(f->cache, archive, 1, &kept), CACHE_OK);
    fixture_add(f, 1, 2300);
    int64_t message = fixture_find(f, 4).message;
    assert_int_equal(fixture_body(f->cache, message, 1, 300000, 65536), CACHE_OK);
    facts = (struct cache_mailbox_facts){
        .uidvalidity = 8, .uidnext = 5, .messages = 4, .has_messages = true};
    assert_int_equal(cache_mailbox_note(f->cache, f->inbox, &facts, heard_change, &heard),
                     CACHE_OK);
    assert_int_equal(heard.gone, 2300);
    assert_int_equal(cache_message_find(f->cache, f->inbox, 4, &inode), CACHE_ERR_ABSENT);
    assert_int_equal(cache_mailbox_get(f->cache, f->inbox, &row), CACHE_OK);
    assert_int_equal(row.uidvalidity, 8);
    assert_int_equal(row.uidnext, 5);
    assert_int_equal(row.messages, 4);
    assert_int_equal(row.listed_uid, 0);
    assert_false(row.listed);
    cache_mailbox_free(&row);
    struct cache_figures figures;
    assert_int_equal(cache_figures_get(f->cache, &figures), CACHE_OK);
    assert_int_equal(figures.mailboxes, 3);
    assert_int_equal(figures.messages, 1);
    assert_int_equal(figures.bodies, 0);
    assert_int_equal(cache_message_find(f->cache, archive, 1, &inode), CACHE_OK);
    assert_int_equal(inode.ino, kept.ino);
}

static void test_directory_mtime_moves(void **state)
{
    struct fixture *f = *state;
    struct cache_inode before, after;
    assert_int_equal(cache_inode_get(f->cache, f->inbox_ino, &before), CACHE_OK);
    struct timespec wait = {1, 100000000};
    nanosleep(&wait, NULL);
    fixture_add(f, 1, 1); /* a first listing learns what is there */
    assert_int_equal(cache_inode_get(f->cache, f->inbox_ino, &after), CACHE_OK);
    assert_int_equal(after.mtime, before.mtime);
    assert_int_equal(cache_messages_add(f->cache, f->inbox, FIXTURE_UIDVALIDITY, NULL, 0, 1, true,
                                        NULL, NULL, NULL),
                     CACHE_OK);
    fixture_add(f, 2, 2); /* from here on a message that comes is a change */
    assert_int_equal(cache_inode_get(f->cache, f->inbox_ino, &after), CACHE_OK);
    assert_true(after.mtime > before.mtime);
}

/* What a first listing and a readdir may cost, with room for a slow machine and sanitizers. */
static void test_cost(void **state)
{
    struct fixture *f = *state;
    static struct cache_inode inodes[128];
    struct timespec a, b;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
    fixture_add(f, 1, 20000);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
    double adding = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
    size_t count = 1, total = 0;
    for (uint64_t after = 0; count > 0; after = count > 0 ? inodes[count - 1].ino : 0) {
        assert_int_equal(cache_inode_list(f->cache, f->inbox_ino, after, inodes, 128, &count),
                         CACHE_OK);
        total += count;
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
    double listing = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
    assert_int_equal(total, 20000);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
    for (uint32_t i = 1; i <= 20000; i++) {
        char name[32];
        snprintf(name, sizeof name, "stem-%u.eml", i * 7919 % 20000 + 1);
        assert_int_equal(cache_inode_lookup(f->cache, f->inbox_ino, name, inodes), CACHE_OK);
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
    double lookup = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
    print_message("20000 messages: add %.3f s, list %.3f s, lookup %.1f us each\n", adding, listing,
                  lookup / 20000 * 1e6);
    assert_true(adding < 6);
    assert_true(listing < 2);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_add_and_get),
        CASE(test_colliding_names),
        cmocka_unit_test(test_long_names),
        CASE(test_known_uid_keeps_its_row),
        CASE(test_wrong_uidvalidity_is_stale),
        CASE(test_listing_state),
        CASE(test_list_is_stable),
        CASE(test_uids),
        CASE(test_flags),
        CASE(test_flags_that_still_count),
        CASE(test_gone),
        CASE(test_uidvalidity_drops_only_that_mailbox),
        CASE(test_directory_mtime_moves),
        CASE(test_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
