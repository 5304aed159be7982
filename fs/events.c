/*
 * A ring of single events, in order; a small set of directories in which too much happens; and a
 * thread.
 *
 * An event waits EVENT_LAG_MS before it is raised. Meanwhile later news of the same inode joins it:
 * what came and went again is never told, what came and changed just came. Our own upload or move
 * that a poll finds a moment before its outcome is known is such a case: the row that the poll made
 * goes again.
 *
 * At most EVENT_RATE are raised a second, as many at once after a pause (a token bucket). When that
 * is used up and more than EVENT_BACKLOG wait, every directory that has some waiting is flooded:
 * its events are dropped, and so are those that follow, until QUIET_MS passed without one. Then one
 * EVENT_DIRECTORY stands for them all; where quiet never comes, one every FLOOD_MS. A ring that is
 * full floods the directories of what comes on top.
 *
 * Everything is bounded. With more than FLOODS_MAX directories flooded, the root stands for the
 * rest of them.
 */
#include "fs/events.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/condition.h"

enum {
    RING_SIZE = 1024,
    FLOODS_MAX = 64,
    EVENT_LAG_MS = 100,
    EVENT_RATE = 300,
    EVENT_BACKLOG = 150,
    QUIET_MS = 500,
    FLOOD_MS = 5000,
};

struct queued {
    struct event event; /* EVENT_NONE: it was taken back */
    int64_t due;        /* clock_ms */
};

struct flood {
    uint64_t directory;
    int64_t since, last; /* clock_ms */
};

struct events {
    struct event_ops ops;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake; /* CLOCK_MONOTONIC */
    /* Protected by lock: */
    bool stopping, joined;
    size_t first, count; /* of the ring */
    struct queued ring[RING_SIZE];
    size_t flood_count;
    struct flood floods[FLOODS_MAX];
    /* The thread's own: */
    int64_t tokens; /* thousandths of an event */
    int64_t filled; /* clock_ms when they were counted */
};

/* ---- floods ---- */

static struct flood *find_flood_locked(struct events *e, uint64_t directory)
{
    for (size_t i = 0; i < e->flood_count; i++)
        if (e->floods[i].directory == directory)
            return &e->floods[i];
    return NULL;
}

static void flood_locked(struct events *e, uint64_t directory)
{
    int64_t now = clock_ms();
    struct flood *flood = find_flood_locked(e, directory);

    if (flood == NULL && e->flood_count >= FLOODS_MAX - 1 && directory != CACHE_ROOT_INO) {
        flood_locked(e, CACHE_ROOT_INO);
        return;
    }
    if (flood == NULL) {
        flood = &e->floods[e->flood_count++];
        *flood = (struct flood){.directory = directory, .since = now};
    }
    flood->last = now;
}

/* Everything that waits is too much. */
static void flood_all_locked(struct events *e)
{
    for (; e->count > 0; e->count--, e->first = (e->first + 1) % RING_SIZE)
        if (e->ring[e->first].event.kind != EVENT_NONE)
            flood_locked(e, e->ring[e->first].event.parent);
}

/* When this flood is to be told of. */
static int64_t flood_due(const struct flood *flood)
{
    int64_t quiet = flood->last + QUIET_MS, most = flood->since + FLOOD_MS;

    return quiet < most ? quiet : most;
}

/* ---- queue ---- */

static struct queued *newest_of_locked(struct events *e, uint64_t ino)
{
    for (size_t i = e->count; i > 0; i--) {
        struct queued *queued = &e->ring[(e->first + i - 1) % RING_SIZE];
        if (queued->event.kind != EVENT_NONE && queued->event.ino == ino)
            return queued;
    }
    return NULL;
}

/* Whether what is queued says it already, or the two cancel each other out. */
static bool joins_locked(struct events *e, const struct event *event)
{
    struct queued *queued = newest_of_locked(e, event->ino);

    if (queued == NULL)
        return false;
    if (event->kind == EVENT_ATTRIB)
        return queued->event.kind != EVENT_DELETE;
    if (event->kind == EVENT_DELETE && queued->event.kind == EVENT_ATTRIB) {
        queued->event.kind = EVENT_NONE;
        return joins_locked(e, event);
    }
    if (event->kind == EVENT_DELETE && queued->event.kind == EVENT_CREATE &&
        queued->event.parent == event->parent && strcmp(queued->event.name, event->name) == 0) {
        queued->event.kind = EVENT_NONE;
        return true;
    }
    return false;
}

static void add_locked(struct events *e, const struct event *event)
{
    if (joins_locked(e, event))
        return;
    if (e->count == RING_SIZE || find_flood_locked(e, event->parent) != NULL) {
        flood_locked(e, event->parent);
        return;
    }
    e->ring[(e->first + e->count++) % RING_SIZE] =
        (struct queued){.event = *event, .due = clock_ms() + EVENT_LAG_MS};
}

void events_note(struct events *e, const struct cache_change *change)
{
    struct event event = {.parent = change->parent,
                          .ino = change->ino,
                          .directory = change->directory,
                          .kind = change->gone   ? EVENT_DELETE
                                  : change->came ? EVENT_CREATE
                                                 : EVENT_ATTRIB};

    memcpy(event.name, change->name, sizeof(event.name));
    pthread_mutex_lock(&e->lock);
    add_locked(e, &event);
    pthread_cond_signal(&e->wake);
    pthread_mutex_unlock(&e->lock);
}

/* ---- the thread ---- */

static void fill_tokens(struct events *e)
{
    const int64_t most = (int64_t)EVENT_RATE * 1000;
    int64_t now = clock_ms();

    e->tokens += (now - e->filled) * EVENT_RATE;
    e->filled = now;
    if (e->tokens > most)
        e->tokens = most;
}

static bool take_single_locked(struct events *e, int64_t now, struct event *event)
{
    while (e->count > 0 && e->ring[e->first].due <= now) {
        *event = e->ring[e->first].event;
        e->first = (e->first + 1) % RING_SIZE;
        e->count--;
        if (event->kind != EVENT_NONE)
            return true;
    }
    return false;
}

static bool take_flood_locked(struct events *e, int64_t now, struct event *event)
{
    for (size_t i = 0; i < e->flood_count; i++) {
        if (flood_due(&e->floods[i]) > now)
            continue;
        *event = (struct event){.kind = EVENT_DIRECTORY, .ino = e->floods[i].directory};
        e->floods[i] = e->floods[--e->flood_count];
        return true;
    }
    return false;
}

/* The next event that may be raised now. */
static bool take_locked(struct events *e, struct event *event)
{
    int64_t now = clock_ms();

    fill_tokens(e);
    if (e->tokens < 1000) {
        if (e->count > EVENT_BACKLOG)
            flood_all_locked(e);
        return false;
    }
    if (!take_single_locked(e, now, event) && !take_flood_locked(e, now, event))
        return false;
    e->tokens -= 1000;
    return true;
}

/* clock_ms when there may be something to raise; INT64_MAX: not before something is noted. */
static int64_t next_due_locked(const struct events *e)
{
    int64_t due = e->count > 0 ? e->ring[e->first].due : INT64_MAX;
    int64_t token = e->filled + 1 + (1000 - e->tokens) / EVENT_RATE;

    for (size_t i = 0; i < e->flood_count; i++)
        if (flood_due(&e->floods[i]) < due)
            due = flood_due(&e->floods[i]);
    return e->tokens < 1000 && token > due ? token : due;
}

/* False: the end. */
static bool wait_for_event(struct events *e, struct event *event)
{
    bool stopping;

    pthread_mutex_lock(&e->lock);
    while (!e->stopping && !take_locked(e, event))
        condition_wait(&e->wake, &e->lock, next_due_locked(e));
    stopping = e->stopping;
    pthread_mutex_unlock(&e->lock);
    return !stopping;
}

static void *events_main(void *arg)
{
    struct events *e = arg;
    struct event event;

    while (wait_for_event(e, &event))
        e->ops.raise(e->ops.ctx, &event);
    return NULL;
}

/* ---- life ---- */

static void events_destroy(struct events *e)
{
    pthread_cond_destroy(&e->wake);
    pthread_mutex_destroy(&e->lock);
    free(e);
}

struct events *events_start(const struct event_ops *ops)
{
    struct events *e = calloc(1, sizeof(*e));

    if (e == NULL)
        return NULL;
    e->ops = *ops;
    e->tokens = (int64_t)EVENT_RATE * 1000;
    e->filled = clock_ms();
    pthread_mutex_init(&e->lock, NULL);
    condition_init(&e->wake);
    if (pthread_create(&e->thread, NULL, events_main, e) != 0) {
        events_destroy(e);
        return NULL;
    }
    return e;
}

bool events_stopping(struct events *e)
{
    bool stopping;

    pthread_mutex_lock(&e->lock);
    stopping = e->stopping;
    pthread_mutex_unlock(&e->lock);
    return stopping;
}

void events_halt(struct events *e)
{
    bool join;

    if (e == NULL)
        return;
    pthread_mutex_lock(&e->lock);
    e->stopping = true;
    join = !e->joined;
    e->joined = true;
    pthread_cond_signal(&e->wake);
    pthread_mutex_unlock(&e->lock);
    if (join)
        pthread_join(e->thread, NULL);
}

void events_stop(struct events **events)
{
    struct events *e = *events;

    if (e == NULL)
        return;
    events_halt(e);
    events_destroy(e);
    *events = NULL;
}
