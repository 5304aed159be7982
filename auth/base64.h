/*
 * Base64 (RFC 4648 section 4) for what is kept as text: sealed bytes in the token file, the key in
 * the Secret Service. Pure; any thread. Internal to auth/.
 */
#ifndef OUTLOOKFS_AUTH_BASE64_H
#define OUTLOOKFS_AUTH_BASE64_H

#include "base/buffer.h"

/* Appends. `out` is reserved whole at once, so that no copy of a secret is left behind by growth.
 * False when its ceiling or memory does not allow it. */
bool auth_base64_encode(const void *data, size_t len, struct buffer *out)
    __attribute__((warn_unused_result));

/* Appends; takes nothing but what encode writes: whole groups, padding, no white space, no bits
 * that count for nothing. False, with `out` unchanged, for anything else or without room. */
bool auth_base64_decode(const char *text, size_t len, struct buffer *out)
    __attribute__((warn_unused_result));

#endif
