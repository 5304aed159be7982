/*
 * The poll: what changed in the mailboxes whose listing is here, asked once an interval.
 *
 * First the tree (LIST), which tells of mailboxes that came, went, or have another name; then how
 * each mailbox stands: with LIST-STATUS in the same answer (tree.c), else by STATUS, STATUS_AHEAD
 * at a time, those first that somebody read last. A mailbox that stands as it did when the cache
 * was last in step costs nothing more; another gets a refresh, which nobody waits for. So a poll in
 * which nothing changed costs a line a mailbox, however many messages there are.
 *
 * What STATUS says of the mailbox that the connection has open is as old as the session's view of
 * it, which NOOP brings up to date first. Its answer is waited for: Dovecot carries out what is
 * pipelined behind it before.
 *
 * The same job, with a mailbox of its own, asks about the few that follow that one (stroll.c).
 *
 * The warden makes the jobs by its clock; without any connection it is the poll that tries to have
 * one again, at growing intervals. A poll runs in the thread of the worker that took it.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "sync/carry.h"
#include "sync/regard.h"

enum {
    STATUS_AHEAD = 20,
    POLL_MAX = 500,       /* mailboxes a poll; of more, those that nobody reads take turns */
    SETTLE_MS = 1000,     /* the first look after a connection stands: what waited goes first */
    AWAY_FIRST_MS = 1000, /* attempts to have a connection again ... */
    AWAY_MAX_MS = 60000,  /* ... of a server that cannot be reached, */
    SIGN_IN_FIRST_MS = 10000,
    SIGN_IN_MAX_MS = 30 * 60000, /* and of one that refuses the sign-in and counts */
    LOST_MS = 500,
};

struct poll_item {
    int64_t mailbox, read_at;
    char *name;    /* the server's own */
    int64_t asked; /* clock_ms */
    bool empty;    /* so it said */
};

struct poll {
    struct job *job;
    struct worker *worker;
    struct poll_item *items;
    size_t count, room, asked, answered;
    enum imap_error error;
    struct standing heard; /* of the oldest that was asked; present 0: nothing yet */
};

/* ---- when ---- */

/* Up to a quarter more or less, so that the machines of a household do not call together. */
static int64_t jitter(int64_t ms)
{
    return ms - ms / 4 + (int64_t)((double)rand() / RAND_MAX * (double)ms / 2);
}

/* How long until the next attempt to have a connection, after sync->away of them failed. */
static int64_t away_ms(const struct sync *sync)
{
    bool counted = sync->outage.error == SYNC_ERR_AUTH || sync->outage.error == SYNC_ERR_REFUSED;
    int64_t wait = counted ? SIGN_IN_FIRST_MS : AWAY_FIRST_MS;
    int64_t most = counted ? SIGN_IN_MAX_MS : AWAY_MAX_MS;
    for (unsigned i = 0; i < sync->away && wait < most; i++)
        wait *= 2;
    return jitter(wait < most ? wait : most);
}

/* A job that somebody waits for is on its way already. */
static void background_locked(struct sync *sync, struct job *job)
{
    enum sync_error why = SYNC_OK;
    if (job != NULL && job->state == JOB_PENDING && job->waiters == NULL)
        waiters_tell(job_dispatch_locked(sync, job, &why), why); /* there are none */
}

void poll_mailboxes_locked(struct sync *sync)
{
    struct job *job = job_find_locked(sync, JOB_POLL, 0);
    background_locked(sync, job != NULL ? job : job_new_locked(sync, JOB_POLL, 0, 0));
}

void poll_overdue_locked(struct sync *sync, int64_t now, int64_t *nearest)
{
    if (sync->poll_ms == 0)
        return;
    if (sync->poll_at <= now) {
        bool ready = workers_ready_locked(sync) > 0;
        sync->poll_at = now + (ready ? sync->poll_ms : away_ms(sync));
        int64_t young = sync->poll_ms / 2 < FRESH_MS ? sync->poll_ms / 2 : FRESH_MS;
        bool fresh = sync->tree_checked != 0 && now - sync->tree_checked < young;
        struct job *tree = job_find_locked(sync, JOB_TREE, 0);
        if (tree == NULL && (!fresh || !ready))
            tree = job_new_locked(sync, JOB_TREE, 0, 0);
        if (tree != NULL) {
            tree->polling = true;
            background_locked(sync, tree);
        } else {
            poll_mailboxes_locked(sync);
        }
    }
    if (sync->poll_at < *nearest)
        *nearest = sync->poll_at;
}

static void poll_by_locked(struct sync *sync, int64_t at)
{
    if (sync->poll_ms == 0 || sync->poll_at <= at)
        return;
    sync->poll_at = at;
    pthread_cond_signal(&sync->warden_wake);
}

void poll_connected_locked(struct sync *sync)
{
    sync->away = 0;
    poll_by_locked(sync, clock_ms() + SETTLE_MS);
}

void poll_lost_locked(struct sync *sync)
{
    poll_by_locked(sync, clock_ms() + jitter(LOST_MS));
}

/* INBOX is the same in any case (RFC 3501 section 5.1); the cache has it as LIST spelt it. */
static bool same_name(const char *name, const struct imap_span *said)
{
    if (strcasecmp(name, "INBOX") == 0)
        return said->len == 5 && strncasecmp(said->data, "INBOX", 5) == 0;
    return strlen(name) == said->len && memcmp(name, said->data, said->len) == 0;
}

/* ---- which mailboxes ---- */

static bool gather(void *ctx, const struct cache_mailbox *mailbox)
{
    struct poll *poll = ctx;
    bool wanted = poll->job->mailbox != 0 ? stroll_wants(poll->worker, poll->job->mailbox, mailbox)
                                          : mailbox->selectable && mailbox->listed;
    if (!wanted)
        return true;
    if (poll->count == poll->room) {
        size_t room = poll->room * 2 + 16;
        struct poll_item *items = realloc(poll->items, room * sizeof *items);
        if (items == NULL)
            return false;
        poll->items = items;
        poll->room = room;
    }
    char *name = strdup(mailbox->name);
    if (name == NULL)
        return false;
    poll->items[poll->count++] = (struct poll_item){.mailbox = mailbox->id, .name = name};
    if (poll->job->mailbox != 0)
        stroll_asks(poll->worker->sync, mailbox->id);
    return poll->job->mailbox == 0 || poll->count < STROLL_MAILBOXES;
}

static int by_regard(const void *a, const void *b)
{
    const struct poll_item *x = a, *y = b;
    if (x->read_at != y->read_at)
        return x->read_at > y->read_at ? -1 : 1;
    return x->mailbox < y->mailbox ? -1 : x->mailbox > y->mailbox;
}

/* Of too many, the second half of those asked about are others each time. */
static void take_turns(struct poll *poll)
{
    struct sync *sync = poll->worker->sync;
    enum { FIRST = POLL_MAX / 2 };
    size_t rest = poll->count - FIRST;
    pthread_mutex_lock(&sync->lock);
    size_t from = sync->poll_turn % rest;
    sync->poll_turn += POLL_MAX - FIRST;
    pthread_mutex_unlock(&sync->lock);
    for (size_t i = 0; i < POLL_MAX - FIRST && from + i < rest; i++) {
        struct poll_item other = poll->items[FIRST + i];
        poll->items[FIRST + i] = poll->items[FIRST + from + i];
        poll->items[FIRST + from + i] = other;
    }
    while (poll->count > POLL_MAX)
        free(poll->items[--poll->count].name);
}

static bool choose_mailboxes(struct poll *poll)
{
    struct sync *sync = poll->worker->sync;
    if (cache_mailbox_each(sync->cache, gather, poll) != CACHE_OK)
        return false;
    if (poll->job->mailbox != 0)
        return true; /* in the order of the walk */
    for (size_t i = 0; i < poll->count; i++)
        poll->items[i].read_at = regard_read_at(sync, poll->items[i].mailbox);
    if (poll->count > 0)
        qsort(poll->items, poll->count, sizeof *poll->items, by_regard);
    if (poll->count > POLL_MAX)
        take_turns(poll);
    return true;
}

/* ---- asking ---- */

/* The mailbox whose flags are looked at next: the one that the last poll came to, unless it was at
 * its end; then the one after it. 0: there is none. */
static int64_t next_of(struct poll *poll)
{
    struct sync *sync = poll->worker->sync;
    int64_t first = 0, after = 0;
    pthread_mutex_lock(&sync->lock);
    int64_t last = sync->flags_turn;
    pthread_mutex_unlock(&sync->lock);
    for (size_t i = 0; i < poll->count; i++) {
        int64_t id = poll->items[i].mailbox;
        if (poll->items[i].empty || !regard_flags_older(sync, id, sync->poll_ms))
            continue;
        if (id == last && regard_flags_uid(sync, id) != 0)
            return id;
        if (first == 0 || id < first)
            first = id;
        if (id > last && (after == 0 || id < after))
            after = id;
    }
    return after != 0 ? after : first;
}

/* Flags that UNSEEN does not tell of, where the server does not count changes: a window a poll. */
static void look_at_some_flags(struct poll *poll)
{
    struct sync *sync = poll->worker->sync;
    enum sync_error why = SYNC_ERR_STOPPING;
    struct waiter *list = NULL;
    if (imap_connection_capabilities(poll->worker->connection) & IMAP_CAP_CONDSTORE)
        return;
    int64_t mailbox = next_of(poll);
    if (mailbox == 0)
        return;
    pthread_mutex_lock(&sync->lock);
    sync->flags_turn = mailbox;
    struct job *job = job_find_locked(sync, JOB_LISTING, mailbox);
    if (job == NULL && !sync->stopping)
        job = job_new_locked(sync, JOB_LISTING, mailbox, 0);
    if (job != NULL && job->state == JOB_PENDING) {
        job->window = true;
        list = job_dispatch_locked(sync, job, &why);
    }
    pthread_mutex_unlock(&sync->lock);
    waiters_tell(list, why);
}

static void poll_end(struct poll *poll)
{
    struct worker *w = poll->worker;
    if (poll->job->mailbox != 0)
        stroll_told(w->sync, 0);
    else if (poll->error == IMAP_OK)
        look_at_some_flags(poll);
    w->poll = NULL;
    for (size_t i = 0; i < poll->count; i++)
        free(poll->items[i].name);
    free(poll->items);
    job_end(w->sync, poll->job, sync_error_of_imap(poll->error));
    free(poll);
}

static void ask(struct poll *poll);

static void told(void *ctx, const struct imap_completion *completion)
{
    struct poll *poll = ctx;
    struct sync *sync = poll->worker->sync;
    worker_note(poll->worker, completion);
    struct poll_item *item = &poll->items[poll->answered++];
    item->empty = (poll->heard.present & IMAP_STATUS_MESSAGES) != 0 && poll->heard.messages == 0;
    if (completion->error == IMAP_OK && poll->heard.present != 0)
        poll_compare_id(sync, item->mailbox, &poll->heard, item->asked);
    else if (completion->error != IMAP_OK && completion->error != IMAP_ERR_NO)
        poll->error = completion->error;
    poll->heard.present = 0;
    if (poll->job->mailbox != 0)
        stroll_told(sync, item->mailbox);
    if (poll->error == IMAP_OK && limiter_holds(sync))
        poll->error = IMAP_ERR_THROTTLED;
    ask(poll);
}

static void ask(struct poll *poll)
{
    struct imap_connection *connection = poll->worker->connection;
    const char *items = poll_items(imap_connection_capabilities(connection));
    while (poll->error == IMAP_OK && poll->asked < poll->count &&
           poll->asked - poll->answered < STATUS_AHEAD) {
        struct imap_command command;
        imap_command_status(&command, poll->items[poll->asked].name, items);
        poll->items[poll->asked].asked = clock_ms();
        poll->error = imap_connection_submit(connection, &command, told, poll);
        poll->asked += poll->error == IMAP_OK;
    }
    if (poll->answered == poll->asked)
        poll_end(poll);
}

bool poll_response(struct worker *w, const struct imap_mailbox_status *status)
{
    struct poll *poll = w->poll;
    if (poll == NULL || poll->answered == poll->asked || status->name.data == NULL ||
        !same_name(poll->items[poll->answered].name, &status->name))
        return false;
    standing_of(&poll->heard, status);
    return true;
}

static void up_to_date(void *ctx, const struct imap_completion *completion)
{
    struct poll *poll = ctx;
    worker_note(poll->worker, completion);
    poll->error = completion->error;
    ask(poll);
}

void poll_start(struct worker *w, struct job *job)
{
    struct poll *poll = calloc(1, sizeof *poll);
    if (poll == NULL) {
        job_end(w->sync, job, SYNC_ERR_MEMORY);
        return;
    }
    *poll = (struct poll){.job = job, .worker = w};
    w->poll = poll;
    poll->error = choose_mailboxes(poll) ? IMAP_OK : IMAP_ERR_MEMORY;
    if (poll->error != IMAP_OK || w->examined == 0 || job->mailbox != 0) {
        ask(poll);
        return;
    }
    struct imap_command command;
    imap_command_init(&command, "NOOP");
    poll->error = imap_connection_submit(w->connection, &command, up_to_date, poll);
    if (poll->error != IMAP_OK)
        poll_end(poll);
}
