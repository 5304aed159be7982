/*
 * The notifier: a bounded queue in two parts, and a thread.
 *
 * Directories that changed are a set: however many messages land in one, it is named once a round.
 * Notices about single inodes stand in a ring, in order. Rounds are NOTIFY_LAG_MS apart, which lets
 * a first listing's thousands of changes collapse, and is nothing beside the 2 s that CONTRACT.md
 * section 4 allows.
 *
 * Either part may be full (a mailbox of 100,000 messages whose UIDVALIDITY changed). Names are
 * cached by the kernel without end, so a notice must not be lost: then one notice replaces all of
 * them, "everything".
 *
 * Within a round the single notices go first: a name must be dropped before a listing is read anew.
 */
#include "fs/notify.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/condition.h"
#include "cache/cache.h"

enum { RING_SIZE = 4096, DIRECTORIES_MAX = 256, NOTIFY_LAG_MS = 30 };

struct notice {
    uint64_t parent; /* 0: attributes of ino */
    uint64_t ino;
    char name[CACHE_NAME_MAX + 1];
};

struct notifier {
    struct notify_ops ops;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake; /* CLOCK_MONOTONIC */
    /* Protected by lock: */
    bool stopping, halted;
    bool hurry;   /* the next round does not wait */
    bool lagging; /* the next round comes by itself */
    bool overflowed;
    size_t first, count; /* of the ring */
    size_t directory_count;
    uint64_t directories[DIRECTORIES_MAX];
    struct notice ring[RING_SIZE];
};

/* A thousand changes wake the thread once a round. */
static void stir_locked(struct notifier *n)
{
    if (!n->lagging)
        pthread_cond_signal(&n->wake);
}

static bool add_directory_locked(struct notifier *n, uint64_t ino)
{
    for (size_t i = n->directory_count; i > 0; i--)
        if (n->directories[i - 1] == ino)
            return true;
    if (n->directory_count == DIRECTORIES_MAX)
        return false;
    n->directories[n->directory_count++] = ino;
    return true;
}

static bool add_notice_locked(struct notifier *n, uint64_t parent, uint64_t ino, const char *name)
{
    struct notice *notice;

    if (n->overflowed)
        return true;
    if (n->count == RING_SIZE)
        return false;
    notice = &n->ring[(n->first + n->count++) % RING_SIZE];
    notice->parent = parent;
    notice->ino = ino;
    snprintf(notice->name, sizeof(notice->name), "%s", name);
    return true;
}

void notify_directory(struct notifier *n, uint64_t ino)
{
    pthread_mutex_lock(&n->lock);
    if (!add_directory_locked(n, ino))
        n->overflowed = true;
    stir_locked(n);
    pthread_mutex_unlock(&n->lock);
}

void notify_attributes(struct notifier *n, uint64_t ino)
{
    pthread_mutex_lock(&n->lock);
    if (!add_notice_locked(n, 0, ino, ""))
        n->overflowed = true;
    stir_locked(n);
    pthread_mutex_unlock(&n->lock);
}

void notify_gone(struct notifier *n, uint64_t parent, uint64_t ino, const char *name)
{
    pthread_mutex_lock(&n->lock);
    if (!add_notice_locked(n, parent, ino, name) || !add_directory_locked(n, parent))
        n->overflowed = true;
    stir_locked(n);
    pthread_mutex_unlock(&n->lock);
}

bool notify_gone_now(struct notifier *n, uint64_t parent, uint64_t ino, const char *name)
{
    bool heard;

    pthread_mutex_lock(&n->lock);
    heard = !n->stopping;
    n->hurry = true;
    if (!add_notice_locked(n, parent, ino, name) || !add_directory_locked(n, parent))
        n->overflowed = true;
    pthread_cond_signal(&n->wake);
    pthread_mutex_unlock(&n->lock);
    return heard;
}

/* The oldest single notice. False: none, they became too many, or the mount ends. */
static bool take_notice(struct notifier *n, struct notice *notice)
{
    bool taken = false;

    pthread_mutex_lock(&n->lock);
    if (n->count > 0 && !n->overflowed && !n->stopping) {
        *notice = n->ring[n->first];
        n->first = (n->first + 1) % RING_SIZE;
        n->count--;
        taken = true;
    }
    pthread_mutex_unlock(&n->lock);
    return taken;
}

/* The directories that changed; their number. */
static size_t take_directories(struct notifier *n, uint64_t *directories, bool *everything)
{
    size_t count;

    pthread_mutex_lock(&n->lock);
    count = n->stopping ? 0 : n->directory_count;
    for (size_t i = 0; i < count; i++)
        directories[i] = n->directories[i];
    *everything = n->overflowed && !n->stopping;
    if (n->overflowed)
        n->count = 0;
    n->directory_count = 0;
    n->overflowed = false;
    pthread_mutex_unlock(&n->lock);
    return count;
}

static size_t notices_queued(struct notifier *n)
{
    size_t count;

    pthread_mutex_lock(&n->lock);
    count = n->count;
    pthread_mutex_unlock(&n->lock);
    return count;
}

static void tell_round(struct notifier *n)
{
    uint64_t directories[DIRECTORIES_MAX];
    struct notice notice;
    bool everything;
    size_t count, left = notices_queued(n);

    for (; left > 0 && take_notice(n, &notice); left--) {
        if (notice.parent == 0)
            n->ops.attributes(n->ops.ctx, notice.ino);
        else if (!n->ops.gone(n->ops.ctx, notice.parent, notice.ino, notice.name))
            notify_gone(n, notice.parent, notice.ino, notice.name);
    }
    count = take_directories(n, directories, &everything);
    if (everything)
        n->ops.everything(n->ops.ctx);
    for (size_t i = 0; i < count; i++)
        n->ops.directory(n->ops.ctx, directories[i]);
}

/* Lets changes gather, and comes back early when the mount ends. */
static void lag_locked(struct notifier *n)
{
    int64_t until = clock_ms() + NOTIFY_LAG_MS;

    n->lagging = true;
    while (!n->stopping && !n->hurry && condition_wait(&n->wake, &n->lock, until))
        continue;
    n->hurry = n->lagging = false;
}

static bool wait_for_notices(struct notifier *n)
{
    bool go;

    pthread_mutex_lock(&n->lock);
    while (!n->stopping && n->count == 0 && n->directory_count == 0 && !n->overflowed)
        pthread_cond_wait(&n->wake, &n->lock);
    lag_locked(n);
    go = !n->stopping;
    pthread_mutex_unlock(&n->lock);
    return go;
}

static void *notifier_main(void *arg)
{
    struct notifier *n = arg;

    while (wait_for_notices(n))
        tell_round(n);
    return NULL;
}

static void notifier_destroy(struct notifier *n)
{
    pthread_cond_destroy(&n->wake);
    pthread_mutex_destroy(&n->lock);
    free(n);
}

struct notifier *notifier_start(const struct notify_ops *ops)
{
    struct notifier *n = calloc(1, sizeof(*n));

    if (n == NULL)
        return NULL;
    n->ops = *ops;
    pthread_mutex_init(&n->lock, NULL);
    condition_init(&n->wake);
    if (pthread_create(&n->thread, NULL, notifier_main, n) != 0) {
        notifier_destroy(n);
        return NULL;
    }
    return n;
}

void notifier_halt(struct notifier *n)
{
    bool join;

    if (n == NULL)
        return;
    pthread_mutex_lock(&n->lock);
    n->stopping = true;
    join = !n->halted;
    n->halted = true;
    pthread_cond_signal(&n->wake);
    pthread_mutex_unlock(&n->lock);
    if (join)
        pthread_join(n->thread, NULL);
}

void notifier_stop(struct notifier **notifier)
{
    struct notifier *n = *notifier;

    if (n == NULL)
        return;
    notifier_halt(n);
    notifier_destroy(n);
    *notifier = NULL;
}
