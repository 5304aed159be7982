/* cmocka wants these four first, in this order. */
#ifndef OUTLOOKFS_TESTS_UNIT_TEST_H
#define OUTLOOKFS_TESTS_UNIT_TEST_H

// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#endif
