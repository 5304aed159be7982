/*
 * `outlookfs login ACCOUNT ...`: who the person is becomes a login on disk, and what was said on
 * the way (client id, tenant, mount options) becomes the account's section of the configuration, so
 * that `mount ACCOUNT DIR` needs nothing more. Nothing is written before the sign-in has succeeded.
 *
 * Options are checked as mount checks them: from the configuration first, then from the command
 * line, whose own are mount options under longer names. The account's name, which may come last,
 * has to be known before its section can be read: so what is given is noted first, then set.
 */
#include "cli/command.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "auth/login.h"
#include "auth/secret.h"
#include "base/log.h"
#include "cli/browser.h"
#include "cli/config.h"
#include "cli/dialog.h"
#include "cli/options.h"
#include "cli/paths.h"

enum { PAIRS_MAX = 64 };

struct login {
    const char *account;
    bool device, browser;
    struct config_pair pairs[PAIRS_MAX]; /* as given, and to be remembered; malloc'ed strings */
    size_t pair_count;
    struct mount_options options;
};

static enum cli_exit usage(const char *why)
{
    cli_report("%s", why);
    return CLI_USAGE;
}

/* ---- the command line ---- */

/* Notes a mount option; `value` NULL: a bare word. A file is noted so that it is the same one from
 * wherever mount is called. */
static bool note(struct login *login, const char *name, const char *value)
{
    struct config_pair pair = {.name = strdup(name),
                               .value = value != NULL ? options_settled_value(name, value) : NULL};
    if (pair.name == NULL || (value != NULL && pair.value == NULL) ||
        login->pair_count == PAIRS_MAX) {
        free(pair.name);
        free(pair.value);
        return false;
    }
    login->pairs[login->pair_count++] = pair;
    return true;
}

static bool note_string(struct login *login, const char *text)
{
    char *one = malloc(strlen(text) + 1), *value;
    bool good = one != NULL;
    while (good && (text = options_next(text, one, &value)) != NULL)
        good = note(login, one, value);
    free(one);
    return good;
}

enum { PROVIDER = 256, CLIENT_ID, TENANT, AUTHORITY, DEVICE, BROWSER };

static bool take(struct login *login, int option, const char *value)
{
    switch (option) {
    case PROVIDER:
        return note(login, "provider", value);
    case CLIENT_ID:
        return note(login, "client_id", value);
    case TENANT:
        return note(login, "tenant", value);
    case AUTHORITY:
        return note(login, "authority", value);
    case DEVICE:
        login->device = true;
        return true;
    case BROWSER:
        login->browser = true;
        return true;
    default:
        return note_string(login, value);
    }
}

static enum cli_exit parse(struct login *login, int argc, char **argv)
{
    // clang-format off
    static const struct option longs[] = {
        {"provider", required_argument, NULL, PROVIDER},
        {"client-id", required_argument, NULL, CLIENT_ID},
        {"tenant", required_argument, NULL, TENANT},
        {"authority", required_argument, NULL, AUTHORITY},
        {"device", no_argument, NULL, DEVICE},
        {"browser", no_argument, NULL, BROWSER},
        {0},
    };
    // clang-format on
    opterr = 0;
    optind = 0;
    for (int c; (c = getopt_long(argc, argv, ":o:", longs, NULL)) != -1;) {
        if (c == ':')
            return command_usage("login", "%.100s needs a value", argv[optind - 1]);
        if (c == '?')
            return command_unknown_option("login", argv);
        if (!take(login, c, optarg))
            return command_usage("login", "too many options, or no memory for them");
    }
    if (argc - optind != 1)
        return command_usage("login", "login takes one account");
    login->account = argv[optind];
    if (!paths_account_valid(login->account))
        return command_usage("login", "%.200s cannot be an account's name", login->account);
    return CLI_DONE;
}

/* ---- the configuration, before and after ---- */

static enum cli_exit configure(struct login *login)
{
    char why[CLI_TEXT_MAX];
    char *file = paths_config_file();
    options_init(&login->options);
    bool good = file != NULL ? config_apply(file, login->account, &login->options, why)
                             : cli_cause(why, "there is no home directory");
    free(file);
    for (size_t i = 0; good && i < login->pair_count; i++)
        good = options_set(&login->options, login->pairs[i].name, login->pairs[i].value, why);
    good = good && options_finish(&login->options, login->account, why);
    return good ? CLI_DONE : usage(why);
}

/* `left` says what stands all the same, where the configuration cannot be written. */
static enum cli_exit remember(const struct login *login, const char *left)
{
    char why[CLI_TEXT_MAX] = "there is no home directory";
    char *file = paths_config_file();
    bool good =
        file != NULL && config_remember(file, login->account, login->pairs, login->pair_count, why);
    free(file);
    if (!good)
        cli_report("%s%s", why, left);
    return good ? CLI_DONE : CLI_OTHER;
}

/* ---- signing in ---- */

/* Nothing to sign in to beforehand: the password is the server's matter. */
static enum cli_exit finish_generic(struct login *login)
{
    enum cli_exit result = remember(login, "");
    if (result == CLI_DONE)
        printf("%s is set up. No password is stored: mount asks for it, or takes it from "
               "password_command.\nNext: outlookfs mount %s DIR\n",
               login->account, login->account);
    return result;
}

static enum cli_exit explain_client_id(const struct login *login)
{
    printf(
        "Microsoft lets a program sign in under a client id, and that is yours to register:\n"
        "  1. In the Entra admin center, App registrations, New registration: accounts in \"any\n"
        "     organizational directory and personal Microsoft accounts\".\n"
        "  2. Redirect: platform \"Mobile and desktop applications\", http://localhost.\n"
        "  3. Authentication: \"Allow public client flows\" Yes. No secret is needed.\n"
        "  4. API permissions: delegated, IMAP.AccessAsUser.All and offline_access.\n"
        "Its \"Application (client) ID\" is what --client-id takes; it is remembered.\n"
        "Another tool's token does as well, without any of this:\n"
        "  outlookfs mount %s DIR -o token_command='COMMAND'\n\n",
        login->account);
    fflush(stdout);
    return command_usage("login", "no client id: outlookfs login %s --client-id ID",
                         login->account);
}

static enum cli_exit code_of(enum auth_error error)
{
    return error == AUTH_ERR_REFUSED   ? CLI_SIGN_IN
           : error == AUTH_ERR_NETWORK ? CLI_UNREACHABLE
                                       : CLI_OTHER;
}

static enum cli_exit store(const struct login *login, const struct auth_login *tokens)
{
    char text[AUTH_TEXT_MAX] = "no memory, or no home directory";
    char *dir = paths_state_dir(login->account);
    struct auth_store *place = dir != NULL ? auth_store_new(dir, login->account) : NULL;
    enum auth_error error =
        place != NULL ? auth_store_create(place, tokens, text) : AUTH_ERR_MEMORY;
    enum cli_exit result = CLI_OTHER;
    if (error != AUTH_OK)
        cli_report("%s", text);
    else
        result = remember(login, "; the login itself is kept, without its options");
    if (result == CLI_DONE)
        printf("Signed in as %s. The login is kept: %s.\nNext: outlookfs mount %s DIR\n",
               login->account, auth_store_protection(place), login->account);
    auth_store_free(&place);
    free(dir);
    return result;
}

static enum auth_way choose_way(const struct login *login, const struct auth_provider *provider)
{
    if (login->device)
        return AUTH_WAY_DEVICE;
    if (provider->redirect != NULL)
        return AUTH_WAY_PASTE;
    return login->browser || browser_there() ? AUTH_WAY_BROWSER : AUTH_WAY_DEVICE;
}

static enum cli_exit sign_in(struct login *login, const struct auth_provider *provider)
{
    const struct mount_options *o = &login->options;
    const struct auth_request request = {.provider = provider,
                                         .account = login->account,
                                         .username = o->username,
                                         .authority = o->authority,
                                         .tenant = o->tenant,
                                         .client_id = o->client_id,
                                         .cafile = o->cafile};
    struct dialog dialog;
    struct auth_login tokens;
    char text[AUTH_TEXT_MAX];
    auth_process_protect();
    auth_login_init(&tokens);
    dialog_open(&dialog, o->username);
    const struct auth_dialog speak = dialog_for_auth(&dialog);
    enum auth_error error =
        auth_sign_in(&request, choose_way(login, provider), &speak, &tokens, text);
    dialog_close(&dialog);
    enum cli_exit result = code_of(error);
    if (error == AUTH_OK)
        result = store(login, &tokens);
    else
        cli_report("%s", text);
    auth_login_free(&tokens);
    return result;
}

/* What can be known to be wrong before anybody is asked. */
static enum cli_exit check(const struct login *login, const struct auth_provider *provider)
{
    const struct mount_options *o = &login->options;
    struct auth_endpoints endpoints;
    char text[AUTH_TEXT_MAX];
    if (!auth_endpoints_make(provider, o->authority, o->tenant, &endpoints, text))
        return usage(text);
    bool no_device = login->device && endpoints.device == NULL;
    auth_endpoints_free(&endpoints);
    if (no_device)
        return command_usage("login", "the provider %s has no device code; leave --device out",
                             provider->name);
    return o->client_id != NULL ? CLI_DONE : explain_client_id(login);
}

static enum cli_exit run(struct login *login)
{
    if (login->device && login->browser)
        return command_usage("login", "--device and --browser exclude one another");
    const struct auth_provider *provider =
        auth_provider_find(options_provider_name(&login->options));
    if (provider->authority == NULL)
        return finish_generic(login);
    enum cli_exit checked = check(login, provider);
    return checked == CLI_DONE ? sign_in(login, provider) : checked;
}

enum cli_exit command_login(int argc, char **argv)
{
    struct login login = {0};
    log_set_level(LOG_LEVEL_ERROR); /* stderr is for the one line that says why not */
    enum cli_exit result = parse(&login, argc, argv);
    if (result == CLI_DONE)
        result = configure(&login);
    if (result == CLI_DONE)
        result = run(&login);
    for (size_t i = 0; i < login.pair_count; i++) {
        free(login.pairs[i].name);
        free(login.pairs[i].value);
    }
    options_free(&login.options);
    return result;
}
