/*
 * `outlookfs search DIR QUERY [-0] [--explain]`. The daemon gets one end of a pair of sockets and
 * writes the paths there as it finds them; its answer, how it went, comes afterwards. The mount
 * itself is not touched. A client that is interrupted just goes: the daemon sees it, and stops.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "cli/ask.h"
#include "cli/command.h"
#include "cli/control.h"

enum { PART = 65536, END_MS = 10000 };

struct search {
    struct ask ask;
    char query[CONTROL_QUERY_MAX + 2];
    bool null, explain;
};

/* ---- the request ---- */

/* The request's line, for cmd; NULL without memory. cJSON_free frees it. */
static char *make_request(const struct search *search, const char *cmd)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "cmd", cmd);
    cJSON_AddStringToObject(object, "query", search->query);
    char *text = cJSON_PrintUnformatted(object);
    cJSON_Delete(object);
    return text;
}

static bool send_request(const struct search *search, const char *cmd, int pass, char *why)
{
    struct buffer line;
    buffer_init(&line, CONTROL_REQUEST_MAX);
    char *text = make_request(search, cmd);
    bool good = (text != NULL && buffer_printf(&line, "%s\n", text)) ||
                cli_cause(why, "the query is too long");
    good = good && control_send(search->ask.fd, line.data, pass, why);
    cJSON_free(text);
    buffer_free(&line);
    return good;
}

/* The daemon's answer; NULL with the cause and its code. */
static cJSON *receive(struct search *search, int ms, char *why, enum cli_exit *code)
{
    struct buffer answer;
    cJSON *object = NULL;
    buffer_init(&answer, CONTROL_ANSWER_MAX);
    cli_cause(why, "the mount's process does not answer");
    *code = CLI_OTHER;
    if (control_receive(search->ask.fd, &answer, ms, why) == CONTROL_ANSWER)
        object = ask_parse(answer.data, why, code);
    buffer_free(&answer);
    return object;
}

static enum cli_exit failed(const struct search *search, const char *why, enum cli_exit code)
{
    if (code == CLI_USAGE)
        cli_report("%s; see outlookfs search --help", why);
    else
        cli_report("%s: %s", search->ask.dir, why);
    return code;
}

/* ---- paths ---- */

/* DIR as it was written, with one '/' behind. */
static int dir_length(const char *dir)
{
    size_t len = strlen(dir);
    while (len > 0 && dir[len - 1] == '/')
        len--;
    return (int)len;
}

static bool print_path(const struct search *search, const char *path)
{
    const char *dir = search->ask.dir;
    return printf("%.*s/%s", dir_length(dir), dir, path) > 0 &&
           putchar(search->null ? '\0' : '\n') != EOF;
}

/* Prints what is whole of `part`, and keeps the rest. */
static bool print_whole(const struct search *search, struct buffer *part)
{
    size_t at = 0;
    bool good = true;
    for (const char *end;
         good && at < part->len && (end = memchr(part->data + at, '\0', part->len - at)) != NULL;) {
        good = print_path(search, part->data + at);
        at = (size_t)(end - part->data) + 1;
    }
    if (at > 0)
        buffer_consume(part, at);
    return good && fflush(stdout) == 0;
}

static bool print_paths(const struct search *search, int from, char *why)
{
    struct buffer part;
    bool good = true;
    buffer_init(&part, (size_t)2 * PART);
    for (ssize_t n = 1; n > 0 && good;) {
        char *room = buffer_reserve(&part, PART);
        n = room != NULL ? read(from, room, PART) : -1;
        if (n < 0 && room != NULL && errno == EINTR) {
            n = 1;
            continue;
        }
        if (n < 0)
            good = cli_cause(why, "the mount's process ended");
        buffer_commit(&part, n > 0 ? (size_t)n : 0);
        if (good && !print_whole(search, &part))
            good = cli_cause(why, "cannot write: %s", strerror(errno));
    }
    buffer_free(&part);
    return good;
}

static enum cli_exit find(struct search *search)
{
    char why[CLI_TEXT_MAX];
    int ends[2];
    enum cli_exit code = CLI_OTHER;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        cli_report("%s", strerror(errno));
        return CLI_OTHER;
    }
    bool good = send_request(search, "search", ends[1], why);
    close(ends[1]); /* the end comes when the daemon closes its own */
    good = good && print_paths(search, ends[0], why);
    close(ends[0]);
    cJSON *end = good ? receive(search, END_MS, why, &code) : NULL;
    if (end == NULL)
        return failed(search, why, code);
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(end, "partial")))
        cli_warn("%s: the answer is partial: %s", search->ask.dir, ask_text(end, "note"));
    cJSON_Delete(end);
    return CLI_DONE;
}

/* ---- explain ---- */

static void print_mailbox(const cJSON *mailbox)
{
    const cJSON *sent = cJSON_GetObjectItemCaseSensitive(mailbox, "sent"), *item;
    if (cJSON_GetArraySize(sent) == 0)
        printf("%s: nothing is asked\n", ask_text(mailbox, "mailbox"));
    cJSON_ArrayForEach(item, sent)
    {
        bool away = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(item, "text_away_only"));
        printf("%s: %s%s\n", ask_text(mailbox, "mailbox"), ask_text(item, "command"),
               away ? "   (for messages whose text is not here)" : "");
    }
}

static void print_here(const cJSON *item)
{
    const char *by = ask_text(item, "by");
    printf("here: %s   (%s)\n", ask_text(item, "term"),
           strcmp(by, "listing") == 0 ? "over the listing"
           : strcmp(by, "text") == 0  ? "over the text that is here"
                                      : "over the text that is here alone");
}

static enum cli_exit explain(struct search *search)
{
    char why[CLI_TEXT_MAX];
    enum cli_exit code = CLI_OTHER;
    const cJSON *item;
    cJSON *answer = send_request(search, "explain", -1, why)
                        ? receive(search, CONTROL_PATIENCE_MS, why, &code)
                        : NULL;
    if (answer == NULL)
        return failed(search, why, code);
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(answer, "mailboxes"))
        print_mailbox(item);
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(answer, "here")) print_here(item);
    cJSON_Delete(answer);
    return CLI_DONE;
}

/* ---- the command ---- */

static bool take_options(struct search *search, int argc, char **argv)
{
    enum { EXPLAIN = 256 };
    static const struct option options[] = {
        {"explain", no_argument, NULL, EXPLAIN},
        {NULL,      0,           NULL, 0      },
    };
    opterr = 0;
    optind = 0;
    for (int option; (option = getopt_long(argc, argv, "0", options, NULL)) != -1;) {
        if (option == '?') {
            (void)command_unknown_option("search", argv);
            return false;
        }
        search->null |= option == '0';
        search->explain |= option == EXPLAIN;
    }
    return true;
}

/* The words of the query, with a blank between. */
static bool take_query(struct search *search, int argc, char **argv)
{
    size_t len = 0;
    for (int i = optind + 1; i < argc; i++) {
        int n = snprintf(search->query + len, sizeof search->query - len, "%s%s",
                         i > optind + 1 ? " " : "", argv[i]);
        len += (size_t)n;
        if (len > CONTROL_QUERY_MAX) {
            (void)command_usage("search", "the query is longer than %d bytes", CONTROL_QUERY_MAX);
            return false;
        }
    }
    return true;
}

enum cli_exit command_search(int argc, char **argv)
{
    struct search search = {.null = false};
    if (!take_options(&search, argc, argv))
        return CLI_USAGE;
    if (argc - optind < 2)
        return command_usage("search", "search takes a directory and a query");
    if (!take_query(&search, argc, argv))
        return CLI_USAGE;
    enum cli_exit result = ask_open(&search.ask, argv[optind]);
    if (result != CLI_DONE)
        return result;
    result = search.explain ? explain(&search) : find(&search);
    ask_close(&search.ask);
    return result;
}
