/*
 * Every statement that the cache runs after it has opened. A unit test asks SQLite for the plan of
 * each and fails on a scan of messages, inodes or chunks.
 *
 * The columns of an inode stand in the order that inode_from_row (inodes.c) reads.
 */
#include "cache/statements.h"

#include "cache/db.h"
#include "cache/schema.h"

#define INODE_COLUMNS "ino, parent, kind, mailbox, message, uid, size, exact, mtime, ctime, name"
#define MAILBOX_COLUMNS                                                                            \
    "id, ino, name, delimiter, role, selectable, subscribed, uidvalidity, uidnext, messages, "     \
    "unseen, highestmodseq, listed, listed_uid"

static const char *const index_queries[INDEX_ALL] = {
    [INDEX_INODE_GET] = "SELECT " INODE_COLUMNS " FROM inode WHERE ino = ?1",
    [INDEX_INODE_LOOKUP] = "SELECT " INODE_COLUMNS " FROM inode WHERE parent = ?1 AND name = ?2",
    [INDEX_INODE_LIST] = "SELECT " INODE_COLUMNS " FROM inode INDEXED BY inode_parent"
                         " WHERE parent = ?1 AND ino > ?2 ORDER BY ino LIMIT ?3",
    [INDEX_INODE_COUNT] = "SELECT directories, messages FROM inode WHERE ino = ?1 AND kind = 1",
    [INDEX_INODE_OF_UID] = "SELECT " INODE_COLUMNS " FROM inode WHERE message ="
                           " (SELECT id FROM message WHERE mailbox = ?1 AND uid = ?2)",
    [INDEX_MAILBOX_GET] = "SELECT " MAILBOX_COLUMNS " FROM mailbox WHERE id = ?1",
    [INDEX_MAILBOX_FIND] = "SELECT " MAILBOX_COLUMNS " FROM mailbox WHERE name = ?1",
    [INDEX_MAILBOX_EACH] = "SELECT " MAILBOX_COLUMNS " FROM mailbox ORDER BY id",
    [INDEX_MESSAGE_GET] = "SELECT id, mailbox, uid, size, internaldate, flags, subject, sender,"
                          " recipients, date, message_id FROM message WHERE id = ?1",
    [INDEX_MESSAGE_UIDS] = "SELECT uid FROM message WHERE mailbox = ?1 AND uid > ?2"
                           " ORDER BY uid LIMIT ?3",
    [INDEX_MESSAGE_UNSEEN] = "SELECT count(*) FROM message WHERE mailbox = ?1"
                             " AND flags NOT LIKE '%\\Seen%'",
    [INDEX_FIGURES] = "SELECT count(*), coalesce(sum(inode.messages), 0) FROM mailbox"
                      " CROSS JOIN inode ON inode.ino = mailbox.ino",

    [INDEX_BEGIN] = "BEGIN IMMEDIATE",
    [INDEX_COMMIT] = "COMMIT",
    [INDEX_ROLLBACK] = "ROLLBACK",
    [INDEX_SAVE] = "SAVEPOINT job",
    [INDEX_RELEASE] = "RELEASE job",
    [INDEX_UNDO] = "ROLLBACK TO job",
    [INDEX_MESSAGE_INSERT] =
        "INSERT OR IGNORE INTO message (mailbox, uid, size, internaldate, flags, subject, sender,"
        " recipients, date, message_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    [INDEX_MESSAGE_FLAGS] =
        "UPDATE message SET flags = ?3, modseq = max(modseq, ?4) WHERE mailbox = ?1 AND uid = ?2"
        " AND flags <> ?3 AND (?4 = 0 OR modseq <= ?4)",
    [INDEX_MESSAGE_FIRST] = "SELECT uid FROM message WHERE mailbox = ?1 ORDER BY uid LIMIT 1",
    [INDEX_MESSAGE_DELETE] = "DELETE FROM message WHERE id = ?1",
    [INDEX_INODE_INSERT] =
        "INSERT OR IGNORE INTO inode (parent, kind, mailbox, message, uid, size, exact, mtime,"
        " ctime, name) VALUES (?1, ?2, ?3, nullif(?4, 0), ?5, ?6, 0, ?7, ?7, ?8)",
    [INDEX_INODE_RENAME] = "UPDATE OR IGNORE inode SET name = ?2 WHERE ino = ?1",
    [INDEX_INODE_MOVE] = "UPDATE inode SET parent = ?2, name = ?3 WHERE ino = ?1",
    [INDEX_INODE_DELETE] = "DELETE FROM inode WHERE ino = ?1",
    [INDEX_INODE_CTIME] = "UPDATE inode SET ctime = max(ctime, ?2) WHERE ino = ?1",
    [INDEX_INODE_OF_MESSAGE] = "SELECT " INODE_COLUMNS " FROM inode WHERE message = ?1",
    [INDEX_INODE_EXACT] = "UPDATE inode SET size = ?2, exact = 1 WHERE message = ?1"
                          " AND (exact = 0 OR size <> ?2)",
    [INDEX_DIRECTORY_COUNT] =
        "UPDATE inode SET directories = directories + ?2, messages = messages + ?3,"
        " mtime = max(mtime, ?4), ctime = max(ctime, ?4) WHERE ino = ?1",
    [INDEX_MAILBOX_INSERT] = "INSERT INTO mailbox (name, delimiter, role, selectable, subscribed)"
                             " VALUES (?1, ?2, ?3, ?4, ?5)",
    [INDEX_MAILBOX_INO] = "UPDATE mailbox SET ino = ?2 WHERE id = ?1",
    [INDEX_MAILBOX_TRAITS] =
        "UPDATE mailbox SET delimiter = ?2, role = ?3, selectable = ?4, subscribed = ?5"
        " WHERE id = ?1 AND (delimiter <> ?2 OR role <> ?3 OR selectable <> ?4"
        " OR subscribed <> ?5)",
    [INDEX_MAILBOX_FACTS] = "UPDATE mailbox SET uidvalidity = ?2, uidnext = ?3, messages = ?4,"
                            " unseen = ?5, highestmodseq = ?6 WHERE id = ?1",
    [INDEX_MAILBOX_RESET] = "UPDATE mailbox SET uidnext = 0, messages = 0, unseen = 0,"
                            " highestmodseq = 0, listed = 0, listed_uid = 0 WHERE id = ?1",
    [INDEX_MAILBOX_LISTED] = "UPDATE mailbox SET listed = max(listed, ?2),"
                             " listed_uid = max(listed_uid, ?3) WHERE id = ?1",
    [INDEX_MAILBOX_DELETE] = "DELETE FROM mailbox WHERE id = ?1",
    [INDEX_CLEAN] = "UPDATE account SET clean = ?1 WHERE clean <> ?1",
};

static const char *const bodies_queries[BODIES_ALL] = {
    [BODIES_FIND] = "SELECT id, size, used FROM body WHERE message = ?1",
    [BODIES_STATE] = "SELECT bodies, bytes FROM state",

    [BODIES_BEGIN] = "BEGIN IMMEDIATE",
    [BODIES_COMMIT] = "COMMIT",
    [BODIES_ROLLBACK] = "ROLLBACK",
    [BODIES_SAVE] = "SAVEPOINT job",
    [BODIES_RELEASE] = "RELEASE job",
    [BODIES_UNDO] = "ROLLBACK TO job",
    [BODIES_INSERT] = "INSERT INTO body (id, message, size, used) VALUES (?1, NULL, 0, 0)",
    [BODIES_WHOLE] = "UPDATE body SET message = ?2, size = ?3, used = ?4 WHERE id = ?1",
    [BODIES_CHUNK] = "INSERT INTO chunk (id, data) VALUES (?1, ?2)",
    [BODIES_DELETE] = "DELETE FROM body WHERE id = ?1",
    [BODIES_DELETE_CHUNKS] = "DELETE FROM chunk WHERE id BETWEEN ?1 AND ?2",
    [BODIES_OLDEST] = ("SELECT id, message, size FROM body INDEXED BY body_used"
                       " WHERE message IS NOT NULL ORDER BY used, id LIMIT ?1"),
    [BODIES_STAMP] = "UPDATE body SET used = ?2 WHERE id = ?1 AND used < ?2",
    [BODIES_TOTALS] = "UPDATE state SET bodies = ?1, bytes = ?2",
    [BODIES_LAST] = "SELECT seq FROM sqlite_sequence WHERE name = 'body'",
    [BODIES_PARTIAL] = "SELECT id FROM body WHERE message IS NULL LIMIT 1",
    [BODIES_EACH] = "SELECT id, message, size FROM body WHERE id > ?1 ORDER BY id",
    [BODIES_CLEAN] = "UPDATE state SET clean = ?1 WHERE clean <> ?1",
};

const struct db_kind db_index_kind = {
    .file = "index.db",
    .application_id = 0x4F4C4649, /* "OLFI" */
    .page_size = 4096,
    .steps = schema_index_steps,
    .version = SCHEMA_INDEX_VERSION,
    .queries = index_queries,
    .reads = INDEX_READS,
    .all = INDEX_ALL,
    .wal_soft = 4 << 20,
    .wal_hard = 32 << 20,
};

const struct db_kind db_bodies_kind = {
    .file = "bodies.db",
    .application_id = 0x4F4C4642, /* "OLFB" */
    .page_size = 16384,
    .steps = schema_bodies_steps,
    .version = SCHEMA_BODIES_VERSION,
    .queries = bodies_queries,
    .reads = BODIES_READS,
    .all = BODIES_ALL,
    .wal_soft = 16 << 20,
    .wal_hard = 64 << 20,
};
