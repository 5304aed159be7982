/* What ahead.c and ahead_take.c share. */
#ifndef OUTLOOKFS_SYNC_AHEAD_INTERNAL_H
#define OUTLOOKFS_SYNC_AHEAD_INTERNAL_H

#include "sync/ahead.h"
#include "sync/rate.h"
#include "sync/readers.h"

struct ahead {
    struct readers readers; /* protected by sync->lock, as `rate` */
    struct rate rate;
    atomic_uint active; /* readers.active, for who has not the lock */
};

/* Bytes that all readers together may have ahead of them. */
uint64_t ahead_budget_locked(const struct sync *sync);
/* Wakes the workers that may take a set now, and calls for connections. */
void ahead_wake_locked(struct sync *sync);

#endif
