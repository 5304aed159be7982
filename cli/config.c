/*
 * See config.h. cJSON keeps no positions, so the line of a key is found by looking for the key's
 * quoted text after the account's; a key written with escapes goes without a line. The file is the
 * user's own, but is read with a ceiling all the same.
 */
#include "cli/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "cli/report.h"

enum { CONFIG_MAX = 1 << 20, LIST_MAX = 256 };

struct config {
    const char *path;
    const char *account;
    struct buffer text;
    struct mount_options *options;
    char *why;
};

static unsigned line_at(const struct config *config, const char *at)
{
    unsigned line = 1;
    for (const char *c = config->text.data; c < at; c++)
        line += *c == '\n';
    return line;
}

/* Finds "KEY" with its quotes from `from` on; NULL when it is not there as written. */
static const char *find_key(const char *from, const char *key)
{
    size_t len = strlen(key);
    for (const char *at = from; (at = strstr(at, key)) != NULL; at++)
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
        snprintf(line, sizeof line, ":%u", line_at(config, at));
    return cli_cause(config->why, "%.300s%s: \"%s\": %.400s", config->path, line,
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

static bool apply_account(struct config *config, const cJSON *members)
{
    if (!cJSON_IsObject(members))
        return blame(config, NULL, "must be an object of mount options");
    const cJSON *item;
    cJSON_ArrayForEach(item, members)
    {
        char cause[CLI_TEXT_MAX] = "";
        if (!apply_item(config, item, cause))
            return blame(config, item->string, cause);
    }
    return true;
}

static bool apply_text(struct config *config)
{
    const char *end = NULL;
    cJSON *root = cJSON_ParseWithLengthOpts(config->text.data, config->text.len + 1, &end, true);
    if (root == NULL)
        return cli_cause(config->why, "%.300s:%u: not JSON here; correct the file", config->path,
                         end != NULL ? line_at(config, end) : 1);
    bool good;
    const cJSON *accounts = cJSON_GetObjectItemCaseSensitive(root, "accounts");
    if (!cJSON_IsObject(root) || (accounts != NULL && !cJSON_IsObject(accounts))) {
        good = cli_cause(config->why, "%.300s:1: must be {\"accounts\": {\"ACCOUNT\": {...}}}",
                         config->path);
    } else {
        const cJSON *members = cJSON_GetObjectItemCaseSensitive(accounts, config->account);
        good = members == NULL || apply_account(config, members);
    }
    cJSON_Delete(root);
    return good;
}

/* Reads the whole file; false with errno. */
static bool read_all(int fd, struct buffer *text)
{
    for (;;) {
        char *room = buffer_reserve(text, 4096);
        if (room == NULL) {
            errno = EFBIG;
            return false;
        }
        ssize_t n = read(fd, room, 4096);
        if (n < 0)
            return false;
        if (n == 0)
            return text->len > 0 || buffer_append_byte(text, ' ');
        buffer_commit(text, (size_t)n);
    }
}

bool config_apply(const char *path, const char *account, struct mount_options *options, char *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ||
               cli_cause(why, "%.300s: %s", path, strerror(errno));
    struct config config = {.path = path, .account = account, .options = options, .why = why};
    buffer_init(&config.text, CONFIG_MAX);
    struct stat st;
    bool good = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && read_all(fd, &config.text);
    if (!good)
        cli_cause(why, "%.300s: cannot be read (a file of at most 1 MiB)", path);
    else if ((st.st_mode & 077) != 0)
        cli_warn("%.300s can be read by others; chmod 600 it", path);
    good = good && apply_text(&config);
    buffer_wipe(&config.text);
    close(fd);
    return good;
}
