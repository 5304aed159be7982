/* Figures for status: all of them are kept as totals, none is counted here. See cache.h. */
#include "cache/internal.h"
#include "cache/statements.h"
#include "cache/text_index_internal.h"

static enum cache_error two_numbers(struct pool *pool, unsigned statement, uint64_t *first,
                                    uint64_t *second)
{
    enum cache_error error = CACHE_OK;
    struct db *db = pool_borrow(pool);
    enum db_step step = db_query(db, statement, NULL, 0);
    if (step == DB_ROW) {
        *first = (uint64_t)db_int(db, statement, 0);
        *second = (uint64_t)db_int(db, statement, 1);
        db_end(db, statement);
    } else {
        error = step == DB_DONE ? CACHE_ERR_IO : db_error(db);
    }
    pool_return(pool, db);
    return error;
}

enum cache_error cache_figures_get(struct cache *cache, struct cache_figures *figures)
{
    *figures = (struct cache_figures){0};
    enum cache_error error =
        two_numbers(&cache->index_readers, INDEX_FIGURES, &figures->mailboxes, &figures->messages);
    if (error == CACHE_OK)
        error = two_numbers(&cache->bodies_readers, BODIES_STATE, &figures->bodies,
                            &figures->body_bytes);
    figures->indexed = text_index_rows(cache);
    figures->envelopes_indexed = envelope_index_rows(cache);
    figures->index_bytes = text_index_bytes(cache);
    return error;
}
