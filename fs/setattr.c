/*
 * SETATTR. chmod, chown and utimes always succeed: rsync -a, cp -p and tar fail where they do not
 * (FUSE.md). Mode and owner never change. A time becomes the INTERNALDATE of a file that is not a
 * message yet; of one that is, nothing changes it. Truncation works on the staged bytes of a file
 * that is open for writing; of one that nobody writes it is truncate.c's, and a message that is
 * emptied and left empty stands.
 */
#include "fs/internal.h"

#include <errno.h>

#include "base/clock.h"

static void note_times(struct staged *staged, const struct stat *attr, int to_set)
{
    if (staged->message != 0)
        return;
    if ((to_set & FUSE_SET_ATTR_MTIME_NOW) != 0) {
        staged->has_date = false;
        staged->mtime = clock_wall();
    } else if ((to_set & FUSE_SET_ATTR_MTIME) != 0) {
        staged->has_date = true;
        staged->date = attr->st_mtim.tv_sec;
    }
}

/* 0 or an errno; EAGAIN: it is busy. */
static int set_staged(struct staged *staged, const struct stat *attr, int to_set,
                      struct handle *handle)
{
    bool open = handle != NULL && handle->staged == staged;
    int error = 0;

    pthread_mutex_lock(&staged->io);
    if ((to_set & FUSE_SET_ATTR_SIZE) != 0) {
        if (staged->busy)
            error = EAGAIN;
        else if (staged->failed != 0)
            error = staged->failed;
        else if (open || staged_live(staged))
            error = staged_truncate(staged, (uint64_t)attr->st_size);
    }
    if (open && error == 0 && (to_set & FUSE_SET_ATTR_SIZE) != 0)
        atomic_store(&handle->wrote, true);
    if (error == 0)
        note_times(staged, attr, to_set);
    pthread_mutex_unlock(&staged->io);
    return error;
}

static void reply(struct fs *fs, fuse_req_t req, uint64_t ino, int error)
{
    struct cache_inode inode;

    if (error == 0)
        error = attr_get(fs, ino, &inode);
    if (error != 0)
        fuse_reply_err(req, error);
    else
        attr_reply(fs, req, &inode);
}

static sync_ticket setattr_ask(struct wait *wait, sync_done_fn *done, void *ctx)
{
    return staged_want(((struct request *)wait)->staged, done, ctx);
}

static void setattr_resume(struct wait *wait, enum sync_error error)
{
    struct request *r = (struct request *)wait;
    int failed = fs_errno(error);

    if (failed == 0)
        failed = set_staged(r->staged, &r->attr, r->to_set, r->handle);
    if (failed == EAGAIN && error == SYNC_OK) {
        wait_start(wait);
        return;
    }
    reply(r->fs, r->req, r->inode.ino, failed);
    wait_free(wait);
}

static void set_later(struct fs *fs, fuse_req_t req, struct staged *staged, const struct stat *attr,
                      int to_set, struct handle *handle)
{
    struct request *r = request_new_change(fs, req);

    if (r == NULL)
        return;
    staged_hold(staged);
    r->staged = staged;
    r->handle = handle;
    r->inode.ino = staged->ino;
    r->attr = *attr;
    r->to_set = to_set;
    r->wait.locked = staged->ino;
    r->wait.ask = setattr_ask;
    r->wait.resume = setattr_resume;
    wait_start(&r->wait);
    moved_later(fs, staged->ino); /* what it waits for must not wait for the kernel, which waits */
}

/* Whether the size is to be set of a message that nobody writes. `staged` is what there is of it.
 */
static bool is_truncation(const struct cache_inode *inode, struct staged *staged,
                          const struct handle *handle, const struct stat *attr, int to_set)
{
    bool writes;

    if ((to_set & FUSE_SET_ATTR_SIZE) == 0 || attr->st_size == 0 || inode->kind != CACHE_MESSAGE)
        return false;
    if (staged == NULL)
        return !inode->size_exact || (uint64_t)attr->st_size != inode->size;
    pthread_mutex_lock(&staged->io);
    writes = staged_live(staged) || staged->busy;
    pthread_mutex_unlock(&staged->io);
    return !writes && (handle == NULL || handle->staged != staged);
}

/* The staged file that is meant; with a reference. */
static struct staged *find_staged(struct fs *fs, const struct cache_inode *inode,
                                  const struct handle *handle)
{
    if (handle != NULL && handle->staged != NULL) {
        staged_hold(handle->staged);
        return handle->staged;
    }
    return inode->kind == CACHE_STAGED ? staged_get(fs, inode) : staged_find(fs, inode->ino);
}

void fs_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
                struct fuse_file_info *fi)
{
    struct fs *fs = fs_of(req);
    struct handle *handle = fi != NULL ? handle_of(fi) : NULL;
    struct cache_inode inode;
    struct staged *staged;
    struct stat st;
    int error;

    if (ino == FS_STATUS_INO) {
        status_attr(fs, &st);
        fuse_reply_attr(req, &st, 0);
        return;
    }
    error = attr_get(fs, ino, &inode);
    if (error != 0) {
        fuse_reply_err(req, error);
        return;
    }
    staged = find_staged(fs, &inode, handle);
    if (is_truncation(&inode, staged, handle, attr, to_set)) {
        truncate_message(req, &inode, attr);
        staged_drop(staged);
        return;
    }
    if (staged == NULL) {
        reply(fs, req, ino, 0);
        return;
    }
    error = set_staged(staged, attr, to_set, handle);
    if (error == EAGAIN)
        set_later(fs, req, staged, attr, to_set, handle);
    else
        reply(fs, req, ino, error);
    staged_drop(staged);
}
