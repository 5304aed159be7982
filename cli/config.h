/*
 * The configuration file, accounts.json:
 *
 *     {"accounts": {"me@outlook.com": {"token_command": ["pass", "show", "outlook"], "timeout":
 * 60}}}
 *
 * An account's members are mount options by name: strings, numbers, true for a bare word (false
 * leaves it out), and lists of strings for the two commands. A "client_id" beside "accounts" counts
 * for those that have none. `login` writes the file, people may too. One thread.
 */
#ifndef OUTLOOKFS_CLI_CONFIG_H
#define OUTLOOKFS_CLI_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/options.h"

/*
 * Sets what `path` holds for `account`. A file that is not there, or does not name the account, is
 * no error. False with the cause in `why` (CLI_TEXT_MAX): it names file, line and key. Warns on
 * stderr, once in a process, where others can read the file.
 */
bool config_apply(const char *path, const char *account, struct mount_options *options, char *why)
    __attribute__((warn_unused_result));

/* What login sets down for an account: a mount option and its value, NULL for a bare word. */
struct config_pair {
    char *name, *value;
};

/*
 * Sets the pairs in the account's section of `path`, which is made where missing, and keeps all the
 * rest; the file is replaced whole, 0600, by one process at a time. A client_id becomes the common
 * one too where there is none. False with the cause in `why` (CLI_TEXT_MAX): the file then is as it
 * was.
 */
bool config_remember(const char *path, const char *account, const struct config_pair *pairs,
                     size_t count, char *why) __attribute__((warn_unused_result));

/* Calls `visit` with the name of each account in the file. False with the cause in `why`. */
bool config_each(const char *path, void (*visit)(void *ctx, const char *account), void *ctx,
                 char *why) __attribute__((warn_unused_result));

#endif
