/*
 * See browser.h. $BROWSER is a list of commands separated by colons, of which the first counts; its
 * words are split at spaces, "%s" is the address, which else comes last. Without it, xdg-open knows
 * what the desktop wants; without a display it would start a browser in the terminal, which is what
 * the device code is better at.
 */
#include "cli/browser.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WORDS_MAX = 16, COMMAND_MAX = 1024, PATH_ROOM = 4096 };

static const char opener[] = "xdg-open";

static bool is_set(const char *variable)
{
    const char *value = getenv(variable);
    return value != NULL && value[0] != '\0';
}

static bool in_path(const char *program)
{
    const char *at = getenv("PATH");
    char file[PATH_ROOM];
    while (at != NULL && *at != '\0') {
        int len = (int)strcspn(at, ":");
        if (snprintf(file, sizeof file, "%.*s/%s", len, at, program) < (int)sizeof file &&
            access(file, X_OK) == 0)
            return true;
        at += len + (at[len] == ':');
    }
    return false;
}

bool browser_there(void)
{
    return is_set("BROWSER") ||
           ((is_set("DISPLAY") || is_set("WAYLAND_DISPLAY")) && in_path(opener));
}

/* Splits `command` in place; puts the address where it belongs. */
static void fill_words(char *command, char *url, char *words[WORDS_MAX + 2])
{
    size_t count = 0;
    bool placed = false;
    char *rest = NULL;
    command[strcspn(command, ":")] = '\0';
    for (char *word = strtok_r(command, " ", &rest); word != NULL && count < WORDS_MAX;
         word = strtok_r(NULL, " ", &rest)) {
        bool here = strcmp(word, "%s") == 0;
        words[count++] = here ? url : word;
        placed = placed || here;
    }
    if (!placed)
        words[count++] = url;
    words[count] = NULL;
}

static bool start(char *const words[])
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, all;
    pid_t pid;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setflags(&attr,
                             POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    bool good = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0) == 0 &&
                posix_spawn_file_actions_adddup2(&actions, 0, 1) == 0 &&
                posix_spawn_file_actions_adddup2(&actions, 0, 2) == 0 &&
                posix_spawn_file_actions_addclosefrom_np(&actions, 3) == 0 &&
                posix_spawnp(&pid, words[0], &actions, &attr, words, environ) == 0;
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    return good;
}

bool browser_open(const char *url)
{
    char command[COMMAND_MAX], *words[WORDS_MAX + 2];
    if (!browser_there())
        return false;
    snprintf(command, sizeof command, "%s", is_set("BROWSER") ? getenv("BROWSER") : opener);
    char *copy = strdup(url);
    if (copy == NULL)
        return false;
    fill_words(command, copy, words);
    bool good = words[0] != copy && start(words);
    free(copy);
    return good;
}
