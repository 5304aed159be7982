/*
 * One SQLite connection with its prepared statements, and the little that is needed to run them.
 *
 * A connection belongs to one thread at a time (SQLITE_OPEN_NOMUTEX): a reader to whoever borrowed
 * it from the pool, the two write connections to the writer. Statements are named by enums
 * (statements.h) and prepared once, when the connection opens.
 */
#ifndef OUTLOOKFS_CACHE_DB_H
#define OUTLOOKFS_CACHE_DB_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/cache.h"

/* What index.db and bodies.db differ in. */
struct db_kind {
    const char *file;
    int application_id;         /* PRAGMA application_id: tells our files from others */
    int page_size;              /* bytes */
    const char *const *steps;   /* steps[n] leads from schema version n to n + 1 */
    unsigned version;           /* the current one: how many steps there are */
    const char *const *queries; /* prepared statements; readers prepare the first `reads` */
    unsigned reads, all;
    int wal_soft, wal_hard; /* bytes of WAL: checkpoint between transactions; wait for readers */
    bool alone;             /* one connection, no shared memory (the journal) */
};
extern const struct db_kind db_index_kind, db_bodies_kind;

struct db {
    const struct db_kind *kind;
    const char *directory; /* owned by the cache */
    sqlite3 *handle;
    sqlite3_stmt **statements;
    unsigned count;
};

enum db_role { DB_READER, DB_WRITER, DB_JOURNAL };

/* Opens the file of `kind`, which must exist. Returns SQLite's code; `db` wants db_close in any
 * case. */
int db_open(struct db *db, const struct db_kind *kind, const char *directory)
    __attribute__((warn_unused_result));
/* Settings of a role, then its statements. Returns SQLite's code. */
int db_prepare(struct db *db, enum db_role role) __attribute__((warn_unused_result));
void db_close(struct db *db);

/* A value to bind. Text and blobs stay the caller's and must outlive the statement's run. */
struct db_value {
    enum { DB_VALUE_INT, DB_VALUE_TEXT, DB_VALUE_BLOB, DB_VALUE_TEXT_OF } type;
    int64_t integer; /* or the length of a blob, or of a text that needs no NUL */
    const void *data;
};
#define DB_INT(v)                                                                                  \
    {                                                                                              \
        .type = DB_VALUE_INT, .integer = (int64_t)(v)                                              \
    }
#define DB_TEXT(t)                                                                                 \
    {                                                                                              \
        .type = DB_VALUE_TEXT, .data = (t)                                                         \
    } /* NULL reads as "" */
#define DB_BLOB(p, len)                                                                            \
    {                                                                                              \
        .type = DB_VALUE_BLOB, .integer = (int64_t)(len), .data = (p)                              \
    }
#define DB_VALUES(...)                                                                             \
    (const struct db_value[]){__VA_ARGS__},                                                        \
        sizeof((const struct db_value[]){__VA_ARGS__}) / sizeof(struct db_value)

enum db_step { DB_ROW, DB_DONE, DB_FAILED };

/* Binds and steps once. After DB_ROW the caller reads columns of db->statements[n], may go on with
 * db_next, and ends with db_end; after the two others the statement is reset already. */
enum db_step db_query(struct db *db, unsigned n, const struct db_value *values, size_t count);
enum db_step db_next(struct db *db, unsigned n);
void db_end(struct db *db, unsigned n);

/* Runs a statement that brings no rows. */
enum cache_error db_run(struct db *db, unsigned n, const struct db_value *values, size_t count)
    __attribute__((warn_unused_result));

/* The error that stands for the connection's last failure (after DB_FAILED). Damage is noted for
 * the next open (db_mark_damaged). */
enum cache_error db_error(struct db *db);
enum cache_error db_error_code(struct db *db, int code);

/* Rows changed by the last statement; the row id of the last insert. */
int db_changes(const struct db *db);
int64_t db_inserted(const struct db *db);

/* Columns of the row that statement `n` stands on. Text is never NULL, and good until db_end. */
int64_t db_int(const struct db *db, unsigned n, int column);
const char *db_text(const struct db *db, unsigned n, int column);
/* Copies a blob of exactly `len` bytes; false, and zeros, where the column holds another. */
bool db_blob(const struct db *db, unsigned n, int column, void *data, size_t len);

/* The file that tells the next open to set a database aside, and making it. */
void db_damaged_path(char *path, size_t size, const char *directory, const struct db_kind *kind);
void db_mark_damaged(const char *directory, const struct db_kind *kind);

#endif
