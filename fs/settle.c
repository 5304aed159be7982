/*
 * Staged files whose bytes stay here: those that fsync(2) keeps, and those that nobody has open any
 * more. Of the latter, what is still to be published is (mmap writers, children that closed last);
 * what was published is a message, or sync has its bytes until it is one (commit=journal), and
 * needs no entry here; scratch and empty new files stay as they are; what was refused, or whose
 * writer was killed, goes: its bytes are in the outbox.
 *
 * FUSE's workers and sync's threads.
 */
#include "fs/internal.h"

#include "base/log.h"

enum purpose { KEEP, REMOVE, FORGET };

static const char killed_reason[] = "its writer was killed";

bool staged_due(const struct staged *staged)
{
    return staged->dirty && !staged->unlinked && !staged->abandoned && !staged_is_scratch(staged) &&
           staged_size(staged) > 0;
}

/* ---- bytes that stay here ---- */

static bool keep_ended(struct errand *errand, const struct sync_changed *changed)
{
    struct staged *staged = errand->staged;

    pthread_mutex_lock(&staged->io);
    staged->kept = true;
    if (changed->error != SYNC_OK)
        log_warn("%s is not kept: %s", staged->inode.name, changed->reason);
    pthread_mutex_unlock(&staged->io);
    staged_end(staged);
    return false;
}

sync_ticket staged_keep(struct staged *staged, const char *reason, sync_done_fn *done, void *ctx)
{
    struct fs *fs = staged->fs;
    struct errand *errand = errand_new(fs, done, ctx);
    struct cache_inode inode;
    sync_ticket at_sync;

    if (errand == NULL) {
        staged_end(staged);
        staged_drop(staged);
        return 0;
    }
    errand->staged = staged;
    errand->ended = keep_ended;
    pthread_mutex_lock(&staged->io);
    inode = staged->inode;
    pthread_mutex_unlock(&staged->io);
    if (staged->spool == NULL) { /* a copy of a message, or nothing: no bytes to keep */
        staged_end(staged);
        return errand_fail(errand, SYNC_OK);
    }
    at_sync = sync_spool_keep(fs->sync, staged->spool, staging_mailbox(fs, inode.parent),
                              inode.name, reason, errand_changed, errand);
    if (at_sync == 0)
        staged_end(staged);
    return errand_sent(errand, at_sync);
}

/* At once, or when it is settled: the handle of a writer who is killed goes soon. */
void staged_abandon(struct staged *staged)
{
    bool begun;

    pthread_mutex_lock(&staged->io);
    staged->abandoned = true;
    begun = !staged->busy && staged->spool != NULL;
    staged->busy = staged->busy || begun;
    pthread_mutex_unlock(&staged->io);
    if (!begun)
        return;
    staged_hold(staged);
    staged_keep(staged, killed_reason, NULL, NULL);
}

/* ---- what nobody has open ---- */

static bool left_ended(struct errand *errand, const struct sync_changed *changed)
{
    struct staged *staged = errand->staged;

    pthread_mutex_lock(&staged->io);
    staged->unlinked = true;
    staged->kept = false; /* what is in the outbox of an abandoned one stays there */
    pthread_mutex_unlock(&staged->io);
    staged_end(staged);
    return false;
}

/* Makes a busy staged file's row go, or its entry in the outbox. */
static void send_left(struct staged *staged, enum purpose purpose)
{
    struct fs *fs = staged->fs;
    struct errand *errand = errand_new(fs, NULL, NULL);
    sync_ticket at_sync;

    if (errand == NULL) {
        staged_drop(staged);
        return; /* it stays busy until the mount ends: nobody has it open */
    }
    errand->staged = staged;
    errand->purpose = purpose;
    errand->ended = left_ended;
    at_sync = purpose == FORGET ? sync_spool_forget(fs->sync, staged->spool, errand_changed, errand)
                                : sync_staged_remove(fs->sync, staged->ino, errand_changed, errand);
    errand_sent(errand, at_sync);
}

static void publish_left(struct staged *staged)
{
    struct staged_target target = {.keep = true};

    pthread_mutex_lock(&staged->io);
    target.parent = staged->inode.parent;
    pthread_mutex_unlock(&staged->io);
    target.mailbox = staging_mailbox(staged->fs, target.parent);
    staged_publish(staged, &target, NULL, NULL, NULL);
}

enum left { STAYS, GOES, PUBLISHED_NOW, KEPT, REMOVED, FORGOTTEN };

static enum left what_is_left(const struct staged *staged)
{
    bool row = staged->inode.kind == CACHE_STAGED;

    if (staged->unlinked)
        return staged->kept && staged->spool != NULL ? FORGOTTEN : GOES;
    if (staged_due(staged))
        return PUBLISHED_NOW;
    if (staged->abandoned && staged->dirty && !staged->kept && staged->spool != NULL)
        return KEPT;
    if (row && staged->abandoned)
        return REMOVED;
    if (row && staged->published && !staged->dirty)
        return GOES;
    return row ? STAYS : GOES;
}

void staged_settle(struct staged *staged)
{
    enum left left = STAYS;

    pthread_mutex_lock(&staged->io);
    if (!staged->busy && staged->handles == 0 && staged->tabled)
        left = what_is_left(staged);
    if (left == GOES)
        staged_untable(staged);
    if (left > GOES) {
        staged->busy = true;
        staged_hold(staged);
    }
    pthread_mutex_unlock(&staged->io);
    if (left == PUBLISHED_NOW)
        publish_left(staged);
    else if (left == KEPT)
        staged_keep(staged, killed_reason, NULL, NULL);
    else if (left == REMOVED)
        send_left(staged, REMOVE);
    else if (left == FORGOTTEN)
        send_left(staged, FORGET);
}

void staging_row_changed(struct fs *fs, uint64_t ino)
{
    struct staged *staged = staged_find(fs, ino);
    struct cache_inode inode;

    if (staged == NULL)
        return;
    pthread_mutex_lock(&staged->io);
    if (staged->published && !staged->busy && staged->inode.kind == CACHE_STAGED &&
        cache_inode_get(fs->cache, ino, &inode) == CACHE_OK && inode.kind == CACHE_MESSAGE) {
        staged->inode = inode;
        staged->message = inode.message;
        if (staged->handles == 0 && !staged->dirty)
            staged_untable(staged);
    }
    pthread_mutex_unlock(&staged->io);
    staged_drop(staged);
}
