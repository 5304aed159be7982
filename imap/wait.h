/*
 * The one place where imap/ waits: for a socket, for the caller's two descriptors, and for time.
 * Every wait watches the cancel descriptor; nothing here reads from a descriptor. Any thread.
 */
#ifndef OUTLOOKFS_IMAP_WAIT_H
#define OUTLOOKFS_IMAP_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#include "imap/error.h"

struct imap_wait {
    int fd;
    short events;     /* of poll(2) */
    int wake_fd;      /* -1: none; readable ends the wait */
    int cancel_fd;    /* -1: none; readable cancels */
    int64_t deadline; /* of clock_ms; -1: none */
};

/* Waits. IMAP_OK when the socket or the wake descriptor is ready (an error on the socket counts as
 * ready: the next call on it tells), IMAP_ERR_CANCELLED (it goes before everything),
 * IMAP_ERR_TIMEOUT at the deadline. A deadline in the past looks once. */
enum imap_error imap_wait(const struct imap_wait *wait) __attribute__((warn_unused_result));

#endif
