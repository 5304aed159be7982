/*
 * The second half of a refresh: messages that went, and flags that changed.
 *
 * With CONDSTORE (RFC 7162) flags are asked for by CHANGEDSINCE, where HIGHESTMODSEQ says that some
 * changed. Without it a server has no word for them, and none for messages that went, so both are
 * read off UID FETCH (FLAGS) over what is known, in windows. Messages are compared only when the
 * counts differ (EXISTS against the cache), flags when a poll found that UNSEEN is another, or a
 * program reads the mailbox and the last look is older than FLAGS_FRESH_MS: a refresh in which
 * nothing changed costs EXAMINE and one empty FETCH, whatever the size of the mailbox.
 *
 * A message counts as gone only when the server named as many as it says there are: one that
 * answers OK and keeps some to itself (OUTLOOK.md section 3) must not make mail disappear here.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "sync/listing.h"
#include "sync/regard.h"

/* Messages whose flags one poll looks at (CONTRACT.md section 4). */
enum { WINDOW_MESSAGES = 1000 };

/* Messages of the cache a window; and how many the server may name there, some of them new to us.
 */
enum { CHECK_MESSAGES = 5000, ROWS_MAX = 20 * CHECK_MESSAGES };

struct flag_row {
    uint32_t uid;
    uint64_t modseq; /* 0: not told */
    char *flags;
};

struct flag_rows {
    struct flag_row *items; /* of the window under way; flags may be NULL */
    size_t count, room;
    uint32_t *known; /* what the cache has in the window; room for CHECK_MESSAGES */
    size_t known_count;
    uint32_t *gone; /* of all windows so far, ascending */
    size_t gone_count;
    uint64_t named; /* messages that the server named, of all windows so far */
};

static void rows_clear(struct flag_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++)
        free(rows->items[i].flags);
    rows->count = 0;
}

void flag_rows_free(struct flag_rows **rows)
{
    if (*rows == NULL)
        return;
    rows_clear(*rows);
    free((*rows)->items);
    free((*rows)->known);
    free((*rows)->gone);
    free(*rows);
    *rows = NULL;
}

/* ---- whether ---- */

bool refresh_due(struct listing *listing)
{
    struct sync *sync = listing->worker->sync;
    uint64_t directories, messages;
    if (cache_inode_count(sync->cache, listing->ino, &directories, &messages) != CACHE_OK)
        return false;
    if (!listing->was_listed) {
        regard_flags_read(sync, listing->job->mailbox);
        if (messages < listing->exists && !listing->worker->stirred)
            log_warn("the server has %u messages in a mailbox and named %llu of them",
                     listing->exists, (unsigned long long)messages);
        return false;
    }
    if (listing->known == 0)
        return false;
    bool condstore = listing->modseq != 0 && listing->flags_modseq != 0;
    bool asked = listing->job->flags_due ||
                 (listing->job->reading && regard_flags_old(sync, listing->job->mailbox));
    listing->missing = messages != listing->exists;
    listing->since = condstore && listing->modseq > listing->flags_modseq;
    listing->in_step = condstore && !listing->since;
    listing->by_flags = !condstore && asked;
    listing->window = listing->job->window && !condstore && !listing->missing && !asked;
    return listing->missing || listing->since || listing->by_flags || listing->window;
}

/* ---- windows, one after the other ---- */

static int by_uid(const void *a, const void *b)
{
    uint32_t x = ((const struct flag_row *)a)->uid, y = ((const struct flag_row *)b)->uid;
    return x < y ? -1 : x > y;
}

static bool row_known(const struct flag_rows *rows, uint32_t uid)
{
    struct flag_row key = {.uid = uid};
    return rows->count > 0 && bsearch(&key, rows->items, rows->count, sizeof key, by_uid) != NULL;
}

/* Leaves one row a UID: servers may tell of a change to a message that they have named already. */
static void rows_unique(struct flag_rows *rows)
{
    size_t kept = 0;
    if (rows->count > 0)
        qsort(rows->items, rows->count, sizeof *rows->items, by_uid);
    for (size_t i = 0; i < rows->count; i++) {
        if (kept > 0 && rows->items[kept - 1].uid == rows->items[i].uid) {
            free(rows->items[i].flags);
            rows->items[i].flags = NULL;
            continue;
        }
        rows->items[kept++] = rows->items[i];
    }
    rows->count = kept;
}

/* Notes, of the messages known in the window, those that the server did not name. */
static enum cache_error find_gone(struct flag_rows *rows)
{
    size_t count = rows->gone_count + rows->known_count + 1;
    uint32_t *gone = realloc(rows->gone, count * sizeof *gone);
    if (gone == NULL)
        return CACHE_ERR_MEMORY;
    rows->gone = gone;
    for (size_t i = 0; i < rows->known_count; i++) {
        if (!row_known(rows, rows->known[i]))
            gone[rows->gone_count++] = rows->known[i];
    }
    return CACHE_OK;
}

/* All windows were answered. */
static enum cache_error store_gone(struct listing *listing)
{
    struct worker *w = listing->worker;
    struct flag_rows *rows = listing->flag_rows;
    if (rows->gone_count == 0)
        return CACHE_OK;
    if (rows->named < imap_connection_selected(w->connection)->exists) {
        log_warn("the server named fewer messages than it has; none is taken for removed");
        return CACHE_OK;
    }
    rows->gone_count = leaving_spare(w->sync, listing->job->mailbox, listing->uidvalidity,
                                     rows->gone, rows->gone_count);
    return cache_messages_gone(w->sync->cache, listing->job->mailbox, listing->uidvalidity,
                               rows->gone, rows->gone_count, sync_changed, w->sync);
}

/* Those that no STORE of ours has overtaken. A cache_flags_still_fn. */
static size_t still_so(void *ctx, struct cache_new_flags *flags, size_t count)
{
    const struct listing *listing = ctx;
    return stored_spare(listing->worker->sync, listing->job->mailbox, listing->asked, flags, count);
}

static enum cache_error store_flags(struct listing *listing)
{
    struct sync *sync = listing->worker->sync;
    struct flag_rows *rows = listing->flag_rows;
    struct cache_new_flags *flags = malloc((rows->count + 1) * sizeof *flags);
    if (flags == NULL)
        return CACHE_ERR_MEMORY;
    size_t count = 0;
    for (size_t i = 0; i < rows->count; i++) {
        const struct flag_row *row = &rows->items[i];
        if (row->flags != NULL)
            flags[count++] = (struct cache_new_flags){
                .uid = row->uid, .flags = row->flags, .modseq = row->modseq};
    }
    enum cache_error error =
        cache_messages_flags_if(sync->cache, listing->job->mailbox, listing->uidvalidity, flags,
                                count, still_so, listing, sync_changed, sync);
    free(flags);
    return error;
}

uint64_t refresh_named(const struct listing *listing)
{
    const struct flag_rows *rows = listing->flag_rows;
    return rows != NULL ? rows->named + rows->count : 0;
}

static void next_window(struct listing *listing);

static void end_check(struct listing *listing, enum cache_error error)
{
    if (error != CACHE_OK) {
        listing->failed = true;
        listing->why = sync_error_of_cache(error);
    }
    listing_end(listing->job, IMAP_OK);
}

static void check_done(void *ctx, const struct imap_completion *completion)
{
    struct listing *listing = ctx;
    struct flag_rows *rows = listing->flag_rows;
    worker_note(listing->worker, completion);
    if (completion->error != IMAP_OK) {
        listing_end(listing->job, completion->error);
        return;
    }
    rows_unique(rows);
    rows->named += rows->count;
    enum cache_error error = find_gone(rows);
    if (error == CACHE_OK)
        error = store_flags(listing);
    rows_clear(rows);
    bool last = listing->check_end >= listing->known;
    if (listing->window) {
        regard_flags_reached(listing->worker->sync, listing->job->mailbox,
                             last ? 0 : listing->check_end);
        end_check(listing, error);
        return;
    }
    if (error == CACHE_OK && last && !listing->failed) {
        error = store_gone(listing);
        regard_flags_read(listing->worker->sync, listing->job->mailbox);
        listing->in_step = error == CACHE_OK;
    }
    if (error != CACHE_OK || last || listing->failed) {
        end_check(listing, error);
        return;
    }
    job_landed(listing->worker->sync, listing->job, 0);
    listing->check_next = listing->check_end + 1;
    next_window(listing);
}

/* The next window holds CHECK_MESSAGES messages that the cache has, so that neither a window nor
 * what comes for it grows with the mailbox. */
static enum cache_error set_window(struct listing *listing)
{
    struct flag_rows *rows = listing->flag_rows;
    size_t most = listing->window ? WINDOW_MESSAGES : CHECK_MESSAGES;
    enum cache_error error =
        cache_message_uids(listing->worker->sync->cache, listing->job->mailbox,
                           listing->check_next - 1, rows->known, most, &rows->known_count);
    bool last = rows->known_count < most;
    while (rows->known_count > 0 && rows->known[rows->known_count - 1] > listing->known) {
        rows->known_count--; /* mail that came behind what this refresh is about */
        last = true;
    }
    listing->check_end = last ? listing->known : rows->known[rows->known_count - 1];
    return error;
}

static void next_window(struct listing *listing)
{
    char set[32];
    if (limiter_holds(listing->worker->sync)) {
        listing_end(listing->job, IMAP_ERR_THROTTLED);
        return;
    }
    enum cache_error window = set_window(listing);
    if (window != CACHE_OK) {
        end_check(listing, window);
        return;
    }
    snprintf(set, sizeof set, "%u:%u", listing->check_next, listing->check_end);
    struct imap_command command;
    imap_command_uid_fetch(&command, set, "(UID FLAGS)");
    listing->asked = clock_ms();
    enum imap_error error =
        imap_connection_submit(listing->worker->connection, &command, check_done, listing);
    if (error != IMAP_OK)
        listing_end(listing->job, error);
}

/* ---- what changed since ---- */

static void since_done(void *ctx, const struct imap_completion *completion)
{
    struct listing *listing = ctx;
    worker_note(listing->worker, completion);
    if (completion->error != IMAP_OK) {
        listing_end(listing->job, completion->error);
        return;
    }
    rows_unique(listing->flag_rows);
    enum cache_error error = listing->failed ? CACHE_OK : store_flags(listing);
    rows_clear(listing->flag_rows);
    listing->since = false;
    listing->in_step = error == CACHE_OK && !listing->failed;
    if (listing->in_step)
        regard_flags_read(listing->worker->sync, listing->job->mailbox);
    if (listing->in_step && listing->missing)
        next_window(listing);
    else
        end_check(listing, error);
}

static void ask_since(struct listing *listing)
{
    char set[32], items[80];
    listing->check_end = listing->known;
    snprintf(set, sizeof set, "1:%u", listing->known);
    snprintf(items, sizeof items, "(UID FLAGS) (CHANGEDSINCE %" PRIu64 ")", listing->flags_modseq);
    struct imap_command command;
    imap_command_uid_fetch(&command, set, items);
    listing->asked = clock_ms();
    enum imap_error error =
        imap_connection_submit(listing->worker->connection, &command, since_done, listing);
    if (error != IMAP_OK)
        listing_end(listing->job, error);
}

void refresh_start(struct listing *listing)
{
    struct flag_rows *rows = listing->flag_rows = calloc(1, sizeof *rows);
    if (rows == NULL || (rows->known = malloc(CHECK_MESSAGES * sizeof *rows->known)) == NULL) {
        listing_end(listing->job, IMAP_ERR_MEMORY);
        return;
    }
    uint32_t from = regard_flags_uid(listing->worker->sync, listing->job->mailbox);
    listing->check_next = listing->window && from < listing->known ? from + 1 : 1;
    if (listing->since)
        ask_since(listing);
    else
        next_window(listing);
}

/* Changed flags may be those of all messages: they go to the cache as they come. */
static void store_some(struct listing *listing)
{
    rows_unique(listing->flag_rows);
    enum cache_error error = store_flags(listing);
    rows_clear(listing->flag_rows);
    if (error != CACHE_OK) {
        listing->failed = true;
        listing->why = sync_error_of_cache(error);
    }
}

static struct flag_row *row_new(struct flag_rows *rows)
{
    if (rows->count == rows->room) {
        size_t room = rows->room == 0 ? 1024 : rows->room * 2;
        struct flag_row *items = realloc(rows->items, room * sizeof *items);
        if (items == NULL)
            return NULL;
        rows->items = items;
        rows->room = room;
    }
    return &rows->items[rows->count++];
}

void refresh_fetch(struct listing *listing, const struct imap_fetch *fetch)
{
    if ((fetch->present & IMAP_FETCH_UID) == 0 || fetch->uid < listing->check_next ||
        fetch->uid > listing->check_end)
        return;
    if (listing->since && listing->flag_rows->count >= CHECK_MESSAGES)
        store_some(listing);
    if (listing->flag_rows->count == ROWS_MAX) {
        log_warn("the server does not come to the end of a list of flags");
        listing->failed = true;
        listing->error = IMAP_ERR_TOO_LARGE;
        return;
    }
    struct flag_row *row = row_new(listing->flag_rows);
    if (row == NULL) {
        listing->failed = true;
        listing->why = SYNC_ERR_MEMORY;
        return;
    }
    *row = (struct flag_row){.uid = fetch->uid};
    if (fetch->present & IMAP_FETCH_MODSEQ)
        row->modseq = fetch->modseq;
    if (fetch->present & IMAP_FETCH_FLAGS)
        row->flags = rows_flags(&fetch->flags);
}
