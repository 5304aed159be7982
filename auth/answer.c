/*
 * See answer.h. Numbers come as JSON numbers or as strings of digits (`expires_in` does, from some
 * of Microsoft's servers); what is missing or makes no sense is replaced by what is usual, because
 * a token that is used too long is merely refused.
 */
#include "auth/answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/advice.h"
#include "auth/json.h"
#include "auth/member.h"
#include "auth/provider.h"
#include "base/clock.h"
#include "base/log.h"

enum { WORD_MAX = 40, LIFETIME_S = 3600, LIFETIME_MAX_S = 30 * 86400, DEVICE_S = 900 };

long auth_answer_code(const char *description)
{
    static const char mark[] = "AADSTS";
    const char *at = strstr(description, mark);
    long code = 0;
    if (at == NULL)
        return 0;
    for (at += sizeof mark - 1; *at >= '0' && *at <= '9' && code < 100000000; at++)
        code = code * 10 + (*at - '0');
    return code;
}

/* A whole number from `min` to `max` by JSON number or digits; else `fallback`. */
static long number(const cJSON *object, const char *name, long min, long max, long fallback)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    double value = -1;
    if (cJSON_IsNumber(item)) {
        value = item->valuedouble;
    } else if (cJSON_IsString(item) && item->valuestring[0] != '\0') {
        value = 0;
        for (const char *at = item->valuestring; *at != '\0'; at++)
            value = *at >= '0' && *at <= '9' && value >= 0 ? value * 10 + (*at - '0') : -1;
    }
    if (!(value >= (double)min)) /* also what is no number at all */
        return fallback;
    return value > (double)max ? max : (long)value;
}

static long error_code(const cJSON *root)
{
    const cJSON *codes = cJSON_GetObjectItemCaseSensitive(root, "error_codes");
    const cJSON *first = cJSON_IsArray(codes) ? codes->child : NULL;
    if (first != NULL && cJSON_IsNumber(first) && first->valuedouble > 0 &&
        first->valuedouble < 1e9)
        return (long)first->valuedouble;
    const cJSON *description = cJSON_GetObjectItemCaseSensitive(root, "error_description");
    return cJSON_IsString(description) ? auth_answer_code(description->valuestring) : 0;
}

void auth_answer_explain(const char *word, long code, const char *asker, char *text)
{
    if (word == NULL || word[strspn(word, "abcdefghijklmnopqrstuvwxyz_")] != '\0')
        word = "an unknown error"; /* not OAuth's, and not fit to be shown */
    const struct auth_advice *advice = auth_advice_for(word, code);
    char said[32 + WORD_MAX];
    if (code > 0)
        snprintf(said, sizeof said, "AADSTS%ld, %.*s", code, WORD_MAX, word);
    else
        snprintf(said, sizeof said, "%.*s", WORD_MAX, word);
    snprintf(text, AUTH_TEXT_MAX, "%s: sign-in refused (%s): %s; %s%s%s", asker, said,
             advice->cause, advice->step, advice->again ? ", then: outlookfs login " : "",
             advice->again ? asker : "");
    log_make_printable(text, strlen(text));
}

/* What the word `error` means for the one who asked. */
static enum auth_verdict judge(const cJSON *root, const char *asker, char *text)
{
    static const struct {
        const char *word;
        enum auth_verdict verdict;
    } verdicts[] = {
        {"authorization_pending",   AUTH_VERDICT_PENDING  },
        {"slow_down",               AUTH_VERDICT_SLOW_DOWN},
        {"server_error",            AUTH_VERDICT_TROUBLE  },
        {"temporarily_unavailable", AUTH_VERDICT_TROUBLE  },
    };
    const char *word = auth_member_text(root, "error", WORD_MAX);
    auth_answer_explain(word, error_code(root), asker, text);
    for (size_t i = 0; i < sizeof verdicts / sizeof *verdicts; i++)
        if (word != NULL && strcmp(verdicts[i].word, word) == 0)
            return verdicts[i].verdict;
    return AUTH_VERDICT_REFUSED;
}

static void no_answer(const struct auth_reply *reply, const char *url, char *text)
{
    char host[120];
    auth_http_host(url, host, sizeof host);
    snprintf(text, AUTH_TEXT_MAX,
             "the sign-in server %s does not answer as one (HTTP %ld, not the JSON of OAuth); "
             "check --authority and --tenant, or try again later",
             host, reply->status);
}

static enum auth_verdict trouble(const struct auth_reply *reply, const char *url, char *text)
{
    no_answer(reply, url, text);
    return AUTH_VERDICT_TROUBLE;
}

/* Parses the body; anything but an object without `error` is judged. NULL then. */
static cJSON *parse(const struct auth_reply *reply, const char *url, const char *asker,
                    enum auth_verdict *verdict, char *text)
{
    auth_json_prepare();
    bool whole = reply->body.len > 0 && !auth_json_has_nul(&reply->body);
    cJSON *root = whole ? cJSON_ParseWithLength(reply->body.data, reply->body.len) : NULL;
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(root, "error");
    if (cJSON_IsObject(root) && error != NULL && !cJSON_IsNull(error))
        *verdict = judge(root, asker, text);
    else if (cJSON_IsObject(root) && reply->status == 200)
        return root;
    else
        *verdict = trouble(reply, url, text);
    cJSON_Delete(root);
    return NULL;
}

static bool has_text(const cJSON *root, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, name));
    return text != NULL && text[0] != '\0';
}

static void swap(struct buffer *a, struct buffer *b)
{
    struct buffer c = *a;
    *a = *b;
    *b = c;
}

/* Both or none; refresh NULL: the old one stays. */
static bool keep(struct auth_login *login, const char *access, const char *refresh)
{
    struct buffer new_access, new_refresh;
    buffer_init(&new_access, login->access.max);
    buffer_init(&new_refresh, login->refresh.max);
    bool kept = buffer_append_text(&new_access, access) &&
                (refresh == NULL || buffer_append_text(&new_refresh, refresh));
    if (kept) {
        swap(&login->access, &new_access);
        if (refresh != NULL)
            swap(&login->refresh, &new_refresh);
    }
    buffer_wipe(&new_access);
    buffer_wipe(&new_refresh);
    return kept;
}

enum auth_verdict auth_answer_tokens(const struct auth_reply *reply, const char *url,
                                     const char *asker, struct auth_login *login, char *text)
{
    enum auth_verdict verdict = AUTH_VERDICT_GIVEN;
    cJSON *root = parse(reply, url, asker, &verdict, text);
    if (root == NULL)
        return verdict;
    const char *access = auth_member_text(root, "access_token", AUTH_TOKEN_MAX);
    const char *refresh = auth_member_text(root, "refresh_token", AUTH_TOKEN_MAX);
    /* One that cannot be kept is not none: the one before may be good no longer. */
    bool lost = refresh == NULL && has_text(root, "refresh_token");
    if (access == NULL || lost) {
        no_answer(reply, url, text);
        verdict = AUTH_VERDICT_NONSENSE;
    } else if (!keep(login, access, refresh)) {
        snprintf(text, AUTH_TEXT_MAX, "no memory for the tokens");
        verdict = AUTH_VERDICT_NONSENSE;
    } else {
        login->expires = clock_wall() + number(root, "expires_in", 1, LIFETIME_MAX_S, LIFETIME_S);
    }
    cJSON_Delete(root);
    return verdict;
}

enum auth_verdict auth_answer_device(const struct auth_reply *reply, const char *url,
                                     const char *asker, struct auth_device *device, char *text)
{
    enum auth_verdict verdict = AUTH_VERDICT_GIVEN;
    cJSON *root = parse(reply, url, asker, &verdict, text);
    if (root == NULL)
        return verdict;
    const char *code = auth_member_text(root, "device_code", AUTH_TOKEN_MAX);
    const char *user_code = auth_member_text(root, "user_code", sizeof device->user_code - 1);
    const char *address = auth_member_text(root, "verification_uri", sizeof device->address - 1);
    if (address == NULL) /* as drafts of RFC 8628 had it */
        address = auth_member_text(root, "verification_url", sizeof device->address - 1);
    if (code == NULL || user_code == NULL || address == NULL || !auth_address_good(address) ||
        !buffer_append_text(&device->device_code, code)) {
        verdict = trouble(reply, url, text);
    } else {
        snprintf(device->user_code, sizeof device->user_code, "%s", user_code);
        snprintf(device->address, sizeof device->address, "%s", address);
        log_make_printable(device->user_code, strlen(device->user_code));
        device->expires_in = number(root, "expires_in", 1, 86400, DEVICE_S);
        device->interval = number(root, "interval", 1, 60, 5);
    }
    cJSON_Delete(root);
    return verdict;
}
