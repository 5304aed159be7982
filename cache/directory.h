/*
 * The directories that this room keeps its files in: made private, found private, locked.
 */
#ifndef OUTLOOKFS_CACHE_DIRECTORY_H
#define OUTLOOKFS_CACHE_DIRECTORY_H

#include <stdbool.h>

/* mkdir -p, 0700; `path` is as before when it returns. 0, or -1 with errno. */
int directory_make(char *path);

/* Whether others may write there: they could plant files that would be taken for ours. */
bool directory_open_to_others(const char *path);

/* Opens the file `path` (0600) and locks it against other processes and openers. The descriptor
 * holds the lock; -1 with errno, which is EWOULDBLOCK when somebody else has it. */
int directory_lock(const char *path);

#endif
