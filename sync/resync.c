/*
 * What changed in a mailbox since the cache was in step with it, as EXAMINE tells (QRESYNC, RFC
 * 7162): VANISHED (EARLIER) names messages that went, FETCH those with other flags. So a refresh
 * costs the round trip of its EXAMINE, and bytes for what changed alone.
 *
 * It comes before the tagged OK, and is gathered until then. Servers tell nothing where UIDVALIDITY
 * is another one, and it is looked at again here. What comes before [CLOSED] is of the mailbox that
 * was open before, and is dropped; where it was another one and [CLOSED] does not come, all is.
 * What is too much to be gathered is asked for in the other ways (refresh.c), and so is what went
 * where the server's count is not the cache's without it.
 *
 * A listing's own, in its worker's thread.
 */
#include <stdlib.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "sync/listing.h"
#include "sync/regard.h"

enum {
    UIDS_BYTES_MAX = 1 << 20, /* of the sets, as they were sent */
    ROWS_MAX = 50000,         /* of the flags */
    PAGE = 1000,              /* UIDs of the cache that are compared at a time */
};

struct resync {
    uint32_t uidvalidity; /* that was asked about */
    int64_t asked;        /* clock_ms */
    bool other_open;      /* another mailbox was open: what comes first may be of that one */
    bool overflow;        /* there was more than is gathered */
    struct buffer uids;   /* sets, with commas between them */
    struct flag_rows rows;
};

struct range {
    uint32_t first, last;
};

bool resync_begin(struct listing *listing, const struct cache_mailbox *row)
{
    struct worker *w = listing->worker;
    if (!imap_connection_resyncs(w->connection) || !row->listed || row->listed_uid == 0 ||
        row->uidvalidity == 0 || row->highestmodseq == 0)
        return false;
    struct resync *resync = calloc(1, sizeof *resync);
    if (resync == NULL)
        return false;
    resync->uidvalidity = row->uidvalidity;
    resync->asked = clock_ms();
    resync->other_open =
        (w->examined != 0 && w->examined != listing->job->mailbox) || w->opening > 0;
    buffer_init(&resync->uids, UIDS_BYTES_MAX);
    listing->resync = resync;
    return true;
}

void resync_free(struct resync **resync)
{
    if (*resync == NULL)
        return;
    buffer_free(&(*resync)->uids);
    flag_rows_free(&(*resync)->rows);
    free(*resync);
    *resync = NULL;
}

/* ---- what comes ---- */

/* Of a listing whose EXAMINE is not answered yet; NULL: there is none. */
static struct resync *open_of(struct job *job)
{
    struct listing *listing = job != NULL ? job->listing : NULL;
    return listing != NULL && listing->uidvalidity == 0 ? listing->resync : NULL;
}

void resync_vanished(struct job *job, struct imap_span uids)
{
    struct resync *resync = open_of(job);
    if (resync == NULL)
        return;
    if ((resync->uids.len > 0 && !buffer_append_byte(&resync->uids, ',')) ||
        !buffer_append(&resync->uids, uids.data, uids.len))
        resync->overflow = true;
}

void resync_fetch(struct listing *listing, const struct imap_fetch *fetch)
{
    const unsigned wanted = IMAP_FETCH_UID | IMAP_FETCH_FLAGS;
    struct resync *resync = listing->resync;
    if (resync == NULL || (fetch->present & wanted) != wanted)
        return;
    struct flag_row *row =
        resync->rows.count < ROWS_MAX ? flag_rows_add(&resync->rows, fetch->uid) : NULL;
    if (row == NULL)
        resync->overflow = true;
    else
        flag_row_note(row, fetch);
}

void resync_closed(struct job *job)
{
    struct resync *resync = open_of(job);
    if (resync == NULL)
        return;
    resync->other_open = resync->overflow = false;
    buffer_clear(&resync->uids);
    flag_rows_clear(&resync->rows);
}

/* ---- what went ---- */

static int by_first(const void *a, const void *b)
{
    uint32_t x = ((const struct range *)a)->first, y = ((const struct range *)b)->first;
    return x < y ? -1 : x > y;
}

/* The sets as ranges, in order; malloc. NULL: they are no sets, or no memory. */
static struct range *ranges_of(const struct buffer *uids, size_t *count)
{
    struct imap_span set = {.data = uids->data, .len = uids->len};
    struct range *ranges = malloc((uids->len / 2 + 1) * sizeof *ranges);
    size_t at = 0;
    *count = 0;
    while (ranges != NULL &&
           imap_uidset_next(set, &at, &ranges[*count].first, &ranges[*count].last))
        ++*count;
    if (ranges != NULL && at != set.len) {
        free(ranges);
        return NULL;
    }
    if (*count > 0)
        qsort(ranges, *count, sizeof *ranges, by_first);
    return ranges;
}

/* A walk over the messages that the cache has, by pages. */
struct walk {
    struct listing *listing;
    uint32_t page[PAGE];
    size_t at, count;
    enum cache_error error;
};

/* The first UID from `from` on; 0: none. `from` never falls. */
static uint32_t walk_to(struct walk *walk, uint32_t from)
{
    while (walk->at < walk->count && walk->page[walk->at] < from)
        walk->at++;
    if (walk->at == walk->count && walk->error == CACHE_OK) {
        const struct listing *listing = walk->listing;
        walk->at = 0;
        walk->error = cache_message_uids(listing->worker->sync->cache, listing->job->mailbox,
                                         from - 1, walk->page, PAGE, &walk->count);
    }
    return walk->error == CACHE_OK && walk->at < walk->count ? walk->page[walk->at] : 0;
}

struct uids {
    uint32_t *list; /* malloc */
    size_t count, room;
};

static bool uids_add(struct uids *uids, uint32_t uid)
{
    if (uids->count == uids->room) {
        size_t room = uids->room * 2 + 64;
        uint32_t *list = realloc(uids->list, room * sizeof *list);
        if (list == NULL)
            return false;
        uids->list = list;
        uids->room = room;
    }
    uids->list[uids->count++] = uid;
    return true;
}

/* Notes the messages in one range, and in none before it. False: there are none from here on, or it
 * failed (walk->error). */
static bool take_range(struct walk *walk, const struct range *range, struct uids *gone)
{
    uint32_t done = gone->count > 0 ? gone->list[gone->count - 1] : 0; /* ranges may overlap */
    if (range->last <= done)
        return true;
    uint32_t uid = walk_to(walk, range->first > done ? range->first : done + 1);
    while (uid != 0 && uid <= range->last) {
        if (!uids_add(gone, uid))
            walk->error = CACHE_ERR_MEMORY;
        uid = uid < range->last ? walk_to(walk, uid + 1) : UINT32_MAX;
    }
    return uid != 0 && walk->error == CACHE_OK;
}

/* Of the messages that vanished, those that the cache has, ascending. False: not known. */
static bool find_gone(struct listing *listing, struct uids *gone)
{
    size_t count;
    struct walk walk = {.listing = listing};
    struct range *ranges = ranges_of(&listing->resync->uids, &count);
    if (ranges == NULL)
        return false;
    for (size_t i = 0; i < count && take_range(&walk, &ranges[i], gone); i++)
        continue;
    free(ranges);
    return walk.error == CACHE_OK;
}

/* They go where the cache, without them, has as many as the server. */
static void apply_gone(struct listing *listing)
{
    struct sync *sync = listing->worker->sync;
    int64_t mailbox = listing->job->mailbox;
    uint64_t directories, messages;
    struct uids gone = {0};
    if (listing->resync->uids.len == 0 || !find_gone(listing, &gone) ||
        cache_inode_count(sync->cache, listing->ino, &directories, &messages) != CACHE_OK) {
        free(gone.list);
        return;
    }
    if (messages - gone.count == listing->exists) {
        size_t left = leaving_spare(sync, mailbox, listing->uidvalidity, gone.list, gone.count);
        enum cache_error error = listing_gone(listing, gone.list, left);
        if (error != CACHE_OK)
            listing_fail(listing, IMAP_OK, sync_error_of_cache(error));
    } else {
        log_debug("messages vanished, and the counts do not say so: they are compared");
    }
    free(gone.list);
}

bool resync_apply(struct listing *listing)
{
    struct resync *resync = listing->resync;
    if (resync == NULL || resync->overflow || resync->other_open ||
        resync->uidvalidity != listing->uidvalidity)
        return false;
    flag_rows_unique(&resync->rows);
    enum cache_error error = flag_rows_store(listing, &resync->rows, resync->asked);
    if (error != CACHE_OK) {
        listing_fail(listing, IMAP_OK, sync_error_of_cache(error));
        return false;
    }
    apply_gone(listing);
    regard_flags_read(listing->worker->sync, listing->job->mailbox);
    return true;
}
