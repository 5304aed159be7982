/*
 * `outlookfs accounts` and `outlookfs logout ACCOUNT`. An account is one that the configuration
 * names or that a login was left for; one line each, its name first, for people and for programs.
 * Neither command touches a mount or the network.
 */
#include "cli/command.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "auth/secret.h"
#include "auth/store.h"
#include "base/log.h"
#include "cli/config.h"
#include "cli/options.h"
#include "cli/paths.h"
#include "cli/secret.h"

enum { ACCOUNTS_MAX = 1000 };

struct accounts {
    char *names[ACCOUNTS_MAX];
    size_t count;
};

static void add(void *ctx, const char *account)
{
    struct accounts *accounts = ctx;
    if (!paths_account_valid(account) || accounts->count == ACCOUNTS_MAX)
        return;
    for (size_t i = 0; i < accounts->count; i++)
        if (strcmp(accounts->names[i], account) == 0)
            return;
    char *copy = strdup(account);
    if (copy != NULL)
        accounts->names[accounts->count++] = copy;
}

/* Logins whose account no configuration names. */
static void add_logins(struct accounts *accounts)
{
    char *state = paths_state_dir(NULL);
    DIR *dir = state != NULL ? opendir(state) : NULL;
    free(state);
    const struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL)
        if (paths_account_valid(entry->d_name) && secret_login_kept(entry->d_name))
            add(accounts, entry->d_name);
    if (dir != NULL)
        closedir(dir);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool print_account(const char *file, const char *account, int width, char *why)
{
    struct mount_options options;
    options_init(&options);
    bool good = (file == NULL || config_apply(file, account, &options, why)) &&
                options_finish(&options, account, why);
    if (good) {
        log_make_printable(options.host, strlen(options.host));
        printf("%-*s  %-9s  %-24s  %s\n", width, account, options_provider_name(&options),
               options.host, secret_in_words(&options, account));
    }
    options_free(&options);
    return good;
}

static enum cli_exit print_accounts(const struct accounts *accounts, const char *file)
{
    char why[CLI_TEXT_MAX];
    enum cli_exit result = CLI_DONE;
    int width = 0;
    for (size_t i = 0; i < accounts->count; i++)
        if ((int)strlen(accounts->names[i]) > width)
            width = (int)strlen(accounts->names[i]);
    for (size_t i = 0; i < accounts->count; i++) {
        if (!print_account(file, accounts->names[i], width, why)) {
            cli_report("%s", why);
            result = CLI_USAGE;
        }
    }
    if (accounts->count == 0)
        cli_report("there are no accounts yet; outlookfs login ACCOUNT makes one");
    return result;
}

enum cli_exit command_accounts(int argc, char **argv)
{
    char why[CLI_TEXT_MAX];
    struct accounts accounts = {.count = 0};
    if (argc != 1)
        return command_usage("accounts", "accounts takes no arguments");
    char *file = paths_config_file();
    enum cli_exit result = CLI_DONE;
    if (file != NULL && !config_each(file, add, &accounts, why)) {
        cli_report("%s", why);
        result = CLI_USAGE;
    } else {
        add_logins(&accounts);
        qsort(accounts.names, accounts.count, sizeof *accounts.names, by_name);
        result = print_accounts(&accounts, file);
    }
    for (size_t i = 0; i < accounts.count; i++)
        free(accounts.names[i]);
    free(file);
    return result;
}

enum cli_exit command_logout(int argc, char **argv)
{
    char text[AUTH_TEXT_MAX] = "no memory, or no home directory";
    const char *account = command_argument(argc, argv, "one account");
    if (account == NULL)
        return CLI_USAGE;
    log_set_level(LOG_LEVEL_ERROR);
    auth_process_protect(); /* the file is read to see whether a key goes with it */
    if (!paths_account_valid(account))
        return command_usage("logout", "%.200s cannot be an account's name", account);
    char *dir = paths_state_dir(account);
    struct auth_store *store = dir != NULL ? auth_store_new(dir, account) : NULL;
    enum auth_error error = store != NULL ? auth_store_forget(store, text) : AUTH_ERR_MEMORY;
    if (error == AUTH_ERR_ABSENT)
        cli_report("%s: nobody is signed in; outlookfs accounts lists who is", account);
    else if (error != AUTH_OK)
        cli_report("%s", text);
    auth_store_free(&store);
    free(dir);
    return error == AUTH_OK ? CLI_DONE : CLI_OTHER;
}
