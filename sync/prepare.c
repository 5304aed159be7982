/*
 * From a request to rows of the journal: which requests have to wait, and who prepares the others.
 *
 * What a request names is looked up, its bytes are checked, and the intent is written in the
 * server's terms before anything is sent (plan.c, for a message message_change.c, removal.c and
 * publish.c). Offline, commit=server does nothing at all (SYNC_ERR_DOWN).
 *
 * A request about a message that another change is under way for waits for that one's end: where
 * the message is then is where it is looked up. Clerks run all of this.
 */
#include <stdlib.h>
#include <string.h>

#include "sync/plan.h"

/* The last change about the message that has to be over first. Flags that nobody waits for are no
 * reason to wait; nor is anything else that nobody waits for, where the request may follow it. */
static struct change *in_the_way_locked(struct sync *sync, int64_t message, bool follows)
{
    struct change *change = sync->changes;
    while (change != NULL && (message == 0 || change->message != message ||
                              (change->background && (follows || change->kind == JOURNAL_STORE))))
        change = change->all_next;
    return change;
}

/* One that somebody waits for, and that gives the name away that the request is to give: what would
 * make way is not there yet. */
static struct change *namesake_locked(const struct request *request)
{
    struct change *change = request->sync->changes;
    if (request->kind > REQUEST_COPY || request->name == NULL ||
        (!request->replace && request->replaces == 0))
        return NULL;
    while (change != NULL &&
           (change->background || change->kind > JOURNAL_MOVE ||
            change->target != request->mailbox || change->row.intent.name == NULL ||
            strcmp(change->row.intent.name, request->name) != 0))
        change = change->all_next;
    return change;
}

/* What the request has to wait for; NULL: nothing. */
static struct change *obstacle_locked(struct request *request)
{
    struct sync *sync = request->sync;
    bool staged = request->kind == REQUEST_PUBLISH || request->kind == REQUEST_STAGED_RENAME ||
                  request->kind == REQUEST_STAGED_REMOVE ||
                  (request->kind == REQUEST_STORE && !sync->by_journal);
    struct change *found = staged ? change_of_staged_locked(sync, request->ino) : NULL;
    if (found == NULL)
        found = in_the_way_locked(sync, request->message, sync->by_journal);
    if (found == NULL)
        found = in_the_way_locked(sync, request->clone_of, false);
    if (found == NULL)
        found = in_the_way_locked(sync, request->replaces, false);
    return found != NULL ? found : namesake_locked(request);
}

/* A mailbox that goes, or gets another name, and all below it. */
struct subtree {
    const char *name;
    char delimiter;
    int64_t *ids;
    size_t count;
};

static bool add_below(void *ctx, const struct cache_mailbox *mailbox)
{
    struct subtree *tree = ctx;
    if (strcmp(mailbox->name, tree->name) != 0 &&
        !cache_name_is_below(mailbox->name, tree->name, tree->delimiter))
        return true;
    int64_t *ids = realloc(tree->ids, (tree->count + 1) * sizeof *ids);
    if (ids == NULL)
        return false;
    tree->ids = ids;
    ids[tree->count++] = mailbox->id;
    return true;
}

static bool in_subtree(const struct subtree *tree, int64_t mailbox)
{
    for (size_t i = 0; i < tree->count; i++) {
        if (tree->ids[i] == mailbox)
            return true;
    }
    return false;
}

/* DELETE and RENAME wait for all that is under way in the mailbox, or to it: what is to leave it
 * would have it refused, and what is to come would not find it. */
static bool mailbox_blocked(struct request *request)
{
    struct sync *sync = request->sync;
    struct cache_mailbox row = {0};
    if ((request->kind != REQUEST_DELETE && request->kind != REQUEST_RENAME) ||
        cache_mailbox_get(sync->cache, request->mailbox, &row) != CACHE_OK)
        return false;
    struct subtree tree = {.name = row.name, .delimiter = row.delimiter};
    (void)!cache_mailbox_each(sync->cache, add_below, &tree); /* the server checks, too */
    pthread_mutex_lock(&sync->lock);
    struct change *change = sync->changes;
    while (change != NULL && (change->held || !(in_subtree(&tree, change->mailbox) ||
                                                in_subtree(&tree, change->target))))
        change = change->all_next;
    if (change != NULL) {
        request->task.next = change->blocked;
        change->blocked = &request->task;
        pthread_cond_signal(&sync->warden_wake);
    }
    pthread_mutex_unlock(&sync->lock);
    free(tree.ids);
    cache_mailbox_free(&row);
    return change != NULL;
}

/* True: the request waits, for the bound at most, or another version of its file took its place. */
static bool blocked(struct request *request)
{
    struct sync *sync = request->sync;
    struct change *superseded = NULL;
    pthread_mutex_lock(&sync->lock);
    struct change *change = obstacle_locked(request);
    bool waits = change != NULL;
    bool same_file = waits && request->ino != 0 && change->staged == request->ino;
    bool supersedes = same_file && change->kind != JOURNAL_STORE &&
                      request->kind != REQUEST_STAGED_RENAME && request->kind != REQUEST_STORE;
    if (supersedes && queue_take_locked(sync, change)) {
        superseded = change;
        waits = false;
    } else if (waits) {
        request->task.next = change->blocked;
        change->blocked = &request->task;
        request->blocked = true;
        pthread_cond_signal(&sync->warden_wake);
    }
    pthread_mutex_unlock(&sync->lock);
    if (superseded != NULL)
        change_withdraw(superseded);
    return waits;
}

void blocked_overdue_locked(struct sync *sync, int64_t now, int64_t *nearest)
{
    for (struct change *change = sync->changes; change != NULL; change = change->all_next) {
        for (struct task **at = &change->blocked; *at != NULL;) {
            struct request *request = (struct request *)*at;
            int64_t deadline = request->since + sync->timeout_ms;
            if (deadline > now) {
                if (deadline < *nearest)
                    *nearest = deadline;
                at = &(*at)->next;
                continue;
            }
            *at = request->task.next;
            request->overdue = true;
            clerk_task_locked(sync, &request->task);
        }
    }
}

/* A staged file that has become a message meanwhile is changed as one. */
static void follow_staged(struct request *request)
{
    struct cache_inode inode;
    if (request->ino == 0 ||
        cache_inode_get(request->sync->cache, request->ino, &inode) != CACHE_OK ||
        inode.kind != CACHE_MESSAGE)
        return;
    if (request->kind == REQUEST_PUBLISH && request->replaces == 0) {
        request->replaces = inode.message;
        request->ino = 0;
    } else if (request->kind == REQUEST_STAGED_REMOVE) {
        request->kind = REQUEST_REMOVE;
        request->message = inode.message;
    } else if (request->kind == REQUEST_STAGED_RENAME) {
        struct cache_inode parent;
        if (cache_inode_get(request->sync->cache, request->parent_ino, &parent) != CACHE_OK ||
            parent.mailbox == 0)
            return;
        request->kind = REQUEST_MOVE;
        request->message = inode.message;
        request->mailbox = parent.mailbox;
    }
}

/* The change that it was to follow has just ended, or one that it cannot follow has to: the request
 * looks again once that one is in no list any more. */
static void prepare_again(struct request *request, int64_t prior)
{
    struct sync *sync = request->sync;
    pthread_mutex_lock(&sync->lock);
    struct change *change = sync->changes;
    while (change != NULL && change->id != prior)
        change = change->all_next;
    if (change != NULL) {
        request->task.next = change->blocked;
        change->blocked = &request->task;
        pthread_cond_signal(&sync->warden_wake);
    } else {
        clerk_task_locked(sync, &request->task);
    }
    pthread_mutex_unlock(&sync->lock);
}

static void prepare_plan(struct request *request)
{
    static enum sync_error (*const prepare[])(struct plan *) = {
        [REQUEST_PUBLISH] = prepare_publication, [REQUEST_MOVE] = prepare_transfer,
        [REQUEST_COPY] = prepare_transfer,       [REQUEST_REMOVE] = prepare_removal,
        [REQUEST_STORE] = prepare_store,
    };
    struct plan plan = {.request = request};
    enum sync_error error = prepare[request->kind](&plan);
    bool again = error != SYNC_OK && plan.again;
    int64_t prior = plan.prior;
    if (again)
        prepare_again(request, prior);
    else if (error != SYNC_OK)
        request_fail(request, error, request->reason);
    plan_free(&plan, true);
}

/* With what it is about held. */
static void prepare_held(struct request *request)
{
    if (blocked(request) || mailbox_blocked(request))
        return;
    if (request->kind <= REQUEST_STORE) {
        prepare_plan(request);
        return;
    }
    enum sync_error error =
        request->kind >= REQUEST_STAGED_CREATE ? staged_request(request) : mailbox_request(request);
    if (error != SYNC_OK)
        request_fail(request, error, request->reason);
}

void request_prepare(struct sync *sync, struct task *task)
{
    struct request *request = (struct request *)task;
    if (request->kind == REQUEST_SETTLE) {
        settle_start(request);
        return;
    }
    if (request->overdue) {
        request_fail(request, sync->by_journal ? SYNC_ERR_BUSY : SYNC_ERR_UNREACHABLE,
                     "an earlier change of it still waits for the server");
        return;
    }
    follow_staged(request);
    struct hold hold = {
        .keys = {request->message, request->clone_of, request->replaces,
                 request->kind <= REQUEST_COPY ? hold_name(request->mailbox, request->name) : 0}
    };
    hold_take(sync, &hold);
    prepare_held(request);
    hold_release(sync, &hold);
}
