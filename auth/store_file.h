/*
 * The token file on disk: its directory, who may read it, replacing it whole. Knows nothing of what
 * is in it. Any thread. Internal to auth/.
 *
 * Errors are AUTH_ERR_ABSENT, AUTH_ERR_STORE and AUTH_ERR_MEMORY, with `text` (AUTH_TEXT_MAX) for a
 * person.
 */
#ifndef OUTLOOKFS_AUTH_STORE_FILE_H
#define OUTLOOKFS_AUTH_STORE_FILE_H

#include <stdbool.h>

#include "auth/error.h"
#include "base/buffer.h"

/* The account's state directory, opened. */
struct store_dir {
    const char *path; /* the caller's; outlives it */
    int fd;
};

/* Makes `path` and the directories above it, 0700 each where missing. */
enum auth_error store_dir_make(const char *path, char *text) __attribute__((warn_unused_result));

/* Refused where others than its owner could put files. */
enum auth_error store_dir_open(const char *path, struct store_dir *dir, char *text)
    __attribute__((warn_unused_result));
void store_dir_close(struct store_dir *dir);

/* Whether there is something by the file's name, without opening it. */
bool store_file_exists(const char *path);

/* Reads it into `content`, an empty buffer whose ceiling is the file's; the caller wipes it in
 * every case. Refused: what is no regular file of our own that nobody else can read. */
enum auth_error store_file_read(const struct store_dir *dir, struct buffer *content, char *text)
    __attribute__((warn_unused_result));

/* Replaces it; the lock (store_lock.h) is held. AUTH_OK: the new content is on disk. Else the old
 * file stands, unless it was the very last step that failed, the one that makes the change durable.
 */
enum auth_error store_file_replace(const struct store_dir *dir, const struct buffer *content,
                                   char *text) __attribute__((warn_unused_result));

/* Removes it, and what a killed writer left; the lock is held. */
enum auth_error store_file_remove(const struct store_dir *dir, char *text)
    __attribute__((warn_unused_result));

#endif
