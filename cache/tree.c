/*
 * cache_tree_replace: makes the directories equal to what LIST told. Mailboxes that are missing
 * from the list are first emptied in steps, on the caller's thread; then one transaction removes
 * them and places the rest, in the list's order, which has parents first.
 *
 * A name once shown stays. A new mailbox whose name a directory has already gets the next ordinal;
 * one whose name a message has takes it, and the message moves to its "~UID" form.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "cache/internal.h"
#include "cache/statements.h"

enum { TREE_ORDINALS = 10000 };

struct mailbox_list {
    struct cache_mailbox *list; /* names are not kept */
    size_t count, room;
};

/* ---- which mailboxes are missing ---- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char **sorted_names(const struct cache_tree_entry *entries, size_t count)
{
    const char **names = calloc(count + 1, sizeof *names);
    for (size_t i = 0; names != NULL && i < count; i++)
        names[i] = entries[i].name;
    if (names != NULL)
        qsort(names, count, sizeof *names, compare_names);
    return names;
}

static bool keep_mailbox(struct mailbox_list *missing, const struct cache_mailbox *mailbox)
{
    if (missing->count == missing->room) {
        size_t room = missing->room * 2 + 16;
        struct cache_mailbox *list = realloc(missing->list, room * sizeof *list);
        if (list == NULL)
            return false;
        missing->list = list;
        missing->room = room;
    }
    missing->list[missing->count] = *mailbox;
    missing->list[missing->count++].name = NULL;
    return true;
}

/* The mailboxes that `db` has and the list has not. */
static enum cache_error find_missing(struct db *db, const struct cache_tree_entry *entries,
                                     size_t count, struct mailbox_list *missing)
{
    enum cache_error error = CACHE_OK;
    const char **names = sorted_names(entries, count);
    if (names == NULL)
        return CACHE_ERR_MEMORY;
    enum db_step step = db_query(db, INDEX_MAILBOX_EACH, NULL, 0);
    while (step == DB_ROW && error == CACHE_OK) {
        struct cache_mailbox row = {0};
        if (!mailbox_from_row(db, INDEX_MAILBOX_EACH, &row))
            error = CACHE_ERR_MEMORY;
        else if (bsearch(&row.name, names, count, sizeof *names, compare_names) == NULL &&
                 !keep_mailbox(missing, &row))
            error = CACHE_ERR_MEMORY;
        cache_mailbox_free(&row);
        step = error == CACHE_OK ? db_next(db, INDEX_MAILBOX_EACH) : step;
    }
    if (step == DB_FAILED)
        error = db_error(db);
    db_end(db, INDEX_MAILBOX_EACH);
    free(names);
    return error;
}

/* ---- removing ---- */

enum cache_error tree_empty_mailbox(struct writer *writer, struct db *index, int64_t mailbox,
                                    struct changes *changes)
{
    bool more = true;
    enum cache_error error = CACHE_OK;
    while (error == CACHE_OK && more)
        error = removal_some(writer, mailbox, REMOVAL_STEP, &more, changes);
    if (error == CACHE_OK)
        error = db_run(index, INDEX_MAILBOX_RESET, DB_VALUES(DB_INT(mailbox)));
    return error;
}

enum cache_error tree_remove_mailbox(struct tree_job *tree, struct writer *writer, struct db *index,
                                     const struct cache_mailbox *mailbox)
{
    struct cache_inode inode;
    enum cache_error error = tree_empty_mailbox(writer, index, mailbox->id, &tree->changes);
    if (error == CACHE_OK)
        error = inode_query(index, INDEX_INODE_GET, DB_VALUES(DB_INT(mailbox->ino)), &inode);
    if (error == CACHE_OK)
        error = changes_add(&tree->changes, &inode, true);
    if (error == CACHE_OK)
        error = directory_count(index, inode.parent, -1, 0, clock_wall());
    if (error == CACHE_OK)
        error = db_run(index, INDEX_INODE_DELETE, DB_VALUES(DB_INT(inode.ino)));
    if (error == CACHE_OK || error == CACHE_ERR_ABSENT)
        error = db_run(index, INDEX_MAILBOX_DELETE, DB_VALUES(DB_INT(mailbox->id)));
    return error;
}

static enum cache_error remove_missing(struct tree_job *tree, struct writer *writer,
                                       struct db *index)
{
    struct mailbox_list missing = {0};
    enum cache_error error = find_missing(index, tree->entries, tree->count, &missing);
    for (size_t i = 0; error == CACHE_OK && i < missing.count; i++)
        error = tree_remove_mailbox(tree, writer, index, &missing.list[i]);
    free(missing.list);
    return error;
}

/* ---- placing ---- */

/* Finds a name for a directory in `parent`; a message that bears it moves aside. */
static enum cache_error free_name(struct tree_job *tree, struct db *index, uint64_t parent,
                                  const char *shown, char *name)
{
    for (unsigned ordinal = 1; ordinal <= TREE_ORDINALS; ordinal++) {
        struct cache_inode taken;
        if (ordinal == 1)
            snprintf(name, CACHE_NAME_MAX + 1, "%s", shown);
        else
            tree->shown_ordinal(shown, ordinal, name);
        enum cache_error error = inode_query(index, INDEX_INODE_LOOKUP,
                                             DB_VALUES(DB_INT(parent), DB_TEXT(name)), &taken);
        if (error == CACHE_ERR_ABSENT)
            return CACHE_OK;
        if (error == CACHE_OK && taken.kind == CACHE_DIRECTORY)
            continue;
        return error != CACHE_OK ? error : name_move_aside(index, &taken, &tree->changes);
    }
    return CACHE_ERR_IO;
}

enum cache_error tree_inode(struct db *index, const char *name, uint64_t *ino)
{
    *ino = CACHE_ROOT_INO;
    if (name == NULL)
        return CACHE_OK;
    struct cache_mailbox row;
    enum cache_error error =
        mailbox_query(index, INDEX_MAILBOX_FIND, DB_VALUES(DB_TEXT(name)), &row);
    *ino = row.ino;
    cache_mailbox_free(&row);
    return error;
}

static enum cache_error add_mailbox(struct tree_job *tree, struct db *index,
                                    const struct cache_tree_entry *entry, uint64_t parent)
{
    struct cache_inode inode = {.parent = parent, .kind = CACHE_DIRECTORY};
    enum cache_error error =
        db_run(index, INDEX_MAILBOX_INSERT,
               DB_VALUES(DB_TEXT(entry->name), DB_INT(entry->delimiter), DB_INT(entry->role),
                         DB_INT(entry->selectable), DB_INT(entry->subscribed)));
    int64_t mailbox = db_inserted(index);
    if (error == CACHE_OK)
        error = free_name(tree, index, parent, entry->shown, inode.name);
    if (error == CACHE_OK) /* its times are set by directory_count below, as for any change */
        error = db_run(index, INDEX_INODE_INSERT,
                       DB_VALUES(DB_INT(parent), DB_INT(CACHE_DIRECTORY), DB_INT(mailbox),
                                 DB_INT(0), DB_INT(0), DB_INT(0), DB_INT(0), DB_TEXT(inode.name)));
    inode.ino = (uint64_t)db_inserted(index);
    if (error == CACHE_OK)
        error = db_run(index, INDEX_MAILBOX_INO, DB_VALUES(DB_INT(mailbox), DB_INT(inode.ino)));
    if (error == CACHE_OK)
        error = directory_count(index, inode.ino, 0, 0, clock_wall());
    if (error == CACHE_OK)
        error = directory_count(index, parent, 1, 0, clock_wall());
    return error != CACHE_OK ? error : changes_add_new(&tree->changes, &inode);
}

/* The server reports a mailbox at another level than before (another delimiter, say). */
enum cache_error tree_move_directory(struct tree_job *tree, struct db *index,
                                     const struct cache_inode *inode, const char *shown,
                                     uint64_t parent)
{
    struct cache_inode moved = *inode;
    moved.parent = parent;
    enum cache_error error = free_name(tree, index, parent, shown, moved.name);
    if (error == CACHE_OK)
        error = db_run(index, INDEX_INODE_MOVE,
                       DB_VALUES(DB_INT(inode->ino), DB_INT(parent), DB_TEXT(moved.name)));
    if (error == CACHE_OK)
        error = directory_count(index, inode->parent, -1, 0, clock_wall());
    if (error == CACHE_OK)
        error = directory_count(index, parent, 1, 0, clock_wall());
    if (error == CACHE_OK)
        error = changes_add(&tree->changes, inode, true);
    return error != CACHE_OK ? error : changes_add_new(&tree->changes, &moved);
}

static enum cache_error keep_directory(struct tree_job *tree, struct writer *writer,
                                       struct db *index, const struct cache_tree_entry *entry,
                                       const struct cache_mailbox *row, uint64_t parent)
{
    struct cache_inode inode;
    enum cache_error error =
        db_run(index, INDEX_MAILBOX_TRAITS,
               DB_VALUES(DB_INT(row->id), DB_INT(entry->delimiter), DB_INT(entry->role),
                         DB_INT(entry->selectable), DB_INT(entry->subscribed)));
    /* DELETE of a mailbox that has children leaves a \Noselect one without messages (RFC 3501
     * 6.3.4). */
    if (error == CACHE_OK && row->selectable && !entry->selectable)
        error = tree_empty_mailbox(writer, index, row->id, &tree->changes);
    if (error == CACHE_OK)
        error = inode_query(index, INDEX_INODE_GET, DB_VALUES(DB_INT(row->ino)), &inode);
    if (error == CACHE_OK && inode.parent != parent)
        error = tree_move_directory(tree, index, &inode, entry->shown, parent);
    return error;
}

enum cache_error tree_place(struct tree_job *tree, struct writer *writer, struct db *index,
                            const struct cache_tree_entry *entry)
{
    struct cache_mailbox row = {0};
    uint64_t parent = 0;
    enum cache_error error = tree_inode(index, entry->parent, &parent);
    if (error == CACHE_ERR_ABSENT || !name_legal(entry->shown)) {
        log_warn("cache: mailbox \"%s\" has no place in the tree", entry->name);
        return CACHE_OK;
    }
    if (error == CACHE_OK)
        error = mailbox_query(index, INDEX_MAILBOX_FIND, DB_VALUES(DB_TEXT(entry->name)), &row);
    if (error == CACHE_OK)
        error = keep_directory(tree, writer, index, entry, &row, parent);
    else if (error == CACHE_ERR_ABSENT)
        error = add_mailbox(tree, index, entry, parent);
    cache_mailbox_free(&row);
    return error;
}

static enum cache_error run_tree(struct writer *writer, struct job *job)
{
    struct tree_job *tree = (struct tree_job *)job;
    enum cache_error error = CACHE_OK;
    struct db *index = writer_index(writer, &error);
    if (index != NULL)
        error = remove_missing(tree, writer, index);
    for (size_t i = 0; error == CACHE_OK && i < tree->count; i++)
        error = tree_place(tree, writer, index, &tree->entries[i]);
    return error;
}

/* ---- the caller's side ---- */

struct drop_job {
    struct job job;
    int64_t mailbox;
    bool more;
    struct changes changes;
};

static enum cache_error run_drop(struct writer *writer, struct job *job)
{
    struct drop_job *drop = (struct drop_job *)job;
    return removal_some(writer, drop->mailbox, REMOVAL_STEP, &drop->more, &drop->changes);
}

enum cache_error tree_drop_messages(struct cache *cache, int64_t mailbox, cache_change_fn *changed,
                                    void *ctx)
{
    enum cache_error error = CACHE_OK;
    bool more = true;
    while (error == CACHE_OK && more) {
        struct drop_job drop = {.job = {.run = run_drop}, .mailbox = mailbox};
        error = writer_do(&cache->writer, &drop.job);
        changes_tell(&drop.changes, error == CACHE_OK ? changed : NULL, ctx);
        more = drop.more;
    }
    return error;
}

enum cache_error
cache_tree_replace(struct cache *cache, const struct cache_tree_entry *entries, size_t count,
                   void (*shown_ordinal)(const char *shown, unsigned ordinal, char *name),
                   cache_change_fn *changed, void *ctx)
{
    struct tree_job tree = {
        .job = {.run = run_tree},
        .entries = entries,
        .count = count,
        .shown_ordinal = shown_ordinal,
    };
    struct mailbox_list missing = {0};
    struct db *db = pool_borrow(&cache->index_readers);
    enum cache_error error = find_missing(db, entries, count, &missing);
    pool_return(&cache->index_readers, db);
    for (size_t i = 0; error == CACHE_OK && i < missing.count; i++)
        error = tree_drop_messages(cache, missing.list[i].id, changed, ctx);
    free(missing.list);
    if (error == CACHE_OK)
        error = writer_do(&cache->writer, &tree.job);
    changes_tell(&tree.changes, error == CACHE_OK ? changed : NULL, ctx);
    return error;
}
