/*
 * The same for envelopes as text_index.h is for texts, in the same file: which messages may have
 * these words in a sender, recipients or a subject. A row is that of a message, whether its body is
 * here or not.
 *
 * A message's id is never used again, but what its row says may change: a copy has its original's
 * until the server has told. index.db notes such rows itself (a trigger, schema.c), and they are
 * candidates from then on, like those above the mark.
 */
#ifndef OUTLOOKFS_CACHE_ENVELOPE_INDEX_H
#define OUTLOOKFS_CACHE_ENVELOPE_INDEX_H

#include "cache/text_index.h"

/* Visits messages that are not in it yet, in order, at most `max`; text is the visitor's until it
 * returns. CACHE_ERR_LIMIT: it takes no more; CACHE_ERR_ABSENT: there is none. The thread of
 * text_index_next. */
enum cache_error envelope_index_next(struct cache *cache, size_t max,
                                     bool (*visit)(void *ctx, const struct cache_row *), void *ctx);

/* [writes] Notes those, in the same order, in one transaction. `words` are folded. */
struct envelope_index_entry {
    int64_t message;
    const char *words;
    size_t len;
};
enum cache_error envelope_index_add(struct cache *cache, const struct envelope_index_entry *entries,
                                    size_t count);

/* [writes] text_index_tidy for envelopes. */
enum cache_error envelope_index_tidy(struct cache *cache, bool *again);

/*
 * The messages that may have all of `needles` (folded) in their envelope: *messages (malloc),
 * ascending, *found of them; no other has. CACHE_ERR_ABSENT: it cannot say, or it would name so
 * many that going over the rows is faster. Any thread.
 */
enum cache_error envelope_index_ask(struct cache *cache, const char *const *needles, size_t count,
                                    int64_t **messages, size_t *found);

#endif
