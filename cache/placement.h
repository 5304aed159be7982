/*
 * Where inodes stand: names, counts of directories, what is hidden. Writer's thread, inside a
 * transaction.
 */
#ifndef OUTLOOKFS_CACHE_PLACEMENT_H
#define OUTLOOKFS_CACHE_PLACEMENT_H

#include "cache/internal.h"

/* Messages that a directory gains or loses, gathered while they stand in the same one. */
struct tally {
    uint64_t parent;
    int64_t messages;
};
/* An inode goes from where it stands (`by` -1) or comes there (1). Hidden ones count nowhere. */
enum cache_error tally_add(struct db *index, struct tally *tally, const struct cache_inode *inode,
                           int64_t by);
enum cache_error tally_end(struct db *index, struct tally *tally);

/* What is wanted of a name. */
struct naming {
    uint64_t directory, self; /* self: the inode that gets it; 0: one to come */
    uint32_t uid;
    const char *wanted;
    bool replace; /* a message or staged file that has it makes way */
    bool exact;   /* no other will do: CACHE_ERR_EXISTS */
};
/* Finds the name, and makes the other one go where it has to. */
enum cache_error placement_name(struct db *index, const struct naming *naming,
                                struct changes *changes, char name[CACHE_NAME_MAX + 1]);

/* Puts `inode` (as it is on disk) where `to` says: parent, name, pending, alias; notes the changes
 * and counts. */
enum cache_error placement_show(struct db *index, const struct cache_inode *inode,
                                const struct cache_inode *to, struct changes *changes);

/* At open, before the thread runs: nothing is pending or staged. */
enum cache_error placement_reset(struct writer *writer);

/* renumbered.c. Which messages above `after` those in `uids` have become, each in *next (0: none).
 * Any may be absent. */
enum cache_error renumbered_find(struct db *index, int64_t mailbox, uint32_t after,
                                 const uint32_t *uids, size_t count, uint32_t *next);
/* `uid` has become `next`. *passed stays false, and all as it was, where that cannot be shown. */
enum cache_error renumbered_pass(struct writer *writer, struct db *index, int64_t mailbox,
                                 uint32_t uid, uint32_t next, struct changes *changes,
                                 struct tally *tally, bool *passed);

/* staged.c: takes a staged inode away. */
enum cache_error staged_erase(struct db *index, const struct cache_inode *inode,
                              struct changes *changes);

#endif
