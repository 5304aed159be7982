/*
 * A request that waits for sync, and its one reply.
 *
 * Three parties may want to end a wait: sync (done), the kernel (the caller was interrupted) and
 * the end of the mount. Exactly one of them wins, and the request is answered exactly once. Knows
 * neither FUSE nor sync: both come through struct wait_ops, so a test can play them.
 */
#ifndef OUTLOOKFS_FS_WAIT_H
#define OUTLOOKFS_FS_WAIT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "sync/sync.h"

struct wait;

/* What a wait needs of the world. `request` is a fuse_req_t outside of tests. */
struct wait_ops {
    /* Answers the request with an errno; the request is gone afterwards. */
    void (*reply_errno)(void *request, int error);
    /* As fuse_req_interrupt_func: has wait_on_interrupt(wait) called when the caller is
     * interrupted, at once where that has happened already. Returns only when no earlier call is
     * running. NULL: withdrawn. */
    void (*on_interrupt)(void *request, struct wait *wait);
    /* As sync_detach. */
    bool (*detach)(void *ctx, sync_ticket ticket);
    void *ctx;
};

/* All waits of a mount. */
struct waits {
    struct wait_ops ops; /* set at the start, then read only */
    pthread_mutex_t lock;
    pthread_cond_t idle;
    /* Protected by lock: */
    struct wait *list;    /* those that are asking or waiting */
    unsigned long active; /* waits that are not freed yet */
    bool closing;
};

enum wait_state { WAIT_NEW, WAIT_ASKING, WAIT_WAITING, WAIT_CLAIMED };

/* One request that may wait, several times in a row. Stands first in the struct that holds what the
 * request needs to go on; that struct is one malloc block, freed here. */
struct wait {
    struct waits *waits;
    void *request;
    /* Asks sync; called without a lock. */
    sync_ticket (*ask)(struct wait *wait, sync_done_fn *done, void *ctx);
    /* Goes on after the wait: either answers and calls wait_free, or calls wait_start again. An
     * error must be answered. Runs on the thread that said done. */
    void (*resume)(struct wait *wait, enum sync_error error);
    /* Releases what the holder owns beside its memory; may be NULL. */
    void (*release)(struct wait *wait);
    /* The directory or file that the kernel keeps locked until this is answered; 0: none. */
    uint64_t locked;
    /* Protected by waits->lock: */
    struct wait *next, *previous;
    enum wait_state state;
    unsigned references;
    unsigned round; /* which wait_start this is, so that a late frame of an earlier one sees it */
    bool interrupted;
    bool detaching; /* somebody asks sync to let go, nobody else may */
    sync_ticket ticket;
};

void waits_init(struct waits *waits, const struct wait_ops *ops);

/* From now on nothing waits: waits under way are answered with ENOTCONN, new ones resume with
 * SYNC_ERR_STOPPING. Returns when the last is freed. May be called twice. */
void waits_close(struct waits *waits);
void waits_destroy(struct waits *waits);

/* A zeroed block of `size` bytes that starts with a wait for `request`, or NULL. */
void *wait_new(struct waits *waits, size_t size, void *request);

/* Waits for what wait->ask asks for, then calls wait->resume; or the caller is interrupted and gets
 * EINTR. The wait may be freed when this returns. */
void wait_start(struct wait *wait);

/* Whether something waits while the kernel keeps this inode locked. */
bool waits_hold(struct waits *waits, uint64_t ino);

/* The caller was interrupted. */
void wait_on_interrupt(struct wait *wait);

/* The request was answered: the block goes as soon as nobody looks at it. */
void wait_free(struct wait *wait);

#endif
