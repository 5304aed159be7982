/*
 * What is remembered of each mailbox between two looks at it: when somebody read it last, so that
 * it is looked at before those that nobody reads; how old the knowledge of its flags is; and how it
 * stood on the server (STATUS) when the cache was last in step with it. A poll that hears the same
 * again has nothing to do, whatever the size of the mailbox.
 *
 * In memory alone: a new process asks anew. Any thread; all of it is protected by sync->lock.
 * Without memory nothing is remembered, and the next look does more than it need.
 */
#include "sync/regard.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

struct regard {
    int64_t mailbox;
    int64_t read_at;  /* clock_ms; 0: nobody did */
    int64_t flags_at; /* clock_ms when all flags were read; INT64_MIN: they were not */
    uint32_t flags_uid;
    struct standing standing;
};

/* The place of `mailbox` in the array, which is in order of ids. */
static size_t place_of(const struct sync *sync, int64_t mailbox)
{
    size_t low = 0, high = sync->regard_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (sync->regards[middle].mailbox < mailbox)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct regard *find_locked(struct sync *sync, int64_t mailbox)
{
    size_t at = place_of(sync, mailbox);
    bool found = at < sync->regard_count && sync->regards[at].mailbox == mailbox;
    return found ? &sync->regards[at] : NULL;
}

/* Never more of them than mailboxes that this process has seen. */
static struct regard *regard_locked(struct sync *sync, int64_t mailbox)
{
    struct regard *found = find_locked(sync, mailbox);
    if (found != NULL)
        return found;
    if (sync->regard_count == sync->regard_room) {
        size_t room = sync->regard_room * 2 + 16;
        struct regard *more = realloc(sync->regards, room * sizeof *more);
        if (more == NULL)
            return NULL;
        sync->regards = more;
        sync->regard_room = room;
    }
    size_t at = place_of(sync, mailbox);
    memmove(&sync->regards[at + 1], &sync->regards[at],
            (sync->regard_count - at) * sizeof *sync->regards);
    sync->regard_count++;
    sync->regards[at] = (struct regard){.mailbox = mailbox, .flags_at = INT64_MIN};
    return &sync->regards[at];
}

void regard_read(struct sync *sync, int64_t mailbox)
{
    pthread_mutex_lock(&sync->lock);
    struct regard *regard = regard_locked(sync, mailbox);
    if (regard != NULL)
        regard->read_at = clock_ms();
    pthread_mutex_unlock(&sync->lock);
}

int64_t regard_read_at(struct sync *sync, int64_t mailbox)
{
    pthread_mutex_lock(&sync->lock);
    const struct regard *regard = find_locked(sync, mailbox);
    int64_t at = regard != NULL ? regard->read_at : 0;
    pthread_mutex_unlock(&sync->lock);
    return at;
}

/* ---- flags ---- */

bool regard_flags_older(struct sync *sync, int64_t mailbox, int64_t ms)
{
    int64_t now = clock_ms();
    pthread_mutex_lock(&sync->lock);
    const struct regard *regard = find_locked(sync, mailbox);
    bool old = regard == NULL || regard->flags_at == INT64_MIN || now - regard->flags_at > ms;
    pthread_mutex_unlock(&sync->lock);
    return old;
}

bool regard_flags_old(struct sync *sync, int64_t mailbox)
{
    return regard_flags_older(sync, mailbox, FLAGS_FRESH_MS);
}

void regard_flags_read(struct sync *sync, int64_t mailbox)
{
    pthread_mutex_lock(&sync->lock);
    struct regard *regard = regard_locked(sync, mailbox);
    if (regard != NULL)
        regard->flags_at = clock_ms();
    pthread_mutex_unlock(&sync->lock);
}

uint32_t regard_flags_uid(struct sync *sync, int64_t mailbox)
{
    pthread_mutex_lock(&sync->lock);
    const struct regard *regard = find_locked(sync, mailbox);
    uint32_t uid = regard != NULL ? regard->flags_uid : 0;
    pthread_mutex_unlock(&sync->lock);
    return uid;
}

void regard_flags_reached(struct sync *sync, int64_t mailbox, uint32_t uid)
{
    pthread_mutex_lock(&sync->lock);
    struct regard *regard = regard_locked(sync, mailbox);
    if (regard != NULL)
        regard->flags_uid = uid;
    pthread_mutex_unlock(&sync->lock);
}

/* ---- how it stood ---- */

bool regard_standing(struct sync *sync, int64_t mailbox, struct standing *standing)
{
    pthread_mutex_lock(&sync->lock);
    const struct regard *regard = find_locked(sync, mailbox);
    bool known = regard != NULL && regard->standing.present != 0;
    if (known)
        *standing = regard->standing;
    pthread_mutex_unlock(&sync->lock);
    return known;
}

void regard_in_step(struct sync *sync, int64_t mailbox, const struct standing *standing)
{
    pthread_mutex_lock(&sync->lock);
    struct regard *regard = regard_locked(sync, mailbox);
    if (regard != NULL)
        regard->standing = *standing;
    pthread_mutex_unlock(&sync->lock);
}

void regard_listed(struct sync *sync, int64_t mailbox, const struct imap_selected *selected,
                   uint64_t modseq)
{
    pthread_mutex_lock(&sync->lock);
    struct regard *regard = find_locked(sync, mailbox);
    if (regard != NULL && regard->standing.present != 0 &&
        regard->standing.uidvalidity == selected->uidvalidity) {
        regard->standing.messages = selected->exists;
        if (selected->uidnext != 0)
            regard->standing.uidnext = selected->uidnext;
        if (modseq != 0)
            regard->standing.modseq = modseq;
    }
    pthread_mutex_unlock(&sync->lock);
}

void regards_free(struct sync *sync)
{
    free(sync->regards);
    sync->regards = NULL;
    sync->regard_count = sync->regard_room = 0;
}
