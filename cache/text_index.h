/*
 * An index of texts: which messages may have these words in them, so that a search looks into few.
 *
 * search.db, beside the other two: SQLite's FTS5, contentless, over trigrams without places
 * (detail=none). So it says only which bodies have all three-letter pieces of the words somewhere;
 * whoever asks looks into each of those. What it does not say may match never does: it is made of
 * the very text that is looked into, folded by the same hand (message/folded.h).
 *
 * A row is that of a body, whose id is never used again and whose bytes never change. So nothing
 * has to be taken out of it: rows of bodies that were evicted or removed are passed over, and the
 * whole is made anew once most are such. Bodies are gone over in the order of their ids, and `mark`
 * is how far; what is above it, and the few that have no text to be had, are always candidates.
 *
 * It costs nothing but time: a file that is damaged, of another version, or made from another
 * bodies.db is removed, and without one every text is looked into. Its bytes count against the
 * room for bodies, up to a part of it (TEXT_INDEX_SHARE). Of the calls below the first four belong
 * to one thread; any may ask.
 */
#ifndef OUTLOOKFS_CACHE_TEXT_INDEX_H
#define OUTLOOKFS_CACHE_TEXT_INDEX_H

#include "cache/cache.h"

enum { TEXT_INDEX_SHARE = 4 }; /* it takes up to one part in so many of the room for bodies */

/* [writes] Opens it, or starts one; `version` is that of what makes the texts. Before anything
 * below, once. CACHE_ERR_ABSENT: there is none, for the cause that the log has, and all of the
 * below say the same. cache_close closes it. */
enum cache_error text_index_open(struct cache *cache, uint32_t version);

/* Bodies that are not in it yet, in order, at most `max`. *count == 0: none, or the next one is
 * still on its way in. CACHE_ERR_LIMIT: it takes no more. */
struct text_index_body {
    int64_t body, message;
};
enum cache_error text_index_next(struct cache *cache, struct text_index_body *bodies, size_t max,
                                 size_t *count);

/* [writes] Notes those, in the same order, in one transaction. */
enum text_index_state {
    TEXT_INDEX_TEXT,   /* `text` is the folded one */
    TEXT_INDEX_UNREAD, /* none was to be had, or one too long: always a candidate */
    TEXT_INDEX_GONE    /* the body is not here any more */
};
struct text_index_entry {
    int64_t body;
    enum text_index_state state;
    const char *text;
    size_t len;
};
enum cache_error text_index_add(struct cache *cache, const struct text_index_entry *entries,
                                size_t count);

/* [writes] Empties it where most of its rows are of bodies that are gone; *again: it is to be
 * filled from the start. For when text_index_next finds nothing. */
enum cache_error text_index_tidy(struct cache *cache, bool *again);

/*
 * The messages whose bodies are here and may have all of `needles` (folded) in their text:
 * *messages (malloc), ascending, *found of them. *whole: every message that is known has its body
 * here, so that no other can have them. CACHE_ERR_ABSENT: it cannot say, and each may; so it is
 * where no needle has three characters.
 */
enum cache_error text_index_ask(struct cache *cache, const char *const *needles, size_t count,
                                int64_t **messages, size_t *found, bool *whole);

/* cache_body_pin for the body with this id alone, and no use is noted: it is not somebody who
 * reads. CACHE_ERR_ABSENT: the message has another one, or none. */
enum cache_error cache_body_hold(struct cache *cache, int64_t message, int64_t body,
                                 uint64_t *size);

/* What cache_message_scan visits, of the messages with these ids; those that are gone are passed
 * over. */
enum cache_error cache_message_rows(struct cache *cache, const int64_t *messages, size_t count,
                                    bool (*visit)(void *ctx, const struct cache_row *), void *ctx);

/* The same of at most `max` messages with ids above `after`, ascending. */
enum cache_error cache_message_after(struct cache *cache, int64_t after, size_t max,
                                     bool (*visit)(void *ctx, const struct cache_row *), void *ctx);

/* clock_ms of the last cache_message_pin or cache_body_pin, that is, of the last who reads; 0: none
 * yet. */
int64_t cache_opened_ms(struct cache *cache);

#endif
