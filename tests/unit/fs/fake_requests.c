/* The requests of sync/change.h, for the fake server: each one is queued for fake_change.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_internal.h"
#include "sync/views.h"

static struct change *change_new(enum kind kind, const char *name)
{
    struct change *c = calloc(1, sizeof(*c));

    c->kind = kind;
    snprintf(c->name, sizeof(c->name), "%s", name != NULL ? name : "");
    return c;
}

static sync_ticket send(struct sync *sync, struct change *c, sync_changed_fn *done, void *ctx)
{
    struct changes_side *side = sync->side;
    sync_ticket ticket;

    pthread_mutex_lock(&side->lock);
    ticket = c->ticket = FAKE_CHANGE_TICKET + ++side->tickets;
    c->done = done;
    c->ctx = ctx;
    *side->last = c;
    side->last = &c->next;
    pthread_cond_signal(&side->wake);
    pthread_mutex_unlock(&side->lock);
    return ticket;
}

bool fake_change_detach(struct sync *sync, sync_ticket ticket)
{
    struct changes_side *side = sync->side;
    struct change *c;
    bool found;

    pthread_mutex_lock(&side->lock);
    c = side->running;
    if (c == NULL || c->ticket != ticket)
        for (c = side->first; c != NULL && c->ticket != ticket; c = c->next)
            continue;
    found = c != NULL && c->done != NULL;
    if (found)
        c->done = NULL;
    pthread_mutex_unlock(&side->lock);
    return found;
}

/* ---- sync/change.h ---- */

struct journal *sync_journal(struct sync *sync)
{
    return sync->side->journal;
}

sync_ticket sync_reach(struct sync *sync, sync_done_fn *done, void *ctx)
{
    done(ctx, SYNC_OK);
    return 0;
}

bool sync_pending(struct sync *sync, uint64_t ino, struct journal_spool **spool, int64_t *copy_of)
{
    *spool = NULL;
    *copy_of = 0;
    if (sync->side != NULL && fake_change_plan(sync).lands)
        fake_land(sync);
    return sync->side != NULL && fake_pending(sync, ino, spool);
}

bool sync_can_change(struct sync *sync)
{
    return sync->side != NULL && !fake_change_plan(sync).down;
}

int64_t sync_trash(struct sync *sync)
{
    return sync->side != NULL ? fake_trash(sync) : 0;
}

sync_ticket sync_publish(struct sync *sync, const struct sync_publication *p, sync_changed_fn *done,
                         void *ctx)
{
    struct change *c = change_new(PUBLISH, p->name);

    c->publication = *p;
    c->flags = p->flags != NULL ? strdup(p->flags) : NULL;
    c->publication.flags = c->flags;
    c->spool = p->spool;
    return send(sync, c, done, ctx);
}

static sync_ticket send_message(struct sync *sync, enum kind kind, int64_t message, int64_t mailbox,
                                const char *name, bool flag, sync_changed_fn *done, void *ctx)
{
    struct change *c = change_new(kind, name);

    c->message = message;
    c->mailbox = mailbox;
    c->flag = flag;
    return send(sync, c, done, ctx);
}

sync_ticket sync_move(struct sync *sync, int64_t message, int64_t mailbox, const char *name,
                      bool replace, sync_changed_fn *done, void *ctx)
{
    return send_message(sync, MOVE, message, mailbox, name, replace, done, ctx);
}

sync_ticket sync_copy(struct sync *sync, int64_t message, int64_t mailbox, const char *name,
                      bool replace, sync_changed_fn *done, void *ctx)
{
    return send_message(sync, COPY, message, mailbox, name, replace, done, ctx);
}

sync_ticket sync_remove(struct sync *sync, int64_t message, sync_changed_fn *done, void *ctx)
{
    return send_message(sync, REMOVE, message, 0, NULL, false, done, ctx);
}

sync_ticket sync_store(struct sync *sync, int64_t message, const char *flags, sync_changed_fn *done,
                       void *ctx)
{
    struct change *c = change_new(STORE, NULL);

    c->message = message;
    c->text = strdup(flags);
    return send(sync, c, done, ctx);
}

sync_ticket sync_store_pending(struct sync *sync, uint64_t ino, const char *flags,
                               sync_changed_fn *done, void *ctx)
{
    struct cache_inode inode = {0};

    (void)!cache_inode_get(sync->cache, ino, &inode);
    return sync_store(sync, inode.message, flags, done, ctx);
}

void sync_mark_seen(struct sync *sync, int64_t message)
{
    fake_note(sync, "seen %lld\n", (long long)message);
}

sync_ticket sync_mailbox_create(struct sync *sync, int64_t parent, const char *shown,
                                sync_changed_fn *done, void *ctx)
{
    return send_message(sync, MAILBOX_CREATE, 0, parent, shown, false, done, ctx);
}

sync_ticket sync_mailbox_remove(struct sync *sync, int64_t mailbox, sync_changed_fn *done,
                                void *ctx)
{
    return send_message(sync, MAILBOX_REMOVE, 0, mailbox, NULL, false, done, ctx);
}

sync_ticket sync_mailbox_rename(struct sync *sync, int64_t mailbox, int64_t parent,
                                const char *shown, sync_changed_fn *done, void *ctx)
{
    return send_message(sync, MAILBOX_RENAME, parent, mailbox, shown, false, done, ctx);
}

sync_ticket sync_mailbox_subscribe(struct sync *sync, int64_t mailbox, bool subscribed,
                                   sync_changed_fn *done, void *ctx)
{
    return send_message(sync, SUBSCRIBE, 0, mailbox, NULL, subscribed, done, ctx);
}

static sync_ticket send_staged(struct sync *sync, enum kind kind, uint64_t ino, uint64_t parent,
                               const char *name, bool flag, sync_changed_fn *done, void *ctx)
{
    struct change *c = change_new(kind, name);

    c->ino = ino;
    c->parent = parent;
    c->flag = flag;
    return send(sync, c, done, ctx);
}

sync_ticket sync_staged_create(struct sync *sync, uint64_t parent, const char *name, bool visible,
                               sync_changed_fn *done, void *ctx)
{
    return send_staged(sync, STAGED_CREATE, 0, parent, name, visible, done, ctx);
}

sync_ticket sync_staged_rename(struct sync *sync, uint64_t ino, uint64_t parent, const char *name,
                               bool replace, sync_changed_fn *done, void *ctx)
{
    return send_staged(sync, STAGED_RENAME, ino, parent, name, replace, done, ctx);
}

sync_ticket sync_staged_remove(struct sync *sync, uint64_t ino, sync_changed_fn *done, void *ctx)
{
    return send_staged(sync, STAGED_REMOVE, ino, 0, NULL, false, done, ctx);
}

sync_ticket sync_spool_keep(struct sync *sync, struct journal_spool *spool, int64_t mailbox,
                            const char *name, const char *reason, sync_changed_fn *done, void *ctx)
{
    struct change *c = change_new(SPOOL_KEEP, name);

    c->spool = spool;
    c->mailbox = mailbox;
    c->text = reason != NULL ? strdup(reason) : NULL;
    return send(sync, c, done, ctx);
}

sync_ticket sync_spool_forget(struct sync *sync, struct journal_spool *spool, sync_changed_fn *done,
                              void *ctx)
{
    struct change *c = change_new(SPOOL_FORGET, NULL);

    c->spool = spool;
    return send(sync, c, done, ctx);
}

sync_ticket sync_settle(struct sync *sync, int64_t mailbox, sync_changed_fn *done, void *ctx)
{
    return send_message(sync, SETTLE, 0, mailbox, NULL, false, done, ctx);
}

bool sync_quota(struct sync *sync, int64_t mailbox, uint64_t *used, uint64_t *limit)
{
    struct fake_change_plan plan = {0};

    if (sync->side != NULL)
        plan = fake_change_plan(sync);
    *used = plan.quota_used;
    *limit = plan.quota_limit;
    return plan.quota_limit != 0;
}

/* ---- sync/views.h: nobody asks for one here ---- */

sync_ticket sync_want_view(struct sync *sync, enum rendered_kind kind, int64_t message,
                           uint32_t index, sync_done_fn *done, void *ctx)
{
    done(ctx, SYNC_ERR_CONFIG);
    return 0;
}

struct rendered *sync_view(struct sync *sync, enum rendered_kind kind, int64_t message,
                           uint32_t index)
{
    return NULL;
}

void sync_foresee_texts(struct sync *sync, const int64_t *messages, size_t count)
{
}
