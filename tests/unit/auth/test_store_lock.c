/*
 * Several processes and one login: the lock, who waits how long, what a dead holder leaves; and a
 * disk that is full. Children end by _exit with a number that tells what went wrong in them.
 */
#include "tests/unit/auth/store_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

enum { PLENTY_MS = 30000 };

static int exit_status(pid_t child)
{
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* A process that has the lock; it lets go when it is killed, or when *letgo is closed. */
static pid_t holder(struct fixture *f, int *letgo)
{
    int ready[2], wait[2];
    char byte = 0;
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(wait), 0);
    pid_t child = fork();
    if (child == 0) {
        struct auth_store *store = fixture_store(f);
        close(wait[1]);
        if (auth_store_lock(store, 0, -1, f->text) != AUTH_OK || write(ready[1], "r", 1) != 1)
            _exit(1);
        _exit(read(wait[0], &byte, 1) == 0 ? 0 : 2);
    }
    close(ready[1]);
    close(wait[0]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    *letgo = wait[1];
    return child;
}

/* ---- many writers ---- */

enum { WRITERS = 6, ROUNDS = 25 };

/* Adds 1 to the number of the login, as a renewal would. */
static int count_up(struct fixture *f)
{
    struct auth_store *store = fixture_store(f);
    for (int i = 0; i < ROUNDS; i++) {
        struct auth_login login;
        auth_login_init(&login);
        if (auth_store_lock(store, PLENTY_MS, -1, f->text) != AUTH_OK)
            return 1;
        if (auth_store_load(store, &login, f->text) != AUTH_OK)
            return 2;
        int n = (int)(login.expires - 1800000000);
        if (!login_is(&login, n, 40))
            return 3;
        auth_login_free(&login);
        login = login_make(n + 1, 40);
        if (auth_store_save(store, &login, f->text) != AUTH_OK)
            return 4;
        auth_login_free(&login);
        auth_store_unlock(store);
    }
    auth_store_free(&store);
    return 0;
}

/* Reads without the lock, as mounts do whose token is good: always a whole login. */
static int read_along(struct fixture *f)
{
    int64_t deadline = clock_ms() + PLENTY_MS;
    for (int last = 0; last < WRITERS * ROUNDS;) {
        struct auth_login login;
        if (clock_until(deadline) == 0)
            return 3;
        auth_login_init(&login);
        if (auth_store_load(f->store, &login, f->text) != AUTH_OK)
            return 1;
        int n = (int)(login.expires - 1800000000);
        if (n < last || !login_is(&login, n, 40))
            return 2;
        last = n;
        auth_login_free(&login);
    }
    return 0;
}

static void test_writers_take_turns(void **state)
{
    struct fixture *f = *state;
    pid_t children[WRITERS + 1];
    fixture_create(f, 0);
    for (int i = 0; i <= WRITERS; i++) {
        children[i] = fork();
        if (children[i] == 0)
            _exit(i == WRITERS ? read_along(f) : count_up(f));
    }
    for (int i = 0; i <= WRITERS; i++)
        assert_int_equal(exit_status(children[i]), 0);
    assert_int_equal(fixture_load(f, WRITERS * ROUNDS), AUTH_OK);
}

/* ---- waiting ---- */

static void test_timeout(void **state)
{
    struct fixture *f = *state;
    int letgo = -1;
    fixture_create(f, 1);
    pid_t child = holder(f, &letgo);
    int64_t begin = clock_ms();
    assert_int_equal(auth_store_lock(f->store, 0, -1, f->text), AUTH_ERR_TIMEOUT);
    assert_true(clock_ms() - begin < 1000);
    begin = clock_ms();
    assert_int_equal(auth_store_lock(f->store, 300, -1, f->text), AUTH_ERR_TIMEOUT);
    assert_true(clock_ms() - begin >= 300 && clock_ms() - begin < 3000);
    assert_non_null(strstr(f->text, "token.lock for 1 s"));
    assert_int_equal(fixture_load(f, 1), AUTH_OK); /* reading needs no lock */
    close(letgo);
    assert_int_equal(exit_status(child), 0);
    assert_int_equal(auth_store_lock(f->store, 0, -1, f->text), AUTH_OK);
}

static void *fire_soon(void *arg)
{
    usleep(100000); /* it may well be waiting by then; the outcome is the same if not */
    eventfd_write(*(int *)arg, 1);
    return NULL;
}

static void test_cancelled(void **state)
{
    struct fixture *f = *state;
    int letgo = -1;
    int cancel = eventfd(0, EFD_CLOEXEC);
    pthread_t thread;
    fixture_create(f, 1);
    pid_t child = holder(f, &letgo);
    assert_int_equal(pthread_create(&thread, NULL, fire_soon, &cancel), 0);
    int64_t begin = clock_ms();
    assert_int_equal(auth_store_lock(f->store, PLENTY_MS, cancel, f->text), AUTH_ERR_CANCELLED);
    assert_int_equal(auth_store_lock(f->store, PLENTY_MS, cancel, f->text), AUTH_ERR_CANCELLED);
    assert_true(clock_ms() - begin < 5000);
    pthread_join(thread, NULL);
    close(letgo);
    close(cancel);
    assert_int_equal(exit_status(child), 0);
}

static void test_holder_is_killed(void **state)
{
    struct fixture *f = *state;
    int letgo = -1;
    int status = 0;
    fixture_create(f, 1);
    pid_t child = holder(f, &letgo);
    assert_int_equal(auth_store_lock(f->store, 0, -1, f->text), AUTH_ERR_TIMEOUT);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(auth_store_lock(f->store, PLENTY_MS, -1, f->text), AUTH_OK);
    assert_int_equal(waitpid(child, &status, 0), child);
    close(letgo);
}

/* Two stores of one process, as two threads have, keep each other out; one does not keep out
 * itself, and closing is unlocking. */
static void test_within_a_process(void **state)
{
    struct fixture *f = *state;
    struct auth_store *other = fixture_store(f);
    assert_int_equal(auth_store_lock(other, 0, -1, f->text), AUTH_ERR_ABSENT);
    fixture_create(f, 1);
    assert_int_equal(auth_store_lock(f->store, 0, -1, f->text), AUTH_OK);
    assert_int_equal(auth_store_lock(f->store, 0, -1, f->text), AUTH_OK);
    assert_int_equal(auth_store_lock(other, 0, -1, f->text), AUTH_ERR_TIMEOUT);
    fixture_create(f, 2); /* takes no second one, and lets go of none */
    assert_int_equal(auth_store_lock(other, 0, -1, f->text), AUTH_ERR_TIMEOUT);
    auth_store_unlock(f->store);
    assert_int_equal(auth_store_lock(other, 0, -1, f->text), AUTH_OK);
    auth_store_free(&other);
    assert_int_equal(auth_store_lock(f->store, 0, -1, f->text), AUTH_OK);
    assert_int_equal(auth_store_forget(f->store, f->text), AUTH_OK);
}

static void *let_go_soon(void *arg)
{
    usleep(200000);
    close(*(int *)arg);
    return NULL;
}

/* Signing in and out wait for a renewal, so that it cannot undo them. */
static void test_create_and_forget_wait(void **state)
{
    struct fixture *f = *state;
    fixture_create(f, 1);
    for (int i = 0; i < 2; i++) {
        int letgo = -1;
        pthread_t thread;
        pid_t child = holder(f, &letgo);
        int64_t begin = clock_ms();
        assert_int_equal(pthread_create(&thread, NULL, let_go_soon, &letgo), 0);
        if (i == 0)
            fixture_create(f, 2);
        else
            assert_int_equal(auth_store_forget(f->store, f->text), AUTH_OK);
        assert_true(clock_ms() - begin >= 200);
        pthread_join(thread, NULL);
        assert_int_equal(exit_status(child), 0);
    }
}

/* ---- a disk that is full, and what stands in the way ---- */

static int replace_when_full(struct fixture *f, rlim_t bytes)
{
    const struct rlimit limit = {bytes, RLIM_INFINITY};
    struct auth_login old;
    struct auth_login login = login_make(2, 40);
    auth_login_init(&old);
    signal(SIGXFSZ, SIG_IGN);
    if (auth_store_lock(f->store, 0, -1, f->text) != AUTH_OK ||
        auth_store_load(f->store, &old, f->text) != AUTH_OK)
        return 1;
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
        return 2;
    if (auth_store_save(f->store, &login, f->text) != AUTH_ERR_STORE)
        return 3;
    if (strstr(f->text, "cannot be written: File too large; it stays as it was") == NULL)
        return 4;
    if (auth_store_create(f->store, &login, f->text) != AUTH_ERR_STORE)
        return 5;
    return access(fixture_path(f, "token.new"), F_OK) == 0 ? 6 : 0;
}

static void test_full_disk(void **state)
{
    struct fixture *f = *state;
    fixture_create(f, 1);
    for (rlim_t bytes = 0; bytes < 400; bytes += 133) { /* not a byte; and some of them */
        pid_t child = fork();
        if (child == 0)
            _exit(replace_when_full(f, bytes));
        assert_int_equal(exit_status(child), 0);
        assert_int_equal(fixture_load(f, 1), AUTH_OK);
    }
}

static void test_leftovers(void **state)
{
    struct fixture *f = *state;
    char left[512];
    char elsewhere[512];
    snprintf(left, sizeof left, "%s", fixture_path(f, "token.new"));
    snprintf(elsewhere, sizeof elsewhere, "%s", fixture_path(f, "elsewhere"));
    fixture_create(f, 1);
    assert_int_equal(link(fixture_path(f, "token"), left), 0); /* as a killed writer leaves it */
    fixture_create(f, 2);
    assert_int_equal(fixture_load(f, 2), AUTH_OK);
    assert_int_not_equal(access(left, F_OK), 0);
    assert_int_equal(symlink(elsewhere, left), 0);
    fixture_create(f, 3);
    assert_int_not_equal(access(elsewhere, F_OK), 0); /* was not written through */
    assert_int_equal(link(fixture_path(f, "token"), left), 0);
    assert_int_equal(auth_store_forget(f->store, f->text), AUTH_OK);
    assert_int_not_equal(access(left, F_OK), 0); /* a token is not left in it */
    fixture_create(f, 4);
    assert_int_equal(mkdir(left, 0700), 0);
    struct auth_login login = login_make(5, 40);
    assert_int_equal(auth_store_create(f->store, &login, f->text), AUTH_ERR_STORE);
    auth_login_free(&login);
    assert_int_equal(fixture_load(f, 4), AUTH_OK);
}

int main(void)
{
#define STORE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        STORE(test_writers_take_turns), STORE(test_timeout),
        STORE(test_cancelled),          STORE(test_holder_is_killed),
        STORE(test_within_a_process),   STORE(test_create_and_forget_wait),
        STORE(test_full_disk),          STORE(test_leftovers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
