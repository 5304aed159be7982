/*
 * What the files of this room share: the cache itself, and the pieces that writing jobs are made
 * of. Functions that take a writer run on its thread, inside a transaction.
 */
#ifndef OUTLOOKFS_CACHE_INTERNAL_H
#define OUTLOOKFS_CACHE_INTERNAL_H

#include <stdatomic.h>

#include "cache/cache.h"
#include "cache/db.h"
#include "cache/memo.h"
#include "cache/pins.h"
#include "cache/pool.h"
#include "cache/writer.h"

struct text_index;

/* When each mailbox was last listed or refreshed by this process: one entry a mailbox, by id. */
struct checked_entry {
    int64_t mailbox, ms;
};
struct checked {
    pthread_mutex_t lock;
    struct checked_entry *entries; /* protected by lock, ascending */
    size_t count;                  /* protected by lock */
};

struct cache {
    char *directory;
    int lock_fd;
    uint64_t body_bytes; /* room for bodies */
    struct pool index_readers, bodies_readers;
    bool index_pool_open, bodies_pool_open;
    struct pins pins;
    struct memo memo;
    struct checked checked;
    atomic_llong opened_ms;                  /* cache_opened_ms */
    _Atomic(struct text_index *) text_index; /* NULL: nobody opened it */
    struct writer writer;
};

/* ---- files.c: the directory, its lock, the two files as they are found ---- */

enum { CACHE_TEXT_MAX = 400 };
enum cache_error files_lock(struct cache *cache, const char *directory, char *text);
/* Opens both write connections, setting aside what cannot be used. *clean: both were closed in
 * order. */
enum cache_error files_open(struct cache *cache, const char *user, const char *host, bool *clean,
                            char *text);
/* Deletes bodies.db, which is closed. */
void files_remove_bodies(const struct cache *cache);
/* reconcile.c: removes what a crash left behind in bodies.db; with `all` compares the files body by
 * body. Before the writer's thread runs. */
enum cache_error reconcile_bodies(struct writer *writer, bool all);

/* ---- changes.c: what came and went, gathered by a job, told by the caller's thread ---- */

struct changes {
    struct cache_change *list;
    size_t count, room;
};
enum cache_error changes_add(struct changes *changes, const struct cache_inode *inode, bool gone);
/* The same for a row that was made just now. */
enum cache_error changes_add_new(struct changes *changes, const struct cache_inode *inode);
/* Tells and forgets them; `changed` may be NULL. */
void changes_tell(struct changes *changes, cache_change_fn *changed, void *ctx);
void changes_free(struct changes *changes);

/* ---- inodes.c ---- */

/* Reads the columns that statements.c lists for an inode. */
void inode_from_row(const struct db *db, unsigned statement, struct cache_inode *inode);
/* Runs a statement that yields at most one inode. */
enum cache_error inode_query(struct db *db, unsigned statement, const struct db_value *values,
                             size_t count, struct cache_inode *inode);

/* ---- mailboxes.c ---- */

/* CACHE_ERR_ABSENT, or the row; free it with cache_mailbox_free. checked_ms stays 0. */
enum cache_error mailbox_query(struct db *db, unsigned statement, const struct db_value *values,
                               size_t count, struct cache_mailbox *mailbox);
bool mailbox_from_row(const struct db *db, unsigned statement, struct cache_mailbox *mailbox);
/* CACHE_ERR_STALE unless `uidvalidity` is the mailbox's own. */
enum cache_error mailbox_check(struct db *index, int64_t mailbox, uint32_t uidvalidity);

/* ---- messages.c ---- */

/* Gives a known message its flags; notes a change where they differ. */
enum cache_error message_set_flags(struct db *index, int64_t mailbox,
                                   const struct cache_new_flags *flags, struct changes *changes);

/* ---- names.c ---- */

/* Whether `name` may stand in a directory: not empty, "." or "..", no '/', not too long. */
bool name_legal(const char *name);
/* "STEM.eml", "STEM~UID.eml" or "STEM~UID-2.eml" becomes the form with `ordinal` (1: "~UID"),
 * the stem cut on a character boundary to keep within CACHE_SHOWN_MAX, or CACHE_NAME_MAX where it
 * is longer already. */
void name_numbered(char *numbered, const char *name, uint32_t uid, unsigned ordinal);
/* Gives a message's inode another name, one that is free, and notes the change. */
enum cache_error name_move_aside(struct db *index, const struct cache_inode *inode,
                                 struct changes *changes);

/* ---- removal.c ---- */

/* Removes a message, its inode and its body; the caller ends the tally. */
struct tally;
enum cache_error removal_message(struct writer *writer, struct db *index, int64_t mailbox,
                                 uint32_t uid, struct changes *changes, struct tally *tally);
/* Removes up to `max` messages of a mailbox; *more: there are others. */
enum cache_error removal_some(struct writer *writer, int64_t mailbox, size_t max, bool *more,
                              struct changes *changes);
/* Counts entries of a directory up or down; its times move to `when` (seconds; 0: they stay). */
enum cache_error directory_count(struct db *index, uint64_t ino, int64_t directories,
                                 int64_t messages, int64_t when);
/* On the caller's thread: drops the messages of a mailbox in steps of REMOVAL_STEP. */
enum { REMOVAL_STEP = 1000 };

/* ---- bodies.c ---- */

/* Reads from `offset` on, at most `len` bytes, of `size` bytes in chunks whose first is `first`;
 * *got says how many. Their body is pinned. */
enum cache_error bodies_read(struct cache *cache, int64_t first, uint64_t size, uint64_t offset,
                             void *data, size_t len, size_t *got);

/* ---- stored.c: bodies as the writer handles them ---- */

/* The chunks of a body have ids from `body << CHUNK_SHIFT` on; those of its text view are the upper
 * half of them. */
enum {
    CHUNK_SIZE = 128 << 10,
    CHUNK_SHIFT = 16,
    CHUNK_COUNT_MAX = 1 << 16,
    CHUNK_TEXT_FIRST = 1 << 15
};
int64_t body_hour(void); /* now, as the stamp of a body */
enum cache_error stored_erase(struct writer *writer, int64_t body);
/* Removes the body of a message that is gone, if it is here: at once, or when it is unpinned. */
enum cache_error stored_forget(struct writer *writer, int64_t message);
/* The same, if nobody has it pinned; else *held, and it stays. */
enum cache_error stored_forget_unread(struct writer *writer, int64_t message, bool *held);
/* Bytes that bodies may take: the index of texts takes its part of the room first. */
uint64_t stored_limit(const struct writer *writer);
/* Evicts until under that; crowded: it could not. */
enum cache_error stored_evict(struct writer *writer);
void stored_note_recent(struct writer *writer, int64_t body);

/* ---- keep.c ---- */

/* The body of the message that `ino` shows has come. */
void keep_tell(const struct writer *writer, uint64_t parent, uint64_t ino);
/* Whether the body of `message` is one of cache_keep_mailboxes. */
enum cache_error keep_asks(struct writer *writer, int64_t message, bool *kept);
/* The stamp of a body that was kept once; above all hours. */
#define KEPT_HOUR (INT64_C(1) << 40)

/* ---- tree.c: single mailboxes ---- */

struct tree_job {
    struct job job;
    const struct cache_tree_entry *entries;
    size_t count;
    void (*shown_ordinal)(const char *shown, unsigned ordinal, char *name);
    struct changes changes;
};
/* Makes one row, or gives a known one what the entry says of it; one without a place is left out.
 */
enum cache_error tree_place(struct tree_job *tree, struct writer *writer, struct db *index,
                            const struct cache_tree_entry *entry);
/* The directory of a mailbox that has another name, or another level, now. */
enum cache_error tree_move_directory(struct tree_job *tree, struct db *index,
                                     const struct cache_inode *inode, const char *shown,
                                     uint64_t parent);
enum cache_error tree_empty_mailbox(struct writer *writer, struct db *index, int64_t mailbox,
                                    struct changes *changes);
enum cache_error tree_remove_mailbox(struct tree_job *tree, struct writer *writer, struct db *index,
                                     const struct cache_mailbox *mailbox);
/* The inode of the mailbox with the server's name `name`; NULL: the root's. */
enum cache_error tree_inode(struct db *index, const char *name, uint64_t *ino);
/* On the caller's thread: drops a mailbox's messages, in steps. */
enum cache_error tree_drop_messages(struct cache *cache, int64_t mailbox, cache_change_fn *changed,
                                    void *ctx);

/* ---- checked.c ---- */

void checked_init(struct checked *checked);
void checked_destroy(struct checked *checked);
int64_t checked_get(struct checked *checked, int64_t mailbox);

#endif
