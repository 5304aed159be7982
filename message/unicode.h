/*
 * The few questions that names and summaries ask of Unicode, answered by GLib's tables: never by
 * the locale. Text here is UTF-8; a length is bytes. What is allocated is freed with g_free. Any
 * thread. Internal to message/.
 */
#ifndef OUTLOOKFS_MESSAGE_UNICODE_H
#define OUTLOOKFS_MESSAGE_UNICODE_H

#include <stdbool.h>
#include <stddef.h>

#include <glib.h>

/* `len` arbitrary bytes as valid UTF-8 in NFC, NUL-terminated and without a NUL inside: each bad
 * byte is U+FFFD. Normalising may take time quadratic in a run of combining marks, so callers bound
 * `len` first (unicode_prefix). */
char *unicode_normalize(const char *bytes, size_t len);

/* The longest beginning of at most `max` bytes that does not end inside a UTF-8 sequence. The bytes
 * may be no UTF-8 at all; then up to 3 bytes more are left out. */
size_t unicode_prefix(const char *bytes, size_t len, size_t max);

/* Where to cut valid UTF-8 of `len` bytes so that at most `max` remain: before a character and, as
 * far as 32 bytes allow, not between a character and the marks that combine with it. */
size_t unicode_cut(const char *text, size_t len, size_t max);

/* General categories L* and Nd, without the letters that show nothing (Hangul fillers). */
bool unicode_is_word(gunichar c);

/* General category M*, without those that show nothing (grapheme joiner, variation selectors). */
bool unicode_is_mark(gunichar c);

/* Category Cc: C0, DEL and C1. */
bool unicode_is_control(gunichar c);

/* What a reader cannot see and a terminal may act on: category Cf (bidi controls, zero-width
 * characters, tags), line and paragraph separators, and the Hangul fillers. */
bool unicode_is_hidden(gunichar c);

#endif
