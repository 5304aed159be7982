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

#include "sync/change.h"

enum { PIN_ATTEMPTS = 3 };

static sync_ticket open_ask(struct wait *wait, sync_done_fn *done, void *ctx)
{
    struct request *request = (struct request *)wait;

    return sync_want_body(request->fs->sync, request->inode.message, done, ctx);
}

/* The kernel must not hold an estimate any more. `fetched`: the size became exact for this open.
 * `exact`: it was so in the row; if neither, the row will have it in a moment, and whoever asks
 * before that once the file is closed gets the estimate again. */
static void settle_size(struct fs *fs, uint64_t ino, bool fetched, bool exact)
{
    if (!fetched && exact && !told_suspect(fs->told, ino))
        return;
    fuse_lowlevel_notify_inval_inode(fs->session, ino, -1, 0);
    if (fetched || exact)
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
    fi->keep_cache = told_pages_good(fs->told, inode->ino);
    fi->noflush = 1;
    if (fuse_reply_open(req, fi) != 0) /* the caller is gone: no release will come */
        handle_free(fs, handle);
    else if (fs->mark_seen)
        sync_mark_seen(fs->sync, inode->message);
}

/* Pins and answers a first time: what was opened before, or has its body here, and nothing else to
 * be asked about. False: nothing was answered. */
static bool open_at_once(struct fs *fs, fuse_req_t req, uint64_t ino, struct fuse_file_info *fi)
{
    struct cache_inode inode;

    if (moved_on(fs, ino, true) || cache_message_pin(fs->cache, ino, &inode) != CACHE_OK)
        return false;
    settle_size(fs, ino, false, inode.size_exact);
    inode.size_exact = true;
    reply_open(fs, req, fi, &inode);
    sync_body_opened(fs->sync, inode.message);
    return true;
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
    settle_size(fs, inode->ino, fetched, inode->size_exact && inode->size == size);
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

void open_message(fuse_req_t req, const struct cache_inode *inode, struct fuse_file_info *fi)
{
    struct fs *fs = fs_of(req);
    struct cache_inode now = *inode;
    struct request *request;

    if (open_here(fs, req, fi, &now, false)) {
        sync_body_opened(fs->sync, inode->message);
        return;
    }
    request = request_new(fs, req);
    if (request == NULL)
        return;
    request->inode = *inode;
    request->fi = *fi;
    request->wait.ask = open_ask;
    request->wait.resume = open_resume;
    wait_start(&request->wait);
}

/* Whether there is a staged file that an open of this inode has to do with. */
static bool is_staged(struct fs *fs, uint64_t ino)
{
    struct staged *staged = staged_find(fs, ino);

    staged_drop(staged);
    return staged != NULL;
}

void fs_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    bool writes = (fi->flags & O_ACCMODE) != O_RDONLY || (fi->flags & (O_CREAT | O_TRUNC)) != 0;
    struct fs *fs = fs_of(req);
    struct cache_inode inode;
    bool staged;
    int error;

    if (writes && (fs->read_only || ino == FS_STATUS_INO)) {
        fuse_reply_err(req, EROFS);
        return;
    }
    if (whole_in_force(fs->whole)) {
        fuse_reply_err(req, ENOSYS); /* the last OPEN of this mount */
        return;
    }
    if (ino == FS_STATUS_INO) {
        status_open(fs, req, fi);
        return;
    }
    staged = is_staged(fs, ino);
    if (!writes && !staged && open_at_once(fs, req, ino, fi))
        return;
    error = moved_on(fs, ino, true) ? ESTALE : attr_get(fs, ino, &inode);
    if (error != 0 || inode.kind == CACHE_DIRECTORY)
        fuse_reply_err(req, error != 0 ? error : EISDIR);
    else if (writes || staged || inode.kind == CACHE_STAGED)
        open_staged(req, &inode, fi);
    else
        open_message(req, &inode, fi);
}

void read_staged(fuse_req_t req, struct staged *staged, size_t size, off_t offset)
{
    char *data = malloc(size);
    size_t got = 0;
    int error;

    if (data == NULL) {
        fuse_reply_err(req, ENOMEM);
        return;
    }
    pthread_mutex_lock(&staged->io);
    error = staged_read(staged, (uint64_t)offset, data, size, &got);
    pthread_mutex_unlock(&staged->io);
    if (error != 0)
        fuse_reply_err(req, error);
    else
        fuse_reply_buf(req, data, got);
    free(data);
}

/* A reader of a message that somebody is writing sees what is written. */
static bool read_overlaid(struct fs *fs, fuse_req_t req, uint64_t ino, size_t size, off_t offset)
{
    struct staged *staged = staged_find(fs, ino);
    bool live = false;

    if (staged != NULL) {
        pthread_mutex_lock(&staged->io);
        live = staged_live(staged);
        pthread_mutex_unlock(&staged->io);
    }
    if (live)
        read_staged(req, staged, size, offset);
    staged_drop(staged);
    return live;
}

/* `size` bytes of the pinned body of `inode`, or what there is of them. Answers. */
static void read_body(struct fs *fs, fuse_req_t req, const struct cache_inode *inode, size_t size,
                      off_t offset)
{
    enum cache_error error;
    size_t got = 0;
    char *data;

    if (offset < 0 || (uint64_t)offset >= inode->size) {
        fuse_reply_buf(req, NULL, 0);
        return;
    }
    if (size > inode->size - (uint64_t)offset)
        size = (size_t)(inode->size - (uint64_t)offset);
    data = malloc(size);
    if (data == NULL) {
        fuse_reply_err(req, ENOMEM);
        return;
    }
    error = cache_body_read(fs->cache, inode->message, (uint64_t)offset, data, size, &got);
    if (error != CACHE_OK || got != size) /* a short read would show as NULs */
        fuse_reply_err(req, EIO);
    else
        fuse_reply_buf(req, data, got);
    free(data);
}

/* The kernel opened it without asking (whole.h). Only what has gone on the server meanwhile is not
 * here. */
static void read_unopened(struct fs *fs, fuse_req_t req, uint64_t ino, size_t size, off_t offset)
{
    struct cache_inode inode;
    enum cache_error error = cache_message_pin(fs->cache, ino, &inode);

    if (error != CACHE_OK) {
        fuse_reply_err(req, error == CACHE_ERR_ABSENT ? ESTALE : fs_errno_of_cache(error));
        return;
    }
    read_body(fs, req, &inode, size, offset);
    cache_body_unpin(fs->cache, inode.message);
}

void fs_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
    struct fs *fs = fs_of(req);
    const struct handle *handle = handle_of(fi);

    if (ino == FS_STATUS_INO) {
        status_read(req, handle, size, offset);
        return;
    }
    if (handle == NULL) {
        read_unopened(fs, req, ino, size, offset);
        return;
    }
    if (handle->staged != NULL) {
        read_staged(req, handle->staged, size, offset);
        return;
    }
    if (!read_overlaid(fs, req, ino, size, offset))
        read_body(fs, req, &handle->inode, size, offset);
}

/* Answered first: the kernel waits for nothing that a last close may start. */
void fs_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct fs *fs = fs_of(req);
    struct handle *handle = handle_of(fi);

    fuse_reply_err(req, 0);
    handle_free(fs, handle);
}
