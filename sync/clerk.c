/*
 * Clerks: a few threads that wait for the journal and the cache, so that FUSE's threads and the
 * connections' never do. Tasks are run in the order of their coming, several at a time; one with a
 * time waits for it. Who puts a task in gives it away: it belongs to the clerk that runs it.
 */
#include "base/clock.h"
#include "base/condition.h"
#include "sync/carry.h"

void clerk_task_locked(struct sync *sync, struct task *task)
{
    struct task **at = &sync->tasks;
    while (*at != NULL)
        at = &(*at)->next;
    task->next = NULL;
    *at = task;
    pthread_cond_signal(&sync->clerk_wake);
}

void clerk_task(struct sync *sync, struct task *task)
{
    pthread_mutex_lock(&sync->lock);
    clerk_task_locked(sync, task);
    pthread_mutex_unlock(&sync->lock);
}

/* The first task that is due; lowers *nearest to the time of the next one. */
static struct task *take_locked(struct sync *sync, int64_t now, int64_t *nearest)
{
    for (struct task **at = &sync->tasks; *at != NULL; at = &(*at)->next) {
        struct task *task = *at;
        if (task->due <= now || sync->clerks_ending) {
            *at = task->next;
            return task;
        }
        if (task->due < *nearest)
            *nearest = task->due;
    }
    return NULL;
}

static void *clerk_main(void *ctx)
{
    struct sync *sync = ctx;
    pthread_mutex_lock(&sync->lock);
    for (;;) {
        int64_t nearest = INT64_MAX;
        struct task *task = take_locked(sync, clock_ms(), &nearest);
        if (task == NULL && sync->clerks_ending)
            break;
        if (task == NULL) {
            condition_wait(&sync->clerk_wake, &sync->lock, nearest);
            continue;
        }
        pthread_mutex_unlock(&sync->lock);
        task->run(sync, task);
        queue_pump(sync);
        pthread_mutex_lock(&sync->lock);
    }
    pthread_mutex_unlock(&sync->lock);
    return NULL;
}

bool clerks_start(struct sync *sync)
{
    for (; sync->clerk_count < CLERKS; sync->clerk_count++) {
        if (pthread_create(&sync->clerks[sync->clerk_count], NULL, clerk_main, sync) != 0)
            return false;
    }
    return true;
}

/* What was put in is done first; nothing may come any more but from the tasks themselves. */
void clerks_stop(struct sync *sync)
{
    pthread_mutex_lock(&sync->lock);
    sync->clerks_ending = true;
    pthread_cond_broadcast(&sync->clerk_wake);
    pthread_mutex_unlock(&sync->lock);
    for (unsigned i = 0; i < sync->clerk_count; i++)
        pthread_join(sync->clerks[i], NULL);
    sync->clerk_count = 0;
}
