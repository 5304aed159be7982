/*
 * How messages leave: one (cache_messages_gone), or all of a mailbox, because its UIDVALIDITY
 * changed or because it went itself. A mailbox may hold a million, so the caller's thread asks for
 * a thousand at a time; at each step the files agree with each other.
 */
#include <stdlib.h>

#include "cache/placement.h"
#include "cache/statements.h"

enum cache_error directory_count(struct db *index, uint64_t ino, int64_t directories,
                                 int64_t messages, int64_t when)
{
    return db_run(index, INDEX_DIRECTORY_COUNT,
                  DB_VALUES(DB_INT(ino), DB_INT(directories), DB_INT(messages), DB_INT(when)));
}

enum cache_error removal_message(struct writer *writer, struct db *index, int64_t mailbox,
                                 uint32_t uid, struct changes *changes, struct tally *tally)
{
    struct cache_inode inode;
    enum cache_error error =
        inode_query(index, INDEX_INODE_OF_UID, DB_VALUES(DB_INT(mailbox), DB_INT(uid)), &inode);
    if (error == CACHE_OK)
        error = db_run(index, INDEX_INODE_DELETE, DB_VALUES(DB_INT(inode.ino)));
    if (error == CACHE_OK)
        error = db_run(index, INDEX_MESSAGE_DELETE, DB_VALUES(DB_INT(inode.message)));
    if (error == CACHE_OK && !inode.hidden)
        error = changes_add(changes, &inode, true);
    if (error == CACHE_OK)
        error = tally_add(index, tally, &inode, -1);
    if (error == CACHE_OK)
        error = stored_forget(writer, inode.message);
    return error;
}

/* The lowest UID of a mailbox; 0 when it has no messages. */
static enum cache_error first_uid(struct db *index, int64_t mailbox, uint32_t *uid)
{
    *uid = 0;
    enum db_step step = db_query(index, INDEX_MESSAGE_FIRST, DB_VALUES(DB_INT(mailbox)));
    if (step == DB_ROW) {
        *uid = (uint32_t)db_int(index, INDEX_MESSAGE_FIRST, 0);
        db_end(index, INDEX_MESSAGE_FIRST);
    }
    return step == DB_FAILED ? db_error(index) : CACHE_OK;
}

enum cache_error removal_some(struct writer *writer, int64_t mailbox, size_t max, bool *more,
                              struct changes *changes)
{
    enum cache_error error = CACHE_OK;
    struct db *index = writer_index(writer, &error);
    struct tally tally = {0};
    size_t removed = 0;
    uint32_t uid = 0;
    if (index != NULL)
        error = first_uid(index, mailbox, &uid);
    while (error == CACHE_OK && uid != 0 && removed < max) {
        error = removal_message(writer, index, mailbox, uid, changes, &tally);
        removed++;
        if (error == CACHE_OK)
            error = first_uid(index, mailbox, &uid);
    }
    if (error == CACHE_OK)
        error = tally_end(index, &tally);
    *more = uid != 0;
    return error;
}

/* ---- cache_messages_gone, cache_messages_renumbered ---- */

struct gone_job {
    struct job job;
    int64_t mailbox;
    uint32_t uidvalidity, after; /* after 0: none of them can have another UID */
    const uint32_t *uids;
    uint32_t *next; /* what has become of each; 0: it is gone */
    size_t count;
    struct changes changes;
};

static enum cache_error run_gone(struct writer *writer, struct job *job)
{
    struct gone_job *gone = (struct gone_job *)job;
    enum cache_error error = CACHE_OK;
    struct db *index = writer_index(writer, &error);
    struct tally tally = {0};
    if (index != NULL)
        error = mailbox_check(index, gone->mailbox, gone->uidvalidity);
    if (error == CACHE_OK && gone->after != 0)
        error =
            renumbered_find(index, gone->mailbox, gone->after, gone->uids, gone->count, gone->next);
    for (size_t i = 0; error == CACHE_OK && i < gone->count; i++) {
        bool passed = false;
        if (gone->after != 0 && gone->next[i] != 0)
            error = renumbered_pass(writer, index, gone->mailbox, gone->uids[i], gone->next[i],
                                    &gone->changes, &tally, &passed);
        if (error == CACHE_OK && !passed)
            error = removal_message(writer, index, gone->mailbox, gone->uids[i], &gone->changes,
                                    &tally);
        error = error == CACHE_ERR_ABSENT ? CACHE_OK : error;
    }
    return error == CACHE_OK ? tally_end(index, &tally) : error;
}

enum cache_error cache_messages_gone(struct cache *cache, int64_t mailbox, uint32_t uidvalidity,
                                     const uint32_t *uids, size_t count, cache_change_fn *changed,
                                     void *ctx)
{
    return cache_messages_renumbered(cache, mailbox, uidvalidity, uids, count, 0, changed, ctx);
}

enum cache_error cache_messages_renumbered(struct cache *cache, int64_t mailbox,
                                           uint32_t uidvalidity, const uint32_t *uids, size_t count,
                                           uint32_t after, cache_change_fn *changed, void *ctx)
{
    enum cache_error error = CACHE_OK;
    uint32_t next[REMOVAL_STEP];
    for (size_t done = 0; error == CACHE_OK && done < count; done += REMOVAL_STEP) {
        struct gone_job gone = {
            .job = {.run = run_gone},
            .mailbox = mailbox,
            .uidvalidity = uidvalidity,
            .after = count <= REMOVAL_STEP ? after : 0, /* all are compared with each other */
            .uids = uids + done,
            .next = next,
            .count = count - done < REMOVAL_STEP ? count - done : REMOVAL_STEP,
        };
        error = writer_do(&cache->writer, &gone.job);
        changes_tell(&gone.changes, error == CACHE_OK ? changed : NULL, ctx);
    }
    return error;
}
