/* cli/requests.c with what asks it (sync.c, outbox*.c, settle.c): a control server in this process,
 * commands in children, sync as told. The directory is no mount: the socket alone says that there
 * is a daemon. */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/requests.h"
#include "tests/unit/cli/child.h"
#include "tests/unit/cli/fakes.h"

static char base[] = "/tmp/outlookfs-requests-XXXXXX";
static struct control_server *server;
static struct requests requests;

#define ROW(id, state, name, reason)                                                               \
    "{\"id\":" #id ",\"kind\":\"append\",\"state\":\"" state "\",\"mailbox\":\"Archive\","         \
    "\"name\":\"" name "\",\"size\":2048,\"reason\":\"" reason "\",\"since\":1}"

static int start_as(bool silent)
{
    const struct control_source source = {.ctx = &requests, .take = requests_take};
    char why[CLI_TEXT_MAX];
    fake_journal = true;
    memset(fake_rows, 0, FAKE_ROWS * sizeof fake_rows[0]);
    requests_init(&requests, NULL, base, silent);
    fake_settle_later = false;
    fake_settle_error = fake_outbox_error = SYNC_OK;
    fake_outbox_text = fake_bytes = "";
    fake_outbox = "[]";
    fake_figures = (struct journal_figures){0};
    fake_detached = 0;
    server = control_server_start("me", base, &source, why);
    return server != NULL ? 0 : -1;
}

static int start(void **state)
{
    return start_as(true);
}

static int stop(void **state)
{
    control_server_detach(server);
    control_server_stop(&server);
    requests_destroy(&requests);
    return 0;
}

static void expect(const char *const *words, int code, const char *in_out, const char *in_err)
{
    char out[4096], err[4096];
    int got = child_run(base, words, out, err);
    if (got != code || strstr(out, in_out) == NULL || strstr(err, in_err) == NULL)
        fail_msg("%s %s: %d\n%s%s", words[0], words[2] != NULL ? words[2] : "", got, out, err);
    const char *end = strchr(err, '\n');
    if (in_err[0] == '\0' ? err[0] != '\0' : (end == NULL || end[1] != '\0'))
        fail_msg("not one line: %s", err);
}

/* One raw exchange. */
static void exchange(const char *request, const char *in_answer)
{
    char why[CLI_TEXT_MAX];
    struct buffer out;
    int fd = control_connect(base, NULL);
    assert_true(fd >= 0);
    buffer_init(&out, CONTROL_ANSWER_MAX);
    if (!control_exchange(fd, request, &out, why))
        fail_msg("%s", why);
    if (strstr(out.data, in_answer) == NULL)
        fail_msg("%s: %s", request, out.data);
    buffer_free(&out);
    close(fd);
}

static void test_answers(void **state)
{
    exchange("{\"cmd\":\"status\"}\n", "\"mountpoint\":\"/tmp/outlookfs-req");
    exchange("{\"cmd\":\"status\",\"format\":\"text\"}\n", "\"text\":\"fine\\n\"");
    exchange("{\"cmd\":\"pending\"}\n", "\"pending\":0");
    exchange("{\"cmd\":\"outbox\"}\n", "{\"outbox\":[]}");
    exchange("{\"cmd\":\"drop\"}\n", "an id is missing");
    exchange("{\"cmd\":\"save\",\"id\":1}\n", "a socket is missing");
    exchange("{\"cmd\":\"format\"}\n", "unknown command");
    exchange("{\"cmd\":7}\n", "unknown command");
    FAKE(fake_journal = false);
    exchange("{\"cmd\":\"pending\"}\n", "\"pending\":0");
    exchange("{\"cmd\":\"outbox\"}\n", "read-only");
    exchange("{\"cmd\":\"retry\",\"id\":1}\n", "read-only");
}

/* The paths come first, below DIR as it was written; then how it went. */
static void test_search(void **state)
{
    char out[4096], err[4096], dir[64], expected[128];
    snprintf(dir, sizeof dir, "%s//", base);
    assert_int_equal(child_run(base, (const char *[]){"search", dir, "a b", "c", NULL}, out, err),
                     0);
    snprintf(expected, sizeof expected, "%s/Inbox/a b c\n%s/Inbox/a b c\n", base, base);
    assert_string_equal(out, expected);
    assert_non_null(strstr(err, "the answer is partial: so so"));
    assert_int_equal(
        child_run(base, (const char *[]){"search", "-0", base, "--", "-x", NULL}, out, err), 0);
    snprintf(expected, sizeof expected, "%s/Inbox/-x", base);
    assert_string_equal(out, expected);
    assert_string_equal(out + strlen(out) + 1, expected);
    expect((const char *[]){"search", base, "", NULL}, CLI_USAGE, "", "the query is empty");
    expect((const char *[]){"search", base, NULL}, CLI_USAGE, "", "a directory and a query");
    expect((const char *[]){"search", base, "-x", NULL}, CLI_USAGE, "", "unknown option -x");
    exchange("{\"cmd\":\"search\",\"query\":\"x\"}\n", "a socket is missing");
    exchange("{\"cmd\":\"explain\",\"query\":\"x\"}\n", "{\"query\":\"x\"}");
}

/* Leaves this process one descriptor to be had, and gives the limit as it was. poll(2) wants the
 * limit to be no lower than what it is asked to look at: hence the fillers. */
enum { FILLERS = 2 * CONTROL_CLIENTS };
static struct rlimit limit_descriptors(int fillers[FILLERS])
{
    struct rlimit limit, lower;
    for (int i = 0; i < FILLERS; i++)
        assert_true((fillers[i] = dup(0)) >= 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    lower = limit;
    lower.rlim_cur = (rlim_t)fillers[FILLERS - 1] + 2;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &lower), 0);
    return limit;
}

/* A search takes the socket that came with it over, and so needs no descriptor of its own: without
 * one to be had it finds what it finds. */
static void test_search_short_of_descriptors(void **state)
{
    char why[CLI_TEXT_MAX], paths[64] = "";
    int ends[2], fillers[FILLERS], fd = control_connect(base, NULL);
    struct buffer out;
    buffer_init(&out, CONTROL_ANSWER_MAX);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_true(control_exchange(fd, "{\"cmd\":\"status\"}\n", &out, why)); /* it was accepted */
    buffer_clear(&out);
    struct rlimit limit = limit_descriptors(fillers);
    assert_true(control_send(fd, "{\"cmd\":\"search\",\"query\":\"x\"}\n", ends[1], why));
    assert_int_equal(control_receive(fd, &out, CONTROL_PATIENCE_MS, why), CONTROL_ANSWER);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    for (int i = 0; i < FILLERS; i++)
        close(fillers[i]);
    assert_non_null(strstr(out.data, "\"found\":2"));
    assert_int_equal(recv(ends[0], paths, 16, MSG_WAITALL), 16);
    assert_memory_equal(paths, "Inbox/x\0Inbox/x", 16);
    buffer_free(&out);
    close(fd);
    close(ends[0]);
    close(ends[1]);
}

/* Detaching the server waits for every call, so it ends only if the search does. */
static void test_search_given_up(void **state)
{
    char why[CLI_TEXT_MAX];
    int ends[2], fd = control_connect(base, NULL);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_true(control_send(fd, "{\"cmd\":\"search\",\"query\":\"wait\"}\n", ends[1], why));
    close(ends[1]);
    close(fd);
    assert_int_equal(read(ends[0], why, 1), 0);
    close(ends[0]);
}

#define REFUSED "[" ROW(4, "refused", "x.eml", "too big") "]"
#define WAITING "[" ROW(4, "intent", "x.eml", "") "]"

static void test_sync(void **state)
{
    static const struct {
        enum sync_error error;
        enum journal_state state; /* of 4 */
        const char *outbox;
        int code;
        const char *err;
    } rows[] = {
        {SYNC_OK,              JOURNAL_NONE,       "[]",    0, ""                             },
        {SYNC_ERR_READONLY,    JOURNAL_NONE,       "[]",    0, ""                             },
        {SYNC_ERR_REFUSED,     JOURNAL_REFUSED,    REFUSED, 5, "append x.eml, Archive is refu"},
        {SYNC_OK,              JOURNAL_REFUSED,    REFUSED, 0, ""                             },
        {SYNC_OK,              JOURNAL_INTENT,     REFUSED, 0, ""                             },
        {SYNC_OK,              JOURNAL_HELD,       REFUSED, 5, "too big; outlookfs outbox "   },
        {SYNC_OK,              JOURNAL_UNFINISHED, REFUSED, 0, ""                             },
        {SYNC_ERR_UNREACHABLE, JOURNAL_INTENT,     WAITING, 4, "1 change is still to be sent" },
        {SYNC_ERR_AUTH,        JOURNAL_NONE,       "[]",    3, "no room; outlookfs outbox"    },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *const words[] = {"sync", base, NULL};
        FAKE(fake_settle_error = rows[i].error);
        FAKE(fake_outbox = rows[i].outbox);
        FAKE(fake_rows[0] = (struct journal_row){.id = 4, .state = rows[i].state});
        FAKE(fake_figures = (struct journal_figures){0});
        FAKE(fake_figures.rows[JOURNAL_INTENT] = rows[i].state == JOURNAL_INTENT);
        expect(words, rows[i].code, "", rows[i].err);
    }
}

/* What failed is told once; with commit=server whoever did it was told, and sync has nothing to
 * add.
 */
static void test_failed(void **state)
{
    const struct journal_row two[] = {
        {.id = 4, .state = JOURNAL_REFUSED},
        {.id = 9, .state = JOURNAL_HELD   },
    };
    FAKE(memcpy(fake_rows, two, sizeof two));
    exchange("{\"cmd\":\"failed\"}\n", "{\"failed\":2,\"first\":4}");
    exchange("{\"cmd\":\"failed\"}\n", "{\"failed\":0,\"first\":0}");
    FAKE(fake_rows[2] = (struct journal_row){.id = 10, .state = JOURNAL_REFUSED});
    FAKE(fake_outbox = "[" ROW(10, "refused", "y.eml", "no") "]");
    const char *const words[] = {"sync", base, NULL};
    expect(words, 5, "", "append y.eml, Archive is refused: no; outlookfs outbox");
    stop(state);
    start_as(false);
    FAKE(fake_rows[3] = (struct journal_row){.id = 11, .state = JOURNAL_REFUSED});
    exchange("{\"cmd\":\"failed\"}\n", "{\"failed\":0,\"first\":0}");
}

/* A wait that is given up is detached, and one that stands is when the mount goes. */
static void test_sync_given_up(void **state)
{
    char why[CLI_TEXT_MAX];
    struct buffer out;
    buffer_init(&out, CONTROL_ANSWER_MAX);
    FAKE(fake_settle_later = true);
    int fd = control_connect(base, NULL);
    assert_true(control_send(fd, "{\"cmd\":\"sync\"}\n", -1, why));
    exchange("{\"cmd\":\"pending\"}\n", "\"pending\":0");
    control_server_detach(server);
    assert_int_equal(control_receive(fd, &out, CONTROL_PATIENCE_MS, why), CONTROL_ANSWER);
    assert_non_null(strstr(out.data, "going away"));
    unsigned detached;
    FAKE(detached = fake_detached);
    assert_int_equal(detached, 1);
    buffer_free(&out);
    close(fd);
}

/* Whether the process has a handler for SIGINT. */
static bool takes_interrupts(pid_t pid)
{
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    const char *caught = strstr(text, "SigCgt:");
    return caught != NULL && (strtoull(caught + 7, NULL, 16) >> (SIGINT - 1) & 1) != 0;
}

/* Ctrl-C ends the wait with a line, as an interrupt does; the daemon hears of it. */
static void test_interrupt(void **state)
{
    char text[256];
    int files[2], status = 0;
#ifdef __SANITIZE_THREAD__
    skip(); /* TSan holds back signals to a child that was forked beside threads */
#endif
    FAKE(fake_settle_later = true);
    assert_int_equal(pipe(files), 0);
    pid_t child = fork();
    if (child == 0) {
        char *argv[] = {(char[]){"outlookfs"}, (char[]){"sync"}, base, NULL};
        signal(SIGINT, SIG_DFL);
        dup2(files[1], STDERR_FILENO);
        _exit((int)command_main(3, argv));
    }
    close(files[1]);
    while (!takes_interrupts(child) && waitpid(child, &status, WNOHANG) == 0)
        sched_yield();
    kill(child, SIGINT);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
    ssize_t n = read(files[0], text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    assert_string_equal(text, "\noutlookfs: no longer waiting; the changes go on by themselves\n");
    close(files[0]);
}

static void test_list(void **state)
{
    const char *const words[] = {"outbox", base, NULL}, *const same[] = {"outbox", base, "list",
                                                                         NULL};
    const char *const json[] = {"outbox", base, "--json", NULL};
    char out[4096], err[4096];
    expect(words, 0, "the outbox is empty\n", "");
    FAKE(fake_outbox = "[" ROW(
             4, "refused", "x\\u001b[m.eml",
             "too big") ","
                        "{\"id\":1000,\"kind\":\"create\",\"state\":\"intent\",\"since\":1}]");
    expect(same, 0, "4     append  refused  ", "");
    assert_int_equal(child_run(base, words, out, err), 0);
    assert_non_null(strstr(out, "ID    KIND    STATE    AGE      SIZE    MAILBOX  NAME"));
    assert_non_null(strstr(out, "  2.0 kB  Archive  x?[m.eml  too big\n"));
    assert_non_null(strstr(out, "1000  create  intent   "));
    assert_null(strstr(out, " \n"));
    assert_int_equal(child_run(base, json, out, err), 0);
    assert_ptr_equal(strstr(out, "{\"id\":4,"), out);
    assert_non_null(strstr(out, "}\n{\"id\":1000,"));
}

static int64_t dropped(void)
{
    int64_t id;
    FAKE(id = fake_dropped);
    return id;
}

static void test_drop_and_retry(void **state)
{
    const char *const drop[] = {"outbox", base, "drop", "4", NULL};
    const char *const retry[] = {"outbox", base, "retry", "4", NULL};
    expect(drop, 1, "", "there is no 4 in the outbox");
    assert_int_equal(dropped(), 0);
    FAKE(fake_outbox = "[" ROW(4, "refused", "x.eml", "too big") "]");
    expect(drop, 0, "4 dropped: append x.eml, Archive\n", "");
    assert_int_equal(dropped(), 4);
    expect(retry, 5, "", "4 (append x.eml, Archive) is refused: too big; outlookfs outbox");
    int64_t retried;
    FAKE(retried = fake_retried);
    assert_int_equal(retried, 4);
    FAKE(fake_settle_error = SYNC_ERR_UNREACHABLE);
    expect(retry, 4, "", "is refused: too big");
    FAKE(fake_outbox_error = SYNC_ERR_BUSY);
    FAKE(fake_outbox_text = "it is being written");
    expect(retry, 1, "", "it is being written");
    expect(drop, 1, "", "it is being written");
}

static void test_save(void **state)
{
    enum { LENGTH = 300000 };
    char file[64], out[4096], err[4096];
    char *bytes = malloc(LENGTH + 1), *got = malloc(LENGTH + 1);
    assert_true(bytes != NULL && got != NULL);
    memset(bytes, 'x', LENGTH);
    strcpy(bytes + LENGTH - 4, "end");
    bytes[LENGTH - 1] = '\n';
    bytes[LENGTH] = '\0';
    snprintf(file, sizeof file, "%s/saved", base);
    const char *const words[] = {"outbox", base, "save", "4", file, NULL};
    const char *const shown[] = {"outbox", base, "save", "4", "-", NULL};

    FAKE(fake_bytes = bytes);
    expect(words, 0, "", "");
    struct stat st;
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(st.st_size, LENGTH);
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    assert_int_equal(read(fd, got, LENGTH), LENGTH);
    assert_memory_equal(got, bytes, LENGTH);
    close(fd);
    expect(words, 1, "", "is left as it is; name another file");
    assert_int_equal(stat(file, &st), 0);
    unlink(file);

    FAKE(fake_outbox_error = SYNC_ERR_CACHE);
    FAKE(fake_outbox_text = "the bytes are damaged");
    expect(words, 1, "", "4 was not saved: the bytes are damaged");
    assert_int_equal(stat(file, &st), -1);
    FAKE(fake_outbox_error = SYNC_OK);
    FAKE(fake_outbox_text = "");
    FAKE(fake_bytes = "Subject: x\r\n\r\n");
    assert_int_equal(child_run(base, shown, out, err), 0);
    assert_string_equal(out, "Subject: x\r\n\r\n");
    free(bytes);
    free(got);
}

/* Whoever takes nothing more holds up neither others nor the end of the mount. */
static void test_save_stuck(void **state)
{
    enum { LENGTH = 4 << 20 };
    char why[CLI_TEXT_MAX], *bytes = malloc(LENGTH + 1);
    int ends[2];
    assert_non_null(bytes);
    memset(bytes, 'x', LENGTH);
    bytes[LENGTH] = '\0';
    FAKE(fake_bytes = bytes);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    int fd = control_connect(base, NULL);
    assert_true(control_send(fd, "{\"cmd\":\"save\",\"id\":1}\n", ends[1], why));
    close(ends[1]);
    assert_int_equal(read(ends[0], why, 1), 1);
    exchange("{\"cmd\":\"status\"}\n", "\"pid\"");
    control_server_detach(server);
    close(ends[0]);
    close(fd);
    free(bytes);
}

static int make_base(void **state)
{
    if (mkdtemp(base) == NULL)
        return -1;
    setenv("HOME", base, 1);
    setenv("XDG_RUNTIME_DIR", base, 1);
    setenv("XDG_STATE_HOME", base, 1);
    return 0;
}

static int remove_base(void **state)
{
    char path[64];
    snprintf(path, sizeof path, "%s/outlookfs", base);
    rmdir(path);
    return rmdir(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_answers, start, stop),
        cmocka_unit_test_setup_teardown(test_search, start, stop),
        cmocka_unit_test_setup_teardown(test_search_short_of_descriptors, start, stop),
        cmocka_unit_test_setup_teardown(test_search_given_up, start, stop),
        cmocka_unit_test_setup_teardown(test_sync, start, stop),
        cmocka_unit_test_setup_teardown(test_failed, start, stop),
        cmocka_unit_test_setup_teardown(test_sync_given_up, start, stop),
        cmocka_unit_test_setup_teardown(test_interrupt, start, stop),
        cmocka_unit_test_setup_teardown(test_list, start, stop),
        cmocka_unit_test_setup_teardown(test_drop_and_retry, start, stop),
        cmocka_unit_test_setup_teardown(test_save, start, stop),
        cmocka_unit_test_setup_teardown(test_save_stuck, start, stop),
    };
    return cmocka_run_group_tests(tests, make_base, remove_base);
}
