/*
 * Progress on a terminal (CONTRACT.md section 5): while `mount` connects, and with -f as long as
 * the mount stands, one line on stderr says what goes on where that takes longer than a second. It
 * is base/log.h's status line, so the log and it never mix. Where stderr is no terminal there is no
 * line and no thread.
 */
#ifndef OUTLOOKFS_CLI_PROGRESS_H
#define OUTLOOKFS_CLI_PROGRESS_H

#include "sync/sync.h"

struct progress;

/* Begins to show what goes on with `host` (copied). NULL where nothing is to be shown. */
struct progress *progress_start(const char *host);

/* What to look at: sync_settings.opened, with the progress as ctx. NULL: nothing any more. */
void progress_opened(void *progress, struct sync *sync);

/* Erases the line and ends the thread; from the return on, sync is not looked at. NULL is allowed.
 */
void progress_stop(struct progress **progress);

enum { PROGRESS_LINE_MAX = 1024 };

/* The line for what `p` tells; "" where nothing takes long. */
void progress_line(const struct sync_progress *p, const char *host, char line[PROGRESS_LINE_MAX]);

#endif
