/* Whole files: read under a ceiling, replaced whole. */
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

static char directory[] = "/tmp/ofs-file-XXXXXX";

static const char *at(const char *name)
{
    static char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static int setup(void **state)
{
    return mkdtemp(directory) != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    unlink(at("a"));
    unlink(at("a.new"));
    return rmdir(directory);
}

static void assert_holds(const char *name, const char *data, size_t len)
{
    struct buffer text;
    buffer_init(&text, len);
    int fd = open(at(name), O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0 && file_read_all(fd, &text));
    assert_int_equal(text.len, len);
    assert_memory_equal(text.data, data, len);
    close(fd);
    buffer_free(&text);
}

static void test_replaced_whole(void **state)
{
    static char large[100000];
    struct stat st;
    memset(large, 'x', sizeof large);
    assert_true(file_replace(at("a"), "one", 3));
    assert_holds("a", "one", 3);
    close(open(at("a.new"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)); /* of one who was killed */
    assert_true(file_replace(at("a"), large, sizeof large));
    assert_holds("a", large, sizeof large);
    assert_int_equal(stat(at("a"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(at("a.new"), &st), -1);
}

static void test_what_cannot_be(void **state)
{
    struct buffer text;
    buffer_init(&text, 2);
    assert_true(file_replace(at("a"), "one", 3));
    int fd = open(at("a"), O_RDONLY | O_CLOEXEC);
    assert_false(file_read_all(fd, &text));
    assert_int_equal(errno, EFBIG);
    assert_false(file_write_all(fd, "x", 1)); /* it is open for reading */
    assert_int_equal(errno, EBADF);
    close(fd);
    buffer_free(&text);
    assert_false(file_replace(at("none/a"), "two", 3));
    assert_int_equal(errno, ENOENT);
    assert_holds("a", "one", 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replaced_whole),
        cmocka_unit_test(test_what_cannot_be),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
