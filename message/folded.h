/*
 * The text view of a message in the form in which searches compare it (match.h), in one piece: what
 * an index of texts is made of. Whatever message_examine finds with `text:` or `body:` stands in
 * it. Any thread, after message_init.
 */
#ifndef OUTLOOKFS_MESSAGE_FOLDED_H
#define OUTLOOKFS_MESSAGE_FOLDED_H

#include "base/buffer.h"
#include "message/stream.h"

/* Appends it to `folded`. MESSAGE_STOPPED: there is more of it than the buffer takes; otherwise as
 * message_text_view. */
enum message_result message_folded_view(const struct message_source *source, struct buffer *folded)
    __attribute__((warn_unused_result));

/* A number that changes where the same message may give another text: with MESSAGE_TEXT_VERSION,
 * and with the tables of Unicode. */
uint32_t message_folded_version(void);

#endif
