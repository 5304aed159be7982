/*
 * A mailbox's listing: the first one, and later what is new.
 *
 * EXAMINE goes out with a first window of UIDs right behind it, so a small mailbox costs one round
 * trip. EXAMINE's answer tells how far the UIDs go and how dense they are; then windows of about
 * WINDOW_MESSAGES follow, ascending, WINDOWS_AHEAD of them on their way at a time. Each window that
 * is answered is one transaction and moves `known` up: the cache remembers it, so a listing that
 * breaks off goes on from there. When `known` reaches the end, a first listing is complete; a
 * refresh goes on in refresh.c with what went and what changed, where that is due.
 *
 * A listing belongs to the worker that holds its job and lives as long as its job and its last
 * window.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "message/summary.h"
#include "sync/ahead.h"
#include "sync/listing.h"
#include "sync/regard.h"

enum { WINDOW_MESSAGES = 500, WINDOWS_AHEAD = 4, STORE_AT = 500 };
enum { ROW_BYTES = 150 }; /* on the wire, besides the header */

/* Among so many messages that came those are looked for that got another UID. */
enum { RENUMBERED_MAX = 1000 };

#define LISTING_ITEMS                                                                              \
    "(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (" MESSAGE_SUMMARY_FIELDS ")])"

struct window {
    struct listing *listing;
    uint32_t from, to; /* UIDs; to == UINT32_MAX: "*" */
};

static void listing_free(struct listing *listing)
{
    rows_free(&listing->rows);
    refresh_free(&listing->refresh);
    resync_free(&listing->resync);
    free(listing);
}

static void landed(void *ctx, const struct cache_change *change)
{
    struct listing *listing = ctx;
    if (!change->gone && change->parent == listing->ino && change->ino > listing->last_ino)
        listing->last_ino = change->ino;
    if (listing->was_listed)
        sync_changed(listing->worker->sync, change);
    else
        sync_changed_listing(listing->worker->sync, change);
}

void listing_fail(struct listing *listing, enum imap_error error, enum sync_error why)
{
    if (listing->failed)
        return;
    listing->failed = true;
    listing->error = error;
    listing->why = why;
}

/* Stores the rows gathered; `through` as of cache_messages_add. */
static void store(struct listing *listing, uint32_t through, bool complete)
{
    struct worker *w = listing->worker;
    uint64_t before = listing->last_ino;
    enum cache_error error = rows_store(listing->rows, w->sync, listing->job->mailbox,
                                        listing->uidvalidity, through, complete, landed, listing);
    if (error == CACHE_ERR_STALE) /* another connection met a new UIDVALIDITY: start over */
        listing_fail(listing, IMAP_ERR_UNAVAILABLE, SYNC_ERR_UNREACHABLE);
    else if (error != CACHE_OK)
        listing_fail(listing, IMAP_OK, sync_error_of_cache(error));
    else if (listing->last_ino > before)
        job_landed(w->sync, listing->job, listing->last_ino);
}

/* What follows a listing that is through. */
struct after {
    int64_t mailbox;
    bool again, flags; /* something came since it began */
};

/* The cache has what the server had when the listing began, or what the poll was told before. Where
 * it has not all flags as of `modseq` the next look asks again from where this one did. */
static struct after come_into_step(struct listing *listing)
{
    struct sync *sync = listing->worker->sync;
    struct job *job = listing->job;
    bool in_step = listing->in_step && !listing->left_out;
    const struct cache_mailbox_facts facts = {
        .unseen = job->standing.unseen,
        .has_unseen = (job->standing.present & IMAP_STATUS_UNSEEN) != 0,
        .highestmodseq = in_step ? listing->modseq : 0,
    };
    if (!in_step)
        job->standing.modseq = 0;
    if (!listing->worker->stirred)
        cache_mailbox_checked(sync->cache, job->mailbox, clock_ms());
    if (facts.has_unseen || facts.highestmodseq != 0)
        (void)!cache_mailbox_note(sync->cache, job->mailbox, &facts, sync_changed, sync);
    if (job->standing.present != 0)
        regard_in_step(sync, job->mailbox, &job->standing);
    else
        regard_listed(sync, job->mailbox, imap_connection_selected(listing->worker->connection),
                      in_step ? listing->modseq : 0);
    pthread_mutex_lock(&sync->lock);
    struct after after = {job->mailbox, job->anew, job->anew_flags};
    pthread_mutex_unlock(&sync->lock);
    return after;
}

/* The job is through: tell, and forget. */
static void conclude(struct listing *listing)
{
    struct sync *sync = listing->worker->sync;
    struct job *job = listing->job;
    job->listing = NULL;
    if (!listing->failed) {
        struct after after = come_into_step(listing);
        job_end(sync, job, SYNC_OK);
        if (after.again)
            refresh_wanted(sync, after.mailbox, NULL, after.flags);
    } else if (listing->error != IMAP_OK) {
        job_retry(sync, job, listing->error);
    } else {
        job_end(sync, job, listing->why);
    }
    listing_free(listing);
}

void listing_end(struct job *job, enum imap_error error)
{
    if (error != IMAP_OK)
        listing_fail(job->listing, error, sync_error_of_imap(error));
    conclude(job->listing);
}

enum cache_error listing_gone(struct listing *listing, const uint32_t *uids, size_t count)
{
    struct sync *sync = listing->worker->sync;
    /* A mount that changes nothing may have opened its files for good (fs/whole.h). */
    bool may = listing->came <= RENUMBERED_MAX && sync->journal != NULL;
    return cache_messages_renumbered(sync->cache, listing->job->mailbox, listing->uidvalidity, uids,
                                     count, may ? listing->base : 0, sync_changed, sync);
}

/* ---- windows ---- */

static bool all_known(const struct listing *listing)
{
    return listing->known >= listing->end;
}

/* The last UID that is in use, as far as this listing saw. */
static uint32_t highest_seen(const struct listing *listing)
{
    uint32_t highest = listing->highest < UINT32_MAX ? listing->highest : UINT32_MAX - 1;
    return highest > listing->base ? highest : listing->base;
}

/* Up to where the cache may take every message for known. A window reaches beyond the last UID in
 * use; where the server gives no UIDNEXT, mail that arrives later can still get a UID in there. */
static uint32_t known_for_good(const struct listing *listing)
{
    uint32_t end = listing->end != UINT32_MAX ? listing->end : highest_seen(listing);
    return listing->known < end ? listing->known : end;
}

uint32_t listing_landed(const struct listing *listing)
{
    uint64_t landed =
        listing->checking ? refresh_named(listing) : (uint64_t)listing->held + listing->came;
    return landed < listing->exists ? (uint32_t)landed : listing->exists;
}

/* Called whenever something was answered: go on, or come to the end. */
static void go_on(struct listing *listing);

static void window_done(void *ctx, const struct imap_completion *completion)
{
    struct window *window = ctx;
    struct listing *listing = window->listing;
    worker_note(listing->worker, completion);
    listing->pending--;
    if (completion->error != IMAP_OK)
        listing_fail(listing, completion->error, sync_error_of_imap(completion->error));
    if (!listing->failed) {
        if (window->to == UINT32_MAX && listing->end == UINT32_MAX)
            listing->end = highest_seen(listing);
        uint32_t to = window->to < listing->end ? window->to : listing->end;
        bool joins = window->from <= listing->known + 1 && to > listing->known;
        if (joins)
            listing->known = to;
        if (joins || rows_count(listing->rows) > 0)
            store(listing, known_for_good(listing), all_known(listing));
    }
    free(window);
    go_on(listing);
}

static enum imap_error window_submit(struct listing *listing, uint32_t from, uint32_t to)
{
    char set[32];
    struct window *window = malloc(sizeof *window);
    if (window == NULL)
        return IMAP_ERR_MEMORY;
    *window = (struct window){.listing = listing, .from = from, .to = to};
    if (to == UINT32_MAX)
        snprintf(set, sizeof set, "%u:*", from);
    else
        snprintf(set, sizeof set, "%u:%u", from, to);
    struct imap_command command;
    imap_command_uid_fetch(&command, set, LISTING_ITEMS);
    enum imap_error error =
        imap_connection_submit(listing->worker->connection, &command, window_done, window);
    if (error != IMAP_OK) {
        free(window);
        return error;
    }
    listing->pending++;
    return IMAP_OK;
}

static uint32_t window_end(uint32_t from, uint32_t width)
{
    return from > UINT32_MAX - width ? UINT32_MAX - 1 : from + width - 1;
}

static void windows_fill(struct listing *listing)
{
    if (listing->pending < WINDOWS_AHEAD && listing->next <= listing->end &&
        limiter_holds(listing->worker->sync))
        listing_fail(listing, IMAP_ERR_THROTTLED,
                     SYNC_ERR_THROTTLED); /* it goes on from `known` later */
    while (!listing->failed && listing->pending < WINDOWS_AHEAD && listing->next <= listing->end) {
        uint32_t to =
            listing->end == UINT32_MAX ? UINT32_MAX : window_end(listing->next, listing->width);
        if (to > listing->end)
            to = listing->end;
        enum imap_error error = window_submit(listing, listing->next, to);
        if (error != IMAP_OK) {
            listing_fail(listing, error, sync_error_of_imap(error));
            return;
        }
        if (to >= listing->end)
            listing->next = UINT32_MAX;
        else
            listing->next = to + 1;
        if (listing->next == UINT32_MAX)
            return;
    }
}

static void go_on(struct listing *listing)
{
    if (!listing->failed && listing->uidvalidity != 0 && listing->next != UINT32_MAX)
        windows_fill(listing);
    if (listing->pending > 0)
        return;
    if (!listing->failed && !all_known(listing))
        listing_fail(listing, IMAP_ERR_PROTOCOL,
                     SYNC_ERR_REFUSED); /* every window was answered: cannot be */
    if (!listing->failed && refresh_due(listing)) {
        listing->checking = true;
        refresh_start(listing);
        return;
    }
    conclude(listing);
}

/* ---- EXAMINE ---- */

/* UIDs a window, so that it holds about WINDOW_MESSAGES messages. */
static uint32_t window_width(uint32_t uidnext, uint32_t exists)
{
    if (exists == 0 || uidnext <= exists)
        return WINDOW_MESSAGES;
    uint64_t width = (uint64_t)WINDOW_MESSAGES * uidnext / exists;
    return width > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)width;
}

/* What is known of the mailbox after EXAMINE was noted: a new UIDVALIDITY starts the listing over.
 */
static enum sync_error take_bearings(struct listing *listing)
{
    struct worker *w = listing->worker;
    const struct imap_selected *selected = imap_connection_selected(w->connection);
    struct cache_mailbox row = {0};
    enum cache_error error = cache_mailbox_get(w->sync->cache, listing->job->mailbox, &row);
    if (error != CACHE_OK)
        return sync_error_of_cache(error);
    listing->was_listed = row.listed;
    if (listing->known != row.listed_uid)
        listing->next =
            row.listed_uid + 1; /* the UIDVALIDITY changed: all that was known is gone */
    listing->known = listing->base = row.listed_uid;
    cache_mailbox_free(&row);
    listing->uidvalidity = w->uidvalidity;
    listing->exists = selected->exists;
    listing->modseq = selected->highestmodseq;
    listing->flags_modseq = row.highestmodseq;
    uint64_t directories, held = 0;
    if (cache_inode_count(w->sync->cache, listing->ino, &directories, &held) == CACHE_OK)
        listing->held = held < listing->exists ? (uint32_t)held : listing->exists;
    job_counted(w->sync, listing->job);
    listing->end = selected->uidnext > 0 ? selected->uidnext - 1 : UINT32_MAX;
    listing->width = window_width(selected->uidnext, selected->exists);
    return SYNC_OK;
}

/* A mailbox whose end is where we were already has no window that would say so. */
static void nothing_new(struct listing *listing)
{
    if (listing->known > listing->end)
        listing->end = listing->known;
    if (listing->exists == 0 && listing->end == UINT32_MAX)
        listing->end = listing->known;
    if (all_known(listing) && !listing->was_listed)
        store(listing, 0, true);
}

static void listing_examined(void *ctx, const struct imap_completion *completion)
{
    struct listing *listing = ctx;
    listing->pending--;
    ahead_answered(listing->worker);
    enum sync_error why = worker_examined(listing->worker, listing->job->mailbox, completion);
    if (why == SYNC_OK)
        why = take_bearings(listing);
    if (why != SYNC_OK) {
        bool retry = completion->error != IMAP_OK && completion->error != IMAP_ERR_NO;
        listing_fail(listing, retry ? completion->error : IMAP_OK, why);
    } else {
        nothing_new(listing);
    }
    go_on(listing);
}

static void listing_put_off(struct listing *listing, struct job *job, struct worker *w)
{
    listing_free(listing);
    cache_mailbox_checked(w->sync->cache, job->mailbox, 0); /* the next one looks */
    if (w->examined != job->mailbox)
        worker_stays(w);
    job_end(w->sync, job, SYNC_OK);
}

void listing_start(struct worker *w, struct job *job)
{
    struct cache_mailbox row = {0};
    struct listing *listing = calloc(1, sizeof *listing);
    enum cache_error found = cache_mailbox_get(w->sync->cache, job->mailbox, &row);
    if (listing == NULL || found != CACHE_OK || (listing->rows = rows_new()) == NULL) {
        free(listing);
        cache_mailbox_free(&row);
        job_end(w->sync, job, found != CACHE_OK ? sync_error_of_cache(found) : SYNC_ERR_MEMORY);
        return;
    }
    if (row.listed && refresh_put_off(w->sync, job->mailbox)) {
        listing_put_off(listing, job, w);
        cache_mailbox_free(&row);
        return;
    }
    listing->job = job;
    listing->worker = w;
    listing->ino = row.ino;
    listing->was_listed = row.listed;
    listing->known = row.listed_uid;
    job->listing = listing;
    ahead_asked(w);
    bool resync = resync_begin(listing, &row);
    cache_mailbox_free(&row);
    enum imap_error error = resync ? worker_resync(w, job->mailbox, listing_examined, listing)
                                   : worker_examine(w, job->mailbox, listing_examined, listing);
    if (error != IMAP_OK) {
        listing_end(job, error);
        return;
    }
    listing->pending++;
    /* The first window goes right behind it; a refresh asks for all that is new. */
    uint32_t from = listing->known + 1;
    uint32_t to = listing->was_listed ? UINT32_MAX : window_end(from, WINDOW_MESSAGES);
    error = window_submit(listing, from, to);
    if (error != IMAP_OK)
        listing_fail(listing, error, sync_error_of_imap(error));
    listing->next = to == UINT32_MAX ? UINT32_MAX : to + 1;
}

void listing_fetch(struct job *job, const struct imap_fetch *fetch)
{
    struct listing *listing = job->listing;
    if (listing == NULL || listing->failed)
        return;
    if (listing->uidvalidity == 0) { /* EXAMINE is not answered yet */
        resync_fetch(listing, fetch);
        return;
    }
    if (listing->checking) {
        refresh_fetch(listing, fetch);
        return;
    }
    /* FLAGS alone is the server telling of a change, not an answer. An item that came out malformed
     * is missing here: the message is shown all the same (OUTLOOK.md section 2). */
    const unsigned answer = IMAP_FETCH_SIZE | IMAP_FETCH_INTERNALDATE | IMAP_FETCH_HEADER;
    if ((fetch->present & IMAP_FETCH_UID) == 0 || (fetch->present & answer) == 0)
        return;
    if (fetch->uid > listing->highest)
        listing->highest = fetch->uid;
    listing->came++;
    ahead_moved(listing->worker, ROW_BYTES + fetch->header.len);
    if (!rows_add(listing->rows, fetch, listing->worker->sync->uid_names))
        listing_fail(listing, IMAP_OK, SYNC_ERR_MEMORY);
    if (rows_count(listing->rows) >= STORE_AT)
        store(listing, 0, false);
}

bool listing_searched(struct job *job, const struct imap_search *found)
{
    struct listing *listing = job->listing;
    if (listing == NULL || !listing->checking)
        return false;
    if (!listing->failed)
        refresh_search(listing, found);
    return true;
}
