/*
 * The mount options that are not ours: those that libfuse and the kernel know, which are handed
 * on, and those that mount(8), fstab and systemd write for themselves, which are dropped. Pure.
 */
#ifndef OUTLOOKFS_CLI_FUSE_OPTIONS_H
#define OUTLOOKFS_CLI_FUSE_OPTIONS_H

#include <stdbool.h>

#include "base/buffer.h"

enum fuse_option { FUSE_OPTION_TAKEN, FUSE_OPTION_BAD, FUSE_OPTION_REFUSED, FUSE_OPTION_UNKNOWN };

/* Appends the option to `out`, comma-separated and escaped as fuse_opt wants it, or drops it.
 * FUSE_OPTION_BAD: a value is missing, or is there where none belongs. FUSE_OPTION_REFUSED:
 * remount, which would change a mount that stands. */
enum fuse_option fuse_options_add(struct buffer *out, const char *name, const char *value)
    __attribute__((warn_unused_result));

#endif
