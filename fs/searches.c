/*
 * See searches.h. One lock guards the table; it is not held while a search runs, a result is made
 * or somebody is told. A query whose search runs or is waited for is never forgotten. Searches run
 * on a few threads, made when there is the first for them: one that waits for the server keeps the
 * rest of its kind waiting, and nobody else.
 */
#include "fs/searches.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "fs/internal.h"
#include "sync/search.h"

enum { RUNNERS_MAX = 3 };

struct seeker {
    struct seeker *next;
    sync_ticket ticket;
    sync_done_fn *done;
    void *ctx;
};

/* All protected by searches->lock. */
struct query {
    struct query *next; /* used last first */
    uint64_t number;
    char *text;
    struct found *found;
    int64_t found_ms; /* clock_ms */
    bool queued, runs;
    struct sync_search *search; /* while it runs */
    struct seeker *seekers;
};

struct searches {
    struct fs *fs;
    pthread_mutex_t lock;
    pthread_cond_t work;
    /* Protected by lock: */
    struct query *queries;
    size_t count;
    uint64_t last_number;
    sync_ticket last_ticket;
    pthread_t runners[RUNNERS_MAX];
    unsigned runner_count, idle;
    bool closing;
};

struct searches *searches_new(struct fs *fs)
{
    struct searches *searches = calloc(1, sizeof(*searches));

    if (searches == NULL)
        return NULL;
    searches->fs = fs;
    pthread_mutex_init(&searches->lock, NULL);
    pthread_cond_init(&searches->work, NULL);
    return searches;
}

/* ---- the table ---- */

static struct query *by_number_locked(struct searches *searches, uint64_t number)
{
    struct query *query = searches->queries;

    while (query != NULL && query->number != number)
        query = query->next;
    return query;
}

static void query_free(struct query *query)
{
    found_drop(&query->found);
    free(query->text);
    free(query);
}

/* Forgets the one used longest ago of those that nobody wants just now. */
static void forget_locked(struct searches *searches)
{
    struct query **last = NULL;

    for (struct query **at = &searches->queries; *at != NULL; at = &(*at)->next)
        if (!(*at)->queued && !(*at)->runs && (*at)->seekers == NULL)
            last = at;
    if (last != NULL) {
        struct query *query = *last;
        *last = query->next;
        searches->count--;
        query_free(query);
    }
}

static struct query *make_locked(struct searches *searches, const char *text)
{
    struct query *query = calloc(1, sizeof(*query));

    if (query == NULL || (query->text = strdup(text)) == NULL) {
        free(query);
        return NULL;
    }
    if (searches->count >= SEARCHES_MAX)
        forget_locked(searches);
    query->number = ++searches->last_number;
    searches->count++;
    return query;
}

uint64_t searches_number(struct searches *searches, const char *text)
{
    struct query **at = &searches->queries, *query;
    uint64_t number = 0;

    pthread_mutex_lock(&searches->lock);
    while (*at != NULL && strcmp((*at)->text, text) != 0)
        at = &(*at)->next;
    query = *at;
    if (query != NULL)
        *at = query->next;
    else
        query = make_locked(searches, text);
    if (query != NULL) {
        query->next = searches->queries;
        searches->queries = query;
        number = query->number;
    }
    pthread_mutex_unlock(&searches->lock);
    return number;
}

bool searches_known(struct searches *searches, uint64_t number)
{
    bool known;

    pthread_mutex_lock(&searches->lock);
    known = by_number_locked(searches, number) != NULL;
    pthread_mutex_unlock(&searches->lock);
    return known;
}

struct found *searches_found(struct searches *searches, uint64_t number)
{
    struct query *query;
    struct found *found = NULL;

    pthread_mutex_lock(&searches->lock);
    query = by_number_locked(searches, number);
    if (query != NULL && query->found != NULL)
        found = found_keep(query->found);
    pthread_mutex_unlock(&searches->lock);
    return found;
}

/* ---- running ---- */

static bool add_hit(void *ctx, const struct cache_inode *inode)
{
    return found_add(ctx, inode->ino, inode->name);
}

/* Runs a search that was made; what it found, or NULL with the error. */
static struct found *run(struct searches *searches, struct sync_search *search,
                         enum sync_error *error)
{
    struct sync_search_end end;
    struct found *found = found_new();

    *error = found != NULL ? sync_search_run(search, add_hit, found, &end) : SYNC_ERR_MEMORY;
    if (*error == SYNC_ERR_INVALID)
        log_info("search %s: %s", sync_search_query(search), end.note);
    if (*error == SYNC_OK && (found->count < end.found || !found_finish(searches->fs, found)))
        *error = SYNC_ERR_MEMORY;
    if (*error != SYNC_OK)
        found_drop(&found);
    return found;
}

static void tell(struct seeker *seekers, enum sync_error error)
{
    while (seekers != NULL) {
        struct seeker *seeker = seekers;
        seekers = seeker->next;
        seeker->done(seeker->ctx, error);
        free(seeker);
    }
}

/* Called and left with the lock held. */
static void run_locked(struct searches *searches, struct query *query)
{
    char why[SYNC_TEXT_MAX] = "";
    enum sync_error error = SYNC_OK;
    struct seeker *seekers;
    struct found *found = NULL;
    struct sync_search *search =
        sync_search_new(searches->fs->sync, query->text, strlen(query->text), &error, why);

    query->queued = false;
    query->runs = true;
    query->search = search;
    pthread_mutex_unlock(&searches->lock);
    if (search != NULL)
        found = run(searches, search, &error);
    pthread_mutex_lock(&searches->lock);
    query->search = NULL;
    query->runs = false;
    if (found != NULL) {
        struct found *old = query->found;
        query->found = found;
        query->found_ms = clock_ms();
        found = old;
    } else if (error == SYNC_ERR_STOPPING && !searches->closing && query->seekers != NULL) {
        query->queued = true; /* somebody came after the last had gone */
    }
    seekers = query->queued ? NULL : query->seekers;
    if (!query->queued)
        query->seekers = NULL;
    pthread_mutex_unlock(&searches->lock);
    found_drop(&found);
    sync_search_free(&search);
    tell(seekers, error);
    pthread_mutex_lock(&searches->lock);
}

static void *runner_main(void *ctx)
{
    struct searches *searches = ctx;

    pthread_mutex_lock(&searches->lock);
    while (!searches->closing) {
        struct query *query = searches->queries;
        while (query != NULL && (!query->queued || query->runs))
            query = query->next;
        if (query != NULL) {
            run_locked(searches, query);
            continue;
        }
        searches->idle++;
        pthread_cond_wait(&searches->work, &searches->lock);
        searches->idle--;
    }
    pthread_mutex_unlock(&searches->lock);
    return NULL;
}

static bool wake_runner_locked(struct searches *searches)
{
    if (searches->idle == 0 && searches->runner_count < RUNNERS_MAX &&
        pthread_create(&searches->runners[searches->runner_count], NULL, runner_main, searches) ==
            0)
        searches->runner_count++;
    pthread_cond_broadcast(&searches->work);
    return searches->runner_count > 0;
}

/* ---- waiting ---- */

static struct seeker *seek_locked(struct searches *searches, struct query *query,
                                  sync_done_fn *done, void *ctx)
{
    struct seeker *seeker = malloc(sizeof(*seeker));

    if (seeker == NULL || (!query->queued && !query->runs && !wake_runner_locked(searches))) {
        free(seeker);
        return NULL;
    }
    *seeker = (struct seeker){.next = query->seekers,
                              .ticket = SEARCH_TICKET | ++searches->last_ticket,
                              .done = done,
                              .ctx = ctx};
    query->seekers = seeker;
    query->queued = query->queued || !query->runs;
    return seeker;
}

sync_ticket searches_want(struct searches *searches, uint64_t number, sync_done_fn *done, void *ctx)
{
    struct seeker *seeker = NULL;
    enum sync_error error;
    sync_ticket ticket = 0;
    struct query *query;
    bool fresh;

    pthread_mutex_lock(&searches->lock);
    query = by_number_locked(searches, number);
    error = query == NULL ? SYNC_ERR_GONE : searches->closing ? SYNC_ERR_STOPPING : SYNC_ERR_MEMORY;
    fresh =
        query != NULL && query->found != NULL && clock_ms() - query->found_ms < SEARCHES_FRESH_MS;
    if (query != NULL && !fresh && !searches->closing)
        seeker = seek_locked(searches, query, done, ctx);
    if (seeker != NULL)
        ticket = seeker->ticket;
    pthread_mutex_unlock(&searches->lock);
    if (fresh || seeker == NULL)
        done(ctx, fresh ? SYNC_OK : error);
    return ticket;
}

bool searches_detach(struct searches *searches, sync_ticket ticket)
{
    struct seeker *gone = NULL;

    pthread_mutex_lock(&searches->lock);
    for (struct query *query = searches->queries; query != NULL && gone == NULL;
         query = query->next) {
        struct seeker **at = &query->seekers;
        while (*at != NULL && (*at)->ticket != ticket)
            at = &(*at)->next;
        gone = *at;
        if (gone == NULL)
            continue;
        *at = gone->next;
        query->queued = query->queued && query->seekers != NULL;
        if (query->seekers == NULL && query->search != NULL)
            sync_search_cancel(query->search);
    }
    pthread_mutex_unlock(&searches->lock);
    free(gone);
    return gone != NULL;
}

/* ---- the end ---- */

static struct seeker *take_seekers_locked(struct searches *searches)
{
    struct seeker *taken = NULL;

    for (struct query *query = searches->queries; query != NULL; query = query->next) {
        while (query->seekers != NULL) {
            struct seeker *seeker = query->seekers;
            query->seekers = seeker->next;
            seeker->next = taken;
            taken = seeker;
        }
        query->queued = false;
    }
    return taken;
}

void searches_close(struct searches *searches)
{
    if (searches == NULL)
        return;
    pthread_mutex_lock(&searches->lock);
    searches->closing = true;
    for (struct query *query = searches->queries; query != NULL; query = query->next)
        if (query->search != NULL)
            sync_search_cancel(query->search);
    pthread_cond_broadcast(&searches->work);
    while (searches->runner_count > 0) {
        pthread_t runner = searches->runners[--searches->runner_count];
        pthread_mutex_unlock(&searches->lock);
        pthread_join(runner, NULL);
        pthread_mutex_lock(&searches->lock);
    }
    struct seeker *seekers = take_seekers_locked(searches); /* of those that never ran */
    pthread_mutex_unlock(&searches->lock);
    tell(seekers, SYNC_ERR_STOPPING);
}

void searches_free(struct searches **searchesp)
{
    struct searches *searches = *searchesp;

    *searchesp = NULL;
    if (searches == NULL)
        return;
    searches_close(searches);
    while (searches->queries != NULL) {
        struct query *query = searches->queries;
        searches->queries = query->next;
        query_free(query);
    }
    pthread_cond_destroy(&searches->work);
    pthread_mutex_destroy(&searches->lock);
    free(searches);
}
