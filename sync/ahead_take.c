/*
 * See ahead.h: which worker asks for what ahead.
 *
 * A worker takes a set when its share of the budget is not on its way yet. The shares are small
 * enough for the sets of all connections to arrive about together, and large enough for a
 * connection to have its next set asked for before this one is through. The worker's thread.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "sync/ahead_internal.h"
#include "sync/body.h"
#include "sync/regard.h"

/* Connections that may be at it: one is left to others. */
static unsigned ways_of(unsigned ready)
{
    return ready > 2 ? ready - 1 : 1;
}

/* Bodies that one of so many may have on their way, however small they are. */
static unsigned most_ahead(unsigned ways)
{
    unsigned share = READER_ENTRIES / ways;
    return share > SET_BODIES * 2 ? share : SET_BODIES * 2;
}

static bool waited_for_locked(const struct sync *sync, int64_t mailbox)
{
    for (const struct job *job = sync->jobs; job != NULL; job = job->next) {
        if (job->kind == JOB_BODY && job->waiters != NULL && job->mailbox == mailbox)
            return true;
    }
    return false;
}

/* A reader that waits for a message has not stopped, however long it takes. */
static bool reads_locked(const struct sync *sync, const struct reader *reader, int64_t now)
{
    return reader->used &&
           (now - reader->opened <= READER_STOP_MS || waited_for_locked(sync, reader->mailbox));
}

/* Who wants a connection for something else goes first. */
static bool others_wait_locked(const struct sync *sync)
{
    for (const struct job *job = sync->jobs; job != NULL; job = job->next) {
        if (job->state == JOB_PENDING && !job->stock)
            return true;
    }
    return false;
}

/* Of several connections the one that watches is the one to spare. */
static bool may_take_locked(const struct worker *w, int64_t now)
{
    const struct sync *sync = w->sync;
    unsigned at_it = 0, ready = workers_ready_locked(sync);
    if (w->watching && ready > 1)
        return false;
    if (sync->stopping || w->state != WORKER_READY || w->alone || w->active_searches > 0 ||
        sync->limiter_until > now)
        return false;
    for (unsigned i = 0; i < sync->worker_count; i++)
        at_it += &sync->workers[i] != w && sync->workers[i].ahead > 0;
    unsigned ways = ways_of(ready);
    return at_it < ways && w->ahead < most_ahead(ways) &&
           w->ahead_bytes <= ahead_budget_locked(sync) / ways / 4 * 3;
}

/* The reader that the worker should fetch for: of the mailbox that it has open, else the first. */
static struct reader *reader_for_locked(const struct worker *w, int64_t now)
{
    struct readers *readers = &w->sync->ahead->readers;
    struct reader *best = NULL;
    for (unsigned i = 0; i < READERS_MAX; i++) {
        struct reader *reader = &readers->items[i];
        bool open = w->mailbox == reader->mailbox;
        if (!reader->used || reader->wanted == 0 || (w->active > 0 && !open) ||
            !reads_locked(w->sync, reader, now))
            continue;
        if (best == NULL || (open && w->mailbox != best->mailbox))
            best = reader;
    }
    return best;
}

bool ahead_calls_locked(const struct sync *sync)
{
    int64_t now = clock_ms();
    for (unsigned i = 0; i < READERS_MAX; i++) {
        const struct reader *reader = &sync->ahead->readers.items[i];
        if (!reader->guess && reads_locked(sync, reader, now))
            return true;
    }
    return false;
}

void ahead_wake_locked(struct sync *sync)
{
    int64_t now = clock_ms();
    bool connecting = false;
    for (unsigned i = 0; i < sync->worker_count; i++) {
        struct worker *w = &sync->workers[i];
        connecting |= w->state == WORKER_CONNECTING;
        if (may_take_locked(w, now) && reader_for_locked(w, now) != NULL)
            worker_wake(w);
    }
    struct worker *next = worker_offline_locked(sync);
    if (connecting || next == NULL || !ahead_calls_locked(sync) || next->next_attempt > now ||
        sync->stopping || sync->limiter_until > now)
        return;
    next->called = true;
    worker_wake(next);
}

/* Makes the job of one entry; false without memory. One that has a job is somebody's already. */
static bool take_entry_locked(struct worker *w, struct reader *reader, struct reader_entry *entry,
                              struct body_set *set)
{
    struct sync *sync = w->sync;
    reader_asked(reader, entry);
    if (job_find_locked(sync, JOB_BODY, entry->message) != NULL)
        return true;
    struct job *job = job_new_locked(sync, JOB_BODY, reader->mailbox, entry->message);
    if (job == NULL)
        return false;
    job->uid = entry->uid;
    job->uidvalidity = reader->uidvalidity;
    job->size = entry->size;
    job->ahead = true;
    job_hold_locked(job, w);
    set->jobs[set->count++] = job;
    return true;
}

static void take_set_locked(struct worker *w, struct body_set *set)
{
    int64_t now = clock_ms();
    if (!may_take_locked(w, now) || others_wait_locked(w->sync))
        return;
    struct reader *reader = reader_for_locked(w, now);
    if (reader == NULL)
        return;
    uint64_t share = ahead_budget_locked(w->sync) / ways_of(workers_ready_locked(w->sync));
    size_t at = 0;
    while (set->count < SET_BODIES && w->ahead_bytes < share) {
        struct reader_entry *entry = reader_wanted(reader, &at);
        if (entry == NULL || !take_entry_locked(w, reader, entry, set))
            return;
    }
}

void ahead_start(struct worker *w)
{
    struct sync *sync = w->sync;
    if (atomic_load(&sync->ahead->active) == 0)
        return;
    for (;;) {
        struct body_set *set = body_set_new(w);
        if (set == NULL)
            return;
        pthread_mutex_lock(&sync->lock);
        take_set_locked(w, set);
        pthread_mutex_unlock(&sync->lock);
        if (set->count == 0) {
            body_set_free(set);
            return;
        }
        watch_pause(w);
        body_set_send(set);
    }
}

void ahead_returned(struct sync *sync, int64_t message)
{
    pthread_mutex_lock(&sync->lock);
    readers_want_again(&sync->ahead->readers, message);
    pthread_mutex_unlock(&sync->lock);
}

/* ---- what the wire bears ---- */

void ahead_asked(struct worker *w)
{
    w->asked = imap_connection_in_flight(w->connection) == 0 ? clock_ms() : 0;
}

void ahead_answered(struct worker *w)
{
    if (w->asked == 0)
        return;
    pthread_mutex_lock(&w->sync->lock);
    rate_answered(&w->sync->ahead->rate, clock_ms() - w->asked);
    pthread_mutex_unlock(&w->sync->lock);
    w->asked = 0;
}

void ahead_moved(struct worker *w, size_t bytes)
{
    pthread_mutex_lock(&w->sync->lock);
    rate_moved(&w->sync->ahead->rate, bytes, clock_ms());
    pthread_mutex_unlock(&w->sync->lock);
}
