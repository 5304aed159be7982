/*
 * Which inotify events are owed to those who watch, and when: one for each change that the server
 * told of, at a bounded rate. What the mount's own programs do, the kernel tells of itself. Knows
 * neither FUSE nor the helper that raises them: both are behind event_ops.
 */
#ifndef OUTLOOKFS_FS_EVENTS_H
#define OUTLOOKFS_FS_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "cache/cache.h"

struct events;

enum event_kind {
    EVENT_NONE,
    EVENT_CREATE,
    EVENT_DELETE,
    EVENT_ATTRIB,
    EVENT_DIRECTORY, /* IN_ATTRIB of a directory: many things changed in it */
};

/* A value. Of EVENT_DIRECTORY `ino` alone counts. */
struct event {
    enum event_kind kind;
    uint64_t parent, ino;
    bool directory; /* what came, went or changed is one */
    char name[CACHE_NAME_MAX + 1];
};

/* Called on the thread of events, with no lock held; may take a while. */
struct event_ops {
    void *ctx;
    void (*raise)(void *ctx, const struct event *event);
};

/* Starts the thread. NULL without memory or threads. */
struct events *events_start(const struct event_ops *ops);

/* Stops and joins the thread; what is queued is dropped. `raise` must return meanwhile. May be
 * called twice; `events` stays, and takes changes that nobody hears of. NULL is fine. */
void events_halt(struct events *events);
void events_stop(struct events **events);

/* Whether the end was asked for: for `raise`, which then returns soon. */
bool events_stopping(struct events *events);

/* Queues what `change`, of which the server told, owes. Never blocks. Any thread. */
void events_note(struct events *events, const struct cache_change *change);

#endif
