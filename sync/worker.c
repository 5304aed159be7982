/*
 * A worker: one thread, one connection, the jobs on it.
 *
 * It sleeps until a job is pending that it should take, connects when it has no connection, and
 * then moves bytes: start what may be started, step, again. All callbacks of the connection run in
 * this thread, from within imap_connection_step, so a worker's own fields need no lock. The shared
 * fields (state, what it carries) say to dispatch.c whether a new job suits it.
 *
 * Connections are made when there is work and kept while they stand. When one breaks, its jobs are
 * back among the pending ones by the time that step returns (each command's completion sees to its
 * own job).
 */
#include <poll.h>
#include <sys/eventfd.h>

#include "base/clock.h"
#include "base/log.h"
#include "sync/ahead.h"
#include "sync/carry.h"
#include "sync/listing.h"
#include "sync/regard.h"
#include "sync/search_internal.h"
#include "sync/stock.h"

enum {
    PROGRESS_BYTES = 1024, /* CONTRACT.md 4: what counts as progress */
    RESPONSE_BYTES = 32,   /* a response, at the least */
};

static void tell(struct sync *sync, const struct cache_change *change, enum sync_origin origin)
{
    stock_changed(sync, change);
    if (atomic_load(&sync->listening))
        sync->listener.changed(sync->listener.ctx, change, origin);
}

void sync_changed(void *ctx, const struct cache_change *change)
{
    tell(ctx, change, SYNC_ORIGIN_SERVER);
}

void sync_changed_here(void *ctx, const struct cache_change *change)
{
    tell(ctx, change, SYNC_ORIGIN_HERE);
}

void sync_changed_listing(void *ctx, const struct cache_change *change)
{
    tell(ctx, change, SYNC_ORIGIN_LISTING);
}

struct job *worker_job(struct worker *w, enum job_kind kind, uint32_t uid)
{
    struct job *found = NULL;
    pthread_mutex_lock(&w->sync->lock);
    for (struct job *job = w->sync->jobs; job != NULL && found == NULL; job = job->next) {
        if (job->worker == w && job->kind == kind &&
            (kind != JOB_BODY || (job->uid == uid && !job->received)))
            found = job;
    }
    pthread_mutex_unlock(&w->sync->lock);
    return found;
}

/* ---- what the connection says ---- */

void worker_moved(struct worker *w, size_t bytes)
{
    w->unreported += bytes;
    if (w->unreported < PROGRESS_BYTES)
        return;
    w->unreported = 0;
    jobs_progress(w);
}

static void fetched(struct worker *w, const struct imap_fetch *fetch)
{
    if (carry_fetch(w, fetch))
        return;
    if (fetch->present & IMAP_FETCH_BODY) {
        body_fetch(w, fetch);
        return;
    }
    worker_moved(w, RESPONSE_BYTES + fetch->header.len);
    if (renamed_fetch(w, fetch))
        return;
    body_mentioned(w, fetch);
    struct job *listing = worker_job(w, JOB_LISTING, 0);
    if (listing != NULL)
        listing_fetch(listing, fetch);
}

/* Searches have their connection for themselves, so nobody else asked then; a refresh and a change
 * never search on one connection. */
static void searched(struct worker *w, const struct imap_response *response)
{
    struct job *listing = w->searches == NULL ? worker_job(w, JOB_LISTING, 0) : NULL;
    worker_moved(w, RESPONSE_BYTES + response->search.count);
    if (w->searches != NULL)
        search_response(w, &response->search);
    else if (listing != NULL && listing_searched(listing, &response->search))
        return;
    else
        carry_untagged(w, response);
}

static void came_or_went(struct worker *w, const struct imap_response *response)
{
    if (imap_connection_selected(w->connection)->name == NULL)
        return;
    w->stirred = true;
    cache_mailbox_checked(w->sync->cache, w->examined, 0);
    watch_push(w, response);
}

static void vanished(struct worker *w, const struct imap_response *response)
{
    if (!response->vanished.earlier) {
        came_or_went(w, response);
        return;
    }
    worker_moved(w, RESPONSE_BYTES + response->vanished.uids.len);
    resync_vanished(worker_job(w, JOB_LISTING, 0), response->vanished.uids);
}

static void untagged(void *ctx, const struct imap_response *response)
{
    struct worker *w = ctx;
    switch (response->kind) {
    case IMAP_RESPONSE_LIST:
    case IMAP_RESPONSE_LSUB:
        worker_moved(w, RESPONSE_BYTES);
        tree_response(w, &response->list, response->kind == IMAP_RESPONSE_LSUB);
        carry_untagged(w, response);
        break;
    case IMAP_RESPONSE_SEARCH:
        searched(w, response);
        break;
    case IMAP_RESPONSE_MAILBOX_STATUS:
        worker_moved(w, RESPONSE_BYTES);
        if (notify_status(w, &response->mailbox_status))
            break;
        if (renamed_status(w, &response->mailbox_status))
            break;
        tree_status(w, &response->mailbox_status);
        if (!poll_response(w, &response->mailbox_status))
            carry_untagged(w, response);
        break;
    case IMAP_RESPONSE_QUOTA:
    case IMAP_RESPONSE_QUOTAROOT:
        carry_untagged(w, response);
        break;
    case IMAP_RESPONSE_FETCH:
        watch_push(w, response);
        fetched(w, &response->fetch);
        break;
    case IMAP_RESPONSE_STATUS:
        if (response->status.code.kind == IMAP_CODE_CLOSED)
            resync_closed(worker_job(w, JOB_LISTING, 0));
        else if (response->status.code.kind == IMAP_CODE_NOTIFICATIONOVERFLOW)
            notify_overflow(w);
        break;
    case IMAP_RESPONSE_VANISHED:
        vanished(w, response);
        break;
    case IMAP_RESPONSE_EXISTS:
    case IMAP_RESPONSE_EXPUNGE:
        came_or_went(w, response);
        break;
    default:
        break;
    }
}

/* ---- the loop ---- */

/* The machine was asleep: the server has ended the connection meanwhile, or the address is another
 * one, and nobody told. Looked at before any job goes out, else each waits for the whole bound. */
static void check_after_sleep(struct worker *w)
{
    int64_t asleep = clock_asleep_ms(), before = atomic_exchange(&w->asleep, asleep);
    if (asleep - before < NAP_MS || w->connection == NULL)
        return;
    log_info("the machine was asleep: connection %u is looked at", w->number);
    watch_pause(w);
    (void)!imap_connection_check(w->connection, CHECK_MS); /* the next step tells of an end */
}

static void start_jobs(struct worker *w)
{
    static void (*const start[])(struct worker *, struct job *) = {
        [JOB_TREE] = tree_start,    [JOB_BODY] = body_start, [JOB_LISTING] = listing_start,
        [JOB_CHANGE] = carry_start, [JOB_POLL] = poll_start, [JOB_SEARCH] = search_start};
    bool took = false;
    for (struct job *job; (job = job_take(w)) != NULL; took = true) {
        watch_pause(w);
        start[job->kind](w, job);
    }
    if (took)
        jobs_redispatch(w->sync); /* what this worker was woken for and has no room for any more */
    ahead_start(w);
}

/* How long to sleep, ms, and whether to connect now. */
static int plan(struct worker *w, bool *stopping, bool *wanted)
{
    struct sync *sync = w->sync;
    int64_t now = clock_ms(), from = now;
    pthread_mutex_lock(&sync->lock);
    *stopping = sync->stopping;
    bool pending = false;
    for (struct job *job = sync->jobs; job != NULL; job = job->next)
        pending |= job->state == JOB_PENDING;
    if (sync->limiter_until > from)
        from = sync->limiter_until;
    if (w->connection == NULL && w->next_attempt > from)
        from = w->next_attempt;
    pending |= w->connection == NULL && w->called && ahead_calls_locked(sync);
    w->called &= pending;
    bool mine = (pending && (w->connection != NULL || w->called)) ||
                (w->connection == NULL && w->for_watch);
    pthread_mutex_unlock(&sync->lock);
    *wanted = mine && from <= now;
    /* Of the workers without a connection only who was called wakes by the clock, lest all connect
     * at once. */
    bool timed = mine && from > now;
    return timed ? clock_until(from) + 1 : -1;
}

static void sleep_until_woken(struct worker *w, int wait_ms)
{
    struct pollfd fd = {.fd = w->wake_fd, .events = POLLIN};
    (void)!poll(&fd, 1, wait_ms);
}

static void drain(struct worker *w)
{
    eventfd_t count;
    (void)!eventfd_read(w->wake_fd, &count);
}

void *worker_main(void *ctx)
{
    struct worker *w = ctx;
    w->handler = (struct imap_handler){
        .ctx = w,
        .untagged = untagged,
        .body = {.ctx = w, .begin = body_begin, .chunk = body_chunk, .end = body_end}
    };
    for (;;) {
        bool stopping, wanted;
        check_after_sleep(w);
        if (w->connection != NULL)
            start_jobs(w); /* before the plan, or a back-off set in between would have no timer */
        int wait_ms = plan(w, &stopping, &wanted);
        if (stopping)
            break;
        if (w->connection == NULL) {
            if (wanted)
                worker_connect(w);
            else
                sleep_until_woken(w, wait_ms);
            if (w->connection == NULL)
                drain(w);
            continue;
        }
        int64_t watch_at = watch_tend(w);
        if (w->connection == NULL)
            continue;
        if (watch_at != INT64_MAX && (wait_ms < 0 || clock_until(watch_at) < wait_ms))
            wait_ms = clock_until(watch_at);
        enum imap_error error = imap_connection_step(w->connection, wait_ms, w->wake_fd);
        drain(w);
        if (error != IMAP_OK)
            worker_disconnected(w, error);
    }
    cache_incoming_abort(&w->incoming);
    imap_connection_close(&w->connection);
    worker_set_state(w, WORKER_STOPPED);
    return NULL;
}
