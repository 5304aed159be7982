/*
 * See deflate.h. zlib with a window of 32 KiB and no header (windowBits -15), as RFC 4978 section 3
 * wants it. Memory is that of the two buffers and of zlib's states, some 400 KiB a connection.
 */
#define ZLIB_CONST
#include "imap/deflate.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum {
    WINDOW_BITS = -15,
    MEMORY_LEVEL = 8,
    SLACK = 1024, /* what cannot be compressed grows by some bytes a block (zlib's deflateBound) */
};

struct imap_deflate {
    z_stream in, out;
    bool in_made, out_made;
    size_t pending_at, pending_len; /* packed[pending_at .. pending_len) waits for the socket */
    char wire[IMAP_INFLATE_MAX];    /* in.next_in points here */
    char packed[IMAP_DEFLATE_MAX + SLACK];
};

struct imap_deflate *imap_deflate_new(const char *came, size_t len)
{
    struct imap_deflate *d = len <= IMAP_INFLATE_MAX ? calloc(1, sizeof *d) : NULL;
    if (d == NULL)
        return NULL;
    d->in_made = inflateInit2(&d->in, WINDOW_BITS) == Z_OK;
    d->out_made = deflateInit2(&d->out, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW_BITS,
                               MEMORY_LEVEL, Z_DEFAULT_STRATEGY) == Z_OK;
    if (!d->in_made || !d->out_made) {
        imap_deflate_free(&d);
        return NULL;
    }
    if (len > 0)
        memcpy(d->wire, came, len);
    imap_inflate_came(d, len);
    return d;
}

void imap_deflate_free(struct imap_deflate **deflate)
{
    struct imap_deflate *d = *deflate;
    if (d == NULL)
        return;
    if (d->in_made)
        inflateEnd(&d->in);
    if (d->out_made)
        deflateEnd(&d->out);
    free(d);
    *deflate = NULL;
}

/* zlib counts in unsigned int. */
static unsigned clamp(size_t len, unsigned most)
{
    return len < most ? (unsigned)len : most;
}

enum imap_error imap_inflate(struct imap_deflate *d, char *to, size_t room, size_t *got)
{
    unsigned most = clamp(room, 1U << 30);
    d->in.next_out = (unsigned char *)to;
    d->in.avail_out = most;
    /* Without bytes from the wire too: zlib may hold the rest of what did not fit last time. */
    int code = inflate(&d->in, Z_SYNC_FLUSH);
    *got = most - d->in.avail_out;
    if (*got > 0 || code == Z_OK || code == Z_BUF_ERROR)
        return IMAP_OK;
    return code == Z_MEM_ERROR ? IMAP_ERR_MEMORY : IMAP_ERR_PROTOCOL;
}

char *imap_inflate_wants(struct imap_deflate *d, size_t *room)
{
    *room = d->in.avail_in == 0 ? sizeof d->wire : 0;
    return d->wire;
}

void imap_inflate_came(struct imap_deflate *d, size_t len)
{
    d->in.next_in = (const unsigned char *)d->wire;
    d->in.avail_in = (unsigned)len;
}

size_t imap_deflate(struct imap_deflate *d, const char *from, size_t len)
{
    unsigned taken = clamp(len, IMAP_DEFLATE_MAX);
    d->out.next_in = (const unsigned char *)from;
    d->out.avail_in = taken;
    d->out.next_out = (unsigned char *)d->packed;
    d->out.avail_out = sizeof d->packed;
    bool whole = deflate(&d->out, Z_SYNC_FLUSH) == Z_OK && d->out.avail_in == 0 &&
                 d->out.avail_out > 0; /* else the flush is not all there */
    d->pending_at = 0;
    d->pending_len = whole ? sizeof d->packed - d->out.avail_out : 0;
    return whole ? taken : 0;
}

const char *imap_deflate_pending(const struct imap_deflate *d, size_t *len)
{
    *len = d->pending_len - d->pending_at;
    return d->packed + d->pending_at;
}

void imap_deflate_sent(struct imap_deflate *d, size_t len)
{
    d->pending_at += len;
}
