/*
 * What the cache shows of changes that the server has not made yet (commit=journal), and the files
 * that no server hears of: staged ones, and spools that are kept. Clerks.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "cache/outcomes.h"
#include "imap/flags.h"
#include "sync/carry.h"

enum { FLAGS_BYTES_MAX = 8192 };

enum sync_error sync_error_of_naming(enum cache_error error)
{
    return error == CACHE_ERR_EXISTS  ? SYNC_ERR_EXISTS
           : error == CACHE_ERR_STATE ? SYNC_ERR_INVALID
                                      : sync_error_of_cache(error);
}

/* ---- changes to come ---- */

/* Where the cache has the message: not where the change will find it, when another one moves it
 * before. */
bool change_place(const struct change *change, struct cache_place *place)
{
    struct sync *sync = change->sync;
    struct cache_message message = {0};
    struct cache_mailbox mailbox = {0};
    *place = (struct cache_place){change->mailbox, change->row.intent.uidvalidity,
                                  change->row.intent.uid};
    if (change->message != 0 &&
        cache_message_get(sync->cache, change->message, &message) == CACHE_OK &&
        cache_mailbox_get(sync->cache, message.mailbox, &mailbox) == CACHE_OK)
        *place = (struct cache_place){mailbox.id, mailbox.uidvalidity, message.uid};
    cache_message_free(&message);
    cache_mailbox_free(&mailbox);
    return place->mailbox != 0 && place->uid != 0;
}

void change_hide(struct change *change)
{
    struct cache_place place;
    if (!change_place(change, &place))
        return;
    (void)!cache_messages_hide(change->sync->cache, place.mailbox, place.uidvalidity, &place.uid, 1,
                               false, sync_changed_here, change->sync);
    change->hidden = true;
}

static uint64_t directory_of(struct sync *sync, int64_t mailbox)
{
    struct cache_mailbox row = {0};
    uint64_t ino = cache_mailbox_get(sync->cache, mailbox, &row) == CACHE_OK ? row.ino : 0;
    cache_mailbox_free(&row);
    return ino;
}

static void show_moved(struct change *change, struct request *request)
{
    struct sync *sync = change->sync;
    struct cache_inode inode;
    struct cache_place place;
    uint64_t directory = directory_of(sync, change->target);
    if (!change_place(change, &place) ||
        cache_message_find(sync->cache, place.mailbox, place.uid, &inode) != CACHE_OK)
        return;
    const char *name = request->name != NULL ? request->name : inode.name;
    if (cache_inode_rename(sync->cache, inode.ino, directory, name, request->replace,
                           sync_changed_here, sync) == CACHE_OK)
        change->hidden = true;
    else
        change_hide(change);
    (void)!cache_inode_get(sync->cache, inode.ino, &request->inode);
}

/* The staged file stands for the message that it becomes. */
static void show_arrival(struct change *change, struct request *request)
{
    struct sync *sync = change->sync;
    struct cache_inode source = {0};
    uint64_t directory = directory_of(sync, change->target);
    struct cache_place place;
    bool copy = change->kind == JOURNAL_COPY && change_place(change, &place) &&
                cache_message_find(sync->cache, place.mailbox, place.uid, &source) == CACHE_OK;
    struct cache_staged_stand stand = {
        .ino = change->staged,
        .parent = directory,
        .name = request->name != NULL ? request->name : source.name,
        .replace = change->replace,
        .size = copy ? source.size : change->row.spool_bytes,
        .mtime = change->row.intent.internaldate,
    };
    if (stand.ino == 0 && cache_staged_create(sync->cache, directory, stand.name, true, &stand.ino,
                                              sync_changed_here, sync) != CACHE_OK)
        return;
    change->staged = stand.ino;
    (void)!cache_staged_place(sync->cache, &stand, &request->inode, sync_changed_here, sync);
}

/* Appends those of `flags` that `other` does not list. */
static bool add_unlisted(struct buffer *out, const char *flags, const char *other)
{
    struct imap_span list = {.data = flags, .len = strlen(flags)}, flag;
    for (size_t at = 0; imap_flag_next(list, &at, &flag);) {
        if (imap_flag_listed(other, flag))
            continue;
        if ((out->len > 0 && !buffer_append_byte(out, ' ')) ||
            !buffer_append(out, flag.data, flag.len))
            return false;
    }
    return true;
}

/* What `wanted` makes of `flags`; false without memory. */
static bool apply_flags(struct buffer *out, const char *flags, const char *wanted)
{
    char how = wanted[0];
    wanted += how == '+' || how == '-';
    if (!buffer_append(out, "", 0))
        return false;
    if (how == '-')
        return add_unlisted(out, flags, wanted);
    return (how != '+' || add_unlisted(out, flags, "")) &&
           add_unlisted(out, wanted, how == '+' ? flags : "");
}

static bool note_flags(struct change *change, const char *flags)
{
    struct cache_place place;
    if (!change_place(change, &place))
        return false;
    const struct cache_new_flags new = {.uid = place.uid, .flags = flags};
    return cache_messages_flags(change->sync->cache, place.mailbox, place.uidvalidity, &new, 1,
                                sync_changed_here, change->sync) == CACHE_OK;
}

/* The outcome brings them, too. What it was that changed is kept for when there is none. */
void change_show_flags(struct change *change)
{
    struct cache_message message = {0};
    struct buffer flags;
    buffer_init(&flags, FLAGS_BYTES_MAX);
    if (cache_message_get(change->sync->cache, change->message, &message) == CACHE_OK &&
        apply_flags(&flags, message.flags, change->row.intent.flags) &&
        note_flags(change, flags.data) && change->flags_before == NULL) {
        change->flags_before = strdup(message.flags);
        change->flags_after = strdup(flags.data);
    }
    cache_message_free(&message);
    buffer_free(&flags);
}

/* Takes back what it changed, and nothing that others changed since. */
void change_unshow_flags(struct change *change)
{
    struct cache_message message = {0};
    struct buffer kept, flags;
    const char *before = change->flags_before, *after = change->flags_after;
    if (before == NULL || after == NULL ||
        cache_message_get(change->sync->cache, change->message, &message) != CACHE_OK)
        return;
    buffer_init(&kept, FLAGS_BYTES_MAX);
    buffer_init(&flags, FLAGS_BYTES_MAX);
    bool good = buffer_append(&kept, "", 0) && add_unlisted(&kept, after, before) && /* it added */
                buffer_append(&flags, "", 0) && add_unlisted(&flags, message.flags, kept.data);
    buffer_clear(&kept);
    good = good && buffer_append(&kept, "", 0) && add_unlisted(&kept, before, after) && /* took */
           add_unlisted(&flags, kept.data, message.flags);
    if (good)
        note_flags(change, flags.data);
    cache_message_free(&message);
    buffer_free(&kept);
    buffer_free(&flags);
}

/* What makes way goes first, so that what comes finds its name free. */
void foreshow(struct change **changes, size_t count, struct request *request)
{
    for (size_t i = count; i-- > 0;) {
        struct change *change = changes[i];
        bool removal = i > 0 || request->kind == REQUEST_REMOVE;
        if (change->kind == JOURNAL_APPEND || change->kind == JOURNAL_COPY)
            show_arrival(change, request);
        else if (removal && (change->kind == JOURNAL_MOVE || change->kind == JOURNAL_EXPUNGE))
            change_hide(change);
        else if (change->kind == JOURNAL_MOVE)
            show_moved(change, request);
        else if (change->kind == JOURNAL_STORE)
            change_show_flags(change);
    }
}

bool sync_pending(struct sync *sync, uint64_t ino, struct journal_spool **spool, int64_t *copy_of)
{
    int64_t id = 0;
    *spool = NULL;
    *copy_of = 0;
    pthread_mutex_lock(&sync->lock);
    const struct change *change = change_making_locked(sync, ino);
    if (change != NULL && change->kind == JOURNAL_COPY)
        *copy_of = change->message;
    else if (change != NULL)
        id = change->id;
    pthread_mutex_unlock(&sync->lock);
    return *copy_of != 0 || (id != 0 && journal_spool_open(sync->journal, id, spool) == CACHE_OK);
}

/* ---- staged files ---- */

static enum sync_error staged_create(struct request *request)
{
    struct sync *sync = request->sync;
    uint64_t ino = 0;
    enum cache_error error = cache_staged_create(sync->cache, request->parent_ino, request->name,
                                                 request->visible, &ino, sync_changed_here, sync);
    if (error == CACHE_OK)
        error = cache_inode_get(sync->cache, ino, &request->inode);
    return sync_error_of_naming(error);
}

static enum sync_error staged_rename(struct request *request)
{
    struct sync *sync = request->sync;
    enum cache_error error =
        cache_inode_rename(sync->cache, request->ino, request->parent_ino, request->name,
                           request->replace, sync_changed_here, sync);
    if (error == CACHE_OK)
        error = cache_inode_get(sync->cache, request->ino, &request->inode);
    return sync_error_of_naming(error);
}

static enum sync_error spool_keep(struct request *request)
{
    struct sync *sync = request->sync;
    struct cache_mailbox row = {0};
    if (request->mailbox != 0)
        (void)!cache_mailbox_get(sync->cache, request->mailbox, &row); /* else for nowhere yet */
    const struct journal_intent intent = {
        .kind = JOURNAL_APPEND, .mailbox = "", .target = row.name, .name = request->name};
    enum cache_error error = journal_spool_keep(request->spool, &intent, request->text);
    cache_mailbox_free(&row);
    return sync_error_of_journal(error);
}

static enum sync_error staged_do(struct request *request)
{
    struct sync *sync = request->sync;
    switch (request->kind) {
    case REQUEST_STAGED_CREATE:
        return staged_create(request);
    case REQUEST_STAGED_NOTE:
        return sync_error_of_cache(
            cache_staged_note(sync->cache, request->ino, request->size, request->mtime));
    case REQUEST_STAGED_RENAME:
        return staged_rename(request);
    case REQUEST_STAGED_REMOVE:
        return sync_error_of_cache(
            cache_staged_remove(sync->cache, request->ino, sync_changed_here, sync));
    case REQUEST_SPOOL_KEEP:
        return spool_keep(request);
    default:
        return sync_error_of_journal(journal_spool_forget(request->spool));
    }
}

enum sync_error staged_request(struct request *request)
{
    enum sync_error error = staged_do(request);
    if (error == SYNC_OK)
        request_end(request);
    return error;
}
