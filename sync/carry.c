/*
 * A batch on a worker: its mailbox is opened, its commands go out, and what the server says
 * meanwhile finds the batch that asked.
 *
 * A changing UID command goes out only once the SELECT that opened the mailbox was answered and its
 * UIDVALIDITY is the one that the UIDs belong to (imap_connection_submit_changing). What a worker
 * has open for reading only is opened again; what is open for changes stays so. APPENDs need no
 * mailbox: all of a batch go pipelined, each its own command. The others are in carry_uid.c.
 *
 * All of it runs in the worker's thread, from within imap_connection_step. What it leaves behind is
 * each change's fate (batch.c); a clerk goes on from there (outcome.c).
 */
#include <stdlib.h>
#include <string.h>

#include "imap/change.h"
#include "sync/carry.h"
#include "sync/listing.h"

enum { DELETED_MAX = 1000000 };

/* ---- APPEND ---- */

struct upload {
    struct batch *batch;
    struct change *change;
};

static ssize_t upload_read(void *ctx, uint64_t offset, char *to, size_t len)
{
    struct change *change = ctx;
    size_t got;
    if (journal_spool_read(change->spool, offset, to, len, &got) != CACHE_OK)
        return -EIO;
    return (ssize_t)got;
}

static void appended(void *ctx, const struct imap_completion *completion)
{
    struct upload *upload = ctx;
    struct change *change = upload->change;
    worker_note(upload->batch->worker, completion);
    change_completed(change, completion);
    if (completion->appenduid != NULL && change->fate != FATE_REFUSED) {
        change->fate = FATE_DONE;
        change->uidvalidity = completion->appenduid->uidvalidity;
        change->uid = completion->appenduid->uid;
    } else if (change->fate == FATE_DONE) {
        change->fate = FATE_SAID_OK;
    }
    struct batch *batch = upload->batch;
    free(upload);
    batch_command_over(batch);
}

static enum imap_error append_submit(struct batch *batch, struct change *change)
{
    const struct journal_intent *intent = &change->row.intent;
    struct upload *upload = malloc(sizeof *upload);
    if (upload == NULL)
        return IMAP_ERR_MEMORY;
    *upload = (struct upload){batch, change};
    const struct imap_literal_source source = {
        .ctx = change, .size = journal_spool_size(change->spool), .read = upload_read};
    struct imap_command command;
    imap_command_append(&command, intent->target, intent->flags, &intent->internaldate, &source);
    enum imap_error error =
        imap_connection_submit(batch->worker->connection, &command, appended, upload);
    if (error != IMAP_OK)
        free(upload);
    else
        batch->pending++;
    return error;
}

static void appends_submit(struct batch *batch)
{
    for (struct change *change = batch->changes; change != NULL; change = change->next) {
        enum imap_error error = append_submit(batch, change);
        if (error != IMAP_OK)
            change_fate(change, FATE_UNDONE, sync_error_of_imap(error), imap_error_text(error));
    }
}

/* ---- the start ---- */

static void submit(struct batch *batch)
{
    if (batch->changes == NULL)
        return;
    const char *target = batch->changes->row.intent.target;
    switch (batch->changes->kind) {
    case JOURNAL_APPEND:
        appends_submit(batch);
        break;
    case JOURNAL_COPY:
    case JOURNAL_MOVE:
        if (batch->changes->copied) { /* alone: an earlier try got so far */
            carry_expunge(batch);
            break;
        }
        carry_copy(batch, target, batch->changes->kind == JOURNAL_MOVE);
        break;
    case JOURNAL_STORE:
        carry_store(batch);
        break;
    default:
        carry_expunge(batch);
        break;
    }
}

static void opened(void *ctx, const struct imap_completion *completion)
{
    struct batch *batch = ctx;
    struct worker *w = batch->worker;
    enum sync_error why = worker_examined(w, batch->mailbox, completion);
    const char *text = completion->failure != NULL ? completion->failure->text : "";
    if (why != SYNC_OK && completion->error != IMAP_OK && completion->error != IMAP_ERR_NO)
        batch_fate(batch, FATE_UNDONE, why, text);
    else if (why != SYNC_OK)
        batch_fate(batch, FATE_REFUSED, why, text);
    else if (w->uidvalidity != batch->changes->row.intent.uidvalidity)
        batch_fate(batch, FATE_REFUSED, SYNC_ERR_GONE,
                   "the mailbox is another one by now (UIDVALIDITY)");
    else if (imap_connection_selected(w->connection)->read_only)
        batch_fate(batch, FATE_REFUSED, SYNC_ERR_PERMISSION,
                   "the server opens the mailbox for reading only");
    else
        submit(batch);
    batch_command_over(batch);
}

static void plain_done(void *ctx, const struct imap_completion *completion)
{
    struct batch *batch = ctx;
    worker_note(batch->worker, completion);
    batch->error = completion->error;
    if (batch->kind == BATCH_STATUS && completion->error != IMAP_OK) {
        for (struct change *change = batch->changes; change != NULL; change = change->next) {
            change_completed(change, completion);
            if (change->fate == FATE_UNKNOWN)
                change->fate = FATE_UNDONE; /* STATUS changes nothing */
        }
    }
    batch_command_over(batch);
}

static bool has_quota(const struct worker *w)
{
    return (imap_connection_capabilities(w->connection) & IMAP_CAP_QUOTA) != 0;
}

static enum imap_error plain_submit(struct batch *batch)
{
    struct imap_command command;
    struct cache_mailbox row = {0};
    if (batch->kind == BATCH_NOOP) {
        bool here = batch->mailbox != 0 && worker_has_selected(batch->worker, batch->mailbox);
        imap_command_init(&command, here ? "CHECK" : "NOOP");
        if (batch->mailbox != 0 && batch->mailbox != batch->worker->examined)
            worker_stays(batch->worker);
    } else if (batch->kind == BATCH_QUOTA && !has_quota(batch->worker)) {
        return IMAP_ERR_BAD; /* what it would say, without the round trip that others wait for */
    } else if (cache_mailbox_get(batch->sync->cache, batch->target, &row) != CACHE_OK) {
        return IMAP_ERR_NO;
    } else if (batch->kind == BATCH_STATUS) {
        imap_command_status(&command, row.name, "MESSAGES UIDNEXT UIDVALIDITY");
    } else {
        imap_command_quotaroot(&command, row.name);
    }
    cache_mailbox_free(&row);
    enum imap_error error =
        imap_connection_submit(batch->worker->connection, &command, plain_done, batch);
    batch->pending += error == IMAP_OK;
    return error;
}

static void changes_start(struct batch *batch)
{
    struct worker *w = batch->worker;
    if (batch->mailbox == 0) {
        submit(batch);
        return;
    }
    if (worker_has_selected(w, batch->mailbox)) {
        if (w->uidvalidity != batch->changes->row.intent.uidvalidity) {
            batch_fate(batch, FATE_REFUSED, SYNC_ERR_GONE,
                       "the mailbox is another one by now (UIDVALIDITY)");
        } else {
            carry_hear(batch);
            submit(batch);
        }
        return;
    }
    enum imap_error error = worker_select(w, batch->mailbox, opened, batch);
    if (error == IMAP_OK)
        batch->pending++;
    else
        batch_fate(batch, error == IMAP_ERR_NO ? FATE_REFUSED : FATE_UNDONE,
                   error == IMAP_ERR_NO ? SYNC_ERR_GONE : sync_error_of_imap(error), "");
}

void carry_start(struct worker *w, struct job *job)
{
    struct batch *batch = job->batch;
    batch->worker = w;
    batch->went = true;
    batch->error = IMAP_OK;
    batch->on_worker = w->batches;
    w->batches = batch;
    batch->pending = 1; /* this function */
    for (struct change *change = batch->changes; change != NULL; change = change->next) {
        if (batch->kind != BATCH_LOOK)
            change->fate = FATE_NONE;
    }
    switch (batch->kind) {
    case BATCH_CHANGES:
        changes_start(batch);
        break;
    case BATCH_LOOK:
        reconcile_start(batch);
        break;
    case BATCH_MAILBOX:
        mailbox_carry(batch);
        break;
    default:
        batch->error = plain_submit(batch);
        break;
    }
    batch_command_over(batch);
}

/* ---- what the server says meanwhile ---- */

/* The answers to the FETCH behind STORE, which may come before STORE's own (Dovecot). What a server
 * says of a message before STORE has gone out is about other changes of it; the last word counts.
 */
static void note_flags(struct batch *batch, const struct imap_fetch *fetch)
{
    struct change *change = batch_change(batch, fetch->uid);
    if (!batch->storing || change == NULL ||
        (change->fate != FATE_NONE && change->fate != FATE_DONE))
        return;
    change_fate(change, FATE_DONE, SYNC_OK, "");
    free(change->flags);
    change->flags = rows_flags(&fetch->flags);
}

bool carry_fetch(struct worker *w, const struct imap_fetch *fetch)
{
    for (struct batch *batch = w->batches; batch != NULL; batch = batch->on_worker) {
        if (batch->kind == BATCH_LOOK && (fetch->present & IMAP_FETCH_UID) != 0) {
            worker_moved(w, 32 + fetch->header.len);
            reconcile_fetch(batch, fetch);
            return true;
        }
        const unsigned wanted = IMAP_FETCH_UID | IMAP_FETCH_FLAGS;
        if (batch->kind == BATCH_CHANGES && batch->changes->kind == JOURNAL_STORE &&
            (fetch->present & wanted) == wanted)
            note_flags(batch, fetch);
    }
    return false;
}

static void note_deleted(struct batch *batch, const struct imap_search *search)
{
    size_t count = batch->deleted_count + search->count;
    if (search->extended || count > DELETED_MAX)
        return;
    uint32_t *deleted = realloc(batch->deleted, (count + 1) * sizeof *deleted);
    if (deleted == NULL)
        return;
    if (search->count > 0)
        memcpy(deleted + batch->deleted_count, search->numbers, search->count * sizeof *deleted);
    batch->deleted = deleted;
    batch->deleted_count = count;
    batch->searched = true;
}

static void note_status(struct batch *batch, const struct imap_mailbox_status *status)
{
    batch->has_status = true;
    batch->uidvalidity = status->uidvalidity;
    batch->uidnext = status->uidnext;
    batch->messages = status->messages;
}

/* Answers come in the order of the commands: the oldest batch that asked is meant. */
void carry_untagged(struct worker *w, const struct imap_response *response)
{
    struct batch *meant = NULL;
    for (struct batch *batch = w->batches; batch != NULL; batch = batch->on_worker) {
        bool status = batch->kind == BATCH_STATUS || batch->kind == BATCH_MAILBOX;
        if (response->kind == IMAP_RESPONSE_MAILBOX_STATUS ? status
            : response->kind == IMAP_RESPONSE_SEARCH
                ? batch->kind == BATCH_CHANGES && batch->changes->kind != JOURNAL_APPEND
            : response->kind == IMAP_RESPONSE_LIST ? batch->kind == BATCH_MAILBOX
                                                   : batch->kind == BATCH_QUOTA)
            meant = batch;
    }
    if (meant == NULL)
        return;
    if (response->kind == IMAP_RESPONSE_MAILBOX_STATUS)
        note_status(meant, &response->mailbox_status);
    else if (response->kind == IMAP_RESPONSE_SEARCH)
        note_deleted(meant, &response->search);
    else if (response->kind == IMAP_RESPONSE_LIST)
        mailbox_list(meant, &response->list);
    else if (response->kind == IMAP_RESPONSE_QUOTA)
        quota_note(meant, response);
}
