/* Message rows: reading them, and their flags. Arrivals are in arrivals.c, departures in removal.c.
 * See cache.h. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cache/internal.h"
#include "cache/statements.h"

void cache_message_free(struct cache_message *message)
{
    char **const texts[] = {&message->flags, &message->subject, &message->from,
                            &message->to,    &message->date,    &message->message_id};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        free(*texts[i]);
        *texts[i] = NULL;
    }
}

/* The texts stand in columns 5 to 10, in the order of the struct. */
static enum cache_error message_from_row(const struct db *db, struct cache_message *message)
{
    *message = (struct cache_message){
        .id = db_int(db, INDEX_MESSAGE_GET, 0),
        .mailbox = db_int(db, INDEX_MESSAGE_GET, 1),
        .uid = (uint32_t)db_int(db, INDEX_MESSAGE_GET, 2),
        .size = (uint64_t)db_int(db, INDEX_MESSAGE_GET, 3),
        .internaldate = db_int(db, INDEX_MESSAGE_GET, 4),
    };
    char **const texts[] = {&message->flags, &message->subject, &message->from,
                            &message->to,    &message->date,    &message->message_id};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        *texts[i] = strdup(db_text(db, INDEX_MESSAGE_GET, 5 + (int)i));
        if (*texts[i] == NULL) {
            cache_message_free(message);
            return CACHE_ERR_MEMORY;
        }
    }
    return CACHE_OK;
}

enum cache_error cache_message_get(struct cache *cache, int64_t id, struct cache_message *message)
{
    enum cache_error error = CACHE_OK;
    *message = (struct cache_message){0};
    struct db *db = pool_borrow(&cache->index_readers);
    enum db_step step = db_query(db, INDEX_MESSAGE_GET, DB_VALUES(DB_INT(id)));
    if (step == DB_ROW) {
        error = message_from_row(db, message);
        db_end(db, INDEX_MESSAGE_GET);
    } else {
        error = step == DB_DONE ? CACHE_ERR_ABSENT : db_error(db);
    }
    pool_return(&cache->index_readers, db);
    return error;
}

enum cache_error cache_message_unseen(struct cache *cache, int64_t mailbox, uint64_t *unseen)
{
    struct db *db = pool_borrow(&cache->index_readers);
    enum db_step step = db_query(db, INDEX_MESSAGE_UNSEEN, DB_VALUES(DB_INT(mailbox)));
    enum cache_error error = step == DB_ROW ? CACHE_OK : db_error(db);
    *unseen = step == DB_ROW ? (uint64_t)db_int(db, INDEX_MESSAGE_UNSEEN, 0) : 0;
    if (step == DB_ROW)
        db_end(db, INDEX_MESSAGE_UNSEEN);
    pool_return(&cache->index_readers, db);
    return error;
}

enum cache_error cache_message_uids(struct cache *cache, int64_t mailbox, uint32_t after,
                                    uint32_t *uids, size_t max, size_t *count)
{
    enum cache_error error = CACHE_OK;
    struct db *db = pool_borrow(&cache->index_readers);
    *count = 0;
    enum db_step step =
        db_query(db, INDEX_MESSAGE_UIDS, DB_VALUES(DB_INT(mailbox), DB_INT(after), DB_INT(max)));
    while (step == DB_ROW && *count < max) {
        uids[(*count)++] = (uint32_t)db_int(db, INDEX_MESSAGE_UIDS, 0);
        step = db_next(db, INDEX_MESSAGE_UIDS);
    }
    if (step == DB_FAILED)
        error = db_error(db);
    db_end(db, INDEX_MESSAGE_UIDS);
    pool_return(&cache->index_readers, db);
    return error;
}

/* ---- cache_messages_flags ---- */

struct flags_job {
    struct job job;
    int64_t mailbox;
    uint32_t uidvalidity;
    const struct cache_new_flags *flags;
    size_t count;
    struct cache_new_flags *asked; /* the same; NULL: all of them count */
    cache_flags_still_fn *still;
    void *still_ctx;
    struct changes changes;
};

enum cache_error message_set_flags(struct db *index, int64_t mailbox,
                                   const struct cache_new_flags *flags, struct changes *changes)
{
    enum cache_error error = db_run(index, INDEX_MESSAGE_FLAGS,
                                    DB_VALUES(DB_INT(mailbox), DB_INT(flags->uid),
                                              DB_TEXT(flags->flags), DB_INT(flags->modseq)));
    if (error != CACHE_OK || db_changes(index) == 0)
        return error; /* unknown, or the same as before */
    struct cache_inode inode;
    error = inode_query(index, INDEX_INODE_OF_UID, DB_VALUES(DB_INT(mailbox), DB_INT(flags->uid)),
                        &inode);
    if (error != CACHE_OK)
        return error == CACHE_ERR_ABSENT ? CACHE_OK : error;
    error = db_run(index, INDEX_INODE_CTIME, DB_VALUES(DB_INT(inode.ino), DB_INT(clock_wall())));
    return error != CACHE_OK || inode.hidden ? error : changes_add(changes, &inode, false);
}

static enum cache_error run_flags(struct writer *writer, struct job *job)
{
    struct flags_job *flags = (struct flags_job *)job;
    enum cache_error error = CACHE_OK;
    struct db *index = writer_index(writer, &error);
    if (index != NULL)
        error = mailbox_check(index, flags->mailbox, flags->uidvalidity);
    if (flags->asked != NULL)
        flags->count = flags->still(flags->still_ctx, flags->asked, flags->count);
    for (size_t i = 0; error == CACHE_OK && i < flags->count; i++)
        error = message_set_flags(index, flags->mailbox, &flags->flags[i], &flags->changes);
    return error;
}

/* `like` but for what is of one step. */
static enum cache_error set_flags(struct cache *cache, const struct flags_job *like,
                                  cache_change_fn *changed, void *ctx)
{
    enum cache_error error = CACHE_OK;
    for (size_t done = 0; error == CACHE_OK && done < like->count; done += REMOVAL_STEP) {
        struct flags_job job = *like;
        job.job = (struct job){.run = run_flags};
        job.flags += done;
        job.asked += job.asked != NULL ? done : 0;
        job.count = like->count - done < REMOVAL_STEP ? like->count - done : REMOVAL_STEP;
        error = writer_do(&cache->writer, &job.job);
        changes_tell(&job.changes, error == CACHE_OK ? changed : NULL, ctx);
    }
    return error;
}

enum cache_error cache_messages_flags(struct cache *cache, int64_t mailbox, uint32_t uidvalidity,
                                      const struct cache_new_flags *flags, size_t count,
                                      cache_change_fn *changed, void *ctx)
{
    const struct flags_job like = {
        .mailbox = mailbox, .uidvalidity = uidvalidity, .flags = flags, .count = count};
    return set_flags(cache, &like, changed, ctx);
}

enum cache_error cache_messages_flags_if(struct cache *cache, int64_t mailbox, uint32_t uidvalidity,
                                         struct cache_new_flags *flags, size_t count,
                                         cache_flags_still_fn *still, void *still_ctx,
                                         cache_change_fn *changed, void *ctx)
{
    const struct flags_job like = {.mailbox = mailbox,
                                   .uidvalidity = uidvalidity,
                                   .flags = flags,
                                   .count = count,
                                   .asked = flags,
                                   .still = still,
                                   .still_ctx = still_ctx};
    return set_flags(cache, &like, changed, ctx);
}
