/*
 * What a listing brings (cache_messages_add): one transaction for the whole window, so that readers
 * see it land at once and a crash leaves either all of it or nothing.
 *
 * The unique indexes decide: a row that INSERT OR IGNORE left out was known (same UID), or its name
 * is taken. That spares two lookups a message, which is most of what a first listing costs.
 */
#include "base/clock.h"
#include "cache/internal.h"
#include "cache/statements.h"

enum { ARRIVAL_NAME_TRIES = 1000 };

struct add_job {
    struct job job;
    int64_t mailbox;
    uint32_t uidvalidity, through_uid;
    bool complete;
    const struct cache_new_message *messages;
    size_t count;
    void (*file_name)(char *name, const char *stem, uint32_t uid);
    struct changes changes;

    uint64_t directory; /* the mailbox's inode */
    bool first;         /* the mailbox is being listed for the first time */
    int64_t added;
};

static enum cache_error insert_inode(struct add_job *add, struct db *index, int64_t message,
                                     const struct cache_new_message *new, const char *name)
{
    return db_run(index, INDEX_INODE_INSERT,
                  DB_VALUES(DB_INT(add->directory), DB_INT(CACHE_MESSAGE), DB_INT(add->mailbox),
                            DB_INT(message), DB_INT(new->uid), DB_INT(new->size),
                            DB_INT(new->internaldate), DB_TEXT(name)));
}

/* The name to try: STEM, then STEM~UID, then what nobody would think of. */
static void candidate_name(struct add_job *add, const struct cache_new_message *new, unsigned try,
                           char *name)
{
    char base[CACHE_NAME_MAX + 1] = "";
    add->file_name(try < 2 ? name : base, new->stem, try == 0 ? 0 : new->uid);
    if (try >= 2)
        name_numbered(name, base, new->uid, try);
    if (!name_legal(name))
        name_numbered(name, "message", new->uid, try);
}

static enum cache_error add_inode(struct add_job *add, struct db *index, int64_t message,
                                  const struct cache_new_message *new)
{
    struct cache_inode inode = {.parent = add->directory, .kind = CACHE_MESSAGE};
    for (unsigned try = 0; try < ARRIVAL_NAME_TRIES; try++) {
        candidate_name(add, new, try, inode.name);
        enum cache_error error = insert_inode(add, index, message, new, inode.name);
        if (error != CACHE_OK)
            return error;
        if (db_changes(index) > 0) {
            inode.ino = (uint64_t)db_inserted(index);
            add->added++;
            return changes_add_new(&add->changes, &inode);
        }
    }
    return CACHE_ERR_IO;
}

/* What a change of ours brought is known from here; the name and the inode stay. */
static enum cache_error fill_in(struct add_job *add, struct db *index,
                                const struct cache_new_message *new)
{
    struct cache_inode inode;
    enum cache_error error =
        db_run(index, INDEX_MESSAGE_FILL,
               DB_VALUES(DB_INT(add->mailbox), DB_INT(new->uid), DB_INT(new->size),
                         DB_INT(new->internaldate), DB_TEXT(new->subject), DB_TEXT(new->from),
                         DB_TEXT(new->to), DB_TEXT(new->date), DB_TEXT(new->message_id)));
    if (error != CACHE_OK || db_changes(index) == 0)
        return error;
    error = inode_query(index, INDEX_INODE_OF_UID,
                        DB_VALUES(DB_INT(add->mailbox), DB_INT(new->uid)), &inode);
    if (error == CACHE_OK)
        error = db_run(index, INDEX_INODE_FACTS,
                       DB_VALUES(DB_INT(inode.ino), DB_INT(new->size), DB_INT(new->internaldate),
                                 DB_INT(clock_wall())));
    if (error == CACHE_OK && !inode.hidden)
        error = changes_add(&add->changes, &inode, false);
    if (error == CACHE_OK && !inode.hidden)
        add->changes.list[add->changes.count - 1].settled = true;
    return error;
}

static enum cache_error add_message(struct add_job *add, struct db *index,
                                    const struct cache_new_message *new)
{
    if (new->uid == 0)
        return CACHE_OK; /* RFC 3501 2.3.1.1: UIDs are not zero */
    enum cache_error error =
        db_run(index, INDEX_MESSAGE_INSERT,
               DB_VALUES(DB_INT(add->mailbox), DB_INT(new->uid), DB_INT(new->size),
                         DB_INT(new->internaldate), DB_TEXT(new->flags), DB_TEXT(new->subject),
                         DB_TEXT(new->from), DB_TEXT(new->to), DB_TEXT(new->date),
                         DB_TEXT(new->message_id)));
    if (error != CACHE_OK)
        return error;
    if (db_changes(index) > 0)
        return add_inode(add, index, db_inserted(index), new);
    const struct cache_new_flags flags = {.uid = new->uid, .flags = new->flags};
    error = fill_in(add, index, new);
    return error != CACHE_OK ? error
                             : message_set_flags(index, add->mailbox, &flags, &add->changes);
}

static enum cache_error find_directory(struct add_job *add, struct db *index)
{
    struct cache_mailbox row;
    enum cache_error error =
        mailbox_query(index, INDEX_MAILBOX_GET, DB_VALUES(DB_INT(add->mailbox)), &row);
    if (error == CACHE_OK && (row.uidvalidity == 0 || row.uidvalidity != add->uidvalidity))
        error = CACHE_ERR_STALE;
    add->directory = row.ino;
    add->first = !row.listed;
    cache_mailbox_free(&row);
    return error;
}

static enum cache_error run_add(struct writer *writer, struct job *job)
{
    struct add_job *add = (struct add_job *)job;
    enum cache_error error = CACHE_OK;
    struct db *index = writer_index(writer, &error);
    if (index != NULL)
        error = find_directory(add, index);
    for (size_t i = 0; error == CACHE_OK && i < add->count; i++)
        error = add_message(add, index, &add->messages[i]);
    /* Learning what is there changes nothing: a first listing leaves the directory's times alone,
     * or tar would find that the directory changed while it was read. */
    if (error == CACHE_OK && add->added > 0)
        error =
            directory_count(index, add->directory, 0, add->added, add->first ? 0 : clock_wall());
    if (error == CACHE_OK && (add->through_uid != 0 || add->complete))
        error = db_run(index, INDEX_MAILBOX_LISTED,
                       DB_VALUES(DB_INT(add->mailbox), DB_INT(add->complete ? 1 : 0),
                                 DB_INT(add->through_uid)));
    return error;
}

enum cache_error cache_messages_add(struct cache *cache, int64_t mailbox, uint32_t uidvalidity,
                                    const struct cache_new_message *messages, size_t count,
                                    uint32_t through_uid, bool complete,
                                    void (*file_name)(char *name, const char *stem, uint32_t uid),
                                    cache_change_fn *changed, void *ctx)
{
    struct add_job add = {
        .job = {.run = run_add},
        .mailbox = mailbox,
        .uidvalidity = uidvalidity,
        .through_uid = through_uid,
        .complete = complete,
        .messages = messages,
        .count = count,
        .file_name = file_name,
    };
    enum cache_error error = writer_do(&cache->writer, &add.job);
    changes_tell(&add.changes, error == CACHE_OK ? changed : NULL, ctx);
    return error;
}
