/* Making and writing files, as programs see it; what reaches the server. */
#include "writable.h"

static void a_new_file_is_appended(void **state)
{
    struct stat before, after;
    int fd;

    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 3, true);
    fd = open(at("Inbox/new.eml"), O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &before), 0);
    assert_int_equal(before.st_mode, S_IFREG | 0600);
    assert_int_equal(write(fd, MESSAGE, strlen(MESSAGE)), strlen(MESSAGE));
    assert_int_equal(size_of("Inbox/new.eml"), strlen(MESSAGE));
    assert_int_equal(mounted_count(at("Inbox")), 5);
    assert_int_equal(close(fd), 0);
    ASKED("append INBOX new.eml", 1);
    assert_int_equal(stat(at("Inbox/new.eml"), &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_string_equal(fake_appended(m.sync, "INBOX"), SERVED);
    /* the bytes are the server's */
    assert_string_equal(mounted_read(at("Inbox/new.eml")), SERVED);
    assert_int_equal(size_of("Inbox/new.eml"), strlen(SERVED));
    assert_int_equal(mounted_count(at("Inbox")), 5);
}

static void what_is_no_message_is_refused(void **state)
{
    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 1, true);
    assert_int_equal(mounted_write(at("Inbox/no.txt"), O_CREAT, "hello\nworld\n"), EINVAL);
    assert_false(exists("Inbox/no.txt"));
    assert_int_equal(mounted_count(at("Inbox")), 2);
    assert_int_equal(fake_unfinished(m.sync), 0);
    assert_int_equal(mounted_write(at("Inbox/no.txt"), O_CREAT, MESSAGE), 0);
    ASKED("append", 1);
}

static void an_error_is_closes(void **state)
{
    static const struct {
        enum sync_error error;
        int number;
    } cases[] = {
        {SYNC_ERR_TOO_LARGE,   EFBIG      },
        {SYNC_ERR_QUOTA,       EDQUOT     },
        {SYNC_ERR_THROTTLED,   EAGAIN     },
        {SYNC_ERR_UNREACHABLE, ENETUNREACH},
        {SYNC_ERR_UNCONFIRMED, EIO        },
    };

    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 1, true);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fake_change_behave(m.sync, &(struct fake_change_plan){.error = cases[i].error});
        assert_int_equal(mounted_write(at("Inbox/a.eml"), O_CREAT | O_EXCL, MESSAGE),
                         cases[i].number);
        assert_false(exists("Inbox/a.eml"));
    }
    ASKED("refused a.eml", sizeof(cases) / sizeof(cases[0]));
    ASKED("append", 0);
}

static void empty_files_wait(void **state)
{
    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 1, true);
    RUNS("touch Inbox/empty; : > Inbox/other; test -f Inbox/empty; touch Inbox/empty");
    assert_int_equal(size_of("Inbox/empty"), 0);
    assert_int_equal(mounted_count(at("Inbox")), 4);
    assert_string_equal(fake_log(m.sync), "");
    assert_int_equal(mounted_write(at("Inbox/empty"), 0, MESSAGE), 0);
    ASKED("append INBOX empty", 1);
    assert_int_equal(unlink(at("Inbox/other")), 0);
    assert_false(exists("Inbox/other"));
    assert_int_equal(mounted_count(at("Inbox")), 3);
}

static void appends_go_to_the_end(void **state)
{
    char text[200];
    struct stat st;

    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 8, true);
    /* estimates are too small for even numbers, too large for odd ones */
    for (uint32_t uid = 7; uid <= 8; uid++) {
        size_t size = fake_body_size(uid);
        const char *sent;
        snprintf(text, sizeof(text), "test $(stat -c %%s Inbox/message-%06u.eml) = %u", uid,
                 (unsigned)fake_estimate(uid));
        RUNS(text);
        snprintf(text, sizeof(text), "echo appended >> Inbox/message-%06u.eml", uid);
        RUNS(text);
        sent = fake_appended(m.sync, "INBOX");
        assert_int_equal(strlen(sent), size + 10);
        assert_string_equal(sent + size, "appended\r\n");
        for (size_t i = 0; i < size; i++)
            assert_int_equal(sent[i], fake_body_byte(uid, i));
        ASKED("trash INBOX", uid - 6);
        snprintf(text, sizeof(text), "Inbox/message-%06u.eml", uid);
        assert_int_equal(stat(at(text), &st), 0);
        snprintf(text, sizeof(text), "tail -c 10 Inbox/message-%06u.eml | grep -q appended", uid);
        RUNS(text);
    }
    assert_int_equal(mounted_count(at("Inbox")), 9);
    assert_int_equal(mounted_count(at("Trash")), 2);
}

static void in_place(void **state)
{
    char data[10];
    int fd;

    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 8, true);
    fd = open(at("Inbox/message-000008.eml"), O_RDWR);
    assert_int_equal(lseek(fd, 0, SEEK_END), fake_body_size(8));
    assert_int_equal(pwrite(fd, "S", 1, 0), 1);
    assert_int_equal(lseek(fd, -5, SEEK_END), fake_body_size(8) - 5);
    assert_int_equal(write(fd, "ABCDE", 5), 5);
    assert_int_equal(lseek(fd, 0, SEEK_END), fake_body_size(8));
    assert_int_equal(pread(fd, data, 10, (off_t)fake_body_size(8) - 5), 5);
    assert_memory_equal(data, "ABCDE", 5);
    assert_int_equal(pread(fd, data, 8, 0), 8);
    assert_memory_equal(data, "Subject:", 8);
    assert_int_equal(close(fd), 0);
    const char *sent = fake_appended(m.sync, "INBOX");
    assert_int_equal(strlen(sent), fake_body_size(8));
    assert_string_equal(sent + fake_body_size(8) - 5, "ABCDE");
    ASKED("append INBOX message-000008.eml 40300 replaces", 1);
    /* a changed flag, date: the server's business */
    assert_int_equal(size_of("Inbox/message-000008.eml"), fake_body_size(8) + 5);
}

static void read_back_before_it_is_published(void **state)
{
    char data[100];
    int writer, reader;
    struct stat st;

    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 3, true);
    writer = open(at("Inbox/new.eml"), O_RDWR | O_CREAT, 0600);
    assert_int_equal(write(writer, "Subject: x", 10), 10);
    reader = open(at("Inbox/new.eml"), O_RDONLY);
    assert_true(reader >= 0);
    assert_int_equal(read(reader, data, 100), 10);
    assert_int_equal(write(writer, "yz\n\n", 4), 4);
    assert_int_equal(fstat(reader, &st), 0);
    assert_int_equal(st.st_size, 14);
    assert_int_equal(read(reader, data, 100), 4);
    assert_memory_equal(data, "yz\n\n", 4);
    assert_int_equal(pread(writer, data, 100, 0), 14);
    assert_int_equal(ftruncate(writer, 12), 0);
    assert_int_equal(size_of("Inbox/new.eml"), 12);
    assert_int_equal(ftruncate(writer, 10), 0);
    assert_int_equal(pwrite(writer, "\n\nend\n", 6, 10), 6);
    close(reader);
    ASKED("append", 0);
    assert_int_equal(close(writer), 0);
    assert_string_equal(fake_appended(m.sync, "INBOX"), "Subject: x\r\n\r\nend\r\n");
}

static void emptied_and_left_empty(void **state)
{
    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 2, true);
    RUNS(": > Inbox/message-000001.eml");
    assert_string_equal(fake_log(m.sync), "");
    int fd = open(at("Inbox/message-000001.eml"), O_RDONLY);
    assert_true(mounted_reads_right(fd, 1));
    close(fd);
    assert_int_equal(truncate(at("Inbox/message-000001.eml"), 0), 0);
    fd = open(at("Inbox/message-000001.eml"), O_RDONLY);
    assert_true(mounted_reads_right(fd, 1));
    close(fd);
    assert_string_equal(fake_log(m.sync), "");
}

/* As if it had been opened, cut and closed. */
static void truncated_by_name(void **state)
{
    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 2, true);
    assert_int_equal(truncate(at("Inbox/message-000001.eml"), fake_body_size(1)), 0);
    assert_string_equal(fake_log(m.sync), "");
    FAILS(truncate(at("Inbox/message-000001.eml"), 3), EINVAL);
    int fd = open(at("Inbox/message-000001.eml"), O_RDONLY);
    assert_true(mounted_reads_right(fd, 1));
    close(fd);
    assert_int_equal(truncate(at("Inbox/message-000001.eml"), (off_t)fake_body_size(1) - 5), 0);
    assert_int_equal(strlen(fake_appended(m.sync, "INBOX")), fake_body_size(1) - 5);
    ASKED("append INBOX message-000001.eml", 1);
}

static void overwritten(void **state)
{
    struct stat before, after;

    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 2, true);
    assert_int_equal(stat(at("Inbox/message-000001.eml"), &before), 0);
    assert_int_equal(mounted_write(at("Inbox/message-000001.eml"), O_TRUNC, MESSAGE), 0);
    /* at once, whatever the kernel had cached */
    assert_string_equal(mounted_read(at("Inbox/message-000001.eml")), SERVED);
    assert_int_equal(size_of("Inbox/message-000001.eml"), strlen(SERVED));
    assert_int_equal(stat(at("Inbox/message-000001.eml"), &after), 0);
    assert_int_equal(fake_counts(m.sync).bodies, 1);
    ASKED("append INBOX message-000001.eml 28 replaces", 1);
    ASKED("trash INBOX 1", 1);
    assert_int_equal(mounted_count(at("Inbox")), 3);
    int fd = open(at("Trash/message-000001.eml"), O_RDONLY);
    assert_true(mounted_reads_right(fd, 1));
    close(fd);
    /* the same again says nothing */
    assert_int_equal(mounted_write(at("Inbox/message-000001.eml"), O_TRUNC, MESSAGE), 0);
    ASKED("append", 1);
    ASKED("same", 1);
    assert_string_equal(mounted_read(at("Inbox/message-000001.eml")), SERVED);
}

static void what_times_are(void **state)
{
    const struct timespec when[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    struct stat st;
    int fd;

    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 2, true);
    fd = open(at("Inbox/new.eml"), O_WRONLY | O_CREAT, 0644);
    assert_int_equal(write(fd, MESSAGE, strlen(MESSAGE)), strlen(MESSAGE));
    assert_int_equal(futimens(fd, when), 0);
    assert_int_equal(fchmod(fd, 0444), 0);
    assert_int_equal(fchown(fd, 12345, 12345), 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_mtime, 1000000000);
    assert_int_equal(st.st_mode, S_IFREG | 0600);
    assert_int_equal(st.st_uid, getuid());
    assert_int_equal(close(fd), 0);
    ASKED("append INBOX new.eml 28 dated", 1);
    assert_int_equal(stat(at("Inbox/new.eml"), &st), 0);
    assert_int_equal(st.st_mtime, 1000000000);
    /* of a message they are what they are */
    assert_int_equal(stat(at("Inbox/message-000001.eml"), &st), 0);
    assert_int_equal(utimensat(AT_FDCWD, at("Inbox/message-000001.eml"), when, 0), 0);
    assert_int_equal(chmod(at("Inbox"), 0755), 0);
    assert_int_equal(stat(at("Inbox/message-000001.eml"), &st), 0);
    assert_int_equal(st.st_mtime, 1700000001);
}

static void offline_nothing_begins(void **state)
{
    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 2, true);
    fake_change_behave(m.sync, &(struct fake_change_plan){.down = true});
    FAILS(open(at("Inbox/new.eml"), O_WRONLY | O_CREAT, 0600), ENETDOWN);
    FAILS(open(at("Inbox/message-000001.eml"), O_WRONLY), ENETDOWN);
    FAILS(open(at("Inbox/message-000001.eml"), O_WRONLY | O_TRUNC), ENETDOWN);
    FAILS(mkdir(at("New"), 0700), ENETDOWN);
    FAILS(unlink(at("Inbox/message-000001.eml")), ENETDOWN);
    assert_false(exists("Inbox/new.eml"));
    assert_true(exists("Inbox/message-000001.eml"));
    assert_int_equal(mounted_write(at("Inbox/.scratch"), O_CREAT, "x"), 0);
    FAILS(rename(at("Inbox/.scratch"), at("Inbox/new.eml")), ENETDOWN);
    assert_string_equal(mounted_read(at("Inbox/.scratch")), "x");
    assert_string_equal(fake_log(m.sync), "");
}

static void places_without_mail(void **state)
{
    NEED_MOUNT();
    FAILS(open(at("new.eml"), O_WRONLY | O_CREAT, 0600), EPERM);
    FAILS(open(at("Folder/new.eml"), O_WRONLY | O_CREAT, 0600), EPERM);
    FAILS(open(at(".search"), O_WRONLY | O_CREAT, 0600), EISDIR);
    FAILS(open(at(".status"), O_WRONLY), EROFS);
    assert_int_equal(mounted_write(at(".scratch"), O_CREAT, "x"), 0);
    assert_string_equal(mounted_read(at(".scratch")), "x");
    FAILS(mkfifo(at("Inbox/fifo"), 0600), EPERM);
    FAILS(symlink("x", at("Inbox/link")), EPERM);
    FAILS(mknod(at("Inbox/null"), S_IFCHR | 0600, 0), EPERM);
    assert_int_equal(mknod(at("Inbox/file"), S_IFREG | 0600, 0), 0);
    assert_int_equal(size_of("Inbox/file"), 0);
    assert_int_equal(mounted_write(at("Inbox/file"), 0, MESSAGE), 0);
    ASKED("append INBOX file", 1);
}

static void reading_marks(void **state)
{
    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 2, true);
    mounted_read(at("Inbox/message-000001.eml"));
    ASKED("seen", 0);
    m.mark_seen = true;
    mounted_again(&m);
    assert_int_equal(mounted_count(at("Inbox")), 3);
    mounted_read(at("Inbox/message-000001.eml"));
    WILL_BE_ASKED("seen", 1);
}

static void long_names(void **state)
{
    char name[300] = "Inbox/";

    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 1, true);
    memset(name + 6, 'x', 256);
    FAILS(open(at(name), O_WRONLY | O_CREAT, 0600), ENAMETOOLONG);
    name[6 + 200] = '\0'; /* fits a file, whose scratch has a longer name than any message */
    FAILS(mkdir(at(name), 0700), ENAMETOOLONG);
    assert_int_equal(mounted_write(at(name), O_CREAT, MESSAGE), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, start, stop)
        CASE(a_new_file_is_appended),
        CASE(what_is_no_message_is_refused),
        CASE(an_error_is_closes),
        CASE(empty_files_wait),
        CASE(appends_go_to_the_end),
        CASE(in_place),
        CASE(read_back_before_it_is_published),
        CASE(emptied_and_left_empty),
        CASE(truncated_by_name),
        CASE(overwritten),
        CASE(what_times_are),
        CASE(offline_nothing_begins),
        CASE(places_without_mail),
        CASE(long_names),
        CASE(reading_marks),
#undef CASE
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
