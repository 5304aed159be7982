/*
 * Every statement that the cache runs after it has opened. A unit test asks SQLite for the plan of
 * each and fails on a scan of messages, inodes or chunks.
 *
 * The columns of an inode stand in the order that inode_from_row (inodes.c) reads.
 */
#include "cache/statements.h"

#include "cache/db.h"
#include "cache/schema.h"

#define INODE_COLUMNS                                                                              \
    "ino, parent, kind, mailbox, message, uid, size, exact, mtime, ctime, name, hidden, pending, " \
    "alias"
#define MAILBOX_COLUMNS                                                                            \
    "id, ino, name, delimiter, role, selectable, subscribed, uidvalidity, uidnext, messages, "     \
    "unseen, highestmodseq, listed, listed_uid"

static const char *const index_queries[INDEX_ALL] = {
    [INDEX_INODE_GET] = "SELECT " INODE_COLUMNS " FROM inode WHERE ino = ?1",
    [INDEX_INODE_LOOKUP] = "SELECT " INODE_COLUMNS " FROM inode WHERE parent = ?1 AND name = ?2"
                           " AND hidden = 0",
    [INDEX_INODE_LIST] = "SELECT " INODE_COLUMNS " FROM inode INDEXED BY inode_parent"
                         " WHERE parent = ?1 AND hidden = 0 AND ino > ?2 ORDER BY ino LIMIT ?3",
    [INDEX_INODE_LIST_BACK] = "SELECT " INODE_COLUMNS " FROM inode INDEXED BY inode_parent"
                              " WHERE parent = ?1 AND hidden = 0 AND ino < ?2"
                              " ORDER BY ino DESC LIMIT ?3",
    [INDEX_INODE_NAMES] = "SELECT " INODE_COLUMNS " FROM inode INDEXED BY inode_name"
                          " WHERE parent = ?1 AND hidden = 0 AND name > ?2"
                          " ORDER BY name LIMIT ?3",
    [INDEX_INODE_NAMES_BACK] = "SELECT " INODE_COLUMNS " FROM inode INDEXED BY inode_name"
                               " WHERE parent = ?1 AND hidden = 0 AND name < ?2"
                               " ORDER BY name DESC LIMIT ?3",
    [INDEX_INODE_COUNT] = "SELECT directories, messages FROM inode WHERE ino = ?1 AND kind = 1",
    [INDEX_INODE_OF_MESSAGE] = "SELECT " INODE_COLUMNS " FROM inode WHERE message = ?1",
    [INDEX_INODE_OF_UID] = "SELECT " INODE_COLUMNS " FROM inode WHERE message ="
                           " (SELECT id FROM message WHERE mailbox = ?1 AND uid = ?2)",
    [INDEX_MAILBOX_GET] = "SELECT " MAILBOX_COLUMNS " FROM mailbox WHERE id = ?1",
    [INDEX_MAILBOX_FIND] = "SELECT " MAILBOX_COLUMNS " FROM mailbox WHERE name = ?1",
    [INDEX_MAILBOX_EACH] = "SELECT " MAILBOX_COLUMNS " FROM mailbox ORDER BY id",
    [INDEX_MESSAGE_GET] = "SELECT id, mailbox, uid, size, internaldate, flags, subject, sender,"
                          " recipients, date, message_id FROM message WHERE id = ?1",
    [INDEX_MESSAGE_UIDS] = "SELECT uid FROM message WHERE mailbox = ?1 AND uid > ?2"
                           " ORDER BY uid LIMIT ?3",
    [INDEX_MESSAGE_SCAN] = "SELECT id, uid, size, internaldate, flags, subject, sender, recipients"
                           " FROM message WHERE mailbox = ?1 AND uid > ?2 ORDER BY uid LIMIT ?3",
    [INDEX_MESSAGE_AFTER] = "SELECT id, mailbox, uid, size, internaldate, flags, subject, sender,"
                            " recipients FROM message WHERE id > ?1 ORDER BY id LIMIT ?2",
    [INDEX_MESSAGE_IDS] = "SELECT id FROM message WHERE id > ?1 ORDER BY id LIMIT ?2",
    [INDEX_MESSAGE_LAST] = "SELECT seq FROM sqlite_sequence WHERE name = 'message'",
    [INDEX_RESTATED] = "SELECT message FROM restated WHERE message > ?1 ORDER BY message LIMIT ?2",
    [INDEX_MESSAGE_UNSEEN] = "SELECT count(*) FROM message WHERE mailbox = ?1"
                             " AND flags NOT LIKE '%\\Seen%'",
    [INDEX_MESSAGE_OF_DIGEST] =
        "SELECT inode.ino FROM message CROSS JOIN inode ON inode.message = message.id"
        " WHERE message.digest = ?1 AND message.digest IS NOT NULL AND inode.size = ?2"
        " AND inode.exact = 1 AND inode.hidden = 0 AND inode.pending = 0"
        " AND (?4 = 0 OR message.internaldate = ?3) ORDER BY message.id LIMIT 1",
    [INDEX_MESSAGE_SAME] =
        "SELECT coalesce(digest = ?2 AND (SELECT size FROM inode WHERE message = ?1) = ?3, 0)"
        " OR coalesce(uploaded = ?2 AND uploaded_size = ?3, 0) FROM message WHERE id = ?1",
    [INDEX_MESSAGE_COPY_OF] =
        "SELECT source.id FROM message CROSS JOIN message AS source ON source.id = message.copy_of"
        " WHERE message.id = ?1 AND source.size = message.size",
    [INDEX_MESSAGE_COUNT] = "SELECT count(*) FROM message",
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
    [INDEX_MESSAGE_FILL] =
        "UPDATE message SET size = ?3, internaldate = ?4, subject = ?5, sender = ?6,"
        " recipients = ?7, date = ?8, message_id = ?9, provisional = 0"
        " WHERE mailbox = ?1 AND uid = ?2 AND provisional = 1",
    [INDEX_MESSAGE_PLACE] =
        "UPDATE message SET mailbox = ?2, uid = ?3, modseq = iif(?4, 0, modseq),"
        " provisional = iif(?4, 1, provisional) WHERE id = ?1",
    [INDEX_MESSAGE_TAKE_FACTS] =
        "UPDATE message SET (size, internaldate, modseq, flags, subject, sender, recipients, date,"
        " message_id, provisional) = (SELECT size, internaldate, modseq, flags, subject, sender,"
        " recipients, date, message_id, provisional FROM message AS other WHERE other.id = ?2)"
        " WHERE id = ?1",
    [INDEX_MESSAGE_COPY] =
        "INSERT INTO message (mailbox, uid, size, internaldate, flags, subject, sender, recipients,"
        " date, message_id, provisional, copy_of, uploaded, uploaded_size) SELECT ?2, ?3,"
        " message.size, internaldate, flags, subject, sender, recipients, date, message_id, 1, id,"
        " coalesce(uploaded, digest), CASE WHEN uploaded IS NULL THEN inode.size ELSE"
        " uploaded_size END FROM message CROSS JOIN inode ON inode.message = message.id"
        " WHERE message.id = ?1",
    [INDEX_MESSAGE_PROVISIONAL] = "UPDATE message SET provisional = 1 WHERE id = ?1",
    [INDEX_MESSAGE_UPLOADED] = "UPDATE message SET uploaded = ?2, uploaded_size = ?3 WHERE id = ?1",
    [INDEX_MESSAGE_DIGEST] = "UPDATE message SET digest = ?2 WHERE id = ?1",
    [INDEX_MESSAGE_FIRST] = "SELECT uid FROM message WHERE mailbox = ?1 ORDER BY uid LIMIT 1",
    [INDEX_MESSAGE_SUCCESSOR] =
        "SELECT next.uid FROM message CROSS JOIN message AS next ON next.mailbox = message.mailbox"
        " AND next.uid > ?3 AND next.message_id = message.message_id AND next.size = message.size"
        " AND next.internaldate = message.internaldate WHERE message.mailbox = ?1"
        " AND message.uid = ?2 AND message.message_id <> '' AND message.provisional = 0"
        " AND next.provisional = 0 LIMIT 2",
    [INDEX_MESSAGE_DELETE] = "DELETE FROM message WHERE id = ?1",
    [INDEX_INODE_INSERT] =
        "INSERT OR IGNORE INTO inode (parent, kind, mailbox, message, uid, size, exact, mtime,"
        " ctime, name) VALUES (?1, ?2, ?3, nullif(?4, 0), ?5, ?6, 0, ?7, ?7, ?8)",
    [INDEX_INODE_RENAME] = "UPDATE OR IGNORE inode SET name = ?2 WHERE ino = ?1",
    [INDEX_INODE_MOVE] = "UPDATE inode SET parent = ?2, name = ?3 WHERE ino = ?1",
    [INDEX_INODE_SHOW] =
        "UPDATE inode SET parent = ?2, name = ?3, hidden = 0, pending = ?4, alias = ?5,"
        " ctime = max(ctime, ?6) WHERE ino = ?1",
    [INDEX_INODE_HIDE] = "UPDATE inode SET hidden = 1, pending = ?2 WHERE ino = ?1"
                         " AND (hidden = 0 OR pending <> ?2)",
    [INDEX_INODE_BECOME] =
        "UPDATE inode SET kind = 2, mailbox = ?2, message = ?3, uid = ?4, size = ?5, exact = ?6,"
        " mtime = ?7 WHERE ino = ?1",
    [INDEX_INODE_STAGE] =
        "INSERT OR IGNORE INTO inode (parent, kind, mailbox, message, uid, size, exact, mtime,"
        " ctime, name, hidden) VALUES (?1, 3, 0, NULL, 0, 0, 1, ?3, ?3, ?2, ?4)",
    [INDEX_INODE_STAGED_NOTE] = "UPDATE inode SET size = ?2, mtime = ?3, ctime = ?4"
                                " WHERE ino = ?1 AND kind = 3",
    [INDEX_INODE_STAGED_CLEAR] = "DELETE FROM inode WHERE kind = 3",
    [INDEX_INODE_PENDING] = "SELECT " INODE_COLUMNS " FROM inode INDEXED BY inode_pending"
                            " WHERE pending = 1 ORDER BY ino LIMIT 1",
    [INDEX_INODE_STAGED] = "SELECT ino FROM inode INDEXED BY inode_staged WHERE kind = 3 LIMIT 1",
    [INDEX_INODE_FACTS] =
        "UPDATE inode SET size = CASE exact WHEN 1 THEN size ELSE ?2 END, mtime = ?3,"
        " ctime = max(ctime, ?4) WHERE ino = ?1",
    [INDEX_INODE_DELETE] = "DELETE FROM inode WHERE ino = ?1",
    [INDEX_INODE_CTIME] = "UPDATE inode SET ctime = max(ctime, ?2) WHERE ino = ?1",
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
    [INDEX_MAILBOX_ADOPT] = "UPDATE mailbox SET uidvalidity = ?2 WHERE id = ?1 AND uidvalidity = 0",
    [INDEX_MAILBOX_NAME] = "UPDATE mailbox SET name = ?2 WHERE id = ?1",
    [INDEX_MAILBOX_SUBSCRIBED] = "UPDATE mailbox SET subscribed = ?2 WHERE id = ?1",
    [INDEX_MAILBOX_LISTED] = "UPDATE mailbox SET listed = max(listed, ?2),"
                             " listed_uid = max(listed_uid, ?3) WHERE id = ?1",
    [INDEX_MAILBOX_DELETE] = "DELETE FROM mailbox WHERE id = ?1",
    [INDEX_CLEAN] = "UPDATE account SET clean = ?1 WHERE clean <> ?1",
};

static const char *const bodies_queries[BODIES_ALL] = {
    [BODIES_FIND] = "SELECT id, size, used, text FROM body WHERE message = ?1",
    [BODIES_STATE] = "SELECT bodies, bytes FROM state",
    [BODIES_MESSAGES] = "SELECT message FROM body WHERE message > ?1 ORDER BY message LIMIT ?2",
    [BODIES_TEXT_FIND] = "SELECT id, text, text_version FROM body WHERE message = ?1",
    [BODIES_MESSAGE] = "SELECT message FROM body WHERE id = ?1 AND message IS NOT NULL",
    [BODIES_AFTER] = "SELECT id, message FROM body WHERE id > ?1 ORDER BY id LIMIT ?2",
    [BODIES_LAST] = "SELECT seq FROM sqlite_sequence WHERE name = 'body'",
    [BODIES_ORIGIN] = "SELECT id FROM origin",

    [BODIES_BEGIN] = "BEGIN IMMEDIATE",
    [BODIES_COMMIT] = "COMMIT",
    [BODIES_ROLLBACK] = "ROLLBACK",
    [BODIES_SAVE] = "SAVEPOINT job",
    [BODIES_RELEASE] = "RELEASE job",
    [BODIES_UNDO] = "ROLLBACK TO job",
    [BODIES_INSERT] = "INSERT INTO body (id, message, size, used) VALUES (?1, NULL, 0, 0)",
    [BODIES_WHOLE] = "UPDATE body SET message = ?2, size = ?3, used = ?4 WHERE id = ?1",
    [BODIES_CHUNK] = "INSERT INTO chunk (id, data) VALUES (?1, ?2)",
    [BODIES_TEXT_CHUNK] = "INSERT OR REPLACE INTO chunk (id, data) VALUES (?1, ?2)",
    [BODIES_TEXT_COUNT] = "SELECT count(*) FROM chunk WHERE id BETWEEN ?1 AND ?2",
    [BODIES_TEXT_WHOLE] = "UPDATE body SET text = ?2, text_version = ?3 WHERE id = ?1",
    [BODIES_DELETE] = "DELETE FROM body WHERE id = ?1",
    [BODIES_DELETE_CHUNKS] = "DELETE FROM chunk WHERE id BETWEEN ?1 AND ?2",
    [BODIES_OLDEST] = ("SELECT id, message, size + text, used FROM body INDEXED BY body_used"
                       " WHERE message IS NOT NULL ORDER BY used, id LIMIT ?1"),
    [BODIES_STAMP] = "UPDATE body SET used = ?2 WHERE id = ?1 AND used < ?2",
    [BODIES_LET_GO] = "UPDATE body INDEXED BY body_used SET used = ?1 WHERE used >= ?2",
    [BODIES_TOTALS] = "UPDATE state SET bodies = ?1, bytes = ?2",
    [BODIES_PARTIAL] = "SELECT id FROM body WHERE message IS NULL LIMIT 1",
    [BODIES_EACH] = "SELECT id, message, size, text FROM body WHERE id > ?1 ORDER BY id",
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
