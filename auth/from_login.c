/*
 * A secret from a login that is kept on disk (secret.h, store.h).
 *
 * The access token in the file is used as long as its time is not over, by every process of the
 * account; that takes no lock. Only when it is over, or when the server refused that very token,
 * is the refresh token used: under the store's lock, and after the file was read once more, since
 * another process may have renewed meanwhile. The new refresh token is on disk before the new
 * access token is given to anybody, so a process killed at any moment leaves a file with which the
 * next one can sign in: until the new pair is used, the server honours the old one.
 *
 * The lock is held across the exchange with the sign-in server, which is bounded: that others wait
 * for it is its purpose. How soon the server is asked again is for pause.h to say: meanwhile a
 * failure is repeated without asking, and a refused token is given out again as it is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/exchange.h"
#include "auth/pause.h"
#include "auth/source.h"
#include "base/clock.h"
#include "base/log.h"

enum { NEAR_END_S = 60 }; /* a refusal so close to a token's end is its end by another clock */

struct kept {
    struct auth_store *store;
    char *account, *cafile;
    int timeout_ms;
    struct auth_pause pause;
};

static void kept_free(void *ctx)
{
    struct kept *kept = ctx;
    auth_store_free(&kept->store);
    free(kept->account);
    free(kept->cafile);
    free(kept);
}

static enum auth_error load(struct kept *kept, struct auth_login *login, char *text)
{
    auth_login_free(login);
    enum auth_error error = auth_store_load(kept->store, login, text);
    if (error == AUTH_ERR_ABSENT)
        snprintf(text, AUTH_TEXT_MAX, "%s: sign-in needed: outlookfs login %s", kept->account,
                 kept->account);
    return error;
}

static bool is_refused(const struct auth_login *login, const char *refused)
{
    return refused != NULL && strcmp(login->access.data, refused) == 0;
}

/* Whether the access token at hand is one to try. */
static bool good(const struct auth_login *login, const char *refused)
{
    return login->access.len > 0 && clock_wall() < login->expires && !is_refused(login, refused);
}

/* Whether the IMAP server has refused it for another reason than its age. */
static bool refused_early(const struct auth_login *login, const char *refused)
{
    return login->access.len > 0 && login->expires - clock_wall() > NEAR_END_S &&
           is_refused(login, refused);
}

/* With the lock held. AUTH_OK: the new login is on disk. */
static enum auth_error exchange(struct kept *kept, struct auth_login *login, const char *refused,
                                int cancel_fd, char *text)
{
    const struct auth_http http = {
        .cafile = kept->cafile, .timeout_ms = kept->timeout_ms, .cancel_fd = cancel_fd};
    bool early = refused_early(login, refused);
    auth_pause_begin(&kept->pause, &login->refresh);
    enum auth_error error = auth_exchange_refresh(&http, kept->account, login, text);
    if (error == AUTH_OK)
        error = auth_store_save(kept->store, login, text);
    if (error == AUTH_OK) {
        auth_pause_done(&kept->pause, early, clock_ms());
        log_info("the access token was renewed");
    } else {
        auth_pause_failed(&kept->pause, clock_ms(), error, text);
    }
    return error;
}

static enum auth_error renew(struct kept *kept, struct auth_login *login, const char *refused,
                             int cancel_fd, char *text)
{
    /* Whoever holds the lock is within one exchange, or has just begun one. */
    enum auth_error error = auth_store_lock(kept->store, 2 * kept->timeout_ms, cancel_fd, text);
    if (error != AUTH_OK)
        return error;
    error = load(kept, login, text);
    if (error == AUTH_OK && !good(login, refused))
        error = exchange(kept, login, refused, cancel_fd, text);
    auth_store_unlock(kept->store);
    return error;
}

/* Brings the login to where its access token is worth a try, as far as may be now. */
static enum auth_error freshen(struct kept *kept, struct auth_login *login, const char *refused,
                               int cancel_fd, char *text)
{
    enum auth_error error = AUTH_OK;
    int64_t now = clock_ms();
    if (good(login, refused) ||
        auth_pause_stands(&kept->pause, &login->refresh, now, &error, text) ||
        (refused_early(login, refused) && auth_pause_refusals(&kept->pause, now)))
        return error;
    return renew(kept, login, refused, cancel_fd, text);
}

static enum auth_error kept_fetch(void *ctx, const char *refused, int cancel_fd, struct buffer *out,
                                  struct auth_fetched *fetched, char *text)
{
    struct kept *kept = ctx;
    struct auth_login login;
    auth_login_init(&login);
    enum auth_error error = load(kept, &login, text);
    if (error == AUTH_OK)
        error = freshen(kept, &login, refused, cancel_fd, text);
    if (error == AUTH_OK && !buffer_append(out, login.access.data, login.access.len)) {
        snprintf(text, AUTH_TEXT_MAX, "no memory for the access token");
        error = AUTH_ERR_MEMORY;
    }
    *fetched =
        (struct auth_fetched){.until = login.expires, .kept = auth_store_protection(kept->store)};
    auth_login_free(&login);
    return error;
}

struct auth_secret *auth_secret_from_login(const char *state_dir, const char *account,
                                           const char *cafile, int timeout_ms)
{
    struct kept *kept = calloc(1, sizeof *kept);
    if (kept == NULL)
        return NULL;
    const struct auth_source source = {
        .kind = "login", .ctx = kept, .fetch = kept_fetch, .free = kept_free};
    kept->store = auth_store_new(state_dir, account);
    kept->account = strdup(account);
    kept->cafile = cafile != NULL ? strdup(cafile) : NULL;
    kept->timeout_ms = timeout_ms;
    if (kept->store == NULL || kept->account == NULL || (cafile != NULL && kept->cafile == NULL)) {
        kept_free(kept);
        return NULL;
    }
    return auth_secret_new(&source);
}
