/*
 * What /proc says of the process that sent a request (FUSE.md, "What programs really send"). Reads
 * of /proc never come back to this file system: links are read, not followed. FUSE's workers.
 */
#ifndef OUTLOOKFS_FS_CALLER_H
#define OUTLOOKFS_FS_CALLER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The process (thread group) of a thread; 0: not known, or gone. */
pid_t caller_process(pid_t thread);

/* Whether the thread is being killed by a signal. */
bool caller_killed(pid_t thread);

/* Whether the thread is in mkdir(2); not, where /proc does not say. */
bool caller_makes_directory(pid_t thread);

enum caller_holds { CALLER_GONE, CALLER_HOLDS, CALLER_HOLDS_NOT, CALLER_HOLDS_UNKNOWN };
/* Whether `process` has the file with this inode number, the last component of whose path is
 * `name`, open. */
enum caller_holds caller_holds(pid_t process, uint64_t ino, const char *name);

#endif
