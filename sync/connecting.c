/*
 * How a worker comes by its connection, and how it loses it.
 *
 * The secret, TLS and the sign-in, with one more attempt where the server takes the secret no
 * longer; what success and failure mean for the account: the tree is asked for, an outage is noted,
 * the jobs that wait are sent on their way again. In the worker's own thread; may take minutes
 * where a secret command asks a person.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "sync/carry.h"
#include "sync/regard.h"

enum { RETRY_FIRST_MS = 1000, RETRY_MAX_MS = 60000 };

_Static_assert((int)IMAP_FAILURE_TEXT >= (int)AUTH_TEXT_MAX, "auth/ writes its texts there");

/* Appends the secret at hand to `secret`, or a new one in place of `refused`. */
static enum imap_error get_secret(struct worker *w, const char *refused, struct buffer *secret,
                                  struct imap_failure *failure)
{
    failure->backoff_ms = 0;
    failure->error = imap_error_of_auth(
        auth_secret_get(w->sync->secret, refused, w->cancel_fd, secret, failure->text));
    return failure->error;
}

static enum imap_error open_connection(struct worker *w, const struct buffer *secret,
                                       struct imap_failure *failure)
{
    struct imap_settings own = w->sync->imap;
    own.cancel_fd = w->cancel_fd;
    return imap_connection_open(&w->connection, &own, secret->data, &w->handler, failure);
}

static bool by_login(const struct worker *w)
{
    struct auth_secret_state state;
    auth_secret_state(w->sync->secret, &state);
    return strcmp(state.kind, "login") == 0;
}

/* Signs in with a new secret in place of one that was refused. Where there is none, or the very
 * same again, the server's refusal stands: it says more, and servers count attempts. (A login that
 * cannot be renewed says what to do about it.) */
static enum imap_error sign_in_anew(struct worker *w, const struct buffer *refused,
                                    struct imap_failure *failure)
{
    struct buffer secret;
    struct imap_failure first = *failure;
    buffer_init(&secret, AUTH_SECRET_MAX);
    enum imap_error error = get_secret(w, refused->data, &secret, failure);
    if ((error == IMAP_OK && strcmp(secret.data, refused->data) == 0) ||
        (error == IMAP_ERR_AUTH && !by_login(w))) {
        *failure = first;
        error = first.error;
    } else if (error == IMAP_OK) {
        error = open_connection(w, &secret, failure);
    }
    buffer_wipe(&secret);
    return error;
}

/* Signs in; a secret that is refused is renewed once. */
static enum imap_error sign_in(struct worker *w, struct imap_failure *failure)
{
    struct buffer secret;
    buffer_init(&secret, AUTH_SECRET_MAX);
    enum imap_error error = get_secret(w, NULL, &secret, failure);
    if (error == IMAP_OK)
        error = open_connection(w, &secret, failure);
    if ((error == IMAP_ERR_AUTH || error == IMAP_ERR_EXPIRED) && secret.len > 0)
        error = sign_in_anew(w, &secret, failure);
    buffer_wipe(&secret);
    return error;
}

static int64_t retry_after(unsigned failures)
{
    int64_t wait = RETRY_FIRST_MS;
    for (unsigned i = 1; i < failures && wait < RETRY_MAX_MS; i++)
        wait *= 2;
    return (wait < RETRY_MAX_MS ? wait : RETRY_MAX_MS) + rand() % RETRY_FIRST_MS;
}

void worker_set_state(struct worker *w, enum worker_state state)
{
    pthread_mutex_lock(&w->sync->lock);
    w->state = state;
    w->called = false;
    w->mailbox = 0;
    w->writable = false;
    if (workers_ready_locked(w->sync) == 0 && state == WORKER_OFFLINE)
        poll_lost_locked(w->sync);
    pthread_mutex_unlock(&w->sync->lock);
    watch_ended(w);
    w->examined = 0;
    w->opening = 0;
    w->uidvalidity = 0;
}

/* The first connection of a process asks for the tree, unless somebody did already. */
static void connected(struct worker *w)
{
    struct sync *sync = w->sync;
    atomic_store(&w->asleep, clock_asleep_ms());
    pthread_mutex_lock(&sync->lock);
    bool first = workers_ready_locked(sync) == 0; /* of the connections that stand */
    w->state = WORKER_READY;
    w->failures = 0;
    sync->outage.until = 0;
    sync->last_contact = clock_wall();
    if (sync->tree_checked == 0)
        tree_wanted_locked(sync);
    if (first)
        poll_connected_locked(sync);
    pthread_mutex_unlock(&sync->lock);
    changes_connected(sync);
    if (first)
        held_look_later(sync, 0);
}

static void not_connected(struct worker *w, const struct imap_failure *failure)
{
    struct sync *sync = w->sync;
    pthread_mutex_lock(&sync->lock);
    w->state = WORKER_OFFLINE;
    w->failures++;
    bool others = workers_any_locked(sync);
    w->next_attempt = clock_ms() + (others ? retry_after(w->failures) : 0);
    sync->away += !others;
    bool stopping = sync->stopping;
    pthread_mutex_unlock(&sync->lock);
    if (stopping)
        return;
    log_warn("no connection: %s", failure->text);
    if (!others)
        outage_note(sync, failure);
    else if (failure->error == IMAP_ERR_THROTTLED)
        limiter_note(sync, failure->backoff_ms);
    jobs_redispatch(sync);
}

/* False once sync_stop has begun: it cancels only those whom it sees connecting. */
static bool may_connect(struct worker *w)
{
    pthread_mutex_lock(&w->sync->lock);
    bool may = !w->sync->stopping;
    if (may) {
        w->state = WORKER_CONNECTING;
        w->connecting = clock_ms();
        w->called = w->for_watch = false;
    }
    pthread_mutex_unlock(&w->sync->lock);
    return may;
}

void worker_connect(struct worker *w)
{
    struct imap_failure failure = {0};
    if (!may_connect(w))
        return;
    if (sign_in(w, &failure) == IMAP_OK)
        connected(w);
    else
        not_connected(w, &failure);
}

void worker_disconnected(struct worker *w, enum imap_error error)
{
    const struct imap_failure *failure = imap_connection_failure(w->connection);
    log_info("connection %u ended: %s", w->number, failure->text);
    if (error == IMAP_ERR_THROTTLED)
        limiter_note(w->sync, failure->backoff_ms);
    else if (error == IMAP_ERR_UNUSABLE)
        outage_note(w->sync, failure);
    cache_incoming_abort(&w->incoming);
    imap_connection_close(&w->connection);
    worker_set_state(w, WORKER_OFFLINE);
    jobs_redispatch(w->sync);
}
