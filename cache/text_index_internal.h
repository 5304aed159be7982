/* What text_index.c, text_index_ask.c and the rest of the room share. */
#ifndef OUTLOOKFS_CACHE_TEXT_INDEX_INTERNAL_H
#define OUTLOOKFS_CACHE_TEXT_INDEX_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "cache/db.h"
#include "cache/text_index.h"

enum text_statement {
    TEXT_STATE,
    TEXT_FIND,
    TEXT_UNREAD,
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
    TEXT_ALL
};

struct text_index {
    struct cache *cache;
    atomic_bool good; /* it can be asked, and filled */
    atomic_uint_least64_t bytes, known;
    pthread_mutex_t lock;
    struct db reader; /* protected by lock */
    /* Of the thread that fills it: */
    struct db writer;
    int64_t mark; /* bodies up to this id are in it, or noted as unread */
    int64_t rows;
};

/* NULL: there is none to be used. */
struct text_index *text_index_of(struct cache *cache);
/* The error of the connection's last failure, and what follows for the index. */
enum cache_error text_index_failed(struct text_index *index, struct db *db);

void text_index_close(struct cache *cache);
/* Bytes on disk, and bodies that it knows. Any thread. */
uint64_t text_index_bytes(const struct cache *cache);
uint64_t text_index_rows(const struct cache *cache);

#endif
