/* When a written file is published (CONTRACT.md section 2; the traps of FUSE.md). */
#include "writable.h"

#include <pthread.h>
#include <signal.h>
#include <sys/xattr.h>

static void a_shells_children(void **state)
{
    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 1, true);
    RUNS("(printf 'Subject: a\\n\\n' | cat; /bin/echo body; cat /dev/null) > Inbox/a.eml");
    assert_string_equal(fake_log(m.sync), "append INBOX a.eml 20\n");
    fake_log_clear(m.sync);
    RUNS("{ /bin/echo 'Subject: b'; /bin/echo; echo body; } > Inbox/b.eml && cat Inbox/b.eml > "
         "/dev/null");
    assert_string_equal(fake_log(m.sync), "append INBOX b.eml 20\n");
    fake_log_clear(m.sync);
    /* the opener goes first */
    RUNS("exec 3> Inbox/c.eml; (sleep 0.2; /bin/echo 'Subject: c'; /bin/echo) >&3 & exec 3>&-; "
         "wait; cat Inbox/c.eml > /dev/null");
    assert_string_equal(fake_appended(m.sync, "INBOX"), "Subject: c\r\n\r\n");
}

static void nothing_new_is_nothing(void **state)
{
    int fd, other;

    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 1, true);
    fd = open(at("Inbox/a.eml"), O_WRONLY | O_CREAT, 0600);
    other = dup(fd);
    assert_int_equal(close(other), 0);
    assert_string_equal(fake_log(m.sync), "");
    assert_int_equal(write(fd, MESSAGE, strlen(MESSAGE)), strlen(MESSAGE));
    for (int i = 0; i < 3; i++) {
        other = dup(fd);
        assert_int_equal(close(other), 0);
    }
    assert_int_equal(close(fd), 0);
    ASKED("", 1);
    RUNS("touch Inbox/a.eml Inbox/message-000001.eml");
    assert_int_equal(mounted_write(at("Inbox/message-000001.eml"), 0, ""), 0);
    ASKED("", 1);
}

/* One handle replaces what it had appended itself. */
static void a_second_time(void **state)
{
    int fd, other;

    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 1, true);
    fd = open(at("Inbox/a.eml"), O_WRONLY | O_CREAT, 0600);
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(write(fd, MESSAGE, strlen(MESSAGE)), strlen(MESSAGE));
        other = dup(fd);
        assert_int_equal(close(other), 0);
        ASKED("append INBOX a.eml", i);
        ASKED("trash INBOX", i - 1);
        assert_int_equal(mounted_count(at("Inbox")), 3);
        assert_int_equal(strlen(mounted_read(at("Inbox/a.eml"))), i * strlen(SERVED));
    }
    assert_int_equal(close(fd), 0);
    ASKED("append", 3);
    assert_int_equal(strlen(mounted_read(at("Inbox/a.eml"))), 3 * strlen(SERVED));
    assert_int_equal(mounted_count(at("Trash")), 2);
}

/* In a row, by processes of their own; the last release may still be on its way. */
static void one_after_the_other(void **state)
{
    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 1, true);
    RUNS("printf 'Subject: a\\n\\n' > Inbox/a.eml; for i in 1 2 3 4 5; do echo $i >> Inbox/a.eml; "
         "done; test \"$(tr -d '\\r' < Inbox/a.eml | tail -n +3 | tr '\\n' ' ')\" = '1 2 3 4 5 '");
    ASKED("append INBOX a.eml", 6);
    ASKED("trash INBOX", 5);
    assert_int_equal(mounted_count(at("Inbox")), 3);
}

static void a_killed_writer(void **state)
{
    static const char *const scripts[] = {
        "(printf 'Subject: a\\n\\nhalf'; kill -9 $BASHPID) > Inbox/a.eml",
        "(printf 'Subject: a\\n\\nhalf'; kill -INT $BASHPID; sleep 5) > Inbox/a.eml",
        "exec > Inbox/a.eml; printf 'Subject: a\\n\\nhalf'; kill -TERM $$",
    };

    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 1, true);
    for (unsigned i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        mounted_run(&m, scripts[i]);
        if (!comes_to("keep a.eml its writer was killed", i + 1))
            fail_msg("%u %s", i, fake_log(m.sync));
        assert_true(mounted_comes(at("Inbox/a.eml"), false));
        assert_int_equal(mounted_count(at("Inbox")), 2);
        assert_int_equal(fake_unfinished(m.sync), i + 1);
    }
    ASKED("append", 0);
    /* of a message that was there: it stands */
    mounted_run(&m, "(echo more; kill -9 $BASHPID) >> Inbox/message-000001.eml");
    assert_true(comes_to("keep message-000001.eml", 1));
    ASKED("append", 0);
    int fd = open(at("Inbox/message-000001.eml"), O_RDONLY);
    assert_true(mounted_reads_right(fd, 1));
    close(fd);
}

/* A child that is killed is not the writer's end. */
static void a_killed_child(void **state)
{
    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 1, true);
    RUNS("(printf 'Subject: a\\n\\n'; (printf 'lost\\n'; kill -9 $BASHPID); echo end) "
         "> Inbox/a.eml 2>/dev/null");
    ASKED("append INBOX a.eml", 1);
    ASKED("keep", 0);
    assert_string_equal(fake_appended(m.sync, "INBOX"), "Subject: a\r\n\r\nlost\r\nend\r\n");
}

/* In a process of its own: unmapping holds a lock of the process until the bytes are written, which
 * whoever serves them must not need. */
static void mapped(void **state)
{
    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 3, true);
    RUNS("python3 - <<'END'\n"
         "import mmap, os\n"
         "fd = os.open('Inbox/a.eml', os.O_RDWR | os.O_CREAT)\n"
         "os.write(fd, b'Subject: one\\n\\nfirst line\\n')\n"
         "view = mmap.mmap(fd, 0)\n" /* it has a descriptor of its own */
         "os.close(fd)\n"
         "view[9:12] = b'two'\n"
         "view.close()\n"
         "END");
    assert_true(comes_to("append INBOX a.eml 28", 2));
    assert_string_equal(fake_appended(m.sync, "INBOX"), "Subject: two\r\n\r\nfirst line\r\n");
    /* an existing one; what is mapped is written after the last close */
    RUNS("python3 - <<'END'\n"
         "import ctypes, os\n"
         "libc = ctypes.CDLL(None)\n"
         "libc.mmap.restype = ctypes.c_void_p\n"
         "fd = os.open('Inbox/message-000002.eml', os.O_RDWR)\n"
         "at = libc.mmap(None, 4096, 3, 1, fd, 0)\n"
         "os.close(fd)\n"
         "ctypes.memmove(at, b'SUBJECT', 7)\n"
         "END");
    assert_true(comes_to("append INBOX message-000002.eml", 1));
    assert_memory_equal(fake_appended(m.sync, "INBOX"), "SUBJECT: x", 10);
    assert_true(mounted_comes(at("Inbox/message-000002.eml"), true));
}

static void copied_within(void **state)
{
    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 8, true);
    fake_add(m.sync, m.big, 1, 0, true);
    RUNS("cp Inbox/message-000008.eml Big/");
    assert_string_equal(fake_log(m.sync), "copy Big message-000008.eml\n");
    int fd = open(at("Big/message-000008.eml"), O_RDONLY);
    assert_true(mounted_reads_right(fd, 8));
    close(fd);
    fake_log_clear(m.sync);
    RUNS("cp -p Inbox/message-000007.eml Big/other.eml");
    assert_string_equal(fake_log(m.sync), "copy Big other.eml\n");
    fake_log_clear(m.sync);
    RUNS("cp Inbox/message-000007.eml Inbox/beside.eml; cat Inbox/message-000007.eml > Big/c.eml");
    assert_string_equal(fake_log(m.sync), "copy INBOX beside.eml\ncopy Big c.eml\n");
    fake_log_clear(m.sync);
    /* with another date, it needs the bytes */
    RUNS("exec 3>Big/dated.eml; cat Inbox/message-000007.eml >&3; touch -d @1000000000 /dev/fd/3; "
         "exec 3>&-");
    ASKED("append Big dated.eml 300 dated", 1);
    /* over a message */
    fake_log_clear(m.sync);
    RUNS("cp Inbox/message-000008.eml Big/other.eml");
    ASKED("copy Big other.eml", 1);
    ASKED("trash Big", 1);
    fd = open(at("Big/other.eml"), O_RDONLY);
    assert_true(mounted_reads_right(fd, 8));
    close(fd);
}

static void two_into_one(void **state)
{
    const char *sent;

    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 8, true);
    RUNS("cat Inbox/message-000007.eml Inbox/message-000008.eml > Inbox/both.eml");
    sent = fake_appended(m.sync, "INBOX");
    assert_int_equal(strlen(sent), fake_body_size(7) + fake_body_size(8));
    for (size_t i = 0; i < fake_body_size(8); i++)
        assert_int_equal(sent[fake_body_size(7) + i], fake_body_byte(8, i));
    ASKED("", 1);
    RUNS("{ cat Inbox/message-000007.eml; echo more; } > Inbox/more.eml");
    assert_int_equal(strlen(fake_appended(m.sync, "INBOX")), fake_body_size(7) + 6);
    RUNS("cp --reflink=never Inbox/message-000008.eml Inbox/bytes.eml; "
         "cp Inbox/message-000008.eml /tmp/x.$$ && cmp Inbox/message-000008.eml /tmp/x.$$ && "
         "rm /tmp/x.$$");
    /* a piece */
    RUNS("python3 -c \"import os; i=os.open('Inbox/message-000008.eml',0); "
         "o=os.open('Inbox/piece.eml',os.O_WRONLY|os.O_CREAT); "
         "assert os.copy_file_range(i,o,100)==100; os.close(o)\"");
    ASKED("append INBOX piece.eml 100", 1);
}

static void fsync_keeps(void **state)
{
    int fd;

    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 1, true);
    fd = open(at("Inbox/a.eml"), O_WRONLY | O_CREAT, 0600);
    assert_int_equal(fsync(fd), 0);
    assert_string_equal(fake_log(m.sync), "");
    assert_int_equal(write(fd, MESSAGE, strlen(MESSAGE)), strlen(MESSAGE));
    assert_int_equal(fsync(fd), 0);
    assert_int_equal(fake_unfinished(m.sync), 1);
    assert_int_equal(write(fd, MESSAGE, strlen(MESSAGE)), strlen(MESSAGE));
    assert_int_equal(close(fd), 0);
    ASKED("append INBOX a.eml", 1);
    fd = open(at("Inbox"), O_RDONLY | O_DIRECTORY);
    assert_int_equal(fsync(fd), 0);
    close(fd);
    ASKED("settle INBOX", 1);
    /* taken back by unlink */
    fd = open(at("Inbox/b.eml"), O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, MESSAGE, strlen(MESSAGE)), strlen(MESSAGE));
    assert_int_equal(fsync(fd), 0);
    assert_int_equal(unlink(at("Inbox/b.eml")), 0);
    assert_int_equal(close(fd), 0);
    assert_true(comes_to("forget", 1));
    ASKED("append", 1);
}

static void removed_but_open(void **state)
{
    char data[100];
    int fd;

    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 2, true);
    fd = open(at("Inbox/a.eml"), O_RDWR | O_CREAT, 0600);
    assert_int_equal(write(fd, MESSAGE, strlen(MESSAGE)), strlen(MESSAGE));
    assert_int_equal(unlink(at("Inbox/a.eml")), 0);
    assert_false(exists("Inbox/a.eml"));
    assert_int_equal(pread(fd, data, 100, 0), strlen(MESSAGE));
    assert_int_equal(write(fd, "more", 4), 4);
    assert_int_equal(close(fd), 0);
    ASKED("append", 0);
    fd = open(at("Inbox/message-000002.eml"), O_RDONLY);
    assert_int_equal(unlink(at("Inbox/message-000002.eml")), 0);
    assert_true(mounted_reads_right(fd, 2));
    close(fd);
    ASKED("trash INBOX 2", 1);
    assert_int_equal(mounted_count(at("Inbox")), 2);
}

struct closer {
    pthread_t thread;
    int fd, error;
    atomic_bool over;
};

static void *close_it(void *arg)
{
    struct closer *c = arg;

    c->error = close(c->fd) != 0 ? errno : 0;
    atomic_store(&c->over, true);
    return NULL;
}

static void nothing(int number)
{
}

/* Who waits for the server goes when he is told to; what he asked for goes on. */
static void an_interrupted_close(void **state)
{
    const struct sigaction action = {.sa_handler = nothing};
    struct closer c = {.over = false};
    int64_t began;

    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 1, true);
    sigaction(SIGUSR1, &action, NULL);
    fake_change_behave(m.sync, &(struct fake_change_plan){.delay_ms = 1500});
    c.fd = open(at("Inbox/a.eml"), O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(c.fd, MESSAGE, strlen(MESSAGE)), strlen(MESSAGE));
    began = clock_ms();
    pthread_create(&c.thread, NULL, close_it, &c);
    usleep(100000);
    while (!atomic_load(&c.over)) {
        pthread_kill(c.thread, SIGUSR1);
        usleep(10000);
    }
    pthread_join(c.thread, NULL);
    assert_int_equal(c.error, EINTR);
    assert_true(clock_ms() - began < 1000);
    assert_int_equal(size_of("Inbox/a.eml"), strlen(MESSAGE));
    assert_true(comes_to("append INBOX a.eml", 1));
    assert_int_equal(mounted_write(at("Inbox/a.eml"), O_TRUNC, MESSAGE "x"), 0);
    ASKED("append", 2);
}

/* What is being published when the mount ends is published. */
static void at_the_end(void **state)
{
    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 1, true);
    fake_change_behave(m.sync, &(struct fake_change_plan){.delay_ms = 500});
    RUNS("python3 - <<'END'\n"
         "import ctypes, os\n"
         "libc = ctypes.CDLL(None)\n"
         "libc.mmap.restype = ctypes.c_void_p\n"
         "fd = os.open('Inbox/a.eml', os.O_RDWR | os.O_CREAT)\n"
         "os.ftruncate(fd, 12)\n"
         "at = libc.mmap(None, 4096, 3, 1, fd, 0)\n"
         "ctypes.memmove(at, b'Subject: x\\n\\n', 12)\n"
         "os._exit(0)\n"
         "END");
    mounted_leave(&m);
    ASKED("append INBOX a.eml", 1);
}

/* As with commit=journal: a publication is accepted before it is a message. */
static void accepted_before_it_lands(void **state)
{
    struct stat before, after;

    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 1, true);
    fake_change_behave(m.sync, &(struct fake_change_plan){.later = true});
    assert_int_equal(mounted_write(at("Inbox/a.eml"), O_CREAT, MESSAGE), 0);
    ASKED("append", 0);
    assert_int_equal(stat(at("Inbox/a.eml"), &before), 0);
    assert_string_equal(mounted_read(at("Inbox/a.eml")), MESSAGE);
    assert_int_equal(mounted_count(at("Inbox")), 3);
    fake_land(m.sync);
    ASKED("append INBOX a.eml", 1);
    assert_int_equal(stat(at("Inbox/a.eml"), &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_string_equal(mounted_read(at("Inbox/a.eml")), SERVED);
    assert_int_equal(mounted_count(at("Inbox")), 3);
}

/* The upload ends between the look at the inode and the look at what is on its way. */
static void flagged_while_it_lands(void **state)
{
    const char *file;

    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 1, true);
    file = at("Inbox/a.eml");
    fake_change_behave(m.sync, &(struct fake_change_plan){.later = true});
    assert_int_equal(mounted_write(file, O_CREAT, MESSAGE), 0);
    fake_change_behave(m.sync, &(struct fake_change_plan){.later = true, .lands = true});
    assert_int_equal(setxattr(file, "user.imap.flags", "+\\Flagged", 9, 0), 0);
    ASKED("append INBOX a.eml", 1);
    ASKED("store +\\Flagged", 1);
}

static void many_at_once(void **state)
{
    NEED_MOUNT();
    fake_add(m.sync, m.inbox, 1, 1, true);
    RUNS("for w in 1 2 3 4; do (for i in $(seq 25); do printf 'Subject: %s\\n\\n%s\\n' $w $i "
         "> Inbox/w$w-$i.eml || exit 1; cat Inbox/w$w-$i.eml > /dev/null; done) & p=\"$p $!\"; "
         "done; for j in $p; do wait $j || exit 1; done; test $(ls Inbox/w*.eml | wc -l) = 100");
    ASKED("append", 100);
    RUNS("cat Inbox/w3-7.eml | tr -d '\\r' | grep -qx 7; rm Inbox/w*.eml");
    ASKED("trash", 100);
    assert_int_equal(mounted_count(at("Inbox")), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, start, stop)
        CASE(a_shells_children),
        CASE(nothing_new_is_nothing),
        CASE(a_second_time),
        CASE(one_after_the_other),
        CASE(a_killed_writer),
        CASE(a_killed_child),
        CASE(mapped),
        CASE(copied_within),
        CASE(two_into_one),
        CASE(fsync_keeps),
        CASE(removed_but_open),
        CASE(an_interrupted_close),
        CASE(at_the_end),
        CASE(accepted_before_it_lands),
        CASE(flagged_while_it_lands),
        CASE(many_at_once),
#undef CASE
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
