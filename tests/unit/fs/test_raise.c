/* Events through a real mount: this program is the daemon, and, started anew, its helper. */
#include "tests/unit/test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/clock.h"
#include "fs/internal.h"
#include "fs/raiser.h"
#include "mounted.h"

enum { WAIT_MS = 5000, WATCHED = IN_CREATE | IN_DELETE | IN_ATTRIB | IN_MODIFY };

struct seen {
    uint32_t mask;
    char name[CACHE_NAME_MAX + 1];
};

#define NEED_MOUNT()                                                                               \
    do {                                                                                           \
        if (mounted.sync == NULL)                                                                  \
            skip();                                                                                \
    } while (0)

static struct mounted mounted;
static int watch;

/* The next event, or mask 0 after `ms`. */
static struct seen next_event(int ms)
{
    static _Alignas(struct inotify_event) char data[8192];
    static ssize_t have, at;
    struct pollfd fd = {.fd = watch, .events = POLLIN};
    struct seen seen = {0};
    const struct inotify_event *event;

    if (at >= have) {
        at = 0;
        have = poll(&fd, 1, ms) > 0 ? read(watch, data, sizeof(data)) : 0;
    }
    if (have <= 0)
        return seen;
    event = (const struct inotify_event *)(const void *)(data + at);
    at += (ssize_t)(sizeof(*event) + event->len);
    seen.mask = event->mask;
    if (event->len > 0)
        snprintf(seen.name, sizeof(seen.name), "%s", event->name);
    return seen;
}

static void assert_next(uint32_t mask, const char *name)
{
    struct seen seen = next_event(WAIT_MS);

    assert_int_equal(seen.mask, mask);
    assert_string_equal(seen.name, name);
}

static void watch_directory(const char *path)
{
    watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    assert_true(inotify_add_watch(watch, mounted_path(&mounted, path), WATCHED) >= 0);
}

/* A mount with a watched Inbox of three, whose own events are over. */
static int setup(void **state)
{
    memset(&mounted, 0, sizeof(mounted));
    if (!mounted_possible())
        return 0;
    mounted_raiser = "/proc/self/exe";
    mounted_start_writable(&mounted);
    watch_directory("Inbox");
    fake_add(mounted.sync, mounted.inbox, 1, 3, true);
    assert_next(IN_CREATE, "message-000001.eml");
    assert_next(IN_CREATE, "message-000002.eml");
    assert_next(IN_CREATE, "message-000003.eml");
    return 0;
}

static int teardown(void **state)
{
    if (mounted.sync == NULL)
        return 0;
    close(watch);
    mounted_stop(&mounted);
    mounted_raiser = NULL;
    return 0;
}

/* The child of this process that is the helper; 0: none. */
static pid_t find_helper(void)
{
    DIR *proc = opendir("/proc");
    pid_t found = 0;

    for (const struct dirent *d; proc != NULL && found == 0 && (d = readdir(proc)) != NULL;) {
        char path[300], text[1000] = "";
        snprintf(path, sizeof(path), "/proc/%.200s/cmdline", d->d_name);
        int fd = open(path, O_RDONLY);
        ssize_t got = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;
        if (fd >= 0)
            close(fd);
        if (got > 12 && strcmp(text, "outlookfs") == 0 && strcmp(text + 10, RAISER_WORD) == 0 &&
            strcmp(text + 10 + sizeof(RAISER_WORD), mounted.mount) == 0)
            found = (pid_t)atoi(d->d_name);
    }
    if (proc != NULL)
        closedir(proc);
    return found;
}

static void came_went_changed(void **state)
{
    const char *flags = "\\Flagged";

    NEED_MOUNT();
    fake_add(mounted.sync, mounted.inbox, 4, 4, true);
    assert_next(IN_CREATE, "message-000004.eml");
    fake_gone(mounted.sync, mounted.inbox, 1);
    assert_next(IN_DELETE, "message-000001.eml");
    fake_flags(mounted.sync, mounted.inbox, 2, flags);
    assert_next(IN_ATTRIB, "message-000002.eml");
    assert_int_equal(next_event(300).mask, 0);
    assert_int_equal(mounted_count(mounted_path(&mounted, "Inbox")), 4); /* with Projects */
    assert_string_equal(fake_log(mounted.sync), "");
}

/* The kernel knows the name before the helper comes: it is made all the same. */
static void known_before(void **state)
{
    struct stat st;

    NEED_MOUNT();
    fake_add(mounted.sync, mounted.inbox, 4, 4, true);
    assert_int_equal(stat(mounted_path(&mounted, "Inbox/message-000004.eml"), &st), 0);
    assert_next(IN_CREATE, "message-000004.eml");
    ino_t before = st.st_ino;
    assert_int_equal(stat(mounted_path(&mounted, "Inbox/message-000004.eml"), &st), 0);
    assert_int_equal(st.st_ino, before);
    assert_int_equal(st.st_nlink, 1);
}

/* An open file of a message that went stays what it is. */
static void gone_while_open(void **state)
{
    int fd;

    NEED_MOUNT();
    fd = open(mounted_path(&mounted, "Inbox/message-000002.eml"), O_RDONLY);
    assert_true(fd >= 0);
    fake_gone(mounted.sync, mounted.inbox, 2);
    assert_next(IN_DELETE, "message-000002.eml");
    assert_true(mounted_reads_right(fd, 2));
    close(fd);
}

static void replaced_when_killed(void **state)
{
    pid_t first;

    NEED_MOUNT();
    fake_add(mounted.sync, mounted.inbox, 4, 4, true);
    assert_next(IN_CREATE, "message-000004.eml");
    first = find_helper();
    assert_true(first > 0);
    kill(first, SIGKILL);
    fake_add(mounted.sync, mounted.inbox, 5, 5, true);
    assert_next(IN_CREATE, "message-000005.eml");
    assert_true(find_helper() > 0 && find_helper() != first);
    mounted_leave(&mounted);
    assert_int_equal(find_helper(), 0);
}

/* A program that is no helper: the mount works, and names are right. */
static void no_helper(void **state)
{
    NEED_MOUNT();
    mounted_leave(&mounted);
    mounted_raiser = "/bin/true";
    mounted_again(&mounted);
    close(watch);
    watch_directory("Inbox");
    fake_add(mounted.sync, mounted.inbox, 4, 4, true);
    assert_int_equal(next_event(1000).mask, 0);
    assert_true(mounted_comes(mounted_path(&mounted, "Inbox/message-000004.eml"), true));
}

/* ---- who speaks with the helper's voice ---- */

struct attempt {
    const char *what;
    int (*run)(const char *file, const char *other);
};

static int try_unlink(const char *file, const char *other)
{
    return unlink(file);
}

static int try_open(const char *file, const char *other)
{
    return open(file, O_RDONLY);
}

static int try_write(const char *file, const char *other)
{
    return open(file, O_WRONLY | O_APPEND);
}

static int try_create(const char *file, const char *other)
{
    return open(other, O_WRONLY | O_CREAT | O_EXCL, 0600);
}

static int try_mknod(const char *file, const char *other)
{
    return mknod(other, S_IFREG | 0600, 0);
}

static int try_mkdir(const char *file, const char *other)
{
    return mkdir(other, 0700);
}

static int try_rename(const char *file, const char *other)
{
    return rename(file, other);
}

static int try_link(const char *file, const char *other)
{
    return link(file, other);
}

static int try_symlink(const char *file, const char *other)
{
    return symlink(file, other);
}

static int try_truncate(const char *file, const char *other)
{
    return truncate(file, 3);
}

static int try_chmod(const char *file, const char *other)
{
    return chmod(file, 0600);
}

static int try_flags(const char *file, const char *other)
{
    return setxattr(file, "user.imap.flags", "\\Seen", 5, 0);
}

static int try_no_flags(const char *file, const char *other)
{
    return removexattr(file, "user.imap.flags");
}

static int try_list(const char *file, const char *other)
{
    return open(mounted.mount, O_RDONLY | O_DIRECTORY);
}

static const struct attempt attempts[] = {
    {"unlink",      try_unlink  },
    {"open",        try_open    },
    {"write",       try_write   },
    {"create",      try_create  },
    {"mknod",       try_mknod   },
    {"mkdir",       try_mkdir   },
    {"rename",      try_rename  },
    {"link",        try_link    },
    {"symlink",     try_symlink },
    {"truncate",    try_truncate},
    {"chmod",       try_chmod   },
    {"setxattr",    try_flags   },
    {"removexattr", try_no_flags},
    {"list",        try_list    },
};

/* While an event is expected, its name may be there or not for the helper alone. */
static bool is_refusal(int error, bool expecting)
{
    return error == EPERM || (expecting && (error == ENOENT || error == EEXIST));
}

/* Runs all of them as a process that the gate takes for the helper, while `event` is expected;
 * the first that is not refused, or NULL. */
static const char *first_allowed(const struct event *event)
{
    char file[300], other[300];
    int go[2], status;
    pid_t child;

    snprintf(file, sizeof(file), "%s", mounted_path(&mounted, "Inbox/message-000002.eml"));
    snprintf(other, sizeof(other), "%s", mounted_path(&mounted, "Inbox/other.eml"));
    assert_int_equal(pipe(go), 0);
    child = fork();
    if (child == 0) {
        char byte;
        if (read(go[0], &byte, 1) != 1)
            _exit(200);
        for (unsigned i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++)
            if (attempts[i].run(file, other) >= 0 || !is_refusal(errno, event != NULL))
                _exit((int)i + 1);
        _exit(0);
    }
    gate_helper(mounted.fs->gate, child);
    if (event != NULL)
        gate_expect(mounted.fs->gate, event, 1);
    assert_int_equal(write(go[1], "g", 1), 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    gate_helper(mounted.fs->gate, 0);
    assert_false(gate_done(mounted.fs->gate));
    close(go[0]);
    close(go[1]);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 100);
    return WEXITSTATUS(status) == 0 ? NULL : attempts[WEXITSTATUS(status) - 1].what;
}

static void expected_alone(void **state)
{
    NEED_MOUNT();
    struct stat st;
    struct event event = {.kind = EVENT_DELETE};

    assert_int_equal(stat(mounted_path(&mounted, "Inbox/message-000002.eml"), &st), 0);
    event.ino = st.st_ino;
    snprintf(event.name, sizeof(event.name), "message-000002.eml");
    assert_int_equal(stat(mounted_path(&mounted, "Inbox"), &st), 0);
    event.parent = st.st_ino;
    assert_null(first_allowed(NULL));
    /* The row is there, so its removal is not what happened on the server; */
    assert_null(first_allowed(&event));
    /* nor did another name come. */
    event.kind = EVENT_CREATE;
    assert_null(first_allowed(&event));
    snprintf(event.name, sizeof(event.name), "other.eml");
    assert_null(first_allowed(&event));
    event.kind = EVENT_DELETE;
    assert_null(first_allowed(&event));
    assert_string_equal(fake_log(mounted.sync), "");
    assert_int_equal(mounted_count(mounted_path(&mounted, "Inbox")), 4);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], RAISER_WORD) == 0)
        return raiser_main(argc - 1, argv + 1);
    const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        CASE(came_went_changed),    CASE(known_before), CASE(gone_while_open),
        CASE(replaced_when_killed), CASE(no_helper),    CASE(expected_alone),
#undef CASE
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
