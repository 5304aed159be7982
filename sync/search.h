/*
 * Searching: a QUERY (message/query.h) over the mailboxes of an account.
 *
 * The server narrows, the cache decides. What the server is asked is what it can be trusted with
 * (dates, sizes, flags), and, for messages whose text is not here, text in ASCII. From, To and
 * Subject are decided over the rows of the listing, text over the bodies that are here, so that
 * matches are substrings whatever the server makes of SEARCH (OUTLOOK.md section 3). Without a
 * server everything is decided here, as far as it goes; what could not be decided is no match, and
 * the end says how many there were.
 *
 * A search runs on its caller's thread, which it may keep waiting for the network: never a thread
 * of FUSE's. Its jobs stand behind those of programs that read.
 */
#ifndef OUTLOOKFS_SYNC_SEARCH_H
#define OUTLOOKFS_SYNC_SEARCH_H

#include "sync/sync.h"

struct sync_search;

enum { SYNC_QUERY_MAX = 1024 }; /* bytes */

/* A search for `query`; NULL with the reason in `why` (SYNC_TEXT_MAX) where it makes no sense: then
 * *error is SYNC_ERR_INVALID, or SYNC_ERR_MEMORY. Does not wait. */
struct sync_search *sync_search_new(struct sync *sync, const char *query, size_t len,
                                    enum sync_error *error, char *why);
/* Touches nothing of sync's. */
void sync_search_free(struct sync_search **search);

/* The query in its one form (message_query_print); the search's own. */
const char *sync_search_query(const struct sync_search *search);

struct sync_search_end {
    uint64_t found;
    bool partial;             /* some messages could not be decided, or mailboxes not be asked */
    char note[SYNC_TEXT_MAX]; /* then: why, for a person */
};

/*
 * Runs it, once. Calls `hit` for each message that matches, newest first, until it returns false;
 * `inode` is good during the call. SYNC_OK, with *end; SYNC_ERR_INVALID (a mailbox that is not
 * there) and whatever else kept it from an answer, with the cause in end->note.
 */
enum sync_error sync_search_run(struct sync_search *search,
                                bool (*hit)(void *ctx, const struct cache_inode *inode), void *ctx,
                                struct sync_search_end *end);

/* Has the run end soon, with SYNC_ERR_STOPPING. Any thread, while the search is not freed. */
void sync_search_cancel(struct sync_search *search);

/* Appends as JSON what would be asked and what decided here, without doing it. SYNC_ERR_INVALID
 * with the cause in `why`. */
enum sync_error sync_search_explain(struct sync_search *search, struct buffer *out, char *why);

/* Appends the path of an entry below the mount ("Inbox/NAME.eml"). */
bool sync_path(struct sync *sync, const struct cache_inode *inode, struct buffer *out);

#endif
