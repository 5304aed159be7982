/*
 * One message's bytes, from the server to the cache.
 *
 * A body streams to the cache as it arrives, before the FETCH response's end says whose it is
 * (items come in any order), so the worker holds one incoming body, and body_fetch gives it to the
 * job of that UID. What must never be cached as the message is dropped there: the answer of a
 * mailbox whose UIDVALIDITY is another by now, a partial body, NIL, Outlook.com's placeholder.
 *
 * A body's job ends twice: the tagged reply (worker's thread) and the cache's word that the bytes
 * stand (writer's thread). Those who wait are told at the second; the job is freed by whichever
 * comes last.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "message/summary.h"
#include "sync/internal.h"

/* ---- bytes ---- */

bool body_begin(void *ctx, uint32_t sequence, uint64_t length)
{
    struct worker *w = ctx;
    cache_incoming_abort(&w->incoming);
    w->incoming_broken = cache_incoming_begin(w->sync->cache, &w->incoming) != CACHE_OK;
    return !w->incoming_broken;
}

bool body_chunk(void *ctx, const char *data, size_t len)
{
    struct worker *w = ctx;
    worker_moved(w, len);
    if (w->incoming_broken || cache_incoming_write(w->incoming, data, len) != CACHE_OK) {
        w->incoming_broken = true;
        cache_incoming_abort(&w->incoming);
        return false;
    }
    return true;
}

void body_end(void *ctx)
{
}

/* A body that came within the line, as a quoted string. */
static void take_inline(struct worker *w, const struct imap_span *body)
{
    if (body_begin(w, 0, body->len) && body->len > 0)
        body_chunk(w, body->data, body->len);
}

/* ---- the job ---- */

static void body_stored(void *ctx, enum cache_error error, uint64_t size)
{
    struct job *job = ctx;
    struct sync *sync = job->sync;
    pthread_mutex_lock(&sync->lock);
    struct waiter *told = job_finish_locked(sync, job);
    job->stored = true;
    if (job->command_done)
        free(job);
    pthread_mutex_unlock(&sync->lock);
    waiters_tell(told, sync_error_of_cache(error));
}

static bool is_placeholder(struct worker *w, const struct job *job)
{
    size_t len;
    const char *head = cache_incoming_head(w->incoming, &len);
    struct cache_message row = {0};
    if (cache_message_get(w->sync->cache, job->message, &row) != CACHE_OK)
        return false;
    bool placeholder = message_is_placeholder(head, len, row.subject);
    cache_message_free(&row);
    return placeholder;
}

/* Whether what came may be kept as the message of `job`. */
static bool acceptable(struct worker *w, const struct job *job, const struct imap_fetch *fetch)
{
    if (w->incoming == NULL || w->incoming_broken || w->uidvalidity != job->uidvalidity)
        return false;
    if (fetch->body_partial) /* not what was asked for; nothing says where the message ends */
        return false;
    if (!is_placeholder(w, job))
        return true;
    log_warn("the server cannot render message %u; it sent a placeholder", job->uid);
    return false;
}

void body_fetch(struct worker *w, const struct imap_fetch *fetch)
{
    struct job *job = fetch->present & IMAP_FETCH_UID ? worker_job(w, JOB_BODY, fetch->uid) : NULL;
    if (job != NULL && fetch->body_form == IMAP_BODY_INLINE)
        take_inline(w, &fetch->body);
    else if (fetch->body_form == IMAP_BODY_NIL)
        cache_incoming_abort(&w->incoming);
    if (job == NULL || !acceptable(w, job, fetch)) {
        if (job != NULL && w->incoming_broken)
            job->broken = true;
        cache_incoming_abort(&w->incoming);
        return;
    }
    pthread_mutex_lock(&w->sync->lock);
    job->received = true;
    pthread_mutex_unlock(&w->sync->lock);
    cache_incoming_commit(&w->incoming, job->message, body_stored, job);
}

/* What the tagged reply means for a job whose bytes did not come. */
static void came_without(struct worker *w, struct job *job, enum imap_error error)
{
    struct sync *sync = w->sync;
    bool refused = error == IMAP_OK || error == IMAP_ERR_NO || error == IMAP_ERR_BAD;
    if (job->broken)
        job_end(sync, job, SYNC_ERR_CACHE);
    else if (!refused)
        job_retry(sync, job, error);
    else if (w->examined != job->mailbox && w->examine_error != IMAP_ERR_NO)
        job_retry(sync, job, w->examine_error);
    else if (w->examined != job->mailbox || w->uidvalidity != job->uidvalidity)
        job_end(sync, job, SYNC_ERR_GONE);
    else
        job_end(sync, job, SYNC_ERR_UNFETCHABLE);
}

static void body_done(void *ctx, const struct imap_completion *completion)
{
    struct job *job = ctx;
    struct worker *w = job->worker;
    struct sync *sync = w->sync;
    worker_note(w, completion);
    if (!job->received) {
        if (completion->error == IMAP_OK)
            log_warn("message %u did not come although the server said OK", job->uid);
        came_without(w, job, completion->error);
        return;
    }
    pthread_mutex_lock(&sync->lock);
    job_release_locked(job);
    job->command_done = true;
    if (job->stored)
        free(job);
    pthread_mutex_unlock(&sync->lock);
}

static void body_examined(void *ctx, const struct imap_completion *completion)
{
    struct worker *w = ctx;
    (void)worker_examined(w, w->examined,
                          completion); /* body_done looks at what it left in the worker */
}

void body_start(struct worker *w, struct job *job)
{
    char set[16];
    struct imap_command command;
    enum imap_error error = IMAP_OK;
    if (w->examined != job->mailbox)
        error = worker_examine(w, job->mailbox, body_examined, w);
    if (error == IMAP_OK) {
        snprintf(set, sizeof set, "%u", job->uid);
        imap_command_uid_fetch(&command, set, "(UID BODY.PEEK[])");
        error = imap_connection_submit(w->connection, &command, body_done, job);
    }
    if (error != IMAP_OK)
        job_retry(w->sync, job, error);
}
