/*
 * Names and places of inodes while changes are under way (outcomes.h).
 *
 * The index of names leaves hidden inodes out, so a hidden message keeps the name that it comes
 * back under, and another may have it meanwhile.
 */
#include "cache/placement.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "cache/outcomes.h"
#include "cache/statements.h"

enum { PLACEMENT_TRIES = 1000 };

/* ---- counts ---- */

enum cache_error tally_end(struct db *index, struct tally *tally)
{
    enum cache_error error = CACHE_OK;
    if (tally->messages != 0)
        error = directory_count(index, tally->parent, 0, tally->messages, clock_wall());
    *tally = (struct tally){0};
    return error;
}

enum cache_error tally_add(struct db *index, struct tally *tally, const struct cache_inode *inode,
                           int64_t by)
{
    enum cache_error error = CACHE_OK;
    if (inode->hidden)
        return CACHE_OK;
    if (inode->parent != tally->parent)
        error = tally_end(index, tally);
    tally->parent = inode->parent;
    tally->messages += by;
    return error;
}

/* Staged files are not counted, but the directory changes with them. */
static enum cache_error count_entry(struct db *index, const struct cache_inode *inode, int64_t by)
{
    if (inode->hidden)
        return CACHE_OK;
    return directory_count(index, inode->parent, 0, inode->kind == CACHE_MESSAGE ? by : 0,
                           clock_wall());
}

/* ---- hiding and showing ---- */

static enum cache_error hide(struct db *index, const struct cache_inode *inode, bool pending,
                             struct changes *changes)
{
    enum cache_error error =
        db_run(index, INDEX_INODE_HIDE, DB_VALUES(DB_INT(inode->ino), DB_INT(pending)));
    if (error != CACHE_OK || inode->hidden)
        return error;
    error = count_entry(index, inode, -1);
    return error != CACHE_OK ? error : changes_add(changes, inode, true);
}

enum cache_error placement_show(struct db *index, const struct cache_inode *inode,
                                const struct cache_inode *to, struct changes *changes)
{
    bool stays =
        !inode->hidden && inode->parent == to->parent && strcmp(inode->name, to->name) == 0;
    enum cache_error error =
        db_run(index, INDEX_INODE_SHOW,
               DB_VALUES(DB_INT(inode->ino), DB_INT(to->parent), DB_TEXT(to->name),
                         DB_INT(to->pending), DB_INT(to->alias), DB_INT(clock_wall())));
    if (error == CACHE_OK && !inode->hidden && !stays)
        error = changes_add(changes, inode, true);
    if (error == CACHE_OK)
        error = changes_add(changes, to, false);
    if (error != CACHE_OK || (stays && inode->kind == to->kind))
        return error;
    error = count_entry(index, inode, -1);
    return error == CACHE_OK ? count_entry(index, to, 1) : error;
}

/* ---- names ---- */

static enum cache_error make_way(struct db *index, const struct cache_inode *other,
                                 struct changes *changes)
{
    if (other->kind == CACHE_STAGED)
        return staged_erase(index, other, changes);
    return hide(index, other, true, changes);
}

enum cache_error placement_name(struct db *index, const struct naming *naming,
                                struct changes *changes, char name[CACHE_NAME_MAX + 1])
{
    if (!name_legal(naming->wanted))
        return CACHE_ERR_STATE;
    memcpy(name, naming->wanted, strlen(naming->wanted) + 1);
    for (unsigned try = 1; try < PLACEMENT_TRIES; try++) {
        struct cache_inode other;
        enum cache_error error = inode_query(
            index, INDEX_INODE_LOOKUP, DB_VALUES(DB_INT(naming->directory), DB_TEXT(name)), &other);
        if (error == CACHE_ERR_ABSENT || (error == CACHE_OK && other.ino == naming->self))
            return CACHE_OK;
        if (error != CACHE_OK)
            return error;
        if (naming->replace && other.kind != CACHE_DIRECTORY && try == 1)
            return make_way(index, &other, changes);
        if (naming->exact)
            return CACHE_ERR_EXISTS;
        name_numbered(name, naming->wanted, naming->uid, try);
    }
    return CACHE_ERR_IO;
}

/* Back to where its mailbox is. */
static enum cache_error show_at_home(struct db *index, const struct cache_inode *inode,
                                     struct changes *changes)
{
    struct cache_mailbox mailbox;
    struct cache_inode home = *inode;
    enum cache_error error =
        mailbox_query(index, INDEX_MAILBOX_GET, DB_VALUES(DB_INT(inode->mailbox)), &mailbox);
    if (error != CACHE_OK)
        return error;
    home.parent = mailbox.ino;
    home.hidden = home.pending = false;
    cache_mailbox_free(&mailbox);
    const struct naming naming = {
        .directory = home.parent, .self = inode->ino, .uid = inode->uid, .wanted = inode->name};
    error = placement_name(index, &naming, changes, home.name);
    return error != CACHE_OK ? error : placement_show(index, inode, &home, changes);
}

/* ---- cache_inode_rename ---- */

struct rename_job {
    struct job job;
    uint64_t ino, parent;
    const char *name;
    bool replace;
    /* Of cache_staged_place: */
    uint64_t size;
    int64_t mtime;
    struct cache_inode inode;
    struct changes changes;
};

/* A staged file has no mailbox, and is at home everywhere. */
static enum cache_error is_pending(struct db *index, const struct cache_inode *inode,
                                   uint64_t parent, bool *pending)
{
    struct cache_inode directory;
    enum cache_error error =
        inode_query(index, INDEX_INODE_GET, DB_VALUES(DB_INT(parent)), &directory);
    if (error == CACHE_OK && directory.kind != CACHE_DIRECTORY)
        error = CACHE_ERR_STATE;
    *pending =
        error == CACHE_OK && inode->kind == CACHE_MESSAGE && directory.mailbox != inode->mailbox;
    return error;
}

static enum cache_error rename_inode(struct db *index, struct rename_job *rename)
{
    struct cache_inode inode = {0}, to;
    enum cache_error error =
        inode_query(index, INDEX_INODE_GET, DB_VALUES(DB_INT(rename->ino)), &inode);
    if (error == CACHE_OK && inode.kind == CACHE_DIRECTORY)
        error = CACHE_ERR_STATE;
    to = inode;
    to.parent = rename->parent;
    to.hidden = false;
    to.alias = true;
    if (error == CACHE_OK)
        error = is_pending(index, &inode, rename->parent, &to.pending);
    const struct naming naming = {.directory = rename->parent,
                                  .self = rename->ino,
                                  .wanted = rename->name,
                                  .replace = rename->replace,
                                  .exact = true};
    if (error == CACHE_OK)
        error = placement_name(index, &naming, &rename->changes, to.name);
    bool alias = inode.alias || inode.kind == CACHE_STAGED; /* what the message of it is called */
    bool same = error == CACHE_OK && !inode.hidden && alias && inode.pending == to.pending &&
                inode.parent == to.parent && strcmp(inode.name, to.name) == 0;
    return error != CACHE_OK || same ? error : placement_show(index, &inode, &to, &rename->changes);
}

static enum cache_error run_rename(struct writer *writer, struct job *job)
{
    enum cache_error error = CACHE_OK;
    struct db *index = writer_index(writer, &error);
    return index != NULL ? rename_inode(index, (struct rename_job *)job) : error;
}

static enum cache_error run_place(struct writer *writer, struct job *job)
{
    struct rename_job *place = (struct rename_job *)job;
    enum cache_error error = CACHE_OK;
    struct db *index = writer_index(writer, &error);
    if (index != NULL)
        error = rename_inode(index, place);
    if (error == CACHE_ERR_EXISTS || error == CACHE_ERR_STATE) /* it stays where it is */
        error = CACHE_OK;
    if (error == CACHE_OK)
        error = db_run(index, INDEX_INODE_STAGED_NOTE,
                       DB_VALUES(DB_INT(place->ino), DB_INT(place->size), DB_INT(place->mtime),
                                 DB_INT(clock_wall())));
    return error != CACHE_OK
               ? error
               : inode_query(index, INDEX_INODE_GET, DB_VALUES(DB_INT(place->ino)), &place->inode);
}

enum cache_error cache_staged_place(struct cache *cache, const struct cache_staged_stand *stand,
                                    struct cache_inode *inode, cache_change_fn *changed, void *ctx)
{
    struct rename_job place = {
        .job = {.run = run_place, .urgent = true},
        .ino = stand->ino,
        .parent = stand->parent,
        .name = stand->name,
        .replace = stand->replace,
        .size = stand->size,
        .mtime = stand->mtime,
    };
    enum cache_error error = writer_do(&cache->writer, &place.job);
    changes_tell(&place.changes, error == CACHE_OK ? changed : NULL, ctx);
    *inode = error == CACHE_OK ? place.inode : (struct cache_inode){0};
    return error;
}

enum cache_error cache_inode_rename(struct cache *cache, uint64_t ino, uint64_t parent,
                                    const char *name, bool replace, cache_change_fn *changed,
                                    void *ctx)
{
    struct rename_job rename = {
        .job = {.run = run_rename, .urgent = true},
        .ino = ino,
        .parent = parent,
        .name = name,
        .replace = replace,
    };
    enum cache_error error = writer_do(&cache->writer, &rename.job);
    changes_tell(&rename.changes, error == CACHE_OK ? changed : NULL, ctx);
    return error;
}

/* ---- cache_messages_hide, cache_messages_show ---- */

struct hide_job {
    struct job job;
    int64_t mailbox;
    uint32_t uidvalidity;
    const uint32_t *uids;
    size_t count;
    bool show, for_good;
    struct changes changes;
};

static enum cache_error hide_or_show(struct db *index, struct hide_job *job, uint32_t uid)
{
    struct cache_inode inode;
    enum cache_error error = inode_query(index, INDEX_INODE_OF_UID,
                                         DB_VALUES(DB_INT(job->mailbox), DB_INT(uid)), &inode);
    if (error != CACHE_OK)
        return error == CACHE_ERR_ABSENT ? CACHE_OK : error;
    if (!job->show)
        return hide(index, &inode, !job->for_good, &job->changes);
    return inode.hidden || inode.pending ? show_at_home(index, &inode, &job->changes) : CACHE_OK;
}

static enum cache_error run_hide(struct writer *writer, struct job *job)
{
    struct hide_job *todo = (struct hide_job *)job;
    enum cache_error error = CACHE_OK;
    struct db *index = writer_index(writer, &error);
    if (index != NULL)
        error = mailbox_check(index, todo->mailbox, todo->uidvalidity);
    for (size_t i = 0; error == CACHE_OK && i < todo->count; i++)
        error = hide_or_show(index, todo, todo->uids[i]);
    return error;
}

static enum cache_error in_steps(struct cache *cache, const struct hide_job *all,
                                 cache_change_fn *changed, void *ctx)
{
    enum cache_error error = CACHE_OK;
    for (size_t done = 0; error == CACHE_OK && done < all->count; done += REMOVAL_STEP) {
        struct hide_job step = *all;
        step.job = (struct job){.run = run_hide, .urgent = true};
        step.uids += done;
        step.count = all->count - done < REMOVAL_STEP ? all->count - done : REMOVAL_STEP;
        error = writer_do(&cache->writer, &step.job);
        changes_tell(&step.changes, error == CACHE_OK ? changed : NULL, ctx);
    }
    return error;
}

enum cache_error cache_messages_hide(struct cache *cache, int64_t mailbox, uint32_t uidvalidity,
                                     const uint32_t *uids, size_t count, bool for_good,
                                     cache_change_fn *changed, void *ctx)
{
    const struct hide_job all = {.mailbox = mailbox,
                                 .uidvalidity = uidvalidity,
                                 .uids = uids,
                                 .count = count,
                                 .for_good = for_good};
    return in_steps(cache, &all, changed, ctx);
}

enum cache_error cache_messages_show(struct cache *cache, int64_t mailbox, uint32_t uidvalidity,
                                     const uint32_t *uids, size_t count, cache_change_fn *changed,
                                     void *ctx)
{
    const struct hide_job all = {
        .mailbox = mailbox, .uidvalidity = uidvalidity, .uids = uids, .count = count, .show = true};
    return in_steps(cache, &all, changed, ctx);
}

/* ---- at open ---- */

static enum cache_error restore(struct writer *writer, bool staged)
{
    enum cache_error error = CACHE_OK;
    struct changes unheard = {0};
    struct db *index = writer_index(writer, &error);
    if (error == CACHE_OK && staged)
        error = db_run(index, INDEX_INODE_STAGED_CLEAR, NULL, 0);
    while (error == CACHE_OK) {
        struct cache_inode inode;
        error = inode_query(index, INDEX_INODE_PENDING, NULL, 0, &inode);
        if (error == CACHE_OK)
            error = show_at_home(index, &inode, &unheard);
        changes_free(&unheard);
    }
    return writer_settle(writer, error == CACHE_ERR_ABSENT ? CACHE_OK : error);
}

/* Writes only what has to change: a full disk does not keep a cache from being read. */
enum cache_error placement_reset(struct writer *writer)
{
    struct cache_inode inode;
    struct db *index = &writer->index.db;
    enum db_step staged = db_query(index, INDEX_INODE_STAGED, NULL, 0);
    db_end(index, INDEX_INODE_STAGED);
    if (staged == DB_FAILED)
        return db_error(index);
    enum cache_error error = inode_query(index, INDEX_INODE_PENDING, NULL, 0, &inode);
    if (error == CACHE_ERR_ABSENT && staged == DB_DONE)
        return CACHE_OK;
    return error == CACHE_OK || error == CACHE_ERR_ABSENT ? restore(writer, staged == DB_ROW)
                                                          : error;
}
