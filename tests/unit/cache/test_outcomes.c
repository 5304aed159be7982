/* What MOVE, COPY and APPEND do to the cache: whoever comes first, and however often. */
#include "tests/unit/cache/fixture.h"

#include "cache/outcomes.h"

static int64_t archive(struct fixture *f)
{
    struct cache_mailbox row;
    assert_int_equal(cache_mailbox_find(f->cache, "Archive", &row), CACHE_OK);
    cache_mailbox_free(&row);
    return row.id;
}

static uint64_t archive_ino(struct fixture *f)
{
    struct cache_mailbox row;
    assert_int_equal(cache_mailbox_find(f->cache, "Archive", &row), CACHE_OK);
    cache_mailbox_free(&row);
    return row.ino;
}

static uint64_t count_in(struct fixture *f, uint64_t ino)
{
    uint64_t directories = 0, messages = 0, listed = 0, after = 0;
    struct cache_inode inodes[16];
    size_t count = 1;
    assert_int_equal(cache_inode_count(f->cache, ino, &directories, &messages), CACHE_OK);
    while (count > 0) {
        assert_int_equal(cache_inode_list(f->cache, ino, after, inodes, 16, &count), CACHE_OK);
        for (size_t i = 0; i < count; i++)
            listed += inodes[i].kind == CACHE_MESSAGE ? 1 : 0;
        after = count > 0 ? inodes[count - 1].ino : 0;
    }
    assert_int_equal(listed, messages); /* what is counted is what is shown */
    return messages;
}

static struct cache_place in_inbox(struct fixture *f, uint32_t uid)
{
    return (struct cache_place){f->inbox, FIXTURE_UIDVALIDITY, uid};
}

static struct cache_place in_archive(struct fixture *f, uint32_t uid)
{
    return (struct cache_place){archive(f), 42, uid};
}

static void know_archive(struct fixture *f)
{
    const struct cache_mailbox_facts facts = {.uidvalidity = 42};
    assert_int_equal(cache_mailbox_note(f->cache, archive(f), &facts, NULL, NULL), CACHE_OK);
}

/* What a poll of Archive brings. */
static void poll_archive(struct fixture *f, uint32_t uid, const char *stem)
{
    const struct cache_new_message one = {.uid = uid,
                                          .size = 777,
                                          .internaldate = 1600000000,
                                          .flags = "\\Flagged",
                                          .subject = "polled",
                                          .stem = stem};
    know_archive(f);
    assert_int_equal(cache_messages_add(f->cache, archive(f), 42, &one, 1, uid, false,
                                        fixture_file_name, NULL, NULL),
                     CACHE_OK);
}

static void expect_subject(struct fixture *f, const struct cache_inode *inode, const char *subject)
{
    struct cache_message message;
    assert_int_equal(cache_message_get(f->cache, inode->message, &message), CACHE_OK);
    assert_string_equal(message.subject, subject);
    assert_int_equal(message.uid, inode->uid);
    assert_int_equal(message.mailbox, inode->mailbox);
    cache_message_free(&message);
}

static void test_move(void **state)
{
    struct fixture *f = *state;
    struct cache_inode before, after, again;
    fixture_add(f, 1, 3);
    before = fixture_find(f, 2);
    assert_int_equal(fixture_body(f->cache, before.message, 2, 200000, 4096), CACHE_OK);
    const struct cache_place from = in_inbox(f, 2), to = in_archive(f, 9);
    for (int round = 0; round < 3; round++) { /* done again after a crash, it changes nothing */
        struct heard heard = {0};
        assert_int_equal(
            cache_message_moved(f->cache, &from, &to, NULL, false, &after, heard_change, &heard),
            CACHE_OK);
        assert_int_equal(heard.gone, round == 0 ? 1 : 0);
        assert_int_equal(heard.came, round == 0 ? 1 : 0);
        assert_int_equal(after.ino, before.ino);
        assert_int_equal(after.parent, archive_ino(f));
        assert_int_equal(after.mailbox, archive(f));
        assert_int_equal(after.uid, 9);
        assert_int_equal(after.mtime, before.mtime);
        assert_string_equal(after.name, "stem-2.eml");
        assert_false(after.pending || after.hidden || after.alias);
        assert_true(after.size_exact);
        assert_true(fixture_body_is(f->cache, after.message, 2, 200000, 65536));
        assert_int_equal(count_in(f, f->inbox_ino), 2);
        assert_int_equal(count_in(f, archive_ino(f)), 1);
        assert_int_equal(cache_message_find(f->cache, f->inbox, 2, &again), CACHE_ERR_ABSENT);
        if (round == 1)
            fixture_reopen(f);
    }
    /* UIDVALIDITY was not known, and is now. */
    struct cache_mailbox row;
    assert_int_equal(cache_mailbox_get(f->cache, archive(f), &row), CACHE_OK);
    assert_int_equal(row.uidvalidity, 42);
    assert_false(row.listed);
    cache_mailbox_free(&row);
    /* The next listing says what the server thinks of it, and leaves name and inode alone. */
    poll_archive(f, 9, "another-stem");
    assert_int_equal(cache_inode_get(f->cache, after.ino, &again), CACHE_OK);
    assert_string_equal(again.name, "stem-2.eml");
    assert_int_equal(again.size, 200000); /* exact stays exact */
    assert_int_equal(again.mtime, 1600000000);
    expect_subject(f, &again, "polled");
}

static void test_move_names(void **state)
{
    struct fixture *f = *state;
    struct cache_inode inode, other;
    struct heard heard = {0};
    fixture_add(f, 1, 5);
    poll_archive(f, 1, "stem-1");
    poll_archive(f, 2, "wanted");
    struct cache_place from = in_inbox(f, 1), to = in_archive(f, 11);
    /* Taken: the "~UID" form. */
    assert_int_equal(cache_message_moved(f->cache, &from, &to, NULL, false, &inode, NULL, NULL),
                     CACHE_OK);
    assert_string_equal(inode.name, "stem-1~11.eml");
    /* Renamed on the way. */
    from = in_inbox(f, 2);
    to = in_archive(f, 12);
    assert_int_equal(
        cache_message_moved(f->cache, &from, &to, "new.eml", false, &inode, NULL, NULL), CACHE_OK);
    assert_string_equal(inode.name, "new.eml");
    assert_true(inode.alias);
    /* Over an existing one, which is hidden until its own way to the trash is known. */
    from = in_inbox(f, 3);
    to = in_archive(f, 13);
    assert_int_equal(
        cache_message_moved(f->cache, &from, &to, "wanted.eml", true, &inode, heard_change, &heard),
        CACHE_OK);
    assert_string_equal(inode.name, "wanted.eml");
    assert_int_equal(heard.gone, 2);
    assert_int_equal(heard.came, 1);
    assert_int_equal(cache_message_find(f->cache, archive(f), 2, &other), CACHE_OK);
    assert_true(other.hidden && other.pending);
    assert_int_equal(cache_inode_lookup(f->cache, archive_ino(f), "wanted.eml", &other), CACHE_OK);
    assert_int_equal(other.ino, inode.ino);
    assert_int_equal(count_in(f, archive_ino(f)), 4);
    /* A directory cannot be replaced. */
    from = in_inbox(f, 4);
    to = in_archive(f, 14);
    assert_int_equal(cache_message_moved(f->cache, &from, &to, "2024", true, &inode, NULL, NULL),
                     CACHE_OK);
    assert_string_equal(inode.name, "2024~14.eml");
    from = in_inbox(f, 5);
    static const char *const illegal[] = {"", ".", "..", "a/b"};
    for (size_t i = 0; i < sizeof illegal / sizeof *illegal; i++)
        assert_int_equal(
            cache_message_moved(f->cache, &from, &to, illegal[i], false, &inode, NULL, NULL),
            CACHE_ERR_STATE);
    fixture_find(f, 5);
}

/* A poll found the message in its new place first: one message, with the inode that moved. */
static void test_poll_was_faster_than_move(void **state)
{
    for (int bodies = 0; bodies < 4; bodies++) {
        struct fixture *f = *state;
        struct heard heard = {0};
        struct cache_inode before, polled, after;
        fixture_add(f, 1, 3);
        before = fixture_find(f, 2);
        poll_archive(f, 9, "stem-2");
        assert_int_equal(cache_message_find(f->cache, archive(f), 9, &polled), CACHE_OK);
        if ((bodies & 1) != 0)
            assert_int_equal(fixture_body(f->cache, before.message, 2, 200000, 4096), CACHE_OK);
        if ((bodies & 2) != 0)
            assert_int_equal(fixture_body(f->cache, polled.message, 2, 200000, 4096), CACHE_OK);
        const struct cache_place from = in_inbox(f, 2), to = in_archive(f, 9);
        assert_int_equal(
            cache_message_moved(f->cache, &from, &to, NULL, false, &after, heard_change, &heard),
            CACHE_OK);
        assert_int_equal(after.ino, before.ino);
        assert_string_equal(after.name, "stem-2.eml");
        assert_int_equal(heard.gone, 2);
        assert_int_equal(heard.came, 1);
        assert_int_equal(cache_inode_get(f->cache, polled.ino, &polled), CACHE_ERR_ABSENT);
        assert_int_equal(count_in(f, archive_ino(f)), 1);
        assert_int_equal(count_in(f, f->inbox_ino), 2);
        expect_subject(f, &after, "polled");
        assert_int_equal(after.mtime, 1600000000);
        assert_int_equal(after.size_exact, bodies & 1);
        assert_int_equal(after.size, bodies != 0 ? 200000 : 777);
        assert_int_equal(fixture_body_is(f->cache, after.message, 2, 200000, 65536), bodies & 1);
        struct cache_figures figures;
        assert_int_equal(cache_figures_get(f->cache, &figures), CACHE_OK);
        assert_int_equal(figures.bodies, bodies & 1);
        assert_int_equal(figures.messages, 3);
        fixture_teardown(state);
        assert_int_equal(fixture_setup(state), 0);
    }
}

static void test_move_of_the_unknown(void **state)
{
    struct fixture *f = *state;
    fixture_add(f, 1, 1);
    know_archive(f);
    struct cache_place from = in_inbox(f, 8), to = in_archive(f, 9);
    assert_int_equal(cache_message_moved(f->cache, &from, &to, NULL, false, NULL, NULL, NULL),
                     CACHE_ERR_ABSENT);
    from = in_inbox(f, 1);
    to.uidvalidity = 41; /* the cache knows another one */
    assert_int_equal(cache_message_moved(f->cache, &from, &to, NULL, false, NULL, NULL, NULL),
                     CACHE_ERR_STALE);
    to.uidvalidity = 42;
    to.uid = 0;
    assert_int_equal(cache_message_moved(f->cache, &from, &to, NULL, false, NULL, NULL, NULL),
                     CACHE_ERR_STALE);
    to.uid = 9;
    from.uidvalidity++; /* the message that this UID named is not known here */
    assert_int_equal(cache_message_moved(f->cache, &from, &to, NULL, false, NULL, NULL, NULL),
                     CACHE_ERR_ABSENT);
    fixture_find(f, 1);
    to.mailbox = 999;
    assert_int_equal(cache_message_moved(f->cache, &from, &to, NULL, false, NULL, NULL, NULL),
                     CACHE_ERR_ABSENT);
}

/* Flags of another mailbox's MODSEQ must not keep the new one's out. */
static void test_move_forgets_modseq(void **state)
{
    struct fixture *f = *state;
    struct cache_message message;
    struct cache_inode inode;
    const struct cache_new_flags high = {.uid = 1, .flags = "a", .modseq = 1000};
    const struct cache_new_flags low = {.uid = 9, .flags = "b", .modseq = 3};
    fixture_add(f, 1, 1);
    assert_int_equal(
        cache_messages_flags(f->cache, f->inbox, FIXTURE_UIDVALIDITY, &high, 1, NULL, NULL),
        CACHE_OK);
    const struct cache_place from = in_inbox(f, 1), to = in_archive(f, 9);
    assert_int_equal(cache_message_moved(f->cache, &from, &to, NULL, false, &inode, NULL, NULL),
                     CACHE_OK);
    assert_int_equal(cache_messages_flags(f->cache, archive(f), 42, &low, 1, NULL, NULL), CACHE_OK);
    assert_int_equal(cache_message_get(f->cache, inode.message, &message), CACHE_OK);
    assert_string_equal(message.flags, "b");
    cache_message_free(&message);
}

/* ---- APPEND ---- */

static const uint8_t sha_one[CACHE_SHA256] = {1, 2, 3};

static enum cache_error append(struct fixture *f, const struct cache_arrival *arrival,
                               struct cache_inode *inode, struct heard *heard)
{
    const struct cache_new_message facts = {.size = 5000,
                                            .internaldate = 1500000000,
                                            .flags = "\\Seen",
                                            .subject = "written here",
                                            .message_id = "<x@y>"};
    return cache_message_appended(f->cache, arrival, &facts, sha_one, 4800, inode, heard_change,
                                  heard);
}

static void test_append(void **state)
{
    for (int staged = 0; staged < 3; staged++) { /* none, reserved, visible */
        struct fixture *f = *state;
        struct cache_inode inode, again;
        struct heard heard = {0};
        bool same = false;
        struct cache_arrival arrival = {.place = in_archive(f, 5), .name = "mine.eml"};
        if (staged > 0)
            assert_int_equal(cache_staged_create(f->cache, archive_ino(f), "mine.eml", staged == 2,
                                                 &arrival.staged, NULL, NULL),
                             CACHE_OK);
        assert_int_equal(count_in(f, archive_ino(f)), 0);
        assert_int_equal(append(f, &arrival, &inode, &heard), CACHE_OK);
        assert_int_equal(heard.came, 1);
        assert_int_equal(heard.gone, 0);
        assert_int_equal(count_in(f, archive_ino(f)), 1);
        if (staged > 0)
            assert_int_equal(inode.ino, arrival.staged);
        assert_int_equal(inode.kind, CACHE_MESSAGE);
        assert_string_equal(inode.name, "mine.eml");
        assert_int_equal(inode.size, 5000);
        assert_false(inode.size_exact);
        assert_int_equal(inode.mtime, 1500000000);
        assert_int_equal(inode.uid, 5);
        expect_subject(f, &inode, "written here");
        assert_int_equal(cache_message_same(f->cache, inode.message, sha_one, 4800, &same),
                         CACHE_OK);
        assert_true(same);
        /* Once more, as after a crash, with and without a restart in between. */
        for (int round = 0; round < 2; round++) {
            heard = (struct heard){0};
            assert_int_equal(append(f, &arrival, &again, &heard), CACHE_OK);
            assert_int_equal(heard.came + heard.gone, 0);
            assert_int_equal(again.ino, inode.ino);
            fixture_reopen(f);
        }
        /* The user gave it another name since: doing it again leaves that. */
        assert_int_equal(
            cache_inode_rename(f->cache, inode.ino, inode.parent, "other.eml", false, NULL, NULL),
            CACHE_OK);
        assert_int_equal(append(f, &arrival, &again, &heard), CACHE_OK);
        assert_string_equal(again.name, "other.eml");
        /* The listing corrects what was guessed, and nothing else. */
        poll_archive(f, 5, "from-the-server");
        assert_int_equal(cache_inode_get(f->cache, inode.ino, &again), CACHE_OK);
        assert_string_equal(again.name, "other.eml");
        assert_int_equal(again.size, 777);
        assert_int_equal(again.mtime, 1600000000);
        expect_subject(f, &again, "polled");
        fixture_teardown(state);
        assert_int_equal(fixture_setup(state), 0);
    }
}

static void test_poll_was_faster_than_append(void **state)
{
    for (int staged = 0; staged < 2; staged++) {
        struct fixture *f = *state;
        struct cache_inode polled, inode;
        struct heard heard = {0};
        bool same = false;
        struct cache_arrival arrival = {.place = in_archive(f, 5), .name = "mine.eml"};
        if (staged != 0)
            assert_int_equal(cache_staged_create(f->cache, archive_ino(f), "mine.eml", true,
                                                 &arrival.staged, NULL, NULL),
                             CACHE_OK);
        poll_archive(f, 5, "from-the-server");
        assert_int_equal(cache_message_find(f->cache, archive(f), 5, &polled), CACHE_OK);
        assert_int_equal(fixture_body(f->cache, polled.message, 2, 2000, 4096), CACHE_OK);
        assert_int_equal(append(f, &arrival, &inode, &heard), CACHE_OK);
        assert_int_equal(inode.ino, staged != 0 ? arrival.staged : polled.ino);
        assert_string_equal(inode.name, "mine.eml");
        assert_int_equal(heard.gone, 1);
        assert_int_equal(heard.came, 1);
        assert_int_equal(count_in(f, archive_ino(f)), 1);
        assert_int_equal(inode.size, 2000);
        assert_true(inode.size_exact);
        assert_int_equal(inode.mtime, 1600000000);
        expect_subject(f, &inode, "polled");
        assert_true(fixture_body_is(f->cache, inode.message, 2, 2000, 65536));
        assert_int_equal(cache_message_same(f->cache, inode.message, sha_one, 4800, &same),
                         CACHE_OK);
        assert_true(same);
        fixture_teardown(state);
        assert_int_equal(fixture_setup(state), 0);
    }
}

/* Saving over an existing message: the new one has the name at once, the old one waits, hidden, for
 * its way to the trash, or comes back. */
static void test_save_over(void **state)
{
    for (int refused = 0; refused < 2; refused++) {
        struct fixture *f = *state;
        struct cache_inode old, inode, after;
        struct heard heard = {0};
        know_archive(f);
        fixture_add(f, 1, 2);
        old = fixture_find(f, 1);
        const struct cache_arrival arrival = {
            .place = in_inbox(f, 50), .name = "stem-1.eml", .replace = true};
        assert_int_equal(append(f, &arrival, &inode, &heard), CACHE_OK);
        assert_string_equal(inode.name, "stem-1.eml");
        assert_int_equal(heard.came, 1);
        assert_int_equal(heard.gone, 1);
        assert_int_equal(count_in(f, f->inbox_ino), 2);
        after = fixture_find(f, 1);
        assert_true(after.hidden && after.pending);
        const uint32_t uid = 1;
        if (refused != 0) {
            assert_int_equal(
                cache_messages_show(f->cache, f->inbox, FIXTURE_UIDVALIDITY, &uid, 1, NULL, NULL),
                CACHE_OK);
            after = fixture_find(f, 1);
            assert_string_equal(after.name, "stem-1~1.eml");
            assert_int_equal(count_in(f, f->inbox_ino), 3);
        } else {
            const struct cache_place from = in_inbox(f, 1), to = in_archive(f, 3);
            assert_int_equal(
                cache_message_moved(f->cache, &from, &to, NULL, false, &after, NULL, NULL),
                CACHE_OK);
            assert_string_equal(after.name, "stem-1.eml");
            assert_int_equal(after.parent, archive_ino(f));
            assert_int_equal(count_in(f, f->inbox_ino), 2);
            assert_int_equal(count_in(f, archive_ino(f)), 1);
        }
        assert_int_equal(after.ino, old.ino);
        assert_false(after.hidden || after.pending);
        fixture_teardown(state);
        assert_int_equal(fixture_setup(state), 0);
    }
}

static void test_append_errors(void **state)
{
    struct fixture *f = *state;
    struct cache_inode inode;
    struct heard heard = {0};
    know_archive(f);
    struct cache_arrival arrival = {.place = in_archive(f, 5)};
    assert_int_equal(append(f, &arrival, &inode, &heard), CACHE_ERR_STATE); /* no name at all */
    arrival.staged = 12345; /* gone with a restart */
    assert_int_equal(append(f, &arrival, &inode, &heard), CACHE_ERR_STATE);
    arrival.name = "x.eml";
    arrival.place.uidvalidity = 1;
    assert_int_equal(append(f, &arrival, &inode, &heard), CACHE_ERR_STALE);
    assert_int_equal(count_in(f, archive_ino(f)), 0);
    arrival.place.uidvalidity = 42;
    assert_int_equal(append(f, &arrival, &inode, &heard), CACHE_OK);
}

/* ---- COPY ---- */

static void wait_done(void *ctx, enum cache_error error, uint64_t size)
{
    *(enum cache_error *)ctx = error;
}

static void test_copy(void **state)
{
    struct fixture *f = *state;
    struct cache_inode source, copy, again;
    struct heard heard = {0};
    enum cache_error done = CACHE_ERR_IO;
    fixture_add(f, 1, 2);
    source = fixture_find(f, 1);
    assert_int_equal(fixture_body(f->cache, source.message, 1, 300000, 4096), CACHE_OK);
    const struct cache_place from = in_inbox(f, 1);
    struct cache_arrival arrival = {.place = in_archive(f, 5), .name = "stem-1.eml"};
    for (int round = 0; round < 2; round++)
        assert_int_equal(cache_message_copied(f->cache, &from, &arrival,
                                              round == 0 ? &copy : &again, heard_change, &heard),
                         CACHE_OK);
    assert_int_equal(heard.came, 1);
    assert_int_equal(again.ino, copy.ino);
    assert_true(copy.ino != source.ino && copy.message != source.message);
    assert_string_equal(copy.name, "stem-1.eml");
    assert_int_equal(copy.mtime, source.mtime);
    assert_int_equal(count_in(f, archive_ino(f)), 1);
    assert_int_equal(count_in(f, f->inbox_ino), 2);
    expect_subject(f, &copy, "A subject of the usual length, more or less");
    /* Its body is made when it is wanted, and is its own. */
    assert_false(fixture_body_is(f->cache, copy.message, 1, 300000, 65536));
    assert_int_equal(cache_body_copy(f->cache, copy.message, wait_done, &done), CACHE_OK);
    assert_int_equal(cache_mailbox_subscribed(f->cache, f->inbox, true), CACHE_OK); /* a barrier */
    assert_int_equal(done, CACHE_OK);
    const uint32_t gone = 1;
    assert_int_equal(
        cache_messages_gone(f->cache, f->inbox, FIXTURE_UIDVALIDITY, &gone, 1, NULL, NULL),
        CACHE_OK);
    assert_true(fixture_body_is(f->cache, copy.message, 1, 300000, 65536));
    assert_int_equal(cache_inode_get(f->cache, copy.ino, &again), CACHE_OK);
    assert_true(again.size_exact);
    /* What it was copied from is gone. */
    arrival.place.uid = 6;
    assert_int_equal(cache_message_copied(f->cache, &from, &arrival, NULL, NULL, NULL),
                     CACHE_ERR_ABSENT);
}

static void test_body_of_a_copy_is_not_assumed(void **state)
{
    struct fixture *f = *state;
    struct cache_inode source, copy;
    fixture_add(f, 1, 2);
    source = fixture_find(f, 1);
    const struct cache_place from = in_inbox(f, 1);
    struct cache_arrival arrival = {.place = in_archive(f, 5), .name = "copy.eml"};
    assert_int_equal(cache_message_copied(f->cache, &from, &arrival, &copy, NULL, NULL), CACHE_OK);
    assert_int_equal(cache_body_copy(f->cache, copy.message, NULL, NULL), CACHE_ERR_ABSENT);
    assert_int_equal(cache_body_copy(f->cache, source.message, NULL, NULL), CACHE_ERR_ABSENT);
    assert_int_equal(cache_body_copy(f->cache, 999, NULL, NULL), CACHE_ERR_ABSENT);
    assert_int_equal(fixture_body(f->cache, source.message, 1, 300000, 4096), CACHE_OK);
    poll_archive(f, 5, "x"); /* the server says another size */
    assert_int_equal(cache_body_copy(f->cache, copy.message, NULL, NULL), CACHE_ERR_ABSENT);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_move),
        CASE(test_move_names),
        CASE(test_poll_was_faster_than_move),
        CASE(test_move_of_the_unknown),
        CASE(test_move_forgets_modseq),
        CASE(test_append),
        CASE(test_poll_was_faster_than_append),
        CASE(test_save_over),
        CASE(test_append_errors),
        CASE(test_copy),
        CASE(test_body_of_a_copy_is_not_assumed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
