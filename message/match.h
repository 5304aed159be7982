/*
 * Whether a text has another in it, as a search means it: whatever the case of the letters, and
 * with any run of white space (a folded line, a wrapped one) counting as one space. Both are
 * folded first. Pure functions, any thread, after message_init.
 */
#ifndef OUTLOOKFS_MESSAGE_MATCH_H
#define OUTLOOKFS_MESSAGE_MATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

/* The form in which texts are compared: valid UTF-8, case-folded; malloc, NULL without memory.
 * Bytes that are no UTF-8 are U+FFFD. Normal forms stay: what message/ decodes is NFC. */
char *message_fold(const char *text, size_t len);

/* Folds `text`, whole characters, and puts it behind what `folded` has already: folding a text
 * piece by piece gives the same as folding it whole. False without memory or room. */
bool message_fold_append(struct buffer *folded, const char *text, size_t len)
    __attribute__((warn_unused_result));

/* Whether `folded` has `needle`, both from message_fold. An empty one is in every text. */
bool message_folded_has(const char *folded, const char *needle);

/* Whether some field called `name` of a header block has `needle` in its decoded text. Without
 * memory it has not. */
bool message_header_has(const char *header, size_t len, const char *name, const char *needle);

#endif
