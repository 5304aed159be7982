/*
 * Where the bytes of a message come from and where what is made of them goes: both the caller's, so
 * that a message of any size is worked on without standing in memory. Values; any thread, one at a
 * time.
 */
#ifndef OUTLOOKFS_MESSAGE_STREAM_H
#define OUTLOOKFS_MESSAGE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A message that can be read at any place. */
struct message_source {
    /* Reads up to `len` bytes at `offset` into `data`; fewer than asked for only at the end of the
     * message. Returns their number, or -1: it cannot be read. */
    ssize_t (*read)(void *ctx, uint64_t offset, void *data, size_t len);
    void *ctx;
    uint64_t size; /* bytes of the message */
    /* For message_source_bytes. */
    const char *bytes;
};

/* Makes `source` one over `len` bytes in memory, which stay the caller's and must outlive it. The
 * struct must not be copied or moved afterwards. */
void message_source_bytes(struct message_source *source, const void *bytes, size_t len);

/* Takes what is made, in order. */
struct message_sink {
    /* False: no more is wanted, or it cannot be taken; what runs then ends with MESSAGE_STOPPED. */
    bool (*write)(void *ctx, const char *data, size_t len);
    void *ctx;
};

/* How work on a message ends. Nothing that stands in a message is an error. */
enum message_result {
    MESSAGE_OK = 0,
    MESSAGE_UNREADABLE, /* the source failed */
    MESSAGE_STOPPED,    /* the sink took no more */
    MESSAGE_NO_MEMORY,
};

#endif
