/* See pause.h. Of the refresh token only a digest is kept: it is compared, never used. */
#include "auth/pause.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_MS = 1000, LAST_MS = 30000, REFUSED_MS = 5 * 60000 };

/* Zeros where OpenSSL has no memory: the failure then stands for nothing, or for any token. */
static void digest(const struct buffer *refresh, unsigned char out[AUTH_PAUSE_DIGEST])
{
    memset(out, 0, AUTH_PAUSE_DIGEST);
    if (refresh->len > 0)
        (void)EVP_Digest(refresh->data, refresh->len, out, NULL, EVP_sha256(), NULL);
}

bool auth_pause_stands(const struct auth_pause *pause, const struct buffer *refresh, int64_t now,
                       enum auth_error *error, char *text)
{
    unsigned char about[AUTH_PAUSE_DIGEST];
    if (now >= pause->until)
        return false;
    digest(refresh, about);
    if (memcmp(about, pause->about, sizeof about) != 0)
        return false;
    *error = pause->error;
    memcpy(text, pause->text, AUTH_TEXT_MAX);
    return true;
}

bool auth_pause_refusals(const struct auth_pause *pause, int64_t now)
{
    return now < pause->refusals_until;
}

void auth_pause_begin(struct auth_pause *pause, const struct buffer *refresh)
{
    unsigned char about[AUTH_PAUSE_DIGEST];
    digest(refresh, about);
    pause->until = 0;
    if (memcmp(about, pause->about, sizeof about) != 0)
        pause->length = 0;
    memcpy(pause->about, about, sizeof about);
}

void auth_pause_failed(struct auth_pause *pause, int64_t now, enum auth_error error,
                       const char *text)
{
    if (error == AUTH_ERR_CANCELLED)
        return;
    int64_t longer = pause->length == 0 ? FIRST_MS : pause->length * 2;
    pause->length = longer < LAST_MS ? longer : LAST_MS;
    pause->until = now + (error == AUTH_ERR_REFUSED ? REFUSED_MS : pause->length);
    pause->error = error;
    snprintf(pause->text, sizeof pause->text, "%s", text);
}

void auth_pause_done(struct auth_pause *pause, bool early, int64_t now)
{
    pause->until = pause->length = 0;
    if (early)
        pause->refusals_until = now + REFUSED_MS;
}
