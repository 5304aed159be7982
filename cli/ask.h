/*
 * A command that asks the daemon of one mount (control.h): find it, ask, take the answer apart.
 * What goes wrong is reported here, in one line.
 */
#ifndef OUTLOOKFS_CLI_ASK_H
#define OUTLOOKFS_CLI_ASK_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "cli/report.h"

struct cJSON;

struct ask {
    const char *dir;     /* as the user wrote it, for messages */
    char path[PATH_MAX]; /* the real path */
    int fd;
};

/* Says why nobody answers for `path`; returns CLI_OTHER. */
enum cli_exit ask_absent(const char *dir, const char *path);

/* Connects to the daemon of `dir`; without one that is reported. */
enum cli_exit ask_open(struct ask *ask, const char *dir) __attribute__((warn_unused_result));
void ask_close(struct ask *ask);

/* The answer to `request` (one line), an object that the caller deletes; NULL, with *code, where
 * there is none, or where it is an error, which is reported. Waits for the daemon's disk. */
struct cJSON *ask_object(struct ask *ask, const char *request, enum cli_exit *code);

/* Parses one answer: NULL with the cause in `why` (CLI_TEXT_MAX) and its *code. */
struct cJSON *ask_parse(const char *answer, char *why, enum cli_exit *code);

/* A member's text, or ""; its number, or 0. */
const char *ask_text(const struct cJSON *object, const char *name);
double ask_number(const struct cJSON *object, const char *name);

#endif
