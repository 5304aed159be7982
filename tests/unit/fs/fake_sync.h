/*
 * A stand-in for sync/: the functions of sync/sync.h that fs/ calls, over a real cache that the
 * test fills. A "server" of made-up mailboxes: message UID n of any mailbox is fake_body(n).
 */
#ifndef OUTLOOKFS_TESTS_FAKE_SYNC_H
#define OUTLOOKFS_TESTS_FAKE_SYNC_H

#include "sync/change.h"
#include "sync/sync.h"

struct sync *fake_sync_new(const char *cache_dir);
void fake_sync_free(struct sync **sync);

/* The body of message `uid`: a header and filler; the size differs from fake_estimate. */
size_t fake_body_size(uint32_t uid);
char fake_body_byte(uint32_t uid, size_t offset);
uint64_t fake_estimate(uint32_t uid);
void fake_name(char *name, uint32_t uid);

/* Makes the tree: Inbox, Big and Inbox/Projects; ids by fake_mailbox. */
void fake_tree(struct sync *sync);
int64_t fake_mailbox(struct sync *sync, const char *name);

/* Adds messages first..last, and marks the mailbox as whole where asked. */
void fake_add(struct sync *sync, int64_t mailbox, uint32_t first, uint32_t last, bool complete);
void fake_gone(struct sync *sync, int64_t mailbox, uint32_t uid);
void fake_flags(struct sync *sync, int64_t mailbox, uint32_t uid, const char *flags);

/* How the server behaves from now on. */
struct fake_plan {
    int body_delay_ms;
    uint32_t failing_uid; /* its body fails with `failure` */
    enum sync_error failure;
    uint32_t listing_total, listing_window; /* a first listing brings so many, by so many */
    int window_delay_ms;
    uint32_t listing_stops_at;       /* it breaks off after this UID; 0: never */
    enum sync_error listing_failure; /* with this; SYNC_OK: SYNC_ERR_UNREACHABLE */
};
void fake_behave(struct sync *sync, const struct fake_plan *plan);

struct fake_counts {
    unsigned asked;    /* requests for bodies */
    unsigned opened;   /* opens of messages whose body was here */
    unsigned bodies;   /* fetches that ended */
    unsigned listings; /* asked for by want_listing and want_entries */
    unsigned detached;
};
struct fake_counts fake_counts(struct sync *sync);

/* ---- changes (fake_change.c) ---- */

/* The mount may change things from now on: a journal, and a mailbox Trash. */
void fake_writable(struct sync *sync, const char *cache_dir);

/* The same without making the mailbox: it is there already. */
void fake_change_start(struct sync *sync, const char *cache_dir);

/* How the server takes changes from now on. */
struct fake_change_plan {
    int delay_ms;          /* of what needs the server */
    enum sync_error error; /* what needs the server fails with this */
    bool down;             /* sync_can_change says no, and changes are SYNC_ERR_DOWN */
    bool no_trash;
    bool later; /* as commit=journal: a publication is done before it is a message */
    bool lands; /* which it becomes just before sync_pending looks for it */
    uint64_t quota_used, quota_limit;
};
void fake_change_behave(struct sync *sync, const struct fake_change_plan *plan);

/* What was asked of the server, one line each: "append INBOX a.eml 120". In a buffer of its own. */
const char *fake_log(struct sync *sync);
void fake_log_clear(struct sync *sync);
/* How many of its lines begin with `what`. */
unsigned fake_logged(struct sync *sync, const char *what);
/* The bytes of the newest message that was appended to `mailbox`, as the server has them, with a
 * NUL; NULL: none. */
const char *fake_appended(struct sync *sync, const char *mailbox);
/* Unfinished spools in the outbox. */
unsigned fake_unfinished(struct sync *sync);
/* With `later`: what was accepted becomes messages now. */
void fake_land(struct sync *sync);

#endif
