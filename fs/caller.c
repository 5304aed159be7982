/*
 * See caller.h. A process is asked by its number as /proc here shows it: a caller from another pid
 * namespace has number 0, of which nothing is known.
 */
#include "fs/caller.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { RUNNING_MAX = 30, TEXT_MAX = 4096, BEING_KILLED = 0x400 /* PF_SIGNALED, <linux/sched.h> */ };

/* Reads a small file of /proc into `text`. */
static bool read_file(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, text, size - 1) : -1;

    if (fd >= 0)
        close(fd);
    text[got > 0 ? got : 0] = '\0';
    return got > 0;
}

/* The number after `label` at the start of a line. */
static bool find_number(const char *text, const char *label, uint64_t *number)
{
    size_t len = strlen(label);

    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, label, len) != 0)
            continue;
        line += len;
        while (*line == ' ' || *line == '\t')
            line++;
        if (!isdigit((unsigned char)*line))
            return false;
        *number = 0;
        for (; isdigit((unsigned char)*line); line++)
            if (__builtin_mul_overflow(*number, 10, number) ||
                __builtin_add_overflow(*number, (uint64_t)(*line - '0'), number))
                return false;
        return true;
    }
    return false;
}

pid_t caller_process(pid_t thread)
{
    char path[64], text[TEXT_MAX];
    uint64_t number;

    if (thread <= 0)
        return 0;
    snprintf(path, sizeof(path), "/proc/%d/status", (int)thread);
    if (!read_file(path, text, sizeof(text)) || !find_number(text, "Tgid:", &number) ||
        number > INT32_MAX)
        return 0;
    return (pid_t)number;
}

/* The flags are the ninth field of stat; the second, a name in parentheses, may hold anything. */
bool caller_killed(pid_t thread)
{
    char path[64], text[TEXT_MAX];
    const char *at;
    unsigned long flags;

    if (thread <= 0)
        return false;
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)thread);
    if (!read_file(path, text, sizeof(text)))
        return false;
    at = strrchr(text, ')');
    for (int field = 2; at != NULL && field < 9; field++)
        at = strchr(at + 1, ' ');
    if (at == NULL)
        return false;
    flags = strtoul(at + 1, NULL, 10);
    return (flags & BEING_KILLED) != 0;
}

/* The number of a system call stands first; "running" as long as the thread, which waits for an
 * answer to what it has just sent, has not come to rest. */
bool caller_makes_directory(pid_t thread)
{
    const struct timespec moment = {.tv_nsec = 100000};
    char path[64], text[TEXT_MAX] = "running", *end;
    long number;

    if (thread <= 0)
        return false;
    snprintf(path, sizeof(path), "/proc/%d/syscall", (int)thread);
    for (int i = 0; i < RUNNING_MAX && text[0] == 'r'; i++) {
        if (i > 0)
            nanosleep(&moment, NULL);
        if (!read_file(path, text, sizeof(text)))
            return false;
    }
    number = strtol(text, &end, 10);
#ifdef SYS_mkdir
    if (end != text && number == SYS_mkdir)
        return true;
#endif
    return end != text && number == SYS_mkdirat;
}

/* Whether descriptor `number` of `process` is a file that is called `name`. */
static bool is_called(pid_t process, const char *number, const char *name)
{
    static const char gone[] = " (deleted)";
    char path[320], target[TEXT_MAX], *last;
    ssize_t len;

    snprintf(path, sizeof(path), "/proc/%d/fd/%.255s", (int)process, number);
    len = readlink(path, target, sizeof(target) - 1);
    if (len <= 0)
        return false;
    target[len] = '\0';
    if ((size_t)len > sizeof(gone) && strcmp(target + len - (sizeof(gone) - 1), gone) == 0)
        target[(size_t)len - (sizeof(gone) - 1)] = '\0';
    last = strrchr(target, '/');
    return last != NULL && strcmp(last + 1, name) == 0;
}

static bool is_file(pid_t process, const char *number, uint64_t ino, const char *name)
{
    char path[320], text[TEXT_MAX];
    uint64_t found;

    snprintf(path, sizeof(path), "/proc/%d/fdinfo/%.255s", (int)process, number);
    if (!read_file(path, text, sizeof(text)))
        return false;
    if (find_number(text, "ino:", &found) && found != ino) /* since Linux 5.19 */
        return false;
    return is_called(process, number, name);
}

enum caller_holds caller_holds(pid_t process, uint64_t ino, const char *name)
{
    char path[64];
    bool holds = false;
    DIR *dir;

    if (process <= 0)
        return CALLER_HOLDS_UNKNOWN;
    if (kill(process, 0) != 0 && errno == ESRCH)
        return CALLER_GONE;
    snprintf(path, sizeof(path), "/proc/%d/fdinfo", (int)process);
    dir = opendir(path);
    if (dir == NULL)
        return errno == ENOENT ? CALLER_GONE : CALLER_HOLDS_UNKNOWN;
    for (const struct dirent *d; !holds && (d = readdir(dir)) != NULL;)
        holds = d->d_name[0] != '.' && is_file(process, d->d_name, ino, name);
    closedir(dir);
    return holds ? CALLER_HOLDS : CALLER_HOLDS_NOT;
}
