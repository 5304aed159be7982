/*
 * `outlookfs outbox DIR [list | retry ID | drop ID | save ID FILE]`: what the server does not have,
 * and what is to become of it. All of it goes over the control socket and touches no mount.
 */
#include "cli/outbox.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "base/clock.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/control.h"
#include "cli/option_value.h"
#include "cli/screen.h"
#include "cli/settle.h"

struct action {
    const char *name;
    int arguments; /* after its name */
    enum cli_exit (*run)(struct ask *ask, int64_t id, const char *file);
};

static enum cli_exit list(struct ask *ask, bool json)
{
    enum cli_exit code;
    struct buffer out;
    cJSON *outbox = outbox_fetch(ask, &code);
    if (outbox == NULL)
        return code;
    buffer_init(&out, 2 * (size_t)CONTROL_ANSWER_MAX);
    bool good = json ? outbox_lines(outbox, &out) : outbox_table(outbox, clock_wall(), &out);
    if (!good || !screen_write(STDOUT_FILENO, &out)) {
        cli_report(good ? "cannot write to standard output" : "no memory");
        code = CLI_OTHER;
    }
    buffer_free(&out);
    cJSON_Delete(outbox);
    return code;
}

static enum cli_exit list_table(struct ask *ask, int64_t id, const char *file)
{
    return list(ask, false);
}

/* Tells what became of something, on standard output. */
static enum cli_exit tell(int64_t id, const char *what, const char *about)
{
    char line[CLI_TEXT_MAX + 128];
    snprintf(line, sizeof line, "%" PRId64 " %s: %s", id, what, about);
    log_make_printable(line, strlen(line));
    if (puts(line) >= 0 && fflush(stdout) == 0)
        return CLI_DONE;
    cli_report("cannot write to standard output");
    return CLI_OTHER;
}

/* What the row is about; without one that is reported. */
static enum cli_exit describe(struct ask *ask, int64_t id, char *about)
{
    enum cli_exit code;
    cJSON *outbox = outbox_fetch(ask, &code);
    if (outbox == NULL)
        return code;
    const cJSON *row = outbox_find(outbox, id);
    if (row != NULL)
        outbox_describe(row, about);
    else
        cli_report("%s: there is no %" PRId64 " in the outbox; outlookfs outbox %s lists it",
                   ask->dir, id, ask->dir);
    cJSON_Delete(outbox);
    return row != NULL ? CLI_DONE : CLI_OTHER;
}

static enum cli_exit request(struct ask *ask, const char *cmd, int64_t id)
{
    char line[96];
    enum cli_exit code;
    snprintf(line, sizeof line, "{\"cmd\":\"%s\",\"id\":%" PRId64 "}\n", cmd, id);
    cJSON_Delete(ask_object(ask, line, &code));
    return code;
}

static enum cli_exit drop(struct ask *ask, int64_t id, const char *file)
{
    char about[CLI_TEXT_MAX];
    enum cli_exit result = describe(ask, id, about);
    if (result == CLI_DONE)
        result = request(ask, "drop", id);
    return result == CLI_DONE ? tell(id, "dropped", about) : result;
}

static bool is_pending(const cJSON *row)
{
    const char *state = ask_text(row, "state");
    return strcmp(state, "intent") == 0 || strcmp(state, "sent") == 0;
}

/* A row that is gone is done; one that is there says why. */
static enum cli_exit outcome(struct ask *ask, int64_t id, const char *about,
                             const struct settle_end *end)
{
    enum cli_exit code;
    cJSON *outbox = outbox_fetch(ask, &code);
    if (outbox == NULL)
        return code;
    const cJSON *row = outbox_find(outbox, id);
    const char *reason = ask_text(row, "reason");
    if (row == NULL) {
        code = tell(id, "is on the server", about);
    } else {
        if (is_pending(row))
            cli_report("%s: %" PRId64
                       " (%s) is not on the server yet: %.600s; it goes out by itself",
                       ask->dir, id, about, end->why);
        else
            cli_report("%s: %" PRId64 " (%s) is %s: %.600s; outlookfs outbox %s lists it", ask->dir,
                       id, about, ask_text(row, "state"), reason[0] != '\0' ? reason : end->why,
                       ask->dir);
        code = end->code != CLI_DONE ? end->code : CLI_REFUSED;
    }
    cJSON_Delete(outbox);
    return code;
}

static enum cli_exit retry(struct ask *ask, int64_t id, const char *file)
{
    char about[CLI_TEXT_MAX];
    struct settle_end end = {.code = CLI_DONE, .why = "it waits for the server"};
    enum cli_exit result = describe(ask, id, about);
    if (result == CLI_DONE)
        result = request(ask, "retry", id);
    if (result != CLI_DONE)
        return result;
    (void)!settle(ask, -1, "no longer waiting; it is sent all the same", &end);
    return outcome(ask, id, about, &end);
}

static const struct action actions[] = {
    {"list",  0, list_table },
    {"retry", 1, retry      },
    {"drop",  1, drop       },
    {"save",  2, outbox_save},
};

static const struct action *action_find(const char *name)
{
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++)
        if (strcmp(actions[i].name, name) == 0)
            return &actions[i];
    return NULL;
}

/* DIR, then an action with what it takes. */
static enum cli_exit run(int argc, char **argv, bool json)
{
    const struct action *action = action_find(argc > 1 ? argv[1] : "list");
    uint64_t id = 0;
    struct ask ask;
    if (argc < 1)
        return command_usage("outbox", "outbox takes a directory");
    if (action == NULL)
        return command_usage("outbox", "unknown action %.100s", argv[1]);
    if (argc > 2 + action->arguments || argc < (action->arguments > 0 ? 2 + action->arguments : 1))
        return command_usage(
            "outbox", "%s takes %s", action->name,
            (const char *const[]){"no more", "an id", "an id and a file"}[action->arguments]);
    if (action->arguments > 0 && !option_value_number(argv[2], 1, INT64_MAX, &id))
        return command_usage("outbox", "%.100s is not an id", argv[2]);
    if (json && action->run != list_table)
        return command_usage("outbox", "--json goes with list");
    enum cli_exit result = ask_open(&ask, argv[0]);
    if (result == CLI_DONE)
        result = json ? list(&ask, true) : action->run(&ask, (int64_t)id, argc > 3 ? argv[3] : "");
    ask_close(&ask);
    return result;
}

enum cli_exit command_outbox(int argc, char **argv)
{
    static const struct option longs[] = {
        {"json", no_argument, NULL, 'j'},
        {0 }
    };
    bool json = false;
    opterr = 0;
    optind = 0;
    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        if (c == '?')
            return command_usage("outbox", "unknown option %.100s", argv[optind - 1]);
        json = true;
    }
    return run(argc - optind, argv + optind, json);
}
