/*
 * The list of jobs, and who waits for them.
 *
 * A job stands in the list from when it is made until it ends; which connection does it is
 * dispatch.c's to say. Waiters hang on a job and are told without the lock: from whichever thread
 * ends the job, moves it on, or sees that it cannot be done. What a job is worth to its waiters
 * (progress, entries that landed) is noted here by the thread of its worker.
 */
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "sync/carry.h"
#include "sync/indexing.h"
#include "sync/listing.h"
#include "sync/search_internal.h"
#include "sync/views.h"

void worker_wake(struct worker *worker)
{
    eventfd_write(worker->wake_fd, 1);
}

void stir_locked(struct sync *sync)
{
    if (sync->stir_fd > 0)
        eventfd_write(sync->stir_fd, 1);
}

/* ---- the list ---- */

struct job *job_find_locked(struct sync *sync, enum job_kind kind, int64_t id)
{
    for (struct job *job = sync->jobs; job != NULL; job = job->next) {
        if (job->kind == kind && kind != JOB_CHANGE &&
            (kind == JOB_BODY ? job->message : job->mailbox) == id)
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
    if (sync->jobs == NULL)
        stir_locked(sync);
    job->prev = sync->jobs_last;
    *(sync->jobs_last != NULL ? &sync->jobs_last->next : &sync->jobs) = job;
    sync->jobs_last = job;
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
    else
        sync->jobs_last = job->prev;
    job->next = job->prev = NULL;
    job->state = JOB_FINISHED;
}

void job_free_locked(struct sync *sync, struct job *job)
{
    unlink_locked(sync, job);
    job_discard_locked(job);
}

void job_discard_locked(struct job *job)
{
    ask_drop_locked(&job->ask);
    free(job);
}

struct waiter *job_finish_locked(struct sync *sync, struct job *job)
{
    unlink_locked(sync, job);
    if (job->kind == JOB_BODY || job->kind == JOB_CHANGE)
        indexing_stir(sync->indexing, !job->stock);
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

struct waiter *waiters_below_locked(struct job *job, int64_t wait_ms)
{
    return take_waiters(job, bound_below, &wait_ms);
}

static bool wants_entries(const struct waiter *waiter, const void *last_ino)
{
    return waiter->entries && waiter->after < *(const uint64_t *)last_ino;
}

bool sync_detach(struct sync *sync, sync_ticket ticket)
{
    if (views_detach(sync->views, ticket) || request_detach(sync, ticket))
        return true;
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

/* In the thread of the job's worker, whose the listing is. */
static void count_locked(struct job *job)
{
    if (job->listing == NULL)
        return;
    job->landed = listing_landed(job->listing);
    job->total = job->listing->exists;
}

void job_counted(struct sync *sync, struct job *job)
{
    pthread_mutex_lock(&sync->lock);
    count_locked(job);
    pthread_mutex_unlock(&sync->lock);
}

void job_landed(struct sync *sync, struct job *job, uint64_t last_ino)
{
    pthread_mutex_lock(&sync->lock);
    job->progress = clock_ms();
    if (last_ino > job->last_ino)
        job->last_ino = last_ino;
    count_locked(job);
    struct waiter *told = take_waiters(job, wants_entries, &job->last_ino);
    pthread_mutex_unlock(&sync->lock);
    waiters_tell(told, SYNC_OK);
}

void jobs_progress(struct worker *worker)
{
    struct sync *sync = worker->sync;
    int64_t now = clock_ms();
    pthread_mutex_lock(&sync->lock);
    worker->arrived = worker->incoming_bytes;
    for (struct job *job = sync->jobs; job != NULL; job = job->next) {
        if (job->worker == worker || job->state == JOB_PENDING)
            job->progress = now;
        if (job->worker == worker)
            count_locked(job);
    }
    pthread_mutex_unlock(&sync->lock);
}
