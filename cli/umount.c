/*
 * `outlookfs umount DIR`. Changes that are pending come first, within a bound; what is left stays
 * in the journal and goes on with the next mount, and a warning says so. It returns when the daemon
 * is gone too, so that its cache directory is free for the next mount: the kernel tells by a
 * descriptor for the process, which the control socket names.
 */
#include "cli/command.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/control.h"
#include "cli/mounts.h"
#include "cli/settle.h"

enum {
    DAEMON_BOUND_MS = 20000,
    SETTLE_BOUND_MS = 60000,
    BUSY_TRIES = 40, /* 2 s: on a busy machine a moment takes long */
    BUSY_PAUSE_MS = 50,
};

static enum cli_exit unmount_failed(const char *dir, int error, const char *text)
{
    if (error == EBUSY)
        cli_report("%s is in use: files are open in it; close them, or use fusermount3 -uz %s", dir,
                   dir);
    else if (error == ENOENT)
        cli_report("%s: fusermount3 is not installed; install the package fuse3", dir);
    else if (error == EIO && text[0] != '\0')
        cli_report("%s cannot be unmounted: %s", dir, text);
    else
        cli_report("%s cannot be unmounted: %s", dir, strerror(error));
    return CLI_OTHER;
}

static void warn_of_left(const char *dir, const struct settle_left *left)
{
    unsigned long long stuck = left->refused + left->unfinished + left->held;
    if (left->pending > 0 && stuck > 0)
        cli_warn(
            "%s: %llu changes are not on the server: %llu go on with the next mount, %llu wait "
            "in the outbox; outlookfs outbox tells then",
            dir, left->pending + stuck, left->pending, stuck);
    else if (left->pending > 0)
        cli_warn("%s: %llu change%s not on the server yet; the next mount goes on", dir,
                 left->pending, left->pending == 1 ? " is" : "s are");
    else if (stuck > 0)
        cli_warn(
            "%s: %llu change%s in the outbox; outlookfs outbox tells more after the next mount",
            dir, stuck, stuck == 1 ? " waits" : "s wait");
}

/* Waits for what is pending, and says what is left in the end. A daemon that does not answer is
 * unmounted all the same. */
static void settle_first(const char *dir, const char *path)
{
    struct ask ask = {.dir = dir};
    struct settle_left left;
    struct settle_end end;
    snprintf(ask.path, sizeof ask.path, "%s", path);
    if (!settle_left(&ask, &left))
        return;
    ask.fd = left.pending > 0 ? control_connect(path, NULL) : -1;
    if (ask.fd >= 0) {
        (void)!settle(&ask, SETTLE_BOUND_MS, "not unmounted; the changes go on by themselves",
                      &end);
        close(ask.fd);
        if (!settle_left(&ask, &left))
            return;
    }
    warn_of_left(dir, &left);
}

/* A descriptor for the daemon's process, or -1 where there is none. */
static int daemon_of(const char *path)
{
    pid_t pid = 0;
    int control = control_connect(path, &pid);
    int fd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    if (control >= 0)
        close(control);
    return fd;
}

static enum cli_exit wait_gone(int daemon, const char *dir)
{
    if (daemon < 0)
        return CLI_DONE;
    struct pollfd fd = {.fd = daemon, .events = POLLIN};
    int gone = poll(&fd, 1, DAEMON_BOUND_MS);
    if (gone == 1)
        return CLI_DONE;
    cli_report("%s is unmounted, but its process has not ended after %d s; see its log", dir,
               DAEMON_BOUND_MS / 1000);
    return CLI_OTHER;
}

/* The mount's own helper (fs/raiser.h) is in it for a moment at each event: who is there but once
 * is no reason to fail. */
static int unmount(const char *path, char *text, size_t size)
{
    int error = mounts_unmount(path, false, text, size);
    for (int try = 1; error == EBUSY && try < BUSY_TRIES; try++) {
        poll(NULL, 0, BUSY_PAUSE_MS);
        error = mounts_unmount(path, false, text, size);
    }
    return error;
}

enum cli_exit command_umount(int argc, char **argv)
{
    const char *dir = command_argument(argc, argv, "one directory");
    if (dir == NULL)
        return CLI_USAGE;
    char path[PATH_MAX], text[256];
    struct mounts_entry entry;
    if (mounts_resolve(dir, path) != 0) {
        cli_report("%s: %s", dir, strerror(errno));
        return CLI_OTHER;
    }
    if (mounts_find(path, &entry) != 0 || !entry.ours) {
        cli_report("%s is not an outlookfs mount; outlookfs status lists them", dir);
        return CLI_OTHER;
    }
    settle_first(dir, path);
    int daemon = daemon_of(path);
    int error = unmount(path, text, sizeof text);
    enum cli_exit result = error == 0 ? wait_gone(daemon, dir) : unmount_failed(dir, error, text);
    if (daemon >= 0)
        close(daemon);
    return result;
}
