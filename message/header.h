/*
 * Cuts a header block into its fields (RFC 5322 section 2.2), as far as somebody asks for them.
 * Nothing is decoded here. Any thread. Internal to message/.
 */
#ifndef OUTLOOKFS_MESSAGE_HEADER_H
#define OUTLOOKFS_MESSAGE_HEADER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

/* Raw bytes kept of one field: encoded words that decode to MESSAGE_FIELD_MAX bytes fit. */
enum { MESSAGE_HEADER_RAW_MAX = 16384 };

struct message_header_field {
    const char *name;  /* looked for without regard to case */
    bool found;        /* the first of that name wins, even when it is empty */
    struct buffer raw; /* unfolded; controls are spaces; data is never NULL once collected */
};

/* Fills `fields`, whose names are set and all else is zero. False without memory; the caller calls
 * message_header_free in either case. */
bool message_header_collect(const char *header, size_t len, struct message_header_field *fields,
                            size_t count) __attribute__((warn_unused_result));
/* The same, but keeps up to `max` bytes of each. */
bool message_header_collect_most(const char *header, size_t len,
                                 struct message_header_field *fields, size_t count, size_t max)
    __attribute__((warn_unused_result));
/* Calls `visit` with the raw text of each field called `name`, in order, until it returns false.
 * False without memory. */
bool message_header_each(const char *header, size_t len, const char *name,
                         bool (*visit)(void *ctx, const char *raw), void *ctx)
    __attribute__((warn_unused_result));
void message_header_free(struct message_header_field *fields, size_t count);

#endif
