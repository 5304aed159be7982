/*
 * The queries that somebody keeps (`mkdir .search/QUERY`): a file of the account's state, one a
 * line, so that every mount of the account shows them. It is read whenever it is asked about,
 * and replaced as a whole under a lock. FUSE's workers; waits for the disk.
 */
#ifndef OUTLOOKFS_FS_KEPT_H
#define OUTLOOKFS_FS_KEPT_H

#include <stdbool.h>

#include "base/buffer.h"

enum {
    KEPT_QUERIES_MAX = 1000,
    KEPT_BYTES_MAX = 256 * 1024 - 1,
};

/* Appends all of them, each with a NUL at its end; `state_dir` NULL: there are none. 0 or an
 * errno. */
int kept_list(const char *state_dir, struct buffer *queries);
/* 0, or an errno: EEXIST where it is kept already, ENOSPC where there are too many. */
int kept_add(const char *state_dir, const char *query);
/* 0, or an errno: ENOENT where it is not kept. */
int kept_remove(const char *state_dir, const char *query);
/* Whether it is; what cannot be read is not. */
bool kept_has(const char *state_dir, const char *query);

#endif
