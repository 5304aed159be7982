/*
 * What a search decides here. A row has the three texts that a listing brings, flags, size and
 * date: what it says is final for texts, and for the rest wherever the server gives no answer (days
 * are UTC's then: the server's zone is not kept). Texts of messages are looked at one at a time,
 * in the order in which they are handed out.
 */
#include <stdlib.h>
#include <string.h>

#include "base/order.h"
#include "cache/text_index.h"
#include "imap/flags.h"
#include "message/examine.h"
#include "message/match.h"
#include "sync/body_source.h"
#include "sync/search_internal.h"

enum {
    ROWS_A_WINDOW = 1000,
    BODIES_A_WINDOW = 4096,
    DAY = 86400,
};

/* ---- whose bodies are here ---- */

enum sync_error match_bodies(struct sync_search *search)
{
    enum cache_error error = CACHE_OK;
    size_t room = 0, count = 1;
    int64_t after = 0;
    while (error == CACHE_OK && count > 0) {
        if (room - search->body_count < BODIES_A_WINDOW) {
            room = room * 2 + BODIES_A_WINDOW;
            int64_t *bodies = realloc(search->bodies, room * sizeof *bodies);
            if (bodies == NULL)
                return SYNC_ERR_MEMORY;
            search->bodies = bodies;
        }
        error = cache_body_messages(search->sync->cache, after, search->bodies + search->body_count,
                                    BODIES_A_WINDOW, &count);
        search->body_count += count;
        if (count > 0)
            after = search->bodies[search->body_count - 1];
    }
    return sync_error_of_cache(error);
}

static bool body_here(const struct sync_search *search, int64_t message)
{
    return search->body_count > 0 &&
           bsearch(&message, search->bodies, search->body_count, sizeof message, order_i64) != NULL;
}

/* ---- rows ---- */

struct rows_visit {
    struct sync_search *search;
    struct search_leg *leg; /* whose rows they are; NULL: of any */
    bool whole;             /* every message has its body here */
    enum sync_error error;
};

static bool has(const char *text, const char *needle)
{
    char *folded = message_fold(text, strlen(text));
    bool found = folded != NULL && message_folded_has(folded, needle);
    free(folded);
    return found;
}

static bool has_flag(const char *flags, const char *flag)
{
    return imap_flag_listed(flags, (struct imap_span){.data = flag, .len = strlen(flag)});
}

/* The day in UTC, as days since 1970. */
static int64_t day_of(int64_t seconds)
{
    return seconds >= 0 ? seconds / DAY : -((DAY - 1 - seconds) / DAY);
}

static bool row_meets(const struct cache_row *row, const struct message_query_term *term)
{
    switch (term->key) {
    case MESSAGE_QUERY_FROM:
        return has(row->from, term->folded);
    case MESSAGE_QUERY_TO:
        return has(row->to, term->folded);
    case MESSAGE_QUERY_SUBJECT:
        return has(row->subject, term->folded);
    case MESSAGE_QUERY_SINCE:
        return day_of(row->internaldate) >= term->number;
    case MESSAGE_QUERY_BEFORE:
        return day_of(row->internaldate) < term->number;
    case MESSAGE_QUERY_ON:
        return day_of(row->internaldate) == term->number;
    case MESSAGE_QUERY_LARGER:
        return row->size > (uint64_t)term->number;
    case MESSAGE_QUERY_SMALLER:
        return row->size < (uint64_t)term->number;
    case MESSAGE_QUERY_UNREAD:
        return !has_flag(row->flags, "\\Seen");
    case MESSAGE_QUERY_READ:
        return has_flag(row->flags, "\\Seen");
    case MESSAGE_QUERY_FLAGGED:
        return has_flag(row->flags, "\\Flagged");
    case MESSAGE_QUERY_ANSWERED:
        return has_flag(row->flags, "\\Answered");
    case MESSAGE_QUERY_DRAFT:
        return has_flag(row->flags, "\\Draft");
    default:
        return !term->negated; /* not the row's to say */
    }
}

static bool add_match(struct sync_search *search, const struct search_match *match)
{
    if (search->match_count == search->match_room) {
        size_t room = search->match_room * 2 + 256;
        struct search_match *matches = room <= 2 * SEARCH_MATCHES_MAX
                                           ? realloc(search->matches, room * sizeof *matches)
                                           : NULL;
        if (matches == NULL)
            return false;
        search->matches = matches;
        search->match_room = room;
    }
    search->matches[search->match_count++] = *match;
    return true;
}

/* Notes the message of this row, whose body is `here`, unless the row speaks against it. False
 * without memory. */
static bool consider(struct search_leg *leg, const struct cache_row *row, bool here)
{
    struct sync_search *search = leg->search;
    struct search_match match = {.date = row->internaldate,
                                 .message = row->id,
                                 .uid = row->uid,
                                 .leg = (uint32_t)(leg - search->legs),
                                 .sure = true,
                                 .here = here};
    for (size_t i = 0; i < search->query.count; i++) {
        const struct message_query_term *term = &search->query.terms[i];
        bool meets = row_meets(row, term) != term->negated;
        if (!meets && ask_is_row(term))
            return true;
        match.sure &= meets || !ask_is_sure(term);
    }
    leg->text_away |= search->wants_text && !match.here;
    leg->candidates++;
    return add_match(search, &match);
}

static bool visit_row_of(struct rows_visit *visit, struct search_leg *leg,
                         const struct cache_row *row)
{
    struct sync_search *search = visit->search;
    bool here = search->wants_text && (visit->whole || body_here(search, row->id));
    if (here && !narrow_leaves(search, row->id))
        return true;
    if (!consider(leg, row, here))
        visit->error = SYNC_ERR_MEMORY;
    return visit->error == SYNC_OK;
}

static bool visit_row(void *ctx, const struct cache_row *row)
{
    struct rows_visit *visit = ctx;
    return visit_row_of(visit, visit->leg, row);
}

enum sync_error match_rows(struct search_leg *leg)
{
    struct sync_search *search = leg->search;
    struct rows_visit visit = {.search = search, .leg = leg};
    enum cache_error error = CACHE_OK;
    uint32_t after = 0, last = 1;
    while (error == CACHE_OK && visit.error == SYNC_OK && last != 0 && !search_cancelled(search)) {
        error = cache_message_scan(search->sync->cache, leg->mailbox, after, ROWS_A_WINDOW,
                                   visit_row, &visit, &last);
        after = last;
    }
    return visit.error != SYNC_OK ? visit.error : sync_error_of_cache(error);
}

static int by_mailbox(const void *mailbox, const void *leg)
{
    int64_t x = *(const int64_t *)mailbox, y = ((const struct search_leg *)leg)->mailbox;
    return (x > y) - (x < y);
}

/* The legs stand in the order of their mailboxes. */
static bool visit_listed(void *ctx, const struct cache_row *row)
{
    struct rows_visit *visit = ctx;
    struct sync_search *search = visit->search;
    struct search_leg *leg = search->leg_count > 0
                                 ? bsearch(&row->mailbox, search->legs, search->leg_count,
                                           sizeof *search->legs, by_mailbox)
                                 : NULL;
    return leg == NULL || leg->dropped || visit_row_of(visit, leg, row);
}

enum sync_error match_listed(struct sync_search *search, const int64_t *messages, size_t count,
                             bool whole)
{
    struct rows_visit visit = {.search = search, .whole = whole};
    enum cache_error error = CACHE_OK;
    for (size_t at = 0; at < count && error == CACHE_OK; at += ROWS_A_WINDOW) {
        size_t left = count - at;
        if (search_cancelled(search))
            return SYNC_ERR_STOPPING;
        error =
            cache_message_rows(search->sync->cache, messages + at,
                               left < ROWS_A_WINDOW ? left : ROWS_A_WINDOW, visit_listed, &visit);
        if (visit.error != SYNC_OK)
            return visit.error;
    }
    return sync_error_of_cache(error);
}

/* ---- answers ---- */

/* Whether the server answered `which`. */
static bool answered(const struct search_leg *leg, unsigned which)
{
    return leg->ask != NULL && leg->error == SYNC_OK && leg->ask->answered[which];
}

enum search_answer match_by_answer(struct sync_search *search, const struct search_match *match)
{
    const struct search_leg *leg = &search->legs[match->leg];
    bool sure = answered(leg, ASK_SURE) ? ask_has(leg->ask, ASK_SURE, match->uid) : match->sure;
    if (search->wants_sure && !sure)
        return SEARCH_NO;
    if (!search->wants_text)
        return SEARCH_YES;
    if (match->here)
        return SEARCH_OPEN;
    /* The server has the word: no more than it says can match, where it was asked at all. */
    if (!answered(leg, ASK_TEXT))
        return SEARCH_OPEN;
    if (!ask_has(leg->ask, ASK_TEXT, match->uid))
        return SEARCH_NO;
    return search->wants_here ? SEARCH_OPEN : SEARCH_YES;
}

/* ---- the message itself ---- */

/* The body is pinned. */
static enum message_result examine(struct sync_search *search, int64_t message, uint64_t size,
                                   bool *met)
{
    struct body_source body;
    enum message_result result = MESSAGE_UNREADABLE;
    if (body_source_open(&body, search->sync->cache, message, size))
        result = message_examine(&search->query, &body.source, met);
    body_source_close(&body);
    search->looked++;
    return result;
}

/* One that was evicted meanwhile is as one that was never here. */
enum search_answer match_by_text(struct sync_search *search, const struct search_match *match)
{
    struct cache *cache = search->sync->cache;
    uint64_t size = 0;
    bool met = false;
    if (!match->here || cache_body_pin(cache, match->message, &size) != CACHE_OK)
        return SEARCH_OPEN;
    enum message_result result = examine(search, match->message, size, &met);
    cache_body_unpin(cache, match->message);
    return result != MESSAGE_OK ? SEARCH_OPEN : met ? SEARCH_YES : SEARCH_NO;
}
