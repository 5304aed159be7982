/*
 * `outlookfs pin DIR/MAILBOX` and `unpin`: over the control socket, so that a mount that hangs is
 * not touched. Which part of the path is the mount is found from the top down, and nothing below it
 * is looked up here.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "base/log.h"
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/control.h"
#include "cli/mounts.h"
#include "cli/paths.h"

static const struct timespec between_looks = {.tv_nsec = 200 * 1000000};

/* A path, taken apart. */
struct place {
    char *whole;      /* absolute */
    const char *rest; /* of it, what lies below the mount */
};

/* Connects to the daemon of the mount that `path` is in; without one that is reported. */
static enum cli_exit open_mount(struct ask *ask, const char *path, struct place *place)
{
    ask->dir = path;
    ask->fd = -1;
    place->whole = paths_absolute(path);
    if (place->whole == NULL) {
        cli_report("%s: %s", path, strerror(errno));
        return CLI_OTHER;
    }
    for (char *end = place->whole; *end != '\0' && ask->fd < 0;) {
        end += strspn(end, "/");
        end += strcspn(end, "/");
        char after = *end;
        *end = '\0';
        if (mounts_resolve(place->whole, ask->path) == 0)
            ask->fd = control_connect(ask->path, NULL);
        *end = after;
        place->rest = end + strspn(end, "/");
    }
    if (ask->fd >= 0)
        return CLI_DONE;
    cli_report("%s is not in an outlookfs mount; outlookfs status lists them", path);
    return CLI_OTHER;
}

/* Asks `cmd` for the mailbox. NULL, with *code, where that is refused, which is reported. */
static cJSON *request(struct ask *ask, const char *cmd, const struct place *place,
                      enum cli_exit *code)
{
    cJSON *answer = NULL, *object = cJSON_CreateObject();
    char line[CONTROL_REQUEST_MAX];
    cJSON_AddStringToObject(object, "cmd", cmd);
    cJSON_AddStringToObject(object, "path", place->rest);
    *code = CLI_OTHER;
    if (strlen(place->rest) <= CONTROL_PATH_MAX &&
        cJSON_PrintPreallocated(object, line, (int)sizeof line - 8, false)) {
        strcat(line, "\n");
        answer = ask_object(ask, line, code);
    } else {
        cli_report("%.100s... is too long", ask->dir);
    }
    cJSON_Delete(object);
    return answer;
}

/* ---- the wait ---- */

static const char farewell[] =
    "\noutlookfs: no longer waiting; the mailbox is pinned, and goes on by itself\n";

static void on_interrupt(int number)
{
    (void)!write(STDERR_FILENO, farewell, sizeof farewell - 1);
    signal(number, SIG_DFL);
    raise(number);
}

static void show(const cJSON *answer)
{
    char line[128];
    snprintf(line, sizeof line, "outlookfs: %.0f of %.0f messages are here",
             ask_number(answer, "here"), ask_number(answer, "messages"));
    log_status(line);
}

static bool is_over(const cJSON *answer)
{
    return ask_number(answer, "outcome") != CLI_DONE ||
           cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(answer, "done"));
}

/* Says what is wrong with how it ended. */
static enum cli_exit judge(const struct ask *ask, const cJSON *answer)
{
    double failed = ask_number(answer, "failed"), outcome = ask_number(answer, "outcome");
    if (outcome == CLI_DONE && failed > 0) {
        cli_report("%s is pinned, but the server does not give %.0f message%s of it", ask->dir,
                   failed, failed == 1 ? "" : "s");
        return CLI_REFUSED;
    }
    if (outcome == CLI_DONE)
        return CLI_DONE;
    cli_report("%s is pinned, but %.0f of %.0f messages are here: %.500s", ask->dir,
               ask_number(answer, "here"), ask_number(answer, "messages"),
               ask_text(answer, "problem"));
    return outcome <= CLI_REFUSED ? (enum cli_exit)outcome : CLI_OTHER;
}

static enum cli_exit wait_whole(struct ask *ask, const struct place *place)
{
    enum cli_exit code = CLI_DONE;
    cJSON *last = NULL;
    struct sigaction old;
    const struct sigaction leave = {.sa_handler = on_interrupt};
    if (sigaction(SIGINT, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
        (void)!sigaction(SIGINT, &leave, NULL);
    bool shown = log_status_begin(), over = false;
    while (!over) {
        cJSON_Delete(last);
        last = request(ask, "pinned", place, &code);
        over = last == NULL || is_over(last);
        if (!over && shown)
            show(last);
        if (!over)
            nanosleep(&between_looks, NULL);
    }
    if (shown)
        log_status_end();
    if (last != NULL)
        code = judge(ask, last);
    cJSON_Delete(last);
    return code;
}

/* ---- the commands ---- */

static enum cli_exit run(const char *cmd, int argc, char **argv, bool waits)
{
    struct ask ask;
    struct place place;
    enum cli_exit code;
    const char *path = command_argument(argc, argv, "one mailbox: DIR/MAILBOX");
    if (path == NULL)
        return CLI_USAGE;
    code = open_mount(&ask, path, &place);
    if (code == CLI_DONE) {
        cJSON *answer = request(&ask, cmd, &place, &code);
        if (answer != NULL && waits)
            code = wait_whole(&ask, &place);
        cJSON_Delete(answer);
    }
    ask_close(&ask);
    free(place.whole);
    return code;
}

enum cli_exit command_pin(int argc, char **argv)
{
    return run("pin", argc, argv, true);
}

enum cli_exit command_unpin(int argc, char **argv)
{
    return run("unpin", argc, argv, false);
}
