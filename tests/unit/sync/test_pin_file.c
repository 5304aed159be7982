/* The file of pins: what is written is read, whole or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sync/pin_file.h"

static int setup(void **state)
{
    char *directory = strdup("/tmp/ofs-pins-XXXXXX");
    *state = directory;
    return directory != NULL && mkdtemp(directory) != NULL ? 0 : -1;
}

static const char *path_of(const char *directory, const char *file)
{
    static char path[200];
    snprintf(path, sizeof path, "%s/%s", directory, file);
    return path;
}

static int teardown(void **state)
{
    unlink(path_of(*state, "pins"));
    unlink(path_of(*state, "pins.new"));
    unlink(path_of(*state, "pins.lock"));
    int result = rmdir(*state);
    free(*state);
    return result;
}

static void put(const char *directory, const char *file, const char *text, size_t len)
{
    int fd = open(path_of(directory, file), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), len);
    close(fd);
}

static void test_round(void **state)
{
    struct pin_names names, read;
    struct stat st;
    assert_true(pin_file_read(*state, &names));
    assert_int_equal(names.count, 0);
    assert_true(pin_names_add(&names, "INBOX"));
    assert_true(pin_names_add(&names, "Entw&APw-rfe/a b\"\\"));
    assert_true(pin_names_add(&names, "INBOX"));
    assert_false(pin_names_add(&names, ""));
    assert_false(pin_names_add(&names, "two\nlines"));
    assert_int_equal(names.count, 2);
    put(*state, "pins.new", "left by another", 15);
    assert_true(pin_file_write(*state, &names));
    assert_int_equal(stat(path_of(*state, "pins"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_not_equal(stat(path_of(*state, "pins.new"), &st), 0);
    assert_true(pin_file_read(*state, &read));
    assert_int_equal(read.count, 2);
    assert_true(pin_names_have(&read, "Entw&APw-rfe/a b\"\\"));
    assert_false(pin_names_have(&read, "inbox"));
    assert_true(pin_names_drop(&read, "INBOX"));
    assert_false(pin_names_drop(&read, "INBOX"));
    assert_int_equal(read.count, 1);
    pin_names_free(&names);
    pin_names_free(&read);
}

/* What cannot be written leaves the file as it was; what is no such file is no list. */
static void test_failures(void **state)
{
    struct pin_names names = {0};
    char *big = calloc(1, PIN_FILE_MAX + 2);
    assert_non_null(big);
    assert_true(pin_names_add(&names, "Kept"));
    assert_true(pin_file_write(*state, &names));
    assert_false(pin_file_write("/nonexistent", &names));
    assert_int_equal(errno, ENOENT);
    pin_names_free(&names);
    memset(big, 'x', PIN_FILE_MAX + 1);
    assert_true(pin_names_add(&names, big));
    assert_false(pin_file_write(*state, &names));
    assert_int_equal(errno, EFBIG);
    pin_names_free(&names);
    assert_true(pin_file_read(*state, &names));
    assert_true(pin_names_have(&names, "Kept"));
    pin_names_free(&names);
    put(*state, "pins", big, PIN_FILE_MAX + 1);
    assert_false(pin_file_read(*state, &names));
    assert_int_equal(errno, EFBIG);
    assert_int_equal(names.count, 0);
    free(big);
}

static void test_ceiling(void **state)
{
    struct pin_names names = {0};
    char name[16];
    for (unsigned i = 0; i < PIN_NAMES_MAX; i++) {
        snprintf(name, sizeof name, "%u", i);
        assert_true(pin_names_add(&names, name));
    }
    assert_false(pin_names_add(&names, "one more"));
    assert_true(pin_names_add(&names, "7"));
    pin_names_free(&names);
}

enum { WRITERS = 4, EACH = 20 };

static const char *shared;

/* Adds names of its own, each in a turn of its own. */
static void *writer(void *number)
{
    for (long i = 0; i < EACH; i++) {
        struct pin_names names;
        char name[32];
        snprintf(name, sizeof name, "%ld-%ld", (long)(intptr_t)number, i);
        int lock = pin_file_lock(shared);
        if (lock < 0 || !pin_file_read(shared, &names))
            return NULL;
        if (pin_names_add(&names, name) && !pin_file_write(shared, &names))
            name[0] = '\0'; /* the count tells */
        pin_names_free(&names);
        close(lock);
    }
    return NULL;
}

static void test_one_at_a_time(void **state)
{
    pthread_t threads[WRITERS];
    struct pin_names names;
    shared = *state;
    for (intptr_t i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, writer, (void *)i), 0);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    assert_true(pin_file_read(*state, &names));
    assert_int_equal(names.count, WRITERS * EACH);
    pin_names_free(&names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failures, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_at_a_time, setup, teardown),
        cmocka_unit_test(test_ceiling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
