/*
 * `outlookfs status [DIR] [--json] [--watch]`: asks the daemons over their control sockets, touches
 * no mount. Text comes ready from the daemon; since it quotes servers, it passes the terminal
 * filter once more, line by line.
 */
#include "cli/command.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "base/log.h"
#include "cli/control.h"
#include "cli/mounts.h"

struct status {
    const char *dir; /* as the user wrote it, or NULL: every mount */
    char path[PATH_MAX];
    bool json, watch;
    unsigned printed;
    enum cli_exit result;
};

static void print_lines(char *text)
{
    for (char *line = text; *line != '\0';) {
        size_t len = strcspn(line, "\n");
        log_make_printable(line, len);
        printf("%.*s\n", (int)len, line);
        line += len + (line[len] == '\n');
    }
}

/* Prints one answer; false with the cause when it is an error. */
static bool print_answer(struct status *status, char *answer, char *why)
{
    cJSON *object = cJSON_Parse(answer);
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(object, "error");
    cJSON *text = cJSON_GetObjectItemCaseSensitive(object, "text");
    bool good = true;
    if (cJSON_IsString(error) && !status->json && text == NULL)
        good = cli_cause(why, "%.300s", error->valuestring);
    else if (!cJSON_IsObject(object) || (!status->json && !cJSON_IsString(text)))
        good = cli_cause(why, "the mount's process answers with something else");
    else if (status->json)
        printf("%s\n", answer); /* cJSON escapes controls; the rest is the reader's to show */
    else
        print_lines(text->valuestring);
    cJSON_Delete(object);
    return good;
}

static void ask(void *ctx, int fd)
{
    struct status *status = ctx;
    char why[CLI_TEXT_MAX];
    struct buffer answer;
    buffer_init(&answer, CONTROL_ANSWER_MAX);
    if (!status->json && status->printed++ > 0)
        putchar('\n');
    const char *request =
        status->json ? "{\"cmd\":\"status\"}\n" : "{\"cmd\":\"status\",\"format\":\"text\"}\n";
    if (!control_exchange(fd, request, &answer, why) || !print_answer(status, answer.data, why)) {
        cli_report("%s%s%s; try again, or end the process", status->dir != NULL ? status->dir : "",
                   status->dir != NULL ? ": " : "", why);
        status->result = CLI_OTHER;
    }
    buffer_free(&answer);
    close(fd);
}

/* Why nobody answers for the directory. */
static void report_absent(struct status *status)
{
    struct mounts_entry entry;
    status->result = CLI_OTHER;
    if (mounts_find(status->path, &entry) == 0 && entry.ours)
        cli_report("%s: no process of this user answers for the mount; if it ended, clear it with "
                   "outlookfs umount %s",
                   status->dir, status->dir);
    else
        cli_report("%s is not an outlookfs mount; outlookfs status lists them", status->dir);
}

static void round_once(struct status *status)
{
    status->printed = 0;
    if (status->dir == NULL) {
        if (control_each(ask, status) == 0 && !status->json)
            printf("nothing is mounted\n");
        return;
    }
    int fd = control_connect(status->path, NULL);
    if (fd >= 0)
        ask(status, fd);
    else
        report_absent(status);
}

static enum cli_exit watch(struct status *status)
{
    bool clear = !status->json && isatty(STDOUT_FILENO);
    do {
        if (clear)
            printf("\033[H\033[2J"); /* home, erase the screen */
        round_once(status);
        if (fflush(stdout) != 0)
            return CLI_OTHER; /* the reader is gone */
    } while (status->watch && status->result == CLI_DONE && sleep(1) == 0);
    return status->result;
}

enum cli_exit command_status(int argc, char **argv)
{
    static const struct option longs[] = {
        {"json", no_argument, NULL, 'j'},
        {"watch",  no_argument, NULL, 'w'},
        {0     }
    };
    struct status status = {.result = CLI_DONE};
    opterr = 0;
    optind = 0;
    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        if (c == '?')
            return command_usage("status", "unknown option %.100s", argv[optind - 1]);
        status.json = status.json || c == 'j';
        status.watch = status.watch || c == 'w';
    }
    if (argc - optind > 1)
        return command_usage("status", "status takes one directory at most");
    status.dir = argv[optind];
    if (status.dir != NULL && mounts_resolve(status.dir, status.path) != 0) {
        cli_report("%s: %s", status.dir, strerror(errno));
        return CLI_OTHER;
    }
    return watch(&status);
}
