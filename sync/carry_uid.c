/*
 * The commands about messages that are there, of a batch on a worker:
 *
 *     COPY      one UID COPY
 *     MOVE      one UID MOVE; without MOVE: UID COPY, then as EXPUNGE
 *     STORE     one UID STORE, and the flags read back behind it: the server says OK to UIDs that
 *               are not there, but names none in the answer; what does not show goes once more
 *     EXPUNGE   UID STORE \Deleted and UID EXPUNGE behind it; without UIDPLUS, EXPUNGE, where UID
 *               SEARCH DELETED names our own messages and no others. What cannot be expunged stays
 *               \Deleted and is hidden; it goes with the next ones, once nobody else's is there.
 *
 * A connection that has not heard yet of a message that another one brought says OK to a command
 * about it, and does nothing (Dovecot). It hears with NOOP, which goes ahead where a message is
 * newer than what SELECT said.
 *
 * All of it runs in the worker's thread, with the batch's mailbox open for changes. What fails is
 * each change's fate; a batch of copies that is refused as a whole goes again, each by itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "imap/change.h"
#include "imap/flags.h"
#include "sync/carry.h"

enum { EXPUNGE_ATTEMPTS = 3 };

/* ---- hearing ---- */

static void heard(void *ctx, const struct imap_completion *completion)
{
    struct batch *batch = ctx;
    worker_note(batch->worker, completion);
    batch_command_over(batch);
}

/* Where it does not go out, the next command does not either. */
static void hear(struct batch *batch)
{
    struct imap_command command;
    imap_command_init(&command, "NOOP");
    if (imap_connection_submit(batch->worker->connection, &command, heard, batch) == IMAP_OK)
        batch->pending++;
}

void carry_hear(struct batch *batch)
{
    uint32_t uidnext = imap_connection_selected(batch->worker->connection)->uidnext;
    for (const struct change *change = batch->changes; change != NULL; change = change->next) {
        if (change->row.intent.uid >= uidnext) {
            hear(batch);
            return;
        }
    }
}

/* ---- expunging ---- */

static void hide_for_good(struct batch *batch)
{
    for (struct change *change = batch->changes; change != NULL; change = change->next) {
        if (change->fate != FATE_NONE && change->fate != FATE_SAID_OK)
            continue;
        change->for_good = true;
        if (change->fate == FATE_NONE)
            change_fate(change, FATE_DONE, SYNC_OK, "");
    }
}

/* What is expunged is done, or, as the second half of a MOVE, done where its copy is known. */
static void expunged(void *ctx, const struct imap_completion *completion)
{
    struct batch *batch = ctx;
    worker_note(batch->worker, completion);
    bool refused = completion->error == IMAP_ERR_NO || completion->error == IMAP_ERR_BAD;
    if (refused && ++batch->step < EXPUNGE_ATTEMPTS) {
        carry_expunge(batch);
    } else if (refused) {
        log_warn("messages stay \\Deleted, hidden here: %s", completion->failure->text);
        hide_for_good(batch);
    } else {
        for (struct change *change = batch->changes; change != NULL; change = change->next) {
            if (change->fate == FATE_NONE)
                change_completed(change, completion);
            else if (change->fate == FATE_SAID_OK && completion->error != IMAP_OK)
                change_fate(change, FATE_UNKNOWN, sync_error_of_imap(completion->error), "");
        }
    }
    batch_command_over(batch);
}

static void flagged_deleted(void *ctx, const struct imap_completion *completion)
{
    struct batch *batch = ctx;
    worker_note(batch->worker, completion);
    if (completion->error != IMAP_OK) {
        for (struct change *change = batch->changes; change != NULL; change = change->next) {
            if (change->fate == FATE_NONE || change->fate == FATE_SAID_OK)
                change_completed(change, completion);
            if (change->copied && change->fate != FATE_REFUSED)
                change->fate = FATE_UNKNOWN; /* half of it is done */
        }
    }
    batch_command_over(batch);
}

/* Of this batch, or marked before, when it could not be expunged: that one was hidden for good. */
static bool is_ours(struct batch *batch, uint32_t uid)
{
    struct cache_inode inode;
    if (batch_change(batch, uid) != NULL)
        return true;
    return cache_message_find(batch->sync->cache, batch->mailbox, uid, &inode) == CACHE_OK &&
           inode.hidden && !inode.pending;
}

/* Whether all that is \Deleted in the mailbox is ours. */
static bool deleted_is_ours(struct batch *batch)
{
    for (size_t i = 0; i < batch->deleted_count; i++) {
        if (!is_ours(batch, batch->deleted[i]))
            return false;
    }
    return batch->searched;
}

static void searched(void *ctx, const struct imap_completion *completion)
{
    struct batch *batch = ctx;
    struct imap_command command;
    enum imap_error error = completion->error;
    worker_note(batch->worker, completion);
    if (error == IMAP_OK && deleted_is_ours(batch)) {
        imap_command_init(&command, "EXPUNGE");
        error = batch_submit(batch, &command, expunged);
        batch_not_submitted(batch, error);
    } else if (error == IMAP_OK || error == IMAP_ERR_NO || error == IMAP_ERR_BAD) {
        log_info("other messages are \\Deleted, too: ours stay so, hidden here");
        hide_for_good(batch);
    } else {
        for (struct change *change = batch->changes; change != NULL; change = change->next) {
            if (change->fate == FATE_NONE)
                change_completed(change, completion);
            else if (change->fate == FATE_SAID_OK)
                change->fate = FATE_UNKNOWN;
        }
    }
    batch_command_over(batch);
}

/* The changes that are open, or whose copy stands (SAID_OK), leave the mailbox. */
void carry_expunge(struct batch *batch)
{
    struct worker *w = batch->worker;
    struct imap_command command;
    char *set = change_set(batch);
    if (set == NULL)
        return;
    imap_command_uid_store(&command, set, IMAP_STORE_ADD, true, "\\Deleted");
    enum imap_error error = batch_submit(batch, &command, flagged_deleted);
    if (error == IMAP_OK && imap_connection_capabilities(w->connection) & IMAP_CAP_UIDPLUS) {
        imap_command_uid_expunge(&command, set);
        error = batch_submit(batch, &command, expunged);
    } else if (error == IMAP_OK) {
        batch->searched = false;
        batch->deleted_count = 0;
        imap_command_uid_search(&command, "DELETED");
        error = imap_connection_submit(w->connection, &command, searched, batch);
        batch->pending += error == IMAP_OK;
    }
    free(set);
    batch_not_submitted(batch, error);
}

/* ---- copying and moving ---- */

static void settle_copies(struct batch *batch, const struct imap_completion *completion, bool move)
{
    bool refused = completion->error == IMAP_ERR_NO || completion->error == IMAP_ERR_BAD;
    carry_copyuid(batch, completion);
    for (struct change *change = batch->changes; change != NULL; change = change->next) {
        if (refused && batch->count > 1)
            change_fate(change, change->copied && !move ? FATE_DONE : FATE_SINGLY, SYNC_OK, "");
        else if (completion->error == IMAP_OK)
            change_fate(change, change->copied ? FATE_DONE : FATE_SAID_OK, SYNC_OK, "");
        else
            change_completed(change, completion);
        if (!refused && completion->error != IMAP_OK && change->copied)
            change->fate = move ? FATE_UNKNOWN : FATE_DONE;
        change->progress = clock_ms();
    }
}

static void copied(void *ctx, const struct imap_completion *completion)
{
    struct batch *batch = ctx;
    worker_note(batch->worker, completion);
    settle_copies(batch, completion, false);
    batch_command_over(batch);
}

static void moved(void *ctx, const struct imap_completion *completion)
{
    struct batch *batch = ctx;
    worker_note(batch->worker, completion);
    settle_copies(batch, completion, true);
    batch_command_over(batch);
}

/* The first half of a MOVE without MOVE. */
static void copied_to_move(void *ctx, const struct imap_completion *completion)
{
    struct batch *batch = ctx;
    worker_note(batch->worker, completion);
    settle_copies(batch, completion, true);
    if (completion->error == IMAP_OK) {
        for (struct change *change = batch->changes; change != NULL; change = change->next) {
            change->fate = change->copied ? FATE_NONE : FATE_SAID_OK;
            change->copied = true;
        }
        carry_expunge(batch);
    }
    batch_command_over(batch);
}

void carry_copy(struct batch *batch, const char *target, bool move)
{
    struct imap_command command;
    unsigned caps = imap_connection_capabilities(batch->worker->connection);
    char *set = change_set(batch);
    if (set == NULL) {
        batch_fate(batch, FATE_UNDONE, SYNC_ERR_MEMORY, "");
        return;
    }
    bool whole = move && caps & IMAP_CAP_MOVE;
    if (whole)
        imap_command_uid_move(&command, set, target);
    else
        imap_command_uid_copy(&command, set, target);
    free(set);
    batch_not_submitted(batch, batch_submit(batch, &command,
                                            whole  ? moved
                                            : move ? copied_to_move
                                                   : copied));
}

/* ---- flags ---- */

static enum imap_store store_how(const char **flags)
{
    enum imap_store how = **flags == '+'   ? IMAP_STORE_ADD
                          : **flags == '-' ? IMAP_STORE_REMOVE
                                           : IMAP_STORE_SET;
    *flags += how != IMAP_STORE_SET;
    return how;
}

static bool permitted(struct batch *batch, const char *flags, char culprit[128])
{
    const struct imap_selected *selected = imap_connection_selected(batch->worker->connection);
    struct imap_span list = {.data = flags, .len = strlen(flags)}, flag;
    for (size_t at = 0; imap_flag_next(list, &at, &flag);) {
        snprintf(culprit, 128, "%.*s", (int)(flag.len < 100 ? flag.len : 100), flag.data);
        if (!imap_selected_permits(selected, culprit))
            return false;
    }
    return true;
}

static void stored(void *ctx, const struct imap_completion *completion)
{
    struct batch *batch = ctx;
    worker_note(batch->worker, completion);
    for (struct change *change = batch->changes; change != NULL; change = change->next) {
        if (completion->error != IMAP_OK && (batch->step == 0 || change->fate == FATE_NONE))
            change_completed(change, completion);
    }
    batch_command_over(batch);
}

/* Whether the flags that were read back are what was asked for. */
static bool shows(const struct change *change)
{
    const char *wanted = change->row.intent.flags, *now = change->flags;
    enum imap_store how = store_how(&wanted);
    struct imap_span list = {.data = wanted, .len = strlen(wanted)}, flag;
    for (size_t at = 0; now != NULL && imap_flag_next(list, &at, &flag);) {
        if (imap_flag_listed(now, flag) == (how == IMAP_STORE_REMOVE))
            return false;
    }
    if (now == NULL || how != IMAP_STORE_SET)
        return true;
    list = (struct imap_span){.data = now, .len = strlen(now)};
    for (size_t at = 0; imap_flag_next(list, &at, &flag);) {
        if ((imap_flag_bit(flag) & ~IMAP_FLAG_RECENT) != 0 && !imap_flag_listed(wanted, flag))
            return false;
    }
    return true;
}

/* What does not show goes once more, behind a NOOP; what is read back after that counts, whatever
 * it is. True: some do. */
static bool store_once_more(struct batch *batch)
{
    bool any = false;
    for (struct change *change = batch->changes; change != NULL; change = change->next) {
        if (change->fate == FATE_DONE && !shows(change))
            change->fate = FATE_NONE;
        any = any || change->fate == FATE_NONE;
    }
    if (!any)
        return false;
    batch->step++;
    hear(batch);
    carry_store(batch);
    return true;
}

/* Each change that was named has its fate already. */
static void read_back(void *ctx, const struct imap_completion *completion)
{
    struct batch *batch = ctx;
    worker_note(batch->worker, completion);
    if (completion->error == IMAP_OK && batch->step == 0 && store_once_more(batch))
        log_debug("flags that were not taken are sent once more");
    else if (completion->error == IMAP_OK)
        batch_fate(batch, FATE_REFUSED, SYNC_ERR_GONE, "the message is not there any more");
    else
        batch_fate(batch, FATE_UNKNOWN, SYNC_ERR_UNREACHABLE, "");
    batch_command_over(batch);
}

void carry_store(struct batch *batch)
{
    char culprit[128];
    const char *flags = batch->changes->row.intent.flags;
    enum imap_store how = store_how(&flags);
    if (how != IMAP_STORE_REMOVE && !permitted(batch, flags, culprit)) {
        char reason[200];
        snprintf(reason, sizeof reason, "the mailbox does not keep the flag %s", culprit);
        batch_fate(batch, FATE_REFUSED, SYNC_ERR_UNSUPPORTED, reason);
        return;
    }
    struct imap_command command;
    char *set = change_set(batch);
    if (set == NULL) {
        batch_fate(batch, FATE_UNDONE, SYNC_ERR_MEMORY, "");
        return;
    }
    imap_command_uid_store(&command, set, how, true, flags);
    enum imap_error error = batch_submit(batch, &command, stored);
    batch->storing = error == IMAP_OK;
    if (error == IMAP_OK) {
        imap_command_uid_fetch(&command, set, "(UID FLAGS)");
        error = imap_connection_submit(batch->worker->connection, &command, read_back, batch);
        batch->pending += error == IMAP_OK;
    }
    free(set);
    batch_not_submitted(batch, error);
}
