/*
 * See resolve.h.
 *
 * getaddrinfo cannot be interrupted and may take minutes when the name servers are silent. So it
 * runs in a thread of its own, detached, which shares one counted block with the caller: whoever
 * lets go last frees it. A caller that stops waiting just lets go; the thread ends when getaddrinfo
 * does, and touches nothing but the block. Its end is signalled by an eventfd, so that the caller
 * can poll it beside the cancel descriptor.
 *
 * A numeric address needs no thread and no name server.
 */
#include "imap/resolve.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "imap/wait.h"

#include <poll.h>

struct lookup {
    atomic_int holders;
    int ended_fd;
    char *host;
    char port[8];
    atomic_bool ended; /* set after the two below were written */
    int status;
    struct addrinfo *addresses;
};

static const struct addrinfo hints_name = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
static const struct addrinfo hints_number = {.ai_family = AF_UNSPEC,
                                             .ai_socktype = SOCK_STREAM,
                                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};

static void lookup_release(struct lookup *l)
{
    if (atomic_fetch_sub(&l->holders, 1) != 1)
        return;
    if (l->addresses != NULL)
        freeaddrinfo(l->addresses);
    if (l->ended_fd >= 0)
        close(l->ended_fd);
    free(l->host);
    free(l);
}

static struct lookup *lookup_new(const char *host, const char *port)
{
    struct lookup *l = calloc(1, sizeof *l);
    if (l == NULL)
        return NULL;
    atomic_init(&l->holders, 1);
    l->ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    l->host = strdup(host);
    snprintf(l->port, sizeof l->port, "%s", port);
    if (l->ended_fd >= 0 && l->host != NULL)
        return l;
    lookup_release(l);
    return NULL;
}

static void *lookup_run(void *arg)
{
    struct lookup *l = arg;
    l->status = getaddrinfo(l->host, l->port, &hints_name, &l->addresses);
    if (l->status != 0)
        l->addresses = NULL;
    atomic_store(&l->ended, true);
    eventfd_write(l->ended_fd, 1);
    lookup_release(l);
    return NULL;
}

/* Starts the thread with all signals blocked: they are for the program's own threads. */
static bool lookup_start(struct lookup *l)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, before;
    if (pthread_attr_init(&attr) != 0)
        return false;
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    atomic_fetch_add(&l->holders, 1);
    bool started = pthread_create(&thread, &attr, lookup_run, l) == 0;
    if (!started)
        atomic_fetch_sub(&l->holders, 1);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return started;
}

static enum imap_error lookup_take(struct lookup *l, struct addrinfo **addresses, const char **why)
{
    if (l->status != 0 || l->addresses == NULL) {
        *why = l->status == EAI_NONAME ? "the name is unknown; check host="
               : l->status == EAI_AGAIN
                   ? "the name servers do not answer; check the network and host="
                   : "the name cannot be looked up; check host= and the network";
        return l->status == EAI_MEMORY ? IMAP_ERR_MEMORY : IMAP_ERR_HOST;
    }
    *addresses = l->addresses;
    l->addresses = NULL;
    return IMAP_OK;
}

enum imap_error imap_resolve(const char *host, uint16_t port, int64_t deadline, int cancel_fd,
                             struct addrinfo **addresses, const char **why)
{
    char service[8];
    *addresses = NULL;
    *why = "out of memory or threads";
    snprintf(service, sizeof service, "%u", (unsigned)port);
    if (getaddrinfo(host, service, &hints_number, addresses) == 0)
        return IMAP_OK;
    *addresses = NULL;
    struct lookup *l = lookup_new(host, service);
    if (l == NULL)
        return IMAP_ERR_MEMORY;
    enum imap_error error = IMAP_ERR_MEMORY;
    if (!lookup_start(l))
        goto out;
    struct imap_wait wait = {l->ended_fd, POLLIN, -1, cancel_fd, deadline};
    error = imap_wait(&wait);
    if (error == IMAP_OK && atomic_load(&l->ended)) {
        error = lookup_take(l, addresses, why);
    } else if (error == IMAP_ERR_TIMEOUT) {
        *why = "the name servers do not answer; check the network and host=";
        error = IMAP_ERR_HOST;
    } else if (error == IMAP_ERR_CANCELLED) {
        *why = "cancelled";
    }
out:
    lookup_release(l);
    return error;
}
