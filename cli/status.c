/*
 * `outlookfs status [DIR] [--json] [--watch]`: asks the daemons over their control sockets, touches
 * no mount. Text comes ready from the daemon; since it quotes servers, it passes the terminal
 * filter once more, line by line. What a round yields is gathered and written at once.
 *
 * A watch of one directory ends when its mount does. One of every mount goes on: mounts come and
 * go.
 */
#include "cli/command.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "base/log.h"
#include "base/terminal.h"
#include "cli/ask.h"
#include "cli/control.h"
#include "cli/mounts.h"
#include "cli/screen.h"

enum { OUTPUT_MAX = 16 << 20, WATCH_SECONDS = 1 };

struct status {
    const char *dir; /* as the user wrote it, or NULL: every mount */
    char path[PATH_MAX];
    bool json, watch;
    struct buffer out; /* of this round */
    enum cli_exit result;
};

/* ---- one round ---- */

static bool append_lines(struct buffer *out, char *text)
{
    bool good = true;
    for (char *line = text; *line != '\0' && good;) {
        size_t len = strcspn(line, "\n");
        log_make_printable(line, len);
        good = buffer_append(out, line, len) && buffer_append_byte(out, '\n');
        line += len + (line[len] == '\n');
    }
    return good;
}

/* Appends one answer to `out`; false with the cause when it is an error. */
static bool append_answer(const struct status *status, struct buffer *answer, struct buffer *out,
                          char *why)
{
    cJSON *object = cJSON_Parse(answer->data);
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(object, "error");
    cJSON *text = cJSON_GetObjectItemCaseSensitive(object, "text");
    bool good;
    if (cJSON_IsString(error) && !status->json && text == NULL)
        good = cli_cause(why, "%.300s", error->valuestring);
    else if (!cJSON_IsObject(object) || (!status->json && !cJSON_IsString(text)))
        good = cli_cause(why, "the mount's process answers with something else");
    else if (status->json) /* cJSON escapes controls; the rest is the reader's to show */
        good = (buffer_append(out, answer->data, answer->len) && buffer_append_byte(out, '\n')) ||
               cli_cause(why, "no memory");
    else
        good = append_lines(out, text->valuestring) || cli_cause(why, "no memory");
    cJSON_Delete(object);
    return good;
}

/* A mount that goes away while every mount is watched is one that is not listed the next time. */
static void failed(struct status *status, const char *why)
{
    if (status->watch && status->dir == NULL)
        return;
    cli_report("%s%s%s; try again, or end the process", status->dir != NULL ? status->dir : "",
               status->dir != NULL ? ": " : "", why);
    status->result = CLI_OTHER;
}

static void ask(void *ctx, int fd)
{
    struct status *status = ctx;
    char why[CLI_TEXT_MAX];
    struct buffer answer, part;
    buffer_init(&answer, CONTROL_ANSWER_MAX);
    buffer_init(&part, OUTPUT_MAX);
    const char *request =
        status->json ? "{\"cmd\":\"status\"}\n" : "{\"cmd\":\"status\",\"format\":\"text\"}\n";
    bool good =
        control_exchange(fd, request, &answer, why) && append_answer(status, &answer, &part, why) &&
        (((status->json || status->out.len == 0 || buffer_append_byte(&status->out, '\n')) &&
          buffer_append(&status->out, part.data, part.len)) ||
         cli_cause(why, "no memory"));
    if (!good)
        failed(status, why);
    buffer_free(&part);
    buffer_free(&answer);
    close(fd);
}

static void round_once(struct status *status)
{
    buffer_clear(&status->out);
    if (status->dir == NULL) {
        control_each(ask, status);
        if (status->out.len == 0 && !status->json && status->result == CLI_DONE)
            (void)!buffer_append_text(&status->out, "nothing is mounted\n");
        return;
    }
    int fd = control_connect(status->path, NULL);
    if (fd >= 0)
        ask(status, fd);
    else
        status->result = ask_absent(status->dir, status->path);
}

/* ---- once, or again and again ---- */

static volatile sig_atomic_t on_screen;

/* Ctrl-C is how a watch is meant to end, so it is no failure. Each round is one write: at any
 * moment what is out is whole, and the cursor stands below it. */
static void on_interrupt(int number)
{
    if (on_screen)
        (void)!write(STDOUT_FILENO, "\n", 1); /* the prompt does not stand behind the "^C" */
    _exit(CLI_DONE);
}

static void take_interrupts(void)
{
    struct sigaction old, leave = {.sa_handler = on_interrupt};
    if (sigaction(SIGINT, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
        sigaction(SIGINT, &leave, NULL);
}

static bool show(const struct status *status, bool screen, bool first)
{
    struct buffer frame;
    unsigned columns, rows;
    buffer_init(&frame, OUTPUT_MAX);
    const char *text = status->out.len > 0 ? status->out.data : "";
    terminal_size(STDOUT_FILENO, &columns, &rows);
    bool good;
    if (screen)
        good = screen_draw(text, columns, rows, &frame);
    else
        good = (first || status->json || buffer_append_byte(&frame, '\n')) &&
               buffer_append(&frame, text, status->out.len);
    good = good && screen_write(STDOUT_FILENO, &frame);
    buffer_free(&frame);
    return good;
}

static enum cli_exit watch(struct status *status)
{
    bool screen = status->watch && !status->json && terminal_usable(STDOUT_FILENO), first = true;
    on_screen = screen;
    if (status->watch)
        take_interrupts();
    do {
        round_once(status);
        bool told = status->out.len > 0 || screen;
        if (told && !show(status, screen, first)) {
            cli_report("cannot write to standard output");
            status->result = CLI_OTHER;
        }
        first = first && !told;
    } while (status->watch && status->result == CLI_DONE && sleep(WATCH_SECONDS) == 0);
    buffer_free(&status->out);
    return status->result;
}

enum cli_exit command_status(int argc, char **argv)
{
    enum { JSON = 256, WATCH };
    static const struct option longs[] = {
        {"json", no_argument, NULL, JSON},
        {"watch",  no_argument, NULL, WATCH},
        {0     }
    };
    struct status status = {.result = CLI_DONE};
    opterr = 0;
    optind = 0;
    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        if (c == '?')
            return command_unknown_option("status", argv);
        status.json = status.json || c == JSON;
        status.watch = status.watch || c == WATCH;
    }
    if (argc - optind > 1)
        return command_usage("status", "status takes one directory at most");
    status.dir = argv[optind];
    if (status.dir != NULL && mounts_resolve(status.dir, status.path) != 0) {
        cli_report("%s: %s", status.dir, strerror(errno));
        return CLI_OTHER;
    }
    buffer_init(&status.out, OUTPUT_MAX);
    return watch(&status);
}
