/*
 * See config.h. cJSON keeps no positions, so the line of a key is found by looking for the key's
 * quoted text after the account's; a key written with escapes goes without a line.
 */
#include "cli/config.h"

#include <string.h>
#include <unistd.h>

#include "cli/config_file.h"
#include "cli/report.h"

enum { LIST_MAX = 256 };

struct config {
    const char *path;
    const char *account;
    struct buffer text;
    struct mount_options *options;
    char *why;
};

/* Finds "KEY" with its quotes from `from` on; NULL when it is not there as written. */
static const char *find_key(const char *from, const char *key)
{
    size_t len = strlen(key);
    for (const char *at = from; *at != '\0' && (at = strstr(at, key)) != NULL; at++)
        if (at > from && at[-1] == '"' && at[len] == '"')
            return at;
    return NULL;
}

/* Writes "FILE:LINE: ACCOUNT: CAUSE" in place of the cause in config->why. */
static bool blame(const struct config *config, const char *key, const char *cause)
{
    const char *at = find_key(config->text.data, config->account);
    if (at != NULL && key != NULL)
        at = find_key(at, key);
    char line[24] = "";
    if (at != NULL)
        snprintf(line, sizeof line, ":%u", config_file_line(&config->text, at));
    return cli_cause(config->why, "%.300s%s: \"%.200s\": %.400s", config->path, line,
                     key != NULL ? key : config->account, cause);
}

static bool apply_list(struct config *config, const cJSON *item, char *cause)
{
    const char *words[LIST_MAX];
    size_t count = 0;
    const cJSON *word;
    cJSON_ArrayForEach(word, item)
    {
        if (!cJSON_IsString(word) || count == LIST_MAX)
            return cli_cause(cause, "must be a list of strings");
        words[count++] = word->valuestring;
    }
    if (count == 0)
        return cli_cause(cause, "must be a list of strings, and not empty");
    return options_set_list(config->options, item->string, words, count, cause);
}

static bool apply_item(struct config *config, const cJSON *item, char *cause)
{
    char number[32];
    if (cJSON_IsString(item))
        return options_set(config->options, item->string, item->valuestring, cause);
    if (cJSON_IsArray(item))
        return apply_list(config, item, cause);
    if (cJSON_IsNumber(item)) {
        double value = item->valuedouble;
        if (value < 0 || value > 9e15 || value != (double)(long long)value)
            return cli_cause(cause, "must be a whole number");
        snprintf(number, sizeof number, "%lld", (long long)value);
        return options_set(config->options, item->string, number, cause);
    }
    if (cJSON_IsBool(item))
        return cJSON_IsFalse(item) || options_set(config->options, item->string, NULL, cause);
    return cli_cause(cause, "must be a string, a number, true, false or a list of strings");
}

/* Of two members of one name JSON does not say which counts. */
static bool twice(const cJSON *object, const char *name)
{
    unsigned count = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, object)
    {
        count += strcmp(item->string, name) == 0;
    }
    return count > 1;
}

static bool apply_account(struct config *config, const cJSON *members)
{
    if (!cJSON_IsObject(members))
        return blame(config, NULL, "must be an object of mount options");
    const cJSON *item;
    cJSON_ArrayForEach(item, members)
    {
        char cause[CLI_TEXT_MAX] = "";
        if (twice(members, item->string))
            return blame(config, item->string, "is there twice; leave one");
        if (!apply_item(config, item, cause))
            return blame(config, item->string, cause);
    }
    return true;
}

/* A client id outside the accounts serves all that name none of their own. */
static bool apply_common(struct config *config, const cJSON *root)
{
    char cause[CLI_TEXT_MAX];
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(root, "client_id");
    if (item == NULL)
        return true;
    if (!cJSON_IsString(item))
        cli_cause(cause, "must be a string");
    else if (options_set(config->options, "client_id", item->valuestring, cause))
        return true;
    const char *at = find_key(config->text.data, "client_id");
    return cli_cause(config->why, "%.300s:%u: \"client_id\": %.400s", config->path,
                     at != NULL ? config_file_line(&config->text, at) : 1, cause);
}

bool config_apply(const char *path, const char *account, struct mount_options *options, char *why)
{
    cJSON *root;
    struct config config = {.path = path, .account = account, .options = options, .why = why};
    buffer_init(&config.text, CONFIG_FILE_MAX);
    enum config_file found = config_file_read(path, &config.text, &root, why);
    bool good = found != CONFIG_FILE_BAD;
    if (found == CONFIG_FILE_READ) {
        const cJSON *accounts = cJSON_GetObjectItemCaseSensitive(root, "accounts");
        const cJSON *members = cJSON_GetObjectItemCaseSensitive(accounts, account);
        if (twice(root, "accounts") || twice(accounts, account))
            good = blame(&config, NULL, "the account, or \"accounts\", is there twice; leave one");
        else
            good =
                apply_common(&config, root) && (members == NULL || apply_account(&config, members));
    }
    cJSON_Delete(root);
    buffer_wipe(&config.text);
    return good;
}

bool config_each(const char *path, void (*visit)(void *ctx, const char *account), void *ctx,
                 char *why)
{
    cJSON *root;
    struct buffer text;
    buffer_init(&text, CONFIG_FILE_MAX);
    enum config_file found = config_file_read(path, &text, &root, why);
    const cJSON *account;
    cJSON_ArrayForEach(account, cJSON_GetObjectItemCaseSensitive(root, "accounts"))
        visit(ctx, account->string);
    cJSON_Delete(root);
    buffer_wipe(&text);
    return found != CONFIG_FILE_BAD;
}

/* The member `name` of `object`, an object; made where missing. NULL without memory. */
static cJSON *section(cJSON *object, const char *name)
{
    cJSON *found = cJSON_GetObjectItemCaseSensitive(object, name);
    return found != NULL ? found : cJSON_AddObjectToObject(object, name);
}

static bool set_member(cJSON *object, const char *name, const char *value)
{
    cJSON *item = value != NULL ? cJSON_CreateString(value) : cJSON_CreateTrue();
    if (item == NULL)
        return false;
    cJSON_DeleteItemFromObjectCaseSensitive(object, name);
    return cJSON_AddItemToObject(object, name, item);
}

/* Sets the pairs in the account's section of `root`. */
static bool remember(cJSON *root, const char *account, const struct config_pair *pairs,
                     size_t count)
{
    cJSON *accounts = section(root, "accounts");
    cJSON *members = accounts != NULL ? section(accounts, account) : NULL;
    bool good = cJSON_IsObject(members);
    for (size_t i = 0; good && i < count; i++) {
        good = set_member(members, pairs[i].name, pairs[i].value);
        if (good && strcmp(pairs[i].name, "client_id") == 0 &&
            !cJSON_HasObjectItem(root, "client_id"))
            good = set_member(root, "client_id", pairs[i].value);
    }
    return good;
}

bool config_remember(const char *path, const char *account, const struct config_pair *pairs,
                     size_t count, char *why)
{
    cJSON *root;
    struct buffer text;
    int lock = config_file_lock(path, why);
    if (lock < 0)
        return false;
    buffer_init(&text, CONFIG_FILE_MAX);
    enum config_file found = config_file_read(path, &text, &root, why);
    buffer_wipe(&text);
    bool good = found != CONFIG_FILE_BAD;
    if (found == CONFIG_FILE_ABSENT)
        root = cJSON_CreateObject();
    if (good && !remember(root, account, pairs, count))
        good = cli_cause(why, "%.300s: \"%s\": no memory, or not an object of mount options", path,
                         account);
    good = good && config_file_write(path, root, why);
    cJSON_Delete(root);
    close(lock);
    return good;
}
