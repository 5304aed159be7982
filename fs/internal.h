/*
 * What the files of fs/ share.
 *
 * Threads: FUSE's workers run the callbacks; sync's threads run the resume functions of waiting
 * requests and the listener; the notifier tells the kernel of changes; the closer (serve.c) ends
 * the service in order. Callbacks never wait: they read the cache and reply, or leave a wait.
 */
#ifndef OUTLOOKFS_FS_INTERNAL_H
#define OUTLOOKFS_FS_INTERNAL_H

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdint.h>

#include "fs/fs.h"
#include "fs/notify.h"
#include "fs/told.h"
#include "fs/wait.h"

/* `.status` at the root: a number that no row of the cache reaches. */
#define FS_STATUS_INO  (UINT64_C(1) << 62)
#define FS_STATUS_NAME ".status"

/* Seconds for which the kernel may keep names and attributes: for ever, changes are notified. */
#define FS_FOREVER 1e9

enum {
    FS_PLUS_MAX = 50000, /* entries of a directory that are listed with attributes (FUSE.md) */
    FS_STATUS_MAX = 256 * 1024,
};

/* An open file or directory; fi->fh points to it. */
struct handle {
    struct handle *next, *previous; /* protected by fs->handles_lock */
    /* Set by open, then read only. */
    struct cache_inode inode;
    bool pinned;        /* the body of inode.message */
    struct buffer text; /* of .status */
    /* How many entries were listed through this handle. */
    atomic_ullong served;
};

struct bridge;

struct fs {
    /* Set at the mount, then read only. */
    struct sync *sync;
    struct cache *cache;
    struct fuse_session *session;
    char *mountpoint;
    char *spool_dir; /* whose disk df shows; may be NULL */
    uid_t uid;
    gid_t gid;
    struct told *told;
    struct bridge *bridge;
    bool mounted;

    struct waits waits;
    struct notifier *notifier; /* NULL after serving */
    pthread_mutex_t handles_lock;
    struct handle *handles; /* protected by handles_lock */

    /* dirops.c: how far the opening of the connection is, and its request's number */
    atomic_int opening;
    uint64_t opening_unique;

    sem_t leave;      /* posted: end the service */
    pthread_t server; /* who is in fs_serve */
    atomic_bool served;
};

/* A waiting request with what its callback was given. */
struct request {
    struct wait wait;
    struct fs *fs;
    fuse_req_t req;
    struct cache_inode inode;
    struct fuse_file_info fi;
    struct handle *handle;
    size_t size;
    off_t offset;
    bool plus;
    uint64_t after;
    unsigned attempts;
    char name[CACHE_NAME_MAX + 1];
};

static inline struct fs *fs_of(fuse_req_t req)
{
    return fuse_req_userdata(req);
}

/* errmap.c */
int fs_errno_of_cache(enum cache_error error);

/* handle.c */
struct handle *handle_new(struct fs *fs, const struct cache_inode *inode);
void handle_free(struct fs *fs, struct handle *handle);
/* The inode of an open file whose row is gone; false: none is open. */
bool handle_find(struct fs *fs, uint64_t ino, struct cache_inode *inode);
static inline struct handle *handle_of(const struct fuse_file_info *fi)
{
    return (struct handle *)(uintptr_t)fi->fh;
}
/* A wait for `req`, or NULL after answering ENOMEM. */
struct request *request_new(struct fs *fs, fuse_req_t req);

/* attr.c */
void attr_fill(const struct fs *fs, const struct cache_inode *inode, struct stat *st);
void attr_fill_entry(const struct fs *fs, const struct cache_inode *inode,
                     struct fuse_entry_param *entry);
/* The row of `ino`, noted as told. 0 or an errno: ESTALE for a row that is gone. */
int attr_get(struct fs *fs, uint64_t ino, struct cache_inode *inode);

/* dir.c: the offset that stands for "after this entry". */
off_t dir_offset_of(uint64_t ino);
uint64_t dir_ino_of(off_t offset);

/* The callbacks, by file. */
void fs_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void fs_forget(fuse_req_t req, fuse_ino_t ino, uint64_t nlookup);
void fs_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets);
void fs_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void fs_access(fuse_req_t req, fuse_ino_t ino, int mask);
void fs_statfs(fuse_req_t req, fuse_ino_t ino);
void fs_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void fs_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                struct fuse_file_info *fi);
void fs_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                    struct fuse_file_info *fi);
void fs_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void fs_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void fs_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi);
void fs_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void fs_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size);
void fs_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size);

/* readonly.c */
void readonly_fill(struct fuse_lowlevel_ops *ops);

/* status_file.c */
bool status_is(uint64_t parent, const char *name);
void status_attr(const struct fs *fs, struct stat *st);
void status_reply_entry(const struct fs *fs, fuse_req_t req);
void status_open(struct fs *fs, fuse_req_t req, struct fuse_file_info *fi);
void status_read(fuse_req_t req, const struct handle *handle, size_t size, off_t offset);

/* operations.c */
const struct fuse_lowlevel_ops *operations_get(void);
void operations_wait_ops(struct fs *fs, struct wait_ops *ops);
void operations_notify_ops(struct fs *fs, struct notify_ops *ops);
/* The listener of sync, which outlives the fs: a bridge that can be cut. */
struct bridge *bridge_new(struct fs *fs);
void bridge_cut(struct bridge *bridge);

/* serve.c: no more waits, changes and notices. Requests must still be answered, or the connection
 * be gone. May be called twice. */
void serve_settle(struct fs *fs);

/* dirops.c: names in one directory are answered in parallel. Once, after the mount, before the
 * service. */
bool dirops_enable(struct fs *fs);

/* stale.c: takes down a mount of this program whose daemon died; anything else is left alone. */
void stale_clear(const char *mountpoint);

#endif
