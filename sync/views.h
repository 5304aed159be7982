/*
 * Views of messages: the text, the parts (CONTRACT.md section 3). A body that is not in the cache
 * is fetched as an open does; then a thread of its own, neither FUSE's nor a connection's, makes
 * the view. A text is kept in the cache with the body; the last few of all are held in memory.
 */
#ifndef OUTLOOKFS_SYNC_VIEWS_H
#define OUTLOOKFS_SYNC_VIEWS_H

#include "sync/rendered.h"
#include "sync/sync.h"

/*
 * Asks for a view of `message`; done with SYNC_OK means that sync_view finds it, for a while. FUSE
 * threads may call it; `done` as sync.h says, also from a renderer's thread. sync_detach works on
 * the ticket. 0: no memory, done is not called.
 */
sync_ticket sync_want_view(struct sync *sync, enum rendered_kind kind, int64_t message,
                           uint32_t index, sync_done_fn *done, void *ctx);

/* Likely to be asked for next: makes the texts of these messages whose bodies are here and which
 * are not made yet, with nobody waiting. Costs the caller a look into the cache for each. */
void sync_foresee_texts(struct sync *sync, const int64_t *messages, size_t count);

/* The view, if it is held in memory: a reference, for rendered_drop; or NULL. */
struct rendered *sync_view(struct sync *sync, enum rendered_kind kind, int64_t message,
                           uint32_t index);

/* ---- within sync ---- */

struct views;

/* Makes no thread yet. NULL without memory. */
struct views *views_new(struct sync *sync);
/* Fails what is in line with SYNC_ERR_STOPPING and ends the threads, before the cache closes. NULL
 * is let be, as by the two below. */
void views_stop(struct views *views);
/* After the cache closed: no body may come any more. */
void views_free(struct views **views);
/* As sync_detach. */
bool views_detach(struct views *views, sync_ticket ticket);

#endif
