/*
 * What the file system asks for when it changes something (change.h): each call makes a request and
 * gives it to a clerk; nothing here waits.
 *
 * A request ends once: with its last change, or, with commit=journal, when its changes are in the
 * journal and the cache shows what is to come. Who asked hears of it unless he was detached.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "sync/carry.h"

struct journal *sync_journal(struct sync *sync)
{
    return sync->journal;
}

/* ---- a request's life ---- */

void request_free(struct request *request)
{
    bool borrowed = request->kind == REQUEST_SPOOL_KEEP || request->kind == REQUEST_SPOOL_FORGET;
    if (request->spool != NULL && !borrowed)
        journal_spool_close(&request->spool);
    free(request->name);
    free(request->flags);
    free(request->text);
    free(request);
}

static void unlist_locked(struct request *request)
{
    struct request **at = &request->sync->requests;
    while (*at != NULL && *at != request)
        at = &(*at)->next;
    if (*at != NULL)
        *at = request->next;
}

void request_end(struct request *request)
{
    struct sync *sync = request->sync;
    pthread_mutex_lock(&sync->lock);
    unlist_locked(request);
    sync_changed_fn *done = request->done;
    request->done = NULL;
    pthread_mutex_unlock(&sync->lock);
    const struct sync_changed changed = {
        .error = request->error, .inode = request->inode, .reason = request->reason};
    if (done != NULL)
        done(request->ctx, &changed);
    bool waited_for = request->kind < REQUEST_STAGED_CREATE;
    request_free(request);
    if (waited_for)
        settle_look(sync);
}

void request_fail(struct request *request, enum sync_error error, const char *reason)
{
    request->error = error;
    if (reason != request->reason)
        snprintf(request->reason, sizeof request->reason, "%s", reason != NULL ? reason : "");
    request_end(request);
}

void request_change_over(struct request *request)
{
    struct sync *sync = request->sync;
    pthread_mutex_lock(&sync->lock);
    bool last = --request->left == 0;
    pthread_mutex_unlock(&sync->lock);
    if (last)
        request_end(request);
}

bool request_detach(struct sync *sync, sync_ticket ticket)
{
    bool found = false;
    pthread_mutex_lock(&sync->lock);
    for (struct request *request = sync->requests; request != NULL && !found;
         request = request->next) {
        found = request->ticket == ticket && request->done != NULL;
        if (found)
            request->done = NULL;
    }
    pthread_mutex_unlock(&sync->lock);
    return found;
}

/* Nothing runs any more: what is left waits for nothing that could come. */
void requests_stop(struct sync *sync)
{
    for (struct request *request = sync->requests, *next; request != NULL; request = next) {
        next = request->next;
        request_fail(request, SYNC_ERR_STOPPING, "");
    }
}

static bool keep_text(char **to, const char *from)
{
    *to = from != NULL ? strdup(from) : NULL;
    return from == NULL || *to != NULL;
}

/* Takes `like` for a clerk: 0 without memory, and then nothing of it was taken. */
static sync_ticket ask(struct sync *sync, const struct request *like, sync_changed_fn *done,
                       void *ctx)
{
    struct request *request = malloc(sizeof *request);
    if (request == NULL)
        return 0;
    *request = *like;
    request->spool = NULL;
    bool good = keep_text(&request->name, like->name);
    good = keep_text(&request->flags, like->flags) && good;
    good = keep_text(&request->text, like->text) && good;
    if (!good) {
        request_free(request);
        return 0;
    }
    request->spool = like->spool;
    request->sync = sync;
    request->done = done;
    request->ctx = ctx;
    request->since = clock_ms();
    request->task = (struct task){.run = request_prepare};
    pthread_mutex_lock(&sync->lock);
    sync_ticket ticket = request->ticket = ++sync->last_ticket;
    request->number = ++sync->last_number;
    request->next = sync->requests;
    sync->requests = request;
    bool read_only = sync->journal == NULL, stopping = sync->stopping;
    if (!read_only && !stopping)
        clerk_task_locked(sync, &request->task);
    pthread_mutex_unlock(&sync->lock);
    if (read_only || stopping)
        request_fail(request, read_only ? SYNC_ERR_READONLY : SYNC_ERR_STOPPING, "");
    return ticket;
}

/* A string of a caller, which `ask` copies. */
static char *lent(const char *text)
{
    union {
        const char *from;
        char *to;
    } cast = {.from = text};
    return cast.to;
}

/* ---- change.h ---- */

sync_ticket sync_publish(struct sync *sync, const struct sync_publication *p, sync_changed_fn *done,
                         void *ctx)
{
    const struct request like = {.kind = REQUEST_PUBLISH,
                                 .mailbox = p->mailbox,
                                 .name = lent(p->name),
                                 .ino = p->staged,
                                 .replace = p->replace_name,
                                 .spool = p->spool,
                                 .clone_of = p->clone_of,
                                 .has_date = p->has_date,
                                 .internaldate = p->internaldate,
                                 .flags = lent(p->flags),
                                 .replaces = p->replaces,
                                 .keep = p->keep};
    return ask(sync, &like, done, ctx);
}

sync_ticket sync_move(struct sync *sync, int64_t message, int64_t mailbox, const char *name,
                      bool replace, sync_changed_fn *done, void *ctx)
{
    const struct request like = {.kind = REQUEST_MOVE,
                                 .message = message,
                                 .mailbox = mailbox,
                                 .name = lent(name),
                                 .replace = replace};
    return ask(sync, &like, done, ctx);
}

sync_ticket sync_copy(struct sync *sync, int64_t message, int64_t mailbox, const char *name,
                      bool replace, sync_changed_fn *done, void *ctx)
{
    const struct request like = {.kind = REQUEST_COPY,
                                 .message = message,
                                 .mailbox = mailbox,
                                 .name = lent(name),
                                 .replace = replace};
    return ask(sync, &like, done, ctx);
}

sync_ticket sync_remove(struct sync *sync, int64_t message, sync_changed_fn *done, void *ctx)
{
    const struct request like = {.kind = REQUEST_REMOVE, .message = message};
    return ask(sync, &like, done, ctx);
}

sync_ticket sync_store(struct sync *sync, int64_t message, const char *flags, sync_changed_fn *done,
                       void *ctx)
{
    const struct request like = {.kind = REQUEST_STORE, .message = message, .flags = lent(flags)};
    return ask(sync, &like, done, ctx);
}

sync_ticket sync_store_pending(struct sync *sync, uint64_t ino, const char *flags,
                               sync_changed_fn *done, void *ctx)
{
    const struct request like = {.kind = REQUEST_STORE, .ino = ino, .flags = lent(flags)};
    return ask(sync, &like, done, ctx);
}

void sync_mark_seen(struct sync *sync, int64_t message)
{
    const struct request like = {
        .kind = REQUEST_STORE, .message = message, .flags = lent("+\\Seen"), .keep = true};
    if (sync->mark_seen && sync->journal != NULL)
        ask(sync, &like, NULL, NULL); /* without memory: at the next time */
}

sync_ticket sync_mailbox_create(struct sync *sync, int64_t parent, const char *shown,
                                sync_changed_fn *done, void *ctx)
{
    const struct request like = {.kind = REQUEST_CREATE, .parent = parent, .name = lent(shown)};
    return ask(sync, &like, done, ctx);
}

sync_ticket sync_mailbox_remove(struct sync *sync, int64_t mailbox, sync_changed_fn *done,
                                void *ctx)
{
    const struct request like = {.kind = REQUEST_DELETE, .mailbox = mailbox};
    return ask(sync, &like, done, ctx);
}

sync_ticket sync_mailbox_rename(struct sync *sync, int64_t mailbox, int64_t parent,
                                const char *shown, sync_changed_fn *done, void *ctx)
{
    const struct request like = {
        .kind = REQUEST_RENAME, .mailbox = mailbox, .parent = parent, .name = lent(shown)};
    return ask(sync, &like, done, ctx);
}

sync_ticket sync_mailbox_subscribe(struct sync *sync, int64_t mailbox, bool subscribed,
                                   sync_changed_fn *done, void *ctx)
{
    const struct request like = {
        .kind = REQUEST_SUBSCRIBE, .mailbox = mailbox, .subscribed = subscribed};
    return ask(sync, &like, done, ctx);
}

sync_ticket sync_staged_create(struct sync *sync, uint64_t parent, const char *name, bool visible,
                               sync_changed_fn *done, void *ctx)
{
    const struct request like = {.kind = REQUEST_STAGED_CREATE,
                                 .parent_ino = parent,
                                 .name = lent(name),
                                 .visible = visible};
    return ask(sync, &like, done, ctx);
}

sync_ticket sync_staged_note(struct sync *sync, uint64_t ino, uint64_t size, int64_t mtime,
                             sync_changed_fn *done, void *ctx)
{
    const struct request like = {
        .kind = REQUEST_STAGED_NOTE, .ino = ino, .size = size, .mtime = mtime};
    return ask(sync, &like, done, ctx);
}

sync_ticket sync_staged_rename(struct sync *sync, uint64_t ino, uint64_t parent, const char *name,
                               bool replace, sync_changed_fn *done, void *ctx)
{
    const struct request like = {.kind = REQUEST_STAGED_RENAME,
                                 .ino = ino,
                                 .parent_ino = parent,
                                 .name = lent(name),
                                 .replace = replace};
    return ask(sync, &like, done, ctx);
}

sync_ticket sync_staged_remove(struct sync *sync, uint64_t ino, sync_changed_fn *done, void *ctx)
{
    const struct request like = {.kind = REQUEST_STAGED_REMOVE, .ino = ino};
    return ask(sync, &like, done, ctx);
}

sync_ticket sync_spool_keep(struct sync *sync, struct journal_spool *spool, int64_t mailbox,
                            const char *name, const char *reason, sync_changed_fn *done, void *ctx)
{
    const struct request like = {.kind = REQUEST_SPOOL_KEEP,
                                 .spool = spool,
                                 .mailbox = mailbox,
                                 .name = lent(name),
                                 .text = lent(reason)};
    return ask(sync, &like, done, ctx);
}

sync_ticket sync_spool_forget(struct sync *sync, struct journal_spool *spool, sync_changed_fn *done,
                              void *ctx)
{
    const struct request like = {.kind = REQUEST_SPOOL_FORGET, .spool = spool};
    return ask(sync, &like, done, ctx);
}

sync_ticket sync_settle(struct sync *sync, int64_t mailbox, sync_changed_fn *done, void *ctx)
{
    const struct request like = {.kind = REQUEST_SETTLE, .mailbox = mailbox};
    return ask(sync, &like, done, ctx);
}

/* ---- the warden's part ---- */

static bool bounded(const struct job *job)
{
    const struct batch *batch = job->batch;
    return job->kind == JOB_CHANGE && job->state == JOB_PENDING && batch != NULL &&
           (batch->changes == NULL || !batch->changes->background);
}

void changes_overdue_locked(struct sync *sync, int64_t now, int64_t *nearest)
{
    for (struct job *job = sync->jobs, *next; job != NULL; job = next) {
        next = job->next;
        if (!bounded(job))
            continue;
        int64_t deadline = job->progress + sync->timeout_ms;
        bool throttled = sync->limiter_until > now && sync->limiter_until > deadline;
        if (deadline > now && !throttled) {
            if (deadline < *nearest)
                *nearest = deadline;
            continue;
        }
        batch_return_locked(sync, job->batch,
                            throttled ? SYNC_ERR_THROTTLED : SYNC_ERR_UNREACHABLE);
        job_free_locked(sync, job);
    }
    settle_overdue_locked(sync, now, nearest);
    blocked_overdue_locked(sync, now, nearest);
}
