/*
 * `outlookfs sync DIR`: waits until every change made so far is on the server, or has been refused.
 * A change that failed before somebody waited for it is told here, once (failed.h).
 */
#include <getopt.h>
#include <stdio.h>

#include <cjson/cJSON.h>

#include "cli/command.h"
#include "cli/outbox.h"
#include "cli/settle.h"

/* One line for changes that failed meanwhile: the first, and how many more. */
static enum cli_exit report_failed(struct ask *ask, unsigned long count, int64_t first)
{
    char about[CLI_TEXT_MAX], more[64] = "";
    enum cli_exit code;
    cJSON *outbox = outbox_fetch(ask, &code);
    if (outbox == NULL)
        return code; /* reported */
    const cJSON *row = outbox_find(outbox, first);
    const char *reason = ask_text(row, "reason");
    if (row != NULL)
        outbox_describe(row, about);
    if (count > 1)
        snprintf(more, sizeof more, ", and %lu more", count - 1);
    if (row != NULL)
        cli_report("%s: %s is %s: %.400s%s; outlookfs outbox %s lists %s", ask->dir, about,
                   ask_text(row, "state"), reason[0] != '\0' ? reason : "no reason was given", more,
                   ask->dir, count > 1 ? "them" : "it");
    cJSON_Delete(outbox);
    return row != NULL ? CLI_REFUSED : CLI_DONE; /* gone: dropped, or sent again, just now */
}

static void report_unsettled(const struct ask *ask, const struct settle_end *end)
{
    struct settle_left left;
    if (settle_left(ask, &left) && left.pending > 0)
        cli_report("%s: %.600s; %llu change%s still to be sent, outlookfs outbox %s lists %s",
                   ask->dir, end->why, left.pending, left.pending == 1 ? " is" : "s are", ask->dir,
                   left.pending == 1 ? "it" : "them");
    else
        cli_report("%s: %.600s; outlookfs outbox %s lists what the server does not have", ask->dir,
                   end->why, ask->dir);
}

/* The wait's own error says least: what failed has a name. */
static enum cli_exit finish(struct ask *ask, enum settled settled, const struct settle_end *end)
{
    enum cli_exit code = CLI_OTHER;
    cJSON *failed = settled == SETTLED || end->answered
                        ? ask_object(ask, "{\"cmd\":\"failed\"}\n", &code)
                        : NULL;
    unsigned long count = (unsigned long)ask_number(failed, "failed");
    int64_t first = (int64_t)ask_number(failed, "first");
    bool known = failed != NULL;
    cJSON_Delete(failed);
    if (count > 0)
        code = report_failed(ask, count, first);
    else if (settled != SETTLED)
        report_unsettled(ask, end);
    if (settled != SETTLED)
        return end->code;
    return known && count == 0 ? CLI_DONE : code;
}

enum cli_exit command_sync(int argc, char **argv)
{
    struct ask ask;
    struct settle_end end = {.code = CLI_DONE};
    opterr = 0;
    optind = 0;
    if (getopt(argc, argv, "") != -1)
        return command_usage("sync", "unknown option %.100s", argv[optind - 1]);
    if (argc - optind != 1)
        return command_usage("sync", "sync takes one directory");
    enum cli_exit result = ask_open(&ask, argv[optind]);
    if (result != CLI_DONE)
        return result;
    enum settled settled =
        settle(&ask, -1, "no longer waiting; the changes go on by themselves", &end);
    result = finish(&ask, settled, &end);
    ask_close(&ask);
    return result;
}
