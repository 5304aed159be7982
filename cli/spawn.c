/* See spawn.h. The output is read to its end, but only its beginning is kept. */
#include "cli/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"

static _Noreturn void become(char *const argv[], int err)
{
    int null = open("/dev/null", O_RDWR);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
        dup2(err, STDERR_FILENO) < 0 || setenv("LC_ALL", "C", 1) != 0)
        _exit(SPAWN_NOT_FOUND);
    execvp(argv[0], argv);
    _exit(SPAWN_NOT_FOUND);
}

static void keep_output(int fd, char *text, size_t size)
{
    size_t len = 0;
    char piece[512];
    for (;;) {
        ssize_t n = read(fd, piece, sizeof piece);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        size_t fits = (size_t)n < size - 1 - len ? (size_t)n : size - 1 - len;
        memcpy(text + len, piece, fits);
        len += fits;
    }
    text[len] = '\0';
    text[strcspn(text, "\n")] = '\0';
    log_make_printable(text, strlen(text));
}

int spawn_wait(char *const argv[], char *text, size_t size)
{
    int ends[2], status = 0;
    text[0] = '\0';
    if (pipe2(ends, O_CLOEXEC) != 0)
        return SPAWN_KILLED;
    pid_t child = fork();
    if (child == 0)
        become(argv, ends[1]);
    close(ends[1]);
    if (child > 0)
        keep_output(ends[0], text, size);
    close(ends[0]);
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return child > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : SPAWN_KILLED;
}
