/*
 * A body of the cache as message/ reads one. Most are small, and each read costs a query: those are
 * read at once. On the stack of who works on the message, in its thread.
 */
#ifndef OUTLOOKFS_SYNC_BODY_SOURCE_H
#define OUTLOOKFS_SYNC_BODY_SOURCE_H

#include "cache/cache.h"
#include "message/stream.h"

struct body_source {
    struct cache *cache;
    int64_t message;
    char *bytes; /* of the whole body; NULL: it is read piece by piece */
    struct message_source source;
};

/* The body of `message`, `size` bytes, is pinned, and stays so until body_source_close. The struct
 * must not be moved meanwhile. False: it cannot be read. */
bool body_source_open(struct body_source *body, struct cache *cache, int64_t message, uint64_t size)
    __attribute__((warn_unused_result));
void body_source_close(struct body_source *body);

#endif
