/* What the tests of a writable mount share: the mount, and checks that read like the contract. */
#ifndef OUTLOOKFS_TESTS_WRITABLE_H
#define OUTLOOKFS_TESTS_WRITABLE_H

#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "one_mount.h"

#define MESSAGE "Subject: one\n\nfirst line\n"
#define SERVED  "Subject: one\r\n\r\nfirst line\r\n"

static int start(void **state)
{
    if (mounted_possible())
        mounted_start_writable(&m);
    return 0;
}

static inline const char *at(const char *path)
{
    return mounted_path(&m, path);
}

/* A call fails with this errno. */
#define FAILS(call, with)                                                                          \
    do {                                                                                           \
        errno = 0;                                                                                 \
        assert_int_equal(call, -1);                                                                \
        assert_int_equal(errno, with);                                                             \
    } while (0)

/* A script succeeds. */
#define RUNS(script)                                                                               \
    do {                                                                                           \
        int status_ = mounted_run(&m, script);                                                     \
        if (status_ != 0)                                                                          \
            fail_msg("exit %d: %s\n%s", status_, script, fake_log(m.sync));                        \
    } while (0)

/* The server was asked for so many things that begin so. */
#define ASKED(what, times)                                                                         \
    do {                                                                                           \
        if (fake_logged(m.sync, what) != (times))                                                  \
            fail_msg("not %d times \"%s\":\n%s", (int)(times), what, fake_log(m.sync));            \
    } while (0)

/* In the end: the reply that the program had may have come before it. */
#define WILL_BE_ASKED(what, times)                                                                 \
    do {                                                                                           \
        for (int i_ = 0; i_ < 5000 && fake_logged(m.sync, what) < (times); i_++)                   \
            usleep(1000);                                                                          \
        ASKED(what, times);                                                                        \
    } while (0)

static inline bool exists(const char *path)
{
    struct stat st;

    return lstat(at(path), &st) == 0;
}

static inline off_t size_of(const char *path)
{
    struct stat st;

    return stat(at(path), &st) == 0 ? st.st_size : -1;
}

/* Waits until the server was asked: what a release publishes nobody waits for. */
static inline bool comes_to(const char *what, unsigned times)
{
    int64_t until = clock_ms() + 3000;

    while (fake_logged(m.sync, what) < times && clock_ms() < until)
        usleep(5000);
    return fake_logged(m.sync, what) == times;
}

#endif
