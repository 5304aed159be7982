/*
 * One mounted account, from the first connection to the last unmount: what runs in the daemon's
 * process (or in the foreground). The caller is single-threaded; the session's threads are gone
 * when it returns.
 */
#ifndef OUTLOOKFS_CLI_SESSION_H
#define OUTLOOKFS_CLI_SESSION_H

#include <limits.h>
#include <stdbool.h>

#include "cli/daemon.h"
#include "cli/options.h"
#include "cli/secret.h"

struct session {
    struct mount_options options;
    struct secret_choice secret;
    const char *account;
    const char *dir;           /* as the user wrote it, for messages */
    char mountpoint[PATH_MAX]; /* the real path */
    bool foreground;
};

/* Connects, mounts, serves, unmounts. Errors are reported here. `daemon` (NULL in the foreground)
 * is told when the mount stands. */
enum cli_exit session_run(const struct session *session, struct daemon *daemon);

#endif
