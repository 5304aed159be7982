/* See pool.h. */
#include "cache/pool.h"

int pool_open(struct pool *pool, const struct db_kind *kind, const char *directory)
{
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->back, NULL);
    pool->idle_count = 0;
    for (unsigned i = 0; i < POOL_SIZE; i++)
        pool->readers[i] = (struct db){.kind = kind};
    for (unsigned i = 0; i < POOL_SIZE; i++) {
        int code = db_open(&pool->readers[i], kind, directory);
        if (code == SQLITE_OK)
            code = db_prepare(&pool->readers[i], DB_READER);
        if (code != SQLITE_OK)
            return code;
        pool->idle[pool->idle_count++] = &pool->readers[i];
    }
    return SQLITE_OK;
}

void pool_close(struct pool *pool)
{
    for (unsigned i = 0; i < POOL_SIZE; i++)
        db_close(&pool->readers[i]);
    pthread_cond_destroy(&pool->back);
    pthread_mutex_destroy(&pool->lock);
}

struct db *pool_borrow(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    while (pool->idle_count == 0)
        pthread_cond_wait(&pool->back, &pool->lock);
    struct db *db = pool->idle[--pool->idle_count];
    pthread_mutex_unlock(&pool->lock);
    return db;
}

void pool_return(struct pool *pool, struct db *db)
{
    pthread_mutex_lock(&pool->lock);
    pool->idle[pool->idle_count++] = db;
    pthread_cond_signal(&pool->back);
    pthread_mutex_unlock(&pool->lock);
}

enum cache_error pool_number(struct pool *pool, unsigned statement, int64_t *number)
{
    struct db *db = pool_borrow(pool);
    enum db_step step = db_query(db, statement, NULL, 0);
    *number = step == DB_ROW ? db_int(db, statement, 0) : 0;
    enum cache_error error = step == DB_FAILED ? db_error(db) : CACHE_OK;
    db_end(db, statement);
    pool_return(pool, db);
    return error;
}
