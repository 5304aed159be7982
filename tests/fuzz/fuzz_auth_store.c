/*
 * A token file of any content. It is taken as it stands, and as what was sealed in a good file.
 * What is taken for a login holds what store.h says, and is printed as a text that is taken for the
 * same; what is refused leaves nothing behind. The keyring has one key, so that sealed files of the
 * corpus open.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "auth/store_internal.h"
#include "auth/store_text.h"
#include "tests/fuzz/fuzz.h"

static enum auth_keyring_error ask(enum auth_keyring_request request, const char *account,
                                   unsigned char key[AUTH_SEAL_KEY])
{
    memset(key, 'k', AUTH_SEAL_KEY);
    return AUTH_KEYRING_OK;
}

static struct buffer copy(const void *data, size_t size)
{
    struct buffer b;
    buffer_init(&b, STORE_TEXT_MAX);
    check(buffer_append(&b, data, size));
    return b;
}

static bool same_text(const struct buffer *a, const struct buffer *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

static void check_empty(const struct auth_login *login)
{
    check(login->provider == NULL && login->token_url == NULL && login->client_id == NULL &&
          login->scope == NULL && login->refresh.data == NULL && login->access.data == NULL);
}

/* Prints it in the store's form and reads that again. */
static void check_again(struct auth_store *store, const struct auth_login *login)
{
    char text[AUTH_TEXT_MAX] = "";
    struct auth_login again;
    struct buffer printed;
    auth_login_init(&again);
    buffer_init(&printed, STORE_TEXT_MAX);
    check(store_text_fits(login));
    if (store_encode(store, login, &printed, text) == AUTH_OK) { /* escapes can make it too long */
        check(store_decode(store, &printed, &again, text) == AUTH_OK);
        check(strcmp(again.provider, login->provider) == 0);
        check(strcmp(again.token_url, login->token_url) == 0);
        check(strcmp(again.client_id, login->client_id) == 0);
        check(strcmp(again.scope, login->scope) == 0);
        check(same_text(&again.refresh, &login->refresh));
        check(same_text(&again.access, &login->access));
        check(again.expires == login->expires);
    }
    auth_login_free(&again);
    buffer_wipe(&printed);
}

static void try_file(const struct buffer *content)
{
    char text[AUTH_TEXT_MAX] = "";
    struct auth_login login;
    struct auth_store *store = auth_store_new("/nowhere", "jane@example.org");
    check(store != NULL);
    auth_store_use_keyring(store, ask);
    auth_login_init(&login);
    enum auth_error error = store_decode(store, content, &login, text);
    check(error == AUTH_OK || error == AUTH_ERR_STORE);
    check((error == AUTH_OK) == (text[0] == '\0'));
    if (error == AUTH_OK)
        check_again(store, &login);
    else
        check_empty(&login);
    auth_login_free(&login);
    auth_store_free(&store);
}

static void try_sealed(const struct buffer *inner)
{
    unsigned char key[AUTH_SEAL_KEY];
    struct buffer sealed;
    struct buffer content;
    buffer_init(&sealed, STORE_TEXT_MAX);
    buffer_init(&content, STORE_TEXT_MAX);
    ask(AUTH_KEYRING_GET, "", key);
    if (auth_seal_close(key, "outlookfs login 1 jane@example.org", inner, &sealed) &&
        store_text_print_sealed(&sealed, &content))
        try_file(&content);
    buffer_free(&sealed);
    buffer_free(&content);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > STORE_TEXT_MAX)
        return 0;
    struct buffer content = copy(data, size);
    try_file(&content);
    try_sealed(&content);
    buffer_free(&content);
    return 0;
}
