/* The mount of a test program in which each test has one of its own: the program's start() makes
 * it, stop() ends it. */
#ifndef OUTLOOKFS_TESTS_ONE_MOUNT_H
#define OUTLOOKFS_TESTS_ONE_MOUNT_H

#include "tests/unit/test.h"

#include "mounted.h"

static struct mounted m;

static int stop(void **state)
{
    if (m.sync != NULL)
        mounted_stop(&m);
    m.sync = NULL;
    return 0;
}

#define NEED_MOUNT()                                                                               \
    do {                                                                                           \
        if (m.sync == NULL)                                                                        \
            skip();                                                                                \
    } while (0)

#endif
