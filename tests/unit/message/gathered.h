/*
 * What message/ gives to a sink, gathered; and the text view of a message that stands in memory.
 */
#ifndef OUTLOOKFS_TESTS_UNIT_MESSAGE_GATHERED_H
#define OUTLOOKFS_TESTS_UNIT_MESSAGE_GATHERED_H

#include <glib.h>

#include "message/text_view.h"

static bool gathered_write(void *ctx, const char *data, size_t len)
{
    g_string_append_len(ctx, data, (gssize)len);
    return true;
}

/* The view of the message; g_free. */
static inline char *gathered_view(const char *message, size_t len)
{
    struct message_source source;
    GString *text = g_string_new(NULL);
    const struct message_sink sink = {gathered_write, text};
    message_source_bytes(&source, message, len);
    if (message_text_view(&source, &sink) != MESSAGE_OK)
        g_string_assign(text, "(no view)");
    return g_string_free(text, FALSE);
}

#endif
