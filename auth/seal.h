/*
 * Sealing: AES-256-GCM (NIST SP 800-38D), by OpenSSL. What is sealed can be neither read nor
 * changed without the key, nor opened in the place of something else: `bound` names what it belongs
 * to and is authenticated beside it, not stored. Pure; any thread. Internal to auth/.
 */
#ifndef OUTLOOKFS_AUTH_SEAL_H
#define OUTLOOKFS_AUTH_SEAL_H

#include "base/buffer.h"

enum {
    AUTH_SEAL_KEY = 32,
    AUTH_SEAL_NONCE = 12,
    AUTH_SEAL_TAG = 16,
    AUTH_SEAL_MAX = 1 << 20, /* bytes that one seal takes */
};

/* Appends to `sealed`: a fresh random nonce, as many bytes as `plain` has, the tag. False, with
 * `sealed` unchanged: no randomness, no memory, or beyond a ceiling. */
bool auth_seal_close(const unsigned char key[AUTH_SEAL_KEY], const char *bound,
                     const struct buffer *plain, struct buffer *sealed)
    __attribute__((warn_unused_result));

/* Appends to `plain` what was sealed. False, with `plain` unchanged and nothing unauthenticated
 * left in it: another key, another `bound`, or a byte was changed. */
bool auth_seal_open(const unsigned char key[AUTH_SEAL_KEY], const char *bound,
                    const struct buffer *sealed, struct buffer *plain)
    __attribute__((warn_unused_result));

#endif
