/*
 * A mailbox's listing, shared by the files that make one: listing.c (windows of messages),
 * refresh.c (what went and what changed), resync.c (the same, where EXAMINE told it), rows.c
 * (messages on their way to the cache) and flag_rows.c (what the server named in a refresh).
 *
 * All of it belongs to the worker that holds the listing's job and runs in its thread.
 */
#ifndef OUTLOOKFS_SYNC_LISTING_H
#define OUTLOOKFS_SYNC_LISTING_H

#include "sync/internal.h"

struct listing;
struct refresh;
struct resync;

/* listing.c: a mailbox's messages, first listing and what is new. */
void listing_start(struct worker *w, struct job *job);
void listing_fetch(struct job *job, const struct imap_fetch *fetch);
/* False: it has not searched. */
bool listing_searched(struct job *job, const struct imap_search *found);
/* The refresh (refresh.c) is through, or failed. */
void listing_end(struct job *job, enum imap_error error);
/* It has failed for this reason, if not before: what is still on its way is waited for. */
void listing_fail(struct listing *listing, enum imap_error error, enum sync_error why);
/* These messages, ascending, are not there any more. One that came in this refresh may be one of
 * them, with another UID. */
enum cache_error listing_gone(struct listing *listing, const uint32_t *uids, size_t count);
/* Messages that came so far, of those that the server says there are: `exists` at most. */
uint32_t listing_landed(const struct listing *listing);

struct listing {
    struct job *job;
    struct worker *worker;
    uint64_t ino;        /* of the mailbox's directory */
    bool was_listed;     /* a refresh, not a first listing */
    bool failed;         /* what is still on its way is let pass */
    enum sync_error why; /* a failure that imap does not know of */
    enum imap_error error;
    uint32_t uidvalidity;
    uint32_t exists;
    uint32_t held;         /* messages that the cache had when it began */
    uint32_t came;         /* messages that came since */
    uint32_t base;         /* what the cache knew when it began */
    uint32_t known;        /* every UID up to here has been asked for and answered */
    uint32_t next;         /* the first UID not yet asked for */
    uint32_t end;          /* the last UID to ask for; UINT32_MAX: the server did not say */
    uint32_t width;        /* UIDs a window */
    uint32_t highest;      /* the highest UID that came */
    unsigned pending;      /* commands on their way */
    bool checking;         /* refresh.c is at work */
    uint64_t modseq;       /* HIGHESTMODSEQ of the mailbox; 0: it has none */
    uint64_t flags_modseq; /* up to where the cache knew the flags; 0: not known */
    bool window;           /* some flags are looked at, since their turn has come */
    bool missing;          /* the server has another count of messages */
    bool since;            /* what changed since then is asked for (RFC 7162) */
    bool in_step;          /* the cache has the flags as of `modseq` */
    bool left_out;         /* but for some, which a STORE of ours may have overtaken */
    bool by_flags;         /* the refresh reads the flags, and sees what went by the way */
    uint32_t check_end;    /* the last UID that the refresh asked about */
    uint64_t last_ino;     /* the highest inode number that landed */
    struct rows *rows;
    struct refresh *refresh;
    struct resync *resync; /* NULL: EXAMINE is not to tell what changed */
};

/* refresh.c: what went and whose flags changed, of the messages that are known already. */
bool refresh_due(struct listing *listing);
void refresh_start(struct listing *listing);
void refresh_fetch(struct listing *listing, const struct imap_fetch *fetch);
void refresh_search(struct listing *listing, const struct imap_search *found);
/* Messages that the server has named so far. */
uint64_t refresh_named(const struct listing *listing);
/* Once nothing of it is on its way. */
void refresh_free(struct refresh **refresh);

/* resync.c: what EXAMINE told of the time since the cache was in step (RFC 7162). */
/* Whether the mailbox is one that can be asked about so, on the worker's connection; else, and
 * without memory, listing->resync stays NULL. */
bool resync_begin(struct listing *listing, const struct cache_mailbox *row);
void resync_free(struct resync **resync);
/* The worker's listing (NULL: it has none) is told: messages went; flags are so; what came so far
 * was of the mailbox before. */
void resync_vanished(struct job *job, struct imap_span uids);
void resync_fetch(struct listing *listing, const struct imap_fetch *fetch);
void resync_closed(struct job *job);
/* All that is new is here, too: brings it to the cache. True: flags are in step; what went is,
 * where the counts say so. False: it has to be asked for. */
bool resync_apply(struct listing *listing);

/* flag_rows.c: messages that the server named, with their flags. */
struct flag_row {
    uint32_t uid;
    uint64_t modseq; /* 0: not told */
    char *flags;     /* malloc; NULL: not told */
};
struct flag_rows {
    struct flag_row *items;
    size_t count, room;
};
void flag_rows_clear(struct flag_rows *rows);
void flag_rows_free(struct flag_rows *rows);
/* One more, of which nothing but the UID is known; NULL without memory. */
struct flag_row *flag_rows_add(struct flag_rows *rows, uint32_t uid);
/* Notes what FETCH told of the flags. */
void flag_row_note(struct flag_row *row, const struct imap_fetch *fetch);
/* Puts them in order and leaves one a UID: servers may tell of a change to a message that they have
 * named already. */
void flag_rows_unique(struct flag_rows *rows);
/* Whether it is among them, once they stand in order. */
bool flag_rows_has(const struct flag_rows *rows, uint32_t uid);
/* Brings the flags that were told to the cache, but for those that a STORE of ours has overtaken
 * since `asked` (clock_ms). */
enum cache_error flag_rows_store(struct listing *listing, const struct flag_rows *rows,
                                 int64_t asked);

/* rows.c: messages of a listing on their way to the cache. */
struct rows;
struct rows *rows_new(void);
void rows_free(struct rows **rows);
size_t rows_count(const struct rows *rows);
bool rows_add(struct rows *rows, const struct imap_fetch *fetch, bool uid_names);
/* Stores and forgets what was added. Arguments as of cache_messages_add. */
enum cache_error rows_store(struct rows *rows, struct sync *sync, int64_t mailbox,
                            uint32_t uidvalidity, uint32_t through_uid, bool complete,
                            cache_change_fn *changed, void *ctx);
/* FLAGS as the cache keeps them: without \Recent. malloc. */
char *rows_flags(const struct imap_flags *flags);

#endif
