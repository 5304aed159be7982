/*
 * The queries that somebody has looked at in `.search` (room_search.c), and what each found last.
 *
 * A query gets a number when it is first looked up, and keeps it as long as it is remembered: the
 * ones used last, SEARCHES_MAX of them. What it found is good for some seconds, so that `ls` and
 * what is done with its names see the same; then the next who opens the directory has it searched
 * again, on a thread of this file's. FUSE's workers call everything here; nothing waits.
 */
#ifndef OUTLOOKFS_FS_SEARCHES_H
#define OUTLOOKFS_FS_SEARCHES_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sync/sync.h"

struct fs;
struct found;
struct searches;

enum {
    SEARCHES_MAX = 64,        /* queries remembered */
    SEARCHES_FRESH_MS = 5000, /* as a listing (CONTRACT.md section 4) */
};

/* Tickets of searches, apart from sync's own and those of errands. */
#define SEARCH_TICKET (UINT64_C(1) << 62)

struct searches *searches_new(struct fs *fs);
/* Ends those that run, and waits for them. Nobody may wait any more. May be called twice. */
void searches_close(struct searches *searches);
void searches_free(struct searches **searches);

/* The number of a query, from 1 on; 0: no memory. The query must make sense. */
uint64_t searches_number(struct searches *searches, const char *query);
/* Whether the number is remembered. */
bool searches_known(struct searches *searches, uint64_t number);

/* Asks that what `number` found be fresh: at once (`done` is called from within, and 0 is returned)
 * where it is, or the number is not known (SYNC_ERR_GONE). For wait.h. */
sync_ticket searches_want(struct searches *searches, uint64_t number, sync_done_fn *done,
                          void *ctx);
/* As sync_detach, for tickets with SEARCH_TICKET. A search that nobody waits for ends. */
bool searches_detach(struct searches *searches, sync_ticket ticket);

/* What it found last, with a reference; NULL: nothing yet. */
struct found *searches_found(struct searches *searches, uint64_t number);

/* ---- found.c, found_names.c: what a search found, newest first; never changes ---- */

struct found_entry {
    uint64_t ino;  /* of the message */
    uint64_t hash; /* of the name */
    enum { FOUND_PLAIN, FOUND_PREFIXED, FOUND_NUMBERED } form;
};

struct found {
    unsigned references; /* protected by found_lock */
    size_t count, room;
    struct found_entry *entries;
    uint32_t *order; /* places by hash */
};

struct found *found_new(void);
/* A further message; false without memory, or where there are too many. */
bool found_add(struct found *found, uint64_t ino, const char *name);
/* No more come: names that are alike are told apart. */
bool found_finish(struct fs *fs, struct found *found);
struct found *found_keep(struct found *found);
void found_drop(struct found **found);

/* The link's name and its message's row; false: it is gone. */
struct cache_inode;
bool found_name(struct fs *fs, const struct found_entry *entry, char *name,
                struct cache_inode *inode);
/* The entry with this name; NULL: there is none. */
const struct found_entry *found_lookup(struct fs *fs, const struct found *found, const char *name,
                                       struct cache_inode *inode);

#endif
