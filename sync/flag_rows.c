/*
 * What the server names in one window of a refresh: UIDs, with their flags where it told them.
 *
 * A growing array, of whoever makes it; refresh.c sets its ceiling. In the worker's own thread.
 */
#include <stdlib.h>

#include "sync/listing.h"

void flag_rows_clear(struct flag_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++)
        free(rows->items[i].flags);
    rows->count = 0;
}

void flag_rows_free(struct flag_rows *rows)
{
    flag_rows_clear(rows);
    free(rows->items);
    *rows = (struct flag_rows){0};
}

struct flag_row *flag_rows_add(struct flag_rows *rows, uint32_t uid)
{
    if (rows->count == rows->room) {
        size_t room = rows->room == 0 ? 1024 : rows->room * 2;
        struct flag_row *items = realloc(rows->items, room * sizeof *items);
        if (items == NULL)
            return NULL;
        rows->items = items;
        rows->room = room;
    }
    struct flag_row *row = &rows->items[rows->count++];
    *row = (struct flag_row){.uid = uid};
    return row;
}

void flag_row_note(struct flag_row *row, const struct imap_fetch *fetch)
{
    if (fetch->present & IMAP_FETCH_MODSEQ)
        row->modseq = fetch->modseq;
    if (fetch->present & IMAP_FETCH_FLAGS)
        row->flags = rows_flags(&fetch->flags);
}

static int by_uid(const void *a, const void *b)
{
    uint32_t x = ((const struct flag_row *)a)->uid, y = ((const struct flag_row *)b)->uid;
    return x < y ? -1 : x > y;
}

void flag_rows_unique(struct flag_rows *rows)
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

bool flag_rows_has(const struct flag_rows *rows, uint32_t uid)
{
    struct flag_row key = {.uid = uid};
    return rows->count > 0 && bsearch(&key, rows->items, rows->count, sizeof key, by_uid) != NULL;
}

/* Those that no STORE of ours may have overtaken. A cache_flags_still_fn. */
struct still {
    struct listing *listing;
    int64_t asked;
};

static size_t still_so(void *ctx, struct cache_new_flags *flags, size_t count)
{
    const struct still *still = ctx;
    struct listing *listing = still->listing;
    size_t kept =
        stored_spare(listing->worker->sync, listing->job->mailbox, still->asked, flags, count);
    listing->left_out |= kept < count;
    return kept;
}

enum cache_error flag_rows_store(struct listing *listing, const struct flag_rows *rows,
                                 int64_t asked)
{
    struct sync *sync = listing->worker->sync;
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
    struct still still = {listing, asked};
    enum cache_error error = CACHE_OK;
    if (count > 0)
        error = cache_messages_flags_if(sync->cache, listing->job->mailbox, listing->uidvalidity,
                                        flags, count, still_so, &still, sync_changed, sync);
    free(flags);
    return error;
}
