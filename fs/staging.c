/*
 * See staging.h: the table, and the bytes. The state machine is in publish.c.
 *
 * Locks: `io` of one staged file first, then the table's. Neither is held while sync is called. A
 * write to a spool, and the copying of a cached body into one, happen under `io`: that is the disk,
 * without waiting for it.
 */
#include "fs/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

enum { PLACES = 1024, BLOCK = 128 * 1024 };

struct staging {
    pthread_mutex_t lock;
    atomic_uint count;
    /* Protected by lock: */
    struct staged *places[PLACES];
};

struct staging *staging_new(void)
{
    struct staging *staging = calloc(1, sizeof(*staging));

    if (staging != NULL)
        pthread_mutex_init(&staging->lock, NULL);
    return staging;
}

/* ---- the table ---- */

static struct staged **place_of(struct staging *staging, uint64_t ino)
{
    return &staging->places[ino % PLACES];
}

static struct staged *find_locked(struct staging *staging, uint64_t ino)
{
    struct staged *s = *place_of(staging, ino);

    while (s != NULL && s->ino != ino)
        s = s->next;
    if (s != NULL)
        s->references++;
    return s;
}

struct staged *staged_find(const struct fs *fs, uint64_t ino)
{
    struct staging *staging = fs->staging;
    struct staged *staged;

    if (staging == NULL || atomic_load(&staging->count) == 0)
        return NULL;
    pthread_mutex_lock(&staging->lock);
    staged = find_locked(staging, ino);
    pthread_mutex_unlock(&staging->lock);
    return staged;
}

/* With commit=journal sync may have its bytes: it was published, or is a link, and is still to be
 * sent. What sync does not have any more is a message by now. */
static void adopt_pending(struct staged *staged)
{
    struct cache_inode inode;

    staged->published =
        sync_pending(staged->fs->sync, staged->ino, &staged->spool, &staged->awaits);
    if (!staged->published && cache_inode_get(staged->fs->cache, staged->ino, &inode) == CACHE_OK &&
        inode.kind == CACHE_MESSAGE) {
        staged->inode = inode;
        staged->message = inode.message;
    }
}

static struct staged *staged_new(struct fs *fs, const struct cache_inode *inode)
{
    struct staged *staged = calloc(1, sizeof(*staged));

    if (staged == NULL)
        return NULL;
    pthread_mutex_init(&staged->io, NULL);
    staged->fs = fs;
    staged->ino = inode->ino;
    staged->inode = *inode;
    staged->shown = inode->ino;
    staged->message = inode->kind == CACHE_MESSAGE ? inode->message : 0;
    staged->mtime = inode->mtime;
    if (inode->kind == CACHE_STAGED)
        adopt_pending(staged);
    return staged;
}

static void staged_free(struct staged *staged)
{
    if (staged->base != 0)
        cache_body_unpin(staged->fs->cache, staged->base);
    journal_spool_close(&staged->spool);
    pthread_mutex_destroy(&staged->io);
    free(staged->flags);
    free(staged);
}

struct staged *staged_get(struct fs *fs, const struct cache_inode *inode)
{
    struct staging *staging = fs->staging;
    struct staged *staged = staged_find(fs, inode->ino), *fresh;

    if (staged != NULL)
        return staged;
    fresh = staged_new(fs, inode);
    if (fresh == NULL)
        return NULL;
    pthread_mutex_lock(&staging->lock);
    staged = find_locked(staging, inode->ino);
    if (staged == NULL) {
        staged = fresh;
        fresh = NULL;
        staged->references = 2; /* the table's, and the caller's */
        staged->tabled = true;
        staged->next = *place_of(staging, inode->ino);
        *place_of(staging, inode->ino) = staged;
        atomic_fetch_add(&staging->count, 1);
    }
    pthread_mutex_unlock(&staging->lock);
    if (fresh != NULL)
        staged_free(fresh);
    return staged;
}

void staged_hold(struct staged *staged)
{
    pthread_mutex_lock(&staged->fs->staging->lock);
    staged->references++;
    pthread_mutex_unlock(&staged->fs->staging->lock);
}

void staged_drop(struct staged *staged)
{
    struct staging *staging;
    bool last;

    if (staged == NULL)
        return;
    staging = staged->fs->staging;
    pthread_mutex_lock(&staging->lock);
    last = --staged->references == 0;
    pthread_mutex_unlock(&staging->lock);
    if (last)
        staged_free(staged);
}

/* Takes it out of the table; the caller holds io, and a reference. */
void staged_untable(struct staged *staged)
{
    struct staging *staging = staged->fs->staging;
    struct staged **at = place_of(staging, staged->ino);

    pthread_mutex_lock(&staging->lock);
    if (staged->tabled) {
        while (*at != staged)
            at = &(*at)->next;
        *at = staged->next;
        staged->tabled = false;
        staged->references--;
        atomic_fetch_sub(&staging->count, 1);
    }
    pthread_mutex_unlock(&staging->lock);
}

void staging_free(struct fs *fs)
{
    struct staging *staging = fs->staging;

    if (staging == NULL)
        return;
    for (int i = 0; i < PLACES; i++) {
        while (staging->places[i] != NULL) {
            struct staged *staged = staging->places[i];
            staging->places[i] = staged->next;
            staged_free(staged);
        }
    }
    pthread_mutex_destroy(&staging->lock);
    free(staging);
    fs->staging = NULL;
}

/* The lowest number above `after` of those in `.Trash-UID/info`, or the one with this name. They
 * are few. */
static struct staged *search_info(struct fs *fs, const char *name, uint64_t after)
{
    struct staging *staging = fs->staging;
    struct staged *best = NULL;

    pthread_mutex_lock(&staging->lock);
    for (int i = 0; i < PLACES; i++) {
        for (struct staged *s = staging->places[i]; s != NULL; s = s->next) {
            bool fits = s->info && !s->unlinked && s->ino > after &&
                        (name == NULL || strcmp(name, s->inode.name) == 0);
            if (fits && (best == NULL || s->ino < best->ino))
                best = s;
        }
    }
    if (best != NULL)
        best->references++;
    pthread_mutex_unlock(&staging->lock);
    return best;
}

struct staged *staged_find_info(struct fs *fs, const char *name)
{
    return search_info(fs, name, 0);
}

struct staged *staged_next_info(struct fs *fs, uint64_t after)
{
    return search_info(fs, NULL, after);
}

void staged_enter_info(struct staged *staged)
{
    pthread_mutex_lock(&staged->io);
    pthread_mutex_lock(&staged->fs->staging->lock);
    staged->info = true;
    pthread_mutex_unlock(&staged->fs->staging->lock);
    pthread_mutex_unlock(&staged->io);
}

void staged_rename_info(struct staged *staged, const char *name)
{
    pthread_mutex_lock(&staged->io);
    pthread_mutex_lock(&staged->fs->staging->lock);
    snprintf(staged->inode.name, sizeof(staged->inode.name), "%s", name);
    pthread_mutex_unlock(&staged->fs->staging->lock);
    pthread_mutex_unlock(&staged->io);
}

/* ---- handles ---- */

bool staged_attach(struct staged *staged, struct handle *handle)
{
    bool good;

    pthread_mutex_lock(&staged->io);
    good = staged->tabled;
    if (good) {
        staged->handles++;
        handle->staged = staged;
        handle->inode = staged->inode;
    }
    pthread_mutex_unlock(&staged->io);
    if (good)
        staged_hold(staged);
    return good;
}

void staged_detach(struct handle *handle)
{
    struct staged *staged = handle->staged;

    if (staged == NULL)
        return;
    handle->staged = NULL;
    pthread_mutex_lock(&staged->io);
    staged->handles--;
    pthread_mutex_unlock(&staged->io);
    staged_settle(staged);
    staged_drop(staged);
}

/* ---- bytes; io is held ---- */

uint64_t staged_size(const struct staged *staged)
{
    if (staged->spool != NULL)
        return journal_spool_size(staged->spool);
    return staged->base != 0 ? staged->base_size : 0;
}

bool staged_live(const struct staged *staged)
{
    return staged->inode.kind == CACHE_STAGED || (staged->dirty && !staged->abandoned);
}

bool staged_is_scratch(const struct staged *staged)
{
    return staged->info ||
           (staged->inode.kind == CACHE_STAGED && name_is_scratch(staged->inode.name));
}

int staged_read(struct staged *staged, uint64_t offset, void *data, size_t size, size_t *got)
{
    enum cache_error error = CACHE_OK;
    uint64_t whole = staged_size(staged);

    *got = 0;
    if (offset >= whole)
        return 0;
    if (size > whole - offset)
        size = (size_t)(whole - offset);
    if (staged->spool != NULL)
        error = journal_spool_read(staged->spool, offset, data, size, got);
    else
        error = cache_body_read(staged->fs->cache, staged->base, offset, data, size, got);
    return error != CACHE_OK || *got != size ? EIO : 0;
}

static void drop_base(struct staged *staged)
{
    if (staged->base != 0)
        cache_body_unpin(staged->fs->cache, staged->base);
    staged->base = 0;
    staged->base_size = 0;
    staged->awaits = 0;
    staged->clone = false;
}

static enum cache_error copy_base(struct staged *staged, struct journal_spool *spool)
{
    char *block = malloc(BLOCK);
    enum cache_error error = block == NULL ? CACHE_ERR_MEMORY : CACHE_OK;
    size_t got = 0;

    for (uint64_t at = 0; error == CACHE_OK && at < staged->base_size; at += got) {
        error = cache_body_read(staged->fs->cache, staged->base, at, block, BLOCK, &got);
        if (error == CACHE_OK && got == 0)
            error = CACHE_ERR_IO;
        if (error == CACHE_OK)
            error = journal_spool_write(spool, at, block, got);
    }
    free(block);
    return error;
}

/* A spool that can be written: with the bytes of the base, or (`empty`) without any. */
static int make_spool(struct staged *staged, bool empty)
{
    struct journal_spool *spool = NULL, *sealed = staged->spool;
    enum cache_error error = CACHE_OK;

    if (sealed != NULL && journal_spool_sealed(sealed)) { /* that of a row */
        error = journal_spool_copy(sealed, &spool);
        if (error != CACHE_OK)
            return fs_errno_of_cache(error);
        staged->spool = spool;
        journal_spool_close(&sealed);
    }
    if (staged->spool == NULL) {
        error = journal_spool_create(sync_journal(staged->fs->sync), &spool);
        if (error == CACHE_OK && staged->base != 0 && !empty)
            error = copy_base(staged, spool);
        if (error != CACHE_OK) {
            journal_spool_close(&spool);
            return fs_errno_of_cache(error);
        }
        staged->spool = spool;
    }
    drop_base(staged);
    return 0;
}

int staged_materialize(struct staged *staged)
{
    return make_spool(staged, false);
}

void staged_touch(struct staged *staged)
{
    staged->dirty = true;
    staged->abandoned = false;
    staged->mtime = clock_wall();
    told_written(staged->fs->told, staged->ino);
}

int staged_write(struct staged *staged, uint64_t offset, const void *data, size_t size)
{
    enum cache_error error;
    int failed = make_spool(staged, false);

    if (failed != 0)
        return failed;
    error = journal_spool_write(staged->spool, offset, data, size);
    staged_touch(staged);
    return fs_errno_of_cache(error);
}

/* Without a spool there is nothing to write for an empty file. */
int staged_truncate(struct staged *staged, uint64_t size)
{
    enum cache_error error = CACHE_OK;
    int failed = 0;

    if (staged->awaits != 0 && size != 0)
        return EBUSY;
    if (size == staged_size(staged) && staged->awaits == 0)
        return 0;
    if (size == 0 && staged->spool == NULL) {
        drop_base(staged);
    } else {
        failed = make_spool(staged, size == 0);
        if (failed == 0)
            error = journal_spool_truncate(staged->spool, size);
    }
    staged_touch(staged);
    return failed != 0 ? failed : fs_errno_of_cache(error);
}

int staged_rebase(struct staged *staged, int64_t message, int64_t date, bool clone)
{
    uint64_t size = 0;
    enum cache_error error = cache_body_pin(staged->fs->cache, message, &size);

    if (error != CACHE_OK)
        return error == CACHE_ERR_ABSENT ? EAGAIN : fs_errno_of_cache(error);
    drop_base(staged);
    journal_spool_close(&staged->spool);
    staged->kept = false;
    staged->base = message;
    staged->base_size = size;
    staged->base_date = date;
    if (clone) {
        staged_touch(staged);
        staged->clone = true;
    }
    return 0;
}

void staged_show(const struct staged *staged, struct cache_inode *inode)
{
    if (staged->awaits == 0) { /* else the row tells */
        inode->size = staged_size(staged);
        inode->size_exact = true;
    }
    inode->mtime = staged->has_date ? staged->date : staged->mtime;
}

/* ---- what the kernel hears ---- */

bool staging_overlay(const struct fs *fs, struct cache_inode *inode)
{
    struct staged *staged = staged_find(fs, inode->ino);

    if (staged == NULL)
        return inode->kind == CACHE_STAGED;
    pthread_mutex_lock(&staged->io);
    if (staged_live(staged))
        staged_show(staged, inode);
    pthread_mutex_unlock(&staged->io);
    staged_drop(staged);
    return true;
}

bool staged_find_open(struct fs *fs, uint64_t ino, struct cache_inode *inode)
{
    struct staged *staged = staged_find(fs, ino);

    if (staged == NULL)
        return false;
    pthread_mutex_lock(&staged->io);
    *inode = staged->inode;
    pthread_mutex_unlock(&staged->io);
    staged_drop(staged);
    return true;
}

void staging_unlinked(struct fs *fs, uint64_t ino)
{
    struct staged *staged = staged_find(fs, ino);

    if (staged == NULL)
        return;
    pthread_mutex_lock(&staged->io);
    pthread_mutex_lock(&fs->staging->lock); /* search_info looks */
    staged->unlinked = true;
    pthread_mutex_unlock(&fs->staging->lock);
    pthread_mutex_unlock(&staged->io);
    staged_settle(staged);
    staged_drop(staged);
}
