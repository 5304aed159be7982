/* cache_message_moved, cache_message_passed: a message gets another mailbox and UID, and stays what
 * it is here. */
#include <string.h>

#include "base/clock.h"
#include "cache/arrived.h"
#include "cache/statements.h"

struct moved_job {
    struct job job;
    const struct cache_place *from, *to;
    const char *name;
    bool replace;
    bool stays; /* where it is shown, and under which name */
    struct cache_inode inode;
    struct changes changes;
};

enum cache_error place_enter(struct db *index, const struct cache_place *place, uint64_t *directory)
{
    struct cache_mailbox row;
    if (place->uid == 0 || place->uidvalidity == 0)
        return CACHE_ERR_STALE;
    enum cache_error error =
        mailbox_query(index, INDEX_MAILBOX_GET, DB_VALUES(DB_INT(place->mailbox)), &row);
    if (error == CACHE_OK && row.uidvalidity == 0)
        error = db_run(index, INDEX_MAILBOX_ADOPT,
                       DB_VALUES(DB_INT(place->mailbox), DB_INT(place->uidvalidity)));
    else if (error == CACHE_OK && row.uidvalidity != place->uidvalidity)
        error = CACHE_ERR_STALE;
    *directory = row.ino;
    cache_mailbox_free(&row);
    return error;
}

enum cache_error place_find(struct db *index, const struct cache_place *place,
                            struct cache_inode *inode)
{
    enum cache_error error = mailbox_check(index, place->mailbox, place->uidvalidity);
    if (error == CACHE_OK)
        error = inode_query(index, INDEX_INODE_OF_UID,
                            DB_VALUES(DB_INT(place->mailbox), DB_INT(place->uid)), inode);
    return error == CACHE_ERR_STALE ? CACHE_ERR_ABSENT : error;
}

/* A poll has been there first: what the server said of it stays, its inode and body go. */
static enum cache_error absorb(struct moved_job *moved, struct writer *writer, struct db *index,
                               const struct cache_inode *source)
{
    struct cache_inode other;
    struct tally tally = {0};
    enum cache_error error = place_find(index, moved->to, &other);
    if (error == CACHE_OK)
        error = db_run(index, INDEX_MESSAGE_TAKE_FACTS,
                       DB_VALUES(DB_INT(source->message), DB_INT(other.message)));
    if (error == CACHE_OK)
        error = db_run(index, INDEX_INODE_FACTS,
                       DB_VALUES(DB_INT(source->ino), DB_INT(other.size), DB_INT(other.mtime),
                                 DB_INT(clock_wall())));
    if (error == CACHE_OK)
        error = removal_message(writer, index, moved->to->mailbox, moved->to->uid, &moved->changes,
                                &tally);
    return error == CACHE_OK ? tally_end(index, &tally) : error;
}

/* It is shown in its mailbox's directory; or stays where a later change has put it. */
static enum cache_error find_place(struct moved_job *moved, struct db *index,
                                   const struct cache_inode *source, uint64_t directory,
                                   struct cache_inode *to)
{
    const struct naming naming = {.directory = directory,
                                  .self = source->ino,
                                  .uid = moved->to->uid,
                                  .wanted = moved->name != NULL ? moved->name : source->name,
                                  .replace = moved->replace};
    if (moved->stays) {
        to->pending = source->hidden || source->parent != directory;
        return CACHE_OK;
    }
    to->parent = directory;
    to->hidden = to->pending = false;
    to->alias = source->alias || moved->name != NULL;
    return placement_name(index, &naming, &moved->changes, to->name);
}

static enum cache_error move_row(struct moved_job *moved, struct db *index,
                                 const struct cache_inode *source, uint64_t directory, bool merged)
{
    struct cache_inode to = *source;
    enum cache_error error = find_place(moved, index, source, directory, &to);
    to.mailbox = moved->to->mailbox;
    to.uid = moved->to->uid;
    if (error == CACHE_OK)
        error = db_run(index, INDEX_MESSAGE_PLACE,
                       DB_VALUES(DB_INT(source->message), DB_INT(moved->to->mailbox),
                                 DB_INT(moved->to->uid), DB_INT(!merged)));
    if (error == CACHE_OK)
        error = db_run(index, INDEX_INODE_BECOME,
                       DB_VALUES(DB_INT(source->ino), DB_INT(to.mailbox), DB_INT(to.message),
                                 DB_INT(to.uid), DB_INT(to.size), DB_INT(to.size_exact),
                                 DB_INT(to.mtime)));
    if (error == CACHE_OK && !to.hidden)
        error = placement_show(index, source, &to, &moved->changes);
    return error == CACHE_OK
               ? inode_query(index, INDEX_INODE_GET, DB_VALUES(DB_INT(to.ino)), &moved->inode)
               : error;
}

static enum cache_error run_moved(struct writer *writer, struct job *job)
{
    struct moved_job *moved = (struct moved_job *)job;
    enum cache_error error = CACHE_OK;
    struct cache_inode source;
    uint64_t directory = 0;
    struct db *index = writer_index(writer, &error);
    if (index != NULL)
        error = place_enter(index, moved->to, &directory);
    if (error != CACHE_OK)
        return error;
    error = place_find(index, moved->from, &source);
    if (error == CACHE_ERR_ABSENT)
        return place_find(index, moved->to, &moved->inode);
    bool same = moved->from->mailbox == moved->to->mailbox && moved->from->uid == moved->to->uid;
    if (error == CACHE_OK && same)
        return move_row(moved, index, &source, directory, true);
    if (error == CACHE_OK)
        error = absorb(moved, writer, index, &source);
    bool merged = error == CACHE_OK;
    if (merged) /* it knows more now */
        error = place_find(index, moved->from, &source);
    return error == CACHE_OK || error == CACHE_ERR_ABSENT
               ? move_row(moved, index, &source, directory, merged)
               : error;
}

static enum cache_error move(struct cache *cache, const struct moved_job *like,
                             struct cache_inode *inode, cache_change_fn *changed, void *ctx)
{
    struct moved_job moved = *like;
    moved.job = (struct job){.run = run_moved, .urgent = true};
    enum cache_error error = writer_do(&cache->writer, &moved.job);
    if (error == CACHE_OK && inode != NULL)
        *inode = moved.inode;
    changes_tell(&moved.changes, error == CACHE_OK ? changed : NULL, ctx);
    return error;
}

enum cache_error cache_message_moved(struct cache *cache, const struct cache_place *from,
                                     const struct cache_place *to, const char *name, bool replace,
                                     struct cache_inode *inode, cache_change_fn *changed, void *ctx)
{
    const struct moved_job like = {.from = from, .to = to, .name = name, .replace = replace};
    return move(cache, &like, inode, changed, ctx);
}

enum cache_error cache_message_passed(struct cache *cache, const struct cache_place *from,
                                      const struct cache_place *to, struct cache_inode *inode,
                                      cache_change_fn *changed, void *ctx)
{
    const struct moved_job like = {.from = from, .to = to, .stays = true};
    return move(cache, &like, inode, changed, ctx);
}
