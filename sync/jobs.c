/*
 * Jobs, who waits for them, and which connection takes which.
 *
 * A worker takes a job when its connection can do it behind what is already on its way: several
 * bodies and a listing of one mailbox share a pipeline; another mailbox waits until the pipeline is
 * empty, since EXAMINE would pull the mailbox from under the commands to come. The choice for a new
 * job is: an idle connection that has the mailbox selected, an idle one, a busy one with little on
 * its way, and else a new connection while there may be more of them.
 */
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "sync/internal.h"

void worker_wake(struct worker *worker)
{
    eventfd_write(worker->wake_fd, 1);
}

/* ---- the list ---- */

struct job *job_find_locked(struct sync *sync, enum job_kind kind, int64_t id)
{
    for (struct job *job = sync->jobs; job != NULL; job = job->next) {
        if (job->kind == kind && (kind == JOB_BODY ? job->message : job->mailbox) == id)
            return job;
    }
    return NULL;
}

struct job *job_new_locked(struct sync *sync, enum job_kind kind, int64_t mailbox, int64_t message)
{
    struct job *job = calloc(1, sizeof *job);
    if (job == NULL)
        return NULL;
    job->sync = sync;
    job->kind = kind;
    job->mailbox = mailbox;
    job->message = message;
    job->since = job->progress = clock_ms();
    struct job **at = &sync->jobs;
    struct job *last = NULL;
    while (*at != NULL) {
        last = *at;
        at = &last->next;
    }
    job->prev = last;
    *at = job;
    return job;
}

void tree_wanted_locked(struct sync *sync)
{
    if (job_find_locked(sync, JOB_TREE, 0) == NULL)
        (void)!job_new_locked(sync, JOB_TREE, 0,
                              0); /* without memory: the next who doubts it asks */
}

static void unlink_locked(struct sync *sync, struct job *job)
{
    if (job->state == JOB_FINISHED)
        return;
    if (job->prev != NULL)
        job->prev->next = job->next;
    else
        sync->jobs = job->next;
    if (job->next != NULL)
        job->next->prev = job->prev;
    job->next = job->prev = NULL;
    job->state = JOB_FINISHED;
}

void job_free_locked(struct sync *sync, struct job *job)
{
    unlink_locked(sync, job);
    free(job);
}

struct waiter *job_finish_locked(struct sync *sync, struct job *job)
{
    unlink_locked(sync, job);
    struct waiter *waiters = job->waiters;
    job->waiters = NULL;
    return waiters;
}

/* ---- waiters ---- */

sync_ticket waiter_add_locked(struct sync *sync, struct job *job, const struct waiter *like)
{
    struct waiter *waiter = malloc(sizeof *waiter);
    if (waiter == NULL)
        return 0;
    *waiter = *like;
    waiter->ticket = ++sync->last_ticket;
    waiter->since = clock_ms();
    waiter->next = job->waiters;
    job->waiters = waiter;
    pthread_cond_signal(&sync->warden_wake);
    return waiter->ticket;
}

void waiters_tell(struct waiter *waiters, enum sync_error error)
{
    while (waiters != NULL) {
        struct waiter *waiter = waiters;
        waiters = waiter->next;
        /* Who waits for a refresh can do with what the cache has, unless the mailbox is gone. */
        bool content = waiter->at_bound == SYNC_OK && error != SYNC_ERR_GONE;
        waiter->done(waiter->ctx, content ? SYNC_OK : error);
        free(waiter);
    }
}

/* Takes out the waiters that `matches`; they are returned in a list of their own. */
static struct waiter *
take_waiters(struct job *job, bool (*matches)(const struct waiter *, const void *), const void *arg)
{
    struct waiter *taken = NULL;
    for (struct waiter **at = &job->waiters; *at != NULL;) {
        struct waiter *waiter = *at;
        if (!matches(waiter, arg)) {
            at = &waiter->next;
            continue;
        }
        *at = waiter->next;
        waiter->next = taken;
        taken = waiter;
    }
    return taken;
}

static bool ticket_is(const struct waiter *waiter, const void *ticket)
{
    return waiter->ticket == *(const sync_ticket *)ticket;
}

static bool bound_below(const struct waiter *waiter, const void *wait_ms)
{
    return waiter->bound_ms < *(const int64_t *)wait_ms;
}

static bool wants_entries(const struct waiter *waiter, const void *last_ino)
{
    return waiter->entries && waiter->after < *(const uint64_t *)last_ino;
}

bool sync_detach(struct sync *sync, sync_ticket ticket)
{
    struct waiter *taken = NULL;
    pthread_mutex_lock(&sync->lock);
    for (struct job *job = sync->jobs; job != NULL && taken == NULL; job = job->next) {
        taken = take_waiters(job, ticket_is, &ticket);
        if (taken != NULL && job->waiters == NULL && job->state == JOB_PENDING) {
            job_free_locked(sync, job);
            break;
        }
    }
    pthread_mutex_unlock(&sync->lock);
    bool found = taken != NULL;
    free(taken);
    return found;
}

void job_landed(struct sync *sync, struct job *job, uint64_t last_ino)
{
    pthread_mutex_lock(&sync->lock);
    job->progress = clock_ms();
    if (last_ino > job->last_ino)
        job->last_ino = last_ino;
    struct waiter *told = take_waiters(job, wants_entries, &job->last_ino);
    pthread_mutex_unlock(&sync->lock);
    waiters_tell(told, SYNC_OK);
}

void jobs_progress(struct worker *worker)
{
    struct sync *sync = worker->sync;
    int64_t now = clock_ms();
    pthread_mutex_lock(&sync->lock);
    for (struct job *job = sync->jobs; job != NULL; job = job->next) {
        if (job->worker == worker || job->state == JOB_PENDING)
            job->progress = now;
    }
    pthread_mutex_unlock(&sync->lock);
}

/* ---- who takes what ---- */

static bool room_for(const struct worker *worker, const struct job *job)
{
    if (worker->active == 0)
        return true;
    if (job->kind == JOB_TREE || worker->mailbox != job->mailbox || worker->mailbox == 0)
        return false;
    if (job->kind == JOB_LISTING)
        return !worker->active_listing;
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

/* How well the worker suits the job; the lowest is best, INT32_MAX not at all. */
static int rank(const struct worker *worker, const struct job *job, int64_t now)
{
    if (worker->state == WORKER_READY && room_for(worker, job))
        return worker->active > 0 ? 2 : worker->mailbox == job->mailbox ? 0 : 1;
    if (worker->state == WORKER_OFFLINE && worker_offline_locked(worker->sync) == worker)
        return worker->next_attempt <= now ? 3 : 5;
    if (worker->state == WORKER_CONNECTING)
        return 4;
    return INT32_MAX;
}

static bool any_connection_locked(const struct sync *sync)
{
    for (unsigned i = 0; i < sync->worker_count; i++) {
        if (sync->workers[i].state == WORKER_READY || sync->workers[i].state == WORKER_CONNECTING)
            return true;
    }
    return false;
}

/* A job that nobody will do: its waiters, and it is gone. */
static struct waiter *give_up_locked(struct sync *sync, struct job *job)
{
    struct waiter *told = job_finish_locked(sync, job);
    free(job);
    return told;
}

struct waiter *job_dispatch_locked(struct sync *sync, struct job *job, enum sync_error *why)
{
    int64_t now = clock_ms();
    *why = SYNC_ERR_STOPPING;
    if (sync->stopping)
        return give_up_locked(sync, job);
    struct waiter *told = NULL;
    if (sync->limiter_until > now) {
        int64_t wait_ms = sync->limiter_until - now;
        bool waited_for = job->waiters != NULL;
        *why = SYNC_ERR_THROTTLED;
        told = take_waiters(job, bound_below, &wait_ms);
        if (waited_for && job->waiters == NULL) {
            job_free_locked(sync, job);
            return told;
        }
    } else if (sync->outage.until > now && !any_connection_locked(sync)) {
        *why = sync->outage.error;
        return give_up_locked(sync, job);
    }
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
    if (job->kind != JOB_BODY)
        return;
    worker->active_bodies += (unsigned)sign;
    worker->active_bytes += sign > 0 ? job->size : -job->size;
}

void job_hold_locked(struct job *job, struct worker *worker)
{
    job->state = JOB_TAKEN;
    job->worker = worker;
    hold_count(worker, job, 1);
    if (job->kind == JOB_TREE || worker->mailbox == job->mailbox)
        return;
    worker->mailbox = job->mailbox;
    worker->turn = clock_ms();
}

void job_release_locked(struct job *job)
{
    if (job->worker != NULL)
        hold_count(job->worker, job, -1);
    job->worker = NULL;
}

/* Bodies before first listings before refreshes; among equals the mailbox that is selected, then
 * the oldest. */
static unsigned urgency(const struct worker *worker, const struct job *job)
{
    unsigned kind = job->kind == JOB_BODY ? 0 : job->kind == JOB_TREE || job->urgent ? 1 : 2;
    return kind * 2 + (worker->mailbox != job->mailbox);
}

/* The oldest job that has waited too long for a connection to be free: without it, requests for one
 * mailbox that never cease would keep those for another waiting for ever. */
static struct job *overdue_locked(struct sync *sync)
{
    int64_t before = clock_ms() - PATIENCE_MS;
    for (struct job *job = sync->jobs; job != NULL; job = job->next) {
        if (job->state == JOB_PENDING && job->waiters != NULL && job->since <= before)
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
    free(job);
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
        told = give_up_locked(sync, job);
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
