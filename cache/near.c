/* See near.h. The entries come from index.db, whether a body is here from bodies.db: two readers
 * are borrowed one after the other, never held together. */
#include "cache/near.h"

#include <string.h>

#include "cache/internal.h"
#include "cache/statements.h"

enum { PAGE = 64 }; /* entries read at a time */

static void place_set(struct cache_dentry *place, const struct cache_inode *inode)
{
    place->parent = inode->parent;
    place->ino = inode->ino;
    memcpy(place->name, inode->name, sizeof place->name);
}

enum cache_error cache_dentry_of(struct cache *cache, int64_t message, struct cache_dentry *place)
{
    struct cache_inode inode = {0};
    struct db *db = pool_borrow(&cache->index_readers);
    enum cache_error error =
        inode_query(db, INDEX_INODE_OF_MESSAGE, DB_VALUES(DB_INT(message)), &inode);
    pool_return(&cache->index_readers, db);
    if (error == CACHE_OK && inode.hidden)
        error = CACHE_ERR_ABSENT;
    if (error == CACHE_OK)
        place_set(place, &inode);
    return error;
}

/* The next entries behind `place`, which moves to the last of them. */
static enum cache_error read_page(struct cache *cache, struct cache_dentry *place,
                                  enum cache_order order, struct cache_inode *page, size_t max,
                                  size_t *count)
{
    static const unsigned statements[CACHE_ORDERS] = {
        [CACHE_BY_INODE] = INDEX_INODE_LIST,
        [CACHE_BY_INODE_BACK] = INDEX_INODE_LIST_BACK,
        [CACHE_BY_NAME] = INDEX_INODE_NAMES,
        [CACHE_BY_NAME_BACK] = INDEX_INODE_NAMES_BACK,
    };
    bool by_name = order == CACHE_BY_NAME || order == CACHE_BY_NAME_BACK;
    unsigned n = statements[order];
    enum cache_error error = CACHE_OK;
    *count = 0;
    struct db_value from = DB_INT(place->ino);
    if (by_name)
        from = (struct db_value)DB_TEXT(place->name);
    struct db *db = pool_borrow(&cache->index_readers);
    enum db_step step = db_query(db, n, DB_VALUES(DB_INT(place->parent), from, DB_INT(max)));
    while (step == DB_ROW && *count < max) {
        inode_from_row(db, n, &page[(*count)++]);
        step = db_next(db, n);
    }
    if (step == DB_FAILED)
        error = db_error(db);
    db_end(db, n);
    pool_return(&cache->index_readers, db);
    if (*count > 0)
        place_set(place, &page[*count - 1]);
    return error;
}

static enum cache_error find_body(struct db *db, int64_t message, bool *here)
{
    enum db_step step = db_query(db, BODIES_FIND, DB_VALUES(DB_INT(message)));
    *here = step == DB_ROW;
    if (step == DB_FAILED)
        return db_error(db);
    db_end(db, BODIES_FIND);
    return CACHE_OK;
}

enum cache_error cache_body_here(struct cache *cache, int64_t message, bool *here)
{
    struct db *db = pool_borrow(&cache->bodies_readers);
    enum cache_error error = find_body(db, message, here);
    pool_return(&cache->bodies_readers, db);
    return error;
}

/* Adds what counts of a page; `place` goes back to the last entry that was looked at. */
static enum cache_error take_page(struct cache *cache, struct cache_dentry *place,
                                  const struct cache_inode *page, size_t len,
                                  enum cache_near_what what, struct cache_near *rows, size_t max,
                                  size_t *count)
{
    enum cache_error error = CACHE_OK;
    struct db *db = what == CACHE_NEAR_ABSENT ? pool_borrow(&cache->bodies_readers) : NULL;
    for (size_t i = 0; error == CACHE_OK && i < len && *count < max; i++) {
        bool here = false;
        place_set(place, &page[i]);
        if (page[i].kind != CACHE_MESSAGE || page[i].pending || page[i].message == 0)
            continue;
        if (db != NULL)
            error = find_body(db, page[i].message, &here);
        if (error == CACHE_OK && !here)
            rows[(*count)++] = (struct cache_near){.message = page[i].message,
                                                   .mailbox = page[i].mailbox,
                                                   .uid = page[i].uid,
                                                   .mtime = page[i].mtime,
                                                   .size = page[i].size};
    }
    if (db != NULL)
        pool_return(&cache->bodies_readers, db);
    return error;
}

enum cache_error cache_near(struct cache *cache, struct cache_dentry *place, enum cache_order order,
                            enum cache_near_what what, struct cache_near *rows, size_t max,
                            size_t *count, bool *end)
{
    struct cache_inode page[PAGE];
    size_t room = max < PAGE ? max : PAGE, looked = 0;
    enum cache_error error = CACHE_OK;
    *count = 0;
    *end = false;
    while (error == CACHE_OK && *count < max && looked < CACHE_NEAR_LOOK && !*end) {
        size_t len = 0;
        struct cache_dentry next = *place;
        error = read_page(cache, &next, order, page, room, &len);
        if (error == CACHE_OK)
            error = take_page(cache, place, page, len, what, rows, max, count);
        *end = error == CACHE_OK && len < room && (len == 0 || place->ino == page[len - 1].ino);
        looked += len;
    }
    return error;
}
