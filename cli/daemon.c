/* See daemon.h. The child asks the kernel for SIGTERM should the parent die before it is ready:
 * nobody would be left who knows of it. */
#include "cli/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

bool daemon_fill_stdio(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR); /* the lowest number that is free */
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

struct daemon daemon_fork(void)
{
    int ends[2];
    struct daemon daemon = {.child = -1, .pipe = -1};
    if (pipe2(ends, O_CLOEXEC) != 0)
        return daemon;
    daemon.child = fork();
    daemon.pipe = ends[daemon.child == 0];
    close(ends[daemon.child != 0]);
    if (daemon.child == 0)
        prctl(PR_SET_PDEATHSIG, SIGTERM);
    return daemon;
}

enum cli_exit daemon_wait(struct daemon *daemon)
{
    char word;
    ssize_t n;
    do
        n = read(daemon->pipe, &word, 1);
    while (n < 0 && errno == EINTR);
    close(daemon->pipe);
    if (n == 1)
        return CLI_DONE;
    int status = 0;
    while (waitpid(daemon->child, &status, 0) < 0)
        if (errno != EINTR)
            return CLI_OTHER;
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
        return (enum cli_exit)WEXITSTATUS(status);
    if (WIFSIGNALED(status))
        cli_report("the mount's process was ended: %s", strsignal(WTERMSIG(status)));
    else
        cli_report("the mount ended before it could be read");
    return CLI_OTHER;
}

void daemon_ready(struct daemon *daemon)
{
    prctl(PR_SET_PDEATHSIG, 0);
    setsid();
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        close(null);
    }
    ssize_t ignored = write(daemon->pipe, "r", 1); /* a parent that is gone needs no word */
    (void)ignored;
    close(daemon->pipe);
}
