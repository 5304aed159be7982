/* See requests.h. */
#include "cli/requests.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "cli/exit_code.h"
#include "cli/report.h"
#include "cli/search_request.h"
#include "sync/change.h"

static const char read_only[] =
    "it is mounted read-only, which leaves the outbox alone; mount it without ro";

struct chore {
    struct requests *requests;
    struct control_call *call;
    void (*run)(struct chore *chore);
    int64_t id;
    int fd; /* or -1 */
    char path[CONTROL_PATH_MAX + 2];
};

/* ---- answers ---- */

static void answer_error(struct control_call *call, enum sync_error error, const char *text)
{
    if (error == SYNC_OK)
        control_call_answer_object(call, cJSON_CreateObject());
    else
        control_call_fail(call, text[0] != '\0' ? text : exit_code_text(error),
                          (int)exit_code_of(error));
}

/* ---- status ---- */

static void take_status(struct requests *requests, struct control_request *request,
                        struct control_call *call)
{
    bool as_text = strcmp(request->format, "text") == 0;
    struct buffer state;
    buffer_init(&state, 1 << 20);
    bool filled = (as_text ? sync_status_text : sync_status_json)(requests->sync, &state);
    cJSON *object = NULL;
    if (filled && as_text) {
        object = cJSON_CreateObject();
        cJSON_AddStringToObject(object, "text", state.data);
    } else if (filled) {
        object = cJSON_ParseWithLength(state.data, state.len);
    }
    buffer_free(&state);
    if (!cJSON_IsObject(object)) {
        cJSON_Delete(object);
        control_call_fail(call, "the state cannot be told", CLI_OTHER);
        return;
    }
    cJSON_DeleteItemFromObjectCaseSensitive(object, "mountpoint");
    cJSON_DeleteItemFromObjectCaseSensitive(object, "pid");
    cJSON_AddStringToObject(object, "mountpoint", requests->mountpoint);
    cJSON_AddNumberToObject(object, "pid", getpid());
    control_call_answer_object(call, object);
}

/* ---- sync ---- */

static void settled(void *call, const struct sync_changed *changed)
{
    /* A mount that changes nothing has nothing to wait for. */
    enum sync_error error = changed->error == SYNC_ERR_READONLY ? SYNC_OK : changed->error;
    answer_error(call, error, changed->reason);
}

static bool settle_cancel(void *sync, uint64_t ticket)
{
    return sync_detach(sync, ticket);
}

static void take_sync(struct requests *requests, struct control_request *request,
                      struct control_call *call)
{
    sync_ticket ticket = sync_settle(requests->sync, 0, settled, call);
    if (ticket != 0)
        control_call_cancel_by(call, settle_cancel, requests->sync, ticket);
    else
        answer_error(call, SYNC_ERR_MEMORY, "");
}

/* ---- what waits for the journal ---- */

bool requests_pending(struct sync *sync, struct pending *pending)
{
    *pending = (struct pending){0};
    struct journal *journal = sync_journal(sync);
    struct journal_figures figures;
    if (journal == NULL || journal_figures_get(journal, &figures) != CACHE_OK)
        return false;
    const uint64_t *rows = figures.rows;
    pending->under_way = rows[JOURNAL_INTENT] + rows[JOURNAL_SENT] + rows[JOURNAL_DONE];
    pending->refused = rows[JOURNAL_REFUSED];
    pending->unfinished = rows[JOURNAL_UNFINISHED];
    pending->held = rows[JOURNAL_HELD];
    return true;
}

static void run_pending(struct chore *chore)
{
    struct pending pending;
    (void)requests_pending(chore->requests->sync, &pending); /* no journal: nothing is pending */
    cJSON *object = cJSON_CreateObject();
    cJSON_AddNumberToObject(object, "pending", (double)pending.under_way);
    cJSON_AddNumberToObject(object, "refused", (double)pending.refused);
    cJSON_AddNumberToObject(object, "unfinished", (double)pending.unfinished);
    cJSON_AddNumberToObject(object, "held", (double)pending.held);
    control_call_answer_object(chore->call, object);
}

static void run_failed(struct chore *chore)
{
    struct requests *requests = chore->requests;
    struct journal *journal = sync_journal(requests->sync);
    size_t count = 0;
    int64_t first = 0;
    if (journal != NULL && requests->silent &&
        !failed_look(&requests->failed, journal, &count, &first)) {
        control_call_fail(chore->call, "the journal cannot be read", CLI_OTHER);
        return;
    }
    cJSON *object = cJSON_CreateObject();
    cJSON_AddNumberToObject(object, "failed", (double)count);
    cJSON_AddNumberToObject(object, "first", (double)first);
    control_call_answer_object(chore->call, object);
}

/* Not through cJSON: of 100,000 rows it would make many times their size. */
static void run_outbox(struct chore *chore)
{
    struct buffer line;
    buffer_init(&line, CONTROL_ANSWER_MAX - 1);
    if (!buffer_append_text(&line, "{\"outbox\":") ||
        !sync_outbox_json(chore->requests->sync, &line) || !buffer_append_byte(&line, '}')) {
        buffer_free(&line);
        control_call_fail(chore->call, "the outbox cannot be read", CLI_OTHER);
        return;
    }
    control_call_answer(chore->call, &line);
}

static void run_retry(struct chore *chore)
{
    char text[SYNC_TEXT_MAX] = "";
    enum sync_error error = sync_outbox_retry(chore->requests->sync, chore->id, text);
    answer_error(chore->call, error, text);
}

static void run_drop(struct chore *chore)
{
    char text[SYNC_TEXT_MAX] = "";
    enum sync_error error = sync_outbox_drop(chore->requests->sync, chore->id, text);
    answer_error(chore->call, error, text);
}

/* Whoever reads has a bound for each write, and ends it by going. */
static void run_save(struct chore *chore)
{
    char text[SYNC_TEXT_MAX] = "";
    const struct timeval patience = {.tv_sec = CONTROL_PATIENCE_MS / 1000};
    setsockopt(chore->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    enum sync_error error = sync_outbox_save(chore->requests->sync, chore->id, chore->fd, text);
    answer_error(chore->call, error, text);
}

/* The writer finds a broken pipe, and answers. The descriptor is open as long as there is no
 * answer. */
static bool save_cancel(void *ctx, uint64_t fd)
{
    shutdown((int)fd, SHUT_RDWR);
    return false;
}

/* ---- pins ---- */

static void run_pin(struct chore *chore)
{
    char text[SYNC_TEXT_MAX] = "";
    enum sync_error error = sync_pin(chore->requests->sync, chore->path, text);
    answer_error(chore->call, error, text);
}

static void run_unpin(struct chore *chore)
{
    char text[SYNC_TEXT_MAX] = "";
    enum sync_error error = sync_unpin(chore->requests->sync, chore->path, text);
    answer_error(chore->call, error, text);
}

static void run_pinned(struct chore *chore)
{
    char text[SYNC_TEXT_MAX] = "";
    struct sync_pin pin;
    enum sync_error error = sync_pin_look(chore->requests->sync, chore->path, &pin, text);
    if (error != SYNC_OK) {
        answer_error(chore->call, error, text);
        return;
    }
    cJSON *object = cJSON_CreateObject();
    cJSON_AddNumberToObject(object, "messages", (double)pin.messages);
    cJSON_AddNumberToObject(object, "here", (double)pin.here);
    cJSON_AddNumberToObject(object, "failed", (double)pin.failed);
    cJSON_AddBoolToObject(object, "done", pin.done);
    cJSON_AddNumberToObject(object, "outcome", exit_code_of(pin.error));
    cJSON_AddStringToObject(object, "problem",
                            pin.error == SYNC_OK  ? ""
                            : pin.text[0] != '\0' ? pin.text
                                                  : exit_code_text(pin.error));
    control_call_answer_object(chore->call, object);
}

static void *run_chore(void *arg)
{
    struct chore *chore = arg;
    chore->run(chore); /* sync may be gone from its answer on */
    if (chore->fd >= 0)
        close(chore->fd);
    free(chore);
    return NULL;
}

/* Takes the request's descriptor. */
static void start_chore(struct requests *requests, struct control_request *request,
                        struct control_call *call, void (*run)(struct chore *chore))
{
    int fd = request->fd;
    pthread_attr_t attributes;
    pthread_t thread;
    struct chore *chore = malloc(sizeof *chore);
    bool started = false;
    if (chore != NULL && pthread_attr_init(&attributes) == 0) {
        *chore = (struct chore){
            .requests = requests, .call = call, .run = run, .id = request->id, .fd = fd};
        memcpy(chore->path, request->path, sizeof chore->path);
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        started = pthread_create(&thread, &attributes, run_chore, chore) == 0;
        pthread_attr_destroy(&attributes);
    }
    if (started) {
        request->fd = -1;
        if (run == run_save)
            control_call_cancel_by(call, save_cancel, NULL, (uint64_t)fd);
    } else {
        free(chore);
        answer_error(call, SYNC_ERR_MEMORY, "");
    }
}

/* ---- the table ---- */

/* A descriptor that can keep nobody waiting: not a file, whose file system may hang, nor this mount
 * itself. */
static bool is_socket(int fd)
{
    struct stat st;
    return fd >= 0 && fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

static const struct {
    const char *cmd;
    void (*take)(struct requests *, struct control_request *, struct control_call *);
    void (*run)(struct chore *); /* in place of take: on a thread of its own */
    bool journal, id, socket;    /* what must be there */
} table[] = {
    {"status",  take_status,  NULL,        false, false, false},
    {"sync",    take_sync,    NULL,        false, false, false},
    {"pending", NULL,         run_pending, false, false, false},
    {"failed",  NULL,         run_failed,  false, false, false},
    {"outbox",  NULL,         run_outbox,  true,  false, false},
    {"retry",   NULL,         run_retry,   true,  true,  false},
    {"drop",    NULL,         run_drop,    true,  true,  false},
    {"save",    NULL,         run_save,    true,  true,  true },
    {"pin",     NULL,         run_pin,     false, false, false},
    {"unpin",   NULL,         run_unpin,   false, false, false},
    {"pinned",  NULL,         run_pinned,  false, false, false},
    {"search",  search_take,  NULL,        false, false, true },
    {"explain", explain_take, NULL,        false, false, false},
};

void requests_init(struct requests *requests, struct sync *sync, const char *mountpoint,
                   bool silent)
{
    struct journal *journal = sync_journal(sync);
    size_t count;
    int64_t first;
    *requests = (struct requests){.sync = sync, .mountpoint = mountpoint, .silent = silent};
    failed_init(&requests->failed);
    if (journal != NULL && silent)
        (void)!failed_look(&requests->failed, journal, &count, &first);
}

void requests_destroy(struct requests *requests)
{
    failed_destroy(&requests->failed);
}

void requests_take(void *ctx, struct control_request *request, struct control_call *call)
{
    struct requests *requests = ctx;
    size_t i = 0;
    while (i < sizeof table / sizeof table[0] && strcmp(table[i].cmd, request->cmd) != 0)
        i++;
    if (i == sizeof table / sizeof table[0])
        control_call_fail(call, "unknown command", CLI_OTHER);
    else if (table[i].journal && sync_journal(requests->sync) == NULL)
        control_call_fail(call, read_only, CLI_OTHER);
    else if (table[i].id && request->id == 0)
        control_call_fail(call, "an id is missing", CLI_OTHER);
    else if (table[i].socket && !is_socket(request->fd))
        control_call_fail(call, "a socket is missing", CLI_OTHER);
    else if (table[i].take != NULL)
        table[i].take(requests, request, call);
    else
        start_chore(requests, request, call, table[i].run);
}
