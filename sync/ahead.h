/*
 * Bodies that are asked for ahead of the programs that read them.
 *
 * FUSE threads tell of opens; where one belongs to a reader (readers.h), the messages that it will
 * want next are looked up in the cache, right then, and put on its list. Workers take them from the
 * lists in sets, one UID FETCH each, when they have nothing more urgent to do. A body asked for
 * ahead is a JOB_BODY like any other, but nobody waits for it: whoever opens the message meanwhile
 * hangs on to it, and what nobody hung on to is dropped when the connection breaks or the server
 * refuses.
 *
 * What bounds it: the bytes that a reader may have ahead of it (rate.h), shared among the readers,
 * at most an eighth of the cache; one connection is left to others as soon as there are two; no set
 * is taken while any other job waits for a connection, while the server asks for a pause, or once
 * the reader has stopped. So what is fetched for nothing is what was on its way.
 *
 * Its state is protected by sync->lock, which is not held while the cache is asked.
 */
#ifndef OUTLOOKFS_SYNC_AHEAD_H
#define OUTLOOKFS_SYNC_AHEAD_H

#include "sync/internal.h"

/* NULL without memory. */
struct ahead *ahead_new(void);
void ahead_free(struct ahead **ahead);

/* FUSE's threads. A body that is not here was asked for, of a message that was in `mailbox`. It may
 * have been moved since: what is around it now is then passed over (reader_expect). */
void ahead_missed(struct sync *sync, int64_t message, int64_t mailbox, uint32_t uidvalidity);

/* A worker's thread: takes what the worker may ask for ahead now and sends it. */
void ahead_start(struct worker *w);
/* The body was asked for ahead and did not come, through no fault of its own: it may be asked for
 * again. */
void ahead_returned(struct sync *sync, int64_t message);
/* Whether a connection should be made for it, or kept in reserve. */
bool ahead_calls_locked(const struct sync *sync);
/* The worker sends FETCH or EXAMINE, perhaps into an empty pipeline; the first answer is here. */
void ahead_asked(struct worker *w);
void ahead_answered(struct worker *w);
/* Bytes of a body came, or of a listing: it tells what the wire bears before the first body. */
void ahead_moved(struct worker *w, size_t bytes);

#endif
