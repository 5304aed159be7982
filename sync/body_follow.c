/*
 * A body that the server does not have where the cache says, because a MOVE of ours took the
 * message elsewhere: the server is ahead of the cache between carrying the MOVE out and our noting
 * it. The job waits for the end of the change, which holds nobody up, and is fetched from the new
 * place.
 *
 * A job that waits belongs to no worker and is taken by none (JOB_TAKEN without one); its waiters
 * keep their bounds. A worker's thread, then a clerk's.
 */
#include <stddef.h>

#include "sync/carry.h"

/* The MOVE of the message that is not over; NULL: none. */
static const struct change *moving_locked(const struct sync *sync, int64_t message)
{
    const struct change *change = sync->changes;
    while (change != NULL && (change->message != message || change->kind != JOURNAL_MOVE ||
                              change->held || change->abandoned))
        change = change->all_next;
    return change;
}

/* Whether the cache knows it elsewhere by now; then that is what the job is about. The lock is not
 * held: nobody else has the job. */
static bool take_place(struct job *job)
{
    struct cache_message message = {0};
    struct cache_mailbox mailbox = {0};
    struct sync *sync = job->sync;
    bool known = cache_message_get(sync->cache, job->message, &message) == CACHE_OK &&
                 cache_mailbox_get(sync->cache, message.mailbox, &mailbox) == CACHE_OK;
    bool elsewhere = known && (message.mailbox != job->mailbox || message.uid != job->uid ||
                               mailbox.uidvalidity != job->uidvalidity);
    if (elsewhere) {
        pthread_mutex_lock(&sync->lock); /* others look for the mailbox */
        job->mailbox = message.mailbox;
        job->uid = message.uid;
        job->uidvalidity = mailbox.uidvalidity;
        job->seen = false;
        job->probes = 0;
        pthread_mutex_unlock(&sync->lock);
    }
    cache_message_free(&message);
    cache_mailbox_free(&mailbox);
    return elsewhere;
}

static void look_again(struct sync *sync, struct task *task)
{
    struct job *job = (struct job *)((char *)task - offsetof(struct job, again));
    if (!body_follow(job))
        job_end(sync, job, SYNC_ERR_GONE);
}

/* What ends is noted in the cache before it is forgotten: no change is under way, so the cache
 * tells. */
bool body_follow(struct job *job)
{
    struct sync *sync = job->sync;
    struct waiter *told = NULL;
    enum sync_error why;
    pthread_mutex_lock(&sync->lock);
    const struct change *change = moving_locked(sync, job->message);
    if (change != NULL) {
        job_release_locked(job);
        job->follows = change;
    }
    pthread_mutex_unlock(&sync->lock);
    if (change != NULL)
        return true;
    if (!take_place(job))
        return false;
    pthread_mutex_lock(&sync->lock);
    job_release_locked(job);
    job->state = JOB_PENDING;
    told = job_dispatch_locked(sync, job, &why);
    pthread_mutex_unlock(&sync->lock);
    waiters_tell(told, why);
    return true;
}

void bodies_free_locked(struct sync *sync, const struct change *change)
{
    for (struct job *job = sync->jobs; job != NULL; job = job->next) {
        if (job->follows != change)
            continue;
        job->follows = NULL;
        job->again = (struct task){.run = look_again};
        clerk_task_locked(sync, &job->again);
    }
}
