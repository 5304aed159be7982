/* CREATE, DELETE, RENAME, SUBSCRIBE as the cache sees them. See outcomes.h; tree.c has the pieces.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cache/internal.h"
#include "cache/outcomes.h"
#include "cache/statements.h"

/* ---- created ---- */

static enum cache_error run_created(struct writer *writer, struct job *job)
{
    struct tree_job *tree = (struct tree_job *)job;
    enum cache_error error = CACHE_OK;
    struct db *index = writer_index(writer, &error);
    return index != NULL ? tree_place(tree, writer, index, tree->entries) : error;
}

enum cache_error cache_mailbox_created(struct cache *cache, const struct cache_tree_entry *entry,
                                       void (*shown_ordinal)(const char *shown, unsigned ordinal,
                                                             char *name),
                                       int64_t *mailbox, cache_change_fn *changed, void *ctx)
{
    struct cache_mailbox row = {0};
    struct tree_job tree = {
        .job = {.run = run_created, .urgent = true},
        .entries = entry,
        .count = 1,
        .shown_ordinal = shown_ordinal,
    };
    enum cache_error error = writer_do(&cache->writer, &tree.job);
    changes_tell(&tree.changes, error == CACHE_OK ? changed : NULL, ctx);
    if (error == CACHE_OK)
        error = cache_mailbox_find(cache, entry->name, &row);
    if (mailbox != NULL)
        *mailbox = row.id;
    cache_mailbox_free(&row);
    return error;
}

/* ---- removed ---- */

struct removed_job {
    struct tree_job tree;
    const char *name;
};

static enum cache_error has_children(struct db *index, uint64_t ino, bool *children)
{
    enum db_step step = db_query(index, INDEX_INODE_COUNT, DB_VALUES(DB_INT(ino)));
    *children = step == DB_ROW && db_int(index, INDEX_INODE_COUNT, 0) > 0;
    db_end(index, INDEX_INODE_COUNT);
    return step == DB_FAILED ? db_error(index) : CACHE_OK;
}

static enum cache_error run_removed(struct writer *writer, struct job *job)
{
    struct removed_job *removed = (struct removed_job *)job;
    enum cache_error error = CACHE_OK;
    struct cache_mailbox row = {0};
    bool children = false;
    struct db *index = writer_index(writer, &error);
    if (index != NULL)
        error = mailbox_query(index, INDEX_MAILBOX_FIND, DB_VALUES(DB_TEXT(removed->name)), &row);
    if (error == CACHE_OK)
        error = has_children(index, row.ino, &children);
    if (error == CACHE_OK && !children)
        error = tree_remove_mailbox(&removed->tree, writer, index, &row);
    if (error == CACHE_OK && children)
        error = tree_empty_mailbox(writer, index, row.id, &removed->tree.changes);
    if (error == CACHE_OK && children)
        error = db_run(index, INDEX_MAILBOX_TRAITS,
                       DB_VALUES(DB_INT(row.id), DB_INT(row.delimiter), DB_INT(CACHE_ROLE_NONE),
                                 DB_INT(0), DB_INT(row.subscribed)));
    cache_mailbox_free(&row);
    return error == CACHE_ERR_ABSENT ? CACHE_OK : error;
}

enum cache_error cache_mailbox_removed(struct cache *cache, const char *name,
                                       cache_change_fn *changed, void *ctx)
{
    struct cache_mailbox row;
    struct removed_job removed = {.tree = {.job = {.run = run_removed, .urgent = true}},
                                  .name = name};
    enum cache_error error = cache_mailbox_find(cache, name, &row);
    if (error == CACHE_OK)
        error = tree_drop_messages(cache, row.id, changed, ctx);
    cache_mailbox_free(&row);
    if (error == CACHE_OK)
        error = writer_do(&cache->writer, &removed.tree.job);
    changes_tell(&removed.tree.changes, error == CACHE_OK ? changed : NULL, ctx);
    return error == CACHE_ERR_ABSENT ? CACHE_OK : error;
}

/* ---- renamed ---- */

struct renamed_job {
    struct tree_job tree;
    const char *from, *to, *parent, *shown;
    int64_t *ids; /* the mailbox itself and all below it */
    size_t count;
};

bool cache_name_is_below(const char *name, const char *above, char delimiter)
{
    size_t len = strlen(above);
    return delimiter != '\0' && strncmp(name, above, len) == 0 && name[len] == delimiter;
}

static enum cache_error keep_id(struct renamed_job *renamed, int64_t id)
{
    int64_t *ids = realloc(renamed->ids, (renamed->count + 1) * sizeof *ids);
    if (ids == NULL)
        return CACHE_ERR_MEMORY;
    renamed->ids = ids;
    renamed->ids[renamed->count++] = id;
    return CACHE_OK;
}

/* Collected first: a table is not changed while it is walked. */
static enum cache_error collect(struct renamed_job *renamed, struct db *index)
{
    enum cache_error error = CACHE_OK;
    enum db_step step = db_query(index, INDEX_MAILBOX_EACH, NULL, 0);
    while (step == DB_ROW && error == CACHE_OK) {
        const char *name = db_text(index, INDEX_MAILBOX_EACH, 2);
        char delimiter = (char)db_int(index, INDEX_MAILBOX_EACH, 3);
        if (strcmp(name, renamed->from) == 0 || cache_name_is_below(name, renamed->from, delimiter))
            error = keep_id(renamed, db_int(index, INDEX_MAILBOX_EACH, 0));
        if (error == CACHE_OK)
            step = db_next(index, INDEX_MAILBOX_EACH);
    }
    if (step == DB_FAILED)
        return db_error(index);
    db_end(index, INDEX_MAILBOX_EACH);
    return error;
}

/* A LIST knew the new name already. Its children are among those that get names here. */
static enum cache_error clear_name(struct renamed_job *renamed, struct writer *writer,
                                   struct db *index, int64_t id, const char *name)
{
    struct cache_mailbox other;
    enum cache_error error =
        mailbox_query(index, INDEX_MAILBOX_FIND, DB_VALUES(DB_TEXT(name)), &other);
    if (error == CACHE_OK && other.id != id) {
        log_info("cache: mailbox \"%s\" makes way for the one that has its name now", name);
        error = tree_remove_mailbox(&renamed->tree, writer, index, &other);
    }
    cache_mailbox_free(&other);
    return error == CACHE_ERR_ABSENT ? CACHE_OK : error;
}

static enum cache_error rename_one(struct renamed_job *renamed, struct writer *writer,
                                   struct db *index, int64_t id)
{
    struct cache_mailbox row;
    char *name = NULL;
    enum cache_error error = mailbox_query(index, INDEX_MAILBOX_GET, DB_VALUES(DB_INT(id)), &row);
    if (error != CACHE_OK)
        return error;
    const char *tail = row.name + strlen(renamed->from);
    size_t head = strlen(renamed->to);
    name = malloc(head + strlen(tail) + 1);
    if (name == NULL) {
        cache_mailbox_free(&row);
        return CACHE_ERR_MEMORY;
    }
    memcpy(name, renamed->to, head);
    memcpy(name + head, tail, strlen(tail) + 1);
    error = clear_name(renamed, writer, index, id, name);
    if (error == CACHE_OK)
        error = db_run(index, INDEX_MAILBOX_NAME, DB_VALUES(DB_INT(id), DB_TEXT(name)));
    free(name);
    cache_mailbox_free(&row);
    return error;
}

static enum cache_error move_top(struct renamed_job *renamed, struct db *index)
{
    struct cache_inode inode;
    uint64_t ino = 0, parent = 0;
    enum cache_error error = tree_inode(index, renamed->to, &ino);
    if (error == CACHE_OK)
        error = tree_inode(index, renamed->parent, &parent);
    if (error == CACHE_OK)
        error = inode_query(index, INDEX_INODE_GET, DB_VALUES(DB_INT(ino)), &inode);
    if (error != CACHE_OK || !name_legal(renamed->shown))
        return error != CACHE_OK ? error : CACHE_ERR_STATE;
    if (inode.parent == parent && strcmp(inode.name, renamed->shown) == 0)
        return CACHE_OK;
    return tree_move_directory(&renamed->tree, index, &inode, renamed->shown, parent);
}

static enum cache_error run_renamed(struct writer *writer, struct job *job)
{
    struct renamed_job *renamed = (struct renamed_job *)job;
    enum cache_error error = CACHE_OK;
    uint64_t ino = 0;
    struct db *index = writer_index(writer, &error);
    if (index != NULL)
        error = tree_inode(index, renamed->from, &ino);
    if (error == CACHE_ERR_ABSENT) /* done before, or a LIST was faster */
        return tree_inode(index, renamed->to, &ino);
    if (error == CACHE_OK)
        error = collect(renamed, index);
    for (size_t i = 0; error == CACHE_OK && i < renamed->count; i++)
        error = rename_one(renamed, writer, index, renamed->ids[i]);
    return error == CACHE_OK ? move_top(renamed, index) : error;
}

enum cache_error cache_mailbox_renamed(struct cache *cache, const char *from, const char *to,
                                       const char *parent, const char *shown,
                                       void (*shown_ordinal)(const char *shown, unsigned ordinal,
                                                             char *name),
                                       cache_change_fn *changed, void *ctx)
{
    struct renamed_job renamed = {
        .tree = {.job = {.run = run_renamed, .urgent = true}, .shown_ordinal = shown_ordinal},
        .from = from,
        .to = to,
        .parent = parent,
        .shown = shown,
    };
    enum cache_error error = writer_do(&cache->writer, &renamed.tree.job);
    free(renamed.ids);
    changes_tell(&renamed.tree.changes, error == CACHE_OK ? changed : NULL, ctx);
    return error;
}

/* ---- subscribed ---- */

struct subscribed_job {
    struct job job;
    int64_t mailbox;
    bool subscribed;
};

static enum cache_error run_subscribed(struct writer *writer, struct job *job)
{
    struct subscribed_job *subscribed = (struct subscribed_job *)job;
    enum cache_error error = CACHE_OK;
    struct db *index = writer_index(writer, &error);
    if (index != NULL)
        error = db_run(index, INDEX_MAILBOX_SUBSCRIBED,
                       DB_VALUES(DB_INT(subscribed->mailbox), DB_INT(subscribed->subscribed)));
    return error == CACHE_OK && db_changes(index) == 0 ? CACHE_ERR_ABSENT : error;
}

enum cache_error cache_mailbox_subscribed(struct cache *cache, int64_t mailbox, bool subscribed)
{
    struct subscribed_job job = {
        .job = {.run = run_subscribed, .urgent = true},
        .mailbox = mailbox,
        .subscribed = subscribed
    };
    return writer_do(&cache->writer, &job.job);
}
