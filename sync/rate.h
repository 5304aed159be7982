/*
 * What the way to the server bears: the time of a round trip and the bytes a second, as seen on
 * bodies that arrive, and what follows from them: how many bytes to have on their way so that the
 * wire never runs dry. Plain data; the caller holds the lock. Times are clock_ms.
 */
#ifndef OUTLOOKFS_SYNC_RATE_H
#define OUTLOOKFS_SYNC_RATE_H

#include <stdint.h>

enum {
    RATE_WINDOW_MS = 50, /* a sample is at least that long */
    RATE_PAUSE_MS = 400, /* nothing came for so long: it was not the wire that was slow */
};

#define RATE_BUDGET_MIN ((uint64_t)256 * 1024)
#define RATE_BUDGET_MAX ((uint64_t)8 * 1024 * 1024)

struct rate {
    int64_t round_trip_ms; /* the shortest seen lately; 0: none yet */
    uint64_t bytes_per_s;  /* the best seen lately; 0: none yet */
    int64_t from, last;    /* of the sample under way; 0: none is */
    uint64_t moved;        /* in it */
};

/* A command that nothing was on its way before was answered after `ms`. */
void rate_answered(struct rate *rate, int64_t ms);
void rate_moved(struct rate *rate, uint64_t bytes, int64_t now);

/* Four times the bandwidth-delay product, within the bounds above: a body counts until it is read,
 * and before that it is sent for, comes behind those of its set, and is stored. */
uint64_t rate_budget(const struct rate *rate);

#endif
