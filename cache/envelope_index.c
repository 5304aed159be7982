/*
 * See envelope_index.h. Filling belongs to the thread that fills the index of texts, and uses its
 * connection; asking borrows its reader. What came after the mark, and what was restated, is read
 * from index.db after the rows of the index, so that a message which comes meanwhile is in one.
 */
#include "cache/envelope_index.h"

#include <stdlib.h>

#include "base/order.h"
#include "cache/internal.h"
#include "cache/statements.h"
#include "cache/text_index_internal.h"

enum {
    QUERY_MAX = 1024,
    MANY = 5000, /* candidates that are always worth it */
    SHARE = 4,   /* and beyond those, one message in so many */
};

/* ---- filling ---- */

enum cache_error envelope_index_next(struct cache *cache, size_t max,
                                     bool (*visit)(void *ctx, const struct cache_row *), void *ctx)
{
    struct text_index *index = text_index_of(cache);
    if (index == NULL)
        return CACHE_ERR_ABSENT;
    if (text_index_full(index))
        return CACHE_ERR_LIMIT;
    return cache_message_after(cache, index->envelopes.mark, max, visit, ctx);
}

enum cache_error envelope_index_add(struct cache *cache, const struct envelope_index_entry *entries,
                                    size_t count)
{
    struct text_index *index = text_index_of(cache);
    if (index == NULL)
        return CACHE_ERR_ABSENT;
    struct text_progress then = index->envelopes;
    enum cache_error error = text_index_begin(index);
    if (error != CACHE_OK)
        return error;
    for (size_t i = 0; i < count && error == CACHE_OK; i++) {
        const struct db_value words = {
            .type = DB_VALUE_TEXT_OF, .data = entries[i].words, .integer = (int64_t)entries[i].len};
        error = db_run(&index->writer, ENVELOPE_ADD,
                       (const struct db_value[]){DB_INT(entries[i].message), words}, 2);
        then.rows++;
        then.mark = entries[i].message;
    }
    return text_index_end(index, error, ENVELOPE_MARK, &index->envelopes, then);
}

enum cache_error envelope_index_tidy(struct cache *cache, bool *again)
{
    static const unsigned empty[] = {ENVELOPE_EMPTY};
    struct text_index *index = text_index_of(cache);
    int64_t messages = 0;
    *again = false;
    if (index == NULL)
        return CACHE_ERR_ABSENT;
    enum cache_error error = pool_number(&cache->index_readers, INDEX_MESSAGE_COUNT, &messages);
    return error != CACHE_OK ? error
                             : text_index_renew(index, messages, empty, 1, ENVELOPE_MARK,
                                                &index->envelopes, again);
}

uint64_t envelope_index_rows(const struct cache *cache)
{
    const struct text_index *index = cache->text_index;
    return index != NULL && atomic_load(&index->good) ? atomic_load(&index->envelopes_known) : 0;
}

/* ---- asking ---- */

/* Adds the ids above `after`; CACHE_ERR_ABSENT: they are MANY. */
static enum cache_error add_ids(struct db *db, unsigned statement, int64_t after,
                                struct numbers *messages)
{
    bool good = true;
    size_t rows = 0;
    enum db_step step = db_query(db, statement, DB_VALUES(DB_INT(after), DB_INT(MANY)));
    for (; step == DB_ROW && good; rows++) {
        good = numbers_add(messages, db_int(db, statement, 0));
        step = db_next(db, statement);
    }
    db_end(db, statement);
    if (!good)
        return CACHE_ERR_MEMORY;
    return step == DB_FAILED ? db_error(db) : rows < MANY ? CACHE_OK : CACHE_ERR_ABSENT;
}

/* In order, each once. */
static void tidy_up(struct numbers *numbers)
{
    size_t kept = 0;
    if (numbers->count > 0)
        qsort(numbers->list, numbers->count, sizeof *numbers->list, order_i64);
    for (size_t i = 0; i < numbers->count; i++) {
        if (kept == 0 || numbers->list[kept - 1] != numbers->list[i])
            numbers->list[kept++] = numbers->list[i];
    }
    numbers->count = kept;
}

static enum cache_error candidates(struct cache *cache, struct text_index *index,
                                   const char *question, struct numbers *messages)
{
    static const struct text_asked envelopes = {.find = ENVELOPE_FIND, .column = 4};
    struct text_progress progress = {0, 0};
    enum cache_error error = text_index_find(index, &envelopes, question, &progress, messages);
    if (error != CACHE_OK)
        return error;
    if (messages->count > MANY && messages->count > (size_t)progress.rows / SHARE)
        return CACHE_ERR_ABSENT;
    struct db *db = pool_borrow(&cache->index_readers);
    error = add_ids(db, INDEX_MESSAGE_IDS, progress.mark, messages);
    if (error == CACHE_OK)
        error = add_ids(db, INDEX_RESTATED, 0, messages);
    pool_return(&cache->index_readers, db);
    return error;
}

enum cache_error envelope_index_ask(struct cache *cache, const char *const *needles, size_t count,
                                    int64_t **messages, size_t *found)
{
    struct text_index *index = text_index_of(cache);
    struct numbers numbers = {0};
    struct buffer question;
    *messages = NULL;
    *found = 0;
    if (index == NULL)
        return CACHE_ERR_ABSENT;
    buffer_init(&question, QUERY_MAX);
    enum cache_error error = !text_index_question(&question, needles, count) || question.len == 0
                                 ? CACHE_ERR_ABSENT
                                 : candidates(cache, index, question.data, &numbers);
    buffer_free(&question);
    if (error != CACHE_OK) {
        free(numbers.list);
        return error;
    }
    tidy_up(&numbers);
    *messages = numbers.list;
    *found = numbers.count;
    return CACHE_OK;
}
