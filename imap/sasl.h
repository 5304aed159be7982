/*
 * What a client says in AUTHENTICATE: XOAUTH2 as Microsoft describes it, OAUTHBEARER (RFC 7628)
 * and PLAIN (RFC 4616), in base64. No fixed buffers: tokens are 1 to 4 kB. Any thread.
 */
#ifndef OUTLOOKFS_IMAP_SASL_H
#define OUTLOOKFS_IMAP_SASL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

/* Each appends the base64 of the message to `out`, which must be empty and was initialised with
 * room enough (SASL_MAX); the caller wipes it. Nothing else is left in memory. False without
 * memory, or when an argument holds a byte that the mechanism cannot carry. */
enum { IMAP_SASL_MAX = 256 * 1024 };

bool imap_sasl_xoauth2(struct buffer *out, const char *user, const char *token)
    __attribute__((warn_unused_result));
bool imap_sasl_oauthbearer(struct buffer *out, const char *user, const char *token,
                           const char *host, uint16_t port) __attribute__((warn_unused_result));
bool imap_sasl_plain(struct buffer *out, const char *user, const char *password)
    __attribute__((warn_unused_result));

#endif
