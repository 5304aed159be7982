/*
 * The queue: changes that may go, and how they come to go together.
 *
 * Changes of one kind between the same two mailboxes form a lane. A change that somebody waits for
 * goes at once; of those that nobody waits for, a lane has one batch on its way (four of APPENDs),
 * and what comes meanwhile gathers for the next one. So a lone change costs one round trip, and a
 * thousand cost a few.
 *
 * Before a batch goes, its rows say so, on disk, with the UIDNEXT of the target: what the mailbox
 * gives out later has this UID at least. Where none is known yet, STATUS asks for it first.
 *
 * Clerks run all of this, but for what says otherwise.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "sync/carry.h"

/* ---- lists ---- */

void change_list_locked(struct sync *sync, struct change *change)
{
    change->all_prev = NULL;
    change->all_next = sync->changes;
    if (sync->changes != NULL)
        sync->changes->all_prev = change;
    sync->changes = change;
}

void change_forget(struct change *change)
{
    struct sync *sync = change->sync;
    pthread_mutex_lock(&sync->lock);
    if (change->all_prev != NULL)
        change->all_prev->all_next = change->all_next;
    else if (sync->changes == change)
        sync->changes = change->all_next;
    if (change->all_next != NULL)
        change->all_next->all_prev = change->all_prev;
    change->all_next = change->all_prev = NULL;
    while (change->blocked != NULL) {
        struct task *task = change->blocked;
        change->blocked = task->next;
        clerk_task_locked(sync, task);
    }
    bodies_free_locked(sync, change);
    pthread_mutex_unlock(&sync->lock);
}

/* The newest stands first. */
struct change *change_about_locked(struct sync *sync, int64_t message)
{
    struct change *change = sync->changes;
    while (change != NULL && (message == 0 || change->message != message))
        change = change->all_next;
    return change;
}

struct change *change_of_staged_locked(struct sync *sync, uint64_t staged)
{
    struct change *change = sync->changes;
    while (change != NULL && (staged == 0 || change->staged != staged))
        change = change->all_next;
    return change;
}

struct change *change_making_locked(struct sync *sync, uint64_t staged)
{
    struct change *change = change_of_staged_locked(sync, staged);
    while (change != NULL && (change->staged != staged || change->kind == JOURNAL_STORE))
        change = change->all_next;
    return change;
}

bool change_is_followed(const struct change *change)
{
    struct sync *sync = change->sync;
    pthread_mutex_lock(&sync->lock);
    const struct change *last = change_about_locked(sync, change->message);
    while (last != NULL && last != change &&
           (last->message != change->message || last->kind == JOURNAL_STORE || !last->hidden))
        last = last->all_next;
    pthread_mutex_unlock(&sync->lock);
    return last != NULL && last != change;
}

/* ---- lanes ---- */

static bool same_text(const char *a, const char *b)
{
    return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0;
}

static bool of_mailboxes(enum journal_kind kind)
{
    return kind >= JOURNAL_CREATE;
}

static bool same_lane(const struct change *a, const struct change *b)
{
    return a->kind == b->kind && a->mailbox == b->mailbox && a->target == b->target &&
           a->background == b->background &&
           a->row.intent.uidvalidity == b->row.intent.uidvalidity &&
           same_text(a->row.intent.flags, b->row.intent.flags);
}

static bool lane_full_locked(const struct sync *sync, const struct change *change)
{
    unsigned flying = 0;
    for (const struct batch *batch = sync->flying; batch != NULL; batch = batch->flies)
        flying += batch->changes != NULL && same_lane(batch->changes, change);
    return flying >= (!change->background ? 16u : change->kind == JOURNAL_APPEND ? 4u : 1u);
}

/* ---- in and out ---- */

void change_queue(struct change *change)
{
    struct sync *sync = change->sync;
    pthread_mutex_lock(&sync->lock);
    change->next = NULL;
    *(sync->queue != NULL ? &sync->queue_last->next : &sync->queue) = change;
    sync->queue_last = change;
    sync->queue_moves = sync->queue_moves || !lane_full_locked(sync, change);
    pthread_mutex_unlock(&sync->lock);
}

bool queue_take_locked(struct sync *sync, struct change *change)
{
    struct change **at = &sync->queue, *before = NULL;
    while (*at != NULL && *at != change) {
        before = *at;
        at = &(*at)->next;
    }
    if (*at == NULL || change->sent || change->then != NULL)
        return false;
    *at = change->next;
    if (sync->queue_last == change)
        sync->queue_last = before;
    change->next = NULL;
    return true;
}

static void queue_again(struct sync *sync, struct task *task)
{
    change_queue((struct change *)((char *)task - offsetof(struct change, task)));
}

void change_task_later(struct change *change, void (*run)(struct sync *, struct task *))
{
    struct sync *sync = change->sync;
    int64_t wait_ms = change->later_ms == 0 ? LATER_FIRST_MS : change->later_ms * 2;
    change->later_ms = wait_ms < LATER_MAX_MS ? wait_ms : LATER_MAX_MS;
    change->task = (struct task){.run = run, .due = clock_ms() + change->later_ms, .later = true};
    clerk_task(sync, &change->task);
}

void change_queue_later(struct change *change)
{
    change_task_later(change, queue_again);
}

/* A worker's thread. */
void changes_connected(struct sync *sync)
{
    pthread_mutex_lock(&sync->lock);
    for (struct task *task = sync->tasks; task != NULL; task = task->next) {
        if (task->later)
            task->due = 0;
    }
    if (sync->clerk_count > 0)
        pthread_cond_broadcast(&sync->clerk_wake);
    pthread_mutex_unlock(&sync->lock);
}

/* ---- the brake ---- */

/* The brake on expunging (CONTRACT.md 2): whether one more has to wait. */
static bool braked_locked(struct sync *sync, const struct change *change, int64_t now)
{
    if (change->kind != JOURNAL_EXPUNGE || sync->stopping)
        return false;
    if (now - sync->brake_from >= BRAKE_MS) {
        sync->brake_from = now;
        sync->expunged = 0;
        sync->braked = false;
    }
    return sync->expunged >= BRAKE_EXPUNGES;
}

static void brake_passed(struct sync *sync, struct task *task)
{
    pthread_mutex_lock(&sync->lock);
    sync->brake_timed = false;
    sync->queue_moves = true;
    pthread_mutex_unlock(&sync->lock);
    free(task);
}

static void brake_on_locked(struct sync *sync, int64_t now)
{
    if (!sync->braked)
        log_warn(
            "more than %d messages were deleted for good within a minute; the next wait %lld s",
            BRAKE_EXPUNGES, (long long)(sync->brake_from + BRAKE_MS - now + 999) / 1000);
    sync->braked = true;
    if (sync->brake_timed)
        return;
    sync->brake_timed = true;
    struct task *task = calloc(1, sizeof *task);
    if (task == NULL)
        return; /* what lands next looks again */
    *task = (struct task){.run = brake_passed, .due = sync->brake_from + BRAKE_MS};
    clerk_task_locked(sync, task);
}

static bool fits(const struct batch *batch, const struct change *change, uint64_t bytes)
{
    if (change->kind == JOURNAL_APPEND)
        return batch->count < BATCH_APPENDS && bytes + change->row.spool_bytes <= BATCH_BYTES;
    return batch->count < BATCH_UIDS;
}

static int by_uid(const void *a, const void *b)
{
    const struct change *x = *(struct change *const *)a, *y = *(struct change *const *)b;
    return x->row.intent.uid < y->row.intent.uid ? -1 : x->row.intent.uid > y->row.intent.uid;
}

/* UID sets ascend. */
static void sort_changes(struct batch *batch)
{
    struct change *items[BATCH_UIDS];
    size_t count = 0;
    if (batch->changes->kind == JOURNAL_APPEND || batch->count < 2)
        return;
    for (struct change *change = batch->changes; change != NULL; change = change->next)
        items[count++] = change;
    qsort(items, count, sizeof(struct change *), by_uid);
    for (size_t i = 0; i < count; i++)
        items[i]->next = i + 1 < count ? items[i + 1] : NULL;
    batch->changes = items[0];
}

static void take_locked(struct sync *sync, struct change **at, struct change *before,
                        struct batch *batch, struct change ***end)
{
    struct change *change = *at;
    *at = change->next;
    if (sync->queue_last == change)
        sync->queue_last = before;
    change->next = NULL;
    **end = change;
    *end = &change->next;
    batch->count++;
    sync->expunged += change->kind == JOURNAL_EXPUNGE;
}

/* The first change that may go, and those that go with it; NULL: none may. */
static struct batch *form(struct sync *sync)
{
    struct batch *batch = batch_new(sync, BATCH_CHANGES);
    if (batch == NULL)
        return NULL;
    struct change **end = &batch->changes, *before = NULL;
    uint64_t bytes = 0;
    int64_t now = clock_ms();
    pthread_mutex_lock(&sync->lock);
    bool moves = sync->queue_moves || sync->stopping;
    for (struct change **at = &sync->queue; moves && *at != NULL;) {
        struct change *change = *at, *first = batch->changes;
        bool brake = braked_locked(sync, change, now);
        if (brake)
            brake_on_locked(sync, now);
        bool goes = !brake && (first == NULL ? !lane_full_locked(sync, change)
                                             : same_lane(first, change) && !change->singly &&
                                                   fits(batch, change, bytes));
        if (!goes) {
            before = change;
            at = &change->next;
            continue;
        }
        bytes += change->row.spool_bytes;
        take_locked(sync, at, before, batch, &end);
        if (change->singly || of_mailboxes(change->kind))
            break;
    }
    sync->queue_moves = batch->changes != NULL; /* the next look may find more */
    if (batch->changes != NULL) {
        batch->flies = sync->flying;
        sync->flying = batch;
    }
    pthread_mutex_unlock(&sync->lock);
    if (batch->changes == NULL) {
        batch_free(batch);
        return NULL;
    }
    sort_changes(batch);
    return batch;
}

/* ---- sending ---- */

static bool to_target(enum journal_kind kind)
{
    return kind == JOURNAL_APPEND || kind == JOURNAL_COPY || kind == JOURNAL_MOVE;
}

/* The rows that do not say yet that they may have been sent, say so. What cannot go ends here. */
static void mark_sent(struct batch *batch, uint32_t uidvalidity, uint32_t uidnext)
{
    struct sync *sync = batch->sync;
    struct journal_move moves[BATCH_UIDS];
    size_t count = 0;
    for (struct change *change = batch->changes; change != NULL; change = change->next) {
        if (change->sent)
            continue;
        change->row.intent.target_uidvalidity = uidvalidity;
        change->row.intent.target_uidnext = uidnext;
        moves[count++] = (struct journal_move){.id = change->id,
                                               .event = JOURNAL_DO_SEND,
                                               .target_uidvalidity = uidvalidity,
                                               .target_uidnext = uidnext};
    }
    if (count > 0)
        (void)!journal_do(sync->journal, moves, count, true); /* each has its result */
    size_t i = 0;
    for (struct change **at = &batch->changes; *at != NULL;) {
        struct change *change = *at;
        enum cache_error result = change->sent ? CACHE_OK : moves[i++].result;
        if (result == CACHE_OK) {
            change->sent = true;
            at = &change->next;
            continue;
        }
        *at = change->next;
        batch->count--;
        change_fail(change, sync_error_of_journal(result), "the journal does not take it");
    }
}

static void send(struct batch *batch)
{
    struct sync *sync = batch->sync;
    struct change *first = batch->changes;
    uint32_t uidvalidity = 0, uidnext = 0;
    bool known =
        !to_target(first->kind) || bearings_get(sync, first->target, &uidvalidity, &uidnext);
    batch->target = first->target;
    batch->mailbox = 0;
    if (!known) {
        batch->kind = BATCH_STATUS;
        batch_dispatch(batch);
        return;
    }
    mark_sent(batch, uidvalidity, uidnext);
    if (batch->changes == NULL) {
        batch_free(batch);
        return;
    }
    batch->kind = of_mailboxes(batch->changes->kind) ? BATCH_MAILBOX : BATCH_CHANGES;
    if (batch->kind == BATCH_CHANGES && batch->changes->kind != JOURNAL_APPEND)
        batch->mailbox = batch->changes->mailbox;
    batch_dispatch(batch);
}

void queue_pump(struct sync *sync)
{
    for (struct batch *batch; (batch = form(sync)) != NULL;)
        send(batch);
}
