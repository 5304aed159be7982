/*
 * Messages that a change of ours made: by APPEND and by COPY. Their row may be here already,
 * because a poll was faster or because this is done again; then what it says stands, and only the
 * inode and the name are settled.
 */
#include "cache/arrived.h"

#include <string.h>

#include "base/clock.h"
#include "cache/digest.h"
#include "cache/statements.h"

struct arrived_job {
    struct job job;
    const struct cache_arrival *arrival;
    const struct cache_place *from;        /* COPY */
    const struct cache_new_message *facts; /* APPEND */
    const uint8_t *uploaded;
    uint64_t uploaded_size;
    struct cache_inode inode;
    struct changes changes;
};

/* ---- the row ---- */

static enum cache_error insert_facts(struct arrived_job *job, struct db *index)
{
    const struct cache_place *place = &job->arrival->place;
    const struct cache_new_message *new = job->facts;
    enum cache_error error =
        db_run(index, INDEX_MESSAGE_INSERT,
               DB_VALUES(DB_INT(place->mailbox), DB_INT(place->uid), DB_INT(new->size),
                         DB_INT(new->internaldate), DB_TEXT(new->flags), DB_TEXT(new->subject),
                         DB_TEXT(new->from), DB_TEXT(new->to), DB_TEXT(new->date),
                         DB_TEXT(new->message_id)));
    job->inode.message = db_inserted(index);
    job->inode.size = new->size;
    job->inode.mtime = new->internaldate;
    return error != CACHE_OK
               ? error
               : db_run(index, INDEX_MESSAGE_PROVISIONAL, DB_VALUES(DB_INT(job->inode.message)));
}

static enum cache_error insert_copy(struct arrived_job *job, struct db *index)
{
    const struct cache_place *place = &job->arrival->place;
    struct cache_inode source;
    enum cache_error error = place_find(index, job->from, &source);
    if (error == CACHE_OK)
        error =
            db_run(index, INDEX_MESSAGE_COPY,
                   DB_VALUES(DB_INT(source.message), DB_INT(place->mailbox), DB_INT(place->uid)));
    job->inode.message = db_inserted(index);
    job->inode.size = source.size;
    job->inode.mtime = source.mtime;
    return error;
}

/* Only what the user wrote is known here; a row that a poll made learns it too. */
static enum cache_error note_upload(struct arrived_job *job, struct db *index)
{
    if (job->uploaded == NULL)
        return CACHE_OK;
    return db_run(index, INDEX_MESSAGE_UPLOADED,
                  DB_VALUES(DB_INT(job->inode.message), DB_BLOB(job->uploaded, DIGEST_SIZE),
                            DB_INT(job->uploaded_size)));
}

/* ---- the inode ---- */

static enum cache_error new_inode(struct arrived_job *job, struct db *index, const char *name)
{
    const struct cache_inode *to = &job->inode;
    enum cache_error error =
        db_run(index, INDEX_INODE_INSERT,
               DB_VALUES(DB_INT(to->parent), DB_INT(CACHE_MESSAGE), DB_INT(to->mailbox),
                         DB_INT(to->message), DB_INT(to->uid), DB_INT(to->size), DB_INT(to->mtime),
                         DB_TEXT(name)));
    if (error == CACHE_OK && db_changes(index) == 0)
        error = CACHE_ERR_IO;
    job->inode.ino = (uint64_t)db_inserted(index);
    return error;
}

static enum cache_error drop_inode(struct arrived_job *job, struct db *index,
                                   const struct cache_inode *inode)
{
    struct tally tally = {0};
    enum cache_error error = db_run(index, INDEX_INODE_DELETE, DB_VALUES(DB_INT(inode->ino)));
    if (error == CACHE_OK)
        error = tally_add(index, &tally, inode, -1);
    if (error == CACHE_OK && !inode->hidden)
        error = changes_add(&job->changes, inode, true);
    return error == CACHE_OK ? tally_end(index, &tally) : error;
}

/* The staged inode, where it is still one: a restart takes them away, and doing this again finds
 * that it is the message's already. */
static enum cache_error find_staged(struct arrived_job *job, struct db *index,
                                    struct cache_inode *staged, bool *found)
{
    *found = false;
    if (job->arrival->staged == 0)
        return CACHE_OK;
    enum cache_error error =
        inode_query(index, INDEX_INODE_GET, DB_VALUES(DB_INT(job->arrival->staged)), staged);
    *found = error == CACHE_OK && staged->kind == CACHE_STAGED;
    return error == CACHE_ERR_ABSENT ? CACHE_OK : error;
}

static enum cache_error become_message(struct arrived_job *job, struct db *index, uint64_t ino)
{
    job->inode.ino = ino;
    return db_run(index, INDEX_INODE_BECOME,
                  DB_VALUES(DB_INT(ino), DB_INT(job->inode.mailbox), DB_INT(job->inode.message),
                            DB_INT(job->inode.uid), DB_INT(job->inode.size),
                            DB_INT(job->inode.size_exact), DB_INT(job->inode.mtime)));
}

/* Finds its name and shows it. `was` is how it stood before; NULL: it is new. */
static enum cache_error settle(struct arrived_job *job, struct db *index,
                               const struct cache_inode *was)
{
    const struct cache_arrival *arrival = job->arrival;
    struct cache_inode to = job->inode;
    const struct naming naming = {.directory = to.parent,
                                  .self = was != NULL ? was->ino : 0,
                                  .uid = to.uid,
                                  .wanted = arrival->name != NULL ? arrival->name : was->name,
                                  .replace = arrival->replace};
    to.kind = CACHE_MESSAGE;
    to.hidden = to.pending = false;
    to.alias = true;
    enum cache_error error = placement_name(index, &naming, &job->changes, to.name);
    if (error == CACHE_OK && was == NULL) {
        error = new_inode(job, index, to.name);
        to.ino = job->inode.ino;
    }
    struct cache_inode from = was != NULL ? *was : to;
    from.hidden = from.hidden || was == NULL;
    return error == CACHE_OK ? placement_show(index, &from, &to, &job->changes) : error;
}

/* ---- both ---- */

/* It is here: by a poll, which gave it a name of its own, or by us, once before. */
static enum cache_error known_already(struct arrived_job *job, struct db *index,
                                      const struct cache_inode *here)
{
    struct cache_inode staged;
    bool found = false;
    uint64_t directory = job->inode.parent;
    enum cache_error error = find_staged(job, index, &staged, &found);
    job->inode = *here;
    if (error != CACHE_OK || (!found && (here->alias || job->arrival->name == NULL)))
        return error;
    job->inode.parent = directory;
    if (!found)
        return settle(job, index, here);
    error = drop_inode(job, index, here);
    if (error == CACHE_OK)
        error = become_message(job, index, staged.ino);
    return error == CACHE_OK ? settle(job, index, &staged) : error;
}

static enum cache_error new_here(struct arrived_job *job, struct db *index)
{
    struct cache_inode staged;
    bool found = false;
    enum cache_error error = find_staged(job, index, &staged, &found);
    if (error == CACHE_OK && !found && job->arrival->name == NULL)
        error = CACHE_ERR_STATE;
    if (error != CACHE_OK)
        return error;
    job->inode.mailbox = job->arrival->place.mailbox;
    job->inode.uid = job->arrival->place.uid;
    error = job->from != NULL ? insert_copy(job, index) : insert_facts(job, index);
    if (error == CACHE_OK && found)
        error = become_message(job, index, staged.ino);
    return error == CACHE_OK ? settle(job, index, found ? &staged : NULL) : error;
}

static enum cache_error run_arrived(struct writer *writer, struct job *todo)
{
    struct arrived_job *job = (struct arrived_job *)todo;
    enum cache_error error = CACHE_OK;
    struct cache_inode here;
    struct db *index = writer_index(writer, &error);
    if (index != NULL)
        error = place_enter(index, &job->arrival->place, &job->inode.parent);
    if (error == CACHE_OK)
        error = place_find(index, &job->arrival->place, &here);
    else
        return error;
    if (error == CACHE_OK)
        error = known_already(job, index, &here);
    else if (error == CACHE_ERR_ABSENT)
        error = new_here(job, index);
    if (error == CACHE_OK)
        error = note_upload(job, index);
    return error == CACHE_OK
               ? inode_query(index, INDEX_INODE_GET, DB_VALUES(DB_INT(job->inode.ino)), &job->inode)
               : error;
}

static enum cache_error arrive(struct cache *cache, struct arrived_job *job,
                               struct cache_inode *inode, cache_change_fn *changed, void *ctx)
{
    enum cache_error error = writer_do(&cache->writer, &job->job);
    if (error == CACHE_OK && inode != NULL)
        *inode = job->inode;
    changes_tell(&job->changes, error == CACHE_OK ? changed : NULL, ctx);
    return error;
}

enum cache_error cache_message_appended(struct cache *cache, const struct cache_arrival *arrival,
                                        const struct cache_new_message *facts,
                                        const uint8_t *uploaded, uint64_t uploaded_size,
                                        struct cache_inode *inode, cache_change_fn *changed,
                                        void *ctx)
{
    struct arrived_job job = {
        .job = {.run = run_arrived, .urgent = true},
        .arrival = arrival,
        .facts = facts,
        .uploaded = uploaded,
        .uploaded_size = uploaded_size,
    };
    return arrive(cache, &job, inode, changed, ctx);
}

enum cache_error cache_message_copied(struct cache *cache, const struct cache_place *from,
                                      const struct cache_arrival *arrival,
                                      struct cache_inode *inode, cache_change_fn *changed,
                                      void *ctx)
{
    struct arrived_job job = {
        .job = {.run = run_arrived, .urgent = true},
        .arrival = arrival,
        .from = from,
    };
    return arrive(cache, &job, inode, changed, ctx);
}
