/*
 * See dial.h. One bound covers the lookup and the connect; of what the lookup leaves, each address
 * gets an equal share, so that a first address that swallows packets cannot use up the time of a
 * second one that would answer. Addresses are tried in the order of RFC 6724, as they come.
 *
 * The socket is made for many small commands and long silences: no Nagle, and keep-alive probes
 * that find a dead peer within two minutes even while IDLE has no timeout of its own.
 */
#include "imap/dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "imap/failure.h"
#include "imap/resolve.h"
#include "imap/wait.h"

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
        return ntohl(in->sin_addr.s_addr) >> 24 == 127;
    }
    if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
        return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr) ||
               (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr) && in6->sin6_addr.s6_addr[12] == 127);
    }
    return false;
}

static void set_options(int fd)
{
    static const struct {
        int level, name, value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY,   1 },
        {SOL_SOCKET,  SO_KEEPALIVE,  1 },
        {IPPROTO_TCP, TCP_KEEPIDLE,  60},
        {IPPROTO_TCP, TCP_KEEPINTVL, 15},
        {IPPROTO_TCP, TCP_KEEPCNT,   4 },
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        /* Each helps, none is needed. */
        (void)setsockopt(fd, options[i].level, options[i].name, &options[i].value,
                         sizeof options[i].value);
    }
}

/* The outcome of a connect under way: 0, or an errno. */
static int connect_outcome(int fd)
{
    int number = 0;
    socklen_t len = sizeof number;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &len) == 0 ? number : errno;
}

/* Connects to one address. *number is the errno of IMAP_ERR_CONNECT. */
static enum imap_error connect_one(const struct addrinfo *address, int64_t deadline, int cancel_fd,
                                   int *fd, int *number)
{
    enum imap_error error = IMAP_ERR_CONNECT;
    int s = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    *number = errno;
    if (s < 0)
        return error;
    set_options(s);
    *number = connect(s, address->ai_addr, address->ai_addrlen) == 0 ? 0 : errno;
    if (*number == EINPROGRESS || *number == EINTR) {
        struct imap_wait wait = {s, POLLOUT, -1, cancel_fd, deadline};
        error = imap_wait(&wait);
        *number = error == IMAP_OK ? connect_outcome(s) : ETIMEDOUT;
    }
    if (error != IMAP_ERR_CANCELLED)
        error = *number == 0 ? IMAP_OK : IMAP_ERR_CONNECT;
    if (error == IMAP_OK)
        *fd = s;
    else
        close(s);
    return error;
}

static size_t count_addresses(const struct addrinfo *list, bool *all_loopback)
{
    size_t count = 0;
    *all_loopback = true;
    for (; list != NULL; list = list->ai_next, count++)
        *all_loopback = *all_loopback && is_loopback(list->ai_addr);
    return count;
}

/* Tries each address with its share of the time; the error of the last one stands for all. */
static enum imap_error connect_any(const struct imap_settings *settings,
                                   const struct addrinfo *list, size_t count, int64_t deadline,
                                   int *fd, struct imap_failure *failure)
{
    int number = 0;
    for (; list != NULL; list = list->ai_next, count--) {
        int64_t now = clock_ms();
        int64_t share = now + (deadline > now ? deadline - now : 0) / (int64_t)count;
        enum imap_error error = connect_one(list, share, settings->cancel_fd, fd, &number);
        if (error == IMAP_OK)
            return IMAP_OK;
        if (error == IMAP_ERR_CANCELLED) {
            imap_failure_set(failure, error, "%s: cancelled", settings->host);
            return error;
        }
        log_debug("imap: %s: connect: %s", settings->host, imap_failure_errno(number));
    }
    imap_failure_set(failure, IMAP_ERR_CONNECT,
                     "%s port %u: %s; check host=, port= and the network", settings->host,
                     (unsigned)settings->port, imap_failure_errno(number));
    return IMAP_ERR_CONNECT;
}

enum imap_error imap_dial(const struct imap_settings *settings, int *fd,
                          struct imap_failure *failure)
{
    struct addrinfo *list = NULL;
    const char *why = "";
    bool loopback = false;
    int64_t deadline = clock_ms() + settings->connect_timeout_ms;
    *fd = -1;
    enum imap_error error =
        imap_resolve(settings->host, settings->port, deadline, settings->cancel_fd, &list, &why);
    if (error != IMAP_OK) {
        imap_failure_set(failure, error, "%s: %s", settings->host, why);
        return error;
    }
    size_t count = count_addresses(list, &loopback);
    if (settings->tls == IMAP_TLS_NONE && !loopback) {
        error = IMAP_ERR_CLEARTEXT;
        imap_failure_set(failure, error,
                         "%s: tls=none is for loopback addresses alone; use tls=implicit or "
                         "tls=starttls",
                         settings->host);
    } else {
        error = connect_any(settings, list, count, deadline, fd, failure);
    }
    freeaddrinfo(list);
    return error;
}
