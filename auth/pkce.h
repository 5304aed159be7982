/* The random values of one authorization code (RFC 7636, RFC 6749 section 10.12). Any thread.
 * Internal to auth/. */
#ifndef OUTLOOKFS_AUTH_PKCE_H
#define OUTLOOKFS_AUTH_PKCE_H

#include <stdbool.h>

enum { AUTH_PKCE_TEXT = 44 }; /* base64url of 32 bytes, with the NUL */

struct auth_pkce {
    char verifier[AUTH_PKCE_TEXT];  /* secret until it is redeemed */
    char challenge[AUTH_PKCE_TEXT]; /* S256 of it */
    char state[AUTH_PKCE_TEXT];     /* ties the answer to the question */
};

/* False where the system has no random bytes. */
bool auth_pkce_make(struct auth_pkce *pkce) __attribute__((warn_unused_result));

/* The challenge of a verifier; for auth_pkce_make and its test. */
bool auth_pkce_challenge(const char *verifier, char challenge[AUTH_PKCE_TEXT])
    __attribute__((warn_unused_result));

#endif
