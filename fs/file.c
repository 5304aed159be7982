/*
 * open fetches, read never waits (FUSE.md). open pins the body in the cache; when it is not there,
 * sync is asked for it and the request waits. Once the exact size stands in the cache, a kernel
 * that may still believe RFC822.SIZE has its attributes dropped, before open is answered: so
 * whoever reads, maps or stats the open file sees the message as it is. This is the one
 * notification made inside a request, of attributes alone, and takes no lock in the kernel.
 *
 * A body may be evicted between sync's word and the pin, by a cache far too small; then it is asked
 * for again, a few times. FUSE's workers run the callbacks, sync's threads the resume.
 */
#include "fs/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

enum { PIN_ATTEMPTS = 3 };

static sync_ticket open_ask(struct wait *wait, sync_done_fn *done, void *ctx)
{
    struct request *request = (struct request *)wait;

    return sync_want_body(request->fs->sync, request->inode.message, done, ctx);
}

/* The kernel must not hold an estimate any more. `fetched`: the size became exact for this open. */
static void settle_size(struct fs *fs, uint64_t ino, bool fetched)
{
    if (!fetched && !told_suspect(fs->told, ino))
        return;
    fuse_lowlevel_notify_inval_inode(fs->session, ino, -1, 0);
    told_settled(fs->told, ino);
}

/* The body is pinned: answers. */
static void reply_open(struct fs *fs, fuse_req_t req, struct fuse_file_info *fi,
                       const struct cache_inode *inode)
{
    struct handle *handle = handle_new(fs, inode);

    if (handle == NULL) {
        cache_body_unpin(fs->cache, inode->message);
        fuse_reply_err(req, ENOMEM);
        return;
    }
    pthread_mutex_lock(&fs->handles_lock);
    handle->pinned = true;
    pthread_mutex_unlock(&fs->handles_lock);
    fi->fh = (uintptr_t)handle;
    fi->keep_cache = 1;
    fi->noflush = 1;
    if (fuse_reply_open(req, fi) != 0) /* the caller is gone: no release will come */
        handle_free(fs, handle);
}

/* Pins and answers; false: the body is not here, nothing was answered. */
static bool open_here(struct fs *fs, fuse_req_t req, struct fuse_file_info *fi,
                      struct cache_inode *inode, bool fetched)
{
    uint64_t size = 0;
    enum cache_error error = cache_body_pin(fs->cache, inode->message, &size);

    if (error == CACHE_ERR_ABSENT)
        return false;
    if (error != CACHE_OK) {
        fuse_reply_err(req, fs_errno_of_cache(error));
        return true;
    }
    settle_size(fs, inode->ino, fetched || !inode->size_exact || inode->size != size);
    inode->size = size;
    inode->size_exact = true;
    reply_open(fs, req, fi, inode);
    return true;
}

static void open_resume(struct wait *wait, enum sync_error error)
{
    struct request *request = (struct request *)wait;

    if (error != SYNC_OK) {
        fuse_reply_err(request->req, fs_errno(error));
    } else if (!open_here(request->fs, request->req, &request->fi, &request->inode, true)) {
        if (++request->attempts < PIN_ATTEMPTS) {
            wait_start(wait);
            return;
        }
        fuse_reply_err(request->req, EIO);
    }
    wait_free(wait);
}

void fs_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct fs *fs = fs_of(req);
    struct cache_inode inode;
    struct request *request;
    int error;

    if ((fi->flags & O_ACCMODE) != O_RDONLY || (fi->flags & (O_CREAT | O_TRUNC)) != 0) {
        fuse_reply_err(req, EROFS);
        return;
    }
    if (ino == FS_STATUS_INO) {
        status_open(fs, req, fi);
        return;
    }
    error = attr_get(fs, ino, &inode);
    if (error != 0 || inode.kind != CACHE_MESSAGE) {
        fuse_reply_err(req, error != 0 ? error : EISDIR);
        return;
    }
    if (open_here(fs, req, fi, &inode, false))
        return;
    request = request_new(fs, req);
    if (request == NULL)
        return;
    request->inode = inode;
    request->fi = *fi;
    request->wait.ask = open_ask;
    request->wait.resume = open_resume;
    wait_start(&request->wait);
}

void fs_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
    struct fs *fs = fs_of(req);
    const struct handle *handle = handle_of(fi);
    enum cache_error error;
    size_t got = 0;
    char *data;

    if (ino == FS_STATUS_INO) {
        status_read(req, handle, size, offset);
        return;
    }
    if (offset < 0 || (uint64_t)offset >= handle->inode.size) {
        fuse_reply_buf(req, NULL, 0);
        return;
    }
    if (size > handle->inode.size - (uint64_t)offset)
        size = (size_t)(handle->inode.size - (uint64_t)offset);
    data = malloc(size);
    if (data == NULL) {
        fuse_reply_err(req, ENOMEM);
        return;
    }
    error = cache_body_read(fs->cache, handle->inode.message, (uint64_t)offset, data, size, &got);
    if (error != CACHE_OK || got != size) /* a short read would show as NULs */
        fuse_reply_err(req, EIO);
    else
        fuse_reply_buf(req, data, got);
    free(data);
}

void fs_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    handle_free(fs_of(req), handle_of(fi));
    fuse_reply_err(req, 0);
}
