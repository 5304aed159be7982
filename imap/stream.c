/*
 * See stream.h.
 *
 * OpenSSL talks to the socket through a BIO made here: recv and send with MSG_NOSIGNAL on a
 * non-blocking socket, and a note of the end of file, which OpenSSL wants to tell an orderly end
 * from a cut one. To us both are the end: IMAP says BYE before it hangs up, and a cut inside a
 * response is seen by the parser.
 *
 * Under TLS a read may need to write and a write to read (key updates); the two `wants` flags
 * remember that for poll.
 *
 * Compression stands between the caller and TLS. A read takes from the wire once at most: a server
 * that sends much of what inflates to nothing keeps nobody in here.
 */
#include "imap/stream.h"

#include <errno.h>
#include <linux/sockios.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "imap/deflate.h"
#include "imap/failure.h"
#include "imap/tls.h"
#include "imap/wait.h"

struct imap_stream {
    int fd;
    SSL *ssl;                     /* NULL: plain */
    struct imap_deflate *deflate; /* NULL: not compressed */
    uint64_t sent;                /* bytes ever handed to the socket */
    bool eof;                     /* recv returned 0 */
    bool more;
    bool broken; /* OpenSSL must not be asked to say goodbye */
    bool read_wants_write, write_wants_read;
};

static bool would_block(int number)
{
    return number == EAGAIN || number == EWOULDBLOCK || number == EINTR;
}

static int bio_read(BIO *bio, char *to, size_t room, size_t *got)
{
    struct imap_stream *s = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ssize_t n = recv(s->fd, to, room, 0);
    if (n < 0 && would_block(errno))
        BIO_set_retry_read(bio);
    s->eof = s->eof || n == 0;
    *got = n > 0 ? (size_t)n : 0;
    return n > 0;
}

static int bio_write(BIO *bio, const char *from, size_t len, size_t *sent)
{
    struct imap_stream *s = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ssize_t n = send(s->fd, from, len, MSG_NOSIGNAL);
    if (n < 0 && would_block(errno))
        BIO_set_retry_write(bio);
    *sent = n > 0 ? (size_t)n : 0;
    s->sent += *sent;
    return n > 0;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    struct imap_stream *s = BIO_get_data(bio);
    (void)number;
    (void)pointer;
    switch (command) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_EOF:
        return s->eof;
    default:
        return 0;
    }
}

static BIO_METHOD *bio_method; /* made once, lives as long as the program */
static pthread_once_t bio_once = PTHREAD_ONCE_INIT;

static void bio_method_make(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "outlookfs");
    if (method == NULL)
        return;
    if (BIO_meth_set_read_ex(method, bio_read) == 1 &&
        BIO_meth_set_write_ex(method, bio_write) == 1 &&
        BIO_meth_set_ctrl(method, bio_control) == 1)
        bio_method = method;
    else
        BIO_meth_free(method);
}

struct imap_stream *imap_stream_new(int fd)
{
    struct imap_stream *s = calloc(1, sizeof *s);
    if (s == NULL) {
        close(fd);
        return NULL;
    }
    s->fd = fd;
    return s;
}

void imap_stream_free(struct imap_stream **stream)
{
    struct imap_stream *s = *stream;
    if (s == NULL)
        return;
    if (s->ssl != NULL) {
        ERR_clear_error();
        if (!s->broken && SSL_is_init_finished(s->ssl))
            SSL_shutdown(s->ssl);
        SSL_free(s->ssl);
        ERR_clear_error();
    }
    imap_deflate_free(&s->deflate);
    close(s->fd);
    free(s);
    *stream = NULL;
}

/* After a read or write of OpenSSL's that returned 0: what that means. */
static enum imap_error tls_outcome(struct imap_stream *s, bool *wants_other, int other)
{
    int code = SSL_get_error(s->ssl, 0);
    *wants_other = code == other;
    if (code == SSL_ERROR_WANT_READ || code == SSL_ERROR_WANT_WRITE)
        return IMAP_OK;
    s->broken = code != SSL_ERROR_ZERO_RETURN;
    if (code == SSL_ERROR_SSL)
        log_debug("imap: TLS ended: %s", ERR_reason_error_string(ERR_peek_last_error()));
    return IMAP_ERR_CLOSED;
}

static enum imap_error plain_outcome(struct imap_stream *s, ssize_t n)
{
    if (n < 0 && would_block(errno))
        return IMAP_OK;
    s->eof = s->eof || n == 0;
    if (n < 0)
        log_debug("imap: connection ended: %s", imap_failure_errno(errno));
    return IMAP_ERR_CLOSED;
}

static enum imap_error wire_read(struct imap_stream *s, char *to, size_t room, size_t *got)
{
    enum imap_error error = IMAP_OK;
    *got = 0;
    if (s->ssl == NULL) {
        ssize_t n = recv(s->fd, to, room, 0);
        if (n > 0)
            *got = (size_t)n;
        else
            error = plain_outcome(s, n);
    } else {
        ERR_clear_error();
        s->read_wants_write = false;
        if (SSL_read_ex(s->ssl, to, room, got) != 1)
            error = tls_outcome(s, &s->read_wants_write, SSL_ERROR_WANT_WRITE);
    }
    return error;
}

/* *came: bytes that were taken from the wire. */
static enum imap_error inflated_read(struct imap_stream *s, char *to, size_t room, size_t *got,
                                     size_t *came)
{
    enum imap_error error = imap_inflate(s->deflate, to, room, got);
    if (error != IMAP_OK || *got > 0)
        return error;
    size_t most = 0;
    char *wire = imap_inflate_wants(s->deflate, &most);
    error = wire_read(s, wire, most, came);
    if (*came == 0)
        return error;
    imap_inflate_came(s->deflate, *came);
    return imap_inflate(s->deflate, to, room, got);
}

enum imap_error imap_stream_read(struct imap_stream *s, char *to, size_t room, size_t *got)
{
    size_t came = 0;
    enum imap_error error =
        s->deflate == NULL ? wire_read(s, to, room, got) : inflated_read(s, to, room, got, &came);
    s->more = error == IMAP_OK && (*got > 0 || came > 0);
    return error;
}

static enum imap_error wire_write(struct imap_stream *s, const char *from, size_t len, size_t *sent)
{
    *sent = 0;
    if (s->ssl == NULL) {
        ssize_t n = send(s->fd, from, len, MSG_NOSIGNAL);
        if (n <= 0)
            return plain_outcome(s, n);
        *sent = (size_t)n;
        s->sent += *sent;
        return IMAP_OK;
    }
    ERR_clear_error();
    s->write_wants_read = false;
    if (SSL_write_ex(s->ssl, from, len, sent) == 1)
        return IMAP_OK;
    return tls_outcome(s, &s->write_wants_read, SSL_ERROR_WANT_READ);
}

static bool pending(const struct imap_stream *s)
{
    size_t len = 0;
    if (s->deflate != NULL)
        imap_deflate_pending(s->deflate, &len);
    return len > 0;
}

enum imap_error imap_stream_flush(struct imap_stream *s)
{
    while (pending(s)) {
        size_t len = 0, sent = 0;
        const char *from = imap_deflate_pending(s->deflate, &len);
        enum imap_error error = wire_write(s, from, len, &sent);
        if (error != IMAP_OK || sent == 0)
            return error;
        imap_deflate_sent(s->deflate, sent);
    }
    return IMAP_OK;
}

enum imap_error imap_stream_write(struct imap_stream *s, const char *from, size_t len, size_t *sent)
{
    if (s->deflate == NULL)
        return wire_write(s, from, len, sent);
    *sent = 0;
    enum imap_error error = imap_stream_flush(s);
    if (error != IMAP_OK || pending(s))
        return error;
    *sent = imap_deflate(s->deflate, from, len);
    return *sent > 0 ? IMAP_OK : IMAP_ERR_CLOSED;
}

enum imap_error imap_stream_compress(struct imap_stream *s, const char *came, size_t len)
{
    s->deflate = imap_deflate_new(came, len);
    if (s->deflate == NULL)
        return IMAP_ERR_MEMORY;
    s->more = true;
    return IMAP_OK;
}

short imap_stream_events(const struct imap_stream *s, bool writing)
{
    bool out = s->read_wants_write || ((writing || pending(s)) && !s->write_wants_read);
    return out ? POLLIN | POLLOUT : POLLIN;
}

int imap_stream_fd(const struct imap_stream *s)
{
    return s->fd;
}

bool imap_stream_more(const struct imap_stream *s)
{
    return s->more;
}

uint64_t imap_stream_acknowledged(const struct imap_stream *s)
{
    int queued = 0;
    bool known = ioctl(s->fd, SIOCOUTQ, &queued) == 0 && queued > 0;
    return known && (uint64_t)queued <= s->sent ? s->sent - (uint64_t)queued : s->sent;
}

static BIO *stream_bio(struct imap_stream *s)
{
    pthread_once(&bio_once, bio_method_make);
    BIO *bio = bio_method != NULL ? BIO_new(bio_method) : NULL;
    if (bio != NULL) {
        BIO_set_data(bio, s);
        BIO_set_init(bio, 1);
    }
    return bio;
}

/* One wait within the handshake, for what OpenSSL asked for. */
static enum imap_error handshake_wait(struct imap_stream *s, int code,
                                      const struct imap_tls_settings *settings,
                                      struct imap_failure *failure)
{
    struct imap_wait wait = {s->fd, code == SSL_ERROR_WANT_WRITE ? POLLOUT : POLLIN, -1,
                             settings->cancel_fd, settings->deadline};
    enum imap_error error = imap_wait(&wait);
    if (error == IMAP_ERR_TIMEOUT)
        imap_failure_set(failure, error,
                         "%s: no TLS handshake within the time; check port= and the network",
                         settings->host);
    else if (error != IMAP_OK)
        imap_failure_set(failure, error, "%s: cancelled", settings->host);
    return error;
}

static enum imap_error handshake(struct imap_stream *s, const struct imap_tls_settings *settings,
                                 struct imap_failure *failure)
{
    for (;;) {
        ERR_clear_error();
        int done = SSL_do_handshake(s->ssl);
        if (done == 1)
            return IMAP_OK;
        int code = SSL_get_error(s->ssl, done);
        if (code == SSL_ERROR_SSL)
            return imap_tls_explain(s->ssl, settings, failure);
        if (code != SSL_ERROR_WANT_READ && code != SSL_ERROR_WANT_WRITE)
            break;
        enum imap_error error = handshake_wait(s, code, settings, failure);
        if (error != IMAP_OK)
            return error;
    }
    imap_failure_set(failure, IMAP_ERR_CLOSED,
                     "%s: the server ended the connection during the TLS handshake; try again",
                     settings->host);
    return IMAP_ERR_CLOSED;
}

enum imap_error imap_stream_start_tls(struct imap_stream *s,
                                      const struct imap_tls_settings *settings,
                                      struct imap_failure *failure)
{
    s->ssl = imap_tls_new(settings, failure);
    if (s->ssl == NULL)
        return failure->error;
    s->broken = true;
    BIO *bio = stream_bio(s);
    if (bio == NULL) {
        imap_failure_set(failure, IMAP_ERR_MEMORY, "%s: out of memory", settings->host);
        return IMAP_ERR_MEMORY;
    }
    SSL_set_bio(s->ssl, bio, bio);
    enum imap_error error = handshake(s, settings, failure);
    if (error == IMAP_OK) {
        s->broken = false;
        s->more = true;
        log_debug("imap: %s: %s, %s", settings->host, SSL_get_version(s->ssl),
                  SSL_get_cipher_name(s->ssl));
    }
    ERR_clear_error();
    return error;
}
