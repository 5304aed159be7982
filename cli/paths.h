/*
 * Where the program's files are (CONTRACT.md section 5, XDG Base Directory Specification), and what
 * an account's name may be, since it becomes a directory's name there. Any thread.
 */
#ifndef OUTLOOKFS_CLI_PATHS_H
#define OUTLOOKFS_CLI_PATHS_H

#include <stdbool.h>

/* Whether `account` is one path component that a terminal can show: not empty, not "." or "..",
 * without '/', controls or bidi characters, at most 200 bytes, not starting with '-'. */
bool paths_account_valid(const char *account);

/* Sets HOME to the user's directory where it is missing, or root's and the user is not: once,
 * before there are threads. 0, or -1 without memory. */
int paths_repair_home(void) __attribute__((warn_unused_result));

/* Each returns a new absolute path (the caller frees it), or NULL without memory or a home. */
char *paths_config_file(void);              /* .../outlookfs/accounts.json */
char *paths_cache_dir(const char *account); /* $XDG_CACHE_HOME/outlookfs/ACCOUNT */
char *paths_state_dir(const char *account); /* $XDG_STATE_HOME/outlookfs/ACCOUNT, NULL: without
                                               ACCOUNT */
char *paths_runtime_dir(void);              /* $XDG_RUNTIME_DIR/outlookfs; NULL: there is none */

/* `path` made absolute against the working directory; a leading "~/" is the home. New; NULL with
 * errno. */
char *paths_absolute(const char *path);

/* Makes the directory and those above it, 0700 each where missing. 0, or -1 with errno. */
int paths_make_dir(const char *path);

#endif
