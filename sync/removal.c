/*
 * What leaves its mailbox: which mailbox is the trash, and whether a message goes there or out of
 * the world.
 *
 * A message goes to the trash, by MOVE, unless it is in there (or below), or the mount says that
 * removed is gone. The same holds for a message that another one replaces. Without a trash nothing
 * is removed (SYNC_ERR_PERMISSION, with a line that says what to do).
 *
 * Clerks run all of this, but for sync_trash: any thread.
 */
#include <stdio.h>
#include <string.h>

#include "sync/plan.h"

/* ---- the trash ---- */

struct trash_search {
    struct sync *sync;
    int64_t found, by_role;
};

static bool is_trash(void *ctx, const struct cache_mailbox *mailbox)
{
    struct trash_search *search = ctx;
    if (mailbox->role == CACHE_ROLE_TRASH && mailbox->selectable)
        search->by_role = mailbox->id;
    return search->by_role == 0;
}

/* trash=NAME is a path as the mount shows it. */
static int64_t by_path(struct sync *sync, const char *path)
{
    char component[CACHE_NAME_MAX + 1];
    struct cache_inode inode = {.ino = CACHE_ROOT_INO};
    for (const char *at = path; *at != '\0';) {
        size_t len = strcspn(at, "/");
        if (len > CACHE_NAME_MAX)
            return 0;
        memcpy(component, at, len);
        component[len] = '\0';
        if (len > 0 && (cache_inode_lookup(sync->cache, inode.ino, component, &inode) != CACHE_OK ||
                        inode.kind != CACHE_DIRECTORY))
            return 0;
        at += len + (at[len] == '/');
    }
    return inode.mailbox;
}

int64_t trash_find(struct sync *sync)
{
    struct trash_search search = {.sync = sync};
    if (sync->trash != NULL)
        return by_path(sync, sync->trash);
    if (cache_mailbox_each(sync->cache, is_trash, &search) != CACHE_OK)
        return 0;
    return search.by_role;
}

/* Whether the mailbox is the trash or below it. */
static bool in_trash(struct sync *sync, const struct cache_mailbox *mailbox, int64_t trash)
{
    struct cache_mailbox row = {0};
    if (trash == 0 || mailbox->id == trash)
        return trash != 0;
    if (cache_mailbox_get(sync->cache, trash, &row) != CACHE_OK)
        return false;
    bool below = cache_name_is_below(mailbox->name, row.name, row.delimiter);
    cache_mailbox_free(&row);
    return below;
}

int64_t sync_trash(struct sync *sync)
{
    return trash_find(sync);
}

/* ---- what is replaced ---- */

/* A removal in the plan: to the trash, or out of the world. */
enum sync_error plan_removal(struct plan *plan, int64_t message)
{
    struct sync *sync = plan->request->sync;
    struct message_facts *facts = &plan->facts[plan->count];
    enum sync_error error = facts_get(sync, message, facts);
    if (error != SYNC_OK)
        return error;
    int64_t trash = trash_find(sync);
    bool follows = plan->count == 0 && plan->moved_to.id != 0;
    bool expunge =
        sync->expunge || in_trash(sync, follows ? &plan->moved_to : &facts->mailbox, trash);
    struct cache_mailbox row = {0};
    if (!expunge && (trash == 0 || cache_mailbox_get(sync->cache, trash, &row) != CACHE_OK)) {
        snprintf(plan->request->reason, sizeof plan->request->reason,
                 "there is no mailbox for removed messages; name one with trash=NAME");
        return SYNC_ERR_PERMISSION;
    }
    struct journal_intent intent = facts_intent(facts, expunge ? JOURNAL_EXPUNGE : JOURNAL_MOVE);
    plan->text[plan->count] = row.name; /* freed with the plan */
    intent.target = row.name;
    row.name = NULL;
    cache_mailbox_free(&row);
    struct change *change = plan_add(plan, &intent);
    if (change == NULL)
        return SYNC_ERR_MEMORY;
    change->mailbox = facts->mailbox.id;
    change->target = expunge ? 0 : trash;
    change->message = message;
    return SYNC_OK;
}

/* The message, other than `self`, that has the name in the mailbox: it makes way. */
enum sync_error plan_replaced(struct plan *plan, uint64_t directory, const char *name, int64_t self,
                              int64_t other)
{
    struct sync *sync = plan->request->sync;
    struct cache_inode inode;
    if (name == NULL || cache_inode_lookup(sync->cache, directory, name, &inode) != CACHE_OK)
        return SYNC_OK;
    if (inode.kind != CACHE_MESSAGE || inode.message == self || inode.message == other)
        return SYNC_OK;
    pthread_mutex_lock(&sync->lock);
    const struct change *before = change_about_locked(sync, inode.message);
    if (before != NULL && before->background && before->kind == JOURNAL_STORE &&
        before->row.intent.uid != 0)
        before = NULL; /* flags that nobody waits for, on a message that stays where it is */
    plan->prior = before != NULL ? before->id : plan->prior;
    pthread_mutex_unlock(&sync->lock);
    plan->again = before != NULL;
    return before != NULL ? SYNC_ERR_BUSY : plan_removal(plan, inode.message);
}

enum sync_error prepare_removal(struct plan *plan)
{
    struct sync *sync = plan->request->sync;
    enum sync_error error = plan_find_message(plan);
    facts_free(&plan->facts[0]); /* plan_removal looks itself */
    if (error == SYNC_OK)
        error = plan_removal(plan, plan->request->message);
    if (error == SYNC_OK)
        error = change_reachable(sync, false);
    return error == SYNC_OK ? plan_go(plan) : error;
}
