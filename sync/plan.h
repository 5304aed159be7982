/*
 * What the files that prepare a request share: the plan, and who fills it. Internal to sync/.
 *
 * A plan lives on the stack of the clerk that runs request_prepare (prepare.c) and belongs to it.
 * Its changes are the plan's until plan_go has written their rows; then they go their way.
 */
#ifndef OUTLOOKFS_SYNC_PLAN_H
#define OUTLOOKFS_SYNC_PLAN_H

#include "sync/carry.h"

/* What a request is going to do: one intent, or two or three where something is replaced. */
enum { PLAN_MAX = 3 };

struct plan {
    struct request *request;
    size_t count;
    struct journal_intent intents[PLAN_MAX];
    struct change *changes[PLAN_MAX];
    struct message_facts facts[PLAN_MAX];
    char *text[PLAN_MAX];          /* names of targets */
    int64_t prior;                 /* the row of an earlier change about the message; 0: none */
    int64_t maker;                 /* the row that tells the message's UID; 0: it is known */
    struct cache_mailbox moved_to; /* where that one takes it, or found it */
    uint32_t uid, uidvalidity;     /* there; 0: `maker` tells */
    bool again;                    /* an error: to be made anew once `prior` is over */
};

/* ---- plan.c ---- */

/* An intent about the message; its text belongs to `facts`. */
struct journal_intent facts_intent(const struct message_facts *facts, enum journal_kind kind);
/* A mailbox that messages can go to. */
enum sync_error plan_target(struct plan *plan, int64_t mailbox, struct cache_mailbox *target);
/* The new change; NULL: no memory, or the plan is full. */
struct change *plan_add(struct plan *plan, const struct journal_intent *intent);
/* Notes the change that the request's message has before it, and where that one takes it; then
 * what the cache knows of the message is looked up (facts[0]). */
enum sync_error plan_find_message(struct plan *plan);
/* The same for a file that is to become one. SYNC_ERR_GONE: nothing is under way that would make it
 * one. */
enum sync_error plan_find_making(struct plan *plan);
/* Where the message is, or will be. */
const struct cache_mailbox *plan_whereabouts(const struct plan *plan);
/* The end of every preparation that has something to send. */
enum sync_error plan_go(struct plan *plan);
/* `changes`: those, too, that have not gone their way. */
void plan_free(struct plan *plan, bool changes);

/* ---- removal.c ---- */

/* A removal in the plan: to the trash, or out of the world. */
enum sync_error plan_removal(struct plan *plan, int64_t message);
/* The message, other than `self` and `other`, that has the name in the mailbox: it makes way, once
 * what is under way for it is over (plan->again). */
enum sync_error plan_replaced(struct plan *plan, uint64_t directory, const char *name, int64_t self,
                              int64_t other);
enum sync_error prepare_removal(struct plan *plan);

/* ---- message_change.c ---- */

enum sync_error prepare_transfer(struct plan *plan);
enum sync_error prepare_store(struct plan *plan);

/* ---- publish.c ---- */

enum sync_error prepare_publication(struct plan *plan);

#endif
