/*
 * See db.h. Errors are logged here, once, with SQLite's own text, which names no message.
 *
 * A file found damaged while in use cannot be replaced under its readers, so it is only marked: an
 * empty file NAME.damaged beside it makes the next open set it aside.
 */
#include "cache/db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

enum { DB_PATH_MAX = 4096, DB_BUSY_MS = 10000, DB_FULL_QUIET_MS = 10000 };

/* Readers keep small page caches: there are many of them, and the kernel has the pages anyway. */
static const char *const role_settings[] = {
    [DB_READER] = "PRAGMA query_only = 1; PRAGMA cache_size = -256; PRAGMA mmap_size = 0;"
                  "PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = 1;",
    [DB_WRITER] = "PRAGMA synchronous = NORMAL; PRAGMA cache_size = -4000; PRAGMA mmap_size = 0;"
                  "PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = 1;"
                  "PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 4194304;",
    [DB_JOURNAL] = "PRAGMA synchronous = FULL; PRAGMA cache_size = -1000; PRAGMA mmap_size = 0;"
                   "PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = 1;"
                   "PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 16777216;",
};

int db_open(struct db *db, const struct db_kind *kind, const char *directory)
{
    char path[DB_PATH_MAX];
    *db = (struct db){.kind = kind, .directory = directory};
    int len = snprintf(path, sizeof path, "%s/%s", directory, kind->file);
    if (len < 0 || (size_t)len >= sizeof path)
        return SQLITE_CANTOPEN;
    int code =
        sqlite3_open_v2(path, &db->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code != SQLITE_OK)
        return code;
    sqlite3_extended_result_codes(db->handle, 1);
    sqlite3_busy_timeout(db->handle, DB_BUSY_MS);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    return kind->alone
               ? sqlite3_exec(db->handle, "PRAGMA locking_mode = EXCLUSIVE", NULL, NULL, NULL)
               : SQLITE_OK;
}

int db_prepare(struct db *db, enum db_role role)
{
    unsigned count = role == DB_READER ? db->kind->reads : db->kind->all;
    int code = sqlite3_exec(db->handle, role_settings[role], NULL, NULL, NULL);
    if (code != SQLITE_OK)
        return code;
    db->statements = calloc(count, sizeof *db->statements);
    if (db->statements == NULL)
        return SQLITE_NOMEM;
    db->count = count;
    for (unsigned i = 0; i < count; i++) {
        code = sqlite3_prepare_v3(db->handle, db->kind->queries[i], -1, SQLITE_PREPARE_PERSISTENT,
                                  &db->statements[i], NULL);
        if (code != SQLITE_OK)
            return code;
    }
    return SQLITE_OK;
}

void db_close(struct db *db)
{
    for (unsigned i = 0; i < db->count; i++)
        sqlite3_finalize(db->statements[i]);
    free(db->statements);
    if (db->handle != NULL && sqlite3_close(db->handle) != SQLITE_OK)
        log_error("cache: %s did not close: %s", db->kind->file, sqlite3_errmsg(db->handle));
    *db = (struct db){.kind = db->kind, .directory = db->directory};
}

static int bind_value(sqlite3_stmt *statement, int at, const struct db_value *value)
{
    switch (value->type) {
    case DB_VALUE_INT:
        return sqlite3_bind_int64(statement, at, value->integer);
    case DB_VALUE_TEXT:
        return sqlite3_bind_text(statement, at, value->data != NULL ? value->data : "", -1,
                                 SQLITE_STATIC);
    case DB_VALUE_TEXT_OF:
        return sqlite3_bind_text64(statement, at, value->data, (sqlite3_uint64)value->integer,
                                   SQLITE_STATIC, SQLITE_UTF8);
    case DB_VALUE_BLOB:
        return sqlite3_bind_blob64(statement, at, value->data, (sqlite3_uint64)value->integer,
                                   SQLITE_STATIC);
    }
    return SQLITE_MISUSE;
}

enum db_step db_query(struct db *db, unsigned n, const struct db_value *values, size_t count)
{
    sqlite3_stmt *statement = db->statements[n];
    for (size_t i = 0; i < count; i++)
        if (bind_value(statement, (int)i + 1, &values[i]) != SQLITE_OK)
            return DB_FAILED;
    return db_next(db, n);
}

enum db_step db_next(struct db *db, unsigned n)
{
    errno = 0; /* SQLite does not keep the error of a failed COMMIT (means_full) */
    int code = sqlite3_step(db->statements[n]);
    if (code == SQLITE_ROW)
        return DB_ROW;
    sqlite3_reset(db->statements[n]);
    return code == SQLITE_DONE ? DB_DONE : DB_FAILED;
}

void db_end(struct db *db, unsigned n)
{
    sqlite3_reset(db->statements[n]);
}

enum cache_error db_run(struct db *db, unsigned n, const struct db_value *values, size_t count)
{
    enum db_step step = db_query(db, n, values, count);
    if (step == DB_ROW)
        db_end(db, n);
    return step == DB_FAILED ? db_error(db) : CACHE_OK;
}

void db_damaged_path(char *path, size_t size, const char *directory, const struct db_kind *kind)
{
    snprintf(path, size, "%s/%s.damaged", directory, kind->file);
}

void db_mark_damaged(const char *directory, const struct db_kind *kind)
{
    char path[DB_PATH_MAX];
    db_damaged_path(path, sizeof path, directory, kind);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        log_error("cache: %s: %s", path, strerror(errno));
    else
        close(fd);
}

/* RLIMIT_FSIZE and quotas are a full disk too, as far as the user is concerned. */
static bool means_full(int code, int system_error)
{
    return (code & 0xFF) == SQLITE_FULL ||
           ((code & 0xFF) == SQLITE_IOERR &&
            (system_error == ENOSPC || system_error == EDQUOT || system_error == EFBIG));
}

/* A disk stays full for a while, and each body that comes finds out anew: one line in 10 s. */
static bool full_not_said_lately(void)
{
    static atomic_llong said = -DB_FULL_QUIET_MS;
    long long now = clock_ms(), last = atomic_load(&said);
    return now - last >= DB_FULL_QUIET_MS && atomic_compare_exchange_strong(&said, &last, now);
}

enum cache_error db_error_code(struct db *db, int code)
{
    int system_error = db->handle != NULL ? sqlite3_system_errno(db->handle) : 0;
    if (system_error == 0)
        system_error = errno;
    bool full = means_full(code, system_error);
    if (!full || full_not_said_lately())
        log_error("cache: %s: %s (%d, %s)", db->kind->file,
                  db->handle != NULL ? sqlite3_errmsg(db->handle) : sqlite3_errstr(code), code,
                  system_error != 0 ? strerror(system_error) : "no system error");
    if (full)
        return CACHE_ERR_FULL;
    if ((code & 0xFF) == SQLITE_NOMEM)
        return CACHE_ERR_MEMORY;
    if ((code & 0xFF) == SQLITE_CORRUPT || (code & 0xFF) == SQLITE_NOTADB)
        db_mark_damaged(db->directory, db->kind);
    return CACHE_ERR_IO;
}

enum cache_error db_error(struct db *db)
{
    return db_error_code(db, sqlite3_extended_errcode(db->handle));
}

int db_changes(const struct db *db)
{
    return sqlite3_changes(db->handle);
}

int64_t db_inserted(const struct db *db)
{
    return sqlite3_last_insert_rowid(db->handle);
}

int64_t db_int(const struct db *db, unsigned n, int column)
{
    return sqlite3_column_int64(db->statements[n], column);
}

const char *db_text(const struct db *db, unsigned n, int column)
{
    const unsigned char *text = sqlite3_column_text(db->statements[n], column);
    return text != NULL ? (const char *)text : "";
}

bool db_blob(const struct db *db, unsigned n, int column, void *data, size_t len)
{
    const void *blob = sqlite3_column_blob(db->statements[n], column);
    bool here = blob != NULL && (size_t)sqlite3_column_bytes(db->statements[n], column) == len;
    if (here)
        memcpy(data, blob, len);
    else
        memset(data, 0, len);
    return here;
}
