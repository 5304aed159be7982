/*
 * Going to the background in two steps: a fork before threads start, and a word over a pipe when
 * the child is ready, so that the command returns when the mount answers, with the child's exit
 * code when it does not come to that. Until then the child keeps the terminal: its messages are the
 * command's, and Ctrl-C ends both.
 */
#ifndef OUTLOOKFS_CLI_DAEMON_H
#define OUTLOOKFS_CLI_DAEMON_H

#include <stdbool.h>
#include <sys/types.h>

#include "cli/report.h"

struct daemon {
    pid_t child; /* 0 in the child, -1 when the fork failed */
    int pipe;    /* to read from in the parent, to write to in the child */
};

/* Opens /dev/null for each of stdin, stdout and stderr that came closed: else the next file opened,
 * the cache's lock or a connection, would take its number, and with it the log, or be closed by
 * daemon_ready. False when that cannot be had. */
bool daemon_fill_stdio(void);

/* Forks. Both go on. */
struct daemon daemon_fork(void);

/* Parent: waits for the child's word or end. CLI_DONE when it is ready. */
enum cli_exit daemon_wait(struct daemon *daemon);

/* Child: gives up terminal and session, and says that it is ready. */
void daemon_ready(struct daemon *daemon);

#endif
