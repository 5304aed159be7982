/*
 * Tells the kernel what changed, on a thread of its own: a notification may have to wait for a
 * request that holds a lock in the kernel, so nobody who answers requests may make one, and nobody
 * may wait for this thread while requests go unanswered. Knows FUSE only through notify_ops.
 */
#ifndef OUTLOOKFS_FS_NOTIFY_H
#define OUTLOOKFS_FS_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct notifier;

/* All called on the notifier's thread, with no lock held. */
struct notify_ops {
    void *ctx;
    /* The cached entries and attributes of a directory are stale. */
    void (*directory)(void *ctx, uint64_t ino);
    /* The attributes of an inode are stale. */
    void (*attributes)(void *ctx, uint64_t ino);
    /* `name` in `parent`, which was `ino`, is gone. False: not now, it comes again next round. */
    bool (*gone)(void *ctx, uint64_t parent, uint64_t ino, const char *name);
    /* Too much changed to tell it one by one: every cached name is stale. */
    void (*everything)(void *ctx);
};

/* Starts the thread. NULL without memory or threads. */
struct notifier *notifier_start(const struct notify_ops *ops);

/* Stops and joins the thread; what is queued is dropped. Requests must still be answered, or the
 * connection be gone. */
void notifier_stop(struct notifier **notifier);

/* The same, but `notifier` stays, and takes notices that nobody hears. May be called twice. */
void notifier_halt(struct notifier *notifier);

/* Queue a notice; never block. Any thread. */
void notify_directory(struct notifier *notifier, uint64_t ino);
void notify_attributes(struct notifier *notifier, uint64_t ino);
void notify_gone(struct notifier *notifier, uint64_t parent, uint64_t ino, const char *name);
/* The same without letting notices gather first. False: nobody will hear of it any more. */
bool notify_gone_now(struct notifier *notifier, uint64_t parent, uint64_t ino, const char *name);

#endif
