/*
 * Which messages clerks are at work on, so that no two prepare changes of one at once, and no
 * outcome is noted while what follows it is being foreshown: where a message is, what is to become
 * of it, and what the cache shows of that change together. The same for a name that is to be given:
 * what has it now makes way for one alone.
 *
 * Who holds one waits for the disk, and for no other hold: all that it needs it takes at once.
 * Clerks run all of this; the list is protected by sync->lock.
 */
#include "sync/carry.h"

/* FNV-1a; negative, as no message is. */
int64_t hold_name(int64_t mailbox, const char *name)
{
    uint64_t hash = UINT64_C(14695981039346656037) ^ (uint64_t)mailbox;
    if (name == NULL)
        return 0;
    for (; *name != '\0'; name++)
        hash = (hash ^ (unsigned char)*name) * UINT64_C(1099511628211);
    return -1 - (int64_t)(hash >> 1);
}

static bool shares(const struct hold *a, const struct hold *b)
{
    for (int i = 0; i < HOLD_MAX; i++) {
        for (int k = 0; k < HOLD_MAX; k++) {
            if (a->keys[i] != 0 && a->keys[i] == b->keys[k])
                return true;
        }
    }
    return false;
}

static bool free_locked(const struct sync *sync, const struct hold *hold)
{
    const struct hold *other = sync->holds;
    while (other != NULL && !shares(other, hold))
        other = other->next;
    return other == NULL;
}

void hold_take(struct sync *sync, struct hold *hold)
{
    pthread_mutex_lock(&sync->lock);
    while (!free_locked(sync, hold))
        pthread_cond_wait(&sync->hold_over, &sync->lock);
    hold->next = sync->holds;
    sync->holds = hold;
    pthread_mutex_unlock(&sync->lock);
}

void hold_release(struct sync *sync, struct hold *hold)
{
    pthread_mutex_lock(&sync->lock);
    struct hold **at = &sync->holds;
    while (*at != hold)
        at = &(*at)->next;
    *at = hold->next;
    pthread_cond_broadcast(&sync->hold_over);
    pthread_mutex_unlock(&sync->lock);
}
