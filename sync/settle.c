/*
 * Waiting for all that is pending (fsync of a directory, outlookfs sync, umount), and the quota.
 *
 * A settle is through when no change, and no request, that was asked for before it is left; then
 * NOOP asks the server for what is new. It gives up after the bound without the end of any change.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "sync/carry.h"

enum { QUOTA_FRESH_MS = 60000, QUOTA_UNIT = 1024 };

static bool concerns(const struct request *settle, int64_t mailbox, int64_t target)
{
    return settle->mailbox == 0 || settle->mailbox == mailbox || settle->mailbox == target;
}

static bool pending_locked(const struct sync *sync, const struct request *settle)
{
    for (const struct change *change = sync->changes; change != NULL; change = change->all_next) {
        if (change->number < settle->number && concerns(settle, change->mailbox, change->target))
            return true;
    }
    for (const struct request *r = sync->requests; r != NULL; r = r->next) {
        if (r->kind < REQUEST_STAGED_CREATE && r->number < settle->number)
            return true;
    }
    return false;
}

/* Whether a connection has the mailbox open for changes: then that one is asked, by CHECK. */
static bool open_somewhere(struct sync *sync, int64_t mailbox)
{
    bool open = false;
    pthread_mutex_lock(&sync->lock);
    for (unsigned i = 0; i < sync->worker_count && mailbox != 0; i++) {
        const struct worker *w = &sync->workers[i];
        open |= w->state == WORKER_READY && w->mailbox == mailbox && w->writable;
    }
    pthread_mutex_unlock(&sync->lock);
    return open;
}

static void ask_server(struct request *settle)
{
    struct batch *batch = batch_new(settle->sync, BATCH_NOOP);
    if (batch == NULL) {
        request_fail(settle, SYNC_ERR_MEMORY, "");
        return;
    }
    batch->request = settle;
    if (open_somewhere(settle->sync, settle->mailbox))
        batch->mailbox = settle->mailbox;
    settle->asked++;
    batch_dispatch(batch);
}

void settle_look(struct sync *sync)
{
    for (;;) {
        struct request *through = NULL;
        pthread_mutex_lock(&sync->lock);
        sync->change_over = clock_ms();
        for (struct request *r = sync->requests; r != NULL && through == NULL && !sync->stopping;
             r = r->next) {
            if (r->kind == REQUEST_SETTLE && r->waiting && !pending_locked(sync, r))
                through = r;
        }
        if (through != NULL)
            through->waiting = false;
        pthread_mutex_unlock(&sync->lock);
        if (through == NULL)
            return;
        ask_server(through);
    }
}

void settle_start(struct request *request)
{
    struct sync *sync = request->sync;
    held_look(sync);
    pthread_mutex_lock(&sync->lock);
    request->waiting = true;
    pthread_cond_signal(&sync->warden_wake);
    pthread_mutex_unlock(&sync->lock);
    changes_connected(sync); /* what waits for a better time is tried now */
    settle_look(sync);
}

static void expired(struct sync *sync, struct task *task)
{
    struct request *settle = (struct request *)task;
    request_fail(settle, settle->error != SYNC_OK ? settle->error : SYNC_ERR_UNREACHABLE,
                 settle->error != SYNC_OK ? settle->reason : "changes still wait for the server");
}

void settle_overdue_locked(struct sync *sync, int64_t now, int64_t *nearest)
{
    for (struct request *r = sync->requests; r != NULL; r = r->next) {
        if (r->kind != REQUEST_SETTLE || !r->waiting)
            continue;
        int64_t from = sync->change_over > r->since ? sync->change_over : r->since;
        int64_t deadline = from + sync->timeout_ms;
        if (deadline > now && !sync->stopping) {
            if (deadline < *nearest)
                *nearest = deadline;
            continue;
        }
        r->waiting = false;
        r->task = (struct task){.run = expired};
        clerk_task_locked(sync, &r->task);
    }
}

void settle_failed(struct sync *sync, uint64_t number, enum sync_error error, const char *reason)
{
    pthread_mutex_lock(&sync->lock);
    for (struct request *r = sync->requests; r != NULL; r = r->next) {
        if (r->kind != REQUEST_SETTLE || r->number < number || r->error != SYNC_OK)
            continue;
        r->error = error;
        snprintf(r->reason, sizeof r->reason, "%s", reason);
    }
    pthread_mutex_unlock(&sync->lock);
}

void settle_told(struct batch *batch)
{
    struct request *settle = batch->request;
    enum sync_error error = batch->went ? sync_error_of_imap(batch->error) : batch->why;
    bool again = batch->went && imap_error_retry(batch->error) == IMAP_RETRY_NOW;
    if (again && settle->asked < CHANGE_ATTEMPTS) { /* the end of a connection is no news */
        ask_server(settle);
        return;
    }
    if (settle->error == SYNC_OK && error != SYNC_OK)
        settle->error = error;
    request_end(settle);
}

/* ---- quota ---- */

bool sync_quota(struct sync *sync, int64_t mailbox, uint64_t *used, uint64_t *limit)
{
    struct cache_mailbox row = {0};
    pthread_mutex_lock(&sync->lock);
    bool known = sync->quota_limit != 0;
    *used = sync->quota_used;
    *limit = sync->quota_limit;
    bool stands = workers_ready_locked(sync) > 0; /* df is no reason to connect */
    bool due = stands && !sync->quota_asking && !sync->stopping &&
               (sync->quota_at == 0 || clock_ms() - sync->quota_at > QUOTA_FRESH_MS);
    sync->quota_asking |= due;
    pthread_mutex_unlock(&sync->lock);
    if (!due)
        return known;
    struct batch *batch = batch_new(sync, BATCH_QUOTA);
    if (mailbox == 0 && cache_mailbox_find(sync->cache, "INBOX", &row) == CACHE_OK)
        mailbox = row.id;
    cache_mailbox_free(&row);
    if (batch != NULL) {
        batch->target = mailbox;
        batch_dispatch(batch);
    }
    return known;
}

/* A worker's thread. */
void quota_note(struct batch *batch, const struct imap_response *response)
{
    struct sync *sync = batch->sync;
    for (size_t i = 0; i < response->quota.count; i++) {
        const struct imap_quota_resource *item = &response->quota.items[i];
        if (item->name.len != 7 || strncasecmp(item->name.data, "STORAGE", 7) != 0 ||
            item->limit > UINT64_MAX / QUOTA_UNIT || item->usage > UINT64_MAX / QUOTA_UNIT)
            continue;
        pthread_mutex_lock(&sync->lock);
        sync->quota_used = item->usage * QUOTA_UNIT;
        sync->quota_limit = item->limit * QUOTA_UNIT;
        pthread_mutex_unlock(&sync->lock);
    }
}

void quota_told(struct batch *batch)
{
    struct sync *sync = batch->sync;
    pthread_mutex_lock(&sync->lock);
    sync->quota_asking = false;
    if (batch->went && batch->error != IMAP_ERR_CLOSED)
        sync->quota_at = clock_ms();
    pthread_mutex_unlock(&sync->lock);
}
