/*
 * copy_file_range: how cp(1) and cat(1) copy within the mount. A whole message into an empty file
 * is noted as a copy of it; not a byte is read, and the flush that publishes it sends a COPY. What
 * is written besides, or a second copy into the same file (`cat a b > c`), needs the bytes: they
 * are in the cache, because the source is open, and become a spool first.
 *
 * Everything else copies bytes here, on FUSE's own thread, a bounded piece a call: the caller asks
 * for the rest, and 0 is the end. ENOSYS would make cp(1) read and write for good.
 */
#include "fs/internal.h"

#include <errno.h>
#include <stdlib.h>

enum { BLOCK = 256 * 1024, PIECE = 8 * 1024 * 1024 };

/* A whole message into a file of ours without anything. io of the target is held. */
static bool is_clone(const struct handle *from, const struct staged *to, off_t off_in,
                     off_t off_out, size_t size)
{
    return from->pinned && off_in == 0 && off_out == 0 && size >= from->inode.size &&
           from->inode.size > 0 && to->spool == NULL && staged_size(to) == 0;
}

/* Up to `size` bytes of the source. */
static int read_source(struct fs *fs, const struct handle *from, uint64_t offset, void *data,
                       size_t size, size_t *got)
{
    int error;

    if (from->staged == NULL)
        return cache_body_read(fs->cache, from->inode.message, offset, data, size, got) == CACHE_OK
                   ? 0
                   : EIO;
    pthread_mutex_lock(&from->staged->io);
    error = staged_read(from->staged, offset, data, size, got);
    pthread_mutex_unlock(&from->staged->io);
    return error;
}

/* 0 or an errno; EAGAIN: busy. */
static int write_target(struct staged *to, uint64_t offset, const void *data, size_t size)
{
    int error;

    pthread_mutex_lock(&to->io);
    if (to->busy)
        error = EAGAIN;
    else if (to->failed != 0)
        error = to->failed;
    else
        error = staged_write(to, offset, data, size);
    pthread_mutex_unlock(&to->io);
    return error;
}

static int copy_bytes(struct request *r, size_t *done)
{
    size_t got = 1, limit = r->size < PIECE ? r->size : PIECE;
    char *block = malloc(BLOCK);
    int error = block == NULL ? ENOMEM : 0;

    *done = 0;
    while (error == 0 && got > 0 && *done < limit) {
        size_t size = limit - *done < BLOCK ? limit - *done : BLOCK;
        error = read_source(r->fs, r->handle, (uint64_t)r->offset + *done, block, size, &got);
        if (error == 0 && got > 0)
            error = write_target(r->staged, r->after + *done, block, got);
        if (error == 0)
            *done += got;
    }
    free(block);
    return *done > 0 ? 0 : error;
}

/* 0 or an errno; EAGAIN: busy. */
static int copy(struct request *r, size_t *done)
{
    const struct handle *from = r->handle;
    struct staged *to = r->staged;
    bool clone;
    int error = 0;

    pthread_mutex_lock(&to->io);
    if (to->busy)
        error = EAGAIN;
    else if (to->failed != 0)
        error = to->failed;
    clone = error == 0 && is_clone(from, to, r->offset, (off_t)r->after, r->size);
    if (clone)
        error = staged_rebase(to, from->inode.message, from->inode.mtime, true);
    pthread_mutex_unlock(&to->io);
    *done = from->inode.size;
    return clone || error != 0 ? error : copy_bytes(r, done);
}

static sync_ticket copy_ask(struct wait *wait, sync_done_fn *done, void *ctx)
{
    return staged_want(((struct request *)wait)->staged, done, ctx);
}

static void go_on(struct request *r)
{
    size_t done = 0;
    int error = copy(r, &done);

    if (error == EAGAIN) {
        wait_start(&r->wait);
        return;
    }
    if (error != 0) {
        fuse_reply_err(r->req, error);
    } else {
        atomic_store(&r->target->wrote, true);
        fuse_reply_write(r->req, done);
    }
    wait_free(&r->wait);
}

static void copy_resume(struct wait *wait, enum sync_error error)
{
    struct request *r = (struct request *)wait;

    if (error == SYNC_OK) {
        go_on(r);
        return;
    }
    fuse_reply_err(r->req, fs_errno(error));
    wait_free(wait);
}

void fs_copy_file_range(fuse_req_t req, fuse_ino_t ino_in, off_t off_in,
                        struct fuse_file_info *fi_in, fuse_ino_t ino_out, off_t off_out,
                        struct fuse_file_info *fi_out, size_t len, int flags)
{
    struct handle *to = handle_of(fi_out);
    struct request *r;

    if (to->staged == NULL || (!handle_of(fi_in)->pinned && handle_of(fi_in)->staged == NULL)) {
        fuse_reply_err(req, EOPNOTSUPP);
        return;
    }
    r = request_new_change(fs_of(req), req);
    if (r == NULL)
        return;
    staged_hold(to->staged);
    r->staged = to->staged;
    r->handle = handle_of(fi_in);
    r->target = to;
    r->size = len;
    r->offset = off_in;
    r->after = (uint64_t)off_out;
    r->wait.ask = copy_ask;
    r->wait.resume = copy_resume;
    go_on(r);
}
