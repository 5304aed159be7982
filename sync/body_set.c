/*
 * Asking for bodies, one or many in a UID FETCH, and what becomes of those that do not come.
 *
 * A body that was asked for with others and did not come is asked for once more alone, where
 * somebody waits for it: a server that stumbles over one message of a set (OUTLOOK.md section 3)
 * must not take the others with it. What nobody waits for is let go of; its open asks again.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "sync/ahead.h"
#include "sync/body.h"
#include "sync/carry.h"

enum {
    PROBES = 2,
    FETCH_SET_BYTES = 3800
}; /* how often bytes are asked for of a server that has them */

struct body_set *body_set_new(struct worker *w)
{
    struct body_set *set = calloc(1, sizeof *set);
    if (set != NULL)
        set->worker = w;
    return set;
}

void body_set_free(struct body_set *set)
{
    free(set);
}

static enum imap_error send_one(struct worker *w, struct job *job, bool anew);

/* ---- a body that did not come ---- */

static void not_there(struct job *job)
{
    if (!body_follow(job))
        job_end(job->sync, job, SYNC_ERR_GONE);
}

static void probe_done(void *ctx, const struct imap_completion *completion)
{
    struct job *job = ctx;
    struct worker *w = job->worker;
    worker_note(w, completion);
    bool here = w->examined == job->mailbox && w->uidvalidity == job->uidvalidity;
    bool gone = completion->error == IMAP_OK && here && !job->seen;
    /* What a change of ours has just put there, a session may not know of yet. */
    bool expected = gone && claim_taken(w->sync, job->mailbox, job->uidvalidity, job->uid);
    if (completion->error == IMAP_OK && (job->seen || expected) && ++job->probes < PROBES &&
        send_one(w, job, true) == IMAP_OK)
        return;
    if (gone) {
        not_there(job);
        return;
    }
    log_warn("message %u did not come although the server has it", job->uid);
    job_end(w->sync, job, SYNC_ERR_UNFETCHABLE);
}

/* What came so far was flags that changed before it went. */
static void noop_done(void *ctx, const struct imap_completion *completion)
{
    char set[16];
    struct job *job = ctx;
    struct imap_command command;
    enum imap_error error = completion->error;
    worker_note(job->worker, completion);
    job->seen = false;
    snprintf(set, sizeof set, "%u", job->uid);
    imap_command_uid_fetch(&command, set, "(UID)");
    if (error == IMAP_OK)
        error = imap_connection_submit(job->worker->connection, &command, probe_done, job);
    imap_command_free(&command);
    if (error != IMAP_OK)
        job_retry(job->worker->sync, job, error);
}

/* The server said OK (or NO, as Dovecot does) and sent nothing: it has no such message any more, or
 * one that it cannot render (OUTLOOK.md section 3). Whether it has one is asked by itself, without
 * the bytes, once a NOOP was answered: during a FETCH the session still counts messages that
 * another one has taken away, and does not know those that just came (RFC 3501 section 5.5); and
 * Dovecot carries out what is pipelined behind the NOOP before it. Where the server has it, the
 * bytes are asked for once more with the mailbox opened anew: Dovecot sends none of a message that
 * others move while it looks, and has it all the same. */
static enum imap_error probe(struct worker *w, struct job *job)
{
    struct imap_command command;
    imap_command_init(&command, "NOOP");
    return imap_connection_submit(w->connection, &command, noop_done, job);
}

static bool waited_for(struct job *job)
{
    pthread_mutex_lock(&job->sync->lock);
    bool waited = !job->ahead || job->waiters != NULL;
    pthread_mutex_unlock(&job->sync->lock);
    return waited;
}

/* The connection failed, or the server wants a pause. */
static void give_back(struct job *job, enum imap_error error)
{
    if (job->ahead)
        ahead_returned(job->sync, job->message);
    job_retry(job->sync, job, error);
}

void body_did_not_come(struct worker *w, struct job *job, enum imap_error error, bool alone)
{
    struct sync *sync = w->sync;
    bool refused = error == IMAP_OK || error == IMAP_ERR_NO || error == IMAP_ERR_BAD;
    if (job->broken)
        job_end(sync, job, SYNC_ERR_CACHE);
    else if (!refused)
        give_back(job, error);
    else if (w->examined != job->mailbox && w->examine_error != IMAP_ERR_NO)
        give_back(job, w->examine_error);
    else if (!waited_for(job))
        job_retry(sync, job, IMAP_ERR_UNAVAILABLE); /* gone, unless a waiter came just now */
    else if (w->examined != job->mailbox || w->uidvalidity != job->uidvalidity)
        not_there(job);
    else if (!alone && send_one(w, job, false) == IMAP_OK)
        return;
    else if (error == IMAP_ERR_BAD || probe(w, job) != IMAP_OK)
        job_end(sync, job, SYNC_ERR_UNFETCHABLE);
}

/* ---- asking ---- */

/* The bytes of `job` are here: the job belongs to the cache now, or is over already. */
static void job_answered(struct sync *sync, struct job *job)
{
    pthread_mutex_lock(&sync->lock);
    job->command_done = true;
    if (job->stored)
        free(job);
    pthread_mutex_unlock(&sync->lock);
}

static void set_done(void *ctx, const struct imap_completion *completion)
{
    struct body_set *set = ctx;
    struct worker *w = set->worker;
    worker_note(w, completion);
    for (size_t i = 0; i < set->count; i++) {
        if (set->jobs[i]->received)
            job_answered(w->sync, set->jobs[i]);
        else
            body_did_not_come(w, set->jobs[i], completion->error, set->count == 1);
    }
    body_set_free(set);
}

static void body_examined(void *ctx, const struct imap_completion *completion)
{
    struct worker *w = ctx;
    (void)worker_examined(w, w->examined,
                          completion); /* set_done looks at what it left in the worker */
}

static int by_uid(const void *a, const void *b)
{
    uint32_t x = (*(struct job *const *)a)->uid, y = (*(struct job *const *)b)->uid;
    return x < y ? -1 : x > y;
}

static enum imap_error submit(struct body_set *set)
{
    struct imap_uidset uids;
    struct imap_command command;
    bool whole = true;
    qsort(set->jobs, set->count, sizeof *set->jobs, by_uid);
    imap_uidset_init(&uids, FETCH_SET_BYTES);
    for (size_t i = 0; i < set->count; i++)
        whole = whole && imap_uidset_add(&uids, set->jobs[i]->uid);
    const char *text = whole ? imap_uidset_text(&uids) : NULL;
    enum imap_error error = IMAP_ERR_MEMORY;
    if (text != NULL) {
        imap_command_uid_fetch(&command, text, "(UID BODY.PEEK[])");
        error = imap_connection_submit(set->worker->connection, &command, set_done, set);
    }
    imap_uidset_free(&uids);
    return error;
}

static enum imap_error send_set(struct body_set *set)
{
    struct worker *w = set->worker;
    enum imap_error error = IMAP_OK;
    ahead_asked(w);
    if (set->anew || w->examined != set->jobs[0]->mailbox)
        error = worker_examine(w, set->jobs[0]->mailbox, body_examined, w);
    return error == IMAP_OK ? submit(set) : error;
}

static enum imap_error send_one(struct worker *w, struct job *job, bool anew)
{
    struct body_set *set = body_set_new(w);
    if (set == NULL)
        return IMAP_ERR_MEMORY;
    set->anew = anew;
    set->jobs[set->count++] = job;
    enum imap_error error = send_set(set);
    if (error != IMAP_OK)
        body_set_free(set);
    return error;
}

void body_set_send(struct body_set *set)
{
    enum imap_error error = send_set(set);
    if (error == IMAP_OK)
        return;
    for (size_t i = 0; i < set->count; i++)
        give_back(set->jobs[i], error);
    body_set_free(set);
}

/* Of those that nobody waits for one after the other, as many as a set holds go together. */
static void take_stock(struct worker *w, struct body_set *set)
{
    const struct job *first = set->jobs[0];
    pthread_mutex_lock(&w->sync->lock);
    for (struct job *job = w->sync->jobs; job != NULL && set->count < SET_BODIES; job = job->next) {
        if (job->kind != JOB_BODY || job->state != JOB_PENDING || !job->stock ||
            job->mailbox != first->mailbox || job->uidvalidity != first->uidvalidity)
            continue;
        job_hold_locked(job, w);
        set->jobs[set->count++] = job;
    }
    pthread_mutex_unlock(&w->sync->lock);
}

static void start_stock(struct worker *w, struct job *job)
{
    struct body_set *set = body_set_new(w);
    if (set == NULL) {
        job_retry(w->sync, job, IMAP_ERR_MEMORY);
        return;
    }
    set->jobs[set->count++] = job;
    take_stock(w, set);
    body_set_send(set);
}

void body_start(struct worker *w, struct job *job)
{
    if (job->stock) {
        start_stock(w, job);
        return;
    }
    enum imap_error error = send_one(w, job, false);
    if (error != IMAP_OK)
        job_retry(w->sync, job, error);
}
