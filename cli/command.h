/*
 * The commands of `outlookfs`: each is one row of the table in command.c and one function here,
 * which gets the arguments after the command's name (argv[0] is that name) and returns the exit
 * code.
 */
#ifndef OUTLOOKFS_CLI_COMMAND_H
#define OUTLOOKFS_CLI_COMMAND_H

#include <stdio.h>

#include "cli/report.h"

struct command {
    const char *name;
    const char *arguments;      /* for the usage line */
    const char *summary;        /* one line */
    const char *details;        /* the lines of COMMAND --help after the usage line */
    void (*options)(FILE *out); /* more of them, made from a table; or NULL */
    enum cli_exit (*run)(int argc, char **argv);
};

/* Finds the command, answers --help and --version, and runs it: all of main. */
enum cli_exit command_main(int argc, char **argv);

enum cli_exit command_login(int argc, char **argv);
enum cli_exit command_logout(int argc, char **argv);
enum cli_exit command_accounts(int argc, char **argv);
enum cli_exit command_mount(int argc, char **argv);
enum cli_exit command_umount(int argc, char **argv);
enum cli_exit command_status(int argc, char **argv);
enum cli_exit command_sync(int argc, char **argv);
enum cli_exit command_search(int argc, char **argv);
enum cli_exit command_pin(int argc, char **argv);
enum cli_exit command_unpin(int argc, char **argv);
enum cli_exit command_outbox(int argc, char **argv);

/* Reports a usage error of `command`, with a pointer to its help; returns CLI_USAGE. */
enum cli_exit command_usage(const char *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same for an option that getopt (or getopt_long, whose long options have values above 255) did
 * not know: the one that it has just stopped at. */
enum cli_exit command_unknown_option(const char *command, char **argv);

/* The one argument of a command that takes no options; `what` is it ("one directory"). NULL, and
 * reported, for anything else. */
const char *command_argument(int argc, char **argv, const char *what);

#endif
