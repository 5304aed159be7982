/*
 * What the kernel says is mounted, and asking it to unmount, without ever waiting for a mount that
 * hangs: mountinfo is the kernel's own, a mountpoint's name is resolved without touching what is
 * mounted there, and whatever must ask the file system itself runs in a child with a bound.
 * For processes without threads.
 */
#ifndef OUTLOOKFS_CLI_MOUNTS_H
#define OUTLOOKFS_CLI_MOUNTS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

struct mounts_entry {
    bool mounted; /* something is mounted at the path: not autofs, which waits for just that */
    bool ours;    /* it is an outlookfs */
    char source[256];
};

/* Writes the real path of directory `dir` to `path` (PATH_MAX bytes). 0, or -1 with errno. */
int mounts_resolve(const char *dir, char *path) __attribute__((warn_unused_result));

/* Looks `path` (absolute, real) up in mountinfo: the topmost mount there counts. 0 or -1. */
int mounts_find(const char *path, struct mounts_entry *entry) __attribute__((warn_unused_result));

/* The same for the text of a mountinfo line; true when it is a mount at `path`. */
bool mounts_parse_line(const char *line, const char *path, struct mounts_entry *entry);

/* Asks the file system at `path` (statfs and stat) with a bound. 0, or an errno: ENOTCONN is a dead
 * daemon, ETIMEDOUT one that does not answer, ENOTDIR what is no directory. */
int mounts_probe(const char *path, int timeout_ms) __attribute__((warn_unused_result));

/* Unmounts `path`; `lazy` also where files are open. 0, or an errno: EBUSY, EINVAL (not mounted),
 * EPERM, or EIO with fusermount3's last line in `text` (`size` bytes). */
int mounts_unmount(const char *path, bool lazy, char *text, size_t size)
    __attribute__((warn_unused_result));

#endif
