/*
 * A daemon that was killed before its helper could unmount leaves a dead mount, on which everything
 * is ENOTCONN and which would block the next one. It is taken down when, and only when, it is one
 * of this program's by its type in the mount table. Before the mount; one thread.
 */
#include "fs/internal.h"

#include <errno.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"

/* The absolute path of `path`, whose last component cannot be looked at. Caller frees. */
static char *absolute_path(const char *path)
{
    char *copy = strdup(path), *slash, *parent = NULL, *whole = NULL;
    const char *last = copy;
    size_t len = copy != NULL ? strlen(copy) : 0;

    while (len > 1 && copy[len - 1] == '/')
        copy[--len] = '\0';
    slash = copy != NULL ? strrchr(copy, '/') : NULL;
    if (slash != NULL) {
        last = slash + 1;
        *slash = '\0';
    }
    if (copy != NULL)
        parent = realpath(slash == NULL ? "." : slash == copy ? "/" : copy, NULL);
    if (parent != NULL &&
        asprintf(&whole, "%s/%s", strcmp(parent, "/") == 0 ? "" : parent, last) < 0)
        whole = NULL;
    free(parent);
    free(copy);
    return whole;
}

/* Undoes the octal escapes of mountinfo, in place. */
static void unescape(char *text)
{
    char *to = text;

    for (const char *from = text; *from != '\0'; to++) {
        if (from[0] == '\\' && from[1] != '\0' && from[2] != '\0' && from[3] != '\0') {
            *to = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
            from += 4;
        } else {
            *to = *from++;
        }
    }
    *to = '\0';
}

/* One line of /proc/self/mountinfo (proc(5)): is it a mount of ours on `path`? Cuts the line up. */
static bool line_matches(char *line, const char *path)
{
    const char *type = strstr(line, " - ");
    char *rest = NULL, *mount = NULL;

    if (type == NULL || strncmp(type + 3, "fuse.outlookfs ", 15) != 0)
        return false;
    for (int field = 0; field < 5; field++)
        mount = strtok_r(field == 0 ? line : NULL, " ", &rest);
    if (mount == NULL)
        return false;
    unescape(mount);
    return strcmp(mount, path) == 0;
}

static bool is_ours(const char *path)
{
    FILE *file = fopen("/proc/self/mountinfo", "re");
    char *line = NULL;
    size_t size = 0;
    bool ours = false;

    while (file != NULL && !ours && getline(&line, &size, file) > 0)
        ours = line_matches(line, path);
    free(line);
    if (file != NULL)
        fclose(file);
    return ours;
}

static void take_down(const char *path)
{
    char program[] = "fusermount3", unmount[] = "-uz", dashes[] = "--";
    char *copy = strdup(path);
    char *argv[] = {program, unmount, dashes, copy, NULL};
    pid_t pid;

    if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && copy != NULL &&
        posix_spawnp(&pid, program, NULL, NULL, argv, environ) == 0) {
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            continue;
    }
    free(copy);
}

void stale_clear(const char *mountpoint)
{
    struct stat st;
    char *path;

    if (stat(mountpoint, &st) == 0 || errno != ENOTCONN)
        return;
    path = absolute_path(mountpoint);
    if (path != NULL && is_ours(path)) {
        log_warn("taking down what a dead outlookfs left mounted on %s", path);
        take_down(path);
    }
    free(path);
}
