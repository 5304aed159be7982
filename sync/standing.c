/*
 * How a mailbox stands (STATUS), compared with what the cache was last in step with, and the
 * refresh that follows where it differs. What this process has not been in step with yet is
 * compared with the cache itself. In the thread of the worker that was told, without the lock.
 */
#include <string.h>
#include <strings.h>

#include "message/name.h"
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

bool standing_is_whole(const struct standing *standing)
{
    const unsigned told = IMAP_STATUS_MESSAGES | IMAP_STATUS_UIDNEXT | IMAP_STATUS_UIDVALIDITY;
    return (standing->present & told) == told;
}

/* Nothing of it is here, and nothing is there. */
static bool is_empty(struct sync *sync, const struct cache_mailbox *row, const struct standing *now)
{
    uint64_t directories, messages = 0;
    return standing_is_whole(now) && now->messages == 0 && now->uidvalidity != 0 &&
           now->uidnext != 0 && row->listed_uid == 0 &&
           cache_inode_count(sync->cache, row->ino, &directories, &messages) == CACHE_OK &&
           messages == 0;
}

/* It is listed with that, and EXAMINE is spared. */
static void list_empty(struct sync *sync, const struct cache_mailbox *row,
                       const struct standing *now, int64_t asked)
{
    const struct cache_mailbox_facts facts = {.uidvalidity = now->uidvalidity,
                                              .uidnext = now->uidnext,
                                              .has_messages = true,
                                              .has_unseen = true,
                                              .highestmodseq = now->modseq};
    if (cache_mailbox_note(sync->cache, row->id, &facts, sync_changed, sync) != CACHE_OK ||
        cache_messages_add(sync->cache, row->id, now->uidvalidity, NULL, 0, now->uidnext - 1, true,
                           message_name_file, sync_changed, sync) != CACHE_OK)
        return;
    regard_in_step(sync, row->id, now);
    regard_flags_read(sync, row->id);
    cache_mailbox_checked(sync->cache, row->id, asked);
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

/* Flags that STATUS does not tell of are read when somebody comes for them, unless they just were.
 */
static bool says_all(struct sync *sync, const struct cache_mailbox *row, const struct standing *now)
{
    bool flags = (now->present & IMAP_STATUS_HIGHESTMODSEQ) != 0 && now->modseq != 0;
    return standing_is_whole(now) && (flags || !regard_flags_old(sync, row->id));
}

/* `asked`: clock_ms; 0: not known. */
static void compare_row(struct sync *sync, const struct cache_mailbox *row,
                        const struct standing *now, int64_t asked)
{
    struct standing then;
    if (!row->listed && asked != 0 && is_empty(sync, row, now)) {
        list_empty(sync, row, now, asked);
        return;
    }
    if (!row->listed) {
        note_unlisted(sync, row, now);
        return;
    }
    if (!regard_standing(sync, row->id, &then) && !standing_cached(sync, row, &then))
        return;
    bool flags = flags_differ(now, &then);
    struct standing both = completed(now, &then);
    if (flags || messages_differ(now, &then)) {
        refresh_wanted(sync, row->id, &both, flags);
        return;
    }
    regard_in_step(sync, row->id, &both);
    if (asked > row->checked_ms && says_all(sync, row, now))
        cache_mailbox_checked(sync->cache, row->id, asked);
}

void poll_compare(struct sync *sync, const char *name, const struct standing *standing)
{
    static const char *const inboxes[] = {"INBOX", "Inbox"};
    struct cache_mailbox row = {0};
    enum cache_error error = cache_mailbox_find(sync->cache, name, &row);
    for (size_t i = 0; error == CACHE_ERR_ABSENT && strcasecmp(name, "INBOX") == 0 && i < 2; i++)
        error = cache_mailbox_find(sync->cache, inboxes[i], &row);
    if (error == CACHE_OK && row.selectable)
        compare_row(sync, &row, standing, 0);
    cache_mailbox_free(&row);
}

void poll_compare_id(struct sync *sync, int64_t mailbox, const struct standing *standing,
                     int64_t asked)
{
    struct cache_mailbox row = {0};
    if (cache_mailbox_get(sync->cache, mailbox, &row) == CACHE_OK && row.selectable)
        compare_row(sync, &row, standing, asked);
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
