/* See peer.h. Nothing in the thread asserts: cmocka's jumps belong to the main thread. */
#include "tests/unit/test.h"

#include "tests/unit/imap/peer.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_S = 20 };

static ssize_t receive_wire(struct peer *p, void *to, size_t room)
{
    ssize_t n = p->ssl != NULL ? SSL_read(p->ssl, to, (int)room) : recv(p->fd, to, room, 0);
    p->received += n > 0 ? n : 0;
    return n;
}

static ssize_t receive(struct peer *p, char *to, size_t room)
{
    if (!p->compresses)
        return receive_wire(p, to, room);
    p->inflater.next_out = (unsigned char *)to;
    p->inflater.avail_out = (unsigned)room;
    for (;;) {
        int code = inflate(&p->inflater, Z_SYNC_FLUSH);
        ssize_t got = (ssize_t)(room - p->inflater.avail_out);
        p->inflated += got;
        if (got > 0)
            return got;
        if (code != Z_OK && code != Z_BUF_ERROR)
            return -1;
        ssize_t n = receive_wire(p, p->wire, sizeof p->wire);
        if (n <= 0)
            return n;
        p->inflater.next_in = p->wire;
        p->inflater.avail_in = (unsigned)n;
    }
}

static bool transmit_wire(struct peer *p, const char *from, size_t len)
{
    bool cut = p->cut_after >= 0 && p->sent + (long)len >= p->cut_after;
    if (cut)
        len = (size_t)(p->cut_after - p->sent);
    while (len > 0) {
        ssize_t n = p->ssl != NULL ? SSL_write(p->ssl, from, (int)len)
                                   : send(p->fd, from, len, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        p->sent += n;
        from += n;
        len -= (size_t)n;
    }
    return !cut;
}

/* Compressed and flushed to the end of a byte: at most some bytes more than `len`. */
static size_t pack(struct peer *p, const char *from, size_t len, char *to, size_t room)
{
    p->deflater.next_in = (unsigned char *)(uintptr_t)from;
    p->deflater.avail_in = (unsigned)len;
    p->deflater.next_out = (unsigned char *)to;
    p->deflater.avail_out = (unsigned)room;
    deflate(&p->deflater, Z_SYNC_FLUSH);
    return room - p->deflater.avail_out;
}

static bool transmit(struct peer *p, const char *from, size_t len)
{
    char packed[16384];
    if (!p->compresses)
        return transmit_wire(p, from, len);
    return transmit_wire(p, packed, pack(p, from, len, packed, sizeof packed));
}

static void pause_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

/* Takes one line, without CRLF; false at the end of the stream. */
static bool take_line(struct peer *p, char *line, size_t room)
{
    for (;;) {
        char *end = memchr(p->in, '\n', p->in_len);
        if (end != NULL) {
            size_t len = (size_t)(end - p->in), kept = len > 0 && end[-1] == '\r' ? len - 1 : len;
            snprintf(line, room, "%.*s", (int)kept, p->in);
            p->in_len -= len + 1;
            memmove(p->in, end + 1, p->in_len);
            return true;
        }
        if (p->in_len == sizeof p->in)
            return false;
        ssize_t n = receive(p, p->in + p->in_len, sizeof p->in - p->in_len);
        if (n <= 0)
            return false;
        p->in_len += (size_t)n;
    }
}

static bool expect(struct peer *p, const char *wanted)
{
    static _Thread_local char line[65536];
    size_t len = strlen(wanted);
    bool open_ended = len >= 3 && strcmp(wanted + len - 3, "...") == 0;
    if (!take_line(p, line, sizeof line))
        snprintf(line, sizeof line, "(end)");
    if (open_ended ? strncmp(line, wanted, len - 3) == 0 : strcmp(line, wanted) == 0)
        return true;
    if (p->mismatch[0] == '\0')
        snprintf(p->mismatch, sizeof p->mismatch, "wanted \"%.200s\", got \"%.200s\"", wanted,
                 line);
    return false;
}

/* Takes `count` bytes, in pieces of at most `piece`, `ms` apart. */
static bool take_bytes(struct peer *p, size_t count, size_t piece, long ms)
{
    while (count > 0) {
        size_t n = count < piece ? count : piece;
        if (p->in_len == 0) {
            ssize_t got = receive(p, p->in, n < sizeof p->in ? n : sizeof p->in);
            if (got <= 0)
                return false;
            p->in_len = (size_t)got;
        }
        n = n < p->in_len ? n : p->in_len;
        p->in_len -= n;
        memmove(p->in, p->in + n, p->in_len);
        count -= n;
        if (ms > 0)
            pause_ms(ms);
    }
    return true;
}

static bool quiet(struct peer *p, int ms)
{
    struct pollfd fd = {.fd = p->fd, .events = POLLIN};
    if (p->in_len == 0 && poll(&fd, 1, ms) == 0)
        return true;
    snprintf(p->mismatch, sizeof p->mismatch, "the client did not keep quiet");
    return false;
}

static bool start_tls(struct peer *p)
{
    p->ssl = SSL_new(p->tls);
    SSL_set_fd(p->ssl, p->fd);
    return SSL_accept(p->ssl) == 1;
}

static bool send_line(struct peer *p, const char *text)
{
    char line[8192];
    int len = snprintf(line, sizeof line, "%s\r\n", text);
    return transmit(p, line, (size_t)len);
}

/* Two lines, parted by "|", in one packet. */
static bool inject(struct peer *p, const char *text)
{
    char lines[8192];
    const char *second = strchr(text, '|');
    if (second == NULL)
        return false;
    int len =
        snprintf(lines, sizeof lines, "%.*s\r\n%s\r\n", (int)(second - text), text, second + 1);
    return transmit(p, lines, (size_t)len);
}

static bool compress_from_here(struct peer *p, const char *text)
{
    char packet[16384], second[8192];
    size_t first = strcspn(text, "|");
    int len = snprintf(packet, sizeof packet, "%.*s\r\n", (int)first, text);
    inflateInit2(&p->inflater, -15);
    deflateInit2(&p->deflater, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
    p->inflater.next_in = p->wire;
    p->compresses = true;
    if (text[first] == '|') {
        int more = snprintf(second, sizeof second, "%s\r\n", text + first + 1);
        len += (int)pack(p, second, (size_t)more, packet + len, sizeof packet - (size_t)len);
    }
    return transmit_wire(p, packet, (size_t)len);
}

static bool empty_blocks(struct peer *p, long count)
{
    while (count-- > 0) {
        if (!transmit_wire(p, "\0\0\0\xff\xff", 5))
            return false;
        pause_ms(1);
    }
    return true;
}

static bool dribble(struct peer *p, const char *text)
{
    char *rest = NULL;
    long ms = strtol(text, &rest, 10);
    for (rest++; *rest != '\0'; rest++) {
        if (!transmit(p, rest, 1))
            return false;
        pause_ms(ms);
    }
    return transmit(p, "\r\n", 2);
}

static bool flood(struct peer *p, long count)
{
    char block[4096];
    memset(block, 'x', sizeof block);
    for (; count > 0; count -= (long)sizeof block) {
        if (!transmit(p, block, (size_t)count < sizeof block ? (size_t)count : sizeof block))
            return false;
    }
    return true;
}

/* Reads on until the client hangs up. */
static void linger(struct peer *p, bool answer)
{
    static _Thread_local char line[65536];
    while (take_line(p, line, sizeof line)) {
        if (answer && strstr(line, "LOGOUT") != NULL) {
            p->logged_out = true;
            send_line(p, "* BYE signing off.");
            return;
        }
    }
}

static bool obey(struct peer *p, const char *line)
{
    const char *text = line[0] != '\0' && line[1] == ' ' ? line + 2 : "";
    switch (line[0]) {
    case 'S':
        return send_line(p, text);
    case 'I':
        return inject(p, text);
    case 'Z':
        return compress_from_here(p, text);
    case 'E':
        return empty_blocks(p, strtol(text, NULL, 10));
    case 'B':
        return transmit_wire(p, text, strlen(text));
    case 'R':
        return transmit(p, text, strlen(text));
    case 'C':
        return expect(p, text);
    case 'D':
        return dribble(p, text);
    case 'L':
        return take_bytes(p, strtoul(text, NULL, 10), sizeof p->in, 0);
    case 'Q':
        return quiet(p, (int)strtol(text, NULL, 10));
    case 'W':
        return take_bytes(p, strtoul(text, NULL, 10), 4096, 50);
    case 'F':
        return flood(p, strtol(text, NULL, 10));
    case 'T':
        return start_tls(p);
    case 'P':
        pause_ms(strtol(text, NULL, 10));
        return true;
    case 'H':
        linger(p, false);
        return false;
    default: /* X */
        return false;
    }
}

static void converse(struct peer *p)
{
    char line[8192];
    if (p->implicit_tls && !start_tls(p))
        return;
    for (const char *at = p->script; *at != '\0';) {
        const char *end = strchr(at, '\n');
        size_t len = end != NULL ? (size_t)(end - at) : strlen(at);
        snprintf(line, sizeof line, "%.*s", (int)len, at);
        if (!obey(p, line))
            return;
        at += len + (end != NULL ? 1 : 0);
    }
    linger(p, true);
}

static void *run(void *arg)
{
    struct peer *p = arg;
    sigset_t pipe_signal;
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, NULL);
    p->fd = accept(p->listener, NULL, NULL);
    if (p->fd < 0)
        return NULL;
    struct timeval patience = {PATIENCE_S, 0};
    int one = 1;
    setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(p->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(p->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    converse(p);
    if (p->ssl != NULL)
        SSL_free(p->ssl);
    if (p->compresses) {
        inflateEnd(&p->inflater);
        deflateEnd(&p->deflater);
    }
    ERR_clear_error();
    shutdown(p->fd, SHUT_WR);
    ssize_t rest;
    while ((rest = recv(p->fd, p->in, sizeof p->in, 0)) > 0) /* else they turn the end into RST */
        p->received += rest;
    close(p->fd);
    return NULL;
}

void peer_start(struct peer *p)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    int window = 8192;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(p->listener, (struct sockaddr *)&address, len), 0);
    if (p->narrow)
        setsockopt(p->listener, SOL_SOCKET, SO_RCVBUF, &window, sizeof window);
    assert_int_equal(listen(p->listener, 4), 0);
    assert_int_equal(getsockname(p->listener, (struct sockaddr *)&address, &len), 0);
    p->port = ntohs(address.sin_port);
    p->fd = -1;
    p->ssl = NULL;
    p->sent = p->received = 0;
    p->compresses = false;
    p->inflated = 0;
    p->inflater = p->deflater = (z_stream){0};
    p->in_len = 0;
    p->logged_out = false;
    p->mismatch[0] = '\0';
    assert_int_equal(pthread_create(&p->thread, NULL, run, p), 0);
}

void peer_stop(struct peer *p)
{
    shutdown(p->listener, SHUT_RDWR); /* a client that never came */
    pthread_join(p->thread, NULL);
    close(p->listener);
}

void peer_finish(struct peer *p)
{
    peer_stop(p);
    if (p->mismatch[0] != '\0')
        print_error("peer: %s\n", p->mismatch);
    assert_string_equal(p->mismatch, "");
}
