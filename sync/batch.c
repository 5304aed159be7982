/*
 * A batch, whatever it carries: how it comes to a worker, what is sure about its changes after a
 * command, and how it comes back.
 *
 * It is made by a clerk and belongs to it; from batch_dispatch on it belongs to the job's worker,
 * and from carry_end (or batch_return_locked, where no worker took it) to a clerk again. A
 * command that cannot be submitted leaves its changes undone, to be tried again.
 *
 * Clerks run what stands first; from the fates on it is the worker's thread.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "imap/change.h"
#include "sync/carry.h"

/* ---- batches ---- */

struct batch *batch_new(struct sync *sync, enum batch_kind kind)
{
    struct batch *batch = calloc(1, sizeof *batch);
    if (batch != NULL) {
        batch->sync = sync;
        batch->kind = kind;
        batch->task.run = batch_outcome;
    }
    return batch;
}

/* It is in no lane any more. */
void batch_landed(struct batch *batch)
{
    struct sync *sync = batch->sync;
    pthread_mutex_lock(&sync->lock);
    for (struct batch **at = &sync->flying; *at != NULL; at = &(*at)->flies) {
        if (*at == batch) {
            *at = batch->flies;
            sync->queue_moves = true;
            break;
        }
    }
    pthread_mutex_unlock(&sync->lock);
}

void batch_free(struct batch *batch)
{
    batch_landed(batch);
    reconcile_free(batch);
    free(batch->deleted);
    free(batch);
}

void batch_return_locked(struct sync *sync, struct batch *batch, enum sync_error why)
{
    for (struct change *change = batch->changes; change != NULL; change = change->next) {
        if (batch->kind == BATCH_LOOK) {
            change->fate = FATE_UNKNOWN;
            continue;
        }
        change->fate = FATE_UNDONE;
        change->why = why;
        change->reason[0] = '\0';
    }
    batch->error = IMAP_ERR_CONNECT;
    batch->why = why;
    batch->job = NULL;
    clerk_task_locked(sync, &batch->task);
}

void batch_dispatch(struct batch *batch)
{
    struct sync *sync = batch->sync;
    enum sync_error why = SYNC_ERR_STOPPING;
    struct waiter *told = NULL;
    pthread_mutex_lock(&sync->lock);
    struct job *job = sync->stopping ? NULL : job_new_locked(sync, JOB_CHANGE, batch->mailbox, 0);
    if (job == NULL) {
        batch_return_locked(sync, batch, sync->stopping ? SYNC_ERR_STOPPING : SYNC_ERR_MEMORY);
    } else {
        job->batch = batch;
        job->alone = batch->kind == BATCH_LOOK || batch->kind == BATCH_MAILBOX;
        batch->job = job;
        if (batch->changes != NULL)
            job->progress = batch->changes->progress;
        told = job_dispatch_locked(sync, job, &why);
        pthread_cond_signal(&sync->warden_wake);
    }
    pthread_mutex_unlock(&sync->lock);
    waiters_tell(told, why);
}

/* ---- fates ---- */

void change_fate(struct change *change, enum fate fate, enum sync_error why, const char *reason)
{
    change->fate = fate;
    change->why = why;
    snprintf(change->reason, sizeof change->reason, "%s", reason != NULL ? reason : "");
    log_make_printable(change->reason, strlen(change->reason));
}

void batch_fate(struct batch *batch, enum fate fate, enum sync_error why, const char *reason)
{
    for (struct change *change = batch->changes; change != NULL; change = change->next) {
        if (change->fate == FATE_NONE)
            change_fate(change, fate, why, reason);
    }
}

enum sync_error sync_error_of_refusal(const struct imap_completion *completion)
{
    static const enum sync_error errors[] = {
        [IMAP_REFUSAL_NONE] = SYNC_ERR_REFUSED,   [IMAP_REFUSAL_TOO_BIG] = SYNC_ERR_TOO_LARGE,
        [IMAP_REFUSAL_LINE] = SYNC_ERR_INVALID,   [IMAP_REFUSAL_QUOTA] = SYNC_ERR_QUOTA,
        [IMAP_REFUSAL_NOT_FOUND] = SYNC_ERR_GONE, [IMAP_REFUSAL_GONE] = SYNC_ERR_GONE,
        [IMAP_REFUSAL_EXISTS] = SYNC_ERR_EXISTS,  [IMAP_REFUSAL_NOT_ALLOWED] = SYNC_ERR_PERMISSION,
        [IMAP_REFUSAL_IN_USE] = SYNC_ERR_BUSY,
    };
    return errors[completion->refusal];
}

/* Without looking at what it was that was done. */
void change_completed(struct change *change, const struct imap_completion *completion)
{
    const char *text = completion->failure != NULL ? completion->failure->text : "";
    enum sync_error why = sync_error_of_imap(completion->error);
    if (completion->outcome == IMAP_OUTCOME_ANSWERED)
        change->progress = clock_ms();
    if (completion->error == IMAP_OK)
        change_fate(change, FATE_DONE, SYNC_OK, "");
    else if (completion->error == IMAP_ERR_NO || completion->error == IMAP_ERR_BAD)
        change_fate(change, FATE_REFUSED, sync_error_of_refusal(completion), text);
    else if (completion->outcome == IMAP_OUTCOME_ANSWERED)
        change_fate(change, FATE_UNDONE, why, text); /* "Server Unavailable", a back-off */
    else if (completion->error == IMAP_ERR_SOURCE)
        change_fate(change, FATE_REFUSED, SYNC_ERR_CACHE, "its bytes cannot be read any more");
    else if (imap_outcome_is_undone(completion->outcome))
        change_fate(change, FATE_UNDONE, why, text);
    else
        change_fate(change, FATE_UNKNOWN, why, text);
}

void carry_end(struct batch *batch)
{
    struct worker *w = batch->worker;
    struct sync *sync = batch->sync;
    struct batch **at = &w->batches;
    while (*at != batch)
        at = &(*at)->on_worker;
    *at = batch->on_worker;
    batch_fate(batch, FATE_UNDONE, SYNC_ERR_UNREACHABLE, "");
    struct job *job = batch->job;
    bool alone = job->alone;
    batch->job = NULL;
    job_end(sync, job, SYNC_OK);
    pthread_mutex_lock(&sync->lock);
    if (alone) { /* it opened what it needed */
        w->mailbox = w->examined;
        w->writable = false;
    }
    sync->last_contact = clock_wall();
    clerk_task_locked(sync, &batch->task);
    pthread_mutex_unlock(&sync->lock);
}

void batch_command_over(struct batch *batch)
{
    if (--batch->pending == 0)
        carry_end(batch);
}

/* ---- sets ---- */

/* The UIDs of the changes that are still open; malloc, NULL: there are none. */
char *change_set(struct batch *batch)
{
    struct imap_uidset set;
    imap_uidset_init(&set, SET_BYTES);
    bool good = true;
    for (struct change *change = batch->changes; change != NULL && good; change = change->next) {
        if (change->fate == FATE_NONE || change->fate == FATE_SAID_OK)
            good = imap_uidset_add(&set, change->row.intent.uid);
    }
    const char *text = good ? imap_uidset_text(&set) : NULL;
    char *copy = text != NULL ? strdup(text) : NULL;
    imap_uidset_free(&set);
    return copy;
}

struct change *batch_change(struct batch *batch, uint32_t uid)
{
    struct change *change = batch->changes;
    while (change != NULL && change->row.intent.uid != uid)
        change = change->next;
    return change;
}

/* Where the server says that copies are. */
void carry_copyuid(struct batch *batch, const struct imap_completion *completion)
{
    struct imap_uidpairs pairs;
    uint32_t source, target;
    const struct imap_copyuid *copyuid = completion->copyuid;
    if (copyuid == NULL ||
        !imap_uidpairs_init(&pairs, copyuid->source, copyuid->target, batch->count))
        return;
    while (imap_uidpairs_next(&pairs, &source, &target)) {
        struct change *change = batch_change(batch, source);
        if (change == NULL || change->uid != 0)
            continue;
        change->copied = true;
        change->uid = target;
        change->uidvalidity = copyuid->uidvalidity;
    }
}

/* ---- submitting ---- */

enum imap_error batch_submit(struct batch *batch, struct imap_command *command, imap_done_fn *done)
{
    struct worker *w = batch->worker;
    const char *name = imap_connection_selected(w->connection)->name;
    if (name == NULL || w->examined != batch->mailbox) {
        imap_command_free(command);
        return IMAP_ERR_STALE;
    }
    enum imap_error error = imap_connection_submit_changing(
        w->connection, name, batch->changes->row.intent.uidvalidity, command, done, batch);
    batch->pending += error == IMAP_OK;
    return error;
}

void batch_not_submitted(struct batch *batch, enum imap_error error)
{
    if (error != IMAP_OK) /* stale: a listing opened it anew meanwhile; the next try looks again */
        batch_fate(batch, FATE_UNDONE, sync_error_of_imap(error), imap_error_text(error));
}
