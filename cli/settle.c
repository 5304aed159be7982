/* See settle.h. */
#include "cli/settle.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "cli/control.h"

enum { LOOK_MS = 500 };

/* ---- Ctrl-C ---- */

static char farewell[CLI_TEXT_MAX]; /* before the handler is set */

/* The process ends as one that an interrupt ended: a shell's loop stops, too. */
static void on_interrupt(int number)
{
    (void)!write(STDERR_FILENO, farewell, strlen(farewell));
    signal(number, SIG_DFL);
    raise(number);
}

/* Returns whether SIGINT is taken; `old` is how it was. */
static bool take_interrupts(const char *line, struct sigaction *old)
{
    struct sigaction leave = {.sa_handler = on_interrupt};
    snprintf(farewell, sizeof farewell, "\noutlookfs: %s\n", line);
    log_make_printable(farewell + 1, strlen(farewell) - 2);
    return sigaction(SIGINT, NULL, old) == 0 && old->sa_handler != SIG_IGN &&
           sigaction(SIGINT, &leave, NULL) == 0;
}

/* ---- what is left ---- */

bool settle_left(const struct ask *ask, struct settle_left *left)
{
    char why[CLI_TEXT_MAX];
    enum cli_exit code;
    struct buffer answer;
    buffer_init(&answer, 4096 + 65536);
    int fd = control_connect(ask->path, NULL);
    cJSON *object = NULL;
    if (fd >= 0 && control_exchange(fd, "{\"cmd\":\"pending\"}\n", &answer, why))
        object = ask_parse(answer.data, why, &code);
    left->pending = (unsigned long long)ask_number(object, "pending");
    left->refused = (unsigned long long)ask_number(object, "refused");
    left->unfinished = (unsigned long long)ask_number(object, "unfinished");
    left->held = (unsigned long long)ask_number(object, "held");
    bool good = object != NULL;
    cJSON_Delete(object);
    buffer_free(&answer);
    if (fd >= 0)
        close(fd);
    return good;
}

static void show_left(const struct ask *ask)
{
    struct settle_left left;
    char line[128];
    if (!settle_left(ask, &left))
        return;
    snprintf(line, sizeof line, "outlookfs: %llu change%s to go", left.pending,
             left.pending == 1 ? "" : "s");
    log_status(left.pending > 0 ? line : "");
}

/* ---- the wait ---- */

/* Looks at the terminal now and then until the answer comes, or the bound passes. */
static enum control_got wait_answer(const struct ask *ask, int64_t bound_ms, struct buffer *answer,
                                    char *why)
{
    bool shown = log_status_begin();
    int64_t deadline = bound_ms < 0 ? INT64_MAX : clock_ms() + bound_ms;
    enum control_got got;
    do {
        int ms = clock_until(deadline);
        got = control_receive(ask->fd, answer, ms < LOOK_MS || !shown ? ms : LOOK_MS, why);
        if (got == CONTROL_LATER && shown)
            show_left(ask);
    } while (got == CONTROL_LATER && clock_until(deadline) > 0);
    if (shown)
        log_status_end();
    return got;
}

enum settled settle(const struct ask *ask, int64_t bound_ms, const char *interrupted,
                    struct settle_end *end)
{
    struct sigaction old;
    struct buffer answer;
    enum control_got got = CONTROL_LOST;
    cJSON *object = NULL;
    end->code = CLI_OTHER;
    end->answered = false;
    buffer_init(&answer, CONTROL_ANSWER_MAX);
    bool taken = take_interrupts(interrupted, &old);
    if (control_send(ask->fd, "{\"cmd\":\"sync\"}\n", -1, end->why))
        got = wait_answer(ask, bound_ms, &answer, end->why);
    if (got == CONTROL_ANSWER)
        object = ask_parse(answer.data, end->why, &end->code);
    if (taken)
        sigaction(SIGINT, &old, NULL);
    bool good = object != NULL;
    end->answered = got == CONTROL_ANSWER;
    cJSON_Delete(object);
    buffer_free(&answer);
    if (got == CONTROL_LATER)
        return SETTLED_LATE;
    return good ? SETTLED : SETTLED_FAILED;
}
