/*
 * One thread plays the server: it takes requests in the order in which they fall due. A request for
 * a listing of a mailbox that is not listed starts that listing, window by window; those who wait
 * for entries are told after each window.
 */
#include "fake_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

size_t fake_body_size(uint32_t uid)
{
    return 300 + (size_t)(uid % 7) * 40000;
}

char fake_body_byte(uint32_t uid, size_t offset)
{
    static const char header[] = "Subject: x\r\n\r\n";

    if (offset < sizeof(header) - 1)
        return header[offset];
    return (char)('a' + (uid * 31 + offset / 7 + offset) % 26);
}

/* Too small for even UIDs, too large for odd ones. */
uint64_t fake_estimate(uint32_t uid)
{
    return uid % 2 == 0 ? fake_body_size(uid) / 2 : fake_body_size(uid) + 1234;
}

void fake_name(char *name, uint32_t uid)
{
    snprintf(name, CACHE_NAME_MAX + 1, "message-%06u.eml", (unsigned)uid);
}

void fake_must(enum cache_error error, const char *what)
{
    if (error == CACHE_OK)
        return;
    fprintf(stderr, "fake_sync: %s: cache error %d\n", what, (int)error);
    abort();
}

static void tell_listener(struct sync *sync, const struct cache_change *change,
                          enum sync_origin origin)
{
    if (sync->listener.changed != NULL)
        sync->listener.changed(sync->listener.ctx, change, origin);
}

void fake_changed(void *ctx, const struct cache_change *change)
{
    tell_listener(ctx, change, SYNC_ORIGIN_SERVER);
}

void fake_changed_here(void *ctx, const struct cache_change *change)
{
    tell_listener(ctx, change, SYNC_ORIGIN_HERE);
}

void fake_shown_ordinal(const char *shown, unsigned ordinal, char *name)
{
    snprintf(name, CACHE_NAME_MAX + 1, "%.150s~%u", shown, ordinal);
}

static void file_name(char *name, const char *stem, uint32_t uid)
{
    if (uid == 0)
        snprintf(name, CACHE_NAME_MAX + 1, "%.150s.eml", stem);
    else
        snprintf(name, CACHE_NAME_MAX + 1, "%.150s~%u.eml", stem, (unsigned)uid);
}

void fake_tree(struct sync *sync)
{
    static const struct cache_tree_entry entries[] = {
        {"INBOX",          NULL,    "Inbox",     '/', CACHE_ROLE_INBOX,  true,  true },
        {"INBOX/Projects", "INBOX", "Projects",  '/', CACHE_ROLE_NONE,   true,  false},
        {"Big",            NULL,    "Big",       '/', CACHE_ROLE_NONE,   true,  false},
        {"Folder",         NULL,    "Folder",    '/', CACHE_ROLE_NONE,   false, false},
        {"Entw&APw-rfe",   NULL,    "Entwürfe", '/', CACHE_ROLE_DRAFTS, true,  false},
    };

    fake_must(cache_tree_replace(sync->cache, entries, sizeof(entries) / sizeof(entries[0]),
                                 fake_shown_ordinal, fake_changed, sync),
              "tree");
    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        const struct cache_mailbox_facts facts = {.uidvalidity = UIDVALIDITY};
        if (entries[i].selectable)
            fake_must(cache_mailbox_note(sync->cache, fake_mailbox(sync, entries[i].name), &facts,
                                         fake_changed, sync),
                      "note");
    }
}

int64_t fake_mailbox(struct sync *sync, const char *name)
{
    struct cache_mailbox mailbox = {0};
    int64_t id;

    fake_must(cache_mailbox_find(sync->cache, name, &mailbox), name);
    id = mailbox.id;
    cache_mailbox_free(&mailbox);
    return id;
}

void fake_add(struct sync *sync, int64_t mailbox, uint32_t first, uint32_t last, bool complete)
{
    for (uint32_t uid = first; uid <= last; uid++) {
        char stem[64];
        const struct cache_new_message message = {.uid = uid,
                                                  .size = fake_estimate(uid),
                                                  .internaldate = 1700000000 + uid,
                                                  .flags = uid % 2 == 0 ? "\\Seen $Work" : "",
                                                  .subject = "Grüße",
                                                  .from = "Jane Doe <jane@example.org>",
                                                  .to = "",
                                                  .date = "Tue, 14 Nov 2023 22:13:20 +0000",
                                                  .message_id = "<x@example.org>",
                                                  .stem = stem};
        snprintf(stem, sizeof(stem), "message-%06u", (unsigned)uid);
        fake_must(cache_messages_add(sync->cache, mailbox, UIDVALIDITY, &message, 1, uid,
                                     complete && uid == last, file_name, fake_changed, sync),
                  "add");
    }
    if (complete && last < first)
        fake_must(cache_messages_add(sync->cache, mailbox, UIDVALIDITY, NULL, 0, last, true,
                                     file_name, fake_changed, sync),
                  "complete");
}

void fake_gone(struct sync *sync, int64_t mailbox, uint32_t uid)
{
    fake_must(cache_messages_gone(sync->cache, mailbox, UIDVALIDITY, &uid, 1, fake_changed, sync),
              "gone");
}

void fake_flags(struct sync *sync, int64_t mailbox, uint32_t uid, const char *flags)
{
    const struct cache_new_flags row = {.uid = uid, .flags = flags};

    fake_must(cache_messages_flags(sync->cache, mailbox, UIDVALIDITY, &row, 1, fake_changed, sync),
              "flags");
}

void fake_behave(struct sync *sync, const struct fake_plan *plan)
{
    pthread_mutex_lock(&sync->lock);
    sync->plan = *plan;
    pthread_mutex_unlock(&sync->lock);
}

struct fake_counts fake_counts(struct sync *sync)
{
    struct fake_counts counts;

    pthread_mutex_lock(&sync->lock);
    counts = sync->counts;
    pthread_mutex_unlock(&sync->lock);
    return counts;
}

/* ---- the server's thread ---- */

struct stored {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool done;
};

static void stored_done(void *ctx, enum cache_error error, uint64_t size)
{
    struct stored *stored = ctx;

    fake_must(error, "body");
    pthread_mutex_lock(&stored->lock);
    stored->done = true;
    pthread_cond_signal(&stored->wake);
    pthread_mutex_unlock(&stored->lock);
}

static void store_body(struct sync *sync, int64_t message, int64_t mailbox, uint32_t uid)
{
    struct stored stored = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
    struct cache_incoming *incoming = NULL;
    size_t size = 0;
    char *data = fake_upload_bytes(sync, mailbox, uid, &size);

    if (data == NULL) {
        size = fake_body_size(uid);
        data = malloc(size);
        for (size_t i = 0; i < size; i++)
            data[i] = fake_body_byte(uid, i);
    }
    fake_must(cache_incoming_begin(sync->cache, &incoming), "begin");
    fake_must(cache_incoming_write(incoming, data, size), "write");
    cache_incoming_commit(&incoming, message, stored_done, &stored);
    pthread_mutex_lock(&stored.lock);
    while (!stored.done)
        pthread_cond_wait(&stored.wake, &stored.lock);
    pthread_mutex_unlock(&stored.lock);
    free(data);
}

static enum sync_error fetch_body(struct sync *sync, int64_t message, const struct fake_plan *plan)
{
    struct cache_message row = {0};
    enum sync_error error = SYNC_OK;

    if (cache_message_get(sync->cache, message, &row) != CACHE_OK)
        return SYNC_ERR_GONE;
    if (row.uid == plan->failing_uid)
        error = plan->failure;
    else
        store_body(sync, message, row.mailbox, row.uid);
    cache_message_free(&row);
    return error;
}

/* Takes a request out, and tells it with the lock dropped. */
static void tell_locked(struct sync *sync, struct request *request, enum sync_error error)
{
    struct request told = *request;

    request->used = false;
    pthread_mutex_unlock(&sync->lock);
    told.done(told.ctx, error);
    pthread_mutex_lock(&sync->lock);
}

/* Those who wait for `mailbox`: the ones for entries alone, or all. */
static void tell_listers_locked(struct sync *sync, int64_t mailbox, bool all, enum sync_error error)
{
    for (int i = 0; i < REQUESTS_MAX; i++) {
        struct request *r = &sync->requests[i];
        if (r->used && r->id == mailbox && r->want != WANT_BODY && (all || r->want == WANT_ENTRIES))
            tell_locked(sync, r, error);
    }
}

static void land_window_locked(struct sync *sync)
{
    struct fake_plan plan = sync->plan;
    int64_t mailbox = sync->listing;
    uint32_t first = sync->listing_uid + 1, last = sync->listing_uid + plan.listing_window;
    bool stop, complete;

    if (last > plan.listing_total)
        last = plan.listing_total;
    complete = last == plan.listing_total;
    stop = plan.listing_stops_at != 0 && first > plan.listing_stops_at;
    if (!stop) {
        pthread_mutex_unlock(&sync->lock);
        fake_add(sync, mailbox, first, last, complete);
        pthread_mutex_lock(&sync->lock);
    }
    sync->listing_uid = last;
    sync->next_window = clock_ms() + plan.window_delay_ms;
    if (stop || complete)
        sync->listing = 0;
    enum sync_error failure =
        plan.listing_failure != SYNC_OK ? plan.listing_failure : SYNC_ERR_UNREACHABLE;
    tell_listers_locked(sync, mailbox, stop || complete, stop ? failure : SYNC_OK);
}

static struct request *due_body_locked(struct sync *sync)
{
    for (int i = 0; i < REQUESTS_MAX; i++) {
        struct request *r = &sync->requests[i];
        if (r->used && r->want == WANT_BODY && r->due <= clock_ms())
            return r;
    }
    return NULL;
}

/* The body arrives whether or not its request was detached meanwhile. */
static void serve_body_locked(struct sync *sync, struct request *request)
{
    struct fake_plan plan = sync->plan;
    int64_t message = request->id;
    enum sync_error error;

    request->due = INT64_MAX;
    pthread_mutex_unlock(&sync->lock);
    error = fetch_body(sync, message, &plan);
    pthread_mutex_lock(&sync->lock);
    sync->counts.bodies++;
    if (request->done != NULL)
        tell_locked(sync, request, error);
    request->used = request->used && request->done != NULL;
}

static void *fake_main(void *arg)
{
    const struct timespec tick = {.tv_nsec = 2000000};
    struct sync *sync = arg;

    pthread_mutex_lock(&sync->lock);
    while (!sync->stopping) {
        struct request *body = due_body_locked(sync);
        if (body != NULL)
            serve_body_locked(sync, body);
        else if (sync->listing != 0 && clock_ms() >= sync->next_window)
            land_window_locked(sync);
        else {
            pthread_mutex_unlock(&sync->lock);
            nanosleep(&tick, NULL);
            pthread_mutex_lock(&sync->lock);
        }
    }
    pthread_mutex_unlock(&sync->lock);
    return NULL;
}

/* ---- sync/sync.h ---- */

static sync_ticket want(struct sync *sync, enum want want, int64_t id, sync_done_fn *done,
                        void *ctx)
{
    sync_ticket ticket = 0;

    pthread_mutex_lock(&sync->lock);
    for (int i = 0; i < REQUESTS_MAX && ticket == 0; i++) {
        if (sync->requests[i].used)
            continue;
        ticket = ++sync->last_ticket;
        sync->requests[i] = (struct request){.used = true,
                                             .ticket = ticket,
                                             .want = want,
                                             .id = id,
                                             .due = clock_ms() + sync->plan.body_delay_ms,
                                             .done = done,
                                             .ctx = ctx};
    }
    sync->counts.asked += want == WANT_BODY;
    if (want != WANT_BODY && sync->listing == 0) {
        sync->listing = id;
        sync->listing_uid = 0;
        sync->next_window = clock_ms() + sync->plan.window_delay_ms;
    }
    pthread_mutex_unlock(&sync->lock);
    return ticket;
}

void sync_body_opened(struct sync *sync, int64_t message)
{
    pthread_mutex_lock(&sync->lock);
    sync->counts.opened++;
    pthread_mutex_unlock(&sync->lock);
}

sync_ticket sync_want_body(struct sync *sync, int64_t message, sync_done_fn *done, void *ctx)
{
    return want(sync, WANT_BODY, message, done, ctx);
}

static bool listed(struct sync *sync, int64_t mailbox)
{
    struct cache_mailbox row = {0};
    bool is;

    fake_must(cache_mailbox_get(sync->cache, mailbox, &row), "mailbox");
    is = row.listed || !row.selectable; /* a level without messages asks for the tree */
    cache_mailbox_free(&row);
    return is;
}

static sync_ticket want_list(struct sync *sync, enum want how, int64_t mailbox, sync_done_fn *done,
                             void *ctx)
{
    if (mailbox == 0 || listed(sync, mailbox)) { /* 0: the tree, which is always there */
        done(ctx, SYNC_OK);
        return 0;
    }
    pthread_mutex_lock(&sync->lock);
    sync->counts.listings++;
    pthread_mutex_unlock(&sync->lock);
    return want(sync, how, mailbox, done, ctx);
}

sync_ticket sync_want_listing(struct sync *sync, int64_t mailbox, sync_done_fn *done, void *ctx)
{
    return want_list(sync, WANT_LISTING, mailbox, done, ctx);
}

sync_ticket sync_want_entries(struct sync *sync, int64_t mailbox, uint64_t after,
                              sync_done_fn *done, void *ctx)
{
    return want_list(sync, WANT_ENTRIES, mailbox, done, ctx);
}

bool sync_detach(struct sync *sync, sync_ticket ticket)
{
    bool found = false;

    if (ticket >= FAKE_CHANGE_TICKET)
        return fake_change_detach(sync, ticket);
    pthread_mutex_lock(&sync->lock);
    for (int i = 0; i < REQUESTS_MAX && !found; i++) {
        struct request *r = &sync->requests[i];
        found = r->used && r->ticket == ticket;
        if (found && r->want == WANT_BODY) {
            /* The fetch goes on for nobody. */
            r->ticket = 0;
            r->done = NULL;
        } else if (found) {
            r->used = false;
        }
    }
    if (found)
        sync->counts.detached++;
    pthread_mutex_unlock(&sync->lock);
    return found;
}

void sync_listen(struct sync *sync, const struct sync_listener *listener)
{
    sync->listener = *listener;
}

struct cache *sync_cache(struct sync *sync)
{
    return sync->cache;
}

bool sync_status_text(struct sync *sync, struct buffer *out)
{
    return buffer_append_text(out, "account: test\nstate: fine\n");
}

struct sync *fake_sync_new(const char *cache_dir)
{
    struct sync *sync = calloc(1, sizeof(*sync));
    char text[400];

    fake_must(cache_open(&sync->cache, cache_dir, "user", "host", UINT64_C(1) << 30, text), "open");
    pthread_mutex_init(&sync->lock, NULL);
    pthread_cond_init(&sync->wake, NULL);
    pthread_create(&sync->thread, NULL, fake_main, sync);
    return sync;
}

void fake_sync_free(struct sync **sync)
{
    struct sync *s = *sync;

    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    fake_change_stop(s);
    cache_close(&s->cache);
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->lock);
    free(s);
    *sync = NULL;
}
