/*
 * A sync object's life: the cache, the secret, the threads, the first look at the server, and the
 * end.
 *
 * Start signs in and reads the tree before it returns, so that a mount that cannot work says so to
 * the person who asked for it. With a tree in the cache the server may be away: the threads go on,
 * and the first request that needs the network tries again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/condition.h"
#include "base/log.h"
#include "sync/ahead.h"
#include "sync/carry.h"
#include "sync/indexing.h"
#include "sync/regard.h"
#include "sync/search_internal.h"
#include "sync/stock.h"
#include "sync/views.h"

enum { FIRST_POLL_MS = 1000 };

/* Where sync_start waits for the tree. */
struct start_wait {
    pthread_mutex_t lock;
    pthread_cond_t told;
    bool done;
    enum sync_error error;
};

static void start_told(void *ctx, enum sync_error error)
{
    struct start_wait *wait = ctx;
    pthread_mutex_lock(&wait->lock);
    wait->done = true;
    wait->error = error;
    pthread_cond_signal(&wait->told);
    pthread_mutex_unlock(&wait->lock);
}

static enum sync_error wait_for_tree(struct sync *sync)
{
    struct start_wait wait = {.lock = PTHREAD_MUTEX_INITIALIZER, .told = PTHREAD_COND_INITIALIZER};
    struct waiter waiter = {.done = start_told,
                            .ctx = &wait,
                            .bound_ms = START_BOUND_MS,
                            .at_bound = SYNC_ERR_UNREACHABLE};
    enum sync_error why;
    pthread_mutex_lock(&sync->lock);
    struct job *job = job_new_locked(sync, JOB_TREE, 0, 0);
    if (job == NULL || waiter_add_locked(sync, job, &waiter) == 0) {
        pthread_mutex_unlock(&sync->lock);
        return SYNC_ERR_MEMORY;
    }
    struct waiter *told = job_dispatch_locked(sync, job, &why);
    pthread_mutex_unlock(&sync->lock);
    waiters_tell(told, why);
    pthread_mutex_lock(&wait.lock);
    while (!wait.done)
        pthread_cond_wait(&wait.told, &wait.lock);
    pthread_mutex_unlock(&wait.lock);
    return wait.error;
}

/* ---- making and unmaking ---- */

static bool copy_text(char **to, const char *from)
{
    *to = from != NULL ? strdup(from) : NULL;
    return from == NULL || *to != NULL;
}

static struct auth_secret *choose_secret(const struct sync_settings *s)
{
    int exchange_ms = s->timeout_ms < EXCHANGE_BOUND_MS ? s->timeout_ms : EXCHANGE_BOUND_MS;
    if (s->secret_argv != NULL || s->secret_shell != NULL)
        return auth_secret_from_command(s->secret_argv, s->secret_shell, SECRET_BOUND_MS);
    if (s->secret_text != NULL)
        return auth_secret_from_text(s->secret_text);
    return auth_secret_from_login(s->login_dir, s->account, s->cafile, exchange_ms);
}

static bool copy_settings(struct sync *sync, const struct sync_settings *s)
{
    static const enum imap_tls tls[] = {IMAP_TLS_IMPLICIT, IMAP_TLS_STARTTLS, IMAP_TLS_NONE};
    static const enum imap_auth auth[] = {IMAP_AUTH_XOAUTH2, IMAP_AUTH_OAUTHBEARER,
                                          IMAP_AUTH_PASSWORD};
    if (!copy_text(&sync->account, s->account) || !copy_text(&sync->host, s->host) ||
        !copy_text(&sync->cafile, s->cafile) || !copy_text(&sync->trash, s->trash) ||
        !copy_text(&sync->username, s->username != NULL ? s->username : s->account))
        return false;
    sync->subscribed = s->subscribed;
    sync->uid_names = s->uid_names;
    sync->timeout_ms = s->timeout_ms;
    sync->poll_ms = s->poll_ms;
    sync->cache_size = s->cache_size;
    sync->by_journal = s->commit == SYNC_COMMIT_JOURNAL;
    sync->expunge = s->expunge;
    sync->mark_seen = s->mark_seen;
    sync->worker_count = s->connections < 1             ? 1
                         : s->connections > WORKERS_MAX ? WORKERS_MAX
                                                        : s->connections;
    sync->imap = (struct imap_settings){
        .host = sync->host,
        .port = s->port,
        .tls = tls[s->tls],
        .cafile = sync->cafile,
        .compress = s->compress,
        .auth = auth[s->auth],
        .username = sync->username,
        .connect_timeout_ms = s->timeout_ms < CONNECT_BOUND_MS ? s->timeout_ms : CONNECT_BOUND_MS,
        .timeout_ms = s->timeout_ms,
        .cancel_fd = -1,
    };
    sync->poll_at = INT64_MAX; /* not before the start is through */
    sync->secret = choose_secret(s);
    sync->ahead = ahead_new();
    return sync->secret != NULL && sync->ahead != NULL;
}

static struct sync *sync_new(const struct sync_settings *settings)
{
    struct sync *sync = calloc(1, sizeof *sync);
    if (sync == NULL)
        return NULL;
    pthread_mutex_init(&sync->lock, NULL);
    condition_init(&sync->warden_wake);
    condition_init(&sync->clerk_wake);
    pthread_cond_init(&sync->hold_over, NULL);
    for (unsigned i = 0; i < WORKERS_MAX; i++)
        sync->workers[i] = (struct worker){
            .sync = sync, .number = i + 1, .wake_fd = -1, .cancel_fd = -1, .state = WORKER_STOPPED};
    sync->views = views_new(sync);
    sync->stock = stock_new(sync, settings);
    sync->indexing = indexing_new(sync);
    if (sync->views == NULL || sync->stock == NULL || sync->indexing == NULL ||
        !copy_settings(sync, settings))
        sync_stop(&sync);
    return sync;
}

static bool threads_start(struct sync *sync)
{
    if (!clerks_start(sync)) /* without a journal they still note the quota */
        return false;
    if (pthread_create(&sync->warden, NULL, warden_main, sync) != 0)
        return false;
    sync->warden_running = true;
    for (unsigned i = 0; i < sync->worker_count; i++) {
        struct worker *w = &sync->workers[i];
        w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        w->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (w->wake_fd < 0 || w->cancel_fd < 0)
            return false;
        w->state = WORKER_OFFLINE;
    }
    /* From here on the lock guards the states. */
    for (unsigned i = 0; i < sync->worker_count; i++) {
        struct worker *w = &sync->workers[i];
        if (pthread_create(&w->thread, NULL, worker_main, w) != 0)
            return false;
        w->started = true;
    }
    return true;
}

static void threads_stop(struct sync *sync)
{
    pthread_mutex_lock(&sync->lock);
    sync->stopping = true;
    for (unsigned i = 0; i < sync->worker_count; i++) {
        struct worker *w = &sync->workers[i];
        if (w->state == WORKER_CONNECTING)
            eventfd_write(w->cancel_fd, 1);
        if (w->started)
            worker_wake(w);
    }
    pthread_cond_signal(&sync->warden_wake);
    pthread_mutex_unlock(&sync->lock);
    stock_end(sync->stock);
    indexing_end(sync->indexing);
    jobs_redispatch(sync);
    for (unsigned i = 0; i < sync->worker_count; i++) {
        if (sync->workers[i].started)
            pthread_join(sync->workers[i].thread, NULL);
    }
    if (sync->warden_running)
        pthread_join(sync->warden, NULL);
    jobs_redispatch(sync); /* what the workers put back */
    stock_join(sync->stock);
    indexing_join(sync->indexing);
    clerks_stop(sync);
}

void sync_stop(struct sync **stopped)
{
    struct sync *sync = *stopped;
    if (sync == NULL)
        return;
    threads_stop(sync);
    views_stop(sync->views);
    requests_stop(sync);
    if (sync->journal != NULL)
        journal_close(&sync->journal);
    if (sync->cache != NULL)
        cache_close(&sync->cache);
    views_free(&sync->views);
    for (unsigned i = 0; i < WORKERS_MAX; i++) {
        if (sync->workers[i].wake_fd >= 0)
            close(sync->workers[i].wake_fd);
        if (sync->workers[i].cancel_fd >= 0)
            close(sync->workers[i].cancel_fd);
    }
    if (sync->stir_fd > 0)
        close(sync->stir_fd);
    auth_secret_free(&sync->secret);
    pthread_mutex_destroy(&sync->lock);
    pthread_cond_destroy(&sync->warden_wake);
    pthread_cond_destroy(&sync->clerk_wake);
    pthread_cond_destroy(&sync->hold_over);
    search_notes_free(sync);
    ahead_free(&sync->ahead);
    stock_free(&sync->stock);
    indexing_free(&sync->indexing);
    free(sync->trash);
    free(sync->bearings);
    free(sync->claims);
    free(sync->stored);
    regards_free(sync);
    free(sync->account);
    free(sync->host);
    free(sync->cafile);
    free(sync->username);
    free(sync);
    *stopped = NULL;
}

/* ---- starting ---- */

/* Gets the secret once, before any bound for the network counts: a command may ask a person. */
static enum auth_error try_secret(struct sync *sync, char *text)
{
    struct buffer secret;
    buffer_init(&secret, AUTH_SECRET_MAX);
    struct imap_failure failure = {0};
    enum auth_error error = auth_secret_get(sync->secret, NULL, -1, &secret, failure.text);
    buffer_wipe(&secret);
    if (error != AUTH_OK) {
        failure.error = imap_error_of_auth(error);
        snprintf(text, SYNC_TEXT_MAX, "%s", failure.text);
        outage_note(sync, &failure); /* for status, where the mount goes on from the cache */
    }
    return error;
}

static void describe(struct sync *sync, enum sync_error error, char *text)
{
    pthread_mutex_lock(&sync->lock);
    bool told = sync->outage.text[0] != '\0';
    if (told)
        snprintf(text, SYNC_TEXT_MAX, "%s", sync->outage.text);
    pthread_mutex_unlock(&sync->lock);
    if (told)
        return;
    if (error == SYNC_ERR_CACHE)
        snprintf(
            text, SYNC_TEXT_MAX,
            "the cache cannot be written; see the log for the cause, and free some disk space");
    else if (error == SYNC_ERR_UNREACHABLE)
        snprintf(text, SYNC_TEXT_MAX, "%s: no answer within %d s; check host, port and the network",
                 sync->host, START_BOUND_MS / 1000 + 1);
    else
        snprintf(text, SYNC_TEXT_MAX, "%s: the server did not list its mailboxes; see the log",
                 sync->host);
}

static bool tree_cached(struct sync *sync)
{
    struct cache_figures figures = {0};
    return cache_figures_get(sync->cache, &figures) == CACHE_OK && figures.mailboxes > 0;
}

static enum sync_error first_contact(struct sync *sync, char *text)
{
    enum auth_error secret = try_secret(sync, text);
    bool passing = secret == AUTH_ERR_COMMAND || secret == AUTH_ERR_TIMEOUT ||
                   secret == AUTH_ERR_KEYRING; /* may do the next time */
    enum sync_error error = sync_error_of_imap(imap_error_of_auth(secret));
    if (error == SYNC_OK) {
        error = wait_for_tree(sync);
        if (error != SYNC_OK)
            describe(sync, error, text);
    }
    bool away = error == SYNC_ERR_UNREACHABLE || error == SYNC_ERR_THROTTLED || passing;
    if (!away || !tree_cached(sync))
        return error;
    log_warn("working from the cache: %s", text);
    return SYNC_OK;
}

/* The longest part of the start, with somebody looking on where settings say so. */
static enum sync_error first_contact_shown(struct sync *sync, const struct sync_settings *settings,
                                           char *text)
{
    if (settings->opened != NULL)
        settings->opened(settings->opened_ctx, sync);
    enum sync_error error = first_contact(sync, text);
    if (error != SYNC_OK && settings->opened != NULL)
        settings->opened(settings->opened_ctx, NULL);
    return error;
}

/* An unmount from outside (fusermount3 -u) returns before the daemon is gone: its successor waits a
 * little. */
static enum cache_error open_cache(struct sync *sync, const struct sync_settings *settings,
                                   char *text)
{
    int64_t deadline = clock_ms() + BUSY_BOUND_MS;
    for (;;) {
        enum cache_error error = cache_open(&sync->cache, settings->cache_dir, sync->username,
                                            sync->host, settings->cache_size, text);
        if (error != CACHE_ERR_BUSY || clock_ms() >= deadline)
            return error;
        usleep(BUSY_RETRY_MS * 1000);
    }
}

/* A mount that changes nothing has no journal, and so no lock on it. */
static enum sync_error open_journal(struct sync *sync, const struct sync_settings *settings,
                                    char *text)
{
    if (settings->read_only || settings->state_dir == NULL)
        return SYNC_OK;
    enum cache_error error =
        journal_open(&sync->journal, settings->state_dir, settings->cache_dir, NULL, text);
    return sync_error_of_journal(error);
}

/* A clerk that has run a task looks at what may go. */
static void nothing(struct sync *sync, struct task *task)
{
    free(task);
}

/* What an earlier process left is known before anything new is asked for, and goes first. */
static enum sync_error start_replay(struct sync *sync)
{
    struct task *task = calloc(1, sizeof *task);
    if (task == NULL)
        return SYNC_ERR_MEMORY;
    changes_replay(sync);
    task->run = nothing;
    clerk_task(sync, task);
    return SYNC_OK;
}

/* The first poll tells what changed since the last mount; who mounted comes first. */
static void start_polls(struct sync *sync)
{
    pthread_mutex_lock(&sync->lock);
    sync->poll_at = clock_ms() + FIRST_POLL_MS;
    pthread_cond_signal(&sync->warden_wake);
    pthread_mutex_unlock(&sync->lock);
}

enum sync_error sync_start(struct sync **out, const struct sync_settings *settings, char *text)
{
    text[0] = '\0';
    struct sync *sync = sync_new(settings);
    if (sync == NULL) {
        snprintf(text, SYNC_TEXT_MAX, "out of memory");
        return SYNC_ERR_MEMORY;
    }
    enum sync_error error = sync_error_of_cache(open_cache(sync, settings, text));
    if (error == SYNC_OK)
        text[0] = '\0'; /* what an attempt before said */
    if (error == SYNC_OK)
        error = open_journal(sync, settings, text);
    if (error == SYNC_OK && (!indexing_begin(sync->indexing) || !threads_start(sync))) {
        snprintf(text, SYNC_TEXT_MAX, "a thread cannot be started; raise the limit on processes");
        error = SYNC_ERR_MEMORY;
    }
    if (error == SYNC_OK)
        error = first_contact_shown(sync, settings, text);
    if (error == SYNC_OK && sync->journal != NULL)
        error = start_replay(sync);
    if (error == SYNC_OK)
        start_polls(sync);
    if (error == SYNC_OK && !stock_begin(sync->stock, FIRST_POLL_MS)) {
        snprintf(text, SYNC_TEXT_MAX, "a thread cannot be started; raise the limit on processes");
        error = SYNC_ERR_MEMORY;
    }
    if (error != SYNC_OK)
        sync_stop(&sync);
    *out = sync;
    return error;
}

void sync_listen(struct sync *sync, const struct sync_listener *listener)
{
    sync->listener = *listener;
    atomic_store(&sync->listening, true);
}

struct cache *sync_cache(struct sync *sync)
{
    return sync->cache;
}
