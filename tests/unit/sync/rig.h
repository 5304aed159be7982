/*
 * A sync object on a cache of its own, signed in to a server of server.h, and requests that wait
 * for their answer. Each request is told exactly once, or the test fails.
 */
#ifndef OUTLOOKFS_TESTS_UNIT_SYNC_RIG_H
#define OUTLOOKFS_TESTS_UNIT_SYNC_RIG_H

#include <pthread.h>

#include "sync/change.h"
#include "tests/unit/sync/server.h"

enum { RIG_PATIENCE_MS = 20000 };

struct rig {
    struct server server;
    struct sync *sync;
    char directory[64];
    char text[SYNC_TEXT_MAX];
    const char *secret; /* NULL: "echo secret" */
    unsigned connections;
    int timeout_ms;
    int64_t poll_ms; /* 0: no polls, no watch */
    uint64_t cache_size;
    char state[80];
    bool writable, by_journal, expunge, mark_seen;
    const char *trash;
    void (*opened)(void *ctx, struct sync *sync); /* as of sync_settings */
    void *opened_ctx;
};

/* One request: how often it was told, and what. */
struct told {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int times;
    enum sync_error error;
    int64_t at;
    struct cache_inode inode; /* of a change */
    char reason[JOURNAL_TEXT_MAX];
};

/* Defaults: two connections, 3 s, messages of `uids`; starts the server. */
void rig_init(struct rig *rig, const uint32_t *uids, size_t count);
enum sync_error rig_start(struct rig *rig);
void rig_stop(struct rig *rig);
/* Stops both and removes the cache. */
void rig_end(struct rig *rig);

int64_t rig_mailbox(struct rig *rig, const char *name);
int64_t rig_message(struct rig *rig, const char *mailbox, uint32_t uid);
uint64_t rig_count(struct rig *rig, const char *mailbox);
bool rig_listed(struct rig *rig, const char *mailbox);

void told_init(struct told *told);
void told_tell(void *told, enum sync_error error);                 /* a sync_done_fn */
void told_changed(void *told, const struct sync_changed *changed); /* a sync_changed_fn */
enum sync_error told_wait(struct told *told);

/* As somebody who does not go from one mailbox to the next (sync/stroll.c). */
enum sync_error rig_list(struct rig *rig, const char *mailbox);
enum sync_error rig_fetch(struct rig *rig, const char *mailbox, uint32_t uid);
/* Whether the body is in the cache, and is what the server has. */
bool rig_body_right(struct rig *rig, const char *mailbox, uint32_t uid);
bool rig_body_here(struct rig *rig, const char *mailbox, uint32_t uid);
/* As opendir does after FRESH_MS: the mailbox counts as not looked at. */
void rig_age(struct rig *rig, const char *mailbox);

#endif
