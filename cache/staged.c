/* Staged files: inodes without a message. See outcomes.h. */
#include <string.h>

#include "base/clock.h"
#include "cache/outcomes.h"
#include "cache/placement.h"
#include "cache/statements.h"

struct staged_job {
    struct job job;
    uint64_t parent, ino, size;
    int64_t mtime;
    const char *name;
    bool visible;
    struct changes changes;
};

static enum cache_error in_directory(struct db *index, uint64_t parent)
{
    struct cache_inode directory;
    enum cache_error error =
        inode_query(index, INDEX_INODE_GET, DB_VALUES(DB_INT(parent)), &directory);
    return error == CACHE_OK && directory.kind != CACHE_DIRECTORY ? CACHE_ERR_STATE : error;
}

static enum cache_error run_create(struct writer *writer, struct job *job)
{
    struct staged_job *staged = (struct staged_job *)job;
    enum cache_error error = CACHE_OK;
    struct cache_inode inode = {.parent = staged->parent};
    struct db *index = writer_index(writer, &error);
    if (index != NULL)
        error = in_directory(index, staged->parent);
    if (error == CACHE_OK)
        error = db_run(index, INDEX_INODE_STAGE,
                       DB_VALUES(DB_INT(staged->parent), DB_TEXT(staged->name),
                                 DB_INT(clock_wall()), DB_INT(!staged->visible)));
    if (error == CACHE_OK && db_changes(index) == 0)
        error = CACHE_ERR_EXISTS;
    if (error != CACHE_OK)
        return error;
    inode.ino = staged->ino = (uint64_t)db_inserted(index);
    memcpy(inode.name, staged->name, strlen(staged->name) + 1);
    if (staged->visible)
        error = directory_count(index, staged->parent, 0, 0, clock_wall());
    return error == CACHE_OK && staged->visible ? changes_add(&staged->changes, &inode, false)
                                                : error;
}

enum cache_error cache_staged_create(struct cache *cache, uint64_t parent, const char *name,
                                     bool visible, uint64_t *ino, cache_change_fn *changed,
                                     void *ctx)
{
    struct staged_job staged = {
        .job = {.run = run_create, .urgent = true},
        .parent = parent,
        .name = name,
        .visible = visible
    };
    if (!name_legal(name))
        return CACHE_ERR_STATE;
    enum cache_error error = writer_do(&cache->writer, &staged.job);
    *ino = error == CACHE_OK ? staged.ino : 0;
    changes_tell(&staged.changes, error == CACHE_OK ? changed : NULL, ctx);
    return error;
}

static enum cache_error run_note(struct writer *writer, struct job *job)
{
    struct staged_job *staged = (struct staged_job *)job;
    enum cache_error error = CACHE_OK;
    struct db *index = writer_index(writer, &error);
    if (index != NULL)
        error = db_run(index, INDEX_INODE_STAGED_NOTE,
                       DB_VALUES(DB_INT(staged->ino), DB_INT(staged->size), DB_INT(staged->mtime),
                                 DB_INT(clock_wall())));
    return error == CACHE_OK && db_changes(index) == 0 ? CACHE_ERR_ABSENT : error;
}

enum cache_error cache_staged_note(struct cache *cache, uint64_t ino, uint64_t size, int64_t mtime)
{
    struct staged_job staged = {
        .job = {.run = run_note, .urgent = true},
          .ino = ino, .size = size, .mtime = mtime
    };
    return writer_do(&cache->writer, &staged.job);
}

enum cache_error staged_erase(struct db *index, const struct cache_inode *inode,
                              struct changes *changes)
{
    enum cache_error error = db_run(index, INDEX_INODE_DELETE, DB_VALUES(DB_INT(inode->ino)));
    if (error != CACHE_OK || inode->hidden)
        return error;
    error = directory_count(index, inode->parent, 0, 0, clock_wall());
    return error != CACHE_OK ? error : changes_add(changes, inode, true);
}

static enum cache_error run_remove(struct writer *writer, struct job *job)
{
    struct staged_job *staged = (struct staged_job *)job;
    enum cache_error error = CACHE_OK;
    struct cache_inode inode = {0};
    struct db *index = writer_index(writer, &error);
    if (index != NULL)
        error = inode_query(index, INDEX_INODE_GET, DB_VALUES(DB_INT(staged->ino)), &inode);
    if (error == CACHE_ERR_ABSENT)
        return CACHE_OK;
    if (error == CACHE_OK && inode.kind != CACHE_STAGED)
        error = CACHE_ERR_STATE;
    return error != CACHE_OK ? error : staged_erase(index, &inode, &staged->changes);
}

enum cache_error cache_staged_remove(struct cache *cache, uint64_t ino, cache_change_fn *changed,
                                     void *ctx)
{
    struct staged_job staged = {
        .job = {.run = run_remove, .urgent = true},
          .ino = ino
    };
    enum cache_error error = writer_do(&cache->writer, &staged.job);
    changes_tell(&staged.changes, error == CACHE_OK ? changed : NULL, ctx);
    return error;
}
