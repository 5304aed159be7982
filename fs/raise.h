/*
 * The daemon's side of the helper process (raiser.h): starts it, gives it one order at a time,
 * replaces it. raise_event runs on the thread of events.
 */
#ifndef OUTLOOKFS_FS_RAISE_H
#define OUTLOOKFS_FS_RAISE_H

#include <stdbool.h>

struct event;
struct fs;
struct raise;

/* `program` is what to run as the helper, with RAISER_WORD: itself copied. NULL without memory. */
struct raise *raise_new(struct fs *fs, const char *program);

/* Ends the helper. Any thread, once events are halted; may be called twice. */
void raise_end(struct fs *fs);
void raise_free(struct raise **raise);

/* Has the event raised, where it is still true, as far as that is possible: an event_ops.raise,
 * with the fs as ctx. Takes as long as the directory is locked in the kernel, but not once events
 * are stopping. */
void raise_event(void *fs, const struct event *event);

#endif
