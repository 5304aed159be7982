/*
 * Where a mailbox's UIDs stand, and which of them are ours.
 *
 * A bearing is the UIDNEXT that a change to come may count on: what the mailbox gives out later has
 * this UID at least. A claim is a UID that is the outcome of a change of ours already, so that no
 * other change takes it for its own; the last CLAIMS_MAX are kept. Both are of this process only
 * and protected by sync->lock. What a change of ours takes away has not gone by itself, either.
 *
 * Any thread. Without memory nothing is known, and the server is asked.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/order.h"
#include "sync/carry.h"

static struct bearing *bearing_locked(struct sync *sync, int64_t mailbox)
{
    for (size_t i = 0; i < sync->bearing_count; i++) {
        if (sync->bearings[i].mailbox == mailbox)
            return &sync->bearings[i];
    }
    struct bearing *more = realloc(sync->bearings, (sync->bearing_count + 1) * sizeof *more);
    if (more == NULL)
        return NULL;
    sync->bearings = more;
    more[sync->bearing_count] = (struct bearing){.mailbox = mailbox};
    return &more[sync->bearing_count++];
}

void bearings_note(struct sync *sync, int64_t mailbox, uint32_t uidvalidity, uint32_t uidnext)
{
    if (uidvalidity == 0 || mailbox == 0)
        return;
    pthread_mutex_lock(&sync->lock);
    struct bearing *bearing = bearing_locked(sync, mailbox);
    if (bearing != NULL && bearing->uidvalidity != uidvalidity)
        *bearing = (struct bearing){mailbox, uidvalidity, uidnext, bearing->put_off};
    else if (bearing != NULL && uidnext > bearing->uidnext)
        bearing->uidnext = uidnext;
    pthread_mutex_unlock(&sync->lock);
}

/* The later of what this process saw and what the cache knows. */
bool bearings_get(struct sync *sync, int64_t mailbox, uint32_t *uidvalidity, uint32_t *uidnext)
{
    struct cache_mailbox row = {0};
    if (cache_mailbox_get(sync->cache, mailbox, &row) == CACHE_OK && row.uidvalidity != 0)
        bearings_note(sync, mailbox, row.uidvalidity,
                      row.uidnext > row.listed_uid ? row.uidnext
                      : row.listed                 ? row.listed_uid + 1
                                                   : 0);
    cache_mailbox_free(&row);
    pthread_mutex_lock(&sync->lock);
    struct bearing *bearing = bearing_locked(sync, mailbox);
    bool known = bearing != NULL && bearing->uidvalidity != 0 && bearing->uidnext != 0;
    if (known) {
        *uidvalidity = bearing->uidvalidity;
        *uidnext = bearing->uidnext;
    }
    pthread_mutex_unlock(&sync->lock);
    return known;
}

static bool arriving_locked(const struct sync *sync, int64_t mailbox)
{
    for (const struct change *change = sync->changes; change != NULL; change = change->all_next) {
        if (change->target == mailbox && change->staged != 0 && change->background && change->sent)
            return true;
    }
    return false;
}

/* A file that stands for the message that it becomes would be listed beside it, if a refresh were
 * faster than the outcome. One that comes meanwhile is content with what the cache has; not for
 * longer than any listing may be old, though. */
bool refresh_put_off(struct sync *sync, int64_t mailbox)
{
    int64_t now = clock_ms();
    pthread_mutex_lock(&sync->lock);
    struct bearing *bearing = bearing_locked(sync, mailbox);
    bool off = bearing != NULL && arriving_locked(sync, mailbox) &&
               (bearing->put_off == 0 || now - bearing->put_off < PUT_OFF_MS);
    if (bearing != NULL)
        bearing->put_off = !off ? 0 : bearing->put_off != 0 ? bearing->put_off : now;
    pthread_mutex_unlock(&sync->lock);
    return off;
}

/* ---- what leaves ---- */

static bool moves_away(const struct change *change, int64_t mailbox, uint32_t uidvalidity)
{
    return change->kind == JOURNAL_MOVE && !change->held && change->mailbox == mailbox &&
           change->row.intent.uidvalidity == uidvalidity && change->row.intent.uid != 0;
}

/* Their UIDs, ascending; malloc, NULL: there are none, or (*good false) no memory. */
static uint32_t *leaving(struct sync *sync, int64_t mailbox, uint32_t uidvalidity, size_t *count,
                         bool *good)
{
    uint32_t *uids = NULL;
    size_t room = 0;
    *count = 0;
    pthread_mutex_lock(&sync->lock);
    for (const struct change *change = sync->changes; change != NULL; change = change->all_next)
        room += moves_away(change, mailbox, uidvalidity);
    if (room > 0)
        uids = malloc(room * sizeof *uids);
    *good = room == 0 || uids != NULL;
    for (const struct change *change = sync->changes; change != NULL && uids != NULL;
         change = change->all_next) {
        if (moves_away(change, mailbox, uidvalidity))
            uids[(*count)++] = change->row.intent.uid;
    }
    pthread_mutex_unlock(&sync->lock);
    if (uids != NULL)
        qsort(uids, *count, sizeof *uids, order_u32);
    return uids;
}

size_t leaving_spare(struct sync *sync, int64_t mailbox, uint32_t uidvalidity, uint32_t *uids,
                     size_t count)
{
    bool good;
    size_t ours_count, kept = 0;
    uint32_t *ours = leaving(sync, mailbox, uidvalidity, &ours_count, &good);
    for (size_t i = 0; i < count && good; i++) {
        if (ours == NULL || bsearch(&uids[i], ours, ours_count, sizeof *ours, order_u32) == NULL)
            uids[kept++] = uids[i];
    }
    free(ours);
    return kept;
}

void claim_note(struct sync *sync, int64_t mailbox, uint32_t uidvalidity, uint32_t uid)
{
    if (uid == 0)
        return;
    bearings_note(sync, mailbox, uidvalidity, uid + 1);
    pthread_mutex_lock(&sync->lock);
    if (sync->claims == NULL)
        sync->claims = calloc(CLAIMS_MAX, sizeof *sync->claims);
    if (sync->claims != NULL) {
        sync->claims[sync->claim_next] = (struct claim){mailbox, uidvalidity, uid};
        sync->claim_next = (sync->claim_next + 1) % CLAIMS_MAX;
        if (sync->claim_count < CLAIMS_MAX)
            sync->claim_count++;
    }
    pthread_mutex_unlock(&sync->lock);
}

bool claim_taken(struct sync *sync, int64_t mailbox, uint32_t uidvalidity, uint32_t uid)
{
    bool taken = false;
    pthread_mutex_lock(&sync->lock);
    for (size_t i = 0; i < sync->claim_count && !taken; i++)
        taken = sync->claims[i].mailbox == mailbox && sync->claims[i].uidvalidity == uidvalidity &&
                sync->claims[i].uid == uid;
    pthread_mutex_unlock(&sync->lock);
    return taken;
}

/* ---- flags ---- */

void stored_note(struct sync *sync, int64_t mailbox, uint32_t uid)
{
    pthread_mutex_lock(&sync->lock);
    if (sync->stored == NULL)
        sync->stored = calloc(CLAIMS_MAX, sizeof *sync->stored);
    if (sync->stored != NULL) {
        sync->stored[sync->stored_next] = (struct stored){mailbox, clock_ms(), uid};
        sync->stored_next = (sync->stored_next + 1) % CLAIMS_MAX;
        if (sync->stored_count < CLAIMS_MAX)
            sync->stored_count++;
    }
    pthread_mutex_unlock(&sync->lock);
}

/* Their UIDs; malloc, NULL: there are none, or no memory. With lock. */
static uint32_t *storing_locked(struct sync *sync, int64_t mailbox, int64_t asked, size_t *count)
{
    size_t room = sync->stored_count;
    for (const struct change *c = sync->changes; c != NULL; c = c->all_next)
        room += c->kind == JOURNAL_STORE && c->mailbox == mailbox;
    uint32_t *uids = room > 0 ? malloc(room * sizeof *uids) : NULL;
    *count = 0;
    for (size_t i = 0; i < sync->stored_count && uids != NULL; i++) {
        if (sync->stored[i].mailbox == mailbox && sync->stored[i].at >= asked)
            uids[(*count)++] = sync->stored[i].uid;
    }
    for (const struct change *c = sync->changes; c != NULL && uids != NULL; c = c->all_next) {
        if (c->kind == JOURNAL_STORE && c->mailbox == mailbox && !c->held)
            uids[(*count)++] = c->row.intent.uid;
    }
    return uids;
}

size_t stored_spare(struct sync *sync, int64_t mailbox, int64_t asked,
                    struct cache_new_flags *flags, size_t count)
{
    size_t ours_count, kept = 0;
    pthread_mutex_lock(&sync->lock);
    uint32_t *ours = storing_locked(sync, mailbox, asked, &ours_count);
    pthread_mutex_unlock(&sync->lock);
    if (ours == NULL)
        return count;
    qsort(ours, ours_count, sizeof *ours, order_u32);
    for (size_t i = 0; i < count; i++) {
        if (bsearch(&flags[i].uid, ours, ours_count, sizeof *ours, order_u32) == NULL)
            flags[kept++] = flags[i];
    }
    free(ours);
    return kept;
}
