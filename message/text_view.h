/*
 * A message as a person reads it: the fields From, To, Cc, Date and Subject decoded, an empty line,
 * then its text; at the end the attachments by name, type and size. UTF-8 with LF, no control
 * characters but tab and LF, invalid bytes as U+FFFD: safe to print.
 *
 *     From: Jane Doe <jane@example.org>
 *     Subject: Quarterly report
 *
 *     Dear all, ...
 *
 *     Attachments:
 *     - report.pdf (application/pdf, 48213 bytes)
 *
 * Which text: of a multipart/alternative the text/plain part where one has text, else HTML as
 * readable text (message/html.h); of other multiparts every part that is text and no attachment; of
 * a message in the message its fields and text, after a line that says so. Fields that are absent
 * are left out. Base64, quoted-printable, uuencode and charsets are undone; text/plain is as the
 * sender wrote it, not wrapped anew.
 *
 * A malformed message gives what can be read of it. The same bytes give the same text, whatever the
 * machine or locale, as far as iconv agrees. Memory is bounded (message/mime.h, message/html.h);
 * the text is at most a few times as long as the message. Any thread, after message_init.
 */
#ifndef OUTLOOKFS_MESSAGE_TEXT_VIEW_H
#define OUTLOOKFS_MESSAGE_TEXT_VIEW_H

#include "message/stream.h"

/* Raise it when the view of the same message changes: views that were kept are made again. */
enum { MESSAGE_TEXT_VERSION = 2 };

/* Writes the view of the message that `source` holds to `sink`, in pieces of whole characters.
 * Returns MESSAGE_OK, or why it broke off: what was written then is not the whole. */
enum message_result message_text_view(const struct message_source *source,
                                      const struct message_sink *sink)
    __attribute__((warn_unused_result));

/* The line that stands before a message in the message, and before the attachments. */
#define MESSAGE_TEXT_NESTED      "---------- Attached message ----------\n"
#define MESSAGE_TEXT_ATTACHMENTS "Attachments:\n"

#endif
