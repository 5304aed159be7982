/*
 * The schema is a list of steps: step n leads from version n (PRAGMA user_version) to n + 1, and
 * creating a file is running them all from 0. A released step is never edited; a change is a new
 * step at the end. So a file made by any version and one made today are the same by construction.
 *
 * index.db. A message row is what the server said of (mailbox, UID); an inode row is what stat and
 * readdir show, complete in itself, so that listing a directory reads no message text.
 * AUTOINCREMENT keeps ids from being reused. A directory's row counts its entries, because st_nlink
 * is asked for all the time. `message` is NULL for a directory, a root's parent 0.
 *
 * Version 2 of index.db knows what changes need (outcomes.h): `hidden` inodes keep their name but
 * do not stand in the directory, `pending` ones stand elsewhere, or nowhere, only until an outcome
 * is known; `alias` tells a name that the user gave. A `provisional` message came from an outcome,
 * and the next listing that brings it fills in what the server says.
 *
 * bodies.db. A body row without a message is one still on its way in. The chunk `index` of body
 * `id` has the key id << 16 | index: one row id lookup. `state` carries totals, so that nothing has
 * to be counted at open; `pair` ties the file to the index.db whose message ids it uses.
 */
#include "cache/schema.h"

#include <stdio.h>

static const char index_1[] =
    "CREATE TABLE account (id INTEGER PRIMARY KEY CHECK (id = 1), user TEXT NOT NULL,"
    " host TEXT NOT NULL, pair INTEGER NOT NULL, clean INTEGER NOT NULL);"
    "CREATE TABLE mailbox (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE,"
    " ino INTEGER NOT NULL DEFAULT 0, delimiter INTEGER NOT NULL, role INTEGER NOT NULL,"
    " selectable INTEGER NOT NULL, subscribed INTEGER NOT NULL,"
    " uidvalidity INTEGER NOT NULL DEFAULT 0, uidnext INTEGER NOT NULL DEFAULT 0,"
    " messages INTEGER NOT NULL DEFAULT 0, unseen INTEGER NOT NULL DEFAULT 0,"
    " highestmodseq INTEGER NOT NULL DEFAULT 0, listed INTEGER NOT NULL DEFAULT 0,"
    " listed_uid INTEGER NOT NULL DEFAULT 0);"
    "CREATE TABLE message (id INTEGER PRIMARY KEY AUTOINCREMENT, mailbox INTEGER NOT NULL,"
    " uid INTEGER NOT NULL, size INTEGER NOT NULL, internaldate INTEGER NOT NULL,"
    " modseq INTEGER NOT NULL DEFAULT 0, flags TEXT NOT NULL, subject TEXT NOT NULL,"
    " sender TEXT NOT NULL, recipients TEXT NOT NULL, date TEXT NOT NULL,"
    " message_id TEXT NOT NULL);"
    "CREATE UNIQUE INDEX message_uid ON message (mailbox, uid);"
    "CREATE TABLE inode (ino INTEGER PRIMARY KEY AUTOINCREMENT, parent INTEGER NOT NULL,"
    " kind INTEGER NOT NULL, mailbox INTEGER NOT NULL, message INTEGER, uid INTEGER NOT NULL,"
    " size INTEGER NOT NULL, exact INTEGER NOT NULL, mtime INTEGER NOT NULL,"
    " ctime INTEGER NOT NULL, directories INTEGER NOT NULL DEFAULT 0,"
    " messages INTEGER NOT NULL DEFAULT 0, name TEXT NOT NULL);"
    "CREATE UNIQUE INDEX inode_name ON inode (parent, name);"
    "CREATE INDEX inode_parent ON inode (parent);" /* the row id, ino, follows in every index */
    "CREATE UNIQUE INDEX inode_message ON inode (message) WHERE message IS NOT NULL;"
    "INSERT INTO inode (ino, parent, kind, mailbox, uid, size, exact, mtime, ctime, name)"
    " SELECT 1, 0, 1, 0, 0, 0, 0, now, now, ''"
    " FROM (SELECT CAST(strftime('%s', 'now') AS INTEGER) AS now);";

/* SQLite fits an index to a query with the same literal term: hidden = 0. */
static const char index_2[] =
    "ALTER TABLE message ADD COLUMN provisional INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE message ADD COLUMN copy_of INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE message ADD COLUMN digest BLOB;"   /* SHA-256 of the body */
    "ALTER TABLE message ADD COLUMN uploaded BLOB;" /* and of the bytes that it was made of here */
    "ALTER TABLE message ADD COLUMN uploaded_size INTEGER NOT NULL DEFAULT 0;"
    "CREATE INDEX message_digest ON message (digest) WHERE digest IS NOT NULL;"
    "ALTER TABLE inode ADD COLUMN hidden INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE inode ADD COLUMN pending INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE inode ADD COLUMN alias INTEGER NOT NULL DEFAULT 0;"
    "DROP INDEX inode_name;"
    "CREATE UNIQUE INDEX inode_name ON inode (parent, name) WHERE hidden = 0;"
    "DROP INDEX inode_parent;"
    "CREATE INDEX inode_parent ON inode (parent) WHERE hidden = 0;"
    "CREATE INDEX inode_pending ON inode (pending) WHERE pending = 1;"
    "CREATE INDEX inode_staged ON inode (kind) WHERE kind = 3;";

/* Which envelopes are not as they were when the message came (envelope_index.h). */
static const char index_3[] =
    "CREATE TABLE restated (message INTEGER PRIMARY KEY);"
    "CREATE TRIGGER message_restated AFTER UPDATE OF subject, sender, recipients ON message"
    " WHEN old.subject <> new.subject OR old.sender <> new.sender"
    " OR old.recipients <> new.recipients"
    " BEGIN INSERT OR IGNORE INTO restated (message) VALUES (new.id); END;"
    "CREATE TRIGGER message_deleted AFTER DELETE ON message"
    " BEGIN DELETE FROM restated WHERE message = old.id; END;";

static const char bodies_1[] =
    "CREATE TABLE state (id INTEGER PRIMARY KEY CHECK (id = 1), pair INTEGER NOT NULL,"
    " clean INTEGER NOT NULL, bodies INTEGER NOT NULL, bytes INTEGER NOT NULL);"
    "CREATE TABLE body (id INTEGER PRIMARY KEY AUTOINCREMENT, message INTEGER UNIQUE,"
    " size INTEGER NOT NULL, used INTEGER NOT NULL);" /* used: hours since 1970 */
    "CREATE INDEX body_used ON body (used);"
    "CREATE TABLE chunk (id INTEGER PRIMARY KEY, data BLOB NOT NULL);";

const char *const schema_index_steps[SCHEMA_INDEX_VERSION] = {index_1, index_2, index_3};

/* The text view of a message goes with its body: texts.c. */
static const char bodies_2[] =
    "ALTER TABLE body ADD COLUMN text INTEGER NOT NULL DEFAULT 0;"          /* bytes */
    "ALTER TABLE body ADD COLUMN text_version INTEGER NOT NULL DEFAULT 0;"; /* 0: there is none */

/* Which file this is: one that is started anew gives out the same ids again (text_index.h). */
static const char bodies_3[] = "CREATE TABLE origin (id INTEGER NOT NULL);"
                               "INSERT INTO origin (id) VALUES (random());";

const char *const schema_bodies_steps[SCHEMA_BODIES_VERSION] = {bodies_1, bodies_2, bodies_3};

int schema_integer(struct db *db, const char *sql, int64_t *value)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(db->handle, sql, -1, &statement, NULL);
    if (code == SQLITE_OK) {
        code = sqlite3_step(statement);
        *value = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
        code = code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
    }
    sqlite3_finalize(statement);
    return code;
}

/* These two only take effect before a file has its first page, WAL only outside a transaction. */
static int set_format(struct db *db, bool fresh)
{
    char sql[160];
    if (fresh) {
        snprintf(sql, sizeof sql, "PRAGMA page_size = %d; PRAGMA auto_vacuum = INCREMENTAL;",
                 db->kind->page_size);
        int code = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
        if (code != SQLITE_OK)
            return code;
    }
    return sqlite3_exec(db->handle, "PRAGMA journal_mode = WAL;", NULL, NULL, NULL);
}

static int run_steps(struct db *db, unsigned from)
{
    char sql[120];
    int code = sqlite3_exec(db->handle, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    for (unsigned n = from; code == SQLITE_OK && n < db->kind->version; n++)
        code = sqlite3_exec(db->handle, db->kind->steps[n], NULL, NULL, NULL);
    snprintf(sql, sizeof sql, "PRAGMA application_id = %d; PRAGMA user_version = %u;",
             db->kind->application_id, db->kind->version);
    if (code == SQLITE_OK)
        code = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_exec(db->handle, "COMMIT", NULL, NULL, NULL);
    if (code != SQLITE_OK && sqlite3_get_autocommit(db->handle) == 0)
        sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
    return code;
}

enum schema_verdict schema_bring_up(struct db *db, int *code)
{
    int64_t application = 0, version = 0, objects = 0;
    *code = schema_integer(db, "SELECT count(*) FROM sqlite_schema", &objects);
    if (*code == SQLITE_OK)
        *code = schema_integer(db, "PRAGMA application_id", &application);
    if (*code == SQLITE_OK)
        *code = schema_integer(db, "PRAGMA user_version", &version);
    if (*code != SQLITE_OK)
        return SCHEMA_FAILED;
    bool fresh = objects == 0 && application == 0 && version == 0;
    if (!fresh && (application != db->kind->application_id || version < 1))
        return SCHEMA_FOREIGN;
    if (version > (int64_t)db->kind->version)
        return SCHEMA_NEWER;
    *code = set_format(db, fresh);
    if (*code == SQLITE_OK && version < (int64_t)db->kind->version)
        *code = run_steps(db, (unsigned)version);
    return *code == SQLITE_OK ? SCHEMA_GOOD : SCHEMA_FAILED;
}
