/*
 * HTML as text that a person can read: without markup, scripts and styles; paragraphs, lists,
 * tables, quotations and where links lead. Any thread, after message_init. Internal to message/.
 */
#ifndef OUTLOOKFS_MESSAGE_HTML_H
#define OUTLOOKFS_MESSAGE_HTML_H

#include "message/stream.h"

enum { HTML_MAX = 8 * 1024 * 1024 }; /* bytes of one part that are read */

/* Writes `html` (UTF-8 without controls: charset.h) as text to `sink`: whole lines, LF, never two
 * empty ones in a row outside of <pre>. Whatever the markup is, something comes out. `whole` is
 * false where the part goes on behind `html`: the text says so at its end. `html` is changed in
 * place. */
enum message_result html_to_text(char *html, size_t len, bool whole,
                                 const struct message_sink *sink)
    __attribute__((warn_unused_result));

/* The charset that the document itself names in a <meta>, in its first bytes; or NULL. g_free. */
char *html_charset(const char *html, size_t len);

#endif
