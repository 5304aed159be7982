/*
 * Killed at any moment, a writer leaves the old login or the new one, whole. A child replaces the
 * login under ptrace(2), stops before and after each of its system calls, and is killed at the n-th
 * stop, for n = 1, 2, ... until it comes to its end. That a power cut leaves the same cannot be
 * tried here; that the calls come in the order that it takes is seen.
 */
#include "tests/unit/auth/store_fixture.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STOPS_MAX = 5000, SYSCALL_STOP = SIGTRAP | 0x80 };

typedef int work_fn(struct fixture *f, int n);

/* As a renewal. */
static int renew(struct fixture *f, int n)
{
    struct auth_login login;
    struct auth_store *store = fixture_store(f);
    auth_login_init(&login);
    if (auth_store_lock(store, 0, -1, f->text) != AUTH_OK)
        return 1;
    if (auth_store_load(store, &login, f->text) != AUTH_OK)
        return 2;
    auth_login_free(&login);
    login = login_make(n, 40);
    if (auth_store_save(store, &login, f->text) != AUTH_OK)
        return 3;
    auth_store_free(&store);
    auth_login_free(&login);
    return 0;
}

static int sign_in(struct fixture *f, int n)
{
    struct auth_login login = login_make(n, 40);
    enum auth_error error = auth_store_create(f->store, &login, f->text);
    auth_login_free(&login);
    return error == AUTH_OK ? 0 : 1;
}

static int sign_out(struct fixture *f, int n)
{
    return auth_store_forget(f->store, f->text) == AUTH_OK ? 0 : 1;
}

static pid_t start_traced(struct fixture *f, work_fn *work, int n)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(99);
        raise(SIGSTOP);
        _exit(work(f, n));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSTOPPED(status));
    assert_int_equal(
        ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL), 0);
    return child;
}

/* Lets the child go on to its next stop at a system call; false when it has ended. */
static bool next_stop(pid_t child, int *status)
{
    long signal = 0;
    do {
        assert_int_equal(ptrace(PTRACE_SYSCALL, child, NULL, signal), 0);
        assert_int_equal(waitpid(child, status, 0), child);
        if (!WIFSTOPPED(*status))
            return false;
        signal = WSTOPSIG(*status);
    } while (signal != SYSCALL_STOP);
    return true;
}

/* Runs the work and kills it at stop `stops`; false when it came to its end before. */
static bool killed_at(struct fixture *f, work_fn *work, int n, int stops)
{
    int status = 0;
    pid_t child = start_traced(f, work, n);
    for (int i = 0; i < stops; i++) {
        if (next_stop(child, &status))
            continue;
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        return false;
    }
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    return true;
}

/* Which of two logins is there; -1: none. Anything else fails the test. */
static int found(struct fixture *f, int one, int other)
{
    struct auth_login login;
    struct auth_store *store = fixture_store(f);
    auth_login_init(&login);
    enum auth_error error = auth_store_load(store, &login, f->text);
    if (error != AUTH_OK && error != AUTH_ERR_ABSENT)
        fail_msg("%s", f->text);
    int n = error != AUTH_OK ? -1 : login.expires == 1800000000 + one ? one : other;
    assert_true(n < 0 || login_is(&login, n, 40));
    auth_login_free(&login);
    auth_store_free(&store);
    return n;
}

/* From `before` (-1: no login) the work leads to `after`; both must be seen. */
static void check(struct fixture *f, work_fn *work, int before, int after)
{
    int stops = 1;
    int seen_before = 0;
    int seen_after = 0;
    for (bool killed = true; killed && stops < STOPS_MAX; stops++) {
        int n = found(f, before, after);
        if (n != before && before < 0)
            assert_int_equal(auth_store_forget(f->store, f->text), AUTH_OK);
        else if (n != before)
            fixture_create(f, before);
        auth_store_free(&f->store); /* the child starts as a new process does */
        f->store = fixture_store(f);
        killed = killed_at(f, work, after, stops);
        n = found(f, before, after);
        assert_true(n == before || n == after);
        assert_true(killed || n == after);
        seen_before += n == before;
        seen_after += n == after;
    }
    assert_true(stops < STOPS_MAX);
    assert_true(seen_before > 10);
    assert_true(seen_after > 1); /* also of those that were killed: after the rename */
}

static void test_renewal_plain(void **state)
{
    keyring.error = AUTH_KEYRING_NO_BUS;
    check(*state, renew, 1, 2);
}

static void test_renewal_sealed(void **state)
{
    check(*state, renew, 1, 2);
}

static void test_first_login(void **state)
{
    keyring.error = AUTH_KEYRING_NO_BUS;
    check(*state, sign_in, -1, 1);
}

static void test_login_again(void **state)
{
    keyring.error = AUTH_KEYRING_NO_BUS;
    check(*state, sign_in, 1, 2);
}

static void test_logout(void **state)
{
    keyring.error = AUTH_KEYRING_NO_BUS;
    check(*state, sign_out, 1, -1);
}

/* The number of the system call that the child is about to make; -1: it has just made one. */
static long entered(pid_t child)
{
    struct __ptrace_syscall_info info;
    assert_true(ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof info, &info) > 0);
    return info.op == PTRACE_SYSCALL_INFO_ENTRY ? (long)info.entry.nr : -1;
}

/* The new file is synced, then has the name, then the directory is synced. */
static void test_order(void **state)
{
    struct fixture *f = *state;
    int status = 0;
    int synced = 0;
    int renamed = 0;
    fixture_create(f, 1);
    pid_t child = start_traced(f, renew, 2);
    while (next_stop(child, &status)) {
        long call = entered(child);
        if (call == SYS_fsync) {
            assert_int_equal(renamed, synced);
            synced++;
        } else if (call == SYS_renameat || call == SYS_renameat2) {
            assert_int_equal(synced, 1);
            renamed++;
        }
    }
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(renamed, 1);
    assert_int_equal(synced, 2);
}

int main(void)
{
#define STORE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        STORE(test_renewal_plain), STORE(test_renewal_sealed), STORE(test_first_login),
        STORE(test_login_again),   STORE(test_logout),         STORE(test_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
