/* See stock.h: which mailboxes there are to fill, and the thread. pin.c has what others ask of it.
 */
#include "sync/stock_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/condition.h"
#include "base/log.h"

enum {
    AGAIN_MS = 2000, /* between two looks whether the server is back */
    REST_MS = 500,   /* after a round: what comes meanwhile goes together */
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

bool stock_ending(struct stock *stock)
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

void stock_note(struct stock *stock, const struct stock_box *box)
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

/* ---- the thread ---- */

bool stock_of_the_mailbox(enum sync_error error)
{
    return error == SYNC_OK || error == SYNC_ERR_GONE || error == SYNC_ERR_REFUSED;
}

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
            error = stock_fill(stock, &box);
        if (stock_of_the_mailbox(error))
            continue;
        if (paused || away) { /* as it was */
            box.due = true;
            box.busy = false;
            stock_note(stock, &box);
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
