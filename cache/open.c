/*
 * Opening and closing. At open, on the caller's thread: lock, files, what a crash left, readers,
 * then the writer's thread. At close the same backwards; the note that both files were closed in
 * order is the last thing written.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cache/placement.h"
#include "cache/statements.h"
#include "cache/text_index_internal.h"

static pthread_once_t sqlite_once = PTHREAD_ONCE_INIT;

/* Without its statistics SQLite takes no global lock for each allocation. */
static void configure_sqlite(void)
{
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static enum cache_error open_pools(struct cache *cache)
{
    cache->index_pool_open = true;
    int code = pool_open(&cache->index_readers, &db_index_kind, cache->directory);
    if (code == SQLITE_OK) {
        cache->bodies_pool_open = true;
        code = pool_open(&cache->bodies_readers, &db_bodies_kind, cache->directory);
    }
    if (code != SQLITE_OK)
        log_error("cache: readers do not open: %s", sqlite3_errstr(code));
    return code == SQLITE_OK ? CACHE_OK : code == SQLITE_NOMEM ? CACHE_ERR_MEMORY : CACHE_ERR_IO;
}

/* On a full disk a crash's leftovers may not be removable: then all bodies go, which makes room. */
static enum cache_error open_files(struct cache *cache, const char *user, const char *host,
                                   char *text)
{
    enum cache_error error = CACHE_ERR_FULL;
    for (int try = 0; error == CACHE_ERR_FULL && try < 2; try++) {
        bool clean = false;
        db_close(&cache->writer.bodies.db);
        db_close(&cache->writer.index.db);
        if (try > 0)
            files_remove_bodies(cache);
        text[0] = '\0';
        error = files_open(cache, user, host, &clean, text);
        if (error != CACHE_OK)
            break;
        error = reconcile_bodies(&cache->writer, !clean);
        if (error == CACHE_OK)
            error = placement_reset(&cache->writer);
    }
    return error;
}

enum cache_error cache_open(struct cache **cache, const char *directory, const char *user,
                            const char *host, uint64_t body_bytes, char *text)
{
    enum cache_error error = CACHE_ERR_MEMORY;
    pthread_once(&sqlite_once, configure_sqlite);
    text[0] = '\0';
    struct cache *c = *cache = calloc(1, sizeof *c);
    if (c == NULL)
        goto out;
    c->lock_fd = -1;
    c->body_bytes = body_bytes;
    c->writer.index.begin = INDEX_BEGIN;
    c->writer.bodies.begin = BODIES_BEGIN;
    c->writer.index.clean = INDEX_CLEAN;
    c->writer.bodies.clean = BODIES_CLEAN;
    c->writer.cache = c;
    pins_init(&c->pins);
    memo_init(&c->memo);
    checked_init(&c->checked);
    error = files_lock(c, directory, text);
    if (error == CACHE_OK)
        error = open_files(c, user, host, text);
    if (error == CACHE_OK)
        error = open_pools(c);
    if (error == CACHE_OK)
        error = writer_start(&c->writer, c);
out:
    if (error != CACHE_OK && text[0] == '\0')
        snprintf(text, CACHE_TEXT_MAX, "cannot open the cache in %.200s: %s", directory,
                 error == CACHE_ERR_FULL     ? "the disk is full"
                 : error == CACHE_ERR_MEMORY ? "out of memory"
                                             : "see the log");
    if (error != CACHE_OK)
        cache_close(cache);
    return error;
}

/* Only a cache that lost nothing is called clean; the checkpoint empties the WAL, so that the next
 * open finds plain files. */
static void close_in_order(struct writer *writer)
{
    enum cache_error error = CACHE_OK;
    if (!atomic_load(&writer->unsure)) {
        error = db_run(&writer->bodies.db, BODIES_CLEAN, DB_VALUES(DB_INT(1)));
        if (error == CACHE_OK)
            error = db_run(&writer->index.db, INDEX_CLEAN, DB_VALUES(DB_INT(1)));
    }
    if (error != CACHE_OK)
        log_warn("cache: not closed in order; the next start checks it");
    sqlite3_wal_checkpoint_v2(writer->bodies.db.handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL,
                              NULL);
    sqlite3_wal_checkpoint_v2(writer->index.db.handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL,
                              NULL);
}

void cache_close(struct cache **cache)
{
    struct cache *c = *cache;
    *cache = NULL;
    if (c == NULL)
        return;
    bool ran = c->writer.started;
    writer_stop(&c->writer);
    free(c->writer.kept.mailboxes);
    text_index_close(c);
    if (c->index_pool_open)
        pool_close(&c->index_readers);
    if (c->bodies_pool_open)
        pool_close(&c->bodies_readers);
    if (ran)
        close_in_order(&c->writer);
    db_close(&c->writer.bodies.db);
    db_close(&c->writer.index.db);
    pins_destroy(&c->pins);
    memo_destroy(&c->memo);
    checked_destroy(&c->checked);
    if (c->lock_fd >= 0)
        close(c->lock_fd);
    free(c->directory);
    free(c);
}
