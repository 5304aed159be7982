/*
 * The key of an account's token file, where a desktop's keyring holds it: the Secret Service on the
 * session bus. Nothing here ever asks the person anything, unlocks or makes a collection, or starts
 * a bus; and it answers within 5 s, whatever the bus and the service do. Any thread. Internal to
 * auth/.
 */
#ifndef OUTLOOKFS_AUTH_KEYRING_H
#define OUTLOOKFS_AUTH_KEYRING_H

#include "auth/seal.h"

enum auth_keyring_error {
    AUTH_KEYRING_OK = 0,
    AUTH_KEYRING_NO_BUS,        /* no session bus, or it refuses us */
    AUTH_KEYRING_NO_SERVICE,    /* nobody on it is a Secret Service */
    AUTH_KEYRING_NO_COLLECTION, /* that has no default collection */
    AUTH_KEYRING_LOCKED,        /* or that would have to ask the person */
    AUTH_KEYRING_NO_KEY,        /* unlocked, and without a key for this account */
    AUTH_KEYRING_SILENT,        /* no answer in time */
    AUTH_KEYRING_FAILED,        /* another error; at level debug the log has it */
};

enum auth_keyring_request {
    AUTH_KEYRING_GET,    /* the key that is there */
    AUTH_KEYRING_OBTAIN, /* the key that is there, or a new one, stored */
    AUTH_KEYRING_REMOVE, /* NO_KEY: there was none */
};

enum { AUTH_KEYRING_WAIT_MS = 5000 };

/* Fills `key` when it returns AUTH_KEYRING_OK, but for REMOVE; the caller wipes it. */
typedef enum auth_keyring_error auth_keyring_ask_fn(enum auth_keyring_request request,
                                                    const char *account,
                                                    unsigned char key[AUTH_SEAL_KEY]);

/*
 * Asks the Secret Service. Once a process has done so, a child that it forks must not do so again
 * without exec (the threads of GDBus are not in the child): there the answer is
 * AUTH_KEYRING_FAILED.
 */
auth_keyring_ask_fn auth_keyring_ask;

/* The error as the cause in a line for a person: "the keyring is locked". A constant. */
const char *auth_keyring_cause(enum auth_keyring_error error);

#endif
