/*
 * What the cache's index spares a search. Only terms that must be met narrow; what is left is
 * looked at all the same, so that matches are substrings of the right part.
 *
 * `from:`, `to:` and `subject:` narrow to rows (cache/envelope_index.h), whatever else is asked.
 * `text:` and `body:` narrow to texts (cache/text_index.h): where every message has its body here
 * nothing else is to be gone over, and a search costs what its candidates cost; otherwise the rows
 * are gone over, for what is not here is the server's.
 */
#include <stdlib.h>

#include "base/order.h"
#include "cache/envelope_index.h"
#include "cache/text_index.h"
#include "sync/search_internal.h"

static size_t gather_needles(const struct message_query *query,
                             bool (*is_of)(const struct message_query_term *),
                             const char *needles[MESSAGE_QUERY_TERMS])
{
    size_t count = 0;
    for (size_t i = 0; i < query->count; i++) {
        const struct message_query_term *term = &query->terms[i];
        if (!term->negated && is_of(term))
            needles[count++] = term->folded;
    }
    return count;
}

static bool is_of_text(const struct message_query_term *term)
{
    return term->key == MESSAGE_QUERY_TEXT || term->key == MESSAGE_QUERY_BODY;
}

static bool is_of_envelope(const struct message_query_term *term)
{
    return term->key == MESSAGE_QUERY_FROM || term->key == MESSAGE_QUERY_TO ||
           term->key == MESSAGE_QUERY_SUBJECT;
}

enum sync_error narrow_envelopes(struct sync_search *search)
{
    const char *needles[MESSAGE_QUERY_TERMS];
    size_t count = gather_needles(&search->query, is_of_envelope, needles);
    if (count == 0)
        return SYNC_OK;
    enum cache_error error = envelope_index_ask(search->sync->cache, needles, count, &search->names,
                                                &search->names_count);
    search->named = error == CACHE_OK;
    return error == CACHE_ERR_MEMORY ? SYNC_ERR_MEMORY : SYNC_OK;
}

enum sync_error narrow_texts(struct sync_search *search, bool *whole)
{
    const char *needles[MESSAGE_QUERY_TERMS];
    size_t count = gather_needles(&search->query, is_of_text, needles);
    *whole = false;
    if (count == 0)
        return SYNC_OK;
    free(search->likely);
    enum cache_error error = text_index_ask(search->sync->cache, needles, count, &search->likely,
                                            &search->likely_count, whole);
    search->narrowed = error == CACHE_OK;
    return error == CACHE_ERR_MEMORY ? SYNC_ERR_MEMORY : SYNC_OK;
}

bool narrow_leaves(const struct sync_search *search, int64_t message)
{
    return !search->narrowed ||
           (search->likely_count > 0 && bsearch(&message, search->likely, search->likely_count,
                                                sizeof message, order_i64) != NULL);
}
