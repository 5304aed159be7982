/* base/log.h: nothing that a terminal acts on gets through. */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

static void test_make_printable(void **state)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"plain text",             "plain text"      },
        {"esc \x1b[31m",           "esc ?[31m"       },
        {"caf\xc3\xa9",            "caf\xc3\xa9"     },
        {"c1 \xc2\x9b x",          "c1 ?? x"         },
        {"bidi \xe2\x80\xae x",    "bidi ??? x"      },
        {"mark a\xd8\x9c",         "mark a??"        },
        {"tag \xf3\xa0\x81\x81",   "tag ????"        },
        {"bad \xff\xfe x",         "bad ?? x"        },
        {"cut \xe2\x82",           "cut ??"          },
        {"overlong \xc0\xaf",      "overlong ??"     },
        {"surrogate \xed\xa0\x80", "surrogate ???"   },
        {"tab\tnl\n",              "tab?nl?"         },
        {"\xf0\x9f\x93\xa7",       "\xf0\x9f\x93\xa7"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[64];
        snprintf(text, sizeof text, "%s", rows[i].in);
        log_make_printable(text, strlen(text));
        assert_string_equal(text, rows[i].out);
    }
}

static void test_record_is_one_line(void **state)
{
    char path[] = "/tmp/outlookfs-log-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(log_open(path), 0);
    log_info("subject %s", "a\nb\x1b]0;title\x07");
    log_debug("not at this level");
    char huge[5000];
    memset(huge, 'x', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    log_warn("%s", huge);
    char read_back[8192];
    ssize_t n = read(fd, read_back, sizeof read_back - 1);
    assert_true(n > 0);
    read_back[n] = '\0';
    assert_non_null(strstr(read_back, "info: subject a?b?]0;title?\n"));
    assert_null(strstr(read_back, "not at this level"));
    assert_int_equal(read_back[n - 1], '\n');
    close(fd);
    unlink(path);
}

/* A pipe whose reader does not read: records are lost, nobody waits. */
static void test_pipe_keeps_nobody(void **state)
{
    char directory[] = "/tmp/outlookfs-log-XXXXXX", path[64], record[512];
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/pipe", directory);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(log_open(path), -1); /* no reader */
    int reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(reader >= 0);
    assert_int_equal(log_open(path), 0);
    memset(record, 'x', sizeof record - 1);
    record[sizeof record - 1] = '\0';
    alarm(20);
    for (int i = 0; i < 2000; i++) /* a pipe holds 64 KiB */
        log_info("%s", record);
    alarm(0);
    log_open(NULL);
    close(reader);
    unlink(path);
    rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_make_printable),
        cmocka_unit_test(test_record_is_one_line),
        cmocka_unit_test(test_pipe_keeps_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
