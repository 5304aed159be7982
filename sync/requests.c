/*
 * What the file system asks for: sync_want_body, sync_want_listing, sync_want_entries.
 *
 * Each finds the job that does it already, or makes one, hangs a waiter on it, and sees that a
 * worker knows. They are called by FUSE threads: they read the cache and take the lock, and never
 * wait for more.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "sync/ahead.h"
#include "sync/change.h"
#include "sync/internal.h"
#include "sync/regard.h"

/* What a job has to be made for, where there is none yet. */
struct wish {
    enum job_kind kind;
    int64_t mailbox, message;
    uint32_t uid, uidvalidity;
    uint64_t size;
    bool urgent;
    bool reading; /* a program reads the mailbox */
};

/* The job that does it already, or a new one; NULL without memory. */
static struct job *job_for_locked(struct sync *sync, const struct wish *wish)
{
    int64_t id = wish->kind == JOB_BODY ? wish->message : wish->mailbox;
    struct job *job = job_find_locked(sync, wish->kind, id);
    if (job == NULL &&
        (job = job_new_locked(sync, wish->kind, wish->mailbox, wish->message)) != NULL) {
        job->uid = wish->uid;
        job->uidvalidity = wish->uidvalidity;
        job->size = wish->size;
    }
    if (job != NULL)
        job->stock = false;
    if (job != NULL)
        job->urgent |= wish->urgent;
    if (job != NULL)
        job->reading |= wish->reading;
    return job;
}

/* The whole of a request; `waiter` may be NULL, and may be told before this returns. */
static sync_ticket want(struct sync *sync, const struct wish *wish, const struct waiter *waiter)
{
    enum sync_error why = SYNC_OK;
    struct waiter *told = NULL;
    sync_ticket ticket = 0;
    pthread_mutex_lock(&sync->lock);
    struct job *job = job_for_locked(sync, wish);
    if (job != NULL) {
        if (waiter != NULL)
            ticket = waiter_add_locked(sync, job, waiter);
        /* A new job that nobody could be hung on does no harm: it is done, or dropped. */
        if (job->state == JOB_PENDING)
            told = job_dispatch_locked(sync, job, &why);
    }
    pthread_mutex_unlock(&sync->lock);
    waiters_tell(told, why);
    return ticket;
}

/* A request that is decided already: told at once, with a ticket that nobody else has. */
static sync_ticket decided(struct sync *sync, sync_done_fn *done, void *ctx, enum sync_error error)
{
    pthread_mutex_lock(&sync->lock);
    sync_ticket ticket = ++sync->last_ticket;
    pthread_mutex_unlock(&sync->lock);
    done(ctx, error);
    return ticket;
}

sync_ticket sync_want_body(struct sync *sync, int64_t message, sync_done_fn *done, void *ctx)
{
    struct cache_message row = {0};
    struct cache_mailbox mailbox = {0};
    enum cache_error error = cache_message_get(sync->cache, message, &row);
    if (error == CACHE_OK)
        error = cache_mailbox_get(sync->cache, row.mailbox, &mailbox);
    struct wish wish = {.kind = JOB_BODY,
                        .mailbox = row.mailbox,
                        .message = message,
                        .uid = row.uid,
                        .uidvalidity = mailbox.uidvalidity,
                        .size = row.size,
                        .urgent = true};
    cache_message_free(&row);
    cache_mailbox_free(&mailbox);
    if (error != CACHE_OK)
        return decided(sync, done, ctx, sync_error_of_cache(error));
    struct waiter waiter = {
        .done = done, .ctx = ctx, .bound_ms = sync->timeout_ms, .at_bound = SYNC_ERR_UNREACHABLE};
    sync_ticket ticket = want(sync, &wish, &waiter);
    ahead_missed(sync, message, wish.mailbox, wish.uidvalidity);
    return ticket;
}

/* Whether the last attempt to connect failed and nothing stands since. */
bool sync_offline(struct sync *sync)
{
    pthread_mutex_lock(&sync->lock);
    bool off = sync->outage.until != 0 && workers_ready_locked(sync) == 0;
    pthread_mutex_unlock(&sync->lock);
    return off;
}

static sync_ticket at_once(sync_done_fn *done, void *ctx, enum sync_error error)
{
    done(ctx, error);
    return 0;
}

/* Who looks at a directory that holds no messages wants to see the mailboxes in it. */
static sync_ticket want_tree(struct sync *sync, sync_done_fn *done, void *ctx)
{
    const struct wish wish = {.kind = JOB_TREE};
    const struct waiter waiter = {
        .done = done, .ctx = ctx, .bound_ms = REFRESH_GRACE_MS, .at_bound = SYNC_OK};
    pthread_mutex_lock(&sync->lock);
    bool fresh = sync->tree_checked != 0 && clock_ms() - sync->tree_checked < FRESH_MS;
    pthread_mutex_unlock(&sync->lock);
    if (fresh)
        return at_once(done, ctx, SYNC_OK);
    if (!sync_offline(sync))
        return want(sync, &wish, &waiter);
    want(sync, &wish, NULL);
    return at_once(done, ctx, SYNC_OK);
}

sync_ticket sync_reach(struct sync *sync, sync_done_fn *done, void *ctx)
{
    const struct wish wish = {.kind = JOB_TREE, .urgent = true};
    const struct waiter waiter = {
        .done = done, .ctx = ctx, .bound_ms = sync->timeout_ms, .at_bound = SYNC_ERR_UNREACHABLE};
    pthread_mutex_lock(&sync->lock);
    bool stands = sync->by_journal || workers_ready_locked(sync) > 0;
    pthread_mutex_unlock(&sync->lock);
    return stands ? at_once(done, ctx, SYNC_OK) : want(sync, &wish, &waiter);
}

sync_ticket listing_want(struct sync *sync, int64_t mailbox, sync_done_fn *done, void *ctx)
{
    if (mailbox == 0)
        return want_tree(sync, done, ctx);
    struct cache_mailbox row = {0};
    enum cache_error error = cache_mailbox_get(sync->cache, mailbox, &row);
    regard_read(sync, mailbox);
    bool fresh = row.listed && row.checked_ms != 0 && clock_ms() - row.checked_ms < FRESH_MS;
    bool listed = row.listed, level = error == CACHE_OK && !row.selectable;
    cache_mailbox_free(&row);
    if (level)
        return want_tree(sync, done, ctx);
    if (error != CACHE_OK || fresh)
        return at_once(done, ctx, sync_error_of_cache(error));
    struct wish wish = {
        .kind = JOB_LISTING, .mailbox = mailbox, .urgent = !listed, .reading = true};
    if (listed && sync_offline(sync)) {
        want(sync, &wish, NULL); /* a probe: nobody waits for it */
        return at_once(done, ctx, SYNC_OK);
    }
    struct waiter waiter = {.done = done,
                            .ctx = ctx,
                            .bound_ms = listed ? REFRESH_GRACE_MS : sync->timeout_ms,
                            .at_bound = listed ? SYNC_OK : SYNC_ERR_UNREACHABLE};
    return want(sync, &wish, &waiter);
}

sync_ticket sync_want_listing(struct sync *sync, int64_t mailbox, sync_done_fn *done, void *ctx)
{
    sync_ticket ticket = listing_want(sync, mailbox, done, ctx);
    stroll_opened(sync, mailbox, ticket == 0);
    return ticket;
}

/* Whether entries above `after` have landed since the caller looked. */
static bool landed_already(struct sync *sync, int64_t mailbox, uint64_t after)
{
    pthread_mutex_lock(&sync->lock);
    struct job *job = job_find_locked(sync, JOB_LISTING, mailbox);
    bool landed = job != NULL && job->last_ino > after;
    pthread_mutex_unlock(&sync->lock);
    return landed;
}

sync_ticket sync_want_entries(struct sync *sync, int64_t mailbox, uint64_t after,
                              sync_done_fn *done, void *ctx)
{
    struct cache_mailbox row = {0};
    enum cache_error error = cache_mailbox_get(sync->cache, mailbox, &row);
    bool settled = error != CACHE_OK || !row.selectable || row.listed;
    cache_mailbox_free(&row);
    if (settled || landed_already(sync, mailbox, after))
        return at_once(done, ctx, sync_error_of_cache(error));
    struct wish wish = {.kind = JOB_LISTING, .mailbox = mailbox, .urgent = true};
    struct waiter waiter = {.done = done,
                            .ctx = ctx,
                            .bound_ms = sync->timeout_ms,
                            .at_bound = SYNC_ERR_UNREACHABLE,
                            .entries = true,
                            .after = after};
    sync_ticket ticket = want(sync, &wish, &waiter);
    stroll_opened(sync, mailbox, false);
    return ticket;
}
