/*
 * Read connections, all opened at the start. A call borrows one for its own length and gives it
 * back with every statement reset; when all are out it waits for the first to return. The one given
 * back last is lent first, so that few of them ever fill their page caches. Any thread.
 */
#ifndef OUTLOOKFS_CACHE_POOL_H
#define OUTLOOKFS_CACHE_POOL_H

#include <pthread.h>

#include "cache/db.h"

enum { POOL_SIZE = 12 };

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t back;
    struct db readers[POOL_SIZE];
    struct db *idle[POOL_SIZE]; /* protected by lock; the last one is lent first */
    unsigned idle_count;        /* protected by lock */
};

/* Returns SQLite's code; pool_close is due in any case. */
int pool_open(struct pool *pool, const struct db_kind *kind, const char *directory)
    __attribute__((warn_unused_result));
void pool_close(struct pool *pool);

struct db *pool_borrow(struct pool *pool);
void pool_return(struct pool *pool, struct db *db);

/* The first column of the one row of a statement without values; 0 where there is no row. */
enum cache_error pool_number(struct pool *pool, unsigned statement, int64_t *number)
    __attribute__((warn_unused_result));

#endif
