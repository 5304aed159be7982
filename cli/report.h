/*
 * What the command tells a person: one line on stderr, "outlookfs: cause; next step", and an exit
 * code. Every line passes the terminal filter of base/log.h, because causes quote servers and file
 * names.
 */
#ifndef OUTLOOKFS_CLI_REPORT_H
#define OUTLOOKFS_CLI_REPORT_H

#include <stdbool.h>

/* The exit codes of CONTRACT.md section 5. */
enum cli_exit {
    CLI_DONE = 0,
    CLI_OTHER = 1,
    CLI_USAGE = 2,
    CLI_SIGN_IN = 3,
    CLI_UNREACHABLE = 4,
    CLI_REFUSED = 5,
};

enum { CLI_TEXT_MAX = 1000 }; /* room for a cause, with its NUL */

void cli_report(const char *format, ...) __attribute__((format(printf, 1, 2)));
void cli_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Writes a cause of CLI_TEXT_MAX bytes; returns false, so that a function can fail with it. */
bool cli_cause(char *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
