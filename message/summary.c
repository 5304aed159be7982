/*
 * See summary.h. A listing needs five fields of each message, a hundred thousand times: the header
 * block is cut into fields here (message/header.c) and only those five are decoded
 * (message/text.c), which keeps a summary at a few microseconds.
 *
 * Memory: GLib ends the process when it has none, the buffers of the fields report it. Strings are
 * GLib's; message_summary_free is the one way to free them.
 */
#include "message/summary.h"

#include <glib.h>
#include <libxml/parser.h>

#include "message/header.h"
#include "message/text.h"

enum { FIELD_DATE, FIELD_FROM, FIELD_TO, FIELD_SUBJECT, FIELD_MESSAGE_ID, FIELD_COUNT };

void message_init(void)
{
    message_text_init();
    xmlInitParser();
}

bool message_summary_parse(const char *header, size_t len, struct message_summary *summary)
{
    struct message_header_field fields[FIELD_COUNT] = {
        [FIELD_DATE] = {.name = "Date"},
        [FIELD_FROM] = {.name = "From"},
        [FIELD_TO] = {.name = "To"},
        [FIELD_SUBJECT] = {.name = "Subject"},
        [FIELD_MESSAGE_ID] = {.name = "Message-ID"},
    };
    *summary = (struct message_summary){0};
    bool collected = message_header_collect(header, len, fields, FIELD_COUNT);
    if (collected) {
        summary->from_name = message_text_mailbox(fields[FIELD_FROM].raw.data);
        summary->from = message_text_decode(fields[FIELD_FROM].raw.data);
        summary->to = message_text_decode(fields[FIELD_TO].raw.data);
        summary->subject = message_text_decode(fields[FIELD_SUBJECT].raw.data);
        summary->date = message_text_decode(fields[FIELD_DATE].raw.data);
        summary->message_id = message_text_clean(fields[FIELD_MESSAGE_ID].raw.data);
    }
    message_header_free(fields, FIELD_COUNT);
    return collected;
}

void message_summary_free(struct message_summary *summary)
{
    g_free(summary->from_name);
    g_free(summary->from);
    g_free(summary->to);
    g_free(summary->subject);
    g_free(summary->date);
    g_free(summary->message_id);
    *summary = (struct message_summary){0};
}
