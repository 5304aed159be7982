/* See rendered.h. */
#include "sync/rendered.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

struct rendered *rendered_new(enum rendered_kind kind, int64_t message, uint32_t index)
{
    struct rendered *rendered = calloc(1, sizeof *rendered);
    if (rendered == NULL)
        return NULL;
    atomic_init(&rendered->references, 1);
    rendered->kind = kind;
    rendered->message = message;
    rendered->index = index;
    rendered->fd = -1;
    buffer_init(&rendered->bytes, RENDERED_MEMORY_MAX);
    return rendered;
}

struct rendered *rendered_take(struct rendered *rendered)
{
    atomic_fetch_add(&rendered->references, 1);
    return rendered;
}

void rendered_drop(struct rendered **place)
{
    struct rendered *rendered = *place;
    *place = NULL;
    if (rendered == NULL || atomic_fetch_sub(&rendered->references, 1) != 1)
        return;
    if (rendered->fd >= 0)
        close(rendered->fd);
    message_parts_free(&rendered->parts);
    buffer_free(&rendered->bytes);
    free(rendered);
}

/* A file without a name, also where the file system makes none. */
static int open_nameless(const char *directory)
{
    char path[4096];
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
        return fd;
    if (snprintf(path, sizeof path, "%s/render-XXXXXX", directory) >= (int)sizeof path)
        return -1;
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    return fd;
}

bool rendered_write(struct rendered *rendered, const char *directory, const char *data, size_t len)
{
    struct buffer *bytes = &rendered->bytes;
    rendered->size += len;
    if (rendered->fd < 0 && bytes->max - bytes->len >= len)
        return buffer_append(bytes, data, len);
    if (rendered->fd < 0) {
        rendered->fd = open_nameless(directory);
        if (rendered->fd < 0 || !file_write_all(rendered->fd, bytes->data, bytes->len))
            return false;
        buffer_free(bytes);
    }
    return file_write_all(rendered->fd, data, len);
}

ssize_t rendered_read(const struct rendered *rendered, uint64_t offset, void *data, size_t len)
{
    if (offset >= rendered->size)
        return 0;
    if (len > rendered->size - offset)
        len = (size_t)(rendered->size - offset);
    if (rendered->fd < 0) {
        memcpy(data, rendered->bytes.data + offset, len);
        return (ssize_t)len;
    }
    for (size_t got = 0; got < len;) {
        ssize_t more = pread(rendered->fd, (char *)data + got, len - got, (off_t)(offset + got));
        if (more < 0 && errno == EINTR)
            continue;
        if (more <= 0)
            return -1;
        got += (size_t)more;
    }
    return (ssize_t)len;
}
