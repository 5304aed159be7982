/* What text_index.c, text_index_ask.c, envelope_index.c and the rest of the room share. */
#ifndef OUTLOOKFS_CACHE_TEXT_INDEX_INTERNAL_H
#define OUTLOOKFS_CACHE_TEXT_INDEX_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/buffer.h"
#include "cache/db.h"
#include "cache/text_index.h"

enum text_statement {
    TEXT_STATE,
    TEXT_FIND,
    TEXT_UNREAD,
    ENVELOPE_FIND,
    TEXT_LOOK,
    TEXT_LOOKED,
    TEXT_PAGES,
    TEXT_FREE,
    TEXT_READS,

    TEXT_BEGIN = TEXT_READS,
    TEXT_COMMIT,
    TEXT_ROLLBACK,
    TEXT_OF,
    TEXT_MARK,
    TEXT_ADD,
    TEXT_ADD_UNREAD,
    TEXT_EMPTY,
    TEXT_EMPTY_UNREAD,
    ENVELOPE_MARK,
    ENVELOPE_ADD,
    ENVELOPE_EMPTY,
    TEXT_ALL
};

/* How far a kind of rows is: ids up to `mark` are in it, and how many rows that made. */
struct text_progress {
    int64_t mark, rows;
};

struct text_index {
    struct cache *cache;
    atomic_bool good; /* it can be asked, and filled */
    atomic_uint_least64_t bytes, known, envelopes_known;
    pthread_mutex_t lock;
    struct db reader; /* protected by lock */
    /* Of the thread that fills it: */
    struct db writer;
    struct text_progress texts, envelopes; /* by ids of bodies; of messages */
};

/* NULL: there is none to be used. */
struct text_index *text_index_of(struct cache *cache);
/* The error of the connection's last failure, and what follows for the index. */
enum cache_error text_index_failed(struct text_index *index, struct db *db);

/* Begins to write; and ends that: all of it, or none. `statement` notes how far it is `then`, which
 * *now takes over if it stands. */
enum cache_error text_index_begin(struct text_index *index);
enum cache_error text_index_end(struct text_index *index, enum cache_error error,
                                unsigned statement, struct text_progress *now,
                                struct text_progress then);
/* It takes no more. */
bool text_index_full(const struct text_index *index);
/* Where there are `there` of what *now has rows of, and most rows are of what is gone: runs
 * `empty`, statements, and begins anew; *again then. */
enum cache_error text_index_renew(struct text_index *index, int64_t there, const unsigned *empty,
                                  size_t count, unsigned statement, struct text_progress *now,
                                  bool *again);

/* A list that grows; the caller frees it. */
struct numbers {
    int64_t *list;
    size_t count, room;
};
/* False without memory. */
bool numbers_add(struct numbers *numbers, int64_t number) __attribute__((warn_unused_result));

/* The pieces of the needles, as FTS5 asks; stays empty where no needle is long enough. False
 * without memory. */
bool text_index_question(struct buffer *out, const char *const *needles, size_t count);
/* Which rows are asked: the statement, the column of TEXT_STATE that has their mark, and whether
 * those of TEXT_UNREAD may have anything as well. */
struct text_asked {
    unsigned find;
    int column;
    bool has_unread;
};
/* Adds what may have it, of rows up to progress->mark: all in one look. */
enum cache_error text_index_find(struct text_index *index, const struct text_asked *asked,
                                 const char *question, struct text_progress *progress,
                                 struct numbers *found);

void text_index_close(struct cache *cache);
/* Bytes on disk, and bodies and messages that it knows. Any thread. */
uint64_t text_index_bytes(const struct cache *cache);
uint64_t text_index_rows(const struct cache *cache);
uint64_t envelope_index_rows(const struct cache *cache);

#endif
