/*
 * A body on its way from the network to bodies.db.
 *
 * The owner's thread gathers bytes; each full chunk becomes a job that carries the memory with it.
 * A body that fits into one chunk is one job in all. Its SHA-256 is taken as the bytes pass. What
 * the writer knows of the body (its id, whether a chunk failed) is in `stored`, which outlives the
 * owner's handle: jobs of one body run in order, so the last one, commit or erase, frees it.
 *
 * Until the last job's transaction stands, the body row bears no message, and nobody can find it.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "cache/digest.h"
#include "cache/internal.h"
#include "cache/statements.h"

enum { INCOMING_HEAD = 8 << 10, INCOMING_FIRST = 16 << 10 };

struct stored {
    struct job job; /* the last one */
    struct cache *cache;
    int64_t body;      /* writer's thread; 0: no row yet */
    atomic_int failed; /* enum cache_error of the first chunk that did not make it */
    char *tail;        /* what the commit brings itself; owned */
    size_t tail_len;
    uint32_t tail_index;
    int64_t message;
    uint64_t parent, ino; /* of the message, once it is known that it is there */
    bool digested;        /* sha256 is that of all chunks */
    uint8_t sha256[DIGEST_SIZE];
    uint64_t size; /* as committed, or as it was here already */
    cache_done_fn *done;
    void *ctx;
};

struct cache_incoming {
    struct stored *stored;
    struct digest digest;
    uint64_t size;
    uint32_t chunks; /* handed over already */
    char *data;      /* the chunk being filled */
    size_t len, room;
    size_t head_len;
    char head[INCOMING_HEAD];
};

struct chunk_job {
    struct job job;
    struct stored *stored;
    uint32_t index;
    size_t len;
    char *data; /* owned */
};

/* ---- on the writer's thread ---- */

static enum cache_error store_chunk(struct writer *writer, struct stored *stored, uint32_t index,
                                    const char *data, size_t len)
{
    enum cache_error error = CACHE_OK;
    struct db *bodies = writer_bodies(writer, &error);
    if (bodies != NULL && stored->body == 0) {
        stored->body = writer->next_body++;
        error = db_run(bodies, BODIES_INSERT, DB_VALUES(DB_INT(stored->body)));
    }
    if (error == CACHE_OK && len > 0)
        error =
            db_run(bodies, BODIES_CHUNK,
                   DB_VALUES(DB_INT((stored->body << CHUNK_SHIFT) + index), DB_BLOB(data, len)));
    return error;
}

static enum cache_error run_chunk(struct writer *writer, struct job *job)
{
    struct chunk_job *chunk = (struct chunk_job *)job;
    if (atomic_load(&chunk->stored->failed) != CACHE_OK)
        return CACHE_OK;
    return store_chunk(writer, chunk->stored, chunk->index, chunk->data, chunk->len);
}

static void chunk_finished(struct writer *writer, struct job *job, enum cache_error error)
{
    struct chunk_job *chunk = (struct chunk_job *)job;
    int none = CACHE_OK;
    if (error != CACHE_OK)
        atomic_compare_exchange_strong(&chunk->stored->failed, &none, (int)error);
    free(chunk->data);
    free(chunk);
}

/* The body is here already: somebody else was faster. */
static enum cache_error find_other(struct db *bodies, struct stored *stored)
{
    enum db_step step = db_query(bodies, BODIES_FIND, DB_VALUES(DB_INT(stored->message)));
    if (step != DB_ROW)
        return step == DB_DONE ? CACHE_ERR_ABSENT : db_error(bodies);
    stored->size = (uint64_t)db_int(bodies, BODIES_FIND, 1);
    db_end(bodies, BODIES_FIND);
    return CACHE_OK;
}

static enum cache_error store_whole(struct writer *writer, struct db *bodies, struct stored *stored)
{
    enum cache_error error =
        store_chunk(writer, stored, stored->tail_index, stored->tail, stored->tail_len);
    if (error == CACHE_OK)
        error = db_run(bodies, BODIES_WHOLE,
                       DB_VALUES(DB_INT(stored->body), DB_INT(stored->message),
                                 DB_INT(stored->size), DB_INT(body_hour())));
    if (error == CACHE_OK) {
        writer->totals.bodies++;
        writer->totals.bytes += stored->size;
        stored_note_recent(writer, stored->body);
    }
    return error;
}

static enum cache_error run_commit(struct writer *writer, struct job *job)
{
    struct stored *stored = (struct stored *)job;
    struct cache_inode inode = {0};
    enum cache_error error = (enum cache_error)atomic_load(&stored->failed);
    if (error != CACHE_OK)
        return error;
    struct db *index = writer_index(writer, &error);
    if (index != NULL)
        error =
            inode_query(index, INDEX_INODE_OF_MESSAGE, DB_VALUES(DB_INT(stored->message)), &inode);
    struct db *bodies = error == CACHE_OK ? writer_bodies(writer, &error) : NULL;
    if (bodies == NULL)
        return error;
    stored->parent = inode.parent;
    stored->ino = inode.ino;
    error = find_other(bodies, stored);
    if (error == CACHE_ERR_ABSENT) {
        error = store_whole(writer, bodies, stored);
        if (error == CACHE_OK && stored->digested)
            error =
                db_run(index, INDEX_MESSAGE_DIGEST,
                       DB_VALUES(DB_INT(stored->message), DB_BLOB(stored->sha256, DIGEST_SIZE)));
    } else if (error == CACHE_OK && stored->body != 0)
        error = stored_erase(writer, stored->body);
    if (error == CACHE_OK)
        error = db_run(index, INDEX_INODE_EXACT,
                       DB_VALUES(DB_INT(stored->message), DB_INT(stored->size)));
    return error;
}

static void free_stored(struct stored *stored)
{
    free(stored->tail);
    free(stored);
}

static enum cache_error run_erase(struct writer *writer, struct job *job)
{
    struct stored *stored = (struct stored *)job;
    return stored->body != 0 ? stored_erase(writer, stored->body) : CACHE_OK;
}

/* What an erase leaves behind after an error bears no message: the next open removes it. */
static void erase_finished(struct writer *writer, struct job *job, enum cache_error error)
{
    free_stored((struct stored *)job);
}

static void put_erase(struct writer *writer, struct stored *stored)
{
    stored->job = (struct job){.run = run_erase, .finished = erase_finished};
    stored->job.urgent = true;
    writer_put(writer, &stored->job);
}

static void commit_finished(struct writer *writer, struct job *job, enum cache_error error)
{
    struct stored *stored = (struct stored *)job;
    if (error == CACHE_OK)
        keep_tell(writer, stored->parent, stored->ino);
    if (stored->done != NULL)
        stored->done(stored->ctx, error, error == CACHE_OK ? stored->size : 0);
    if (error != CACHE_OK && stored->body != 0)
        put_erase(writer, stored);
    else
        free_stored(stored);
}

/* ---- on the owner's thread ---- */

enum cache_error cache_incoming_begin(struct cache *cache, struct cache_incoming **incoming)
{
    *incoming = calloc(1, sizeof **incoming);
    if (*incoming == NULL)
        return CACHE_ERR_MEMORY;
    (*incoming)->stored = calloc(1, sizeof *(*incoming)->stored);
    if ((*incoming)->stored == NULL) {
        free(*incoming);
        *incoming = NULL;
        return CACHE_ERR_MEMORY;
    }
    (*incoming)->stored->cache = cache;
    return CACHE_OK;
}

static enum cache_error hand_over(struct cache_incoming *incoming)
{
    struct writer *writer = &incoming->stored->cache->writer;
    if (incoming->chunks + 1 >= CHUNK_TEXT_FIRST)
        return CACHE_ERR_FULL; /* 4 GiB: no mail server sends that */
    struct chunk_job *chunk = calloc(1, sizeof *chunk);
    if (chunk == NULL)
        return CACHE_ERR_MEMORY;
    *chunk = (struct chunk_job){
        .job = {.run = run_chunk,
                .finished = chunk_finished,
                .urgent = true,
                .weight = incoming->room},
        .stored = incoming->stored,
        .index = incoming->chunks++,
        .len = incoming->len,
        .data = incoming->data,
    };
    incoming->data = NULL;
    incoming->len = incoming->room = 0;
    writer_put(writer, &chunk->job);
    return CACHE_OK;
}

/* Room for more bytes of the current chunk; doubles, so that small bodies take little. */
static enum cache_error make_room(struct cache_incoming *incoming, size_t len)
{
    size_t want = incoming->len + len, room = incoming->room;
    if (want > CHUNK_SIZE)
        want = CHUNK_SIZE;
    if (room >= want)
        return CACHE_OK;
    room = room == 0 ? INCOMING_FIRST : room;
    while (room < want)
        room *= 2;
    char *data = realloc(incoming->data, room);
    if (data == NULL)
        return CACHE_ERR_MEMORY;
    incoming->data = data;
    incoming->room = room;
    return CACHE_OK;
}

static void keep_head(struct cache_incoming *incoming, const void *data, size_t len)
{
    size_t room = INCOMING_HEAD - incoming->head_len;
    size_t part = len < room ? len : room;
    memcpy(incoming->head + incoming->head_len, data, part);
    incoming->head_len += part;
}

enum cache_error cache_incoming_write(struct cache_incoming *incoming, const void *data, size_t len)
{
    const char *from = data;
    enum cache_error error = (enum cache_error)atomic_load(&incoming->stored->failed);
    if (error == CACHE_OK && len > 0) {
        keep_head(incoming, data, len);
        digest_add(&incoming->digest, data, len);
    }
    while (error == CACHE_OK && len > 0) {
        if (incoming->len == CHUNK_SIZE)
            error = hand_over(incoming);
        if (error == CACHE_OK)
            error = make_room(incoming, len);
        if (error != CACHE_OK)
            break;
        size_t part = CHUNK_SIZE - incoming->len < len ? CHUNK_SIZE - incoming->len : len;
        memcpy(incoming->data + incoming->len, from, part);
        incoming->len += part;
        incoming->size += part;
        from += part;
        len -= part;
    }
    if (error != CACHE_OK) { /* a body with a hole must not be committed */
        int none = CACHE_OK;
        atomic_compare_exchange_strong(&incoming->stored->failed, &none, (int)error);
    }
    return error;
}

const char *cache_incoming_head(const struct cache_incoming *incoming, size_t *len)
{
    *len = incoming->head_len;
    return incoming->head;
}

uint64_t cache_incoming_size(const struct cache_incoming *incoming)
{
    return incoming->size;
}

void cache_incoming_commit(struct cache_incoming **incoming, int64_t message, cache_done_fn *done,
                           void *ctx)
{
    struct cache_incoming *in = *incoming;
    struct stored *stored = in->stored;
    stored->job = (struct job){
        .run = run_commit, .finished = commit_finished, .urgent = true, .weight = in->room};
    stored->tail = in->data;
    stored->tail_len = in->len;
    stored->tail_index = in->chunks;
    stored->message = message;
    stored->digested = digest_end(&in->digest, stored->sha256);
    stored->size = in->size;
    stored->done = done;
    stored->ctx = ctx;
    struct writer *writer = &stored->cache->writer;
    *incoming = NULL;
    free(in);
    writer_put(writer, &stored->job);
}

void cache_incoming_abort(struct cache_incoming **incoming)
{
    struct cache_incoming *in = *incoming;
    if (in == NULL)
        return;
    *incoming = NULL;
    digest_free(&in->digest);
    free(in->data);
    if (in->chunks > 0)
        put_erase(&in->stored->cache->writer, in->stored);
    else
        free_stored(in->stored);
    free(in);
}
