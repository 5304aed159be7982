/*
 * What a store holds, and the form of its file: how a login becomes the file's text, plain or
 * sealed, and comes back. Between store.c, store_form.c and the tests. A store belongs to one
 * thread at a time.
 */
#ifndef OUTLOOKFS_AUTH_STORE_INTERNAL_H
#define OUTLOOKFS_AUTH_STORE_INTERNAL_H

#include "auth/keyring.h"
#include "auth/store.h"

enum store_form { STORE_FORM_UNKNOWN, STORE_FORM_PLAIN, STORE_FORM_SEALED };

struct auth_store {
    char *dir, *account; /* these four never change once the store is in use */
    char *bound;         /* sealed with the login: whose it is */
    auth_keyring_ask_fn *ask;
    enum store_form form; /* of the file as last loaded or created */
    bool has_key;
    unsigned char key[AUTH_SEAL_KEY]; /* where has_key */
    int lock;                         /* -1: not held */
};

/* For tests: another keyring than the user's. */
void auth_store_use_keyring(struct auth_store *store, auth_keyring_ask_fn *ask);

void store_forget_key(struct auth_store *store);

/* Fills `login` (an empty one) from the file's text, and sets form and key. The Secret Service is
 * asked where the text is sealed and the key is not at hand or does not fit. */
enum auth_error store_decode(struct auth_store *store, const struct buffer *content,
                             struct auth_login *login, char *text)
    __attribute__((warn_unused_result));

/* Appends the file's text to `content`, in the store's form. */
enum auth_error store_encode(const struct auth_store *store, const struct auth_login *login,
                             struct buffer *content, char *text)
    __attribute__((warn_unused_result));

#endif
