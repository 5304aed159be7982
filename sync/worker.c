/*
 * A worker: one thread, one connection, the jobs on it.
 *
 * It sleeps until a job is pending that it should take, connects when it has no connection, and
 * then moves bytes: start what may be started, step, again. All callbacks of the connection run in
 * this thread, from within imap_connection_step, so a worker's own fields need no lock. The shared
 * fields (state, what it carries) say to jobs.c whether a new job suits it.
 *
 * Connections are made when there is work and kept while they stand. When one breaks, its jobs are
 * back among the pending ones by the time that step returns (each command's completion sees to its
 * own job).
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/clock.h"
#include "base/log.h"
#include "sync/internal.h"

enum {
    RETRY_FIRST_MS = 1000,
    RETRY_MAX_MS = 60000,
    PROGRESS_BYTES = 1024, /* CONTRACT.md 4: what counts as progress */
    RESPONSE_BYTES = 32,   /* a response, at the least */
};

void sync_changed(void *ctx, const struct cache_change *change)
{
    struct sync *sync = ctx;
    if (atomic_load(&sync->listening))
        sync->listener.changed(sync->listener.ctx, change);
}

enum sync_error sync_error_of_cache(enum cache_error error)
{
    switch (error) {
    case CACHE_OK:
        return SYNC_OK;
    case CACHE_ERR_ABSENT:
    case CACHE_ERR_STALE:
        return SYNC_ERR_GONE;
    case CACHE_ERR_BUSY:
        return SYNC_ERR_BUSY;
    case CACHE_ERR_MEMORY:
        return SYNC_ERR_MEMORY;
    default:
        return SYNC_ERR_CACHE;
    }
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

/* ---- selecting ---- */

enum imap_error worker_examine(struct worker *w, int64_t mailbox, imap_done_fn *done, void *ctx)
{
    struct cache_mailbox row = {0};
    if (cache_mailbox_get(w->sync->cache, mailbox, &row) != CACHE_OK)
        return IMAP_ERR_NO;
    struct imap_command command;
    imap_command_select(&command, row.name, true);
    cache_mailbox_free(&row);
    enum imap_error error = imap_connection_submit(w->connection, &command, done, ctx);
    w->examined = error == IMAP_OK ? mailbox : 0;
    return error;
}

/* Writes what EXAMINE said, where it differs from what is known. */
static enum cache_error note_facts(struct worker *w, int64_t mailbox,
                                   const struct imap_selected *selected)
{
    struct cache_mailbox row = {0};
    enum cache_error error = cache_mailbox_get(w->sync->cache, mailbox, &row);
    bool same = error == CACHE_OK && row.uidvalidity == w->uidvalidity &&
                row.uidnext == selected->uidnext && row.messages == selected->exists;
    cache_mailbox_free(&row);
    if (error != CACHE_OK || same)
        return error;
    struct cache_mailbox_facts facts = {.uidvalidity = w->uidvalidity,
                                        .uidnext = selected->uidnext,
                                        .messages = selected->exists,
                                        .has_messages = true,
                                        .highestmodseq = selected->highestmodseq};
    return cache_mailbox_note(w->sync->cache, mailbox, &facts, sync_changed, w->sync);
}

void worker_note(struct worker *w, const struct imap_completion *completion)
{
    if (completion->error == IMAP_ERR_THROTTLED)
        limiter_note(w->sync, completion->failure->backoff_ms);
}

/* A mailbox is not where the tree has it: LIST will tell. */
static void tree_doubted(struct sync *sync)
{
    pthread_mutex_lock(&sync->lock);
    sync->tree_checked = 0;
    tree_wanted_locked(sync);
    pthread_mutex_unlock(&sync->lock);
}

/* Whether a NO means that the mailbox is not there: it says so, or gives no reason (OUTLOOK.md
 * section 2). Another reason (RFC 5530) is the server's own trouble. */
static bool says_gone(const struct imap_response *reply)
{
    if (reply == NULL)
        return false;
    enum imap_code_kind kind = reply->status.code.kind;
    return kind == IMAP_CODE_NONE || kind == IMAP_CODE_NONEXISTENT || kind == IMAP_CODE_TRYCREATE;
}

static enum sync_error examine_refused(struct worker *w, const struct imap_completion *completion)
{
    w->uidvalidity = 0;
    w->examined = 0;
    w->examine_error = completion->error;
    if (completion->error != IMAP_ERR_NO)
        return sync_error_of_imap(completion->error);
    log_warn("a mailbox cannot be opened: %s", completion->failure->text);
    if (!says_gone(completion->response))
        return SYNC_ERR_REFUSED;
    tree_doubted(w->sync);
    return SYNC_ERR_GONE;
}

enum sync_error worker_examined(struct worker *w, int64_t mailbox,
                                const struct imap_completion *completion)
{
    worker_note(w, completion);
    if (completion->error != IMAP_OK)
        return examine_refused(w, completion);
    const struct imap_selected *selected = imap_connection_selected(w->connection);
    /* A server that gives no UIDVALIDITY has UIDs that stand for nothing; RFC 3501 wants one. 1
     * keeps it usable. */
    w->uidvalidity = selected->uidvalidity != 0 ? selected->uidvalidity : 1;
    w->examined = mailbox;
    w->stirred = false;
    return sync_error_of_cache(note_facts(w, mailbox, selected));
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
    if (fetch->present & IMAP_FETCH_BODY) {
        body_fetch(w, fetch);
        return;
    }
    worker_moved(w, RESPONSE_BYTES + fetch->header.len);
    struct job *listing = worker_job(w, JOB_LISTING, 0);
    if (listing != NULL)
        listing_fetch(listing, fetch);
}

static void untagged(void *ctx, const struct imap_response *response)
{
    struct worker *w = ctx;
    switch (response->kind) {
    case IMAP_RESPONSE_LIST:
    case IMAP_RESPONSE_LSUB:
        worker_moved(w, RESPONSE_BYTES);
        tree_response(w, &response->list, response->kind == IMAP_RESPONSE_LSUB);
        break;
    case IMAP_RESPONSE_FETCH:
        fetched(w, &response->fetch);
        break;
    case IMAP_RESPONSE_EXISTS:
    case IMAP_RESPONSE_EXPUNGE:
    case IMAP_RESPONSE_VANISHED:
        if (imap_connection_selected(w->connection)->name != NULL) {
            w->stirred = true;
            cache_mailbox_checked(w->sync->cache, w->examined, 0);
        }
        break;
    default:
        break;
    }
}

/* ---- connecting ---- */

/* One attempt with the secret at hand, or with a new one in place of `refused`. */
static enum imap_error attempt(struct worker *w, const char *refused, struct buffer *secret,
                               struct imap_failure *failure)
{
    struct imap_settings *settings = &w->sync->imap;
    failure->error = IMAP_ERR_AUTH;
    failure->backoff_ms = 0;
    enum auth_error error =
        auth_secret_get(w->sync->secret, refused, w->cancel_fd, secret, failure->text);
    if (error != AUTH_OK)
        return failure->error = error == AUTH_ERR_CANCELLED ? IMAP_ERR_CANCELLED : IMAP_ERR_AUTH;
    struct imap_settings own = *settings;
    own.cancel_fd = w->cancel_fd;
    return imap_connection_open(&w->connection, &own, secret->data, &w->handler, failure);
}

/* Signs in; a secret that is refused is renewed once. */
static enum imap_error sign_in(struct worker *w, struct imap_failure *failure)
{
    struct buffer secret, renewed;
    buffer_init(&secret, AUTH_SECRET_MAX);
    buffer_init(&renewed, AUTH_SECRET_MAX);
    enum imap_error error = attempt(w, NULL, &secret, failure);
    if ((error == IMAP_ERR_AUTH || error == IMAP_ERR_EXPIRED) && secret.len > 0) {
        struct imap_failure first = *failure;
        error = attempt(w, secret.data, &renewed, failure);
        if (error == IMAP_ERR_AUTH && renewed.len == 0)
            *failure = first; /* the command failed the second time: the refusal says more */
    }
    buffer_wipe(&secret);
    buffer_wipe(&renewed);
    return error;
}

static int64_t retry_after(unsigned failures)
{
    int64_t wait = RETRY_FIRST_MS;
    for (unsigned i = 1; i < failures && wait < RETRY_MAX_MS; i++)
        wait *= 2;
    return (wait < RETRY_MAX_MS ? wait : RETRY_MAX_MS) + rand() % RETRY_FIRST_MS;
}

static void set_state(struct worker *w, enum worker_state state)
{
    pthread_mutex_lock(&w->sync->lock);
    w->state = state;
    w->called = false;
    w->mailbox = 0;
    pthread_mutex_unlock(&w->sync->lock);
    w->examined = 0;
    w->uidvalidity = 0;
}

/* The first connection of a process asks for the tree, unless somebody did already. */
static void connected(struct worker *w)
{
    struct sync *sync = w->sync;
    pthread_mutex_lock(&sync->lock);
    w->state = WORKER_READY;
    w->failures = 0;
    sync->outage.until = 0;
    sync->last_contact = clock_wall();
    if (sync->tree_checked == 0)
        tree_wanted_locked(sync);
    pthread_mutex_unlock(&sync->lock);
}

static void not_connected(struct worker *w, const struct imap_failure *failure)
{
    struct sync *sync = w->sync;
    bool others = false;
    pthread_mutex_lock(&sync->lock);
    w->state = WORKER_OFFLINE;
    w->failures++;
    for (unsigned i = 0; i < sync->worker_count; i++)
        others |=
            sync->workers[i].state == WORKER_READY || sync->workers[i].state == WORKER_CONNECTING;
    w->next_attempt = clock_ms() + (others ? retry_after(w->failures) : 0);
    bool stopping = sync->stopping;
    pthread_mutex_unlock(&sync->lock);
    if (stopping)
        return;
    log_warn("no connection: %s", failure->text);
    if (!others)
        outage_note(sync, failure);
    else if (failure->error == IMAP_ERR_THROTTLED)
        limiter_note(sync, failure->backoff_ms);
    jobs_redispatch(sync);
}

/* False once sync_stop has begun: it cancels only those whom it sees connecting. */
static bool may_connect(struct worker *w)
{
    pthread_mutex_lock(&w->sync->lock);
    bool may = !w->sync->stopping;
    if (may) {
        w->state = WORKER_CONNECTING;
        w->called = false;
    }
    pthread_mutex_unlock(&w->sync->lock);
    return may;
}

static void connect_worker(struct worker *w)
{
    struct imap_failure failure = {0};
    if (!may_connect(w))
        return;
    if (sign_in(w, &failure) == IMAP_OK)
        connected(w);
    else
        not_connected(w, &failure);
}

static void disconnected(struct worker *w, enum imap_error error)
{
    const struct imap_failure *failure = imap_connection_failure(w->connection);
    log_info("connection %u ended: %s", w->number, failure->text);
    if (error == IMAP_ERR_THROTTLED)
        limiter_note(w->sync, failure->backoff_ms);
    else if (error == IMAP_ERR_UNUSABLE)
        outage_note(w->sync, failure);
    cache_incoming_abort(&w->incoming);
    imap_connection_close(&w->connection);
    set_state(w, WORKER_OFFLINE);
    jobs_redispatch(w->sync);
}

/* ---- the loop ---- */

static void start_jobs(struct worker *w)
{
    static void (*const start[])(struct worker *, struct job *) = {
        [JOB_TREE] = tree_start, [JOB_BODY] = body_start, [JOB_LISTING] = listing_start};
    bool took = false;
    for (struct job *job; (job = job_take(w)) != NULL; took = true)
        start[job->kind](w, job);
    if (took)
        jobs_redispatch(w->sync); /* what this worker was woken for and has no room for any more */
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
    w->called &= pending;
    bool mine = pending && (w->connection != NULL || w->called);
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
        if (w->connection != NULL)
            start_jobs(w); /* before the plan, or a back-off set in between would have no timer */
        int wait_ms = plan(w, &stopping, &wanted);
        if (stopping)
            break;
        if (w->connection == NULL) {
            if (wanted)
                connect_worker(w);
            else
                sleep_until_woken(w, wait_ms);
            if (w->connection == NULL)
                drain(w);
            continue;
        }
        enum imap_error error = imap_connection_step(w->connection, wait_ms, w->wake_fd);
        drain(w);
        if (error != IMAP_OK)
            disconnected(w, error);
    }
    cache_incoming_abort(&w->incoming);
    imap_connection_close(&w->connection);
    set_state(w, WORKER_STOPPED);
    return NULL;
}
