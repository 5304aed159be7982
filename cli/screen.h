/*
 * A text that is shown again and again in place, as `status --watch` does. Nothing of the terminal
 * is changed or hidden: whoever ends the program finds the last text above the prompt.
 */
#ifndef OUTLOOKFS_CLI_SCREEN_H
#define OUTLOOKFS_CLI_SCREEN_H

#include "base/buffer.h"

/* Appends what draws `text` (lines, printable) on a terminal of that size from its first line on:
 * each line cut to the width and erased behind, everything below erased. Of more lines than there
 * are rows, the last row says how many are missing. False without memory. */
bool screen_draw(const char *text, unsigned columns, unsigned rows, struct buffer *out)
    __attribute__((warn_unused_result));

/* Writes all of `out` to `fd`; false when nobody takes it. */
bool screen_write(int fd, const struct buffer *out) __attribute__((warn_unused_result));

#endif
