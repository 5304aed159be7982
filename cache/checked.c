/*
 * cache_mailbox.checked_ms: when this process last saw a mailbox whole. It says nothing after a
 * restart, so it lives in memory: one pair a mailbox, sorted by id.
 */
#include <stdlib.h>
#include <string.h>

#include "cache/internal.h"

void checked_init(struct checked *checked)
{
    *checked = (struct checked){0};
    pthread_mutex_init(&checked->lock, NULL);
}

void checked_destroy(struct checked *checked)
{
    pthread_mutex_destroy(&checked->lock);
    free(checked->entries);
}

/* Where the entry of `mailbox` is or would stand. */
static size_t place_of(const struct checked *checked, int64_t mailbox)
{
    size_t low = 0, high = checked->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (checked->entries[middle].mailbox < mailbox)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int64_t checked_get(struct checked *checked, int64_t mailbox)
{
    pthread_mutex_lock(&checked->lock);
    size_t at = place_of(checked, mailbox);
    bool here = at < checked->count && checked->entries[at].mailbox == mailbox;
    int64_t ms = here ? checked->entries[at].ms : 0;
    pthread_mutex_unlock(&checked->lock);
    return ms;
}

void cache_mailbox_checked(struct cache *cache, int64_t mailbox, int64_t now_ms)
{
    struct checked *checked = &cache->checked;
    pthread_mutex_lock(&checked->lock);
    size_t at = place_of(checked, mailbox);
    if (at == checked->count || checked->entries[at].mailbox != mailbox) {
        struct checked_entry *entries =
            realloc(checked->entries, (checked->count + 1) * sizeof *entries);
        if (entries == NULL)
            goto out; /* it only means that the mailbox is refreshed sooner */
        memmove(entries + at + 1, entries + at, (checked->count - at) * sizeof *entries);
        checked->entries = entries;
        checked->count++;
    }
    checked->entries[at] = (struct checked_entry){mailbox, now_ms};
out:
    pthread_mutex_unlock(&checked->lock);
}
