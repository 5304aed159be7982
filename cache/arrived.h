/* What moved.c and arrived.c share. Writer's thread, inside a transaction. */
#ifndef OUTLOOKFS_CACHE_ARRIVED_H
#define OUTLOOKFS_CACHE_ARRIVED_H

#include "cache/outcomes.h"
#include "cache/placement.h"

/* A place that a message comes to: checks its UIDVALIDITY, or takes it over where none is known.
 * *directory is the mailbox's. */
enum cache_error place_enter(struct db *index, const struct cache_place *place,
                             uint64_t *directory);
/* What is known of a place. CACHE_ERR_ABSENT: nothing, or its UIDVALIDITY is another. */
enum cache_error place_find(struct db *index, const struct cache_place *place,
                            struct cache_inode *inode);

#endif
