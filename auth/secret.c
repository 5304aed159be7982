/*
 * See secret.h. A secret is in one of three states: none, had, being fetched. Whoever finds none
 * (or one whose time is over, or the one that a server refused) and nobody fetching fetches: in his
 * thread, bounded by his cancel_fd, while the mutex is free. Others wait for that run.
 *
 * A waiter must answer to its own cancel_fd too, which a condition variable cannot watch. So each
 * run has an eventfd, written once when the run is over and never read: waiters poll(2) it beside
 * their cancel_fd. The run is counted, and the last to leave frees it.
 *
 * A run's failure is everybody's failure, for the reason that a second attempt at once would only
 * fail again, N times over. Except that a cancelled runner speaks for himself alone: then one of
 * those who waited takes over.
 *
 * A run that yields the very secret that was refused is still an answer: the server may have
 * refused for another reason, and to run again at once would be a loop.
 */
#include "auth/source.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"

struct run {
    int done_fd;    /* readable once the run is over */
    unsigned users; /* protected by auth_secret.lock, as is what follows */
    enum auth_error result;
    char text[AUTH_TEXT_MAX];
};

struct auth_secret {
    struct auth_source source; /* never changes */
    pthread_mutex_t lock;
    struct buffer value;         /* protected by lock; empty: none */
    struct auth_fetched fetched; /* protected by lock: what came with it */
    struct run *run;             /* protected by lock; NULL: nobody fetches */
};

struct auth_secret *auth_secret_new(const struct auth_source *source)
{
    struct auth_secret *s = source->ctx != NULL ? calloc(1, sizeof *s) : NULL;
    if (s == NULL) {
        if (source->ctx != NULL)
            source->free(source->ctx);
        return NULL;
    }
    s->source = *source;
    buffer_init(&s->value, AUTH_SECRET_MAX);
    pthread_mutex_init(&s->lock, NULL);
    return s;
}

void auth_secret_free(struct auth_secret **s)
{
    if (*s == NULL)
        return;
    buffer_wipe(&(*s)->value);
    pthread_mutex_destroy(&(*s)->lock);
    (*s)->source.free((*s)->source.ctx);
    free(*s);
    *s = NULL;
}

/* Leaves the run; the last one frees it. With the lock held. */
static void run_leave(struct run *run)
{
    if (--run->users > 0)
        return;
    close(run->done_fd);
    free(run);
}

static struct run *run_new(void)
{
    struct run *run = calloc(1, sizeof *run);
    if (run == NULL)
        return NULL;
    run->users = 1;
    run->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (run->done_fd < 0) {
        free(run);
        return NULL;
    }
    return run;
}

/* Keeps a copy of exactly the secret's size; false without memory. */
static bool keep_value(struct auth_secret *s, const struct buffer *out)
{
    buffer_wipe(&s->value);
    return buffer_append(&s->value, out->data, out->len);
}

/* Fetches and tells those who wait. With the lock held, let go meanwhile. */
static enum auth_error fetch(struct auth_secret *s, const char *refused, int cancel_fd, char *text)
{
    struct run *run = run_new();
    struct buffer out;
    struct auth_fetched fetched = {.until = INT64_MAX};
    if (run == NULL) {
        snprintf(text, AUTH_TEXT_MAX, "no memory or no descriptor to sign in");
        return AUTH_ERR_MEMORY;
    }
    s->run = run;
    buffer_wipe(&s->value);
    pthread_mutex_unlock(&s->lock);
    buffer_init(&out, AUTH_SECRET_MAX);
    enum auth_error error =
        s->source.fetch(s->source.ctx, refused, cancel_fd, &out, &fetched, text);
    pthread_mutex_lock(&s->lock);
    if (error == AUTH_OK && !keep_value(s, &out)) {
        snprintf(text, AUTH_TEXT_MAX, "no memory for the secret");
        error = AUTH_ERR_MEMORY;
    }
    if (error == AUTH_OK)
        s->fetched = fetched;
    buffer_wipe(&out);
    run->result = error;
    memcpy(run->text, text, AUTH_TEXT_MAX);
    s->run = NULL;
    eventfd_write(run->done_fd, 1);
    run_leave(run);
    return error;
}

/* Waits for the run of another. With the lock held, let go meanwhile. *over is false when the
 * runner was cancelled, so that somebody must take his place. */
static enum auth_error await(struct auth_secret *s, int cancel_fd, char *text, bool *over)
{
    struct run *run = s->run;
    struct pollfd fds[] = {
        {.fd = run->done_fd, .events = POLLIN},
        {.fd = cancel_fd,    .events = POLLIN}
    };
    enum auth_error error = AUTH_ERR_CANCELLED;
    run->users++;
    pthread_mutex_unlock(&s->lock);
    while (poll(fds, 2, -1) < 0 && errno == EINTR)
        continue;
    pthread_mutex_lock(&s->lock);
    *over = true;
    if (fds[0].revents != 0) {
        error = run->result;
        *over = error != AUTH_ERR_CANCELLED;
        memcpy(text, run->text, AUTH_TEXT_MAX);
    } else {
        snprintf(text, AUTH_TEXT_MAX, "waiting for the secret was interrupted");
    }
    run_leave(run);
    return error;
}

/* Whether the secret at hand will do. One that is the answer to this very question does, whatever
 * the clock says: to ask again at once would be a loop. */
static bool usable(const struct auth_secret *s, const char *refused, bool answered)
{
    if (s->value.len == 0 || answered)
        return s->value.len > 0;
    return clock_wall() < s->fetched.until &&
           (refused == NULL || strcmp(s->value.data, refused) != 0);
}

enum auth_error auth_secret_get(struct auth_secret *s, const char *refused, int cancel_fd,
                                struct buffer *out, char *text)
{
    enum auth_error error = AUTH_OK;
    bool answered = false;
    memset(text, 0, AUTH_TEXT_MAX);
    pthread_mutex_lock(&s->lock);
    while (error == AUTH_OK && !usable(s, refused, answered)) {
        bool over = true;
        error =
            s->run != NULL ? await(s, cancel_fd, text, &over) : fetch(s, refused, cancel_fd, text);
        answered = over;
        if (!over)
            error = AUTH_OK;
    }
    if (error == AUTH_OK && !buffer_append(out, s->value.data, s->value.len)) {
        snprintf(text, AUTH_TEXT_MAX, "no memory for the secret");
        error = AUTH_ERR_MEMORY;
    }
    pthread_mutex_unlock(&s->lock);
    return error;
}

void auth_secret_state(struct auth_secret *s, struct auth_secret_state *state)
{
    pthread_mutex_lock(&s->lock);
    bool dated = s->value.len > 0 && s->fetched.until != INT64_MAX;
    *state = (struct auth_secret_state){.kind = s->source.kind,
                                        .kept = s->fetched.kept,
                                        .expires = dated ? s->fetched.until : 0,
                                        .fetching = s->run != NULL};
    pthread_mutex_unlock(&s->lock);
}
