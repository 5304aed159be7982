/* How the tests and the fuzz target of imap/deflate.h hand over what came from the wire. */
#ifndef OUTLOOKFS_TESTS_UNIT_IMAP_DEFLATE_FEED_H
#define OUTLOOKFS_TESTS_UNIT_IMAP_DEFLATE_FEED_H

#include <string.h>

#include "imap/deflate.h"

/* The next piece of `wire`, from `*at` on. False: it was not wanted, though nothing was left. */
static inline bool deflate_feed(struct imap_deflate *d, const char *wire, size_t len, size_t piece,
                                size_t *at)
{
    size_t wanted = 0, n = len - *at < piece ? len - *at : piece;
    char *to = imap_inflate_wants(d, &wanted);
    if (wanted < n)
        return false;
    memcpy(to, wire + *at, n);
    imap_inflate_came(d, n);
    *at += n;
    return true;
}

#endif
