/*
 * The exchanges with a token endpoint that the ways of signing in and the renewal share. Blocks;
 * one thread a time. Internal to auth/.
 */
#ifndef OUTLOOKFS_AUTH_EXCHANGE_H
#define OUTLOOKFS_AUTH_EXCHANGE_H

#include "auth/answer.h"
#include "auth/login.h"

/* Room for a code or a verifier: both are short, but whose length is the server's to choose. */
enum { AUTH_CODE_MAX = 16384 };

/* What one way of signing in works with, made by auth_sign_in. */
struct auth_attempt {
    const struct auth_request *request;
    const struct auth_dialog *dialog;
    struct auth_endpoints endpoints;
    struct auth_http http;
    char *text; /* AUTH_TEXT_MAX, for the caller */
};

/* Posts `form`, wipes it, and reads tokens into `login`. */
enum auth_verdict auth_exchange_tokens(const struct auth_http *http, const char *url,
                                       struct buffer *form, const char *asker,
                                       struct auth_login *login, enum auth_error *error, char *text)
    __attribute__((warn_unused_result));

/* Redeems an authorization code (RFC 6749 section 4.1.3, RFC 7636 section 4.5). */
enum auth_error auth_exchange_code(struct auth_attempt *attempt, const char *code,
                                   const char *redirect, const char *verifier,
                                   struct auth_login *login) __attribute__((warn_unused_result));

/* Renews `login` by its refresh token (RFC 6749 section 6), asking for the scope first granted. On
 * failure the login is as it was. */
enum auth_error auth_exchange_refresh(const struct auth_http *http, const char *asker,
                                      struct auth_login *login, char *text)
    __attribute__((warn_unused_result));

/* AUTH_ERR_NETWORK or AUTH_ERR_REFUSED for what is not GIVEN; `error` where the network said it. */
enum auth_error auth_exchange_error(enum auth_verdict verdict, enum auth_error error);

/* The ways. Each fills the tokens of `login`. */
enum auth_error auth_way_device(struct auth_attempt *attempt, struct auth_login *login);
enum auth_error auth_way_browser(struct auth_attempt *attempt, struct auth_login *login);
enum auth_error auth_way_paste(struct auth_attempt *attempt, struct auth_login *login);

#endif
