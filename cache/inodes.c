/* The read side of the file system: each call is one statement on one reader. See cache.h. */
#include <string.h>

#include "cache/internal.h"
#include "cache/statements.h"

void inode_from_row(const struct db *db, unsigned statement, struct cache_inode *inode)
{
    *inode = (struct cache_inode){
        .ino = (uint64_t)db_int(db, statement, 0),
        .parent = (uint64_t)db_int(db, statement, 1),
        .kind = (enum cache_kind)db_int(db, statement, 2),
        .mailbox = db_int(db, statement, 3),
        .message = db_int(db, statement, 4),
        .uid = (uint32_t)db_int(db, statement, 5),
        .size = (uint64_t)db_int(db, statement, 6),
        .size_exact = db_int(db, statement, 7) != 0,
        .mtime = db_int(db, statement, 8),
        .ctime = db_int(db, statement, 9),
        .hidden = db_int(db, statement, 11) != 0,
        .pending = db_int(db, statement, 12) != 0,
        .alias = db_int(db, statement, 13) != 0,
    };
    if (inode->ino == CACHE_ROOT_INO)
        inode->parent = CACHE_ROOT_INO; /* as ".." of a root; 0 on disk keeps it out of its list */
    const char *name = db_text(db, statement, 10);
    size_t len = strnlen(name, CACHE_NAME_MAX);
    memcpy(inode->name, name, len);
}

enum cache_error inode_query(struct db *db, unsigned statement, const struct db_value *values,
                             size_t count, struct cache_inode *inode)
{
    enum db_step step = db_query(db, statement, values, count);
    if (step == DB_FAILED)
        return db_error(db);
    if (step == DB_DONE)
        return CACHE_ERR_ABSENT;
    inode_from_row(db, statement, inode);
    db_end(db, statement);
    return CACHE_OK;
}

enum cache_error cache_inode_get(struct cache *cache, uint64_t ino, struct cache_inode *inode)
{
    struct db *db = pool_borrow(&cache->index_readers);
    enum cache_error error = inode_query(db, INDEX_INODE_GET, DB_VALUES(DB_INT(ino)), inode);
    pool_return(&cache->index_readers, db);
    return error;
}

enum cache_error cache_inode_lookup(struct cache *cache, uint64_t parent, const char *name,
                                    struct cache_inode *inode)
{
    struct db *db = pool_borrow(&cache->index_readers);
    enum cache_error error =
        inode_query(db, INDEX_INODE_LOOKUP, DB_VALUES(DB_INT(parent), DB_TEXT(name)), inode);
    pool_return(&cache->index_readers, db);
    return error;
}

enum cache_error cache_inode_list(struct cache *cache, uint64_t parent, uint64_t after,
                                  struct cache_inode *inodes, size_t max, size_t *count)
{
    enum cache_error error = CACHE_OK;
    struct db *db = pool_borrow(&cache->index_readers);
    *count = 0;
    enum db_step step =
        db_query(db, INDEX_INODE_LIST, DB_VALUES(DB_INT(parent), DB_INT(after), DB_INT(max)));
    while (step == DB_ROW && *count < max) {
        inode_from_row(db, INDEX_INODE_LIST, &inodes[(*count)++]);
        step = db_next(db, INDEX_INODE_LIST);
    }
    if (step == DB_FAILED)
        error = db_error(db);
    db_end(db, INDEX_INODE_LIST);
    pool_return(&cache->index_readers, db);
    return error;
}

enum cache_error cache_inode_count(struct cache *cache, uint64_t parent, uint64_t *directories,
                                   uint64_t *messages)
{
    enum cache_error error = CACHE_OK;
    struct db *db = pool_borrow(&cache->index_readers);
    enum db_step step = db_query(db, INDEX_INODE_COUNT, DB_VALUES(DB_INT(parent)));
    if (step == DB_ROW) {
        *directories = (uint64_t)db_int(db, INDEX_INODE_COUNT, 0);
        *messages = (uint64_t)db_int(db, INDEX_INODE_COUNT, 1);
        db_end(db, INDEX_INODE_COUNT);
    } else {
        error = step == DB_DONE ? CACHE_ERR_ABSENT : db_error(db);
    }
    pool_return(&cache->index_readers, db);
    return error;
}

enum cache_error cache_message_find(struct cache *cache, int64_t mailbox, uint32_t uid,
                                    struct cache_inode *inode)
{
    struct db *db = pool_borrow(&cache->index_readers);
    enum cache_error error =
        inode_query(db, INDEX_INODE_OF_UID, DB_VALUES(DB_INT(mailbox), DB_INT(uid)), inode);
    pool_return(&cache->index_readers, db);
    return error;
}
