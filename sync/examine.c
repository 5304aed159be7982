/*
 * Opening a mailbox on a worker's connection, and what its answer tells.
 *
 * EXAMINE for reading, SELECT where a change is due; a mailbox that is open for changes stays so.
 * The facts go to the cache where they differ from what it knows; a mailbox that cannot be opened
 * puts the tree in doubt. In the worker's own thread.
 */
#include "base/clock.h"
#include "base/log.h"
#include "sync/carry.h"

static void note_writable(struct worker *w, bool writable)
{
    pthread_mutex_lock(&w->sync->lock);
    w->writable = writable;
    pthread_mutex_unlock(&w->sync->lock);
}

/* With `resync`, what changed since the cache was in step is told by the answer. */
static enum imap_error open_mailbox(struct worker *w, int64_t mailbox, bool read_only, bool resync,
                                    imap_done_fn *done, void *ctx)
{
    struct cache_mailbox row = {0};
    if (cache_mailbox_get(w->sync->cache, mailbox, &row) != CACHE_OK)
        return IMAP_ERR_NO;
    struct imap_command command;
    imap_command_select(&command, row.name, read_only);
    if (resync)
        imap_command_resync(&command, row.uidvalidity, row.highestmodseq, row.listed_uid);
    cache_mailbox_free(&row);
    enum imap_error error = imap_connection_submit(w->connection, &command, done, ctx);
    w->examined = error == IMAP_OK ? mailbox : 0;
    w->opening += error == IMAP_OK;
    note_writable(w, error == IMAP_OK && !read_only);
    return error;
}

bool worker_has_selected(const struct worker *w, int64_t mailbox)
{
    const struct imap_selected *selected = imap_connection_selected(w->connection);
    /* Until the answer to the last one comes, `selected` is of the mailbox before. */
    return w->opening == 0 && w->examined == mailbox && selected->name != NULL &&
           !selected->read_only;
}

enum imap_error worker_select(struct worker *w, int64_t mailbox, imap_done_fn *done, void *ctx)
{
    return open_mailbox(w, mailbox, false, false, done, ctx);
}

void worker_stays(struct worker *w)
{
    bool writable = worker_has_selected(w, w->examined);
    pthread_mutex_lock(&w->sync->lock);
    w->mailbox = w->examined;
    w->writable = writable;
    pthread_mutex_unlock(&w->sync->lock);
}

/* A mailbox that is open for changes stays so: the next change spares a round trip. */
enum imap_error worker_examine(struct worker *w, int64_t mailbox, imap_done_fn *done, void *ctx)
{
    return open_mailbox(w, mailbox, !worker_has_selected(w, mailbox), false, done, ctx);
}

enum imap_error worker_resync(struct worker *w, int64_t mailbox, imap_done_fn *done, void *ctx)
{
    return open_mailbox(w, mailbox, !worker_has_selected(w, mailbox), true, done, ctx);
}

/* Writes what EXAMINE said, where it differs from what is known. */
static enum cache_error note_facts(struct worker *w, int64_t mailbox,
                                   const struct imap_selected *selected)
{
    struct cache_mailbox row = {0};
    enum cache_error error = cache_mailbox_get(w->sync->cache, mailbox, &row);
    bool never = !row.listed && row.listed_uid == 0;
    bool same = error == CACHE_OK && row.uidvalidity == w->uidvalidity &&
                row.uidnext == selected->uidnext && row.messages == selected->exists;
    cache_mailbox_free(&row);
    if (error != CACHE_OK || same)
        return error;
    struct cache_mailbox_facts facts = {.uidvalidity = w->uidvalidity,
                                        .uidnext = selected->uidnext,
                                        .messages = selected->exists,
                                        .has_messages = true,
                                        /* What a first listing brings is as new at least; a later
                                         * one has to ask for the flags before it counts. */
                                        .highestmodseq = never ? selected->highestmodseq : 0};
    return cache_mailbox_note(w->sync->cache, mailbox, &facts, sync_changed, w->sync);
}

void worker_note(struct worker *w, const struct imap_completion *completion)
{
    if (completion->error == IMAP_ERR_THROTTLED)
        limiter_note(w->sync, completion->failure->backoff_ms);
}

/* A mailbox is not where the tree has it: LIST will tell. */
static void tree_doubted(struct sync *sync)
{
    pthread_mutex_lock(&sync->lock);
    sync->tree_checked = 0;
    tree_wanted_locked(sync);
    pthread_mutex_unlock(&sync->lock);
}

/* Whether a NO means that the mailbox is not there: it says so, or gives no reason (OUTLOOK.md
 * section 2). Another reason (RFC 5530) is the server's own trouble. */
static bool says_gone(const struct imap_response *reply)
{
    if (reply == NULL)
        return false;
    enum imap_code_kind kind = reply->status.code.kind;
    return kind == IMAP_CODE_NONE || kind == IMAP_CODE_NONEXISTENT || kind == IMAP_CODE_TRYCREATE;
}

static enum sync_error examine_refused(struct worker *w, const struct imap_completion *completion)
{
    w->uidvalidity = 0;
    if (w->opening == 0) /* else it is about the next one */
        w->examined = 0;
    w->examine_error = completion->error;
    if (completion->error != IMAP_ERR_NO)
        return sync_error_of_imap(completion->error);
    log_warn("a mailbox cannot be opened: %s", completion->failure->text);
    if (!says_gone(completion->response))
        return SYNC_ERR_REFUSED;
    tree_doubted(w->sync);
    return SYNC_ERR_GONE;
}

enum sync_error worker_examined(struct worker *w, int64_t mailbox,
                                const struct imap_completion *completion)
{
    worker_note(w, completion);
    w->opening -= w->opening > 0;
    if (completion->error != IMAP_OK)
        return examine_refused(w, completion);
    const struct imap_selected *selected = imap_connection_selected(w->connection);
    /* A server that gives no UIDVALIDITY has UIDs that stand for nothing; RFC 3501 wants one. 1
     * keeps it usable. */
    w->uidvalidity = selected->uidvalidity != 0 ? selected->uidvalidity : 1;
    if (w->opening == 0) /* the watch may have given way to a job that opens another one */
        w->examined = mailbox;
    w->stirred = false;
    return sync_error_of_cache(note_facts(w, mailbox, selected));
}
