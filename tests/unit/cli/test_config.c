/* cli/config.c: every error names the file, the line and the key; what is remembered is kept whole.
 */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/config.h"
#include "cli/report.h"

static bool apply(const char *text, struct mount_options *options, char *why)
{
    char path[] = "/tmp/outlookfs-config-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    bool good = config_apply(path, "me@x", options, why);
    if (!good && strstr(why, path) == NULL)
        fail_msg("the file is not named: %s", why);
    unlink(path);
    return good;
}

static void test_good(void **state)
{
    char why[CLI_TEXT_MAX];
    struct mount_options options;
    options_init(&options);
    assert_true(apply("{\"accounts\": {\n\"other\": {\"host\": 5},\n\"me@x\": {\"host\": \"h\",\n"
                      "\"port\": 1993, \"debug\": true, \"subscribed\": false,\n"
                      "\"token_command\": [\"pass\", \"show\", \"x y\"], \"cache_size\": \"1G\",\n"
                      "\"allow_other\": true, \"context\": \"a,b\"}}}\n",
                      &options, why));
    assert_string_equal(options.host, "h");
    assert_int_equal(options.port, 1993);
    assert_true(options.debug);
    assert_false(options.subscribed);
    assert_string_equal(options.token_command.argv[2], "x y");
    assert_true(options.cache_size == 1 << 30);
    assert_string_equal(options.fuse.data, "allow_other,context=a\\,b");
    options_free(&options);
}

static void test_absent(void **state)
{
    char why[CLI_TEXT_MAX];
    struct mount_options options;
    options_init(&options);
    assert_true(config_apply("/nonexistent/accounts.json", "me@x", &options, why));
    assert_true(apply("{}", &options, why));
    assert_true(apply("{\"accounts\": {}}", &options, why));
    assert_true(options.given == 0);
    options_free(&options);
}

static void test_errors(void **state)
{
    static const struct {
        const char *text, *line, *cause;
    } rows[] = {
        {"",                                                              ":1:", "JSON"          },
        {"{\n\"accounts\": {\n,}}",                                       ":3:", "JSON"          },
        {"{} x",                                                          ":1:", "JSON"          },
        {"[]",                                                            ":1:", "accounts"      },
        {"{\"accounts\": 7}",                                             ":1:", "accounts"      },
        {"{\"accounts\": {\n\"me@x\": 7}}",                               ":2:", "object"        },
        {"{\"accounts\": {\n\"me@x\":\n{\"hots\": \"h\"}}}",              ":3:", "hots"          },
        {"{\"accounts\":{\"a\":{\"port\":1},\n\"me@x\":{\n\"port\":0}}}", ":3:", "port"          },
        {"{\"accounts\":{\"me@x\":{\n\"port\":1.5}}}",                    ":2:", "whole number"  },
        {"{\"accounts\":{\"me@x\":{\n\"port\":-1}}}",                     ":2:", "whole number"  },
        {"{\"accounts\":{\"me@x\":{\n\"host\":null}}}",                   ":2:", "host"          },
        {"{\"accounts\":{\"me@x\":{\n\"host\":true}}}",                   ":2:", "needs a value" },
        {"{\"accounts\":{\"me@x\":{\n\n\"host\":[\"a\"]}}}",              ":3:", "list"          },
        {"{\"accounts\":{\"me@x\":{\n\"token_command\":[]}}}",            ":2:", "not empty"     },
        {"{\"accounts\":{\"me@x\":{\n\"token_command\":[1]}}}",           ":2:", "strings"       },
        {"{\"accounts\":{\"me@x\":{\n\"mark_seen\":1}}}",                 ":2:", "takes no value"},
        {"{\"accounts\":{\n\"me@x\":{\n\"port\":1,\"port\":2}}}",         ":3:", "twice"         },
        {"{\"accounts\":{\"me@x\":{\n\"\\u0000\":1}}}",                   "",    "unknown option"},
        {"{\"accounts\":{\"me@x\":{\n\"\":1}}}",                          ":2:", "unknown option"},
        {"{\"accounts\":{\n\"me@x\":{},\"me@x\":{\"port\":2}}}",          ":2:", "twice"         },
        {"{\"accounts\":{\n\"me@x\":{}},\"accounts\":{}}",                ":2:", "twice"         },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char why[CLI_TEXT_MAX] = "";
        struct mount_options options;
        options_init(&options);
        assert_false(apply(rows[i].text, &options, why));
        if (strstr(why, rows[i].line) == NULL || strstr(why, rows[i].cause) == NULL)
            fail_msg("%s: %s", rows[i].text, why);
        options_free(&options);
    }
}

static void test_hostile(void **state)
{
    char why[CLI_TEXT_MAX];
    struct mount_options options;
    options_init(&options);
    char *deep = malloc(100001);
    memset(deep, '[', 100000);
    deep[100000] = '\0';
    assert_false(apply(deep, &options, why));
    free(deep);
    assert_false(config_apply("/dev/zero", "me@x", &options, why));
    assert_false(config_apply("/", "me@x", &options, why));
    options_free(&options);
}

/* It may name commands to run: nobody else may write to it. */
static void test_not_our_own(void **state)
{
    char path[] = "/tmp/outlookfs-config-XXXXXX", why[CLI_TEXT_MAX];
    struct mount_options options;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "{}", 2), 2);
    options_init(&options);
    assert_true(config_apply(path, "me@x", &options, why));
    assert_int_equal(fchmod(fd, 0602), 0);
    assert_false(config_apply(path, "me@x", &options, why));
    assert_non_null(strstr(why, "others can write to it"));
    if (geteuid() == 0) {
        assert_int_equal(fchmod(fd, 0600), 0);
        assert_int_equal(fchown(fd, 65534, 65534), 0);
        assert_false(config_apply(path, "me@x", &options, why));
        assert_non_null(strstr(why, "another user's"));
    }
    options_free(&options);
    close(fd);
    unlink(path);
}

/* ---- what login sets down ---- */

static char folder[] = "/tmp/outlookfs-config-XXXXXX";
static char file[64];

static int set_up(void **state)
{
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(file, sizeof file, "%s/below/accounts.json", folder);
    return 0;
}

static int tear_down(void **state)
{
    unlink(file);
    *strrchr(file, '/') = '\0';
    rmdir(file);
    return rmdir(folder);
}

static bool remember(const char *account, const char *name, const char *value, char *why)
{
    struct config_pair pair = {.name = strdup(name), .value = strdup(value)};
    bool good = config_remember(file, account, &pair, 1, why);
    free(pair.name);
    free(pair.value);
    return good;
}

static void test_remember(void **state)
{
    char why[CLI_TEXT_MAX] = "";
    struct mount_options options;
    struct stat st;
    assert_true(remember("me@x", "client_id", "mine", why));
    assert_true(remember("me@x", "timeout", "7", why));
    assert_true(remember("me@x", "timeout", "8", why));
    assert_true(remember("other", "client_id", "another", why));
    options_init(&options);
    assert_true(config_apply(file, "me@x", &options, why));
    assert_int_equal(options.timeout, 8);
    assert_string_equal(options.client_id, "mine");
    options_free(&options);
    assert_true(config_apply(file, "third", &options, why)); /* the first one is common */
    assert_string_equal(options.client_id, "mine");
    options_free(&options);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    unlink(file);
}

/* Those who sign in at the same moment lose nothing of each other. */
static void test_remember_at_once(void **state)
{
    enum { PROCESSES = 8, ACCOUNTS = 10 };
    char why[CLI_TEXT_MAX] = "", account[32];
    for (int i = 0; i < PROCESSES; i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        for (int j = 0; child == 0 && j < ACCOUNTS; j++) {
            snprintf(account, sizeof account, "account-%d-%d", i, j);
            if (!remember(account, "host", "h", why))
                _exit(1);
        }
        if (child == 0)
            _exit(0);
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status = -1;
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    for (int i = 0; i < PROCESSES * ACCOUNTS; i++) {
        struct mount_options options;
        options_init(&options);
        snprintf(account, sizeof account, "account-%d-%d", i / ACCOUNTS, i % ACCOUNTS);
        assert_true(config_apply(file, account, &options, why));
        if (options.host == NULL)
            fail_msg("%s is lost", account);
        options_free(&options);
    }
}

/* Who holds the lock for ever holds up no login for ever. */
static void test_remember_locked(void **state)
{
    char why[CLI_TEXT_MAX] = "";
    int dir = open(folder, O_RDONLY | O_DIRECTORY);
    assert_true(dir >= 0 && flock(dir, LOCK_SH) == 0);
    char path[80];
    snprintf(path, sizeof path, "%s/accounts.json", folder);
    const struct config_pair pair = {.name = (char[]){"host"}, .value = (char[]){"h"}};
    int64_t start = clock_ms();
    assert_false(config_remember(path, "me@x", &pair, 1, why));
    assert_true(clock_ms() - start < 20000);
    assert_non_null(strstr(why, "try again later"));
    close(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),        cmocka_unit_test(test_absent),
        cmocka_unit_test(test_errors),      cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_remember),    cmocka_unit_test(test_remember_at_once),
        cmocka_unit_test(test_not_our_own), cmocka_unit_test(test_remember_locked),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
