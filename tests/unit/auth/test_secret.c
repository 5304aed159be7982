/*
 * A source shared by threads: how often its command runs (each run adds a line to a file) and who
 * gets what.
 */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "auth/secret.h"
#include "base/clock.h"

enum { THREADS = 8, PLENTY_MS = 30000 };

static char folder[] = "/tmp/outlookfs-test-XXXXXX";
static char counter[64];

static int set_up(void **state)
{
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(counter, sizeof counter, "%s/runs", folder);
    return 0;
}

static int tear_down(void **state)
{
    unlink(counter);
    return rmdir(folder);
}

static int forget_runs(void **state)
{
    unlink(counter);
    return 0;
}

static int runs(void)
{
    int count = 0;
    FILE *file = fopen(counter, "r");
    for (int c; file != NULL && (c = fgetc(file)) != EOF;)
        count += c == '\n';
    if (file != NULL)
        fclose(file);
    return count;
}

/* A source whose script starts by counting its run. */
static struct auth_secret *source(const char *script, int timeout_ms)
{
    char text[512];
    snprintf(text, sizeof text, "echo >> %s; %s", counter, script);
    struct auth_secret *s = auth_secret_from_command(NULL, text, timeout_ms);
    assert_non_null(s);
    return s;
}

struct asker {
    struct auth_secret *s;
    const char *refused;
    int cancel_fd;
    enum auth_error error;
    char secret[256];
    char text[AUTH_TEXT_MAX];
    pthread_t thread;
};

static void *ask(void *arg)
{
    struct asker *a = arg;
    struct buffer out;
    buffer_init(&out, sizeof a->secret - 1);
    a->error = auth_secret_get(a->s, a->refused, a->cancel_fd, &out, a->text);
    if (out.data != NULL)
        memcpy(a->secret, out.data, out.len + 1);
    buffer_wipe(&out);
    return NULL;
}

static struct asker asked(struct auth_secret *s, const char *refused)
{
    struct asker a = {.s = s, .refused = refused, .cancel_fd = -1};
    ask(&a);
    return a;
}

static void ask_together(struct asker *askers, struct auth_secret *s, const char *refused)
{
    for (int i = 0; i < THREADS; i++) {
        askers[i] = (struct asker){.s = s, .refused = refused, .cancel_fd = -1};
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask, &askers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(askers[i].thread, NULL);
}

static void test_list_form(void **state)
{
    char echo[] = "echo";
    char word[] = "a $HOME; b"; /* no shell: stays as it is */
    char *argv[] = {echo, word, NULL};
    struct auth_secret *s = auth_secret_from_command(argv, NULL, PLENTY_MS);
    struct asker a = asked(s, NULL);
    assert_int_equal(a.error, AUTH_OK);
    assert_string_equal(a.secret, "a $HOME; b");
    auth_secret_free(&s);
    assert_null(s);
    auth_secret_free(&s);
}

static void test_kept_until_refused(void **state)
{
    char script[128];
    snprintf(script, sizeof script, "echo token$(wc -l < %s)", counter);
    struct auth_secret *s = source(script, PLENTY_MS);
    assert_string_equal(asked(s, NULL).secret, "token1");
    assert_string_equal(asked(s, NULL).secret, "token1");
    assert_int_equal(runs(), 1);
    assert_string_equal(asked(s, "token1").secret, "token2");
    assert_int_equal(runs(), 2);
    assert_string_equal(asked(s, "token1").secret, "token2"); /* late with the old one */
    assert_int_equal(runs(), 2);
    auth_secret_free(&s);
}

static void test_same_again(void **state)
{
    struct auth_secret *s = source("echo token", PLENTY_MS);
    assert_string_equal(asked(s, NULL).secret, "token");
    assert_string_equal(asked(s, "token").secret, "token");
    assert_int_equal(runs(), 2);
    auth_secret_free(&s);
}

static void test_threads_share(void **state)
{
    struct asker askers[THREADS];
    char script[128];
    snprintf(script, sizeof script, "sleep 0.5; echo token$(wc -l < %s)", counter);
    struct auth_secret *s = source(script, PLENTY_MS);
    ask_together(askers, s, NULL);
    for (int i = 0; i < THREADS; i++)
        assert_string_equal(askers[i].secret, "token1");
    assert_int_equal(runs(), 1);
    ask_together(askers, s, "token1");
    for (int i = 0; i < THREADS; i++)
        assert_string_equal(askers[i].secret, "token2");
    assert_int_equal(runs(), 2);
    auth_secret_free(&s);
}

static void test_failure_is_shared(void **state)
{
    struct asker askers[THREADS];
    struct auth_secret *s = source("sleep 0.5; echo hunter2; exit 7", PLENTY_MS);
    ask_together(askers, s, NULL);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(askers[i].error, AUTH_ERR_COMMAND);
        assert_string_equal(askers[i].secret, "");
        assert_non_null(strstr(askers[i].text, "'echo' failed with exit status 7"));
        assert_null(strstr(askers[i].text, "hunter2"));
    }
    assert_int_equal(runs(), 1);
    assert_int_equal(asked(s, NULL).error, AUTH_ERR_COMMAND);
    assert_int_equal(runs(), 2);
    auth_secret_free(&s);
}

/* A run that fails leaves no refused secret behind. */
static void test_refused_is_forgotten(void **state)
{
    char script[128];
    snprintf(script, sizeof script, "test $(wc -l < %s) -eq 1 && echo token", counter);
    struct auth_secret *s = source(script, PLENTY_MS);
    assert_string_equal(asked(s, NULL).secret, "token");
    assert_int_equal(asked(s, "token").error, AUTH_ERR_COMMAND);
    assert_int_equal(asked(s, NULL).error, AUTH_ERR_COMMAND);
    auth_secret_free(&s);
}

static void test_timeout(void **state)
{
    struct auth_secret *s = source("sleep 60", 200);
    struct asker a = asked(s, NULL);
    assert_int_equal(a.error, AUTH_ERR_TIMEOUT);
    assert_non_null(strstr(a.text, "within 1 s"));
    auth_secret_free(&s);
}

static void start(struct asker *a, struct auth_secret *s, int cancel_fd)
{
    *a = (struct asker){.s = s, .cancel_fd = cancel_fd};
    int before = runs();
    assert_int_equal(pthread_create(&a->thread, NULL, ask, a), 0);
    for (int i = 0; i < 500 && runs() == before; i++)
        usleep(before == 0 ? 10000 : 1000);
}

/* A waiter's cancellation is his own; the run goes on. */
static void test_waiter_cancelled(void **state)
{
    struct asker runner;
    struct asker waiter;
    struct auth_secret *s = source("sleep 2; echo token", PLENTY_MS);
    int cancel = eventfd(0, EFD_CLOEXEC);
    start(&runner, s, -1);
    start(&waiter, s, cancel);
    int64_t begin = clock_ms();
    assert_int_equal(eventfd_write(cancel, 1), 0);
    pthread_join(waiter.thread, NULL);
    assert_true(clock_ms() - begin < 1000);
    assert_int_equal(waiter.error, AUTH_ERR_CANCELLED);
    pthread_join(runner.thread, NULL);
    assert_string_equal(runner.secret, "token");
    assert_int_equal(runs(), 1);
    close(cancel);
    auth_secret_free(&s);
}

/* A runner's cancellation is his own too: the waiter takes over. */
static void test_runner_cancelled(void **state)
{
    struct asker runner;
    struct asker waiter;
    char script[128]; /* the first run ends by cancellation alone, on a busy machine too */
    snprintf(script, sizeof script, "test $(wc -l < %s) -gt 1 || sleep 60; echo token", counter);
    struct auth_secret *s = source(script, PLENTY_MS);
    int cancel = eventfd(0, EFD_CLOEXEC);
    start(&runner, s, cancel);
    for (int64_t bound = clock_ms() + PLENTY_MS; runs() == 0 && clock_ms() < bound;)
        usleep(1000); /* or the cancellation may come before the command has counted its run */
    start(&waiter, s, -1);
    assert_int_equal(eventfd_write(cancel, 1), 0);
    pthread_join(runner.thread, NULL);
    assert_int_equal(runner.error, AUTH_ERR_CANCELLED);
    pthread_join(waiter.thread, NULL);
    assert_int_equal(waiter.error, AUTH_OK);
    assert_string_equal(waiter.secret, "token");
    assert_int_equal(runs(), 2);
    close(cancel);
    auth_secret_free(&s);
}

/* Servers count attempts: what one has refused is not sent again by the next connection. */
static void test_refused_password(void **state)
{
    struct auth_secret *s = auth_secret_from_text("hunter2");
    assert_string_equal(asked(s, NULL).secret, "hunter2");
    assert_string_equal(asked(s, NULL).secret, "hunter2");
    for (int i = 0; i < 3; i++) {
        struct asker a = asked(s, i == 0 ? "hunter2" : NULL);
        assert_int_equal(a.error, AUTH_ERR_REFUSED);
        assert_string_equal(a.secret, "");
        assert_non_null(strstr(a.text, "mount again"));
    }
    auth_secret_free(&s);
}

static void test_labels(void **state)
{
    static const struct {
        const char *script;
        const char *label;
    } cases[] = {
        {"false with arguments", "the command 'false' failed"       },
        {"HUNTER=hunter2 false", "the command for the secret failed"},
        {"fal\033[31mse x",      "'fal?[31mse'"                     },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct auth_secret *s = auth_secret_from_command(NULL, cases[i].script, PLENTY_MS);
        struct asker a = asked(s, NULL);
        assert_int_equal(a.error, AUTH_ERR_COMMAND);
        assert_non_null(strstr(a.text, cases[i].label));
        assert_null(strstr(a.text, "hunter2"));
        auth_secret_free(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list_form),
        cmocka_unit_test_setup(test_kept_until_refused, forget_runs),
        cmocka_unit_test_setup(test_same_again, forget_runs),
        cmocka_unit_test_setup(test_threads_share, forget_runs),
        cmocka_unit_test_setup(test_failure_is_shared, forget_runs),
        cmocka_unit_test_setup(test_refused_is_forgotten, forget_runs),
        cmocka_unit_test_setup(test_timeout, forget_runs),
        cmocka_unit_test_setup(test_waiter_cancelled, forget_runs),
        cmocka_unit_test_setup(test_runner_cancelled, forget_runs),
        cmocka_unit_test(test_refused_password),
        cmocka_unit_test(test_labels),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
