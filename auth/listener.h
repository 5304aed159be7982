/*
 * Where the browser comes back to (RFC 8252 section 7.3): a listener on 127.0.0.1, on a port of the
 * system's choice, that serves one sign-in and is gone. Whoever can reach it may send anything, so
 * only a request that carries the attempt's `state` counts; the others get an error page and change
 * nothing. One thread. Internal to auth/.
 */
#ifndef OUTLOOKFS_AUTH_LISTENER_H
#define OUTLOOKFS_AUTH_LISTENER_H

#include "auth/error.h"
#include "base/buffer.h"

/* What the browser brought: a code, or an error's word and its AADSTS number. */
struct auth_returned {
    struct buffer code;
    char error[64];
    long number;
};

struct auth_listener;

/* AUTH_ERR_STORE stands for "this machine does not let us"; text tells. */
enum auth_error auth_listener_open(struct auth_listener **listener, char *text)
    __attribute__((warn_unused_result));
unsigned auth_listener_port(const struct auth_listener *listener);

/* Serves until the browser has come back with `state`, at most `timeout_ms`, or until cancel_fd
 * (-1: none) is readable. `returned` is filled with AUTH_OK; its code, made by the caller, is wiped
 * by the caller. */
enum auth_error auth_listener_wait(struct auth_listener *listener, const char *state,
                                   int timeout_ms, int cancel_fd, struct auth_returned *returned,
                                   char *text) __attribute__((warn_unused_result));
void auth_listener_close(struct auth_listener **listener);

/* Reads what the query of a redirect says; false when it is not an answer to `state` (NULL: any).
 * For the listener, and for an address that was pasted. */
bool auth_returned_read(const char *query, size_t len, const char *state,
                        struct auth_returned *returned);

#endif
