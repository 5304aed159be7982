/*
 * COMPRESS=DEFLATE (RFC 4978): both directions of one connection, as raw deflate (RFC 1951) in
 * buffers of fixed size. Used by imap/stream.c alone, which moves the bytes.
 *
 * What comes in is inflated into the reader's own room as it asks for it, so what a few bytes from
 * the wire may grow to costs time, and never memory. What goes out is compressed a block at a time
 * and flushed with it (Z_SYNC_FLUSH), so that the server never waits for the rest of a command.
 *
 * Belongs to one stream and its thread.
 */
#ifndef OUTLOOKFS_IMAP_DEFLATE_H
#define OUTLOOKFS_IMAP_DEFLATE_H

#include <stdbool.h>
#include <stddef.h>

#include "imap/error.h"

enum {
    IMAP_INFLATE_MAX = 64 * 1024, /* bytes from the wire that are held at most */
    IMAP_DEFLATE_MAX = 32 * 1024, /* bytes that are compressed at once at most */
};

struct imap_deflate;

/* `came` are the first bytes from the wire, IMAP_INFLATE_MAX at most, which are copied. NULL
 * without memory. */
struct imap_deflate *imap_deflate_new(const char *came, size_t len);
void imap_deflate_free(struct imap_deflate **deflate);

/* Inflates what there is into `to`, up to `room`. IMAP_OK with *got == 0: there is nothing now, and
 * imap_inflate_wants gives the place for more. IMAP_ERR_PROTOCOL for what is not deflate, and for a
 * stream that ends (a connection's does not); IMAP_ERR_MEMORY. What came before is given first. */
enum imap_error imap_inflate(struct imap_deflate *deflate, char *to, size_t room, size_t *got)
    __attribute__((warn_unused_result));
/* Where the next bytes from the wire go; *room is 0 while some are held. Then how many they were.
 */
char *imap_inflate_wants(struct imap_deflate *deflate, size_t *room);
void imap_inflate_came(struct imap_deflate *deflate, size_t len);

/* Compresses up to IMAP_DEFLATE_MAX bytes of `from`, to be sent from imap_deflate_pending. Returns
 * how many it took, none only if zlib fails. Nothing may be pending before. */
size_t imap_deflate(struct imap_deflate *deflate, const char *from, size_t len)
    __attribute__((warn_unused_result));
/* What is to be sent; *len is 0 when that is nothing. Then how much of it was. */
const char *imap_deflate_pending(const struct imap_deflate *deflate, size_t *len);
void imap_deflate_sent(struct imap_deflate *deflate, size_t len);

#endif
