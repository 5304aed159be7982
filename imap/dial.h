/*
 * From a host name to a connected TCP socket, within a bound and cancellable. Blocks; any thread.
 */
#ifndef OUTLOOKFS_IMAP_DIAL_H
#define OUTLOOKFS_IMAP_DIAL_H

#include "imap/connection.h"

/* Resolves settings->host and connects, each address getting its share of connect_timeout_ms.
 * *fd is a non-blocking, close-on-exec socket that the caller closes. With tls=none every address
 * must be loopback, or nothing is connected. On failure *fd is -1 and *failure is filled. */
enum imap_error imap_dial(const struct imap_settings *settings, int *fd,
                          struct imap_failure *failure) __attribute__((warn_unused_result));

#endif
