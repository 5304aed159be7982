/*
 * Runs one command and takes the first line of what it prints. Any thread; the process may have
 * others. Internal to auth/.
 */
#ifndef OUTLOOKFS_AUTH_COMMAND_H
#define OUTLOOKFS_AUTH_COMMAND_H

#include "auth/secret.h"

/*
 * Runs `argv` (found along PATH) to its end, at most `timeout_ms`, and appends the first line of
 * its output, without the line's end, to `line`, an empty buffer that holds AUTH_SECRET_MAX bytes;
 * the caller wipes it in every case. A readable `cancel_fd` (-1 for none) ends the run.
 *
 * The command gets /dev/null as input and as error output, no other descriptor, default signal
 * handling and a session of its own; on timeout and cancellation that session's process group is
 * ended (SIGTERM, half a second later SIGKILL). On failure `text` (AUTH_TEXT_MAX bytes) is one line
 * that calls the command `label` and holds nothing of its output.
 */
enum auth_error auth_command_run(char *const argv[], const char *label, int timeout_ms,
                                 int cancel_fd, struct buffer *line, char *text)
    __attribute__((warn_unused_result));

#endif
