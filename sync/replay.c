/*
 * Rows of the journal that become changes again: what an earlier process left, and what the user
 * wants sent again.
 *
 * INTENT is sent, SENT is looked for on the server first, DONE is noted in the cache once more. The
 * others wait for the user, but what is HELD is looked for whenever a connection stands again, when
 * it has become so, and before a settle: found, it is done and leaves the outbox; it is never sent
 * by itself. All of it is in the background, oldest first; what cannot go now goes
 * when a connection stands. The thread that starts, and clerks.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "sync/carry.h"

enum { ROWS_AT_ONCE = 100 };

static int64_t mailbox_id(struct sync *sync, const char *name)
{
    struct cache_mailbox row = {0};
    int64_t id =
        name[0] != '\0' && cache_mailbox_find(sync->cache, name, &row) == CACHE_OK ? row.id : 0;
    cache_mailbox_free(&row);
    return id;
}

/* Takes the row. NULL: without memory, or its bytes are not there. */
static struct change *change_of_row(struct sync *sync, struct journal_row *row)
{
    struct change *change = change_new(sync, row->intent.kind);
    if (change == NULL) {
        journal_row_free(row);
        return NULL;
    }
    change->row = *row;
    change->id = row->id;
    change->sent = row->state != JOURNAL_INTENT;
    change->background = change->replayed = change->keep = true;
    change->uidvalidity = row->done_uidvalidity;
    change->uid = row->done_uid;
    change->mailbox = mailbox_id(sync, row->intent.mailbox);
    if (row->intent.kind <= JOURNAL_MOVE)
        change->target = mailbox_id(sync, row->intent.target);
    struct cache_inode inode;
    if (change->mailbox != 0 && row->intent.uid != 0 &&
        cache_message_find(sync->cache, change->mailbox, row->intent.uid, &inode) == CACHE_OK)
        change->message = inode.message;
    if (row->has_spool && row->state != JOURNAL_DONE &&
        journal_spool_open(sync->journal, row->id, &change->spool) != CACHE_OK) {
        log_warn("the bytes of outbox entry %lld cannot be read", (long long)row->id);
        change_free(change);
        return NULL;
    }
    if (change->spool != NULL)
        journal_spool_rest(change->spool); /* there may be many of them */
    return change;
}

static void list(struct change *change)
{
    struct sync *sync = change->sync;
    pthread_mutex_lock(&sync->lock);
    change->number = ++sync->last_number;
    change_list_locked(sync, change);
    pthread_mutex_unlock(&sync->lock);
}

bool change_under_way(struct sync *sync, int64_t id)
{
    pthread_mutex_lock(&sync->lock);
    const struct change *change = sync->changes;
    while (change != NULL && (change->id != id || change->held))
        change = change->all_next;
    pthread_mutex_unlock(&sync->lock);
    return change != NULL;
}

/* ---- sent again ---- */

static void resume(struct sync *sync, struct task *task)
{
    struct change *change = (struct change *)((char *)task - offsetof(struct change, task));
    bool lost = change->kind <= JOURNAL_MOVE && change->target == 0;
    lost |= (change->row.intent.mailbox[0] != '\0' && change->kind < JOURNAL_CREATE) &&
            change->mailbox == 0;
    if (change->row.state == JOURNAL_DONE)
        change_finish(change);
    else if (lost)
        change_fail(change, change->sent ? SYNC_ERR_UNCONFIRMED : SYNC_ERR_GONE,
                    "the mailbox is not there any more");
    else if (change->sent)
        change_look(change);
    else
        change_queue(change);
}

bool change_resume(struct sync *sync, struct journal_row *row)
{
    struct change *change = change_of_row(sync, row);
    if (change == NULL)
        return false;
    list(change);
    change->task = (struct task){.run = resume};
    clerk_task(sync, &change->task);
    return true;
}

/* ---- at the start ---- */

/* What it waits for, if that is among those that were read before it. */
static bool chained(struct sync *sync, struct change *change)
{
    int64_t after = change->row.intent.after;
    bool found = false;
    pthread_mutex_lock(&sync->lock);
    for (struct change *other = sync->changes; other != NULL && after > 0 && !found;
         other = other->all_next) {
        if (other->id != after)
            continue;
        change->next = other->then;
        other->then = change;
        found = true;
    }
    pthread_mutex_unlock(&sync->lock);
    return found;
}

static bool wanted(enum journal_state state)
{
    return state == JOURNAL_INTENT || state == JOURNAL_SENT || state == JOURNAL_DONE;
}

static void push_row(struct sync *sync, struct journal_row *row, struct change ***end)
{
    if (!wanted(row->state)) {
        journal_row_free(row);
        return;
    }
    struct change *change = change_of_row(sync, row);
    if (change == NULL)
        return;
    bool waits = chained(sync, change);
    if (change->mailbox != 0 && change->row.intent.uid != 0 && change->row.state != JOURNAL_DONE &&
        (change->kind == JOURNAL_MOVE || change->kind == JOURNAL_EXPUNGE)) {
        uint32_t uid = change->row.intent.uid;
        (void)!cache_messages_hide(sync->cache, change->mailbox, change->row.intent.uidvalidity,
                                   &uid, 1, false, sync_changed_here, sync);
        change->hidden = true;
    }
    list(change);
    if (waits)
        return;
    **end = change;
    *end = &change->next;
}

/* All of them are listed before the first one goes, so that each finds what it waits for. */
void changes_replay(struct sync *sync)
{
    struct journal_row rows[ROWS_AT_ONCE];
    struct change *first = NULL, **end = &first;
    int64_t after = 0;
    size_t count = 0, total = 0;
    do {
        if (journal_list(sync->journal, JOURNAL_NONE, after, rows, ROWS_AT_ONCE, &count) !=
            CACHE_OK)
            break;
        for (size_t i = 0; i < count; i++) {
            after = rows[i].id;
            push_row(sync, &rows[i], &end);
        }
        total += count;
    } while (count > 0);
    if (total > 0)
        log_info("the outbox holds %zu entries of an earlier run", total);
    for (struct change *next; first != NULL; first = next) {
        next = first->next;
        first->next = NULL;
        resume(sync, &first->task);
    }
}

/* ---- what is held ---- */

static bool can_be_looked_for(struct sync *sync, const struct journal_row *row)
{
    return row->intent.kind <= JOURNAL_MOVE && row->intent.target_uidvalidity != 0 &&
           row->intent.target_uidnext != 0 && mailbox_id(sync, row->intent.target) != 0;
}

/* Claims the row for one look at a time. */
static bool list_held(struct change *change)
{
    struct sync *sync = change->sync;
    pthread_mutex_lock(&sync->lock);
    const struct change *other = sync->changes;
    while (other != NULL && other->id != change->id)
        other = other->all_next;
    if (other == NULL)
        change_list_locked(sync, change);
    pthread_mutex_unlock(&sync->lock);
    return other == NULL;
}

static void look_for_held(struct sync *sync, struct journal_row *row)
{
    if (!can_be_looked_for(sync, row)) {
        journal_row_free(row);
        return;
    }
    struct change *change = change_of_row(sync, row);
    if (change == NULL)
        return;
    change->held = true; /* number 0: every settle waits for it */
    change->message = 0; /* nothing about the message waits for it */
    if (list_held(change))
        change_look(change);
    else
        change_free(change);
}

void held_look(struct sync *sync)
{
    struct journal_row rows[ROWS_AT_ONCE];
    int64_t after = 0;
    size_t count = 0;
    do {
        pthread_mutex_lock(&sync->lock);
        bool stopping = sync->stopping;
        pthread_mutex_unlock(&sync->lock);
        if (stopping || journal_list(sync->journal, JOURNAL_HELD, after, rows, ROWS_AT_ONCE,
                                     &count) != CACHE_OK)
            break;
        for (size_t i = 0; i < count; i++) {
            after = rows[i].id;
            look_for_held(sync, &rows[i]);
        }
    } while (count > 0);
}

static void held_due(struct sync *sync, struct task *task)
{
    free(task);
    held_look(sync);
}

void held_look_later(struct sync *sync, int64_t wait_ms)
{
    struct task *task = sync->journal != NULL ? calloc(1, sizeof *task) : NULL;
    if (task == NULL)
        return; /* the next connection brings the next look */
    *task = (struct task){.run = held_due, .due = clock_ms() + wait_ms};
    clerk_task(sync, task);
}

/* The user takes it into his own hands: the look at it counts no more. */
void held_abandon(struct sync *sync, int64_t id)
{
    pthread_mutex_lock(&sync->lock);
    for (struct change *change = sync->changes; change != NULL; change = change->all_next) {
        if (change->held && change->id == id)
            change->abandoned = true;
    }
    pthread_mutex_unlock(&sync->lock);
}

/* What was to follow it when it was asked for was told to have failed with it: it is not done
 * either, once that one turns out to have happened. */
void held_drop_followers(struct change *held)
{
    struct sync *sync = held->sync;
    struct journal_row rows[ROWS_AT_ONCE];
    int64_t after = held->id;
    size_t count = 0;
    do {
        if (journal_list(sync->journal, JOURNAL_INTENT, after, rows, ROWS_AT_ONCE, &count) !=
            CACHE_OK)
            return;
        for (size_t i = 0; i < count; i++) {
            struct journal_move move = {.id = rows[i].id, .event = JOURNAL_DO_DROP};
            after = rows[i].id;
            if (rows[i].intent.after == held->id && !change_under_way(sync, rows[i].id))
                (void)!journal_do(sync->journal, &move, 1, true);
            journal_row_free(&rows[i]);
        }
    } while (count > 0);
}
