/* A command in a child, as it is used. */
#ifndef OUTLOOKFS_TESTS_UNIT_CLI_CHILD_H
#define OUTLOOKFS_TESTS_UNIT_CLI_CHILD_H

enum { CHILD_TEXT = 4096, CHILD_WORDS = 10 };

/* Runs a command with `words` (CHILD_WORDS at most, NULL at the end) behind its name. `out` and
 * `err`, of CHILD_TEXT bytes each, get what it writes; it goes through files in `directory`. Its
 * exit code; -1: a signal ended it. */
int child_run(const char *directory, const char *const *words, char *out, char *err);

#endif
