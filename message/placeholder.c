/*
 * See summary.h. Outlook.com answers BODY[] of a message that it cannot render with a message of
 * its own making, whose subject is a fixed text and a number (OUTLOOK.md section 3). Taken for the
 * message it would stand in the cache for good.
 *
 * The listing's subject tells the two apart: a message that really bears this subject (somebody
 * forwarded the notice, or stored it long ago) has it in the listing too, and is itself.
 */
#include "message/summary.h"

#include <string.h>

#include <glib.h>

#include "message/header.h"
#include "message/text.h"

static const char notice[] =
    "Retrieval using the IMAP4 protocol failed for the following message: ";

static bool is_notice(const char *subject)
{
    if (!g_str_has_prefix(subject, notice))
        return false;
    const char *number = subject + strlen(notice);
    return number[0] != '\0' && number[strspn(number, "0123456789")] == '\0';
}

bool message_is_placeholder(const char *head, size_t len, const char *listed)
{
    struct message_header_field field = {.name = "Subject"};
    bool placeholder = false;
    if (message_header_collect(head, len, &field, 1)) {
        char *subject = message_text_decode(field.raw.data);
        placeholder = is_notice(subject) && strcmp(subject, listed) != 0;
        g_free(subject);
    }
    message_header_free(&field, 1);
    return placeholder;
}
