/* See ahead.h: planning, in FUSE's threads. What workers do is in ahead_take.c. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "sync/ahead_internal.h"
#include "sync/regard.h"

enum {
    PLAN_ROWS = 256,  /* entries looked up at a time */
    PLAN_LOOKS = 8,   /* lookups a plan, where most bodies are here already */
    WINDOW_GROWS = 8, /* times, each time that the reader comes for more */
    OPENED_MS = 5000, /* who opened the directory goes through it now */
};

#define WINDOW_FIRST ((uint64_t)128 * 1024)

struct ahead *ahead_new(void)
{
    return calloc(1, sizeof(struct ahead));
}

void ahead_free(struct ahead **ahead)
{
    free(*ahead);
    *ahead = NULL;
}

uint64_t ahead_budget_locked(const struct sync *sync)
{
    uint64_t budget = rate_budget(&sync->ahead->rate);
    return budget < sync->cache_size / 8 ? budget : sync->cache_size / 8;
}

/* ---- more entries for a reader ---- */

/* What a plan needs to know of its reader, while the lock is not held. */
struct planned {
    uint64_t number;
    enum cache_order order;
    struct cache_dentry frontier;
    struct cache_near rows[PLAN_ROWS];
    size_t room, count;
    bool end;
};

/* A reader that has used a quarter of its window gets more. */
static bool plan_due_locked(const struct reader *reader)
{
    return !reader->planning && !reader->end && reader->ahead < reader->window / 4 * 3 &&
           reader_room(reader) > 0;
}

static void plan_begin_locked(struct sync *sync, struct reader *reader, struct planned *planned)
{
    uint64_t budget =
        ahead_budget_locked(sync) / readers_reading(&sync->ahead->readers, clock_ms());
    uint64_t window = reader->window == 0 ? WINDOW_FIRST : reader->window * WINDOW_GROWS;
    reader->planning = true;
    reader->window = window < budget ? window : budget;
    planned->number = reader->number;
    planned->order = reader->order;
    planned->frontier = reader->frontier;
    planned->room = reader_room(reader) < PLAN_ROWS ? reader_room(reader) : PLAN_ROWS;
}

/* Looks up what comes next; where all of it is here, further on. */
static enum cache_error look_up(struct cache *cache, struct planned *planned)
{
    enum cache_error error = CACHE_OK;
    planned->count = 0;
    for (int looks = 0; error == CACHE_OK && looks < PLAN_LOOKS && planned->count == 0; looks++) {
        error = cache_near(cache, &planned->frontier, planned->order, CACHE_NEAR_ABSENT,
                           planned->rows, planned->room, &planned->count, &planned->end);
        if (planned->end)
            break;
    }
    return error;
}

/* Puts them on the list, up to the window; the next plan looks from the last one on. */
static void plan_end(struct sync *sync, struct planned *planned, enum cache_error error)
{
    size_t taken = 0;
    struct cache_dentry last;
    pthread_mutex_lock(&sync->lock);
    struct reader *reader = readers_find(&sync->ahead->readers, planned->number);
    while (reader != NULL && taken < planned->count && reader->ahead < reader->window)
        reader_expect(reader, &planned->rows[taken++]);
    pthread_mutex_unlock(&sync->lock);
    bool all = taken == planned->count;
    if (!all && taken > 0)
        error = cache_dentry_of(sync->cache, planned->rows[taken - 1].message, &last);
    pthread_mutex_lock(&sync->lock);
    reader = readers_find(&sync->ahead->readers, planned->number);
    if (reader != NULL) {
        if (all)
            reader->frontier = planned->frontier;
        else if (taken > 0 && error == CACHE_OK && last.parent == reader->frontier.parent)
            reader->frontier = last;
        reader->end = error != CACHE_OK || (all && planned->end);
        reader->planning = false;
        ahead_wake_locked(sync);
    }
    pthread_mutex_unlock(&sync->lock);
}

/* Called with the lock held and a reader that is due; gives the lock back. */
static void plan_unlock(struct sync *sync, struct reader *reader)
{
    struct planned *planned = malloc(sizeof *planned);
    if (planned == NULL) {
        pthread_mutex_unlock(&sync->lock);
        return;
    }
    plan_begin_locked(sync, reader, planned);
    pthread_mutex_unlock(&sync->lock);
    plan_end(sync, planned, look_up(sync->cache, planned));
    free(planned);
}

/* ---- opens ---- */

/* True: a reader expected it. */
static bool opened(struct sync *sync, int64_t message)
{
    pthread_mutex_lock(&sync->lock);
    struct reader *reader = readers_open(&sync->ahead->readers, message, clock_ms());
    atomic_store(&sync->ahead->active, sync->ahead->readers.active);
    if (reader != NULL && plan_due_locked(reader)) {
        plan_unlock(sync, reader);
        return true;
    }
    if (reader != NULL && reader->wanted > 0)
        ahead_wake_locked(sync); /* it may have been still for a while */
    pthread_mutex_unlock(&sync->lock);
    return reader != NULL;
}

void sync_body_opened(struct sync *sync, int64_t message)
{
    if (atomic_load(&sync->ahead->active) > 0)
        (void)opened(sync, message);
}

/* What stands before `place` in each order: the way back from it. */
static enum cache_error look_back(struct cache *cache, const struct cache_dentry *place,
                                  struct readers_before *before)
{
    static const enum cache_order back[CACHE_ORDERS] = {
        [CACHE_BY_INODE] = CACHE_BY_INODE_BACK,
        [CACHE_BY_INODE_BACK] = CACHE_BY_INODE,
        [CACHE_BY_NAME] = CACHE_BY_NAME_BACK,
        [CACHE_BY_NAME_BACK] = CACHE_BY_NAME,
    };
    enum cache_error error = CACHE_OK;
    for (unsigned o = 0; error == CACHE_OK && o < CACHE_ORDERS; o++) {
        struct cache_dentry from = *place;
        bool end;
        error = cache_near(cache, &from, back[o], CACHE_NEAR_ALL, before->rows[o], READER_NEAR,
                           &before->counts[o], &end);
    }
    return error;
}

static void recognise(struct sync *sync, int64_t message, const struct cache_dentry *place,
                      int64_t mailbox, uint32_t uidvalidity)
{
    struct readers_before before = {0};
    enum cache_order order;
    bool guess;
    if (look_back(sync->cache, place, &before) != CACHE_OK)
        return;
    int64_t now = clock_ms(), read_at = regard_read_at(sync, mailbox);
    bool just_now = read_at != 0 && now - read_at < OPENED_MS;
    pthread_mutex_lock(&sync->lock);
    struct readers *readers = &sync->ahead->readers;
    if (!readers_recognise(readers, message, &before, just_now, now, &order, &guess)) {
        pthread_mutex_unlock(&sync->lock);
        return;
    }
    struct reader *reader = readers_add(readers, now);
    reader->mailbox = mailbox;
    reader->uidvalidity = uidvalidity;
    reader->order = order;
    reader->guess = guess;
    reader->frontier = *place;
    atomic_store(&sync->ahead->active, readers->active);
    plan_unlock(sync, reader);
}

void ahead_missed(struct sync *sync, int64_t message, int64_t mailbox, uint32_t uidvalidity)
{
    struct cache_dentry place;
    if (opened(sync, message))
        return;
    if (cache_dentry_of(sync->cache, message, &place) == CACHE_OK)
        recognise(sync, message, &place, mailbox, uidvalidity);
}
