/*
 * A message that the server gave another UID (cache_messages_renumbered): its inode passes from the
 * row that went to the one that came.
 *
 * The row that came stays as it is, with what the server said of it and without a body; the one
 * that went goes with its body, as if there were no other. So the bytes of one can never be taken
 * for those of the other. Somebody who reads the file holds the old body; his file and the new one
 * must not share the kernel's pages, so then the inode goes, too.
 */
#include "base/clock.h"
#include "cache/placement.h"
#include "cache/statements.h"

/* The only message above `after` that is like `uid`; 0: none, or more than one. */
static enum cache_error successor(struct db *index, int64_t mailbox, uint32_t uid, uint32_t after,
                                  uint32_t *next)
{
    enum db_step step = db_query(index, INDEX_MESSAGE_SUCCESSOR,
                                 DB_VALUES(DB_INT(mailbox), DB_INT(uid), DB_INT(after)));
    *next = 0;
    if (step == DB_ROW) {
        *next = (uint32_t)db_int(index, INDEX_MESSAGE_SUCCESSOR, 0);
        step = db_next(index, INDEX_MESSAGE_SUCCESSOR);
    }
    if (step == DB_ROW)
        *next = 0;
    if (step == DB_FAILED)
        return db_error(index);
    db_end(index, INDEX_MESSAGE_SUCCESSOR);
    return CACHE_OK;
}

/* Two that went and are like one that came: neither is it. */
static void drop_shared(uint32_t *next, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool shared = false;
        for (size_t k = i + 1; next[i] != 0 && k < count; k++) {
            if (next[k] != next[i])
                continue;
            next[k] = 0;
            shared = true;
        }
        if (shared)
            next[i] = 0;
    }
}

enum cache_error renumbered_find(struct db *index, int64_t mailbox, uint32_t after,
                                 const uint32_t *uids, size_t count, uint32_t *next)
{
    enum cache_error error = CACHE_OK;
    for (size_t i = 0; error == CACHE_OK && i < count; i++)
        error = successor(index, mailbox, uids[i], after, &next[i]);
    drop_shared(next, count);
    return error;
}

static bool plainly_shown(const struct cache_inode *inode)
{
    return inode->kind == CACHE_MESSAGE && !inode->hidden && !inode->pending;
}

/* The inode `to` has goes, and `from` becomes that message's. */
static enum cache_error take_over(struct db *index, const struct cache_inode *from,
                                  const struct cache_inode *to, struct changes *changes)
{
    enum cache_error error = db_run(index, INDEX_INODE_DELETE, DB_VALUES(DB_INT(to->ino)));
    if (error == CACHE_OK)
        error = db_run(index, INDEX_INODE_BECOME,
                       DB_VALUES(DB_INT(from->ino), DB_INT(to->mailbox), DB_INT(to->message),
                                 DB_INT(to->uid), DB_INT(to->size), DB_INT(to->size_exact),
                                 DB_INT(to->mtime)));
    if (error == CACHE_OK)
        error =
            db_run(index, INDEX_INODE_CTIME, DB_VALUES(DB_INT(from->ino), DB_INT(clock_wall())));
    if (error == CACHE_OK)
        error = changes_add(changes, to, true);
    if (error == CACHE_OK)
        error = changes_add(changes, from, false);
    if (error == CACHE_OK)
        changes->list[changes->count - 1].bytes = true;
    return error;
}

enum cache_error renumbered_pass(struct writer *writer, struct db *index, int64_t mailbox,
                                 uint32_t uid, uint32_t next, struct changes *changes,
                                 struct tally *tally, bool *passed)
{
    struct cache_inode from, to;
    bool held = true;
    enum cache_error error =
        inode_query(index, INDEX_INODE_OF_UID, DB_VALUES(DB_INT(mailbox), DB_INT(uid)), &from);
    if (error == CACHE_OK)
        error =
            inode_query(index, INDEX_INODE_OF_UID, DB_VALUES(DB_INT(mailbox), DB_INT(next)), &to);
    if (error != CACHE_OK || !plainly_shown(&from) || !plainly_shown(&to) ||
        from.parent != to.parent)
        return error;
    error = stored_forget_unread(writer, from.message, &held);
    if (error != CACHE_OK || held)
        return error;
    error = take_over(index, &from, &to, changes);
    if (error == CACHE_OK)
        error = db_run(index, INDEX_MESSAGE_DELETE, DB_VALUES(DB_INT(from.message)));
    if (error == CACHE_OK)
        error = tally_add(index, tally, &to, -1);
    *passed = error == CACHE_OK;
    return error;
}
