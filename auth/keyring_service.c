/*
 * See keyring_service.h. By libsecret, over a connection of our own and without prompts
 * (keyring_quiet.h): one question, then the connection is closed.
 *
 * The key is kept as base64: some services keep secrets as text.
 *
 * Signals that GDBus delivers go to a main context of this thread, which ends with it: in the
 * process's default context, which nobody runs, they would pile up.
 */
#include "auth/keyring_service.h"

#include <libsecret/secret.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>

#include "auth/base64.h"
#include "auth/keyring_quiet.h"
#include "base/log.h"

enum { KEY_TEXT_MAX = (AUTH_SEAL_KEY + 2) / 3 * 4 };

static const SecretSchema schema = {
    .name = "outlookfs.Login",
    .flags = SECRET_SCHEMA_DONT_MATCH_NAME,
    .attributes = {{"application", SECRET_SCHEMA_ATTRIBUTE_STRING},
                   {"account", SECRET_SCHEMA_ATTRIBUTE_STRING}},
};

struct question {
    const char *account;
    GCancellable *cancel;
    GDBusConnection *bus;
    SecretService *service;
    SecretCollection *collection; /* the default one; NULL: there is none */
    GHashTable *attributes;
};

/* Says what an error of GLib's means, logs it, and frees it. `otherwise` is for those that are not
 * known. */
static enum auth_keyring_error meaning(GError *error, enum auth_keyring_error otherwise)
{
    enum auth_keyring_error result = otherwise;
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED) ||
        g_error_matches(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT) ||
        g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY))
        result = AUTH_KEYRING_SILENT;
    else if (error != NULL && error->domain == SECRET_ERROR &&
             error->code == SECRET_ERROR_IS_LOCKED)
        result = AUTH_KEYRING_LOCKED;
    else if (g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN) ||
             g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER))
        result = AUTH_KEYRING_NO_SERVICE;
    if (error != NULL)
        log_debug("keyring: %s", error->message);
    g_clear_error(&error);
    return result;
}

static enum auth_keyring_error connect_bus(struct question *q, const char *address)
{
    GError *error = NULL;
    q->bus =
        g_dbus_connection_new_for_address_sync(address,
                                               G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                   G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                               NULL, q->cancel, &error);
    if (q->bus == NULL)
        return meaning(error, AUTH_KEYRING_NO_BUS);
    g_dbus_connection_set_exit_on_close(q->bus, FALSE);
    return AUTH_KEYRING_OK;
}

static enum auth_keyring_error open_service(struct question *q)
{
    GError *error = NULL;
    q->service = auth_keyring_quiet_service(q->bus, q->cancel, &error);
    if (q->service == NULL)
        return meaning(error, AUTH_KEYRING_FAILED);
    q->collection = secret_collection_for_alias_sync(q->service, SECRET_COLLECTION_DEFAULT,
                                                     SECRET_COLLECTION_NONE, q->cancel, &error);
    return error == NULL ? AUTH_KEYRING_OK : meaning(error, AUTH_KEYRING_FAILED);
}

/* Why a key is neither there nor can be stored, as far as the default collection tells. */
static enum auth_keyring_error state_of_collection(const struct question *q)
{
    if (q->collection == NULL)
        return AUTH_KEYRING_NO_COLLECTION;
    return secret_collection_get_locked(q->collection) ? AUTH_KEYRING_LOCKED : AUTH_KEYRING_NO_KEY;
}

static bool decode_key(SecretValue *value, unsigned char *key)
{
    struct buffer bytes;
    gsize len = 0;
    const char *text = value != NULL ? secret_value_get(value, &len) : NULL;
    buffer_init(&bytes, KEY_TEXT_MAX);
    bool whole = text != NULL && len == KEY_TEXT_MAX && auth_base64_decode(text, len, &bytes) &&
                 bytes.len == AUTH_SEAL_KEY;
    if (whole)
        memcpy(key, bytes.data, AUTH_SEAL_KEY);
    buffer_wipe(&bytes);
    return whole;
}

static enum auth_keyring_error read_item(const struct question *q, SecretItem *item,
                                         unsigned char *key)
{
    GError *error = NULL;
    if (secret_item_get_locked(item))
        return AUTH_KEYRING_LOCKED;
    if (!secret_item_load_secret_sync(item, q->cancel, &error))
        return meaning(error, AUTH_KEYRING_FAILED);
    SecretValue *value = secret_item_get_secret(item);
    bool whole = decode_key(value, key);
    if (value != NULL)
        secret_value_unref(value);
    return whole ? AUTH_KEYRING_OK : AUTH_KEYRING_NO_KEY;
}

/* All items of the account, in any collection: the default one may have been another at the time.
 * To be freed by free_items. */
static enum auth_keyring_error search(const struct question *q, GList **items)
{
    GError *error = NULL;
    *items = secret_service_search_sync(q->service, &schema, q->attributes, SECRET_SEARCH_ALL,
                                        q->cancel, &error);
    return error == NULL ? AUTH_KEYRING_OK : meaning(error, AUTH_KEYRING_FAILED);
}

static void free_items(GList *items)
{
    g_list_free_full(items, g_object_unref);
}

static enum auth_keyring_error get(const struct question *q, unsigned char *key)
{
    GList *items = NULL;
    enum auth_keyring_error result = search(q, &items);
    if (result != AUTH_KEYRING_OK)
        return result;
    result = state_of_collection(q);
    for (GList *at = items; at != NULL && result != AUTH_KEYRING_OK; at = at->next)
        result = read_item(q, at->data, key);
    free_items(items);
    return result;
}

static void keep_result(GObject *source, GAsyncResult *result, gpointer to)
{
    *(GAsyncResult **)to = g_object_ref(result);
}

/* libsecret's own function that waits has a main context for the wait alone; what a prompt that was
 * refused leaves there to be freed would never be. Ours lasts until all is done. */
static SecretItem *create_item(const struct question *q, const char *label, SecretValue *value,
                               GError **error)
{
    GAsyncResult *result = NULL;
    secret_item_create(q->collection, &schema, q->attributes, label, value,
                       SECRET_ITEM_CREATE_REPLACE, q->cancel, keep_result, &result);
    while (result == NULL)
        g_main_context_iteration(g_main_context_get_thread_default(), TRUE);
    SecretItem *item = secret_item_create_finish(result, error);
    g_object_unref(result);
    return item;
}

static enum auth_keyring_error store(const struct question *q, const unsigned char *key)
{
    struct buffer text;
    GError *error = NULL;
    buffer_init(&text, KEY_TEXT_MAX);
    if (!auth_base64_encode(key, AUTH_SEAL_KEY, &text))
        return AUTH_KEYRING_FAILED;
    char *label = g_strdup_printf("outlookfs: key to the login of %s", q->account);
    SecretValue *value = secret_value_new(text.data, (gssize)text.len, "text/plain");
    SecretItem *item = create_item(q, label, value, &error);
    if (item != NULL)
        g_object_unref(item);
    secret_value_unref(value);
    g_free(label);
    buffer_wipe(&text);
    return error == NULL ? AUTH_KEYRING_OK : meaning(error, AUTH_KEYRING_FAILED);
}

/* A key counts only once it could be read back. One that is in a locked collection does not count
 * when the default one is open: then there will be two. */
static enum auth_keyring_error obtain(const struct question *q, unsigned char *key)
{
    unsigned char made[AUTH_SEAL_KEY];
    enum auth_keyring_error result = get(q, key);
    if (result != AUTH_KEYRING_NO_KEY && result != AUTH_KEYRING_LOCKED)
        return result;
    result = state_of_collection(q);
    if (result != AUTH_KEYRING_NO_KEY)
        return result;
    result = RAND_priv_bytes(made, sizeof made) == 1 ? store(q, made) : AUTH_KEYRING_FAILED;
    if (result == AUTH_KEYRING_OK)
        result = get(q, key);
    if (result == AUTH_KEYRING_OK && CRYPTO_memcmp(made, key, sizeof made) != 0)
        result = AUTH_KEYRING_FAILED;
    explicit_bzero(made, sizeof made);
    return result;
}

/* All of them; what is locked stays, and is told. */
static enum auth_keyring_error remove_all(const struct question *q)
{
    GList *items = NULL;
    enum auth_keyring_error result = search(q, &items);
    if (result == AUTH_KEYRING_OK && items == NULL)
        result = AUTH_KEYRING_NO_KEY;
    for (GList *at = items; at != NULL; at = at->next) {
        GError *error = NULL;
        if (!secret_item_delete_sync(at->data, q->cancel, &error))
            result = meaning(error, AUTH_KEYRING_FAILED);
    }
    free_items(items);
    return result;
}

static enum auth_keyring_error answer(struct question *q, const char *address,
                                      enum auth_keyring_request request, unsigned char *key)
{
    enum auth_keyring_error result = connect_bus(q, address);
    if (result == AUTH_KEYRING_OK)
        result = open_service(q);
    if (result != AUTH_KEYRING_OK)
        return result;
    q->attributes =
        secret_attributes_build(&schema, "application", "outlookfs", "account", q->account, NULL);
    switch (request) {
    case AUTH_KEYRING_OBTAIN:
        return obtain(q, key);
    case AUTH_KEYRING_REMOVE:
        return remove_all(q);
    case AUTH_KEYRING_GET:
    default:
        return get(q, key);
    }
}

static void hang_up(struct question *q)
{
    if (q->attributes != NULL)
        g_hash_table_unref(q->attributes);
    g_clear_object(&q->collection);
    g_clear_object(&q->service);
    if (q->bus != NULL)
        g_dbus_connection_close_sync(q->bus, NULL, NULL);
    g_clear_object(&q->bus);
}

enum auth_keyring_error auth_keyring_service_ask(const char *address,
                                                 enum auth_keyring_request request,
                                                 const char *account, GCancellable *cancel,
                                                 unsigned char key[AUTH_SEAL_KEY])
{
    struct question q = {.account = account, .cancel = cancel};
    GMainContext *context = g_main_context_new();
    g_main_context_push_thread_default(context);
    enum auth_keyring_error result = answer(&q, address, request, key);
    hang_up(&q);
    while (g_main_context_iteration(context, FALSE))
        continue;
    g_main_context_pop_thread_default(context);
    g_main_context_unref(context);
    return result;
}
