/*
 * The configuration file, accounts.json:
 *
 *     {"accounts": {"me@outlook.com": {"token_command": ["pass", "show", "outlook"], "timeout":
 * 60}}}
 *
 * An account's members are mount options by name: strings, numbers, true for a bare word (false
 * leaves it out), and lists of strings for the two commands. One thread.
 */
#ifndef OUTLOOKFS_CLI_CONFIG_H
#define OUTLOOKFS_CLI_CONFIG_H

#include <stdbool.h>

#include "cli/options.h"

/*
 * Sets what `path` holds for `account`. A file that is not there, or does not name the account, is
 * no error. False with the cause in `why` (CLI_TEXT_MAX): it names file, line and key. Warns on
 * stderr where others can read the file.
 */
bool config_apply(const char *path, const char *account, struct mount_options *options, char *why)
    __attribute__((warn_unused_result));

#endif
