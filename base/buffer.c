/* See buffer.h. Growth doubles, from 256 bytes, and stops at the ceiling. */
#include "base/buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUFFER_FIRST = 256 };

void buffer_init(struct buffer *b, size_t max)
{
    *b = (struct buffer){.max = max};
}

void buffer_free(struct buffer *b)
{
    size_t max = b->max;
    free(b->data);
    buffer_init(b, max);
}

void buffer_wipe(struct buffer *b)
{
    if (b->data != NULL)
        explicit_bzero(b->data, b->cap);
    buffer_free(b);
}

void buffer_clear(struct buffer *b)
{
    b->len = 0;
    if (b->data != NULL)
        b->data[0] = '\0';
}

/* The capacity that holds `need` bytes and the NUL. */
static size_t grown_capacity(const struct buffer *b, size_t need)
{
    size_t cap = b->cap != 0 ? b->cap : BUFFER_FIRST;
    while (cap < need + 1)
        cap = cap > b->max / 2 ? b->max + 1 : cap * 2;
    return cap;
}

char *buffer_reserve(struct buffer *b, size_t len)
{
    if (len > b->max || b->len > b->max - len)
        return NULL;
    size_t need = b->len + len;
    if (b->data == NULL || need + 1 > b->cap) {
        size_t cap = grown_capacity(b, need);
        char *data = realloc(b->data, cap);
        if (data == NULL)
            return NULL;
        b->data = data;
        b->cap = cap;
    }
    return b->data + b->len;
}

void buffer_commit(struct buffer *b, size_t len)
{
    b->len += len;
    b->data[b->len] = '\0';
}

bool buffer_append(struct buffer *b, const void *data, size_t len)
{
    char *to = buffer_reserve(b, len);
    if (to == NULL)
        return false;
    if (len > 0)
        memcpy(to, data, len);
    buffer_commit(b, len);
    return true;
}

bool buffer_append_text(struct buffer *b, const char *text)
{
    return buffer_append(b, text, strlen(text));
}

bool buffer_append_byte(struct buffer *b, char byte)
{
    return buffer_append(b, &byte, 1);
}

bool buffer_printf(struct buffer *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *to = len < 0 ? NULL : buffer_reserve(b, (size_t)len);
    if (to == NULL)
        return false;
    va_start(args, format);
    vsnprintf(to, (size_t)len + 1, format, args);
    va_end(args);
    buffer_commit(b, (size_t)len);
    return true;
}

void buffer_consume(struct buffer *b, size_t len)
{
    if (len == 0)
        return;
    memmove(b->data, b->data + len, b->len - len);
    b->len -= len;
    b->data[b->len] = '\0';
}
