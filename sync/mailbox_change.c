/*
 * Mailboxes made, removed, renamed and subscribed. Whatever commit= says, these wait for the
 * server: it decides what can be a mailbox.
 *
 * A mailbox is removed only when the server, asked just before, counts no message in it (STATUS)
 * and lists nothing below it. The rows of the journal name mailboxes by the server's own bytes; the
 * user's text becomes a level of such a name in modified UTF-7 (RFC 3501 section 5.1.3).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "imap/change.h"
#include "imap/utf7.h"
#include "message/name.h"
#include "sync/carry.h"

enum { NAME_BYTES_MAX = 1000 };

/* ---- names ---- */

static bool first_delimiter(void *ctx, const struct cache_mailbox *mailbox)
{
    char *delimiter = ctx;
    if (mailbox->delimiter != 0)
        *delimiter = mailbox->delimiter;
    return mailbox->delimiter == 0;
}

static char delimiter_of(struct sync *sync)
{
    char delimiter = 0;
    (void)!cache_mailbox_each(sync->cache, first_delimiter, &delimiter); /* 0: a flat server */
    return delimiter;
}

static bool level_legal(const char *shown, char delimiter)
{
    for (const char *c = shown; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || *c == 127 || *c == '/' || *c == '%' || *c == '*' ||
            *c == delimiter)
            return false;
    }
    return shown[0] != '\0';
}

/* The server's name of `shown` below `parent` (0: the root); malloc in *name. */
static enum sync_error full_name(struct sync *sync, int64_t parent, const char *shown, char **name,
                                 char *delimiter, uint64_t *directory)
{
    struct cache_mailbox row = {0};
    struct buffer text;
    buffer_init(&text, NAME_BYTES_MAX);
    *directory = CACHE_ROOT_INO;
    *delimiter = delimiter_of(sync);
    enum cache_error error = parent != 0 ? cache_mailbox_get(sync->cache, parent, &row) : CACHE_OK;
    if (error != CACHE_OK)
        return sync_error_of_cache(error);
    if (parent != 0) {
        *directory = row.ino;
        *delimiter = row.delimiter;
    }
    bool good = level_legal(shown, *delimiter) && (parent == 0 || row.delimiter != 0);
    good = good && (parent == 0 || (buffer_append_text(&text, row.name) &&
                                    buffer_append_byte(&text, row.delimiter)));
    good = good && imap_utf7_encode(shown, strlen(shown), &text);
    cache_mailbox_free(&row);
    if (!good)
        buffer_free(&text);
    *name = text.data;
    return good && text.data != NULL ? SYNC_OK : SYNC_ERR_INVALID;
}

static bool is_role(enum cache_role role)
{
    return role == CACHE_ROLE_INBOX || role == CACHE_ROLE_TRASH || role == CACHE_ROLE_SENT ||
           role == CACHE_ROLE_DRAFTS || role == CACHE_ROLE_JUNK;
}

/* ---- requests ---- */

static enum sync_error add(struct request *request, const struct journal_intent *intent,
                           int64_t mailbox)
{
    struct sync *sync = request->sync;
    struct change *change = change_new(sync, intent->kind);
    if (change == NULL)
        return SYNC_ERR_MEMORY;
    change->mailbox = mailbox;
    change->number = request->number;
    enum cache_error error = journal_add(sync->journal, intent, 1, JOURNAL_SENT, &change->id);
    if (error == CACHE_OK)
        error = journal_get(sync->journal, change->id, &change->row);
    if (error != CACHE_OK) {
        change_free(change);
        return sync_error_of_journal(error);
    }
    change->sent = change->principal = true;
    change->request = request;
    pthread_mutex_lock(&sync->lock);
    request->left = 1;
    change_list_locked(sync, change);
    pthread_mutex_unlock(&sync->lock);
    change_queue(change);
    return SYNC_OK;
}

static enum sync_error ask_create(struct request *request)
{
    struct sync *sync = request->sync;
    char *name = NULL, delimiter;
    uint64_t directory;
    struct cache_inode inode;
    enum sync_error error =
        full_name(sync, request->parent, request->name, &name, &delimiter, &directory);
    if (error == SYNC_OK &&
        cache_inode_lookup(sync->cache, directory, request->name, &inode) == CACHE_OK)
        error = SYNC_ERR_EXISTS;
    const struct journal_intent intent = {
        .kind = JOURNAL_CREATE, .mailbox = name, .delimiter = delimiter, .name = request->name};
    if (error == SYNC_OK)
        error = add(request, &intent, 0);
    free(name);
    return error;
}

static enum sync_error ask_rename(struct request *request, const struct cache_mailbox *row)
{
    struct sync *sync = request->sync;
    char *name = NULL, delimiter;
    uint64_t directory;
    struct cache_inode inode;
    enum sync_error error =
        full_name(sync, request->parent, request->name, &name, &delimiter, &directory);
    size_t len = strlen(row->name);
    if (error == SYNC_OK && name != NULL && strncmp(name, row->name, len) == 0 &&
        name[len] == row->delimiter && row->delimiter != 0)
        error = SYNC_ERR_INVALID; /* into itself */
    if (error == SYNC_OK &&
        cache_inode_lookup(sync->cache, directory, request->name, &inode) == CACHE_OK)
        error = inode.ino == row->ino ? SYNC_OK : SYNC_ERR_EXISTS;
    const struct journal_intent intent = {.kind = JOURNAL_RENAME,
                                          .mailbox = row->name,
                                          .target = name,
                                          .delimiter = row->delimiter,
                                          .name = request->name};
    if (error == SYNC_OK)
        error = add(request, &intent, row->id);
    free(name);
    return error;
}

static enum sync_error ask_about(struct request *request)
{
    struct cache_mailbox row = {0};
    enum sync_error error =
        sync_error_of_cache(cache_mailbox_get(request->sync->cache, request->mailbox, &row));
    if (error == SYNC_OK && request->kind != REQUEST_SUBSCRIBE && is_role(row.role))
        error = SYNC_ERR_BUSY;
    const struct journal_intent intent = {.kind = request->kind == REQUEST_DELETE ? JOURNAL_DELETE
                                                  : request->subscribed ? JOURNAL_SUBSCRIBE
                                                                        : JOURNAL_UNSUBSCRIBE,
                                          .mailbox = row.name,
                                          .delimiter = row.delimiter};
    if (error == SYNC_OK)
        error = request->kind == REQUEST_RENAME ? ask_rename(request, &row)
                                                : add(request, &intent, row.id);
    cache_mailbox_free(&row);
    return error;
}

enum sync_error mailbox_request(struct request *request)
{
    enum sync_error error = change_reachable(request->sync, true);
    if (error != SYNC_OK)
        return error;
    return request->kind == REQUEST_CREATE ? ask_create(request) : ask_about(request);
}

/* ---- on a worker ---- */

static void over(struct batch *batch)
{
    if (--batch->pending == 0)
        carry_end(batch);
}

static void ignored(void *ctx, const struct imap_completion *completion)
{
    struct batch *batch = ctx;
    worker_note(batch->worker, completion);
    over(batch);
}

static void submit(struct batch *batch, struct imap_command *command, imap_done_fn *done)
{
    enum imap_error error = imap_connection_submit(batch->worker->connection, command, done, batch);
    if (error == IMAP_OK)
        batch->pending++;
    else if (done != ignored)
        change_fate(batch->changes, FATE_UNDONE, sync_error_of_imap(error), imap_error_text(error));
}

static void submit_subscription(struct batch *batch, const char *mailbox, bool subscribed)
{
    struct imap_command command;
    imap_command_subscribe(&command, mailbox, subscribed);
    submit(batch, &command, ignored);
}

/* What a second try may meet because the first one did it. */
static bool did_it_before(const struct change *change)
{
    if (change->fate != FATE_REFUSED || change->attempts == 0)
        return false;
    return change->kind == JOURNAL_CREATE ? change->why == SYNC_ERR_EXISTS
                                          : change->why == SYNC_ERR_GONE;
}

static void answered(void *ctx, const struct imap_completion *completion)
{
    struct batch *batch = ctx;
    struct change *change = batch->changes;
    worker_note(batch->worker, completion);
    change_completed(change, completion);
    if (did_it_before(change))
        change_fate(change, FATE_DONE, SYNC_OK, "");
    if (change->fate == FATE_DONE && change->kind == JOURNAL_CREATE)
        submit_subscription(batch, change->row.intent.mailbox, true);
    else if (change->fate == FATE_DONE && change->kind == JOURNAL_DELETE)
        submit_subscription(batch, change->row.intent.mailbox, false);
    else if (change->fate == FATE_DONE && change->kind == JOURNAL_RENAME && batch->subscribed) {
        submit_subscription(batch, change->row.intent.target, true);
        submit_subscription(batch, change->row.intent.mailbox, false);
    }
    over(batch);
}

static void counted(void *ctx, const struct imap_completion *completion)
{
    struct batch *batch = ctx;
    worker_note(batch->worker, completion);
    if (completion->error != IMAP_OK) {
        change_completed(batch->changes, completion);
        if (batch->changes->fate == FATE_UNKNOWN) /* it changes nothing */
            change_fate(batch->changes, FATE_UNDONE, SYNC_ERR_UNREACHABLE, "");
    }
    over(batch);
}

/* LIST and STATUS are answered. */
static void looked(void *ctx, const struct imap_completion *completion)
{
    struct batch *batch = ctx;
    struct change *change = batch->changes;
    struct imap_command command;
    worker_note(batch->worker, completion);
    if (completion->error != IMAP_OK) {
        change_completed(change, completion);
        if (change->fate == FATE_UNKNOWN)
            change_fate(change, FATE_UNDONE, SYNC_ERR_UNREACHABLE, "");
    } else if (change->fate == FATE_REFUSED && did_it_before(change)) {
        change_fate(change, FATE_DONE, SYNC_OK, "");
    } else if (change->fate == FATE_NONE && (batch->messages > 0 || batch->children)) {
        change_fate(change, FATE_REFUSED, SYNC_ERR_NOT_EMPTY,
                    batch->children ? "the mailbox has mailboxes in it"
                                    : "the mailbox has messages");
    } else if (change->fate == FATE_NONE) {
        imap_command_delete(&command, change->row.intent.mailbox);
        submit(batch, &command, answered);
    }
    over(batch);
}

/* What stands below a name, however it is written: "*" and "%" in it would be wildcards, too, which
 * only makes the answer longer. */
static void delete_start(struct batch *batch)
{
    const struct journal_intent *intent = &batch->changes->row.intent;
    struct cache_mailbox row = {0};
    struct imap_command command;
    char pattern[NAME_BYTES_MAX + 4];
    bool selectable =
        cache_mailbox_get(batch->sync->cache, batch->changes->mailbox, &row) != CACHE_OK ||
        row.selectable;
    cache_mailbox_free(&row);
    if (selectable) {
        imap_command_status(&command, intent->mailbox, "MESSAGES");
        submit(batch, &command, counted);
    }
    snprintf(pattern, sizeof pattern, "%s%c%%", intent->mailbox,
             intent->delimiter != 0 ? intent->delimiter : '/');
    imap_command_list(&command, false, "", pattern);
    submit(batch, &command, looked);
}

void mailbox_list(struct batch *batch, const struct imap_list *list)
{
    const struct journal_intent *intent = &batch->changes->row.intent;
    size_t len = strlen(intent->mailbox);
    batch->children |= intent->delimiter != 0 && list->name.data != NULL && list->name.len > len &&
                       memcmp(list->name.data, intent->mailbox, len) == 0 &&
                       list->name.data[len] == intent->delimiter;
}

/* A connection that has open what is deleted or renamed is ended by some servers. CLOSE expunges
 * after SELECT; there, and where another connection has it open, the end is met by another try. */
static void leave_selected(struct batch *batch)
{
    struct worker *w = batch->worker;
    struct imap_command command;
    const struct imap_selected *selected = imap_connection_selected(w->connection);
    bool unselect = (imap_connection_capabilities(w->connection) & IMAP_CAP_UNSELECT) != 0;
    if (selected->name == NULL || (!unselect && !selected->read_only))
        return;
    imap_command_init(&command, unselect ? "UNSELECT" : "CLOSE");
    submit(batch, &command, ignored);
    w->examined = 0;
    w->uidvalidity = 0;
}

void mailbox_carry(struct batch *batch)
{
    struct change *change = batch->changes;
    const struct journal_intent *intent = &change->row.intent;
    struct cache_mailbox row = {0};
    struct imap_command command;
    batch->children = false;
    batch->messages = 0;
    if (change->kind == JOURNAL_DELETE || change->kind == JOURNAL_RENAME)
        leave_selected(batch);
    switch (change->kind) {
    case JOURNAL_CREATE:
        imap_command_create(&command, intent->mailbox);
        break;
    case JOURNAL_DELETE:
        delete_start(batch);
        return;
    case JOURNAL_RENAME:
        batch->subscribed =
            cache_mailbox_get(batch->sync->cache, change->mailbox, &row) == CACHE_OK &&
            row.subscribed;
        cache_mailbox_free(&row);
        imap_command_rename(&command, intent->mailbox, intent->target);
        break;
    default:
        imap_command_subscribe(&command, intent->mailbox, change->kind == JOURNAL_SUBSCRIBE);
        break;
    }
    submit(batch, &command, answered);
}

/* ---- into the cache ---- */

static void inode_of(struct change *change, const char *name)
{
    struct cache_mailbox row = {0};
    if (cache_mailbox_find(change->sync->cache, name, &row) == CACHE_OK)
        (void)!cache_inode_get(change->sync->cache, row.ino, &change->inode);
    cache_mailbox_free(&row);
}

static enum cache_error created(struct change *change)
{
    struct sync *sync = change->sync;
    const struct journal_intent *intent = &change->row.intent;
    char delimiter = intent->delimiter != 0 ? intent->delimiter : delimiter_of(sync);
    char *parent = tree_parent_name(intent->mailbox, delimiter), shown[CACHE_NAME_MAX + 1];
    if (message_name_directory(shown, intent->name, strlen(intent->name), 0) != 0)
        strcpy(shown, "_");
    const struct cache_tree_entry entry = {.name = intent->mailbox,
                                           .parent = parent,
                                           .shown = shown,
                                           .delimiter = delimiter,
                                           .selectable = true,
                                           .subscribed = true};
    enum cache_error error = cache_mailbox_created(sync->cache, &entry, tree_ordinal_name, NULL,
                                                   sync_changed_here, sync);
    free(parent);
    if (error == CACHE_OK)
        inode_of(change, intent->mailbox);
    return error;
}

static enum cache_error renamed(struct change *change)
{
    struct sync *sync = change->sync;
    const struct journal_intent *intent = &change->row.intent;
    char *parent = tree_parent_name(intent->target, intent->delimiter), shown[CACHE_NAME_MAX + 1];
    if (message_name_directory(shown, intent->name, strlen(intent->name), 0) != 0)
        strcpy(shown, "_");
    enum cache_error error =
        cache_mailbox_renamed(sync->cache, intent->mailbox, intent->target, parent, shown,
                              tree_ordinal_name, sync_changed_here, sync);
    free(parent);
    if (error == CACHE_OK)
        inode_of(change, intent->target);
    return error;
}

enum cache_error mailbox_outcome(struct change *change)
{
    struct sync *sync = change->sync;
    tree_ours_changed(sync);
    switch (change->kind) {
    case JOURNAL_CREATE:
        return created(change);
    case JOURNAL_DELETE:
        return cache_mailbox_removed(sync->cache, change->row.intent.mailbox, sync_changed_here,
                                     sync);
    case JOURNAL_RENAME:
        return renamed(change);
    default:
        return cache_mailbox_subscribed(sync->cache, change->mailbox,
                                        change->kind == JOURNAL_SUBSCRIBE);
    }
}
