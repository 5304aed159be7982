/*
 * The secret for signing in to the IMAP server, an access token or a password, and where it comes
 * from: a command whose first line of output it is, a login kept on disk (login.h, store.h), or a
 * person who was asked. The program keeps secrets in memory, wiped when freed, and never logs them.
 *
 * One source serves all connections of an account: whoever asks while it is being fetched waits for
 * that result, so a token is renewed once, not once per connection. Any thread.
 */
#ifndef OUTLOOKFS_AUTH_SECRET_H
#define OUTLOOKFS_AUTH_SECRET_H

#include <stdint.h>

#include "auth/error.h"
#include "base/buffer.h"

struct auth_secret;

enum { AUTH_SECRET_MAX = 65536 };

/* `argv` (NULL-terminated, no shell) or, where it is NULL, `shell` (run by /bin/sh -c). Copied.
 * `timeout_ms` bounds one run. NULL without memory. */
struct auth_secret *auth_secret_from_command(char *const argv[], const char *shell, int timeout_ms);

/* A password that a person gave: copied; once refused there is no other, and it is not given again
 * for five minutes. NULL without memory. */
struct auth_secret *auth_secret_from_text(const char *text);

/*
 * The login of `account` that is kept in `state_dir` (store.h): its access token for as long as it
 * is good, or until the server refuses it; then a new one by the refresh token, which is on disk
 * before it is used. Whoever renews holds the store's lock, so that all mounts of an account renew
 * once; how often, pause.h says. `cafile` (or NULL) adds roots for the sign-in server; `timeout_ms`
 * bounds one exchange with it. Strings are copied. NULL without memory.
 */
struct auth_secret *auth_secret_from_login(const char *state_dir, const char *account,
                                           const char *cafile, int timeout_ms);

/*
 * Appends the secret to `out` (the caller wipes it: buffer_wipe). A secret once got is used again
 * until its time is over or somebody passes it as `refused`: then a new one is fetched, once for
 * all who wait. On failure `text` (AUTH_TEXT_MAX bytes) holds one line for a person: what failed
 * and the next step; of a command it may name exit status and first word, never its output.
 */
enum auth_error auth_secret_get(struct auth_secret *s, const char *refused, int cancel_fd,
                                struct buffer *out, char *text) __attribute__((warn_unused_result));

/* For status. The texts are constants. */
struct auth_secret_state {
    const char *kind; /* "command", "login", "password" */
    const char *kept; /* how it is kept on disk; NULL: it is not, or nothing was fetched yet */
    int64_t expires;  /* seconds since 1970; 0: unknown, or there is no secret now */
    bool fetching;    /* one is being fetched right now */
};
void auth_secret_state(struct auth_secret *s, struct auth_secret_state *state);

void auth_secret_free(struct auth_secret **s);

/*
 * Makes this process keep what it holds to itself: no core file, and no other process of the user
 * may read its memory (ptrace(2), /proc/PID/mem). For every process that holds tokens, before it
 * does; children made by exec are as any other process again, but for the limit on core files.
 */
void auth_process_protect(void);

#endif
