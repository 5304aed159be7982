/* cli/control_*.c: the socket, its answers, and clients that mean no good. */
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/control.h"
#include "cli/report.h"

static char runtime[200]; /* longer than sun_path: 108 */

/* Answers {"account":"me"}, or, to {"cmd":"later"}, keeps the call; what comes along is written to.
 */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct control_call *call; /* all protected by lock */
    unsigned cancelled;
    bool final; /* what cancel returns */
} later = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .final = true};

static bool cancel(void *ctx, uint64_t ticket)
{
    assert_true(ticket == 7);
    pthread_mutex_lock(&later.lock);
    later.cancelled++;
    pthread_cond_broadcast(&later.changed);
    bool final = later.final;
    pthread_mutex_unlock(&later.lock);
    return final;
}

static void fake_take(void *ctx, struct control_request *request, struct control_call *call)
{
    if (request->fd >= 0)
        assert_int_equal(write(request->fd, "hello", 5), 5);
    if (strcmp(request->cmd, "later") == 0) {
        control_call_cancel_by(call, cancel, ctx, 7);
        pthread_mutex_lock(&later.lock);
        later.call = call;
        pthread_cond_broadcast(&later.changed);
        pthread_mutex_unlock(&later.lock);
        return;
    }
    if (strcmp(request->cmd, "status") != 0) {
        control_call_fail(call, "unknown command", CLI_OTHER);
        return;
    }
    struct buffer line;
    buffer_init(&line, CONTROL_ANSWER_MAX);
    assert_true(buffer_append_text(&line, ctx));
    control_call_answer(call, &line);
}

static const struct control_source source = {.ctx = (char[]){"{\"account\":\"me\"}"},
                                             .take = fake_take};

static void test_requests(void **state)
{
    static const struct {
        const char *line, *error, *cmd, *format;
        int64_t id;
    } rows[] = {
        {"{\"cmd\":\"status\"}",                     NULL,       "status", "",     0               },
        {"{\"cmd\":\"status\",\"format\":\"text\"}", NULL,       "status", "text", 0               },
        {"{\"cmd\":\"drop\",\"id\":12}",             NULL,       "drop",   "",     12              },
        {"{\"cmd\":\"x\",\"id\":9007199254740992}",  NULL,       "x",      "",     9007199254740992},
        {"{\"cmd\":\"x\",\"id\":1e300}",             NULL,       "x",      "",     0               },
        {"{\"cmd\":\"x\",\"id\":-1}",                NULL,       "x",      "",     0               },
        {"{\"cmd\":\"x\",\"id\":\"1\"}",             NULL,       "x",      "",     0               },
        {"{\"cmd\":7}",                              NULL,       "",       "",     0               },
        {"{}",                                       NULL,       "",       "",     0               },
        {"[]",                                       "not a JS", "",       "",     0               },
        {"",                                         "not a JS", "",       "",     0               },
        {"\x01\xff{{{",                              "not a JS", "",       "",     0               },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct control_request request;
        const char *error = control_request_parse(rows[i].line, strlen(rows[i].line), &request);
        assert_int_equal(error != NULL, rows[i].error != NULL);
        assert_string_equal(request.cmd, rows[i].cmd);
        assert_string_equal(request.format, rows[i].format);
        assert_true(request.id == rows[i].id);
        assert_int_equal(request.fd, -1);
    }
}

static void exchange(int fd, const char *expect)
{
    char why[CLI_TEXT_MAX] = "";
    struct buffer out;
    buffer_init(&out, CONTROL_ANSWER_MAX);
    if (!control_exchange(fd, "{\"cmd\":\"status\"}\n", &out, why))
        fail_msg("%s", why);
    assert_non_null(strstr(out.data, expect));
    buffer_free(&out);
}

static void count_and_close(void *ctx, int fd)
{
    ++*(unsigned *)ctx;
    close(fd);
}

/* Whether the server closed its end. */
static bool closed(int fd)
{
    char bytes[65536];
    ssize_t n;
    do
        n = recv(fd, bytes, sizeof bytes, 0);
    while (n > 0);
    return n == 0 || n == -1;
}

static void test_server(void **state)
{
    char why[CLI_TEXT_MAX] = "";
    struct control_server *server = control_server_start("me", "/m t", &source, why);
    if (server == NULL)
        fail_msg("%s", why);
    struct stat st;
    char path[256], name[CONTROL_NAME_MAX];
    control_name("/m t", name);
    snprintf(path, sizeof path, "%s/outlookfs/%s", runtime, name);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    pid_t pid = 0;
    int fd = control_connect("/m t", &pid);
    assert_true(fd >= 0);
    assert_int_equal(pid, getpid());
    exchange(fd, "\"account\":\"me\"");
    exchange(fd, "\"account\":\"me\"");
    assert_int_equal(control_connect("/other", NULL), -1);
    unsigned seen = 0;
    assert_int_equal(control_each(count_and_close, &seen), 1);
    assert_int_equal(seen, 1);
    control_server_detach(server);
    exchange(fd, "going away");
    control_server_stop(&server);
    assert_null(server);
    assert_true(closed(fd));
    close(fd);
    assert_int_equal(stat(path, &st), -1);
    assert_int_equal(control_connect("/m t", NULL), -1);
}

/* A flood of bytes without a newline, garbage, a client that never reads, and silent ones that take
 * every place: none of them keeps a decent client from its answer. */
static void test_hostile_clients(void **state)
{
    char why[CLI_TEXT_MAX];
    struct control_server *server = control_server_start("me", "/m", &source, why);
    assert_non_null(server);
    int flood = control_connect("/m", NULL), garbage = control_connect("/m", NULL);
    int deaf = control_connect("/m", NULL), half = control_connect("/m", NULL);
    assert_true(flood >= 0 && garbage >= 0 && deaf >= 0 && half >= 0);
    char bytes[8192];
    memset(bytes, 'x', sizeof bytes);
    assert_true(send(flood, bytes, sizeof bytes, MSG_NOSIGNAL) > 0);
    fcntl(flood, F_SETFL, 0);
    assert_true(closed(flood));
    assert_true(send(garbage, "\0\xff[[[\n", 7, MSG_NOSIGNAL) == 7);
    exchange(garbage, "not a JSON object");
    for (int i = 0; i < 20000; i++)
        if (send(deaf, "{\"cmd\":\"status\"}\n", 17, MSG_NOSIGNAL) < 0)
            break;
    assert_true(send(half, "{\"cmd\"", 6, MSG_NOSIGNAL) == 6);
    int decent = control_connect("/m", NULL);
    exchange(decent, "\"account\":\"me\"");
    close(decent);
    int silent[CONTROL_CLIENTS + 4];
    for (size_t i = 0; i < sizeof silent / sizeof silent[0]; i++)
        silent[i] = control_connect("/m", NULL);
    int64_t start = clock_ms();
    decent = control_connect("/m", NULL);
    assert_true(decent >= 0);
    exchange(decent, "\"account\":\"me\"");
    assert_true(clock_ms() - start < CONTROL_PATIENCE_MS / 2);
    for (size_t i = 0; i < sizeof silent / sizeof silent[0]; i++)
        close(silent[i]);
    const int fds[] = {flood, garbage, deaf, half, decent};
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        close(fds[i]);
    control_server_stop(&server);
}

/* Connects, asks, and is answered; returns how long that took, ms. */
static int64_t ask_once(void)
{
    int64_t start = clock_ms();
    int fd = control_connect("/m", NULL);
    assert_true(fd >= 0);
    exchange(fd, "\"account\":\"me\"");
    close(fd);
    return clock_ms() - start;
}

/* Far more connections than places and backlog hold, all open and idle, some in the middle of a
 * request: whoever asks, while they come and when they are there, is answered at once. */
static void test_many_idle_clients(void **state)
{
    enum { IDLE = 400 };
    char why[CLI_TEXT_MAX], byte;
    struct control_server *server = control_server_start("me", "/m", &source, why);
    assert_non_null(server);
    int idle[IDLE];
    int64_t slowest = 0;
    for (int i = 0; i < IDLE; i++) {
        idle[i] = control_connect("/m", NULL);
        assert_true(idle[i] >= 0);
        if (i % 2 == 0) /* it may be gone already */
            (void)!send(idle[i], "{\"cmd\"", 6, MSG_NOSIGNAL);
        int64_t took = i % 8 == 0 || i > IDLE - 20 ? ask_once() : 0;
        slowest = took > slowest ? took : slowest;
    }
    assert_true(slowest < CONTROL_PATIENCE_MS / 2);
    int gone = 0;
    for (int i = 0; i < IDLE; i++) {
        gone += recv(idle[i], &byte, 1, MSG_DONTWAIT) == 0 || errno == ECONNRESET;
        close(idle[i]);
    }
    assert_true(gone >= IDLE - CONTROL_CLIENTS);
    control_server_stop(&server);
}

/* A process of its own, with `spare` descriptors left; ends when the pipe is closed. */
static pid_t start_short_of_descriptors(int spare, int *alive)
{
    int ends[2];
    char byte = 0;
    assert_int_equal(pipe(ends), 0);
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        char why[CLI_TEXT_MAX];
        close(ends[1]);
        struct control_server *server = control_server_start("me", "/m", &source, why);
        int next = dup(0);
        while (next < 2 * CONTROL_CLIENTS) /* poll(2) takes no more entries than the limit says */
            next = dup(0);
        close(next);
        struct rlimit limit;
        getrlimit(RLIMIT_NOFILE, &limit);
        limit.rlim_cur = (rlim_t)(unsigned)next + (rlim_t)(unsigned)spare;
        if (server == NULL || setrlimit(RLIMIT_NOFILE, &limit) != 0 || write(ready[1], "r", 1) != 1)
            _exit(1);
        (void)!read(ends[0], &byte, 1);
        struct rusage used;
        getrusage(RUSAGE_SELF, &used);
        control_server_stop(&server);
        _exit(used.ru_utime.tv_sec + used.ru_stime.tv_sec >= 1 ? 2 : 0);
    }
    close(ends[0]);
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    *alive = ends[1];
    return child;
}

/* No descriptors for as many clients as there are places: the idle ones give theirs. With none at
 * all nobody is served, but time is not burnt. */
static void test_no_descriptors(void **state)
{
    enum { IDLE = 8 };
    for (int spare = 3; spare >= 0; spare -= 3) {
        int alive, idle[IDLE], status;
        pid_t child = start_short_of_descriptors(spare, &alive);
        for (int i = 0; i < IDLE; i++) {
            idle[i] = control_connect("/m", NULL);
            assert_true(idle[i] >= 0);
        }
        int64_t start = clock_ms();
        int decent = control_connect("/m", NULL);
        if (spare > 0)
            exchange(decent, "\"account\":\"me\"");
        else
            poll(NULL, 0, 1500);
        assert_true(clock_ms() - start < CONTROL_PATIENCE_MS / 2);
        close(decent);
        for (int i = 0; i < IDLE; i++)
            close(idle[i]);
        close(alive);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
}

/* A daemon that was killed leaves its socket behind: clients remove it, a new daemon replaces it.
 */
static void test_dead_daemon(void **state)
{
    char dir[256], name[CONTROL_NAME_MAX], why[CLI_TEXT_MAX];
    snprintf(dir, sizeof dir, "%s/outlookfs", runtime);
    struct sockaddr_un address;
    int dirfd = open(dir, O_RDONLY | O_DIRECTORY);
    assert_true(dirfd >= 0);
    control_name("/dead", name);
    control_address(dirfd, name, &address);
    for (int round = 0; round < 2; round++) {
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
        close(fd);
        if (round == 0) {
            assert_int_equal(control_connect("/dead", NULL), -1);
            assert_int_equal(faccessat(dirfd, name, F_OK, 0), -1);
        } else {
            struct control_server *server = control_server_start("me", "/dead", &source, why);
            assert_non_null(server);
            control_server_stop(&server);
        }
    }
    close(dirfd);
}

/* ---- answers that come later ---- */

static int ask_later(struct control_call **call)
{
    char why[CLI_TEXT_MAX];
    int fd = control_connect("/m", NULL);
    assert_true(fd >= 0);
    assert_true(control_send(fd, "{\"cmd\":\"later\"}\n", -1, why));
    pthread_mutex_lock(&later.lock);
    while (later.call == NULL)
        pthread_cond_wait(&later.changed, &later.lock);
    *call = later.call;
    later.call = NULL;
    pthread_mutex_unlock(&later.lock);
    return fd;
}

static void wait_cancelled(unsigned count)
{
    pthread_mutex_lock(&later.lock);
    while (later.cancelled < count)
        pthread_cond_wait(&later.changed, &later.lock);
    pthread_mutex_unlock(&later.lock);
}

static void answer(struct control_call *call, const char *text)
{
    struct buffer line;
    buffer_init(&line, CONTROL_ANSWER_MAX);
    assert_true(buffer_append_text(&line, text));
    control_call_answer(call, &line);
}

/* One that waits for longer than an idle client may is still there, keeps nobody waiting, is not
 * the one who makes room, and takes the next request on the same connection. */
static void test_later(void **state)
{
    char why[CLI_TEXT_MAX];
    struct control_call *call;
    struct buffer out;
    buffer_init(&out, CONTROL_ANSWER_MAX);
    struct control_server *server = control_server_start("me", "/m", &source, why);
    assert_non_null(server);
    int fd = ask_later(&call), idle[CONTROL_CLIENTS + 4];
    for (size_t i = 0; i < sizeof idle / sizeof idle[0]; i++)
        idle[i] = control_connect("/m", NULL);
    assert_true(ask_once() < CONTROL_PATIENCE_MS / 2);
    assert_int_equal(control_receive(fd, &out, CONTROL_PATIENCE_MS + 300, why), CONTROL_LATER);
    answer(call, "{\"done\":1}");
    assert_int_equal(control_receive(fd, &out, CONTROL_PATIENCE_MS, why), CONTROL_ANSWER);
    assert_string_equal(out.data, "{\"done\":1}");
    exchange(fd, "\"account\":\"me\"");
    for (size_t i = 0; i < sizeof idle / sizeof idle[0]; i++)
        close(idle[i]);
    close(fd);
    buffer_free(&out);
    control_server_stop(&server);
}

/* Whoever goes gives his request up; an answer that was on its way goes nowhere. */
static void test_given_up(void **state)
{
    char why[CLI_TEXT_MAX];
    struct control_call *call;
    struct control_server *server = control_server_start("me", "/m", &source, why);
    assert_non_null(server);
    for (unsigned i = 0; i < 2; i++) {
        later.cancelled = 0;
        later.final = i == 0;
        close(ask_later(&call));
        wait_cancelled(1);
        if (i == 1)
            answer(call, "{}");
        assert_true(ask_once() < CONTROL_PATIENCE_MS / 2);
    }
    later.final = true;
    control_server_detach(server);
    control_server_stop(&server);
}

static void *answer_after_cancel(void *call)
{
    wait_cancelled(2);
    answer(call, "{\"late\":1}");
    return NULL;
}

/* Detach ends what can be ended and waits for the rest; both clients hear of it. */
static void test_detach(void **state)
{
    char why[CLI_TEXT_MAX];
    struct control_call *calls[2];
    pthread_t thread;
    struct control_server *server = control_server_start("me", "/m", &source, why);
    assert_non_null(server);
    int fds[] = {ask_later(&calls[0]), ask_later(&calls[1])};
    later.cancelled = 0;
    later.final = false;
    pthread_create(&thread, NULL, answer_after_cancel, calls[1]);
    pthread_t other;
    pthread_create(&other, NULL, answer_after_cancel, calls[0]);
    control_server_detach(server);
    pthread_join(thread, NULL);
    pthread_join(other, NULL);
    for (size_t i = 0; i < 2; i++) {
        struct buffer out;
        buffer_init(&out, CONTROL_ANSWER_MAX);
        assert_int_equal(control_receive(fds[i], &out, CONTROL_PATIENCE_MS, why), CONTROL_ANSWER);
        assert_string_equal(out.data, "{\"late\":1}");
        buffer_free(&out);
        exchange(fds[i], "going away");
        close(fds[i]);
    }
    later.final = true;
    control_server_stop(&server);

    server = control_server_start("me", "/m", &source, why);
    assert_non_null(server);
    int fd = ask_later(&calls[0]);
    control_server_detach(server);
    struct buffer out;
    buffer_init(&out, CONTROL_ANSWER_MAX);
    assert_int_equal(control_receive(fd, &out, CONTROL_PATIENCE_MS, why), CONTROL_ANSWER);
    assert_non_null(strstr(out.data, "going away"));
    buffer_free(&out);
    close(fd);
    control_server_stop(&server);
}

/* A descriptor reaches the request that it came with, and is closed after it. */
static void test_descriptor(void **state)
{
    char why[CLI_TEXT_MAX], bytes[8];
    int ends[2];
    struct buffer out;
    struct control_server *server = control_server_start("me", "/m", &source, why);
    assert_non_null(server);
    int fd = control_connect("/m", NULL);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    buffer_init(&out, CONTROL_ANSWER_MAX);
    assert_true(control_send(fd, "{\"cmd\":\"status\"}\n", ends[1], why));
    close(ends[1]);
    assert_int_equal(control_receive(fd, &out, CONTROL_PATIENCE_MS, why), CONTROL_ANSWER);
    assert_int_equal(read(ends[0], bytes, sizeof bytes), 5);
    assert_int_equal(read(ends[0], bytes, sizeof bytes), 0);
    close(ends[0]);
    exchange(fd, "\"account\":\"me\"");
    close(fd);
    buffer_free(&out);
    control_server_stop(&server);
}

static int make_runtime(void **state)
{
    char base[] = "/tmp/outlookfs-control-XXXXXX";
    if (mkdtemp(base) == NULL)
        return -1;
    snprintf(runtime, sizeof runtime, "%s/%0120d", base, 0);
    setenv("XDG_RUNTIME_DIR", runtime, 1);
    setenv("XDG_STATE_HOME", base, 1);
    return mkdir(runtime, 0700);
}

static int remove_runtime(void **state)
{
    char path[256];
    snprintf(path, sizeof path, "%s/outlookfs", runtime);
    rmdir(path);
    rmdir(runtime);
    *strrchr(runtime, '/') = '\0';
    return rmdir(runtime);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),        cmocka_unit_test(test_server),
        cmocka_unit_test(test_hostile_clients), cmocka_unit_test(test_many_idle_clients),
        cmocka_unit_test(test_no_descriptors),  cmocka_unit_test(test_dead_daemon),
        cmocka_unit_test(test_later),           cmocka_unit_test(test_given_up),
        cmocka_unit_test(test_detach),          cmocka_unit_test(test_descriptor),
    };
    return cmocka_run_group_tests(tests, make_runtime, remove_runtime);
}
