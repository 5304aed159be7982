/*
 * See mounts.h. Why a child for mounts_probe: a request that a FUSE daemon has taken and does not
 * answer cannot be interrupted even by SIGKILL, so the process that asks may stay for ever; it is
 * then left behind, and goes when the mount goes.
 */
#include "cli/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/spawn.h"

/* A path that ends in "." or ".." is the kernel's to resolve. Any other: its parent, then its last
 * component, with readlink alone, which does not ask a file system that is mounted on it. */
int mounts_resolve(const char *dir, char *path)
{
    char copy[PATH_MAX], parent[PATH_MAX], link[8];
    size_t len = strlen(dir);
    while (len > 1 && dir[len - 1] == '/')
        len--;
    if (len == 0 || len >= sizeof copy) {
        errno = len == 0 ? ENOENT : ENAMETOOLONG;
        return -1;
    }
    memcpy(copy, dir, len);
    copy[len] = '\0';
    char *slash = strrchr(copy, '/');
    const char *last = slash != NULL ? slash + 1 : copy;
    if (last[0] == '\0' || strcmp(last, ".") == 0 || strcmp(last, "..") == 0 ||
        readlink(copy, link, sizeof link) >= 0)
        return realpath(copy, path) != NULL ? 0 : -1;
    if (errno == ENOENT || errno == EACCES || errno == ENOTDIR)
        return -1;
    if (slash != NULL)
        *slash = '\0';
    if (realpath(slash == NULL ? "." : slash == copy ? "/" : copy, parent) == NULL)
        return -1;
    int written = snprintf(path, PATH_MAX, "%s/%s", strcmp(parent, "/") == 0 ? "" : parent, last);
    if (written < 0 || written >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return 0;
}

/* Undoes mountinfo's \ooo in place (proc(5)). */
static void unescape(char *text)
{
    char *out = text;
    for (const char *at = text; *at != '\0';) {
        if (at[0] == '\\' && at[1] >= '0' && at[1] <= '3' && at[2] >= '0' && at[2] <= '7' &&
            at[3] >= '0' && at[3] <= '7') {
            *out++ = (char)((at[1] - '0') << 6 | (at[2] - '0') << 3 | (at[3] - '0'));
            at += 4;
        } else {
            *out++ = *at++;
        }
    }
    *out = '\0';
}

bool mounts_parse_line(const char *line, const char *path, struct mounts_entry *entry)
{
    char point[PATH_MAX], type[128], source[PATH_MAX];
    if (sscanf(line, "%*s %*s %*s %*s %4095s", point) != 1)
        return false;
    unescape(point);
    const char *rest = strstr(line, " - ");
    if (strcmp(point, path) != 0 || rest == NULL ||
        sscanf(rest, " - %127s %4095s", type, source) != 2)
        return false;
    unescape(source);
    entry->mounted = strcmp(type, "autofs") != 0;
    entry->ours = strcmp(type, "fuse.outlookfs") == 0;
    snprintf(entry->source, sizeof entry->source, "%.255s", source);
    return true;
}

int mounts_find(const char *path, struct mounts_entry *entry)
{
    *entry = (struct mounts_entry){0};
    FILE *file = fopen("/proc/self/mountinfo", "re");
    if (file == NULL)
        return -1;
    char *line = NULL;
    size_t cap = 0;
    while (getline(&line, &cap, file) > 0)
        mounts_parse_line(line, path, entry);
    free(line);
    fclose(file);
    return 0;
}

/* The child's part: its exit status is the errno. */
static int ask(const char *path)
{
    struct stat st;
    struct statfs fs;
    if (stat(path, &st) != 0)
        return errno;
    if (!S_ISDIR(st.st_mode))
        return ENOTDIR;
    return statfs(path, &fs) != 0 ? errno : 0;
}

int mounts_probe(const char *path, int timeout_ms)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return errno;
    pid_t child = fork();
    if (child < 0) {
        close(ends[0]);
        close(ends[1]);
        return EAGAIN;
    }
    if (child == 0) {
        unsigned char answer = (unsigned char)ask(path);
        _exit(write(ends[1], &answer, 1) == 1 ? 0 : 1);
    }
    close(ends[1]);
    unsigned char answer = ETIMEDOUT;
    struct pollfd fd = {.fd = ends[0], .events = POLLIN};
    if (poll(&fd, 1, timeout_ms) == 1 && read(ends[0], &answer, 1) == 1)
        waitpid(child, NULL, 0);
    else
        kill(child, SIGKILL);
    close(ends[0]);
    return answer;
}

int mounts_unmount(const char *path, bool lazy, char *text, size_t size)
{
    text[0] = '\0';
    if (geteuid() == 0)
        return umount2(path, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) == 0 ? 0 : errno;
    char *argv[] = {(char[]){"fusermount3"}, (char[]){"-u"}, (char[]){"--"}, NULL, NULL, NULL};
    char *name = strdup(path);
    if (name == NULL)
        return ENOMEM;
    char flag[] = "-z";
    argv[2] = lazy ? flag : name;
    argv[3] = lazy ? name : NULL;
    int status = spawn_wait(argv, text, size);
    free(name);
    if (status == 0)
        return 0;
    if (status == SPAWN_NOT_FOUND)
        return ENOENT;
    return strstr(text, "busy") != NULL ? EBUSY : EIO;
}
