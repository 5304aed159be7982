/*
 * See secret.h. A secret is in one of three states: none, had, being fetched. Whoever finds none
 * (or finds the one that a server refused) and nobody fetching becomes the runner: the command runs
 * in his thread, bounded by his cancel_fd, while the mutex is free. Others wait for that run.
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
#include "auth/secret.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "auth/command.h"
#include "base/log.h"

enum { LABEL_MAX = 120, WORD_MAX = 60 };

struct run {
    int done_fd;    /* readable once the run is over */
    unsigned users; /* protected by auth_secret.lock, as is what follows */
    enum auth_error result;
    char text[AUTH_TEXT_MAX];
};

struct auth_secret {
    char **argv; /* these three never change */
    char label[LABEL_MAX];
    int timeout_ms;
    pthread_mutex_t lock;
    struct buffer value; /* protected by lock; empty: none */
    struct run *run;     /* protected by lock; NULL: nobody fetches */
};

/* How messages call the command: by its first word, unless that may be more than a name. */
static void write_label(char *label, const char *command)
{
    size_t len = strcspn(command, " \t\r\n");
    if (len == 0 || len > WORD_MAX || memchr(command, '=', len) != NULL)
        snprintf(label, LABEL_MAX, "the command for the secret");
    else
        snprintf(label, LABEL_MAX, "the command '%.*s'", (int)len, command);
    log_make_printable(label, strlen(label));
}

static void free_words(char **words)
{
    for (size_t i = 0; words != NULL && words[i] != NULL; i++)
        free(words[i]);
    free(words);
}

static char **copy_words(char *const words[])
{
    size_t count = 0;
    while (words[count] != NULL)
        count++;
    char **copy = calloc(count + 1, sizeof *copy);
    for (size_t i = 0; copy != NULL && i < count; i++) {
        copy[i] = strdup(words[i]);
        if (copy[i] == NULL) {
            free_words(copy);
            return NULL;
        }
    }
    return copy;
}

struct auth_secret *auth_secret_from_command(char *const argv[], const char *shell, int timeout_ms)
{
    char sh[] = "/bin/sh";
    char flag[] = "-c";
    struct auth_secret *s = calloc(1, sizeof *s);
    char *script = strdup(shell != NULL ? shell : "");
    if (s != NULL && script != NULL) {
        char *const by_shell[] = {sh, flag, script, NULL};
        s->argv = copy_words(argv != NULL ? argv : by_shell);
        s->timeout_ms = timeout_ms;
        write_label(s->label, argv == NULL ? script : argv[0] != NULL ? argv[0] : "");
        buffer_init(&s->value, AUTH_SECRET_MAX);
        pthread_mutex_init(&s->lock, NULL);
    }
    free(script);
    if (s != NULL && s->argv == NULL) {
        free(s);
        s = NULL;
    }
    return s;
}

void auth_secret_free(struct auth_secret **s)
{
    if (*s == NULL)
        return;
    buffer_wipe(&(*s)->value);
    pthread_mutex_destroy(&(*s)->lock);
    free_words((*s)->argv);
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
static bool keep_value(struct auth_secret *s, const struct buffer *line)
{
    buffer_wipe(&s->value);
    return buffer_append(&s->value, line->data, line->len);
}

/* Runs the command and tells those who wait. With the lock held, let go while the command runs. */
static enum auth_error fetch(struct auth_secret *s, int cancel_fd, char *text)
{
    struct run *run = run_new();
    struct buffer line;
    if (run == NULL) {
        snprintf(text, AUTH_TEXT_MAX, "no memory or no descriptor to run %s", s->label);
        return AUTH_ERR_MEMORY;
    }
    s->run = run;
    buffer_wipe(&s->value);
    pthread_mutex_unlock(&s->lock);
    buffer_init(&line, AUTH_SECRET_MAX);
    enum auth_error error =
        auth_command_run(s->argv, s->label, s->timeout_ms, cancel_fd, &line, text);
    pthread_mutex_lock(&s->lock);
    if (error == AUTH_OK && !keep_value(s, &line)) {
        snprintf(text, AUTH_TEXT_MAX, "no memory for what %s printed", s->label);
        error = AUTH_ERR_MEMORY;
    }
    buffer_wipe(&line);
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
        snprintf(text, AUTH_TEXT_MAX, "waiting for %s was interrupted", s->label);
    }
    run_leave(run);
    return error;
}

static bool usable(const struct auth_secret *s, const char *refused)
{
    return s->value.len > 0 && (refused == NULL || strcmp(s->value.data, refused) != 0);
}

enum auth_error auth_secret_get(struct auth_secret *s, const char *refused, int cancel_fd,
                                struct buffer *out, char *text)
{
    enum auth_error error = AUTH_OK;
    memset(text, 0, AUTH_TEXT_MAX);
    pthread_mutex_lock(&s->lock);
    while (error == AUTH_OK && !usable(s, refused)) {
        bool over = true;
        error = s->run != NULL ? await(s, cancel_fd, text, &over) : fetch(s, cancel_fd, text);
        refused = NULL;
        if (!over)
            error = AUTH_OK;
    }
    if (error == AUTH_OK && !buffer_append(out, s->value.data, s->value.len)) {
        snprintf(text, AUTH_TEXT_MAX, "no memory for what %s printed", s->label);
        error = AUTH_ERR_MEMORY;
    }
    pthread_mutex_unlock(&s->lock);
    return error;
}
