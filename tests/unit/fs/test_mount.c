/*
 * The file system as programs see it: every check goes through the kernel, to a mount served by
 * this very process over a real cache and a fake server.
 */
#include "tests/unit/test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "one_mount.h"

static int start(void **state)
{
    if (mounted_possible())
        mounted_start(&m);
    return 0;
}

static void tree_and_stat(void **state)
{
    struct stat st, inbox;
    struct statvfs vfs;

    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 10, true);
    assert_int_equal(stat(m.mount, &st), 0);
    assert_int_equal(st.st_ino, 1);
    assert_int_equal(st.st_mode, S_IFDIR | 0700);
    assert_int_equal(mounted_count(m.mount), 4);
    assert_int_equal(stat(mounted_path(&m, "Inbox"), &inbox), 0);
    assert_int_equal(stat(mounted_path(&m, "Inbox/.."), &st), 0);
    assert_int_equal(st.st_ino, 1);
    assert_int_equal(mounted_count(mounted_path(&m, "Inbox")), 11);
    assert_int_equal(mounted_count(mounted_path(&m, "Folder")), 0);
    assert_int_equal(stat(mounted_path(&m, "Inbox/message-000003.eml"), &st), 0);
    assert_int_equal(st.st_mode, S_IFREG | 0400);
    assert_int_equal(st.st_size, fake_estimate(3));
    assert_int_equal(st.st_mtime, 1700000003);
    assert_int_equal(st.st_uid, getuid());
    assert_int_equal(access(mounted_path(&m, "Inbox/message-000003.eml"), W_OK), -1);
    assert_int_equal(errno, EROFS);
    assert_int_equal(statvfs(m.mount, &vfs), 0);
    assert_true(vfs.f_blocks * vfs.f_frsize == UINT64_C(1) << 50);
    assert_true(vfs.f_bavail > 0);
    assert_true((vfs.f_flag & (ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC)) ==
                (ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC));
}

static void sizes_become_exact(void **state)
{
    char path[64];

    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 14, true);
    assert_int_equal(mounted_count(mounted_path(&m, "Inbox")), 15);
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t uid = 1; uid <= 14; uid++) {
            struct stat st;
            snprintf(path, sizeof(path), "Inbox/message-%06u.eml", (unsigned)uid);
            assert_int_equal(stat(mounted_path(&m, path), &st), 0);
            assert_int_equal(st.st_size, pass == 0 ? fake_estimate(uid) : fake_body_size(uid));
            int fd = open(mounted_path(&m, path), O_RDONLY);
            assert_true(fd >= 0);
            assert_true(mounted_reads_right(fd, uid));
            close(fd);
        }
    }
    assert_int_equal(fake_counts(m.sync).bodies, 14);
}

static void maps_right(void **state)
{
    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 6, true);
    for (uint32_t uid = 1; uid <= 6; uid++) {
        char path[64], *data;
        struct stat st;
        snprintf(path, sizeof(path), "Inbox/message-%06u.eml", (unsigned)uid);
        assert_int_equal(stat(mounted_path(&m, path), &st), 0);
        int fd = open(mounted_path(&m, path), O_RDONLY);
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(st.st_size, fake_body_size(uid));
        data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        assert_true(data != MAP_FAILED);
        for (size_t i = 0; i < (size_t)st.st_size; i++)
            if (data[i] != fake_body_byte(uid, i))
                fail_msg("uid %u byte %zu", (unsigned)uid, i);
        munmap(data, (size_t)st.st_size);
        close(fd);
    }
}

static void lands_while_it_is_read(void **state)
{
    const struct fake_plan plan = {
        .listing_total = 3000, .listing_window = 300, .window_delay_ms = 50};
    struct cache_mailbox row = {0};
    bool early = false;
    unsigned count = 0;
    uint32_t expected = 1;
    DIR *dir;

    NEED_MOUNT();
    fake_behave(m.sync, &plan);
    dir = opendir(mounted_path(&m, "Big"));
    assert_non_null(dir);
    errno = 0;
    for (const struct dirent *d; (d = readdir(dir)) != NULL;) {
        char name[200];
        if (d->d_name[0] == '.')
            continue;
        if (count++ == 0 && cache_mailbox_get(sync_cache(m.sync), m.big, &row) == CACHE_OK) {
            early = !row.listed;
            cache_mailbox_free(&row);
        }
        fake_name(name, expected++);
        assert_string_equal(d->d_name, name);
    }
    assert_int_equal(errno, 0);
    assert_int_equal(count, 3000);
    closedir(dir);
    assert_true(early); /* the first entries were seen before the last had landed */
    assert_int_equal(mounted_count(mounted_path(&m, "Big")), 3000);
}

static void cut_short_fails(void **state)
{
    struct fake_plan plan = {.listing_total = 1000,
                             .listing_window = 100,
                             .window_delay_ms = 5,
                             .listing_stops_at = 500};

    NEED_MOUNT();
    fake_behave(m.sync, &plan);
    assert_int_equal(mounted_count(mounted_path(&m, "Big")), -1);
    assert_int_equal(errno, ENETUNREACH);
    plan.listing_failure = SYNC_ERR_GONE; /* readdir(3) would hide ENOENT: the end of a directory */
    fake_behave(m.sync, &plan);
    assert_int_equal(mounted_count(mounted_path(&m, "Big")), -1);
    assert_int_equal(errno, ESTALE);
    plan.listing_stops_at = 0;
    fake_behave(m.sync, &plan);
    assert_int_equal(mounted_count(mounted_path(&m, "Big")), 1000);
}

static void seeks(void **state)
{
    char name[300];
    DIR *dir;
    long place;

    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 500, true);
    dir = opendir(mounted_path(&m, "Inbox"));
    for (int i = 0; i < 200; i++)
        assert_non_null(readdir(dir));
    place = telldir(dir);
    snprintf(name, sizeof(name), "%s", readdir(dir)->d_name);
    while (readdir(dir) != NULL)
        continue;
    seekdir(dir, place);
    assert_string_equal(readdir(dir)->d_name, name);
    rewinddir(dir);
    assert_string_equal(readdir(dir)->d_name, ".");
    closedir(dir);
}

static void name_waits_for_first_listing(void **state)
{
    const struct fake_plan plan = {
        .listing_total = 50, .listing_window = 25, .window_delay_ms = 20};
    struct stat st;

    NEED_MOUNT();
    fake_behave(m.sync, &plan);
    assert_int_equal(stat(mounted_path(&m, "Big/.git"), &st), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(stat(mounted_path(&m, "Big/HEAD"), &st), -1);
    assert_int_equal(fake_counts(m.sync).listings, 0);
    assert_int_equal(stat(mounted_path(&m, "Big/message-000040.eml"), &st), 0);
    assert_int_equal(stat(mounted_path(&m, "Big/message-000051.eml"), &st), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(fake_counts(m.sync).listings, 1);
}

static void one_message_fails(void **state)
{
    static const struct {
        enum sync_error failure;
        int error;
    } cases[] = {
        {SYNC_ERR_UNFETCHABLE, EIO        },
        {SYNC_ERR_UNREACHABLE, ENETUNREACH},
        {SYNC_ERR_THROTTLED,   EAGAIN     },
        {SYNC_ERR_AUTH,        EACCES     }
    };

    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 3, true);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct fake_plan plan = {.failing_uid = 2, .failure = cases[i].failure};
        fake_behave(m.sync, &plan);
        assert_int_equal(open(mounted_path(&m, "Inbox/message-000002.eml"), O_RDONLY), -1);
        assert_int_equal(errno, cases[i].error);
    }
    int fd = open(mounted_path(&m, "Inbox/message-000003.eml"), O_RDONLY);
    assert_true(mounted_reads_right(fd, 3));
    close(fd);
}

static void values(void **state)
{
    static const struct {
        const char *path, *name, *value;
    } cases[] = {
        {"Inbox/message-000002.eml", "user.imap.uid",         "2"                              },
        {"Inbox/message-000002.eml", "user.imap.uidvalidity", "14"                             },
        {"Inbox/message-000002.eml", "user.imap.mailbox",     "INBOX"                          },
        {"Inbox/message-000002.eml", "user.imap.flags",       "\\Seen $Work"                   },
        {"Inbox/message-000001.eml", "user.imap.flags",       ""                               },
        {"Inbox/message-000002.eml", "user.mail.subject",     "Grüße"                        },
        {"Inbox/message-000002.eml", "user.mail.from",        "Jane Doe <jane@example.org>"    },
        {"Inbox/message-000002.eml", "user.mail.date",        "Tue, 14 Nov 2023 22:13:20 +0000"},
        {"Inbox/message-000002.eml", "user.mail.message-id",  "<x@example.org>"                },
        {"Inbox",                    "user.imap.mailbox",     "INBOX"                          },
        {"Inbox",                    "user.imap.uidvalidity", "14"                             },
        {"Inbox",                    "user.imap.role",        "inbox"                          },
        {"Inbox",                    "user.imap.subscribed",  "1"                              },
        {"Entwürfe",                "user.imap.mailbox",     "Entwürfe"                      },
        {"Entwürfe",                "user.imap.role",        "drafts"                         },
        {"Entwürfe",                "user.imap.subscribed",  "0"                              },
    };
    char value[200];
    ssize_t len;

    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 2, true);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *path = mounted_path(&m, cases[i].path);
        assert_int_equal(getxattr(path, cases[i].name, NULL, 0), strlen(cases[i].value));
        len = getxattr(path, cases[i].name, value, sizeof(value) - 1);
        assert_int_equal(len, strlen(cases[i].value));
        value[len] = '\0';
        assert_string_equal(value, cases[i].value);
    }
}

static void values_refused(void **state)
{
    static const struct {
        const char *path, *name;
        size_t size;
        int error;
    } cases[] = {
        {"Inbox/message-000002.eml", "user.mail.to",      100, ENODATA   },
        {"Inbox/message-000002.eml", "user.other",        100, ENODATA   },
        {"Inbox/message-000002.eml", "user.imap.role",    100, ENODATA   },
        {"Inbox",                    "user.imap.uid",     100, ENODATA   },
        {"",                         "user.imap.mailbox", 100, ENODATA   },
        {"Inbox/message-000002.eml", "user.mail.from",    3,   ERANGE    },
        {"Inbox/message-000002.eml", "security.selinux",  100, EOPNOTSUPP},
        {"Inbox/message-000002.eml", "trusted.x",         100, EOPNOTSUPP},
        {".status",                  "user.imap.uid",     100, ENODATA   },
    };
    char value[2000];
    ssize_t len;

    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 2, true);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(
            getxattr(mounted_path(&m, cases[i].path), cases[i].name, value, cases[i].size), -1);
        assert_int_equal(errno, cases[i].error);
    }
    len = listxattr(mounted_path(&m, "Inbox/message-000002.eml"), value, sizeof(value));
    assert_true(len > 0);
    assert_int_equal(listxattr(mounted_path(&m, "Inbox/message-000002.eml"), NULL, 0), len);
    unsigned names = 0;
    for (ssize_t i = 0; i < len; i += (ssize_t)strlen(value + i) + 1)
        names++;
    assert_int_equal(names, 8); /* all but user.mail.to */
    assert_int_equal(listxattr(m.mount, value, sizeof(value)), 0);
}

static void changes_are_refused(void **state)
{
    const char *file, *fresh;

    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 2, true);
    file = mounted_path(&m, "Inbox/message-000001.eml");
    fresh = mounted_path(&m, "Inbox/new");
#define REFUSED(call)                                                                              \
    do {                                                                                           \
        errno = 0;                                                                                 \
        assert_int_equal(call, -1);                                                                \
        assert_int_equal(errno, EROFS);                                                            \
    } while (0)
    REFUSED(open(file, O_WRONLY));
    REFUSED(open(file, O_RDWR));
    REFUSED(open(fresh, O_RDONLY | O_CREAT, 0600));
    REFUSED(mkdir(fresh, 0700));
    REFUSED(unlink(file));
    REFUSED(rename(file, fresh));
    REFUSED(link(file, fresh));
    REFUSED(symlink("x", fresh));
    REFUSED(truncate(file, 0));
    REFUSED(chmod(file, 0600));
    REFUSED(setxattr(file, "user.imap.flags", "x", 1, 0));
    REFUSED(rmdir(mounted_path(&m, "Folder")));
#undef REFUSED
}

static void status_is_hidden(void **state)
{
    char text[100] = "";
    struct stat st;
    int fd;

    NEED_MOUNT();
    assert_int_equal(mounted_count(m.mount), 4);
    assert_int_equal(stat(mounted_path(&m, ".status"), &st), 0);
    assert_int_equal(st.st_mode, S_IFREG | 0400);
    fd = open(mounted_path(&m, ".status"), O_RDONLY);
    assert_true(read(fd, text, sizeof(text) - 1) > 0);
    assert_string_equal(text, "account: test\nstate: fine\n");
    assert_int_equal(read(fd, text, sizeof(text)), 0);
    close(fd);
    assert_int_equal(stat(mounted_path(&m, "Inbox/.status"), &st), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, start, stop)
        CASE(tree_and_stat),
        CASE(sizes_become_exact),
        CASE(maps_right),
        CASE(lands_while_it_is_read),
        CASE(cut_short_fails),
        CASE(seeks),
        CASE(name_waits_for_first_listing),
        CASE(one_message_fails),
        CASE(values),
        CASE(values_refused),
        CASE(changes_are_refused),
        CASE(status_is_hidden),
#undef CASE
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
