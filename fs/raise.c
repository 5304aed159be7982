/*
 * See raise.h. The helper is started at the first event: this program once more (posix_spawn, which
 * is safe in a process with threads), with the socket and no other descriptor. It has the thread of
 * events for a parent, in the eyes of PR_SET_PDEATHSIG too.
 *
 * Whether an event is still true is asked of the cache just before the order goes, and by the gate
 * when the requests come. A name that the kernel holds already cannot be made: somebody looked it
 * up since it came. So it is dropped from the kernel's cache first, and once more where somebody
 * was faster.
 *
 * A helper that is gone is replaced with the next event. One that cannot be started, or does not
 * reach the mount, is tried again after a pause that grows; meanwhile events are lost, which a
 * watcher survives: the names themselves are right. An answer may take as long as some other
 * program's request keeps the directory locked; a helper that is silent beyond ANSWER_MS is killed.
 */
#include "fs/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "fs/raiser.h"

enum {
    ANSWER_MS = 120000,
    LOOK_MS = 50,      /* how often a wait looks whether the mount ends */
    LOCKED_MS = 60000, /* for a directory that the kernel has locked */
    PAUSE_FIRST_MS = 1000,
    PAUSE_MAX_MS = 60000,
    REAP_MS = 2000,
    TRIES = 3, /* for a name that others keep looking up */
    DEPTH_MAX = 64,
};

struct raise {
    char *program;
    pid_t helper; /* 0: none */
    int fd;       /* its socket; -1 */
    int64_t next; /* clock_ms before which none is started */
    int pause_ms; /* after the next failure */
};

struct raise *raise_new(struct fs *fs, const char *program)
{
    struct raise *raise = calloc(1, sizeof(*raise));

    if (raise == NULL)
        return NULL;
    raise->fd = -1;
    raise->pause_ms = PAUSE_FIRST_MS;
    raise->program = strdup(program);
    if (raise->program == NULL || fs->gate == NULL) {
        free(raise->program);
        free(raise);
        return NULL;
    }
    return raise;
}

/* ---- the process ---- */

static void reap(pid_t pid)
{
    const struct timespec pause = {.tv_nsec = 5000000};
    int64_t until = clock_ms() + REAP_MS;
    pid_t got;

    do {
        got = waitpid(pid, NULL, WNOHANG);
        if (got == 0)
            nanosleep(&pause, NULL);
    } while ((got == 0 || (got < 0 && errno == EINTR)) && clock_ms() < until);
    if (got == 0)
        log_warn("the helper for events, process %d, does not end", (int)pid);
}

/* The gate forgets it before its number can mean another process. */
static void end_helper(struct fs *fs, struct raise *raise)
{
    if (raise->helper == 0)
        return;
    gate_helper(fs->gate, 0);
    close(raise->fd);
    raise->fd = -1;
    kill(raise->helper, SIGKILL);
    reap(raise->helper);
    raise->helper = 0;
}

/* 0 or an errno. */
static int spawn(const struct fs *fs, const struct raise *raise, int end, pid_t *pid)
{
    char name[] = "outlookfs", word[] = RAISER_WORD;
    char *argv[] = {name, word, fs->mountpoint, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, pipe;
    int error;

    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    sigemptyset(&none);
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &pipe);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    error = posix_spawn_file_actions_adddup2(&actions, end, STDIN_FILENO);
    if (error == 0)
        error = posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (error == 0)
        error = posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
    if (error == 0)
        error = posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    if (error == 0)
        error = posix_spawn(pid, raise->program, &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

static void back_off(struct raise *raise)
{
    raise->next = clock_ms() + raise->pause_ms;
    raise->pause_ms = raise->pause_ms * 2 < PAUSE_MAX_MS ? raise->pause_ms * 2 : PAUSE_MAX_MS;
}

static bool start_helper(struct fs *fs, struct raise *raise)
{
    int ends[2] = {-1, -1}, error;
    pid_t pid = 0;

    if (clock_ms() < raise->next)
        return false;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        error = errno;
    else
        error = spawn(fs, raise, ends[1], &pid);
    if (ends[1] >= 0)
        close(ends[1]);
    if (error != 0) {
        if (ends[0] >= 0)
            close(ends[0]);
        log_warn("no helper for events: %s", strerror(error));
        back_off(raise);
        return false;
    }
    raise->fd = ends[0];
    raise->helper = pid;
    gate_helper(fs->gate, pid);
    log_debug("the helper for events is process %d", (int)pid);
    return true;
}

void raise_free(struct raise **raise)
{
    if (*raise == NULL)
        return;
    free((*raise)->program);
    free(*raise);
    *raise = NULL;
}

void raise_end(struct fs *fs)
{
    if (fs->raise != NULL)
        end_helper(fs, fs->raise);
}

/* ---- one order ---- */

enum outcome { OUTCOME_ANSWERED, OUTCOME_LOST, OUTCOME_STOPPING };

static enum outcome take_answer(struct fs *fs, const struct raise *raise, uint64_t nonce,
                                int *error)
{
    struct pollfd fd = {.fd = raise->fd, .events = POLLIN};
    int64_t until = clock_ms() + ANSWER_MS;
    struct raiser_answer answer;
    int ready = 0;

    while (ready <= 0 && clock_ms() < until) {
        if (events_stopping(fs->events))
            return OUTCOME_STOPPING;
        ready = poll(&fd, 1, LOOK_MS);
    }
    if (ready <= 0 ||
        recv(raise->fd, &answer, sizeof(answer), MSG_DONTWAIT) != (ssize_t)sizeof(answer) ||
        answer.nonce != nonce)
        return OUTCOME_LOST;
    *error = answer.error;
    return OUTCOME_ANSWERED;
}

static bool fill_nonce(struct raiser_order *order)
{
    return getrandom(&order->nonce, sizeof(order->nonce), 0) == (ssize_t)sizeof(order->nonce);
}

/* Sends the order and waits. *error: what the helper met; *agreed: the gate said yes. */
static enum outcome give(struct fs *fs, struct raise *raise, const struct event *event,
                         struct raiser_order *order, int *error, bool *agreed)
{
    enum outcome outcome = OUTCOME_LOST;

    if (!fill_nonce(order))
        return OUTCOME_LOST;
    gate_expect(fs->gate, event, order->nonce);
    if (send(raise->fd, order, sizeof(*order), MSG_NOSIGNAL) == (ssize_t)sizeof(*order))
        outcome = take_answer(fs, raise, order->nonce, error);
    *agreed = gate_done(fs->gate);
    return outcome;
}

/* The same by a helper that is there, or is made. A helper that was killed meanwhile may have been
 * so before the order came: the next one gets it, once. */
static enum outcome order(struct fs *fs, const struct event *event, struct raiser_order *order,
                          int *error)
{
    struct raise *raise = fs->raise;
    enum outcome outcome = OUTCOME_LOST;
    bool agreed = false;

    for (int try = 0; try < 2 && outcome == OUTCOME_LOST && !agreed; try++) {
        if (raise->helper == 0 && !start_helper(fs, raise))
            return OUTCOME_LOST;
        outcome = give(fs, raise, event, order, error, &agreed);
        if (outcome != OUTCOME_ANSWERED)
            end_helper(fs, raise);
    }
    if (agreed) {
        raise->pause_ms = PAUSE_FIRST_MS; /* a helper that was killed after it: no reason to wait */
    } else if (outcome == OUTCOME_LOST) {
        log_info("the helper for events ended; the next one is started when it is due");
        back_off(raise);
    }
    return outcome;
}

/* ---- from event to order ---- */

/* Puts "NAME/" before what is in `path`, which begins at *at. */
static bool prepend(char *path, size_t *at, const char *name)
{
    size_t len = strlen(name), slash = path[*at] != '\0';

    if (*at < len + slash)
        return false;
    if (slash)
        path[--*at] = '/';
    *at -= len;
    memcpy(path + *at, name, len);
    return true;
}

/* The path of a directory from the mount's root; false: there is none any more. */
static bool find_path(struct fs *fs, uint64_t directory, char path[RAISER_PATH_MAX])
{
    struct cache_inode inode = {.parent = directory};
    size_t at = RAISER_PATH_MAX - 1;

    path[at] = '\0';
    for (int depth = 0; inode.parent != CACHE_ROOT_INO; depth++) {
        if (depth == DEPTH_MAX || cache_inode_get(fs->cache, inode.parent, &inode) != CACHE_OK ||
            inode.kind != CACHE_DIRECTORY || !prepend(path, &at, inode.name))
            return false;
    }
    memmove(path, path + at, RAISER_PATH_MAX - at);
    return true;
}

/* Whether it is true yet; what is to be touched may bear another name by now. */
static bool is_true(struct fs *fs, struct event *event)
{
    struct cache_inode inode;

    if (event->kind == EVENT_DELETE)
        return cache_inode_lookup(fs->cache, event->parent, event->name, &inode) ==
               CACHE_ERR_ABSENT;
    if (cache_inode_get(fs->cache, event->ino, &inode) != CACHE_OK || inode.hidden)
        return false;
    if (event->kind == EVENT_ATTRIB || event->kind == EVENT_DIRECTORY) {
        event->parent = inode.parent;
        event->directory = inode.kind == CACHE_DIRECTORY;
        memcpy(event->name, inode.name, sizeof(event->name));
        return true;
    }
    return inode.parent == event->parent && strcmp(inode.name, event->name) == 0;
}

static bool fill_order(struct fs *fs, const struct event *event, struct raiser_order *order)
{
    bool self = event->kind == EVENT_DIRECTORY ||
                (event->kind == EVENT_ATTRIB && event->ino == CACHE_ROOT_INO);

    memset(order, 0, sizeof(*order));
    if (event->kind == EVENT_CREATE)
        order->act = event->directory ? RAISER_MAKE_DIRECTORY : RAISER_MAKE;
    else if (event->kind == EVENT_DELETE)
        order->act = event->directory ? RAISER_REMOVE_DIRECTORY : RAISER_REMOVE;
    else
        order->act = RAISER_TOUCH;
    snprintf(order->name, sizeof(order->name), "%s", self ? "." : event->name);
    return find_path(fs, self ? event->ino : event->parent, order->path);
}

/* As the notifier does (operations.c): who stands in line for a directory that a waiting request
 * has locked holds up every other name in it. False: not in time. */
static bool wait_for_directory(struct fs *fs, const struct event *event)
{
    const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
    int64_t until = clock_ms() + LOCKED_MS;

    while (waits_hold(&fs->waits, event->parent) || waits_hold(&fs->waits, event->ino)) {
        if (events_stopping(fs->events) || clock_ms() > until)
            return false;
        nanosleep(&pause, NULL);
    }
    return true;
}

void raise_event(void *ctx, const struct event *like)
{
    struct fs *fs = ctx;
    struct event event = *like;
    struct raiser_order sent;
    int error = EEXIST;

    for (int try = 0; try < TRIES && error == EEXIST; try++) {
        if (!is_true(fs, &event) || !wait_for_directory(fs, &event) ||
            !fill_order(fs, &event, &sent))
            return;
        /* A directory may live on under another name: what the kernel holds of it is not removed.
         */
        if ((event.kind == EVENT_CREATE && (try > 0 || !event.directory)) ||
            (event.kind == EVENT_DELETE && event.directory))
            fuse_lowlevel_notify_inval_entry(fs->session, event.parent, event.name,
                                             strlen(event.name));
        if (order(fs, &event, &sent, &error) != OUTCOME_ANSWERED)
            return;
    }
    if (error != 0)
        log_debug("an event for inode %llu was not raised: %s", (unsigned long long)event.ino,
                  strerror(error));
}
