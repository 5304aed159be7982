/*
 * How a staged file becomes a message: the state machine of staging.h.
 *
 *     free --begin--> busy --publish, keep--> sync works on it --ended--> free --> settle
 *
 * What happens to a file that nobody has open any more is settle.c's.
 *
 * A new file keeps its inode number when it becomes a message. A new version of a message that was
 * there before gets a number of its own, and the old one takes the number along to the trash, as
 * if the new one had been renamed over it. The kernel, which believes that nothing happened to the
 * name, is told by the notifier (moved.c).
 *
 * FUSE's workers and sync's threads.
 */
#include "fs/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

enum purpose { PUBLISH, PUBLISH_AS, REMOVE_FAILED, REMOVE_MERGED };

bool staged_begin(struct staged *staged, sync_done_fn *done, void *ctx, sync_ticket *ticket)
{
    bool begun;

    pthread_mutex_lock(&staged->io);
    begun = !staged->busy;
    staged->busy = true;
    if (!begun) {
        staged_hold(staged);
        *ticket = errand_idle(staged->fs, staged, done, ctx);
    }
    pthread_mutex_unlock(&staged->io);
    return begun;
}

sync_ticket staged_want(struct staged *staged, sync_done_fn *done, void *ctx)
{
    sync_ticket ticket = 0;
    bool busy;

    pthread_mutex_lock(&staged->io);
    busy = staged->busy;
    if (busy) {
        staged_hold(staged);
        ticket = errand_idle(staged->fs, staged, done, ctx);
    }
    pthread_mutex_unlock(&staged->io);
    if (!busy)
        done(ctx, SYNC_OK);
    return ticket;
}

void staged_end(struct staged *staged)
{
    pthread_mutex_lock(&staged->io);
    staged->busy = false;
    pthread_mutex_unlock(&staged->io);
    errands_wake(staged->fs, staged);
    staged_settle(staged);
}

int64_t staging_mailbox(struct fs *fs, uint64_t directory)
{
    struct cache_mailbox row = {0};
    struct cache_inode inode;
    int64_t mailbox = 0;

    if (cache_inode_get(fs->cache, directory, &inode) != CACHE_OK || inode.mailbox == 0 ||
        cache_mailbox_get(fs->cache, inode.mailbox, &row) != CACHE_OK)
        return 0;
    if (row.selectable)
        mailbox = row.id;
    cache_mailbox_free(&row);
    return mailbox;
}

/* ---- the end of a publication ---- */

/* What a publication made of the staged file. */
enum became { MESSAGE, MERGED, ANOTHER };

/* MERGED: it became part of another file, which had these bytes already; its own row goes. (The
 * kernel keeps no name of a staged file, so there is nothing to tell it.) ANOTHER: its name stands
 * for another inode than the kernel believes, which is `was`. */
static enum became succeeded(struct staged *staged, const struct cache_inode *inode,
                             struct cache_inode *was)
{
    enum became became = MESSAGE;

    pthread_mutex_lock(&staged->io);
    *was = staged->inode;
    was->ino = staged->shown;
    if (inode->ino != 0 && inode->ino != staged->shown)
        became = staged->inode.kind == CACHE_STAGED ? MERGED : ANOTHER;
    staged->unlinked = staged->unlinked || became == MERGED;
    staged->dirty = staged->clone = staged->has_date = false;
    staged->published = true;
    staged->failed = 0;
    free(staged->flags);
    staged->flags = NULL;
    if (inode->message != 0)
        staged->message = inode->message;
    if (inode->ino == staged->ino)
        staged->inode = *inode;
    if (became == ANOTHER)
        staged->shown = inode->ino;
    told_written(staged->fs->told, staged->ino);
    pthread_mutex_unlock(&staged->io);
    return became;
}

/* True: a new file, whose name goes. `renamed`: it was to get another name; where nothing was done
 * at all, it stays what it was. */
static bool failed(struct staged *staged, enum sync_error error, bool renamed)
{
    bool fresh;

    if (renamed && (error == SYNC_ERR_DOWN || error == SYNC_ERR_EXISTS))
        return false;

    pthread_mutex_lock(&staged->io);
    fresh = staged->inode.kind == CACHE_STAGED;
    staged->failed = fs_errno(error);
    staged->dirty = staged->clone = false;
    staged->unlinked = staged->unlinked || fresh;
    told_written(staged->fs->told, staged->ino);
    pthread_mutex_unlock(&staged->io);
    return fresh;
}

/* The next step of an errand: the row of a staged file goes. */
static bool remove_row(struct errand *errand, enum purpose purpose)
{
    struct staged *staged = errand->staged;

    errand->purpose = purpose;
    return sync_staged_remove(errand->fs->sync, staged->ino, errand_changed, errand) != 0;
}

/* The last of it; on sync's thread, or the notifier's. The size is the server's now: attributes
 * alone, which takes no lock in the kernel (FUSE.md). */
static void finish(struct errand *errand)
{
    struct staged *staged = errand->staged;

    fuse_lowlevel_notify_inval_inode(errand->fs->session, staged->ino, -1, 0);
    errand->error = errand->first_error;
    errand->inode = errand->first_inode;
    staged_end(staged);
}

void publication_told(struct errand *errand)
{
    finish(errand);
    errand_end(errand);
}

/* The reply waits until the kernel knows, without holding up anybody: who closed the file and walks
 * to it again finds the new version. Not where the kernel cannot be told before a SETATTR that
 * waits for this is answered. */
static void moves_on(struct errand *errand, const struct cache_inode *was)
{
    struct fs *fs = errand->fs;
    struct cache_inode copy = *was; /* the errand may be over before this returns */

    moved_note(fs, copy.ino, errand);
    if (!notify_gone_now(fs->notifier, copy.parent, copy.ino, copy.name))
        moved_told(fs, copy.ino, false);
    else if (waits_hold(&fs->waits, copy.ino))
        moved_later(fs, copy.ino);
}

static bool publication_ended(struct errand *errand, const struct sync_changed *changed)
{
    struct staged *staged = errand->staged;
    bool renamed = errand->purpose == PUBLISH_AS;
    enum became became = MESSAGE;
    struct cache_inode was;

    if (errand->purpose == REMOVE_FAILED || errand->purpose == REMOVE_MERGED) {
        finish(errand);
        return false;
    }
    errand->first_error = changed->error;
    errand->first_inode = changed->inode;
    if (changed->error == SYNC_OK) {
        became = succeeded(staged, &changed->inode, &was);
        if (became == MERGED && remove_row(errand, REMOVE_MERGED))
            return true;
    } else {
        log_info("%s is not published: %s", staged->inode.name,
                 changed->reason != NULL && *changed->reason ? changed->reason : "refused");
        if (failed(staged, changed->error, renamed) && remove_row(errand, REMOVE_FAILED))
            return true;
    }
    if (became == ANOTHER) {
        moves_on(errand, &was);
        return true;
    }
    finish(errand);
    return false;
}

/* ---- its beginning ---- */

/* COPY keeps the date of what it copies; another one needs the bytes. */
static int settle_clone(struct staged *staged)
{
    if (!staged->clone || !staged->has_date || staged->date == staged->base_date)
        return 0;
    return staged_materialize(staged);
}

/* Fills in what is published, and puts a copy in the spool's place. io is held. */
static int prepare(struct staged *staged, const struct staged_target *target,
                   struct sync_publication *p)
{
    struct journal_spool *copy = NULL;
    int error = settle_clone(staged);

    if (error == 0 && staged->spool != NULL)
        error = fs_errno_of_cache(journal_spool_copy(staged->spool, &copy));
    if (error != 0)
        return error;
    *p = (struct sync_publication){
        .mailbox = target->mailbox,
        .name = target->name != NULL ? target->name : staged->inode.name,
        .staged = staged->inode.kind == CACHE_STAGED ? staged->ino : 0,
        .replace_name = target->replace || staged->message != 0,
        .spool = staged->spool,
        .clone_of = staged->spool == NULL ? staged->base : 0,
        .has_date = staged->has_date && staged->message == 0,
        .internaldate = staged->date,
        .flags = staged->flags,
        .replaces = staged->message != 0 ? staged->message : target->message,
        .keep = target->keep,
    };
    staged->spool = copy;
    staged->kept = false;
    return 0;
}

/* Nothing was taken. */
static void take_back(struct staged *staged, struct journal_spool *spool)
{
    pthread_mutex_lock(&staged->io);
    journal_spool_close(&staged->spool);
    staged->spool = spool;
    pthread_mutex_unlock(&staged->io);
    staged_end(staged);
}

/* What a rename takes away in the kernel, too. */
static void own_names(struct errand *errand, const struct staged_target *target)
{
    const struct cache_inode *inode = &errand->staged->inode;

    if (target->name == NULL)
        return;
    errand_owns(errand, 0, inode->parent, inode->ino, inode->name);
    if (target->replaced != 0)
        errand_owns(errand, 1, target->parent, target->replaced, target->name);
}

sync_ticket staged_publish(struct staged *staged, const struct staged_target *target,
                           sync_done_fn *done, void *ctx, struct cache_inode *into)
{
    struct fs *fs = staged->fs;
    struct errand *errand = errand_new(fs, done, ctx);
    struct sync_publication p;
    char name[CACHE_NAME_MAX + 1];
    sync_ticket at_sync;
    int error;

    if (errand == NULL) {
        staged_end(staged);
        staged_drop(staged);
        return 0;
    }
    errand->staged = staged;
    errand->into = into;
    errand->purpose = target->name != NULL ? PUBLISH_AS : PUBLISH;
    errand->ended = publication_ended;
    pthread_mutex_lock(&staged->io);
    own_names(errand, target);
    error = prepare(staged, target, &p);
    if (error == 0) {
        memcpy(name, p.name, strlen(p.name) + 1);
        p.name = name;
    }
    pthread_mutex_unlock(&staged->io);
    if (error != 0) {
        staged_end(staged);
        return errand_fail(errand, error == EDQUOT ? SYNC_ERR_QUOTA : SYNC_ERR_DISK);
    }
    at_sync = sync_publish(fs->sync, &p, errand_changed, errand);
    if (at_sync == 0)
        take_back(staged, p.spool);
    return errand_sent(errand, at_sync);
}
