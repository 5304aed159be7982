/*
 * See texts.h. The pieces are chunks in the upper half of the body's own ids, so that what removes
 * a body removes its text as well. The row says how long the text is once all pieces are there;
 * pieces without that are left by a crash, and are written over.
 */
#include "cache/texts.h"

#include <stdlib.h>

#include "cache/internal.h"
#include "cache/statements.h"

struct text_job {
    struct job job;
    int64_t message;
    uint32_t version, index;
    char *data; /* owned */
    size_t len;
    uint64_t total;
};

/* A row of BODIES_TEXT_FIND. */
struct text_row {
    int64_t body;
    uint64_t size;
    uint32_t version;
};

static enum cache_error find_row(struct db *db, int64_t message, struct text_row *row)
{
    enum db_step step = db_query(db, BODIES_TEXT_FIND, DB_VALUES(DB_INT(message)));
    if (step != DB_ROW)
        return step == DB_DONE ? CACHE_ERR_ABSENT : db_error(db);
    *row = (struct text_row){
        .body = db_int(db, BODIES_TEXT_FIND, 0),
        .size = (uint64_t)db_int(db, BODIES_TEXT_FIND, 1),
        .version = (uint32_t)db_int(db, BODIES_TEXT_FIND, 2),
    };
    db_end(db, BODIES_TEXT_FIND);
    return CACHE_OK;
}

enum cache_error cache_text_find(struct cache *cache, int64_t message, uint32_t version,
                                 uint64_t *size)
{
    struct text_row row;
    struct db *db = pool_borrow(&cache->bodies_readers);
    enum cache_error error = find_row(db, message, &row);
    pool_return(&cache->bodies_readers, db);
    if (error == CACHE_OK && row.version != version)
        error = CACHE_ERR_ABSENT;
    if (error == CACHE_OK)
        *size = row.size;
    return error;
}

static int64_t first_chunk(int64_t body)
{
    return (body << CHUNK_SHIFT) + CHUNK_TEXT_FIRST;
}

enum cache_error cache_text_read(struct cache *cache, int64_t message, uint64_t size,
                                 uint64_t offset, void *data, size_t len, size_t *got)
{
    int64_t body = 0;
    uint64_t body_size = 0;
    *got = 0;
    if (!pins_find(&cache->pins, message, &body, &body_size))
        return CACHE_ERR_ABSENT;
    return bodies_read(cache, first_chunk(body), size, offset, data, len, got);
}

/* ---- on the writer's thread ---- */

static enum cache_error remove_pieces(struct db *bodies, int64_t body)
{
    return db_run(
        bodies, BODIES_DELETE_CHUNKS,
        DB_VALUES(DB_INT(first_chunk(body)), DB_INT((body << CHUNK_SHIFT) + CHUNK_COUNT_MAX - 1)));
}

/* All pieces up to `last` are there: another body may have come in between. */
static bool is_whole(struct db *bodies, int64_t body, uint32_t last)
{
    int64_t count = 0;
    int64_t first = first_chunk(body);
    if (db_query(bodies, BODIES_TEXT_COUNT, DB_VALUES(DB_INT(first), DB_INT(first + last))) ==
        DB_ROW)
        count = db_int(bodies, BODIES_TEXT_COUNT, 0);
    db_end(bodies, BODIES_TEXT_COUNT);
    return count == (int64_t)last + 1;
}

static enum cache_error run_keep(struct writer *writer, struct job *job)
{
    struct text_job *text = (struct text_job *)job;
    enum cache_error error = CACHE_OK;
    struct text_row row;
    struct db *bodies = writer_bodies(writer, &error);
    if (bodies == NULL)
        return error;
    error = find_row(bodies, text->message, &row);
    if (error != CACHE_OK || row.version == text->version)
        return error == CACHE_ERR_ABSENT ? CACHE_OK : error;
    if (text->index == 0) {
        error = remove_pieces(bodies, row.body);
        if (error == CACHE_OK && row.version != 0) {
            error = db_run(bodies, BODIES_TEXT_WHOLE,
                           DB_VALUES(DB_INT(row.body), DB_INT(0), DB_INT(0)));
            writer->totals.bytes -= error == CACHE_OK ? row.size : 0;
        }
    }
    if (error == CACHE_OK)
        error = db_run(
            bodies, BODIES_TEXT_CHUNK,
            DB_VALUES(DB_INT(first_chunk(row.body) + text->index), DB_BLOB(text->data, text->len)));
    if (error != CACHE_OK || text->total == 0 || !is_whole(bodies, row.body, text->index))
        return error;
    error = db_run(bodies, BODIES_TEXT_WHOLE,
                   DB_VALUES(DB_INT(row.body), DB_INT(text->total), DB_INT(text->version)));
    writer->totals.bytes += error == CACHE_OK ? text->total : 0;
    return error;
}

static void keep_finished(struct writer *writer, struct job *job, enum cache_error error)
{
    struct text_job *text = (struct text_job *)job;
    free(text->data);
    free(text);
}

void cache_text_keep(struct cache *cache, int64_t message, uint32_t version, uint32_t index,
                     char *data, size_t len, uint64_t total)
{
    struct text_job *text = calloc(1, sizeof *text);
    if (text == NULL || index >= CACHE_TEXT_PIECES_MAX) {
        free(data);
        free(text);
        return;
    }
    *text = (struct text_job){
        .job = {.run = run_keep, .finished = keep_finished, .weight = len},
        .message = message,
        .version = version,
        .index = index,
        .data = data,
        .len = len,
        .total = total,
    };
    writer_put(&cache->writer, &text->job);
}

const char *cache_directory(const struct cache *cache)
{
    return cache->directory;
}
