/*
 * A byte stream over a connected socket, plain or TLS (OpenSSL), compressed or not, that never
 * blocks.
 *
 * SIGPIPE: every byte goes out through send(2) with MSG_NOSIGNAL, under TLS too (OpenSSL writes
 * through a BIO of ours), so the program's signal settings do not matter.
 *
 * One stream belongs to one connection and its thread.
 */
#ifndef OUTLOOKFS_IMAP_STREAM_H
#define OUTLOOKFS_IMAP_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "imap/error.h"

struct imap_stream;

/* Takes `fd`, which is closed with the stream, or at once where NULL is returned (no memory). */
struct imap_stream *imap_stream_new(int fd);

/* Closes the socket; under TLS says goodbye first, where that needs no waiting. */
void imap_stream_free(struct imap_stream **stream);

/* IMAP_OK with *got == 0 means that there is nothing now. IMAP_ERR_CLOSED for every end, orderly
 * (FIN, close_notify) or not (RST, EOF without close_notify, a broken TLS record). Where the stream
 * is compressed, IMAP_ERR_PROTOCOL for what cannot be inflated, and IMAP_ERR_MEMORY. */
enum imap_error imap_stream_read(struct imap_stream *stream, char *to, size_t room, size_t *got)
    __attribute__((warn_unused_result));

/* Likewise; *sent may be less than `len`. Where the stream is compressed, this compresses a block
 * of them, which counts as sent: the other side may have got less, never more. It goes out with the
 * next call of this or of imap_stream_flush. */
enum imap_error imap_stream_write(struct imap_stream *stream, const char *from, size_t len,
                                  size_t *sent) __attribute__((warn_unused_result));

/* Sends what is left of such a block, as far as the socket takes it. IMAP_OK or IMAP_ERR_CLOSED. */
enum imap_error imap_stream_flush(struct imap_stream *stream) __attribute__((warn_unused_result));

/* From now on both directions are compressed (RFC 4978). `came` are bytes that were read already
 * and that are the first of them, IMAP_INFLATE_MAX (imap/deflate.h) at most. IMAP_ERR_MEMORY. */
enum imap_error imap_stream_compress(struct imap_stream *stream, const char *came, size_t len)
    __attribute__((warn_unused_result));

/* What to poll for before the next read, or the next write or flush where `writing`. */
short imap_stream_events(const struct imap_stream *stream, bool writing);
int imap_stream_fd(const struct imap_stream *stream);

/* Whether the last read found bytes: there may be more that poll does not know of. */
bool imap_stream_more(const struct imap_stream *stream);

/* How many bytes, as they cross the wire, the other side's TCP has taken; where that is unknown,
 * how many were handed to ours. */
uint64_t imap_stream_acknowledged(const struct imap_stream *stream);

struct imap_tls_settings {
    const char *host;   /* checked against the certificate, and sent as SNI unless an address */
    const char *cafile; /* NULL: the system's roots alone */
    uint16_t port;      /* for the message */
    int cancel_fd;
    int64_t deadline; /* of clock_ms */
};

/* Makes the stream TLS (1.2 or later), verifying chain and name; waits, up to the deadline.
 * IMAP_ERR_TLS, IMAP_ERR_CERT, IMAP_ERR_CERT_NAME, IMAP_ERR_CLOSED, IMAP_ERR_TIMEOUT,
 * IMAP_ERR_CANCELLED or IMAP_ERR_MEMORY with *failure filled; the stream is useless then. */
enum imap_error imap_stream_start_tls(struct imap_stream *stream,
                                      const struct imap_tls_settings *settings,
                                      struct imap_failure *failure)
    __attribute__((warn_unused_result));

#endif
