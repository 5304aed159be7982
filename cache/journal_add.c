/*
 * How rows come: journal_add, and what fsync(2) makes (journal_spool_keep). The caller's thread
 * brings the bytes to the disk and reads them for their digest; the journal's thread, in one
 * transaction for all who wait, makes the rows and gives the spools their names.
 *
 * A small spool needs no file: its bytes go with its row, in the same transaction.
 *
 * A row that was kept becomes the published one in place: same id, same name, nothing to link.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "cache/journal_internal.h"

struct add_job {
    struct journal_job job;
    const struct journal_intent *intents;
    size_t count;
    enum journal_state birth;
    const char *reason;
    bool seal;
    int64_t *ids;
    struct journal_row *rows; /* NULL: not wanted */
    size_t linked; /* how many of the intents have been through: their spools have names */
};

/* The row that `id` names; the one before in this call, where it is JOURNAL_PREVIOUS. */
static enum cache_error resolve(struct journal *journal, const struct add_job *add, size_t i,
                                int64_t *id, struct journal_row *row)
{
    *row = (struct journal_row){0};
    if (*id == 0)
        return CACHE_OK;
    if (*id == JOURNAL_PREVIOUS && i == 0)
        return CACHE_ERR_ABSENT;
    if (*id == JOURNAL_PREVIOUS)
        *id = add->ids[i - 1];
    return row_query(journal, INTENT_GET, DB_VALUES(DB_INT(*id)), row);
}

/* Fills in what the rows that this one depends on say already. */
static enum cache_error bind_intent(struct journal *journal, const struct add_job *add, size_t i,
                                    struct journal_intent *intent, struct journal_row *maker)
{
    struct journal_row after;
    enum cache_error error = resolve(journal, add, i, &intent->after, &after);
    journal_row_free(&after);
    if (error == CACHE_OK)
        error = resolve(journal, add, i, &intent->made_by, maker);
    if (error != CACHE_OK || intent->made_by == 0)
        return error;
    if (intent->mailbox == NULL || intent->mailbox[0] == '\0')
        intent->mailbox = maker->intent.target;
    if (maker->state == JOURNAL_DONE) {
        intent->uidvalidity = maker->done_uidvalidity;
        intent->uid = maker->done_uid;
    }
    return CACHE_OK;
}

static enum cache_error put_bytes(struct journal *journal, int64_t id,
                                  const struct journal_spool *spool)
{
    const char *data = spool->block != NULL ? spool->block->data : "";
    return db_run(&journal->db, INTENT_BYTES_PUT,
                  DB_VALUES(DB_INT(id), DB_BLOB(data, spool->size)));
}

/* A row that was kept for this spool is still there, for nobody else can have taken it. */
static enum cache_error add_row(struct journal *journal, struct add_job *add, size_t i)
{
    struct journal_intent intent = add->intents[i];
    struct journal_spool *spool = intent.spool;
    struct journal_row maker = {0};
    struct row_extra extra = {.state = add->birth, .reason = add->reason};
    enum cache_error error = bind_intent(journal, add, i, &intent, &maker);
    bool small = spool != NULL && spool->fd < 0;
    if (spool != NULL) {
        extra.id = spool->row;
        extra.spool = small ? ROW_SMALL : ROW_FILE;
        extra.spool_bytes = spool->size;
        extra.sha256 = add->seal ? spool->sha256 : NULL;
    }
    if (error == CACHE_OK && extra.id == 0 && journal->rows >= journal->limits.rows)
        error = CACHE_ERR_LIMIT;
    if (error == CACHE_OK)
        error = row_put(journal, &intent, &extra, &add->ids[i]);
    if (error == CACHE_OK && small)
        error = put_bytes(journal, add->ids[i], spool);
    else if (error == CACHE_OK && spool != NULL && spool->row == 0)
        error = spool_link(spool, add->ids[i]);
    journal_row_free(&maker);
    return error;
}

static enum cache_error run_add(struct journal *journal, struct journal_job *job)
{
    struct add_job *add = (struct add_job *)job;
    enum cache_error error = CACHE_OK;
    for (size_t i = 0; error == CACHE_OK && i < add->count; i++) {
        error = add_row(journal, add, i);
        add->linked += error == CACHE_OK ? 1 : 0;
        if (error == CACHE_OK && add->rows != NULL)
            error = row_query(journal, INTENT_GET, DB_VALUES(DB_INT(add->ids[i])), &add->rows[i]);
    }
    return error;
}

/* What was undone must not leave names behind; what stands belongs to its row from here on. */
static void add_ended(struct journal *journal, struct journal_job *job, enum cache_error error)
{
    struct add_job *add = (struct add_job *)job;
    for (size_t i = 0; i < add->linked; i++) {
        struct journal_spool *spool = add->intents[i].spool;
        if (spool == NULL)
            continue;
        if (error == CACHE_OK)
            spool_set_row(spool, add->ids[i]);
        else if (spool->row == 0 && spool->fd >= 0)
            spool_unlink(spool, add->ids[i]);
    }
}

/* Reading handles, and spools that were added before, are nothing to add. */
static enum cache_error settle_spools(const struct add_job *add)
{
    enum cache_error error = CACHE_OK;
    for (size_t i = 0; error == CACHE_OK && i < add->count; i++) {
        struct journal_spool *spool = add->intents[i].spool;
        if ((spool != NULL) != (add->intents[i].kind == JOURNAL_APPEND))
            error = CACHE_ERR_STATE;
        else if (spool != NULL && spool->sealed)
            error = CACHE_ERR_STATE;
        else if (spool != NULL)
            error = spool_settle(spool, add->seal);
    }
    return error;
}

static enum cache_error add_all(struct journal *journal, struct add_job *add)
{
    enum cache_error error = settle_spools(add);
    if (error == CACHE_OK)
        error = journal_wait(journal, &add->job);
    for (size_t i = 0; error == CACHE_OK && add->seal && i < add->count; i++) {
        struct journal_spool *spool = add->intents[i].spool;
        if (spool == NULL)
            continue;
        spool->small = spool->fd < 0;
        spool_seal(spool);
        spool_rest_if_full(spool);
    }
    return error;
}

static enum cache_error add_born(struct journal *journal, const struct journal_intent *intents,
                                 size_t count, enum journal_state birth, int64_t *ids,
                                 struct journal_row *rows)
{
    struct add_job add = {
        .job = {.run = run_add, .ended = add_ended, .writes = true, .durable = true},
        .intents = intents,
        .count = count,
        .birth = birth,
        .seal = true,
        .ids = ids,
        .rows = rows,
    };
    if (birth != JOURNAL_INTENT && birth != JOURNAL_SENT && birth != JOURNAL_UNFINISHED)
        return CACHE_ERR_STATE;
    for (size_t i = 0; birth == JOURNAL_SENT && i < count; i++)
        if (intents[i].after != 0 || intents[i].made_by != 0)
            return CACHE_ERR_STATE;
    return add_all(journal, &add);
}

enum cache_error journal_add(struct journal *journal, const struct journal_intent *intents,
                             size_t count, enum journal_state birth, int64_t *ids)
{
    return add_born(journal, intents, count, birth, ids, NULL);
}

enum cache_error journal_add_rows(struct journal *journal, const struct journal_intent *intents,
                                  size_t count, enum journal_state birth, struct journal_row *rows)
{
    int64_t *ids = calloc(count, sizeof *ids);
    memset(rows, 0, count * sizeof *rows);
    enum cache_error error =
        ids != NULL ? add_born(journal, intents, count, birth, ids, rows) : CACHE_ERR_MEMORY;
    for (size_t i = 0; i < count && error != CACHE_OK; i++)
        journal_row_free(&rows[i]);
    free(ids);
    return error;
}

/* ---- fsync(2), and a writer who was killed ---- */

enum cache_error journal_spool_keep(struct journal_spool *spool,
                                    const struct journal_intent *intent, const char *reason)
{
    struct journal_intent kept = *intent;
    int64_t id = 0;
    struct add_job add = {
        .job = {.run = run_add, .ended = add_ended, .writes = true, .durable = true},
        .intents = &kept,
        .count = 1,
        .birth = JOURNAL_UNFINISHED,
        .reason = reason != NULL ? reason : "its writer did not close it",
        .ids = &id,
    };
    if (spool->sealed || spool->row != 0)
        return spool_settle(spool, false);
    enum cache_error error = spool_spill(spool); /* it can be written on, and may grow */
    if (error != CACHE_OK)
        return error;
    kept.kind = JOURNAL_APPEND;
    kept.after = kept.made_by = 0;
    kept.spool = spool;
    return add_all(spool->journal, &add);
}

struct forget_job {
    struct journal_job job;
    struct journal_spool *spool;
};

static enum cache_error run_forget(struct journal *journal, struct journal_job *job)
{
    struct journal_spool *spool = ((struct forget_job *)job)->spool;
    enum cache_error error = db_run(&journal->db, INTENT_DELETE, DB_VALUES(DB_INT(spool->row)));
    journal->rows--;
    return error != CACHE_OK ? error : journal_end_spool(journal, spool->row, spool->size);
}

enum cache_error journal_spool_forget(struct journal_spool *spool)
{
    struct forget_job forget = {
        .job = {.run = run_forget, .writes = true, .durable = true},
        .spool = spool,
    };
    if (spool->row == 0)
        return CACHE_OK;
    if (spool->sealed)
        return CACHE_ERR_STATE;
    enum cache_error error = journal_wait(spool->journal, &forget.job);
    if (error == CACHE_OK)
        spool_seal(spool); /* its file has lost its name for good */
    return error;
}

/* ---- the size of what was kept and written on; retry ---- */

struct measure_job {
    struct journal_job job;
    int64_t id;
    uint64_t bytes;
    const uint8_t *sha256; /* NULL: not known */
};

static enum cache_error run_measure(struct journal *journal, struct journal_job *job)
{
    struct measure_job *measure = (struct measure_job *)job;
    return db_run(&journal->db, INTENT_MEASURE,
                  DB_VALUES(DB_INT(measure->id), DB_INT(measure->bytes),
                            DB_BLOB(measure->sha256, measure->sha256 != NULL ? DIGEST_SIZE : 0)));
}

enum cache_error spool_note_size(struct journal_spool *spool)
{
    struct measure_job measure = {
        .job = {.run = run_measure, .writes = true},
          .id = spool->row, .bytes = spool->size
    };
    return journal_wait(spool->journal, &measure.job);
}

/* An unfinished spool may have been closed in the middle of a write: only now is it what it is. */
static enum cache_error look_at_bytes(struct journal *journal, int64_t id)
{
    struct journal_spool *spool = NULL;
    uint8_t sha256[DIGEST_SIZE];
    if (spool_live(journal, id))
        return CACHE_ERR_BUSY;
    enum cache_error error = journal_spool_open(journal, id, &spool);
    if (error == CACHE_OK && spool->fd >= 0 && fsync(spool->fd) != 0)
        error = CACHE_ERR_IO;
    if (error == CACHE_OK)
        error = journal_spool_digest(spool, sha256);
    if (error == CACHE_OK) {
        struct measure_job measure = {
            .job = {.run = run_measure, .writes = true},
            .id = id,
            .bytes = spool->size,
            .sha256 = sha256
        };
        error = journal_wait(journal, &measure.job);
    }
    journal_spool_close(&spool);
    return error;
}

enum cache_error journal_retry(struct journal *journal, int64_t id)
{
    struct journal_row row;
    struct journal_move move = {.id = id, .event = JOURNAL_DO_RETRY};
    enum cache_error error = journal_get(journal, id, &row);
    if (error == CACHE_OK && row.state == JOURNAL_UNFINISHED)
        error = look_at_bytes(journal, id);
    journal_row_free(&row);
    return error != CACHE_OK ? error : journal_do(journal, &move, 1, true);
}
