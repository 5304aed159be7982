/* Modified UTF-7 for mailbox names (RFC 3501 section 5.1.3). Any thread. */
#ifndef OUTLOOKFS_IMAP_UTF7_H
#define OUTLOOKFS_IMAP_UTF7_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

/* Appends the UTF-8 form of `name` to `out`. False, with `out` as it was, when `name` is not valid
 * modified UTF-7 (bad base64, lone surrogate, 8-bit bytes, needless encoding is tolerated) or `out`
 * is full. */
bool imap_utf7_decode(const char *name, size_t len, struct buffer *out)
    __attribute__((warn_unused_result));

/* The other way; false when `name` is not valid UTF-8 or `out` is full. */
bool imap_utf7_encode(const char *name, size_t len, struct buffer *out)
    __attribute__((warn_unused_result));

#endif
