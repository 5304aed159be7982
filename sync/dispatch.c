/*
 * Which connection takes which job, and how jobs end.
 *
 * A worker takes a job when its connection can do it behind what is already on its way: several
 * bodies and a listing of one mailbox share a pipeline; another mailbox waits until the pipeline is
 * empty, since EXAMINE would pull the mailbox from under the commands to come. The choice for a new
 * job is: an idle connection that has the mailbox selected, an idle one, a busy one with little on
 * its way, the one that watches Inbox, and else a new connection while there may be more of them.
 *
 * Any thread may dispatch; only a worker takes, ends or gives back.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "sync/carry.h"
#include "sync/regard.h"

/* How many other connections have nothing to do. */
static unsigned others_idle(const struct worker *worker)
{
    unsigned idle = 0;
    for (unsigned i = 0; i < worker->sync->worker_count; i++) {
        const struct worker *w = &worker->sync->workers[i];
        idle += w != worker && w->state == WORKER_READY && w->active == 0;
    }
    return idle;
}

static bool others_search(const struct worker *worker)
{
    bool search = false;
    for (unsigned i = 0; i < worker->sync->worker_count && !search; i++) {
        const struct worker *w = &worker->sync->workers[i];
        search = w != worker && w->active_searches > 0;
    }
    return search;
}

/* Searches go side by side, but for one connection that is left to who reads; and behind one
 * another, which costs them no round trips. Not so where there is only one, as who reads would wait
 * for all of them. */
static bool room_for_search(const struct worker *worker)
{
    if (worker->active == 0)
        return others_idle(worker) > 0 || !others_search(worker);
    return worker->active == worker->active_searches && worker->active < SEARCH_PIPELINE &&
           worker->sync->worker_count > 1 && others_idle(worker) < 2;
}

/* STATUS will tell whether it is needed. */
static bool is_told_soon(const struct sync *sync, const struct job *job)
{
    return job->kind == JOB_LISTING && stroll_waits_locked(sync, job->mailbox);
}

static bool room_for(const struct worker *worker, const struct job *job)
{
    if (job->kind == JOB_SEARCH)
        return room_for_search(worker);
    if (is_told_soon(worker->sync, job))
        return false;
    if (worker->active == 0)
        return true;
    if (worker->alone || job->alone || job->stock || worker->active_searches > 0)
        return false;
    /* Both may ask for STATUS, and nothing in the answer says who did. */
    if (job->kind == JOB_POLL)
        return !worker->polling && worker->active_changes == 0;
    if (job->kind == JOB_CHANGE && worker->polling)
        return false;
    bool reads = job->kind == JOB_LISTING || job->kind == JOB_BODY;
    if (reads && worker->polling && worker->active == 1)
        return true; /* STATUS is about no mailbox that is open */
    if (job->kind == JOB_CHANGE && worker->active_changes >= CHANGE_PIPELINE)
        return false;
    if (job->kind == JOB_CHANGE && job->mailbox == 0) /* an APPEND goes with anything */
        return true;
    if (job->kind == JOB_TREE || worker->mailbox != job->mailbox || worker->mailbox == 0)
        return false;
    if (job->kind == JOB_LISTING)
        return !worker->active_listing;
    if (job->kind == JOB_CHANGE)
        return true;
    return worker->active_bodies < BODY_PIPELINE && worker->active_bytes < BUSY_BYTES;
}

struct worker *worker_offline_locked(struct sync *sync)
{
    struct worker *next = NULL;
    for (unsigned i = 0; i < sync->worker_count; i++) {
        struct worker *w = &sync->workers[i];
        if (w->state == WORKER_OFFLINE && (next == NULL || w->next_attempt < next->next_attempt))
            next = w;
    }
    return next;
}

unsigned workers_ready_locked(const struct sync *sync)
{
    unsigned ready = 0;
    for (unsigned i = 0; i < sync->worker_count; i++)
        ready += sync->workers[i].state == WORKER_READY;
    return ready;
}

bool workers_any_locked(const struct sync *sync)
{
    for (unsigned i = 0; i < sync->worker_count; i++) {
        if (sync->workers[i].state == WORKER_READY || sync->workers[i].state == WORKER_CONNECTING)
            return true;
    }
    return false;
}

/* How well the worker suits the job; the lowest is best, INT32_MAX not at all. */
static int rank(const struct worker *worker, const struct job *job, int64_t now)
{
    if (worker->state == WORKER_READY && room_for(worker, job)) {
        bool open =
            worker->mailbox == job->mailbox && (job->kind != JOB_CHANGE || worker->writable);
        return worker->active > 0 ? 2 : open ? 0 : worker->watching ? 3 : 1;
    }
    if (job->stock && workers_any_locked(worker->sync))
        return INT32_MAX; /* whoever is through with the rest takes it */
    if (worker->state == WORKER_OFFLINE && worker_offline_locked(worker->sync) == worker)
        return worker->next_attempt <= now ? 4 : 6;
    if (worker->state == WORKER_CONNECTING)
        return 5;
    return INT32_MAX;
}

/* A job that nobody will do: its waiters, and it is gone. */
static struct waiter *give_up_locked(struct sync *sync, struct job *job, enum sync_error why)
{
    if (job->batch != NULL)
        batch_return_locked(sync, job->batch, why);
    struct waiter *told = job_finish_locked(sync, job);
    job_discard_locked(job);
    return told;
}

struct waiter *job_dispatch_locked(struct sync *sync, struct job *job, enum sync_error *why)
{
    int64_t now = clock_ms();
    *why = SYNC_ERR_STOPPING;
    if (sync->stopping)
        return give_up_locked(sync, job, *why);
    struct waiter *told = NULL;
    if (sync->limiter_until > now) {
        int64_t wait_ms = sync->limiter_until - now;
        bool waited_for = job->waiters != NULL;
        *why = SYNC_ERR_THROTTLED;
        told = waiters_below_locked(job, wait_ms);
        if (waited_for && job->waiters == NULL) {
            job_free_locked(sync, job);
            return told;
        }
    } else if (sync->outage.until > now && !workers_any_locked(sync)) {
        *why = sync->outage.error;
        return give_up_locked(sync, job, *why);
    }
    if (is_told_soon(sync, job))
        return told;
    struct worker *best = NULL;
    for (unsigned i = 0; i < sync->worker_count; i++) {
        struct worker *worker = &sync->workers[i];
        if (rank(worker, job, now) < (best == NULL ? INT32_MAX : rank(best, job, now)))
            best = worker;
    }
    if (best != NULL) {
        best->called |= best->state == WORKER_OFFLINE;
        worker_wake(best);
    }
    return told;
}

static void hold_count(struct worker *worker, const struct job *job, int sign)
{
    worker->active += (unsigned)sign;
    if (job->kind == JOB_LISTING)
        worker->active_listing = sign > 0;
    if (job->kind == JOB_CHANGE)
        worker->active_changes += (unsigned)sign;
    if (job->kind == JOB_POLL)
        worker->polling = sign > 0;
    if (job->kind == JOB_SEARCH)
        worker->active_searches += (unsigned)sign;
    if (job->alone)
        worker->alone = sign > 0;
    if (job->kind != JOB_BODY)
        return;
    if (sign < 0)
        worker->arrived = 0;
    worker->active_bodies += (unsigned)sign;
    worker->active_bytes += sign > 0 ? job->size : -job->size;
    if (!job->ahead)
        return;
    worker->ahead += (unsigned)sign;
    worker->ahead_bytes += sign > 0 ? job->size : -job->size;
}

void job_hold_locked(struct job *job, struct worker *worker)
{
    job->state = JOB_TAKEN;
    job->worker = worker;
    hold_count(worker, job, 1);
    bool anywhere = job->kind == JOB_TREE || job->kind == JOB_POLL ||
                    (job->kind == JOB_CHANGE && job->mailbox == 0);
    if (anywhere || worker->mailbox == job->mailbox)
        return;
    worker->mailbox = job->mailbox;
    worker->writable = false;
    worker->turn = clock_ms();
}

void job_release_locked(struct job *job)
{
    if (job->worker != NULL)
        hold_count(job->worker, job, -1);
    job->worker = NULL;
}

/* Bodies before first listings before refreshes, and last what nobody waits for; among equals the
 * mailbox that is selected, then the oldest. */
static unsigned urgency(const struct worker *worker, const struct job *job)
{
    unsigned kind = job->stock                                         ? 3
                    : job->kind == JOB_BODY || job->kind == JOB_CHANGE ? 0
                    : job->kind == JOB_TREE || job->urgent             ? 1
                                                                       : 2;
    return kind * 2 + (worker->mailbox != job->mailbox);
}

/* The oldest job that has waited too long for a connection to be free: without it, requests for one
 * mailbox that never cease would keep those for another waiting for ever. */
static struct job *overdue_locked(struct sync *sync)
{
    int64_t before = clock_ms() - PATIENCE_MS;
    for (struct job *job = sync->jobs; job != NULL; job = job->next) {
        if (job->state == JOB_PENDING && !job->stock && !is_told_soon(sync, job) &&
            (job->waiters != NULL || job->kind == JOB_CHANGE) && job->since <= before)
            return job;
    }
    return NULL;
}

/* An overdue job goes first where it can. One for another mailbox can only in an empty pipeline, so
 * the worker takes nothing until then; but it stays with a mailbox for a while, or two crowds would
 * have it select at every step. */
static struct job *choose_locked(struct worker *worker)
{
    struct job *best = NULL, *overdue = overdue_locked(worker->sync);
    bool stays = clock_ms() - worker->turn < PATIENCE_MS;
    if (overdue != NULL && worker->active == 0 && !room_for(worker, overdue))
        overdue = NULL; /* a search, and this is the connection that is left to others */
    if (overdue != NULL && (overdue->mailbox == worker->mailbox || !stays)) {
        if (room_for(worker, overdue))
            return overdue;
        if (overdue->mailbox != worker->mailbox)
            return NULL;
    }
    for (struct job *job = worker->sync->jobs; job != NULL; job = job->next) {
        if (job->state == JOB_PENDING && room_for(worker, job) &&
            (best == NULL || urgency(worker, job) < urgency(worker, best)))
            best = job;
    }
    return best;
}

struct job *job_take(struct worker *worker)
{
    struct sync *sync = worker->sync;
    pthread_mutex_lock(&sync->lock);
    bool allowed = !sync->stopping && sync->limiter_until <= clock_ms();
    struct job *job = allowed ? choose_locked(worker) : NULL;
    if (job != NULL)
        job_hold_locked(job, worker);
    pthread_mutex_unlock(&sync->lock);
    return job;
}

/* ---- how jobs end ---- */

void job_end(struct sync *sync, struct job *job, enum sync_error error)
{
    pthread_mutex_lock(&sync->lock);
    job_release_locked(job);
    struct waiter *told = job_finish_locked(sync, job);
    job_discard_locked(job);
    pthread_mutex_unlock(&sync->lock);
    waiters_tell(told, error);
}

/* Whether a job that met `error` is worth another start. */
static bool worth_retrying(const struct job *job, enum imap_error error)
{
    if (job->waiters == NULL && job->kind != JOB_TREE)
        return false;
    if (error == IMAP_ERR_THROTTLED)
        return true;
    return imap_error_retry(error) != IMAP_RETRY_NEVER && job->attempts < ATTEMPTS_MAX;
}

void job_retry(struct sync *sync, struct job *job, enum imap_error error)
{
    enum sync_error why = sync_error_of_imap(error);
    struct waiter *told = NULL;
    pthread_mutex_lock(&sync->lock);
    job_release_locked(job);
    job->attempts += error != IMAP_ERR_THROTTLED;
    if (worth_retrying(job, error)) {
        job->state = JOB_PENDING;
        told = job_dispatch_locked(sync, job, &why);
    } else {
        told = give_up_locked(sync, job, why);
    }
    pthread_mutex_unlock(&sync->lock);
    waiters_tell(told, why);
}

void jobs_redispatch(struct sync *sync)
{
    for (;;) {
        enum sync_error why;
        struct waiter *told = NULL;
        pthread_mutex_lock(&sync->lock);
        for (struct job *job = sync->jobs, *next; job != NULL && told == NULL; job = next) {
            next = job->next;
            if (job->state == JOB_PENDING)
                told = job_dispatch_locked(sync, job, &why);
        }
        pthread_mutex_unlock(&sync->lock);
        if (told == NULL)
            return;
        waiters_tell(told, why);
    }
}
