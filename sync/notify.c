/*
 * NOTIFY (RFC 5465): the server tells of the other mailboxes, too, on the connection that watches
 * Inbox, so that what changes there shows at once and not at the next poll.
 *
 * NOTIFY SET STATUS has it say how each mailbox stands, and again whenever messages come or go or
 * flags change. Each STATUS is compared like one of a poll (standing.c). When the watch gives way
 * to jobs NOTIFY NONE goes out before their commands: every STATUS before its answer was not asked
 * for, every one behind it was. When the watch is taken up again the first STATUS of all mailboxes
 * tell what came meanwhile.
 *
 * The poll goes on: UNSEEN is its word alone, mailboxes come and go in it, and what gets lost here
 * comes by it. A server that says NO, or NOTIFICATIONOVERFLOW, is not asked again on this
 * connection.
 *
 * In the worker's own thread.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "sync/regard.h"

static void answered(void *ctx, const struct imap_completion *completion)
{
    struct worker *w = ctx;
    worker_note(w, completion);
    if (completion->error == IMAP_OK)
        return;
    if (w->watch.notify != NOTIFY_REFUSED)
        log_info("the server does not tell of other mailboxes: %s", completion->failure->text);
    w->watch.notify = NOTIFY_REFUSED;
}

void notify_set(struct worker *w)
{
    const unsigned wanted = IMAP_CAP_NOTIFY | IMAP_CAP_CONDSTORE;
    struct imap_command command;
    if ((imap_connection_capabilities(w->connection) & wanted) != wanted ||
        w->watch.notify == NOTIFY_REFUSED || w->watch.notify == NOTIFY_ENDING)
        return;
    imap_command_init(&command, "NOTIFY SET STATUS");
    imap_command_raw(&command, "(selected-delayed (MessageNew MessageExpunge FlagChange))"
                               " (personal (MessageNew MessageExpunge FlagChange))");
    if (imap_connection_submit(w->connection, &command, answered, w) == IMAP_OK)
        w->watch.notify = NOTIFY_ON;
}

static void ended(void *ctx, const struct imap_completion *completion)
{
    struct worker *w = ctx;
    worker_note(w, completion);
    if (w->watch.notify == NOTIFY_ENDING)
        w->watch.notify = completion->error == IMAP_OK ? NOTIFY_OFF : NOTIFY_REFUSED;
}

void notify_none(struct worker *w)
{
    struct imap_command command;
    if (w->watch.notify != NOTIFY_ON)
        return;
    imap_command_init(&command, "NOTIFY NONE");
    if (imap_connection_submit(w->connection, &command, ended, w) == IMAP_OK)
        w->watch.notify = NOTIFY_ENDING;
}

bool notify_status(struct worker *w, const struct imap_mailbox_status *status)
{
    struct standing standing;
    if (w->watch.notify != NOTIFY_ON && w->watch.notify != NOTIFY_ENDING)
        return false;
    if (status->name.data == NULL || status->name.len > TREE_NAME_MAX ||
        memchr(status->name.data, '\0', status->name.len) != NULL)
        return true;
    char *name = strndup(status->name.data, status->name.len);
    standing_of(&standing, status);
    if (name != NULL)
        poll_compare(w->sync, name, &standing);
    free(name);
    return true;
}

void notify_overflow(struct worker *w)
{
    log_info("too much happens in other mailboxes for the server to tell of it");
    w->watch.notify = NOTIFY_REFUSED;
}
