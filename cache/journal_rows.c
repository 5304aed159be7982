/*
 * Rows of the journal: their statements, how a row is written and read. The texts of a row read
 * stand in one block of memory, so that freeing one is one call.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cache/journal_internal.h"

/* In the order that put_values and row_from read and write. */
#define INTENT_COLUMNS                                                                             \
    "id, kind, state, waits_for, made_by, mailbox, uidvalidity, uid, target, target_uidvalidity, " \
    "target_uidnext, delimiter, flags, internaldate, name, message_id, date, sender, subject, "    \
    "size, spool, spool_bytes, sha256, code, reason, created, changed, done_uidvalidity, "         \
    "done_uid, attempts"

/* Names are compared as bytes; the name itself or one below it. 2: old, 3: new, 4: delimiter. */
#define FOLLOW(column)                                                                             \
    "UPDATE intent SET " column " = CAST(CAST(?3 AS BLOB) || substr(CAST(" column " AS BLOB),"     \
    " length(CAST(?2 AS BLOB)) + 1) AS TEXT) WHERE id < ?1 AND (" column " = ?2 OR (?4 <> '' AND"  \
    " substr(CAST(" column                                                                         \
    " AS BLOB), 1, length(CAST(?2 AS BLOB)) + 1) = CAST(?2 || ?4 AS BLOB)))"

static const char journal_1[] =
    "CREATE TABLE owner (id INTEGER PRIMARY KEY CHECK (id = 1), cache_dir TEXT NOT NULL);"
    "CREATE TABLE intent (id INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL,"
    " state INTEGER NOT NULL, waits_for INTEGER NOT NULL, made_by INTEGER NOT NULL,"
    " mailbox TEXT NOT NULL, uidvalidity INTEGER NOT NULL, uid INTEGER NOT NULL,"
    " target TEXT NOT NULL, target_uidvalidity INTEGER NOT NULL,"
    " target_uidnext INTEGER NOT NULL, delimiter INTEGER NOT NULL, flags TEXT NOT NULL,"
    " internaldate INTEGER NOT NULL, name TEXT NOT NULL, message_id TEXT NOT NULL,"
    " date TEXT NOT NULL, sender TEXT NOT NULL, subject TEXT NOT NULL, size INTEGER NOT NULL,"
    " spool INTEGER NOT NULL, spool_bytes INTEGER NOT NULL, sha256 BLOB, code INTEGER NOT NULL,"
    " reason TEXT NOT NULL, created INTEGER NOT NULL, changed INTEGER NOT NULL,"
    " done_uidvalidity INTEGER NOT NULL DEFAULT 0, done_uid INTEGER NOT NULL DEFAULT 0,"
    " attempts INTEGER NOT NULL DEFAULT 0);"
    "CREATE INDEX intent_state ON intent (state);" /* the row id follows in every index */
    "CREATE INDEX intent_ready ON intent (state) WHERE waits_for = 0 AND made_by = 0;"
    "CREATE INDEX intent_waits ON intent (waits_for) WHERE waits_for <> 0;"
    "CREATE INDEX intent_made ON intent (made_by) WHERE made_by <> 0;"
    "CREATE INDEX intent_message ON intent (mailbox, uidvalidity, uid);";

/* The bytes of small spools (intent.spool = 2), beside the rows that change so often. */
static const char journal_2[] =
    "CREATE TABLE small (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL);"
    "CREATE TRIGGER intent_gone AFTER DELETE ON intent WHEN old.spool = 2"
    " BEGIN DELETE FROM small WHERE id = old.id; END;";

static const char *const steps[JOURNAL_VERSION] = {journal_1, journal_2};

static const char *const queries[INTENT_ALL] = {
    [INTENT_BEGIN] = "BEGIN IMMEDIATE",
    [INTENT_COMMIT] = "COMMIT",
    [INTENT_ROLLBACK] = "ROLLBACK",
    [INTENT_SAVE] = "SAVEPOINT job",
    [INTENT_RELEASE] = "RELEASE job",
    [INTENT_UNDO] = "ROLLBACK TO job",
    [INTENT_PUT] =
        "INSERT OR REPLACE INTO intent (" INTENT_COLUMNS
        ") VALUES (nullif(?1, 0), ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15,"
        " ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?26, 0, 0, ?3 = 2)",
    [INTENT_GET] = "SELECT " INTENT_COLUMNS " FROM intent WHERE id = ?1",
    [INTENT_FIND] = "SELECT " INTENT_COLUMNS " FROM intent WHERE mailbox = ?1"
                    " AND uidvalidity = ?2 AND uid = ?3 ORDER BY id DESC LIMIT 1",
    [INTENT_LIST] = "SELECT " INTENT_COLUMNS " FROM intent WHERE id > ?1 ORDER BY id LIMIT ?2",
    [INTENT_LIST_STATE] = "SELECT " INTENT_COLUMNS " FROM intent INDEXED BY intent_state"
                          " WHERE state = ?3 AND id > ?1 ORDER BY id LIMIT ?2",
    [INTENT_READY] = "SELECT " INTENT_COLUMNS " FROM intent INDEXED BY intent_ready"
                     " WHERE state = 1 AND waits_for = 0 AND made_by = 0 AND id > ?1"
                     " ORDER BY id LIMIT ?2",
    [INTENT_SEND] = "UPDATE intent SET state = ?2, target_uidvalidity = ?3, target_uidnext = ?4,"
                    " attempts = attempts + 1, changed = ?5 WHERE id = ?1",
    [INTENT_STATE] = "UPDATE intent SET state = ?2, code = ?3, reason = ?4, changed = ?5"
                     " WHERE id = ?1",
    [INTENT_OUTCOME] = "UPDATE intent SET state = ?2, done_uidvalidity = ?3, done_uid = ?4,"
                       " code = 0, reason = '', changed = ?5 WHERE id = ?1",
    [INTENT_RESOLVE] = "UPDATE intent SET uidvalidity = ?2, uid = ?3"
                       " WHERE made_by = ?1 AND made_by <> 0",
    [INTENT_STRAND] = "UPDATE intent SET state = 6, made_by = 0,"
                      " reason = 'the server did not tell which message it is about'"
                      " WHERE made_by = ?1 AND made_by <> 0 AND uid = 0",
    [INTENT_UNBIND] = "UPDATE intent SET made_by = 0 WHERE made_by = ?1 AND made_by <> 0",
    [INTENT_UNBLOCK] = "UPDATE intent SET waits_for = 0 WHERE waits_for = ?1 AND waits_for <> 0",
    [INTENT_DELETE] = "DELETE FROM intent WHERE id = ?1",
    [INTENT_DROP] =
        "DELETE FROM intent WHERE id IN (WITH RECURSIVE gone (id) AS (SELECT ?1 UNION"
        " SELECT intent.id FROM gone CROSS JOIN intent ON (intent.waits_for = gone.id AND"
        " intent.waits_for <> 0) OR (intent.made_by = gone.id AND intent.made_by <> 0))"
        " SELECT id FROM gone) RETURNING id, spool, spool_bytes",
    [INTENT_MAILBOX_RENAMED] = FOLLOW("mailbox"),
    [INTENT_TARGET_RENAMED] = FOLLOW("target"),
    [INTENT_MEASURE] = "UPDATE intent SET spool_bytes = ?2, sha256 = ?3 WHERE id = ?1",
    [INTENT_BYTES_PUT] = "INSERT INTO small (id, bytes) VALUES (?1, ?2)",
    [INTENT_BYTES] = "SELECT bytes FROM small WHERE id = ?1",
    [INTENT_FIGURES] = "SELECT state, count(*) FROM intent GROUP BY state",
    [INTENT_TOTALS] = "SELECT count(*), coalesce(sum(spool_bytes), 0) FROM intent",
    [INTENT_SPOOLS] = "SELECT id, state, spool_bytes FROM intent WHERE spool = 1 AND id > ?1"
                      " ORDER BY id LIMIT ?2",
    [INTENT_LAST] = "SELECT seq FROM sqlite_sequence WHERE name = 'intent'",
    [INTENT_OWNER] = "SELECT cache_dir FROM owner",
    [INTENT_OWN] = "INSERT INTO owner (id, cache_dir) VALUES (1, ?1)",
};

const struct db_kind journal_db_kind = {
    .application_id = 0x4F4C464A, /* "OLFJ" */
    .page_size = 4096,
    .steps = steps,
    .version = JOURNAL_VERSION,
    .queries = queries,
    .reads = INTENT_ALL,
    .all = INTENT_ALL,
    .alone = true,
};

/* ---- writing ---- */

enum cache_error row_put(struct journal *journal, const struct journal_intent *intent,
                         const struct row_extra *extra, int64_t *id)
{
    const struct db_value values[] = {
        DB_INT(extra->id),
        DB_INT(intent->kind),
        DB_INT(extra->state),
        DB_INT(intent->after),
        DB_INT(intent->made_by),
        DB_TEXT(intent->mailbox),
        DB_INT(intent->uidvalidity),
        DB_INT(intent->uid),
        DB_TEXT(intent->target),
        DB_INT(intent->target_uidvalidity),
        DB_INT(intent->target_uidnext),
        DB_INT((unsigned char)intent->delimiter),
        DB_TEXT(intent->flags),
        DB_INT(intent->internaldate),
        DB_TEXT(intent->name),
        DB_TEXT(intent->message_id),
        DB_TEXT(intent->date),
        DB_TEXT(intent->from),
        DB_TEXT(intent->subject),
        DB_INT(intent->size),
        DB_INT(extra->spool),
        DB_INT(extra->spool_bytes),
        DB_BLOB(extra->sha256, extra->sha256 != NULL ? DIGEST_SIZE : 0),
        DB_INT(extra->code),
        DB_TEXT(extra->reason),
        DB_INT(clock_wall()),
    };
    enum cache_error error =
        db_run(&journal->db, INTENT_PUT, values, sizeof values / sizeof *values);
    *id = db_inserted(&journal->db);
    if (error == CACHE_OK && extra->id == 0)
        journal->rows++;
    return error;
}

/* ---- reading ---- */

/* The columns that hold text, and where each goes. */
static const struct {
    int column;
    size_t offset; /* in struct journal_row */
} texts[] = {
    {5,  offsetof(struct journal_row, intent.mailbox)   },
    {8,  offsetof(struct journal_row, intent.target)    },
    {12, offsetof(struct journal_row, intent.flags)     },
    {14, offsetof(struct journal_row, intent.name)      },
    {15, offsetof(struct journal_row, intent.message_id)},
    {16, offsetof(struct journal_row, intent.date)      },
    {17, offsetof(struct journal_row, intent.from)      },
    {18, offsetof(struct journal_row, intent.subject)   },
    {24, offsetof(struct journal_row, reason)           },
};
enum { TEXTS = sizeof texts / sizeof *texts };

static bool copy_texts(const struct db *db, unsigned n, struct journal_row *row)
{
    size_t room = 0;
    for (size_t i = 0; i < TEXTS; i++)
        room += strlen(db_text(db, n, texts[i].column)) + 1;
    char *at = row->memory = malloc(room);
    if (at == NULL)
        return false;
    for (size_t i = 0; i < TEXTS; i++) {
        const char *text = db_text(db, n, texts[i].column), *copy = at;
        size_t len = strlen(text) + 1;
        memcpy(at, text, len);
        memcpy((char *)row + texts[i].offset, &copy, sizeof copy);
        at += len;
    }
    return true;
}

static bool row_from(const struct db *db, unsigned n, struct journal_row *row)
{
    *row = (struct journal_row){
        .id = db_int(db, n, 0),
        .state = (enum journal_state)db_int(db, n, 2),
        .has_spool = db_int(db, n, 20) != ROW_NO_SPOOL,
        .spool_small = db_int(db, n, 20) == ROW_SMALL,
        .spool_bytes = (uint64_t)db_int(db, n, 21),
        .code = (int)db_int(db, n, 23),
        .created = db_int(db, n, 25),
        .changed = db_int(db, n, 26),
        .done_uidvalidity = (uint32_t)db_int(db, n, 27),
        .done_uid = (uint32_t)db_int(db, n, 28),
        .attempts = (unsigned)db_int(db, n, 29),
        .intent = {.kind = (enum journal_kind)db_int(db, n, 1),
                   .after = db_int(db, n, 3),
                   .made_by = db_int(db, n, 4),
                   .uidvalidity = (uint32_t)db_int(db, n, 6),
                   .uid = (uint32_t)db_int(db, n, 7),
                   .target_uidvalidity = (uint32_t)db_int(db, n, 9),
                   .target_uidnext = (uint32_t)db_int(db, n, 10),
                   .delimiter = (char)db_int(db, n, 11),
                   .internaldate = db_int(db, n, 13),
                   .size = (uint64_t)db_int(db, n, 19)},
    };
    (void)db_blob(db, n, 22, row->sha256, sizeof row->sha256);
    if ((unsigned)row->state >= JOURNAL_STATES)
        row->state = JOURNAL_NONE; /* then nothing can happen to it */
    return copy_texts(db, n, row);
}

void journal_row_free(struct journal_row *row)
{
    free(row->memory);
    *row = (struct journal_row){0};
}

enum cache_error row_query(struct journal *journal, unsigned statement,
                           const struct db_value *values, size_t count, struct journal_row *row)
{
    struct db *db = &journal->db;
    *row = (struct journal_row){0};
    enum db_step step = db_query(db, statement, values, count);
    if (step != DB_ROW)
        return step == DB_DONE ? CACHE_ERR_ABSENT : db_error(db);
    bool copied = row_from(db, statement, row);
    db_end(db, statement);
    return copied ? CACHE_OK : CACHE_ERR_MEMORY;
}

/* ---- the caller's side ---- */

struct read_job {
    struct journal_job job;
    unsigned statement;
    const struct db_value *values;
    size_t value_count;
    struct journal_row *rows;
    size_t max, count;
};

static enum cache_error run_read(struct journal *journal, struct journal_job *job)
{
    struct read_job *read = (struct read_job *)job;
    struct db *db = &journal->db;
    enum db_step step = db_query(db, read->statement, read->values, read->value_count);
    while (step == DB_ROW && read->count < read->max) {
        if (!row_from(db, read->statement, &read->rows[read->count])) {
            db_end(db, read->statement);
            return CACHE_ERR_MEMORY;
        }
        read->count++;
        step = db_next(db, read->statement);
    }
    if (step == DB_FAILED)
        return db_error(db);
    db_end(db, read->statement);
    return CACHE_OK;
}

static enum cache_error read_rows(struct journal *journal, unsigned statement,
                                  const struct db_value *values, size_t value_count,
                                  struct journal_row *rows, size_t max, size_t *count)
{
    struct read_job read = {.job = {.run = run_read},
                            .statement = statement,
                            .values = values,
                            .value_count = value_count,
                            .rows = rows,
                            .max = max};
    enum cache_error error = journal_wait(journal, &read.job);
    for (size_t i = 0; i < read.count && error != CACHE_OK; i++)
        journal_row_free(&rows[i]);
    *count = error == CACHE_OK ? read.count : 0;
    return error;
}

static enum cache_error read_one(struct journal *journal, unsigned statement,
                                 const struct db_value *values, size_t value_count,
                                 struct journal_row *row)
{
    size_t count = 0;
    *row = (struct journal_row){0};
    enum cache_error error = read_rows(journal, statement, values, value_count, row, 1, &count);
    return error == CACHE_OK && count == 0 ? CACHE_ERR_ABSENT : error;
}

enum cache_error journal_get(struct journal *journal, int64_t id, struct journal_row *row)
{
    return read_one(journal, INTENT_GET, DB_VALUES(DB_INT(id)), row);
}

enum cache_error journal_find(struct journal *journal, const char *mailbox, uint32_t uidvalidity,
                              uint32_t uid, struct journal_row *row)
{
    return read_one(journal, INTENT_FIND,
                    DB_VALUES(DB_TEXT(mailbox), DB_INT(uidvalidity), DB_INT(uid)), row);
}

enum cache_error journal_list(struct journal *journal, enum journal_state state, int64_t after,
                              struct journal_row *rows, size_t max, size_t *count)
{
    const struct db_value values[] = {DB_INT(after), DB_INT(max), DB_INT(state)};
    bool any = state == JOURNAL_NONE;
    return read_rows(journal, any ? INTENT_LIST : INTENT_LIST_STATE, values, any ? 2 : 3, rows, max,
                     count);
}

enum cache_error journal_ready(struct journal *journal, int64_t after, struct journal_row *rows,
                               size_t max, size_t *count)
{
    return read_rows(journal, INTENT_READY, DB_VALUES(DB_INT(after), DB_INT(max)), rows, max,
                     count);
}

struct figures_job {
    struct journal_job job;
    struct journal_figures *figures;
};

static enum cache_error run_figures(struct journal *journal, struct journal_job *job)
{
    struct journal_figures *figures = ((struct figures_job *)job)->figures;
    struct db *db = &journal->db;
    enum db_step step = db_query(db, INTENT_FIGURES, NULL, 0);
    while (step == DB_ROW) {
        int64_t state = db_int(db, INTENT_FIGURES, 0);
        if (state > 0 && state < JOURNAL_STATES)
            figures->rows[state] = (uint64_t)db_int(db, INTENT_FIGURES, 1);
        step = db_next(db, INTENT_FIGURES);
    }
    return step == DB_FAILED ? db_error(db) : CACHE_OK;
}

enum cache_error journal_figures_get(struct journal *journal, struct journal_figures *figures)
{
    struct figures_job job = {.job = {.run = run_figures}, .figures = figures};
    *figures = (struct journal_figures){0};
    pthread_mutex_lock(&journal->usage_lock);
    figures->bytes = journal->bytes;
    pthread_mutex_unlock(&journal->usage_lock);
    return journal_wait(journal, &job.job);
}
