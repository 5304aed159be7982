/*
 * Whole files, over what read(2) and write(2) leave to their callers. Any thread; blocks for the
 * disk. What fails says false, with errno.
 */
#ifndef OUTLOOKFS_BASE_FILE_H
#define OUTLOOKFS_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

/* Appends the rest of the file to `text`. EFBIG: it does not fit under the buffer's ceiling. */
bool file_read_all(int fd, struct buffer *text) __attribute__((warn_unused_result));

bool file_write_all(int fd, const void *data, size_t len) __attribute__((warn_unused_result));

/* Puts the bytes in the place of the file at `path` (at most PATH_MAX), mode 0600: whole and on the
 * disk, or not at all, and the old file stands. What is in the making is PATH.new, so two who do it
 * at once need a lock. */
bool file_replace(const char *path, const void *data, size_t len)
    __attribute__((warn_unused_result));

/* Opens the directory that `path` is in, for reading; -1 with errno. */
int file_open_directory(const char *path);

#endif
