/*
 * The process, or the machine, stops in the middle. A child does the same work again and again and
 * is killed at its n-th call that changes a file, for every n until the work comes to its end; it
 * tells through a pipe what it was promised. Two disks are looked at each time:
 *   - the real one: what a killed process leaves;
 *   - the other one, which holds only what was synced, and names only where their directory was
 *     synced: what a power failure may leave at worst.
 * On both, whatever was reported as durable is there with its spool whole, and nothing is doubled.
 *
 * The calls are caught by defining them here: the program's own symbols go before libc's, for
 * SQLite's library too.
 */
#include "tests/unit/cache/journal_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"

/* ---- the calls ---- */

static atomic_int calls_left = -1;      /* -1: nobody counts */
static char shadow[RIG_PATH + 16] = ""; /* where the other disk is kept; "": nowhere */

static void count_call(void)
{
    if (atomic_load(&calls_left) > 0 && atomic_fetch_sub(&calls_left, 1) == 1)
        raise(SIGKILL);
}

/*
 * A file's bytes stand under its inode number; a directory is a list of names and numbers. What was
 * there before stays until the new copy is whole: another thread's call may be the last one, and a
 * disk that syncs a file again does not lose what it had.
 */
static void shadow_name(char path[RIG_PATH + 64], ino_t ino, const char *suffix)
{
    snprintf(path, RIG_PATH + 64, "%s/%llu%s", shadow, (unsigned long long)ino, suffix);
}

static void shadow_whole(ino_t ino)
{
    char begun[RIG_PATH + 64], path[RIG_PATH + 64];
    shadow_name(begun, ino, ".new");
    shadow_name(path, ino, "");
    syscall(SYS_renameat, AT_FDCWD, begun, AT_FDCWD, path);
}

static void shadow_file(int fd, ino_t ino)
{
    char path[RIG_PATH + 64], data[65536];
    shadow_name(path, ino, ".new");
    int to = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ssize_t n = 0;
    for (off_t at = 0; (n = pread(fd, data, sizeof data, at)) > 0; at += n)
        syscall(SYS_pwrite64, to, data, (size_t)n, at);
    close(to);
    shadow_whole(ino);
}

static void shadow_directory(int fd, ino_t ino)
{
    char path[RIG_PATH + 64], self[64];
    shadow_name(path, ino, ".new");
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    FILE *list = fopen(path, "w");
    DIR *dir = opendir(self);
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir))
        if (e->d_name[0] != '.')
            fprintf(list, "%s %llu\n", e->d_name, (unsigned long long)e->d_ino);
    closedir(dir);
    fclose(list);
    shadow_whole(ino);
}

static void shadow_sync(int fd)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct stat st;
    if (shadow[0] == '\0' || fstat(fd, &st) != 0)
        return;
    pthread_mutex_lock(&lock);
    if (S_ISDIR(st.st_mode))
        shadow_directory(fd, st.st_ino);
    else
        shadow_file(fd, st.st_ino);
    pthread_mutex_unlock(&lock);
}

int fsync(int fd)
{
    count_call();
    shadow_sync(fd);
    return 0;
}

int fdatasync(int fd)
{
    return fsync(fd);
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t at)
{
    count_call();
    return syscall(SYS_pwrite64, fd, data, len, at);
}

int ftruncate64(int fd, off64_t size)
{
    count_call();
    return (int)syscall(SYS_ftruncate, fd, size);
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
    count_call();
    return (int)syscall(SYS_linkat, from_dir, from, to_dir, to, flags);
}

int unlinkat(int dir, const char *name, int flags)
{
    count_call();
    return (int)syscall(SYS_unlinkat, dir, name, flags);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    count_call();
    return (int)syscall(SYS_renameat, from_dir, from, to_dir, to);
}

/* ---- the child ---- */

enum { APPENDS = 6 };

/* What the child was promised of each of its messages. A row is known by its name. */
struct promise {
    unsigned char number;
    unsigned char
        what; /* an enum journal_state, 'X' dropped, 'K' kept, 'F' finished (not promised) */
};

static uint64_t size_of(int number)
{
    return 100 + (uint64_t)number * 7001;
}

static void promised(int pipe, int number, char what)
{
    const struct promise promise = {(unsigned char)number, (unsigned char)what};
    if (write(pipe, &promise, sizeof promise) != sizeof promise)
        _exit(1);
}

/* One message's way, which depends on its number. */
static void one_message(struct rig *rig, int pipe, int number)
{
    char name[16];
    snprintf(name, sizeof name, "%d", number);
    struct journal_spool *spool = rig_spool(rig, (uint32_t)number, size_of(number));
    struct journal_intent both[2] = {rig_append(spool, (unsigned)number), rig_move(5)};
    int64_t ids[2];
    both[0].name = name;
    both[1].name = "";
    both[1].after = JOURNAL_PREVIOUS;
    if (number % 3 == 1) {
        if (journal_spool_keep(spool, &both[0], NULL) != CACHE_OK)
            _exit(2);
        promised(pipe, number, 'K');
    }
    if (journal_add(rig->journal, both, number % 2 == 0 ? 2 : 1, JOURNAL_INTENT, ids) != CACHE_OK)
        _exit(3);
    promised(pipe, number, JOURNAL_INTENT);
    journal_spool_close(&spool);
    if (number == 0)
        return; /* stays */
    if (number == 5) {
        if (rig_do(rig, ids[0], JOURNAL_DO_DROP) != CACHE_OK)
            _exit(4);
        promised(pipe, number, 'X');
        return;
    }
    if (rig_do(rig, ids[0], JOURNAL_DO_SEND) != CACHE_OK)
        _exit(5);
    promised(pipe, number, JOURNAL_SENT);
    struct journal_move done = {.id = ids[0], .event = JOURNAL_DO_SUCCEED, .uid = 9};
    if (number == 1)
        done.event = JOURNAL_DO_REFUSE;
    bool durable = number != 3;
    if (journal_do(rig->journal, &done, 1, durable) != CACHE_OK)
        _exit(6);
    if (durable)
        promised(pipe, number, number == 1 ? JOURNAL_REFUSED : JOURNAL_DONE);
    if (number >= 3) {
        promised(pipe, number, 'F');
        if (rig_do(rig, ids[0], JOURNAL_DO_FINISH) != CACHE_OK)
            _exit(7);
    }
}

static void work(struct rig *rig, int pipe)
{
    rig->limits.small = 20000; /* some are files, some are not */
    rig_open(rig);
    for (int number = 0; number < APPENDS; number++)
        one_message(rig, pipe, number);
    journal_close(&rig->journal);
    _exit(0);
}

/* ---- looking at a disk ---- */

struct promises {
    bool intent[APPENDS], kept[APPENDS], dropped[APPENDS], finishing[APPENDS];
    int state[APPENDS];
    int begun; /* messages of which something was promised */
};

static void read_promises(int pipe, struct promises *promises)
{
    struct promise promise;
    *promises = (struct promises){0};
    while (read(pipe, &promise, sizeof promise) == sizeof promise) {
        int n = promise.number;
        promises->begun = n + 1;
        promises->intent[n] = promises->intent[n] || promise.what != 'K';
        promises->kept[n] = true;
        promises->dropped[n] = promises->dropped[n] || promise.what == 'X';
        promises->finishing[n] = promises->finishing[n] || promise.what == 'F';
        if (promise.what < JOURNAL_STATES)
            promises->state[n] = promise.what;
    }
}

static void check_row(struct rig *rig, const struct promises *promises,
                      const struct journal_row *row, unsigned *seen, unsigned *strangers)
{
    if (row->intent.kind != JOURNAL_APPEND)
        return;
    if (row->intent.name[0] == '\0') { /* being published when it stopped */
        assert_int_equal(row->state, JOURNAL_UNFINISHED);
        ++*strangers;
        return;
    }
    int n = atoi(row->intent.name);
    seen[n]++;
    assert_false(promises->dropped[n]);
    if (row->state != JOURNAL_DONE)
        assert_true(rig_spool_is(rig, row->id, (uint32_t)n, size_of(n)));
    /* A state may be later than what was promised, never earlier. */
    if (promises->state[n] == JOURNAL_SENT)
        assert_true(row->state != JOURNAL_INTENT && row->state != JOURNAL_UNFINISHED);
    if (promises->state[n] == JOURNAL_DONE || promises->state[n] == JOURNAL_REFUSED)
        assert_int_equal(row->state, promises->state[n]);
    if (promises->intent[n])
        assert_true(row->state != JOURNAL_UNFINISHED);
    assert_true(row->state != JOURNAL_HELD);
}

static void check_disk(struct rig *rig, const struct promises *promises)
{
    struct journal_row rows[APPENDS * 2 + 2];
    unsigned seen[APPENDS] = {0}, strangers = 0;
    size_t count = 0;
    rig->limits.small = 20000; /* some are files, some are not */
    rig_open(rig);
    assert_int_equal(journal_list(rig->journal, JOURNAL_NONE, 0, rows, APPENDS * 2 + 2, &count),
                     CACHE_OK);
    for (size_t i = 0; i < count; i++) {
        check_row(rig, promises, &rows[i], seen, &strangers);
        journal_row_free(&rows[i]);
    }
    for (int n = 0; n < APPENDS; n++) {
        assert_true(seen[n] <= 1);
        if (promises->kept[n] && !promises->dropped[n] && !promises->finishing[n] && n != 5)
            assert_int_equal(seen[n], 1);
        if (seen[n] == 1 && !promises->kept[n])
            assert_true(n >= promises->begun); /* it was about to be told */
    }
    assert_true(strangers <= 1);
    assert_int_equal(rig_count(rig, "journal-", ".aside-"), 0);
    journal_close(&rig->journal);
}

/* Makes the directory `to` as the other disk has it. */
static void restore(const char *from, const char *to)
{
    struct stat st;
    char path[RIG_PATH + 64], name[64], target[RIG_PATH * 2], line[65536];
    unsigned long long ino = 0;
    assert_int_equal(mkdir(to, 0700), 0);
    if (stat(from, &st) != 0)
        return;
    snprintf(path, sizeof path, "%s/%llu", shadow, (unsigned long long)st.st_ino);
    FILE *list = fopen(path, "r");
    while (list != NULL && fscanf(list, "%63s %llu", name, &ino) == 2) {
        snprintf(target, sizeof target, "%s/%s", to, name);
        if (strncmp(name, "outbox-", 7) == 0) {
            char inner[RIG_PATH * 2];
            snprintf(inner, sizeof inner, "%s/%s", from, name);
            restore(inner, target);
            continue;
        }
        snprintf(path, sizeof path, "%s/%llu", shadow, ino);
        int in = open(path, O_RDONLY), out = open(target, O_WRONLY | O_CREAT, 0600);
        for (ssize_t n = 1; in >= 0 && n > 0;) {
            n = read(in, line, sizeof line);
            if (n > 0)
                assert_int_equal(write(out, line, (size_t)n), n);
        }
        close(in);
        close(out);
    }
    if (list != NULL)
        fclose(list);
}

/* Runs the child up to its n-th call; true: it came to its end. */
static bool run_until(struct rig *rig, int calls, struct promises *promises)
{
    int ends[2], status = 0;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        atomic_store(&calls_left, calls);
        work(rig, ends[1]);
    }
    close(ends[1]);
    read_promises(ends[0], promises);
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    bool ended = WIFEXITED(status);
    if (ended)
        assert_int_equal(WEXITSTATUS(status), 0);
    return ended;
}

static void test_stopped_at_each_call(void **state)
{
    bool ended = false;
    int calls = 1;
    for (; !ended; calls++) {
        struct rig *rig = *state;
        struct promises promises;
        struct rig other = *rig;
        snprintf(shadow, sizeof shadow, "%s/shadow", rig->directory);
        snprintf(other.state, sizeof other.state, "%.150s/other", rig->directory);
        assert_int_equal(mkdir(shadow, 0700), 0);
        ended = run_until(rig, calls, &promises);
        restore(rig->state, other.state);
        shadow[0] = '\0';
        check_disk(rig, &promises);
        check_disk(&other, &promises);
        check_disk(&other, &promises); /* and again: what was put right stays right */
        rig_teardown(state);
        assert_int_equal(rig_setup_bare(state), 0);
    }
    assert_true(calls > 100);
    print_message("stopped at each of %d calls\n", calls - 1);
}

int main(void)
{
    log_open("/dev/null");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_stopped_at_each_call, rig_setup_bare, rig_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
