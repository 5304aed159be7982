/* The answer of an authorization endpoint, as it stands in the query of the redirect (RFC 6749
 * section 4.1.2). See listener.h. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "auth/answer.h"
#include "auth/form.h"
#include "auth/listener.h"

enum { DESCRIPTION_MAX = 4096 };

/* Compared without telling by time how much of it was right. */
static bool same(const struct buffer *value, const char *state)
{
    size_t len = strlen(state);
    return value->len == len && CRYPTO_memcmp(value->data, state, len) == 0;
}

bool auth_returned_read(const char *query, size_t len, const char *state,
                        struct auth_returned *returned)
{
    struct buffer value;
    buffer_init(&value, DESCRIPTION_MAX);
    returned->error[0] = '\0';
    returned->number = 0;
    buffer_clear(&returned->code);
    bool good =
        state == NULL || (auth_form_find(query, len, "state", &value) && same(&value, state));
    if (good && auth_form_find(query, len, "error", &value)) {
        snprintf(returned->error, sizeof returned->error, "%s",
                 value.len > 0 ? value.data : "an unknown error");
        if (auth_form_find(query, len, "error_description", &value) && value.len > 0)
            returned->number = auth_answer_code(value.data);
    } else {
        good =
            good && auth_form_find(query, len, "code", &returned->code) && returned->code.len > 0;
    }
    buffer_wipe(&value);
    return good;
}
