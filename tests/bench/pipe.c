/* See pipe.h. A ring of bytes and a ring of chunks; a chunk is what one read brought, at most
 * PIPE_CHUNK_MAX, and is due when its last byte has crossed. */
#include "tests/bench/pipe.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

int64_t pipe_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

bool pipe_open(struct pipe *pipe, struct direction *direction, int64_t not_before)
{
    *pipe = (struct pipe){.direction = direction, .not_before = not_before};
    pipe->ring = malloc(direction->window);
    return pipe->ring != NULL;
}

void pipe_free(struct pipe *pipe)
{
    free(pipe->ring);
    pipe->ring = NULL;
}

bool pipe_wants(const struct pipe *pipe)
{
    return !pipe->ended && pipe->len < pipe->direction->window && pipe->count < PIPE_CHUNKS;
}

/* The time at which `len` bytes that start now have arrived. */
static int64_t take_time(struct pipe *pipe, size_t len, int64_t now)
{
    struct direction *direction = pipe->direction;
    if (direction->free_at < now)
        direction->free_at = now;
    direction->free_at += (int64_t)((double)len * direction->ns_per_byte);
    int64_t due = direction->free_at + direction->delay;
    return due > pipe->not_before ? due : pipe->not_before;
}

bool pipe_read(struct pipe *pipe, int fd, int64_t now)
{
    size_t window = pipe->direction->window;
    size_t at = (pipe->start + pipe->len) % window;
    size_t room = at < pipe->start ? pipe->start - at : window - at;
    if (room > window - pipe->len)
        room = window - pipe->len;
    ssize_t n = recv(fd, pipe->ring + at, room < PIPE_CHUNK_MAX ? room : PIPE_CHUNK_MAX, 0);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    int64_t due = take_time(pipe, (size_t)n, now);
    if (n == 0) {
        pipe->ended = true;
        pipe->ended_due = due;
        return true;
    }
    pipe->len += (size_t)n;
    pipe->chunks[(pipe->first + pipe->count++) % PIPE_CHUNKS] =
        (struct chunk){.due = due, .len = (uint32_t)n};
    return true;
}

/* Takes `n` bytes off the front, chunk by chunk. */
static void advance(struct pipe *pipe, size_t n)
{
    pipe->start = (pipe->start + n) % pipe->direction->window;
    pipe->len -= n;
    pipe->direction->bytes += n;
    while (n > 0) {
        struct chunk *chunk = &pipe->chunks[pipe->first];
        if (n < chunk->len) {
            chunk->len -= (uint32_t)n;
            return;
        }
        n -= chunk->len;
        pipe->first = (pipe->first + 1) % PIPE_CHUNKS;
        pipe->count--;
    }
}

static size_t bytes_due(const struct pipe *pipe, int64_t now)
{
    size_t due = 0;
    for (unsigned i = 0; i < pipe->count; i++) {
        const struct chunk *chunk = &pipe->chunks[(pipe->first + i) % PIPE_CHUNKS];
        if (chunk->due > now)
            break;
        due += chunk->len;
    }
    return due;
}

bool pipe_write(struct pipe *pipe, int fd, int64_t now)
{
    size_t window = pipe->direction->window;
    pipe->blocked = false;
    for (size_t due; (due = bytes_due(pipe, now)) > 0;) {
        size_t straight = window - pipe->start < due ? window - pipe->start : due;
        ssize_t n = send(fd, pipe->ring + pipe->start, straight, MSG_NOSIGNAL);
        if (n < 0) {
            pipe->blocked = errno == EAGAIN;
            return errno == EAGAIN || errno == EINTR;
        }
        advance(pipe, (size_t)n);
    }
    if (pipe->ended && !pipe->closed && pipe->len == 0 && pipe->ended_due <= now) {
        pipe->closed = true;
        shutdown(fd, SHUT_WR);
    }
    return true;
}

int64_t pipe_due(const struct pipe *pipe)
{
    if (pipe->blocked)
        return INT64_MAX;
    if (pipe->count > 0)
        return pipe->chunks[pipe->first].due;
    return pipe->ended && !pipe->closed ? pipe->ended_due : INT64_MAX;
}
