/*
 * The cache directory and its two databases as they are found: who may use them, what is to be set
 * aside, and starting anew. Runs once, in cache_open, before any other thread.
 *
 * A file is set aside when it is not a database, is damaged, foreign or newer, belongs to another
 * account, or was marked as damaged while in use. bodies.db names messages by their ids in index.db
 * (`pair` tells which one), so a new index.db makes the old bodies useless. A full disk or missing
 * permission is no reason to set anything aside: then opening fails.
 *
 * What makes a file fit for use is dbfile.c's to say; a whole check is made only after a crash.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "cache/dbfile.h"
#include "cache/directory.h"
#include "cache/internal.h"
#include "cache/schema.h"

enum { FILES_PATH_MAX = DBFILE_PATH_MAX, FILES_TRIES = 3 };

static enum cache_error say(char *text, enum cache_error error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static enum cache_error say(char *text, enum cache_error error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(text, CACHE_TEXT_MAX, format, args);
    va_end(args);
    return error;
}

/* ---- the directory ---- */

enum cache_error files_lock(struct cache *cache, const char *directory, char *text)
{
    char path[FILES_PATH_MAX];
    if (directory[0] == '\0' || strlen(directory) > FILES_PATH_MAX - 64)
        return say(text, CACHE_ERR_IO, "the name of the cache directory is empty or too long");
    cache->directory = strdup(directory);
    if (cache->directory == NULL)
        return say(text, CACHE_ERR_MEMORY, "out of memory");
    if (directory_make(cache->directory) != 0)
        return say(text, CACHE_ERR_IO, "cannot create the cache directory %.200s: %s", directory,
                   strerror(errno));
    if (directory_open_to_others(directory))
        return say(text, CACHE_ERR_IO,
                   "the cache directory %.200s is another user's, or others can write to it; "
                   "chmod 700 it, or give another with -o cache_dir=DIR",
                   directory);
    snprintf(path, sizeof path, "%s/lock", directory);
    cache->lock_fd = directory_lock(path);
    if (cache->lock_fd >= 0)
        return CACHE_OK;
    if (errno == EWOULDBLOCK)
        return say(text, CACHE_ERR_BUSY,
                   "the cache directory %.200s is in use by another mount; "
                   "give this one its own with -o cache_dir=DIR",
                   directory);
    return say(text, errno == ENOSPC ? CACHE_ERR_FULL : CACHE_ERR_IO,
               "cannot use the cache directory %.200s: %s", directory, strerror(errno));
}

/* ---- the two files ---- */

struct opening {
    struct cache *cache;
    const char *user, *host;
    int64_t pair;
    bool index_clean, bodies_clean;
    int code;
    const char *why;
};

static int insert_account(struct opening *o, struct db *db)
{
    sqlite3_stmt *statement = NULL;
    if (getrandom(&o->pair, sizeof o->pair, 0) != (ssize_t)sizeof o->pair)
        o->pair = ((int64_t)time(NULL) << 20) ^ getpid();
    int code = sqlite3_prepare_v2(
        db->handle, "INSERT INTO account (id, user, host, pair, clean) VALUES (1, ?1, ?2, ?3, 1)",
        -1, &statement, NULL);
    if (code == SQLITE_OK) {
        sqlite3_bind_text(statement, 1, o->user, -1, SQLITE_STATIC);
        sqlite3_bind_text(statement, 2, o->host, -1, SQLITE_STATIC);
        sqlite3_bind_int64(statement, 3, o->pair);
        code = sqlite3_step(statement);
    }
    sqlite3_finalize(statement);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

static enum dbfile_verdict read_account(struct opening *o, struct db *db)
{
    sqlite3_stmt *statement = NULL;
    enum dbfile_verdict state = DBFILE_GOOD;
    o->code = sqlite3_prepare_v2(db->handle, "SELECT user, host, pair, clean FROM account", -1,
                                 &statement, NULL);
    if (o->code == SQLITE_OK)
        o->code = sqlite3_step(statement);
    if (o->code == SQLITE_ROW) {
        const char *user = (const char *)sqlite3_column_text(statement, 0);
        const char *host = (const char *)sqlite3_column_text(statement, 1);
        o->pair = sqlite3_column_int64(statement, 2);
        o->index_clean = sqlite3_column_int(statement, 3) != 0;
        if (user == NULL || host == NULL || strcmp(user, o->user) != 0 ||
            strcasecmp(host, o->host) != 0) {
            o->why = "belongs to another account";
            state = DBFILE_BAD;
        }
    } else if (o->code == SQLITE_DONE) {
        o->index_clean = true;
        o->code = insert_account(o, db);
        state = o->code == SQLITE_OK ? DBFILE_GOOD : DBFILE_ERROR;
    } else {
        state = dbfile_judge(o->code, &o->why);
    }
    sqlite3_finalize(statement);
    return state;
}

static enum dbfile_verdict read_state(struct opening *o, struct db *db)
{
    int64_t rows = 0, pair = 0, clean = 0;
    char sql[160];
    o->code = schema_integer(db, "SELECT count(*) FROM state", &rows);
    if (o->code == SQLITE_OK && rows == 0) {
        snprintf(sql, sizeof sql,
                 "INSERT INTO state (id, pair, clean, bodies, bytes) VALUES (1, %lld, 1, 0, 0)",
                 (long long)o->pair);
        o->code = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    }
    if (o->code == SQLITE_OK)
        o->code = schema_integer(db, "SELECT pair FROM state", &pair);
    if (o->code == SQLITE_OK)
        o->code = schema_integer(db, "SELECT clean FROM state", &clean);
    if (o->code != SQLITE_OK)
        return dbfile_judge(o->code, &o->why);
    o->bodies_clean = clean != 0;
    o->why = "belongs to another index";
    return pair == o->pair ? DBFILE_GOOD : DBFILE_BAD;
}

static enum dbfile_verdict look_at_index(struct opening *o, struct db *db)
{
    enum dbfile_verdict state =
        dbfile_open(db, &db_index_kind, o->cache->directory, DB_WRITER, &o->code, &o->why);
    if (state == DBFILE_GOOD)
        state = read_account(o, db);
    return state == DBFILE_GOOD && !o->index_clean ? dbfile_check(db, &o->code, &o->why) : state;
}

static enum dbfile_verdict look_at_bodies(struct opening *o, struct db *db)
{
    enum dbfile_verdict state =
        dbfile_open(db, &db_bodies_kind, o->cache->directory, DB_WRITER, &o->code, &o->why);
    if (state == DBFILE_GOOD)
        state = read_state(o, db);
    return state == DBFILE_GOOD && !o->bodies_clean ? dbfile_check(db, &o->code, &o->why) : state;
}

/* Opens a file; where it cannot be used, sets it aside and starts anew. */
static enum cache_error settle_file(struct opening *o, struct db *db, const struct db_kind *kind,
                                    enum dbfile_verdict (*look)(struct opening *, struct db *),
                                    char *text)
{
    for (int try = 0; try < FILES_TRIES; try++) {
        errno = 0;
        enum dbfile_verdict state = look(o, db);
        if (state == DBFILE_GOOD)
            return CACHE_OK;
        int system_error = db->handle != NULL ? sqlite3_system_errno(db->handle) : errno;
        db_close(db);
        if (state == DBFILE_ERROR) {
            bool full =
                (o->code & 0xFF) == SQLITE_FULL || system_error == ENOSPC || system_error == EDQUOT;
            return say(text, full ? CACHE_ERR_FULL : CACHE_ERR_IO, "cannot open %.200s/%s: %s",
                       o->cache->directory, kind->file,
                       system_error != 0 ? strerror(system_error) : sqlite3_errstr(o->code));
        }
        if (dbfile_set_aside(o->cache->directory, kind, o->why) != 0)
            break;
    }
    return say(text, CACHE_ERR_IO, "%.200s/%s cannot be used and cannot be set aside",
               o->cache->directory, kind->file);
}

enum cache_error files_open(struct cache *cache, const char *user, const char *host, bool *clean,
                            char *text)
{
    struct opening o = {.cache = cache, .user = user, .host = host};
    enum cache_error error =
        settle_file(&o, &cache->writer.index.db, &db_index_kind, look_at_index, text);
    if (error == CACHE_OK)
        error = settle_file(&o, &cache->writer.bodies.db, &db_bodies_kind, look_at_bodies, text);
    *clean = o.index_clean && o.bodies_clean;
    return error;
}

void files_remove_bodies(const struct cache *cache)
{
    static const char *const tails[] = {"", "-wal", "-shm"};
    char path[FILES_PATH_MAX + 64];
    log_warn("cache: the disk is full: the bodies in %s are removed", cache->directory);
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        snprintf(path, sizeof path, "%s/%s%s", cache->directory, db_bodies_kind.file, tails[i]);
        unlink(path);
    }
}
