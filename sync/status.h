/*
 * What is gathered for those who ask how the account is doing: status as JSON (status_json.c) and
 * as text (status_text.c), and progress (progress.c). Internal to sync/.
 */
#ifndef OUTLOOKFS_SYNC_STATUS_H
#define OUTLOOKFS_SYNC_STATUS_H

#include "cache/journal.h"
#include "sync/internal.h"

struct status_connection {
    enum worker_state state;
    int64_t mailbox_id; /* selected; 0: none */
    char *mailbox;      /* its path below the mount; NULL: none */
    unsigned jobs, bodies;
    bool tree, listing, change, poll, watch, search;
};

struct status_listing {
    int64_t mailbox_id;
    char *mailbox;          /* its path below the mount; NULL: it is gone */
    bool first;             /* not a refresh */
    uint32_t landed, total; /* messages; total 0: not known yet */
    int64_t age_ms;
};

/* One of the last searches. */
enum { SEARCH_NOTES = 4 };
struct search_noted {
    char *query;            /* in its one form */
    char *note;             /* why it is partial, or "" */
    uint64_t found, looked; /* messages that match; texts that were looked into */
    bool partial;
    int64_t at; /* wall clock, seconds */
};

/* A pinned mailbox. */
struct status_pin {
    int64_t mailbox_id;
    char *mailbox; /* its path below the mount; NULL: it is gone */
    struct sync_pin pin;
};

struct status {
    unsigned connection_count;
    struct status_connection connections[WORKERS_MAX];
    unsigned listing_count; /* under way: one a connection at most */
    struct status_listing listings[WORKERS_MAX];
    unsigned bodies; /* being fetched */
    int64_t bodies_ms;
    uint64_t bytes, bytes_expected;
    size_t pending, under_way; /* jobs */
    size_t waiters;            /* requests of programs */
    int64_t longest_ms;        /* of those */
    bool offline;
    enum sync_wait waiting;
    int64_t left_ms, waited_ms; /* as of struct sync_progress */
    int64_t attempt_ms;         /* until requests that need a connection do not fail at once */
    char problem[SYNC_TEXT_MAX];
    int64_t last_contact;
    struct auth_secret_state sign_in;
    struct cache_figures figures;
    struct journal_figures outbox; /* zeros: a mount that only reads has none */
    size_t search_count;           /* newest first */
    struct search_noted searches[SEARCH_NOTES];
    size_t pin_count;
    struct status_pin *pins;
    bool stocked; /* what is to be fetched ahead is here */
    bool braked;  /* deleting for good waits (CONTRACT.md 2) */
};

/* All of it; status_free frees what it holds. */
void status_gather(struct sync *sync, struct status *status);
/* The same without names of mailboxes and the cache's figures: nothing to free, no database read.
 */
void status_look(struct sync *sync, struct status *status);
void status_free(struct status *status);

/* The path of a mailbox below the mount; malloc, NULL where it has none. */
char *status_path(struct sync *sync, int64_t mailbox);

/* search_tell.c: copies of the notes of the last searches, the caller's to free; their number. */
size_t search_notes_copy(struct sync *sync, struct search_noted notes[SEARCH_NOTES]);

/* What is not a table: the state in a word, what a connection does. */
const char *status_state(const struct status *status);
const char *status_doing(const struct status_connection *connection);

/* `part` of `whole` in percent, 100 at most. */
unsigned status_percent(uint64_t part, uint64_t whole);

#endif
