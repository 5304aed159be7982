/* See memo.h. Inode numbers are dense, so their low bits choose the place. */
#include "cache/memo.h"

#include <stdlib.h>

void memo_init(struct memo *memo)
{
    atomic_init(&memo->epoch, 0);
    for (size_t i = 0; i < MEMO_LOCKS; i++)
        pthread_mutex_init(&memo->locks[i], NULL);
    memo->places = calloc(MEMO_PLACES, sizeof *memo->places);
}

void memo_destroy(struct memo *memo)
{
    for (size_t i = 0; i < MEMO_LOCKS; i++)
        pthread_mutex_destroy(&memo->locks[i]);
    free(memo->places);
    memo->places = NULL;
}

void memo_shut(struct memo *memo)
{
    atomic_fetch_add(&memo->epoch, 1);
}

void memo_reopen(struct memo *memo)
{
    atomic_fetch_add(&memo->epoch, 1);
}

uint64_t memo_epoch(struct memo *memo)
{
    return atomic_load(&memo->epoch);
}

bool memo_holds(struct memo *memo, uint64_t epoch)
{
    return epoch % 2 == 0 && atomic_load(&memo->epoch) == epoch;
}

bool memo_find(struct memo *memo, uint64_t ino, struct memo_entry *entry)
{
    pthread_mutex_t *lock = &memo->locks[ino % MEMO_LOCKS];
    if (memo->places == NULL)
        return false;
    pthread_mutex_lock(lock);
    *entry = memo->places[ino % MEMO_PLACES];
    pthread_mutex_unlock(lock);
    return entry->ino == ino && memo_holds(memo, entry->epoch);
}

void memo_keep(struct memo *memo, const struct memo_entry *entry)
{
    pthread_mutex_t *lock = &memo->locks[entry->ino % MEMO_LOCKS];
    if (memo->places == NULL || !memo_holds(memo, entry->epoch))
        return;
    pthread_mutex_lock(lock);
    memo->places[entry->ino % MEMO_PLACES] = *entry;
    pthread_mutex_unlock(lock);
}
