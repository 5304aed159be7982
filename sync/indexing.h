/*
 * Envelopes and texts of messages go into the cache's index (cache/envelope_index.h, text_index.h)
 * in idle time.
 *
 * One thread, which sleeps until a job is over that may have brought some. It works only while
 * nothing else goes on: no job that somebody waits for, and no program that opened a message within
 * the last moments; then a few messages at a time, at the lowest priority. Nothing waits for it: a
 * text that is not in the index is one that a search looks into.
 *
 * Its lock protects the struct, and is taken inside of sync->lock; it is held for nothing else.
 */
#ifndef OUTLOOKFS_SYNC_INDEXING_H
#define OUTLOOKFS_SYNC_INDEXING_H

#include "sync/internal.h"

struct indexing;

/* NULL without memory. */
struct indexing *indexing_new(struct sync *sync);
/* Opens the index, with nobody writing to the cache yet; starts the thread. False: no thread. */
bool indexing_begin(struct indexing *indexing) __attribute__((warn_unused_result));
/* Tells the thread to end; and waits until it has. NULL is allowed. */
void indexing_end(struct indexing *indexing);
void indexing_join(struct indexing *indexing);
void indexing_free(struct indexing **indexing);

/* A job is over, which may have brought a body; `waited`: somebody waited for it. Any thread. NULL
 * is let be. */
void indexing_stir(struct indexing *indexing, bool waited);

#endif
