/*
 * What auth_process_protect leaves and what it takes away, seen by an ordinary user: where the
 * tests run as root, children become another user first.
 */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auth/secret.h"

enum { NOBODY = 65534 };

/* Changing the user makes a process undumpable by itself; here it is the other thing that counts.
 */
static void become_ordinary(void)
{
    const struct rlimit some = {1 << 20, 1 << 20};
    if (geteuid() == 0 &&
        (setresgid(NOBODY, NOBODY, NOBODY) != 0 || setresuid(NOBODY, NOBODY, NOBODY) != 0))
        _exit(90);
    if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0)
        _exit(91);
    setrlimit(RLIMIT_CORE, &some);
}

static int status_of(pid_t child)
{
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static bool can_open(pid_t pid, const char *file)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* The child protects itself when it reads a byte, and says so. */
static void test_others_cannot_look(void **state)
{
    int go[2], ready[2];
    char byte = 'x';
    assert_int_equal(pipe(go), 0);
    assert_int_equal(pipe(ready), 0);
    pid_t held = fork();
    if (held == 0) {
        close(go[1]);
        become_ordinary();
        for (int i = 0; i < 2; i++) {
            if (write(ready[1], "r", 1) != 1 || read(go[0], &byte, 1) != 1)
                _exit(1);
            auth_process_protect();
        }
        _exit(write(ready[1], "r", 1) == 1 && read(go[0], &byte, 1) == 0 ? 0 : 1);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(read(ready[0], &byte, 1), 1);
        pid_t looker = fork();
        if (looker == 0) {
            become_ordinary();
            bool sees = can_open(held, "environ") && can_open(held, "maps");
            bool all_hidden = !can_open(held, "environ") && !can_open(held, "maps") &&
                              !can_open(held, "mem"); /* which Yama may hide before, too */
            _exit((i == 0 ? sees : all_hidden) ? 0 : 1);
        }
        assert_int_equal(status_of(looker), 0);
        assert_int_equal(write(go[1], "g", 1), 1);
    }
    close(go[1]);
    assert_int_equal(status_of(held), 0);
    close(go[0]);
    close(ready[0]);
    close(ready[1]);
}

static int look_at_self(void)
{
    char path[64];
    struct rlimit limit;
    int dir = open("/usr", O_PATH | O_DIRECTORY | O_CLOEXEC);
    become_ordinary();
    auth_process_protect();
    if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0 || getrlimit(RLIMIT_CORE, &limit) != 0 ||
        limit.rlim_cur != 0 || limit.rlim_max != 0)
        return 1;
    snprintf(path, sizeof path, "/proc/self/fd/%d/lib", dir); /* as cli/control.c does */
    if (access(path, R_OK) != 0)
        return 2;
    FILE *table = fopen("/proc/self/mountinfo", "re");
    if (table == NULL)
        return 3;
    fclose(table);
    close(dir);
    return 0;
}

static void test_own_proc_works(void **state)
{
    pid_t child = fork();
    if (child == 0)
        _exit(look_at_self());
    assert_int_equal(status_of(child), 0);
}

static void test_no_core(void **state)
{
    pid_t child = fork();
    if (child == 0) {
        if (chdir("/tmp") != 0)
            _exit(1);
        become_ordinary();
        auth_process_protect();
        signal(SIGABRT, SIG_DFL);
        kill(getpid(), SIGABRT);
        _exit(2);
    }
    int status = status_of(child);
    assert_true(WIFSIGNALED(status) && !WCOREDUMP(status));
}

/* Under LeakSanitizer the exit looks for leaks by ptrace, which must not fail. */
static void test_exit(void **state)
{
    pid_t child = fork();
    if (child == 0) {
        become_ordinary();
        auth_process_protect();
        exit(0);
    }
    assert_int_equal(status_of(child), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_others_cannot_look),
        cmocka_unit_test(test_own_proc_works),
        cmocka_unit_test(test_no_core),
        cmocka_unit_test(test_exit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
