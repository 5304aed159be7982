/*
 * Text views of messages (message/text_view.h), kept with the body that they were made of: a text
 * is evicted and removed together with it, in the same transaction, and counts against the same
 * room. `version` is that of what made it: a text of another version counts as absent. Any thread.
 */
#ifndef OUTLOOKFS_CACHE_TEXTS_H
#define OUTLOOKFS_CACHE_TEXTS_H

#include "cache/cache.h"

/* The size of the text of `message`: CACHE_ERR_ABSENT where it, or the body, is not here. */
enum cache_error cache_text_find(struct cache *cache, int64_t message, uint32_t version,
                                 uint64_t *size);

/* Reads up to `len` bytes at `offset` of the text of a message whose body is pinned
 * (cache_body_pin), and which has `size` bytes. *got < len only at its end. */
enum cache_error cache_text_read(struct cache *cache, int64_t message, uint64_t size,
                                 uint64_t offset, void *data, size_t len, size_t *got);

/*
 * Keeps a text, a piece at a time: piece `index` of CACHE_TEXT_PIECE bytes, the last one with
 * `total`, the size of the whole, others with 0. `data` (malloc) belongs to the cache afterwards.
 * Queues and returns; waits only for room in the queue. A body that is not here any more, and a
 * disk that is full, lose the text and nothing else.
 */
enum { CACHE_TEXT_PIECE = 128 << 10, CACHE_TEXT_PIECES_MAX = 1 << 14 };
void cache_text_keep(struct cache *cache, int64_t message, uint32_t version, uint32_t index,
                     char *data, size_t len, uint64_t total);

/* The directory of the cache, for temporary files. Good until cache_close. */
const char *cache_directory(const struct cache *cache);

#endif
