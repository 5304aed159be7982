/*
 * A password that a person gave when asked (secret.h): kept in memory alone, for as long as the
 * mount stands. Once a server has refused it, only the person can give another. It is tried again
 * all the same, in case it was the server that was wrong, but so seldom that no server takes it for
 * an attack.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/fail.h"
#include "auth/source.h"
#include "base/clock.h"

enum { REFUSED_MS = 5 * 60000 };

struct text {
    struct buffer secret;
    int64_t until; /* clock_ms: not given before */
};

static void text_free(void *ctx)
{
    struct text *text = ctx;
    buffer_wipe(&text->secret);
    free(text);
}

static enum auth_error text_fetch(void *ctx, const char *refused, int cancel_fd, struct buffer *out,
                                  struct auth_fetched *fetched, char *why)
{
    struct text *text = ctx;
    *fetched = (struct auth_fetched){.until = INT64_MAX};
    if (refused != NULL)
        text->until = clock_ms() + REFUSED_MS;
    if (clock_ms() < text->until)
        return auth_fail(why, AUTH_ERR_REFUSED,
                         "the server refuses the password; mount again to give another");
    if (buffer_append(out, text->secret.data, text->secret.len))
        return AUTH_OK;
    return auth_fail(why, AUTH_ERR_MEMORY, "no memory for the password");
}

struct auth_secret *auth_secret_from_text(const char *secret)
{
    struct text *text = calloc(1, sizeof *text);
    if (text == NULL)
        return NULL;
    buffer_init(&text->secret, AUTH_SECRET_MAX);
    const struct auth_source source = {
        .kind = "password", .ctx = text, .fetch = text_fetch, .free = text_free};
    if (!buffer_append_text(&text->secret, secret)) {
        text_free(text);
        return NULL;
    }
    return auth_secret_new(&source);
}
