/* Bytes that are known: digests of bodies and of uploads, and bodies of copies. See outcomes.h. */
#include <stdlib.h>

#include "cache/digest.h"
#include "cache/internal.h"
#include "cache/outcomes.h"
#include "cache/statements.h"

static enum cache_error read_number(struct cache *cache, unsigned statement,
                                    const struct db_value *values, size_t count, int64_t *number)
{
    enum cache_error error = CACHE_OK;
    struct db *db = pool_borrow(&cache->index_readers);
    enum db_step step = db_query(db, statement, values, count);
    if (step == DB_ROW) {
        *number = db_int(db, statement, 0);
        db_end(db, statement);
    } else {
        error = step == DB_DONE ? CACHE_ERR_ABSENT : db_error(db);
    }
    pool_return(&cache->index_readers, db);
    return error;
}

enum cache_error cache_message_same(struct cache *cache, int64_t message,
                                    const uint8_t sha256[CACHE_SHA256], uint64_t size, bool *same)
{
    int64_t number = 0;
    enum cache_error error = read_number(
        cache, INDEX_MESSAGE_SAME,
        DB_VALUES(DB_INT(message), DB_BLOB(sha256, DIGEST_SIZE), DB_INT(size)), &number);
    *same = number != 0;
    return error;
}

enum cache_error cache_message_with_bytes(struct cache *cache, const uint8_t sha256[CACHE_SHA256],
                                          uint64_t size, const int64_t *internaldate,
                                          struct cache_inode *inode)
{
    int64_t ino = 0;
    enum cache_error error = read_number(cache, INDEX_MESSAGE_OF_DIGEST,
                                         DB_VALUES(DB_BLOB(sha256, DIGEST_SIZE), DB_INT(size),
                                                   DB_INT(internaldate != NULL ? *internaldate : 0),
                                                   DB_INT(internaldate != NULL)),
                                         &ino);
    return error == CACHE_OK ? cache_inode_get(cache, (uint64_t)ino, inode) : error;
}

/* ---- cache_body_copy ---- */

static enum cache_error copy_chunks(struct cache *cache, int64_t source, uint64_t size,
                                    struct cache_incoming *incoming)
{
    enum cache_error error = CACHE_OK;
    size_t got = 0;
    char *chunk = malloc(CHUNK_SIZE);
    if (chunk == NULL)
        return CACHE_ERR_MEMORY;
    for (uint64_t at = 0; error == CACHE_OK && at < size; at += got) {
        error = cache_body_read(cache, source, at, chunk, CHUNK_SIZE, &got);
        if (error == CACHE_OK && got == 0)
            error = CACHE_ERR_IO;
        if (error == CACHE_OK)
            error = cache_incoming_write(incoming, chunk, got);
    }
    free(chunk);
    return error;
}

enum cache_error cache_body_copy(struct cache *cache, int64_t message, cache_done_fn *done,
                                 void *ctx)
{
    int64_t source = 0;
    uint64_t size = 0;
    struct cache_incoming *incoming = NULL;
    enum cache_error error =
        read_number(cache, INDEX_MESSAGE_COPY_OF, DB_VALUES(DB_INT(message)), &source);
    if (error == CACHE_OK)
        error = cache_body_pin(cache, source, &size);
    if (error != CACHE_OK)
        return error;
    error = cache_incoming_begin(cache, &incoming);
    if (error == CACHE_OK)
        error = copy_chunks(cache, source, size, incoming);
    cache_body_unpin(cache, source);
    if (error == CACHE_OK)
        cache_incoming_commit(&incoming, message, done, ctx);
    else
        cache_incoming_abort(&incoming);
    return error;
}
