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

#include "fs/errand.h"
#include "fs/events.h"
#include "fs/fs.h"
#include "fs/gate.h"
#include "fs/names.h"
#include "fs/notify.h"
#include "fs/raise.h"
#include "fs/staging.h"
#include "fs/told.h"
#include "fs/wait.h"
#include "fs/whole.h"
#include "sync/views.h"

/* `.status` at the root: a number that no row of the cache reaches. */
#define FS_STATUS_INO  (UINT64_C(1) << 62)
#define FS_STATUS_NAME ".status"
/* `.Trash-UID` and what is in it (trashcan.c). */
#define FS_TRASHCAN_INO   (FS_STATUS_INO + 1)
#define FS_TRASHCAN_FILES (FS_STATUS_INO + 2)
#define FS_TRASHCAN_INFO  (FS_STATUS_INO + 3)

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
    bool pinned;               /* the body of inode.message */
    struct buffer text;        /* of .status */
    bool kept_text;            /* it reads the text that is kept with the body */
    struct rendered *rendered; /* or this; a reference */
    struct found *found;       /* of a directory of `.search`; a reference */
    struct staged *staged;     /* it reads and writes this, not the body; counted by it */
    atomic_bool wrote;         /* something that no flush of this handle has published */
    pid_t opener;              /* process that opened a file for writing; 0: not known */
    /* The opener's flush was seen after something was written (flush.c). */
    atomic_bool opener_closed;
    /* How many entries were listed through this handle. */
    atomic_ullong served;
};

struct bridge;
struct found;
struct searches;

struct fs {
    /* Set at the mount, then read only. */
    struct sync *sync;
    struct cache *cache;
    struct fuse_session *session;
    char *mountpoint;
    char *spool_dir; /* whose disk df shows; may be NULL */
    char *state_dir; /* where kept queries are; may be NULL */
    uid_t uid;
    gid_t gid;
    bool read_only, mark_seen;
    struct staging *staging;   /* NULL on a read-only mount */
    struct moved_table *moved; /* likewise */
    struct errands *errands;
    struct searches *searches;
    struct told *told;
    struct told *rooms_told;          /* the same of what is in the hidden rooms */
    atomic_uint_least64_t text_last;  /* room_text.c: the row whose text was opened last ... */
    atomic_uint_least64_t text_ahead; /* ... and the last one that was foreseen */
    atomic_uint rooms_entered;        /* bits of the rooms that were looked up */
    struct bridge *bridge;
    struct whole *whole; /* NULL: each open is asked about */
    bool mounted;

    struct waits waits;
    struct notifier *notifier;
    struct gate *gate;     /* these three are NULL where no events are raised */
    struct raise *raise;   /* used on the thread of events */
    struct events *events; /* after `bridge` was made */
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
    /* of rooms: what is tried again after a wait for a view; false: it waits for one */
    bool (*attempt)(struct request *request);
    enum rendered_kind view;
    uint32_t part;
    char name[CACHE_NAME_MAX + 1];
    /* of changes */
    struct staged *staged;    /* with a reference: dropped with the request */
    struct handle *target;    /* of copy_file_range; `handle` is the source */
    struct cache_inode other; /* the target's directory, or what is in the way */
    struct cache_inode result;
    char to[CACHE_NAME_MAX + 1]; /* the new name */
    char *data;                  /* of a write; freed with the request */
    bool again;                  /* the wait was for a file to be free: try once more */
    bool replace;
    bool writeback; /* a write of mapped pages */
    int to_set;
    struct stat attr;
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

/* The same with wait.release set, for changes: frees `data`, drops `staged`. */
struct request *request_new_change(struct fs *fs, fuse_req_t req);

/* attr.c */
void attr_fill(const struct fs *fs, const struct cache_inode *inode, struct stat *st);
void attr_fill_entry(const struct fs *fs, const struct cache_inode *inode,
                     struct fuse_entry_param *entry);
/* The same for what may be staged: true: it is, and the kernel must ask again. */
bool attr_fill_shown(struct fs *fs, const struct cache_inode *inode,
                     struct fuse_entry_param *entry);
void attr_reply(struct fs *fs, fuse_req_t req, const struct cache_inode *inode);
/* The row of `ino`, noted as told. 0 or an errno: ESTALE for a row that is gone. */
int attr_get(struct fs *fs, uint64_t ino, struct cache_inode *inode);
/* A row that was read: the exact size where the body is open, even if the row has an estimate
 * still. Before told_inode. */
void attr_exact(struct fs *fs, struct cache_inode *inode);

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

/* The callbacks that change something: of a mount that is not read-only. */
void fs_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
                struct fuse_file_info *fi);
void fs_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev);
void fs_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void fs_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void fs_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void fs_symlink(fuse_req_t req, const char *link, fuse_ino_t parent, const char *name);
void fs_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t newparent,
               const char *newname, unsigned flags);
void fs_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t newparent, const char *newname);
void fs_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
               struct fuse_file_info *fi);
void fs_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t offset,
              struct fuse_file_info *fi);
void fs_copy_file_range(fuse_req_t req, fuse_ino_t ino_in, off_t off_in,
                        struct fuse_file_info *fi_in, fuse_ino_t ino_out, off_t off_out,
                        struct fuse_file_info *fi_out, size_t len, int flags);
void fs_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void fs_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi);
void fs_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi);
void fs_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size,
                 int flags);
void fs_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name);

/* flush.c: the ask of a wait that ends when request->staged was published, where it is due; with
 * request->again it is to be asked once more. */
sync_ticket flush_ask(struct wait *wait, sync_done_fn *done, void *ctx);

/* truncate.c: SETATTR of the size of a message that nobody writes; answers. */
void truncate_message(fuse_req_t req, const struct cache_inode *inode, const struct stat *attr);

/* write.c: whether `name` may be made in `directory`: 0 or an errno. */
int create_check(struct fs *fs, const struct cache_inode *directory, const char *name);

/* file.c: an OPEN of a message for reading. */
void open_message(fuse_req_t req, const struct cache_inode *inode, struct fuse_file_info *fi);
/* Whether the bytes of `ino` are staged; then read answers from there. */
void read_staged(fuse_req_t req, struct staged *staged, size_t size, off_t offset);

/* open_write.c: an OPEN that may change what it opens, or of a file that is staged. */
void open_staged(fuse_req_t req, const struct cache_inode *inode, struct fuse_file_info *fi);

/* lookup.c */
enum cache_error lookup_find(struct fs *fs, uint64_t parent, const char *name,
                             struct cache_inode *inode);

/* trashcan.c: `.Trash-UID` at the root. The directory that `ino` stands for: itself, or the trash
 * mailbox's own. */
bool trashcan_is(uint64_t ino);
uint64_t trashcan_real(struct fs *fs, uint64_t ino);
bool trashcan_lookup(struct fs *fs, fuse_req_t req, uint64_t parent, const char *name);
bool trashcan_inode(struct fs *fs, uint64_t ino, struct cache_inode *inode);
bool trashcan_is_name(const struct fs *fs, uint64_t parent, const char *name);
/* A name that a trash directory of any user would have. */
bool trashcan_reserved(const char *name);
/* READDIR of what is in `.Trash-UID` and its info. */
void trashcan_readdir(fuse_req_t req, size_t size, off_t offset, const struct handle *handle,
                      bool plus);

void trashcan_unlink(struct fs *fs, fuse_req_t req, const char *name);
void trashcan_rename(struct fs *fs, fuse_req_t req, uint64_t parent, const char *name,
                     uint64_t newparent, const char *newname, unsigned flags);

/* change.c: a mailbox that cannot be removed or renamed. */
bool directory_is_role(struct fs *fs, const struct cache_inode *inode);

/* xattr.c: a namespace that is not supported; a name that can be read. */
bool xattr_refused(const char *name);
bool xattr_known(enum cache_kind kind, const char *name);

/* reach.c: the ask of a wait that is done once there is a connection, before a change begins; and
 * the errno of its failure. */
sync_ticket reach_ask(struct wait *wait, sync_done_fn *done, void *ctx);
int reach_errno(enum sync_error error);

/* readonly.c */
void readonly_fill(struct fuse_lowlevel_ops *ops);

/* status_file.c */
bool status_is(uint64_t parent, const char *name);
void status_attr(const struct fs *fs, struct stat *st);
void status_reply_entry(const struct fs *fs, fuse_req_t req);
void status_open(struct fs *fs, fuse_req_t req, struct fuse_file_info *fi);
void status_read(fuse_req_t req, const struct handle *handle, size_t size, off_t offset);

/* operations.c */
const struct fuse_lowlevel_ops *operations_get(bool read_only);
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
