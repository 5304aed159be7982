/*
 * What comes back through the browser, any bytes at all, as the query of a redirect. The same is
 * done for each parameter that is looked for. An answer counts only with the state, once; a code
 * has no NUL; and a form that is made of a value is read as that value again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "auth/answer.h"
#include "auth/exchange.h"
#include "auth/form.h"
#include "auth/listener.h"
#include "tests/fuzz/fuzz.h"

/* Reads what auth_form_add makes of a value. */
static void try_again(const struct buffer *value)
{
    struct buffer form, again;
    buffer_init(&form, AUTH_FORM_MAX);
    buffer_init(&again, AUTH_FORM_MAX);
    check(auth_form_add(&form, "code", value->data));
    check(auth_form_find(form.data, form.len, "code", &again));
    check(again.len == value->len && memcmp(again.data, value->data, value->len) == 0);
    buffer_free(&form);
    buffer_free(&again);
}

static void try_find(const char *query, size_t len, const char *name)
{
    struct buffer value;
    buffer_init(&value, AUTH_CODE_MAX);
    if (auth_form_find(query, len, name, &value) && value.len > 0) {
        check(value.len <= len && strlen(value.data) == value.len);
        try_again(&value);
    }
    buffer_wipe(&value);
}

static void try_returned(const char *query, size_t len, const char *state)
{
    char text[AUTH_TEXT_MAX];
    struct auth_returned returned = {0};
    struct buffer found;
    buffer_init(&returned.code, AUTH_CODE_MAX);
    buffer_init(&found, AUTH_CODE_MAX);
    if (auth_returned_read(query, len, state, &returned)) {
        check(state == NULL || (auth_form_find(query, len, "state", &found) &&
                                found.len == strlen(state) && strcmp(found.data, state) == 0));
        check((returned.error[0] != '\0') != (returned.code.len > 0));
        check(returned.number >= 0);
        auth_answer_explain(returned.error, returned.number, "jane@example.org", text);
        check(strlen(text) < AUTH_TEXT_MAX && strpbrk(text, "\n\x1b") == NULL);
    }
    buffer_wipe(&returned.code);
    buffer_free(&found);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 65536)
        return 0;
    char *query = malloc(size + 1); /* of exactly that size, so that a byte too far is seen */
    check(query != NULL);
    memcpy(query, data, size);
    query[size] = ' '; /* as in a request line */
    try_find(query, size, "code");
    try_find(query, size, "state");
    try_find(query, size, "error");
    try_returned(query, size, "S");
    try_returned(query, size, NULL);
    free(query);
    return 0;
}
