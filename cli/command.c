/*
 * See command.h. Besides `outlookfs COMMAND ...` there is `outlookfs ACCOUNT DIR -o ...`, as
 * mount.fuse3 and so fstab call it: a first word with an '@', or one that is no command and comes
 * with -o or -f, is an account.
 */
#include "cli/command.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "cli/options.h"

// clang-format off
static const struct command commands[] = {
    {"login", "ACCOUNT [OPTION ...]", "sign in to an account, once",
     "\n"
     "  --provider microsoft|live|generic    who signs in (microsoft); generic: a password\n"
     "  --client-id ID                       the app to sign in with; remembered\n"
     "  --tenant T                           common, consumers, organizations, or a directory (common)\n"
     "  --authority URL                      the sign-in server, for national clouds\n"
     "  --device                             by a code that is entered on any device\n"
     "  --browser                            by a browser on this machine; what is taken where there is one\n"
     "  -o OPTION[,OPTION...]                mount options for this account; remembered\n"
     "\n"
     "Afterwards outlookfs mount ACCOUNT DIR needs no options. No password is stored.\n", NULL, command_login},
    {"logout", "ACCOUNT", "forget the login of an account", "", NULL, command_logout},
    {"accounts", "", "list the accounts",
     "One a line: name, provider, server, and how it signs in.\n", NULL, command_accounts},
    {"mount", "ACCOUNT DIR [-f] [-o OPTION,...]", "show a mailbox as files in DIR",
     "Returns when DIR can be read. What is done to files there is done to mail; -o ro changes nothing.\n"
     "\n"
     "  -f                                   stay in the foreground, log to stderr; on a terminal\n"
     "                                       a line below the log shows what goes on\n"
     "  -o OPTION[,OPTION...]                mount options; \"\\,\" is a comma in a value\n"
     "\n"
     "Options can also stand in ~/.config/outlookfs/accounts.json (-o counts more):\n"
     "  {\"accounts\": {\"me@outlook.com\": {\"timeout\": 60, \"subscribed\": true}}}\n"
     "A command in a list runs without a shell, one in a string or after -o with it, both in /.\n"
     "\n"
     "Mount options, with defaults; besides these FUSE's own (allow_other, allow_root, noatime):\n",
     options_help, command_mount},
    {"umount", "DIR", "unmount DIR and wait until it is done",
     "Waits a minute at most for changes that are pending; what is left goes on with the next mount.\n",
     NULL, command_umount},
    {"status", "[DIR] [--json] [--watch]", "tell how a mount is doing, or every mount",
     "\n"
     "  --json     one JSON object a line\n"
     "  --watch    again every second, until Ctrl-C; without DIR while mounts come and go\n"
     "\n"
     "Asks the mount's process over its control socket: it works when the mount itself hangs.\n", NULL, command_status},
    {"sync", "DIR", "wait until changes are on the server",
     "Fails where one is not: it was refused, or the server cannot be reached. Ctrl-C ends the wait,\n"
     "not the work.\n", NULL, command_sync},
    {"search", "DIR QUERY [-0] [--explain]", "find messages",
     "One path a line, newest first, as they are found.\n"
     "\n"
     "  -0             each path ends with NUL, for xargs -0\n"
     "  --explain      show what the server would be asked, and what is decided here\n"
     "\n"
     "Words are joined by AND, - before one negates it (after --), quotes group:\n"
     "  from: to: cc: subject: body: text: header:NAME:VALUE    substrings, whatever the case\n"
     "  since: before: on:                     YYYY-MM-DD, the server's day\n"
     "  larger: smaller:                       bytes, or with K or M\n"
     "  in:MAILBOX                             there alone\n"
     "  unread read flagged answered draft attachment\n"
     "Any other word is text:. The same words make directories: ls DIR/.search/QUERY\n", NULL, command_search},
    {"pin", "DIR/MAILBOX", "keep a mailbox here, readable without the server",
     "Returns when every message of it is here. From then on new ones are fetched as they come, and none\n"
     "is evicted, with later mounts, too. Ctrl-C ends the wait, not the work.\n", NULL, command_pin},
    {"unpin", "DIR/MAILBOX", "keep it no longer",
     "What is here stays until the room is needed.\n", NULL, command_unpin},
    {"outbox", "DIR [list | retry ID | drop ID | save ID FILE]", "changes that the server does not have",
     "\n"
     "  list           one a line, with its ID and why it is there\n"
     "  retry ID       send it again, and wait for what becomes of it\n"
     "  drop ID        forget it, with its bytes\n"
     "  save ID FILE   write its bytes to FILE, which must not exist (-: standard output)\n"
     "  --json         list as one JSON object a line\n"
     "\n"
     "Works when the mount itself hangs, as status does.\n", NULL, command_outbox},
};
// clang-format on

enum { COMMANDS = sizeof commands / sizeof commands[0] };

static const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static enum cli_exit flushed(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return CLI_DONE;
    cli_report("cannot write to standard output");
    return CLI_OTHER;
}

static enum cli_exit help(void)
{
    printf("outlookfs shows an Outlook.com (or any IMAP) mailbox as files.\n\n");
    for (size_t i = 0; i < COMMANDS; i++)
        printf("  outlookfs %-8s %-32s %s\n", commands[i].name, commands[i].arguments,
               commands[i].summary);
    printf("  outlookfs COMMAND --help, outlookfs --version\n"
           "\n"
           "Exit codes: 0 done, 1 other, 2 usage, 3 sign-in needed, 4 server unreachable,\n"
           "5 refused by the server.\n"
           "\n"
           "Example:\n"
           "  outlookfs login me@outlook.com\n"
           "  outlookfs mount me@outlook.com ~/mail\n"
           "  grep -rl invoice ~/mail/Inbox\n"
           "  outlookfs umount ~/mail\n");
    return flushed();
}

static enum cli_exit command_help(const struct command *command)
{
    printf("usage: outlookfs %s %s\n%c%s.\n%s", command->name, command->arguments,
           command->summary[0] - 'a' + 'A', command->summary + 1, command->details);
    if (command->options != NULL)
        command->options(stdout);
    return flushed();
}

static bool has_argument(int argc, char **argv, const char *start)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strncmp(argv[i], start, strlen(start)) == 0)
            return true;
    return false;
}

static enum cli_exit run(const struct command *command, int argc, char **argv)
{
    if (has_argument(argc, argv, "--help"))
        return command_help(command);
    enum cli_exit result = command->run(argc, argv);
    return result == CLI_DONE ? flushed() : result;
}

enum cli_exit command_usage(const char *command, const char *format, ...)
{
    char cause[CLI_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(cause, sizeof cause, format, args);
    va_end(args);
    cli_report("%s; see outlookfs %s%s--help", cause, command, command[0] != '\0' ? " " : "");
    return CLI_USAGE;
}

/* optopt is '-' where getopt took "--word" for a cluster of letters; a cluster is at argv[optind].
 */
enum cli_exit command_unknown_option(const char *command, char **argv)
{
    if (optopt == '-')
        return command_usage(command, "unknown option %.100s", argv[optind]);
    if (optopt > 0 && optopt <= 255)
        return command_usage(command, "unknown option -%c", optopt);
    return command_usage(command, "unknown option %.100s", argv[optind - 1]);
}

const char *command_argument(int argc, char **argv, const char *what)
{
    if (argc == 3 && strcmp(argv[1], "--") == 0)
        return argv[2];
    if (argc == 2 && argv[1][0] != '-')
        return argv[1];
    if (argc == 2)
        (void)command_usage(argv[0], "unknown option %.100s", argv[1]);
    else
        (void)command_usage(argv[0], "%s takes %s", argv[0], what);
    return NULL;
}

enum cli_exit command_main(int argc, char **argv)
{
    if (argc < 2)
        return command_usage("", "no command");
    const char *first = argv[1];
    if (strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0)
        return help();
    if (strcmp(first, "--version") == 0) {
        printf("outlookfs %s\n", OUTLOOKFS_VERSION);
        return flushed();
    }
    const struct command *command = command_find(first);
    if (command != NULL)
        return run(command, argc - 1, argv + 1);
    if (first[0] != '-' && (strchr(first, '@') != NULL || has_argument(argc - 1, argv + 1, "-o") ||
                            has_argument(argc - 1, argv + 1, "-f")))
        return run(command_find("mount"), argc, argv);
    return command_usage("", "unknown %s %.100s", first[0] == '-' ? "option" : "command", first);
}
