/* See login.h: what the ways of signing in have in common, before and after. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/exchange.h"
#include "auth/fail.h"

enum { EXCHANGE_MS = 30000 };

static bool copy(char **to, const char *from)
{
    free(*to);
    *to = strdup(from);
    return *to != NULL;
}

/* What a renewal will need. */
static enum auth_error complete(const struct auth_attempt *a, struct auth_login *login)
{
    if (login->refresh.len == 0) {
        snprintf(a->text, AUTH_TEXT_MAX,
                 "%s: the sign-in server gave no refresh token, so this would end within the hour; "
                 "give the app the permission offline_access, then: outlookfs login %s",
                 a->request->account, a->request->account);
        return AUTH_ERR_REFUSED;
    }
    if (copy(&login->provider, a->request->provider->name) &&
        copy(&login->token_url, a->endpoints.token) &&
        copy(&login->client_id, a->request->client_id) && copy(&login->scope, a->endpoints.scope))
        return AUTH_OK;
    return auth_fail(a->text, AUTH_ERR_MEMORY, "no memory to sign in");
}

enum auth_error auth_sign_in(const struct auth_request *request, enum auth_way way,
                             const struct auth_dialog *dialog, struct auth_login *login, char *text)
{
    static enum auth_error (*const ways[])(struct auth_attempt *, struct auth_login *) = {
        [AUTH_WAY_DEVICE] = auth_way_device,
        [AUTH_WAY_BROWSER] = auth_way_browser,
        [AUTH_WAY_PASTE] = auth_way_paste};
    struct auth_attempt attempt = {
        .request = request,
        .dialog = dialog,
        .http = {.cafile = request->cafile,
                 .timeout_ms = EXCHANGE_MS,
                 .cancel_fd = dialog->cancel_fd},
        .text = text
    };
    text[0] = '\0';
    if (!auth_endpoints_make(request->provider, request->authority, request->tenant,
                             &attempt.endpoints, text))
        return AUTH_ERR_REFUSED;
    enum auth_error error = AUTH_ERR_REFUSED;
    if (way == AUTH_WAY_DEVICE && attempt.endpoints.device == NULL)
        snprintf(text, AUTH_TEXT_MAX, "the provider %s has no device code",
                 request->provider->name);
    else
        error = ways[way](&attempt, login);
    if (error == AUTH_OK)
        error = complete(&attempt, login);
    auth_endpoints_free(&attempt.endpoints);
    return error;
}
