/*
 * A query up to the first newline, then a message: examining never fails on content, and a query
 * of one term about the message and the same term negated never both hold, nor neither.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "message/examine.h"
#include "message/summary.h"
#include "tests/fuzz/fuzz.h"

static bool examine(const struct message_query *query, const char *message, size_t len)
{
    struct message_source source;
    bool met = false;
    message_source_bytes(&source, message, len);
    if (message_examine(query, &source, &met) != MESSAGE_OK)
        abort();
    return met;
}

static bool about_message(const struct message_query_term *term)
{
    return term->key == MESSAGE_QUERY_CC || term->key == MESSAGE_QUERY_BODY ||
           term->key == MESSAGE_QUERY_TEXT || term->key == MESSAGE_QUERY_HEADER ||
           term->key == MESSAGE_QUERY_ATTACHMENT;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool ready;
    struct message_query query;
    char why[MESSAGE_QUERY_WHY];
    if (!ready)
        message_init();
    ready = true;
    const char *text = (const char *)data;
    const char *end = size > 0 ? memchr(text, '\n', size) : NULL;
    if (end == NULL || !message_query_parse(text, (size_t)(end - text), &query, why))
        return 0;
    size_t len = size - (size_t)(end + 1 - text);
    bool met = examine(&query, end + 1, len);
    if (query.count == 1 && about_message(&query.terms[0])) {
        query.terms[0].negated = !query.terms[0].negated;
        if (examine(&query, end + 1, len) == met)
            abort();
    }
    message_query_free(&query);
    return 0;
}
