/*
 * flush, fsync, fsyncdir. A flush is where close(2) can still report an error, so it is where a
 * file is published; but a flush comes for every descriptor that is closed (FUSE.md, "Traps seen"):
 *
 * - from children of a shell, before the shell has written the rest: so it counts from the process
 *   that opened the file, or after that one has closed it;
 * - from a process that a signal is killing, with half a message: then the bytes stay in the outbox
 *   as unfinished, and nothing is published;
 * - again and again without anything new, or through a handle that only reads, or touches, what
 *   another one is writing: then it does nothing.
 *
 * Whether the opener still has the file is seen in /proc. Where that cannot be read, it counts as
 * closed once the opener's own flush came after something was written.
 */
#include "fs/internal.h"

#include <errno.h>

#include "fs/caller.h"

enum step { NOTHING, PUBLISH, KEEP };

/* ---- flush ---- */

/* The opener has no descriptor of it any more. */
static bool opener_left(const struct handle *handle, const struct cache_inode *inode)
{
    switch (caller_holds(handle->opener, inode->ino, inode->name)) {
    case CALLER_GONE:
    case CALLER_HOLDS_NOT:
        return true;
    case CALLER_HOLDS:
        return false;
    default:
        return atomic_load(&handle->opener_closed);
    }
}

/* What this flush is for: looked at when it comes, because a caller who is being killed interrupts
 * it, too. */
static enum step step_of(struct handle *handle, pid_t thread)
{
    struct staged *staged = handle->staged;
    pid_t process = caller_process(thread);
    bool opener = process == 0 || handle->opener == 0 || process == handle->opener;
    struct cache_inode inode;
    bool due;

    pthread_mutex_lock(&staged->io);
    due = staged_due(staged);
    if (staged->dirty && staged_size(staged) == 0 && staged->inode.kind == CACHE_MESSAGE)
        staged->dirty = false; /* emptied: the old one stands, unless something follows */
    inode = staged->inode;
    pthread_mutex_unlock(&staged->io);
    if (!due)
        return NOTHING;
    if (opener)
        atomic_store(&handle->opener_closed, true);
    else if (!opener_left(handle, &inode))
        return NOTHING;
    atomic_store(&handle->wrote, false);
    return caller_killed(thread) ? KEEP : PUBLISH;
}

static sync_ticket publish(struct request *r, sync_done_fn *done, void *ctx)
{
    struct staged *staged = r->staged;
    struct staged_target target = {0};

    pthread_mutex_lock(&staged->io);
    target.parent = staged->inode.parent;
    pthread_mutex_unlock(&staged->io);
    target.mailbox = staging_mailbox(r->fs, target.parent);
    staged_hold(staged);
    return staged_publish(staged, &target, done, ctx, NULL);
}

/* Takes the turn at the staged file. False: somebody else has it, and the ask is repeated
 * (`*ticket`); or nothing is due, which `done` was told. */
static bool take_turn(struct request *r, sync_done_fn *done, void *ctx, sync_ticket *ticket)
{
    bool due;

    *ticket = 0;
    r->again = true;
    if (!staged_begin(r->staged, done, ctx, ticket))
        return false;
    r->again = false;
    pthread_mutex_lock(&r->staged->io);
    due = staged_due(r->staged);
    pthread_mutex_unlock(&r->staged->io);
    if (due)
        return true;
    staged_end(r->staged);
    done(ctx, SYNC_OK);
    return false;
}

sync_ticket flush_ask(struct wait *wait, sync_done_fn *done, void *ctx)
{
    struct request *r = (struct request *)wait;
    sync_ticket ticket;

    return take_turn(r, done, ctx, &ticket) ? publish(r, done, ctx) : ticket;
}

static void again_resume(struct wait *wait, enum sync_error error)
{
    struct request *r = (struct request *)wait;

    if (error == SYNC_OK && r->again) {
        wait_start(wait);
        return;
    }
    fuse_reply_err(r->req, fs_errno(error));
    wait_free(wait);
}

static void start(fuse_req_t req, struct handle *handle,
                  sync_ticket (*ask)(struct wait *, sync_done_fn *, void *))
{
    struct request *r = request_new_change(fs_of(req), req);

    if (r == NULL)
        return;
    staged_hold(handle->staged);
    r->staged = handle->staged;
    r->handle = handle;
    r->wait.ask = ask;
    r->wait.resume = again_resume;
    wait_start(&r->wait);
}

/* Nothing that was written needs more than an answer. */
static bool nothing_new(struct staged *staged)
{
    bool nothing;

    if (staged == NULL)
        return true;
    pthread_mutex_lock(&staged->io);
    nothing = !staged->dirty;
    pthread_mutex_unlock(&staged->io);
    return nothing;
}

void fs_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct handle *handle = handle_of(fi);
    enum step step = NOTHING;

    if (!nothing_new(handle->staged) && atomic_load(&handle->wrote))
        step = step_of(handle, fuse_req_ctx(req)->pid);
    if (step == PUBLISH) {
        start(req, handle, flush_ask);
        return;
    }
    if (step == KEEP)
        staged_abandon(handle->staged);
    fuse_reply_err(req, 0);
}

/* ---- fsync ---- */

static sync_ticket fsync_ask(struct wait *wait, sync_done_fn *done, void *ctx)
{
    struct request *r = (struct request *)wait;
    sync_ticket ticket;

    if (!take_turn(r, done, ctx, &ticket))
        return ticket;
    staged_hold(r->staged);
    return staged_keep(r->staged, NULL, done, ctx);
}

/* Scratch has no place where it would be missed. */
void fs_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
    struct handle *handle = handle_of(fi);

    if (nothing_new(handle->staged))
        fuse_reply_err(req, 0);
    else
        start(req, handle, fsync_ask);
}

/* ---- fsync of a directory ---- */

static sync_ticket settle_ask(struct wait *wait, sync_done_fn *done, void *ctx)
{
    struct request *r = (struct request *)wait;
    struct errand *errand = errand_new(r->fs, done, ctx);

    if (errand == NULL)
        return 0;
    return errand_sent(errand, sync_settle(r->fs->sync, r->inode.mailbox, errand_changed, errand));
}

void fs_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
    struct fs *fs = fs_of(req);
    struct request *r;

    if (trashcan_is(ino)) {
        fuse_reply_err(req, 0);
        return;
    }
    r = request_new_change(fs, req);
    if (r == NULL)
        return;
    r->inode = handle_of(fi)->inode;
    r->wait.ask = settle_ask;
    r->wait.resume = again_resume;
    wait_start(&r->wait);
}
