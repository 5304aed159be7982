/*
 * Decides what a query asks of a message itself: its text as a person reads it (text_view.h), the
 * fields of its header, its attachments. What the listing or the server knows (sender, dates,
 * flags) is not looked at. Any thread, after message_init.
 */
#ifndef OUTLOOKFS_MESSAGE_EXAMINE_H
#define OUTLOOKFS_MESSAGE_EXAMINE_H

#include "message/query.h"
#include "message/stream.h"

/*
 * Whether the message that `source` holds meets every term of `query` about cc, header, body, text
 * and attachment. `text:` looks at the whole view, fields included, `body:` below its first empty
 * line. *met is false unless MESSAGE_OK is returned. Reads no more than it takes to decide; memory
 * does not grow with the message.
 */
enum message_result message_examine(const struct message_query *query,
                                    const struct message_source *source, bool *met)
    __attribute__((warn_unused_result));

#endif
