/*
 * What the token file says: a login as JSON, or sealed bytes wrapped in JSON. Pure; any thread.
 * Internal to auth/.
 *
 *   {"version":1, "provider":..., "token_url":..., "client_id":..., "scope":...,
 *    "refresh_token":..., "access_token":..., "expires":SECONDS}
 *   {"version":1, "cipher":"aes-256-gcm", "nonce":BASE64, "data":BASE64}
 *
 * Sealed is the text of the first kind; "data" ends with the tag.
 */
#ifndef OUTLOOKFS_AUTH_STORE_TEXT_H
#define OUTLOOKFS_AUTH_STORE_TEXT_H

#include "auth/store.h"

enum {
    STORE_TEXT_MAX = 256 * 1024, /* bytes of a file; two of the longest tokens fit, sealed too */
    STORE_FIELD_MAX = 4096,      /* bytes of a login's other strings */
};

enum store_text_kind {
    STORE_TEXT_DAMAGED,
    STORE_TEXT_NEWER, /* of a version or a cipher that is not known here */
    STORE_TEXT_PLAIN,
    STORE_TEXT_SEALED,
};

/* Fills `login` (an empty one) or `sealed` (an empty buffer: nonce, data and tag, as seal.h makes
 * them); whatever is not of that kind stays empty. Without memory a text counts as damaged. */
enum store_text_kind store_text_parse(const struct buffer *text, struct auth_login *login,
                                      struct buffer *sealed) __attribute__((warn_unused_result));

/* Whether parse would take what print makes of it: every string is there, within its bound, and has
 * no control characters, and there is a refresh token. */
bool store_text_fits(const struct auth_login *login);

/* Append; false without memory or beyond STORE_TEXT_MAX. */
bool store_text_print(const struct auth_login *login, struct buffer *text)
    __attribute__((warn_unused_result));
bool store_text_print_sealed(const struct buffer *sealed, struct buffer *text)
    __attribute__((warn_unused_result));

#endif
