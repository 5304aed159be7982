/* See secret.h. */
#include "cli/secret.h"

#include <stdlib.h>

#include "auth/secret.h"
#include "auth/store.h"
#include "cli/dialog.h"
#include "cli/paths.h"
#include "sync/sync.h"

/* The command that was given for this way to sign in; NULL: none. */
static const struct secret_command *command_of(const struct mount_options *options)
{
    const struct secret_command *command =
        options->auth == SYNC_AUTH_PASSWORD ? &options->password_command : &options->token_command;
    return options_command_given(command) ? command : NULL;
}

/* Where the login is kept; malloc. NULL: there is none. */
static char *login_dir(const char *account)
{
    char *dir = paths_state_dir(account);
    struct auth_store *store = dir != NULL ? auth_store_new(dir, account) : NULL;
    bool there = store != NULL && auth_store_exists(store);
    auth_store_free(&store);
    if (there)
        return dir;
    free(dir);
    return NULL;
}

bool secret_login_kept(const char *account)
{
    char *dir = login_dir(account);
    free(dir);
    return dir != NULL;
}

const char *secret_in_words(const struct mount_options *options, const char *account)
{
    bool password = options->auth == SYNC_AUTH_PASSWORD;
    if (command_of(options) != NULL)
        return password ? "password_command" : "token_command";
    if (password)
        return "asks for the password";
    return secret_login_kept(account) ? "signed in" : "sign-in needed";
}

static enum cli_exit choose_password(struct secret_choice *choice,
                                     const struct mount_options *options, const char *account)
{
    if (!dialog_person_there()) {
        cli_report("%s: sign-in needed: give password_command, or mount from a terminal to be "
                   "asked for the password",
                   account);
        return CLI_SIGN_IN;
    }
    auth_process_protect();
    if (dialog_ask_password(options->username, options->host, &choice->password))
        return CLI_DONE;
    cli_report("%s: no password was given; nothing was changed", account);
    return CLI_SIGN_IN;
}

static enum cli_exit choose_login(struct secret_choice *choice, const char *account)
{
    choice->login_dir = login_dir(account);
    if (choice->login_dir != NULL)
        return CLI_DONE;
    cli_report("%s: sign-in needed: outlookfs login %s (or give token_command, or for other "
               "servers password_command)",
               account, account);
    return CLI_SIGN_IN;
}

enum cli_exit secret_choose(struct secret_choice *choice, const struct mount_options *options,
                            const char *account)
{
    *choice = (struct secret_choice){.command = command_of(options)};
    buffer_init(&choice->password, AUTH_SECRET_MAX);
    if (choice->command != NULL)
        return CLI_DONE;
    return options->auth == SYNC_AUTH_PASSWORD ? choose_password(choice, options, account)
                                               : choose_login(choice, account);
}

void secret_choice_free(struct secret_choice *choice)
{
    free(choice->login_dir);
    choice->login_dir = NULL;
    buffer_wipe(&choice->password);
}
