/*
 * What became of changes: into the journal, into the cache, and to whoever waits.
 *
 * What is done is noted in the row (JOURNAL_DO_SUCCEED), then in the cache, then the row goes; a
 * crash in between is made good by the next process, because the cache's part may be done again.
 * What surely was not done is sent again, while there is time; what may have been done is looked
 * for on the server first (reconcile.c). The cache's part is in outcome_note.c, how each change
 * ends in change_end.c.
 *
 * Clerks run all of this.
 */
#include <stddef.h>

#include "base/log.h"
#include "sync/carry.h"

static bool sent_twice_is_sent_once(const struct change *change)
{
    return change->kind == JOURNAL_STORE || change->kind == JOURNAL_EXPUNGE ||
           change->kind >= JOURNAL_CREATE;
}

static void push(struct change **list, struct change *change)
{
    while (*list != NULL)
        list = &(*list)->next;
    change->next = NULL;
    *list = change;
}

static void look(struct sync *sync, struct change *changes);

static void look_again(struct sync *sync, struct task *task)
{
    look(sync, (struct change *)((char *)task - offsetof(struct change, task)));
}

void change_look(struct change *change)
{
    if (sent_twice_is_sent_once(change)) {
        change_queue(change);
        return;
    }
    change->next = NULL;
    look(change->sync, change);
}

/* Looks for them on the server. */
static void look(struct sync *sync, struct change *changes)
{
    if (changes == NULL)
        return;
    struct batch *batch = batch_new(sync, BATCH_LOOK);
    if (batch == NULL) {
        for (struct change *next; changes != NULL; changes = next) {
            next = changes->next;
            change_fail(changes, SYNC_ERR_UNCONFIRMED, "no memory to look for it");
        }
        return;
    }
    batch->changes = changes;
    batch->target = changes->target;
    for (struct change *change = changes; change != NULL; change = change->next)
        batch->count++;
    batch_dispatch(batch);
}

/* Rows first, all in one transaction each; then one after the other in the cache. */
static void succeed(struct sync *sync, struct change *done)
{
    struct journal_move moves[BATCH_UIDS];
    size_t count = 0;
    for (struct change *change = done; change != NULL; change = change->next) {
        claim_note(sync, change->target, change->uidvalidity, change->uid);
        moves[count++] = (struct journal_move){.id = change->id,
                                               .event = JOURNAL_DO_SUCCEED,
                                               .uidvalidity = change->uidvalidity,
                                               .uid = change->uid};
    }
    if (count == 0)
        return;
    (void)!journal_do(sync->journal, moves, count,
                      false); /* if not: it is looked for at the start */
    for (struct change *change = done; change != NULL; change = change->next)
        change_note(change);
    for (struct change *change = done; change != NULL; change = change->next) {
        if (change->kind == JOURNAL_COPY && change->spool != NULL)
            (void)!journal_spool_forget(change->spool); /* kept by an fsync, perhaps */
    }
    for (size_t i = 0; i < count; i++)
        moves[i].event = JOURNAL_DO_FINISH;
    (void)!journal_do(sync->journal, moves, count, false);
    for (struct change *next; done != NULL; done = next) {
        next = done->next;
        change_over(done, SYNC_OK, "");
    }
}

/* Whether it cannot be looked for any more by anybody who waits. */
static bool too_late(const struct change *change, bool went)
{
    return !change->background &&
           (!went || !change_has_time(change) || change_stopping(change->sync));
}

static void unknown(struct change *change, struct change **looked_for, bool went)
{
    if (sent_twice_is_sent_once(change)) {
        change_undone(change, went);
        return;
    }
    if (change->background && change_stopping(change->sync)) {
        change_leave(change);
        return;
    }
    change->attempts += went;
    if (change->background && !went) {
        change_task_later(change, look_again);
        return;
    }
    if (too_late(change, went))
        change_fail(change, SYNC_ERR_UNCONFIRMED,
                    "the connection ended, and whether it was done is not known");
    else
        push(looked_for, change);
}

static void succeed_held(struct change *change)
{
    struct sync *sync = change->sync;
    struct journal_move move = {.id = change->id,
                                .event = JOURNAL_DO_SUCCEED,
                                .uidvalidity = change->uidvalidity,
                                .uid = change->uid};
    if (journal_do(sync->journal, &move, 1, false) != CACHE_OK) {
        change_over(change, SYNC_OK, "");
        return;
    }
    log_info("a change whose outcome was not known (%s) is found to be done",
             journal_kind_name(change->kind));
    held_drop_followers(change);
    change_finish(change);
}

/* It was found, or it stays what it is; without a connection it is looked for later. */
static void held_outcome(struct change *change, bool went)
{
    struct sync *sync = change->sync;
    pthread_mutex_lock(&sync->lock);
    bool ends = change->abandoned || sync->stopping;
    pthread_mutex_unlock(&sync->lock);
    if (ends)
        change_over(change, SYNC_OK, "");
    else if (change->fate == FATE_DONE)
        succeed_held(change);
    else if (change->fate == FATE_UNKNOWN && (!went || ++change->attempts < CHANGE_ATTEMPTS))
        change_task_later(change, look_again);
    else
        change_over(change, SYNC_OK, "");
}

static void changes_outcome(struct batch *batch)
{
    struct sync *sync = batch->sync;
    struct change *done = NULL, *looked_for = NULL;
    for (struct change *change = batch->changes, *next; change != NULL; change = next) {
        next = change->next;
        change->next = NULL;
        if (change->held) {
            held_outcome(change, batch->went);
        } else if (change->fate == FATE_DONE) {
            push(&done, change);
        } else if (change->fate == FATE_SAID_OK) {
            change->said_ok = true;
            push(&looked_for, change);
        } else if (change->fate == FATE_UNKNOWN) {
            unknown(change, &looked_for, batch->went);
        } else if (change->fate == FATE_REFUSED) {
            change_fail(change, change->why, change->reason);
        } else if (change->fate == FATE_LOST) {
            change_fail(change, SYNC_ERR_UNCONFIRMED, change->reason);
        } else if (change->fate == FATE_SINGLY) {
            change->singly = true;
            change_queue(change);
        } else {
            change_undone(change, batch->went);
        }
    }
    succeed(sync, done);
    look(sync, looked_for);
}

/* The UIDNEXT that the changes waited for is known, or they go without. */
static void status_outcome(struct batch *batch)
{
    struct sync *sync = batch->sync;
    if (batch->error != IMAP_OK || !batch->went) {
        changes_outcome(batch);
        return;
    }
    bearings_note(sync, batch->target, batch->uidvalidity,
                  batch->uidnext != 0 ? batch->uidnext : 1);
    for (struct change *change = batch->changes, *next; change != NULL; change = next) {
        next = change->next;
        if (batch->has_status && batch->uidvalidity != 0)
            change_queue(change);
        else
            change_fail(change, SYNC_ERR_REFUSED, "the server gives no UIDVALIDITY");
    }
}

void change_finish(struct change *change)
{
    struct journal_move move = {.id = change->id, .event = JOURNAL_DO_FINISH};
    claim_note(change->sync, change->target, change->uidvalidity, change->uid);
    change_note(change);
    (void)!journal_do(change->sync->journal, &move, 1, false);
    change_over(change, SYNC_OK, "");
}

void batch_outcome(struct sync *sync, struct task *task)
{
    struct batch *batch = (struct batch *)task;
    batch_landed(batch);
    switch (batch->kind) {
    case BATCH_STATUS:
        status_outcome(batch);
        break;
    case BATCH_NOOP:
        settle_told(batch);
        break;
    case BATCH_QUOTA:
        quota_told(batch);
        break;
    default:
        changes_outcome(batch);
        break;
    }
    batch_free(batch);
}
