/*
 * The one thread that writes, and its queue.
 *
 * A job is a function that runs inside a transaction, on the writer's thread, and a second one that
 * hears how it ended once the transaction is committed or lost. Jobs are embedded in what they work
 * on; the writer allocates nothing for them. Within a queue they run in order; the urgent queue
 * goes first, but each transaction takes at least one job of the other, so that nothing starves.
 *
 * A job that fails is undone by itself (a savepoint) and the rest goes on. When the transaction as
 * a whole fails (disk full), every job in it is told so.
 */
#ifndef OUTLOOKFS_CACHE_WRITER_H
#define OUTLOOKFS_CACHE_WRITER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/cache.h"
#include "cache/db.h"

struct writer;

struct job {
    enum cache_error (*run)(struct writer *writer, struct job *job);
    /* Called last, with no lock held; may free the job. NULL: nothing to tell. */
    void (*finished)(struct writer *writer, struct job *job, enum cache_error error);
    bool urgent;
    size_t weight; /* bytes of memory it holds, counted against WRITER_ROOM */

    struct job *next;
    enum cache_error error;
};

struct job_queue {
    struct job *first, *last;
};

/* A write connection and what the transaction under way did with it. Writer's thread only. */
struct writer_side {
    struct db db;
    unsigned begin; /* its statements BEGIN, COMMIT, ROLLBACK, SAVEPOINT, RELEASE, ROLLBACK TO */
    unsigned clean; /* its statement that says whether the file was closed in order */
    bool begun, saved;
    bool marked;   /* as in use: the first transaction does it, so that opening writes nothing */
    int wal_pages; /* in the WAL now */
    int wal_tried; /* of these, how many a checkpoint has been over */
};

struct totals {
    uint64_t bodies, bytes;
};

enum { WRITER_ROOM = 8 << 20, WRITER_SLICE_MS = 50, WRITER_RECENT = 128, WRITER_GRACE_MS = 5000 };

/* cache_keep_all. `arrived` NULL: bodies are evicted as ever. */
struct keep {
    cache_change_fn *arrived;
    void *ctx;
};

/* cache_keep_mailboxes: ids, ascending; malloc. */
struct kept {
    int64_t *mailboxes;
    size_t count;
};

struct writer {
    struct cache *cache;
    pthread_t thread;
    bool started;

    pthread_mutex_t lock;
    pthread_cond_t work;             /* the writer waits here */
    pthread_cond_t room;             /* those with heavy jobs wait here */
    struct job_queue urgent, normal; /* protected by lock, as all to the blank line */
    size_t in_flight;                /* weight of jobs not yet finished */
    bool nudged, stopping;

    /* Writer's thread only, from here on. */
    struct writer_side index, bodies;
    struct totals totals, stored; /* of whole bodies: now, and as of the last commit */
    int64_t next_body;            /* never reused, not even when undone */
    struct recent {
        int64_t ms, body;
    } recent[WRITER_RECENT]; /* bodies that came just now: not evicted (stored.c) */
    unsigned recent_next;
    int grace_ms;                     /* what "just now" means */
    int64_t committed_ms, stamped_ms; /* clock_ms of the last commit and the last write of stamps */
    bool closing;                     /* the last round: stamps do not wait for their minute */
    bool crowded;                     /* more bytes than there is room for, but nothing to evict */
    bool surplus;                     /* bodies.db has pages to give back to the disk */
    struct keep keep;
    struct kept kept;
    atomic_bool unsure; /* something was lost: the next open must compare the two files */
};

/* Opens nothing: the two connections in `index` and `bodies` are there and prepared. */
enum cache_error writer_start(struct writer *writer, struct cache *cache)
    __attribute__((warn_unused_result));
/* Runs what is queued, then ends the thread. */
void writer_stop(struct writer *writer);

/* Queues a job. One with a weight waits for room first, unless it comes from the writer itself. */
void writer_put(struct writer *writer, struct job *job);
/* Queues a job and waits for its end; `finished` is set by this. Never from the writer's thread. */
enum cache_error writer_do(struct writer *writer, struct job *job)
    __attribute__((warn_unused_result));
/* Wakes the writer for upkeep. */
void writer_nudge(struct writer *writer);

/* For jobs: the connection, inside its transaction. NULL after an error, which is in *error. */
struct db *writer_index(struct writer *writer, enum cache_error *error);
struct db *writer_bodies(struct writer *writer, enum cache_error *error);

/* At open, before the thread runs: ends what was begun with the two above, well or (with an error)
 * not at all. */
enum cache_error writer_settle(struct writer *writer, enum cache_error error);

/* upkeep.c: what the writer does besides jobs. */
enum cache_error upkeep_run(struct writer *writer); /* before each commit, in the transaction */
void upkeep_checkpoint(struct writer *writer, bool idle); /* between transactions */
int upkeep_delay(struct writer *writer); /* ms until the next one is due; -1: none */

#endif
