/*
 * One HTTPS request to the sign-in server, by libcurl: POST of a form, and its answer whole.
 *
 * Certificates and host names are always checked, against the system's roots and `cafile`; TLS 1.2
 * or later. Redirects are not followed: a form with a token in it goes where it was meant to go or
 * nowhere. Bounded in time and size. Blocks; any thread. Internal to auth/.
 */
#ifndef OUTLOOKFS_AUTH_HTTP_H
#define OUTLOOKFS_AUTH_HTTP_H

#include "auth/error.h"
#include "base/buffer.h"

enum { AUTH_REPLY_MAX = 1 << 20 };

struct auth_http {
    const char *cafile; /* or NULL */
    int timeout_ms;     /* of the whole exchange */
    int cancel_fd;      /* readable: ends it; -1: none */
};

struct auth_reply {
    long status;        /* 200, 400, ... */
    struct buffer body; /* of AUTH_REPLY_MAX bytes; the caller wipes it */
};

/* `reply` is made here, also on failure. AUTH_ERR_NETWORK: there was no answer to speak of; a
 * redirect is one, too. `text` (AUTH_TEXT_MAX) then says why and what to do. */
enum auth_error auth_http_post(const struct auth_http *http, const char *url,
                               const struct buffer *form, struct auth_reply *reply, char *text)
    __attribute__((warn_unused_result));

/* The host in `url`, for messages, in `host` (`size` bytes). */
void auth_http_host(const char *url, char *host, size_t size);

#endif
