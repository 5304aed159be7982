/*
 * See text_index.h: the file, and what goes into it. Asking is text_index_ask.c's.
 *
 * One connection writes, the one thread's that fills it; another reads, lent out under a lock,
 * since a question takes milliseconds. A checkpoint comes with the commit that is due for it. What
 * fails for a cause other than a full disk ends the use of the index until the next mount.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "cache/dbfile.h"
#include "cache/internal.h"
#include "cache/schema.h"
#include "cache/statements.h"
#include "cache/text_index_internal.h"

enum { STALE_MIN = 1000, TRIES = 2 };

/* A larger hash (of words that are not written yet) makes fewer, larger segments. */
static const char text_1[] =
    "CREATE TABLE state (id INTEGER PRIMARY KEY CHECK (id = 1), origin INTEGER NOT NULL,"
    " version INTEGER NOT NULL, mark INTEGER NOT NULL, rows INTEGER NOT NULL);"
    "INSERT INTO state (id, origin, version, mark, rows) VALUES (1, 0, 0, 0, 0);"
    "CREATE TABLE unread (body INTEGER PRIMARY KEY);"
    "CREATE VIRTUAL TABLE gram USING fts5 (text, content = '', columnsize = 0, detail = none,"
    " tokenize = 'trigram case_sensitive 1');"
    "INSERT INTO gram (gram, rank) VALUES ('hashsize', 4194304);";
static const char text_2[] =
    "ALTER TABLE state ADD COLUMN envelope_mark INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE state ADD COLUMN envelope_rows INTEGER NOT NULL DEFAULT 0;"
    "CREATE VIRTUAL TABLE envelope USING fts5 (words, content = '', columnsize = 0, detail = none,"
    " tokenize = 'trigram case_sensitive 1');"
    "INSERT INTO envelope (envelope, rank) VALUES ('hashsize', 4194304);";
static const char *const text_steps[] = {text_1, text_2};

static const char *const text_queries[TEXT_ALL] = {
    [TEXT_STATE] = "SELECT origin, version, mark, rows, envelope_mark, envelope_rows FROM state",
    [TEXT_FIND] = "SELECT rowid FROM gram WHERE gram MATCH ?1 ORDER BY rowid",
    [TEXT_UNREAD] = "SELECT body FROM unread ORDER BY body",
    [ENVELOPE_FIND] = "SELECT rowid FROM envelope WHERE envelope MATCH ?1 ORDER BY rowid",
    [TEXT_LOOK] = "BEGIN",
    [TEXT_LOOKED] = "COMMIT",
    [TEXT_PAGES] = "PRAGMA page_count",
    [TEXT_FREE] = "PRAGMA freelist_count",

    [TEXT_BEGIN] = "BEGIN IMMEDIATE",
    [TEXT_COMMIT] = "COMMIT",
    [TEXT_ROLLBACK] = "ROLLBACK",
    [TEXT_OF] = "UPDATE state SET origin = ?1, version = ?2",
    [TEXT_MARK] = "UPDATE state SET mark = ?1, rows = ?2",
    [TEXT_ADD] = "INSERT INTO gram (rowid, text) VALUES (?1, ?2)",
    [TEXT_ADD_UNREAD] = "INSERT INTO unread (body) VALUES (?1)",
    [TEXT_EMPTY] = "INSERT INTO gram (gram) VALUES ('delete-all')",
    [TEXT_EMPTY_UNREAD] = "DELETE FROM unread",
    [ENVELOPE_MARK] = "UPDATE state SET envelope_mark = ?1, envelope_rows = ?2",
    [ENVELOPE_ADD] = "INSERT INTO envelope (rowid, words) VALUES (?1, ?2)",
    [ENVELOPE_EMPTY] = "INSERT INTO envelope (envelope) VALUES ('delete-all')",
};

static const struct db_kind text_kind = {
    .file = "search.db",
    .application_id = 0x4F4C4653, /* "OLFS" */
    .page_size = 8192,
    .steps = text_steps,
    .version = sizeof text_steps / sizeof *text_steps,
    .queries = text_queries,
    .reads = TEXT_READS,
    .all = TEXT_ALL,
};

enum cache_error text_index_failed(struct text_index *index, struct db *db)
{
    enum cache_error error = db_error(db);
    if (error != CACHE_ERR_FULL && error != CACHE_ERR_MEMORY &&
        atomic_exchange(&index->good, false))
        log_warn("cache: %s is not used any more; searches look into every text", db->kind->file);
    return error;
}

struct text_index *text_index_of(struct cache *cache)
{
    struct text_index *index = cache->text_index;
    return index != NULL && atomic_load(&index->good) ? index : NULL;
}

/* ---- opening ---- */

static int64_t pragma(struct db *db, unsigned statement)
{
    int64_t value = db_query(db, statement, NULL, 0) == DB_ROW ? db_int(db, statement, 0) : 0;
    db_end(db, statement);
    return value;
}

/* What an empty one takes is not worth counting. */
static void measure(struct text_index *index)
{
    int64_t pages = pragma(&index->writer, TEXT_PAGES) - pragma(&index->writer, TEXT_FREE);
    bool some = index->texts.rows > 0 || index->envelopes.rows > 0;
    atomic_store(&index->bytes, some ? (uint64_t)(pages * text_kind.page_size) : 0);
    atomic_store(&index->known, (uint64_t)index->texts.rows);
    atomic_store(&index->envelopes_known, (uint64_t)index->envelopes.rows);
}

/* What the cache's files are, that this one goes with. */
struct basis {
    int64_t origin;
    int64_t last_body, last_message; /* ids that were given out */
    int64_t version;
};

static bool look_up_basis(struct cache *cache, uint32_t version, struct basis *basis)
{
    *basis = (struct basis){.version = version};
    return pool_number(&cache->bodies_readers, BODIES_ORIGIN, &basis->origin) == CACHE_OK &&
           pool_number(&cache->bodies_readers, BODIES_LAST, &basis->last_body) == CACHE_OK &&
           pool_number(&cache->index_readers, INDEX_MESSAGE_LAST, &basis->last_message) == CACHE_OK;
}

/* A mark above the last id is one that was lost with the power, and may be given out again. */
static bool fits(struct text_index *index, const struct basis *basis)
{
    struct db *db = &index->writer;
    if (db_query(db, TEXT_STATE, NULL, 0) != DB_ROW)
        return false;
    int64_t of = db_int(db, TEXT_STATE, 0), made_by = db_int(db, TEXT_STATE, 1);
    index->texts = (struct text_progress){db_int(db, TEXT_STATE, 2), db_int(db, TEXT_STATE, 3)};
    index->envelopes = (struct text_progress){db_int(db, TEXT_STATE, 4), db_int(db, TEXT_STATE, 5)};
    db_end(db, TEXT_STATE);
    if (of == basis->origin && made_by == basis->version)
        return index->texts.mark <= basis->last_body &&
               index->envelopes.mark <= basis->last_message;
    return made_by == 0 && index->texts.mark == 0 && index->envelopes.mark == 0 &&
           db_run(db, TEXT_OF, DB_VALUES(DB_INT(basis->origin), DB_INT(basis->version))) ==
               CACHE_OK;
}

static bool open_once(struct text_index *index, const struct basis *basis)
{
    int code = SQLITE_OK;
    const char *why = NULL, *directory = index->cache->directory;
    if (dbfile_open(&index->writer, &text_kind, directory, DB_WRITER, &code, &why) != DBFILE_GOOD ||
        sqlite3_exec(index->writer.handle, "PRAGMA wal_autocheckpoint = 500", NULL, NULL, NULL) !=
            SQLITE_OK)
        return false;
    return fits(index, basis) && db_open(&index->reader, &text_kind, directory) == SQLITE_OK &&
           db_prepare(&index->reader, DB_READER) == SQLITE_OK;
}

static void remove_file(const struct cache *cache)
{
    static const char *const tails[] = {"", "-wal", "-shm", ".damaged"};
    char path[DBFILE_PATH_MAX + 64];
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        snprintf(path, sizeof path, "%s/%s%s", cache->directory, text_kind.file, tails[i]);
        unlink(path);
    }
}

enum cache_error text_index_open(struct cache *cache, uint32_t version)
{
    struct basis basis;
    struct text_index *index = calloc(1, sizeof *index);
    if (index == NULL)
        return CACHE_ERR_MEMORY;
    index->cache = cache;
    index->writer.kind = index->reader.kind = &text_kind;
    pthread_mutex_init(&index->lock, NULL);
    bool good = false, known = look_up_basis(cache, version, &basis);
    for (int try = 0; known && !good && try < TRIES; try++) {
        good = open_once(index, &basis);
        if (good)
            break;
        db_close(&index->reader);
        db_close(&index->writer);
        remove_file(cache);
    }
    atomic_init(&index->good, good);
    if (good)
        measure(index);
    else
        log_warn("cache: %s cannot be made; searches look into every text", text_kind.file);
    atomic_store(&cache->text_index, index); /* whole: the writer looks at it */
    return good ? CACHE_OK : CACHE_ERR_ABSENT;
}

void text_index_close(struct cache *cache)
{
    struct text_index *index = cache->text_index;
    cache->text_index = NULL;
    if (index == NULL)
        return;
    if (index->writer.handle != NULL)
        sqlite3_wal_checkpoint_v2(index->writer.handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL,
                                  NULL);
    db_close(&index->reader);
    db_close(&index->writer);
    pthread_mutex_destroy(&index->lock);
    free(index);
}

uint64_t text_index_bytes(const struct cache *cache)
{
    const struct text_index *index = cache->text_index;
    return index != NULL ? atomic_load(&index->bytes) : 0;
}

uint64_t text_index_rows(const struct cache *cache)
{
    const struct text_index *index = cache->text_index;
    return index != NULL && atomic_load(&index->good) ? atomic_load(&index->known) : 0;
}

/* ---- filling ---- */

bool text_index_full(const struct text_index *index)
{
    return atomic_load(&index->bytes) > index->cache->body_bytes / TEXT_INDEX_SHARE;
}

enum cache_error text_index_next(struct cache *cache, struct text_index_body *bodies, size_t max,
                                 size_t *count)
{
    struct text_index *index = text_index_of(cache);
    *count = 0;
    if (index == NULL)
        return CACHE_ERR_ABSENT;
    if (text_index_full(index))
        return CACHE_ERR_LIMIT;
    struct db *db = pool_borrow(&cache->bodies_readers);
    enum db_step step =
        db_query(db, BODIES_AFTER, DB_VALUES(DB_INT(index->texts.mark), DB_INT(max)));
    while (step == DB_ROW && *count < max) {
        struct text_index_body body = {db_int(db, BODIES_AFTER, 0), db_int(db, BODIES_AFTER, 1)};
        if (body.message == 0) /* on its way in */
            break;
        bodies[(*count)++] = body;
        step = db_next(db, BODIES_AFTER);
    }
    enum cache_error error = step == DB_FAILED ? db_error(db) : CACHE_OK;
    db_end(db, BODIES_AFTER);
    pool_return(&cache->bodies_readers, db);
    return error;
}

enum cache_error text_index_begin(struct text_index *index)
{
    return db_run(&index->writer, TEXT_BEGIN, NULL, 0) == CACHE_OK
               ? CACHE_OK
               : text_index_failed(index, &index->writer);
}

enum cache_error text_index_end(struct text_index *index, enum cache_error error,
                                unsigned statement, struct text_progress *now,
                                struct text_progress then)
{
    struct db *db = &index->writer;
    if (error == CACHE_OK)
        error = db_run(db, statement, DB_VALUES(DB_INT(then.mark), DB_INT(then.rows)));
    if (error == CACHE_OK)
        error = db_run(db, TEXT_COMMIT, NULL, 0);
    if (error == CACHE_OK) {
        *now = then;
        measure(index);
        return CACHE_OK;
    }
    error = text_index_failed(index, db);
    if (sqlite3_get_autocommit(db->handle) == 0 && db_run(db, TEXT_ROLLBACK, NULL, 0) != CACHE_OK)
        atomic_store(&index->good, false);
    return error;
}

static enum cache_error add_one(struct db *db, const struct text_index_entry *entry)
{
    const struct db_value text = {
        .type = DB_VALUE_TEXT_OF, .data = entry->text, .integer = (int64_t)entry->len};
    switch (entry->state) {
    case TEXT_INDEX_TEXT:
        return db_run(db, TEXT_ADD, (const struct db_value[]){DB_INT(entry->body), text}, 2);
    case TEXT_INDEX_UNREAD:
        return db_run(db, TEXT_ADD_UNREAD, DB_VALUES(DB_INT(entry->body)));
    case TEXT_INDEX_GONE:
        break;
    }
    return CACHE_OK;
}

enum cache_error text_index_add(struct cache *cache, const struct text_index_entry *entries,
                                size_t count)
{
    struct text_index *index = text_index_of(cache);
    if (index == NULL)
        return CACHE_ERR_ABSENT;
    struct text_progress then = index->texts;
    enum cache_error error = text_index_begin(index);
    if (error != CACHE_OK)
        return error;
    for (size_t i = 0; i < count && error == CACHE_OK; i++) {
        error = add_one(&index->writer, &entries[i]);
        then.rows += entries[i].state != TEXT_INDEX_GONE;
        then.mark = entries[i].body;
    }
    return text_index_end(index, error, TEXT_MARK, &index->texts, then);
}

enum cache_error text_index_renew(struct text_index *index, int64_t there, const unsigned *empty,
                                  size_t count, unsigned statement, struct text_progress *now,
                                  bool *again)
{
    if (now->rows - there < STALE_MIN || now->rows < 2 * there)
        return CACHE_OK;
    enum cache_error error = text_index_begin(index);
    if (error != CACHE_OK)
        return error;
    for (size_t i = 0; i < count && error == CACHE_OK; i++)
        error = db_run(&index->writer, empty[i], NULL, 0);
    error = text_index_end(index, error, statement, now, (struct text_progress){0, 0});
    *again = error == CACHE_OK;
    if (*again)
        (void)sqlite3_exec(index->writer.handle, "PRAGMA incremental_vacuum", NULL, NULL, NULL);
    return error;
}

enum cache_error text_index_tidy(struct cache *cache, bool *again)
{
    static const unsigned empty[] = {TEXT_EMPTY, TEXT_EMPTY_UNREAD};
    struct text_index *index = text_index_of(cache);
    int64_t bodies = 0;
    *again = false;
    if (index == NULL)
        return CACHE_ERR_ABSENT;
    enum cache_error error = pool_number(&cache->bodies_readers, BODIES_STATE, &bodies);
    return error != CACHE_OK
               ? error
               : text_index_renew(index, bodies, empty, 2, TEXT_MARK, &index->texts, again);
}
