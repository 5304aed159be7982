/*
 * Bodies as the writer handles them: removing, forgetting, evicting.
 *
 * Eviction goes by `used`, an hour, then by age. The last few bodies that came within seconds stay,
 * whatever the limit says, so that those who wait for them find them; what is pinned stays while it
 * is pinned; what belongs to a kept mailbox goes last (keep.c). One round removes a bounded number;
 * the writer comes back for the rest.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "cache/internal.h"
#include "cache/statements.h"
#include "cache/text_index_internal.h"

enum { EVICT_LOOK = 512, EVICT_MS = 50, HOUR = 3600 };

struct victim {
    int64_t body, message;
    uint64_t size; /* with its text */
    int64_t used;
};

int64_t body_hour(void)
{
    return clock_wall() / HOUR;
}

enum cache_error stored_erase(struct writer *writer, int64_t body)
{
    enum cache_error error = CACHE_OK;
    struct db *bodies = writer_bodies(writer, &error);
    if (bodies != NULL)
        error = db_run(bodies, BODIES_DELETE_CHUNKS,
                       DB_VALUES(DB_INT(body << CHUNK_SHIFT),
                                 DB_INT((body << CHUNK_SHIFT) + CHUNK_COUNT_MAX - 1)));
    if (error == CACHE_OK)
        error = db_run(bodies, BODIES_DELETE, DB_VALUES(DB_INT(body)));
    return error;
}

/* Removes a whole body unless somebody reads it. */
static enum cache_error remove_whole(struct writer *writer, const struct victim *victim, bool gone,
                                     bool *held)
{
    enum pins_fate fate = pins_condemn(&writer->cache->pins, victim->message, gone);
    *held = fate == PINS_HELD;
    if (fate != PINS_CONDEMNED)
        return fate == PINS_HELD ? CACHE_OK : CACHE_ERR_MEMORY;
    enum cache_error error = stored_erase(writer, victim->body);
    if (error == CACHE_OK) {
        writer->totals.bodies--;
        writer->totals.bytes -= victim->size;
    }
    return error;
}

/* `gone`: it goes at any rate, if later. */
static enum cache_error forget(struct writer *writer, int64_t message, bool gone, bool *held)
{
    enum cache_error error = CACHE_OK;
    struct db *bodies = writer_bodies(writer, &error);
    *held = false;
    if (bodies == NULL)
        return error;
    enum db_step step = db_query(bodies, BODIES_FIND, DB_VALUES(DB_INT(message)));
    if (step != DB_ROW)
        return step == DB_FAILED ? db_error(bodies) : CACHE_OK;
    struct victim victim = {
        .body = db_int(bodies, BODIES_FIND, 0),
        .message = message,
        .size = (uint64_t)(db_int(bodies, BODIES_FIND, 1) + db_int(bodies, BODIES_FIND, 3)),
    };
    db_end(bodies, BODIES_FIND);
    return remove_whole(writer, &victim, gone, held);
}

enum cache_error stored_forget(struct writer *writer, int64_t message)
{
    bool held;
    return forget(writer, message, true, &held);
}

enum cache_error stored_forget_unread(struct writer *writer, int64_t message, bool *held)
{
    return forget(writer, message, false, held);
}

void stored_note_recent(struct writer *writer, int64_t body)
{
    writer->recent[writer->recent_next++ % WRITER_RECENT] = (struct recent){clock_ms(), body};
}

static bool came_just_now(const struct writer *writer, int64_t body, int64_t now)
{
    for (size_t i = 0; i < WRITER_RECENT; i++)
        if (writer->recent[i].body == body && now - writer->recent[i].ms < writer->grace_ms)
            return true;
    return false;
}

static enum cache_error oldest(struct db *bodies, struct victim *victims, size_t *count)
{
    *count = 0;
    enum db_step step = db_query(bodies, BODIES_OLDEST, DB_VALUES(DB_INT(EVICT_LOOK)));
    while (step == DB_ROW && *count < EVICT_LOOK) {
        victims[(*count)++] = (struct victim){
            .body = db_int(bodies, BODIES_OLDEST, 0),
            .message = db_int(bodies, BODIES_OLDEST, 1),
            .size = (uint64_t)db_int(bodies, BODIES_OLDEST, 2),
            .used = db_int(bodies, BODIES_OLDEST, 3),
        };
        step = db_next(bodies, BODIES_OLDEST);
    }
    if (step == DB_FAILED)
        return db_error(bodies);
    db_end(bodies, BODIES_OLDEST);
    return CACHE_OK;
}

/* Whether the body stays for now since its mailbox is kept: it goes to the end of the order. What
 * is there already goes once nothing else can, now or (`others`) in a moment; never to make room
 * for the index of texts. */
static enum cache_error put_last(struct db *bodies, struct writer *writer,
                                 const struct victim *victim, bool others, bool *stays)
{
    bool last = victim->used >= KEPT_HOUR;
    *stays = last && writer->totals.bytes <= writer->cache->body_bytes;
    if (last && (*stays || !others))
        return CACHE_OK;
    enum cache_error error = keep_asks(writer, victim->message, stays);
    if (error == CACHE_OK && *stays && !last)
        error = db_run(bodies, BODIES_STAMP, DB_VALUES(DB_INT(victim->body), DB_INT(KEPT_HOUR)));
    return error;
}

uint64_t stored_limit(const struct writer *writer)
{
    uint64_t index = text_index_bytes(writer->cache), room = writer->cache->body_bytes;
    return room - (index < room / TEXT_INDEX_SHARE ? index : room / TEXT_INDEX_SHARE);
}

enum cache_error stored_evict(struct writer *writer)
{
    struct victim victims[EVICT_LOOK];
    enum cache_error error = CACHE_OK;
    size_t count = 0, evicted = 0;
    bool spared = false;
    uint64_t limit = stored_limit(writer), before = writer->totals.bytes;
    int64_t now = clock_ms();
    struct db *bodies = writer_bodies(writer, &error);
    if (bodies != NULL)
        error = oldest(bodies, victims, &count);
    for (size_t i = 0; error == CACHE_OK && i < count && writer->totals.bytes > limit; i++) {
        bool held = false;
        if (came_just_now(writer, victims[i].body, now) || clock_ms() - now >= EVICT_MS) {
            spared = true;
            continue;
        }
        error = put_last(bodies, writer, &victims[i], spared, &held);
        if (error == CACHE_OK && !held)
            error = remove_whole(writer, &victims[i], false, &held);
        evicted += held ? 0 : 1;
    }
    writer->crowded = writer->totals.bytes > (spared ? limit : writer->cache->body_bytes);
    if (evicted > 0 && error == CACHE_OK)
        log_debug("cache: evicted %zu bodies, %llu bytes", evicted,
                  (unsigned long long)(before - writer->totals.bytes));
    return error;
}
