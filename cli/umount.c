/*
 * `outlookfs umount DIR`. It returns when the daemon is gone too, so that its cache directory is
 * free for the next mount: the kernel tells by a descriptor for the process, which the control
 * socket names.
 */
#include "cli/command.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/control.h"
#include "cli/mounts.h"

enum { DAEMON_BOUND_MS = 20000 };

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

enum cli_exit command_umount(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--") == 0)
        argv++, argc--;
    else if (argc == 2 && argv[1][0] == '-')
        return command_usage("umount", "unknown option %.100s", argv[1]);
    if (argc != 2)
        return command_usage("umount", "umount takes one directory");
    const char *dir = argv[1];
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
    int daemon = daemon_of(path);
    int error = mounts_unmount(path, false, text, sizeof text);
    enum cli_exit result = error == 0 ? wait_gone(daemon, dir) : unmount_failed(dir, error, text);
    if (daemon >= 0)
        close(daemon);
    return result;
}
