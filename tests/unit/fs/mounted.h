/* A real mount over fake_sync, for tests that use it through the kernel. */
#ifndef OUTLOOKFS_TESTS_MOUNTED_H
#define OUTLOOKFS_TESTS_MOUNTED_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "fake_sync.h"
#include "fs/fs.h"

/* fs_settings.raiser of what is mounted from now on. */
extern const char *mounted_raiser;
/* Likewise fs_settings.whole. */
extern bool mounted_whole;

struct mounted {
    char base[64]; /* temporary directory with mnt/ and cache/ */
    char mount[80], cache[80];
    struct sync *sync;
    struct fs *fs;
    pthread_t server;
    pid_t guard;   /* see guard_start */
    int guard_end; /* closed: the test came to its end */
    int served;    /* what fs_serve returned */
    bool serving, writable, mark_seen;
    int64_t inbox, big;
};

/* Whether this machine lets us mount at all. */
bool mounted_possible(void);

/* Makes the directories, the fake account with its tree, and mounts. Aborts on failure. */
void mounted_start(struct mounted *m);
/* The same without `ro`. */
void mounted_start_writable(struct mounted *m);
/* As a second run of the program over the same cache. */
void mounted_again(struct mounted *m);
/* fs_exit, join, unmount. The fs is gone, sync stays. */
void mounted_leave(struct mounted *m);
void mounted_stop(struct mounted *m);

/* base/mnt/PATH, in one of a few static buffers. */
const char *mounted_path(const struct mounted *m, const char *path);

/* Runs a line of bash in the mount; its exit status (128 and up: killed). What it prints is shown
 * when it was to print something: stderr alone. */
int mounted_run(const struct mounted *m, const char *script);

/* Writes a file whole, through one descriptor: 0, or the errno of the first call that failed. */
int mounted_write(const char *path, int flags, const char *text);
/* Reads it; the text in one of a few static buffers, "" for none. */
const char *mounted_read(const char *path);

/* Checks every byte of an open file through read(2), and its fstat size. True when all is right. */
bool mounted_reads_right(int fd, uint32_t uid);

/* The entries of a directory but "." and ".."; -1 with errno when it cannot be read to its end. */
int mounted_count(const char *path);

/* Waits up to 2 s until `path` exists (or not). */
bool mounted_comes(const char *path, bool there);

#endif
