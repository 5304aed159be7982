/*
 * See errand.h. One list under one lock, which is never held while sync, a wait or a staged file is
 * called. An errand has two references at most: whoever is sending it, and sync.
 *
 * The kernel knows what a request of its own takes away, and a notice about it would at best be
 * useless; at worst it comes late and drops a name that was given anew. So a request's own names
 * are left out as long as it waits. When it is interrupted instead, the kernel believes that
 * nothing happened: then what was left out is told after all.
 */
#include "fs/errand.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/condition.h"
#include "fs/internal.h"

struct errands {
    pthread_mutex_t lock;
    pthread_cond_t fewer;    /* CLOCK_MONOTONIC */
    struct errand *list;     /* protected by lock */
    sync_ticket last_ticket; /* protected by lock */
};

struct errands *errands_new(void)
{
    struct errands *errands = calloc(1, sizeof(*errands));

    if (errands == NULL)
        return NULL;
    pthread_mutex_init(&errands->lock, NULL);
    condition_init(&errands->fewer);
    return errands;
}

void errands_free(struct errands **errands)
{
    if (*errands == NULL)
        return;
    pthread_cond_destroy(&(*errands)->fewer);
    pthread_mutex_destroy(&(*errands)->lock);
    free(*errands);
    *errands = NULL;
}

struct errand *errand_new(struct fs *fs, sync_done_fn *done, void *ctx)
{
    struct errands *errands = fs->errands;
    struct errand *errand = calloc(1, sizeof(*errand));

    if (errand == NULL)
        return NULL;
    errand->fs = fs;
    errand->done = done;
    errand->ctx = ctx;
    errand->references = 2;
    pthread_mutex_lock(&errands->lock);
    errand->ticket = ERRAND_TICKET | ++errands->last_ticket;
    errand->next = errands->list;
    if (errand->next != NULL)
        errand->next->previous = errand;
    errands->list = errand;
    pthread_mutex_unlock(&errands->lock);
    return errand;
}

static void drop(struct errand *errand)
{
    struct errands *errands = errand->fs->errands;
    bool last;

    pthread_mutex_lock(&errands->lock);
    last = --errand->references == 0;
    pthread_mutex_unlock(&errands->lock);
    if (last)
        free(errand);
}

/* Takes it out of the list; the caller holds the lock. */
static void unlink_locked(struct errands *errands, struct errand *errand)
{
    if (errand->previous != NULL)
        errand->previous->next = errand->next;
    else
        errands->list = errand->next;
    if (errand->next != NULL)
        errand->next->previous = errand->previous;
    errand->next = errand->previous = NULL;
    pthread_cond_broadcast(&errands->fewer);
}

/* It is over: tells who waits. The mount may end once it is out of the list. */
void errand_end(struct errand *errand)
{
    struct errands *errands = errand->fs->errands;
    struct staged *staged = errand->staged;
    sync_done_fn *done;

    pthread_mutex_lock(&errands->lock);
    done = errand->done;
    errand->done = NULL;
    if (done != NULL && errand->into != NULL)
        *errand->into = errand->inode;
    pthread_mutex_unlock(&errands->lock);
    if (done != NULL)
        done(errand->ctx, errand->error);
    staged_drop(staged);
    pthread_mutex_lock(&errands->lock);
    unlink_locked(errands, errand);
    pthread_mutex_unlock(&errands->lock);
    drop(errand);
}

void errand_changed(void *ctx, const struct sync_changed *changed)
{
    struct errand *errand = ctx;

    errand->error = changed->error;
    errand->inode = changed->inode;
    if (errand->ended == NULL || !errand->ended(errand, changed))
        errand_end(errand);
}

sync_ticket errand_sent(struct errand *errand, sync_ticket at_sync)
{
    struct errands *errands = errand->fs->errands;
    sync_ticket ticket;

    pthread_mutex_lock(&errands->lock);
    ticket = at_sync != 0 ? errand->ticket : 0;
    errand->at_sync = at_sync;
    if (at_sync == 0) {
        unlink_locked(errands, errand);
        errand->references--;
    }
    pthread_mutex_unlock(&errands->lock);
    if (at_sync == 0)
        staged_drop(errand->staged);
    drop(errand);
    return ticket;
}

sync_ticket errand_fail(struct errand *errand, enum sync_error error)
{
    pthread_mutex_lock(&errand->fs->errands->lock);
    errand->references--;
    pthread_mutex_unlock(&errand->fs->errands->lock);
    errand->error = error;
    errand_end(errand);
    return 0;
}

void errand_owns(struct errand *errand, int place, uint64_t parent, uint64_t ino, const char *name)
{
    struct errands *errands = errand->fs->errands;
    struct errand_name *own = &errand->names[place];

    pthread_mutex_lock(&errands->lock);
    own->parent = parent;
    own->ino = ino;
    snprintf(own->name, sizeof(own->name), "%s", name);
    pthread_mutex_unlock(&errands->lock);
}

sync_ticket errand_idle(struct fs *fs, struct staged *staged, sync_done_fn *done, void *ctx)
{
    struct errand *errand = errand_new(fs, done, ctx);
    sync_ticket ticket;

    if (errand == NULL) {
        staged_drop(staged);
        return 0;
    }
    pthread_mutex_lock(&fs->errands->lock);
    errand->staged = staged;
    errand->idle = true;
    ticket = errand->ticket;
    errand->references--;
    pthread_mutex_unlock(&fs->errands->lock);
    return ticket;
}

void errands_wake(struct fs *fs, struct staged *staged)
{
    struct errands *errands = fs->errands;
    struct errand *errand;

    do {
        pthread_mutex_lock(&errands->lock);
        for (errand = errands->list; errand != NULL; errand = errand->next)
            if (errand->idle && errand->staged == staged)
                break;
        if (errand != NULL)
            errand->idle = false;
        pthread_mutex_unlock(&errands->lock);
        if (errand != NULL)
            errand_end(errand);
    } while (errand != NULL);
}

/* What was left out is told after all. */
static void tell_names(struct fs *fs, const struct errand_name *names)
{
    for (int i = 0; i < 2; i++)
        if (names[i].told && fs->notifier != NULL)
            notify_gone(fs->notifier, names[i].parent, names[i].ino, names[i].name);
}

bool errand_detach(struct fs *fs, sync_ticket ticket)
{
    struct errands *errands = fs->errands;
    struct errand_name names[2];
    struct errand *errand;
    bool found, idle = false;

    pthread_mutex_lock(&errands->lock);
    for (errand = errands->list; errand != NULL && errand->ticket != ticket; errand = errand->next)
        continue;
    found = errand != NULL && errand->done != NULL;
    if (found) {
        errand->done = NULL;
        memcpy(names, errand->names, sizeof(names));
        idle = errand->idle;
        errand->idle = false;
    }
    pthread_mutex_unlock(&errands->lock);
    if (found)
        tell_names(fs, names);
    if (idle)
        errand_end(errand);
    return found;
}

static bool name_matches(const struct errand_name *own, uint64_t parent, uint64_t ino,
                         const char *name)
{
    return own->ino == ino && own->parent == parent && strcmp(own->name, name) == 0;
}

bool errand_names(struct fs *fs, uint64_t parent, uint64_t ino, const char *name)
{
    struct errands *errands = fs->errands;
    bool own = false;

    pthread_mutex_lock(&errands->lock);
    for (struct errand *e = errands->list; e != NULL && !own; e = e->next) {
        for (int i = 0; i < 2 && !own && e->done != NULL; i++) {
            own = name_matches(&e->names[i], parent, ino, name);
            e->names[i].told = e->names[i].told || own;
        }
    }
    pthread_mutex_unlock(&errands->lock);
    return own;
}

/* One that may be let go of. */
static struct errand *at_sync_locked(struct errands *errands)
{
    for (struct errand *e = errands->list; e != NULL; e = e->next)
        if (e->at_sync != 0)
            return e;
    return NULL;
}

void errands_settle(struct fs *fs, int ms)
{
    struct errands *errands = fs->errands;
    int64_t until = clock_ms() + ms;
    struct errand *errand;

    pthread_mutex_lock(&errands->lock);
    while (errands->list != NULL && condition_wait(&errands->fewer, &errands->lock, until))
        continue;
    while ((errand = at_sync_locked(errands)) != NULL) {
        sync_ticket ticket = errand->at_sync;
        errand->at_sync = 0;
        errand->references++;
        pthread_mutex_unlock(&errands->lock);
        if (sync_detach(fs->sync, ticket))
            errand_end(errand);
        /* The analyzer does not count: the reference taken above is still ours. */
        // NOLINTNEXTLINE(clang-analyzer-unix.Malloc)
        drop(errand);
        pthread_mutex_lock(&errands->lock);
    }
    while (errands->list != NULL)
        pthread_cond_wait(&errands->fewer, &errands->lock);
    pthread_mutex_unlock(&errands->lock);
}
