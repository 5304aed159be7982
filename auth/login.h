/*
 * Signing a person in (RFC 6749, 7636, 8252, 8628): from "who" to a login that can be kept
 * (store.h). Three ways, chosen by the caller; each ends with tokens or one line that says why not.
 *
 * Blocks until the person is done, the code expires, or cancel_fd is readable; one thread.
 */
#ifndef OUTLOOKFS_AUTH_LOGIN_H
#define OUTLOOKFS_AUTH_LOGIN_H

#include <stdbool.h>

#include "auth/error.h"
#include "auth/provider.h"
#include "auth/store.h"

enum auth_way {
    AUTH_WAY_DEVICE,  /* a code that is entered on any device (RFC 8628) */
    AUTH_WAY_BROWSER, /* a browser on this machine, which comes back to a listener */
    AUTH_WAY_PASTE,   /* a browser anywhere; its last address is pasted (provider live) */
};

struct auth_request {
    const struct auth_provider *provider;
    const char *account;            /* whom texts speak of */
    const char *username;           /* whom the server should expect */
    const char *authority, *tenant; /* or NULL: the defaults */
    const char *client_id;
    const char *cafile; /* or NULL */
};

/* How the person is spoken to. Called from auth_sign_in's thread. */
struct auth_dialog {
    void *ctx;
    int cancel_fd; /* readable: give up; -1: none */
    /* Shows where to enter which code, and how long it is good. */
    void (*show_code)(void *ctx, const char *address, const char *code, long seconds);
    /* Shows, and opens where that can be, the address to sign in at. */
    void (*show_address)(void *ctx, const char *address);
    /* AUTH_WAY_PASTE: reads what the person pasted; false: nothing, or interrupted. */
    bool (*read_line)(void *ctx, struct buffer *line);
};

/* Fills `login`, an empty one. */
enum auth_error auth_sign_in(const struct auth_request *request, enum auth_way way,
                             const struct auth_dialog *dialog, struct auth_login *login, char *text)
    __attribute__((warn_unused_result));

#endif
