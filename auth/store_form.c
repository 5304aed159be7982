/*
 * See store_internal.h.
 *
 * The account's name is bound to what is sealed: the file of one account is of no use in the place
 * of another's. A key that does not open the file may be that of a login before, if another process
 * has signed out and in again meanwhile; so the Secret Service is asked once more.
 */
#include <string.h>

#include "auth/fail.h"
#include "auth/store_internal.h"
#include "auth/store_text.h"

void store_forget_key(struct auth_store *store)
{
    explicit_bzero(store->key, sizeof store->key);
    store->has_key = false;
}

/* ---- loading ---- */

static enum auth_error damaged(const struct auth_store *store, char *text)
{
    return auth_fail(text, AUTH_ERR_STORE,
                     "%.150s/token is damaged; sign in again: outlookfs login %s", store->dir,
                     store->account);
}

static enum auth_error newer(const struct auth_store *store, char *text)
{
    return auth_fail(text, AUTH_ERR_STORE,
                     "%.150s/token was written by a newer outlookfs; use that one, or sign in "
                     "again: outlookfs login %s",
                     store->dir, store->account);
}

/* What to do about a key that cannot be had. A desktop's keyring may be unlocked any moment; where
 * there is no bus, this process will never see one. */
static enum auth_error no_key(const struct auth_store *store, enum auth_keyring_error why,
                              char *text)
{
    static const struct {
        enum auth_error error;
        const char *step;
    } rows[] = {
        [AUTH_KEYRING_NO_BUS] = {AUTH_ERR_STORE,   "run outlookfs in the session that has it, or "},
        [AUTH_KEYRING_NO_SERVICE] = {AUTH_ERR_KEYRING, "start it, or "                                },
        [AUTH_KEYRING_NO_COLLECTION] = {AUTH_ERR_KEYRING,
                                 "open the one in which it was stored, or "                       },
        [AUTH_KEYRING_LOCKED] = {AUTH_ERR_KEYRING, "unlock it and try again, or "                 },
        [AUTH_KEYRING_NO_KEY] = {AUTH_ERR_STORE,   ""                                             },
        [AUTH_KEYRING_SILENT] = {AUTH_ERR_KEYRING, "try again later, or "                         },
        [AUTH_KEYRING_FAILED] = {AUTH_ERR_KEYRING, "try again later, or "                         },
    };
    return auth_fail(text, rows[why].error,
                     "%.100s/token is encrypted and %s; %ssign in again: outlookfs login %s",
                     store->dir, auth_keyring_cause(why), rows[why].step, store->account);
}

static enum auth_error fetch_key(struct auth_store *store, char *text)
{
    store_forget_key(store);
    enum auth_keyring_error why = store->ask(AUTH_KEYRING_GET, store->account, store->key);
    store->has_key = why == AUTH_KEYRING_OK;
    return store->has_key ? AUTH_OK : no_key(store, why, text);
}

static enum auth_error unseal(struct auth_store *store, const struct buffer *sealed,
                              struct buffer *plain, char *text)
{
    if (store->has_key && auth_seal_open(store->key, store->bound, sealed, plain))
        return AUTH_OK;
    enum auth_error error = fetch_key(store, text);
    if (error != AUTH_OK)
        return error;
    if (auth_seal_open(store->key, store->bound, sealed, plain))
        return AUTH_OK;
    store_forget_key(store);
    return auth_fail(text, AUTH_ERR_STORE,
                     "%.100s/token is damaged, or the keyring has another key than its own; sign "
                     "in again: outlookfs login %s",
                     store->dir, store->account);
}

static enum auth_error load_sealed(struct auth_store *store, const struct buffer *sealed,
                                   struct auth_login *login, char *text)
{
    struct buffer plain;
    struct buffer none;
    buffer_init(&plain, STORE_TEXT_MAX);
    buffer_init(&none, STORE_TEXT_MAX);
    enum auth_error error = unseal(store, sealed, &plain, text);
    if (error == AUTH_OK) {
        enum store_text_kind kind = store_text_parse(&plain, login, &none);
        if (kind == STORE_TEXT_NEWER)
            error = newer(store, text);
        else if (kind != STORE_TEXT_PLAIN)
            error = damaged(store, text);
    }
    buffer_wipe(&plain);
    buffer_free(&none);
    return error;
}

enum auth_error store_decode(struct auth_store *store, const struct buffer *content,
                             struct auth_login *login, char *text)
{
    struct buffer sealed;
    enum auth_error error = AUTH_OK;
    buffer_init(&sealed, STORE_TEXT_MAX);
    switch (store_text_parse(content, login, &sealed)) {
    case STORE_TEXT_PLAIN:
        store->form = STORE_FORM_PLAIN;
        store_forget_key(store);
        break;
    case STORE_TEXT_SEALED:
        error = load_sealed(store, &sealed, login, text);
        if (error == AUTH_OK)
            store->form = STORE_FORM_SEALED;
        break;
    case STORE_TEXT_NEWER:
        error = newer(store, text);
        break;
    case STORE_TEXT_DAMAGED:
        error = damaged(store, text);
        break;
    }
    buffer_free(&sealed);
    return error;
}

/* ---- saving ---- */

/* False without memory, or beyond the file's ceiling. */
static bool print(const struct auth_store *store, const struct auth_login *login,
                  struct buffer *content)
{
    struct buffer plain;
    struct buffer sealed;
    if (store->form == STORE_FORM_PLAIN)
        return store_text_print(login, content);
    buffer_init(&plain, STORE_TEXT_MAX);
    buffer_init(&sealed, STORE_TEXT_MAX);
    bool printed = store->has_key && store_text_print(login, &plain) &&
                   auth_seal_close(store->key, store->bound, &plain, &sealed) &&
                   store_text_print_sealed(&sealed, content);
    buffer_wipe(&plain);
    buffer_free(&sealed);
    return printed;
}

enum auth_error store_encode(const struct auth_store *store, const struct auth_login *login,
                             struct buffer *content, char *text)
{
    if (!store_text_fits(login))
        return auth_fail(text, AUTH_ERR_STORE, "the login of %s has parts that cannot be kept",
                         store->account);
    if (!print(store, login, content))
        return auth_fail(text, AUTH_ERR_STORE,
                         "no memory to keep the login of %s, or it is too long", store->account);
    return AUTH_OK;
}
