/*
 * Forms and queries as OAuth writes them (application/x-www-form-urlencoded, RFC 6749 appendix B):
 * made for the sign-in server, read from what a browser brings back. Pure; any thread. Internal to
 * auth/.
 */
#ifndef OUTLOOKFS_AUTH_FORM_H
#define OUTLOOKFS_AUTH_FORM_H

#include "base/buffer.h"

/* Room for a form that carries one token of the greatest length, percent-encoded. */
enum { AUTH_FORM_MAX = 256 * 1024 };

/* Makes an empty form, with room for all of it at once: growing would leave copies of a token in
 * memory that was freed. The caller wipes it. */
void auth_form_init(struct buffer *form);

/* Appends NAME=VALUE, after a '&' where something stands there that does not end in '?'. */
bool auth_form_add(struct buffer *form, const char *name, const char *value)
    __attribute__((warn_unused_result));

/*
 * Looks for `name` among the pairs of `query` (`len` bytes) and writes its value, decoded, to
 * `value`, which is emptied first. False when it is not there, comes twice, is not well encoded,
 * holds a NUL, or does not fit. The value may hold any other byte.
 */
bool auth_form_find(const char *query, size_t len, const char *name, struct buffer *value);

#endif
