/*
 * See progress.h. The thread looks at sync twice a second while something is under way, and sleeps
 * without end on sync_progress_fd while nothing is. Signals are left to the main thread.
 */
#include "cli/progress.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

enum { LOOK_MS = 500, LONG_MS = 1000, SILENT_MS = 5000 };

struct progress {
    char *host;
    int wake; /* eventfd */
    pthread_t thread;
    pthread_mutex_t lock;
    struct sync *sync; /* protected by lock, also while it is looked at; NULL: none */
    bool stopping;     /* protected by lock */
};

/* ---- the line ---- */

static long long seconds(int64_t ms)
{
    return (long long)(ms + 999) / 1000;
}

/* Whether what is waited for takes long enough to be said. A silence is first shown as work that
 * does not get on. */
static bool wait_is_long(const struct sync_progress *p)
{
    if (p->waiting == SYNC_WAIT_ANSWER)
        return p->waited_ms > SILENT_MS;
    return p->waiting != SYNC_WAIT_NOTHING && (p->left_ms > LONG_MS || p->waited_ms > LONG_MS);
}

static void wait_line(const struct sync_progress *p, const char *host, char *line, size_t size)
{
    char left[64] = "", until[CLOCK_TEXT_MAX];
    if (p->left_ms > 0)
        snprintf(left, sizeof left, " in %lld s", seconds(p->left_ms));
    clock_text((clock_wall_ms() + p->left_ms) / 1000, until);
    const char *when = left[0] != '\0' ? left : " with the next request";
    switch (p->waiting) {
    case SYNC_WAIT_BACKOFF:
        snprintf(line, size, "%s asked to wait until %s, %lld s more", host, until,
                 seconds(p->left_ms));
        break;
    case SYNC_WAIT_SECRET:
        snprintf(line, size, "waiting for the token or password ... %lld s",
                 (long long)p->waited_ms / 1000);
        break;
    case SYNC_WAIT_CONNECT:
        snprintf(line, size, "connecting to %s ... %lld s", host, (long long)p->waited_ms / 1000);
        break;
    case SYNC_WAIT_SIGN_IN:
        snprintf(line, size, "not signed in at %s, next attempt%s", host, when);
        break;
    case SYNC_WAIT_RECONNECT:
        snprintf(line, size, "no connection to %s, next attempt%s", host, when);
        break;
    default:
        snprintf(line, size, "no answer from %s for %lld s%s%s", host,
                 (long long)p->waited_ms / 1000, left[0] != '\0' ? ", given up" : "", left);
    }
}

static void listing_line(const struct sync_progress *p, char *line, size_t size)
{
    char more[64] = "";
    if (p->listings > 1)
        snprintf(more, sizeof more, ", and %u more", p->listings - 1);
    if (p->total == 0)
        snprintf(line, size, "listing %s%s", p->mailbox, more);
    else
        snprintf(line, size, "listing %s: %u of %u messages (%llu %%)%s", p->mailbox, p->landed,
                 p->total, (unsigned long long)p->landed * 100 / p->total, more);
}

static void bodies_line(const struct sync_progress *p, char *line, size_t size)
{
    double percent = p->bytes_expected > 0 ? (double)p->bytes * 100 / (double)p->bytes_expected : 0;
    snprintf(line, size, "fetching %u message%s: %.1f of %.1f MB (%.0f %%)", p->bodies,
             p->bodies > 1 ? "s" : "", (double)p->bytes / 1e6, (double)p->bytes_expected / 1e6,
             percent);
}

void progress_line(const struct sync_progress *p, const char *host, char line[PROGRESS_LINE_MAX])
{
    size_t len = (size_t)snprintf(line, PROGRESS_LINE_MAX, "outlookfs: ");
    char *text = line + len;
    size_t size = PROGRESS_LINE_MAX - len;
    if (wait_is_long(p))
        wait_line(p, host, text, size);
    else if (p->listings > 0 && p->listing_ms > LONG_MS)
        listing_line(p, text, size);
    else if (p->bodies > 0 && p->bodies_ms > LONG_MS)
        bodies_line(p, text, size);
    else
        line[0] = '\0';
}

/* ---- the thread ---- */

/* How long a wait has been seen, for those of which sync does not say when they began. */
struct seen {
    enum sync_wait waiting;
    int64_t since;
};

static void note_seen(struct seen *seen, struct sync_progress *p)
{
    int64_t now = clock_ms();
    if (p->waiting != seen->waiting)
        *seen = (struct seen){.waiting = p->waiting, .since = now};
    bool begins_here = p->waiting == SYNC_WAIT_SECRET || p->waiting == SYNC_WAIT_CONNECT;
    if (begins_here && p->waited_ms < now - seen->since)
        p->waited_ms = now - seen->since;
}

/* Draws what goes on. Returns the descriptor to sleep on while nothing does, -1: look again soon.
 */
static int look(struct progress *progress, struct seen *seen)
{
    struct sync_progress p = {.busy = true};
    char line[PROGRESS_LINE_MAX];
    int fd = -1;
    pthread_mutex_lock(&progress->lock);
    if (progress->sync != NULL) {
        fd = sync_progress_fd(progress->sync);
        sync_progress(progress->sync, &p);
    }
    pthread_mutex_unlock(&progress->lock);
    note_seen(seen, &p);
    progress_line(&p, progress->host, line);
    log_status(line);
    return p.busy ? -1 : fd;
}

static bool stopping(struct progress *progress)
{
    pthread_mutex_lock(&progress->lock);
    bool stop = progress->stopping;
    pthread_mutex_unlock(&progress->lock);
    return stop;
}

static void *show(void *arg)
{
    struct progress *progress = arg;
    struct seen seen = {0};
    bool stirred = false;
    while (!stopping(progress)) {
        int idle = look(progress, &seen);
        if (stirred) /* short requests, one after the other, must not each have a look of its own */
            idle = -1;
        struct pollfd fds[] = {
            {.fd = progress->wake, .events = POLLIN},
            {.fd = idle,           .events = POLLIN},
        };
        eventfd_t count;
        (void)!poll(fds, 2, idle < 0 ? LOOK_MS : -1);
        if (fds[0].revents != 0)
            (void)!eventfd_read(progress->wake, &count);
        stirred = fds[1].revents != 0;
        if (stirred)
            (void)!eventfd_read(idle, &count);
    }
    return NULL;
}

/* ---- its life ---- */

static void release(struct progress **progress)
{
    log_status_end();
    if ((*progress)->wake >= 0)
        close((*progress)->wake);
    pthread_mutex_destroy(&(*progress)->lock);
    free((*progress)->host);
    free(*progress);
    *progress = NULL;
}

struct progress *progress_start(const char *host)
{
    if (!log_status_begin())
        return NULL;
    struct progress *progress = calloc(1, sizeof *progress);
    if (progress == NULL) {
        log_status_end();
        return NULL;
    }
    progress->host = strdup(host);
    progress->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&progress->lock, NULL);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool good = progress->host != NULL && progress->wake >= 0 &&
                pthread_create(&progress->thread, NULL, show, progress) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!good)
        release(&progress); /* a mount without this line is a mount all the same */
    return progress;
}

void progress_opened(void *ctx, struct sync *sync)
{
    struct progress *progress = ctx;
    pthread_mutex_lock(&progress->lock);
    progress->sync = sync;
    pthread_mutex_unlock(&progress->lock);
    if (sync == NULL)
        log_status("");
    eventfd_write(progress->wake, 1);
}

void progress_stop(struct progress **progress)
{
    if (*progress == NULL)
        return;
    pthread_mutex_lock(&(*progress)->lock);
    (*progress)->stopping = true;
    pthread_mutex_unlock(&(*progress)->lock);
    eventfd_write((*progress)->wake, 1);
    pthread_join((*progress)->thread, NULL);
    release(progress);
}
