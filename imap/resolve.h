/* Name resolution that can be bounded and cancelled. Any thread. */
#ifndef OUTLOOKFS_IMAP_RESOLVE_H
#define OUTLOOKFS_IMAP_RESOLVE_H

#include <netdb.h>
#include <stdint.h>

#include "imap/error.h"

/* Looks `host` up until `deadline` (of clock_ms). IMAP_OK: *addresses is the caller's to free with
 * freeaddrinfo. Otherwise IMAP_ERR_HOST, IMAP_ERR_CANCELLED or IMAP_ERR_MEMORY, and *why says more
 * (static text). */
enum imap_error imap_resolve(const char *host, uint16_t port, int64_t deadline, int cancel_fd,
                             struct addrinfo **addresses, const char **why)
    __attribute__((warn_unused_result));

#endif
