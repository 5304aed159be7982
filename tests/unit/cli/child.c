/* See child.h. */
#include "tests/unit/cli/child.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/command.h"

/* A file without a name; some file systems cannot make it so (O_TMPFILE). */
static int open_output(const char *directory)
{
    char path[128];
    snprintf(path, sizeof path, "%s/output", directory);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    unlink(path);
    return fd;
}

int child_run(const char *directory, const char *const *words, char *out, char *err)
{
    char *argv[CHILD_WORDS + 2] = {(char[]){"outlookfs"}};
    int argc = 1, files[2];
    for (; argc <= CHILD_WORDS && words[argc - 1] != NULL; argc++)
        argv[argc] = strdup(words[argc - 1]);
    for (int i = 0; i < 2; i++)
        files[i] = open_output(directory);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        dup2(files[0], STDOUT_FILENO);
        dup2(files[1], STDERR_FILENO);
        int code = (int)command_main(argc, argv);
        fflush(stdout);
        _exit(code);
    }
    int status = -1;
    waitpid(child, &status, 0);
    char *const texts[] = {out, err};
    for (int i = 0; i < 2; i++) {
        ssize_t n = pread(files[i], texts[i], CHILD_TEXT - 1, 0);
        texts[i][n > 0 ? n : 0] = '\0';
        close(files[i]);
    }
    while (--argc > 0)
        free(argv[argc]);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
