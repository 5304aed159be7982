/*
 * sync/change.h over the fake server: one more thread takes changes in the order in which they were
 * asked for and does to the cache what sync would. What is appended gets CRLF line ends and a size
 * that is an estimate, so that a file system which assumes the bytes it wrote is found out.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "cache/outcomes.h"
#include "fake_internal.h"

/* ---- what the test sees ---- */

void fake_note(struct sync *sync, const char *format, ...)
{
    struct changes_side *side = sync->side;
    va_list args;
    size_t len;

    pthread_mutex_lock(&side->lock);
    len = strlen(side->log);
    va_start(args, format);
    vsnprintf(side->log + len, LOG_MAX - len, format, args);
    va_end(args);
    pthread_mutex_unlock(&side->lock);
}

const char *fake_log(struct sync *sync)
{
    static char copy[LOG_MAX];

    pthread_mutex_lock(&sync->side->lock);
    memcpy(copy, sync->side->log, LOG_MAX);
    pthread_mutex_unlock(&sync->side->lock);
    return copy;
}

void fake_log_clear(struct sync *sync)
{
    pthread_mutex_lock(&sync->side->lock);
    sync->side->log[0] = '\0';
    pthread_mutex_unlock(&sync->side->lock);
}

unsigned fake_logged(struct sync *sync, const char *what)
{
    unsigned count = 0;

    for (const char *line = fake_log(sync); *line != '\0'; line = strchr(line, '\n') + 1)
        count += strncmp(line, what, strlen(what)) == 0;
    return count;
}

void fake_change_behave(struct sync *sync, const struct fake_change_plan *plan)
{
    pthread_mutex_lock(&sync->side->lock);
    sync->side->plan = *plan;
    pthread_mutex_unlock(&sync->side->lock);
}

struct fake_change_plan fake_change_plan(struct sync *sync)
{
    struct fake_change_plan plan;

    pthread_mutex_lock(&sync->side->lock);
    plan = sync->side->plan;
    pthread_mutex_unlock(&sync->side->lock);
    return plan;
}

const char *fake_appended(struct sync *sync, const char *mailbox)
{
    struct changes_side *side = sync->side;
    int64_t id = fake_mailbox(sync, mailbox);
    const char *data = NULL;

    pthread_mutex_lock(&side->lock);
    for (unsigned i = 0; i < side->count; i++)
        if (side->uploads[i].mailbox == id)
            data = side->uploads[i].data;
    pthread_mutex_unlock(&side->lock);
    return data;
}

unsigned fake_unfinished(struct sync *sync)
{
    struct journal_figures figures;

    fake_must(journal_figures_get(sync->side->journal, &figures), "figures");
    return (unsigned)figures.rows[JOURNAL_UNFINISHED];
}

char *fake_upload_bytes(struct sync *sync, int64_t mailbox, uint32_t uid, size_t *size)
{
    struct changes_side *side = sync->side;
    char *copy = NULL;

    if (side == NULL)
        return NULL;
    pthread_mutex_lock(&side->lock);
    for (unsigned i = 0; i < side->count && copy == NULL; i++) {
        struct upload *u = &side->uploads[i];
        if (u->mailbox != mailbox || u->uid != uid)
            continue;
        copy = malloc(u->size + 1);
        memcpy(copy, u->data, u->size);
        *size = u->size;
    }
    pthread_mutex_unlock(&side->lock);
    return copy;
}

/* Takes over `data`; returns the UID. */
static uint32_t upload_add(struct sync *sync, int64_t mailbox, char *data, size_t size)
{
    struct changes_side *side = sync->side;
    uint32_t uid;

    pthread_mutex_lock(&side->lock);
    if (side->count == UPLOADS_MAX)
        abort();
    uid = ++side->uid;
    side->uploads[side->count++] =
        (struct upload){.mailbox = mailbox, .uid = uid, .data = data, .size = size};
    pthread_mutex_unlock(&side->lock);
    return uid;
}

/* ---- messages ---- */

static struct cache_place place_of(struct sync *sync, int64_t message)
{
    struct cache_message row = {0};
    struct cache_place place = {.uidvalidity = UIDVALIDITY};

    if (cache_message_get(sync->cache, message, &row) != CACHE_OK)
        return place;
    place.mailbox = row.mailbox;
    place.uid = row.uid;
    cache_message_free(&row);
    return place;
}

static const char *mailbox_name(struct sync *sync, int64_t mailbox)
{
    static _Thread_local char name[100];
    struct cache_mailbox row = {0};

    name[0] = '\0';
    if (cache_mailbox_get(sync->cache, mailbox, &row) == CACHE_OK)
        snprintf(name, sizeof(name), "%s", row.name);
    cache_mailbox_free(&row);
    return name;
}

/* The server has the same bytes at another place. */
static struct cache_place copy_bytes(struct sync *sync, struct cache_place from, int64_t mailbox)
{
    struct cache_place to = {.mailbox = mailbox, .uidvalidity = UIDVALIDITY};
    size_t size = 0;
    char *data = fake_upload_bytes(sync, from.mailbox, from.uid, &size);

    if (data == NULL) {
        size = fake_body_size(from.uid);
        data = malloc(size + 1);
        for (size_t i = 0; i < size; i++)
            data[i] = fake_body_byte(from.uid, i);
    }
    data[size] = '\0';
    to.uid = upload_add(sync, mailbox, data, size);
    return to;
}

int64_t fake_trash(struct sync *sync)
{
    return fake_change_plan(sync).no_trash ? 0 : fake_mailbox(sync, "Trash");
}

static enum sync_error move_to(struct sync *sync, int64_t message, int64_t mailbox,
                               const char *name, bool replace, struct cache_inode *inode)
{
    struct cache_place from = place_of(sync, message), to = from;

    if (from.uid == 0)
        return SYNC_ERR_GONE;
    if (mailbox != from.mailbox)
        to = copy_bytes(sync, from, mailbox);
    fake_must(
        cache_message_moved(sync->cache, &from, &to, name, replace, inode, fake_changed_here, sync),
        "moved");
    return SYNC_OK;
}

static enum sync_error to_trash(struct sync *sync, int64_t message)
{
    struct cache_place from = place_of(sync, message);
    struct cache_inode inode;
    int64_t trash = fake_trash(sync);

    if (trash == 0)
        return SYNC_ERR_PERMISSION;
    if (from.mailbox != trash) {
        fake_note(sync, "trash %s %u\n", mailbox_name(sync, from.mailbox), (unsigned)from.uid);
        return move_to(sync, message, trash, NULL, false, &inode);
    }
    fake_note(sync, "expunge %s %u\n", mailbox_name(sync, from.mailbox), (unsigned)from.uid);
    fake_gone(sync, from.mailbox, from.uid);
    return SYNC_OK;
}

/* The message that has `name` in `mailbox`; 0: none. */
static int64_t holder(struct sync *sync, int64_t mailbox, const char *name)
{
    struct cache_mailbox row = {0};
    struct cache_inode inode = {0};
    uint64_t directory = 0;

    if (cache_mailbox_get(sync->cache, mailbox, &row) == CACHE_OK)
        directory = row.ino;
    cache_mailbox_free(&row);
    if (cache_inode_lookup(sync->cache, directory, name, &inode) != CACHE_OK)
        return 0;
    return inode.kind == CACHE_MESSAGE ? inode.message : 0;
}

/* What is to be sent of a spool, or NULL: not a message. */
static char *prepared(struct journal_spool *spool, size_t *size)
{
    size_t len = (size_t)journal_spool_size(spool), got = 0, colon = 0;
    char *data = malloc(len + 1), *out = malloc(2 * len + 1);

    fake_must(journal_spool_read(spool, 0, data, len, &got), "spool");
    data[len] = '\0';
    while (colon < len && data[colon] > ' ' && data[colon] < 127 && data[colon] != ':')
        colon++;
    *size = 0;
    for (size_t i = 0; i < len; i++) {
        if (data[i] == '\n' && (i == 0 || data[i - 1] != '\r'))
            out[(*size)++] = '\r';
        out[(*size)++] = data[i];
    }
    out[*size] = '\0';
    bool good = colon > 0 && colon < len && data[colon] == ':' && memchr(data, '\0', len) == NULL;
    free(data);
    if (!good) {
        free(out);
        return NULL;
    }
    return out;
}

static enum sync_error refuse(struct sync *sync, struct change *c, enum sync_error error)
{
    const struct journal_intent intent = {
        .kind = JOURNAL_APPEND, .mailbox = "", .target = "INBOX", .name = c->name};

    fake_note(sync, "refused %s keep=%d\n", c->name, c->publication.keep);
    if (c->spool != NULL && (c->publication.keep || error != SYNC_ERR_INVALID))
        fake_must(journal_spool_keep(c->spool, &intent, "refused"), "keep");
    return error;
}

static void append(struct sync *sync, struct change *c, char *data, size_t size,
                   struct cache_inode *inode)
{
    const struct sync_publication *p = &c->publication;
    uint8_t sha[CACHE_SHA256];
    const struct cache_arrival arrival = {
        .place = {.mailbox = p->mailbox,
                  .uidvalidity = UIDVALIDITY,
                  .uid = upload_add(sync, p->mailbox, data, size)},
        .staged = p->staged,
        .name = c->name,
        .replace = p->replace_name || p->replaces != 0,
    };
    const struct cache_new_message facts = {.size = size + ESTIMATE_OFF,
                                            .internaldate =
                                                p->has_date ? p->internaldate : clock_wall(),
                                            .flags = p->flags != NULL ? p->flags : "",
                                            .stem = "x"};

    fake_must(journal_spool_digest(c->spool, sha), "digest");
    fake_note(sync, "append %s %s %zu%s%s\n", mailbox_name(sync, p->mailbox), c->name, size,
              p->replaces != 0 ? " replaces" : "", p->has_date ? " dated" : "");
    fake_must(cache_message_appended(sync->cache, &arrival, &facts, sha,
                                     journal_spool_size(c->spool), inode, fake_changed_here, sync),
              "appended");
}

static void copy_of(struct sync *sync, struct change *c, struct cache_inode *inode)
{
    const struct sync_publication *p = &c->publication;
    struct cache_place from = place_of(sync, p->clone_of);
    const struct cache_arrival arrival = {.place = copy_bytes(sync, from, p->mailbox),
                                          .staged = p->staged,
                                          .name = c->name,
                                          .replace = p->replace_name};

    fake_note(sync, "copy %s %s\n", mailbox_name(sync, p->mailbox), c->name);
    fake_must(cache_message_copied(sync->cache, &from, &arrival, inode, fake_changed_here, sync),
              "copied");
}

static bool same_bytes(struct sync *sync, struct change *c)
{
    uint8_t sha[CACHE_SHA256];
    bool same = false;

    if (c->publication.replaces == 0 || c->spool == NULL)
        return false;
    fake_must(journal_spool_digest(c->spool, sha), "digest");
    return cache_message_same(sync->cache, c->publication.replaces, sha,
                              journal_spool_size(c->spool), &same) == CACHE_OK &&
           same;
}

static enum sync_error publish(struct sync *sync, struct change *c, struct cache_inode *inode)
{
    const struct sync_publication *p = &c->publication;
    int64_t old = p->replace_name ? holder(sync, p->mailbox, c->name) : 0;
    size_t size = 0;
    char *data = c->spool != NULL ? prepared(c->spool, &size) : NULL;

    if (c->spool != NULL && data == NULL)
        return refuse(sync, c, SYNC_ERR_INVALID);
    if (same_bytes(sync, c)) {
        struct cache_place at = place_of(sync, p->replaces);
        fake_note(sync, "same %s\n", c->name);
        free(data);
        fake_must(cache_message_find(sync->cache, at.mailbox, at.uid, inode), "same");
        return SYNC_OK;
    }
    if (c->spool != NULL)
        append(sync, c, data, size, inode);
    else
        copy_of(sync, c, inode);
    if (p->replaces != 0)
        to_trash(sync, p->replaces);
    if (old != 0 && old != p->replaces)
        to_trash(sync, old);
    return SYNC_OK;
}

static enum sync_error copy(struct sync *sync, struct change *c, struct cache_inode *inode)
{
    struct cache_place from = place_of(sync, c->message);
    const struct cache_arrival arrival = {
        .place = copy_bytes(sync, from, c->mailbox), .name = c->name, .replace = c->flag};

    fake_note(sync, "copy %s %s\n", mailbox_name(sync, c->mailbox), c->name);
    fake_must(cache_message_copied(sync->cache, &from, &arrival, inode, fake_changed_here, sync),
              "copied");
    return SYNC_OK;
}

static enum sync_error move(struct sync *sync, struct change *c, struct cache_inode *inode)
{
    const char *name = c->name[0] != '\0' ? c->name : NULL;
    int64_t old = c->flag && name != NULL ? holder(sync, c->mailbox, name) : 0;
    enum sync_error error;

    fake_note(sync, "move %s %s\n", mailbox_name(sync, c->mailbox), c->name);
    error = move_to(sync, c->message, c->mailbox, name, c->flag, inode);
    if (error == SYNC_OK && old != 0 && old != c->message)
        error = to_trash(sync, old);
    return error;
}

static enum sync_error store(struct sync *sync, struct change *c)
{
    struct cache_place at = place_of(sync, c->message);
    const struct cache_new_flags flags = {.uid = at.uid, .flags = c->text};

    fake_note(sync, "store %s\n", c->text);
    if (strstr(c->text, "NotKept") != NULL)
        return SYNC_ERR_UNSUPPORTED;
    fake_must(cache_messages_flags(sync->cache, at.mailbox, UIDVALIDITY, &flags, 1,
                                   fake_changed_here, sync),
              "flags");
    return SYNC_OK;
}

/* ---- mailboxes ---- */

static char *path_of(struct sync *sync, int64_t parent, const char *shown)
{
    char *path = NULL;
    const char *up = parent != 0 ? mailbox_name(sync, parent) : "";

    if (asprintf(&path, "%s%s%s", up, *up != '\0' ? "/" : "", shown) < 0)
        abort();
    return path;
}

static void inode_of_mailbox(struct sync *sync, const char *path, struct cache_inode *inode)
{
    struct cache_mailbox row = {0};

    fake_must(cache_mailbox_find(sync->cache, path, &row), "mailbox");
    fake_must(cache_inode_get(sync->cache, row.ino, inode), "inode");
    cache_mailbox_free(&row);
}

static enum sync_error create(struct sync *sync, struct change *c, struct cache_inode *inode)
{
    char *path = path_of(sync, c->mailbox, c->name);
    char *parent = c->mailbox != 0 ? strdup(mailbox_name(sync, c->mailbox)) : NULL;
    const struct cache_tree_entry entry = {.name = path,
                                           .parent = parent,
                                           .shown = c->name,
                                           .delimiter = '/',
                                           .selectable = true,
                                           .subscribed = true};
    int64_t id;

    fake_note(sync, "create %s\n", path);
    fake_must(cache_mailbox_created(sync->cache, &entry, fake_shown_ordinal, &id, fake_changed_here,
                                    sync),
              "create");
    const struct cache_mailbox_facts facts = {.uidvalidity = UIDVALIDITY};
    fake_must(cache_mailbox_note(sync->cache, id, &facts, fake_changed_here, sync), "note");
    fake_add(sync, id, 1, 0, true);
    inode_of_mailbox(sync, path, inode);
    free(path);
    free(parent);
    return SYNC_OK;
}

static enum sync_error rename_mailbox(struct sync *sync, struct change *c,
                                      struct cache_inode *inode)
{
    char *from = strdup(mailbox_name(sync, c->mailbox));
    char *parent = c->message != 0 ? strdup(mailbox_name(sync, c->message)) : NULL;
    char *to = path_of(sync, c->message, c->name);

    fake_note(sync, "rename %s %s\n", from, to);
    fake_must(cache_mailbox_renamed(sync->cache, from, to, parent, c->name, fake_shown_ordinal,
                                    fake_changed_here, sync),
              "rename");
    inode_of_mailbox(sync, to, inode);
    free(from);
    free(parent);
    free(to);
    return SYNC_OK;
}

static enum sync_error remove_mailbox(struct sync *sync, struct change *c)
{
    char *name = strdup(mailbox_name(sync, c->mailbox));

    fake_note(sync, "delete %s\n", name);
    fake_must(cache_mailbox_removed(sync->cache, name, fake_changed_here, sync), "delete");
    free(name);
    return SYNC_OK;
}

/* ---- the thread ---- */

static enum sync_error of_cache(enum cache_error error)
{
    if (error == CACHE_ERR_EXISTS)
        return SYNC_ERR_EXISTS;
    return error == CACHE_OK ? SYNC_OK : SYNC_ERR_CACHE;
}

static enum sync_error run_here(struct sync *sync, struct change *c, struct cache_inode *inode)
{
    const struct journal_intent intent = {
        .kind = JOURNAL_APPEND, .mailbox = "", .target = "INBOX", .name = c->name};
    enum cache_error error = CACHE_OK;

    if (c->kind == STAGED_CREATE) {
        uint64_t ino;
        error = cache_staged_create(sync->cache, c->parent, c->name, c->flag, &ino,
                                    fake_changed_here, sync);
        if (error == CACHE_OK)
            error = cache_inode_get(sync->cache, ino, inode);
    } else if (c->kind == STAGED_RENAME) {
        error = cache_inode_rename(sync->cache, c->ino, c->parent, c->name, c->flag,
                                   fake_changed_here, sync);
        if (error == CACHE_OK)
            error = cache_inode_get(sync->cache, c->ino, inode);
    } else if (c->kind == STAGED_REMOVE) {
        error = cache_staged_remove(sync->cache, c->ino, fake_changed_here, sync);
    } else if (c->kind == SPOOL_KEEP) {
        fake_note(sync, "keep %s %s\n", c->name, c->text != NULL ? c->text : "");
        error = journal_spool_keep(c->spool, &intent, c->text);
    } else {
        fake_note(sync, "forget\n");
        error = journal_spool_forget(c->spool);
    }
    return of_cache(error);
}

static enum sync_error run_there(struct sync *sync, struct change *c, struct cache_inode *inode)
{
    switch (c->kind) {
    case PUBLISH:
        return publish(sync, c, inode);
    case MOVE:
        return move(sync, c, inode);
    case COPY:
        return copy(sync, c, inode);
    case REMOVE:
        return to_trash(sync, c->message);
    case STORE:
        return store(sync, c);
    case MAILBOX_CREATE:
        return create(sync, c, inode);
    case MAILBOX_REMOVE:
        return remove_mailbox(sync, c);
    case MAILBOX_RENAME:
        return rename_mailbox(sync, c, inode);
    case SUBSCRIBE:
        fake_note(sync, "subscribe %d\n", c->flag);
        return of_cache(cache_mailbox_subscribed(sync->cache, c->mailbox, c->flag));
    default:
        fake_note(sync, "settle %s\n", c->mailbox != 0 ? mailbox_name(sync, c->mailbox) : "all");
        return SYNC_OK;
    }
}

static bool is_here(enum kind kind)
{
    return kind == STAGED_CREATE || kind == STAGED_RENAME || kind == STAGED_REMOVE ||
           kind == SPOOL_KEEP || kind == SPOOL_FORGET;
}

static void change_free(struct change *c)
{
    if (c->kind == PUBLISH)
        journal_spool_close(&c->spool);
    free(c->flags);
    free(c->text);
    free(c);
}

/* What stat says of what was accepted. */
static void show_to_come(struct sync *sync, const struct change *c, struct cache_inode *inode)
{
    uint64_t ino = c->publication.staged, size = journal_spool_size(c->spool);

    fake_must(cache_staged_note(sync->cache, ino, size, time(NULL)), "note");
    fake_must(cache_inode_get(sync->cache, ino, inode), "inode");
}

bool fake_pending(struct sync *sync, uint64_t ino, struct journal_spool **spool)
{
    struct changes_side *side = sync->side;

    pthread_mutex_lock(&side->lock);
    struct change *c = side->accepted;
    while (c != NULL && (c->spool == NULL || c->publication.staged != ino))
        c = c->next;
    if (c != NULL)
        fake_must(journal_spool_copy(c->spool, spool), "copy");
    pthread_mutex_unlock(&side->lock);
    return c != NULL;
}

/* Runs it; true: it is over. False: accepted, and kept for fake_land. */
static bool run(struct sync *sync, struct change *c, bool landing)
{
    struct changes_side *side = sync->side;
    struct fake_change_plan plan = fake_change_plan(sync);
    struct sync_changed changed = {.reason = ""};
    sync_changed_fn *done;
    bool later = plan.later && c->kind == PUBLISH && !landing && plan.error == SYNC_OK;

    if (!is_here(c->kind) && plan.delay_ms != 0 && !landing)
        nanosleep(&(struct timespec){plan.delay_ms / 1000, plan.delay_ms % 1000 * 1000000L}, NULL);
    if (is_here(c->kind))
        changed.error = run_here(sync, c, &changed.inode);
    else if (later)
        show_to_come(sync, c, &changed.inode);
    else if (plan.down)
        changed.error = SYNC_ERR_DOWN;
    else if (plan.error != SYNC_OK)
        changed.error = c->kind == PUBLISH ? refuse(sync, c, plan.error) : plan.error;
    else
        changed.error = run_there(sync, c, &changed.inode);
    pthread_mutex_lock(&side->lock);
    done = landing ? NULL : c->done;
    c->done = NULL;
    side->running = NULL;
    if (later) {
        c->next = side->accepted;
        side->accepted = c;
    }
    pthread_mutex_unlock(&side->lock);
    if (done != NULL)
        done(c->ctx, &changed);
    return !later;
}

void fake_land(struct sync *sync)
{
    struct change *c;

    do {
        pthread_mutex_lock(&sync->side->lock);
        c = sync->side->accepted;
        if (c != NULL)
            sync->side->accepted = c->next;
        pthread_mutex_unlock(&sync->side->lock);
        if (c != NULL) {
            run(sync, c, true);
            change_free(c);
        }
    } while (c != NULL);
}

static void *changes_main(void *arg)
{
    struct sync *sync = arg;
    struct changes_side *side = sync->side;

    pthread_mutex_lock(&side->lock);
    while (!side->stopping || side->first != NULL) {
        struct change *c = side->first;
        if (c == NULL) {
            pthread_cond_wait(&side->wake, &side->lock);
            continue;
        }
        side->first = c->next;
        if (side->first == NULL)
            side->last = &side->first;
        side->running = c;
        pthread_mutex_unlock(&side->lock);
        if (run(sync, c, false))
            change_free(c);
        pthread_mutex_lock(&side->lock);
    }
    pthread_mutex_unlock(&side->lock);
    return NULL;
}

void fake_writable(struct sync *sync, const char *cache_dir)
{
    const struct cache_tree_entry entry = {.name = "Trash",
                                           .shown = "Trash",
                                           .delimiter = '/',
                                           .role = CACHE_ROLE_TRASH,
                                           .selectable = true};
    const struct cache_mailbox_facts facts = {.uidvalidity = UIDVALIDITY};
    int64_t id;

    fake_must(cache_mailbox_created(sync->cache, &entry, fake_shown_ordinal, &id, fake_changed_here,
                                    sync),
              "trash");
    fake_must(cache_mailbox_note(sync->cache, id, &facts, fake_changed_here, sync), "note");
    fake_add(sync, id, 1, 0, true);
    fake_change_start(sync, cache_dir);
}

void fake_change_start(struct sync *sync, const char *cache_dir)
{
    struct changes_side *side = calloc(1, sizeof(*side));
    char state[200], text[JOURNAL_TEXT_MAX];

    snprintf(state, sizeof(state), "%s-state", cache_dir);
    mkdir(state, 0700);
    fake_must(journal_open(&side->journal, state, cache_dir, NULL, text), "journal");
    pthread_mutex_init(&side->lock, NULL);
    pthread_cond_init(&side->wake, NULL);
    side->last = &side->first;
    side->uid = FIRST_UID;
    sync->side = side;
    pthread_create(&side->thread, NULL, changes_main, sync);
}

void fake_change_stop(struct sync *sync)
{
    struct changes_side *side = sync->side;

    if (side == NULL)
        return;
    pthread_mutex_lock(&side->lock);
    side->stopping = true;
    pthread_cond_signal(&side->wake);
    pthread_mutex_unlock(&side->lock);
    pthread_join(side->thread, NULL);
    while (side->accepted != NULL) {
        struct change *c = side->accepted;
        side->accepted = c->next;
        change_free(c);
    }
    journal_close(&side->journal);
    for (unsigned i = 0; i < side->count; i++)
        free(side->uploads[i].data);
    pthread_cond_destroy(&side->wake);
    pthread_mutex_destroy(&side->lock);
    free(side);
    sync->side = NULL;
}
