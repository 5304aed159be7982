/* What a search reads: rows of a mailbox in a row, and whose bodies are here. See cache.h. The
 * caller asks for a window at a time, so that no read stands in the way of a checkpoint for long.
 */
#include "cache/internal.h"
#include "cache/statements.h"
#include "cache/text_index.h"

/* A row of INDEX_MESSAGE_SCAN, or (`whole`) of one that has the mailbox, too. */
static void row_from(const struct db *db, unsigned statement, bool whole, struct cache_row *row)
{
    int at = whole ? 2 : 1;
    *row = (struct cache_row){
        .id = db_int(db, statement, 0),
        .mailbox = whole ? db_int(db, statement, 1) : 0,
        .uid = (uint32_t)db_int(db, statement, at),
        .size = (uint64_t)db_int(db, statement, at + 1),
        .internaldate = db_int(db, statement, at + 2),
        .flags = db_text(db, statement, at + 3),
        .subject = db_text(db, statement, at + 4),
        .from = db_text(db, statement, at + 5),
        .to = db_text(db, statement, at + 6),
    };
}

enum cache_error cache_message_scan(struct cache *cache, int64_t mailbox, uint32_t after,
                                    size_t max, bool (*visit)(void *ctx, const struct cache_row *),
                                    void *ctx, uint32_t *last)
{
    struct db *db = pool_borrow(&cache->index_readers);
    bool go_on = true;
    *last = 0;
    enum db_step step =
        db_query(db, INDEX_MESSAGE_SCAN, DB_VALUES(DB_INT(mailbox), DB_INT(after), DB_INT(max)));
    while (step == DB_ROW && go_on) {
        struct cache_row row;
        row_from(db, INDEX_MESSAGE_SCAN, false, &row);
        row.mailbox = mailbox;
        *last = row.uid;
        go_on = visit(ctx, &row);
        if (go_on)
            step = db_next(db, INDEX_MESSAGE_SCAN);
    }
    enum cache_error error = step == DB_FAILED ? db_error(db) : CACHE_OK;
    db_end(db, INDEX_MESSAGE_SCAN);
    pool_return(&cache->index_readers, db);
    return error;
}

enum cache_error cache_message_rows(struct cache *cache, const int64_t *messages, size_t count,
                                    bool (*visit)(void *ctx, const struct cache_row *), void *ctx)
{
    struct db *db = pool_borrow(&cache->index_readers);
    enum db_step step = DB_DONE;
    bool go_on = true;
    for (size_t i = 0; i < count && go_on && step != DB_FAILED; i++) {
        struct cache_row row;
        step = db_query(db, INDEX_MESSAGE_GET, DB_VALUES(DB_INT(messages[i])));
        if (step != DB_ROW)
            continue;
        row_from(db, INDEX_MESSAGE_GET, true, &row);
        go_on = visit(ctx, &row);
        db_end(db, INDEX_MESSAGE_GET);
    }
    enum cache_error error = step == DB_FAILED ? db_error(db) : CACHE_OK;
    pool_return(&cache->index_readers, db);
    return error;
}

enum cache_error cache_message_after(struct cache *cache, int64_t after, size_t max,
                                     bool (*visit)(void *ctx, const struct cache_row *), void *ctx)
{
    struct db *db = pool_borrow(&cache->index_readers);
    enum db_step step = db_query(db, INDEX_MESSAGE_AFTER, DB_VALUES(DB_INT(after), DB_INT(max)));
    for (bool go_on = true; step == DB_ROW && go_on;) {
        struct cache_row row;
        row_from(db, INDEX_MESSAGE_AFTER, true, &row);
        go_on = visit(ctx, &row);
        if (go_on)
            step = db_next(db, INDEX_MESSAGE_AFTER);
    }
    enum cache_error error = step == DB_FAILED ? db_error(db) : CACHE_OK;
    db_end(db, INDEX_MESSAGE_AFTER);
    pool_return(&cache->index_readers, db);
    return error;
}

enum cache_error cache_body_messages(struct cache *cache, int64_t after, int64_t *messages,
                                     size_t max, size_t *count)
{
    struct db *db = pool_borrow(&cache->bodies_readers);
    *count = 0;
    enum db_step step = db_query(db, BODIES_MESSAGES, DB_VALUES(DB_INT(after), DB_INT(max)));
    while (step == DB_ROW && *count < max) {
        messages[(*count)++] = db_int(db, BODIES_MESSAGES, 0);
        step = db_next(db, BODIES_MESSAGES);
    }
    enum cache_error error = step == DB_FAILED ? db_error(db) : CACHE_OK;
    db_end(db, BODIES_MESSAGES);
    pool_return(&cache->bodies_readers, db);
    return error;
}
