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
    BODY_PIPELINE = 16,        /* bodies asked for at once on one connection */
    SEARCH_PIPELINE = 8,       /* mailboxes that are searched likewise */
    ATTEMPTS_MAX = 3,          /* connections that a job may see break before it fails */
    START_BOUND_MS = 9500,     /* CONTRACT.md: a mount that cannot work says so within 10 s */
    CONNECT_BOUND_MS = 4500,   /* TCP and TLS, each, so that both fit into START_BOUND_MS */
    SECRET_BOUND_MS = 120000,  /* token commands may ask a person */
    EXCHANGE_BOUND_MS = 10000, /* one exchange with the sign-in server */
    STROLL_MAILBOXES = 20,     /* that a walk asks about at a time (stroll.c) */
    FRESH_MS = 5000,           /* a listing this young is good enough to read (CONTRACT.md 4) */
    FLAGS_FRESH_MS = 60000,    /* flags of a listing older than this are asked for again */
    REFRESH_GRACE_MS = 1000, /* how long an opendir waits for a refresh before the cache answers */
    BUSY_BOUND_MS = 3000, /* how long a mount waits for the one before it to let go of the cache */
    BUSY_RETRY_MS = 50,
    PATIENCE_MS = 500, /* a job that waits longer for a connection stops others from being taken */
    BACKOFF_MAX_MS = 5 * 60000, /* OUTLOOK.md 5 */
    NAP_MS = 5000,   /* a machine that was asleep for longer may have lost its connections */
    CHECK_MS = 4000, /* and this long they have to show that they stand */
};

/* Bytes asked for on one connection above which another one is opened rather than queued behind. */
#define BUSY_BYTES ((uint64_t)256 * 1024)

enum job_kind { JOB_TREE, JOB_BODY, JOB_LISTING, JOB_CHANGE, JOB_POLL, JOB_SEARCH };
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

/* How a mailbox stands on the server, as STATUS tells (regard.c). */
struct standing {
    unsigned present; /* IMAP_STATUS_x bits; 0: not known */
    uint32_t uidvalidity, uidnext, messages, unseen;
    uint64_t modseq;
};

struct listing;
struct search_ask;
struct search_notes;
struct batch;
struct change;
struct request;
/* What a clerk is to do (clerk.c). */
struct task {
    struct task *next;
    void (*run)(struct sync *sync, struct task *task);
    int64_t due; /* clock_ms; 0: at once */
    bool later;  /* at once, when a connection stands */
};

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
    bool stock;           /* JOB_BODY, JOB_LISTING: nobody but stock.c wants it: it comes last */
    bool ahead;           /* JOB_BODY: asked for before anybody wanted it (ahead.h) */
    unsigned attempts;
    int64_t since;          /* clock_ms when it was made */
    int64_t progress;       /* clock_ms of the last progress */
    uint64_t last_ino;      /* JOB_LISTING: the highest inode number that landed */
    uint32_t landed, total; /* JOB_LISTING, for status: messages that came, of how many; total 0:
                               not known yet. The worker's thread copies them from its listing. */
    struct waiter *waiters;
    struct batch *batch;          /* JOB_CHANGE: what it carries (carry.h) */
    bool alone;                   /* JOB_CHANGE: it wants the connection for itself */
    struct search_ask *ask;       /* JOB_SEARCH: what it asks (search_internal.h) */
    struct job *search_next;      /* JOB_SEARCH: sent behind it. The worker's own */
    const struct change *follows; /* JOB_BODY: whose end it waits for. Protected by sync->lock */
    struct task again;            /* JOB_BODY: once that has come */
    bool polling;                 /* JOB_TREE: what changed in the mailboxes is asked for, too */
    bool reading;                 /* JOB_LISTING: a program reads the mailbox */
    bool window;                  /* JOB_LISTING: some of the flags are looked at */
    bool flags_due;               /* JOB_LISTING: flags have changed */
    bool anew, anew_flags;        /* JOB_LISTING: something came since it began */
    struct standing standing;     /* JOB_LISTING: what the cache is in step with afterwards */
    /* The rest belongs to the worker that took the job, but for what the lock guards. */
    struct listing *listing;
    bool broken;       /* JOB_BODY: the bytes came and could not be stored */
    bool received;     /* JOB_BODY: the bytes came and were handed to the cache */
    bool seen;         /* JOB_BODY: the server spoke of the message, without its bytes */
    unsigned probes;   /* JOB_BODY: how often it had the message, and sent none */
    bool command_done; /* JOB_BODY: the tagged reply came, or the connection ended */
    bool stored;       /* JOB_BODY: the cache is done with it. Protected by sync->lock */
};

/* Whether the server tells of other mailboxes on the watch's connection (notify.c). */
enum notify_state {
    NOTIFY_OFF,
    NOTIFY_ON,
    NOTIFY_ENDING, /* the answer to NOTIFY NONE is to come: until then it may tell */
    NOTIFY_REFUSED,
};

/* The worker's watch on Inbox (watch.c). */
struct watch {
    int64_t mailbox;    /* 0: none */
    int64_t since;      /* clock_ms when the connection was made */
    int64_t quiet;      /* clock_ms of the last job */
    int64_t again_at;   /* clock_ms: IDLE, or NOOP, is sent anew */
    int64_t look_at;    /* clock_ms when what was pushed is looked at; 0: nothing was */
    int64_t pushed;     /* clock_ms of the first push that was not looked at */
    int64_t not_before; /* clock_ms: Inbox cannot be opened until then */
    uint32_t exists;    /* at the last look */
    bool idling;        /* IDLE was sent, DONE was not */
    bool asking;        /* a command of the watch is on its way */
    bool flags;         /* flags were pushed */
    enum notify_state notify;
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
    int64_t connecting;   /* clock_ms since when it has been WORKER_CONNECTING */
    int64_t next_attempt; /* clock_ms */
    bool called;          /* to connect, as soon as it may: a job has nobody else */
    unsigned failures;    /* connects that failed in a row */
    int64_t mailbox;      /* selected, or being selected; 0: none */
    int64_t turn;         /* clock_ms since when */
    unsigned active;      /* jobs taken */
    unsigned active_bodies;
    bool active_listing;
    unsigned active_changes;
    unsigned active_searches;
    bool alone;     /* a job has the connection for itself */
    bool polling;   /* a JOB_POLL is under way */
    bool watching;  /* it has nothing to do but to watch Inbox */
    bool for_watch; /* to connect, since nobody watches */
    bool writable;  /* `mailbox` was opened by SELECT */
    uint64_t active_bytes;
    unsigned ahead; /* of the bodies, those asked for ahead */
    uint64_t ahead_bytes;
    uint64_t arrived; /* bytes of the body that is arriving, for status */
    /* The worker's own: */
    struct imap_connection *connection;
    struct imap_handler handler;
    atomic_int_least64_t asleep; /* clock_asleep_ms at the last look at the connection */
    int64_t examined; /* the mailbox that the last EXAMINE was for; 0: none, or it failed */
    unsigned opening; /* EXAMINE and SELECT that were not answered */
    enum imap_error examine_error; /* why it failed */
    uint32_t uidvalidity;          /* of that mailbox; 0 until the server said it */
    bool stirred;                  /* the server spoke of a change in it since its listing began */
    struct cache_incoming *incoming; /* the body that is arriving, or has just arrived */
    uint64_t incoming_bytes;         /* of it, so far */
    bool incoming_broken;            /* it could not be stored */
    size_t unreported;               /* bytes since jobs_progress */
    int64_t asked; /* clock_ms: when a body was asked for with nothing else on its way; 0: not so */
    struct tree *tree;                    /* while a JOB_TREE runs */
    struct renamed *renamed;              /* while it looks for mailboxes that were renamed */
    struct poll *poll;                    /* while a JOB_POLL runs */
    struct job *searches, *searches_last; /* in the order in which they were sent */
    struct watch watch;
    struct batch *batches; /* of the JOB_CHANGEs that it has */
};

struct outage {
    enum sync_error error;
    int64_t until; /* requests before this fail at once with `error` */
    char text[SYNC_TEXT_MAX];
};

/* What is known of the UIDs that a mailbox gives out (bearings.c). */
struct bearing {
    int64_t mailbox;
    uint32_t uidvalidity, uidnext;
    int64_t put_off; /* clock_ms since when its refreshes are; 0: they are not */
};

/* Whether a refresh of the mailbox waits for what we are putting there: bearings.c. */
bool refresh_put_off(struct sync *sync, int64_t mailbox);
/* Of `uids`, which a listing does not find any more, leaves those that no MOVE of ours is under way
 * for, and returns how many: the others' outcome tells where they are, and they keep their inodes.
 */
size_t leaving_spare(struct sync *sync, int64_t mailbox, uint32_t uidvalidity, uint32_t *uids,
                     size_t count);

/* Of flags that the server was asked for at `asked` (clock_ms), leaves those that no STORE of ours
 * is under way for, or has ended since, and returns how many: its outcome is what holds. */
size_t stored_spare(struct sync *sync, int64_t mailbox, int64_t asked,
                    struct cache_new_flags *flags, size_t count);

/* A message whose flags we changed. */
struct stored {
    int64_t mailbox, at; /* clock_ms */
    uint32_t uid;
};

/* A UID that is the outcome of one of our changes. */
struct claim {
    int64_t mailbox;
    uint32_t uidvalidity, uid;
};

enum { CLERKS_MAX = 4 };

struct hold;
struct regard;
struct indexing;
struct stock;
struct views;

struct sync {
    /* Set at the start, then read only. */
    char *account, *host, *cafile, *username;
    bool subscribed, uid_names;
    int timeout_ms;
    int64_t poll_ms;           /* 0: nothing is looked at that nobody asks for */
    uint64_t cache_size;       /* bytes */
    struct imap_settings imap; /* without cancel_fd: that is each worker's own */
    struct cache *cache;
    struct auth_secret *secret;
    struct sync_listener listener;
    atomic_bool listening;
    struct worker workers[WORKERS_MAX];
    unsigned worker_count;
    pthread_t warden;
    struct journal *journal; /* NULL: nothing is changed */
    bool by_journal;         /* commit=journal */
    bool expunge, mark_seen;
    char *trash; /* shown path, or NULL */
    struct views *views;
    struct stock *stock;
    struct indexing *indexing;
    pthread_t clerks[CLERKS_MAX];
    unsigned clerk_count;
    pthread_cond_t clerk_wake;

    pthread_mutex_t lock;
    pthread_cond_t warden_wake;
    /* Protected by lock: */
    bool stopping;
    bool warden_running;
    int stir_fd;                  /* eventfd of sync_progress_fd; 0: nobody asked for it */
    struct job *jobs, *jobs_last; /* pending and taken; newest last */
    struct ahead *ahead;          /* what is in it: ahead.h */
    sync_ticket last_ticket;
    struct outage outage;
    int64_t limiter_until; /* clock_ms: nothing is sent before (the server's back-off) */
    int64_t tree_checked; /* clock_ms of the last LIST in this process; 0: none yet, or it is out of
                             date */
    int64_t last_contact; /* wall clock of the last successful sign-in; 0: none yet */
    struct regard *regards; /* in order of mailboxes */
    size_t regard_count, regard_room;
    uint64_t tree_digest;              /* of the names that the cache was made equal to; 0: none */
    unsigned tree_digest_epoch;        /* when that was */
    unsigned tree_epoch;               /* our own changes to mailboxes, counted */
    int64_t poll_at;                   /* clock_ms of the next look at all mailboxes */
    int64_t flags_turn;                /* the mailbox whose flags the last poll looked at */
    int64_t strolls[STROLL_MAILBOXES]; /* mailboxes that a walk has asked about; 0: it was told */
    int64_t walk_in, walk_at; /* the mailbox (0: the root) that was opened last, and when */
    size_t poll_turn;         /* of mailboxes that are too many for one poll */
    unsigned away;            /* attempts to have a connection that failed in a row */
    struct worker *watcher;   /* who watches Inbox; NULL: nobody */
    int64_t unwatched;        /* clock_ms since when nobody does */
    int64_t inbox;            /* 0: not known yet */
    bool clerks_ending;
    struct task *tasks;       /* for clerks */
    struct request *requests; /* all that are not over */
    struct change *changes;   /* likewise */
    struct hold *holds;       /* messages that clerks are at work on */
    pthread_cond_t hold_over;
    struct change *queue, *queue_last; /* those that may go; oldest first */
    bool queue_moves; /* one of them may go now: since the last look one came, or a batch landed */
    struct batch *flying; /* what workers have, or are to take */
    uint64_t last_number; /* of a change */
    struct bearing *bearings;
    size_t bearing_count;
    struct claim *claims; /* a ring */
    size_t claim_next, claim_count;
    struct stored *stored; /* a ring */
    size_t stored_next, stored_count;
    int64_t brake_from; /* clock_ms: since when `expunged` is counted */
    unsigned expunged;
    bool braked, brake_timed;
    int64_t change_over;               /* clock_ms of the last end of a change */
    struct search_notes *search_notes; /* of the last searches; NULL: none yet */
    uint64_t quota_used, quota_limit;  /* bytes; limit 0: none, or not known */
    int64_t quota_at;                  /* clock_ms; 0: never asked */
    bool quota_asking;
};

/* errors.c: what an error of imap means for a request, and what it does to the account. */
enum sync_error sync_error_of_imap(enum imap_error error);
enum sync_error sync_error_of_cache(enum cache_error error);
/* A secret that cannot be had is a sign-in that failed, or a network that did. */
enum imap_error imap_error_of_auth(enum auth_error error);
/* Notes a failed sign-in or a back-off. Takes the lock. */
void outage_note(struct sync *sync, const struct imap_failure *failure);
void limiter_note(struct sync *sync, int64_t backoff_ms);
/* Whether nothing may be sent now. Takes the lock. */
bool limiter_holds(struct sync *sync);

/* jobs.c and dispatch.c. Those ending in _locked want sync->lock held. */

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
/* Takes out the waiters of `job` that wait for less than `wait_ms` without progress. */
struct waiter *waiters_below_locked(struct job *job, int64_t wait_ms)
    __attribute__((warn_unused_result));
/* Calls and frees the waiters, without the lock. */
void waiters_tell(struct waiter *waiters, enum sync_error error);
/* Takes the job out of the list and returns its waiters. The job stays its holder's to free. */
struct waiter *job_finish_locked(struct sync *sync, struct job *job)
    __attribute__((warn_unused_result));
/* Takes a pending or taken job out of the list and frees it; it has no waiters. */
void job_free_locked(struct sync *sync, struct job *job);
/* Frees a job that is out of the list. */
void job_discard_locked(struct job *job);
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
/* How far a listing is, for status: what job_landed and jobs_progress note too. Takes the lock. */
void job_counted(struct sync *sync, struct job *job);
/* When the waiter is told the error of its bound, unless its job makes progress. */
int64_t waiter_deadline(const struct job *job, const struct waiter *waiter);
/* Something is under way, or waited for, that was not before: wakes whoever shows progress. */
void stir_locked(struct sync *sync);
/* requests.c: sync_want_listing for who goes over many mailboxes by himself (a search). */
sync_ticket listing_want(struct sync *sync, int64_t mailbox, sync_done_fn *done, void *ctx);
/* requests.c: the last attempt to connect failed, and nothing stands since. Takes the lock. */
bool sync_offline(struct sync *sync);
/* Sees that the tree is asked for, by a job that nobody waits for. */
void tree_wanted_locked(struct sync *sync);
/* Of the workers without a connection, the one that connects next. NULL: all have one. */
struct worker *worker_offline_locked(struct sync *sync);
/* How many connections stand; and whether one does, or is being made. */
unsigned workers_ready_locked(const struct sync *sync);
bool workers_any_locked(const struct sync *sync);

/* Sends jobs that wait on their way again: some worker's state has changed. */
void jobs_redispatch(struct sync *sync);

/* connecting.c. In the worker's own thread. */

/* Signs in, or notes why not, and sends the waiting jobs on their way. At most as long as the
 * secret takes, and CONNECT_BOUND_MS a step. */
void worker_connect(struct worker *w);
/* The connection has ended with `error`: closes it. Its jobs are back among the pending ones. */
void worker_disconnected(struct worker *w, enum imap_error error);
/* The state of a worker that has no connection (any more). Takes the lock. */
void worker_set_state(struct worker *w, enum worker_state state);

/* examine.c. In the worker's own thread. */

/* Submits SELECT; `done` must call worker_examined first. */
enum imap_error worker_select(struct worker *w, int64_t mailbox, imap_done_fn *done, void *ctx)
    __attribute__((warn_unused_result));
/* Whether the worker has this mailbox open for changes; likewise for reading. */
bool worker_has_selected(const struct worker *w, int64_t mailbox);
/* The job that was taken opens no mailbox after all. */
void worker_stays(struct worker *w);
/* Submits EXAMINE, or SELECT where the mailbox stands so already; `done` must call worker_examined
 * first. */
enum imap_error worker_examine(struct worker *w, int64_t mailbox, imap_done_fn *done, void *ctx)
    __attribute__((warn_unused_result));
/* As worker_examine, for a mailbox that is listed, on a connection that resyncs. */
enum imap_error worker_resync(struct worker *w, int64_t mailbox, imap_done_fn *done, void *ctx)
    __attribute__((warn_unused_result));
/* Every completion passes here first: a back-off that the server asks for holds for the whole
 * account. */
void worker_note(struct worker *w, const struct imap_completion *completion);
/* Notes the answer to EXAMINE in worker and cache. SYNC_OK, or why the mailbox cannot be used. */
enum sync_error worker_examined(struct worker *w, int64_t mailbox,
                                const struct imap_completion *completion);

/* worker.c */
void *worker_main(void *worker);
/* Bytes came: with each KiB the jobs of the worker made progress. */
void worker_moved(struct worker *w, size_t bytes);
/* The job of this kind that the worker holds (bodies: the one for `uid` that waits for its bytes);
 * NULL: none. */
struct job *worker_job(struct worker *w, enum job_kind kind, uint32_t uid);
/* Pass a cache_change on to the listener, one for each sync_origin: cache_change_fn with the sync
 * object as ctx. What the server told of; what this mount did; what a first listing found. */
void sync_changed(void *sync, const struct cache_change *change);
void sync_changed_here(void *sync, const struct cache_change *change);
void sync_changed_listing(void *sync, const struct cache_change *change);

/* tree.c: LIST and LSUB, and what is made of them. */
void tree_start(struct worker *w, struct job *job);
void tree_response(struct worker *w, const struct imap_list *list, bool subscribed);
/* A change of ours to a mailbox stands: what was listed before may not know of it. Any thread. */
void tree_ours_changed(struct sync *sync);
/* STATUS, which came with LIST. */
void tree_status(struct worker *w, const struct imap_mailbox_status *status);

/* tree_renamed.c: mailboxes that another client renamed. All in the worker's thread. */
struct tree_entries;
typedef void renamed_over_fn(void *ctx, enum imap_error error);
/* Whether a mailbox of the cache that is not among `entries` may be one of those that are new in
 * it. True: the server has to be asked, and renamed_free follows in the end; the connection must be
 * the worker's tree's own (nobody else has a job on it). `entries` are kept until then. */
bool renamed_start(struct worker *w, const struct tree_entries *entries);
/* Asks; `over` is called once: IMAP_OK, or what ended the connection, when nothing is known. */
void renamed_ask(struct worker *w, renamed_over_fn *over, void *ctx);
/* True: the response was an answer to it. */
bool renamed_status(struct worker *w, const struct imap_mailbox_status *status);
bool renamed_fetch(struct worker *w, const struct imap_fetch *fetch);
void renamed_free(struct worker *w);
/* tree_renamed_note.c: those that were found to be the same have their new names in the cache. */
enum cache_error renamed_note(struct worker *w);

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
/* The server's name of the level above; malloc. NULL: the root, or no memory. */
char *tree_parent_name(const char *name, char delimiter);
/* The name of the second and further mailboxes that would have the same one: as of
 * cache_tree_replace. */
void tree_ordinal_name(const char *shown, unsigned ordinal, char *name);

/* body.c, body_set.c: messages' bytes. */
void body_start(struct worker *w, struct job *job);
void body_fetch(struct worker *w, const struct imap_fetch *fetch);
/* body_follow.c: the server has no such UID any more. True: the job looks where a MOVE of ours has
 * taken the message, or takes it just now; it is not the worker's any more. False: it is gone. */
bool body_follow(struct job *job);
/* The change is over: bodies that waited for that look again. */
void bodies_free_locked(struct sync *sync, const struct change *change);

/* Any other FETCH of a message. */
void body_mentioned(struct worker *w, const struct imap_fetch *fetch);
bool body_begin(void *worker, uint32_t sequence, uint64_t length);
bool body_chunk(void *worker, const char *data, size_t len);
void body_end(void *worker);

/* warden.c */
void *warden_main(void *sync);

/* roles.c */
enum cache_role role_of(unsigned list_attributes, const char *shown, bool top_level);
const char *role_name(enum cache_role role);

#endif
