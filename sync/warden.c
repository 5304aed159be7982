/*
 * The warden: one thread that keeps the promise that nothing waits for the network without a bound.
 *
 * A waiter is told its error (for a refresh: that the cache will do) once its job has made no
 * progress for the waiter's bound. The job itself goes on, or is dropped by jobs.c when nobody is
 * left. The thread sleeps until the nearest deadline, or until waiter_add_locked says that there is
 * a new one. Its clock is also that of the looks that nobody asks for (poll.c, watch.c).
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/condition.h"
#include "sync/carry.h"
#include "sync/regard.h"

int64_t waiter_deadline(const struct job *job, const struct waiter *waiter)
{
    int64_t from = waiter->at_bound != SYNC_OK && job->progress > waiter->since ? job->progress
                                                                                : waiter->since;
    return from + waiter->bound_ms;
}

/* Takes out the waiters of `job` whose time has come; lowers *nearest to the next deadline. */
static struct waiter *overdue_locked(struct job *job, int64_t now, int64_t *nearest)
{
    struct waiter *told = NULL;
    for (struct waiter **at = &job->waiters; *at != NULL;) {
        struct waiter *waiter = *at;
        int64_t deadline = waiter_deadline(job, waiter);
        if (deadline > now) {
            if (deadline < *nearest)
                *nearest = deadline;
            at = &waiter->next;
            continue;
        }
        *at = waiter->next;
        waiter->next = told;
        told = waiter;
    }
    return told;
}

/* Tells each waiter its own error. */
static void tell_overdue(struct waiter *told)
{
    while (told != NULL) {
        struct waiter *waiter = told;
        told = waiter->next;
        waiter->done(waiter->ctx, waiter->at_bound);
        free(waiter);
    }
}

void *warden_main(void *ctx)
{
    struct sync *sync = ctx;
    pthread_mutex_lock(&sync->lock);
    while (!sync->stopping) {
        int64_t nearest = INT64_MAX;
        struct waiter *told = NULL;
        int64_t now = clock_ms();
        for (struct job *job = sync->jobs, *next; job != NULL && told == NULL; job = next) {
            next = job->next;
            told = overdue_locked(job, now, &nearest);
            if (told != NULL && job->waiters == NULL && job->state == JOB_PENDING)
                job_free_locked(sync, job);
        }
        if (told == NULL)
            changes_overdue_locked(sync, now, &nearest);
        if (told == NULL)
            poll_overdue_locked(sync, now, &nearest);
        if (told == NULL)
            watch_overdue_locked(sync, now, &nearest);
        if (told == NULL) {
            int64_t asleep = clock_asleep_ms();
            condition_wait(&sync->warden_wake, &sync->lock, nearest);
            if (clock_asleep_ms() - asleep >= NAP_MS) /* each looks at its connection (worker.c) */
                for (unsigned i = 0; i < sync->worker_count; i++)
                    worker_wake(&sync->workers[i]);
            continue;
        }
        pthread_mutex_unlock(&sync->lock);
        tell_overdue(told);
        pthread_mutex_lock(&sync->lock);
    }
    pthread_mutex_unlock(&sync->lock);
    return NULL;
}
