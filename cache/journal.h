/*
 * The journal: what is to be changed on the server, and what became of it. A row is an intent in
 * the server's terms (mailbox, UIDVALIDITY, UID), never a cache id, because the cache may be lost
 * and the journal may not. The bytes of an APPEND stand beside it in a spool.
 *
 * One journal belongs to one cache directory of an account: STATE/journal-HASH.db, a lock beside
 * it, and STATE/outbox-HASH/ with one file a spool, named by the row's id. All 0600 in 0700. Small
 * spools, as most are, stand in the database itself: one fsync brings row and bytes to the disk.
 *
 * The order of a change (ARCHITECTURE.md):
 *
 *     journal_add        the intent is on disk with its bytes: success of close() with
 *                        commit=journal
 *     JOURNAL_DO_SEND    on disk before the first byte goes out; the target's UIDNEXT is noted
 *     JOURNAL_DO_SUCCEED the outcome (APPENDUID, COPYUID, or what was found) is in the row
 *     an upsert in the cache (outcomes.h), which may be done again after a crash
 *     JOURNAL_DO_FINISH  the row and its spool go
 *
 * After a crash a row is in one of these states, and what to do follows: JOURNAL_INTENT: send it;
 * JOURNAL_SENT: look on the server whether it happened, never send it before; JOURNAL_DONE: upsert
 * and finish; the others wait for the user (outlookfs outbox).
 *
 * Any thread may call anything here, but for a spool that is still being written, which belongs to
 * one thread at a time. Every call that writes waits for its transaction, so FUSE threads make
 * none, and nobody holds a lock around one. Calls marked [fsync] return once the disk has it;
 * calls that wait at the same time share the cost. The others survive a crash of the process, and
 * a power failure once the next [fsync] or an idle second has passed.
 */
#ifndef OUTLOOKFS_CACHE_JOURNAL_H
#define OUTLOOKFS_CACHE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/cache.h"

struct journal;
struct journal_spool;

enum { JOURNAL_SHA256 = 32, JOURNAL_TEXT_MAX = 400, JOURNAL_PREVIOUS = -1 };

struct journal_limits {
    uint64_t rows;  /* 0: the default, 100,000 */
    uint64_t bytes; /* of all spools, those still being written too; 0: the default, 4 GiB */
    uint32_t small; /* bytes of a spool that stands in the database; 0: the default, 64 KiB */
};

/*
 * Opens the journal that goes with `cache_dir` (which exists) in `state_dir` (created 0700 where
 * missing). CACHE_ERR_BUSY: another process has it. A damaged journal is set aside, never deleted;
 * its spools (of the small ones, those that can still be read) come back as JOURNAL_HELD. A journal
 * of a later version is left alone: CACHE_ERR_IO. On error `text` (JOURNAL_TEXT_MAX bytes) holds
 * one line for a person.
 */
enum cache_error journal_open(struct journal **journal, const char *state_dir,
                              const char *cache_dir, const struct journal_limits *limits,
                              char *text) __attribute__((warn_unused_result));

/* No call may be running or follow; every spool is closed. What was written without [fsync] is on
 * the disk afterwards. */
void journal_close(struct journal **journal);

/* ---- rows ---- */

enum journal_kind {
    JOURNAL_APPEND = 1, /* a spool to `target` */
    JOURNAL_COPY,       /* (mailbox, uid) to `target` */
    JOURNAL_MOVE,
    JOURNAL_STORE,   /* `flags`: a whole list, or "+\Seen", "-\Flagged" */
    JOURNAL_EXPUNGE, /* STORE \Deleted and UID EXPUNGE */
    JOURNAL_CREATE,  /* `mailbox`, as the five below */
    JOURNAL_DELETE,
    JOURNAL_RENAME, /* to `target`; rows that name the old one follow when it succeeds */
    JOURNAL_SUBSCRIBE,
    JOURNAL_UNSUBSCRIBE,
    JOURNAL_KINDS
};
const char *journal_kind_name(enum journal_kind kind); /* "append" */

enum journal_state {
    JOURNAL_NONE,       /* no row */
    JOURNAL_INTENT,     /* on disk, not sent */
    JOURNAL_SENT,       /* handed to the network; the outcome is not known */
    JOURNAL_DONE,       /* it happened; the cache may not have heard yet */
    JOURNAL_REFUSED,    /* the server said no; `reason` */
    JOURNAL_UNFINISHED, /* bytes whose writer was killed, or never closed the file */
    JOURNAL_HELD,       /* whether it happened cannot be decided */
    JOURNAL_STATES
};
const char *journal_state_name(enum journal_state state); /* "intent" */

/*
 * What is wanted. Text is the server's own bytes where it names mailboxes; NULL reads as "".
 *
 * `after` is a row that must have succeeded first (the APPEND before the old version goes to the
 * trash); `made_by` is a row whose message this one changes, for one that has no UID yet: uid and
 * uidvalidity stand as 0 and are filled in once that row has succeeded. Both may be
 * JOURNAL_PREVIOUS: the intent before this one in the same call. Of two rows about one message the
 * later one needs `after`: rows without it are sent in any order.
 */
struct journal_intent {
    enum journal_kind kind;
    const char *mailbox; /* where the message is; "" for an APPEND */
    uint32_t uidvalidity, uid;
    const char *target;
    uint32_t target_uidvalidity, target_uidnext; /* as noted before sending; 0: not yet */
    char delimiter;                              /* of a RENAME: for the children */
    const char *flags;
    int64_t internaldate; /* of an APPEND: seconds since 1970 */
    const char *name;     /* the file name that the user gave */
    /* What to look for when it is not known whether it happened. */
    const char *message_id, *date, *from, *subject;
    uint64_t size; /* bytes of the message */
    int64_t after, made_by;
    struct journal_spool *spool; /* to journal_add: the bytes of an APPEND; else NULL */
};

/* A row as it stands. Free it with journal_row_free. */
struct journal_row {
    int64_t id;
    struct journal_intent intent; /* text points into `memory` */
    enum journal_state state;
    bool has_spool, spool_small; /* small: in the database */
    uint64_t spool_bytes;
    uint8_t sha256[JOURNAL_SHA256];      /* of the spool, once it was sealed */
    uint32_t done_uidvalidity, done_uid; /* where the message is now; 0: not told */
    unsigned attempts;                   /* how often it was sent */
    int code;                            /* an errno: of the last refusal, or why it is held */
    const char *reason;                  /* one line for a person; "" */
    int64_t created, changed;            /* seconds since 1970 */
    char *memory;
};
void journal_row_free(struct journal_row *row);

/*
 * [fsync] Adds rows in one transaction, all or none; ids[i] is the row of intents[i]. `birth` is
 * JOURNAL_INTENT, JOURNAL_SENT (by one who sends at once: it spares an fsync), or
 * JOURNAL_UNFINISHED. A spool is sealed: its bytes are on disk before its row is, and never change
 * afterwards; a row that journal_spool_keep made for it goes. An intent about a DONE row's message
 * gets the UID at once. CACHE_ERR_ABSENT: `after` or `made_by` is no row (any more): look in the
 * cache again. CACHE_ERR_LIMIT, CACHE_ERR_FULL: nothing was changed.
 */
enum cache_error journal_add(struct journal *journal, const struct journal_intent *intents,
                             size_t count, enum journal_state birth, int64_t *ids)
    __attribute__((warn_unused_result));
/* The same; rows[i] is the row of intents[i] as it stands, to be freed with journal_row_free. On
 * error there is none. */
enum cache_error journal_add_rows(struct journal *journal, const struct journal_intent *intents,
                                  size_t count, enum journal_state birth, struct journal_row *rows)
    __attribute__((warn_unused_result));

/* What may happen to a row; the table in journal_states.c says from where to where. */
enum journal_event {
    JOURNAL_DO_SEND,    /* [fsync] INTENT -> SENT; takes target_uidvalidity, target_uidnext */
    JOURNAL_DO_RETURN,  /* SENT -> INTENT: it is certain that it did not happen, and nobody was told
                           of an error */
    JOURNAL_DO_SUCCEED, /* SENT, HELD -> DONE; takes uidvalidity, uid (0: not told) */
    JOURNAL_DO_REFUSE,  /* [fsync] INTENT, SENT -> REFUSED; takes code, reason: on disk before the
                           user hears, because what he was told has failed is never sent again */
    JOURNAL_DO_HOLD,    /* [fsync] INTENT, SENT -> HELD; takes code, reason; likewise */
    JOURNAL_DO_RETRY,   /* [fsync] REFUSED, UNFINISHED, HELD -> INTENT: at the user's word only */
    JOURNAL_DO_FINISH,  /* DONE -> gone; what waited for it may go on */
    JOURNAL_DO_DROP,    /* [fsync] INTENT, REFUSED, UNFINISHED, HELD -> gone, with what waits for
                           it: at the user's word, or where he was told and no bytes are lost */
    JOURNAL_EVENTS
};

struct journal_move {
    int64_t id;
    enum journal_event event;
    uint32_t target_uidvalidity, target_uidnext;
    uint32_t uidvalidity, uid;
    int code;
    const char *reason;
    enum cache_error result; /* filled in */
};

/*
 * Moves rows, each by itself, in one transaction. `durable`: [fsync] for all of them, else only for
 * those events that always are. Returns the first result that is not CACHE_OK; a move that is not
 * in the table is CACHE_ERR_STATE, a row that is not there CACHE_ERR_ABSENT, and both are logged.
 * A row that waits for another is not sent: CACHE_ERR_STATE. When the transaction fails, every
 * result says so.
 */
enum cache_error journal_do(struct journal *journal, struct journal_move *moves, size_t count,
                            bool durable) __attribute__((warn_unused_result));

/* [fsync] JOURNAL_DO_RETRY of one row, after looking at its bytes (an unfinished spool is sealed).
 * CACHE_ERR_BUSY: they are still being written. */
enum cache_error journal_retry(struct journal *journal, int64_t id)
    __attribute__((warn_unused_result));

/* One row. */
enum cache_error journal_get(struct journal *journal, int64_t id, struct journal_row *row)
    __attribute__((warn_unused_result));
/* The newest row that changes this message, whatever its state. */
enum cache_error journal_find(struct journal *journal, const char *mailbox, uint32_t uidvalidity,
                              uint32_t uid, struct journal_row *row)
    __attribute__((warn_unused_result));

/* Rows above `after`, ascending by id, at most `max`; *count == 0: the end. `state` JOURNAL_NONE:
 * of any. Free each with journal_row_free. */
enum cache_error journal_list(struct journal *journal, enum journal_state state, int64_t after,
                              struct journal_row *rows, size_t max, size_t *count)
    __attribute__((warn_unused_result));
/* The same for rows that may be sent now: intents that wait for no other. */
enum cache_error journal_ready(struct journal *journal, int64_t after, struct journal_row *rows,
                               size_t max, size_t *count) __attribute__((warn_unused_result));

struct journal_figures {
    uint64_t rows[JOURNAL_STATES];
    uint64_t bytes; /* of all spools */
};
enum cache_error journal_figures_get(struct journal *journal, struct journal_figures *figures);

/* ---- spools ---- */

/* An empty spool. Until it is kept or added it has no name on disk: a crash leaves nothing of it.
 */
enum cache_error journal_spool_create(struct journal *journal, struct journal_spool **spool)
    __attribute__((warn_unused_result));
/* The bytes of a row, for reading. CACHE_ERR_ABSENT: it has none. */
enum cache_error journal_spool_open(struct journal *journal, int64_t id,
                                    struct journal_spool **spool)
    __attribute__((warn_unused_result));
/* A new spool with the same bytes: for writing on after a spool was sealed. */
enum cache_error journal_spool_copy(struct journal_spool *from, struct journal_spool **spool)
    __attribute__((warn_unused_result));

/* Writing. CACHE_ERR_STATE: it is sealed. CACHE_ERR_FULL, CACHE_ERR_LIMIT: its size is what it was,
 * and so are its bytes, but for those that stood where the write began. */
enum cache_error journal_spool_write(struct journal_spool *spool, uint64_t offset, const void *data,
                                     size_t len) __attribute__((warn_unused_result));
enum cache_error journal_spool_truncate(struct journal_spool *spool, uint64_t size)
    __attribute__((warn_unused_result));

/* Reading. *got < len only at the end. Any thread, while nobody writes; never the journal's own. */
enum cache_error journal_spool_read(struct journal_spool *spool, uint64_t offset, void *data,
                                    size_t len, size_t *got) __attribute__((warn_unused_result));
/* A sealed spool of a row that nobody reads for now gives back its descriptor or memory; the next
 * read gets them again, if the row is still there. Nobody may be reading it. journal_add does this
 * by itself. */
void journal_spool_rest(struct journal_spool *spool);
uint64_t journal_spool_size(const struct journal_spool *spool);
bool journal_spool_sealed(const struct journal_spool *spool);
/* Reads it whole, unless it was read before and not written since. */
enum cache_error journal_spool_digest(struct journal_spool *spool, uint8_t sha256[JOURNAL_SHA256])
    __attribute__((warn_unused_result));

/*
 * [fsync] For fsync(2), and for a writer who was killed: the bytes survive a crash from now on, as
 * an UNFINISHED row made of `intent` (its target, name and so on; `birth` and dependencies do not
 * apply), which the first call makes. The spool can be written on. `reason` may be NULL.
 */
enum cache_error journal_spool_keep(struct journal_spool *spool,
                                    const struct journal_intent *intent, const char *reason)
    __attribute__((warn_unused_result));
/* [fsync] Takes that back: the row and the bytes go. Without a row it does nothing. */
enum cache_error journal_spool_forget(struct journal_spool *spool)
    __attribute__((warn_unused_result));

/* Ends the handle. The bytes of one that is neither kept nor added go. */
void journal_spool_close(struct journal_spool **spool);

#endif
