/*
 * What the last opens looked up, kept for the next one of the same files: which message an inode
 * is, and where its body stands. A table of fixed size, whatever the size of the mailbox.
 *
 * SQLite answers an open with two queries, each with its two locks in the kernel; that is a third
 * of what a warm `grep -r` costs (docs/architecture.md). Nothing here outlives a change: an entry
 * counts only while the writer has committed nothing since before it was looked up, so there is
 * nothing to be kept in step. Any thread.
 */
#ifndef OUTLOOKFS_CACHE_MEMO_H
#define OUTLOOKFS_CACHE_MEMO_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "cache/cache.h"

enum { MEMO_PLACES = 1 << 15, MEMO_LOCKS = 16 };

struct memo_entry {
    uint64_t ino; /* 0: empty */
    uint64_t epoch;
    int64_t message, mailbox, body;
    uint64_t parent, size; /* size: of the body */
    int64_t mtime, ctime, hour;
    uint32_t uid;
    bool alias;
};

struct memo {
    atomic_uint_least64_t epoch;       /* odd: a commit is under way */
    pthread_mutex_t locks[MEMO_LOCKS]; /* of the places, by number */
    struct memo_entry *places;         /* MEMO_PLACES; NULL: without memory nothing is kept */
};

void memo_init(struct memo *memo);
void memo_destroy(struct memo *memo);

/* Writer: around a commit or rollback. Nothing is found in between, and afterwards nothing that was
 * looked up before. */
void memo_shut(struct memo *memo);
void memo_reopen(struct memo *memo);

/* The epoch in which a look-up begins, for memo_keep and memo_holds. */
uint64_t memo_epoch(struct memo *memo);
/* Whether the writer has committed nothing since `epoch`. */
bool memo_holds(struct memo *memo, uint64_t epoch);
bool memo_find(struct memo *memo, uint64_t ino, struct memo_entry *entry);
/* Keeps what was looked up since entry->epoch, unless there was a commit. */
void memo_keep(struct memo *memo, const struct memo_entry *entry);

#endif
