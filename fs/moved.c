/*
 * Names that stand for another inode than the kernel believes: a message that was written into has
 * a new version under its name, and the old one took its inode number along to the trash.
 *
 * The reply to the close waits until the notifier has had the kernel drop the name, without holding
 * up anybody: so who closed the file and walks to it again finds the new version. Others may be on
 * their way. Their request for the old number gets ESTALE, and the VFS looks the name up again:
 * until the kernel was told, and for an open until the number was shown at its new place.
 *
 * Fixed memory: with more than MOVED_MAX at once the oldest is given up, which costs a reader an
 * old version at worst. Any thread.
 */
#include "fs/internal.h"

#include <stdlib.h>

enum { MOVED_MAX = 64 };

struct moved_table {
    pthread_mutex_t lock;
    atomic_uint moved_count;
    /* Protected by lock: */
    struct moved {
        uint64_t ino;          /* 0: free */
        bool told;             /* the kernel dropped the name */
        struct errand *errand; /* over when it is told; NULL: it is */
    } moved[MOVED_MAX];
    unsigned next_moved;
};

struct moved_table *moved_new(void)
{
    struct moved_table *table = calloc(1, sizeof(*table));

    if (table != NULL)
        pthread_mutex_init(&table->lock, NULL);
    return table;
}

void moved_free(struct moved_table **table)
{
    if (*table == NULL)
        return;
    pthread_mutex_destroy(&(*table)->lock);
    free(*table);
    *table = NULL;
}

bool moved_on(const struct fs *fs, uint64_t ino, bool opened)
{
    struct moved_table *table = fs->moved;
    bool moved = false;

    if (table == NULL || atomic_load(&table->moved_count) == 0)
        return false;
    pthread_mutex_lock(&table->lock);
    for (int i = 0; i < MOVED_MAX && !moved; i++)
        moved = table->moved[i].ino == ino && (opened || !table->moved[i].told);
    pthread_mutex_unlock(&table->lock);
    return moved;
}

void moved_note(struct fs *fs, uint64_t ino, struct errand *errand)
{
    struct moved_table *table = fs->moved;
    struct moved *place, old;

    pthread_mutex_lock(&table->lock);
    place = &table->moved[table->next_moved++ % MOVED_MAX];
    old = *place;
    if (place->ino == 0)
        atomic_fetch_add(&table->moved_count, 1);
    *place = (struct moved){.ino = ino, .errand = errand};
    pthread_mutex_unlock(&table->lock);
    if (old.errand != NULL)
        publication_told(old.errand);
}

/* One whose errand can end, taken out. */
static struct errand *take_errand_locked(struct moved_table *table, uint64_t ino)
{
    for (int i = 0; i < MOVED_MAX; i++) {
        struct moved *moved = &table->moved[i];
        struct errand *errand = moved->errand;
        if (errand == NULL || (ino != 0 && moved->ino != ino))
            continue;
        moved->errand = NULL;
        return errand;
    }
    return NULL;
}

void moved_later(struct fs *fs, uint64_t ino)
{
    struct moved_table *table = fs->moved;
    struct errand *errand;

    if (table == NULL || atomic_load(&table->moved_count) == 0)
        return;
    do {
        pthread_mutex_lock(&table->lock);
        errand = take_errand_locked(table, ino);
        pthread_mutex_unlock(&table->lock);
        if (errand != NULL)
            publication_told(errand);
    } while (errand != NULL);
}

static void note_moved_locked(struct moved_table *table, uint64_t ino, bool shown)
{
    for (int i = 0; i < MOVED_MAX; i++) {
        struct moved *moved = &table->moved[i];
        if (moved->ino == 0 || (ino != 0 && moved->ino != ino))
            continue;
        moved->told = true;
        if (!shown || moved->errand != NULL)
            continue;
        moved->ino = 0;
        atomic_fetch_sub(&table->moved_count, 1);
    }
}

void moved_told(struct fs *fs, uint64_t ino, bool shown)
{
    struct moved_table *table = fs->moved;

    if (table == NULL || atomic_load(&table->moved_count) == 0)
        return;
    pthread_mutex_lock(&table->lock);
    note_moved_locked(table, ino, shown);
    pthread_mutex_unlock(&table->lock);
    if (!shown)
        moved_later(fs, ino);
}
