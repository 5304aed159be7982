/*
 * See store_text.h. The file is the user's own, but a disk that was full, a hand that edited it or
 * a newer version may have left anything there, and the renewal sends the refresh token where the
 * file says: so every field is looked at, and what is not as it was written is damage. Unknown
 * fields are let pass.
 *
 * A text with a NUL in it is refused (json.h), lest a token be cut short.
 */
#include "auth/store_text.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "auth/base64.h"
#include "auth/json.h"
#include "auth/seal.h"

static const char cipher[] = "aes-256-gcm";

enum { VERSION = 1 };
static const int64_t latest = INT64_C(253402300799); /* the last second of the year 9999 */

void auth_login_init(struct auth_login *login)
{
    *login = (struct auth_login){0};
    buffer_init(&login->refresh, AUTH_TOKEN_MAX);
    buffer_init(&login->access, AUTH_TOKEN_MAX);
}

void auth_login_free(struct auth_login *login)
{
    free(login->provider);
    free(login->token_url);
    free(login->client_id);
    free(login->scope);
    buffer_wipe(&login->refresh);
    buffer_wipe(&login->access);
    auth_login_init(login);
}

/* ---- reading ---- */

/* One line of `least` to `most` bytes. Bytes above 0x7F pass: nothing here is shown to a person. */
static bool text_good(const char *text, size_t len, size_t least, size_t most)
{
    if (text == NULL || len < least || len > most)
        return false;
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F)
            return false;
    }
    return true;
}

/* NULL: there is no such string, or it is not as it should be. */
static const char *string_of(const cJSON *json, const char *name, size_t least, size_t most)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, name));
    return text != NULL && text_good(text, strlen(text), least, most) ? text : NULL;
}

static bool take_string(const cJSON *json, const char *name, size_t least, char **to)
{
    const char *text = string_of(json, name, least, STORE_FIELD_MAX);
    *to = text != NULL ? strdup(text) : NULL;
    return *to != NULL;
}

static bool take_token(const cJSON *json, const char *name, size_t least, struct buffer *to)
{
    const char *text = string_of(json, name, least, AUTH_TOKEN_MAX);
    return text != NULL && buffer_append_text(to, text);
}

/* Whole, and where a double is exact. */
static bool take_time(const cJSON *json, const char *name, int64_t *to)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);
    double value = cJSON_IsNumber(item) ? cJSON_GetNumberValue(item) : -1;
    if (!(value >= 0 && value <= (double)latest))
        return false;
    *to = (int64_t)value;
    return (double)*to == value;
}

static enum store_text_kind read_login(const cJSON *json, struct auth_login *login)
{
    bool whole = take_string(json, "provider", 1, &login->provider) &&
                 take_string(json, "token_url", 1, &login->token_url) &&
                 take_string(json, "client_id", 1, &login->client_id) &&
                 take_string(json, "scope", 0, &login->scope) &&
                 take_token(json, "refresh_token", 1, &login->refresh) &&
                 take_token(json, "access_token", 0, &login->access) &&
                 take_time(json, "expires", &login->expires);
    if (!whole)
        auth_login_free(login);
    return whole ? STORE_TEXT_PLAIN : STORE_TEXT_DAMAGED;
}

static bool take_base64(const cJSON *json, const char *name, struct buffer *to)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, name));
    return text != NULL && auth_base64_decode(text, strlen(text), to);
}

static enum store_text_kind read_sealed(const cJSON *json, struct buffer *sealed)
{
    const char *which = string_of(json, "cipher", 1, STORE_FIELD_MAX);
    if (which != NULL && strcmp(which, cipher) != 0)
        return STORE_TEXT_NEWER;
    bool whole = which != NULL && take_base64(json, "nonce", sealed) &&
                 sealed->len == AUTH_SEAL_NONCE && take_base64(json, "data", sealed) &&
                 sealed->len >= AUTH_SEAL_NONCE + AUTH_SEAL_TAG;
    if (!whole)
        buffer_free(sealed);
    return whole ? STORE_TEXT_SEALED : STORE_TEXT_DAMAGED;
}

static enum store_text_kind read_object(const cJSON *json, struct auth_login *login,
                                        struct buffer *sealed)
{
    int64_t version = 0;
    if (!cJSON_IsObject(json) || !take_time(json, "version", &version) || version < VERSION)
        return STORE_TEXT_DAMAGED;
    if (version > VERSION)
        return STORE_TEXT_NEWER;
    if (cJSON_GetObjectItemCaseSensitive(json, "cipher") != NULL)
        return read_sealed(json, sealed);
    return read_login(json, login);
}

enum store_text_kind store_text_parse(const struct buffer *text, struct auth_login *login,
                                      struct buffer *sealed)
{
    auth_json_prepare();
    if (text->len == 0 || auth_json_has_nul(text))
        return STORE_TEXT_DAMAGED;
    cJSON *json = cJSON_ParseWithLengthOpts(text->data, text->len + 1, NULL, true);
    enum store_text_kind kind = read_object(json, login, sealed);
    cJSON_Delete(json);
    return kind;
}

/* ---- writing ---- */

static bool string_fits(const char *text, size_t least)
{
    return text != NULL && text_good(text, strlen(text), least, STORE_FIELD_MAX);
}

static bool token_fits(const struct buffer *token, size_t least)
{
    return token->len == 0 ? least == 0 : text_good(token->data, token->len, least, AUTH_TOKEN_MAX);
}

bool store_text_fits(const struct auth_login *login)
{
    return string_fits(login->provider, 1) && string_fits(login->token_url, 1) &&
           string_fits(login->client_id, 1) && string_fits(login->scope, 0) &&
           token_fits(&login->refresh, 1) && token_fits(&login->access, 0) && login->expires >= 0 &&
           login->expires <= latest;
}

static const char *token_text(const struct buffer *token)
{
    return token->len > 0 ? token->data : "";
}

/* Prints `json` and deletes it. */
static bool print(cJSON *json, bool whole, struct buffer *text)
{
    char *printed = whole ? cJSON_PrintUnformatted(json) : NULL;
    bool appended = printed != NULL && buffer_append_text(text, printed);
    cJSON_free(printed);
    cJSON_Delete(json);
    return appended;
}

bool store_text_print(const struct auth_login *login, struct buffer *text)
{
    auth_json_prepare();
    cJSON *json = cJSON_CreateObject();
    bool whole =
        cJSON_AddNumberToObject(json, "version", VERSION) != NULL &&
        cJSON_AddStringToObject(json, "provider", login->provider) != NULL &&
        cJSON_AddStringToObject(json, "token_url", login->token_url) != NULL &&
        cJSON_AddStringToObject(json, "client_id", login->client_id) != NULL &&
        cJSON_AddStringToObject(json, "scope", login->scope) != NULL &&
        cJSON_AddStringToObject(json, "refresh_token", token_text(&login->refresh)) != NULL &&
        cJSON_AddStringToObject(json, "access_token", token_text(&login->access)) != NULL &&
        cJSON_AddNumberToObject(json, "expires", (double)login->expires) != NULL;
    return print(json, whole, text);
}

bool store_text_print_sealed(const struct buffer *sealed, struct buffer *text)
{
    struct buffer nonce;
    struct buffer data;
    auth_json_prepare();
    buffer_init(&nonce, STORE_TEXT_MAX);
    buffer_init(&data, STORE_TEXT_MAX);
    cJSON *json = cJSON_CreateObject();
    bool whole =
        auth_base64_encode(sealed->data, AUTH_SEAL_NONCE, &nonce) &&
        auth_base64_encode(sealed->data + AUTH_SEAL_NONCE, sealed->len - AUTH_SEAL_NONCE, &data) &&
        cJSON_AddNumberToObject(json, "version", VERSION) != NULL &&
        cJSON_AddStringToObject(json, "cipher", cipher) != NULL &&
        cJSON_AddStringToObject(json, "nonce", nonce.data) != NULL &&
        cJSON_AddStringToObject(json, "data", data.data) != NULL;
    buffer_free(&nonce);
    buffer_free(&data);
    return print(json, whole, text);
}
