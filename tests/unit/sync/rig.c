/* See rig.h. */
#include "tests/unit/test.h"

#include "tests/unit/sync/rig.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "sync/internal.h"

void rig_init(struct rig *rig, const uint32_t *uids, size_t count)
{
    memset(rig, 0, sizeof *rig);
    rig->server.uids = uids;
    atomic_store(&rig->server.count, count);
    atomic_store(&rig->server.uidvalidity, 7);
    atomic_store(&rig->server.cut_at, -1);
    rig->connections = 2;
    rig->timeout_ms = 3000;
    rig->cache_size = (uint64_t)1 << 30;
    snprintf(rig->directory, sizeof rig->directory, "/tmp/outlookfs-sync-XXXXXX");
    assert_non_null(mkdtemp(rig->directory));
    server_start(&rig->server);
}

enum sync_error rig_start(struct rig *rig)
{
    snprintf(rig->state, sizeof rig->state, "%s/state", rig->directory);
    const struct sync_settings settings = {
        .account = "me",
        .host = "127.0.0.1",
        .port = rig->server.port,
        .tls = SYNC_TLS_NONE,
        .auth = SYNC_AUTH_PASSWORD,
        .secret_shell = rig->secret != NULL ? rig->secret : "echo secret",
        .cache_dir = rig->directory,
        .cache_size = rig->cache_size,
        .connections = rig->connections,
        .timeout_ms = rig->timeout_ms,
        .poll_ms = rig->poll_ms,
        .read_only = !rig->writable,
        .state_dir = rig->writable ? rig->state : NULL,
        .commit = rig->by_journal ? SYNC_COMMIT_JOURNAL : SYNC_COMMIT_SERVER,
        .expunge = rig->expunge,
        .trash = rig->trash,
        .mark_seen = rig->mark_seen,
        .opened = rig->opened,
        .opened_ctx = rig->opened_ctx,
    };
    return sync_start(&rig->sync, &settings, rig->text);
}

void rig_stop(struct rig *rig)
{
    sync_stop(&rig->sync);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    return remove(path);
}

void rig_end(struct rig *rig)
{
    rig_stop(rig);
    server_stop(&rig->server);
    nftw(rig->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int64_t rig_mailbox(struct rig *rig, const char *name)
{
    struct cache_mailbox row = {0};
    assert_int_equal(cache_mailbox_find(sync_cache(rig->sync), name, &row), CACHE_OK);
    int64_t id = row.id;
    cache_mailbox_free(&row);
    return id;
}

int64_t rig_message(struct rig *rig, const char *mailbox, uint32_t uid)
{
    struct cache_inode inode;
    if (cache_message_find(sync_cache(rig->sync), rig_mailbox(rig, mailbox), uid, &inode) !=
        CACHE_OK)
        return 0;
    return inode.message;
}

uint64_t rig_count(struct rig *rig, const char *mailbox)
{
    struct cache_mailbox row = {0};
    uint64_t directories, messages;
    assert_int_equal(cache_mailbox_find(sync_cache(rig->sync), mailbox, &row), CACHE_OK);
    assert_int_equal(cache_inode_count(sync_cache(rig->sync), row.ino, &directories, &messages),
                     CACHE_OK);
    cache_mailbox_free(&row);
    return messages;
}

bool rig_listed(struct rig *rig, const char *mailbox)
{
    struct cache_mailbox row = {0};
    assert_int_equal(cache_mailbox_find(sync_cache(rig->sync), mailbox, &row), CACHE_OK);
    bool listed = row.listed;
    cache_mailbox_free(&row);
    return listed;
}

void told_init(struct told *told)
{
    *told = (struct told){.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
}

void told_tell(void *ctx, enum sync_error error)
{
    struct told *told = ctx;
    pthread_mutex_lock(&told->lock);
    told->times++;
    told->error = error;
    told->at = clock_ms();
    pthread_cond_signal(&told->changed);
    pthread_mutex_unlock(&told->lock);
}

enum sync_error told_wait(struct told *told)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += RIG_PATIENCE_MS / 1000;
    int late = 0;
    pthread_mutex_lock(&told->lock);
    while (told->times == 0 && late == 0)
        late = pthread_cond_timedwait(&told->changed, &told->lock, &until);
    int times = told->times;
    enum sync_error error = told->error;
    pthread_mutex_unlock(&told->lock);
    assert_int_equal(times, 1);
    return error;
}

enum sync_error rig_list(struct rig *rig, const char *mailbox)
{
    struct told told;
    told_init(&told);
    listing_want(rig->sync, rig_mailbox(rig, mailbox), told_tell, &told);
    return told_wait(&told);
}

enum sync_error rig_fetch(struct rig *rig, const char *mailbox, uint32_t uid)
{
    struct told told;
    told_init(&told);
    sync_want_body(rig->sync, rig_message(rig, mailbox, uid), told_tell, &told);
    return told_wait(&told);
}

bool rig_body_here(struct rig *rig, const char *mailbox, uint32_t uid)
{
    uint64_t size;
    int64_t message = rig_message(rig, mailbox, uid);
    if (cache_body_pin(sync_cache(rig->sync), message, &size) != CACHE_OK)
        return false;
    cache_body_unpin(sync_cache(rig->sync), message);
    return true;
}

bool rig_body_right(struct rig *rig, const char *mailbox, uint32_t uid)
{
    size_t len, got = 0;
    uint64_t size;
    int64_t message = rig_message(rig, mailbox, uid);
    if (cache_body_pin(sync_cache(rig->sync), message, &size) != CACHE_OK)
        return false;
    char *wanted = server_body(&rig->server, uid, &len), *read = malloc(len + 1);
    bool right = size == len &&
                 cache_body_read(sync_cache(rig->sync), message, 0, read, len, &got) == CACHE_OK &&
                 got == len && memcmp(read, wanted, len) == 0;
    cache_body_unpin(sync_cache(rig->sync), message);
    free(wanted);
    free(read);
    return right;
}

void rig_age(struct rig *rig, const char *mailbox)
{
    cache_mailbox_checked(sync_cache(rig->sync), rig_mailbox(rig, mailbox), 0);
}

void told_changed(void *ctx, const struct sync_changed *changed)
{
    struct told *told = ctx;
    told->inode = changed->inode;
    snprintf(told->reason, sizeof told->reason, "%s", changed->reason);
    told_tell(told, changed->error);
}
