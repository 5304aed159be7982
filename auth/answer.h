/*
 * What the sign-in server's JSON says (RFC 6749 sections 5.1 and 5.2, RFC 8628 sections 3.2 and
 * 3.5): tokens, a device code, or an error, of which the program acts on the word `error` alone and
 * shows a person the AADSTS code and the next step (advice.h). Nothing else of an error is shown:
 * descriptions can quote what was sent. Pure; any thread. Internal to auth/.
 */
#ifndef OUTLOOKFS_AUTH_ANSWER_H
#define OUTLOOKFS_AUTH_ANSWER_H

#include "auth/http.h"
#include "auth/store.h"

/* What the polling of RFC 8628 has to tell apart. */
enum auth_verdict {
    AUTH_VERDICT_GIVEN, /* tokens */
    AUTH_VERDICT_PENDING,
    AUTH_VERDICT_SLOW_DOWN,
    AUTH_VERDICT_REFUSED,  /* for good; text tells */
    AUTH_VERDICT_NONSENSE, /* it gave, but nothing of use: what was redeemed is gone */
    AUTH_VERDICT_TROUBLE,  /* not an answer, or the server's own trouble: worth another try */
};

/*
 * Reads the answer of a token endpoint: access token and expiry into `login`, and the refresh token
 * where there is one (else the old one stays). What is not GIVEN leaves the login as it was.
 * `asker` is whom a person signs in again as, for the text (AUTH_TEXT_MAX). The reply's body is the
 * caller's to wipe.
 */
enum auth_verdict auth_answer_tokens(const struct auth_reply *reply, const char *url,
                                     const char *asker, struct auth_login *login, char *text)
    __attribute__((warn_unused_result));

struct auth_device {
    struct buffer device_code; /* made empty by the caller, and wiped by it */
    char user_code[64], address[400];
    long expires_in, interval; /* seconds */
};
enum auth_verdict auth_answer_device(const struct auth_reply *reply, const char *url,
                                     const char *asker, struct auth_device *device, char *text)
    __attribute__((warn_unused_result));

/* Writes to `text` what an error means: `word` is OAuth's, `code` AADSTS's number or 0. For errors
 * that come through the browser, too. */
void auth_answer_explain(const char *word, long code, const char *asker, char *text);

/* The number n of the first "AADSTSn" in `description`; 0: none. */
long auth_answer_code(const char *description);

#endif
