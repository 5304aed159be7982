/*
 * The watch on Inbox: a connection that has nothing to do sits in IDLE there (RFC 2177), so that
 * new mail and other programs' changes are heard of at once.
 *
 * One worker of the account watches at a time, and watching is no work: a job that suits it comes
 * first. DONE and the job's commands go out in the same breath, so giving way costs nothing; the
 * watch is taken up again, by whoever has nothing to do, once there was quiet for LINGER_MS. Where
 * all connections stay at work and there may be more of them, one is made for it.
 *
 * IDLE is sent anew every few minutes, since servers end it after half an hour, and Outlook.com's
 * falls silent at times (OUTLOOK.md section 5); for the same reason the connection is made anew
 * once an hour. A server without IDLE is asked by NOOP. What was pushed is looked at after a
 * moment, for pushes come in swarms: where the cache has what the server has (a change of ours),
 * nothing is done; else Inbox is refreshed.
 *
 * Where the server has NOTIFY, it tells of other mailboxes on the same connection (notify.c).
 *
 * In the worker's own thread, but for what wants the lock.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "sync/carry.h"
#include "sync/regard.h"

enum {
    LINGER_MS = 500,
    IDLE_MS = 5 * 60000,
    NOOP_MS = 10000,
    RECYCLE_MS = 60 * 60000,
    SWARM_MS = 100,     /* from a push to the look at it */
    OURS_MS = 1200,     /* the longest that a look waits for changes of ours to be over */
    REFUSED_MS = 60000, /* Inbox could not be opened: not tried again before */
    UNWATCHED_MS = 3000,
};

/* ---- who ---- */

static bool find_inbox(void *ctx, const struct cache_mailbox *mailbox)
{
    int64_t *inbox = ctx;
    if (mailbox->role == CACHE_ROLE_INBOX && mailbox->selectable)
        *inbox = mailbox->id;
    return *inbox == 0;
}

/* Inbox as the tree has it; 0: it does not. */
static int64_t inbox_of(struct sync *sync)
{
    struct cache_mailbox row = {0};
    pthread_mutex_lock(&sync->lock);
    int64_t inbox = sync->inbox;
    pthread_mutex_unlock(&sync->lock);
    bool stands = inbox != 0 && cache_mailbox_get(sync->cache, inbox, &row) == CACHE_OK &&
                  row.role == CACHE_ROLE_INBOX;
    cache_mailbox_free(&row);
    if (stands)
        return inbox;
    inbox = 0;
    if (cache_mailbox_each(sync->cache, find_inbox, &inbox) != CACHE_OK)
        inbox = 0;
    pthread_mutex_lock(&sync->lock);
    sync->inbox = inbox;
    pthread_mutex_unlock(&sync->lock);
    return inbox;
}

void watch_leave_locked(struct worker *w)
{
    struct sync *sync = w->sync;
    w->watching = false;
    if (sync->watcher != w)
        return;
    sync->watcher = NULL;
    sync->unwatched = clock_ms();
    pthread_cond_signal(&sync->warden_wake);
    for (unsigned i = 0; i < sync->worker_count; i++) {
        struct worker *other = &sync->workers[i];
        if (other != w && other->state == WORKER_READY && other->active == 0) {
            worker_wake(other);
            return;
        }
    }
}

void watch_overdue_locked(struct sync *sync, int64_t now, int64_t *nearest)
{
    if (sync->poll_ms == 0 || sync->watcher != NULL || sync->unwatched == 0)
        return;
    if (now < sync->unwatched + UNWATCHED_MS) {
        if (sync->unwatched + UNWATCHED_MS < *nearest)
            *nearest = sync->unwatched + UNWATCHED_MS;
        return;
    }
    sync->unwatched = 0; /* once */
    struct worker *next = workers_ready_locked(sync) > 0 ? worker_offline_locked(sync) : NULL;
    if (next == NULL)
        return;
    next->for_watch = true;
    worker_wake(next);
}

/* Takes the watch, where nobody has it and the worker has nothing to do. */
static bool take(struct worker *w, int64_t inbox)
{
    struct sync *sync = w->sync;
    pthread_mutex_lock(&sync->lock);
    bool may = !sync->stopping && w->active == 0 && sync->limiter_until <= clock_ms() &&
               (sync->watcher == NULL || sync->watcher == w);
    if (may) {
        sync->watcher = w;
        sync->unwatched = 0;
        w->watching = true;
        w->writable = w->writable && w->mailbox == inbox;
        w->mailbox = inbox;
    }
    pthread_mutex_unlock(&sync->lock);
    return may;
}

static void leave(struct worker *w)
{
    pthread_mutex_lock(&w->sync->lock);
    watch_leave_locked(w);
    pthread_mutex_unlock(&w->sync->lock);
}

/* ---- looking ---- */

static bool changing(struct sync *sync, int64_t mailbox)
{
    bool found = false;
    pthread_mutex_lock(&sync->lock);
    for (const struct change *change = sync->changes; change != NULL && !found;
         change = change->all_next)
        found = !change->held && (change->mailbox == mailbox || change->target == mailbox);
    pthread_mutex_unlock(&sync->lock);
    return found;
}

/* Whether the server has what the cache has not, as far as the selected mailbox tells. */
static bool differs(struct worker *w, const struct imap_selected *selected)
{
    struct cache_mailbox row = {0};
    uint64_t directories, messages = 0;
    bool listed = cache_mailbox_get(w->sync->cache, w->watch.mailbox, &row) == CACHE_OK &&
                  row.listed &&
                  cache_inode_count(w->sync->cache, row.ino, &directories, &messages) == CACHE_OK;
    bool more = selected->exists > w->watch.exists; /* since EXAMINE, which said UIDNEXT */
    bool uids = selected->uidnext != 0 && selected->uidnext - 1 > row.listed_uid;
    cache_mailbox_free(&row);
    return listed && (more || uids || messages != selected->exists || w->watch.flags);
}

static void look(struct worker *w)
{
    struct watch *watch = &w->watch;
    int64_t now = clock_ms();
    const struct imap_selected *selected = imap_connection_selected(w->connection);
    if (now - watch->pushed < OURS_MS && changing(w->sync, watch->mailbox)) {
        watch->look_at = now + SWARM_MS;
        return;
    }
    bool flags = watch->flags;
    bool due = selected->name != NULL && w->examined == watch->mailbox && differs(w, selected);
    watch->look_at = watch->pushed = 0;
    watch->exists = selected->exists;
    watch->flags = false;
    if (due)
        refresh_wanted(w->sync, watch->mailbox, NULL, flags);
}

void watch_push(struct worker *w, const struct imap_response *response)
{
    struct watch *watch = &w->watch;
    if (w->sync->poll_ms == 0 || watch->mailbox == 0 || w->examined != watch->mailbox)
        return;
    if (response->kind == IMAP_RESPONSE_FETCH) {
        if (!watch->idling)
            return; /* an answer to somebody's question */
        watch->flags = true;
    }
    if (watch->look_at == 0) {
        watch->pushed = clock_ms();
        watch->look_at = watch->pushed + SWARM_MS;
    }
}

/* ---- IDLE and NOOP ---- */

static void examined(void *ctx, const struct imap_completion *completion)
{
    struct worker *w = ctx;
    struct watch *watch = &w->watch;
    if (worker_examined(w, watch->mailbox, completion) != SYNC_OK) {
        watch->not_before = clock_ms() + REFUSED_MS;
        return;
    }
    watch->exists = imap_connection_selected(w->connection)->exists;
    watch->pushed = watch->look_at = clock_ms(); /* what came while nobody watched */
}

static void idle_over(void *ctx, const struct imap_completion *completion)
{
    struct worker *w = ctx;
    worker_note(w, completion);
    w->watch.idling = w->watch.asking = false;
    if (completion->error != IMAP_OK)
        w->watch.not_before = clock_ms() + REFUSED_MS;
}

static void noop_over(void *ctx, const struct imap_completion *completion)
{
    struct worker *w = ctx;
    worker_note(w, completion);
    w->watch.asking = false;
}

static enum imap_error sit(struct worker *w)
{
    struct watch *watch = &w->watch;
    enum imap_error error;
    if (imap_connection_capabilities(w->connection) & IMAP_CAP_IDLE) {
        error = imap_connection_idle(w->connection, idle_over, w);
        watch->idling = error == IMAP_OK;
        watch->again_at = clock_ms() + IDLE_MS;
    } else {
        struct imap_command command;
        imap_command_init(&command, "NOOP");
        error = imap_connection_submit(w->connection, &command, noop_over, w);
        watch->again_at = clock_ms() + (w->sync->poll_ms < NOOP_MS ? w->sync->poll_ms : NOOP_MS);
    }
    watch->asking = error == IMAP_OK;
    return error;
}

/* EXAMINE where Inbox is not open, and IDLE right behind it. */
static void begin(struct worker *w)
{
    struct watch *watch = &w->watch;
    int64_t inbox = inbox_of(w->sync);
    if (inbox == 0 || !take(w, inbox)) {
        watch->not_before = inbox == 0 ? clock_ms() + REFUSED_MS : watch->not_before;
        return;
    }
    enum imap_error error = IMAP_OK;
    watch->mailbox = inbox;
    if (w->examined != inbox)
        error = worker_examine(w, inbox, examined, w);
    if (error == IMAP_OK) {
        notify_set(w);
        error = sit(w);
    }
    if (error == IMAP_OK)
        return;
    watch->not_before = clock_ms() + REFUSED_MS;
    leave(w);
}

static void end_idle(struct worker *w)
{
    if (w->watch.idling)
        (void)!imap_connection_idle_end(w->connection); /* the next step tells of an end */
    w->watch.idling = false;
}

void watch_pause(struct worker *w)
{
    end_idle(w);
    notify_none(w);
    w->watch.quiet = INT64_MAX; /* until there is nothing to do again */
    leave(w);
}

void watch_ended(struct worker *w)
{
    w->watch = (struct watch){0};
    leave(w);
}

/* ---- the clock ---- */

static bool nothing_to_do(struct worker *w)
{
    pthread_mutex_lock(&w->sync->lock);
    bool idle = w->active == 0;
    pthread_mutex_unlock(&w->sync->lock);
    return idle;
}

static bool somebody_else(struct worker *w)
{
    pthread_mutex_lock(&w->sync->lock);
    bool other = w->sync->watcher != NULL && w->sync->watcher != w;
    pthread_mutex_unlock(&w->sync->lock);
    return other;
}

/* A connection that served for an hour makes way for a new one. */
static void recycle(struct worker *w)
{
    struct sync *sync = w->sync;
    log_info("connection %u is made anew after an hour", w->number);
    imap_connection_close(&w->connection);
    worker_set_state(w, WORKER_OFFLINE);
    pthread_mutex_lock(&sync->lock);
    w->for_watch = !sync->stopping;
    pthread_mutex_unlock(&sync->lock);
    jobs_redispatch(sync);
}

static int64_t sooner(int64_t a, int64_t b)
{
    return b != 0 && b < a ? b : a;
}

int64_t watch_tend(struct worker *w)
{
    struct watch *watch = &w->watch;
    int64_t now = clock_ms();
    if (w->sync->poll_ms == 0 || !nothing_to_do(w))
        return INT64_MAX;
    if (watch->since == 0)
        watch->since = now;
    if (watch->quiet == INT64_MAX || watch->quiet == 0)
        watch->quiet = now;
    if (watch->look_at != 0 && watch->look_at <= now)
        look(w);
    if (watch->asking) { /* IDLE, or the end of it */
        if (watch->idling && now >= watch->again_at)
            end_idle(w);
        return sooner(watch->idling ? watch->again_at : INT64_MAX, watch->look_at);
    }
    if (now - watch->since >= RECYCLE_MS && imap_connection_in_flight(w->connection) == 0) {
        recycle(w);
        return INT64_MAX;
    }
    if (somebody_else(w) || watch->notify == NOTIFY_ENDING)
        return sooner(INT64_MAX, watch->look_at);
    int64_t due = watch->quiet + LINGER_MS;
    if (watch->not_before > due)
        due = watch->not_before;
    if (w->examined == watch->mailbox && w->examined != 0 && watch->again_at > due &&
        (imap_connection_capabilities(w->connection) & IMAP_CAP_IDLE) == 0)
        due = watch->again_at; /* NOOP */
    if (now < due)
        return sooner(due, watch->look_at);
    begin(w);
    int64_t next = watch->asking ? watch->again_at : watch->not_before;
    return sooner(next > now ? next : now + LINGER_MS, watch->look_at);
}
