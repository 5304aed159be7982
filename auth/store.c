/*
 * See store.h. Between the person's login and the disk stand two things: the form of the text
 * (store_internal.h), plain or sealed, and the file (store_file.h, store_lock.h). A store remembers
 * in which form the login was last loaded or created, and the key to a sealed one, so that the
 * Secret Service is asked once, not at each renewal.
 *
 * Signing in and out hold the lock while they ask the Secret Service (5 s at most): else a key
 * could be removed just after somebody sealed with it.
 */
#include "auth/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/fail.h"
#include "auth/store_file.h"
#include "auth/store_internal.h"
#include "auth/store_lock.h"
#include "auth/store_text.h"
#include "base/log.h"

enum { PATIENCE_MS = 60000 }; /* for who renews: two exchanges with the sign-in server */

struct auth_store *auth_store_new(const char *dir, const char *account)
{
    struct auth_store *store = calloc(1, sizeof *store);
    if (store == NULL)
        return NULL;
    store->ask = auth_keyring_ask;
    store->lock = -1;
    store->dir = strdup(dir);
    store->account = strdup(account);
    if (asprintf(&store->bound, "outlookfs login 1 %s", account) < 0)
        store->bound = NULL;
    if (store->dir == NULL || store->account == NULL || store->bound == NULL)
        auth_store_free(&store);
    return store;
}

void auth_store_free(struct auth_store **store)
{
    if (*store == NULL)
        return;
    auth_store_unlock(*store);
    store_forget_key(*store);
    free((*store)->dir);
    free((*store)->account);
    free((*store)->bound);
    free(*store);
    *store = NULL;
}

void auth_store_use_keyring(struct auth_store *store, auth_keyring_ask_fn *ask)
{
    store->ask = ask;
}

bool auth_store_exists(const struct auth_store *store)
{
    return store_file_exists(store->dir);
}

const char *auth_store_protection(const struct auth_store *store)
{
    static const char *const words[] = {
        [STORE_FORM_UNKNOWN] = "not known yet",
        [STORE_FORM_PLAIN] = "plain file, readable by its owner alone",
        [STORE_FORM_SEALED] = "encrypted, key in the Secret Service",
    };
    return words[store->form];
}

/* ---- the lock ---- */

static enum auth_error lock_in(struct auth_store *store, const struct store_dir *dir,
                               int timeout_ms, int cancel_fd, char *text)
{
    return store->lock >= 0 ? AUTH_OK
                            : store_lock_take(dir, timeout_ms, cancel_fd, &store->lock, text);
}

enum auth_error auth_store_lock(struct auth_store *store, int timeout_ms, int cancel_fd, char *text)
{
    struct store_dir dir;
    text[0] = '\0';
    enum auth_error error = store_dir_open(store->dir, &dir, text);
    if (error == AUTH_OK)
        error = lock_in(store, &dir, timeout_ms, cancel_fd, text);
    store_dir_close(&dir);
    return error;
}

void auth_store_unlock(struct auth_store *store)
{
    if (store->lock >= 0)
        close(store->lock);
    store->lock = -1;
}

/* ---- what is kept ---- */

enum auth_error auth_store_load(struct auth_store *store, struct auth_login *login, char *text)
{
    struct store_dir dir;
    struct buffer content;
    text[0] = '\0';
    buffer_init(&content, STORE_TEXT_MAX);
    enum auth_error error = store_dir_open(store->dir, &dir, text);
    if (error == AUTH_OK)
        error = store_file_read(&dir, &content, text);
    if (error == AUTH_OK)
        error = store_decode(store, &content, login, text);
    store_dir_close(&dir);
    buffer_wipe(&content);
    return error;
}

static enum auth_error write_login(struct auth_store *store, const struct store_dir *dir,
                                   const struct auth_login *login, char *text)
{
    struct buffer content;
    buffer_init(&content, STORE_TEXT_MAX);
    enum auth_error error = store_encode(store, login, &content, text);
    if (error == AUTH_OK)
        error = store_file_replace(dir, &content, text);
    buffer_wipe(&content);
    return error;
}

enum auth_error auth_store_save(struct auth_store *store, const struct auth_login *login,
                                char *text)
{
    struct store_dir dir;
    text[0] = '\0';
    if (store->lock < 0 || store->form == STORE_FORM_UNKNOWN)
        return auth_fail(text, AUTH_ERR_STORE,
                         "the login of %s is not locked or was not loaded; nothing was written",
                         store->account);
    enum auth_error error = store_dir_open(store->dir, &dir, text);
    if (error == AUTH_OK)
        error = write_login(store, &dir, login, text);
    store_dir_close(&dir);
    return error;
}

/* Sealed where the Secret Service gives a key. */
static void choose_form(struct auth_store *store)
{
    store_forget_key(store);
    enum auth_keyring_error why = store->ask(AUTH_KEYRING_OBTAIN, store->account, store->key);
    store->has_key = why == AUTH_KEYRING_OK;
    store->form = store->has_key ? STORE_FORM_SEALED : STORE_FORM_PLAIN;
    if (!store->has_key)
        log_info("the login of %s is kept in a plain file: %s", store->account,
                 auth_keyring_cause(why));
}

enum auth_error auth_store_create(struct auth_store *store, const struct auth_login *login,
                                  char *text)
{
    struct store_dir dir;
    bool held = store->lock >= 0;
    text[0] = '\0';
    enum auth_error error = store_dir_make(store->dir, text);
    if (error != AUTH_OK)
        return error;
    error = store_dir_open(store->dir, &dir, text);
    if (error == AUTH_OK)
        error = lock_in(store, &dir, PATIENCE_MS, -1, text);
    if (error == AUTH_OK) {
        choose_form(store);
        error = write_login(store, &dir, login, text);
        if (error != AUTH_OK) /* what the file is now, the next load tells */
            store->form = STORE_FORM_UNKNOWN;
    }
    if (!held)
        auth_store_unlock(store);
    store_dir_close(&dir);
    return error;
}

/* A key without its file opens nothing, so that one stays is worth a word, no error; and only where
 * there was reason to look for one. */
static void remove_key(struct auth_store *store, bool sealed)
{
    unsigned char none[AUTH_SEAL_KEY];
    store_forget_key(store);
    store->form = STORE_FORM_UNKNOWN;
    enum auth_keyring_error why = store->ask(AUTH_KEYRING_REMOVE, store->account, none);
    if (sealed && why != AUTH_KEYRING_OK && why != AUTH_KEYRING_NO_KEY)
        log_warn("the key to the login of %s, now useless, was not removed: %s", store->account,
                 auth_keyring_cause(why));
}

/* Whether the file says that it is sealed, as far as it can be read. */
static bool is_sealed(const struct store_dir *dir)
{
    char text[AUTH_TEXT_MAX];
    struct auth_login login;
    struct buffer content;
    struct buffer sealed;
    auth_login_init(&login);
    buffer_init(&content, STORE_TEXT_MAX);
    buffer_init(&sealed, STORE_TEXT_MAX);
    bool is = store_file_read(dir, &content, text) == AUTH_OK &&
              store_text_parse(&content, &login, &sealed) == STORE_TEXT_SEALED;
    auth_login_free(&login);
    buffer_wipe(&content);
    buffer_free(&sealed);
    return is;
}

enum auth_error auth_store_forget(struct auth_store *store, char *text)
{
    struct store_dir dir;
    bool held = store->lock >= 0;
    text[0] = '\0';
    enum auth_error error = store_dir_open(store->dir, &dir, text);
    if (error == AUTH_OK)
        error = lock_in(store, &dir, PATIENCE_MS, -1, text);
    if (error == AUTH_OK) {
        bool sealed = is_sealed(&dir);
        error = store_file_remove(&dir, text);
        if (error == AUTH_OK || error == AUTH_ERR_ABSENT)
            remove_key(store, sealed);
    }
    if (!held)
        auth_store_unlock(store);
    store_dir_close(&dir);
    return error;
}
