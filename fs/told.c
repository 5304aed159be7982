/*
 * What the kernel has been told.
 *
 * Sizes. Attributes are cached by the kernel without end, and RFC822.SIZE is an estimate that it
 * must not hold once the file is open (FUSE.md, "Sizes that are only estimates"). A body can come
 * without an open: its opener was interrupted, or it was fetched ahead. So open has to know whether
 * the kernel may still believe an estimate. `estimates` is a filter of one hashed bit an inode that
 * was ever told with an estimate: bits are only set, so it errs towards "may believe". `settled`
 * remembers, for 32 Ki inodes that hash to places of their own, that the kernel's attributes were
 * dropped since, until they are told an estimate again (the inode is another message's by then);
 * being thrown out of it costs one more invalidation. An estimate that was read from
 * the cache but is not noted yet is covered by `readers`: while somebody is between told_enter and
 * told_leave, every inode is suspect. An answer that reaches the kernel after the invalidation is
 * discarded by the kernel itself (its attr_version).
 *
 * Pages. Messages never change, so their pages stay; but a file that was written here is another
 * message afterwards, with the server's bytes. `written` and `fresh` are for pages what the two
 * above are for sizes.
 *
 * Entries. An opendir says whether the kernel may keep what it cached of the directory: only when
 * nothing changed between the opendir under which it was cached and this one. A change counts
 * before the kernel is notified, so a reply that overtakes the notice does no harm beyond its own
 * handle. Directories share 1024 places: a place that was taken over by another directory just
 * means "not good".
 */
#include "fs/told.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum {
    ESTIMATE_BITS = 1 << 20,
    ESTIMATE_WORDS = ESTIMATE_BITS / 32,
    SETTLED_PLACES = 1 << 15,
    DIRECTORY_PLACES = 1 << 10,
};

struct directory_place {
    uint64_t changes;   /* of any directory that falls here */
    uint64_t directory; /* last opened; 0: none */
    uint64_t opened_at; /* `changes` when it was opened */
};

struct told {
    atomic_uint readers;
    atomic_uint_least64_t highest; /* inode number told of */
    atomic_uint estimates[ESTIMATE_WORDS];
    atomic_uint_least64_t settled[SETTLED_PLACES];
    atomic_uint written[ESTIMATE_WORDS];
    atomic_uint_least64_t fresh[SETTLED_PLACES];
    pthread_mutex_t lock;
    struct directory_place directories[DIRECTORY_PLACES]; /* protected by lock */
};

struct told *told_new(void)
{
    struct told *told = calloc(1, sizeof(*told));

    if (told != NULL)
        pthread_mutex_init(&told->lock, NULL);
    return told;
}

void told_free(struct told **told)
{
    if (*told == NULL)
        return;
    pthread_mutex_destroy(&(*told)->lock);
    free(*told);
    *told = NULL;
}

void told_enter(struct told *told)
{
    atomic_fetch_add(&told->readers, 1);
}

void told_leave(struct told *told)
{
    atomic_fetch_sub(&told->readers, 1);
}

/* Inode numbers are dense, so their low bits spread best. */
static unsigned estimate_bit(uint64_t ino)
{
    return (unsigned)(ino % ESTIMATE_BITS);
}

void told_inode(struct told *told, uint64_t ino, bool exact)
{
    uint_least64_t highest = atomic_load(&told->highest);

    while (ino > highest && !atomic_compare_exchange_weak(&told->highest, &highest, ino))
        continue;
    if (!exact) {
        unsigned bit = estimate_bit(ino);
        uint_least64_t self = ino;
        atomic_fetch_or(&told->estimates[bit / 32], 1U << (bit % 32));
        atomic_compare_exchange_strong(&told->settled[ino % SETTLED_PLACES], &self, 0);
    }
}

bool told_knows(struct told *told, uint64_t ino)
{
    return atomic_load(&told->readers) != 0 || ino <= atomic_load(&told->highest);
}

bool told_suspect(struct told *told, uint64_t ino)
{
    unsigned bit = estimate_bit(ino);

    if (atomic_load(&told->settled[ino % SETTLED_PLACES]) == ino)
        return false;
    if (atomic_load(&told->readers) != 0)
        return true;
    return (atomic_load(&told->estimates[bit / 32]) >> (bit % 32) & 1) != 0;
}

void told_settled(struct told *told, uint64_t ino)
{
    atomic_store(&told->settled[ino % SETTLED_PLACES], ino);
}

void told_written(struct told *told, uint64_t ino)
{
    uint_least64_t self = ino;
    unsigned bit = estimate_bit(ino);

    atomic_fetch_or(&told->written[bit / 32], 1U << (bit % 32));
    atomic_compare_exchange_strong(&told->fresh[ino % SETTLED_PLACES], &self, 0);
}

bool told_pages_good(struct told *told, uint64_t ino)
{
    unsigned bit = estimate_bit(ino);

    if ((atomic_load(&told->written[bit / 32]) >> (bit % 32) & 1) == 0)
        return true;
    return atomic_exchange(&told->fresh[ino % SETTLED_PLACES], ino) == ino;
}

void told_directory_changed(struct told *told, uint64_t directory)
{
    pthread_mutex_lock(&told->lock);
    told->directories[directory % DIRECTORY_PLACES].changes++;
    pthread_mutex_unlock(&told->lock);
}

bool told_directory_opened(struct told *told, uint64_t directory)
{
    struct directory_place *place = &told->directories[directory % DIRECTORY_PLACES];
    bool good;

    pthread_mutex_lock(&told->lock);
    good = place->directory == directory && place->opened_at == place->changes;
    place->directory = directory;
    place->opened_at = place->changes;
    pthread_mutex_unlock(&told->lock);
    return good;
}
