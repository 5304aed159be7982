/*
 * What is fetched ahead in idle time: pinned mailboxes first, then what -o prefetch says.
 *
 * One thread, which sleeps until something has come into a mailbox that it fills, or one is pinned.
 * Then it asks for what is absent there: the listing, and bodies in sets, one set at a time, which
 * so keeps one connection busy at most. Its jobs (job.stock) come last: a worker takes them when it
 * has nothing else, in one UID FETCH, and whoever asks for the same thing makes it an ordinary job.
 * While the server is away or asked for a pause the thread waits.
 *
 * What ends it: everything is here; a message that does not come (it is asked for again when the
 * mailbox next changes); cache_size. For pinned mailboxes others make room, as long as all that is
 * pinned fits.
 *
 * Its lock protects the struct. It is held while the cache lists its mailboxes, for no other lock
 * and no call that waits for the server.
 */
#ifndef OUTLOOKFS_SYNC_STOCK_H
#define OUTLOOKFS_SYNC_STOCK_H

#include "sync/internal.h"
#include "sync/pin_file.h"

/* A mailbox that is filled. */
struct stock_box {
    int64_t mailbox;
    uint64_t ino;
    bool pinned;
    bool due;     /* something may be absent */
    bool busy;    /* it is being filled */
    bool refresh; /* the listing is asked for, whether it is whole or not */
    bool full;    /* cache_size keeps it from being filled */
    uint64_t messages, here, failed, bytes; /* as of the last look; bytes: of all bodies */
    enum sync_error error;                  /* why nothing came; SYNC_OK: it did */
};

enum { STOCK_SET = 64 }; /* bodies asked for together */

struct stock {
    struct sync *sync;
    char *directory; /* the account's state, NULL: nothing can be pinned */
    struct sync_prefetch prefetch;
    pthread_t thread;
    bool running;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    /* Protected by lock: */
    int64_t begin; /* clock_ms: nothing is asked for before */
    bool ending;
    bool stirred;  /* there is something to do, or mailboxes came or went */
    bool loosened; /* something was unpinned */
    bool repinned; /* the pins are others than those that `boxes` were chosen by */
    bool unkept;   /* the cache is to be told which mailboxes are pinned */
    bool idle;     /* the thread has nothing to do */
    struct pin_names pins;
    struct stock_box *boxes;
    size_t count;
    unsigned left;         /* of the set, those not answered */
    unsigned lost;         /* of the set, those that do not come */
    enum sync_error error; /* of the set: why the rest did not come now */
};

/* NULL without memory. Reads the pins. */
struct stock *stock_new(struct sync *sync, const struct sync_settings *settings);
/* Starts the thread, which asks for nothing during the next `ms`. */
bool stock_begin(struct stock *stock, int64_t ms) __attribute__((warn_unused_result));
/* Tells the thread to end; and waits until it has. NULL is allowed. */
void stock_end(struct stock *stock);
void stock_join(struct stock *stock);
void stock_free(struct stock **stock);

/* For status: the pins that are mailboxes, malloc, without names; their number. And whether all
 * that is to be fetched is here. */
struct status_pin;
size_t stock_pins(struct stock *stock, struct status_pin **pins, bool *idle);

/* Any thread, no lock held: an entry came, went, or changed. */
void stock_changed(struct sync *sync, const struct cache_change *change);

#endif
