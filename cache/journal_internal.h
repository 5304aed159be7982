/*
 * What the files of the journal share.
 *
 * One thread owns the connection; the others queue jobs, which live on their stacks, and wait. The
 * thread takes all that is queued, runs it in one transaction, commits with one fsync if anybody
 * asked for one, and tells everybody. So those who come while a commit is under way share the next
 * one, which is what makes a thousand intents a second out of a disk that syncs a hundred times;
 * and no lock is held while the disk syncs, which a mutex around the connection would do.
 *
 * WAL with synchronous=FULL: a commit is one append and one fsync of the WAL, and is there after a
 * power failure; a rollback journal takes three or four fsyncs for the same. Commits that nobody
 * waits for run with synchronous=NORMAL: the WAL is written in order, so the next FULL commit takes
 * them along. The connection is exclusive, so no shared memory is mapped, which also works on a
 * network file system.
 */
#ifndef OUTLOOKFS_CACHE_JOURNAL_INTERNAL_H
#define OUTLOOKFS_CACHE_JOURNAL_INTERNAL_H

#include <pthread.h>

#include "cache/db.h"
#include "cache/digest.h"
#include "cache/journal.h"

struct journal_job {
    enum cache_error (*run)(struct journal *journal, struct journal_job *job);
    /* On the journal's thread, once the transaction stands or is lost. NULL: nothing to do. */
    void (*ended)(struct journal *journal, struct journal_job *job, enum cache_error error);
    bool writes, durable;

    struct journal_job *next;
    pthread_cond_t over;
    bool done; /* protected by journal->lock */
    enum cache_error error;
};

/* Names in the outbox that go once the disk knows that their rows are gone. */
struct journal_ended {
    int64_t id; /* 0: small, gone with its row */
    uint64_t bytes;
};

struct journal {
    char *directory; /* the account's state directory */
    char *cache_dir; /* the real path */
    char file[40];   /* "journal-HASH.db" */
    int lock_fd, outbox_fd;
    struct journal_limits limits;
    struct db_kind kind;
    struct db db; /* the journal's thread, once it runs */

    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct journal_job *first, *last; /* protected by lock, as the line below */
    bool stopping;

    /* The journal's thread only. */
    uint64_t rows;
    bool relaxed;  /* synchronous=NORMAL just now */
    bool unsynced; /* something was committed that way since the last sync */
    bool pending;  /* the WAL holds something that a checkpoint has not been over */
    bool linked;   /* a spool got its name in the transaction under way */
    struct journal_ended *ended;
    size_t ended_count, ended_room;

    pthread_mutex_t usage_lock;
    uint64_t bytes;               /* of all spools; protected by usage_lock, as all below */
    struct journal_spool *spools; /* those being written */
    uint64_t names;               /* given to spools without a row */
    uint64_t held;                /* bytes of memory that small spools have */
};

/* Queues a job and waits for its end. Never from the journal's thread. */
enum cache_error journal_wait(struct journal *journal, struct journal_job *job)
    __attribute__((warn_unused_result));
enum cache_error journal_start(struct journal *journal) __attribute__((warn_unused_result));
void journal_stop(struct journal *journal);
/* Runs a function in a durable transaction of its own: at open, before the thread runs. */
enum cache_error journal_alone(struct journal *journal, enum cache_error (*run)(struct journal *))
    __attribute__((warn_unused_result));
/* For jobs: the spool of a row that goes; `id` 0: a small one. */
enum cache_error journal_end_spool(struct journal *journal, int64_t id, uint64_t bytes)
    __attribute__((warn_unused_result));

/* ---- journal_states.c ---- */

/* Where an event leads from a state; JOURNAL_NONE: nowhere, JOURNAL_STATES: the row goes. */
enum journal_state journal_next(enum journal_event event, enum journal_state state);
bool journal_event_durable(enum journal_event event);

/* ---- journal_rows.c ---- */

enum intent_statement {
    INTENT_BEGIN,
    INTENT_COMMIT,
    INTENT_ROLLBACK,
    INTENT_SAVE,
    INTENT_RELEASE,
    INTENT_UNDO,
    INTENT_PUT,
    INTENT_GET,
    INTENT_FIND,
    INTENT_LIST,
    INTENT_LIST_STATE,
    INTENT_READY,
    INTENT_SEND,
    INTENT_STATE,
    INTENT_OUTCOME,
    INTENT_RESOLVE,
    INTENT_STRAND,
    INTENT_UNBIND,
    INTENT_UNBLOCK,
    INTENT_DELETE,
    INTENT_DROP,
    INTENT_MAILBOX_RENAMED,
    INTENT_TARGET_RENAMED,
    INTENT_MEASURE,
    INTENT_BYTES_PUT,
    INTENT_BYTES,
    INTENT_FIGURES,
    INTENT_TOTALS,
    INTENT_SPOOLS,
    INTENT_LAST,
    INTENT_OWNER,
    INTENT_OWN,
    INTENT_ALL
};
enum { JOURNAL_VERSION = 2 };
extern const struct db_kind journal_db_kind; /* but for its file name */

/* What stands beside an intent in its row. */
struct row_extra {
    int64_t id; /* 0: a new one */
    enum journal_state state;
    enum row_spool { ROW_NO_SPOOL, ROW_FILE, ROW_SMALL } spool; /* as the column says */
    uint64_t spool_bytes;
    const uint8_t *sha256; /* NULL: not known */
    int code;
    const char *reason;
};
enum cache_error row_put(struct journal *journal, const struct journal_intent *intent,
                         const struct row_extra *extra, int64_t *id);
/* CACHE_ERR_ABSENT: none. */
enum cache_error row_query(struct journal *journal, unsigned statement,
                           const struct db_value *values, size_t count, struct journal_row *row);

/* ---- journal_open.c ---- */

enum { JOURNAL_PATH_MAX = 4096 };
enum cache_error journal_prepare(struct journal *journal, const char *state_dir,
                                 const char *cache_dir, char *text);

/* ---- journal_salvage.c ---- */

/* Before a damaged database is set aside: the small spools that can be read become files. */
void journal_salvage(struct journal *journal);

/* ---- spool.c ---- */

/* The bytes of small spools, while they are written or read. */
struct spool_block {
    unsigned references; /* spools that share it; protected by usage_lock */
    size_t room;
    char data[];
};

/* A spool is one of three: small (no file: its bytes are in `block`, or, once it is sealed and
 * rests, in the database alone), a file (`fd`; -1 while it rests), or empty. */
struct journal_spool {
    struct journal *journal;
    struct journal_spool *next; /* protected by journal->usage_lock, as the line below */
    int64_t row;                /* whose bytes these are; 0: of none yet */
    int fd;                     /* set once by who reads, with usage_lock, as the next */
    struct spool_block *block;
    uint64_t size;
    bool small;             /* of one with a row: it stands in the database */
    bool sealed, reading;   /* reading: opened by a row's id */
    enum cache_error unfit; /* why it did not reach the disk */
    bool digested;
    uint8_t sha256[DIGEST_SIZE];
    char name[32]; /* "new-N", where the file system has no nameless files; "": none */
};

/* On the owner's thread: the bytes are on disk, their digest is known. */
enum cache_error spool_settle(struct journal_spool *spool, bool digest);
/* journal_add.c: a row that was kept learns how long its spool became. */
enum cache_error spool_note_size(struct journal_spool *spool);

/* From memory into a file. Whoever writes it calls this. */
enum cache_error spool_spill(struct journal_spool *spool);

/* ---- spool_memory.c ---- */

/* A block of its own, with the bytes that the spool has and room for `size`. CACHE_ERR_LIMIT:
 * spools have as much memory as they may. */
enum cache_error block_reserve(struct journal_spool *spool, size_t size);
/* `to` has no block: it shares that of `from`, until one of them writes. */
void block_share(struct journal_spool *from, struct journal_spool *to);
void block_drop(struct journal_spool *spool);
/* Whether another spool shares the block. */
bool block_shared(struct journal_spool *spool);
/* The bytes of a sealed spool that rests come back. */
enum cache_error spool_wake(struct journal_spool *spool);
/* It rests where its memory is wanted. */
void spool_rest_if_full(struct journal_spool *spool);

/* ---- spool_ledger.c ---- */

/* The error that an errno stands for; logged unless it is a full disk. */
enum cache_error spool_error(int code, const char *what);
/* A new file for writing; `name` is empty where the file system has nameless files. -1 with errno.
 */
int spool_open_nameless(struct journal *journal, char name[32]);
void spool_enlist(struct journal_spool *spool);
void spool_delist(struct journal_spool *spool);
/* On the journal's thread: gives it the name of row `id`, or takes it back. */
enum cache_error spool_link(struct journal_spool *spool, int64_t id);
void spool_unlink(struct journal_spool *spool, int64_t id);
/* Whether somebody is writing the spool of this row. */
bool spool_live(struct journal *journal, int64_t id);
void spool_set_row(struct journal_spool *spool, int64_t id);
void spool_seal(struct journal_spool *spool);
void spool_file_name(char name[32], int64_t id);
/* Bytes used; CACHE_ERR_LIMIT when there is no room for so many. */
enum cache_error usage_take(struct journal *journal, uint64_t bytes);
void usage_give(struct journal *journal, uint64_t bytes);

#endif
