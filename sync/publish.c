/*
 * Publishing: a file that the user wrote becomes a message.
 *
 * Its bytes are checked and its header is read, to find it again by. The same bytes over the
 * message that they came from change nothing; where another message has them, a COPY of that one
 * spares the upload; else it is an APPEND. What it replaces is removed by the plan's next change.
 *
 * A clerk runs all of this. What fails is told to the request; the bytes stay in the outbox where
 * the caller wants that.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "imap/flags.h"
#include "message/summary.h"
#include "sync/plan.h"

enum { FLAGS_MAX = 8192 };

/* What the spool's header says, to find it again by. */
static enum sync_error read_header(struct journal_spool *spool, struct message_summary *summary)
{
    uint64_t size = journal_spool_size(spool);
    size_t room = size > 0 && size < HEADER_MAX ? (size_t)size : HEADER_MAX, got = 0;
    char *head = malloc(room);
    if (head == NULL)
        return SYNC_ERR_MEMORY;
    enum sync_error error = SYNC_OK;
    if (journal_spool_read(spool, 0, head, room, &got) != CACHE_OK)
        error = SYNC_ERR_CACHE;
    char *end = error == SYNC_OK ? memmem(head, got, "\r\n\r\n", 4) : NULL;
    if (error == SYNC_OK &&
        !message_summary_parse(head, end != NULL ? (size_t)(end - head) + 4 : got, summary))
        error = SYNC_ERR_MEMORY;
    free(head);
    return error;
}

/* The bytes stay, as unfinished, where the caller wants that. */
static void keep_spool(struct request *request, const char *mailbox, const char *reason)
{
    const struct journal_intent intent = {.kind = JOURNAL_APPEND,
                                          .mailbox = "",
                                          .target = mailbox,
                                          .name = request->name,
                                          .internaldate = request->internaldate};
    if (!request->keep || request->spool == NULL)
        return;
    if (journal_spool_keep(request->spool, &intent, reason) != CACHE_OK)
        log_warn("a file that could not be sent cannot be kept in the outbox either");
}

struct publication {
    struct cache_mailbox target;
    struct message_facts old; /* what it replaces */
    struct message_summary summary;
    uint8_t sha256[JOURNAL_SHA256];
    uint64_t size;
    const char *flags;
    struct buffer carried;          /* flags of what it replaces */
    int64_t twin;                   /* a message with the same bytes; 0: none */
    struct journal_spool *original; /* what the user wrote, where its line ends were mended */
};

static void publication_free(struct publication *p)
{
    if (p->original != NULL) { /* the mended one is in the journal, or was not worth keeping */
        (void)!journal_spool_forget(p->original);
        journal_spool_close(&p->original);
    }
    buffer_free(&p->carried);
    cache_mailbox_free(&p->target);
    facts_free(&p->old);
    message_summary_free(&p->summary);
}

/* The same bytes over what they came from change nothing. */
static bool unchanged(struct request *request, struct publication *p)
{
    struct sync *sync = request->sync;
    bool same = false;
    if (request->replaces == 0 || p->old.mailbox.id != request->mailbox ||
        cache_message_same(sync->cache, request->replaces, p->sha256, p->size, &same) != CACHE_OK)
        return false;
    if (same && request->ino != 0 && request->ino != p->old.inode.ino)
        (void)!cache_staged_remove(sync->cache, request->ino, sync_changed_here, sync);
    if (same)
        request->inode = p->old.inode;
    return same;
}

/* With commit=journal the bytes are what the row keeps: a message that they equal may go before the
 * COPY is sent. */
static void find_twin(struct request *request, struct publication *p)
{
    if (request->sync->by_journal || request->no_twin)
        return;
    struct cache_inode inode;
    bool dated = request->has_date || request->replaces != 0;
    struct message_facts facts;
    if (cache_message_with_bytes(request->sync->cache, p->sha256, p->size,
                                 dated ? &request->internaldate : NULL, &inode) != CACHE_OK)
        return;
    if (facts_get(request->sync, inode.message, &facts) == SYNC_OK) {
        const char *flags = p->flags != NULL ? p->flags : facts.message.flags;
        if (strcmp(flags, facts.message.flags) == 0)
            p->twin = inode.message;
    }
    facts_free(&facts);
}

/* Bytes, digest, header, date and flags. */
static enum sync_error examine_spool(struct request *request, struct publication *p)
{
    struct journal_spool *prepared = NULL;
    enum sync_error error =
        message_check(request->sync->journal, request->spool, &prepared, request->reason);
    if (error != SYNC_OK)
        return error;
    if (prepared != NULL) {
        p->original = request->spool;
        request->spool = prepared;
    }
    if (journal_spool_digest(request->spool, p->sha256) != CACHE_OK)
        return SYNC_ERR_CACHE;
    p->size = journal_spool_size(request->spool);
    if (p->size > UINT32_MAX) { /* RFC 3501 section 9, number */
        snprintf(request->reason, sizeof request->reason, "no message can have 4 GiB");
        return SYNC_ERR_TOO_LARGE;
    }
    return read_header(request->spool, &p->summary);
}

/* All but \Deleted: that was said of the version that goes. */
static bool carry_flags(struct buffer *out, const char *flags)
{
    struct imap_span list = {.data = flags, .len = strlen(flags)}, flag;
    bool good = buffer_append(out, "", 0);
    for (size_t at = 0; good && imap_flag_next(list, &at, &flag);) {
        if (imap_flag_bit(flag) == IMAP_FLAG_DELETED)
            continue;
        good = (out->len == 0 || buffer_append_byte(out, ' ')) &&
               buffer_append(out, flag.data, flag.len);
    }
    return good;
}

static enum sync_error look_up(struct request *request, struct publication *p)
{
    struct sync *sync = request->sync;
    enum sync_error error = SYNC_OK;
    if (request->replaces != 0)
        error = facts_get(sync, request->replaces, &p->old);
    if (error == SYNC_ERR_GONE) { /* nothing to replace any more */
        facts_free(&p->old);
        request->replaces = 0;
        error = SYNC_OK;
    }
    if (error != SYNC_OK)
        return error;
    p->flags = request->flags;
    if (request->replaces != 0 && p->flags == NULL) {
        if (!carry_flags(&p->carried, p->old.message.flags))
            return SYNC_ERR_MEMORY;
        p->flags = p->carried.data;
    }
    if (!request->has_date)
        request->internaldate = request->replaces != 0 ? p->old.message.internaldate : clock_wall();
    if (request->replaces != 0 && p->old.mailbox.id != request->mailbox)
        request->replaces = 0; /* another version has taken its place; by its name that one goes */
    return SYNC_OK;
}

static enum sync_error plan_copy_of(struct plan *plan, const struct publication *p, int64_t message)
{
    struct message_facts *facts = &plan->facts[0];
    enum sync_error error = facts_get(plan->request->sync, message, facts);
    if (error != SYNC_OK)
        return error;
    struct journal_intent intent = facts_intent(facts, JOURNAL_COPY);
    intent.target = p->target.name;
    intent.name = plan->request->name;
    struct change *change = plan_add(plan, &intent);
    if (change == NULL)
        return SYNC_ERR_MEMORY;
    change->mailbox = facts->mailbox.id;
    change->message = message;
    return SYNC_OK;
}

static enum sync_error plan_append(struct plan *plan, const struct publication *p)
{
    struct request *request = plan->request;
    const struct journal_intent intent = {.kind = JOURNAL_APPEND,
                                          .mailbox = "",
                                          .target = p->target.name,
                                          .flags = p->flags,
                                          .internaldate = request->internaldate,
                                          .name = request->name,
                                          .message_id = p->summary.message_id,
                                          .date = p->summary.date,
                                          .from = p->summary.from,
                                          .subject = p->summary.subject,
                                          .size = p->size,
                                          .spool = request->spool};
    struct change *change = plan_add(plan, &intent);
    return change != NULL ? SYNC_OK : SYNC_ERR_MEMORY;
}

static enum sync_error plan_publication(struct plan *plan, struct publication *p)
{
    struct request *request = plan->request;
    int64_t source = request->clone_of != 0 ? request->clone_of : p->twin;
    enum sync_error error = source != 0 ? plan_copy_of(plan, p, source) : plan_append(plan, p);
    if (error != SYNC_OK)
        return error;
    struct change *change = plan->changes[0];
    change->target = p->target.id;
    change->staged = request->ino;
    change->replace = request->replace || request->replaces != 0;
    if (request->replaces != 0)
        error = plan_removal(plan, request->replaces);
    if (error == SYNC_OK && request->replace)
        error = plan_replaced(plan, p->target.ino, request->name, 0, request->replaces);
    if (error != SYNC_OK)
        return error;
    change->spool = request->spool; /* it reads from the handle, or falls back on it */
    request->spool = NULL;
    error = plan_go(plan);
    if (error != SYNC_OK && plan->changes[0] != NULL) {
        request->spool = change->spool;
        change->spool = NULL;
    }
    return error;
}

enum sync_error prepare_publication(struct plan *plan)
{
    struct request *request = plan->request;
    struct sync *sync = request->sync;
    struct publication p = {0};
    buffer_init(&p.carried, FLAGS_MAX);
    enum sync_error error = plan_target(plan, request->mailbox, &p.target);
    if (error == SYNC_OK)
        error = look_up(request, &p);
    if (error == SYNC_OK && request->spool != NULL)
        error = examine_spool(request, &p);
    if (error == SYNC_OK && request->spool != NULL && unchanged(request, &p)) {
        publication_free(&p);
        (void)!journal_spool_forget(request->spool);
        request_end(request);
        return SYNC_OK;
    }
    if (error == SYNC_OK)
        error = change_reachable(sync, false);
    if (error == SYNC_OK && request->spool != NULL)
        find_twin(request, &p);
    if (error == SYNC_OK)
        error = plan_publication(plan, &p);
    if (error != SYNC_OK && !plan->again)
        keep_spool(request, p.target.name,
                   request->reason[0] != '\0' ? request->reason : "not sent: no connection");
    publication_free(&p);
    return error;
}
