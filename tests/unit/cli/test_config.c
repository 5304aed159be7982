/* cli/config.c: every error names the file, the line and the key. */
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_absent),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
