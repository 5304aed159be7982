/*
 * Bodies as readers see them: pin, read, unpin. See pins.h for how that goes together with the
 * writer's removals. A read goes straight from SQLite's pages into the caller's buffer.
 */
#include "base/clock.h"
#include "cache/internal.h"
#include "cache/statements.h"
#include "cache/text_index.h"

/* Looks a held body up. Its `use` is noted at most once an hour: the stamp is no finer. */
static enum cache_error look_up(struct cache *cache, int64_t message, bool use, int64_t *body,
                                uint64_t *size)
{
    enum cache_error error = CACHE_OK;
    int64_t used = 0;
    struct db *db = pool_borrow(&cache->bodies_readers);
    enum db_step step = db_query(db, BODIES_FIND, DB_VALUES(DB_INT(message)));
    if (step == DB_ROW) {
        *body = db_int(db, BODIES_FIND, 0);
        *size = (uint64_t)db_int(db, BODIES_FIND, 1);
        used = db_int(db, BODIES_FIND, 2);
        db_end(db, BODIES_FIND);
    } else {
        error = step == DB_DONE ? CACHE_ERR_ABSENT : db_error(db);
    }
    pool_return(&cache->bodies_readers, db);
    if (error == CACHE_OK && use && used < body_hour() &&
        pins_stamp(&cache->pins, *body, body_hour()))
        writer_nudge(&cache->writer);
    return error;
}

static enum cache_error pin(struct cache *cache, int64_t message, bool use, int64_t *body,
                            uint64_t *size)
{
    *body = 0;
    switch (pins_hold(&cache->pins, message, body, size)) {
    case PINS_KNOWN:
        return CACHE_OK;
    case PINS_REFUSED:
        return CACHE_ERR_ABSENT;
    case PINS_NO_MEMORY:
        return CACHE_ERR_MEMORY;
    case PINS_UNKNOWN:
        break;
    }
    enum cache_error error = look_up(cache, message, use, body, size);
    if (error == CACHE_OK)
        pins_resolve(&cache->pins, message, *body, *size);
    else
        cache_body_unpin(cache, message);
    return error;
}

enum cache_error cache_body_pin(struct cache *cache, int64_t message, uint64_t *size)
{
    int64_t body = 0;
    atomic_store_explicit(&cache->opened_ms, clock_ms(), memory_order_relaxed);
    return pin(cache, message, true, &body, size);
}

enum cache_error cache_body_hold(struct cache *cache, int64_t message, int64_t body, uint64_t *size)
{
    int64_t found = 0;
    enum cache_error error = pin(cache, message, false, &found, size);
    if (error == CACHE_OK && found != body) {
        cache_body_unpin(cache, message);
        error = CACHE_ERR_ABSENT;
    }
    return error;
}

void cache_body_unpin(struct cache *cache, int64_t message)
{
    if (pins_release(&cache->pins, message))
        writer_nudge(&cache->writer);
}

/* The pin first, then whether the entry still counts: a body that the writer removes after that
 * finds the pin, and one that it has removed before is found out. */
static bool pin_remembered(struct cache *cache, uint64_t ino, struct cache_inode *inode)
{
    struct memo_entry entry;
    int64_t body = 0;
    uint64_t size = 0;
    if (!memo_find(&cache->memo, ino, &entry) || entry.hour != body_hour())
        return false;
    enum pins_hold hold = pins_hold(&cache->pins, entry.message, &body, &size);
    if (hold != PINS_KNOWN && hold != PINS_UNKNOWN)
        return false;
    if (!memo_holds(&cache->memo, entry.epoch)) {
        cache_body_unpin(cache, entry.message);
        return false;
    }
    if (hold == PINS_UNKNOWN)
        pins_resolve(&cache->pins, entry.message, entry.body, entry.size);
    *inode = (struct cache_inode){.ino = ino,
                                  .parent = entry.parent,
                                  .kind = CACHE_MESSAGE,
                                  .mailbox = entry.mailbox,
                                  .message = entry.message,
                                  .uid = entry.uid,
                                  .size = entry.size,
                                  .size_exact = true,
                                  .mtime = entry.mtime,
                                  .ctime = entry.ctime,
                                  .alias = entry.alias};
    return true;
}

static void remember(struct cache *cache, uint64_t epoch, const struct cache_inode *inode)
{
    int64_t body = 0;
    uint64_t size = 0;
    if (!inode->size_exact || inode->hidden || inode->pending ||
        !pins_find(&cache->pins, inode->message, &body, &size) || size != inode->size)
        return;
    memo_keep(&cache->memo, &(struct memo_entry){.ino = inode->ino,
                                                 .epoch = epoch,
                                                 .message = inode->message,
                                                 .mailbox = inode->mailbox,
                                                 .body = body,
                                                 .parent = inode->parent,
                                                 .size = size,
                                                 .mtime = inode->mtime,
                                                 .ctime = inode->ctime,
                                                 .hour = body_hour(),
                                                 .uid = inode->uid,
                                                 .alias = inode->alias});
}

enum cache_error cache_message_pin(struct cache *cache, uint64_t ino, struct cache_inode *inode)
{
    atomic_store_explicit(&cache->opened_ms, clock_ms(), memory_order_relaxed);
    if (pin_remembered(cache, ino, inode))
        return CACHE_OK;
    uint64_t size = 0, epoch = memo_epoch(&cache->memo);
    enum cache_error error = cache_inode_get(cache, ino, inode);
    if (error == CACHE_OK && inode->kind != CACHE_MESSAGE)
        error = CACHE_ERR_ABSENT;
    if (error == CACHE_OK)
        error = cache_body_pin(cache, inode->message, &size);
    if (error != CACHE_OK)
        return error;
    remember(cache, epoch, inode);
    inode->size_exact = inode->size_exact && inode->size == size;
    inode->size = size;
    inode->name[0] = '\0';
    return CACHE_OK;
}

int64_t cache_opened_ms(struct cache *cache)
{
    return atomic_load_explicit(&cache->opened_ms, memory_order_relaxed);
}

bool cache_body_pinned(struct cache *cache, int64_t message, uint64_t *size)
{
    int64_t body = 0;
    return pins_find(&cache->pins, message, &body, size);
}

/* Reads from one chunk on, as far as `len` reaches. The blob handle moves from row to row. */
static int read_chunks(struct db *db, int64_t first, uint64_t offset, char *data, size_t len)
{
    sqlite3_blob *blob = NULL;
    int code = SQLITE_OK;
    while (len > 0 && code == SQLITE_OK) {
        int64_t key = first + (int64_t)(offset / CHUNK_SIZE);
        int within = (int)(offset % CHUNK_SIZE);
        size_t part = len < (size_t)(CHUNK_SIZE - within) ? len : (size_t)(CHUNK_SIZE - within);
        code = blob == NULL ? sqlite3_blob_open(db->handle, "main", "chunk", "data", key, 0, &blob)
                            : sqlite3_blob_reopen(blob, key);
        if (code == SQLITE_OK)
            code = sqlite3_blob_read(blob, data, (int)part, within);
        data += part;
        offset += part;
        len -= part;
    }
    sqlite3_blob_close(blob);
    return code;
}

enum cache_error bodies_read(struct cache *cache, int64_t first, uint64_t size, uint64_t offset,
                             void *data, size_t len, size_t *got)
{
    *got = 0;
    if (offset >= size || len == 0)
        return CACHE_OK;
    if (len > size - offset)
        len = (size_t)(size - offset);
    struct db *db = pool_borrow(&cache->bodies_readers);
    int code = read_chunks(db, first, offset, data, len);
    enum cache_error error = code == SQLITE_OK ? CACHE_OK : db_error_code(db, code);
    pool_return(&cache->bodies_readers, db);
    *got = error == CACHE_OK ? len : 0;
    return error;
}

enum cache_error cache_body_read(struct cache *cache, int64_t message, uint64_t offset, void *data,
                                 size_t len, size_t *got)
{
    int64_t body = 0;
    uint64_t size = 0;
    *got = 0;
    if (!pins_find(&cache->pins, message, &body, &size))
        return CACHE_ERR_ABSENT;
    return bodies_read(cache, body << CHUNK_SHIFT, size, offset, data, len, got);
}
