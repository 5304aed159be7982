/* What fake_sync.c and fake_change.c share. */
#ifndef OUTLOOKFS_TESTS_FAKE_INTERNAL_H
#define OUTLOOKFS_TESTS_FAKE_INTERNAL_H

#include <pthread.h>

#include "fake_sync.h"

enum want { WANT_BODY, WANT_LISTING, WANT_ENTRIES };
#define FAKE_CHANGE_TICKET (UINT64_C(1) << 40)

enum { UIDVALIDITY = 14, REQUESTS_MAX = 64 };

struct request {
    bool used;
    sync_ticket ticket;
    enum want want;
    int64_t id; /* message or mailbox */
    int64_t due;
    sync_done_fn *done;
    void *ctx;
};

struct sync {
    struct cache *cache;
    struct sync_listener listener;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    /* Protected by lock: */
    struct fake_plan plan;
    struct fake_counts counts;
    struct request requests[REQUESTS_MAX];
    sync_ticket last_ticket;
    bool stopping;
    int64_t listing;           /* mailbox being listed, or 0 */
    uint32_t listing_uid;      /* landed */
    int64_t next_window;       /* clock_ms */
    struct changes_side *side; /* fake_change.c; NULL: the mount is read-only */
};

void fake_must(enum cache_error error, const char *what);
/* A cache_change_fn that tells the listener; ctx is the sync. */
void fake_changed(void *ctx, const struct cache_change *change);
/* The same for what the mount did. */
void fake_changed_here(void *ctx, const struct cache_change *change);
void fake_shown_ordinal(const char *shown, unsigned ordinal, char *name);

/* fake_change.c: the bytes of a message that came by a change; NULL: it was there from the start.
 * malloc. */
char *fake_upload_bytes(struct sync *sync, int64_t mailbox, uint32_t uid, size_t *size);
bool fake_change_detach(struct sync *sync, sync_ticket ticket);
void fake_change_stop(struct sync *sync);

/* ---- fake_change.c and fake_requests.c ---- */

enum { LOG_MAX = 200000, UPLOADS_MAX = 4096, FIRST_UID = 1000, ESTIMATE_OFF = 5 };

enum kind {
    PUBLISH,
    MOVE,
    COPY,
    REMOVE,
    STORE,
    MAILBOX_CREATE,
    MAILBOX_REMOVE,
    MAILBOX_RENAME,
    SUBSCRIBE,
    STAGED_CREATE,
    STAGED_RENAME,
    STAGED_REMOVE,
    SPOOL_KEEP,
    SPOOL_FORGET,
    SETTLE,
};

struct change {
    struct change *next;
    sync_ticket ticket;
    enum kind kind;
    sync_changed_fn *done; /* protected by the side's lock; NULL: detached */
    void *ctx;
    struct sync_publication publication;
    struct journal_spool *spool;
    int64_t message, mailbox;
    uint64_t ino, parent;
    bool flag;
    char name[CACHE_NAME_MAX + 1];
    char *text, *flags;
};

struct upload {
    int64_t mailbox;
    uint32_t uid;
    char *data;
    size_t size;
};

struct changes_side {
    struct journal *journal;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    /* Protected by lock: */
    struct fake_change_plan plan;
    struct change *first, **last, *running, *accepted;
    sync_ticket tickets;
    bool stopping;
    uint32_t uid;
    struct upload uploads[UPLOADS_MAX];
    unsigned count;
    char log[LOG_MAX];
};

struct fake_change_plan fake_change_plan(struct sync *sync);
__attribute__((format(printf, 2, 3))) void fake_note(struct sync *sync, const char *format, ...);
/* The bytes of what was accepted and has not landed, for reading. */
bool fake_pending(struct sync *sync, uint64_t ino, struct journal_spool **spool);
/* The trash mailbox; 0: none. */
int64_t fake_trash(struct sync *sync);

#endif
