/* Names and places: rename, link, unlink, directories, the trash, attributes. */
#include "fs/names.h"
#include "writable.h"

#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE  2
#endif

static int rename_with(const char *from, const char *to, unsigned flags)
{
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags);
}

static void two_mailboxes(void)
{
    fake_add(m.sync, m.inbox, 1, 4, true);
    fake_add(m.sync, m.big, 1, 1, true);
    assert_int_equal(mounted_count(at("Inbox")), 5);
    assert_int_equal(mounted_count(at("Big")), 1);
}

static void scratch_stays_here(void **state)
{
    static const char *const names[] = {".x.XXXX",      "#a#",   "a.eml~", "a.part",
                                        "a.crdownload", "a.tmp", "a.swp",  "sedQ7Rk2z"};

    NEED_MOUNT();
    two_mailboxes();
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[100];
        snprintf(path, sizeof(path), "Inbox/%s", names[i]);
        assert_int_equal(mounted_write(at(path), O_CREAT, "anything\n"), 0);
        assert_string_equal(mounted_read(at(path)), "anything\n");
        assert_int_equal(size_of(path), 9);
        assert_int_equal(rename(at(path), at("Inbox/.other")), 0);
        assert_false(exists(path));
        assert_string_equal(mounted_read(at("Inbox/.other")), "anything\n");
    }
    assert_int_equal(mounted_count(at("Inbox")), 6);
    assert_int_equal(rename(at("Inbox/.other"), at("Big/.other")), 0);
    assert_string_equal(mounted_read(at("Big/.other")), "anything\n");
    assert_int_equal(mounted_write(at("Big/.third"), O_CREAT, "3"), 0);
    assert_int_equal(rename(at("Big/.third"), at("Big/.other")), 0);
    assert_string_equal(mounted_read(at("Big/.other")), "3");
    FAILS(rename(at("Inbox/message-000001.eml"), at("Inbox/message-000001.eml~")), EXDEV);
    assert_string_equal(fake_log(m.sync), "");
    mounted_again(&m);
    assert_false(exists("Big/.other"));
    assert_int_equal(mounted_count(at("Inbox")), 5);
}

static void what_is_scratch(void **state)
{
    assert_true(name_is_scratch("sedAbcdef"));
    assert_true(name_is_scratch("sedabcde1"));
    assert_false(name_is_scratch("sediments"));
    assert_false(name_is_scratch("sedAbcde"));
    assert_false(name_is_scratch("sedAbcdefg"));
    assert_false(name_is_scratch("sedAb.eml"));
    assert_false(name_is_scratch("SedAbcdef"));
}

static void scratch_is_published(void **state)
{
    struct stat before, after;

    NEED_MOUNT();
    two_mailboxes();
    assert_int_equal(mounted_write(at("Inbox/.new"), O_CREAT, MESSAGE), 0);
    assert_int_equal(stat(at("Inbox/.new"), &before), 0);
    assert_int_equal(rename(at("Inbox/.new"), at("Inbox/new.eml")), 0);
    assert_int_equal(stat(at("Inbox/new.eml"), &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_string_equal(mounted_read(at("Inbox/new.eml")), SERVED);
    assert_false(exists("Inbox/.new"));
    /* over a message */
    assert_int_equal(mounted_write(at("Inbox/.new"), O_CREAT, MESSAGE "2"), 0);
    assert_int_equal(rename(at("Inbox/.new"), at("Inbox/message-000001.eml")), 0);
    assert_string_equal(mounted_read(at("Inbox/message-000001.eml")), SERVED "2");
    assert_true(exists("Trash/message-000001.eml"));
    ASKED("trash INBOX 1", 1);
    /* and into another mailbox */
    assert_int_equal(mounted_write(at("Inbox/.new"), O_CREAT, MESSAGE), 0);
    assert_int_equal(rename_with(at("Inbox/.new"), at("Big/new.eml"), RENAME_NOREPLACE), 0);
    ASKED("append Big new.eml", 1);
    assert_int_equal(mounted_count(at("Inbox")), 6);
    assert_int_equal(mounted_count(at("Big")), 2);
}

static void scratch_that_is_no_message(void **state)
{
    NEED_MOUNT();
    two_mailboxes();
    assert_int_equal(mounted_write(at("Inbox/.new"), O_CREAT, "not one"), 0);
    FAILS(rename(at("Inbox/.new"), at("Inbox/message-000001.eml")), EINVAL);
    assert_true(mounted_comes(at("Inbox/.new"), false));
    assert_false(exists("Inbox/.new"));
    assert_int_equal(fake_unfinished(m.sync), 1);
    assert_int_equal(size_of("Inbox/message-000001.eml"), fake_estimate(1));
    /* an empty one never takes a message's place */
    assert_int_equal(mounted_write(at("Inbox/.empty"), O_CREAT, ""), 0);
    FAILS(rename(at("Inbox/.empty"), at("Inbox/message-000001.eml")), EINVAL);
    assert_int_equal(rename(at("Inbox/.empty"), at("Inbox/empty")), 0);
    assert_int_equal(size_of("Inbox/empty"), 0);
    assert_int_equal(mounted_write(at("Inbox/empty"), 0, MESSAGE), 0);
    ASKED("append INBOX empty", 1);
}

static void messages_move(void **state)
{
    struct stat before, after;

    NEED_MOUNT();
    two_mailboxes();
    assert_int_equal(stat(at("Inbox/message-000002.eml"), &before), 0);
    assert_int_equal(rename(at("Inbox/message-000002.eml"), at("Inbox/alias.eml")), 0);
    assert_int_equal(stat(at("Inbox/alias.eml"), &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_false(exists("Inbox/message-000002.eml"));
    assert_int_equal(rename(at("Inbox/alias.eml"), at("Big/alias.eml")), 0);
    assert_int_equal(stat(at("Big/alias.eml"), &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    int fd = open(at("Big/alias.eml"), O_RDONLY);
    assert_true(mounted_reads_right(fd, 2));
    close(fd);
    assert_int_equal(mounted_count(at("Inbox")), 4);
    assert_int_equal(mounted_count(at("Big")), 2);
    /* over another */
    FAILS(rename_with(at("Inbox/message-000003.eml"), at("Big/alias.eml"), RENAME_NOREPLACE),
          EEXIST);
    FAILS(rename_with(at("Inbox/message-000003.eml"), at("Big/alias.eml"), RENAME_EXCHANGE),
          EINVAL);
    assert_int_equal(rename(at("Inbox/message-000003.eml"), at("Big/alias.eml")), 0);
    ASKED("trash Big", 1);
    assert_int_equal(mounted_count(at("Big")), 2);
    assert_true(exists("Trash/alias.eml"));
    FAILS(rename(at("Big/alias.eml"), at("alias.eml")), EPERM);
    FAILS(rename(at("Big/alias.eml"), at("Folder/alias.eml")), EPERM);
    FAILS(rename(at("Big/alias.eml"), at("Inbox/Projects")), EISDIR);
    RUNS("mv Big/alias.eml Inbox/ && mv Inbox/alias.eml Inbox/message-000001.eml && "
         "test $(ls Inbox | wc -l) = 3");
}

static void back_and_forth(void **state)
{
    NEED_MOUNT();
    two_mailboxes();
    for (int i = 0; i < 30; i++) {
        assert_int_equal(rename(at("Inbox/message-000001.eml"), at("Inbox/b.eml")), 0);
        assert_true(exists("Inbox/b.eml"));
        assert_int_equal(rename(at("Inbox/b.eml"), at("Inbox/message-000001.eml")), 0);
        assert_true(exists("Inbox/message-000001.eml"));
        assert_int_equal(rename(at("Inbox/message-000001.eml"), at("Big/message-000001.eml")), 0);
        assert_int_equal(rename(at("Big/message-000001.eml"), at("Inbox/message-000001.eml")), 0);
        int fd = open(at("Inbox/message-000001.eml"), O_RDONLY);
        assert_true(mounted_reads_right(fd, 1));
        close(fd);
    }
    assert_int_equal(mounted_count(at("Inbox")), 5);
}

static void links_are_copies(void **state)
{
    struct stat first, second;

    NEED_MOUNT();
    two_mailboxes();
    RUNS("ln Inbox/message-000002.eml Big/");
    assert_string_equal(fake_log(m.sync), "copy Big message-000002.eml\n");
    assert_int_equal(stat(at("Inbox/message-000002.eml"), &first), 0);
    assert_int_equal(stat(at("Big/message-000002.eml"), &second), 0);
    assert_true(first.st_ino != second.st_ino);
    RUNS("ln Inbox/message-000002.eml Inbox/beside.eml");
    FAILS(link(at("Inbox/message-000002.eml"), at("Big/message-000002.eml")), EEXIST);
    FAILS(link(at("Inbox/message-000002.eml"), at("message-000002.eml")), EPERM);
    FAILS(link(at("Inbox/message-000002.eml"), at("Inbox/.scratch")), EPERM);
    assert_int_equal(mounted_count(at("Inbox")), 6);
    int fd = open(at("Big/message-000002.eml"), O_RDONLY);
    assert_true(mounted_reads_right(fd, 2));
    close(fd);
}

static void removed(void **state)
{
    NEED_MOUNT();
    two_mailboxes();
    assert_int_equal(unlink(at("Inbox/message-000001.eml")), 0);
    assert_string_equal(fake_log(m.sync), "trash INBOX 1\n");
    assert_false(exists("Inbox/message-000001.eml"));
    assert_int_equal(mounted_count(at("Inbox")), 4);
    assert_int_equal(mounted_count(at("Trash")), 1);
    RUNS("rm Trash/message-000001.eml");
    ASKED("expunge Trash", 1);
    assert_int_equal(mounted_count(at("Trash")), 0);
    FAILS(unlink(at("Inbox/Projects")), EISDIR);
    FAILS(unlink(at("Inbox/none")), ENOENT);
    fake_change_behave(m.sync, &(struct fake_change_plan){.no_trash = true});
    FAILS(unlink(at("Inbox/message-000002.eml")), EPERM);
    assert_true(exists("Inbox/message-000002.eml"));
}

static void directories(void **state)
{
    struct stat before, after;

    NEED_MOUNT();
    two_mailboxes();
    assert_int_equal(mkdir(at("New"), 0755), 0);
    assert_int_equal(mkdir(at("New/Child"), 0755), 0);
    assert_int_equal(mkdir(at("Inbox/Child"), 0755), 0);
    assert_string_equal(fake_log(m.sync), "create New\ncreate New/Child\ncreate INBOX/Child\n");
    assert_int_equal(stat(at("New"), &before), 0);
    assert_int_equal(before.st_mode, S_IFDIR | 0700);
    FAILS(mkdir(at("New"), 0755), EEXIST);
    FAILS(mkdir(at(".hidden"), 0755), EPERM);
    FAILS(mkdir(at(".Trash-4711"), 0755), EPERM);
    FAILS(rmdir(at("New")), ENOTEMPTY);
    FAILS(rmdir(at("Inbox")), EBUSY);
    FAILS(rmdir(at("Trash")), EBUSY);
    FAILS(rename(at("Trash"), at("Garbage")), EBUSY);
    FAILS(rename(at("New"), at("New/Child/New")), EINVAL);
    FAILS(rename(at("New"), at(".New")), EPERM);
    FAILS(rename(at("New/Child"), at("Inbox/Child")), EEXIST);
    FAILS(rename(at("Big"), at("New")), ENOTEMPTY);
    FAILS(rename(at("New"), at("Inbox/message-000001.eml")), ENOTDIR);
    assert_int_equal(mounted_write(at("New/a.eml"), O_CREAT, MESSAGE), 0);
    assert_int_equal(rename(at("New"), at("Newer")), 0);
    assert_int_equal(rename(at("Newer"), at("Inbox/Newer")), 0);
    assert_string_equal(mounted_read(at("Inbox/Newer/a.eml")), SERVED);
    assert_true(exists("Inbox/Newer/Child"));
    assert_int_equal(rename(at("Inbox/Newer"), at("New")), 0);
    assert_int_equal(stat(at("New"), &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    ASKED("rename", 3);
    RUNS("rmdir New/Child && rm New/a.eml && rmdir New && ! test -e New");
    ASKED("delete New/Child", 1);
    ASKED("delete New", 2);
    assert_int_equal(mkdir(at("New"), 0755), 0);
    assert_int_equal(mounted_write(at("New/.scratch"), O_CREAT, "x"), 0);
    FAILS(rmdir(at("New")), ENOTEMPTY);
}

static void a_file_managers_trash(void **state)
{
    char base[40], path[200];

    NEED_MOUNT();
    two_mailboxes();
    snprintf(base, sizeof(base), ".Trash-%u", (unsigned)getuid());
    assert_int_equal(mounted_count(m.mount), 5);
    assert_true(exists(base));
    FAILS(mkdir(at(base), 0700), EEXIST);
    assert_int_equal(mounted_count(at(base)), 2);
#define IN_TRASH(name) (snprintf(path, sizeof(path), "%s/" name, base), at(path))
    FAILS(mkdir(IN_TRASH("info"), 0700), EEXIST);
    FAILS(mkdir(IN_TRASH("else"), 0700), EPERM);
    assert_int_equal(mounted_write(IN_TRASH("info/a.trashinfo.XX"), O_CREAT | O_EXCL, "[Trash]"),
                     0);
    snprintf(path, sizeof(path), "mv %s/info/a.trashinfo.XX %s/info/a.trashinfo", base, base);
    RUNS(path);
    assert_string_equal(mounted_read(IN_TRASH("info/a.trashinfo")), "[Trash]");
    assert_int_equal(mounted_count(IN_TRASH("info")), 1);
    assert_int_equal(rename(at("Inbox/message-000001.eml"), IN_TRASH("files/a")), 0);
    ASKED("move Trash a", 1);
    assert_int_equal(mounted_count(IN_TRASH("files")), 1);
    assert_true(exists("Trash/a"));
    int fd = open(IN_TRASH("files/a"), O_RDONLY);
    assert_true(mounted_reads_right(fd, 1));
    close(fd);
    /* one more of that name: nothing is lost */
    snprintf(path, sizeof(path), "%s/files/a", base);
    assert_int_equal(rename(at("Inbox/message-000002.eml"), at(path)), 0);
    assert_true(mounted_count(IN_TRASH("files")) == 2);
    ASKED("expunge", 0);
    /* undo */
    snprintf(path, sizeof(path), "%s/files/a", base);
    assert_int_equal(rename(at(path), at("Inbox/message-000001.eml")), 0);
    assert_true(exists("Inbox/message-000001.eml"));
    assert_int_equal(unlink(IN_TRASH("info/a.trashinfo")), 0);
    assert_int_equal(mounted_count(IN_TRASH("info")), 0);
    FAILS(rmdir(IN_TRASH("files")), EBUSY);
    FAILS(rmdir(at(base)), EPERM);
    snprintf(path, sizeof(path), "cd %s/files && rm -- *", base);
    RUNS(path);
    ASKED("expunge Trash", 1);
#undef IN_TRASH
    fake_change_behave(m.sync, &(struct fake_change_plan){.no_trash = true});
    assert_false(exists(base));
    FAILS(mkdir(at(base), 0700), EPERM);
}

static void attributes(void **state)
{
    char value[100] = "";
    const char *file;

    NEED_MOUNT();
    two_mailboxes();
    file = at("Inbox/message-000001.eml");
    assert_int_equal(setxattr(file, "user.imap.flags", "\\Flagged", 8, 0), 0);
    ASKED("store \\Flagged", 1);
    assert_int_equal(getxattr(file, "user.imap.flags", value, 100), 8);
    assert_string_equal(value, "\\Flagged");
    FAILS(setxattr(file, "user.imap.flags", "+NotKept", 8, 0), EOPNOTSUPP);
    FAILS(setxattr(file, "user.imap.flags", "a\0b", 3, 0), EINVAL);
    FAILS(setxattr(file, "user.imap.flags", "x", 1, XATTR_CREATE), EEXIST);
    FAILS(setxattr(file, "user.imap.uid", "1", 1, 0), EOPNOTSUPP);
    FAILS(setxattr(file, "user.other", "1", 1, 0), ENODATA);
    FAILS(setxattr(file, "trusted.x", "1", 1, 0), EOPNOTSUPP);
    FAILS(setxattr(file, "security.x", "1", 1, 0), EOPNOTSUPP);
    FAILS(removexattr(file, "security.x"), EOPNOTSUPP);
    FAILS(removexattr(file, "user.other"), ENODATA);
    assert_int_equal(removexattr(file, "user.imap.flags"), 0);
    assert_int_equal(getxattr(file, "user.imap.flags", value, 100), 0);
    assert_int_equal(setxattr(at("Big"), "user.imap.subscribed", "1", 1, 0), 0);
    assert_int_equal(getxattr(at("Big"), "user.imap.subscribed", value, 100), 1);
    assert_int_equal(value[0], '1');
    FAILS(setxattr(at("Big"), "user.imap.subscribed", "yes", 3, 0), EINVAL);
    FAILS(setxattr(at("Big"), "user.imap.flags", "x", 1, 0), ENODATA);
    assert_int_equal(removexattr(at("Big"), "user.imap.subscribed"), 0);
    ASKED("subscribe", 2);
}

static void free_space(void **state)
{
    struct statvfs st;

    NEED_MOUNT();
    fake_change_behave(m.sync,
                       &(struct fake_change_plan){.quota_used = 3 << 20, .quota_limit = 10 << 20});
    assert_int_equal(statvfs(m.mount, &st), 0);
    assert_int_equal(st.f_blocks * st.f_frsize, 10 << 20);
    assert_int_equal(st.f_bavail * st.f_frsize, 7 << 20);
    assert_int_equal(st.f_flag & ST_RDONLY, 0);
    assert_int_equal(access(m.mount, W_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, start, stop)
        cmocka_unit_test(what_is_scratch),
        CASE(scratch_stays_here),
        CASE(scratch_is_published),
        CASE(scratch_that_is_no_message),
        CASE(messages_move),
        CASE(back_and_forth),
        CASE(links_are_copies),
        CASE(removed),
        CASE(directories),
        CASE(a_file_managers_trash),
        CASE(attributes),
        CASE(free_space),
#undef CASE
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
