/*
 * The second half of a refresh: messages that went, and flags that changed.
 *
 * Without CONDSTORE a server has no word for either, so both are read off UID FETCH (FLAGS) over
 * what is known, in windows. Messages are compared only when the counts differ (EXISTS against the
 * cache), flags when the last look is older than FLAGS_FRESH_MS: a refresh in which nothing changed
 * costs EXAMINE and one empty FETCH, whatever the size of the mailbox.
 *
 * A message counts as gone only when the server named as many as it says there are: one that
 * answers OK and keeps some to itself (OUTLOOK.md section 3) must not make mail disappear here.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "sync/internal.h"

/* Messages of the cache a window; and how many the server may name there, some of them new to us.
 */
enum { CHECK_MESSAGES = 5000, ROWS_MAX = 20 * CHECK_MESSAGES };

struct flag_row {
    uint32_t uid;
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

static struct flags_age *age_of_locked(struct sync *sync, int64_t mailbox)
{
    for (size_t i = 0; i < sync->flags_count; i++) {
        if (sync->flags[i].mailbox == mailbox)
            return &sync->flags[i];
    }
    struct flags_age *flags = realloc(sync->flags, (sync->flags_count + 1) * sizeof *flags);
    if (flags == NULL)
        return NULL;
    sync->flags = flags;
    flags[sync->flags_count] = (struct flags_age){.mailbox = mailbox, .at = INT64_MIN};
    return &flags[sync->flags_count++];
}

static bool flags_old(struct sync *sync, int64_t mailbox)
{
    int64_t now = clock_ms();
    pthread_mutex_lock(&sync->lock);
    const struct flags_age *age = age_of_locked(sync, mailbox);
    bool old = age == NULL || age->at == INT64_MIN || now - age->at > FLAGS_FRESH_MS;
    pthread_mutex_unlock(&sync->lock);
    return old;
}

/* All flags of the mailbox have been read just now. */
static void flags_read(struct sync *sync, int64_t mailbox)
{
    pthread_mutex_lock(&sync->lock);
    struct flags_age *age = age_of_locked(sync, mailbox);
    if (age != NULL)
        age->at = clock_ms();
    pthread_mutex_unlock(&sync->lock);
}

bool refresh_due(struct listing *listing)
{
    struct sync *sync = listing->worker->sync;
    uint64_t directories, messages;
    if (cache_inode_count(sync->cache, listing->ino, &directories, &messages) != CACHE_OK)
        return false;
    if (!listing->was_listed) {
        flags_read(sync, listing->job->mailbox);
        if (messages < listing->exists && !listing->worker->stirred)
            log_warn("the server has %u messages in a mailbox and named %llu of them",
                     listing->exists, (unsigned long long)messages);
        return false;
    }
    if (listing->known == 0)
        return false;
    return messages != listing->exists || flags_old(sync, listing->job->mailbox);
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
    return cache_messages_gone(w->sync->cache, listing->job->mailbox, listing->uidvalidity,
                               rows->gone, rows->gone_count, sync_changed, w->sync);
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
        if (rows->items[i].flags != NULL)
            flags[count++] =
                (struct cache_new_flags){.uid = rows->items[i].uid, .flags = rows->items[i].flags};
    }
    enum cache_error error = cache_messages_flags(
        sync->cache, listing->job->mailbox, listing->uidvalidity, flags, count, sync_changed, sync);
    free(flags);
    return error;
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
    if (error == CACHE_OK && last && !listing->failed) {
        error = store_gone(listing);
        flags_read(listing->worker->sync, listing->job->mailbox);
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
    enum cache_error error = cache_message_uids(listing->worker->sync->cache, listing->job->mailbox,
                                                listing->check_next - 1, rows->known,
                                                CHECK_MESSAGES, &rows->known_count);
    bool last = rows->known_count < CHECK_MESSAGES;
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
    enum imap_error error =
        imap_connection_submit(listing->worker->connection, &command, check_done, listing);
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
    listing->check_next = 1;
    next_window(listing);
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
    if (fetch->present & IMAP_FETCH_FLAGS)
        row->flags = rows_flags(&fetch->flags);
}
