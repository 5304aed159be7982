/*
 * See command.h. One run is: start, gather, settle.
 *
 * Start: posix_spawn, since between fork and exec a process with other threads may call nothing
 * but async-signal-safe functions, and because its attributes say all we need: signals unblocked
 * and at their defaults (the mount blocks some), every descriptor above 2 closed, a session of its
 * own. The session has no terminal: a command that would ask a question there fails at once, rather
 * than stop until its time is up.
 *
 * Gather: waits for output, the command's end (a pidfd), cancellation and the deadline in one
 * poll(2). The command's end counts, not the end of its output: a helper that it left behind
 * (gpg-agent, ssh-agent) may hold the pipe open for days.
 *
 * Settle: a run that did not end by itself is ended with its whole process group. The leader is
 * reaped last, so its id cannot be another process's while it is signalled.
 *
 * The output is a secret: it stands in the caller's buffer alone, which is reserved whole at the
 * start so that growing leaves no copies behind. stderr goes nowhere, since commands quote tokens
 * in their complaints.
 */
#include "auth/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

enum { GRACE_MS = 500 };

struct run {
    const char *label;
    char *text; /* AUTH_TEXT_MAX bytes, for the caller */
    int timeout_ms;
    int64_t deadline; /* of clock_ms */
    int cancel_fd;
    int output; /* read end of the command's stdout; -1 once it is at its end */
    int pidfd;
    pid_t pid;
    bool ended; /* by itself; not yet reaped */
};

static enum auth_error fail(struct run *run, enum auth_error error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum auth_error fail(struct run *run, enum auth_error error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(run->text, AUTH_TEXT_MAX, format, args);
    va_end(args);
    return error;
}

/* Returns 0 or an errno. */
static int spawn_with(pid_t *pid, char *const argv[], int output,
                      posix_spawn_file_actions_t *actions, posix_spawnattr_t *attr)
{
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    int error = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);
    if (error == 0)
        error = posix_spawn_file_actions_adddup2(actions, output, 1);
    if (error == 0)
        error = posix_spawn_file_actions_addopen(actions, 2, "/dev/null", O_WRONLY, 0);
    if (error == 0)
        error = posix_spawn_file_actions_addclosefrom_np(actions, 3);
    posix_spawnattr_setsigmask(attr, &none);
    posix_spawnattr_setsigdefault(attr, &all);
    posix_spawnattr_setflags(attr,
                             POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    return error != 0 ? error : posix_spawnp(pid, argv[0], actions, attr, argv, environ);
}

static int spawn(pid_t *pid, char *const argv[], int output)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    if (argv[0] == NULL)
        return ENOENT;
    int error = posix_spawn_file_actions_init(&actions);
    if (error != 0)
        return error;
    error = posix_spawnattr_init(&attr);
    if (error == 0) {
        error = spawn_with(pid, argv, output, &actions, &attr);
        posix_spawnattr_destroy(&attr);
    }
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

/* The pipe's ends are moved above the standard descriptors: where the daemon runs with one of these
 * closed, the child's own would otherwise be overwritten while they are set up. */
static int make_pipe(int ends[2])
{
    int made[2];
    if (pipe2(made, O_CLOEXEC) != 0)
        return errno;
    int error = 0;
    for (int i = 0; i < 2; i++) {
        ends[i] = fcntl(made[i], F_DUPFD_CLOEXEC, 3);
        if (ends[i] < 0)
            error = errno;
        close(made[i]);
    }
    if (error == 0 && fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0)
        error = errno;
    for (int i = 0; i < 2 && error != 0; i++) {
        if (ends[i] >= 0)
            close(ends[i]);
    }
    return error;
}

static enum auth_error start(struct run *run, char *const argv[])
{
    int ends[2] = {-1, -1};
    int error = make_pipe(ends);
    if (error != 0)
        return fail(run, AUTH_ERR_COMMAND, "%s cannot be started: %s", run->label,
                    strerrordesc_np(error));
    error = spawn(&run->pid, argv, ends[1]);
    close(ends[1]);
    run->output = ends[0];
    if (error != 0)
        return fail(run, AUTH_ERR_COMMAND,
                    "%s cannot be started: %s; check its name and that it can be run", run->label,
                    strerrordesc_np(error));
    run->pidfd = pidfd_open(run->pid, 0);
    if (run->pidfd < 0)
        return fail(run, AUTH_ERR_COMMAND, "%s cannot be watched: %s", run->label,
                    strerrordesc_np(errno));
    return AUTH_OK;
}

/* Takes what output there is. */
static enum auth_error read_output(struct run *run, struct buffer *out)
{
    char extra;
    while (run->output >= 0) {
        size_t room = AUTH_SECRET_MAX - out->len;
        char *to = room > 0 ? buffer_reserve(out, room) : &extra;
        ssize_t got = read(run->output, to, room > 0 ? room : 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return AUTH_OK;
        if (got > 0 && room == 0)
            return fail(run, AUTH_ERR_COMMAND,
                        "%s printed more than %d bytes: its first line must be the secret alone",
                        run->label, AUTH_SECRET_MAX);
        if (got > 0) {
            buffer_commit(out, (size_t)got);
            continue;
        }
        close(run->output);
        run->output = -1;
    }
    return AUTH_OK;
}

/* Reads until the command has ended, and what it had printed by then. */
static enum auth_error gather(struct run *run, struct buffer *out)
{
    while (!run->ended) {
        struct pollfd fds[] = {
            {.fd = run->cancel_fd, .events = POLLIN},
            {.fd = run->pidfd,     .events = POLLIN},
            {.fd = run->output,    .events = POLLIN}
        };
        int ready = poll(fds, 3, clock_until(run->deadline));
        if (ready < 0 && errno != EINTR)
            return fail(run, AUTH_ERR_COMMAND, "%s cannot be waited for: %s", run->label,
                        strerrordesc_np(errno));
        if (ready < 0)
            continue;
        if (fds[0].revents != 0)
            return fail(run, AUTH_ERR_CANCELLED, "%s was interrupted", run->label);
        run->ended = fds[1].revents != 0;
        enum auth_error error = read_output(run, out);
        if (error != AUTH_OK)
            return error;
        if (!run->ended && clock_until(run->deadline) == 0)
            return fail(run, AUTH_ERR_TIMEOUT,
                        "%s did not end within %d s: run it by hand to see what it waits for",
                        run->label, (run->timeout_ms + 999) / 1000);
    }
    return AUTH_OK;
}

/* Ends the command's process group; its leader is a zombie afterwards. */
static void end_group(const struct run *run)
{
    struct pollfd fd = {.fd = run->pidfd, .events = POLLIN};
    int64_t deadline = clock_ms() + GRACE_MS;
    kill(-run->pid, SIGTERM);
    while (run->pidfd >= 0 && poll(&fd, 1, clock_until(deadline)) < 0 && errno == EINTR)
        continue;
    kill(-run->pid, SIGKILL);
}

static int reap(pid_t pid)
{
    int status = 0;
    pid_t got;
    do
        got = waitpid(pid, &status, 0);
    while (got < 0 && errno == EINTR);
    return got == pid ? status : -1;
}

/* Cuts the output down to its first line, and says what is wrong with it. */
static enum auth_error take_line(struct run *run, struct buffer *out)
{
    char *end = out->len > 0 ? memchr(out->data, '\n', out->len) : NULL;
    size_t len = end != NULL ? (size_t)(end - out->data) : out->len;
    if (len > 0 && out->data[len - 1] == '\r')
        len--;
    if (len == 0)
        return fail(run, AUTH_ERR_COMMAND,
                    "%s printed no secret: its first line must be the token or password",
                    run->label);
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)out->data[i];
        if (byte < 0x20 || byte == 0x7F)
            return fail(run, AUTH_ERR_COMMAND,
                        "%s printed a control character: its first line must be the secret alone",
                        run->label);
    }
    explicit_bzero(out->data + len, out->len - len);
    out->len = len;
    return AUTH_OK;
}

static enum auth_error settle(struct run *run, enum auth_error error, struct buffer *out)
{
    if (!run->ended)
        end_group(run);
    int status = reap(run->pid);
    if (error != AUTH_OK)
        return error;
    if (status == 0)
        return take_line(run, out);
    if (status != -1 && WIFSIGNALED(status))
        return fail(run, AUTH_ERR_COMMAND, "%s was ended by signal %d", run->label,
                    WTERMSIG(status));
    return fail(run, AUTH_ERR_COMMAND, "%s failed with exit status %d: run it by hand to see why",
                run->label, status == -1 ? -1 : WEXITSTATUS(status));
}

enum auth_error auth_command_run(char *const argv[], const char *label, int timeout_ms,
                                 int cancel_fd, struct buffer *line, char *text)
{
    struct run run = {.label = label,
                      .text = text,
                      .timeout_ms = timeout_ms,
                      .deadline = clock_ms() + timeout_ms,
                      .cancel_fd = cancel_fd,
                      .output = -1,
                      .pidfd = -1,
                      .pid = -1};
    if (buffer_reserve(line, AUTH_SECRET_MAX) == NULL)
        return fail(&run, AUTH_ERR_MEMORY, "no memory to run %s", label);
    enum auth_error error = start(&run, argv);
    if (error == AUTH_OK)
        error = gather(&run, line);
    if (run.pid > 0)
        error = settle(&run, error, line);
    if (run.output >= 0)
        close(run.output);
    if (run.pidfd >= 0)
        close(run.pidfd);
    return error;
}
