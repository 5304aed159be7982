/* cli/control_*.c: the socket, its answers, and clients that mean no good. */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/control.h"
#include "cli/report.h"

static char runtime[200]; /* longer than sun_path: 108 */

static bool fake_json(void *ctx, struct buffer *out)
{
    return buffer_append_text(out, ctx);
}

static bool fake_text(void *ctx, struct buffer *out)
{
    return buffer_append_text(out, "fine\n");
}

static const struct control_source source = {
    .ctx = (char[]){"{\"account\":\"me\",\"pid\":1}"}, .json = fake_json, .text = fake_text};

static void test_answers(void **state)
{
    const struct control_source broken = {
        .ctx = (char[]){"[not json"}, .json = fake_json, .text = fake_text};
    const struct {
        const char *line;
        const struct control_source *source;
        const char *expect;
    } rows[] = {
        {"{\"cmd\":\"status\"}",                     &source, "\"account\":\"me\""          },
        {"{\"cmd\":\"status\"}",                     &source, "\"mountpoint\":\"/m\""       },
        {"{\"cmd\":\"status\",\"format\":\"text\"}", &source, "\"text\":\"fine\\n\""        },
        {"{\"cmd\":\"status\"}",                     NULL,    "\"error\":\"the mount is goi"},
        {"{\"cmd\":\"status\"}",                     &broken, "\"error\":\"the state"       },
        {"{\"cmd\":\"format\"}",                     &source, "\"error\":\"unknown command" },
        {"{\"cmd\":7}",                              &source, "\"error\":\"unknown command" },
        {"{}",                                       &source, "\"error\":\"unknown command" },
        {"[]",                                       &source, "\"error\":\"not a JSON"      },
        {"",                                         &source, "\"error\":\"not a JSON"      },
        {"\x01\xff{{{",                              &source, "\"error\":\"not a JSON"      },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buffer out;
        buffer_init(&out, CONTROL_ANSWER_MAX);
        assert_true(control_answer(rows[i].line, strlen(rows[i].line), "/m", rows[i].source, &out));
        if (strstr(out.data, rows[i].expect) == NULL)
            fail_msg("%s: %s", rows[i].line, out.data);
        assert_ptr_equal(memchr(out.data, '\n', out.len), out.data + out.len - 1);
        assert_null(strstr(out.data, "\"pid\":1}"));
        buffer_free(&out);
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
    exchange(fd, "\"mountpoint\":\"/m t\"");
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
 * every place: none of them keeps a decent client from its answer for longer than the patience. */
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
    struct buffer out;
    buffer_init(&out, CONTROL_ANSWER_MAX);
    bool answered = false;
    for (int i = 0; i < 3 && !answered; i++)
        answered = control_exchange(decent, i == 0 ? "{\"cmd\":\"status\"}\n" : "", &out, why);
    assert_true(answered);
    assert_true(clock_ms() - start < 3 * CONTROL_PATIENCE_MS);
    buffer_free(&out);
    for (size_t i = 0; i < sizeof silent / sizeof silent[0]; i++)
        close(silent[i]);
    const int fds[] = {flood, garbage, deaf, half, decent};
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        close(fds[i]);
    control_server_stop(&server);
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
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_server),
        cmocka_unit_test(test_hostile_clients),
        cmocka_unit_test(test_dead_daemon),
    };
    return cmocka_run_group_tests(tests, make_runtime, remove_runtime);
}
