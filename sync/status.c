/*
 * Gathering what status and progress tell (status.h): one look under the lock, so that it is of one
 * moment, then the names of mailboxes from the cache without it. Any thread; never waits for the
 * network.
 *
 * What requests wait for is the first of these that holds: the server's back-off; the secret; the
 * connection being made; the next attempt at one; an answer that does not come.
 */
#include "sync/status.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "sync/carry.h"
#include "sync/stock.h"

/* A server may well think for a second. */
enum { SILENCE_MS = 2000, LEVELS_MAX = 400, PATH_BYTES_MAX = 65536 };

/* ---- under the lock ---- */

static void look_at_connections_locked(const struct sync *sync, struct status *s)
{
    s->connection_count = sync->worker_count;
    for (unsigned i = 0; i < sync->worker_count; i++) {
        const struct worker *w = &sync->workers[i];
        s->connections[i] = (struct status_connection){.state = w->state,
                                                       .mailbox_id = w->mailbox,
                                                       .jobs = w->active,
                                                       .bodies = w->active_bodies,
                                                       .listing = w->active_listing,
                                                       .watch = w->watching};
        s->bytes += w->arrived;
    }
}

/* Requests that hang on the job: how many, the longest, and the job that has been silent longest.
 */
static void look_at_waiters_locked(const struct job *job, int64_t now, struct status *s,
                                   int64_t *silent, int64_t *given_up)
{
    for (const struct waiter *w = job->waiters; w != NULL; w = w->next) {
        s->waiters++;
        if (now - w->since > s->longest_ms)
            s->longest_ms = now - w->since;
        int64_t deadline = waiter_deadline(job, w);
        if (w->at_bound != SYNC_OK && deadline < *given_up)
            *given_up = deadline;
    }
    if (job->waiters != NULL && job->progress < *silent)
        *silent = job->progress;
}

static void look_at_listing(const struct job *job, int64_t now, struct status *s)
{
    if (s->listing_count == WORKERS_MAX)
        return;
    s->listings[s->listing_count++] = (struct status_listing){.mailbox_id = job->mailbox,
                                                              .first = job->urgent,
                                                              .landed = job->landed,
                                                              .total = job->total,
                                                              .age_ms = now - job->since};
}

static void look_at_body(const struct job *job, int64_t now, struct status *s)
{
    s->bodies++;
    s->bytes_expected += job->size;
    s->bytes += job->received ? job->size : 0;
    if (now - job->since > s->bodies_ms)
        s->bodies_ms = now - job->since;
}

static void look_at_jobs_locked(const struct sync *sync, int64_t now, struct status *s,
                                int64_t *silent, int64_t *given_up)
{
    for (const struct job *job = sync->jobs; job != NULL; job = job->next) {
        look_at_waiters_locked(job, now, s, silent, given_up);
        s->pending += job->state == JOB_PENDING;
        if (job->state != JOB_TAKEN)
            continue;
        s->under_way++;
        if (job->kind == JOB_LISTING)
            look_at_listing(job, now, s);
        else if (job->kind == JOB_BODY)
            look_at_body(job, now, s);
        else if (job->worker != NULL && job->kind == JOB_TREE)
            s->connections[job->worker - sync->workers].tree = true;
        else if (job->worker != NULL && job->kind == JOB_POLL)
            s->connections[job->worker - sync->workers].poll = true;
        else if (job->worker != NULL && job->kind == JOB_SEARCH)
            s->connections[job->worker - sync->workers].search = true;
        else if (job->worker != NULL)
            s->connections[job->worker - sync->workers].change = true;
    }
    if (s->bytes_expected < s->bytes) /* sizes that servers state are estimates */
        s->bytes_expected = s->bytes;
}

/* When the next attempt to connect may be, clock_ms; INT64_MAX: no connection is missing. */
static int64_t next_attempt_locked(const struct sync *sync)
{
    int64_t next = INT64_MAX;
    for (unsigned i = 0; i < sync->worker_count; i++) {
        const struct worker *w = &sync->workers[i];
        if (w->state == WORKER_OFFLINE && w->next_attempt < next)
            next = w->next_attempt;
    }
    return next > sync->outage.until ? next : sync->outage.until;
}

static void look_at_wait_locked(const struct sync *sync, int64_t now, struct status *s,
                                int64_t silent, int64_t given_up)
{
    int64_t connecting = INT64_MAX, until = 0, since = 0;
    bool ready = false;
    for (unsigned i = 0; i < sync->worker_count; i++) {
        const struct worker *w = &sync->workers[i];
        ready |= w->state == WORKER_READY;
        if (w->state == WORKER_CONNECTING && w->connecting < connecting)
            connecting = w->connecting;
    }
    s->offline = !ready && sync->outage.until != 0;
    if (sync->limiter_until > now) {
        s->waiting = SYNC_WAIT_BACKOFF;
        until = sync->limiter_until;
    } else if (s->sign_in.fetching) {
        s->waiting = SYNC_WAIT_SECRET;
        since = connecting != INT64_MAX ? connecting : 0;
    } else if (!ready && connecting != INT64_MAX) {
        s->waiting = SYNC_WAIT_CONNECT;
        since = connecting;
    } else if (s->offline) {
        s->waiting = sync->outage.error == SYNC_ERR_AUTH ? SYNC_WAIT_SIGN_IN : SYNC_WAIT_RECONNECT;
        until = next_attempt_locked(sync);
    } else if (ready && silent <= now - SILENCE_MS) {
        s->waiting = SYNC_WAIT_ANSWER;
        until = given_up != INT64_MAX ? given_up : 0;
        since = silent;
    }
    s->left_ms = until > now ? until - now : 0;
    s->waited_ms = since > 0 ? now - since : s->waiting != SYNC_WAIT_NOTHING ? s->longest_ms : 0;
}

void status_look(struct sync *sync, struct status *s)
{
    *s = (struct status){0};
    auth_secret_state(sync->secret, &s->sign_in);
    pthread_mutex_lock(&sync->lock);
    int64_t now = clock_ms(), silent = INT64_MAX, given_up = INT64_MAX;
    look_at_connections_locked(sync, s);
    look_at_jobs_locked(sync, now, s, &silent, &given_up);
    look_at_wait_locked(sync, now, s, silent, given_up);
    s->braked = sync->braked && now - sync->brake_from < BRAKE_MS;
    s->last_contact = sync->last_contact;
    if (s->offline)
        memcpy(s->problem, sync->outage.text, sizeof s->problem);
    if (s->waiting == SYNC_WAIT_BACKOFF)
        s->attempt_ms = s->left_ms;
    else if (s->offline && sync->outage.until > now)
        s->attempt_ms = sync->outage.until - now;
    pthread_mutex_unlock(&sync->lock);
}

/* ---- from the cache ---- */

/* Puts the name of directory `ino` before what is in `path`; *ino becomes the level above. */
static bool prepend(struct sync *sync, uint64_t *ino, struct buffer *path)
{
    struct cache_inode inode;
    struct buffer longer;
    if (cache_inode_get(sync->cache, *ino, &inode) != CACHE_OK)
        return false;
    buffer_init(&longer, PATH_BYTES_MAX);
    if (!buffer_append_text(&longer, inode.name) ||
        (path->len > 0 &&
         (!buffer_append_byte(&longer, '/') || !buffer_append_text(&longer, path->data)))) {
        buffer_free(&longer);
        return false;
    }
    buffer_free(path);
    *path = longer;
    *ino = inode.parent;
    return true;
}

char *status_path(struct sync *sync, int64_t mailbox)
{
    struct cache_mailbox row = {0};
    struct buffer path;
    buffer_init(&path, PATH_BYTES_MAX);
    if (mailbox == 0 || cache_mailbox_get(sync->cache, mailbox, &row) != CACHE_OK)
        return NULL;
    uint64_t ino = row.ino;
    cache_mailbox_free(&row);
    for (unsigned level = 0; level < LEVELS_MAX && ino != CACHE_ROOT_INO; level++)
        if (!prepend(sync, &ino, &path))
            break;
    return path.data;
}

void status_gather(struct sync *sync, struct status *s)
{
    status_look(sync, s);
    for (unsigned i = 0; i < s->connection_count; i++)
        s->connections[i].mailbox = status_path(sync, s->connections[i].mailbox_id);
    for (unsigned i = 0; i < s->listing_count; i++)
        s->listings[i].mailbox = status_path(sync, s->listings[i].mailbox_id);
    (void)!cache_figures_get(sync->cache, &s->figures); /* zeros where the cache does not answer */
    if (sync->journal != NULL)
        (void)!journal_figures_get(sync->journal, &s->outbox);
    s->pin_count = stock_pins(sync->stock, &s->pins, &s->stocked);
    for (size_t i = 0; i < s->pin_count; i++)
        s->pins[i].mailbox = status_path(sync, s->pins[i].mailbox_id);
    s->search_count = search_notes_copy(sync, s->searches);
}

void status_free(struct status *s)
{
    for (unsigned i = 0; i < s->connection_count; i++)
        free(s->connections[i].mailbox);
    for (unsigned i = 0; i < s->listing_count; i++)
        free(s->listings[i].mailbox);
    for (size_t i = 0; i < s->pin_count; i++)
        free(s->pins[i].mailbox);
    free(s->pins);
    for (size_t i = 0; i < s->search_count; i++) {
        free(s->searches[i].query);
        free(s->searches[i].note);
    }
}

/* ---- in words ---- */

const char *status_state(const struct status *s)
{
    return s->waiting == SYNC_WAIT_BACKOFF ? "waiting"
           : s->offline                    ? "offline"
           : s->last_contact != 0          ? "online"
                                           : "connecting";
}

const char *status_doing(const struct status_connection *c)
{
    return c->state == WORKER_CONNECTING ? "connect"
           : c->listing                  ? "listing"
           : c->bodies > 0               ? "body"
           : c->change                   ? "change"
           : c->search                   ? "search"
           : c->tree                     ? "tree"
           : c->poll                     ? "poll"
           : c->watch                    ? "watch"
                                         : "idle";
}

unsigned status_percent(uint64_t part, uint64_t whole)
{
    if (part >= whole)
        return 100;
    return (unsigned)(whole > UINT64_MAX / 100 ? part / (whole / 100) : part * 100 / whole);
}
