/*
 * What is remembered of each mailbox between two looks at it (regard.c), and the looks that nobody
 * asks for: the poll (poll.c) and the watch on Inbox (watch.c). Internal to sync/.
 */
#ifndef OUTLOOKFS_SYNC_REGARD_H
#define OUTLOOKFS_SYNC_REGARD_H

#include "sync/internal.h"

/* ---- regard.c: any thread; each takes the lock ---- */

/* Somebody reads the mailbox now. */
void regard_read(struct sync *sync, int64_t mailbox);
/* clock_ms of the last time; 0: nobody did in this process. */
int64_t regard_read_at(struct sync *sync, int64_t mailbox);

/* Whether its flags were read more than FLAGS_FRESH_MS ago, or never in this process; the same for
 * `ms`. */
bool regard_flags_old(struct sync *sync, int64_t mailbox);
bool regard_flags_older(struct sync *sync, int64_t mailbox, int64_t ms);
/* All its flags have been read just now. */
void regard_flags_read(struct sync *sync, int64_t mailbox);
/* Where the rolling look at its flags stands: up to this UID they were looked at. */
uint32_t regard_flags_uid(struct sync *sync, int64_t mailbox);
void regard_flags_reached(struct sync *sync, int64_t mailbox, uint32_t uid);

/* How the mailbox stood when the cache was last in step with it; false: not known. */
bool regard_standing(struct sync *sync, int64_t mailbox, struct standing *standing);
/* The cache is in step with a mailbox that stands so. */
void regard_in_step(struct sync *sync, int64_t mailbox, const struct standing *standing);
/* A refresh that no poll asked for is through: messages and UIDs are in step, and flags as of
 * `modseq` (0: as they were). */
void regard_listed(struct sync *sync, int64_t mailbox, const struct imap_selected *selected,
                   uint64_t modseq);
void regards_free(struct sync *sync);

/* ---- poll.c ---- */

/* Makes the poll's jobs when its time has come; lowers *nearest to the next time. The warden, with
 * lock. */
void poll_overdue_locked(struct sync *sync, int64_t now, int64_t *nearest);
/* A connection stands, and none did before; or the last one is gone: when the next look is. With
 * lock. */
void poll_connected_locked(struct sync *sync);
void poll_lost_locked(struct sync *sync);
/* JOB_POLL on a worker, in its thread. */
void poll_start(struct worker *w, struct job *job);
/* True: the STATUS was an answer to the poll's question. */
bool poll_response(struct worker *w, const struct imap_mailbox_status *status);
/* JOB_TREE of a poll is through, without STATUS in it: the mailboxes are asked about. With lock. */
void poll_mailboxes_locked(struct sync *sync);

/* ---- stroll.c ---- */

/* A program opens the directory of a mailbox, or (0) the root; `known`: nothing is asked for that.
 * Any thread, no lock. */
void stroll_opened(struct sync *sync, int64_t mailbox, bool known);
/* Whether the walk that came to `from` wants to know of a mailbox. */
bool stroll_wants(const struct worker *w, int64_t from, const struct cache_mailbox *mailbox);
/* It asks about one; whether it was not told yet: who wants the listing waits for that; and it was
 * told, or will not be (0: all of them). */
void stroll_asks(struct sync *sync, int64_t mailbox);
bool stroll_waits_locked(const struct sync *sync, int64_t mailbox);
void stroll_told(struct sync *sync, int64_t mailbox);

/* ---- standing.c ---- */

/* STATUS for every mailbox came with LIST: compares one of them. The worker's thread. */
void poll_compare(struct sync *sync, const char *name, const struct standing *standing);
/* The same, by its id in the cache; STATUS went out at `asked` (clock_ms). A mailbox that is as it
 * was counts as looked at then; one that is empty and was never listed is listed. */
void poll_compare_id(struct sync *sync, int64_t mailbox, const struct standing *standing,
                     int64_t asked);
/* The items that a poll asks STATUS for, of a server with these capabilities. */
const char *poll_items(unsigned capabilities);
/* Whether it has messages, UIDNEXT and UIDVALIDITY. */
bool standing_is_whole(const struct standing *standing);
void standing_of(struct standing *standing, const struct imap_mailbox_status *status);
/* Sees that `mailbox` is refreshed, by a job that nobody waits for. `standing` (may be NULL) is
 * what it will be in step with; `flags`: they have changed, too. Any thread, no lock. */
void refresh_wanted(struct sync *sync, int64_t mailbox, const struct standing *standing,
                    bool flags);

/* ---- notify.c: the worker's thread, on the watch's connection ---- */

/* The watch begins, or IDLE is sent anew: asks to be told of other mailboxes where the server has
 * NOTIFY. Goes out in the same breath as IDLE. */
void notify_set(struct worker *w);
/* The watch gives way: what comes behind this, the connection's jobs asked for. */
void notify_none(struct worker *w);
/* STATUS came. True: nobody asked for it, and it is dealt with. */
bool notify_status(struct worker *w, const struct imap_mailbox_status *status);
/* The server says that it gives up telling. */
void notify_overflow(struct worker *w);

/* ---- watch.c: the worker's thread, unless it says otherwise ---- */

/* Called between two steps of a connection: watches where nobody does and there is no work, looks
 * when something was pushed. Returns when to call again (clock_ms; INT64_MAX: not by the clock).
 * The connection may be closed afterwards: it is made anew once an hour. */
int64_t watch_tend(struct worker *w);
/* A job comes: the watch gives way. What the job submits goes out in the same breath. */
void watch_pause(struct worker *w);
/* The server spoke of a change in the selected mailbox. */
void watch_push(struct worker *w, const struct imap_response *response);
/* The connection ended. */
void watch_ended(struct worker *w);
/* Somebody else is to watch, where w did: wakes a worker that has nothing to do. With lock. */
void watch_leave_locked(struct worker *w);
/* Nobody has watched for a while, and all connections are at work: one more is made. The warden,
 * with lock. */
void watch_overdue_locked(struct sync *sync, int64_t now, int64_t *nearest);

#endif
