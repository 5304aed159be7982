/*
 * Bodies, from the server to the cache.
 *
 * A body streams to the cache as it arrives, before the FETCH response's end says whose it is
 * (items come in any order), so the worker holds one incoming body, and body_fetch gives it to the
 * job of that UID. What must never be cached as the message is dropped there: the answer of a
 * mailbox whose UIDVALIDITY is another by now, a partial body, NIL, Outlook.com's placeholder.
 *
 * A body's job ends twice: the tagged reply (worker's thread) and the cache's word that the bytes
 * stand (writer's thread). Those who wait are told at the second; the job is freed by whichever
 * comes last. The connection is done with it as soon as its bytes are here.
 */
#include <stdlib.h>

#include "base/log.h"
#include "message/summary.h"
#include "sync/ahead.h"
#include "sync/body.h"

/* ---- bytes ---- */

bool body_begin(void *ctx, uint32_t sequence, uint64_t length)
{
    struct worker *w = ctx;
    ahead_answered(w);
    cache_incoming_abort(&w->incoming);
    w->incoming_bytes = 0;
    w->incoming_broken = cache_incoming_begin(w->sync->cache, &w->incoming) != CACHE_OK;
    return !w->incoming_broken;
}

bool body_chunk(void *ctx, const char *data, size_t len)
{
    struct worker *w = ctx;
    w->incoming_bytes += len;
    worker_moved(w, len);
    ahead_moved(w, len);
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
    if (w->incoming == NULL || w->incoming_broken || w->examined != job->mailbox ||
        w->uidvalidity != job->uidvalidity)
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
    w->incoming_bytes = 0;
    pthread_mutex_lock(&w->sync->lock);
    job->received = true;
    job_release_locked(job);
    pthread_mutex_unlock(&w->sync->lock);
    cache_incoming_commit(&w->incoming, job->message, body_stored, job);
}

void body_mentioned(struct worker *w, const struct imap_fetch *fetch)
{
    struct job *job = fetch->present & IMAP_FETCH_UID ? worker_job(w, JOB_BODY, fetch->uid) : NULL;
    if (job != NULL)
        job->seen = true;
}
