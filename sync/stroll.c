/*
 * Programs that go through the tree: `grep -r`, `find`, a backup. Each mailbox that they open costs
 * a round trip, if only to hear that it is empty, or as it was. So when a program opens one mailbox
 * soon after another, or after the root, STATUS asks about those that follow, behind what the first
 * one costs anyway: a JOB_POLL (poll.c) that has the mailbox where the walk is.
 *
 * What that finds is standing.c's: an empty mailbox needs no EXAMINE, one that is as it was has
 * just been looked at, and in another a refresh is under way when the program comes to it. A
 * program that comes sooner waits for the answer, which is nearer than that to any other question.
 */
#include "base/clock.h"
#include "sync/regard.h"

enum { WALK_MS = 10000 }; /* from one mailbox to the next, at most */

static bool strolls_locked(const struct sync *sync)
{
    for (const struct job *job = sync->jobs; job != NULL; job = job->next) {
        if (job->kind == JOB_POLL && job->mailbox != 0)
            return true;
    }
    return false;
}

void stroll_opened(struct sync *sync, int64_t mailbox, bool known)
{
    struct job *job = NULL;
    struct waiter *told = NULL;
    enum sync_error why = SYNC_OK;
    int64_t now = clock_ms();
    pthread_mutex_lock(&sync->lock);
    bool walks = sync->walk_at != 0 && now - sync->walk_at < WALK_MS && sync->walk_in != mailbox;
    sync->walk_in = mailbox;
    sync->walk_at = now;
    if (walks && !known && mailbox != 0 && !sync->stopping && !strolls_locked(sync) &&
        workers_ready_locked(sync) > 0)
        job = job_new_locked(sync, JOB_POLL, mailbox, 0);
    if (job != NULL)
        told = job_dispatch_locked(sync, job, &why);
    pthread_mutex_unlock(&sync->lock);
    waiters_tell(told, why);
}

/* Mailboxes are visited by id, about the order in which directories list them. */
bool stroll_wants(const struct worker *w, int64_t from, const struct cache_mailbox *mailbox)
{
    bool fresh =
        mailbox->listed && mailbox->checked_ms != 0 && clock_ms() - mailbox->checked_ms < FRESH_MS;
    return mailbox->id > from && mailbox->selectable && !fresh && mailbox->id != w->mailbox;
}

void stroll_asks(struct sync *sync, int64_t mailbox)
{
    pthread_mutex_lock(&sync->lock);
    for (size_t i = 0; i < STROLL_MAILBOXES; i++) {
        if (sync->strolls[i] == 0) {
            sync->strolls[i] = mailbox;
            break;
        }
    }
    pthread_mutex_unlock(&sync->lock);
}

bool stroll_waits_locked(const struct sync *sync, int64_t mailbox)
{
    for (size_t i = 0; i < STROLL_MAILBOXES; i++) {
        if (sync->strolls[i] == mailbox)
            return true;
    }
    return false;
}

/* Who waited for it: the listing is good as it is, or it is dispatched now. */
static void listing_waited(struct sync *sync, int64_t mailbox)
{
    struct cache_mailbox row = {0};
    struct waiter *list = NULL;
    enum sync_error why = SYNC_OK;
    bool fresh = cache_mailbox_get(sync->cache, mailbox, &row) == CACHE_OK && row.listed &&
                 clock_ms() - row.checked_ms < FRESH_MS;
    cache_mailbox_free(&row);
    pthread_mutex_lock(&sync->lock);
    struct job *job = job_find_locked(sync, JOB_LISTING, mailbox);
    if (job != NULL && job->state == JOB_PENDING && fresh && !job->flags_due && !job->window) {
        list = job_finish_locked(sync, job);
        job_discard_locked(job);
    } else if (job != NULL && job->state == JOB_PENDING) {
        list = job_dispatch_locked(sync, job, &why);
    }
    pthread_mutex_unlock(&sync->lock);
    waiters_tell(list, why);
}

void stroll_told(struct sync *sync, int64_t mailbox)
{
    int64_t told[STROLL_MAILBOXES];
    size_t count = 0;
    pthread_mutex_lock(&sync->lock);
    for (size_t i = 0; i < STROLL_MAILBOXES; i++) {
        if (sync->strolls[i] != 0 && (mailbox == 0 || sync->strolls[i] == mailbox)) {
            told[count++] = sync->strolls[i];
            sync->strolls[i] = 0;
        }
    }
    pthread_mutex_unlock(&sync->lock);
    for (size_t i = 0; i < count; i++)
        listing_waited(sync, told[i]);
}
