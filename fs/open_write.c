/*
 * OPEN of a file that is staged, or that is to be written. Opening a message for writing fetches it
 * first, as reading does (file.c), unless it is emptied at once; its body stays pinned and is
 * copied into a spool only when something is written, so that touch(1) copies nothing. Where it
 * was published through handles that are still open, the next one to open it starts from what the
 * server has.
 *
 * Pages that the kernel holds go with every such open: the bytes are about to change. With O_APPEND
 * on a message, pages are not used at all: the kernel would put what is written where it believes
 * the end to be.
 */
#include "fs/internal.h"

#include <errno.h>
#include <fcntl.h>

#include "fs/caller.h"

enum { ATTEMPTS = 4 };

enum outcome { ANSWERED, WANT_BODY, WANT_IDLE, WANT_ANEW };

static bool writes(const struct fuse_file_info *fi)
{
    return (fi->flags & O_ACCMODE) != O_RDONLY || (fi->flags & O_TRUNC) != 0;
}

/* Gets the bytes ready. io is held. ANSWERED: they are, or *error says why not. */
static enum outcome get_ready(struct staged *staged, const struct fuse_file_info *fi, int *error)
{
    bool live = staged_live(staged);

    *error = 0;
    if (!staged->tabled || (!writes(fi) && !live))
        return WANT_ANEW;
    if (staged->awaits != 0 && (fi->flags & O_TRUNC) == 0) {
        *error = staged_rebase(staged, staged->awaits, 0, false);
        if (*error != 0)
            return *error == EAGAIN ? WANT_BODY : ANSWERED;
    }
    if (!writes(fi))
        return ANSWERED;
    if (staged->busy)
        return WANT_IDLE;
    if (staged->failed != 0 || staged->shown != staged->ino) {
        *error = staged->failed != 0 ? ESTALE : EBUSY; /* an old version that is still open */
        return ANSWERED;
    }
    if ((fi->flags & O_TRUNC) != 0) {
        *error = staged_truncate(staged, 0);
        if (*error == 0 && staged->inode.kind == CACHE_MESSAGE)
            staged_touch(staged);
        return ANSWERED;
    }
    if (live || (staged->base == staged->message && staged->spool == NULL))
        return ANSWERED;
    *error = staged_rebase(staged, staged->message, staged->inode.mtime, false);
    return *error == EAGAIN ? WANT_BODY : ANSWERED;
}

static void reply_open(struct request *r, struct staged *staged)
{
    struct handle *handle = handle_new(r->fs, &r->inode);

    if (handle == NULL || !staged_attach(staged, handle)) {
        handle_free(r->fs, handle);
        fuse_reply_err(r->req, ENOMEM);
        return;
    }
    if (writes(&r->fi)) {
        handle->opener = caller_process(fuse_req_ctx(r->req)->pid);
        fuse_lowlevel_notify_inval_inode(r->fs->session, r->inode.ino, -1, 0);
    } else {
        r->fi.noflush = 1;
    }
    r->fi.fh = (uintptr_t)handle;
    r->fi.keep_cache = 0;
    r->fi.direct_io = (r->fi.flags & O_APPEND) != 0 && handle->inode.kind == CACHE_MESSAGE;
    if (fuse_reply_open(r->req, &r->fi) != 0)
        handle_free(r->fs, handle);
}

static enum outcome try(struct request *r)
{
    struct staged *staged = staged_get(r->fs, &r->inode);
    enum outcome outcome;
    int error;

    if (staged == NULL) {
        fuse_reply_err(r->req, ENOMEM);
        return ANSWERED;
    }
    pthread_mutex_lock(&staged->io);
    outcome = get_ready(staged, &r->fi, &error);
    if (outcome == ANSWERED && error == 0)
        staged->handles++; /* ours, until the handle has its own */
    pthread_mutex_unlock(&staged->io);
    staged_drop(r->staged);
    r->staged = staged;
    if (outcome != ANSWERED)
        return outcome;
    if (error != 0) {
        fuse_reply_err(r->req, error);
        return outcome;
    }
    reply_open(r, staged);
    pthread_mutex_lock(&staged->io);
    staged->handles--;
    pthread_mutex_unlock(&staged->io);
    return outcome;
}

/* Its own, or that of the message that it is to be a copy of. */
static int64_t wanted_body(struct request *r)
{
    int64_t message;

    pthread_mutex_lock(&r->staged->io);
    message = r->staged->awaits != 0 ? r->staged->awaits : r->inode.message;
    pthread_mutex_unlock(&r->staged->io);
    return message;
}

static sync_ticket open_ask(struct wait *wait, sync_done_fn *done, void *ctx)
{
    struct request *r = (struct request *)wait;

    if (r->again)
        return staged_want(r->staged, done, ctx);
    return sync_want_body(r->fs->sync, wanted_body(r), done, ctx);
}

/* The row is read anew: it may have become a message, or another one. */
static enum outcome refresh(struct request *r)
{
    int error = attr_get(r->fs, r->inode.ino, &r->inode);

    if (error == 0)
        return WANT_ANEW;
    fuse_reply_err(r->req, error);
    return ANSWERED;
}

static void go_on(struct request *r)
{
    enum outcome outcome;

    do {
        outcome = try(r);
        if (outcome == WANT_ANEW) {
            outcome = refresh(r);
            if (outcome == WANT_ANEW && !writes(&r->fi) && r->inode.kind == CACHE_MESSAGE) {
                open_message(r->req, &r->inode, &r->fi);
                outcome = ANSWERED;
            }
        }
    } while (outcome == WANT_ANEW && ++r->attempts < ATTEMPTS);
    if (outcome == ANSWERED) {
        wait_free(&r->wait);
        return;
    }
    if (++r->attempts >= ATTEMPTS) {
        fuse_reply_err(r->req, EIO);
        wait_free(&r->wait);
        return;
    }
    r->again = outcome == WANT_IDLE;
    wait_start(&r->wait);
}

static void open_resume(struct wait *wait, enum sync_error error)
{
    struct request *r = (struct request *)wait;

    if (error == SYNC_OK) {
        go_on(r);
        return;
    }
    fuse_reply_err(r->req, fs_errno(error));
    wait_free(wait);
}

static void open_reached(struct wait *wait, enum sync_error error)
{
    struct request *r = (struct request *)wait;

    wait->ask = open_ask;
    wait->resume = open_resume;
    if (error == SYNC_OK) {
        go_on(r);
        return;
    }
    fuse_reply_err(r->req, reach_errno(error));
    wait_free(wait);
}

void open_staged(fuse_req_t req, const struct cache_inode *inode, struct fuse_file_info *fi)
{
    struct fs *fs = fs_of(req);
    struct request *r;

    if (writes(fi) && inode->kind == CACHE_MESSAGE && !sync_can_change(fs->sync)) {
        fuse_reply_err(req, ENETDOWN);
        return;
    }
    r = request_new_change(fs, req);
    if (r == NULL)
        return;
    r->inode = *inode;
    r->fi = *fi;
    if (writes(fi) && inode->kind == CACHE_MESSAGE) {
        r->wait.ask = reach_ask;
        r->wait.resume = open_reached;
        wait_start(&r->wait);
        return;
    }
    r->wait.ask = open_ask;
    r->wait.resume = open_resume;
    go_on(r);
}
