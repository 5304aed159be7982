/*
 * A change under way at sync.
 *
 * sync tells nobody of the end of a request that was detached, but a staged file must hear of the
 * end of its publication though the program that closed it was interrupted, and the mount must not
 * end before. So a request waits for an errand, and the errand for sync: the interrupt lets go of
 * the errand, never of sync. Knows the request only as wait.h does.
 */
#ifndef OUTLOOKFS_FS_ERRAND_H
#define OUTLOOKFS_FS_ERRAND_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "sync/change.h"

struct errands;
struct fs;
struct staged;

/* Tickets of errands, apart from sync's own. */
#define ERRAND_TICKET (UINT64_C(1) << 63)

/* A name that the change takes out of a directory, as the kernel that asked for it knows. */
struct errand_name {
    uint64_t parent, ino; /* ino 0: not one */
    char name[CACHE_NAME_MAX + 1];
    bool told; /* the change was reported, and the notice left out */
};

struct errand {
    /* Set by who makes it, before it is sent: */
    struct fs *fs;
    /* Hears of the end first, on sync's thread; true: it asked sync for another step, with
     * errand_changed and the same errand, which is not over. May be NULL. A step is one that needs
     * no network: the end of the mount waits for it. */
    bool (*ended)(struct errand *errand, const struct sync_changed *changed);
    struct staged *staged;       /* with a reference, which goes with the errand; or NULL */
    struct cache_inode *into;    /* the caller's: gets the inode before the caller hears; or NULL */
    unsigned purpose;            /* for `ended` */
    enum sync_error first_error; /* for `ended`, across steps */
    struct cache_inode first_inode;
    /* What the caller will hear; `ended` may change it. */
    enum sync_error error;
    struct cache_inode inode;

    /* errand.c's own, protected by its lock: */
    struct errand *next, *previous;
    struct errand_name names[2];
    sync_ticket ticket, at_sync;
    sync_done_fn *done; /* NULL: nobody waits, or nobody does any more */
    void *ctx;
    bool idle; /* it waits for `staged` to be free, not for sync */
    unsigned references;
};

struct errands *errands_new(void);
void errands_free(struct errands **errands);

/* `done` and `ctx` as wait.h gives them; NULL where nobody waits. NULL without memory. */
struct errand *errand_new(struct fs *fs, sync_done_fn *done, void *ctx);

/* It was sent: `at_sync` is sync's ticket, 0: sync had no memory. Returns the ticket for wait.h, 0
 * where it was not sent: then the errand is gone. */
sync_ticket errand_sent(struct errand *errand, sync_ticket at_sync);
/* Before it is sent: a name that it takes away itself, in place 0 or 1. */
void errand_owns(struct errand *errand, int place, uint64_t parent, uint64_t ino, const char *name);
/* For sync: the ctx is the errand. */
void errand_changed(void *ctx, const struct sync_changed *changed);

/* It cannot be sent: `done` hears `error`, from within. Returns 0, for wait.h. */
sync_ticket errand_fail(struct errand *errand, enum sync_error error);

/* Where `ended` said that it is not over, and nothing was asked of sync: now it is. */
void errand_end(struct errand *errand);

/* A wait until errands_wake(staged): the caller holds the lock that guards "busy". Takes over a
 * reference to `staged`. 0: no memory. */
sync_ticket errand_idle(struct fs *fs, struct staged *staged, sync_done_fn *done, void *ctx);
void errands_wake(struct fs *fs, struct staged *staged);

/* As sync_detach, for tickets with ERRAND_TICKET. */
bool errand_detach(struct fs *fs, sync_ticket ticket);

/* Whether a request under way takes this name away itself, and the kernel knows it. */
bool errand_names(struct fs *fs, uint64_t parent, uint64_t ino, const char *name);

/* Waits until sync has ended all of them; what is not done after `ms` is let go of (its intent is
 * in the journal). */
void errands_settle(struct fs *fs, int ms);

#endif
