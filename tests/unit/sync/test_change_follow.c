/*
 * Changes of a message that another change of it is under way for (commit=journal): each is
 * accepted, in whatever moment of the other's life it comes, finds the message where that one takes
 * it, and leaves it the inode that it had.
 */
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "message/summary.h"
#include "tests/unit/sync/changing.h"

static struct cache_inode inode_of(struct rig *rig, int64_t message)
{
    struct cache_message row = {0};
    struct cache_inode inode = {0};
    if (cache_message_get(sync_cache(rig->sync), message, &row) == CACHE_OK)
        (void)!cache_message_find(sync_cache(rig->sync), row.mailbox, row.uid, &inode);
    cache_message_free(&row);
    return inode;
}

static enum sync_error move(struct rig *rig, int64_t message, const char *to, const char *name)
{
    struct told told;
    told_init(&told);
    sync_move(rig->sync, message, rig_mailbox(rig, to), name, false, told_changed, &told);
    return told_wait(&told);
}

static enum sync_error flag(struct rig *rig, int64_t message, const char *flags)
{
    struct told told;
    told_init(&told);
    sync_store(rig->sync, message, flags, told_changed, &told);
    return told_wait(&told);
}

/* The pauses between the steps walk through the life of the change before. */
static void test_any_moment(void **state)
{
    enum { MANY = 150, STEP_US = 40, PAUSES = 50 };
    struct rig rig;
    changing_init(&rig, MANY);
    rig.by_journal = true;
    changing_start(&rig);
    for (unsigned n = 1; n <= MANY; n++) {
        struct told listed[2];
        int64_t message = rig_message(&rig, "INBOX", n);
        uint64_t ino = inode_of(&rig, message).ino;
        useconds_t pause = n % PAUSES * STEP_US;
        assert_int_equal(move(&rig, message, "Archive", "kept.eml"), SYNC_OK);
        for (int i = 0; i < 2; i++) {
            const char *name = i == 0 ? "INBOX" : "Archive";
            rig_age(&rig, name);
            told_init(&listed[i]);
            sync_want_listing(rig.sync, rig_mailbox(&rig, name), told_tell, &listed[i]);
        }
        usleep(pause);
        assert_int_equal(move(&rig, message, "Archive", "twice.eml"), SYNC_OK);
        if (n % 3 == 0)
            assert_int_equal(flag(&rig, message, "+\\Flagged"), SYNC_OK);
        usleep(n % 2 != 0 ? pause : 0);
        assert_int_equal(move(&rig, message, "Trash", NULL), SYNC_OK);
        for (int i = 0; i < 2; i++)
            assert_int_equal(told_wait(&listed[i]), SYNC_OK);
        assert_int_equal(changing_settle(&rig), SYNC_OK);
        assert_int_equal(store_count("Trash", n), 1);
        assert_int_equal(store_count(NULL, n), 1);
        struct cache_inode inode = inode_of(&rig, message);
        assert_int_equal(inode.ino, ino);
        assert_int_equal(inode.mailbox, rig_mailbox(&rig, "Trash"));
        assert_true(n % 3 != 0 || store_flagged("Trash", inode.uid, "\\Flagged"));
    }
    assert_int_equal(changing_rows(&rig), 0);
    assert_int_equal(rig_count(&rig, "Trash"), MANY);
    changing_end(&rig);
}

/* It is shown where it goes to in the end, all the time. */
static void test_shown_at_its_end(void **state)
{
    struct rig rig;
    struct told told;
    struct cache_mailbox trash = {0};
    changing_init(&rig, 1);
    rig.by_journal = true;
    changing_start(&rig);
    store.delay_ms = 20;
    int64_t message = rig_message(&rig, "INBOX", 1);
    assert_int_equal(cache_mailbox_get(sync_cache(rig.sync), rig_mailbox(&rig, "Trash"), &trash),
                     CACHE_OK);
    assert_int_equal(move(&rig, message, "Archive", "kept.eml"), SYNC_OK);
    assert_int_equal(move(&rig, message, "Trash", "end.eml"), SYNC_OK);
    told_init(&told);
    sync_settle(rig.sync, 0, told_changed, &told);
    bool over = false, arrived = false;
    while (!over) {
        struct cache_inode inode = inode_of(&rig, message);
        pthread_mutex_lock(&told.lock);
        over = told.times > 0;
        pthread_mutex_unlock(&told.lock);
        arrived |= inode.mailbox == rig_mailbox(&rig, "Archive");
        if (inode.ino == 0)
            continue; /* between two looks it was moved */
        assert_int_equal(inode.parent, trash.ino);
        assert_false(inode.hidden);
        assert_string_equal(inode.name, "end.eml");
        usleep(100);
    }
    assert_int_equal(told_wait(&told), SYNC_OK);
    assert_true(arrived);
    assert_int_equal(store_count("Trash", 1), 1);
    cache_mailbox_free(&trash);
    changing_end(&rig);
}

static void expect_flags(struct rig *rig, int64_t message, const char *flags)
{
    struct cache_message row = {0};
    assert_int_equal(cache_message_get(sync_cache(rig->sync), message, &row), CACHE_OK);
    assert_string_equal(row.flags, flags);
    cache_message_free(&row);
}

/* Flags that the server refuses are gone again by the time that settle tells of it, and so are
 * those that were to follow; what was there before is. */
static void test_flags_refused(void **state)
{
    struct rig rig;
    changing_init(&rig, 2);
    rig.by_journal = true;
    changing_start(&rig);
    int64_t message = rig_message(&rig, "INBOX", 1);
    assert_int_equal(flag(&rig, message, "+\\Answered"), SYNC_OK);
    assert_int_equal(changing_settle(&rig), SYNC_OK);
    store.refuse_verb = "UID STORE";
    store.refuse_reply = "NO not now";
    store.delay_ms = 20;
    atomic_store(&store.refuse_times, 1);
    assert_int_equal(flag(&rig, message, "+\\Seen"), SYNC_OK);
    assert_int_equal(flag(&rig, message, "\\Seen \\Flagged"), SYNC_OK);
    expect_flags(&rig, message, "\\Seen \\Flagged");
    assert_int_not_equal(changing_settle(&rig), SYNC_OK);
    expect_flags(&rig, message, "\\Answered");
    changing_end(&rig);
}

/* Flags of a file that is still to be sent go behind it; what moves the message goes behind them.
 */
static void test_flags_to_come(void **state)
{
    enum { MANY = 40, STEP_US = 250 };
    struct rig rig;
    struct cache_mailbox archive = {0};
    changing_init(&rig, 1);
    rig.by_journal = true;
    changing_start(&rig);
    assert_int_equal(
        cache_mailbox_get(sync_cache(rig.sync), rig_mailbox(&rig, "Archive"), &archive), CACHE_OK);
    for (unsigned n = 100; n < 100 + MANY; n++) {
        struct cache_inode inode, now;
        struct told told;
        char name[32];
        assert_int_equal(changing_publish(&rig, "Archive", n, 0), SYNC_OK);
        snprintf(name, sizeof name, "file-%u.eml", n);
        assert_int_equal(cache_inode_lookup(sync_cache(rig.sync), archive.ino, name, &inode),
                         CACHE_OK);
        usleep((n - 100) * STEP_US / 4);
        told_init(&told);
        sync_store_pending(rig.sync, inode.ino, "+\\Flagged", told_changed, &told);
        assert_int_equal(told_wait(&told), SYNC_OK);
        for (int i = 0; i < 10000; i++) {
            assert_int_equal(cache_inode_get(sync_cache(rig.sync), inode.ino, &now), CACHE_OK);
            if (now.kind == CACHE_MESSAGE)
                break;
            usleep(100);
        }
        assert_int_equal(now.kind, CACHE_MESSAGE);
        assert_int_equal(move(&rig, now.message, "Trash", NULL), SYNC_OK);
        assert_int_equal(changing_settle(&rig), SYNC_OK);
        assert_int_equal(store_count("Trash", n), 1);
        assert_true(store_flagged("Trash", store_uid("Trash", n), "\\Flagged"));
        expect_flags(&rig, now.message, "\\Flagged");
    }
    struct told told;
    told_init(&told);
    sync_store_pending(rig.sync, 999999, "+\\Flagged", told_changed, &told);
    assert_int_equal(told_wait(&told), SYNC_ERR_GONE);
    assert_int_equal(changing_rows(&rig), 0);
    cache_mailbox_free(&archive);
    changing_end(&rig);
}

/* What nothing is under way for, and is gone, is gone; a MOVE of it says so, and it goes here, too.
 */
static void test_gone_before(void **state)
{
    struct rig rig;
    changing_init(&rig, 3);
    rig.by_journal = true;
    changing_start(&rig);
    store_keep("INBOX", 2);
    int64_t message = rig_message(&rig, "INBOX", 3);
    assert_int_equal(move(&rig, message, "Archive", NULL), SYNC_OK);
    assert_int_equal(changing_settle(&rig), SYNC_ERR_GONE);
    for (int i = 0; i < 2000 && inode_of(&rig, message).ino != 0; i++)
        usleep(1000);
    assert_int_equal(inode_of(&rig, message).ino, 0);
    assert_int_equal(rig_count(&rig, "INBOX"), 2);
    assert_int_equal(rig_count(&rig, "Archive"), 0);
    changing_end(&rig);
}

static atomic_bool moved, looked;

/* Carries a MOVE out, and answers once the message was asked for where it was. */
static bool late_answer(struct session *s, const char *tag, const char *command)
{
    enum { ANSWER = 1000, PATIENCE = 2000 };
    char answer[ANSWER];
    int fd = s->fd, pair[2];
    if (atomic_load(&moved) && strstr(command, "(UID)") != NULL)
        atomic_store(&looked, true);
    if (strncmp(command, "UID MOVE", 8) != 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        return store_answer(s, tag, command);
    s->fd = pair[1];
    store_answer(s, tag, command);
    s->fd = fd;
    ssize_t len = recv(pair[0], answer, sizeof answer, MSG_DONTWAIT);
    close(pair[0]);
    close(pair[1]);
    atomic_store(&moved, true);
    for (int i = 0; i < PATIENCE && !atomic_load(&looked); i++)
        usleep(1000);
    usleep(20000); /* the answer to who looked is on its way */
    return session_write(s, answer, len > 0 ? (size_t)len : 0);
}

/* A body that the MOVE of the message overtakes comes from the new place. */
static void test_body_overtaken(void **state)
{
    struct rig rig;
    struct told told;
    changing_init(&rig, 3);
    rig.by_journal = true;
    rig.timeout_ms = RIG_PATIENCE_MS; /* a second connection is made meanwhile, on a busy machine */
    atomic_store(&moved, false);
    atomic_store(&looked, false);
    atomic_store(&rig.server.hook, late_answer);
    changing_start(&rig);
    int64_t message = rig_message(&rig, "INBOX", 2);
    assert_int_equal(move(&rig, message, "Archive", NULL), SYNC_OK);
    for (int i = 0; i < 2000 && !atomic_load(&moved); i++)
        usleep(1000);
    told_init(&told);
    sync_want_body(rig.sync, message, told_tell, &told);
    assert_int_equal(told_wait(&told), SYNC_OK);
    assert_true(atomic_load(&looked));
    assert_int_equal(changing_settle(&rig), SYNC_OK);
    assert_int_equal(inode_of(&rig, message).mailbox, rig_mailbox(&rig, "Archive"));
    changing_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_body_overtaken),   cmocka_unit_test(test_any_moment),
        cmocka_unit_test(test_shown_at_its_end), cmocka_unit_test(test_flags_refused),
        cmocka_unit_test(test_flags_to_come),    cmocka_unit_test(test_gone_before),
    };
    message_init();
    log_set_level(LOG_LEVEL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
