/*
 * A search from its start to its end, on its caller's thread (search.h).
 *
 * First the listings of its mailboxes are made good enough to read. Then the rows: what they say
 * against a message is final. What is left of a mailbox the server is asked about, where there is
 * something to ask. Then the matches, newest first, each decided by the server's answer or by its
 * text, and handed out as it is.
 *
 * While it waits, its legs stand with waiters of sync's, each with its bound; before the run ends
 * every one of them was told or let go, so nothing refers to the search afterwards but the asks,
 * which are counted.
 */
#include "sync/search.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message/match.h"
#include "sync/search_internal.h"
#include "sync/status.h"

/* ---- the object ---- */

static void note_kinds(struct sync_search *search)
{
    for (size_t i = 0; i < search->query.count; i++) {
        const struct message_query_term *term = &search->query.terms[i];
        bool text = ask_is_text(term), attachment = term->key == MESSAGE_QUERY_ATTACHMENT;
        search->wants_sure |= ask_is_sure(term);
        search->wants_text |= text || attachment;
        search->wants_here |= attachment || (text && !ask_is_ascii(term->value));
    }
}

struct sync_search *sync_search_new(struct sync *sync, const char *query, size_t len,
                                    enum sync_error *error, char *why)
{
    struct sync_search *search = calloc(1, sizeof *search);
    char reason[MESSAGE_QUERY_WHY] = "no memory";
    *error = SYNC_ERR_MEMORY;
    if (search != NULL) {
        search->sync = sync;
        pthread_cond_init(&search->told, NULL);
        buffer_init(&search->form, (size_t)16 * MESSAGE_QUERY_MAX);
        *error =
            message_query_parse(query, len, &search->query, reason) ? SYNC_OK : SYNC_ERR_INVALID;
    }
    if (*error == SYNC_OK && !message_query_print(&search->query, &search->form))
        *error = SYNC_ERR_MEMORY;
    if (*error != SYNC_OK) {
        snprintf(why, SYNC_TEXT_MAX, "%s", reason);
        sync_search_free(&search);
        return NULL;
    }
    note_kinds(search);
    return search;
}

void sync_search_free(struct sync_search **searchp)
{
    struct sync_search *search = *searchp;
    *searchp = NULL;
    if (search == NULL)
        return;
    for (size_t i = 0; i < search->leg_count; i++)
        free(search->legs[i].path);
    free(search->legs);
    free(search->matches);
    free(search->bodies);
    free(search->likely);
    free(search->names);
    message_query_free(&search->query);
    buffer_free(&search->form);
    pthread_cond_destroy(&search->told);
    free(search);
}

const char *sync_search_query(const struct sync_search *search)
{
    return search->form.data;
}

void sync_search_cancel(struct sync_search *search)
{
    pthread_mutex_lock(&search->sync->lock);
    search->cancelled = true;
    pthread_cond_broadcast(&search->told);
    pthread_mutex_unlock(&search->sync->lock);
}

bool search_cancelled(struct sync_search *search)
{
    pthread_mutex_lock(&search->sync->lock);
    bool cancelled = search->cancelled || search->sync->stopping;
    pthread_mutex_unlock(&search->sync->lock);
    return cancelled;
}

/* ---- which mailboxes ---- */

struct scope {
    struct sync_search *search;
    size_t room;
    bool good;
};

static bool scope_visit(void *ctx, const struct cache_mailbox *mailbox)
{
    struct scope *scope = ctx;
    struct sync_search *search = scope->search;
    if (!mailbox->selectable)
        return true;
    if (search->leg_count == scope->room) {
        size_t room = scope->room * 2 + 16;
        struct search_leg *legs = realloc(search->legs, room * sizeof *legs);
        if (legs == NULL)
            return scope->good = false;
        search->legs = legs;
        scope->room = room;
    }
    search->legs[search->leg_count++] =
        (struct search_leg){.search = search, .mailbox = mailbox->id};
    return true;
}

/* Whether the mailbox with this path is one of those that the query is about; notes in `named` the
 * terms that name it. */
static bool in_scope(const struct message_query *query, const char *path, bool *named)
{
    bool some = false, wanted = false, unwanted = false;
    char *folded = message_fold(path, strlen(path));
    for (size_t i = 0; i < query->count && folded != NULL; i++) {
        const struct message_query_term *term = &query->terms[i];
        if (term->key != MESSAGE_QUERY_IN)
            continue;
        bool same = strcmp(folded, term->folded) == 0;
        some |= !term->negated;
        wanted |= same && !term->negated;
        unwanted |= same && term->negated;
        named[i] |= same;
    }
    free(folded);
    return (wanted || !some) && !unwanted;
}

static void keep_legs(struct sync_search *search, bool *named)
{
    size_t kept = 0;
    for (size_t i = 0; i < search->leg_count; i++) {
        struct search_leg leg = search->legs[i];
        leg.path = status_path(search->sync, leg.mailbox);
        if (leg.path != NULL && in_scope(&search->query, leg.path, named))
            search->legs[kept++] = leg;
        else
            free(leg.path);
    }
    search->leg_count = kept;
}

enum sync_error search_scope(struct sync_search *search, char *why)
{
    struct scope scope = {.search = search, .good = true};
    bool named[MESSAGE_QUERY_TERMS] = {false};
    enum cache_error error = cache_mailbox_each(search->sync->cache, scope_visit, &scope);
    if (error != CACHE_OK || !scope.good)
        return error != CACHE_OK ? sync_error_of_cache(error) : SYNC_ERR_MEMORY;
    keep_legs(search, named);
    for (size_t i = 0; i < search->query.count; i++) {
        if (search->query.terms[i].key != MESSAGE_QUERY_IN || named[i])
            continue;
        snprintf(why, SYNC_TEXT_MAX, "there is no mailbox \"%.300s\"",
                 search->query.terms[i].value);
        return SYNC_ERR_INVALID;
    }
    return SYNC_OK;
}

/* ---- waiting ---- */

static struct search_leg *waiting_locked(struct sync_search *search)
{
    for (size_t i = 0; i < search->leg_count; i++) {
        if (search->legs[i].waiting)
            return &search->legs[i];
    }
    return NULL;
}

/* Until no leg waits. One that is let go (the search is cancelled) was told SYNC_ERR_STOPPING. */
static void wait_for_legs(struct sync_search *search)
{
    struct sync *sync = search->sync;
    struct search_leg *leg;
    pthread_mutex_lock(&sync->lock);
    while ((leg = waiting_locked(search)) != NULL) {
        if (!search->cancelled || leg->ticket == 0) {
            pthread_cond_wait(&search->told, &sync->lock);
            continue;
        }
        sync_ticket ticket = leg->ticket;
        leg->ticket = 0; /* asked once: who could not be let go is being told */
        pthread_mutex_unlock(&sync->lock);
        bool gone = sync_detach(sync, ticket);
        pthread_mutex_lock(&sync->lock);
        if (gone) {
            leg->waiting = false;
            leg->error = SYNC_ERR_STOPPING;
        }
    }
    pthread_mutex_unlock(&sync->lock);
}

void search_told(void *ctx, enum sync_error error)
{
    struct search_leg *leg = ctx;
    struct sync *sync = leg->search->sync;
    pthread_mutex_lock(&sync->lock);
    leg->waiting = false;
    leg->error = error;
    pthread_cond_broadcast(&leg->search->told);
    pthread_mutex_unlock(&sync->lock);
}

/* ---- listings ---- */

static void want_listing(struct search_leg *leg)
{
    struct sync *sync = leg->search->sync;
    leg->waiting = true;
    sync_ticket ticket = listing_want(sync, leg->mailbox, search_told, leg);
    pthread_mutex_lock(&sync->lock);
    leg->ticket = ticket;
    if (leg->waiting && ticket == 0) { /* told from within, or no memory */
        leg->waiting = false;
        leg->error = SYNC_ERR_MEMORY;
    }
    pthread_mutex_unlock(&sync->lock);
}

static bool is_listed(struct sync *sync, int64_t mailbox)
{
    struct cache_mailbox row = {0};
    bool listed = cache_mailbox_get(sync->cache, mailbox, &row) == CACHE_OK && row.listed;
    cache_mailbox_free(&row);
    return listed;
}

/* One that is gone by now is none; of one whose first listing broke off nothing is known. */
static void refresh(struct sync_search *search)
{
    for (size_t i = 0; i < search->leg_count && !search_cancelled(search); i++)
        want_listing(&search->legs[i]);
    wait_for_legs(search);
    for (size_t i = 0; i < search->leg_count; i++) {
        struct search_leg *leg = &search->legs[i];
        bool listed = is_listed(search->sync, leg->mailbox);
        leg->dropped = leg->error == SYNC_ERR_GONE || !listed;
        search->unlisted += leg->error != SYNC_ERR_GONE && !listed;
        leg->error = SYNC_OK;
    }
}

/* ---- the server ---- */

/* A leg that has nothing left to be asked about is not asked. */
static enum sync_error ask(struct sync_search *search)
{
    enum sync_error error = SYNC_OK;
    bool text = search->wants_text;
    search->offline = sync_offline(search->sync);
    for (size_t i = 0; i < search->leg_count && !search->offline && error == SYNC_OK; i++) {
        struct search_leg *leg = &search->legs[i];
        if (leg->candidates == 0 || (!search->wants_sure && !leg->text_away))
            continue;
        leg->ask = ask_new(&search->query, text && leg->text_away);
        if (leg->ask == NULL)
            error = SYNC_ERR_MEMORY;
        else if (leg->ask->criteria[ASK_SURE] != NULL || leg->ask->criteria[ASK_TEXT] != NULL)
            ask_start(leg);
    }
    wait_for_legs(search);
    return error;
}

static void note_answer(struct sync_search *search, struct search_leg *leg)
{
    const struct search_ask *ask = leg->ask;
    if (leg->error != SYNC_OK) {
        search->unanswered = leg->error;
        return;
    }
    for (unsigned i = 0; i < ASKS; i++) {
        if (ask->criteria[i] == NULL || ask->answered[i])
            continue;
        search->unanswered = SYNC_ERR_REFUSED;
        snprintf(search->refusal, sizeof search->refusal, "%s", ask->refusal);
    }
}

static void note_answers(struct sync_search *search)
{
    for (size_t i = 0; i < search->leg_count; i++) {
        if (search->legs[i].ask != NULL)
            note_answer(search, &search->legs[i]);
    }
}

static void drop_asks(struct sync_search *search)
{
    pthread_mutex_lock(&search->sync->lock);
    for (size_t i = 0; i < search->leg_count; i++)
        ask_drop_locked(&search->legs[i].ask);
    pthread_mutex_unlock(&search->sync->lock);
}

/* ---- matches ---- */

static int newest_first(const void *a, const void *b)
{
    const struct search_match *x = a, *y = b;
    if (x->date != y->date)
        return x->date < y->date ? 1 : -1;
    return x->message < y->message ? 1 : x->message > y->message ? -1 : 0;
}

/* A body that comes after its list was made is none that the index was asked for. */
static enum sync_error list_bodies(struct sync_search *search)
{
    bool whole;
    enum sync_error error = match_bodies(search);
    return error == SYNC_OK ? narrow_texts(search, &whole) : error;
}

static enum sync_error match_all(struct sync_search *search)
{
    enum sync_error error = SYNC_OK;
    for (size_t i = 0; i < search->leg_count && error == SYNC_OK; i++) {
        if (!search->legs[i].dropped)
            error = match_rows(&search->legs[i]);
        if (search_cancelled(search))
            error = SYNC_ERR_STOPPING;
    }
    return error;
}

static enum sync_error match(struct sync_search *search)
{
    bool whole = false;
    enum sync_error error = narrow_envelopes(search);
    if (error == SYNC_OK && search->wants_text)
        error = narrow_texts(search, &whole);
    if (error == SYNC_OK && search->wants_text && !whole)
        error = list_bodies(search);
    if (error != SYNC_OK)
        return error;
    bool by_text = whole && (!search->named || search->likely_count < search->names_count);
    if (by_text)
        return match_listed(search, search->likely, search->likely_count, true);
    return search->named ? match_listed(search, search->names, search->names_count, whole)
                         : match_all(search);
}

static bool decide(struct sync_search *search, const struct search_match *match)
{
    enum search_answer answer = match_by_answer(search, match);
    if (answer == SEARCH_OPEN)
        answer = match_by_text(search, match);
    search->undecided += answer == SEARCH_OPEN;
    return answer == SEARCH_YES;
}

/* What is hidden here is on its way out. */
static bool is_shown(struct sync_search *search, const struct search_match *match,
                     struct cache_inode *inode)
{
    int64_t mailbox = search->legs[match->leg].mailbox;
    return cache_message_find(search->sync->cache, mailbox, match->uid, inode) == CACHE_OK &&
           !inode->hidden && inode->message == match->message;
}

static enum sync_error deliver(struct sync_search *search,
                               bool (*hit)(void *ctx, const struct cache_inode *inode), void *ctx,
                               struct sync_search_end *end)
{
    if (search->match_count > 0)
        qsort(search->matches, search->match_count, sizeof *search->matches, newest_first);
    for (size_t i = 0; i < search->match_count; i++) {
        const struct search_match *match = &search->matches[i];
        struct cache_inode inode;
        if (search_cancelled(search))
            return SYNC_ERR_STOPPING;
        if (!decide(search, match) || !is_shown(search, match, &inode))
            continue;
        end->found++;
        if (!hit(ctx, &inode))
            return SYNC_OK;
    }
    return SYNC_OK;
}

/* ---- the end ---- */

__attribute__((format(printf, 2, 3))) static void add_note(struct sync_search_end *end,
                                                           const char *format, ...)
{
    size_t len = strlen(end->note);
    va_list args;
    end->partial = true;
    if (len > 0 && len + 3 < sizeof end->note)
        len += (size_t)snprintf(end->note + len, sizeof end->note - len, "; ");
    va_start(args, format);
    vsnprintf(end->note + len, sizeof end->note - len, format, args);
    va_end(args);
}

static void conclude(struct sync_search *search, struct sync_search_end *end)
{
    if (search->unlisted > 0)
        add_note(end, "%u mailbox%s could not be listed", search->unlisted,
                 search->unlisted == 1 ? "" : "es");
    if (search->undecided > 0)
        add_note(end, "%llu message%s could not be decided without text that is not here",
                 (unsigned long long)search->undecided, search->undecided == 1 ? "" : "s");
    if (search->offline && (search->wants_sure || search->undecided > 0))
        add_note(end, "the server cannot be reached");
    else if (search->unanswered == SYNC_ERR_REFUSED && search->refusal[0] != '\0')
        add_note(end, "the server refused: %.150s", search->refusal);
    else if (search->unanswered != SYNC_OK)
        add_note(end, "the server did not answer");
}

enum sync_error sync_search_run(struct sync_search *search,
                                bool (*hit)(void *ctx, const struct cache_inode *inode), void *ctx,
                                struct sync_search_end *end)
{
    *end = (struct sync_search_end){0};
    enum sync_error error = search_scope(search, end->note);
    if (error == SYNC_OK)
        refresh(search);
    if (error == SYNC_OK)
        error = match(search);
    if (error == SYNC_OK)
        error = ask(search);
    if (error == SYNC_OK)
        note_answers(search);
    if (error == SYNC_OK)
        error = deliver(search, hit, ctx, end);
    drop_asks(search);
    if (error == SYNC_OK)
        conclude(search, end);
    if (error == SYNC_OK || error == SYNC_ERR_INVALID)
        search_note(search, end);
    return error;
}

bool sync_path(struct sync *sync, const struct cache_inode *inode, struct buffer *out)
{
    char *directory = status_path(sync, inode->mailbox);
    bool good = directory != NULL && buffer_append_text(out, directory) &&
                buffer_append_byte(out, '/') && buffer_append_text(out, inode->name);
    free(directory);
    return good;
}
