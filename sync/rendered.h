/*
 * What was made of a message: its text view, the list of its parts, or one part's bytes. Counted:
 * whoever has a reference may read it on any thread; nothing in it changes.
 */
#ifndef OUTLOOKFS_SYNC_RENDERED_H
#define OUTLOOKFS_SYNC_RENDERED_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "message/parts.h"

enum rendered_kind {
    RENDERED_TEXT, /* message/text_view.h */
    RENDERED_LIST, /* the parts: message/parts.h */
    RENDERED_PART, /* the bytes of one of them */
};

/* Bytes that are held in memory; what is longer is in a file that has no name. */
enum { RENDERED_MEMORY_MAX = 256 * 1024 };

struct rendered {
    atomic_uint references;
    enum rendered_kind kind;
    int64_t message;
    uint32_t index; /* RENDERED_PART: which */
    uint64_t size;  /* bytes, of a text or part */
    struct buffer bytes;
    int fd;                      /* -1: they are in `bytes` */
    struct message_parts *parts; /* RENDERED_LIST */
};

/* An empty one with one reference; NULL without memory. */
struct rendered *rendered_new(enum rendered_kind kind, int64_t message, uint32_t index);
struct rendered *rendered_take(struct rendered *rendered);
void rendered_drop(struct rendered **rendered); /* NULL is let be */

/* While it is being made: appends. `directory` is where a file may be. False: no memory or disk. */
bool rendered_write(struct rendered *rendered, const char *directory, const char *data, size_t len)
    __attribute__((warn_unused_result));

/* Reads up to `len` bytes at `offset`; fewer only at the end. -1: the disk failed. */
ssize_t rendered_read(const struct rendered *rendered, uint64_t offset, void *data, size_t len);

#endif
