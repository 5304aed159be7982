/*
 * Where a login is kept: one file, `token`, in the account's state directory (0700), readable by
 * its owner alone (0600) and refused when its mode is wider. It holds what the refresh token
 * belongs to beside the token itself, so that a renewal needs nothing else.
 *
 * The file is JSON: plain, or sealed with AES-256-GCM under a key that the Secret Service holds,
 * where a session bus offers an unlocked one at the time of the login. A renewal writes the file in
 * the form in which it was read.
 *
 * The Secret Service is never unlocked, nor is the person asked. (That takes GDBus, whose threads a
 * fork does not take along: a child without exec can use a store that has its key, but get no key.)
 *
 * A file is replaced whole (temporary file, fsync, rename, fsync of the directory): a process that
 * is killed leaves the old one or the new one. Who replaces it holds the lock, a file beside it
 * that the kernel releases when its holder dies; several mounts and commands share one login that
 * way.
 *
 * A store belongs to one thread at a time.
 */
#ifndef OUTLOOKFS_AUTH_STORE_H
#define OUTLOOKFS_AUTH_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "auth/error.h"
#include "base/buffer.h"

enum { AUTH_TOKEN_MAX = 65536 }; /* bytes of one token; those of today have 1 to 3 kB */

/* A login. Strings are malloc'ed; none is NULL in one that was loaded. */
struct auth_login {
    char *provider;  /* a row of the table in provider.c */
    char *token_url; /* where the refresh token is good */
    char *client_id;
    char *scope;                   /* as first asked for */
    struct buffer refresh, access; /* text, without a line's end; access may be empty */
    int64_t expires;               /* of access: seconds since 1970 */
};

/* An empty login; free wipes the tokens and leaves an empty one. */
void auth_login_init(struct auth_login *login);
void auth_login_free(struct auth_login *login);

struct auth_store;

/* `dir` is the account's state directory; it is made (0700) by auth_store_create alone. NULL
 * without memory. */
struct auth_store *auth_store_new(const char *dir, const char *account);
void auth_store_free(struct auth_store **store);

/* Whether there is a token file, without opening it. */
bool auth_store_exists(const struct auth_store *store);

/* Waits for the lock, at most `timeout_ms` and until `cancel_fd` (-1: none) is readable.
 * AUTH_ERR_TIMEOUT, AUTH_ERR_CANCELLED; AUTH_ERR_ABSENT: there is not even the directory. A store
 * that has it already has it still. */
enum auth_error auth_store_lock(struct auth_store *store, int timeout_ms, int cancel_fd, char *text)
    __attribute__((warn_unused_result));
void auth_store_unlock(struct auth_store *store);

/* Reads the login into `login`, an empty one. AUTH_ERR_ABSENT: there is none. AUTH_ERR_STORE: the
 * file can be read by others, is damaged, or its key is gone; AUTH_ERR_KEYRING: that cannot be had
 * for now, as from a keyring that is locked. May wait 5 s for the Secret
 * Service the first time. */
enum auth_error auth_store_load(struct auth_store *store, struct auth_login *login, char *text)
    __attribute__((warn_unused_result));

/* Replaces the login after a renewal, in the form in which it was loaded: this store has loaded it
 * and holds the lock, else nothing is written. When it returns AUTH_OK, the file is on disk; on
 * failure the old one stands, unless only its being on disk is in doubt. A login that could not be
 * loaded again (store_text_fits) is not written. */
enum auth_error auth_store_save(struct auth_store *store, const struct auth_login *login,
                                char *text) __attribute__((warn_unused_result));

/* The first write after a person signed in: sealed where the Secret Service gives a key, else
 * plain. The lock need not be held: it is taken within. */
enum auth_error auth_store_create(struct auth_store *store, const struct auth_login *login,
                                  char *text) __attribute__((warn_unused_result));

/* Removes the file and the key; the lock as for create. AUTH_ERR_ABSENT: there was no file. That
 * the key of a sealed file stays, where the keyring is out of reach, is no error but a line in the
 * log.
 */
enum auth_error auth_store_forget(struct auth_store *store, char *text)
    __attribute__((warn_unused_result));

/* How the file that was last loaded or created is kept, in words for a person. A constant. */
const char *auth_store_protection(const struct auth_store *store);

#endif
