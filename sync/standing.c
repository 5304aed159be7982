/*
 * How a mailbox stands (STATUS), compared with what the cache was last in step with, and the
 * refresh that follows where it differs. What this process has not been in step with yet is
 * compared with the cache itself. In the thread of the worker that was told, without the lock.
 */
#include <string.h>
#include <strings.h>

#include "sync/carry.h"
#include "sync/regard.h"

void standing_of(struct standing *standing, const struct imap_mailbox_status *status)
{
    *standing = (struct standing){.present = status->present,
                                  .uidvalidity = status->uidvalidity,
                                  .uidnext = status->uidnext,
                                  .messages = status->messages,
                                  .unseen = status->unseen,
                                  .modseq = status->highestmodseq};
}

const char *poll_items(unsigned capabilities)
{
    return capabilities & IMAP_CAP_CONDSTORE ? "MESSAGES UIDNEXT UIDVALIDITY UNSEEN HIGHESTMODSEQ"
                                             : "MESSAGES UIDNEXT UIDVALIDITY UNSEEN";
}

/* How the cache has the mailbox, where this process has not been in step with it yet. */
static bool standing_cached(struct sync *sync, const struct cache_mailbox *row,
                            struct standing *standing)
{
    uint64_t directories, messages, unseen;
    if (cache_inode_count(sync->cache, row->ino, &directories, &messages) != CACHE_OK ||
        cache_message_unseen(sync->cache, row->id, &unseen) != CACHE_OK)
        return false;
    *standing = (struct standing){.uidvalidity = row->uidvalidity,
                                  .uidnext = row->listed_uid + 1,
                                  .messages = (uint32_t)messages,
                                  .unseen = (uint32_t)unseen,
                                  .modseq = row->highestmodseq};
    return true;
}

static bool other(unsigned present, unsigned bit, uint64_t a, uint64_t b)
{
    return (present & bit) != 0 && a != b;
}

/* Whether messages came or went; whether flags changed. */
static bool messages_differ(const struct standing *now, const struct standing *then)
{
    return other(now->present, IMAP_STATUS_MESSAGES, now->messages, then->messages) ||
           other(now->present, IMAP_STATUS_UIDNEXT, now->uidnext, then->uidnext) ||
           other(now->present, IMAP_STATUS_UIDVALIDITY, now->uidvalidity, then->uidvalidity);
}

static bool flags_differ(const struct standing *now, const struct standing *then)
{
    return other(now->present, IMAP_STATUS_UNSEEN, now->unseen, then->unseen) ||
           other(now->present, IMAP_STATUS_HIGHESTMODSEQ, now->modseq, then->modseq);
}

/* What was not told is as it was. */
static struct standing completed(const struct standing *now, const struct standing *then)
{
    struct standing both = *now;
    unsigned as_before = then->present & ~now->present;
    both.present |= as_before;
    if (as_before & IMAP_STATUS_UIDVALIDITY)
        both.uidvalidity = then->uidvalidity;
    if (as_before & IMAP_STATUS_UIDNEXT)
        both.uidnext = then->uidnext;
    if (as_before & IMAP_STATUS_MESSAGES)
        both.messages = then->messages;
    if (as_before & IMAP_STATUS_UNSEEN)
        both.unseen = then->unseen;
    if (as_before & IMAP_STATUS_HIGHESTMODSEQ)
        both.modseq = then->modseq;
    return both;
}

/* What is told of a mailbox that nobody has listed is for its attributes alone. */
static void note_unlisted(struct sync *sync, const struct cache_mailbox *row,
                          const struct standing *now)
{
    const struct cache_mailbox_facts facts = {
        .messages = now->messages,
        .unseen = now->unseen,
        .has_messages = (now->present & IMAP_STATUS_MESSAGES) != 0,
        .has_unseen = (now->present & IMAP_STATUS_UNSEEN) != 0,
    };
    (void)!cache_mailbox_note(sync->cache, row->id, &facts, sync_changed, sync);
}

static void compare_row(struct sync *sync, const struct cache_mailbox *row,
                        const struct standing *now)
{
    struct standing then;
    if (!row->listed) {
        note_unlisted(sync, row, now);
        return;
    }
    if (!regard_standing(sync, row->id, &then) && !standing_cached(sync, row, &then))
        return;
    bool flags = flags_differ(now, &then);
    struct standing both = completed(now, &then);
    if (flags || messages_differ(now, &then))
        refresh_wanted(sync, row->id, &both, flags);
    else
        regard_in_step(sync, row->id, &both);
}

void poll_compare(struct sync *sync, const char *name, const struct standing *standing)
{
    static const char *const inboxes[] = {"INBOX", "Inbox"};
    struct cache_mailbox row = {0};
    enum cache_error error = cache_mailbox_find(sync->cache, name, &row);
    for (size_t i = 0; error == CACHE_ERR_ABSENT && strcasecmp(name, "INBOX") == 0 && i < 2; i++)
        error = cache_mailbox_find(sync->cache, inboxes[i], &row);
    if (error == CACHE_OK && row.selectable)
        compare_row(sync, &row, standing);
    cache_mailbox_free(&row);
}

void poll_compare_id(struct sync *sync, int64_t mailbox, const struct standing *standing)
{
    struct cache_mailbox row = {0};
    if (cache_mailbox_get(sync->cache, mailbox, &row) == CACHE_OK && row.selectable)
        compare_row(sync, &row, standing);
    cache_mailbox_free(&row);
}

void refresh_wanted(struct sync *sync, int64_t mailbox, const struct standing *standing, bool flags)
{
    enum sync_error why = SYNC_ERR_STOPPING;
    struct waiter *list = NULL;
    pthread_mutex_lock(&sync->lock);
    struct job *job = job_find_locked(sync, JOB_LISTING, mailbox);
    if (job == NULL && !sync->stopping)
        job = job_new_locked(sync, JOB_LISTING, mailbox, 0);
    if (job != NULL && job->state == JOB_TAKEN) { /* it may have looked before this happened */
        job->anew = true;
        job->anew_flags |= flags;
    } else if (job != NULL) {
        job->flags_due |= flags;
        if (standing != NULL)
            job->standing = *standing;
        list = job_dispatch_locked(sync, job, &why);
    }
    pthread_mutex_unlock(&sync->lock);
    waiters_tell(list, why);
}
