/*
 * One run of a command: what counts as its secret, what is refused, how it is ended, and what the
 * command finds around it. Commands are shell scripts of one line.
 */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auth/command.h"
#include "base/clock.h"

enum { PLENTY_MS = 30000 };

struct outcome {
    enum auth_error error;
    char line[AUTH_SECRET_MAX + 1];
    char text[AUTH_TEXT_MAX];
    int64_t took;
};

static struct outcome *run_within(const char *script, int timeout_ms, int cancel_fd)
{
    struct outcome *o = calloc(1, sizeof *o);
    struct buffer line;
    char sh[] = "/bin/sh";
    char flag[] = "-c";
    char *copy = strdup(script);
    char *argv[] = {sh, flag, copy, NULL};
    assert_non_null(o);
    buffer_init(&line, AUTH_SECRET_MAX);
    int64_t begin = clock_ms();
    o->error = auth_command_run(argv, "the command", timeout_ms, cancel_fd, &line, o->text);
    o->took = clock_ms() - begin;
    if (line.data != NULL)
        memcpy(o->line, line.data, line.len);
    buffer_wipe(&line);
    free(copy);
    return o;
}

static void check(const char *script, enum auth_error error, const char *expected)
{
    struct outcome *o = run_within(script, PLENTY_MS, -1);
    if (o->error != error)
        print_error("%s: %s\n", script, o->text);
    assert_int_equal(o->error, error);
    if (error == AUTH_OK)
        assert_string_equal(o->line, expected);
    else
        assert_non_null(strstr(o->text, expected));
    assert_null(strstr(o->text, "hunter2"));
    assert_null(strchr(o->text, '\n'));
    free(o);
}

static void test_output(void **state)
{
    static const struct {
        const char *script;
        enum auth_error error;
        const char *expected; /* the secret, or a part of the message */
    } cases[] = {
        {"echo hunter2",                         AUTH_OK,          "hunter2"                      },
        {"printf hunter2",                       AUTH_OK,          "hunter2"                      },
        {"printf 'hunter2\\r\\n'",               AUTH_OK,          "hunter2"                      },
        {"printf 'hunter2\\r'",                  AUTH_OK,          "hunter2"                      },
        {"printf 'hunter2\\nuser: jane\\n'",     AUTH_OK,          "hunter2"                      },
        {"printf ' two words \\n'",              AUTH_OK,          " two words "                  },
        {"printf 'p\\303\\244ss\\n'",            AUTH_OK,          "p\303\244ss"                  },
        {"echo hunter2; echo hunter2 >&2",       AUTH_OK,          "hunter2"                      },
        {"true",                                 AUTH_ERR_COMMAND, "printed no secret"            },
        {"echo",                                 AUTH_ERR_COMMAND, "printed no secret"            },
        {"printf '\\r\\n'",                      AUTH_ERR_COMMAND, "printed no secret"            },
        {"printf '\\nhunter2\\n'",               AUTH_ERR_COMMAND, "printed no secret"            },
        {"printf 'hunter2\\0x\\n'",              AUTH_ERR_COMMAND, "control character"            },
        {"printf 'hunter2\\001auth\\n'",         AUTH_ERR_COMMAND, "control character"            },
        {"printf 'hunter2\\rx\\n'",              AUTH_ERR_COMMAND, "control character"            },
        {"printf 'hunter2\\177\\n'",             AUTH_ERR_COMMAND, "control character"            },
        {"echo hunter2; exit 1",                 AUTH_ERR_COMMAND, "exit status 1:"               },
        {"echo hunter2; exit 255",               AUTH_ERR_COMMAND, "exit status 255:"             },
        {"echo hunter2; kill -9 $$",             AUTH_ERR_COMMAND, "signal 9"                     },
        {"exec /nonexistent/hunter",             AUTH_ERR_COMMAND, "exit status 127:"             },
        {"yes hunter2",                          AUTH_ERR_COMMAND, "printed more than 65536 bytes"},
        {"head -c 65537 /dev/zero | tr '\\0' x", AUTH_ERR_COMMAND, "printed more than"            },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check(cases[i].script, cases[i].error, cases[i].expected);
}

static void test_longest_secret(void **state)
{
    struct outcome *o = run_within("head -c 65536 /dev/zero | tr '\\0' x", PLENTY_MS, -1);
    assert_int_equal(o->error, AUTH_OK);
    assert_int_equal(strlen(o->line), AUTH_SECRET_MAX);
    free(o);
}

static void test_not_found(void **state)
{
    char name[] = "/nonexistent/outlookfs-test";
    char *missing[] = {name, NULL};
    char *nothing[] = {NULL};
    char **cases[] = {missing, nothing};
    for (size_t i = 0; i < 2; i++) {
        struct buffer line;
        char text[AUTH_TEXT_MAX];
        buffer_init(&line, AUTH_SECRET_MAX);
        assert_int_equal(auth_command_run(cases[i], "it", PLENTY_MS, -1, &line, text),
                         AUTH_ERR_COMMAND);
        assert_non_null(strstr(text, "No such file or directory"));
        buffer_wipe(&line);
    }
}

static void test_timeout(void **state)
{
    struct outcome *o = run_within("echo hunter2; sleep 60", 200, -1);
    assert_int_equal(o->error, AUTH_ERR_TIMEOUT);
    assert_null(strstr(o->text, "hunter2"));
    assert_in_range(o->took, 200, 5000);
    free(o);
    o = run_within("trap '' TERM; sleep 60 & wait; sleep 60", 200, -1);
    assert_int_equal(o->error, AUTH_ERR_TIMEOUT);
    assert_in_range(o->took, 600, 10000);
    free(o);
}

/* A child of the command dies with it: the reader of the fifo sees its end. */
static void test_timeout_ends_the_group(void **state)
{
    char folder[] = "/tmp/outlookfs-test-XXXXXX";
    char path[64];
    char script[256];
    char byte;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/pid", folder);
    snprintf(script, sizeof script, "sh -c 'echo $$ > %s; exec sleep 60' & wait", path);
    struct outcome *o = run_within(script, 500, -1);
    assert_int_equal(o->error, AUTH_ERR_TIMEOUT);
    free(o);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    int pid = 0;
    assert_int_equal(fscanf(file, "%d%c", &pid, &byte), 2);
    fclose(file);
    for (int i = 0; i < 100 && kill(pid, 0) == 0; i++) {
        char stat[64];
        snprintf(stat, sizeof stat, "/proc/%d/stat", pid);
        file = fopen(stat, "r");
        char what = 'Z';
        if (file != NULL) {
            assert_int_equal(fscanf(file, "%*d %*s %c", &what), 1);
            fclose(file);
        }
        if (what == 'Z') /* whoever adopted it has not reaped it yet */
            break;
        usleep(20000);
        assert_true(i < 99);
    }
    unlink(path);
    rmdir(folder);
}

static void *fire_later(void *fd)
{
    usleep(200000);
    assert_int_equal(write(*(int *)fd, "x", 1), 1);
    return NULL;
}

static void test_cancel(void **state)
{
    int ends[2];
    pthread_t thread;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(pthread_create(&thread, NULL, fire_later, &ends[1]), 0);
    struct outcome *o = run_within("echo hunter2; sleep 60", PLENTY_MS, ends[0]);
    assert_int_equal(o->error, AUTH_ERR_CANCELLED);
    assert_in_range(o->took, 100, 5000);
    pthread_join(thread, NULL);
    free(o);
    close(ends[0]);
    close(ends[1]);
}

/* What a helper that holds the output open does must not matter. */
static void test_background_helper(void **state)
{
    struct outcome *o = run_within("sleep 3 & echo hunter2", PLENTY_MS, -1);
    assert_int_equal(o->error, AUTH_OK);
    assert_string_equal(o->line, "hunter2");
    assert_true(o->took < 2500);
    free(o);
}

static void test_surroundings(void **state)
{
    sigset_t blocked;
    sigset_t before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGINT);
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    signal(SIGPIPE, SIG_IGN);
    int leak = open("/dev/null", O_RDONLY); /* without O_CLOEXEC: a library's descriptor */
    assert_true(leak > 2);
    /* 3 is the one that ls itself opens */
    check("ls /proc/self/fd | tr '\\n' ' '", AUTH_OK, "0 1 2 3 ");
    check("readlink /proc/self/fd/0 /proc/self/fd/2 | tr '\\n' ' '", AUTH_OK,
          "/dev/null /dev/null ");
    /* the C library keeps its own signals 32 and 33 ignored */
    check("exec grep -c -e '^SigBlk.*0000000$' -e '^SigIgn.*0000000$' /proc/self/status", AUTH_OK,
          "2");
    check("test $(cut -d' ' -f6 /proc/$$/stat) -eq $$ && echo own", AUTH_OK, "own");
    close(leak);
    signal(SIGPIPE, SIG_DFL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Standard descriptors closed in the daemon do not confuse the child's. */
static void test_closed_standard_input(void **state)
{
    int keep = fcntl(0, F_DUPFD_CLOEXEC, 10);
    close(0);
    check("echo hunter2", AUTH_OK, "hunter2");
    if (keep >= 0) {
        dup2(keep, 0);
        close(keep);
    }
}

static int open_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void test_nothing_left(void **state)
{
    int before = open_descriptors();
    check("echo hunter2", AUTH_OK, "hunter2");
    check("exit 3", AUTH_ERR_COMMAND, "status 3");
    free(run_within("sleep 60", 50, -1));
    assert_int_equal(open_descriptors(), before);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* ECHILD: no zombie */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_output),
        cmocka_unit_test(test_longest_secret),
        cmocka_unit_test(test_not_found),
        cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_timeout_ends_the_group),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_background_helper),
        cmocka_unit_test(test_surroundings),
        cmocka_unit_test(test_closed_standard_input),
        cmocka_unit_test(test_nothing_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
