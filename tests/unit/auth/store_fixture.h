/*
 * A store in a directory of its own, logins to keep there, and a keyring that does as it is told.
 */
#ifndef OUTLOOKFS_TESTS_UNIT_AUTH_STORE_FIXTURE_H
#define OUTLOOKFS_TESTS_UNIT_AUTH_STORE_FIXTURE_H

#include "tests/unit/test.h"

#include "auth/store_internal.h"

#define ACCOUNT "jane@example.org"

struct fixture {
    char root[64]; /* the temporary directory */
    char dir[128]; /* the account's, below it; not made yet */
    struct auth_store *store;
    char text[AUTH_TEXT_MAX];
};

/* The keyring: what it answers to all, or AUTH_KEYRING_OK: it works, and may hold a key. */
struct fake_keyring {
    enum auth_keyring_error error;
    bool has_key;
    unsigned char key[AUTH_SEAL_KEY];
    int asked;
};
extern struct fake_keyring keyring;

/* For cmocka; the fake keyring works and is empty. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Another store on the same directory, with the fake keyring. */
struct auth_store *fixture_store(const struct fixture *f);

const char *fixture_path(const struct fixture *f, const char *file);

/* The login number `n`, with tokens of `size` bytes; what is loaded is told apart by it. */
struct auth_login login_make(int n, size_t size);
bool login_is(const struct auth_login *login, int n, size_t size);

/* Makes the token file hold login n, in the form that the keyring allows. */
void fixture_create(struct fixture *f, int n);

/* What a fresh store finds: AUTH_OK only when it is login n. */
enum auth_error fixture_load(struct fixture *f, int n);

/* The file's bytes; the caller frees the buffer. */
struct buffer fixture_read(const struct fixture *f);
void fixture_write(const struct fixture *f, const void *data, size_t len);

#endif
