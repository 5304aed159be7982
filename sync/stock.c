/* See stock.h: the thread. pin.c has what others ask of it. */
#include "sync/stock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/condition.h"
#include "base/log.h"
#include "cache/near.h"

enum {
    AGAIN_MS = 2000,          /* between two looks whether the server is back */
    REST_MS = 500,            /* after a round: what comes meanwhile goes together */
    STOCK_BYTES = 512 * 1024, /* of a set, unless one message is larger */
    DAY_SECONDS = 24 * 60 * 60,
};

/* ---- waiting ---- */

/* Sleeps until `until` (clock_ms), or while nothing stirs; false: the end. Lock held. */
static bool sleep_locked(struct stock *stock, int64_t until, bool stirs)
{
    while (!stock->ending && !(stirs && stock->stirred) && clock_ms() < until)
        condition_wait(&stock->wake, &stock->lock, until);
    return !stock->ending;
}

static bool rest(struct stock *stock, int64_t ms)
{
    pthread_mutex_lock(&stock->lock);
    bool on = sleep_locked(stock, clock_ms() + ms, false);
    pthread_mutex_unlock(&stock->lock);
    return on;
}

static bool ending(struct stock *stock)
{
    pthread_mutex_lock(&stock->lock);
    bool end = stock->ending;
    pthread_mutex_unlock(&stock->lock);
    return end;
}

/* ---- which mailboxes ---- */

struct gathering {
    const struct stock *stock;
    struct stock_box *boxes;
    size_t count, room;
    bool full;
};

static bool gather(void *ctx, const struct cache_mailbox *row)
{
    struct gathering *g = ctx;
    bool pinned = pin_names_have(&g->stock->pins, row->name);
    if (!row->selectable || (!pinned && g->stock->prefetch.what == SYNC_PREFETCH_NONE))
        return true;
    if (g->count == g->room) {
        size_t room = g->room * 2 + 16;
        struct stock_box *boxes = realloc(g->boxes, room * sizeof *boxes);
        if (boxes == NULL)
            return false;
        g->boxes = boxes;
        g->room = room;
    }
    g->boxes[g->count++] = (struct stock_box){
        .mailbox = row->id, .ino = row->ino, .pinned = pinned, .due = true, .refresh = pinned};
    return true;
}

static struct stock_box *find_locked(struct stock *stock, int64_t mailbox)
{
    for (size_t i = 0; i < stock->count; i++) {
        if (stock->boxes[i].mailbox == mailbox)
            return &stock->boxes[i];
    }
    return NULL;
}

/* Those that are known keep what is known of them. The names in `pins` change under the lock. */
static void choose_mailboxes(struct stock *stock)
{
    struct gathering g = {.stock = stock};
    pthread_mutex_lock(&stock->lock);
    (void)!cache_mailbox_each(stock->sync->cache, gather,
                              &g); /* what is missing is so until next time */
    for (size_t i = 0; i < g.count; i++) {
        const struct stock_box *old = find_locked(stock, g.boxes[i].mailbox);
        if (old != NULL && old->pinned == g.boxes[i].pinned)
            g.boxes[i] = *old;
        else
            stock->unkept |= g.boxes[i].pinned;
    }
    stock->repinned = false;
    free(stock->boxes);
    stock->boxes = g.boxes;
    stock->count = g.count;
    pthread_mutex_unlock(&stock->lock);
}

/* The cache is told which bodies to keep. */
static void keep_pinned(struct stock *stock)
{
    size_t count = 0;
    pthread_mutex_lock(&stock->lock);
    bool fewer = stock->loosened, news = fewer || stock->unkept;
    int64_t *kept = news ? calloc(stock->count + 1, sizeof *kept) : NULL;
    for (size_t i = 0; i < stock->count && kept != NULL; i++) {
        if (stock->boxes[i].pinned)
            kept[count++] = stock->boxes[i].mailbox;
    }
    stock->loosened = stock->unkept = false;
    pthread_mutex_unlock(&stock->lock);
    if (kept != NULL && cache_keep_mailboxes(stock->sync->cache, kept, count, fewer) != CACHE_OK)
        log_warn("the cache does not keep the pinned mailboxes for now");
    free(kept);
}

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
    struct cache_place place = {.parent = box->ino};
    enum cache_error error = CACHE_OK;
    box->messages = box->here = box->bytes = 0;
    for (bool end = false; !end && error == CACHE_OK && !ending(stock);) {
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

static void note(struct stock *stock, const struct stock_box *box)
{
    pthread_mutex_lock(&stock->lock);
    struct stock_box *of = find_locked(stock, box->mailbox);
    if (of != NULL) {
        bool due = of->due, refresh = of->refresh, pinned = of->pinned;
        *of = *box;
        of->due |= due;
        of->refresh |= refresh;
        of->pinned = pinned;
    }
    pthread_mutex_unlock(&stock->lock);
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
           figures.body_bytes + bytes <= stock->sync->cache_size;
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
    if (box->full || count == 0)
        return SYNC_OK;
    enum sync_error error = ask(stock, look->wishes, count, &lost);
    box->failed += lost;
    if (error == SYNC_OK)
        box->here += count - lost;
    note(stock, box);
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
    struct cache_place place = {.parent = box->ino};
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

/* What only says that this mailbox is not to be had; anything else holds for the next one, too. */
static bool of_the_mailbox(enum sync_error error)
{
    return error == SYNC_OK || error == SYNC_ERR_GONE || error == SYNC_ERR_REFUSED;
}

static enum sync_error fill(struct stock *stock, struct stock_box *box)
{
    uint32_t uidvalidity = 0;
    struct look *look = malloc(sizeof *look);
    if (look == NULL) {
        box->due = true;
        box->busy = false;
        note(stock, box);
        return SYNC_ERR_MEMORY;
    }
    bool bodies = box->pinned || stock->prefetch.what > SYNC_PREFETCH_HEADERS;
    enum sync_error error = fill_listing(stock, box, &uidvalidity);
    box->refresh &= !of_the_mailbox(error);
    box->failed = 0;
    box->full = false;
    if (error == SYNC_OK && box->pinned) {
        error = count_up(stock, box, look);
        note(stock, box);
    }
    if (error == SYNC_OK && bodies)
        error = fill_bodies(stock, box, look, uidvalidity);
    if (error == SYNC_OK && box->pinned)
        error = count_up(stock, box, look);
    free(look);
    box->due |= !of_the_mailbox(error);
    box->busy = false;
    box->error = error;
    note(stock, box);
    return error;
}

/* ---- the thread ---- */

/* The next mailbox that may lack something, a pinned one first. */
static bool next_due(struct stock *stock, struct stock_box *box)
{
    struct stock_box *best = NULL;
    pthread_mutex_lock(&stock->lock);
    for (size_t i = 0; i < stock->count && !stock->ending && !stock->repinned; i++) {
        struct stock_box *of = &stock->boxes[i];
        if (of->due && (best == NULL || (of->pinned && !best->pinned)))
            best = of;
    }
    if (best != NULL) {
        best->busy = true;
        best->error = SYNC_OK;
        best->due = false; /* what comes meanwhile makes it due again */
        *box = *best;
        best->refresh = false;
    }
    pthread_mutex_unlock(&stock->lock);
    return best != NULL;
}

static void note_away(struct stock *stock, enum sync_error error)
{
    pthread_mutex_lock(&stock->lock);
    for (size_t i = 0; i < stock->count; i++) {
        if (stock->boxes[i].due)
            stock->boxes[i].error = error;
    }
    pthread_mutex_unlock(&stock->lock);
}

/* Fills what is due. False: it is to be tried again a little later. */
static bool go_round(struct stock *stock)
{
    struct stock_box box;
    choose_mailboxes(stock);
    keep_pinned(stock);
    while (next_due(stock, &box)) {
        bool paused = limiter_holds(stock->sync), away = !paused && sync_offline(stock->sync);
        enum sync_error error = SYNC_ERR_UNREACHABLE;
        if (!paused && !away)
            error = fill(stock, &box);
        if (of_the_mailbox(error))
            continue;
        if (paused || away) { /* as it was */
            box.due = true;
            box.busy = false;
            note(stock, &box);
        }
        if (!paused && error != SYNC_ERR_THROTTLED)
            note_away(stock, error);
        return false;
    }
    return true;
}

static bool any_due_locked(const struct stock *stock)
{
    bool due = stock->repinned;
    for (size_t i = 0; i < stock->count && !due; i++)
        due = stock->boxes[i].due;
    return due;
}

static void *stock_main(void *ctx)
{
    struct stock *stock = ctx;
    pthread_mutex_lock(&stock->lock);
    bool on = sleep_locked(stock, stock->begin, false);
    while (on && sleep_locked(stock, INT64_MAX, true)) {
        stock->stirred = stock->idle = false;
        pthread_mutex_unlock(&stock->lock);
        bool whole = go_round(stock);
        on = rest(stock, whole ? REST_MS : AGAIN_MS);
        pthread_mutex_lock(&stock->lock);
        stock->stirred |= !whole || any_due_locked(stock);
        stock->idle = !stock->stirred;
    }
    pthread_mutex_unlock(&stock->lock);
    return NULL;
}

void stock_changed(struct sync *sync, const struct cache_change *change)
{
    struct stock *stock = sync->stock;
    if (change->gone)
        return;
    pthread_mutex_lock(&stock->lock);
    bool stirs =
        change->directory && (stock->pins.count > 0 || stock->prefetch.what != SYNC_PREFETCH_NONE);
    for (size_t i = 0; i < stock->count && !stirs; i++) {
        if (stock->boxes[i].ino != change->parent)
            continue;
        stock->boxes[i].due = stirs = true;
    }
    if (stirs && !stock->stirred) {
        stock->stirred = true;
        pthread_cond_signal(&stock->wake);
    }
    pthread_mutex_unlock(&stock->lock);
}

/* ---- beginning and end ---- */

struct stock *stock_new(struct sync *sync, const struct sync_settings *settings)
{
    struct stock *stock = calloc(1, sizeof *stock);
    if (stock == NULL)
        return NULL;
    pthread_mutex_init(&stock->lock, NULL);
    condition_init(&stock->wake);
    stock->sync = sync;
    stock->prefetch = settings->prefetch;
    stock->stirred = true;
    if (settings->state_dir == NULL)
        return stock;
    stock->directory = strdup(settings->state_dir);
    if (stock->directory == NULL)
        stock_free(&stock);
    else if (!pin_file_read(stock->directory, &stock->pins))
        log_warn("the pins cannot be read (%s); nothing is pinned for now", strerror(errno));
    return stock;
}

bool stock_begin(struct stock *stock, int64_t ms)
{
    stock->begin = clock_ms() + ms;
    stock->loosened = stock->pins.count == 0; /* what another mount of the account let go */
    choose_mailboxes(stock);
    keep_pinned(stock); /* before anything is evicted */
    stock->running = pthread_create(&stock->thread, NULL, stock_main, stock) == 0;
    return stock->running;
}

void stock_end(struct stock *stock)
{
    if (stock == NULL)
        return;
    pthread_mutex_lock(&stock->lock);
    stock->ending = true;
    pthread_cond_signal(&stock->wake);
    pthread_mutex_unlock(&stock->lock);
}

void stock_join(struct stock *stock)
{
    if (stock != NULL && stock->running)
        pthread_join(stock->thread, NULL);
}

void stock_free(struct stock **stock)
{
    if (*stock == NULL)
        return;
    pthread_mutex_destroy(&(*stock)->lock);
    pthread_cond_destroy(&(*stock)->wake);
    pin_names_free(&(*stock)->pins);
    free((*stock)->boxes);
    free((*stock)->directory);
    free(*stock);
    *stock = NULL;
}
