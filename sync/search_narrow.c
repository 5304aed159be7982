/*
 * What the index of texts spares a search (cache/text_index.h): only terms that a text must meet
 * narrow, `text:` and `body:`, whose words stand in the text that was indexed. What is left is
 * looked into all the same, so that matches are substrings of the right part.
 *
 * Where every message has its body here nothing else is to be gone over, and a search costs what
 * its candidates cost; otherwise the rows are gone over, for what is not here is the server's.
 */
#include <stdlib.h>

#include "base/order.h"
#include "cache/text_index.h"
#include "sync/search_internal.h"

static size_t gather_needles(const struct message_query *query,
                             const char *needles[MESSAGE_QUERY_TERMS])
{
    size_t count = 0;
    for (size_t i = 0; i < query->count; i++) {
        const struct message_query_term *term = &query->terms[i];
        bool text = term->key == MESSAGE_QUERY_TEXT || term->key == MESSAGE_QUERY_BODY;
        if (text && !term->negated)
            needles[count++] = term->folded;
    }
    return count;
}

enum sync_error narrow(struct sync_search *search, bool *whole)
{
    const char *needles[MESSAGE_QUERY_TERMS];
    size_t count = gather_needles(&search->query, needles);
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
