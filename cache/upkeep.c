/*
 * What the writer does besides jobs: bodies doomed while they were read, last-use stamps (at most
 * once a minute), eviction, totals, checkpoints, giving free pages back.
 *
 * Checkpoints run in idle time, or between transactions once the WAL has some size; a passive one
 * never waits for readers. Past a second size it does wait for them (they are short), because a WAL
 * that is never reset grows without end.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "cache/internal.h"
#include "cache/schema.h"
#include "cache/statements.h"

enum {
    UPKEEP_STAMP_MS = 60 * 1000,
    UPKEEP_IDLE_MS = 1000,
    UPKEEP_STAMP_BATCH = 256,
    UPKEEP_FREE_PAGES = 256 /* given back to the disk in one idle step: 4 MiB */
};

static enum cache_error remove_doomed(struct writer *writer)
{
    int64_t message = 0;
    enum cache_error error = CACHE_OK;
    while (error == CACHE_OK && pins_take_doomed(&writer->cache->pins, &message))
        error = stored_forget(writer, message);
    return error;
}

static enum cache_error write_stamps(struct writer *writer)
{
    struct stamp stamps[UPKEEP_STAMP_BATCH];
    enum cache_error error = CACHE_OK;
    unsigned count = 0;
    while (error == CACHE_OK &&
           (count = pins_take_stamps(&writer->cache->pins, stamps, UPKEEP_STAMP_BATCH)) > 0) {
        struct db *bodies = writer_bodies(writer, &error);
        for (unsigned i = 0; error == CACHE_OK && i < count; i++)
            error = db_run(bodies, BODIES_STAMP,
                           DB_VALUES(DB_INT(stamps[i].body), DB_INT(stamps[i].hour)));
    }
    writer->stamped_ms = clock_ms();
    return error;
}

static enum cache_error write_totals(struct writer *writer)
{
    if (writer->totals.bodies == writer->stored.bodies &&
        writer->totals.bytes == writer->stored.bytes)
        return CACHE_OK;
    enum cache_error error = CACHE_OK;
    struct db *bodies = writer_bodies(writer, &error);
    if (bodies != NULL)
        error = db_run(bodies, BODIES_TOTALS,
                       DB_VALUES(DB_INT(writer->totals.bodies), DB_INT(writer->totals.bytes)));
    return error;
}

/* Stamps wait for their minute, or for half of their room to be used. */
static int stamps_delay(struct writer *writer)
{
    struct pins *pins = &writer->cache->pins;
    pthread_mutex_lock(&pins->lock);
    unsigned count = pins->stamp_count;
    pthread_mutex_unlock(&pins->lock);
    if (count == 0)
        return -1;
    return writer->closing || count >= PINS_STAMPS / 2
               ? 0
               : clock_until(writer->stamped_ms + UPKEEP_STAMP_MS);
}

enum cache_error upkeep_run(struct writer *writer)
{
    enum cache_error error = remove_doomed(writer);
    if (error == CACHE_OK && stamps_delay(writer) == 0)
        error = write_stamps(writer);
    writer->crowded = false;
    if (error == CACHE_OK && writer->totals.bytes > stored_limit(writer) &&
        writer->keep.arrived == NULL)
        error = stored_evict(writer);
    if (error == CACHE_OK)
        error = write_totals(writer);
    return error;
}

static bool idle_work_due(const struct writer *writer)
{
    return writer->surplus || writer->index.wal_pages > writer->index.wal_tried ||
           writer->bodies.wal_pages > writer->bodies.wal_tried;
}

int upkeep_delay(struct writer *writer)
{
    int delay = stamps_delay(writer);
    if (idle_work_due(writer)) {
        int idle = clock_until(writer->committed_ms + UPKEEP_IDLE_MS);
        delay = delay < 0 || idle < delay ? idle : delay;
    }
    if (writer->crowded && (delay < 0 || delay > UPKEEP_IDLE_MS))
        delay = UPKEEP_IDLE_MS;
    return delay;
}

/* Pages of deleted bodies go back to the disk bit by bit, once nobody wants the writer. True: there
 * may be more. */
static bool give_back(struct writer_side *side, uint64_t wanted_bytes)
{
    int64_t pages = 0, unused = 0;
    if (schema_integer(&side->db, "PRAGMA page_count", &pages) != SQLITE_OK ||
        schema_integer(&side->db, "PRAGMA freelist_count", &unused) != SQLITE_OK)
        return false;
    uint64_t bytes = (uint64_t)pages * (uint64_t)side->db.kind->page_size;
    if (unused < UPKEEP_FREE_PAGES || bytes / 9 * 8 <= wanted_bytes)
        return false;
    char sql[64];
    snprintf(sql, sizeof sql, "PRAGMA incremental_vacuum(%d)", UPKEEP_FREE_PAGES);
    int code = sqlite3_exec(side->db.handle, sql, NULL, NULL, NULL);
    if (code != SQLITE_OK)
        log_warn("cache: %s: giving pages back: %s", side->db.kind->file, sqlite3_errstr(code));
    return code == SQLITE_OK;
}

/* What a reader kept from being moved waits for the next checkpoint: trying again after each
 * transaction would cost an fsync each time. */
static void checkpoint(struct writer_side *side, int mode)
{
    int code = sqlite3_wal_checkpoint_v2(side->db.handle, "main", mode, NULL, NULL);
    if (code != SQLITE_OK && code != SQLITE_BUSY)
        (void)db_error_code(&side->db, code);
    side->wal_tried = side->wal_pages;
}

static void side_checkpoint(struct writer_side *side, bool idle, int64_t soft)
{
    int64_t page_size = side->db.kind->page_size;
    int64_t pending = (side->wal_pages - side->wal_tried) * page_size;
    if (pending == 0 || (!idle && pending < soft))
        return;
    bool force = side->wal_pages * page_size >= side->db.kind->wal_hard;
    checkpoint(side, force ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE);
}

void upkeep_checkpoint(struct writer *writer, bool idle)
{
    idle = idle && idle_work_due(writer) && clock_until(writer->committed_ms + UPKEEP_IDLE_MS) == 0;
    if (idle) {
        writer->committed_ms = clock_ms(); /* what is given back is a commit too: not at once */
        writer->surplus = give_back(&writer->bodies, writer->cache->body_bytes);
    }
    /* The WAL of a small cache must not be what takes the room. */
    int64_t soft = db_bodies_kind.wal_soft;
    if (writer->cache->body_bytes < (uint64_t)soft)
        soft = (int64_t)writer->cache->body_bytes;
    side_checkpoint(&writer->index, idle, db_index_kind.wal_soft);
    side_checkpoint(&writer->bodies, idle, soft);
}
