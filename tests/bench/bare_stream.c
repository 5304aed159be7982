/* See bare_stream.h. A line that ends in {n} goes on after n bytes of literal (RFC 3501 section
 * 4.3); only its first STREAM_LINE_MAX bytes are kept. */
#include "tests/bench/bare_stream.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "bench_bare: %s\n", what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

void stream_open(struct stream *stream, const char *host, uint16_t port, const char *cafile)
{
    memset(stream, 0, sizeof *stream);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1 ||
        connect(fd, (const struct sockaddr *)&address, sizeof address) != 0)
        die("cannot connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (context == NULL)
        die("no TLS");
    if (cafile != NULL) {
        if (SSL_CTX_load_verify_locations(context, cafile, NULL) != 1)
            die("cafile");
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    }
    stream->ssl = SSL_new(context);
    SSL_CTX_free(context);
    if (stream->ssl == NULL || SSL_set_fd(stream->ssl, fd) != 1 || SSL_connect(stream->ssl) != 1)
        die("TLS handshake");
}

void stream_send(struct stream *stream, const char *text, size_t len)
{
    if (SSL_write(stream->ssl, text, (int)len) != (int)len)
        die("send");
}

static void fill(struct stream *stream)
{
    int n = SSL_read(stream->ssl, stream->input, sizeof stream->input);
    if (n <= 0)
        die("the server ended the connection");
    stream->bytes += (uint64_t)n;
    stream->at = 0;
    stream->end = (size_t)n;
}

/* Adds bytes of a line: its beginning is kept, and its last bytes. */
static void keep(struct stream *stream, const char *bytes, size_t n)
{
    size_t room = sizeof stream->line - 1 - stream->len;
    size_t fits = n < room ? n : room;
    memcpy(stream->line + stream->len, bytes, fits);
    stream->len += fits;
    size_t most = sizeof stream->tail - 1;
    if (n > most) {
        bytes += n - most;
        n = most;
    }
    if (stream->tail_len + n > most) {
        size_t gone = stream->tail_len + n - most;
        memmove(stream->tail, stream->tail + gone, stream->tail_len - gone);
        stream->tail_len -= gone;
    }
    memcpy(stream->tail + stream->tail_len, bytes, n);
    stream->tail_len += n;
    stream->tail[stream->tail_len] = '\0';
}

/* At the end of a line: the length of the literal that follows, or false. */
static bool literal_follows(struct stream *stream)
{
    const char *brace = strrchr(stream->tail, '{');
    char *end;
    if (brace == NULL || stream->tail[stream->tail_len - 1] != '}')
        return false;
    stream->literal = strtoull(brace + 1, &end, 10);
    return *end == '}';
}

const char *stream_line(struct stream *stream)
{
    stream->len = stream->tail_len = 0;
    for (;;) {
        if (stream->at == stream->end)
            fill(stream);
        const char *from = stream->input + stream->at;
        size_t have = stream->end - stream->at;
        if (stream->literal > 0) {
            size_t n = stream->literal < have ? (size_t)stream->literal : have;
            stream->literal -= n;
            stream->at += n;
            continue;
        }
        const char *newline = memchr(from, '\n', have);
        size_t n = newline != NULL ? (size_t)(newline - from) : have;
        keep(stream, from, n);
        stream->at += n + (newline != NULL);
        if (newline == NULL)
            continue;
        if (stream->tail_len > 0 && stream->tail[stream->tail_len - 1] == '\r')
            stream->tail[--stream->tail_len] = '\0';
        if (stream->tail_len > 0 && literal_follows(stream)) {
            stream->tail_len = 0;
            continue;
        }
        if (stream->len > 0 && stream->line[stream->len - 1] == '\r')
            stream->len--;
        stream->line[stream->len] = '\0';
        return stream->line;
    }
}
