/* The person's browser, where there is one. */
#ifndef OUTLOOKFS_CLI_BROWSER_H
#define OUTLOOKFS_CLI_BROWSER_H

#include <stdbool.h>

/* Whether a browser can be opened here: $BROWSER is set, or there is a display and xdg-open. */
bool browser_there(void);

/* Opens `url` in it and does not wait; false where that failed. No shell, no terminal, a session of
 * its own. */
bool browser_open(const char *url);

#endif
