/*
 * A plan: the changes that a request makes, on their way from its arguments to rows of the journal.
 *
 * What a request is about is looked up (struct message_facts), each change is added to the plan
 * with its intent in the server's terms, and plan_go writes all of them in one transaction. With
 * commit=server a row is born as sent, which spares a second fsync, and the request ends with its
 * outcome. With commit=journal it ends here, once the cache shows what is to come.
 *
 * A clerk runs all of this but sync_can_change. What fails is an error of the request, and no row
 * is left: the caller frees the plan.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "sync/plan.h"

/* ---- changes ---- */

struct change *change_new(struct sync *sync, enum journal_kind kind)
{
    struct change *change = calloc(1, sizeof *change);
    if (change == NULL)
        return NULL;
    change->sync = sync;
    change->kind = kind;
    change->progress = clock_ms();
    return change;
}

void change_free(struct change *change)
{
    journal_row_free(&change->row);
    if (change->spool != NULL)
        journal_spool_close(&change->spool);
    free(change->flags);
    free(change->flags_before);
    free(change->flags_after);
    free(change);
}

void facts_free(struct message_facts *facts)
{
    cache_message_free(&facts->message);
    cache_mailbox_free(&facts->mailbox);
    *facts = (struct message_facts){0};
}

enum sync_error facts_get(struct sync *sync, int64_t message, struct message_facts *facts)
{
    *facts = (struct message_facts){0};
    enum cache_error error = cache_message_get(sync->cache, message, &facts->message);
    if (error == CACHE_OK)
        error = cache_mailbox_get(sync->cache, facts->message.mailbox, &facts->mailbox);
    if (error == CACHE_OK)
        error = cache_message_find(sync->cache, facts->message.mailbox, facts->message.uid,
                                   &facts->inode);
    return sync_error_of_cache(error);
}

/* An intent about the message; its text belongs to `facts`. */
struct journal_intent facts_intent(const struct message_facts *facts, enum journal_kind kind)
{
    const struct cache_message *m = &facts->message;
    return (struct journal_intent){.kind = kind,
                                   .mailbox = facts->mailbox.name,
                                   .uidvalidity = facts->mailbox.uidvalidity,
                                   .uid = m->uid,
                                   .internaldate = m->internaldate,
                                   .message_id = m->message_id,
                                   .date = m->date,
                                   .from = m->from,
                                   .subject = m->subject,
                                   .size = m->size};
}

/* ---- whether it can be at all ---- */

static bool offline(struct sync *sync)
{
    pthread_mutex_lock(&sync->lock);
    bool off = sync->outage.until > clock_ms() && workers_ready_locked(sync) == 0;
    pthread_mutex_unlock(&sync->lock);
    return off;
}

enum sync_error change_reachable(struct sync *sync, bool server)
{
    if (sync->by_journal && !server)
        return SYNC_OK;
    pthread_mutex_lock(&sync->lock);
    bool throttled = sync->limiter_until - clock_ms() > sync->timeout_ms;
    bool sign_in = sync->outage.error == SYNC_ERR_AUTH;
    pthread_mutex_unlock(&sync->lock);
    if (throttled)
        return SYNC_ERR_THROTTLED;
    return !offline(sync) ? SYNC_OK : sign_in ? SYNC_ERR_AUTH : SYNC_ERR_DOWN;
}

bool sync_can_change(struct sync *sync)
{
    return sync->journal != NULL && change_reachable(sync, false) == SYNC_OK;
}

/* ---- into the journal ---- */

enum sync_error plan_target(struct plan *plan, int64_t mailbox, struct cache_mailbox *target)
{
    enum cache_error error = cache_mailbox_get(plan->request->sync->cache, mailbox, target);
    if (error != CACHE_OK)
        return sync_error_of_cache(error);
    return target->selectable ? SYNC_OK : SYNC_ERR_PERMISSION;
}

struct change *plan_add(struct plan *plan, const struct journal_intent *intent)
{
    struct change *change =
        plan->count < PLAN_MAX ? change_new(plan->request->sync, intent->kind) : NULL;
    if (change == NULL)
        return NULL;
    change->number = plan->request->number;
    plan->intents[plan->count] = *intent;
    plan->changes[plan->count++] = change;
    return change;
}

void plan_free(struct plan *plan, bool changes)
{
    cache_mailbox_free(&plan->moved_to);
    for (size_t i = 0; i < PLAN_MAX; i++) {
        facts_free(&plan->facts[i]);
        free(plan->text[i]);
        if (changes && plan->changes[i] != NULL)
            change_free(plan->changes[i]);
    }
}

/* With commit=journal an earlier change of the message may still be to come: where that one takes
 * it is where this one finds it. One that waits itself for the move of another finds it where it
 * waits. */
static enum sync_error find_prior(struct plan *plan, uint64_t ino)
{
    struct sync *sync = plan->request->sync;
    int64_t where = 0;
    bool gone = false;
    if (!sync->by_journal)
        return SYNC_OK;
    pthread_mutex_lock(&sync->lock);
    const struct change *prior = change_about_locked(sync, plan->request->message);
    if (prior == NULL) { /* flags that were given to it when it was none yet */
        prior = change_of_staged_locked(sync, ino);
        if (prior != NULL && prior->kind != JOURNAL_STORE)
            prior = NULL; /* what made it is over in all but name */
    }
    if (prior != NULL) {
        plan->prior = prior->id;
        gone = prior->kind == JOURNAL_EXPUNGE;
        bool moves = prior->kind == JOURNAL_MOVE;
        where = moves ? prior->target : prior->mailbox;
        plan->uid = moves ? 0 : prior->row.intent.uid;
        plan->uidvalidity = moves ? 0 : prior->row.intent.uidvalidity;
        plan->maker = moves ? prior->id : plan->uid == 0 ? prior->row.intent.made_by : 0;
    }
    pthread_mutex_unlock(&sync->lock);
    if (gone)
        return SYNC_ERR_GONE;
    if (where == 0) {
        plan->maker = 0;
        return SYNC_OK;
    }
    return sync_error_of_cache(cache_mailbox_get(sync->cache, where, &plan->moved_to));
}

/* What follows a change that stays where the message is as the cache has it needs no more than
 * that. */
static void forget_known_place(struct plan *plan)
{
    const struct message_facts *facts = &plan->facts[0];
    if (plan->uid == 0 || plan->uid != facts->message.uid ||
        plan->moved_to.id != facts->message.mailbox)
        return;
    cache_mailbox_free(&plan->moved_to);
    plan->moved_to = (struct cache_mailbox){0};
}

/* Facts are looked up last: what has ended before the changes were looked at, the cache knows then.
 * Of a move whose outcome is in its row, and not yet in the cache, those know that follow it.
 */
enum sync_error plan_find_message(struct plan *plan)
{
    struct sync *sync = plan->request->sync;
    struct message_facts *facts = &plan->facts[0];
    enum sync_error error = facts_get(sync, plan->request->message, facts);
    uint64_t ino = facts->inode.ino;
    facts_free(facts);
    if (error == SYNC_OK)
        error = find_prior(plan, ino);
    if (error == SYNC_OK)
        error = facts_get(sync, plan->request->message, facts);
    if (error == SYNC_OK)
        forget_known_place(plan);
    return error;
}

enum sync_error plan_find_making(struct plan *plan)
{
    struct sync *sync = plan->request->sync;
    int64_t target = 0;
    pthread_mutex_lock(&sync->lock);
    const struct change *making = change_making_locked(sync, plan->request->ino);
    if (making != NULL) {
        plan->prior = change_of_staged_locked(sync, plan->request->ino)->id;
        plan->maker = making->id;
        target = making->target;
    }
    pthread_mutex_unlock(&sync->lock);
    return target == 0
               ? SYNC_ERR_GONE
               : sync_error_of_cache(cache_mailbox_get(sync->cache, target, &plan->moved_to));
}

/* Where the message is, or will be. */
const struct cache_mailbox *plan_whereabouts(const struct plan *plan)
{
    return plan->moved_to.id != 0 ? &plan->moved_to : &plan->facts[0].mailbox;
}

/* The plan's first intent waits for that change. */
static void follow_prior(struct plan *plan)
{
    struct journal_intent *intent = &plan->intents[0];
    if (plan->prior == 0)
        return;
    intent->after = plan->prior;
    if (plan->moved_to.id == 0)
        return;
    intent->made_by = plan->maker;
    intent->mailbox = plan->moved_to.name;
    intent->uid = plan->uid;
    intent->uidvalidity = plan->uidvalidity;
    plan->changes[0]->mailbox = plan->moved_to.id;
}

/* Everything that goes to a target mailbox notes where that one's UIDs stand. */
static bool take_bearings(struct plan *plan)
{
    struct sync *sync = plan->request->sync;
    bool known = true;
    for (size_t i = 0; i < plan->count; i++) {
        struct change *change = plan->changes[i];
        struct journal_intent *intent = &plan->intents[i];
        if (change->target != 0 && intent->kind <= JOURNAL_MOVE)
            known &= bearings_get(sync, change->target, &intent->target_uidvalidity,
                                  &intent->target_uidnext);
    }
    return known;
}

static enum cache_error add_rows(struct plan *plan, bool background)
{
    struct sync *sync = plan->request->sync;
    struct journal_row rows[PLAN_MAX];
    bool known = take_bearings(plan);
    bool sent = known && !background && plan->count == 1;
    follow_prior(plan);
    for (size_t i = 1; i < plan->count; i++)
        plan->intents[i].after = JOURNAL_PREVIOUS;
    enum cache_error error = journal_add_rows(sync->journal, plan->intents, plan->count,
                                              sent ? JOURNAL_SENT : JOURNAL_INTENT, rows);
    for (size_t i = 0; i < plan->count && error == CACHE_OK; i++) {
        struct change *change = plan->changes[i];
        change->id = rows[i].id;
        change->sent = sent;
        change->background = background;
        change->row = rows[i];
    }
    return error;
}

/* True: the first one waits for the change before it, which will see to it. */
static bool list_changes(struct plan *plan, bool waited_for)
{
    struct request *request = plan->request;
    struct sync *sync = request->sync;
    pthread_mutex_lock(&sync->lock);
    request->left = (unsigned)plan->count;
    for (size_t i = 0; i < plan->count; i++) {
        struct change *change = plan->changes[i];
        change->request = waited_for ? request : NULL;
        change->principal = i == 0;
        change_list_locked(sync, change);
        if (i > 0)
            plan->changes[i - 1]->then = change;
    }
    struct change *prior = plan->prior != 0 ? sync->changes : NULL;
    while (prior != NULL && prior->id != plan->prior)
        prior = prior->all_next;
    if (prior != NULL) {
        plan->changes[0]->next = prior->then;
        prior->then = plan->changes[0];
    }
    pthread_mutex_unlock(&sync->lock);
    return prior != NULL;
}

bool change_reread(struct change *change)
{
    struct sync *sync = change->sync;
    struct journal_row row, old = {0};
    bool good = journal_get(sync->journal, change->id, &row) == CACHE_OK;
    if (good) {
        pthread_mutex_lock(&sync->lock); /* find_prior looks */
        old = change->row;
        change->row = row;
        pthread_mutex_unlock(&sync->lock);
        good = row.intent.uid != 0;
    }
    journal_row_free(&old);
    if (!good)
        change_fail(change, SYNC_ERR_GONE, "an earlier change of it failed");
    return good;
}

void change_find_message(struct change *change)
{
    struct sync *sync = change->sync;
    struct cache_inode inode;
    const struct journal_intent *intent = &change->row.intent;
    if (change->message != 0 || change->kind != JOURNAL_STORE || intent->uid == 0 ||
        cache_message_find(sync->cache, change->mailbox, intent->uid, &inode) != CACHE_OK)
        return;
    pthread_mutex_lock(&sync->lock); /* change_about_locked looks */
    change->message = inode.message;
    pthread_mutex_unlock(&sync->lock);
}

/* The end of every preparation that has something to send. */
enum sync_error plan_go(struct plan *plan)
{
    struct request *request = plan->request;
    struct sync *sync = request->sync;
    bool background = sync->by_journal || (request->kind == REQUEST_STORE && request->keep);
    for (size_t i = 0; i < plan->count; i++)
        plan->changes[i]->keep = request->keep;
    enum cache_error error = add_rows(plan, background);
    plan->again = error == CACHE_ERR_ABSENT && plan->prior != 0;
    if (error != CACHE_OK)
        return sync_error_of_journal(error);
    struct change *first = plan->changes[0];
    if (background)
        foreshow(plan->changes, plan->count, request);
    bool follows = list_changes(plan, !background);
    for (size_t i = 0; i < PLAN_MAX; i++)
        plan->changes[i] = NULL; /* they have gone their way */
    if (!follows && (plan->prior == 0 || change_reread(first))) {
        change_find_message(first);
        change_queue(first);
    }
    if (background)
        request_end(request);
    return SYNC_OK;
}
