/*
 * Mailboxes that another client renamed: LIST shows one gone and another one new. Where the new one
 * is surely the old one, it keeps its directory, messages, inodes and bodies (tree.c asks, before
 * the cache is made equal to the list).
 *
 * STATUS of what is new, all in one pipeline, says which may be which: the UIDVALIDITY is the same,
 * and no third mailbox that went or came has it; UIDs go at least as far as they did. That is not
 * enough to believe it: UIDVALIDITY may be one number in all mailboxes (OUTLOOK.md section 3). So
 * the new mailbox is opened, read only, and up to SAMPLES messages that the cache knows are asked
 * for by UID. Size, date and Message-Id of all that are there must be the known ones, and one must
 * be there. Whatever is not so stays what LIST says: one gone, one new.
 *
 * A RENAME takes along what is below (RFC 3501 section 6.3.5). Each mailbox below is compared by
 * itself; what cannot be is emptied, and listed anew under its new name. Levels above that hold no
 * messages have nothing to be known by: they are taken for renamed with what they contain.
 *
 * EXAMINE pulls the mailbox from under whoever shares the connection, so the tree's job has it for
 * itself meanwhile, and leaves it with nothing selected. The cache is not touched before the last
 * answer is here (tree_renamed_note.c): a connection that breaks leaves all as it was, and the next
 * LIST finds the same.
 * Belongs to the worker that has the tree's job, and runs in its thread.
 */
#include <stdlib.h>
#include <string.h>

#include "message/summary.h"
#include "sync/regard.h"
#include "sync/tree_renamed.h"

enum { LAST_UIDS = 256, SET_MAX = 200 };

#define SAMPLE_ITEMS "(UID RFC822.SIZE INTERNALDATE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])"

/* ---- what went, what came ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct listed *)a)->entry->name, ((const struct listed *)b)->entry->name);
}

struct listed *renamed_listed(const struct renamed *r, const char *name)
{
    const struct cache_tree_entry entry = {.name = name};
    const struct listed key = {.entry = &entry};
    return bsearch(&key, r->list, r->list_count, sizeof key, by_name);
}

static bool sort_list(struct renamed *r, const struct tree_entries *entries)
{
    r->list = calloc(entries->count + 1, sizeof *r->list);
    if (r->list == NULL)
        return false;
    for (size_t i = 0; i < entries->count; i++)
        r->list[r->list_count++] = (struct listed){.entry = &entries->items[i]};
    qsort(r->list, r->list_count, sizeof *r->list, by_name);
    return true;
}

static bool look_at(void *ctx, const struct cache_mailbox *mailbox)
{
    struct renamed *r = ctx;
    struct listed *listed = renamed_listed(r, mailbox->name);
    if (listed != NULL)
        listed->known = true;
    if (listed != NULL || !mailbox->listed || mailbox->uidvalidity == 0 || mailbox->listed_uid == 0)
        return true;
    if (r->gone_count == RENAMED_MAX) {
        r->too_many = true;
        return false;
    }
    struct gone *gone = &r->gone[r->gone_count];
    *gone = (struct gone){.id = mailbox->id,
                          .name = strdup(mailbox->name),
                          .uidvalidity = mailbox->uidvalidity,
                          .listed_uid = mailbox->listed_uid};
    r->gone_count += gone->name != NULL;
    return gone->name != NULL;
}

static void gather_came(struct renamed *r)
{
    for (size_t i = 0; i < r->list_count; i++) {
        if (r->list[i].known || !r->list[i].entry->selectable)
            continue;
        r->too_many |= r->came_count == RENAMED_MAX;
        if (r->too_many)
            return;
        r->came[r->came_count++] = (struct came){.entry = r->list[i].entry};
    }
}

static void sample_add(struct cache *cache, struct gone *gone, uint32_t uid)
{
    struct cache_inode inode;
    struct cache_message row = {0};
    bool known = gone->sample_count > 0 && gone->samples[gone->sample_count - 1].uid >= uid;
    if (known || gone->sample_count == SAMPLES || uid > gone->listed_uid ||
        cache_message_find(cache, gone->id, uid, &inode) != CACHE_OK ||
        cache_message_get(cache, inode.message, &row) != CACHE_OK)
        return;
    struct sample *sample = &gone->samples[gone->sample_count];
    *sample = (struct sample){.uid = uid,
                              .size = row.size,
                              .internaldate = row.internaldate,
                              .message_id = strdup(row.message_id != NULL ? row.message_id : "")};
    gone->sample_count += sample->message_id != NULL;
    cache_message_free(&row);
}

/* The first one, some in between, and the last one where it is near the end. */
static void take_samples(struct cache *cache, struct gone *gone)
{
    uint32_t uids[LAST_UIDS], after = 0;
    size_t count;
    for (unsigned i = 0; i + 1 < SAMPLES; i++) {
        after = (uint32_t)((uint64_t)gone->listed_uid * i / (SAMPLES - 1));
        if (cache_message_uids(cache, gone->id, after, uids, 1, &count) == CACHE_OK && count > 0)
            sample_add(cache, gone, uids[0]);
    }
    after = gone->listed_uid > LAST_UIDS ? gone->listed_uid - LAST_UIDS : 0;
    if (cache_message_uids(cache, gone->id, after, uids, LAST_UIDS, &count) == CACHE_OK &&
        count > 0)
        sample_add(cache, gone, uids[count - 1]);
}

static void gone_free(struct gone *gone)
{
    for (size_t i = 0; i < gone->sample_count; i++)
        free(gone->samples[i].message_id);
    free(gone->name);
}

/* Those without messages have nothing to be known by. */
static void keep_those_with_messages(struct renamed *r)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->gone_count; i++) {
        take_samples(r->worker->sync->cache, &r->gone[i]);
        if (r->gone[i].sample_count > 0)
            r->gone[kept++] = r->gone[i];
        else
            gone_free(&r->gone[i]);
    }
    r->gone_count = kept;
}

/* ---- what may be what ---- */

static bool may_be(const struct gone *gone, const struct came *came)
{
    const struct standing *now = &came->standing;
    return standing_is_whole(now) && now->uidvalidity == gone->uidvalidity &&
           now->uidnext > gone->listed_uid && now->messages > 0;
}

static bool alone_with(const struct renamed *r, uint32_t uidvalidity)
{
    unsigned went = 0, arrived = 0;
    for (size_t i = 0; i < r->gone_count; i++)
        went += r->gone[i].uidvalidity == uidvalidity;
    for (size_t i = 0; i < r->came_count; i++)
        arrived += r->came[i].standing.uidvalidity == uidvalidity;
    return went == 1 && arrived == 1;
}

static void match(struct renamed *r)
{
    for (size_t i = 0; i < r->gone_count; i++) {
        struct gone *gone = &r->gone[i];
        for (size_t k = 0; k < r->came_count && alone_with(r, gone->uidvalidity); k++) {
            if (may_be(gone, &r->came[k]))
                gone->to = r->came[k].entry;
        }
    }
}

/* ---- asking ---- */

static void compare_next(struct renamed *r);

/* A refusal is an answer; anything else ends the look. */
static void note_error(struct renamed *r, const struct imap_completion *completion)
{
    worker_note(r->worker, completion);
    if (completion->error != IMAP_OK && completion->error != IMAP_ERR_NO &&
        completion->error != IMAP_ERR_BAD)
        r->error = completion->error;
}

static void left(void *ctx, const struct imap_completion *completion)
{
    struct renamed *r = ctx;
    note_error(r, completion);
    r->over(r->ctx, r->error);
}

/* What stays open would tell STATUS how it stood then, and be in the way of who renames it. CLOSE
 * expunges nothing after EXAMINE. */
static void leave(struct renamed *r)
{
    struct imap_connection *connection = r->worker->connection;
    const struct imap_selected *selected = imap_connection_selected(connection);
    bool unselect = (imap_connection_capabilities(connection) & IMAP_CAP_UNSELECT) != 0;
    if (r->error == IMAP_OK && r->opened && selected->name != NULL && selected->read_only) {
        struct imap_command command;
        imap_command_init(&command, unselect ? "UNSELECT" : "CLOSE");
        r->error = imap_connection_submit(connection, &command, left, r);
        if (r->error == IMAP_OK)
            return;
    }
    r->over(r->ctx, r->error);
}

static void sampled(void *ctx, const struct imap_completion *completion)
{
    struct renamed *r = ctx;
    note_error(r, completion);
    r->gone[r->at].differs |= completion->error != IMAP_OK;
    r->sampling = false;
    r->at++;
    compare_next(r);
}

static enum imap_error ask_samples(struct renamed *r)
{
    const struct gone *gone = &r->gone[r->at];
    struct imap_command command;
    struct imap_uidset set;
    bool good = true;
    imap_uidset_init(&set, SET_MAX);
    for (size_t i = 0; i < gone->sample_count && good; i++)
        good = imap_uidset_add(&set, gone->samples[i].uid);
    const char *text = good ? imap_uidset_text(&set) : NULL;
    enum imap_error error = IMAP_ERR_MEMORY;
    if (text != NULL) {
        imap_command_uid_fetch(&command, text, SAMPLE_ITEMS);
        error = imap_connection_submit(r->worker->connection, &command, sampled, r);
    }
    r->sampling = error == IMAP_OK;
    imap_uidset_free(&set);
    return error;
}

static void examined(void *ctx, const struct imap_completion *completion)
{
    struct renamed *r = ctx;
    note_error(r, completion);
    const struct imap_selected *selected = imap_connection_selected(r->worker->connection);
    bool good = completion->error == IMAP_OK && selected->name != NULL &&
                selected->uidvalidity == r->gone[r->at].uidvalidity;
    if (good)
        r->error = ask_samples(r);
    if (r->sampling)
        return;
    r->at++;
    compare_next(r);
}

/* No mailbox that the cache knows is open any more. */
static enum imap_error examine(struct renamed *r)
{
    struct worker *w = r->worker;
    struct imap_command command;
    imap_command_select(&command, r->gone[r->at].to->name, true);
    w->examined = 0;
    w->uidvalidity = 0;
    pthread_mutex_lock(&w->sync->lock);
    w->mailbox = 0;
    w->writable = false;
    pthread_mutex_unlock(&w->sync->lock);
    r->opened = true;
    return imap_connection_submit(w->connection, &command, examined, r);
}

/* One after the other: they are few, and a refused EXAMINE must not have a FETCH behind it. */
static void compare_next(struct renamed *r)
{
    if (r->error == IMAP_OK && limiter_holds(r->worker->sync))
        r->error = IMAP_ERR_THROTTLED;
    while (r->at < r->gone_count && r->gone[r->at].to == NULL)
        r->at++;
    if (r->error == IMAP_OK && r->at < r->gone_count)
        r->error = examine(r);
    else
        r->at = r->gone_count;
    if (r->error != IMAP_OK || r->at == r->gone_count)
        leave(r);
}

static void told(void *ctx, const struct imap_completion *completion)
{
    struct renamed *r = ctx;
    note_error(r, completion);
    if (--r->pending > 0)
        return;
    match(r);
    compare_next(r);
}

static void ask_standings(struct renamed *r)
{
    for (size_t i = 0; i < r->came_count && r->error == IMAP_OK; i++) {
        struct imap_command command;
        imap_command_status(&command, r->came[i].entry->name, "MESSAGES UIDNEXT UIDVALIDITY");
        r->error = imap_connection_submit(r->worker->connection, &command, told, r);
        r->pending += r->error == IMAP_OK;
    }
}

/* ---- what the server says meanwhile ---- */

bool renamed_status(struct worker *w, const struct imap_mailbox_status *status)
{
    struct renamed *r = w->renamed;
    for (size_t i = 0; r != NULL && r->pending > 0 && i < r->came_count; i++) {
        const char *name = r->came[i].entry->name;
        if (status->name.data == NULL || strlen(name) != status->name.len ||
            memcmp(name, status->name.data, status->name.len) != 0)
            continue;
        standing_of(&r->came[i].standing, status);
        return true;
    }
    return false;
}

static bool is_sample(const struct sample *sample, const struct imap_fetch *fetch)
{
    struct message_summary summary;
    const char *header = fetch->header.data != NULL ? fetch->header.data : "";
    if (sample->size != fetch->size || sample->internaldate != fetch->internaldate ||
        !message_summary_parse(header, fetch->header.len, &summary))
        return false;
    const char *id = summary.message_id != NULL ? summary.message_id : "";
    bool same = strcmp(sample->message_id, id) == 0;
    message_summary_free(&summary);
    return same;
}

bool renamed_fetch(struct worker *w, const struct imap_fetch *fetch)
{
    const unsigned told = IMAP_FETCH_UID | IMAP_FETCH_SIZE | IMAP_FETCH_HEADER;
    struct renamed *r = w->renamed;
    if (r == NULL || !r->sampling)
        return false;
    struct gone *gone = &r->gone[r->at];
    for (size_t i = 0; i < gone->sample_count && (fetch->present & told) == told; i++) {
        if (gone->samples[i].uid != fetch->uid)
            continue;
        bool same = is_sample(&gone->samples[i], fetch);
        gone->equal += same;
        gone->differs |= !same;
    }
    return true;
}

/* ---- the look ---- */

bool renamed_start(struct worker *w, const struct tree_entries *entries)
{
    struct renamed *r = calloc(1, sizeof *r);
    if (r == NULL)
        return false;
    r->worker = w;
    w->renamed = r;
    bool good = sort_list(r, entries) &&
                cache_mailbox_each(w->sync->cache, look_at, r) == CACHE_OK && !r->too_many;
    if (good && r->gone_count > 0) {
        gather_came(r);
        keep_those_with_messages(r);
    }
    if (good && !r->too_many && r->gone_count > 0 && r->came_count > 0)
        return true;
    renamed_free(w);
    return false;
}

void renamed_ask(struct worker *w, renamed_over_fn *over, void *ctx)
{
    struct renamed *r = w->renamed;
    r->over = over;
    r->ctx = ctx;
    ask_standings(r);
    if (r->pending == 0)
        over(ctx, r->error);
}

void renamed_free(struct worker *w)
{
    struct renamed *r = w->renamed;
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->gone_count; i++)
        gone_free(&r->gone[i]);
    free(r->list);
    free(r);
    w->renamed = NULL;
}
