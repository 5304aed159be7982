/*
 * What was renamed elsewhere (tree_renamed.c), into the cache: as a RENAME of ours, but that the
 * server is who tells.
 *
 * Those above come first and take along what is below, which then has its name already, or gets
 * another one. Nothing goes along unless it is known to be the same: what is not is emptied before.
 * The rest, what came and what went, is cache_tree_replace's. In the thread of the tree's worker;
 * an end in between leaves mailboxes as renamed, or as they were.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cache/outcomes.h"
#include "sync/tree_renamed.h"

static bool is_renamed(const struct gone *gone)
{
    return gone->to != NULL && gone->equal > 0 && !gone->differs;
}

static bool keeps_messages(const struct renamed *r, int64_t mailbox)
{
    for (size_t i = 0; i < r->gone_count; i++) {
        if (r->gone[i].id == mailbox)
            return is_renamed(&r->gone[i]);
    }
    return false;
}

/* ---- which level it was that was renamed ---- */

static bool same_last_level(const char *a, const char *b, char delimiter)
{
    const char *x = strrchr(a, delimiter), *y = strrchr(b, delimiter);
    return strcmp(x != NULL ? x : a, y != NULL ? y : b) == 0;
}

/* Whether `from` went, and held nothing but mailboxes, and `to` is new. */
static bool level_went(const struct renamed *r, const char *from, const char *to)
{
    struct cache *cache = r->worker->sync->cache;
    struct cache_mailbox row = {0}, other = {0};
    uint64_t directories, messages = 0;
    bool went = renamed_listed(r, from) == NULL && renamed_listed(r, to) != NULL &&
                cache_mailbox_find(cache, from, &row) == CACHE_OK &&
                cache_inode_count(cache, row.ino, &directories, &messages) == CACHE_OK &&
                messages == 0 && cache_mailbox_find(cache, to, &other) == CACHE_ERR_ABSENT;
    cache_mailbox_free(&row);
    cache_mailbox_free(&other);
    return went;
}

/* "A/x" that is "B/x" now: A became B, unless A is something else. Both are malloc. */
static void climb(const struct renamed *r, char **from, char **to, char delimiter)
{
    while (delimiter != 0 && same_last_level(*from, *to, delimiter)) {
        char *x = tree_parent_name(*from, delimiter), *y = tree_parent_name(*to, delimiter);
        if (x == NULL || y == NULL || strcmp(x, y) == 0 || !level_went(r, x, y)) {
            free(x);
            free(y);
            return;
        }
        free(*from);
        free(*to);
        *from = x;
        *to = y;
    }
}

/* ---- what goes along with it ---- */

struct below {
    const struct renamed *renamed;
    const char *name;
    char **doubtful; /* names of those that may not be the same */
    size_t count;
};

static bool gather_doubtful(void *ctx, const struct cache_mailbox *mailbox)
{
    struct below *below = ctx;
    bool in = strcmp(mailbox->name, below->name) == 0 ||
              cache_name_is_below(mailbox->name, below->name, mailbox->delimiter);
    if (!in || mailbox->uidvalidity == 0 || keeps_messages(below->renamed, mailbox->id))
        return true;
    char **names = realloc(below->doubtful, (below->count + 1) * sizeof *names);
    if (names == NULL)
        return false;
    below->doubtful = names;
    names[below->count] = strdup(mailbox->name);
    return names[below->count++] != NULL;
}

/* Whatever is not known to be the same loses what the cache has of it, as a mailbox that went. */
static enum cache_error empty_doubtful(const struct renamed *r, const char *name)
{
    struct sync *sync = r->worker->sync;
    struct below below = {.renamed = r, .name = name};
    enum cache_error error = cache_mailbox_each(sync->cache, gather_doubtful, &below);
    for (size_t i = 0; i < below.count; i++) {
        if (error == CACHE_OK)
            error = below.doubtful[i] == NULL
                        ? CACHE_ERR_MEMORY
                        : cache_mailbox_removed(sync->cache, below.doubtful[i], sync_changed, sync);
        free(below.doubtful[i]);
    }
    free(below.doubtful);
    return error;
}

/* ---- into the cache ---- */

/* The levels above a new name are there, from the top. */
static enum cache_error make_levels(const struct renamed *r, const char *name)
{
    struct sync *sync = r->worker->sync;
    struct cache_mailbox row = {0};
    const struct listed *listed = name != NULL ? renamed_listed(r, name) : NULL;
    if (listed == NULL)
        return CACHE_OK;
    enum cache_error error = cache_mailbox_find(sync->cache, name, &row);
    cache_mailbox_free(&row);
    if (error != CACHE_ERR_ABSENT)
        return error;
    error = make_levels(r, listed->entry->parent);
    return error != CACHE_OK ? error
                             : cache_mailbox_created(sync->cache, listed->entry, tree_ordinal_name,
                                                     NULL, sync_changed, sync);
}

static enum cache_error rename_level(const struct renamed *r, const char *from, const char *to)
{
    struct sync *sync = r->worker->sync;
    const struct listed *listed = renamed_listed(r, to);
    if (listed == NULL)
        return CACHE_OK;
    log_info("the mailbox \"%.200s\" is \"%.200s\" now", from, to);
    enum cache_error error = empty_doubtful(r, from);
    if (error == CACHE_OK)
        error = make_levels(r, listed->entry->parent);
    if (error == CACHE_OK)
        error = cache_mailbox_renamed(sync->cache, from, to, listed->entry->parent,
                                      listed->entry->shown, tree_ordinal_name, sync_changed, sync);
    return error;
}

static enum cache_error rename_one(const struct renamed *r, const struct gone *gone)
{
    struct cache_mailbox row = {0};
    enum cache_error error = cache_mailbox_get(r->worker->sync->cache, gone->id, &row);
    if (error != CACHE_OK)
        return error == CACHE_ERR_ABSENT ? CACHE_OK : error;
    if (strcmp(row.name, gone->to->name) != 0) { /* else it went along with one above */
        char *from = strdup(row.name), *to = strdup(gone->to->name);
        error = CACHE_ERR_MEMORY;
        if (from != NULL && to != NULL) {
            climb(r, &from, &to, row.delimiter == gone->to->delimiter ? row.delimiter : 0);
            error = rename_level(r, from, to);
        }
        free(from);
        free(to);
    }
    cache_mailbox_free(&row);
    return error;
}

/* A name is longer than those above it. */
static int by_length(const void *a, const void *b)
{
    size_t x = strlen(((const struct gone *)a)->name), y = strlen(((const struct gone *)b)->name);
    return x < y ? -1 : x > y;
}

enum cache_error renamed_note(struct worker *w)
{
    struct renamed *r = w->renamed;
    enum cache_error error = CACHE_OK;
    qsort(r->gone, r->gone_count, sizeof *r->gone, by_length);
    for (size_t i = 0; i < r->gone_count && error == CACHE_OK; i++) {
        if (is_renamed(&r->gone[i]))
            error = rename_one(r, &r->gone[i]);
    }
    return error;
}
