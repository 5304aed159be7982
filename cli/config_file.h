/* The configuration file as JSON, read and replaced whole; what config.h makes of it is not known
 * here. One thread. */
#ifndef OUTLOOKFS_CLI_CONFIG_FILE_H
#define OUTLOOKFS_CLI_CONFIG_FILE_H

#include <stdbool.h>

#include <cjson/cJSON.h>

#include "base/buffer.h"

enum { CONFIG_FILE_MAX = 1 << 20 };

enum config_file { CONFIG_FILE_READ, CONFIG_FILE_ABSENT, CONFIG_FILE_BAD };

/*
 * Reads `path` into `text` (an empty buffer of CONFIG_FILE_MAX bytes) and *root, an object whose
 * member "accounts", where it is there, is an object too; both are the caller's. Warns on stderr,
 * once in a process, where others can read the file; one that they can write to is bad.
 * CONFIG_FILE_BAD with the cause in `why` (CLI_TEXT_MAX), which names file and line.
 */
enum config_file config_file_read(const char *path, struct buffer *text, cJSON **root, char *why)
    __attribute__((warn_unused_result));

/* The line of `at`, a place in `text`, counted from 1. */
unsigned config_file_line(const struct buffer *text, const char *at);

/* Keeps other processes from changing the file between what is read and what is written, until the
 * descriptor is closed; directories above it are made, 0700. -1 with the cause in `why`, which may
 * take 5 s. */
int config_file_lock(const char *path, char *why);

/* Replaces `path`, or what it links to, by `root` printed, 0600; with the lock held. */
bool config_file_write(const char *path, const cJSON *root, char *why)
    __attribute__((warn_unused_result));

#endif
