/*
 * What happens while things are under way: interrupted waits, changes that the kernel must hear of,
 * and the ends of a mount. As test_mount.c, through the kernel.
 */
#include "tests/unit/test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "one_mount.h"

static int start(void **state)
{
    if (mounted_possible())
        mounted_start(&m);
    return 0;
}

/* A call on a thread of its own that a signal may interrupt. */
struct caller {
    pthread_t thread;
    char path[300];
    bool directory;
    int error; /* 0: it worked */
    int64_t took;
    atomic_bool over;
};

static void nothing(int number)
{
}

static void *call(void *arg)
{
    struct caller *c = arg;
    int64_t began = clock_ms();

    if (c->directory) {
        c->error = mounted_count(c->path) < 0 ? errno : 0;
    } else {
        int fd = open(c->path, O_RDONLY);
        c->error = fd < 0 ? errno : 0;
        if (fd >= 0)
            close(fd);
    }
    c->took = clock_ms() - began;
    atomic_store(&c->over, true);
    return NULL;
}

static void caller_start(struct caller *c, const char *path, bool directory)
{
    const struct sigaction action = {.sa_handler = nothing};

    memset(c, 0, sizeof(*c));
    snprintf(c->path, sizeof(c->path), "%s", path);
    c->directory = directory;
    sigaction(SIGUSR1, &action, NULL);
    pthread_create(&c->thread, NULL, call, c);
}

/* Waits until a request for a body (or, else, for entries) has reached the server. */
static void wait_until_asked(bool body, unsigned count)
{
    for (int i = 0; i < 4000; i++) {
        struct fake_counts counts = fake_counts(m.sync);
        if ((body ? counts.asked : counts.listings) >= count)
            return;
        usleep(5000);
    }
    fail_msg("nothing was asked");
}

/* Sends signals until the call is over. */
static void caller_interrupt(struct caller *c)
{
    while (!atomic_load(&c->over)) {
        pthread_kill(c->thread, SIGUSR1);
        usleep(10000);
    }
    pthread_join(c->thread, NULL);
}

static void waiting_open_is_interrupted(void **state)
{
    const struct fake_plan slow = {.body_delay_ms = 5000}, fast = {0};
    static struct caller c;
    int64_t began;

    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 2, true);
    fake_behave(m.sync, &slow);
    caller_start(&c, mounted_path(&m, "Inbox/message-000001.eml"), false);
    wait_until_asked(true, 1);
    began = clock_ms();
    caller_interrupt(&c);
    assert_int_equal(c.error, EINTR);
    assert_true(clock_ms() - began < 1000);
    assert_int_equal(fake_counts(m.sync).detached, 1);
    fake_behave(m.sync, &fast);
    int fd = open(mounted_path(&m, "Inbox/message-000002.eml"), O_RDONLY);
    assert_true(mounted_reads_right(fd, 2));
    close(fd);
}

/* The fetch of an interrupted open goes on; the next open must not trust the size that the kernel
 * was told before. */
static void body_that_came_alone(void **state)
{
    const struct fake_plan slow = {.body_delay_ms = 700};
    static struct caller c;
    struct stat st;

    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 2, true);
    assert_int_equal(mounted_count(mounted_path(&m, "Inbox")), 3);
    for (uint32_t uid = 1; uid <= 2; uid++) {
        char path[64];
        snprintf(path, sizeof(path), "Inbox/message-%06u.eml", (unsigned)uid);
        assert_int_equal(stat(mounted_path(&m, path), &st), 0);
        assert_int_equal(st.st_size, fake_estimate(uid));
        fake_behave(m.sync, &slow);
        caller_start(&c, mounted_path(&m, path), false);
        wait_until_asked(true, uid);
        caller_interrupt(&c);
        assert_int_equal(c.error, EINTR);
        while (fake_counts(m.sync).bodies < uid)
            usleep(5000);
        int fd = open(mounted_path(&m, path), O_RDONLY);
        assert_true(mounted_reads_right(fd, uid));
        close(fd);
        assert_int_equal(fake_counts(m.sync).bodies, uid);
    }
}

/* Who reads a mailbox in order is known by its opens: by those that need not wait, too. */
static void every_open_of_a_message_is_told(void **state)
{
    int64_t until = clock_ms() + 20000;

    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 1, true);
    for (unsigned opens = 0; opens < 3; opens++) {
        int fd = open(mounted_path(&m, "Inbox/message-000001.eml"), O_RDONLY);
        assert_true(mounted_reads_right(fd, 1));
        close(fd);
        while (fake_counts(m.sync).asked + fake_counts(m.sync).opened <= opens) {
            assert_true(clock_ms() < until);
            usleep(1000);
        }
    }
    assert_int_equal(fake_counts(m.sync).asked, 1);
    assert_int_equal(fake_counts(m.sync).opened, 2);
}

static void waiting_readdir_is_interrupted(void **state)
{
    const struct fake_plan slow = {
        .listing_total = 100, .listing_window = 10, .window_delay_ms = 3000};
    static struct caller c;
    int64_t began;

    NEED_MOUNT();
    fake_behave(m.sync, &slow);
    caller_start(&c, mounted_path(&m, "Big"), true);
    wait_until_asked(false, 1);
    began = clock_ms();
    caller_interrupt(&c);
    assert_int_equal(c.error, EINTR);
    assert_true(clock_ms() - began < 1000);
}

static void two_openers_share(void **state)
{
    const struct fake_plan slow = {.body_delay_ms = 100};
    static struct caller c[4];

    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 1, true);
    fake_behave(m.sync, &slow);
    for (int i = 0; i < 4; i++)
        caller_start(&c[i], mounted_path(&m, "Inbox/message-000001.eml"), false);
    for (int i = 0; i < 4; i++) {
        pthread_join(c[i].thread, NULL);
        assert_int_equal(c[i].error, 0);
    }
}

static bool counts_to(const char *path, int expected)
{
    int64_t until = clock_ms() + 2000;

    while (mounted_count(path) != expected) {
        if (clock_ms() > until)
            return false;
        usleep(5000);
    }
    return true;
}

static int rewound_count(DIR *dir)
{
    int count = 0;

    rewinddir(dir);
    while (readdir(dir) != NULL)
        count++;
    return count;
}

/* A directory that stays open is read from the kernel's cache, until the notice comes. */
static void changes_show_to_who_is_there(void **state)
{
    struct stat before, after;
    DIR *dir;
    int count;

    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 3, true);
    dir = opendir(mounted_path(&m, "Inbox"));
    for (int i = 0; i < 3; i++)
        assert_int_equal(rewound_count(dir), 6);
    assert_int_equal(stat(mounted_path(&m, "Inbox"), &before), 0);
    sleep(1); /* mtimes have whole seconds */
    fake_add(m.sync, m.inbox, 4, 4, true);
    usleep(300000);
    assert_int_equal(stat(mounted_path(&m, "Inbox"), &after), 0);
    count = rewound_count(dir);
    closedir(dir);
    assert_int_equal(count, 7);
    assert_true(after.st_mtime > before.st_mtime);
}

static void changes_show(void **state)
{
    const char *inbox, *first, *fourth;
    struct stat before, after;
    char name[300], gone[300];

    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 3, true);
    inbox = mounted_path(&m, "Inbox");
    snprintf(gone, sizeof(gone), "%s/message-000001.eml", inbox);
    snprintf(name, sizeof(name), "%s/message-000004.eml", inbox);
    first = gone;
    fourth = name;
    for (int i = 0; i < 3; i++) /* the second comes from the kernel's own cache */
        assert_int_equal(mounted_count(inbox), 4);
    assert_int_equal(stat(fourth, &after), -1);
    assert_int_equal(stat(first, &before), 0);

    fake_add(m.sync, m.inbox, 4, 4, true);
    assert_true(counts_to(inbox, 5));
    assert_true(mounted_comes(fourth, true));

    fake_gone(m.sync, m.inbox, 1);
    assert_true(mounted_comes(first, false));
    assert_true(counts_to(inbox, 4));
    assert_int_equal(open(first, O_RDONLY), -1);
    assert_int_equal(errno, ENOENT);
}

static void gone_but_open(void **state)
{
    char path[300];
    struct stat st;
    int fd;

    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 3, true);
    snprintf(path, sizeof(path), "%s", mounted_path(&m, "Inbox/message-000003.eml"));
    fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    fake_gone(m.sync, m.inbox, 3);
    assert_true(mounted_comes(path, false));
    assert_int_equal(fstat(fd, &st), 0);
    assert_true(mounted_reads_right(fd, 3));
    close(fd);
}

static void many_changes(void **state)
{
    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 300, true);
    assert_int_equal(mounted_count(mounted_path(&m, "Inbox")), 301);
    for (uint32_t uid = 1; uid <= 300; uid += 2)
        fake_gone(m.sync, m.inbox, uid);
    assert_true(counts_to(mounted_path(&m, "Inbox"), 151));
    assert_true(mounted_comes(mounted_path(&m, "Inbox/message-000299.eml"), false));
}

/* A notice about a directory that the kernel keeps locked for a waiting READDIR must not bar others
 * from what the cache can answer. */
static void nobody_queues_behind_a_reader(void **state)
{
    const struct fake_plan slow = {
        .listing_total = 100, .listing_window = 10, .window_delay_ms = 3000};
    const struct fake_plan fast = {
        .listing_total = 100, .listing_window = 100, .window_delay_ms = 5};
    static struct caller reader;
    struct stat st, first;
    int64_t began;

    NEED_MOUNT();
    fake_behave(m.sync, &slow);
    fake_add(m.sync, m.big, 1, 20, false);
    assert_int_equal(stat(mounted_path(&m, "Big/message-000001.eml"), &first), 0);
    caller_start(&reader, mounted_path(&m, "Big"), true);
    wait_until_asked(false, 1);
    fake_gone(m.sync, m.big, 1);
    usleep(100000);
    began = clock_ms();
    assert_int_equal(stat(mounted_path(&m, "Big/message-000015.eml"), &st), 0);
    assert_int_equal(stat(mounted_path(&m, "Big/other"), &st), -1);
    assert_true(clock_ms() - began < 500);
    caller_interrupt(&reader);
    /* The first message is gone; the listing that goes on brings it again, under a new number. */
    fake_behave(m.sync, &fast);
    do {
        usleep(20000);
        assert_int_equal(stat(mounted_path(&m, "Big/message-000001.eml"), &st), 0);
    } while (st.st_ino == first.st_ino && clock_ms() - began < 6000);
    assert_int_not_equal(st.st_ino, first.st_ino);
}

static void remount_keeps_numbers(void **state)
{
    struct stat before, after;

    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 3, true);
    assert_int_equal(stat(mounted_path(&m, "Inbox/message-000002.eml"), &before), 0);
    mounted_again(&m);
    assert_int_equal(m.served, -1);
    assert_int_equal(stat(mounted_path(&m, "Inbox/message-000002.eml"), &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(mounted_count(mounted_path(&m, "Inbox")), 4);
}

/* Whoever waits when the mount ends is answered, and the end does not wait for the network. */
static void leaves_at_once(void **state)
{
    const struct fake_plan slow = {
        .body_delay_ms = 20000, .listing_total = 10, .listing_window = 5, .window_delay_ms = 20000};
    static struct caller opener, lister;
    int64_t began;

    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 3, true);
    fake_behave(m.sync, &slow);
    caller_start(&opener, mounted_path(&m, "Inbox/message-000002.eml"), false);
    caller_start(&lister, mounted_path(&m, "Big"), true);
    wait_until_asked(true, 1);
    wait_until_asked(false, 1);
    began = clock_ms();
    mounted_leave(&m);
    pthread_join(opener.thread, NULL);
    pthread_join(lister.thread, NULL);
    assert_true(clock_ms() - began < 1500);
    assert_int_equal(m.served, 0);
    assert_int_equal(opener.error, ENOTCONN);
    assert_int_equal(lister.error, ENOTCONN);
}

/* Still serves with something open; the signal may reach any thread. */
static void signal_leaves(void **state)
{
    int64_t began;
    struct stat st;
    int fd;

    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 1, true);
    fd = open(mounted_path(&m, "Inbox/message-000001.eml"), O_RDONLY);
    assert_true(fd >= 0);
    began = clock_ms();
    kill(getpid(), SIGTERM);
    pthread_join(m.server, NULL);
    m.serving = false;
    assert_int_equal(m.served, 0);
    fs_unmount(&m.fs);
    assert_true(clock_ms() - began < 1500);
    close(fd);
    assert_int_equal(stat(m.mount, &st), 0);
    assert_int_not_equal(st.st_ino, 1);
}

/* fs_exit may come before the service has begun. */
static void leaves_while_it_starts(void **state)
{
    NEED_MOUNT();
    for (int i = 0; i < 15; i++)
        mounted_again(&m);
    assert_int_equal(mounted_count(m.mount), 4);
}

static void unmount_from_outside(void **state)
{
    char command[200];

    NEED_MOUNT();
    assert_int_equal(mounted_count(m.mount), 4);
    snprintf(command, sizeof(command), "fusermount3 -u '%s'", m.mount);
    assert_int_equal(system(command), 0);
    pthread_join(m.server, NULL);
    m.serving = false;
    assert_int_equal(m.served, 0);
}

static void bad_mounts_explain(void **state)
{
    static const struct {
        const char *path, *options, *words;
    } cases[] = {
        {"/nonexistent/dir", NULL,             "No such file"   },
        {"/etc/passwd",      NULL,             "not a directory"},
        {NULL,               "no_such_option", "no_such_option" },
    };

    NEED_MOUNT();
    mounted_leave(&m);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[SYNC_TEXT_MAX];
        const struct fs_settings settings = {.mountpoint = cases[i].path ? cases[i].path : m.mount,
                                             .account = "a",
                                             .fuse_options = cases[i].options};
        assert_null(fs_mount(&settings, m.sync, text));
        if (strstr(text, cases[i].words) == NULL)
            fail_msg("%s", text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, start, stop)
        CASE(waiting_open_is_interrupted),
        CASE(body_that_came_alone),
        CASE(every_open_of_a_message_is_told),
        CASE(waiting_readdir_is_interrupted),
        CASE(two_openers_share),
        CASE(changes_show),
        CASE(changes_show_to_who_is_there),
        CASE(gone_but_open),
        CASE(many_changes),
        CASE(nobody_queues_behind_a_reader),
        CASE(remount_keeps_numbers),
        CASE(leaves_at_once),
        CASE(signal_leaves),
        CASE(leaves_while_it_starts),
        CASE(unmount_from_outside),
        CASE(bad_mounts_explain),
#undef CASE
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
