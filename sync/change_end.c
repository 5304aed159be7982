/*
 * The end of a change: told to whoever waits, and to the changes that follow it.
 *
 * What the user was told has failed is never sent again by itself: its row is on disk as refused or
 * held before he hears, or gone where no bytes are lost. What surely was not done is queued again
 * while there is time. What follows a change that failed is over with it.
 *
 * Clerks run all of this. That the journal takes no note is logged there, and the next process
 * looks at the row.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "sync/carry.h"

static void tell_request(struct change *change, enum sync_error error, const char *reason)
{
    struct request *request = change->request;
    if (request == NULL)
        return;
    if (change->principal) {
        request->error = error;
        request->inode = change->inode;
        snprintf(request->reason, sizeof request->reason, "%s", reason);
    }
    request_change_over(request);
}

/* It waited for `done`, which may have moved its message, or waited for such a one itself. */
static void proceed(const struct change *done, struct change *change)
{
    struct sync *sync = change->sync;
    struct journal_intent *intent = &change->row.intent;
    pthread_mutex_lock(&sync->lock); /* find_prior looks */
    if (intent->made_by == done->id && intent->uid == 0) {
        intent->uid = done->uid;
        intent->uidvalidity = done->uidvalidity;
    }
    bool known = intent->made_by == 0 || intent->uid != 0;
    pthread_mutex_unlock(&sync->lock);
    if (!known && !change_reread(change))
        return;
    change_find_message(change);
    if (change->kind == JOURNAL_STORE && change->background)
        change_show_flags(change); /* the outcome before may have shown others */
    change_queue(change);
}

/* What it waited for failed. Somebody else's change is in the outbox beside that one. */
static void fail_with(const struct change *failed, struct change *change, enum sync_error error)
{
    static const char reason[] = "an earlier change of it failed";
    struct journal_move move = {.id = change->id,
                                .event = JOURNAL_DO_REFUSE,
                                .code = journal_code(error),
                                .reason = reason};
    if (change->background && change->number != failed->number && error != SYNC_ERR_STOPPING)
        (void)!journal_do(change->sync->journal, &move, 1, true); /* gone already, with the other */
    change_show(change);
    change_over(change, error, reason);
}

/* The change is over. What follows a change that failed is over with it. */
void change_over(struct change *change, enum sync_error error, const char *reason)
{
    struct sync *sync = change->sync;
    if (error != SYNC_OK && change->background)
        settle_failed(sync, change->number, error, reason);
    change_forget(change);
    tell_request(change, error, reason);
    for (struct change *next; change->then != NULL; change->then = next) {
        next = change->then->next;
        if (error == SYNC_OK)
            proceed(change, change->then);
        else
            fail_with(change, change->then, error);
    }
    change_free(change);
    settle_look(sync);
}

/* Whether bytes that the user wrote stay in the outbox. Nothing happened when there was no
 * connection: then it is for the caller to say. */
static bool bytes_stay(const struct change *change, enum sync_error error)
{
    return change->spool != NULL && (change->keep || error != SYNC_ERR_DOWN);
}

static size_t moves_to_fail(const struct change *change, enum sync_error error, const char *reason,
                            struct journal_move moves[2])
{
    bool kept = change->background || (change->kind == JOURNAL_APPEND && bytes_stay(change, error));
    bool held = error == SYNC_ERR_UNCONFIRMED;
    moves[0] = (struct journal_move){.id = change->id,
                                     .event = held ? JOURNAL_DO_HOLD : JOURNAL_DO_REFUSE,
                                     .code = journal_code(error),
                                     .reason = reason};
    moves[1] = (struct journal_move){.id = change->id, .event = JOURNAL_DO_DROP};
    return held || kept ? 1 : 2;
}

void change_withdraw(struct change *change)
{
    struct journal_move move = {.id = change->id, .event = JOURNAL_DO_DROP};
    (void)!journal_do(change->sync->journal, &move, 1, true);
    change_over(change, SYNC_OK, "");
}

/* The message that had the same bytes is gone: they are sent after all. */
static bool falls_back(struct change *change, enum sync_error error)
{
    struct request *request = change->request;
    struct journal_move moves[2];
    if (error != SYNC_ERR_GONE || change->kind != JOURNAL_COPY || change->spool == NULL ||
        request == NULL || request->left != 1)
        return false;
    size_t count = moves_to_fail(change, error, "", moves);
    (void)!journal_do(change->sync->journal, moves, count, true);
    request->spool = change->spool;
    request->no_twin = true;
    change->spool = NULL;
    change->request = NULL;
    change_forget(change);
    change_free(change);
    request->task = (struct task){.run = request_prepare};
    clerk_task(request->sync, &request->task);
    return true;
}

/* A copy was to spare the upload; the bytes are nowhere else. */
static void keep_bytes(struct change *change, enum sync_error error, const char *reason)
{
    struct journal_intent intent = {.kind = JOURNAL_APPEND,
                                    .mailbox = "",
                                    .target = change->row.intent.target,
                                    .name = change->row.intent.name,
                                    .internaldate = change->row.intent.internaldate};
    if (change->kind == JOURNAL_COPY && bytes_stay(change, error) &&
        journal_spool_keep(change->spool, &intent, reason) != CACHE_OK)
        log_warn("a file that could not be sent cannot be kept in the outbox either");
}

void change_fail(struct change *change, enum sync_error error, const char *reason)
{
    if (falls_back(change, error))
        return;
    struct journal_move moves[2];
    char line[JOURNAL_TEXT_MAX];
    snprintf(line, sizeof line, "%s", reason);
    log_warn("a change failed (%s): %s", journal_kind_name(change->kind),
             line[0] != '\0' ? line : "no connection");
    if (change->id != 0) {
        size_t count = moves_to_fail(change, error, line, moves);
        (void)!journal_do(change->sync->journal, moves, count, true); /* logged there */
        if (error == SYNC_ERR_UNCONFIRMED)
            held_look_later(change->sync, LATER_FIRST_MS);
    }
    keep_bytes(change, error, line);
    change_show(change);
    if (change->background && change->staged != 0 && change->kind != JOURNAL_STORE)
        (void)!cache_staged_remove(change->sync->cache, change->staged, sync_changed_here,
                                   change->sync);
    struct sync *sync = change->sync;
    int64_t mailbox = change->mailbox;
    change_over(change, error, line);
    if (error == SYNC_ERR_GONE)
        mailbox_look(sync, mailbox); /* listings have left the message to the change */
}

/* Whether it may be tried again on behalf of whoever waits. */
bool change_has_time(const struct change *change)
{
    return change->attempts < CHANGE_ATTEMPTS &&
           clock_ms() - change->progress < change->sync->timeout_ms;
}

bool change_stopping(struct sync *sync)
{
    pthread_mutex_lock(&sync->lock);
    bool is = sync->stopping;
    pthread_mutex_unlock(&sync->lock);
    return is;
}

/* The mount ends: the row stays for the next process. */
void change_leave(struct change *change)
{
    change_over(change, SYNC_ERR_STOPPING, "");
}

void change_undone(struct change *change, bool went)
{
    enum sync_error why = change->why;
    if (why != SYNC_ERR_THROTTLED)
        change->attempts += went;
    if (change->background) {
        if (change_stopping(change->sync))
            change_leave(change);
        else if (went && change->attempts < CHANGE_ATTEMPTS)
            change_queue(change);
        else
            change_queue_later(change);
        return;
    }
    bool throttled = why == SYNC_ERR_THROTTLED && went;
    if ((went || throttled) && change_has_time(change) && !change_stopping(change->sync)) {
        change_queue(change);
        return;
    }
    if (change->copied)
        why = SYNC_ERR_UNCONFIRMED; /* half of it is done */
    else if (why == SYNC_ERR_UNREACHABLE)
        why = SYNC_ERR_DOWN;
    change_fail(change, why, change->reason);
}
