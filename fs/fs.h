/*
 * The FUSE face of a mounted account: low-level callbacks that answer from the cache, or hand the
 * request to sync and return. See fs/mount.c for the threads.
 */
#ifndef OUTLOOKFS_FS_FS_H
#define OUTLOOKFS_FS_FS_H

#include <stdbool.h>

#include "sync/sync.h"

struct fs;

struct fs_settings {
    const char *mountpoint;
    const char *account;      /* shown as the mount's source */
    const char *fuse_options; /* comma-separated, passed to libfuse; may be NULL */
    bool debug;               /* libfuse's own trace */
    bool read_only;           /* ro: whatever would change something is EROFS */
    bool mark_seen;           /* an open for reading sets \Seen */
    const char *state_dir;    /* the account's: where queries are kept; NULL: none can be */
    const char *spool_dir;    /* the cache directory: df shows its disk's free space; may be NULL */
    /* Program that is run as the helper which raises inotify events (raiser.h); NULL: none are. On
     * a read-only mount none can be. */
    const char *raiser;
    /* Where read_only: once every message is in the cache, files are opened without asking
     * (whole.h). */
    bool whole;
};

/* Mounts. nosuid, nodev, noexec and auto_unmount are always set, ro where asked for. Returns NULL
 * with a line for a person in `text` (SYNC_TEXT_MAX). `sync` stays the caller's and must outlive
 * the fs. */
struct fs *fs_mount(const struct fs_settings *settings, struct sync *sync, char *text);

/* Serves until fs_exit, an unmount from outside, or a signal (SIGTERM, SIGINT, SIGHUP). Blocks.
 * Returns 0 or an errno. */
int fs_serve(struct fs *fs);

/* Makes fs_serve return. Any thread, and signal handlers. */
void fs_exit(struct fs *fs);

/* Unmounts where still mounted, and frees. */
void fs_unmount(struct fs **fs);

/* The errno for a sync error: the one place where this is decided (fs/errmap.c). */
int fs_errno(enum sync_error error);

#endif
