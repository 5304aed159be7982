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

static const struct command commands[] = {
    {"mount",  "ACCOUNT DIR [-f] [-o OPTION,...]", "show a mailbox as files in DIR",
     "Returns when DIR can be read. This version only reads: nothing on the server changes.\n"
     "\n"
     "  -f                                   stay in the foreground, log to stderr\n"
     "  -o OPTION[,OPTION...]                mount options; \"\\,\" is a comma in a value\n"
     "\n"
     "Options can also stand in ~/.config/outlookfs/accounts.json (-o counts more):\n"
     "  {\"accounts\": {\"me@outlook.com\": {\"token_command\": [\"my-token\", \"me\"]}}}\n"
     "A command in a list runs without a shell, one in a string or after -o with it, both in /.\n"
     "\n"
     "Mount options, with defaults; besides these FUSE's own (allow_other, allow_root, noatime):\n", options_help, command_mount },
    {"umount", "DIR",                              "unmount DIR and wait until it is done",     "",  NULL,         command_umount},
    {"status", "[DIR] [--json] [--watch]",         "tell how a mount is doing, or every mount",
     "\n"
     "  --json     one JSON object a line\n"
     "  --watch    again every second, until Ctrl-C\n"
     "\n"
     "Asks the mount's process over its control socket: it works when the mount itself hangs.\n",    NULL,         command_status},
};

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
        printf("  outlookfs %-6s %-34s %s\n", commands[i].name, commands[i].arguments,
               commands[i].summary);
    printf("  outlookfs COMMAND --help, outlookfs --version\n"
           "\n"
           "Exit codes: 0 done, 1 other, 2 usage, 3 sign-in needed, 4 server unreachable,\n"
           "5 refused by the server.\n"
           "\n"
           "Example:\n"
           "  outlookfs mount me@outlook.com ~/mail -o token_command='my-token me'\n"
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
    return command->run(argc, argv);
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
