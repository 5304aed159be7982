/*
 * TLS to a server on loopback, and a scanner that finds tagged replies without parsing: it knows
 * lines and literals, which is all that counting and discarding need.
 */
#ifndef OUTLOOKFS_BENCH_BARE_STREAM_H
#define OUTLOOKFS_BENCH_BARE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>

enum { STREAM_LINE_MAX = 512 };

struct stream {
    SSL *ssl;
    uint64_t bytes;             /* received, as plain text */
    uint64_t literal;           /* bytes of a literal still to come */
    char line[STREAM_LINE_MAX]; /* the beginning of the line so far, without literals */
    size_t len;
    char tail[24]; /* its last bytes */
    size_t tail_len;
    char input[65536];
    size_t at, end;
};

/* Connects; ends the program with a message when that fails. `cafile` NULL: no check. */
void stream_open(struct stream *stream, const char *host, uint16_t port, const char *cafile);
void stream_send(struct stream *stream, const char *text, size_t len);

/* The next line (its beginning, without CRLF), literals left out; it stands until the next call. */
const char *stream_line(struct stream *stream);

#endif
