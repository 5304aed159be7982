/*
 * What a crash can leave behind, and how it is put right before anything else runs. The files are
 * committed one after the other, bodies.db first, and after a power failure each may have lost its
 * last transactions. So bodies.db may hold
 *   - a body that was still on its way (no message): removed at every open, by index;
 *   - a body of a message that index.db does not know (any more): removed, and this before a new
 *     message can get that id;
 *   - a whole body whose size index.db does not call exact yet: adopted;
 *   - totals that do not fit: counted again.
 * The last three cost a walk over the bodies, and are done only when a file was not closed in
 * order. A message without its body is nothing to repair: only bodies.db says which are here.
 */
#include <stdlib.h>

#include "base/log.h"
#include "cache/internal.h"
#include "cache/statements.h"

enum { RECONCILE_BATCH = 256 };

struct found {
    int64_t body, message;
    uint64_t size, text;
};

static enum cache_error remove_partial(struct writer *writer)
{
    struct db *bodies = &writer->bodies.db;
    for (;;) {
        enum db_step step = db_query(bodies, BODIES_PARTIAL, NULL, 0);
        if (step != DB_ROW)
            return step == DB_FAILED ? db_error(bodies) : CACHE_OK;
        int64_t body = db_int(bodies, BODIES_PARTIAL, 0);
        db_end(bodies, BODIES_PARTIAL);
        enum cache_error error = stored_erase(writer, body);
        if (error != CACHE_OK)
            return error;
    }
}

static enum cache_error next_batch(struct db *bodies, int64_t after, struct found *found,
                                   size_t *count)
{
    *count = 0;
    enum db_step step = db_query(bodies, BODIES_EACH, DB_VALUES(DB_INT(after)));
    while (step == DB_ROW && *count < RECONCILE_BATCH) {
        found[(*count)++] = (struct found){
            .body = db_int(bodies, BODIES_EACH, 0),
            .message = db_int(bodies, BODIES_EACH, 1),
            .size = (uint64_t)db_int(bodies, BODIES_EACH, 2),
            .text = (uint64_t)db_int(bodies, BODIES_EACH, 3),
        };
        step = db_next(bodies, BODIES_EACH);
    }
    if (step == DB_FAILED)
        return db_error(bodies);
    db_end(bodies, BODIES_EACH);
    return CACHE_OK;
}

static enum cache_error settle(struct writer *writer, struct db *index, const struct found *found,
                               uint64_t *orphans)
{
    struct cache_inode inode;
    enum cache_error error =
        inode_query(index, INDEX_INODE_OF_MESSAGE, DB_VALUES(DB_INT(found->message)), &inode);
    if (error == CACHE_ERR_ABSENT) {
        ++*orphans;
        return stored_erase(writer, found->body);
    }
    if (error == CACHE_OK && (!inode.size_exact || inode.size != found->size))
        error = db_run(index, INDEX_INODE_EXACT,
                       DB_VALUES(DB_INT(found->message), DB_INT(found->size)));
    writer->totals.bodies++;
    writer->totals.bytes += found->size + found->text;
    return error;
}

static bool same_totals(const struct totals *a, const struct totals *b)
{
    return a->bodies == b->bodies && a->bytes == b->bytes;
}

static enum cache_error compare_files(struct writer *writer, struct db *index)
{
    struct found found[RECONCILE_BATCH];
    enum cache_error error = CACHE_OK;
    uint64_t orphans = 0;
    size_t count = RECONCILE_BATCH;
    int64_t after = 0;
    writer->totals = (struct totals){0};
    while (error == CACHE_OK && count == RECONCILE_BATCH) {
        error = next_batch(&writer->bodies.db, after, found, &count);
        for (size_t i = 0; error == CACHE_OK && i < count; i++) {
            error = settle(writer, index, &found[i], &orphans);
            after = found[i].body;
        }
    }
    if (orphans > 0)
        log_info("cache: removed %llu bodies without a message", (unsigned long long)orphans);
    if (error == CACHE_OK && !same_totals(&writer->totals, &writer->stored))
        error = db_run(&writer->bodies.db, BODIES_TOTALS,
                       DB_VALUES(DB_INT(writer->totals.bodies), DB_INT(writer->totals.bytes)));
    return error;
}

static enum cache_error load_totals(struct writer *writer)
{
    struct db *bodies = &writer->bodies.db;
    if (db_query(bodies, BODIES_STATE, NULL, 0) != DB_ROW)
        return db_error(bodies);
    writer->totals.bodies = (uint64_t)db_int(bodies, BODIES_STATE, 0);
    writer->totals.bytes = (uint64_t)db_int(bodies, BODIES_STATE, 1);
    writer->stored = writer->totals;
    db_end(bodies, BODIES_STATE);
    enum db_step step = db_query(bodies, BODIES_LAST, NULL, 0);
    writer->next_body = 1 + (step == DB_ROW ? db_int(bodies, BODIES_LAST, 0) : 0);
    db_end(bodies, BODIES_LAST);
    return step == DB_FAILED ? db_error(bodies) : CACHE_OK;
}

static enum cache_error find_partial(struct db *bodies, bool *found)
{
    enum db_step step = db_query(bodies, BODIES_PARTIAL, NULL, 0);
    *found = step == DB_ROW;
    db_end(bodies, BODIES_PARTIAL);
    return step == DB_FAILED ? db_error(bodies) : CACHE_OK;
}

static enum cache_error repair(struct writer *writer, bool all)
{
    enum cache_error error = CACHE_OK;
    struct db *bodies = writer_bodies(writer, &error);
    struct db *index = bodies != NULL ? writer_index(writer, &error) : NULL;
    if (error == CACHE_OK)
        error = remove_partial(writer);
    if (error == CACHE_OK && all)
        error = compare_files(writer, index);
    return writer_settle(writer, error);
}

/* Writes only what has to change: a full disk does not keep a cache from being read. */
enum cache_error reconcile_bodies(struct writer *writer, bool all)
{
    bool partial = false;
    enum cache_error error = load_totals(writer);
    if (error == CACHE_OK)
        error = find_partial(&writer->bodies.db, &partial);
    if (error == CACHE_OK && (all || partial))
        error = repair(writer, all);
    return error;
}
