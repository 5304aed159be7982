/*
 * What the files of sync/ share.
 *
 * Threads: a few workers (each owns one connection, worker.c), the warden (waiters' deadlines,
 * warden.c), and whoever calls sync.h. One mutex, sync->lock, guards everything marked so below; it
 * is never held across the network, the cache, or a callback.
 *
 * A job is one piece of work for a connection: the tree, a mailbox's listing, a message's body. It
 * starts pending, is taken by one worker, and ends finished; a connection that breaks puts its jobs
 * back. Waiters hang on a job: each a callback, a ticket and a deadline. A job with nobody left
 * waiting goes on if it is under way, and is dropped if it would have to start again.
 */
#ifndef OUTLOOKFS_SYNC_INTERNAL_H
#define OUTLOOKFS_SYNC_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "auth/secret.h"
#include "imap/connection.h"
#include "sync/sync.h"

enum {
    WORKERS_MAX = 16,
    BODY_PIPELINE = 16,       /* bodies asked for at once on one connection */
    ATTEMPTS_MAX = 3,         /* connections that a job may see break before it fails */
    START_BOUND_MS = 9500,    /* CONTRACT.md: a mount that cannot work says so within 10 s */
    CONNECT_BOUND_MS = 4500,  /* TCP and TLS, each, so that both fit into START_BOUND_MS */
    SECRET_BOUND_MS = 120000, /* token commands may ask a person */
    FRESH_MS = 5000,          /* a listing this young is good enough to read (CONTRACT.md 4) */
    FLAGS_FRESH_MS = 60000,   /* flags of a listing older than this are asked for again */
    REFRESH_GRACE_MS = 1000,  /* how long an opendir waits for a refresh before the cache answers */
    BUSY_BOUND_MS = 3000, /* how long a mount waits for the one before it to let go of the cache */
    BUSY_RETRY_MS = 50,
    PATIENCE_MS = 500, /* a job that waits longer for a connection stops others from being taken */
    BACKOFF_MAX_MS = 5 * 60000, /* OUTLOOK.md 5 */
};

/* Bytes asked for on one connection above which another one is opened rather than queued behind. */
#define BUSY_BYTES ((uint64_t)256 * 1024)

enum job_kind { JOB_TREE, JOB_BODY, JOB_LISTING };
enum job_state { JOB_PENDING, JOB_TAKEN, JOB_FINISHED };

struct waiter {
    struct waiter *next;
    sync_ticket ticket;
    sync_done_fn *done;
    void *ctx;
    int64_t since;            /* clock_ms when it began to wait */
    int64_t bound_ms;         /* without progress of its job for so long ... */
    enum sync_error at_bound; /* ... it is told this */
    bool entries;             /* wants entries with an inode above `after`, not the whole listing */
    uint64_t after;
};

struct listing;

struct job {
    struct job *next, *prev; /* in sync->jobs */
    struct sync *sync;
    enum job_kind kind;
    enum job_state state;
    struct worker *worker; /* who took it */
    int64_t mailbox;
    int64_t message;
    uint32_t uid;
    uint32_t uidvalidity; /* that the UID belongs to */
    uint64_t size;        /* estimate, bytes */
    bool urgent;          /* somebody waits for it now (bodies, first listings), not a refresh */
    unsigned attempts;
    int64_t since;     /* clock_ms when it was made */
    int64_t progress;  /* clock_ms of the last progress */
    uint64_t last_ino; /* JOB_LISTING: the highest inode number that landed */
    struct waiter *waiters;
    /* The rest belongs to the worker that took the job, but for what the lock guards. */
    struct listing *listing;
    bool broken;       /* JOB_BODY: the bytes came and could not be stored */
    bool received;     /* JOB_BODY: the bytes came and were handed to the cache */
    bool command_done; /* JOB_BODY: the tagged reply came, or the connection ended */
    bool stored;       /* JOB_BODY: the cache is done with it. Protected by sync->lock */
};

enum worker_state { WORKER_OFFLINE, WORKER_CONNECTING, WORKER_READY, WORKER_STOPPED };

struct worker {
    struct sync *sync;
    pthread_t thread;
    unsigned number;
    int wake_fd;   /* eventfd: look at the jobs */
    int cancel_fd; /* eventfd: give up connecting */
    bool started;  /* there is a thread to join */
    /* Protected by sync->lock: */
    enum worker_state state;
    int64_t next_attempt; /* clock_ms */
    bool called;          /* to connect, as soon as it may: a job has nobody else */
    unsigned failures;    /* connects that failed in a row */
    int64_t mailbox;      /* selected, or being selected; 0: none */
    int64_t turn;         /* clock_ms since when */
    unsigned active;      /* jobs taken */
    unsigned active_bodies;
    bool active_listing;
    uint64_t active_bytes;
    /* The worker's own: */
    struct imap_connection *connection;
    struct imap_handler handler;
    int64_t examined; /* the mailbox that the last EXAMINE was for; 0: none, or it failed */
    enum imap_error examine_error; /* why it failed */
    uint32_t uidvalidity;          /* of that mailbox; 0 until the server said it */
    bool stirred;                  /* the server spoke of a change in it since its listing began */
    struct cache_incoming *incoming; /* the body that is arriving, or has just arrived */
    bool incoming_broken;            /* it could not be stored */
    size_t unreported;               /* bytes since jobs_progress */
    struct tree *tree;               /* while a JOB_TREE runs */
};

struct outage {
    enum sync_error error;
    int64_t until; /* requests before this fail at once with `error` */
    char text[SYNC_TEXT_MAX];
};

/* In memory alone: a new process asks anew. */
struct flags_age {
    int64_t mailbox;
    int64_t at; /* clock_ms */
};

struct sync {
    /* Set at the start, then read only. */
    char *account, *host, *cafile, *username;
    bool subscribed, uid_names;
    int timeout_ms;
    struct imap_settings imap; /* without cancel_fd: that is each worker's own */
    struct cache *cache;
    struct auth_secret *secret;
    struct sync_listener listener;
    atomic_bool listening;
    struct worker workers[WORKERS_MAX];
    unsigned worker_count;
    pthread_t warden;

    pthread_mutex_t lock;
    pthread_cond_t warden_wake;
    /* Protected by lock: */
    bool stopping;
    bool warden_running;
    struct job *jobs; /* pending and taken; newest last */
    sync_ticket last_ticket;
    struct outage outage;
    int64_t limiter_until; /* clock_ms: nothing is sent before (the server's back-off) */
    int64_t tree_checked; /* clock_ms of the last LIST in this process; 0: none yet, or it is out of
                             date */
    int64_t last_contact; /* wall clock of the last successful sign-in; 0: none yet */
    struct flags_age *flags; /* when each mailbox's flags were last asked for */
    size_t flags_count;
};

/* errors.c: what an error of imap means for a request, and what it does to the account. */
enum sync_error sync_error_of_imap(enum imap_error error);
/* Notes a failed sign-in or a back-off. Takes the lock. */
void outage_note(struct sync *sync, const struct imap_failure *failure);
void limiter_note(struct sync *sync, int64_t backoff_ms);
/* Whether nothing may be sent now. Takes the lock. */
bool limiter_holds(struct sync *sync);

/* jobs.c. Those ending in _locked want sync->lock held. */

/* A job of `kind` for this mailbox (listing) or message (body) that is not finished; NULL: none. */
struct job *job_find_locked(struct sync *sync, enum job_kind kind, int64_t id);
/* A new pending job in the list; NULL without memory. */
struct job *job_new_locked(struct sync *sync, enum job_kind kind, int64_t mailbox, int64_t message);
/* Hangs a copy of `like` on the job; the ticket, or 0 without memory. */
sync_ticket waiter_add_locked(struct sync *sync, struct job *job, const struct waiter *like);
/* Wakes the worker that should take the pending `job`. Where nobody can (an outage, a back-off
 * longer than a waiter's bound), returns those to be told *why after unlocking; a job with nobody
 * left is freed. */
struct waiter *job_dispatch_locked(struct sync *sync, struct job *job, enum sync_error *why)
    __attribute__((warn_unused_result));
/* Calls and frees the waiters, without the lock. */
void waiters_tell(struct waiter *waiters, enum sync_error error);
/* Takes the job out of the list and returns its waiters. The job stays its holder's to free. */
struct waiter *job_finish_locked(struct sync *sync, struct job *job)
    __attribute__((warn_unused_result));
/* Takes a pending or taken job out of the list and frees it; it has no waiters. */
void job_free_locked(struct sync *sync, struct job *job);
/* Marks the job as the worker's, or no longer so. */
void job_hold_locked(struct job *job, struct worker *worker);
void job_release_locked(struct job *job);
/* How a worker ends a job that it holds: releases it, tells the waiters, frees it. */
void job_end(struct sync *sync, struct job *job, enum sync_error error);
/* How a worker gives back a job after `error`: pending again, or ended where that makes no sense.
 */
void job_retry(struct sync *sync, struct job *job, enum imap_error error);
/* The next job that the worker may start now, held by it; NULL: none. */
struct job *job_take(struct worker *worker);
/* Bytes moved on the worker's connection: its jobs made progress, and so did the queue of those
 * that wait for a connection. */
void jobs_progress(struct worker *worker);
/* Entries up to inode `last_ino` of a listing stand in the cache: tells those who waited for
 * entries. */
void job_landed(struct sync *sync, struct job *job, uint64_t last_ino);
void worker_wake(struct worker *worker);
/* Sees that the tree is asked for, by a job that nobody waits for. */
void tree_wanted_locked(struct sync *sync);
/* Of the workers without a connection, the one that connects next. NULL: all have one. */
struct worker *worker_offline_locked(struct sync *sync);

/* Sends jobs that wait on their way again: some worker's state has changed. */
void jobs_redispatch(struct sync *sync);

/* worker.c */
void *worker_main(void *worker);
/* Bytes came: with each KiB the jobs of the worker made progress. */
void worker_moved(struct worker *w, size_t bytes);
/* Submits EXAMINE; `done` must call worker_examined first. */
enum imap_error worker_examine(struct worker *w, int64_t mailbox, imap_done_fn *done, void *ctx)
    __attribute__((warn_unused_result));
/* Every completion passes here first: a back-off that the server asks for holds for the whole
 * account. */
void worker_note(struct worker *w, const struct imap_completion *completion);
/* Notes the answer to EXAMINE in worker and cache. SYNC_OK, or why the mailbox cannot be used. */
enum sync_error worker_examined(struct worker *w, int64_t mailbox,
                                const struct imap_completion *completion);
/* The job of this kind that the worker holds (bodies: the one for `uid` that waits for its bytes);
 * NULL: none. */
struct job *worker_job(struct worker *w, enum job_kind kind, uint32_t uid);
/* Passes a cache_change on to the listener: a cache_change_fn with the sync object as ctx. */
void sync_changed(void *sync, const struct cache_change *change);
enum sync_error sync_error_of_cache(enum cache_error error);

/* tree.c: LIST and LSUB, and what is made of them. */
void tree_start(struct worker *w, struct job *job);
void tree_response(struct worker *w, const struct imap_list *list, bool subscribed);

/* tree_build.c: from the names that the server listed to the tree that the cache keeps. */
enum {
    TREE_NAMES_MAX = 200000,   /* more than anybody has, with the levels above them */
    TREE_BYTES_MAX = 32 << 20, /* of the names, and again of the levels above them */
    TREE_NAME_MAX = 16384,     /* of one */
};
struct tree_name {
    char *name; /* the server's own bytes */
    char delimiter;
    unsigned attributes; /* IMAP_LIST_x bits */
    bool subscribed, malformed, implied;
};
/* Completes and orders `names` (the array may be moved), and fills `entries` (malloc; its strings
 * point into names, `shown` into *shown_names). False without memory. Names that can have no place
 * are left out with a line in the log. */
struct tree_entries {
    struct cache_tree_entry *items;
    size_t count;
    char (*shown)[CACHE_NAME_MAX + 1];
};
bool tree_build(struct tree_name **names, size_t *count, bool subscribed_only,
                struct tree_entries *entries);
void tree_entries_free(struct tree_entries *entries);

/* body.c: one message's bytes. */
void body_start(struct worker *w, struct job *job);
void body_fetch(struct worker *w, const struct imap_fetch *fetch);
bool body_begin(void *worker, uint32_t sequence, uint64_t length);
bool body_chunk(void *worker, const char *data, size_t len);
void body_end(void *worker);

/* listing.c: a mailbox's messages, first listing and what is new. */
void listing_start(struct worker *w, struct job *job);
void listing_fetch(struct job *job, const struct imap_fetch *fetch);
/* The refresh (refresh.c) is through, or failed. */
void listing_end(struct job *job, enum imap_error error);

struct listing {
    struct job *job;
    struct worker *worker;
    uint64_t ino;        /* of the mailbox's directory */
    bool was_listed;     /* a refresh, not a first listing */
    bool failed;         /* what is still on its way is let pass */
    enum sync_error why; /* a failure that imap does not know of */
    enum imap_error error;
    uint32_t uidvalidity;
    uint32_t exists;
    uint32_t base;    /* what the cache knew when it began */
    uint32_t known;   /* every UID up to here has been asked for and answered */
    uint32_t next;    /* the first UID not yet asked for */
    uint32_t end;     /* the last UID to ask for; UINT32_MAX: the server did not say */
    uint32_t width;   /* UIDs a window */
    uint32_t highest; /* the highest UID that came */
    unsigned pending; /* commands on their way */
    bool checking;    /* refresh.c is at work */
    uint32_t check_next, check_end;
    uint64_t last_ino; /* the highest inode number that landed */
    struct rows *rows;
    struct flag_rows *flag_rows;
};

/* refresh.c: what went and whose flags changed, of the messages that are known already. */
bool refresh_due(struct listing *listing);
void refresh_start(struct listing *listing);
void refresh_fetch(struct listing *listing, const struct imap_fetch *fetch);
void flag_rows_free(struct flag_rows **rows);

/* rows.c: messages of a listing on their way to the cache. */
struct rows;
struct rows *rows_new(void);
void rows_free(struct rows **rows);
size_t rows_count(const struct rows *rows);
bool rows_add(struct rows *rows, const struct imap_fetch *fetch, bool uid_names);
/* Stores and forgets what was added. Arguments as of cache_messages_add. */
enum cache_error rows_store(struct rows *rows, struct sync *sync, int64_t mailbox,
                            uint32_t uidvalidity, uint32_t through_uid, bool complete,
                            cache_change_fn *changed, void *ctx);
/* FLAGS as the cache keeps them: without \Recent. malloc. */
char *rows_flags(const struct imap_flags *flags);

/* warden.c */
void *warden_main(void *sync);

/* roles.c */
enum cache_role role_of(unsigned list_attributes, const char *shown, bool top_level);
const char *role_name(enum cache_role role);

#endif
