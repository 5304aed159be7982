/*
 * A text that comes in pieces of any length, passed on in blocks of whole characters that are worth
 * folding at once. A value of its owner's; one thread. Internal to message/.
 */
#ifndef OUTLOOKFS_MESSAGE_BLOCKS_H
#define OUTLOOKFS_MESSAGE_BLOCKS_H

#include "base/buffer.h"

enum { BLOCKS_SIZE = 32 * 1024 };

struct blocks {
    /* Takes a block of at most BLOCKS_SIZE bytes; false: no more is wanted. */
    bool (*take)(void *ctx, const char *text, size_t len);
    void *ctx;
    struct buffer raw;
    bool failed; /* no memory, or what is no UTF-8 */
};

void blocks_begin(struct blocks *blocks, bool (*take)(void *ctx, const char *text, size_t len),
                  void *ctx);
/* message_sink.write, with the struct blocks as ctx. */
bool blocks_write(void *blocks, const char *text, size_t len);
/* Passes the last block on; false where that was not taken. */
bool blocks_end(struct blocks *blocks);
void blocks_free(struct blocks *blocks);

#endif
