/* See exchange.h. Forms carry secrets: each is wiped as soon as it was sent. */
#include "auth/exchange.h"

#include "auth/fail.h"
#include "auth/form.h"

enum auth_error auth_exchange_error(enum auth_verdict verdict, enum auth_error error)
{
    if (error != AUTH_OK)
        return error;
    return verdict == AUTH_VERDICT_REFUSED ? AUTH_ERR_REFUSED : AUTH_ERR_NETWORK;
}

enum auth_verdict auth_exchange_tokens(const struct auth_http *http, const char *url,
                                       struct buffer *form, const char *asker,
                                       struct auth_login *login, enum auth_error *error, char *text)
{
    struct auth_reply reply;
    enum auth_verdict verdict = AUTH_VERDICT_TROUBLE;
    *error = auth_http_post(http, url, form, &reply, text);
    buffer_wipe(form);
    if (*error == AUTH_OK)
        verdict = auth_answer_tokens(&reply, url, asker, login, text);
    buffer_wipe(&reply.body);
    return verdict;
}

enum auth_error auth_exchange_code(struct auth_attempt *attempt, const char *code,
                                   const char *redirect, const char *verifier,
                                   struct auth_login *login)
{
    struct buffer form;
    enum auth_error error;
    auth_form_init(&form);
    if (!auth_form_add(&form, "client_id", attempt->request->client_id) ||
        !auth_form_add(&form, "grant_type", "authorization_code") ||
        !auth_form_add(&form, "code", code) || !auth_form_add(&form, "redirect_uri", redirect) ||
        !auth_form_add(&form, "code_verifier", verifier) ||
        !auth_form_add(&form, "scope", attempt->endpoints.scope)) {
        buffer_wipe(&form);
        return auth_fail(attempt->text, AUTH_ERR_MEMORY, "no memory to sign in");
    }
    enum auth_verdict verdict =
        auth_exchange_tokens(&attempt->http, attempt->endpoints.token, &form,
                             attempt->request->account, login, &error, attempt->text);
    return verdict == AUTH_VERDICT_GIVEN ? AUTH_OK : auth_exchange_error(verdict, error);
}

enum auth_error auth_exchange_refresh(const struct auth_http *http, const char *asker,
                                      struct auth_login *login, char *text)
{
    struct buffer form;
    enum auth_error error;
    auth_form_init(&form);
    if (!auth_form_add(&form, "client_id", login->client_id) ||
        !auth_form_add(&form, "grant_type", "refresh_token") ||
        !auth_form_add(&form, "refresh_token", login->refresh.data) ||
        !auth_form_add(&form, "scope", login->scope)) {
        buffer_wipe(&form);
        return auth_fail(text, AUTH_ERR_MEMORY, "no memory to sign in");
    }
    enum auth_verdict verdict =
        auth_exchange_tokens(http, login->token_url, &form, asker, login, &error, text);
    return verdict == AUTH_VERDICT_GIVEN ? AUTH_OK : auth_exchange_error(verdict, error);
}
