/* See body_source.h. */
#include "sync/body_source.h"

#include <stdlib.h>

enum { WHOLE_MAX = 1 << 20 }; /* bodies up to this are read at once */

static ssize_t read_body(void *ctx, uint64_t offset, void *data, size_t len)
{
    const struct body_source *body = ctx;
    size_t got = 0;
    enum cache_error error = cache_body_read(body->cache, body->message, offset, data, len, &got);
    return error == CACHE_OK ? (ssize_t)got : -1;
}

bool body_source_open(struct body_source *body, struct cache *cache, int64_t message, uint64_t size)
{
    *body = (struct body_source){
        .cache = cache,
        .message = message,
        .source = {.read = read_body, .ctx = body, .size = size}
    };
    if (size <= WHOLE_MAX)
        body->bytes = malloc((size_t)size + 1);
    if (body->bytes == NULL)
        return true;
    if (read_body(body, 0, body->bytes, (size_t)size) != (ssize_t)size)
        return false;
    message_source_bytes(&body->source, body->bytes, (size_t)size);
    return true;
}

void body_source_close(struct body_source *body)
{
    free(body->bytes);
    body->bytes = NULL;
}
