/*
 * The life of a wait: NEW -> ASKING (inside the call to sync; no ticket yet) -> WAITING (ticket
 * known) -> CLAIMED (one party has won), and from there answered, or ASKING again.
 *
 * - done (sync's thread) claims always: sync calls it only when nobody detached the ticket.
 * - the interrupt (a FUSE thread, called with the request's own lock held by libfuse) and
 *   waits_close claim only after sync let go of the ticket, which one of them may ask for.
 *   While ASKING there is no ticket: the interrupt leaves a mark, wait_start looks at it.
 *
 * Who claims outside of the interrupt function first withdraws that function. This waits for a call
 * that is running, so the function never sees a freed wait. Inside it that would be a deadlock, and
 * is not needed: libfuse calls it once at a time.
 *
 * done may come before wait_start has the ticket, on another thread, and resume may have started
 * the next round or freed the wait by then: therefore references and rounds. No lock is held while
 * sync, libfuse or resume is called.
 */
#include "fs/wait.h"

#include <errno.h>
#include <stdlib.h>

void waits_init(struct waits *waits, const struct wait_ops *ops)
{
    *waits = (struct waits){.ops = *ops};
    pthread_mutex_init(&waits->lock, NULL);
    pthread_cond_init(&waits->idle, NULL);
}

void waits_destroy(struct waits *waits)
{
    pthread_cond_destroy(&waits->idle);
    pthread_mutex_destroy(&waits->lock);
}

void *wait_new(struct waits *waits, size_t size, void *request)
{
    struct wait *wait = calloc(1, size);

    if (wait == NULL)
        return NULL;
    wait->waits = waits;
    wait->request = request;
    wait->references = 1;
    pthread_mutex_lock(&waits->lock);
    waits->active++;
    pthread_mutex_unlock(&waits->lock);
    return wait;
}

static void wait_drop(struct wait *wait)
{
    struct waits *waits = wait->waits;
    bool last;

    pthread_mutex_lock(&waits->lock);
    last = --wait->references == 0;
    pthread_mutex_unlock(&waits->lock);
    if (!last)
        return;
    if (wait->release != NULL)
        wait->release(wait);
    free(wait);
    pthread_mutex_lock(&waits->lock);
    if (--waits->active == 0)
        pthread_cond_broadcast(&waits->idle);
    pthread_mutex_unlock(&waits->lock);
}

void wait_free(struct wait *wait)
{
    wait_drop(wait);
}

static void link_locked(struct waits *waits, struct wait *wait)
{
    wait->previous = NULL;
    wait->next = waits->list;
    if (wait->next != NULL)
        wait->next->previous = wait;
    waits->list = wait;
}

static void claim_locked(struct waits *waits, struct wait *wait)
{
    wait->state = WAIT_CLAIMED;
    if (wait->previous != NULL)
        wait->previous->next = wait->next;
    else
        waits->list = wait->next;
    if (wait->next != NULL)
        wait->next->previous = wait->previous;
    wait->next = wait->previous = NULL;
}

/* sync's done. */
static void wait_done(void *ctx, enum sync_error error)
{
    struct wait *wait = ctx;
    struct waits *waits = wait->waits;

    pthread_mutex_lock(&waits->lock);
    claim_locked(waits, wait);
    pthread_mutex_unlock(&waits->lock);
    waits->ops.on_interrupt(wait->request, NULL);
    wait->resume(wait, error);
}

/* Tries to take a waiting request away from sync. The caller has set wait->detaching. True: it is
 * claimed, and the caller answers. */
static bool take_back(struct wait *wait)
{
    struct waits *waits = wait->waits;

    if (!waits->ops.detach(waits->ops.ctx, wait->ticket))
        return false;
    pthread_mutex_lock(&waits->lock);
    claim_locked(waits, wait);
    pthread_mutex_unlock(&waits->lock);
    return true;
}

/* A FUSE thread. */
void wait_on_interrupt(struct wait *wait)
{
    struct waits *waits = wait->waits;
    bool mine;

    pthread_mutex_lock(&waits->lock);
    wait->interrupted = true;
    mine = wait->state == WAIT_WAITING && !wait->detaching;
    if (mine)
        wait->detaching = true;
    pthread_mutex_unlock(&waits->lock);
    if (mine && take_back(wait)) {
        waits->ops.reply_errno(wait->request, EINTR);
        wait_drop(wait);
    }
}

/* Ends a wait that is claimed, not from within the interrupt function. */
static void end_claimed(struct wait *wait, int error)
{
    struct waits *waits = wait->waits;

    waits->ops.on_interrupt(wait->request, NULL);
    waits->ops.reply_errno(wait->request, error);
    wait_drop(wait);
}

/* The question was put to sync, which gave `ticket`. True: the wait is still in round `round` and
 * unclaimed, and *error is set where it must be taken back at once and answered so. */
static bool asked_locked(struct wait *wait, unsigned round, sync_ticket ticket, int *error)
{
    if (wait->round != round || wait->state != WAIT_ASKING)
        return false;
    wait->ticket = ticket;
    wait->state = WAIT_WAITING;
    if (ticket != 0 && wait->interrupted)
        *error = EINTR;
    else if (ticket != 0 && wait->waits->closing)
        *error = ENOTCONN;
    if (*error != 0)
        wait->detaching = true;
    return true;
}

static void ask(struct wait *wait, unsigned round)
{
    struct waits *waits = wait->waits;
    sync_ticket ticket = wait->ask(wait, wait_done, wait);
    bool open;
    int error = 0;

    pthread_mutex_lock(&waits->lock);
    open = asked_locked(wait, round, ticket, &error);
    if (open && ticket == 0)
        claim_locked(waits, wait);
    pthread_mutex_unlock(&waits->lock);
    if (!open)
        return;
    if (ticket == 0) { /* no memory: done will not be called */
        waits->ops.on_interrupt(wait->request, NULL);
        wait->resume(wait, SYNC_ERR_MEMORY);
    } else if (error != 0 && take_back(wait)) {
        end_claimed(wait, error);
    }
}

void wait_start(struct wait *wait)
{
    struct waits *waits = wait->waits;
    unsigned round;
    bool interrupted;

    pthread_mutex_lock(&waits->lock);
    if (waits->closing) {
        pthread_mutex_unlock(&waits->lock);
        wait->resume(wait, SYNC_ERR_STOPPING);
        return;
    }
    round = ++wait->round;
    wait->references++;
    wait->state = WAIT_ASKING;
    wait->detaching = false;
    wait->ticket = 0;
    link_locked(waits, wait);
    pthread_mutex_unlock(&waits->lock);

    waits->ops.on_interrupt(wait->request, wait);

    pthread_mutex_lock(&waits->lock);
    interrupted = wait->interrupted;
    if (interrupted)
        claim_locked(waits, wait);
    pthread_mutex_unlock(&waits->lock);
    if (interrupted)
        end_claimed(wait, EINTR);
    else
        ask(wait, round);
    /* The analyzer does not count: the reference taken above is still ours. */
    // NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
    wait_drop(wait);
}

bool waits_hold(struct waits *waits, uint64_t ino)
{
    bool hold = false;

    pthread_mutex_lock(&waits->lock);
    for (const struct wait *wait = waits->list; wait != NULL && !hold; wait = wait->next)
        hold = wait->locked == ino;
    pthread_mutex_unlock(&waits->lock);
    return hold;
}

/* The next wait that can be taken back, with a reference; NULL: none. */
static struct wait *next_to_close_locked(struct waits *waits)
{
    for (struct wait *wait = waits->list; wait != NULL; wait = wait->next) {
        if (wait->state == WAIT_WAITING && !wait->detaching) {
            wait->detaching = true;
            wait->references++;
            return wait;
        }
    }
    return NULL;
}

void waits_close(struct waits *waits)
{
    struct wait *wait;

    pthread_mutex_lock(&waits->lock);
    waits->closing = true;
    while ((wait = next_to_close_locked(waits)) != NULL) {
        pthread_mutex_unlock(&waits->lock);
        if (take_back(wait))
            end_claimed(wait, ENOTCONN);
        /* The analyzer does not count: the reference taken above is still ours. */
        // NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
        wait_drop(wait);
        pthread_mutex_lock(&waits->lock);
    }
    while (waits->active != 0)
        pthread_cond_wait(&waits->idle, &waits->lock);
    pthread_mutex_unlock(&waits->lock);
}
