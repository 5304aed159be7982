/* See stock.h: filling one mailbox. On the thread of stock.c, which asks for a set and waits. */
#include <stdlib.h>

#include "base/clock.h"
#include "cache/near.h"
#include "sync/stock_internal.h"

enum {
    STOCK_BYTES = 512 * 1024, /* of a set, unless one message is larger */
    DAY_SECONDS = 24 * 60 * 60,
};

/* ---- asking ---- */

static void answered(void *ctx, enum sync_error error)
{
    struct stock *stock = ctx;
    bool lost =
        error == SYNC_ERR_GONE || error == SYNC_ERR_UNFETCHABLE || error == SYNC_ERR_TOO_LARGE;
    pthread_mutex_lock(&stock->lock);
    stock->lost += lost;
    if (error != SYNC_OK && !lost)
        stock->error = error;
    stock->left--;
    pthread_cond_signal(&stock->wake);
    pthread_mutex_unlock(&stock->lock);
}

/* A wait for `count` answers begins. */
static void expect(struct stock *stock, unsigned count)
{
    pthread_mutex_lock(&stock->lock);
    stock->left = count;
    stock->lost = 0;
    stock->error = SYNC_OK;
    pthread_mutex_unlock(&stock->lock);
}

/* Every waiter has a bound, and is told when the account ends. */
static enum sync_error await(struct stock *stock, unsigned *lost)
{
    pthread_mutex_lock(&stock->lock);
    while (stock->left > 0)
        pthread_cond_wait(&stock->wake, &stock->lock);
    *lost = stock->lost;
    enum sync_error error = stock->error;
    pthread_mutex_unlock(&stock->lock);
    return error;
}

/* The job that brings it, with this thread among those who wait; false without memory. */
static bool ask_locked(struct stock *stock, const struct job *wish)
{
    struct sync *sync = stock->sync;
    const struct waiter waiter = {.done = answered,
                                  .ctx = stock,
                                  .bound_ms = sync->timeout_ms,
                                  .at_bound = SYNC_ERR_UNREACHABLE};
    int64_t id = wish->kind == JOB_BODY ? wish->message : wish->mailbox;
    struct job *job = job_find_locked(sync, wish->kind, id);
    if (job == NULL) {
        job = job_new_locked(sync, wish->kind, wish->mailbox, wish->message);
        if (job == NULL)
            return false;
        job->uid = wish->uid;
        job->uidvalidity = wish->uidvalidity;
        job->size = wish->size;
        job->stock = true;
    }
    return waiter_add_locked(sync, job, &waiter) != 0;
}

/* Asks for all of it at once, and waits. */
static enum sync_error ask(struct stock *stock, const struct job *wishes, unsigned count,
                           unsigned *lost)
{
    unsigned failed = 0;
    expect(stock, count);
    pthread_mutex_lock(&stock->sync->lock);
    for (unsigned i = 0; i < count; i++)
        failed += !ask_locked(stock, &wishes[i]);
    pthread_mutex_unlock(&stock->sync->lock);
    for (; failed > 0; failed--)
        answered(stock, SYNC_ERR_MEMORY);
    jobs_redispatch(stock->sync);
    return await(stock, lost);
}

/* ---- one mailbox ---- */

/* What is looked at: on the heap, since it is large. */
struct look {
    struct cache_near rows[STOCK_SET];
    struct job wishes[STOCK_SET];
};

/* How much there is, for those who ask. */
static enum sync_error count_up(struct stock *stock, struct stock_box *box, struct look *look)
{
    struct cache_dentry place = {.parent = box->ino};
    enum cache_error error = CACHE_OK;
    box->messages = box->here = box->bytes = 0;
    for (bool end = false; !end && error == CACHE_OK && !stock_ending(stock);) {
        size_t count = 0;
        error = cache_near(stock->sync->cache, &place, CACHE_BY_INODE, CACHE_NEAR_ALL, look->rows,
                           STOCK_SET, &count, &end);
        for (size_t i = 0; i < count && error == CACHE_OK; i++) {
            bool here = false;
            if (look->rows[i].mailbox != box->mailbox)
                continue;
            error = cache_body_here(stock->sync->cache, look->rows[i].message, &here);
            box->messages++;
            box->here += here;
            box->bytes += look->rows[i].size;
        }
    }
    return sync_error_of_cache(error);
}

static uint64_t pinned_bytes(struct stock *stock)
{
    uint64_t bytes = 0;
    pthread_mutex_lock(&stock->lock);
    for (size_t i = 0; i < stock->count; i++)
        bytes += stock->boxes[i].pinned ? stock->boxes[i].bytes : 0;
    pthread_mutex_unlock(&stock->lock);
    return bytes;
}

/* Whether the cache has room for `bytes` more; for what is pinned, others make it. */
static bool fits(struct stock *stock, const struct stock_box *box, uint64_t bytes)
{
    struct cache_figures figures = {0};
    if (box->pinned)
        return pinned_bytes(stock) <= stock->sync->cache_size;
    return cache_figures_get(stock->sync->cache, &figures) == CACHE_OK &&
           figures.body_bytes + figures.index_bytes + bytes <= stock->sync->cache_size;
}

static bool wanted(const struct stock *stock, const struct stock_box *box,
                   const struct cache_near *row)
{
    if (row->mailbox != box->mailbox)
        return false;
    if (box->pinned || stock->prefetch.what == SYNC_PREFETCH_ALL)
        return true;
    return stock->prefetch.what == SYNC_PREFETCH_RECENT &&
           row->mtime >= clock_wall() - (int64_t)stock->prefetch.days * DAY_SECONDS;
}

/* Fetches `count` bodies. */
static enum sync_error fetch(struct stock *stock, struct stock_box *box, const struct look *look,
                             unsigned count)
{
    uint64_t bytes = 0;
    unsigned lost = 0;
    for (unsigned i = 0; i < count; i++)
        bytes += look->wishes[i].size;
    box->full = !fits(stock, box, bytes);
    if (box->full)
        return SYNC_OK;
    enum sync_error error = ask(stock, look->wishes, count, &lost);
    box->failed += lost;
    if (error == SYNC_OK)
        box->here += count - lost;
    stock_note(stock, box);
    return error;
}

/* Fetches those of the rows that are wanted, a set at a time. */
static enum sync_error fetch_rows(struct stock *stock, struct stock_box *box, struct look *look,
                                  size_t rows, uint32_t uidvalidity)
{
    enum sync_error error = SYNC_OK;
    unsigned count = 0;
    uint64_t bytes = 0, most = stock->sync->cache_size / 8;
    if (most > STOCK_BYTES)
        most = STOCK_BYTES;
    for (size_t i = 0; i < rows && error == SYNC_OK && !box->full; i++) {
        const struct cache_near *row = &look->rows[i];
        if (!wanted(stock, box, row))
            continue;
        if (count > 0 && bytes + row->size > most) {
            error = fetch(stock, box, look, count);
            count = 0;
            bytes = 0;
        }
        look->wishes[count++] = (struct job){.kind = JOB_BODY,
                                             .mailbox = box->mailbox,
                                             .message = row->message,
                                             .uid = row->uid,
                                             .uidvalidity = uidvalidity,
                                             .size = row->size};
        bytes += row->size;
    }
    if (error == SYNC_OK && !box->full && count > 0)
        error = fetch(stock, box, look, count);
    return error;
}

/* Whether something is pinned that waits for a mailbox which is not. */
static bool pressed(struct stock *stock, const struct stock_box *box)
{
    pthread_mutex_lock(&stock->lock);
    bool press = stock->ending || stock->repinned;
    for (size_t i = 0; i < stock->count && !press && !box->pinned; i++)
        press = stock->boxes[i].pinned && stock->boxes[i].due;
    pthread_mutex_unlock(&stock->lock);
    return press;
}

static enum sync_error fill_bodies(struct stock *stock, struct stock_box *box, struct look *look,
                                   uint32_t uidvalidity)
{
    struct cache_dentry place = {.parent = box->ino};
    enum sync_error error = SYNC_OK;
    for (bool end = false; !end && error == SYNC_OK && !box->full;) {
        size_t count = 0;
        if (pressed(stock, box)) {
            box->due = true;
            return SYNC_OK;
        }
        error =
            sync_error_of_cache(cache_near(stock->sync->cache, &place, CACHE_BY_INODE,
                                           CACHE_NEAR_ABSENT, look->rows, STOCK_SET, &count, &end));
        if (error == SYNC_OK)
            error = fetch_rows(stock, box, look, count, uidvalidity);
    }
    return error;
}

static enum sync_error fill_listing(struct stock *stock, const struct stock_box *box,
                                    uint32_t *uidvalidity)
{
    struct cache_mailbox row = {0};
    unsigned lost;
    enum sync_error error =
        sync_error_of_cache(cache_mailbox_get(stock->sync->cache, box->mailbox, &row));
    bool listed = row.listed;
    cache_mailbox_free(&row);
    const struct job wish = {.kind = JOB_LISTING, .mailbox = box->mailbox};
    if (error == SYNC_OK && (!listed || box->refresh))
        error = ask(stock, &wish, 1, &lost);
    if (error == SYNC_OK)
        error = sync_error_of_cache(cache_mailbox_get(stock->sync->cache, box->mailbox, &row));
    *uidvalidity = row.uidvalidity;
    cache_mailbox_free(&row);
    return error;
}

enum sync_error stock_fill(struct stock *stock, struct stock_box *box)
{
    uint32_t uidvalidity = 0;
    struct look *look = malloc(sizeof *look);
    if (look == NULL) {
        box->due = true;
        box->busy = false;
        stock_note(stock, box);
        return SYNC_ERR_MEMORY;
    }
    bool bodies = box->pinned || stock->prefetch.what > SYNC_PREFETCH_HEADERS;
    enum sync_error error = fill_listing(stock, box, &uidvalidity);
    box->refresh &= !stock_of_the_mailbox(error);
    box->failed = 0;
    box->full = false;
    if (error == SYNC_OK && box->pinned) {
        error = count_up(stock, box, look);
        stock_note(stock, box);
    }
    if (error == SYNC_OK && bodies)
        error = fill_bodies(stock, box, look, uidvalidity);
    if (error == SYNC_OK && box->pinned)
        error = count_up(stock, box, look);
    free(look);
    box->due |= !stock_of_the_mailbox(error);
    box->busy = false;
    box->error = error;
    stock_note(stock, box);
    return error;
}
