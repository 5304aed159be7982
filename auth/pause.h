/*
 * How soon a login may be renewed again. A program that reads on and on against a refusal makes the
 * mount connect every few seconds, and each attempt asks for a token; the sign-in server must not
 * hear of each. Two rules:
 *
 * A renewal that failed is not repeated at once: its failure stands for a second, for twice as long
 * after each further one, half a minute at most; and for five minutes where the server refused the
 * refresh token. It stands for that refresh token alone, so that a new login counts at once.
 *
 * An access token that the IMAP server refuses well before its end is renewed once in five minutes:
 * where the new one is refused as well, the token is not what is wrong.
 *
 * Times are of clock_ms. Belongs to one thread at a time. Internal to auth/.
 */
#ifndef OUTLOOKFS_AUTH_PAUSE_H
#define OUTLOOKFS_AUTH_PAUSE_H

#include <stdbool.h>
#include <stdint.h>

#include "auth/error.h"
#include "base/buffer.h"

enum { AUTH_PAUSE_DIGEST = 32 };

/* Starts as zeros. */
struct auth_pause {
    int64_t until, length;                  /* of the failure's; length in ms */
    unsigned char about[AUTH_PAUSE_DIGEST]; /* SHA-256 of the refresh token that it was about */
    enum auth_error error;
    char text[AUTH_TEXT_MAX];
    int64_t refusals_until; /* until then an early refusal is no reason to renew */
};

/* Whether the failure of a renewal by `refresh` still stands: then *error and `text`
 * (AUTH_TEXT_MAX) are what it was. */
bool auth_pause_stands(const struct auth_pause *pause, const struct buffer *refresh, int64_t now,
                       enum auth_error *error, char *text);

/* Whether the renewal that follows an early refusal has been made already. */
bool auth_pause_refusals(const struct auth_pause *pause, int64_t now);

/* A renewal by `refresh` begins; then, how it ended. `early`: it followed an early refusal. */
void auth_pause_begin(struct auth_pause *pause, const struct buffer *refresh);
void auth_pause_failed(struct auth_pause *pause, int64_t now, enum auth_error error,
                       const char *text);
void auth_pause_done(struct auth_pause *pause, bool early, int64_t now);

#endif
