/* What a fuzz target is to libFuzzer, and to replay.c; and how it says that something does not
 * hold. */
#ifndef OUTLOOKFS_TESTS_FUZZ_H
#define OUTLOOKFS_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* Once, before the first input; a target may have none. */
int LLVMFuzzerInitialize(int *argc, char ***argv);

static inline void check(bool holds)
{
    if (!holds)
        abort();
}

#endif
