/*
 * Where the parts meet libfuse: the table of callbacks, what a wait and the notifier need of it,
 * and the bridge over which sync reports changes.
 *
 * flush and fsync are not in the table of a read-only mount: the kernel is told ENOSYS once and
 * asks no more, which is right as long as nothing can be written.
 *
 * sync outlives the mount and its listener cannot be taken back, so it is given a bridge, a few
 * bytes that stay for the life of the process and are cut from the fs when the mount ends.
 */
#include "fs/rooms.h"
#include "fs/searches.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

struct bridge {
    struct bridge *next; /* all bridges of the process */
    pthread_mutex_t lock;
    struct fs *fs; /* protected by lock; NULL: cut */
};

static pthread_mutex_t bridges_lock = PTHREAD_MUTEX_INITIALIZER;
static struct bridge *bridges; /* protected by bridges_lock */

/* What a request under way took away itself, the kernel knows; but not what it cached of the rest.
 */
static void notify_removed(struct fs *fs, const struct cache_change *change)
{
    if (errand_names(fs, change->parent, change->ino, change->name))
        notify_directory(fs->notifier, change->parent);
    else
        notify_gone(fs->notifier, change->parent, change->ino, change->name);
}

/* sync's threads. Counts the change before the kernel hears of it (told.c), never blocks. */
static void bridge_changed(void *ctx, const struct cache_change *change, enum sync_origin origin)
{
    struct bridge *bridge = ctx;
    struct fs *fs;

    pthread_mutex_lock(&bridge->lock);
    fs = bridge->fs;
    if (fs != NULL) {
        told_directory_changed(fs->told, change->parent);
        if (change->gone) {
            rooms_gone(fs, change);
            notify_removed(fs, change);
        } else {
            notify_directory(fs->notifier, change->parent);
            if (change->bytes)
                told_written(fs->told, change->ino);
            /* A new entry is not known to the kernel; then there is nothing to drop. */
            if (told_knows(fs->told, change->ino))
                notify_attributes(fs->notifier, change->ino);
            staging_row_changed(fs, change->ino);
        }
        if (origin == SYNC_ORIGIN_SERVER && !change->settled && fs->events != NULL)
            events_note(fs->events, change);
    }
    pthread_mutex_unlock(&bridge->lock);
}

struct bridge *bridge_new(struct fs *fs)
{
    struct bridge *bridge = calloc(1, sizeof(*bridge));

    if (bridge == NULL)
        return NULL;
    pthread_mutex_init(&bridge->lock, NULL);
    bridge->fs = fs;
    pthread_mutex_lock(&bridges_lock);
    bridge->next = bridges;
    bridges = bridge;
    pthread_mutex_unlock(&bridges_lock);
    sync_listen(fs->sync, &(struct sync_listener){.ctx = bridge, .changed = bridge_changed});
    return bridge;
}

void bridge_cut(struct bridge *bridge)
{
    if (bridge == NULL)
        return;
    pthread_mutex_lock(&bridge->lock);
    bridge->fs = NULL;
    pthread_mutex_unlock(&bridge->lock);
}

/* ---- waits ---- */

static void wait_reply(void *request, int error)
{
    fuse_reply_err(request, error);
}

/* libfuse hands the request over too; the wait knows it. libfuse keeps one function and one pointer
 * a request, and the function is always the wait's. */
static void on_interrupted(fuse_req_t req, void *data)
{
    wait_on_interrupt(data);
}

static void wait_on_interrupt_set(void *request, struct wait *wait)
{
    fuse_req_interrupt_func(request, wait != NULL ? on_interrupted : NULL, wait);
}

static bool wait_detach(void *ctx, sync_ticket ticket)
{
    struct fs *fs = ctx;

    if ((ticket & ERRAND_TICKET) != 0)
        return errand_detach(fs, ticket);
    if ((ticket & SEARCH_TICKET) != 0)
        return searches_detach(fs->searches, ticket);
    return sync_detach(fs->sync, ticket);
}

void operations_wait_ops(struct fs *fs, struct wait_ops *ops)
{
    *ops = (struct wait_ops){.reply_errno = wait_reply,
                             .on_interrupt = wait_on_interrupt_set,
                             .detach = wait_detach,
                             .ctx = fs};
}

/* ---- notices: ENOENT just says that the kernel does not know the inode or name ---- */

static void tell_directory(void *ctx, uint64_t ino)
{
    struct fs *fs = ctx;

    fuse_lowlevel_notify_inval_inode(fs->session, ino, 0, 0);
}

static void tell_attributes(void *ctx, uint64_t ino)
{
    struct fs *fs = ctx;

    fuse_lowlevel_notify_inval_inode(fs->session, ino, -1, 0);
}

/* A directory that has another name now. */
static bool is_elsewhere(struct fs *fs, uint64_t ino)
{
    struct cache_inode inode;

    return cache_inode_get(fs->cache, ino, &inode) == CACHE_OK && inode.kind == CACHE_DIRECTORY;
}

/* notify_delete leaves the name alone when it already stands for another inode. It refuses a
 * directory in whose cached children the kernel still sees something: those are dropped with it.
 * One that lives on must not be deleted: to the kernel it would be dead under its new name, too.
 *
 * Both want the parent's lock in the kernel for themselves alone, and once they stand in line for
 * it nobody else gets it: behind a READDIR that waits for the network, every name in the directory
 * would wait with it. notify_delete wants the inode's lock, too, which a SETATTR has. So not then.
 */
static bool tell_gone(void *ctx, uint64_t parent, uint64_t ino, const char *name)
{
    struct fs *fs = ctx;
    int error;

    if (waits_hold(&fs->waits, parent) || waits_hold(&fs->waits, ino)) {
        moved_later(fs, ino);
        return false;
    }
    error = is_elsewhere(fs, ino)
                ? -ENOTEMPTY
                : fuse_lowlevel_notify_delete(fs->session, parent, ino, name, strlen(name));
    moved_told(fs, ino, false);
    if (error == -ENOTEMPTY || error == -EBUSY || error == -ENOSYS)
        fuse_lowlevel_notify_inval_entry(fs->session, parent, name, strlen(name));
    return true;
}

/* Dropping a directory's name drops all that is cached below it. */
static void tell_everything(void *ctx)
{
    enum { ROWS = 64 };
    struct fs *fs = ctx;
    struct cache_inode *rows = calloc(ROWS, sizeof(*rows));
    uint64_t after = 0;
    size_t count = 1;

    log_info("many changes at once: the kernel's cache of this mount is dropped");
    while (rows != NULL && count > 0 &&
           cache_inode_list(fs->cache, CACHE_ROOT_INO, after, rows, ROWS, &count) == CACHE_OK) {
        for (size_t i = 0; i < count; i++) {
            after = rows[i].ino;
            fuse_lowlevel_notify_inval_entry(fs->session, CACHE_ROOT_INO, rows[i].name,
                                             strlen(rows[i].name));
        }
    }
    rooms_forget(fs);
    fuse_lowlevel_notify_inval_inode(fs->session, CACHE_ROOT_INO, 0, 0);
    moved_told(fs, 0, false);
    free(rows);
}

void operations_notify_ops(struct fs *fs, struct notify_ops *ops)
{
    *ops = (struct notify_ops){.ctx = fs,
                               .directory = tell_directory,
                               .attributes = tell_attributes,
                               .gone = tell_gone,
                               .everything = tell_everything};
}

/* ---- the table ---- */

/* READDIRPLUS for every listing (FUSE.md, "Speed"): no LOOKUP for each file afterwards.
 * PARALLEL_DIROPS, else a READDIR or LOOKUP that waits for a first listing holds up every other
 * name in that directory (dirops.c has the rest of that story).
 *
 * On a mount that is written: O_TRUNC comes with its OPEN; writes come as they are made, since a
 * size that is an estimate would be the kernel's to keep if it gathered them; and an mtime that
 * becomes the server's drops no pages, which opens see to (told.h). */
static void fs_init(void *userdata, struct fuse_conn_info *conn)
{
    const struct fs *fs = userdata;

    conn->want |= conn->capable & FUSE_CAP_PARALLEL_DIROPS;
    if ((conn->capable & FUSE_CAP_READDIRPLUS) != 0) {
        conn->want |= FUSE_CAP_READDIRPLUS;
        conn->want &= ~(unsigned)FUSE_CAP_READDIRPLUS_AUTO;
    }
    if (!fs->read_only) {
        conn->want |= conn->capable & FUSE_CAP_ATOMIC_O_TRUNC;
        conn->want &= ~(unsigned)(FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_AUTO_INVAL_DATA);
    }
    conn->time_gran = 1000000000; /* INTERNALDATE has whole seconds */
}

#define READING                                                                                    \
    .init = fs_init, .lookup = fs_lookup, .forget = fs_forget, .forget_multi = fs_forget_multi,    \
    .getattr = fs_getattr, .access = fs_access, .statfs = fs_statfs, .opendir = fs_opendir,        \
    .readdir = fs_readdir, .readdirplus = fs_readdirplus, .releasedir = fs_releasedir,             \
    .open = fs_open, .read = fs_read, .release = fs_release, .getxattr = fs_getxattr,              \
    .listxattr = fs_listxattr

static struct fuse_lowlevel_ops reading = {READING};

static struct fuse_lowlevel_ops writing = {
    READING,
    .setattr = fs_setattr,
    .mknod = fs_mknod,
    .mkdir = fs_mkdir,
    .unlink = fs_unlink,
    .rmdir = fs_rmdir,
    .symlink = fs_symlink,
    .rename = fs_rename,
    .link = fs_link,
    .create = fs_create,
    .write = fs_write,
    .copy_file_range = fs_copy_file_range,
    .flush = fs_flush,
    .fsync = fs_fsync,
    .fsyncdir = fs_fsyncdir,
    .setxattr = fs_setxattr,
    .removexattr = fs_removexattr,
};

const struct fuse_lowlevel_ops *operations_get(bool read_only)
{
    if (!read_only) {
        gate_cover(&writing);
        return rooms_wrap(&writing, false);
    }
    readonly_fill(&reading);
    return rooms_wrap(&reading, true);
}
