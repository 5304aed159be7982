/* See blocks.h. */
#include "message/blocks.h"

void blocks_begin(struct blocks *blocks, bool (*take)(void *ctx, const char *text, size_t len),
                  void *ctx)
{
    *blocks = (struct blocks){.take = take, .ctx = ctx};
    buffer_init(&blocks->raw, BLOCKS_SIZE);
}

bool blocks_end(struct blocks *blocks)
{
    bool good =
        blocks->raw.len == 0 || blocks->take(blocks->ctx, blocks->raw.data, blocks->raw.len);
    buffer_clear(&blocks->raw);
    return good;
}

bool blocks_write(void *ctx, const char *text, size_t len)
{
    struct blocks *blocks = ctx;
    bool good = true;
    while (len > 0 && good) {
        size_t room = BLOCKS_SIZE - blocks->raw.len, part = len;
        if (part > room) /* whole characters */
            for (part = room; part > 0 && ((unsigned char)text[part] & 0xC0) == 0x80;)
                part--;
        if (part == 0 && blocks->raw.len == 0) {
            blocks->failed = true; /* that many bytes that begin no character */
            return false;
        }
        good = buffer_append(&blocks->raw, text, part);
        blocks->failed |= !good;
        text += part;
        len -= part;
        if (len > 0 && good)
            good = blocks_end(blocks);
    }
    return good;
}

void blocks_free(struct blocks *blocks)
{
    buffer_free(&blocks->raw);
}
