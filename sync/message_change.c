/*
 * Changes of a message that is there: MOVE, COPY and STORE, from a request to a plan.
 *
 * A move within a mailbox is a new name in the cache, and the server never hears of it. With
 * commit=journal a message may be on its way to another mailbox: then it is looked for where that
 * change takes it. Removing is in removal.c.
 *
 * Clerks run all of this. Each ends the request, has it go on with the plan, or fails with what the
 * request is told; then nothing was sent.
 */
#include <stdio.h>
#include <string.h>

#include "imap/flags.h"
#include "sync/plan.h"

/* ---- move and copy ---- */

/* Another name in the same mailbox: the server never hears of it. */
static enum sync_error rename_here(struct plan *plan)
{
    struct request *request = plan->request;
    struct sync *sync = request->sync;
    const struct message_facts *facts = &plan->facts[0];
    uint64_t ino = facts->inode.ino, directory = plan_whereabouts(plan)->ino;
    int64_t message = request->message;
    if (request->name == NULL || strcmp(request->name, facts->inode.name) == 0) {
        request->inode = facts->inode;
        request_end(request);
        return SYNC_OK;
    }
    facts_free(&plan->facts[0]);
    plan->prior = 0; /* what is sent is about another message */
    enum sync_error error = SYNC_OK;
    if (request->replace)
        error = plan_replaced(plan, directory, request->name, message, 0);
    if (error != SYNC_OK)
        return error;
    error = sync_error_of_naming(cache_inode_rename(sync->cache, ino, directory, request->name,
                                                    request->replace, sync_changed_here, sync));
    if (error != SYNC_OK)
        return error;
    (void)!cache_inode_get(sync->cache, ino, &request->inode);
    if (plan->count == 0) {
        request_end(request);
        return SYNC_OK;
    }
    plan->changes[0]->inode = request->inode;
    plan->changes[0]->hidden = true; /* it was replaced */
    return plan_go(plan);
}

enum sync_error prepare_transfer(struct plan *plan)
{
    struct request *request = plan->request;
    struct sync *sync = request->sync;
    struct cache_mailbox target = {0};
    struct message_facts *facts = &plan->facts[0];
    enum sync_error error = plan_find_message(plan);
    if (error == SYNC_OK)
        error = plan_target(plan, request->mailbox, &target);
    bool move = request->kind == REQUEST_MOVE;
    if (error == SYNC_OK && move && plan_whereabouts(plan)->id == request->mailbox) {
        cache_mailbox_free(&target);
        return rename_here(plan);
    }
    if (error == SYNC_OK)
        error = change_reachable(sync, false);
    if (error == SYNC_OK) {
        struct journal_intent intent = facts_intent(facts, move ? JOURNAL_MOVE : JOURNAL_COPY);
        intent.target = target.name;
        intent.name = request->name;
        struct change *change = plan_add(plan, &intent);
        if (change == NULL) {
            error = SYNC_ERR_MEMORY;
        } else {
            change->mailbox = facts->mailbox.id;
            change->target = target.id;
            change->message = request->message;
            change->replace = request->replace;
        }
    }
    const char *name = request->name != NULL ? request->name : facts->inode.name;
    if (error == SYNC_OK && request->replace)
        error = plan_replaced(plan, target.ino, name, request->message, 0);
    if (error == SYNC_OK)
        error = plan_go(plan);
    cache_mailbox_free(&target);
    return error;
}

/* ---- flags ---- */

static bool flags_valid(const char *flags)
{
    bool sign = *flags == '+' || *flags == '-';
    struct imap_span list = {.data = flags + sign, .len = strlen(flags + sign)}, flag;
    bool any = false;
    for (size_t at = 0; imap_flag_next(list, &at, &flag); any = true) {
        if (!imap_flag_valid(flag))
            return false;
    }
    return any || !sign;
}

static bool seen_already(const struct message_facts *facts)
{
    struct imap_span list = {.data = facts->message.flags, .len = strlen(facts->message.flags)};
    struct imap_span flag;
    for (size_t at = 0; imap_flag_next(list, &at, &flag);) {
        if (imap_flag_bit(flag) == IMAP_FLAG_SEEN)
            return true;
    }
    return false;
}

/* Its message is still to be made. */
static enum sync_error store_pending(struct plan *plan)
{
    struct request *request = plan->request;
    enum sync_error error = plan_find_making(plan);
    if (error != SYNC_OK)
        return error;
    const struct journal_intent intent = {.kind = JOURNAL_STORE, .flags = request->flags};
    struct change *change = plan_add(plan, &intent);
    if (change == NULL)
        return SYNC_ERR_MEMORY;
    change->staged = request->ino;
    return plan_go(plan);
}

/* It may have been made just now. */
static bool is_pending(struct request *request)
{
    struct cache_inode inode;
    if (request->message == 0 && request->ino != 0 &&
        cache_inode_get(request->sync->cache, request->ino, &inode) == CACHE_OK &&
        inode.kind == CACHE_MESSAGE)
        request->message = inode.message;
    return request->message == 0;
}

enum sync_error prepare_store(struct plan *plan)
{
    struct request *request = plan->request;
    struct message_facts *facts = &plan->facts[0];
    if (!flags_valid(request->flags)) {
        snprintf(request->reason, sizeof request->reason, "not flags: %.200s", request->flags);
        return SYNC_ERR_INVALID;
    }
    if (is_pending(request))
        return store_pending(plan);
    enum sync_error error = plan_find_message(plan);
    if (error == SYNC_OK && request->keep && seen_already(facts)) {
        request_end(request);
        return SYNC_OK;
    }
    if (error == SYNC_OK && !request->keep)
        error = change_reachable(request->sync, false);
    if (error != SYNC_OK)
        return error;
    struct journal_intent intent = facts_intent(facts, JOURNAL_STORE);
    intent.flags = request->flags;
    struct change *change = plan_add(plan, &intent);
    if (change == NULL)
        return SYNC_ERR_MEMORY;
    change->mailbox = facts->mailbox.id;
    change->message = request->message;
    change->inode = facts->inode;
    return plan_go(plan);
}
