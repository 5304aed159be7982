/*
 * Where the secret for signing in comes from: for now a command whose first line of output is an
 * access token or a password (CONTRACT.md section 5). The program keeps secrets in memory alone,
 * wiped when freed, and never logs them, nor the command's output.
 *
 * One source serves all connections of an account: whoever asks while a command runs waits for
 * its result, so a token is renewed once, not once per connection. Any thread.
 */
#ifndef OUTLOOKFS_AUTH_SECRET_H
#define OUTLOOKFS_AUTH_SECRET_H

#include <stdbool.h>

#include "base/buffer.h"

struct auth_secret;

enum auth_error {
    AUTH_OK = 0,
    AUTH_ERR_COMMAND,   /* the command failed, printed nothing, or too much */
    AUTH_ERR_TIMEOUT,   /* it ran longer than its bound and was ended */
    AUTH_ERR_CANCELLED, /* cancel_fd fired */
    AUTH_ERR_MEMORY,
};

enum { AUTH_SECRET_MAX = 65536, AUTH_TEXT_MAX = 400 };

/* `argv` (NULL-terminated, no shell) or, where it is NULL, `shell` (run by /bin/sh -c). Copied.
 * `timeout_ms` bounds one run. NULL without memory. */
struct auth_secret *auth_secret_from_command(char *const argv[], const char *shell, int timeout_ms);

/*
 * Appends the secret to `out` (the caller wipes it: buffer_wipe). A secret once got is used again
 * until somebody passes it as `refused`: then the command runs anew, once for all who wait. On
 * failure `text` (AUTH_TEXT_MAX bytes) holds one line for a person: what failed and the next step;
 * it may name the command's exit status and first word, never its output.
 */
enum auth_error auth_secret_get(struct auth_secret *s, const char *refused, int cancel_fd,
                                struct buffer *out, char *text) __attribute__((warn_unused_result));

void auth_secret_free(struct auth_secret **s);

#endif
