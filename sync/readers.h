/*
 * Programs that read a mailbox message by message, as they look from here: opens, one after the
 * other, that follow an order of the directory (cache/near.h).
 *
 * An open of a message that is not here is a miss. Two misses that stand close together in one of
 * the orders are the beginning of a reader: it goes that way. So is one of what stands first. From
 * then on the reader has a list of what it will want next (its entries, filled by ahead.c), and
 * every open of one of them, whether it had to wait or not, moves it on. Opens within a list may
 * come in any order, as from several processes that share the work; entries that are left far
 * behind are let go. A reader that opens nothing is forgotten after a while.
 *
 * Plain data, of a fixed size; the caller holds the lock. Times are clock_ms.
 */
#ifndef OUTLOOKFS_SYNC_READERS_H
#define OUTLOOKFS_SYNC_READERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/near.h"

enum {
    READERS_MAX = 8,
    READER_ENTRIES = 1024,
    READER_LAG = 64,        /* how far an open may run ahead of one that was left out */
    READER_NEAR = 8,        /* messages apart, at most, that two misses of a reader are */
    READER_TRAIL = 32,      /* misses that are remembered */
    READER_STOP_MS = 700,   /* without an open for so long: nothing more is asked for */
    READER_GONE_MS = 30000, /* forgotten */
};

enum entry_state { ENTRY_WANTED, ENTRY_ASKED, ENTRY_READ };

struct reader_entry {
    int64_t message;
    uint32_t uid;
    enum entry_state state;
    uint64_t size; /* estimate, bytes */
};

struct reader {
    bool used;
    bool guess;    /* it opened one message, the first: no connection is made for it */
    bool planning; /* somebody looks for more entries now */
    bool end;      /* there is nothing behind `frontier` */
    int64_t mailbox;
    uint32_t uidvalidity;
    enum cache_order order;
    struct cache_dentry frontier; /* up to where entries were looked for */
    uint64_t number;              /* no two readers have the same */
    int64_t opened;               /* when it opened a message last */
    uint64_t window;              /* bytes that it may have ahead of it now */
    uint64_t ahead;               /* bytes of entries that it has not read */
    uint64_t wanted;              /* of these, of those that are not asked for */
    size_t first, count;          /* in `entries`, a ring */
    struct reader_entry entries[READER_ENTRIES];
};

struct readers {
    struct reader items[READERS_MAX];
    unsigned active; /* items used */
    uint64_t last_number;
    struct {
        int64_t message, at;
    } trail[READER_TRAIL];
    unsigned trail_next;
};

/* `message` is opened: the reader that expected it, moved on, or NULL. */
struct reader *readers_open(struct readers *readers, int64_t message, int64_t now);

/* The messages that stand before one in each of the orders, nearest first. */
struct readers_before {
    struct cache_near rows[CACHE_ORDERS][READER_NEAR];
    size_t counts[CACHE_ORDERS];
};

/* A miss that no reader expected. True: an earlier miss is among those before it, and a reader goes
 * in *order. `opened`: the directory was, just now, so that one who opens what stands first in it
 * goes on from there (not the newest: many open that alone), which is a *guess. It is remembered in
 * any case. */
bool readers_recognise(struct readers *readers, int64_t message,
                       const struct readers_before *before, bool opened, int64_t now,
                       enum cache_order *order, bool *guess);

/* A new reader, in the place of the one that has been still for longest. It has no entries. */
struct reader *readers_add(struct readers *readers, int64_t now);
/* The reader of that number; NULL: it is gone. */
struct reader *readers_find(struct readers *readers, uint64_t number);
/* How many opened something just now; at least 1. */
unsigned readers_reading(const struct readers *readers, int64_t now);
void readers_drop(struct readers *readers, struct reader *reader);

/* How many entries fit in. */
size_t reader_room(const struct reader *reader);
/* What is in another mailbox by now is passed over: its UID means nothing in this one. */
void reader_expect(struct reader *reader, const struct cache_near *near);
/* The first entry that nobody asked for yet, at `*at` (0 at first) or behind it; NULL: none. *at
 * moves behind it. */
struct reader_entry *reader_wanted(struct reader *reader, size_t *at);
void reader_asked(struct reader *reader, struct reader_entry *entry);
/* It was asked for and did not come. */
void readers_want_again(struct readers *readers, int64_t message);

#endif
