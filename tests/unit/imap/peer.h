/*
 * A scripted IMAP server on loopback, in a thread of its own, for one connection.
 *
 * A script is lines; the first letter says what to do:
 *   S text      send the line, with CRLF             R text   send it without CRLF
 *   C text      expect this line; "..." at its end matches anything
 *   L n         take n bytes, whatever they are: a literal
 *   W n         the same, 4 kB every 50 ms
 *   Q ms        the client must say nothing for so long
 *   D ms text   send the line one byte at a time, `ms` apart
 *   F n         send n bytes 'x', as fast as they go
 *   T           start TLS as the server             P ms     pause
 *   I a|b       send two lines in one packet
 *   Z a|b       send the line a; from its end on both sides compress (RFC 4978), so b, which goes
 * in the same packet, is compressed. B text: send it without CRLF, not compressed; E n: n blocks of
 * deflate that hold nothing, 1 ms apart H           say nothing until the client hangs up X hang up
 * at once After the last line it answers LOGOUT and waits until the client hangs up.
 */
#ifndef OUTLOOKFS_TESTS_UNIT_IMAP_PEER_H
#define OUTLOOKFS_TESTS_UNIT_IMAP_PEER_H

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <zlib.h>

struct peer {
    const char *script;
    SSL_CTX *tls;      /* for T; NULL: plain */
    bool implicit_tls; /* T before the first line */
    long cut_after;    /* hang up after that many bytes of script; -1: never */
    bool narrow;       /* a small window: what the peer does not read stays with the client */

    uint16_t port;
    int listener, fd;
    SSL *ssl;
    pthread_t thread;
    long sent, received;
    bool compresses;
    long inflated; /* bytes of what was received, once both compress */
    z_stream inflater, deflater;
    unsigned char wire[16384]; /* inflater.next_in points here */
    bool logged_out;
    char in[65536]; /* what the client sent and no C line has taken yet */
    size_t in_len;
    char mismatch[512]; /* "" or the first C line that did not come */
};

/* Listens and starts the thread. */
void peer_start(struct peer *peer);

/* Waits for the thread; the client must have hung up. Fails the test when a line did not match. */
void peer_finish(struct peer *peer);
/* Likewise, without looking at the lines. */
void peer_stop(struct peer *peer);

#endif
