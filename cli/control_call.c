/* See control_call.h. */
#include "cli/control_call.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cjson/cJSON.h>

/* All but `calls` protected by calls->lock. */
struct control_call {
    struct calls *calls;
    struct control_call *next; /* in calls->first, while a client waits without an answer */
    bool answered, abandoned;  /* both: it goes */
    struct buffer line;
    control_cancel_fn *cancel; /* NULL: it cannot be ended early, or was asked to end */
    void *ctx;
    uint64_t ticket;
};

bool calls_init(struct calls *calls)
{
    *calls = (struct calls){.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    pthread_mutex_init(&calls->lock, NULL);
    pthread_cond_init(&calls->ended, NULL);
    return calls->wake >= 0;
}

void calls_destroy(struct calls *calls)
{
    if (calls->wake >= 0)
        close(calls->wake);
    pthread_cond_destroy(&calls->ended);
    pthread_mutex_destroy(&calls->lock);
}

struct control_call *call_new(struct calls *calls)
{
    struct control_call *call = calloc(1, sizeof *call);
    if (call == NULL)
        return NULL;
    *call = (struct control_call){.calls = calls};
    buffer_init(&call->line, CONTROL_ANSWER_MAX);
    pthread_mutex_lock(&calls->lock);
    bool late = calls->finishing;
    if (!late) {
        calls->open++;
        call->next = calls->first;
        calls->first = call;
    }
    pthread_mutex_unlock(&calls->lock);
    if (late)
        free(call);
    return late ? NULL : call;
}

static void call_free(struct control_call *call)
{
    buffer_free(&call->line);
    free(call);
}

/* The next three are called with the lock held. */
static void unlist(struct control_call *call)
{
    struct control_call **at = &call->calls->first;
    while (*at != NULL && *at != call)
        at = &(*at)->next;
    if (*at != NULL)
        *at = call->next;
}

static void end(struct control_call *call)
{
    struct calls *calls = call->calls;
    call->answered = true;
    call->cancel = NULL;
    unlist(call);
    calls->open--;
    pthread_cond_broadcast(&calls->ended);
    eventfd_write(calls->wake, 1);
}

static void end_early(struct control_call *call)
{
    control_cancel_fn *cancel = call->cancel;
    call->cancel = NULL;
    if (cancel != NULL && cancel(call->ctx, call->ticket))
        end(call);
}

void call_abandon(struct control_call **callp)
{
    struct control_call *call = *callp;
    if (call == NULL)
        return;
    *callp = NULL;
    struct calls *calls = call->calls;
    pthread_mutex_lock(&calls->lock);
    unlist(call);
    end_early(call);
    call->abandoned = true;
    bool last = call->answered;
    pthread_mutex_unlock(&calls->lock);
    if (last)
        call_free(call);
}

bool call_collect(struct control_call **callp, struct buffer *line)
{
    struct control_call *call = *callp;
    struct calls *calls = call->calls;
    pthread_mutex_lock(&calls->lock);
    bool answered = call->answered;
    if (answered) {
        buffer_free(line);
        *line = call->line;
        buffer_init(&call->line, CONTROL_ANSWER_MAX);
        *callp = NULL;
    }
    pthread_mutex_unlock(&calls->lock);
    if (answered)
        call_free(call);
    return answered;
}

void calls_finish(struct calls *calls)
{
    pthread_mutex_lock(&calls->lock);
    calls->finishing = true;
    for (struct control_call *call = calls->first, *next; call != NULL; call = next) {
        next = call->next;
        end_early(call);
    }
    while (calls->open > 0)
        pthread_cond_wait(&calls->ended, &calls->lock);
    pthread_mutex_unlock(&calls->lock);
}

void control_call_answer(struct control_call *call, struct buffer *line)
{
    struct calls *calls = call->calls;
    pthread_mutex_lock(&calls->lock);
    call->line = *line;
    end(call);
    bool last = call->abandoned;
    pthread_mutex_unlock(&calls->lock);
    if (last)
        call_free(call);
    buffer_init(line, line->max);
}

void control_call_answer_object(struct control_call *call, cJSON *object)
{
    struct buffer line;
    buffer_init(&line, CONTROL_ANSWER_MAX);
    char *text = cJSON_PrintUnformatted(object);
    if (text != NULL)
        (void)!buffer_append_text(&line, text); /* else it stays empty: no memory */
    cJSON_free(text);
    cJSON_Delete(object);
    control_call_answer(call, &line);
}

void control_call_fail(struct control_call *call, const char *error, int code)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "error", error);
    cJSON_AddNumberToObject(object, "code", code);
    control_call_answer_object(call, object);
}

void control_call_cancel_by(struct control_call *call, control_cancel_fn *cancel, void *ctx,
                            uint64_t ticket)
{
    pthread_mutex_lock(&call->calls->lock);
    if (!call->answered) {
        call->cancel = cancel;
        call->ctx = ctx;
        call->ticket = ticket;
        if (call->calls->finishing)
            end_early(call);
    }
    pthread_mutex_unlock(&call->calls->lock);
}
