/*
 * The one table of what may happen to a row, and the one function that moves it. A move that is
 * not in the table is refused and logged: it is a fault of the caller's, and the row stays what it
 * was, because a change that is sent twice cannot be taken back.
 */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "cache/journal_internal.h"

enum { GONE = JOURNAL_STATES };

typedef enum cache_error effect_fn(struct journal *journal, const struct journal_row *row,
                                   const struct journal_move *move, enum journal_state to);
static effect_fn send_row, note_state, note_outcome, finish_row, drop_rows;

static const struct {
    const char *name;
    bool durable; /* always, whatever the caller asks for */
    effect_fn *effect;
    unsigned char to[JOURNAL_STATES];
} events[JOURNAL_EVENTS] = {
    [JOURNAL_DO_SEND] = {"be sent",        true,  send_row,     {[JOURNAL_INTENT] = JOURNAL_SENT}},
    [JOURNAL_DO_RETURN] = {"return",         false, note_state,   {[JOURNAL_SENT] = JOURNAL_INTENT}},
    [JOURNAL_DO_SUCCEED] = {"succeed",
                         false,                   note_outcome,
                         {[JOURNAL_SENT] = JOURNAL_DONE, [JOURNAL_HELD] = JOURNAL_DONE}          },
    [JOURNAL_DO_REFUSE] = {"be refused",
                         true,                    note_state,
                         {[JOURNAL_INTENT] = JOURNAL_REFUSED, [JOURNAL_SENT] = JOURNAL_REFUSED}  },
    [JOURNAL_DO_HOLD] = {"be held",
                         true,                    note_state,
                         {[JOURNAL_INTENT] = JOURNAL_HELD, [JOURNAL_SENT] = JOURNAL_HELD}        },
    [JOURNAL_DO_RETRY] = {"be tried again",
                         true,                    note_state,
                         {[JOURNAL_REFUSED] = JOURNAL_INTENT,
                           [JOURNAL_UNFINISHED] = JOURNAL_INTENT,
                           [JOURNAL_HELD] = JOURNAL_INTENT}                                      },
    [JOURNAL_DO_FINISH] = {"finish",         false, finish_row,   {[JOURNAL_DONE] = GONE}          },
    [JOURNAL_DO_DROP] = {"be dropped",
                         true,                    drop_rows,
                         {[JOURNAL_INTENT] = GONE,
                          [JOURNAL_REFUSED] = GONE,
                          [JOURNAL_UNFINISHED] = GONE,
                          [JOURNAL_HELD] = GONE}                                                 },
};

static const char *const state_names[JOURNAL_STATES] = {
    [JOURNAL_NONE] = "none", [JOURNAL_INTENT] = "intent",   [JOURNAL_SENT] = "sent",
    [JOURNAL_DONE] = "done", [JOURNAL_REFUSED] = "refused", [JOURNAL_UNFINISHED] = "unfinished",
    [JOURNAL_HELD] = "held",
};

static const char *const kind_names[JOURNAL_KINDS] = {
    [0] = "unknown",
    [JOURNAL_APPEND] = "append",
    [JOURNAL_COPY] = "copy",
    [JOURNAL_MOVE] = "move",
    [JOURNAL_STORE] = "store",
    [JOURNAL_EXPUNGE] = "expunge",
    [JOURNAL_CREATE] = "create",
    [JOURNAL_DELETE] = "delete",
    [JOURNAL_RENAME] = "rename",
    [JOURNAL_SUBSCRIBE] = "subscribe",
    [JOURNAL_UNSUBSCRIBE] = "unsubscribe",
};

const char *journal_state_name(enum journal_state state)
{
    return (unsigned)state < JOURNAL_STATES ? state_names[state] : "gone";
}

const char *journal_kind_name(enum journal_kind kind)
{
    return kind_names[(unsigned)kind < JOURNAL_KINDS ? kind : 0];
}

enum journal_state journal_next(enum journal_event event, enum journal_state state)
{
    if ((unsigned)event >= JOURNAL_EVENTS || (unsigned)state >= JOURNAL_STATES)
        return JOURNAL_NONE;
    return (enum journal_state)events[event].to[state];
}

bool journal_event_durable(enum journal_event event)
{
    return events[event].durable;
}

/* ---- effects ---- */

static enum cache_error send_row(struct journal *journal, const struct journal_row *row,
                                 const struct journal_move *move, enum journal_state to)
{
    return db_run(&journal->db, INTENT_SEND,
                  DB_VALUES(DB_INT(row->id), DB_INT(to), DB_INT(move->target_uidvalidity),
                            DB_INT(move->target_uidnext), DB_INT(clock_wall())));
}

static enum cache_error note_state(struct journal *journal, const struct journal_row *row,
                                   const struct journal_move *move, enum journal_state to)
{
    return db_run(&journal->db, INTENT_STATE,
                  DB_VALUES(DB_INT(row->id), DB_INT(to), DB_INT(move->code), DB_TEXT(move->reason),
                            DB_INT(clock_wall())));
}

/* Rows that name a mailbox which has another name now, or one below it, name it anew. */
static enum cache_error follow_rename(struct journal *journal, const struct journal_row *row)
{
    const struct journal_intent *intent = &row->intent;
    char delimiter[2] = {intent->delimiter, '\0'};
    const struct db_value values[] = {DB_INT(row->id), DB_TEXT(intent->mailbox),
                                      DB_TEXT(intent->target), DB_TEXT(delimiter)};
    enum cache_error error = db_run(&journal->db, INTENT_MAILBOX_RENAMED, values, 4);
    return error != CACHE_OK ? error : db_run(&journal->db, INTENT_TARGET_RENAMED, values, 4);
}

static enum cache_error note_outcome(struct journal *journal, const struct journal_row *row,
                                     const struct journal_move *move, enum journal_state to)
{
    enum cache_error error =
        db_run(&journal->db, INTENT_OUTCOME,
               DB_VALUES(DB_INT(row->id), DB_INT(to), DB_INT(move->uidvalidity), DB_INT(move->uid),
                         DB_INT(clock_wall())));
    if (error == CACHE_OK && move->uid != 0)
        error = db_run(&journal->db, INTENT_RESOLVE,
                       DB_VALUES(DB_INT(row->id), DB_INT(move->uidvalidity), DB_INT(move->uid)));
    if (error == CACHE_OK && row->intent.kind == JOURNAL_RENAME)
        error = follow_rename(journal, row);
    return error;
}

/* What waited may go on; what was to change the message, and was never told its UID, cannot. */
static enum cache_error finish_row(struct journal *journal, const struct journal_row *row,
                                   const struct journal_move *move, enum journal_state to)
{
    static const unsigned statements[] = {INTENT_STRAND, INTENT_UNBIND, INTENT_UNBLOCK,
                                          INTENT_DELETE};
    enum cache_error error = CACHE_OK;
    for (size_t i = 0; error == CACHE_OK && i < sizeof statements / sizeof *statements; i++)
        error = db_run(&journal->db, statements[i], DB_VALUES(DB_INT(row->id)));
    journal->rows--;
    if (error == CACHE_OK && row->has_spool)
        error = journal_end_spool(journal, row->spool_small ? 0 : row->id, row->spool_bytes);
    return error;
}

static enum cache_error drop_rows(struct journal *journal, const struct journal_row *row,
                                  const struct journal_move *move, enum journal_state to)
{
    struct db *db = &journal->db;
    enum cache_error error = CACHE_OK;
    enum db_step step = db_query(db, INTENT_DROP, DB_VALUES(DB_INT(row->id)));
    while (step == DB_ROW && error == CACHE_OK) {
        int64_t id = db_int(db, INTENT_DROP, 0);
        journal->rows--;
        if (id != row->id)
            log_info("journal: row %lld goes with row %lld", (long long)id, (long long)row->id);
        int64_t spool = db_int(db, INTENT_DROP, 1);
        if (spool != ROW_NO_SPOOL)
            error = journal_end_spool(journal, spool == ROW_FILE ? id : 0,
                                      (uint64_t)db_int(db, INTENT_DROP, 2));
        if (error == CACHE_OK)
            step = db_next(db, INTENT_DROP);
    }
    db_end(db, INTENT_DROP);
    return step == DB_FAILED ? db_error(db) : error;
}

/* ---- the transition ---- */

/* Why the move cannot be made although the table has it; NULL: it can. */
static const char *obstacle(struct journal *journal, const struct journal_row *row,
                            const struct journal_move *move, enum cache_error *error)
{
    *error = CACHE_ERR_STATE;
    if (move->event == JOURNAL_DO_SEND && (row->intent.after != 0 || row->intent.made_by != 0))
        return "it waits for another row";
    if (move->event == JOURNAL_DO_RETRY && row->intent.kind == JOURNAL_APPEND &&
        row->intent.target[0] == '\0')
        return "its mailbox is not known";
    *error = CACHE_ERR_BUSY;
    if ((move->event == JOURNAL_DO_RETRY || move->event == JOURNAL_DO_DROP) && row->has_spool &&
        spool_live(journal, row->id))
        return "its bytes are still being written";
    *error = CACHE_OK;
    return NULL;
}

static enum cache_error transition(struct journal *journal, const struct journal_move *move)
{
    struct journal_row row;
    if ((unsigned)move->event >= JOURNAL_EVENTS)
        return CACHE_ERR_STATE;
    const char *what = events[move->event].name;
    enum cache_error error = row_query(journal, INTENT_GET, DB_VALUES(DB_INT(move->id)), &row);
    if (error == CACHE_ERR_ABSENT)
        log_warn("journal: row %lld cannot %s: there is none", (long long)move->id, what);
    if (error != CACHE_OK)
        return error;
    enum journal_state to = journal_next(move->event, row.state);
    const char *why = to == JOURNAL_NONE ? "of its state" : obstacle(journal, &row, move, &error);
    if (to == JOURNAL_NONE)
        error = CACHE_ERR_STATE;
    if (why != NULL)
        log_warn("journal: row %lld (%s, %s) cannot %s: %s", (long long)row.id,
                 journal_kind_name(row.intent.kind), state_names[row.state], what, why);
    if (error == CACHE_OK)
        error = events[move->event].effect(journal, &row, move, to);
    if (error == CACHE_OK)
        log_debug("journal: row %lld (%s): %s -> %s%s%s", (long long)row.id,
                  journal_kind_name(row.intent.kind), state_names[row.state],
                  journal_state_name(to), move->reason != NULL ? ": " : "",
                  move->reason != NULL ? move->reason : "");
    journal_row_free(&row);
    return error;
}

/* ---- the caller's side ---- */

struct do_job {
    struct journal_job job;
    struct journal_move *moves;
    size_t count;
};

static bool by_itself(enum cache_error error)
{
    return error == CACHE_OK || error == CACHE_ERR_STATE || error == CACHE_ERR_ABSENT ||
           error == CACHE_ERR_BUSY;
}

static enum cache_error run_do(struct journal *journal, struct journal_job *job)
{
    struct do_job *todo = (struct do_job *)job;
    for (size_t i = 0; i < todo->count; i++) {
        todo->moves[i].result = transition(journal, &todo->moves[i]);
        if (!by_itself(todo->moves[i].result))
            return todo->moves[i].result;
    }
    return CACHE_OK;
}

enum cache_error journal_do(struct journal *journal, struct journal_move *moves, size_t count,
                            bool durable)
{
    struct do_job todo = {
        .job = {.run = run_do, .writes = true, .durable = durable},
        .moves = moves,
        .count = count,
    };
    for (size_t i = 0; i < count; i++)
        todo.job.durable = todo.job.durable || ((unsigned)moves[i].event < JOURNAL_EVENTS &&
                                                journal_event_durable(moves[i].event));
    enum cache_error error = journal_wait(journal, &todo.job);
    for (size_t i = 0; i < count && error != CACHE_OK; i++)
        moves[i].result = error;
    for (size_t i = 0; i < count && error == CACHE_OK; i++)
        error = moves[i].result;
    return error;
}
