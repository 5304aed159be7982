/*
 * What a change did, into the cache: what was sent becomes the message that it is now, what left is
 * gone, and what was only foreshown is shown for good, or as it was before.
 *
 * All of it may be done again after a crash. Where the cache cannot take it (another UIDVALIDITY, a
 * mailbox that it does not know) a listing of the mailboxes tells instead, so nothing fails here.
 * Clerks run all of this.
 */
#include <string.h>

#include "base/log.h"
#include "message/name.h"
#include "sync/carry.h"

static struct cache_place place_from(const struct change *change)
{
    return (struct cache_place){change->mailbox, change->row.intent.uidvalidity,
                                change->row.intent.uid};
}

static const char *name_of(const struct change *change)
{
    const char *name = change->row.intent.name;
    return name != NULL && name[0] != '\0' ? name : NULL;
}

/* The name of what the user gave none: that of its source, or what a listing would call it. */
static void name_anyhow(const struct change *change, char name[CACHE_NAME_MAX + 1])
{
    const struct journal_intent *intent = &change->row.intent;
    struct cache_inode source;
    char stem[MESSAGE_NAME_MAX + 1];
    if (change->kind != JOURNAL_APPEND && cache_message_find(change->sync->cache, change->mailbox,
                                                             intent->uid, &source) == CACHE_OK) {
        memcpy(name, source.name, sizeof source.name);
        return;
    }
    message_name_stem(stem, intent->internaldate, intent->from, intent->subject);
    message_name_file(name, stem, 0);
}

/* `name` is room for one. */
static struct cache_arrival arrival_of(const struct change *change, char name[CACHE_NAME_MAX + 1])
{
    struct cache_arrival arrival = {
        .place = {change->target, change->uidvalidity, change->uid},
        .staged = change->staged,
        .name = name_of(change),
        .replace = change->replace
    };
    struct cache_inode staged;
    if (change->background && change->staged != 0 &&
        cache_inode_get(change->sync->cache, change->staged, &staged) == CACHE_OK &&
        staged.kind == CACHE_STAGED) {
        arrival.name = NULL; /* it may have been renamed since */
    } else if (arrival.name == NULL) {
        name_anyhow(change, name);
        arrival.name = name;
    }
    return arrival;
}

static enum cache_error note_appended(struct change *change)
{
    const struct journal_intent *intent = &change->row.intent;
    char name[CACHE_NAME_MAX + 1];
    const struct cache_arrival arrival = arrival_of(change, name);
    const struct cache_new_message facts = {.uid = change->uid,
                                            .size = intent->size,
                                            .internaldate = intent->internaldate,
                                            .flags = intent->flags,
                                            .subject = intent->subject,
                                            .from = intent->from,
                                            .to = "",
                                            .date = intent->date,
                                            .message_id = intent->message_id,
                                            .stem = "message"};
    return cache_message_appended(change->sync->cache, &arrival, &facts, change->row.sha256,
                                  change->row.spool_bytes, &change->inode, sync_changed_here,
                                  change->sync);
}

static enum cache_error note_copied(struct change *change)
{
    const struct cache_place from = place_from(change);
    char name[CACHE_NAME_MAX + 1];
    const struct cache_arrival arrival = arrival_of(change, name);
    return cache_message_copied(change->sync->cache, &from, &arrival, &change->inode,
                                sync_changed_here, change->sync);
}

static enum cache_error hide_source(struct change *change)
{
    uint32_t uid = change->row.intent.uid;
    return cache_messages_hide(change->sync->cache, change->mailbox, change->row.intent.uidvalidity,
                               &uid, 1, true, sync_changed_here, change->sync);
}

static enum cache_error note_moved(struct change *change)
{
    const struct cache_place from = place_from(change);
    const struct cache_place to = {change->target, change->uidvalidity, change->uid};
    if (change->for_good) {
        enum cache_error error = note_copied(change);
        return error != CACHE_OK ? error : hide_source(change);
    }
    if (change_is_followed(change))
        return cache_message_passed(change->sync->cache, &from, &to, &change->inode,
                                    sync_changed_here, change->sync);
    const char *name = change->background && change->hidden ? NULL : name_of(change);
    return cache_message_moved(change->sync->cache, &from, &to, name, change->replace,
                               &change->inode, sync_changed_here, change->sync);
}

static enum cache_error note_gone(struct change *change)
{
    uint32_t uid = change->row.intent.uid;
    if (change->for_good)
        return hide_source(change);
    return cache_messages_gone(change->sync->cache, change->mailbox, change->row.intent.uidvalidity,
                               &uid, 1, sync_changed_here, change->sync);
}

static enum cache_error note_stored(struct change *change)
{
    stored_note(change->sync, change->mailbox, change->row.intent.uid);
    if (change->flags == NULL)
        return CACHE_OK;
    const struct cache_new_flags flags = {.uid = change->row.intent.uid, .flags = change->flags};
    return cache_messages_flags(change->sync->cache, change->mailbox,
                                change->row.intent.uidvalidity, &flags, 1, sync_changed_here,
                                change->sync);
}

static enum cache_error note(struct change *change)
{
    switch (change->kind) {
    case JOURNAL_APPEND:
        return note_appended(change);
    case JOURNAL_COPY:
        return note_copied(change);
    case JOURNAL_MOVE:
        return note_moved(change);
    case JOURNAL_STORE:
        return note_stored(change);
    case JOURNAL_EXPUNGE:
        return note_gone(change);
    default:
        return mailbox_outcome(change);
    }
}

void mailbox_look(struct sync *sync, int64_t mailbox)
{
    enum sync_error why;
    struct waiter *told = NULL;
    if (mailbox == 0)
        return;
    cache_mailbox_checked(sync->cache, mailbox, 0);
    pthread_mutex_lock(&sync->lock);
    struct job *job = job_find_locked(sync, JOB_LISTING, mailbox);
    if (job == NULL && !sync->stopping)
        job = job_new_locked(sync, JOB_LISTING, mailbox, 0);
    if (job != NULL && job->state == JOB_PENDING)
        told = job_dispatch_locked(sync, job, &why);
    pthread_mutex_unlock(&sync->lock);
    waiters_tell(told, SYNC_ERR_UNREACHABLE);
}

static enum cache_error note_or_adopt(struct change *change)
{
    struct sync *sync = change->sync;
    enum cache_error error = note(change);
    if (error != CACHE_ERR_STALE || change->uidvalidity == 0)
        return error;
    const struct cache_mailbox_facts facts = {.uidvalidity = change->uidvalidity};
    error = cache_mailbox_note(sync->cache, change->target, &facts, sync_changed, sync);
    return error == CACHE_OK ? note(change) : error;
}

void change_note(struct change *change)
{
    struct sync *sync = change->sync;
    struct hold hold = {.keys = {change->message}};
    hold_take(sync, &hold); /* nobody foreshows what follows it meanwhile */
    enum cache_error error = note_or_adopt(change);
    hold_release(sync, &hold);
    if (error == CACHE_OK)
        return;
    if (error != CACHE_ERR_ABSENT && error != CACHE_ERR_STALE)
        log_warn("the outcome of a change cannot be noted in the cache; a listing will");
    mailbox_look(sync, change->target);
    mailbox_look(sync, change->mailbox);
}

/* What was hidden until the outcome is known, comes back, and flags are what they were. */
void change_show(struct change *change)
{
    struct cache_place place;
    change_unshow_flags(change);
    if (!change->hidden || !change_place(change, &place))
        return;
    (void)!cache_messages_show(change->sync->cache, place.mailbox, place.uidvalidity, &place.uid, 1,
                               sync_changed_here, change->sync); /* the next start does it, too */
}
