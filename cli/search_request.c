/* See search_request.h. The paths go straight to the client's socket, so that neither side keeps
 * them; a client that does not read is given up as one that is gone. */
#include "cli/search_request.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "cli/exit_code.h"
#include "sync/search.h"

enum { PATH_BYTES = 64 * 1024 };

_Static_assert((int)CONTROL_QUERY_MAX == (int)SYNC_QUERY_MAX, "a query passes whole");

struct searching {
    struct requests *requests;
    struct control_call *call;
    struct sync_search *search;
    bool explain;
    int fd; /* where the paths go; -1 where there are none: it is to be explained */
};

static void answer_cause(struct control_call *call, enum sync_error error, const char *cause)
{
    int code = error == SYNC_ERR_INVALID ? CLI_USAGE : (int)exit_code_of(error);
    control_call_fail(call, cause[0] != '\0' ? cause : exit_code_text(error), code);
}

/* ---- searching ---- */

static bool send_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        data += n;
        len -= (size_t)n;
    }
    return true;
}

static bool send_hit(void *ctx, const struct cache_inode *inode)
{
    const struct searching *searching = ctx;
    struct buffer path;
    buffer_init(&path, PATH_BYTES);
    /* One whose mailbox went away meanwhile has none. */
    bool good = !sync_path(searching->requests->sync, inode, &path) ||
                send_all(searching->fd, path.data, path.len + 1);
    buffer_free(&path);
    return good;
}

static void answer_end(struct control_call *call, const struct sync_search_end *end)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddNumberToObject(object, "found", (double)end->found);
    cJSON_AddBoolToObject(object, "partial", end->partial);
    cJSON_AddStringToObject(object, "note", end->note);
    control_call_answer_object(call, object);
}

static void run_search(struct searching *searching)
{
    const struct timeval patience = {.tv_sec = CONTROL_PATIENCE_MS / 1000};
    struct sync_search_end end;
    setsockopt(searching->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    enum sync_error error = sync_search_run(searching->search, send_hit, searching, &end);
    shutdown(searching->fd, SHUT_RDWR); /* the client sees the end of the paths, then the answer */
    if (error == SYNC_OK)
        answer_end(searching->call, &end);
    else
        answer_cause(searching->call, error, end.note);
}

static void run_explain(struct searching *searching)
{
    char why[SYNC_TEXT_MAX] = "";
    struct buffer line;
    buffer_init(&line, CONTROL_ANSWER_MAX - 1);
    enum sync_error error = sync_search_explain(searching->search, &line, why);
    if (error == SYNC_OK)
        control_call_answer(searching->call, &line);
    else
        answer_cause(searching->call, error, why);
    buffer_free(&line);
}

/* sync may be gone once the answer is given; freeing a search does not touch it. */
static void *run(void *arg)
{
    struct searching *searching = arg;
    if (searching->explain)
        run_explain(searching);
    else
        run_search(searching);
    if (searching->fd >= 0)
        close(searching->fd);
    sync_search_free(&searching->search);
    free(searching);
    return NULL;
}

/* There is no answer yet, so the search is there. It answers soon. */
static bool cancel(void *ctx, uint64_t ticket)
{
    struct searching *searching = ctx;
    sync_search_cancel(searching->search);
    if (searching->fd >= 0)
        shutdown(searching->fd, SHUT_RDWR);
    return false;
}

static bool start(struct searching *searching)
{
    pthread_attr_t attributes;
    pthread_t thread;
    if (pthread_attr_init(&attributes) != 0)
        return false;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    bool started = pthread_create(&thread, &attributes, run, searching) == 0;
    pthread_attr_destroy(&attributes);
    return started;
}

/* Takes the request's descriptor. */
static void take(struct requests *requests, struct control_request *request,
                 struct control_call *call, bool explain)
{
    char why[SYNC_TEXT_MAX] = "";
    enum sync_error error = SYNC_ERR_MEMORY;
    struct searching *searching = malloc(sizeof *searching);
    struct sync_search *search =
        sync_search_new(requests->sync, request->query, strlen(request->query), &error, why);
    if (searching != NULL && search != NULL) {
        *searching = (struct searching){requests, call, search, explain, request->fd};
        if (start(searching)) {
            request->fd = -1;
            control_call_cancel_by(call, cancel, searching, 0);
            return;
        }
        error = SYNC_ERR_MEMORY;
    }
    sync_search_free(&search);
    free(searching);
    answer_cause(call, error, why);
}

void search_take(struct requests *requests, struct control_request *request,
                 struct control_call *call)
{
    take(requests, request, call, false);
}

void explain_take(struct requests *requests, struct control_request *request,
                  struct control_call *call)
{
    take(requests, request, call, true);
}
