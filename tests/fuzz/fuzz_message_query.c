/*
 * Any bytes as a query: it is refused with a reason, or it has bounded terms of the promised form,
 * and the form in which it is printed parses to the same.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "message/query.h"
#include "tests/fuzz/fuzz.h"

static void check_terms(const struct message_query *query)
{
    check(query->count > 0 && query->count <= MESSAGE_QUERY_TERMS);
    for (size_t i = 0; i < query->count; i++) {
        const struct message_query_term *term = &query->terms[i];
        int year, month, day;
        check(term->key < MESSAGE_QUERY_KEYS);
        check(term->value == NULL || g_utf8_validate(term->value, -1, NULL));
        check((term->name != NULL) == (term->key == MESSAGE_QUERY_HEADER));
        if (term->key < MESSAGE_QUERY_SINCE || term->key > MESSAGE_QUERY_ON)
            continue;
        message_query_date(term->number, &year, &month, &day);
        check(year >= 1900 && year <= 9999);
        check(month >= 1 && month <= 12 && day >= 1 && day <= 31);
    }
}

/* Normalising and quoting may make it longer than a query may be. */
static void check_again(const struct buffer *form)
{
    struct message_query query;
    char why[MESSAGE_QUERY_WHY];
    struct buffer again;
    if (form->len > MESSAGE_QUERY_MAX)
        return;
    buffer_init(&again, (size_t)16 * MESSAGE_QUERY_MAX);
    check(message_query_parse(form->data, form->len, &query, why));
    check(message_query_print(&query, &again));
    check(strcmp(form->data, again.data) == 0);
    message_query_free(&query);
    buffer_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct message_query query;
    char why[MESSAGE_QUERY_WHY] = "";
    struct buffer form;
    if (!message_query_parse((const char *)data, size, &query, why)) {
        check(why[0] != '\0' && memchr(why, '\0', sizeof why) != NULL && query.count == 0);
        return 0;
    }
    buffer_init(&form, (size_t)16 * MESSAGE_QUERY_MAX);
    check_terms(&query);
    check(message_query_print(&query, &form));
    check_again(&form);
    message_query_free(&query);
    buffer_free(&form);
    return 0;
}
