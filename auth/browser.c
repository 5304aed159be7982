/*
 * The authorization code with PKCE (RFC 6749 section 4.1, RFC 7636, RFC 8252), in its two ways: the
 * browser comes back to a listener on this machine, or the person pastes the address at which it
 * ended. The code alone is of no use to who overhears it: the verifier never leaves this process
 * but to the token endpoint.
 */
#include <stdio.h>
#include <string.h>

#include "auth/exchange.h"
#include "auth/fail.h"
#include "auth/form.h"
#include "auth/listener.h"
#include "auth/pkce.h"

enum { BROWSER_MS = 15 * 60000, ADDRESS_MAX = 8192 };

/* The address to send the person to. A login hint that is no address would only be in the way. */
static bool write_address(const struct auth_attempt *a, const struct auth_pkce *pkce,
                          const char *redirect, struct buffer *url)
{
    const char *username = a->request->username;
    return buffer_append_text(url, a->endpoints.authorize) && buffer_append_byte(url, '?') &&
           auth_form_add(url, "client_id", a->request->client_id) &&
           auth_form_add(url, "response_type", "code") &&
           auth_form_add(url, "redirect_uri", redirect) &&
           auth_form_add(url, "scope", a->endpoints.scope) &&
           auth_form_add(url, "state", pkce->state) &&
           auth_form_add(url, "code_challenge", pkce->challenge) &&
           auth_form_add(url, "code_challenge_method", "S256") &&
           (strchr(username, '@') == NULL || auth_form_add(url, "login_hint", username));
}

/* Sends the person to sign in. */
static enum auth_error show(struct auth_attempt *a, struct auth_pkce *pkce, const char *redirect)
{
    struct buffer url;
    buffer_init(&url, ADDRESS_MAX);
    enum auth_error error = AUTH_OK;
    if (!auth_pkce_make(pkce))
        error =
            auth_fail(a->text, AUTH_ERR_MEMORY, "this machine has no random bytes to sign in with");
    else if (!write_address(a, pkce, redirect, &url))
        error = auth_fail(a->text, AUTH_ERR_REFUSED,
                          "the address to sign in at is too long; check --client-id");
    else
        a->dialog->show_address(a->dialog->ctx, url.data);
    buffer_free(&url);
    return error;
}

/* From what the browser brought to tokens. */
static enum auth_error redeem(struct auth_attempt *a, const struct auth_returned *returned,
                              const char *redirect, const struct auth_pkce *pkce,
                              struct auth_login *login)
{
    if (returned->error[0] == '\0')
        return auth_exchange_code(a, returned->code.data, redirect, pkce->verifier, login);
    auth_answer_explain(returned->error, returned->number, a->request->account, a->text);
    return AUTH_ERR_REFUSED;
}

enum auth_error auth_way_browser(struct auth_attempt *a, struct auth_login *login)
{
    struct auth_listener *listener = NULL;
    struct auth_pkce pkce;
    struct auth_returned returned = {0};
    char redirect[64] = "";
    buffer_init(&returned.code, AUTH_CODE_MAX);
    enum auth_error error = auth_listener_open(&listener, a->text);
    if (error == AUTH_OK) {
        snprintf(redirect, sizeof redirect, "http://localhost:%u", auth_listener_port(listener));
        error = show(a, &pkce, redirect);
    }
    if (error == AUTH_OK)
        error = auth_listener_wait(listener, pkce.state, BROWSER_MS, a->dialog->cancel_fd,
                                   &returned, a->text);
    auth_listener_close(&listener);
    if (error == AUTH_OK)
        error = redeem(a, &returned, redirect, &pkce, login);
    explicit_bzero(&pkce, sizeof pkce);
    buffer_wipe(&returned.code);
    return error;
}

/* What was pasted is the whole address, or the code alone. */
static bool read_pasted(const struct buffer *line, const char *state,
                        struct auth_returned *returned)
{
    const char *text = line->data != NULL ? line->data : "";
    const char *query = strchr(text, '?');
    if (query == NULL)
        return text[0] != '\0' && strpbrk(text, " \t/&=") == NULL &&
               buffer_append_text(&returned->code, text);
    query++;
    return auth_returned_read(query, strcspn(query, "#"), state, returned);
}

enum auth_error auth_way_paste(struct auth_attempt *a, struct auth_login *login)
{
    struct auth_pkce pkce;
    struct auth_returned returned = {0};
    struct buffer line;
    buffer_init(&returned.code, AUTH_CODE_MAX);
    buffer_init(&line, AUTH_CODE_MAX);
    enum auth_error error = show(a, &pkce, a->endpoints.redirect);
    if (error == AUTH_OK && !a->dialog->read_line(a->dialog->ctx, &line))
        error = auth_fail(a->text, AUTH_ERR_CANCELLED, "nothing was pasted; nothing was changed");
    if (error == AUTH_OK && !read_pasted(&line, pkce.state, &returned))
        error =
            auth_fail(a->text, AUTH_ERR_REFUSED,
                      "what was pasted is not the address at which this sign-in ended; it starts "
                      "with https://login.live.com/oauth20_desktop.srf?code=");
    if (error == AUTH_OK)
        error = redeem(a, &returned, a->endpoints.redirect, &pkce, login);
    explicit_bzero(&pkce, sizeof pkce);
    buffer_wipe(&line);
    buffer_wipe(&returned.code);
    return error;
}
