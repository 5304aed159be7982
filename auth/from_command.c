/* A secret from a command (secret.h, command.h): each fetch is one run. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/command.h"
#include "auth/source.h"
#include "base/log.h"

enum { LABEL_MAX = 120, WORD_MAX = 60 };

struct command {
    char **argv;
    char label[LABEL_MAX];
    int timeout_ms;
};

/* How messages call the command: by its first word, unless that may be more than a name. */
static void write_label(char *label, const char *command)
{
    size_t len = strcspn(command, " \t\r\n");
    if (len == 0 || len > WORD_MAX || memchr(command, '=', len) != NULL)
        snprintf(label, LABEL_MAX, "the command for the secret");
    else
        snprintf(label, LABEL_MAX, "the command '%.*s'", (int)len, command);
    log_make_printable(label, strlen(label));
}

static void free_words(char **words)
{
    for (size_t i = 0; words != NULL && words[i] != NULL; i++)
        free(words[i]);
    free(words);
}

static char **copy_words(char *const words[])
{
    size_t count = 0;
    while (words[count] != NULL)
        count++;
    char **copy = calloc(count + 1, sizeof *copy);
    for (size_t i = 0; copy != NULL && i < count; i++) {
        copy[i] = strdup(words[i]);
        if (copy[i] == NULL) {
            free_words(copy);
            return NULL;
        }
    }
    return copy;
}

static void command_free(void *ctx)
{
    struct command *command = ctx;
    free_words(command->argv);
    free(command);
}

static enum auth_error command_fetch(void *ctx, const char *refused, int cancel_fd,
                                     struct buffer *out, struct auth_fetched *fetched, char *text)
{
    const struct command *command = ctx;
    *fetched = (struct auth_fetched){.until = INT64_MAX};
    return auth_command_run(command->argv, command->label, command->timeout_ms, cancel_fd, out,
                            text);
}

static struct command *command_new(char *const argv[], const char *script, int timeout_ms)
{
    struct command *command = calloc(1, sizeof *command);
    if (command == NULL)
        return NULL;
    command->argv = copy_words(argv);
    command->timeout_ms = timeout_ms;
    write_label(command->label, script != NULL ? script : argv[0] != NULL ? argv[0] : "");
    if (command->argv == NULL) {
        free(command);
        return NULL;
    }
    return command;
}

struct auth_secret *auth_secret_from_command(char *const argv[], const char *shell, int timeout_ms)
{
    char sh[] = "/bin/sh";
    char flag[] = "-c";
    char *script = strdup(shell != NULL ? shell : "");
    if (script == NULL)
        return NULL;
    char *const by_shell[] = {sh, flag, script, NULL};
    struct auth_source source = {.kind = "command", .fetch = command_fetch, .free = command_free};
    source.ctx = argv != NULL ? command_new(argv, NULL, timeout_ms)
                              : command_new(by_shell, script, timeout_ms);
    free(script);
    return auth_secret_new(&source);
}
