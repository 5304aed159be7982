/*
 * How a secret is come by: what auth_secret (secret.h), which shares one secret among many who ask,
 * needs to know of a command, a login or a password that was asked for. Internal to auth/.
 */
#ifndef OUTLOOKFS_AUTH_SOURCE_H
#define OUTLOOKFS_AUTH_SOURCE_H

#include <stdint.h>

#include "auth/secret.h"

/* What a fetch yields beside the secret. */
struct auth_fetched {
    int64_t until;    /* seconds since 1970; INT64_MAX: until it is refused */
    const char *kept; /* how it is kept on disk, a constant; NULL: not at all */
};

struct auth_source {
    const char *kind; /* for status: a constant */
    void *ctx;
    /*
     * Appends the secret to `out`, an empty buffer of AUTH_SECRET_MAX bytes that the caller wipes.
     * `refused` is one that the server did not take, or NULL. Runs in the thread of one who asks,
     * never twice at once; a readable `cancel_fd` ends it. On failure `text` (AUTH_TEXT_MAX) tells.
     */
    enum auth_error (*fetch)(void *ctx, const char *refused, int cancel_fd, struct buffer *out,
                             struct auth_fetched *fetched, char *text);
    void (*free)(void *ctx);
};

/* Takes `source->ctx`, also on failure. NULL without memory. */
struct auth_secret *auth_secret_new(const struct auth_source *source);

#endif
