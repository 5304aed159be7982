/*
 * A byte buffer that grows up to a ceiling given at its birth.
 *
 * Every buffer that holds bytes from the network or from a message is one of these, so that no
 * peer can make it grow without bound. A buffer belongs to one thread at a time. `data` is always
 * NUL-terminated once anything was appended, which is a convenience for text, never a length.
 */
#ifndef OUTLOOKFS_BASE_BUFFER_H
#define OUTLOOKFS_BASE_BUFFER_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct buffer {
    char *data; /* NULL until the first append */
    size_t len; /* bytes in use, without the NUL */
    size_t cap; /* bytes allocated */
    size_t max; /* len never passes this */
};

/* Makes an empty buffer that holds at most `max` bytes. Allocates nothing. */
void buffer_init(struct buffer *b, size_t max);

/* Frees the bytes; the buffer is empty and usable again, with the same ceiling. */
void buffer_free(struct buffer *b);

/* As buffer_free, after overwriting the bytes: for tokens and passwords. */
void buffer_wipe(struct buffer *b);

/* Forgets the content, keeps the memory. */
void buffer_clear(struct buffer *b);

/* Appends; false, with the buffer unchanged, when the ceiling or memory does not allow it. */
bool buffer_append(struct buffer *b, const void *data, size_t len)
    __attribute__((warn_unused_result));
bool buffer_append_text(struct buffer *b, const char *text) __attribute__((warn_unused_result));
bool buffer_append_byte(struct buffer *b, char byte) __attribute__((warn_unused_result));
bool buffer_printf(struct buffer *b, const char *format, ...)
    __attribute__((format(printf, 2, 3), warn_unused_result));

/* Makes room for `len` more bytes and returns where they go, or NULL; buffer_commit says how many
 * were put there. */
char *buffer_reserve(struct buffer *b, size_t len);
void buffer_commit(struct buffer *b, size_t len);

/* Removes the first `len` bytes (len <= b->len). */
void buffer_consume(struct buffer *b, size_t len);

#endif
