/*
 * Pinning and unpinning (sync.h), and what is told of it. Threads of the control socket; they take
 * the lock of stock.h, and wait for the disk without it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "sync/status.h"
#include "sync/stock.h"

/* The mailbox at `path` below the mount, CACHE_OK; free it. */
static enum cache_error find_mailbox(struct cache *cache, const char *path,
                                     struct cache_mailbox *mailbox)
{
    struct cache_inode inode = {.ino = CACHE_ROOT_INO, .kind = CACHE_DIRECTORY};
    enum cache_error error = CACHE_OK;
    while (error == CACHE_OK && path[strspn(path, "/")] != '\0') {
        char name[CACHE_NAME_MAX + 1];
        path += strspn(path, "/");
        size_t len = strcspn(path, "/");
        if (len > CACHE_NAME_MAX || inode.kind != CACHE_DIRECTORY)
            return CACHE_ERR_ABSENT;
        memcpy(name, path, len);
        name[len] = '\0';
        path += len;
        if (strcmp(name, ".") == 0)
            continue;
        error = cache_inode_lookup(cache, inode.ino, name, &inode);
    }
    if (error == CACHE_OK && inode.kind != CACHE_DIRECTORY)
        error = CACHE_ERR_ABSENT;
    if (error == CACHE_OK && inode.mailbox == 0)
        return CACHE_ERR_STATE;
    return error == CACHE_OK ? cache_mailbox_get(cache, inode.mailbox, mailbox) : error;
}

static enum sync_error find(struct sync *sync, const char *path, struct cache_mailbox *mailbox,
                            char *text)
{
    *mailbox = (struct cache_mailbox){0};
    enum cache_error error = find_mailbox(sync->cache, path, mailbox);
    text[0] = '\0';
    if (error == CACHE_ERR_ABSENT) {
        snprintf(text, SYNC_TEXT_MAX, "there is no mailbox %.300s", path);
        return SYNC_ERR_GONE;
    }
    if (error == CACHE_ERR_STATE || (error == CACHE_OK && !mailbox->selectable)) {
        cache_mailbox_free(mailbox);
        snprintf(text, SYNC_TEXT_MAX, "%.300s holds no messages; name a mailbox in it",
                 path[0] != '\0' ? path : "the mount itself");
        return SYNC_ERR_INVALID;
    }
    return sync_error_of_cache(error);
}

/* ---- changing the list ---- */

/* Reads the list and puts it on the disk with `name` in it or not. */
static enum sync_error rewrite(const char *directory, const char *name, bool in,
                               struct pin_names *names, bool *changed, char *text)
{
    if (!pin_file_read(directory, names)) {
        snprintf(text, SYNC_TEXT_MAX, "the pins cannot be read: %s", strerror(errno));
        return SYNC_ERR_DISK;
    }
    *changed = pin_names_have(names, name) != in;
    bool good = true;
    if (*changed)
        good = in ? pin_names_add(names, name) : pin_names_drop(names, name);
    if (!good)
        snprintf(text, SYNC_TEXT_MAX, "it cannot be pinned: more than %d pins, or no memory",
                 PIN_NAMES_MAX);
    if (good && *changed && !pin_file_write(directory, names)) {
        snprintf(text, SYNC_TEXT_MAX, "the pins cannot be written: %s", strerror(errno));
        good = false;
    }
    if (!good)
        pin_names_free(names);
    return good ? SYNC_OK : SYNC_ERR_DISK;
}

/* Puts the list into use. */
static void use(struct stock *stock, const struct pin_names *names, bool in)
{
    pthread_mutex_lock(&stock->lock);
    struct pin_names before = stock->pins;
    stock->pins = *names;
    stock->loosened |= !in;
    stock->repinned = true;
    stock->stirred = true;
    stock->idle = false;
    pthread_cond_signal(&stock->wake);
    pthread_mutex_unlock(&stock->lock);
    pin_names_free(&before);
}

/* One change at a time, from reading the list until it is in use: none undoes another. */
static enum sync_error change(struct stock *stock, const char *name, bool in, bool *changed,
                              char *text)
{
    struct pin_names names;
    if (stock->directory == NULL) {
        snprintf(text, SYNC_TEXT_MAX, "nothing can be pinned: this mount has no state directory");
        return SYNC_ERR_DISK;
    }
    int lock = pin_file_lock(stock->directory);
    if (lock < 0) {
        snprintf(text, SYNC_TEXT_MAX, "the pins cannot be locked: %s", strerror(errno));
        return SYNC_ERR_DISK;
    }
    enum sync_error error = rewrite(stock->directory, name, in, &names, changed, text);
    if (error == SYNC_OK)
        use(stock, &names, in);
    close(lock);
    return error;
}

/* One that is pinned already is looked through once more. */
static void look_again(struct stock *stock, int64_t mailbox)
{
    pthread_mutex_lock(&stock->lock);
    for (size_t i = 0; i < stock->count; i++) {
        if (stock->boxes[i].mailbox == mailbox) {
            stock->boxes[i].due = stock->boxes[i].refresh = true;
            stock->boxes[i].error = SYNC_OK;
        }
    }
    pthread_mutex_unlock(&stock->lock);
}

enum sync_error sync_pin(struct sync *sync, const char *path, char *text)
{
    struct cache_mailbox mailbox;
    bool changed = false;
    enum sync_error error = find(sync, path, &mailbox, text);
    if (error != SYNC_OK)
        return error;
    look_again(sync->stock, mailbox.id);
    error = change(sync->stock, mailbox.name, true, &changed, text);
    cache_mailbox_free(&mailbox);
    return error;
}

enum sync_error sync_unpin(struct sync *sync, const char *path, char *text)
{
    struct cache_mailbox mailbox;
    bool changed = false;
    enum sync_error error = find(sync, path, &mailbox, text);
    if (error != SYNC_OK && error != SYNC_ERR_GONE)
        return error;
    /* What is not there any more is let go of by the server's name, which is mostly the same. */
    error = change(sync->stock, error == SYNC_OK ? mailbox.name : path, false, &changed, text);
    if (error == SYNC_OK && !changed) {
        snprintf(text, SYNC_TEXT_MAX, "%.300s is not pinned; outlookfs status lists what is", path);
        error = SYNC_ERR_INVALID;
    }
    cache_mailbox_free(&mailbox);
    return error;
}

/* ---- telling ---- */

static void describe(const struct stock *stock, const struct stock_box *box, struct sync_pin *pin)
{
    pin->messages = box->messages;
    pin->here = box->here;
    pin->failed = box->failed;
    pin->error = box->error;
    bool over = !box->due && !box->busy && box->error == SYNC_OK;
    bool all = box->here + box->failed >= box->messages;
    pin->done = over && all;
    if (!over || all)
        return;
    /* All was asked for, and is not here. */
    pin->error = SYNC_ERR_CACHE;
    snprintf(pin->text, sizeof pin->text,
             "the pinned mailboxes do not fit into the cache: this one alone has %.1f MB, and "
             "cache_size is %.1f MB; mount with a larger one",
             (double)box->bytes / 1e6, (double)stock->sync->cache_size / 1e6);
}

enum sync_error sync_pin_look(struct sync *sync, const char *path, struct sync_pin *pin, char *text)
{
    struct cache_mailbox mailbox;
    struct stock *stock = sync->stock;
    *pin = (struct sync_pin){0};
    enum sync_error error = find(sync, path, &mailbox, text);
    if (error != SYNC_OK)
        return error;
    pthread_mutex_lock(&stock->lock);
    for (size_t i = 0; i < stock->count; i++) {
        if (stock->boxes[i].mailbox == mailbox.id && stock->boxes[i].pinned)
            describe(stock, &stock->boxes[i], pin);
    }
    pthread_mutex_unlock(&stock->lock);
    cache_mailbox_free(&mailbox);
    if (pin->error == SYNC_ERR_UNREACHABLE && sync_offline(sync)) {
        pthread_mutex_lock(&sync->lock);
        snprintf(pin->text, sizeof pin->text, "%s", sync->outage.text);
        pin->error = sync->outage.error;
        pthread_mutex_unlock(&sync->lock);
    }
    return SYNC_OK;
}

size_t stock_pins(struct stock *stock, struct status_pin **pins, bool *idle)
{
    size_t count = 0;
    pthread_mutex_lock(&stock->lock);
    *idle = stock->idle;
    *pins = stock->pins.count > 0 ? calloc(stock->count + 1, sizeof **pins) : NULL;
    for (size_t i = 0; i < stock->count && *pins != NULL; i++) {
        if (!stock->boxes[i].pinned)
            continue;
        (*pins)[count].mailbox_id = stock->boxes[i].mailbox;
        describe(stock, &stock->boxes[i], &(*pins)[count++].pin);
    }
    pthread_mutex_unlock(&stock->lock);
    return count;
}
