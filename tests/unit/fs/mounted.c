#include "mounted.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

enum { GUARD_MS = 60000 };

const char *mounted_raiser;
bool mounted_whole;

bool mounted_possible(void)
{
    return access("/dev/fuse", R_OK | W_OK) == 0 &&
           (access("/usr/bin/fusermount3", X_OK) == 0 || access("/bin/fusermount3", X_OK) == 0);
}

static void *serve(void *arg)
{
    struct mounted *m = arg;

    m->served = fs_serve(m->fs);
    return NULL;
}

static void mount_it(struct mounted *m)
{
    char text[SYNC_TEXT_MAX];
    const struct fs_settings settings = {.mountpoint = m->mount,
                                         .account = "test,account@example.org",
                                         .spool_dir = m->cache,
                                         .read_only = !m->writable,
                                         .raiser = mounted_raiser,
                                         .whole = mounted_whole,
                                         .mark_seen = m->mark_seen};

    m->fs = fs_mount(&settings, m->sync, text);
    if (m->fs == NULL) {
        fprintf(stderr, "%s\n", text);
        abort();
    }
    m->served = -1;
    m->serving = true;
    pthread_create(&m->server, NULL, serve, m);
}

/*
 * A process that waits for an answer from its own file system cannot be killed (FUSE.md, "Hanging
 * and dying"), so a request that is never answered would hang the whole run. A child that holds
 * nothing of the mount breaks its connection when the test takes too long.
 */
static void guard_start(struct mounted *m)
{
    int ends[2];

    if (pipe(ends) != 0 || (m->guard = fork()) < 0)
        abort();
    if (m->guard == 0) {
        struct pollfd end = {.fd = ends[0], .events = POLLIN};
        close(ends[1]);
        if (poll(&end, 1, GUARD_MS) == 0)
            umount2(m->mount, MNT_FORCE);
        _exit(0);
    }
    close(ends[0]);
    m->guard_end = ends[1];
    fcntl(m->guard_end, F_SETFD, FD_CLOEXEC);
}

static void guard_stop(struct mounted *m)
{
    close(m->guard_end);
    waitpid(m->guard, NULL, 0);
}

static void start(struct mounted *m, bool writable)
{
    const char *tmp = getenv("TMPDIR");

    memset(m, 0, sizeof(*m));
    m->writable = writable;
    alarm(110); /* a hang must not outlive the test */
    log_set_level(LOG_LEVEL_ERROR);
    snprintf(m->base, sizeof(m->base), "%.40s/outlookfs-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(m->base) == NULL)
        abort();
    snprintf(m->mount, sizeof(m->mount), "%s/mnt", m->base);
    snprintf(m->cache, sizeof(m->cache), "%s/cache", m->base);
    mkdir(m->mount, 0700);
    guard_start(m);
    m->sync = fake_sync_new(m->cache);
    fake_tree(m->sync);
    if (writable)
        fake_writable(m->sync, m->cache);
    m->inbox = fake_mailbox(m->sync, "INBOX");
    m->big = fake_mailbox(m->sync, "Big");
    mount_it(m);
}

void mounted_start(struct mounted *m)
{
    start(m, false);
}

void mounted_start_writable(struct mounted *m)
{
    start(m, true);
}

void mounted_leave(struct mounted *m)
{
    if (m->serving) {
        fs_exit(m->fs);
        pthread_join(m->server, NULL);
        m->serving = false;
    }
    fs_unmount(&m->fs);
}

void mounted_again(struct mounted *m)
{
    mounted_leave(m);
    fake_sync_free(&m->sync);
    m->sync = fake_sync_new(m->cache);
    if (m->writable)
        fake_change_start(m->sync, m->cache);
    mount_it(m);
}

void mounted_stop(struct mounted *m)
{
    char command[200];

    mounted_leave(m);
    guard_stop(m);
    fake_sync_free(&m->sync);
    rmdir(m->mount);
    snprintf(command, sizeof(command), "rm -rf '%s/cache' '%s/cache-state'", m->base, m->base);
    if (system(command) != 0 || rmdir(m->base) != 0)
        fprintf(stderr, "%s is left behind\n", m->base);
}

const char *mounted_path(const struct mounted *m, const char *path)
{
    static char buffers[4][300];
    static unsigned next;
    char *buffer = buffers[next++ % 4];

    snprintf(buffer, sizeof(buffers[0]), "%s/%s", m->mount, path);
    return buffer;
}

int mounted_run(const struct mounted *m, const char *script)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        if (chdir(m->mount) != 0)
            _exit(126);
        execl("/bin/bash", "bash", "-c", script, (char *)NULL);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int mounted_write(const char *path, int flags, const char *text)
{
    int fd = open(path, O_WRONLY | flags, 0600), error = 0;

    if (fd < 0)
        return errno;
    if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        error = errno;
    if (close(fd) != 0 && error == 0)
        error = errno;
    return error;
}

const char *mounted_read(const char *path)
{
    static char buffers[4][10000];
    static unsigned next;
    char *buffer = buffers[next++ % 4];
    int fd = open(path, O_RDONLY);
    ssize_t got = fd >= 0 ? read(fd, buffer, sizeof(buffers[0]) - 1) : 0;

    buffer[got > 0 ? got : 0] = '\0';
    if (fd >= 0)
        close(fd);
    return buffer;
}

bool mounted_reads_right(int fd, uint32_t uid)
{
    size_t size = fake_body_size(uid), at = 0;
    char data[10000];
    struct stat st;
    ssize_t got;

    if (fstat(fd, &st) != 0 || (size_t)st.st_size != size)
        return false;
    while ((got = pread(fd, data, sizeof(data), (off_t)at)) > 0) {
        for (ssize_t i = 0; i < got; i++)
            if (at + (size_t)i >= size || data[i] != fake_body_byte(uid, at + (size_t)i))
                return false;
        at += (size_t)got;
    }
    return got == 0 && at == size;
}

int mounted_count(const char *path)
{
    DIR *dir = opendir(path);
    int count = 0;

    if (dir == NULL)
        return -1;
    errno = 0;
    for (const struct dirent *d; (d = readdir(dir)) != NULL; errno = 0)
        count += strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0;
    if (errno != 0)
        count = -1;
    int saved = errno;
    closedir(dir);
    errno = saved;
    return count;
}

bool mounted_comes(const char *path, bool there)
{
    int64_t until = clock_ms() + 2000;
    struct stat st;

    while ((stat(path, &st) == 0) != there) {
        if (clock_ms() > until)
            return false;
        usleep(5000);
    }
    return true;
}
