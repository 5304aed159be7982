/*
 * See options.h. Each row of the table names a field of struct mount_options and how a value
 * becomes that field; rows with a fallback are filled in by options_finish through the same
 * parser. What mount(8) and fstab add (user, noauto, rw, x-systemd.*) is accepted and dropped; what
 * libfuse knows itself is handed on. Options that this version has no use for yet are checked and
 * then named in a warning, so that one fstab line serves every version and nobody believes that
 * they do something. Those that say how to change mail do nothing on a read-only mount, silently:
 * they may stand in the configuration of an account that is mounted either way.
 */
#include "cli/options.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "auth/provider.h"
#include "cli/fuse_options.h"
#include "cli/option_value.h"
#include "cli/paths.h"
#include "cli/report.h"
#include "sync/sync.h"

enum kind { TEXT, PATH, COMMAND, SIZE, NUMBER, WORD, FLAG, PREFETCH };

enum { FUSE_TEXT_MAX = 4096, OPTION_STRING_MAX = 65536 };

static const char *const tls_words[] = {"implicit", "starttls", "none", NULL};
static const char *const compress_words[] = {"yes", "no", NULL};
static const char *const auth_words[] = {"xoauth2", "oauthbearer", "password", NULL};
static const char *const provider_words[] = {"microsoft", "live", "generic", NULL};
static const char *const names_words[] = {"friendly", "uid", NULL};
static const char *const delete_words[] = {"trash", "expunge", NULL};
static const char *const commit_words[] = {"server", "journal", NULL};

struct row {
    const char *name;
    enum kind kind;
    size_t field;
    uint64_t min, max;
    const char *const *words;
    const char *fallback; /* NULL: none, or one that options_finish works out */
    const char *value;    /* how help shows the value; NULL: a flag */
    const char *help;
};

#define FIELD(f) offsetof(struct mount_options, f)

// clang-format off
static const struct row rows[] = {
    {"host", TEXT, FIELD(host), 0, 0, NULL, NULL, "NAME", "the IMAP server (imap-mail.outlook.com; outlook.office365.com for a work tenant)"},
    {"port", NUMBER, FIELD(port), 1, 65535, NULL, NULL, "N", "its port (993; 143 with tls=starttls or none)"},
    {"tls", WORD, FIELD(tls), 0, 0, tls_words, "implicit", "implicit|starttls|none", "none on loopback only"},
    {"cafile", PATH, FIELD(cafile), 0, 0, NULL, NULL, "FILE", "trust these roots (PEM) too"},
    {"compress", WORD, FIELD(compress), 0, 0, compress_words, "yes", "yes|no", "compress what is sent and received, where the server can"},
    {"auth", WORD, FIELD(auth), 0, 0, auth_words, NULL, "xoauth2|oauthbearer|password",
     "how to sign in (xoauth2; password with password_command)"},
    {"username", TEXT, FIELD(username), 0, 0, NULL, NULL, "NAME", "the name to sign in with (ACCOUNT)"},
    {"provider", WORD, FIELD(provider), 0, 0, provider_words, "microsoft", "microsoft|live|generic", "who signs in; set by login"},
    {"client_id", TEXT, FIELD(client_id), 0, 0, NULL, NULL, "ID", "the app that signs in; set by login"},
    {"tenant", TEXT, FIELD(tenant), 0, 0, NULL, NULL, "TENANT", "whose accounts (common); set by login"},
    {"authority", TEXT, FIELD(authority), 0, 0, NULL, NULL, "URL", "the sign-in server, for national clouds; set by login"},
    {"token_command", COMMAND, FIELD(token_command), 0, 0, NULL, NULL, "COMMAND",
     "its first line of output is an access token"},
    {"password_command", COMMAND, FIELD(password_command), 0, 0, NULL, NULL, "COMMAND",
     "its first line of output is a password"},
    {"cache_dir", PATH, FIELD(cache_dir), 0, 0, NULL, NULL, "DIR", "the cache; safe to delete (~/.cache/outlookfs/ACCOUNT)"},
    {"cache_size", SIZE, FIELD(cache_size), 65536, UINT64_C(1) << 50, NULL, "2G", "SIZE",
     "room for message bodies, with K, M or G"},
    {"connections", NUMBER, FIELD(connections), 1, 16, NULL, "4", "N", "connections to the server, 1 to 16"},
    {"timeout", NUMBER, FIELD(timeout), 1, 3600, NULL, "30", "SECONDS", "longest wait without progress"},
    {"poll", NUMBER, FIELD(poll), 1, 86400, NULL, "60", "SECONDS", "time between two looks for changes by others"},
    {"subscribed", FLAG, FIELD(subscribed), 0, 0, NULL, NULL, NULL, "show subscribed mailboxes only"},
    {"names", WORD, FIELD(names), 0, 0, names_words, "friendly", "friendly|uid",
     "what files are called"},
    {"ro", FLAG, FIELD(read_only), 0, 0, NULL, NULL, NULL, "change nothing on the server"},
    {"delete", WORD, FIELD(delete_mode), 0, 0, delete_words, "trash", "trash|expunge",
     "what rm does: move to the trash, or delete for good"},
    {"trash", TEXT, FIELD(trash), 0, 0, NULL, NULL, "NAME", "the mailbox that rm moves to (the one the server names)"},
    {"commit", WORD, FIELD(commit), 0, 0, commit_words, "server", "server|journal",
     "when a change counts: on the server, or on this disk"},
    {"prefetch", PREFETCH, FIELD(prefetch), 0, 0, NULL, NULL, "headers|recent:DAYS|all",
     "fetch ahead when idle: listings, bodies too of recent mail, or all"},
    {"mark_seen", FLAG, FIELD(mark_seen), 0, 0, NULL, NULL, NULL, "reading a message marks it as read"},
    {"fsname", TEXT, FIELD(fsname), 0, 0, NULL, NULL, "NAME", "what mount(8) and df show as the source (ACCOUNT)"},
    {"log", PATH, FIELD(log), 0, 0, NULL, NULL, "FILE", "log to FILE (with -f: stderr; else nowhere)"},
    {"debug", FLAG, FIELD(debug), 0, 0, NULL, NULL, NULL, "log more"},
};
// clang-format on

enum { ROWS = sizeof rows / sizeof rows[0] };
_Static_assert(ROWS <= 64, "mount_options.given has a bit for each row");

void options_init(struct mount_options *options)
{
    *options = (struct mount_options){0};
    buffer_init(&options->fuse, FUSE_TEXT_MAX);
}

static void command_free(struct secret_command *command)
{
    for (char **word = command->argv; word != NULL && *word != NULL; word++)
        free(*word);
    free(command->argv);
    free(command->shell);
    *command = (struct secret_command){0};
}

void options_free(struct mount_options *options)
{
    for (size_t i = 0; i < ROWS; i++) {
        char *field = (char *)options + rows[i].field;
        if (rows[i].kind == TEXT || rows[i].kind == PATH)
            free(*(char **)(void *)field);
        else if (rows[i].kind == COMMAND)
            command_free((struct secret_command *)(void *)field);
    }
    buffer_free(&options->fuse);
    options_init(options);
}

static const struct row *row_find(const char *name)
{
    for (size_t i = 0; i < ROWS; i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}

static bool row_given(const struct mount_options *options, const char *name)
{
    return (options->given >> (row_find(name) - rows) & 1) != 0;
}

const char *options_provider_name(const struct mount_options *options)
{
    return provider_words[options->provider];
}

/* Replaces *field by `text`, which it takes; NULL is lack of memory. */
static bool set_string(char **field, char *text, const char *name, char *why)
{
    if (text == NULL)
        return cli_cause(why, "option %s: cannot be kept: no memory, or no home directory", name);
    free(*field);
    *field = text;
    return true;
}

static bool bad_value(const struct row *row, const char *value, const char *wanted, char *why)
{
    return cli_cause(why, "option %s=%.100s is not %s; see outlookfs mount --help", row->name,
                     value, wanted);
}

static bool set_number(const struct row *row, void *field, const char *value, char *why)
{
    uint64_t number;
    if (!option_value_number(value, row->min, row->max, &number)) {
        char wanted[80];
        snprintf(wanted, sizeof wanted, "a number from %llu to %llu", (unsigned long long)row->min,
                 (unsigned long long)row->max);
        return bad_value(row, value, wanted, why);
    }
    *(unsigned *)field = (unsigned)number;
    return true;
}

static bool set_word(const struct row *row, void *field, const char *value, char *why)
{
    int word = option_value_word(value, row->words);
    if (word < 0) {
        char wanted[80];
        snprintf(wanted, sizeof wanted, "one of %s", row->value);
        return bad_value(row, value, wanted, why);
    }
    *(int *)field = word;
    return true;
}

static bool set_prefetch(const struct row *row, struct sync_prefetch *prefetch, const char *value,
                         char *why)
{
    uint64_t days = 0;
    enum sync_prefetch_what what = SYNC_PREFETCH_NONE;
    if (strcmp(value, "headers") == 0)
        what = SYNC_PREFETCH_HEADERS;
    else if (strcmp(value, "all") == 0)
        what = SYNC_PREFETCH_ALL;
    else if (strncmp(value, "recent:", 7) == 0 && option_value_number(value + 7, 1, 36500, &days))
        what = SYNC_PREFETCH_RECENT;
    if (what == SYNC_PREFETCH_NONE)
        return bad_value(row, value, "headers, recent:DAYS or all", why);
    *prefetch = (struct sync_prefetch){.what = what, .days = (unsigned)days};
    return true;
}

static bool set_value(const struct row *row, void *field, const char *value, char *why)
{
    switch (row->kind) {
    case TEXT:
        return set_string(field, strdup(value), row->name, why);
    case PATH:
        return set_string(field, paths_absolute(value), row->name, why);
    case COMMAND:
        command_free(field);
        return set_string(&((struct secret_command *)field)->shell, strdup(value), row->name, why);
    case SIZE:
        return option_value_size(value, row->min, row->max, field) ||
               bad_value(row, value, "a size from 64K to 1024T", why);
    case NUMBER:
        return set_number(row, field, value, why);
    case WORD:
        return set_word(row, field, value, why);
    case PREFETCH:
        return set_prefetch(row, field, value, why);
    case FLAG:
        break;
    }
    return false;
}

char *options_settled_value(const char *name, const char *value)
{
    const struct row *row = row_find(name);
    bool relative = row != NULL && row->kind == PATH && value[0] != '\0' && value[0] != '/' &&
                    strncmp(value, "~/", 2) != 0;
    return relative ? paths_absolute(value) : strdup(value);
}

/* The last command given counts: one from -o sets aside the other kind from the configuration. */
static void forget_rival(struct mount_options *options, const struct row *row)
{
    if (row->field == FIELD(token_command))
        command_free(&options->password_command);
    else if (row->field == FIELD(password_command))
        command_free(&options->token_command);
}

static bool set_row(struct mount_options *options, const struct row *row, const char *value,
                    char *why)
{
    void *field = (char *)options + row->field;
    if (row->kind == FLAG) {
        if (value != NULL)
            return cli_cause(why, "option %s takes no value", row->name);
        *(bool *)field = true;
    } else if (value == NULL || value[0] == '\0') {
        return cli_cause(why, "option %s needs a value: %s=%s", row->name, row->name, row->value);
    } else if (!set_value(row, field, value, why)) {
        return false;
    }
    forget_rival(options, row);
    options->given |= UINT64_C(1) << (row - rows);
    return true;
}

bool options_set(struct mount_options *options, const char *name, const char *value, char *why)
{
    const struct row *row = row_find(name);
    if (row != NULL)
        return set_row(options, row, value, why);
    if (strcmp(name, "rw") == 0) /* mount(8) says it unasked: it cannot take a `ro` back */
        return true;
    switch (fuse_options_add(&options->fuse, name, value)) {
    case FUSE_OPTION_TAKEN:
        return true;
    case FUSE_OPTION_BAD:
        return cli_cause(why, "option %s %s", name,
                         value != NULL ? "takes no such value" : "needs a value");
    case FUSE_OPTION_REFUSED:
        return cli_cause(why, "a mount cannot be changed while it stands; umount, then mount");
    case FUSE_OPTION_UNKNOWN:
        break;
    }
    return cli_cause(why, "unknown option %.100s; see outlookfs mount --help", name);
}

bool options_set_list(struct mount_options *options, const char *name, const char *const *words,
                      size_t count, char *why)
{
    const struct row *row = row_find(name);
    if (row == NULL || row->kind != COMMAND || count == 0)
        return cli_cause(why, "%.100s cannot be a list", name);
    struct secret_command *command = (void *)((char *)options + row->field);
    command_free(command);
    command->argv = calloc(count + 1, sizeof *command->argv);
    for (size_t i = 0; command->argv != NULL && i < count; i++)
        if ((command->argv[i] = strdup(words[i])) == NULL)
            command_free(command);
    if (command->argv == NULL)
        return cli_cause(why, "no memory");
    forget_rival(options, row);
    options->given |= UINT64_C(1) << (row - rows);
    return true;
}

/* Copies one option of a -o argument to `out`, undoing escapes; returns what follows its comma. */
static const char *next_option(const char *text, char *out)
{
    while (*text != '\0' && *text != ',') {
        if (text[0] == '\\' && (text[1] == ',' || text[1] == '\\'))
            text++;
        *out++ = *text++;
    }
    *out = '\0';
    return *text == ',' ? text + 1 : text;
}

const char *options_next(const char *text, char *one, char **value)
{
    do {
        if (*text == '\0')
            return NULL;
        text = next_option(text, one);
        *value = strchr(one, '=');
    } while (one[0] == '\0');
    if (*value != NULL)
        *(*value)++ = '\0';
    return text;
}

bool options_set_string(struct mount_options *options, const char *text, char *why)
{
    size_t len = strlen(text);
    if (len > OPTION_STRING_MAX)
        return cli_cause(why, "the -o argument is longer than %d bytes", OPTION_STRING_MAX);
    char *one = malloc(len + 1), *value;
    if (one == NULL)
        return cli_cause(why, "no memory");
    bool good = true;
    while (good && (text = options_next(text, one, &value)) != NULL)
        good = options_set(options, one, value, why);
    explicit_bzero(one, len + 1); /* a command line may hold a secret */
    free(one);
    return good;
}

bool options_command_given(const struct secret_command *command)
{
    return command->argv != NULL || command->shell != NULL;
}

/* How to sign in follows from the command that is there, or must agree with it. */
static bool check_auth(struct mount_options *options, char *why)
{
    bool generic = strcmp(options_provider_name(options), "generic") == 0;
    bool password = options_command_given(&options->password_command);
    if (generic && !options_command_given(&options->token_command) && !row_given(options, "auth"))
        options->auth = SYNC_AUTH_PASSWORD;
    else if (!row_given(options, "auth"))
        options->auth = password ? SYNC_AUTH_PASSWORD : SYNC_AUTH_XOAUTH2;
    bool wants_password = options->auth == SYNC_AUTH_PASSWORD;
    if (password || options_command_given(&options->token_command)) {
        if (password != wants_password)
            return cli_cause(why, "auth=%s goes with %s, not with %s", auth_words[options->auth],
                             wants_password ? "password_command" : "token_command",
                             wants_password ? "token_command" : "password_command");
    }
    return true;
}

/* The server that goes with the provider's accounts. */
static bool choose_host(struct mount_options *options, char *why)
{
    if (options->host != NULL)
        return true;
    const char *host = auth_provider_imap_host(options_provider_name(options), options->authority,
                                               options->tenant);
    if (host == NULL)
        return cli_cause(why, "provider=generic needs host=NAME: the IMAP server; see outlookfs "
                              "mount --help");
    return set_string(&options->host, strdup(host), "host", why);
}

bool options_finish(struct mount_options *options, const char *account, char *why)
{
    for (size_t i = 0; i < ROWS; i++)
        if (rows[i].fallback != NULL && (options->given >> i & 1) == 0 &&
            !set_value(&rows[i], (char *)options + rows[i].field, rows[i].fallback, why))
            return false;
    if (!choose_host(options, why))
        return false;
    if (options->port == 0)
        options->port = options->tls == SYNC_TLS_IMPLICIT ? 993 : 143;
    if (options->username == NULL &&
        !set_string(&options->username, strdup(account), "username", why))
        return false;
    if (options->cache_dir == NULL &&
        !set_string(&options->cache_dir, paths_cache_dir(account), "cache_dir", why))
        return false;
    return check_auth(options, why);
}

void options_help(FILE *out)
{
    for (size_t i = 0; i < ROWS; i++) {
        char left[64];
        snprintf(left, sizeof left, "%s%s%s", rows[i].name, rows[i].value != NULL ? "=" : "",
                 rows[i].value != NULL ? rows[i].value : "");
        fprintf(out, "  %-36s %s", left, rows[i].help);
        if (rows[i].fallback != NULL)
            fprintf(out, " (%s)", rows[i].fallback);
        fputc('\n', out);
    }
}
