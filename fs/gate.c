/*
 * See gate.h. FUSE's workers, and the thread of events.
 *
 * How the kernel turns each act into requests, and what they get. To make a name: LOOKUP (not
 * there, and not to be remembered), MKNOD (here it is). To remove one: LOOKUP (here it is), UNLINK
 * (gone), or UNLINK at once where the kernel still holds the name. To touch: LOOKUP, where it does
 * not know the name yet, and SETATTR. On the way there: STATFS, and LOOKUP of directories.
 *
 * What a LOOKUP or MKNOD shows the helper under the name is a phantom: an inode number that no row
 * has, without a life time. Nobody else comes by it: the next one who walks there asks again, and
 * gets the row. So the kernel's inodes, with their link counts, are those of rows alone.
 *
 * The state of the cache decides, not the order: a name can be removed only when no row has it, and
 * made only when the row that came still has it. Between that look and the answer nobody makes or
 * looks up the name through the mount, since the kernel has the directory locked for the helper.
 */
#include "fs/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

/* Above what internal.h numbers. */
#define PHANTOM_FIRST (FS_STATUS_INO + (UINT64_C(1) << 32))

struct gate {
    atomic_int helper; /* 0: none */
    pthread_mutex_t lock;
    /* Protected by lock: */
    struct event event; /* EVENT_NONE: nothing is expected */
    uint64_t nonce;
    bool agreed;
    uint64_t phantoms;
};

struct gate *gate_new(void)
{
    struct gate *gate = calloc(1, sizeof(*gate));

    if (gate != NULL)
        pthread_mutex_init(&gate->lock, NULL);
    return gate;
}

void gate_free(struct gate **gate)
{
    if (*gate == NULL)
        return;
    pthread_mutex_destroy(&(*gate)->lock);
    free(*gate);
    *gate = NULL;
}

void gate_helper(struct gate *gate, pid_t pid)
{
    atomic_store(&gate->helper, pid);
}

void gate_expect(struct gate *gate, const struct event *event, uint64_t nonce)
{
    pthread_mutex_lock(&gate->lock);
    gate->event = *event;
    gate->nonce = nonce;
    gate->agreed = false;
    pthread_mutex_unlock(&gate->lock);
}

bool gate_done(struct gate *gate)
{
    bool agreed;

    pthread_mutex_lock(&gate->lock);
    agreed = gate->agreed;
    gate->agreed = false;
    gate->event.kind = EVENT_NONE;
    pthread_mutex_unlock(&gate->lock);
    return agreed;
}

/* Whether the request comes from the helper; then `event` gets what is expected of it. */
static bool is_helper(fuse_req_t req, struct event *event)
{
    struct gate *gate = fs_of(req)->gate;
    pid_t helper = gate != NULL ? atomic_load(&gate->helper) : 0;

    if (helper == 0 || fuse_req_ctx(req)->pid != helper)
        return false;
    pthread_mutex_lock(&gate->lock);
    *event = gate->event;
    pthread_mutex_unlock(&gate->lock);
    return true;
}

static bool is_named(const struct event *event, uint64_t parent, const char *name)
{
    return event->parent == parent && strcmp(event->name, name) == 0;
}

static void agree(struct fs *fs)
{
    pthread_mutex_lock(&fs->gate->lock);
    fs->gate->agreed = fs->gate->event.kind != EVENT_NONE;
    pthread_mutex_unlock(&fs->gate->lock);
}

static void reply_phantom(struct fs *fs, fuse_req_t req, const struct event *event)
{
    struct cache_inode inode = {.kind = event->directory ? CACHE_DIRECTORY : CACHE_MESSAGE};
    struct fuse_entry_param entry;

    pthread_mutex_lock(&fs->gate->lock);
    inode.ino = PHANTOM_FIRST + fs->gate->phantoms++;
    pthread_mutex_unlock(&fs->gate->lock);
    attr_fill_entry(fs, &inode, &entry);
    entry.attr_timeout = entry.entry_timeout = 0;
    fuse_reply_entry(req, &entry);
}

/* ---- expected requests ---- */

/* On the way, or what is to be touched: answered as anybody is, from the cache alone. */
static void lookup_way(struct fs *fs, fuse_req_t req, const struct event *event, uint64_t parent,
                       const char *name)
{
    struct cache_inode inode;
    bool known = strlen(name) <= CACHE_NAME_MAX &&
                 cache_inode_lookup(fs->cache, parent, name, &inode) == CACHE_OK;

    if (known && event->kind != EVENT_NONE &&
        (inode.kind == CACHE_DIRECTORY || inode.ino == event->ino))
        fs_lookup(req, parent, name);
    else
        fuse_reply_err(req, known ? EPERM : ENOENT);
}

static void gate_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct fs *fs = fs_of(req);
    struct event event;
    struct cache_inode inode;

    if (!is_helper(req, &event)) {
        fs_lookup(req, parent, name);
    } else if (event.kind == EVENT_CREATE && is_named(&event, parent, name)) {
        fuse_reply_err(req, ENOENT);
    } else if (event.kind == EVENT_DELETE && is_named(&event, parent, name)) {
        if (cache_inode_lookup(fs->cache, parent, name, &inode) == CACHE_ERR_ABSENT)
            reply_phantom(fs, req, &event);
        else
            fuse_reply_err(req, ENOENT);
    } else {
        lookup_way(fs, req, &event, parent, name);
    }
}

static void make(fuse_req_t req, const struct event *event, uint64_t parent, const char *name,
                 bool directory)
{
    struct fs *fs = fs_of(req);
    struct cache_inode inode;

    if (event->kind != EVENT_CREATE || event->directory != directory ||
        !is_named(event, parent, name)) {
        fuse_reply_err(req, EPERM);
    } else if (cache_inode_lookup(fs->cache, parent, name, &inode) != CACHE_OK ||
               inode.ino != event->ino) {
        fuse_reply_err(req, ENOENT);
    } else {
        agree(fs);
        reply_phantom(fs, req, event);
    }
}

static void gate_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
    struct event event;

    if (is_helper(req, &event))
        make(req, &event, parent, name, false);
    else
        fs_mknod(req, parent, name, mode, rdev);
}

static void gate_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
    struct event event;

    if (is_helper(req, &event))
        make(req, &event, parent, name, true);
    else
        fs_mkdir(req, parent, name, mode);
}

static void take_away(fuse_req_t req, const struct event *event, uint64_t parent, const char *name,
                      bool directory)
{
    struct fs *fs = fs_of(req);
    struct cache_inode inode;

    if (event->kind != EVENT_DELETE || event->directory != directory ||
        !is_named(event, parent, name) ||
        cache_inode_lookup(fs->cache, parent, name, &inode) != CACHE_ERR_ABSENT) {
        fuse_reply_err(req, EPERM);
        return;
    }
    agree(fs);
    fuse_reply_err(req, 0);
}

static void gate_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct event event;

    if (is_helper(req, &event))
        take_away(req, &event, parent, name, false);
    else
        fs_unlink(req, parent, name);
}

static void gate_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct event event;

    if (is_helper(req, &event))
        take_away(req, &event, parent, name, true);
    else
        fs_rmdir(req, parent, name);
}

/* Nothing is set: the answer is what the inode is. */
static void gate_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
                         struct fuse_file_info *fi)
{
    struct fs *fs = fs_of(req);
    struct event event;
    struct cache_inode inode;

    if (!is_helper(req, &event)) {
        fs_setattr(req, ino, attr, to_set, fi);
    } else if ((event.kind != EVENT_ATTRIB && event.kind != EVENT_DIRECTORY) || event.ino != ino ||
               attr_get(fs, ino, &inode) != 0) {
        fuse_reply_err(req, EPERM);
    } else {
        agree(fs);
        attr_reply(fs, req, &inode);
    }
}

/* Tells the helper that it has come to the right mount. */
static void gate_statfs(fuse_req_t req, fuse_ino_t ino)
{
    struct fs *fs = fs_of(req);
    struct event event;
    struct statvfs st = {.f_bsize = 4096, .f_frsize = 4096, .f_namemax = 255};

    if (!is_helper(req, &event)) {
        fs_statfs(req, ino);
        return;
    }
    pthread_mutex_lock(&fs->gate->lock);
    st.f_files = fs->gate->event.kind != EVENT_NONE ? fs->gate->nonce : 0;
    pthread_mutex_unlock(&fs->gate->lock);
    fuse_reply_statfs(req, &st);
}

/* ---- never expected ---- */

static bool refused(fuse_req_t req)
{
    struct event event;

    if (!is_helper(req, &event))
        return false;
    fuse_reply_err(req, EPERM);
    return true;
}

static void gate_symlink(fuse_req_t req, const char *link, fuse_ino_t parent, const char *name)
{
    if (!refused(req))
        fs_symlink(req, link, parent, name);
}

static void gate_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t newparent,
                        const char *newname, unsigned flags)
{
    if (!refused(req))
        fs_rename(req, parent, name, newparent, newname, flags);
}

static void gate_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t newparent, const char *newname)
{
    if (!refused(req))
        fs_link(req, ino, newparent, newname);
}

static void gate_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
                        struct fuse_file_info *fi)
{
    if (!refused(req))
        fs_create(req, parent, name, mode, fi);
}

static void gate_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    if (!refused(req))
        fs_open(req, ino, fi);
}

static void gate_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    if (!refused(req))
        fs_opendir(req, ino, fi);
}

static void gate_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value,
                          size_t size, int flags)
{
    if (!refused(req))
        fs_setxattr(req, ino, name, value, size, flags);
}

static void gate_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
    if (!refused(req))
        fs_removexattr(req, ino, name);
}

void gate_cover(struct fuse_lowlevel_ops *ops)
{
    ops->lookup = gate_lookup;
    ops->mknod = gate_mknod;
    ops->mkdir = gate_mkdir;
    ops->unlink = gate_unlink;
    ops->rmdir = gate_rmdir;
    ops->setattr = gate_setattr;
    ops->statfs = gate_statfs;
    ops->symlink = gate_symlink;
    ops->rename = gate_rename;
    ops->link = gate_link;
    ops->create = gate_create;
    ops->open = gate_open;
    ops->opendir = gate_opendir;
    ops->setxattr = gate_setxattr;
    ops->removexattr = gate_removexattr;
}
