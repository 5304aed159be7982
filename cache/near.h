/*
 * Which messages come next in a directory, for whoever reads it in an order: from readdir on, as
 * find and grep -r go (by inode number, the order of cache_inode_list), or by name, as a shell's
 * pattern goes (which is by date: names begin with it); either way round. Any thread; each call is
 * a few statements on borrowed readers and looks at a bounded number of rows.
 */
#ifndef OUTLOOKFS_CACHE_NEAR_H
#define OUTLOOKFS_CACHE_NEAR_H

#include "cache/cache.h"

enum cache_order { CACHE_BY_INODE, CACHE_BY_INODE_BACK, CACHE_BY_NAME, CACHE_BY_NAME_BACK };
enum { CACHE_ORDERS = 4 };

/* A dentry: a name in a directory, with its place in each of the orders. A value: copy it freely.
 */
struct cache_dentry {
    uint64_t parent, ino;
    char name[CACHE_NAME_MAX + 1];
};

/* Where the file of `message` stands. CACHE_ERR_ABSENT: no directory shows it. */
enum cache_error cache_dentry_of(struct cache *cache, int64_t message, struct cache_dentry *place);

struct cache_near {
    int64_t message, mailbox;
    uint32_t uid;
    uint64_t size; /* bytes; an estimate where the body was never here */
    int64_t mtime; /* INTERNALDATE, seconds */
};

enum cache_near_what {
    CACHE_NEAR_ALL,    /* every message */
    CACHE_NEAR_ABSENT, /* those whose body is not here */
};

enum { CACHE_NEAR_LOOK = 512 }; /* entries that one call looks at, at most */

/*
 * Fills `rows` with the messages that follow `place` in `order`, nearest first, at most `max` of
 * them; *count says how many. `place` moves to the last entry that was looked at, so that the next
 * call goes on from there; *end: there is nothing behind it. A message whose place depends on an
 * outcome (cache_inode.pending) is passed over.
 */
enum cache_error cache_near(struct cache *cache, struct cache_dentry *place, enum cache_order order,
                            enum cache_near_what what, struct cache_near *rows, size_t max,
                            size_t *count, bool *end);

/* Whether the body of `message` is here. */
enum cache_error cache_body_here(struct cache *cache, int64_t message, bool *here);

#endif
