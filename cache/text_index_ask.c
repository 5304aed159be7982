/*
 * Asking the index of texts (text_index.h). The words are cut into pieces of three characters, of
 * which each must be there; a handful of them is enough, as what is found is looked into anyway.
 * The mark is read in the same transaction as the rows; what stands above it is taken from
 * bodies.db afterwards, so that a body which comes meanwhile is in one of the two.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/order.h"
#include "cache/internal.h"
#include "cache/statements.h"
#include "cache/text_index_internal.h"

enum { GRAMS_MAX = 12, GRAM_BYTES = 12, QUERY_MAX = 1024, AFTER_WINDOW = 512 };

/* ---- the question ---- */

struct gram {
    char text[GRAM_BYTES + 1];
};

/* Bytes of the character that begins here, in UTF-8. */
static size_t character(const char *at)
{
    unsigned char c = (unsigned char)*at;
    size_t wanted = c < 0xC0 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4, len = 1;
    while (len < wanted && ((unsigned char)at[len] & 0xC0) == 0x80)
        len++;
    return len;
}

/* The piece that begins here; false: fewer than three characters are left. */
static bool take_gram(const char *at, struct gram *gram)
{
    size_t len = 0;
    for (int i = 0; i < 3; i++) {
        if (at[len] == '\0')
            return false;
        len += character(at + len);
    }
    memcpy(gram->text, at, len);
    gram->text[len] = '\0';
    return true;
}

static size_t count_grams(const char *needle)
{
    struct gram gram;
    size_t count = 0;
    for (const char *at = needle; take_gram(at, &gram); at += character(at))
        count++;
    return count;
}

static bool put_gram(struct buffer *out, const struct gram *gram)
{
    bool good = buffer_append_text(out, out->len > 0 ? " AND \"" : "\"");
    for (const char *at = gram->text; good && *at != '\0'; at++)
        good = (*at != '"' || buffer_append_byte(out, '"')) && buffer_append_byte(out, *at);
    return good && buffer_append_byte(out, '"');
}

/* At most `share` of the pieces of a needle, spread over it. */
static bool put_needle(struct buffer *out, const char *needle, size_t share)
{
    size_t count = count_grams(needle), number = 0, put = 0;
    struct gram gram;
    bool good = true;
    for (const char *at = needle; good && take_gram(at, &gram); at += character(at), number++) {
        if (count > share && number < put * (count - 1) / (share > 1 ? share - 1 : 1))
            continue;
        if (put == share)
            break;
        good = put_gram(out, &gram);
        put++;
    }
    return good;
}

bool text_index_question(struct buffer *out, const char *const *needles, size_t count)
{
    size_t share = GRAMS_MAX / (count > 0 ? count : 1);
    bool good = true;
    for (size_t i = 0; i < count && i < GRAMS_MAX && good; i++)
        good = put_needle(out, needles[i], share > 0 ? share : 1);
    return good;
}

/* ---- the answer ---- */

bool numbers_add(struct numbers *numbers, int64_t number)
{
    if (numbers->count == numbers->room) {
        size_t room = numbers->room * 2 + 256;
        int64_t *list = realloc(numbers->list, room * sizeof *list);
        if (list == NULL)
            return false;
        numbers->list = list;
        numbers->room = room;
    }
    numbers->list[numbers->count++] = number;
    return true;
}

/* Adds the rows of a statement, numbers. */
static enum cache_error gather(struct text_index *index, unsigned statement,
                               const struct db_value *values, size_t count, struct numbers *numbers)
{
    struct db *db = &index->reader;
    bool good = true;
    enum db_step step = db_query(db, statement, values, count);
    while (step == DB_ROW && (good = numbers_add(numbers, db_int(db, statement, 0))))
        step = db_next(db, statement);
    enum cache_error error = step == DB_FAILED ? text_index_failed(index, db) : CACHE_OK;
    db_end(db, statement);
    return good ? error : CACHE_ERR_MEMORY;
}

enum cache_error text_index_find(struct text_index *index, const struct text_asked *asked,
                                 const char *question, struct text_progress *progress,
                                 struct numbers *found)
{
    struct db *db = &index->reader;
    pthread_mutex_lock(&index->lock);
    enum cache_error error = db_run(db, TEXT_LOOK, NULL, 0);
    if (error == CACHE_OK) {
        enum db_step step = db_query(db, TEXT_STATE, NULL, 0);
        error = step == DB_FAILED ? text_index_failed(index, db) : CACHE_OK;
        if (step == DB_ROW)
            *progress = (struct text_progress){db_int(db, TEXT_STATE, asked->column),
                                               db_int(db, TEXT_STATE, asked->column + 1)};
        db_end(db, TEXT_STATE);
        if (error == CACHE_OK)
            error = gather(index, asked->find, DB_VALUES(DB_TEXT(question)), found);
        if (error == CACHE_OK && asked->has_unread)
            error = gather(index, TEXT_UNREAD, NULL, 0, found);
        if (db_run(db, TEXT_LOOKED, NULL, 0) != CACHE_OK && error == CACHE_OK)
            error = CACHE_ERR_IO;
    }
    pthread_mutex_unlock(&index->lock);
    return error;
}

/* The messages that these are the bodies of, in place; the rest is gone. */
static enum cache_error to_messages(struct db *db, struct numbers *bodies)
{
    size_t kept = 0;
    enum db_step step = DB_DONE;
    for (size_t i = 0; i < bodies->count && step != DB_FAILED; i++) {
        step = db_query(db, BODIES_MESSAGE, DB_VALUES(DB_INT(bodies->list[i])));
        if (step == DB_ROW) {
            bodies->list[kept++] = db_int(db, BODIES_MESSAGE, 0);
            db_end(db, BODIES_MESSAGE);
        }
    }
    bodies->count = kept;
    return step == DB_FAILED ? db_error(db) : CACHE_OK;
}

/* The messages whose bodies came after the mark. */
static enum cache_error add_rest(struct db *db, int64_t mark, struct numbers *messages)
{
    bool good = true;
    size_t rows = AFTER_WINDOW;
    enum db_step step = DB_DONE;
    while (rows == AFTER_WINDOW && good && step != DB_FAILED) {
        rows = 0;
        step = db_query(db, BODIES_AFTER, DB_VALUES(DB_INT(mark), DB_INT(AFTER_WINDOW)));
        for (; step == DB_ROW && good; rows++) {
            int64_t message = db_int(db, BODIES_AFTER, 1);
            mark = db_int(db, BODIES_AFTER, 0);
            good = message == 0 || numbers_add(messages, message);
            step = db_next(db, BODIES_AFTER);
        }
        db_end(db, BODIES_AFTER);
    }
    return !good ? CACHE_ERR_MEMORY : step == DB_FAILED ? db_error(db) : CACHE_OK;
}

/* Bodies are of messages that there are, but for those that somebody still reads, and for what a
 * failure left: so as many bodies as messages are those of all. That holds for what was asked if
 * the writer has committed nothing since. */
static enum cache_error judge_whole(struct cache *cache, uint64_t epoch, bool *whole)
{
    int64_t bodies = 0, messages = 0;
    bool sure = !pins_any_doomed(&cache->pins) && !atomic_load(&cache->writer.unsure);
    enum cache_error error = pool_number(&cache->bodies_readers, BODIES_STATE, &bodies);
    if (error == CACHE_OK)
        error = pool_number(&cache->index_readers, INDEX_MESSAGE_COUNT, &messages);
    *whole = error == CACHE_OK && sure && bodies == messages && memo_holds(&cache->memo, epoch);
    return error;
}

enum cache_error text_index_ask(struct cache *cache, const char *const *needles, size_t count,
                                int64_t **messages, size_t *found, bool *whole)
{
    static const struct text_asked bodies = {.find = TEXT_FIND, .column = 2, .has_unread = true};
    struct text_index *index = text_index_of(cache);
    struct numbers numbers = {0};
    struct buffer question;
    struct text_progress progress = {0, 0};
    uint64_t epoch = memo_epoch(&cache->memo);
    *messages = NULL;
    *found = 0;
    *whole = false;
    if (index == NULL)
        return CACHE_ERR_ABSENT;
    buffer_init(&question, QUERY_MAX);
    enum cache_error error = !text_index_question(&question, needles, count) || question.len == 0
                                 ? CACHE_ERR_ABSENT
                                 : CACHE_OK;
    if (error == CACHE_OK)
        error = text_index_find(index, &bodies, question.data, &progress, &numbers);
    buffer_free(&question);
    if (error == CACHE_OK) {
        struct db *db = pool_borrow(&cache->bodies_readers);
        error = to_messages(db, &numbers);
        if (error == CACHE_OK)
            error = add_rest(db, progress.mark, &numbers);
        pool_return(&cache->bodies_readers, db);
    }
    if (error == CACHE_OK)
        error = judge_whole(cache, epoch, whole);
    if (error != CACHE_OK) {
        free(numbers.list);
        return error;
    }
    if (numbers.count > 0)
        qsort(numbers.list, numbers.count, sizeof *numbers.list, order_i64);
    *messages = numbers.list;
    *found = numbers.count;
    return CACHE_OK;
}
