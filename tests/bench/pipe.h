/*
 * One direction of one connection through the link: bytes that were read wait here until they are
 * due, and leave in order. All pipes of a direction share its rate: each chunk takes the next free
 * time of the direction's clock, so that the rate holds exactly, however late the process wakes up.
 */
#ifndef OUTLOOKFS_BENCH_PIPE_H
#define OUTLOOKFS_BENCH_PIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PIPE_CHUNKS = 1024, PIPE_CHUNK_MAX = 16384 };

/* One direction of the link. Times are nanoseconds of CLOCK_MONOTONIC. */
struct direction {
    int64_t free_at;    /* when the next chunk may start on the wire */
    int64_t delay;      /* one way */
    double ns_per_byte; /* 0: no limit */
    size_t window;      /* bytes that one pipe may hold: what is on the wire, and a little more */
    uint64_t bytes;     /* delivered, for the report */
};

struct chunk {
    int64_t due;
    uint32_t len;
};

struct pipe {
    struct direction *direction;
    char *ring; /* direction->window bytes */
    size_t start, len;
    struct chunk chunks[PIPE_CHUNKS];
    unsigned first, count;
    int64_t not_before; /* no chunk is due earlier: the connection is still being made */
    bool ended;         /* the source will send no more */
    bool closed;        /* and the target was told */
    bool blocked;       /* the target takes no more just now */
    int64_t ended_due;  /* when the target is to be told */
};

int64_t pipe_now(void);

bool pipe_open(struct pipe *pipe, struct direction *direction, int64_t not_before);
void pipe_free(struct pipe *pipe);

/* Whether it has room to read into. */
bool pipe_wants(const struct pipe *pipe);

/* Reads once from `fd` (nonblocking). False: the connection broke. */
bool pipe_read(struct pipe *pipe, int fd, int64_t now);

/* Writes what is due to `fd`, and its end after the last byte. False: the connection broke. */
bool pipe_write(struct pipe *pipe, int fd, int64_t now);

/* When pipe_write has something to do next; INT64_MAX: not before something is read or the target
 * takes bytes again. */
int64_t pipe_due(const struct pipe *pipe);

#endif
