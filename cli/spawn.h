/* Running another program without a shell, keeping what it writes to stderr. For processes without
 * threads. */
#ifndef OUTLOOKFS_CLI_SPAWN_H
#define OUTLOOKFS_CLI_SPAWN_H

#include <stddef.h>

enum { SPAWN_NOT_FOUND = 127, SPAWN_KILLED = 128 };

/* Runs argv[0] from PATH, in the C locale, and waits. Returns its exit status, SPAWN_NOT_FOUND, or
 * SPAWN_KILLED; the first line of its stderr is in `text` (`size` bytes), made printable. */
int spawn_wait(char *const argv[], char *text, size_t size);

#endif
