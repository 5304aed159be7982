/*
 * Bodies as readers see them: pin, read, unpin. See pins.h for how that goes together with the
 * writer's removals. A read goes straight from SQLite's pages into the caller's buffer.
 */
#include "cache/internal.h"
#include "cache/statements.h"

/* Looks a held body up. Its use is noted at most once an hour: the stamp is no finer. */
static enum cache_error look_up(struct cache *cache, int64_t message, int64_t *body, uint64_t *size)
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
    if (error == CACHE_OK && used < body_hour() && pins_stamp(&cache->pins, *body, body_hour()))
        writer_nudge(&cache->writer);
    return error;
}

enum cache_error cache_body_pin(struct cache *cache, int64_t message, uint64_t *size)
{
    int64_t body = 0;
    switch (pins_hold(&cache->pins, message, &body, size)) {
    case PINS_KNOWN:
        return CACHE_OK;
    case PINS_REFUSED:
        return CACHE_ERR_ABSENT;
    case PINS_NO_MEMORY:
        return CACHE_ERR_MEMORY;
    case PINS_UNKNOWN:
        break;
    }
    enum cache_error error = look_up(cache, message, &body, size);
    if (error == CACHE_OK)
        pins_resolve(&cache->pins, message, body, *size);
    else
        cache_body_unpin(cache, message);
    return error;
}

void cache_body_unpin(struct cache *cache, int64_t message)
{
    if (pins_release(&cache->pins, message))
        writer_nudge(&cache->writer);
}

/* Reads from one chunk on, as far as `len` reaches. The blob handle moves from row to row. */
static int read_chunks(struct db *db, int64_t body, uint64_t offset, char *data, size_t len)
{
    sqlite3_blob *blob = NULL;
    int code = SQLITE_OK;
    while (len > 0 && code == SQLITE_OK) {
        int64_t key = (body << CHUNK_SHIFT) + (int64_t)(offset / CHUNK_SIZE);
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

enum cache_error cache_body_read(struct cache *cache, int64_t message, uint64_t offset, void *data,
                                 size_t len, size_t *got)
{
    int64_t body = 0;
    uint64_t size = 0;
    *got = 0;
    if (!pins_find(&cache->pins, message, &body, &size))
        return CACHE_ERR_ABSENT;
    if (offset >= size || len == 0)
        return CACHE_OK;
    if (len > size - offset)
        len = (size_t)(size - offset);
    struct db *db = pool_borrow(&cache->bodies_readers);
    int code = read_chunks(db, body, offset, data, len);
    enum cache_error error = code == SQLITE_OK ? CACHE_OK : db_error_code(db, code);
    pool_return(&cache->bodies_readers, db);
    *got = error == CACHE_OK ? len : 0;
    return error;
}
