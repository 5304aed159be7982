/*
 * truncate(2) by name, to another length than 0, of a message that nobody writes: opened, cut or
 * lengthened, and closed again, all within one SETATTR. The body is fetched, what is left of it is
 * staged, and it is published as the flush of a writer would publish it; the reply tells how that
 * ended. (A message that is emptied and left empty stands: setattr.c.)
 *
 * The kernel keeps the inode locked until the reply, so this waits for sync alone and never for the
 * notifier (publish.c). FUSE's workers and sync's threads.
 */
#include "fs/internal.h"

#include <errno.h>

enum { ATTEMPTS = 4 };

enum outcome { READY, FAILED, WANT_BODY, WANT_IDLE, WANT_ANEW };

/* ---- the staged file, which stays while the request has it ---- */

static void let_go(struct request *r)
{
    struct staged *staged = r->staged;

    if (staged == NULL)
        return;
    r->staged = NULL;
    pthread_mutex_lock(&staged->io);
    staged->handles--;
    pthread_mutex_unlock(&staged->io);
    staged_settle(staged);
    staged_drop(staged);
}

static void release(struct wait *wait)
{
    let_go((struct request *)wait);
}

static enum outcome get_staged(struct request *r)
{
    enum outcome outcome = WANT_ANEW;

    r->staged = staged_get(r->fs, &r->inode);
    if (r->staged == NULL)
        return FAILED;
    pthread_mutex_lock(&r->staged->io);
    if (r->staged->tabled) {
        r->staged->handles++;
        outcome = READY;
    }
    pthread_mutex_unlock(&r->staged->io);
    if (outcome != READY) {
        staged_drop(r->staged);
        r->staged = NULL;
    }
    return outcome;
}

/* io is held. */
static enum outcome cut(struct staged *staged, uint64_t size, int *error)
{
    bool here = staged_live(staged) || (staged->base == staged->message && staged->spool == NULL);

    *error = 0;
    if (staged->busy)
        return WANT_IDLE;
    if (staged->failed != 0 || staged->shown != staged->ino)
        *error = ESTALE;
    else if (!here)
        *error = staged_rebase(staged, staged->message, staged->inode.mtime, false);
    if (*error == EAGAIN)
        return WANT_BODY;
    if (*error == 0)
        *error = staged_truncate(staged, size);
    return *error == 0 ? READY : FAILED;
}

/* ---- the request ---- */

/* The name may stand for another inode by now, of which the kernel is yet to hear (moved.c); this
 * one's attributes do for the reply, or the VFS would truncate once more. */
static void reply(struct request *r, int error)
{
    struct stat st;

    let_go(r);
    if (error != 0) {
        fuse_reply_err(r->req, error);
    } else {
        (void)!cache_inode_get(r->fs->cache, r->inode.ino, &r->inode); /* as it was, else */
        attr_fill(r->fs, &r->inode, &st);
        fuse_reply_attr(r->req, &st, 0);
    }
    wait_free(&r->wait);
}

static void published(struct wait *wait, enum sync_error error)
{
    struct request *r = (struct request *)wait;

    if (error == SYNC_OK && r->again)
        wait_start(wait);
    else
        reply(r, fs_errno(error));
}

static sync_ticket body_ask(struct wait *wait, sync_done_fn *done, void *ctx)
{
    struct request *r = (struct request *)wait;

    return sync_want_body(r->fs->sync, r->inode.message, done, ctx);
}

static sync_ticket idle_ask(struct wait *wait, sync_done_fn *done, void *ctx)
{
    return staged_want(((struct request *)wait)->staged, done, ctx);
}

static enum outcome attempt(struct request *r, int *error)
{
    enum outcome outcome;

    *error = attr_get(r->fs, r->inode.ino, &r->inode);
    if (*error != 0)
        return FAILED;
    *error = ENOMEM;
    outcome = r->staged == NULL ? get_staged(r) : READY;
    if (outcome != READY)
        return outcome;
    pthread_mutex_lock(&r->staged->io);
    outcome = cut(r->staged, (uint64_t)r->attr.st_size, error);
    pthread_mutex_unlock(&r->staged->io);
    return outcome;
}

static void go_on(struct wait *wait, enum sync_error failed)
{
    struct request *r = (struct request *)wait;
    enum outcome outcome = WANT_ANEW;
    int error = fs_errno(failed);

    if (failed != SYNC_OK) {
        reply(r, error);
        return;
    }
    while (outcome == WANT_ANEW && r->attempts++ < ATTEMPTS)
        outcome = attempt(r, &error);
    if (outcome == FAILED || outcome == WANT_ANEW) {
        reply(r, outcome == FAILED ? error : EIO);
        return;
    }
    wait->ask = outcome == WANT_BODY ? body_ask : outcome == WANT_IDLE ? idle_ask : flush_ask;
    if (outcome == READY)
        wait->resume = published;
    wait_start(wait);
}

static void reached(struct wait *wait, enum sync_error error)
{
    wait->resume = go_on;
    if (error == SYNC_OK)
        go_on(wait, error);
    else
        reply((struct request *)wait, reach_errno(error));
}

void truncate_message(fuse_req_t req, const struct cache_inode *inode, const struct stat *attr)
{
    struct fs *fs = fs_of(req);
    struct request *r;

    if (!sync_can_change(fs->sync)) {
        fuse_reply_err(req, ENETDOWN);
        return;
    }
    r = request_new_change(fs, req);
    if (r == NULL)
        return;
    r->inode = *inode;
    r->attr = *attr;
    r->wait.locked = inode->ino;
    r->wait.release = release;
    r->wait.ask = reach_ask;
    r->wait.resume = reached;
    wait_start(&r->wait);
}
