/*
 * How anything in auth/ fails. The text that goes with an error (AUTH_TEXT_MAX bytes) is one line
 * for a person: the cause and the next step, never a secret.
 */
#ifndef OUTLOOKFS_AUTH_ERROR_H
#define OUTLOOKFS_AUTH_ERROR_H

enum auth_error {
    AUTH_OK = 0,
    AUTH_ERR_COMMAND,   /* the command failed, printed nothing, or too much */
    AUTH_ERR_TIMEOUT,   /* it ran longer than its bound and was ended */
    AUTH_ERR_CANCELLED, /* cancel_fd fired */
    AUTH_ERR_ABSENT,    /* nobody has signed in, or somebody has signed out */
    AUTH_ERR_REFUSED,   /* the sign-in server says no: a person must sign in again */
    AUTH_ERR_NETWORK,   /* it cannot be reached, or does not answer as one: worth another try */
    AUTH_ERR_STORE,     /* the token file cannot be read or written, or is not safe to use */
    AUTH_ERR_KEYRING,   /* its key is in a keyring that does not give it now */
    AUTH_ERR_MEMORY,
};

enum { AUTH_TEXT_MAX = 400 };

#endif
