/* See folded.h. */
#include "message/folded.h"

#include <glib.h>

#include "message/blocks.h"
#include "message/match.h"
#include "message/text_view.h"

static bool take(void *folded, const char *text, size_t len)
{
    return message_fold_append(folded, text, len);
}

enum message_result message_folded_view(const struct message_source *source, struct buffer *folded)
{
    struct blocks blocks;
    blocks_begin(&blocks, take, folded);
    const struct message_sink sink = {.write = blocks_write, .ctx = &blocks};
    enum message_result result = message_text_view(source, &sink);
    if (result == MESSAGE_OK && !blocks_end(&blocks))
        result = MESSAGE_STOPPED;
    if (blocks.failed)
        result = MESSAGE_NO_MEMORY;
    blocks_free(&blocks);
    return result;
}

uint32_t message_folded_version(void)
{
    return (uint32_t)MESSAGE_TEXT_VERSION << 16 | (glib_minor_version & 0xFFFF);
}
