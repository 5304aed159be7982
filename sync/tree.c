/*
 * The tree: LIST and LSUB in one pipeline, and one transaction when both are answered.
 *
 * LSUB is asked for always, because the subscribed attribute of a directory needs it; where a
 * server does not like it, nothing is subscribed, unless -o subscribed made it the tree itself.
 * Only when LIST came to its end is the cache's tree replaced, so a broken connection never loses a
 * mailbox; and only where the answer is another than the last one, so a poll in which nothing
 * changed writes nothing. A change of ours that came in between is not in the answer: then it is
 * asked for once more. Before, tree_renamed.c looks for mailboxes that another client gave another
 * name, and the connection is the tree's alone meanwhile. In a poll, LIST brings STATUS along where
 * the server can (RFC 5819); else the mailboxes are asked about afterwards (poll.c).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "message/name.h"
#include "sync/carry.h"
#include "sync/regard.h"

/* What STATUS said of a mailbox, in a poll (RFC 5819). */
struct tree_standing {
    char *name;
    struct standing standing;
};

struct tree {
    struct job *job;
    struct worker *worker;
    struct tree_name *names;
    size_t count, room, bytes;
    bool incomplete;  /* memory, or more names than anybody has */
    bool sorted;      /* by bytes: LIST came to its end */
    unsigned replies; /* still to come */
    bool with_status;
    unsigned epoch; /* of our own changes, when it was asked for */
    struct tree_standing *standings;
    size_t standing_count, standing_room;
    enum imap_error error;
    enum sync_error why;         /* a failure that imap does not know of */
    struct tree_entries entries; /* what the cache is made equal to; none: it is so already */
    uint64_t digest;
};

static void names_free(struct tree_name *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(names[i].name);
    free(names);
}

/* FNV-1a over all that the cache keeps of the names; never 0. */
static uint64_t digest_of(const struct tree *tree)
{
    const unsigned kept = ~(unsigned)(IMAP_LIST_MARKED | IMAP_LIST_UNMARKED);
    uint64_t digest = 0xcbf29ce484222325;
    for (size_t i = 0; i < tree->count; i++) {
        const struct tree_name *name = &tree->names[i];
        unsigned traits = (name->attributes & kept) << 2 | (unsigned)name->subscribed << 1 |
                          (unsigned)name->malformed;
        for (const char *c = name->name; *c != '\0'; c++)
            digest = (digest ^ (unsigned char)*c) * 0x100000001b3;
        digest = (digest ^ traits) * 0x100000001b3;
        digest = (digest ^ (unsigned char)name->delimiter) * 0x100000001b3;
    }
    return digest != 0 ? digest : 1;
}

/* Whether it is what the cache was made equal to last, and nothing of ours came in between; else
 * that is noted. */
static bool same_again(struct tree *tree, uint64_t digest)
{
    struct sync *sync = tree->worker->sync;
    pthread_mutex_lock(&sync->lock);
    bool same = sync->tree_digest == digest && sync->tree_digest_epoch == sync->tree_epoch;
    sync->tree_digest = 0; /* until it stands in the cache */
    pthread_mutex_unlock(&sync->lock);
    return same;
}

static void digest_note(struct tree *tree, uint64_t digest)
{
    struct sync *sync = tree->worker->sync;
    pthread_mutex_lock(&sync->lock);
    sync->tree_digest = digest;
    sync->tree_digest_epoch = tree->epoch;
    pthread_mutex_unlock(&sync->lock);
}

static unsigned epoch_of(struct sync *sync)
{
    pthread_mutex_lock(&sync->lock);
    unsigned epoch = sync->tree_epoch;
    pthread_mutex_unlock(&sync->lock);
    return epoch;
}

void tree_ours_changed(struct sync *sync)
{
    pthread_mutex_lock(&sync->lock);
    sync->tree_epoch++;
    pthread_mutex_unlock(&sync->lock);
}

/* Both answers are here: what is to be stored. */
static void tree_read(struct tree *tree)
{
    struct sync *sync = tree->worker->sync;
    if (tree->count == 0 && !tree->incomplete) {
        log_warn("the server listed no mailbox, not even INBOX; asking again");
        tree->error = IMAP_ERR_UNAVAILABLE; /* nobody has none (RFC 3501 section 5.1) */
        return;
    }
    tree->digest = tree->incomplete ? 0 : digest_of(tree);
    if (tree->digest != 0 && same_again(tree, tree->digest))
        digest_note(tree, tree->digest);
    else if (tree->incomplete ||
             !tree_build(&tree->names, &tree->count, sync->subscribed, &tree->entries))
        tree->why = SYNC_ERR_MEMORY;
}

static enum sync_error tree_store(struct tree *tree)
{
    struct sync *sync = tree->worker->sync;
    const struct tree_entries *entries = &tree->entries;
    enum cache_error error = CACHE_OK;
    if (tree->why != SYNC_OK || entries->items == NULL)
        return tree->why;
    if (tree->worker->renamed != NULL)
        error = renamed_note(tree->worker);
    if (error == CACHE_OK)
        error = cache_tree_replace(sync->cache, entries->items, entries->count, tree_ordinal_name,
                                   sync_changed, sync);
    log_info("%zu mailboxes", entries->count);
    if (error == CACHE_OK)
        digest_note(tree, tree->digest);
    return sync_error_of_cache(error);
}

/* The mailboxes that differ from what is known are refreshed, or asked about. */
static void poll_on(struct tree *tree)
{
    struct sync *sync = tree->worker->sync;
    for (size_t i = 0; i < tree->standing_count; i++)
        poll_compare(sync, tree->standings[i].name, &tree->standings[i].standing);
    if (tree->with_status)
        return;
    pthread_mutex_lock(&sync->lock);
    if (!sync->stopping)
        poll_mailboxes_locked(sync);
    pthread_mutex_unlock(&sync->lock);
}

static void tree_free(struct tree *tree)
{
    renamed_free(tree->worker);
    tree_entries_free(&tree->entries);
    for (size_t i = 0; i < tree->standing_count; i++)
        free(tree->standings[i].name);
    free(tree->standings);
    names_free(tree->names, tree->count);
    free(tree);
}

/* Nothing more is asked for. */
static void tree_end(struct tree *tree)
{
    struct worker *w = tree->worker;
    struct sync *sync = w->sync;
    struct job *job = tree->job;
    w->tree = NULL;
    if (tree->error == IMAP_OK && epoch_of(sync) != tree->epoch)
        tree->error = IMAP_ERR_UNAVAILABLE; /* a mailbox of ours may be missing in it */
    if (tree->error != IMAP_OK) {
        job_retry(sync, job, tree->error);
    } else {
        enum sync_error error = tree_store(tree);
        pthread_mutex_lock(&sync->lock);
        if (error == SYNC_OK)
            sync->tree_checked = clock_ms();
        bool polling = job->polling && error == SYNC_OK;
        pthread_mutex_unlock(&sync->lock);
        job_end(sync, job, error);
        if (polling)
            poll_on(tree);
    }
    tree_free(tree);
}

/* The connection is the tree's own from now on, or the next time that it is asked for. */
static bool to_itself(struct tree *tree)
{
    struct worker *w = tree->worker;
    pthread_mutex_lock(&w->sync->lock);
    bool itself = w->active == 1;
    tree->job->alone = true;
    w->alone = itself;
    pthread_mutex_unlock(&w->sync->lock);
    return itself;
}

static void renamed_over(void *ctx, enum imap_error error)
{
    struct tree *tree = ctx;
    tree->error = error;
    tree_end(tree);
}

/* LIST and LSUB are answered. A mailbox that is not where it was may have another name. */
static void tree_answered(struct tree *tree)
{
    if (tree->error == IMAP_OK)
        tree_read(tree);
    bool renamed = tree->error == IMAP_OK && tree->entries.items != NULL &&
                   renamed_start(tree->worker, &tree->entries);
    if (renamed && to_itself(tree)) {
        renamed_ask(tree->worker, renamed_over, tree);
        return;
    }
    if (renamed)
        tree->error = IMAP_ERR_UNAVAILABLE;
    tree_end(tree);
}

static void tree_reply(struct tree *tree, enum imap_error error, bool needed)
{
    if (error != IMAP_OK && (needed || (error != IMAP_ERR_NO && error != IMAP_ERR_BAD)))
        tree->error = error;
    if (--tree->replies == 0)
        tree_answered(tree);
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(((const struct tree_name *)a)->name, ((const struct tree_name *)b)->name);
}

static void list_done(void *ctx, const struct imap_completion *completion)
{
    struct tree *tree = ctx;
    worker_note(tree->worker, completion);
    if (tree->count > 0)
        qsort(tree->names, tree->count, sizeof *tree->names, by_bytes);
    tree->sorted = true;
    tree_reply(tree, completion->error, true);
}

static void lsub_done(void *ctx, const struct imap_completion *completion)
{
    struct tree *tree = ctx;
    worker_note(tree->worker, completion);
    tree_reply(tree, completion->error, tree->worker->sync->subscribed);
}

static enum imap_error submit(struct tree *tree, bool subscribed, imap_done_fn *done)
{
    struct imap_command command;
    char options[120];
    imap_command_list(&command, subscribed, "", "*");
    if (!subscribed && tree->with_status) {
        unsigned capabilities = imap_connection_capabilities(tree->worker->connection);
        snprintf(options, sizeof options, "RETURN (STATUS (%s))", poll_items(capabilities));
        imap_command_raw(&command, options);
    }
    return imap_connection_submit(tree->worker->connection, &command, done, tree);
}

static void ask(struct tree *tree)
{
    enum imap_error list = submit(tree, false, list_done);
    enum imap_error lsub = submit(tree, true, lsub_done);
    /* A command that was not taken is answered here; the tree may end, and go, with the last one.
     */
    bool both = list != IMAP_OK && lsub != IMAP_OK;
    if (both)
        tree->replies = 1;
    if (list != IMAP_OK || lsub != IMAP_OK)
        tree_reply(tree, list != IMAP_OK ? list : lsub, true);
}

/* Of the mailbox that is open, STATUS would say what the session knew (poll.c). */
static void up_to_date(void *ctx, const struct imap_completion *completion)
{
    struct tree *tree = ctx;
    worker_note(tree->worker, completion);
    if (completion->error == IMAP_OK) {
        ask(tree);
        return;
    }
    tree->replies = 1;
    tree_reply(tree, completion->error, true);
}

void tree_start(struct worker *w, struct job *job)
{
    struct tree *tree = calloc(1, sizeof *tree);
    if (tree == NULL) {
        job_end(w->sync, job, SYNC_ERR_MEMORY);
        return;
    }
    *tree = (struct tree){.job = job, .worker = w, .replies = 2, .epoch = epoch_of(w->sync)};
    w->tree = tree;
    tree->with_status =
        job->polling && imap_connection_capabilities(w->connection) & IMAP_CAP_LIST_STATUS;
    struct imap_command command;
    imap_command_init(&command, "NOOP");
    if (tree->with_status && w->examined != 0 &&
        imap_connection_submit(w->connection, &command, up_to_date, tree) == IMAP_OK)
        return;
    imap_command_free(&command);
    ask(tree);
}

/* LSUB is answered after LIST (commands of a pipeline are), so the names stand in order by then. */
static struct tree_name *name_known(struct tree *tree, const struct imap_span *name)
{
    struct tree_name key = {.name = tree->sorted ? strndup(name->data, name->len) : NULL};
    if (key.name == NULL || tree->count == 0) {
        free(key.name);
        return NULL;
    }
    struct tree_name *found = bsearch(&key, tree->names, tree->count, sizeof key, by_bytes);
    free(key.name);
    return found;
}

static struct tree_name *name_add(struct tree *tree, const struct imap_list *list)
{
    tree->bytes += list->name.len;
    if (tree->bytes > TREE_BYTES_MAX)
        return NULL;
    if (tree->count == tree->room) {
        size_t room = tree->room == 0 ? 64 : tree->room * 2;
        struct tree_name *names =
            room > TREE_NAMES_MAX ? NULL : realloc(tree->names, room * sizeof *names);
        if (names == NULL)
            return NULL;
        tree->names = names;
        tree->room = room;
    }
    struct tree_name *added = &tree->names[tree->count];
    *added = (struct tree_name){.name = strndup(list->name.data, list->name.len),
                                .delimiter = list->delimiter};
    if (added->name == NULL)
        return NULL;
    tree->count++;
    return added;
}

void tree_response(struct worker *w, const struct imap_list *list, bool subscribed)
{
    struct tree *tree = w->tree;
    if (tree == NULL || list->name.data == NULL || list->name.len == 0)
        return;
    /* LSUB's \Noselect is a level above a subscribed mailbox, not one itself (RFC 3501
     * section 6.3.9). */
    if (subscribed && list->attributes & IMAP_LIST_NOSELECT)
        return;
    if (memchr(list->name.data, '\0', list->name.len) != NULL) {
        log_warn("a mailbox name with a NUL byte is left out");
        return;
    }
    if (list->name.len > TREE_NAME_MAX) {
        log_warn("a mailbox name of %zu bytes is left out", list->name.len);
        return;
    }
    struct tree_name *name = subscribed ? name_known(tree, &list->name) : NULL;
    if (name == NULL && !subscribed)
        name = name_add(tree, list);
    if (name == NULL) {
        tree->incomplete |= !subscribed;
        return;
    }
    name->subscribed |= subscribed || list->attributes & IMAP_LIST_SUBSCRIBED;
    if (!subscribed) {
        name->attributes = list->attributes;
        name->malformed = list->malformed;
    }
}

void tree_status(struct worker *w, const struct imap_mailbox_status *status)
{
    struct tree *tree = w->tree;
    if (tree == NULL || !tree->with_status || status->name.data == NULL ||
        tree->standing_count >= TREE_NAMES_MAX || status->name.len > TREE_NAME_MAX)
        return;
    if (tree->standing_count == tree->standing_room) {
        size_t room = tree->standing_room * 2 + 64;
        struct tree_standing *more = realloc(tree->standings, room * sizeof *more);
        if (more == NULL)
            return;
        tree->standings = more;
        tree->standing_room = room;
    }
    struct tree_standing *told = &tree->standings[tree->standing_count];
    told->name = strndup(status->name.data, status->name.len);
    standing_of(&told->standing, status);
    tree->standing_count += told->name != NULL;
}
