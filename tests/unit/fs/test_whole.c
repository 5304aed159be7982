/*
 * A read-only mount that has everything: files are opened without asking the daemon, and everything
 * that an open does for a reader holds all the same.
 */
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "fs/internal.h"
#include "one_mount.h"

enum { MESSAGES = 8, BOUND_MS = 10000 };

static int start(void **state)
{
    mounted_whole = true;
    if (mounted_possible())
        mounted_start(&m);
    return 0;
}

static const char *file(uint32_t uid)
{
    char path[64];

    snprintf(path, sizeof(path), "Inbox/message-%06u.eml", (unsigned)uid);
    return mounted_path(&m, path);
}

static void on_body(void *ctx, enum sync_error error)
{
    atomic_store((atomic_int *)ctx, error == SYNC_OK ? 1 : -1);
}

/* As a fetch ahead: without an open. */
static void fetch(uint32_t uid)
{
    int64_t until = clock_ms() + BOUND_MS;
    struct cache_inode inode;
    atomic_int done = 0;

    assert_int_equal(cache_message_find(m.fs->cache, m.inbox, uid, &inode), CACHE_OK);
    sync_want_body(m.sync, inode.message, on_body, &done);
    while (atomic_load(&done) == 0 && clock_ms() < until)
        usleep(2000);
    assert_int_equal(atomic_load(&done), 1);
}

static bool comes_in_force(void)
{
    int64_t until = clock_ms() + BOUND_MS;

    while (!whole_in_force(m.fs->whole) && clock_ms() < until)
        usleep(5000);
    return whole_in_force(m.fs->whole);
}

/* The kernel is told of estimates, then all bodies come. */
static void bring_everything(void)
{
    struct stat st;

    fake_add(m.sync, m.inbox, 1, MESSAGES, true);
    fake_add(m.sync, m.big, 1, 0, true);
    fake_add(m.sync, fake_mailbox(m.sync, "INBOX/Projects"), 1, 0, true);
    assert_int_equal(mounted_count(mounted_path(&m, "Inbox")), MESSAGES + 1);
    for (uint32_t uid = 1; uid <= MESSAGES; uid++) {
        assert_int_equal(stat(file(uid), &st), 0);
        assert_int_equal(st.st_size, fake_estimate(uid));
        fetch(uid);
    }
    fake_add(m.sync, fake_mailbox(m.sync, "Entw&APw-rfe"), 1, 0, true);
}

static void have_everything(void)
{
    bring_everything();
    assert_true(comes_in_force());
}

static void opens_unasked(void **state)
{
    struct stat st;

    NEED_MOUNT();
    have_everything();
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t uid = 1; uid <= MESSAGES; uid++) {
            int fd = open(file(uid), O_RDONLY);
            assert_true(fd >= 0);
            assert_null(m.fs->handles);
            assert_true(mounted_reads_right(fd, uid));
            close(fd);
            assert_int_equal(stat(file(uid), &st), 0);
            assert_int_equal(st.st_size, fake_body_size(uid));
        }
    }
    assert_int_equal(open(file(1), O_WRONLY), -1);
    assert_int_equal(errno, EROFS);
    assert_int_equal(fake_counts(m.sync).bodies, MESSAGES);
}

/* One body, or one listing, less than all: each open is asked about. */
static void not_before_all_is_here(void **state)
{
    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 2, true);
    fake_add(m.sync, m.big, 1, 0, true);
    fake_add(m.sync, fake_mailbox(m.sync, "INBOX/Projects"), 1, 0, true);
    fetch(1);
    fetch(2);
    usleep(1200000); /* it looks once a second */
    assert_false(whole_in_force(m.fs->whole));
    fake_add(m.sync, m.inbox, 3, 3, true);
    fake_add(m.sync, fake_mailbox(m.sync, "Entw&APw-rfe"), 1, 0, true);
    usleep(1200000);
    assert_false(whole_in_force(m.fs->whole));
    assert_int_equal(mounted_count(mounted_path(&m, "Inbox")), 4);
    fetch(3);
    assert_true(comes_in_force());
}

static void later_mail_shows_with_its_body(void **state)
{
    struct stat st;
    int fd;

    NEED_MOUNT();
    have_everything();
    fake_add(m.sync, m.inbox, MESSAGES + 1, MESSAGES + 1, true);
    assert_int_equal(stat(file(MESSAGES + 1), &st), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(mounted_count(mounted_path(&m, "Inbox")), MESSAGES + 1);
    assert_int_equal(mounted_count(mounted_path(&m, "Inbox")), MESSAGES + 1);
    fetch(MESSAGES + 1);
    assert_true(mounted_comes(file(MESSAGES + 1), true));
    assert_int_equal(stat(file(MESSAGES + 1), &st), 0);
    assert_int_equal(st.st_size, fake_body_size(MESSAGES + 1));
    for (int64_t until = clock_ms() + 2000; clock_ms() < until;) {
        if (mounted_count(mounted_path(&m, "Inbox")) == MESSAGES + 2)
            break;
        usleep(5000);
    }
    assert_int_equal(mounted_count(mounted_path(&m, "Inbox")), MESSAGES + 2);
    fd = open(file(MESSAGES + 1), O_RDONLY);
    assert_true(mounted_reads_right(fd, MESSAGES + 1));
    close(fd);
    fake_gone(m.sync, m.inbox, 2);
    assert_true(mounted_comes(file(2), false));
    assert_int_equal(open(file(2), O_RDONLY), -1);
    assert_int_equal(errno, ENOENT);
}

/* What was opened before goes on with what it has, and is let go with the mount. */
static void opened_before(void **state)
{
    int fd;

    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 1, true);
    fd = open(file(1), O_RDONLY);
    assert_true(fd >= 0);
    fake_add(m.sync, m.big, 1, 0, true);
    fake_add(m.sync, fake_mailbox(m.sync, "INBOX/Projects"), 1, 0, true);
    fake_add(m.sync, fake_mailbox(m.sync, "Entw&APw-rfe"), 1, 0, true);
    assert_true(comes_in_force());
    assert_true(mounted_reads_right(fd, 1));
    assert_string_not_equal(mounted_read(mounted_path(&m, ".status")), "");
    assert_true(mounted_reads_right(fd, 1));
    close(fd);
}

static void status_without_open(void **state)
{
    char before[10000], data[10000];
    ssize_t got;
    int fd;

    NEED_MOUNT();
    snprintf(before, sizeof(before), "%s", mounted_read(mounted_path(&m, ".status")));
    assert_string_not_equal(before, "");
    have_everything();
    assert_string_equal(mounted_read(mounted_path(&m, ".status")), before);
    assert_string_equal(mounted_read(mounted_path(&m, ".status")), before);
    fd = open(mounted_path(&m, ".status"), O_RDONLY);
    got = pread(fd, data, sizeof(data), 0);
    assert_int_equal(got, strlen(before));
    assert_int_equal(pread(fd, data, sizeof(data), got), 0);
    assert_int_equal(pread(fd, data, 3, 2), 3);
    assert_memory_equal(data, before + 2, 3);
    close(fd);
}

/* Files of rooms are made by their OPEN: those rooms and this exclude each other. */
static void rooms_with_files(void **state)
{
    struct stat st;

    NEED_MOUNT();
    have_everything();
    assert_int_equal(stat(mounted_path(&m, ".text"), &st), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(stat(mounted_path(&m, ".parts/Inbox"), &st), -1);
    assert_int_equal(errno, ENOENT);
}

static void rooms_were_used(void **state)
{
    struct stat st;

    NEED_MOUNT();
    assert_int_equal(stat(mounted_path(&m, ".text"), &st), 0);
    bring_everything();
    usleep(1200000); /* it looks once a second */
    assert_false(whole_in_force(m.fs->whole));
    assert_int_equal(stat(mounted_path(&m, ".parts"), &st), 0);
}

/* A second mount of a full cache is there at once; one that is cut short ends in order. */
static void mounted_twice(void **state)
{
    NEED_MOUNT();
    have_everything();
    mounted_again(&m);
    assert_true(comes_in_force());
    assert_int_equal(mounted_count(mounted_path(&m, "Inbox")), MESSAGES + 1);
    mounted_again(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(opens_unasked, start, stop),
        cmocka_unit_test_setup_teardown(not_before_all_is_here, start, stop),
        cmocka_unit_test_setup_teardown(later_mail_shows_with_its_body, start, stop),
        cmocka_unit_test_setup_teardown(opened_before, start, stop),
        cmocka_unit_test_setup_teardown(status_without_open, start, stop),
        cmocka_unit_test_setup_teardown(rooms_with_files, start, stop),
        cmocka_unit_test_setup_teardown(rooms_were_used, start, stop),
        cmocka_unit_test_setup_teardown(mounted_twice, start, stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
