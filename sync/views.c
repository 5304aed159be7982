/*
 * See views.h. A request passes three stages: it waits for the body (a request of its own to
 * sync_want_body), it stands in line for a renderer with the body pinned, it is being rendered. Its
 * `done` is called at the end of whichever stage fails, or the last one; detaching takes `done`
 * away, and the rest ends quietly.
 *
 * Requests are counted: the list holds one reference, whoever works on one outside of the lock
 * another. The lock is never held across the cache, a rendering or a callback; sync->lock is taken
 * inside of no other.
 */
#include "sync/views.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cache/texts.h"
#include "message/text_view.h"
#include "sync/body_source.h"
#include "sync/internal.h"

enum {
    RENDERERS = 2,
    HELD_MAX = 96,    /* views in memory, or in an open file */
    BODY_ATTEMPTS = 3 /* a cache far too small may evict a body before it is pinned */
};

enum view_stage { VIEW_BODY, VIEW_QUEUED, VIEW_RUNNING };

struct view_request {
    struct view_request *next; /* in views->list. Protected by lock */
    struct views *views;
    atomic_uint references;
    enum rendered_kind kind;
    int64_t message;
    uint32_t index;
    bool foreseen; /* nobody waits, and it is made all the same */
    sync_ticket ticket;
    unsigned attempts;
    void *ctx;
    /* Protected by lock: */
    enum view_stage stage;
    sync_done_fn *done;      /* NULL: nobody hears */
    sync_ticket body_ticket; /* VIEW_BODY; 0: not known yet */
};

struct views {
    struct sync *sync;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    /* Protected by lock: */
    struct view_request *list; /* oldest first */
    pthread_t threads[RENDERERS];
    unsigned thread_count, idle;
    bool stopping;
    struct rendered *held[HELD_MAX]; /* the one used last is first */
};

struct views *views_new(struct sync *sync)
{
    struct views *views = calloc(1, sizeof *views);
    if (views == NULL)
        return NULL;
    views->sync = sync;
    pthread_mutex_init(&views->lock, NULL);
    pthread_cond_init(&views->wake, NULL);
    return views;
}

/* ---- what is held ---- */

static struct rendered *hold_first_locked(struct views *views, unsigned at,
                                          struct rendered *rendered)
{
    memmove(views->held + 1, views->held, at * sizeof *views->held);
    views->held[0] = rendered;
    return rendered;
}

static struct rendered *find_locked(struct views *views, enum rendered_kind kind, int64_t message,
                                    uint32_t index)
{
    for (unsigned i = 0; i < HELD_MAX && views->held[i] != NULL; i++) {
        struct rendered *r = views->held[i];
        if (r->message == message && r->kind == kind && r->index == index)
            return rendered_take(hold_first_locked(views, i, r));
    }
    return NULL;
}

static void hold(struct views *views, struct rendered *rendered)
{
    pthread_mutex_lock(&views->lock);
    struct rendered *last = views->held[HELD_MAX - 1];
    hold_first_locked(views, HELD_MAX - 1, rendered_take(rendered));
    pthread_mutex_unlock(&views->lock);
    rendered_drop(&last);
}

struct rendered *sync_view(struct sync *sync, enum rendered_kind kind, int64_t message,
                           uint32_t index)
{
    struct views *views = sync->views;
    pthread_mutex_lock(&views->lock);
    struct rendered *rendered = find_locked(views, kind, message, index);
    pthread_mutex_unlock(&views->lock);
    return rendered;
}

/* ---- requests ---- */

static void request_drop(struct view_request *request)
{
    if (atomic_fetch_sub(&request->references, 1) == 1)
        free(request);
}

/* Takes the request out of the list and tells whoever still waits. */
static void finish(struct view_request *request, enum sync_error error)
{
    struct views *views = request->views;
    pthread_mutex_lock(&views->lock);
    struct view_request **at = &views->list;
    while (*at != request)
        at = &(*at)->next;
    *at = request->next;
    sync_done_fn *done = request->done;
    pthread_mutex_unlock(&views->lock);
    if (done != NULL)
        done(request->ctx, error);
    request_drop(request);
}

static void *renderer_main(void *views);

/* The body is pinned: a renderer may go on. */
static void enqueue(struct view_request *request)
{
    struct views *views = request->views;
    bool none = false;
    pthread_mutex_lock(&views->lock);
    request->stage = VIEW_QUEUED;
    if (views->idle == 0 && views->thread_count < RENDERERS && !views->stopping &&
        pthread_create(&views->threads[views->thread_count], NULL, renderer_main, views) == 0)
        views->thread_count++;
    none = views->thread_count == 0 || views->stopping;
    pthread_cond_signal(&views->wake);
    pthread_mutex_unlock(&views->lock);
    if (!none)
        return;
    cache_body_unpin(views->sync->cache, request->message);
    finish(request, SYNC_ERR_STOPPING);
}

static void body_done(void *ctx, enum sync_error error);

/* Goes on with what the request needs first. */
static void advance(struct view_request *request)
{
    struct views *views = request->views;
    uint64_t size;
    pthread_mutex_lock(&views->lock);
    bool stopping = views->stopping;
    pthread_mutex_unlock(&views->lock);
    if (stopping) {
        finish(request, SYNC_ERR_STOPPING);
        return;
    }
    enum cache_error error = cache_body_pin(views->sync->cache, request->message, &size);
    if (error == CACHE_OK) {
        enqueue(request);
        return;
    }
    if (error != CACHE_ERR_ABSENT || request->attempts++ == BODY_ATTEMPTS) {
        finish(request, error == CACHE_ERR_ABSENT ? SYNC_ERR_CACHE : sync_error_of_cache(error));
        return;
    }
    atomic_fetch_add(&request->references, 1); /* it may be over before the ticket is here */
    sync_ticket ticket = sync_want_body(views->sync, request->message, body_done, request);
    pthread_mutex_lock(&views->lock);
    if (request->stage == VIEW_BODY)
        request->body_ticket = ticket;
    pthread_mutex_unlock(&views->lock);
    if (ticket == 0)
        finish(request, SYNC_ERR_MEMORY);
    request_drop(request);
}

static void body_done(void *ctx, enum sync_error error)
{
    struct view_request *request = ctx;
    pthread_mutex_lock(&request->views->lock);
    request->body_ticket = 0;
    pthread_mutex_unlock(&request->views->lock);
    if (error != SYNC_OK)
        finish(request, error);
    else
        advance(request);
}

static struct view_request *request_new(struct views *views, enum rendered_kind kind,
                                        int64_t message, uint32_t index)
{
    struct view_request *request = calloc(1, sizeof *request);
    if (request == NULL)
        return NULL;
    request->views = views;
    request->kind = kind;
    request->message = message;
    request->index = index;
    atomic_init(&request->references, 1);
    return request;
}

static void put_last(struct view_request *request)
{
    struct views *views = request->views;
    pthread_mutex_lock(&views->lock);
    struct view_request **at = &views->list;
    while (*at != NULL)
        at = &(*at)->next;
    *at = request;
    pthread_mutex_unlock(&views->lock);
}

/* Whether the text is made, or being made, or cannot be made without the network. */
static bool needs_nothing(struct views *views, int64_t message)
{
    uint64_t size;
    pthread_mutex_lock(&views->lock);
    struct rendered *held = find_locked(views, RENDERED_TEXT, message, 0);
    struct view_request *request = views->list;
    while (request != NULL && (request->message != message || request->kind != RENDERED_TEXT))
        request = request->next;
    bool known = held != NULL || request != NULL || views->stopping;
    pthread_mutex_unlock(&views->lock);
    rendered_drop(&held);
    return known || cache_text_find(views->sync->cache, message, MESSAGE_TEXT_VERSION, &size) !=
                        CACHE_ERR_ABSENT;
}

void sync_foresee_texts(struct sync *sync, const int64_t *messages, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t size;
        if (needs_nothing(sync->views, messages[i]) ||
            cache_body_pin(sync->cache, messages[i], &size) != CACHE_OK)
            continue;
        struct view_request *request = request_new(sync->views, RENDERED_TEXT, messages[i], 0);
        if (request == NULL) {
            cache_body_unpin(sync->cache, messages[i]);
            return;
        }
        request->foreseen = true;
        put_last(request);
        enqueue(request);
    }
}

sync_ticket sync_want_view(struct sync *sync, enum rendered_kind kind, int64_t message,
                           uint32_t index, sync_done_fn *done, void *ctx)
{
    struct views *views = sync->views;
    struct view_request *request = request_new(views, kind, message, index);
    if (request == NULL)
        return 0;
    pthread_mutex_lock(&sync->lock);
    sync_ticket ticket = request->ticket = ++sync->last_ticket;
    pthread_mutex_unlock(&sync->lock);
    request->done = done;
    request->ctx = ctx;
    put_last(request);
    advance(request);
    return ticket;
}

bool views_detach(struct views *views, sync_ticket ticket)
{
    sync_ticket body = 0;
    if (views == NULL)
        return false;
    pthread_mutex_lock(&views->lock);
    struct view_request *request = views->list;
    while (request != NULL && request->ticket != ticket)
        request = request->next;
    bool found = request != NULL && request->done != NULL;
    if (found) {
        request->done = NULL;
        body = request->body_ticket;
        atomic_fetch_add(&request->references, 1);
    }
    pthread_mutex_unlock(&views->lock);
    if (body != 0 && sync_detach(views->sync, body))
        finish(request, SYNC_ERR_STOPPING);
    if (found)
        request_drop(request);
    return found;
}

/* ---- rendering ---- */

struct output {
    struct rendered *rendered;
    const char *directory;
};

static bool write_output(void *ctx, const char *data, size_t len)
{
    struct output *output = ctx;
    return rendered_write(output->rendered, output->directory, data, len);
}

static enum message_result make_part(struct rendered *rendered, const struct message_source *source,
                                     const struct message_sink *sink)
{
    struct message_parts *parts = NULL;
    enum message_result result = message_parts_read(&parts, source);
    if (result == MESSAGE_OK && rendered->index < message_parts_count(parts))
        result = message_parts_write(parts, rendered->index, source, sink);
    message_parts_free(&parts);
    return result;
}

static enum message_result make(struct view_request *request, struct rendered *rendered,
                                const struct message_source *source)
{
    struct output output = {rendered, cache_directory(request->views->sync->cache)};
    const struct message_sink sink = {write_output, &output};
    switch (request->kind) {
    case RENDERED_TEXT:
        return message_text_view(source, &sink);
    case RENDERED_LIST:
        return message_parts_read(&rendered->parts, source);
    case RENDERED_PART:
        return make_part(rendered, source, &sink);
    }
    return MESSAGE_UNREADABLE;
}

static enum message_result make_from_body(struct view_request *request, struct rendered *rendered)
{
    uint64_t size = 0;
    struct body_source body;
    enum message_result result = MESSAGE_UNREADABLE;
    struct cache *cache = request->views->sync->cache;
    if (cache_body_pin(cache, request->message, &size) != CACHE_OK)
        return result;
    if (body_source_open(&body, cache, request->message, size))
        result = make(request, rendered, &body.source);
    body_source_close(&body);
    cache_body_unpin(cache, request->message);
    return result;
}

static enum sync_error error_of(enum message_result result)
{
    switch (result) {
    case MESSAGE_OK:
        return SYNC_OK;
    case MESSAGE_UNREADABLE:
        return SYNC_ERR_CACHE;
    case MESSAGE_STOPPED:
        return SYNC_ERR_DISK;
    case MESSAGE_NO_MEMORY:
        break;
    }
    return SYNC_ERR_MEMORY;
}

/* The text goes to the cache, after whoever waited for it was told. */
static void keep_text(struct sync *sync, const struct rendered *text)
{
    uint64_t at = 0;
    uint32_t index = 0;
    if (text->size > (uint64_t)CACHE_TEXT_PIECE * CACHE_TEXT_PIECES_MAX)
        return;
    do {
        uint64_t left = text->size - at;
        size_t len = left < CACHE_TEXT_PIECE ? (size_t)left : CACHE_TEXT_PIECE;
        char *data = malloc(len + 1);
        if (data == NULL || rendered_read(text, at, data, len) != (ssize_t)len) {
            free(data);
            return;
        }
        at += len;
        cache_text_keep(sync->cache, text->message, MESSAGE_TEXT_VERSION, index++, data, len,
                        at == text->size ? text->size : 0);
    } while (at < text->size);
}

/* The request is the caller's to work on; its body is pinned. */
static void render(struct view_request *request, bool wanted)
{
    struct views *views = request->views;
    struct sync *sync = views->sync;
    enum sync_error error = wanted ? SYNC_OK : SYNC_ERR_STOPPING;
    struct rendered *rendered =
        wanted ? sync_view(sync, request->kind, request->message, request->index) : NULL;
    bool made = wanted && rendered == NULL;
    if (made) {
        rendered = rendered_new(request->kind, request->message, request->index);
        error = rendered != NULL ? error_of(make_from_body(request, rendered)) : SYNC_ERR_MEMORY;
    }
    if (made && error == SYNC_OK)
        hold(views, rendered);
    else if (made)
        log_warn("a view of a message could not be made: error %d", (int)error);
    bool keep = made && error == SYNC_OK && request->kind == RENDERED_TEXT;
    cache_body_unpin(sync->cache, request->message);
    finish(request, error);
    if (keep)
        keep_text(sync, rendered);
    rendered_drop(&rendered);
}

/* Those that somebody waits for go first. */
static struct view_request *next_locked(struct views *views)
{
    struct view_request *first = NULL;
    for (struct view_request *at = views->list; at != NULL; at = at->next) {
        if (at->stage == VIEW_QUEUED && !at->foreseen)
            return at;
        if (at->stage == VIEW_QUEUED && first == NULL)
            first = at;
    }
    return first;
}

static void *renderer_main(void *ctx)
{
    struct views *views = ctx;
    pthread_mutex_lock(&views->lock);
    for (;;) {
        struct view_request *request = next_locked(views);
        if (request == NULL && views->stopping)
            break;
        if (request == NULL) {
            views->idle++;
            pthread_cond_wait(&views->wake, &views->lock);
            views->idle--;
            continue;
        }
        request->stage = VIEW_RUNNING;
        bool wanted = (request->done != NULL || request->foreseen) && !views->stopping;
        pthread_mutex_unlock(&views->lock);
        render(request, wanted);
        pthread_mutex_lock(&views->lock);
    }
    pthread_mutex_unlock(&views->lock);
    return NULL;
}

void views_stop(struct views *views)
{
    if (views == NULL)
        return;
    pthread_mutex_lock(&views->lock);
    views->stopping = true;
    pthread_cond_broadcast(&views->wake);
    pthread_mutex_unlock(&views->lock);
    for (unsigned i = 0; i < views->thread_count; i++)
        pthread_join(views->threads[i], NULL);
    views->thread_count = 0;
}

void views_free(struct views **place)
{
    struct views *views = *place;
    if (views == NULL)
        return;
    for (unsigned i = 0; i < HELD_MAX; i++)
        rendered_drop(&views->held[i]);
    pthread_cond_destroy(&views->wake);
    pthread_mutex_destroy(&views->lock);
    free(views);
    *place = NULL;
}
