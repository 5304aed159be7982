/*
 * What the files that carry changes out share (change.h is what they are for). Internal to sync/.
 *
 * A request (change.c) is what the file system asked for; it makes one change, or two where one
 * message replaces another. A change is one row of the journal on its way: one command about one
 * message or mailbox. Its stations:
 *
 *     prepare.c    a clerk: arguments looked up and checked, the row written (plan.h)
 *     queue.c      in sync->queue, until it may go; changes of one kind go together as a batch
 *     carry.c      a worker: the batch's commands (carry_uid.c), and what the server said of each
 *                  change (batch.c)
 *     reconcile.c  a worker: what became of changes whose outcome is not known
 *     outcome.c    a clerk: journal, cache (outcome_note.c), and whoever waits (change_end.c)
 *
 * At any moment a change belongs to one of these and to one thread; what is marked so is protected
 * by sync->lock. Clerks (clerk.c) are the threads that wait for journal and cache, so that workers
 * and FUSE threads never do.
 */
#ifndef OUTLOOKFS_SYNC_CARRY_H
#define OUTLOOKFS_SYNC_CARRY_H

#include <errno.h>

#include "cache/outcomes.h"
#include "sync/change.h"
#include "sync/internal.h"

enum {
    BATCH_UIDS = 250,      /* UIDs of a set: 2,750 bytes at most (OUTLOOK.md section 3) */
    BATCH_APPENDS = 50,    /* messages on their way at once in one batch */
    SET_BYTES = 3000,      /* of the text of a UID set */
    CHANGE_ATTEMPTS = 4,   /* connections that a change may see break */
    BRAKE_EXPUNGES = 1000, /* a minute: more wait (CONTRACT.md 2) */
    BRAKE_MS = 60000,
    LATER_FIRST_MS = 1000, /* before what nobody waits for is tried again */
    LATER_MAX_MS = 60000,
    CLERKS = 3,
    CHANGE_PIPELINE = 8, /* batches at once on one connection */
    CLAIMS_MAX = 4096,
    PUT_OFF_MS = 5000,
    HEADER_MAX = 65536, /* of a message to be sent: what is looked at */
};

#define BATCH_BYTES ((uint64_t)8 << 20) /* of messages in one batch, unless one alone is larger */

/* What became of a change on the wire. */
enum fate {
    FATE_NONE,
    FATE_DONE,    /* it happened; `uid` is where, 0: the server did not say */
    FATE_SAID_OK, /* the server said OK, and not where: it counts once it is found */
    FATE_UNDONE,  /* it surely did not happen, because of `why`: it may be sent again */
    FATE_UNKNOWN, /* it may have happened */
    FATE_REFUSED, /* it will not happen; `why` */
    FATE_LOST,    /* it cannot be found out whether it happened */
    FATE_SINGLY,  /* a batch was refused as a whole: each by itself, then */
};

struct request;

struct change {
    struct change *next;                /* where it waits */
    struct change *all_next, *all_prev; /* in sync->changes. Protected by lock */
    struct sync *sync;
    struct request *request; /* who waits for its end; NULL: nobody */
    bool principal;          /* its end is the request's */
    bool background;         /* nobody waits for the server */
    bool replayed;           /* of an earlier process */
    bool held;               /* only looked for, never sent: its end was told */
    bool abandoned;          /* held, and the user decided. Protected by lock */
    uint64_t number;         /* in the order of asking */
    bool keep;               /* its bytes are kept when it fails */
    enum journal_kind kind;
    int64_t id;              /* row; 0: none yet */
    struct journal_row row;  /* text as the row has it */
    bool sent;               /* the row says that it may have been sent */
    int64_t mailbox, target; /* of the cache; 0: none */
    int64_t message;         /* likewise, the message that it is about */
    uint64_t staged;
    bool replace;
    bool hidden; /* the cache shows what is to come */
    struct journal_spool *spool;
    uint8_t sha256[JOURNAL_SHA256];
    struct change *then;  /* changes that follow when this one has succeeded */
    struct task *blocked; /* requests about the same message. Protected by lock */
    struct task task;     /* for another try, later */
    /* On the wire. */
    enum fate fate;
    enum sync_error why;
    char reason[JOURNAL_TEXT_MAX];
    uint32_t uidvalidity, uid; /* where it is now */
    bool copied;               /* the first half of a MOVE without MOVE stands */
    bool for_good;             /* \Deleted stays: hide it */
    bool singly;
    bool said_ok;  /* the server said that it did it */
    unsigned idle; /* how often it said so, and had not */
    bool present;  /* reconcile.c saw the message where it was */
    bool settled;  /* likewise, where it was to go */
    unsigned attempts;
    int64_t progress; /* clock_ms of the last sign of life; guarded like the rest */
    int64_t later_ms;
    struct cache_inode inode; /* what it became */
    char *flags;              /* STORE: as the server has them now */
    /* STORE: what the cache had before it showed what is to come, and since; NULL: it did not. */
    char *flags_before, *flags_after;
};

enum request_kind {
    REQUEST_PUBLISH,
    REQUEST_MOVE,
    REQUEST_COPY,
    REQUEST_REMOVE,
    REQUEST_STORE,
    REQUEST_CREATE,
    REQUEST_DELETE,
    REQUEST_RENAME,
    REQUEST_SUBSCRIBE,
    REQUEST_STAGED_CREATE,
    REQUEST_STAGED_NOTE,
    REQUEST_STAGED_RENAME,
    REQUEST_STAGED_REMOVE,
    REQUEST_SPOOL_KEEP,
    REQUEST_SPOOL_FORGET,
    REQUEST_SETTLE,
    REQUEST_KINDS
};

struct request {
    struct task task;
    struct request *next; /* in sync->requests. Protected by lock */
    struct sync *sync;
    sync_ticket ticket;
    enum request_kind kind;
    sync_changed_fn *done; /* NULL: nobody hears. Protected by lock */
    void *ctx;
    int64_t since;
    uint64_t number; /* changes with a lower one were asked for before */
    bool waiting;    /* SETTLE: for changes to end. Protected by lock */
    unsigned asked;  /* SETTLE: how often the server was */
    unsigned left;   /* changes that must end first. Protected by lock */
    /* Arguments. */
    int64_t message, mailbox, parent, clone_of, replaces, internaldate, mtime;
    uint64_t ino, size, parent_ino;
    char *name, *flags, *text;
    bool replace, has_date, keep, visible, subscribed;
    bool no_twin;                /* the message with the same bytes is gone */
    bool blocked;                /* it had to wait for another change */
    bool overdue;                /* ... for too long. Protected by lock, as is the one before */
    struct journal_spool *spool; /* its own, but for SPOOL_KEEP and SPOOL_FORGET */
    /* How it ends. */
    enum sync_error error;
    char reason[JOURNAL_TEXT_MAX];
    struct cache_inode inode;
};

enum batch_kind { BATCH_CHANGES, BATCH_STATUS, BATCH_LOOK, BATCH_MAILBOX, BATCH_NOOP, BATCH_QUOTA };

struct reconcile;

/* What one job carries: changes of one kind between the same two mailboxes. */
struct batch {
    struct task task;
    struct sync *sync;
    enum batch_kind kind;
    struct change *changes; /* a list by `next` */
    size_t count;
    int64_t mailbox; /* to be selected; 0: none */
    int64_t target;
    struct worker *worker;
    struct job *job;
    struct batch *on_worker;                 /* the next one of the same worker */
    struct batch *flies;                     /* the next one of sync->flying. Protected by lock */
    unsigned pending;                        /* commands on their way */
    bool went;                               /* a worker took it */
    enum imap_error error;                   /* of BATCH_STATUS, BATCH_NOOP */
    enum sync_error why;                     /* where no worker took it */
    uint32_t uidvalidity, uidnext, messages; /* STATUS */
    bool has_status;
    bool children, subscribed; /* BATCH_MAILBOX */
    unsigned step;             /* of what takes several commands */
    struct reconcile *reconcile;
    uint32_t *deleted; /* SEARCH DELETED: UIDs */
    size_t deleted_count;
    bool searched;
    bool storing;            /* STORE has gone out: FETCH tells what came of it */
    struct request *request; /* BATCH_NOOP: the settle that waits for it */
};

/* ---- clerk.c ---- */

bool clerks_start(struct sync *sync);
void clerks_stop(struct sync *sync);
void clerk_task(struct sync *sync, struct task *task);
void clerk_task_locked(struct sync *sync, struct task *task);

/* ---- change.c ---- */

/* The request is over. Any thread, no lock. */
void request_end(struct request *request);
void request_fail(struct request *request, enum sync_error error, const char *reason);
/* One of its changes is over: the last one ends it. */
void request_change_over(struct request *request);
void requests_stop(struct sync *sync);
/* True: nobody hears of it. */
bool request_detach(struct sync *sync, sync_ticket ticket);
void request_free(struct request *request);
/* What the warden does for them. */
void changes_overdue_locked(struct sync *sync, int64_t now, int64_t *nearest);

/* ---- prepare.c ---- */

void blocked_overdue_locked(struct sync *sync, int64_t now, int64_t *nearest);
void request_prepare(struct sync *sync, struct task *task);

/* ---- plan.c ---- */

struct change *change_new(struct sync *sync, enum journal_kind kind);
void change_free(struct change *change);
/* An intent about the message `message` of the cache: fills mailbox, uidvalidity, uid and what to
 * look for. The text lives in `facts`. */
struct message_facts {
    struct cache_message message;
    struct cache_mailbox mailbox;
    struct cache_inode inode;
};
enum sync_error facts_get(struct sync *sync, int64_t message, struct message_facts *facts);
void facts_free(struct message_facts *facts);
/* What it waited for is over: the journal knows where its message is now, or that it will not come.
 * False: it is over with that, and freed. */
bool change_reread(struct change *change);
/* What it waited for has made the message that it is about: that is what it is about from now on.
 */
void change_find_message(struct change *change);
/* Whether a change can be asked for now. `server`: whatever commit= says. */
enum sync_error change_reachable(struct sync *sync, bool server);

/* ---- removal.c ---- */

/* The mailbox that removed messages go to; 0: none. */
int64_t trash_find(struct sync *sync);

/* ---- errors.c ---- */

enum sync_error sync_error_of_journal(enum cache_error error);
/* The errno that the file system makes of it, for a row that a person looks at. */
int journal_code(enum sync_error error);

/* ---- foreshow.c ---- */

void foreshow(struct change **changes, size_t count, struct request *request);
bool change_place(const struct change *change, struct cache_place *place);
void change_hide(struct change *change);
/* STORE: the flags that the message is going to have; and back. */
void change_show_flags(struct change *change);
void change_unshow_flags(struct change *change);
enum sync_error staged_request(struct request *request);
enum sync_error sync_error_of_naming(enum cache_error error);

/* ---- replay.c ---- */

/* What the journal tells that an earlier process left. */
void changes_replay(struct sync *sync);
/* A row that is an intent (again) is sent. Takes the row. Any thread. */
bool change_resume(struct sync *sync, struct journal_row *row);
bool change_under_way(struct sync *sync, int64_t id);
/* Looks for all that is held. A clerk. */
void held_look(struct sync *sync);
/* The same, by a clerk, in a while. Any thread. */
void held_look_later(struct sync *sync, int64_t wait_ms);
void held_abandon(struct sync *sync, int64_t id);
void held_drop_followers(struct change *held);

/* ---- hold.c ---- */

enum { HOLD_MAX = 4 };
/* A clerk's claim on messages, and on a name; on its stack. */
struct hold {
    struct hold *next;
    int64_t keys[HOLD_MAX]; /* messages, and hold_name; 0: none */
};
/* The key of a name in a mailbox: 0 for none. Two names may share one, which costs a wait. */
int64_t hold_name(int64_t mailbox, const char *name);
/* Waits until no other clerk has any of them; that one waits for the disk at most. */
void hold_take(struct sync *sync, struct hold *hold);
void hold_release(struct sync *sync, struct hold *hold);

/* ---- queue.c ---- */

/* The change may go. Any clerk. */
void change_queue(struct change *change);
/* It may go after a while, or once a connection stands. */
void change_queue_later(struct change *change);
void change_task_later(struct change *change, void (*run)(struct sync *, struct task *));
/* Takes a change that has not been sent yet out of the queue. */
bool queue_take_locked(struct sync *sync, struct change *change);
/* Forms batches of what may go, and gives them to workers. A clerk. */
void queue_pump(struct sync *sync);
/* A connection stands again: what waited for one may go. */
void changes_connected(struct sync *sync);
/* The change is in none of the lists any more. */
void change_forget(struct change *change);
/* The last change about `message` that is not over; NULL. With lock. */
struct change *change_about_locked(struct sync *sync, int64_t message);
/* Whether a later one about the same message is there: what the cache shows is that one's. */
bool change_is_followed(const struct change *change);
void change_list_locked(struct sync *sync, struct change *change);
/* The last one that came from, or waits for, the staged file; NULL. With lock. */
struct change *change_of_staged_locked(struct sync *sync, uint64_t staged);
/* The one that makes a message of it; likewise. */
struct change *change_making_locked(struct sync *sync, uint64_t staged);

/* ---- bearings.c ---- */

/* What is known of a mailbox's UIDs: the UIDNEXT that a change to come may count on. */
bool bearings_get(struct sync *sync, int64_t mailbox, uint32_t *uidvalidity, uint32_t *uidnext);
void bearings_note(struct sync *sync, int64_t mailbox, uint32_t uidvalidity, uint32_t uidnext);
/* A UID that is the outcome of a change of ours already. */
void claim_note(struct sync *sync, int64_t mailbox, uint32_t uidvalidity, uint32_t uid);
/* A STORE of ours has ended. */
void stored_note(struct sync *sync, int64_t mailbox, uint32_t uid);
bool claim_taken(struct sync *sync, int64_t mailbox, uint32_t uidvalidity, uint32_t uid);

/* ---- batch.c ---- */

struct batch *batch_new(struct sync *sync, enum batch_kind kind);
void batch_free(struct batch *batch);
/* A batch for the workers, from a clerk. */
void batch_dispatch(struct batch *batch);
/* The job that carried it is gone without having been taken, because of `why`. */
void batch_return_locked(struct sync *sync, struct batch *batch, enum sync_error why);
/* It is in no lane any more. */
void batch_landed(struct batch *batch);
void change_fate(struct change *change, enum fate fate, enum sync_error why, const char *reason);
/* Of the changes that have none yet. */
void batch_fate(struct batch *batch, enum fate fate, enum sync_error why, const char *reason);
void change_completed(struct change *change, const struct imap_completion *completion);
enum sync_error sync_error_of_refusal(const struct imap_completion *completion);
char *change_set(struct batch *batch);
struct change *batch_change(struct batch *batch, uint32_t uid);
void carry_copyuid(struct batch *batch, const struct imap_completion *completion);
/* A command that changes the batch's mailbox; batch_not_submitted: why it did not go. */
enum imap_error batch_submit(struct batch *batch, struct imap_command *command, imap_done_fn *done);
void batch_not_submitted(struct batch *batch, enum imap_error error);
/* The last command that is over ends the batch. */
void batch_command_over(struct batch *batch);
/* The batch is through: back to a clerk. */
void carry_end(struct batch *batch);

/* ---- carry_uid.c ---- */

/* Lets the connection hear of the batch's messages, where it may not have since SELECT. */
void carry_hear(struct batch *batch);
/* The changes that are open, or whose copy stands (SAID_OK), leave the mailbox. */
void carry_expunge(struct batch *batch);
void carry_copy(struct batch *batch, const char *target, bool move);
void carry_store(struct batch *batch);

/* ---- carry.c ---- */

void carry_start(struct worker *w, struct job *job);
/* True: the response was an answer to a change's question. */
bool carry_fetch(struct worker *w, const struct imap_fetch *fetch);
void carry_untagged(struct worker *w, const struct imap_response *response);

/* ---- reconcile.c ---- */

void reconcile_start(struct batch *batch);
void reconcile_fetch(struct batch *batch, const struct imap_fetch *fetch);
void reconcile_free(struct batch *batch);

/* ---- outcome.c ---- */

void batch_outcome(struct sync *sync, struct task *task);
/* What was done by an earlier process is noted in the cache. */
void change_finish(struct change *change);
/* Looks on the server whether it was done. */
void change_look(struct change *change);

/* ---- outcome_note.c ---- */

/* What it did, into the cache. */
void change_note(struct change *change);
/* A listing of the mailbox tells what is there. */
void mailbox_look(struct sync *sync, int64_t mailbox);
/* What was hidden until the outcome is known, comes back. */
void change_show(struct change *change);

/* ---- change_end.c ---- */

/* The change is over, and freed. What follows a change that failed is over with it. */
void change_over(struct change *change, enum sync_error error, const char *reason);
/* It ends with an error, before or after it was sent. */
void change_fail(struct change *change, enum sync_error error, const char *reason);
/* Another one takes its place: it is dropped, unsent. */
void change_withdraw(struct change *change);
/* It surely was not done: it goes again, or fails. `went`: a worker took its batch. */
void change_undone(struct change *change, bool went);
/* The mount ends: the row stays for the next process. */
void change_leave(struct change *change);
bool change_stopping(struct sync *sync);
/* Whether it may be tried again on behalf of whoever waits. */
bool change_has_time(const struct change *change);

/* ---- message_check.c ---- */

/* Whether the spool is a message; *prepared is another spool with CRLF line ends where there were
 * bare LFs, else NULL. */
enum sync_error message_check(struct journal *journal, struct journal_spool *spool,
                              struct journal_spool **prepared, char *reason);

/* ---- settle.c ---- */

void settle_start(struct request *request);
/* A change is over: those who wait for all of them may be through. */
void settle_look(struct sync *sync);
void settle_overdue_locked(struct sync *sync, int64_t now, int64_t *nearest);
/* A change that nobody waited for failed. */
void settle_failed(struct sync *sync, uint64_t number, enum sync_error error, const char *reason);
void settle_told(struct batch *batch);
void quota_note(struct batch *batch, const struct imap_response *response);
void quota_told(struct batch *batch);

/* ---- mailbox_change.c ---- */

enum sync_error mailbox_request(struct request *request);
void mailbox_carry(struct batch *batch);
void mailbox_list(struct batch *batch, const struct imap_list *list);
enum cache_error mailbox_outcome(struct change *change);

#endif
