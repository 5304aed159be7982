/* See whole.h. */
#include "fs/whole.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/condition.h"
#include "base/log.h"
#include "fs/internal.h"
#include "fs/rooms.h"

enum { LOOK_MS = 1000, SETTLE_MS = 2, ROWS = 128, STATUS_MS = 1000 };
enum state { ABSENT, HOLDING, IN_FORCE };

struct whole {
    struct fs *fs;
    pthread_t thread;
    atomic_int state;
    atomic_uint epoch;
    atomic_uint answers[2]; /* under way, by the epoch's parity when they began */
    bool keeping;           /* the thread's: the cache evicts nothing */
    pthread_mutex_t lock;
    pthread_cond_t wake;   /* CLOCK_MONOTONIC */
    bool stopping, joined; /* protected by lock */
    pthread_mutex_t status_lock;
    struct buffer status;      /* protected by status_lock, as below */
    struct timespec status_at; /* wall clock */
    int64_t status_ms;         /* clock_ms; 0: none yet */
};

bool whole_in_force(const struct whole *whole)
{
    return whole != NULL && atomic_load(&whole->state) == IN_FORCE;
}

bool whole_shuts_rooms(const struct whole *whole)
{
    return whole != NULL && atomic_load(&whole->state) != ABSENT;
}

bool whole_holds_back(const struct whole *whole, const struct cache_inode *inode)
{
    return whole != NULL && atomic_load(&whole->state) != ABSENT && inode->kind == CACHE_MESSAGE &&
           !inode->size_exact;
}

/* ---- answers under way ---- */

unsigned whole_answer_begin(struct whole *whole)
{
    unsigned turn;

    if (whole == NULL)
        return 0;
    for (;;) {
        turn = atomic_load(&whole->epoch) % 2;
        atomic_fetch_add(&whole->answers[turn], 1);
        if (atomic_load(&whole->epoch) % 2 == turn)
            return turn;
        atomic_fetch_sub(&whole->answers[turn], 1);
    }
}

void whole_answer_end(struct whole *whole, unsigned turn)
{
    if (whole != NULL)
        atomic_fetch_sub(&whole->answers[turn], 1);
}

/* Waits; false: the mount ends. */
static bool pause_ms(struct whole *whole, int ms)
{
    int64_t until = clock_ms() + ms;
    bool go_on;

    pthread_mutex_lock(&whole->lock);
    while (!whole->stopping && condition_wait(&whole->wake, &whole->lock, until))
        continue;
    go_on = !whole->stopping;
    pthread_mutex_unlock(&whole->lock);
    return go_on;
}

/* Until every answer that is under way now is out. */
static bool answers_settle(struct whole *whole)
{
    unsigned turn = atomic_fetch_add(&whole->epoch, 1) % 2;

    while (atomic_load(&whole->answers[turn]) != 0)
        if (!pause_ms(whole, SETTLE_MS))
            return false;
    return true;
}

/* ---- is everything here ---- */

struct mailboxes {
    uint64_t *directories;
    size_t count;
    bool listed, memory;
};

static bool gather(void *ctx, const struct cache_mailbox *mailbox)
{
    struct mailboxes *all = ctx;
    uint64_t *directories = realloc(all->directories, (all->count + 1) * sizeof(*directories));

    all->memory = directories != NULL;
    if (!all->memory)
        return false;
    all->directories = directories;
    directories[all->count++] = mailbox->ino;
    all->listed = all->listed && (mailbox->listed || !mailbox->selectable);
    return true;
}

/* The directories of all mailboxes; caller frees. False: not all are listed. */
static bool gather_all(struct whole *whole, struct mailboxes *all)
{
    *all = (struct mailboxes){.listed = true, .memory = true};
    return cache_mailbox_each(whole->fs->cache, gather, all) == CACHE_OK && all->listed &&
           all->memory && all->count > 0;
}

static bool body_here(struct whole *whole, const struct cache_inode *row)
{
    uint64_t size = 0;
    bool here =
        row->size_exact && cache_body_pin(whole->fs->cache, row->message, &size) == CACHE_OK;

    if (here)
        cache_body_unpin(whole->fs->cache, row->message);
    return here && size == row->size;
}

static bool first_look(struct whole *whole, const struct cache_inode *row)
{
    return row->kind != CACHE_MESSAGE || body_here(whole, row);
}

/* What came since the first look is held back; what came before that and was told, is not whole. */
static bool second_look(struct whole *whole, const struct cache_inode *row)
{
    struct fs *fs = whole->fs;

    if (row->kind != CACHE_MESSAGE)
        return true;
    if (!body_here(whole, row))
        return !row->size_exact && !told_knows(fs->told, row->ino);
    if (told_suspect(fs->told, row->ino)) {
        fuse_lowlevel_notify_inval_inode(fs->session, row->ino, -1, 0);
        told_settled(fs->told, row->ino);
    }
    return true;
}

static bool stopping(struct whole *whole)
{
    bool stop;

    pthread_mutex_lock(&whole->lock);
    stop = whole->stopping;
    pthread_mutex_unlock(&whole->lock);
    return stop;
}

static bool look_into(struct whole *whole, uint64_t directory, struct cache_inode *rows,
                      bool (*look)(struct whole *, const struct cache_inode *))
{
    uint64_t after = 0;
    size_t count = 1;

    while (count > 0) {
        if (stopping(whole) ||
            cache_inode_list(whole->fs->cache, directory, after, rows, ROWS, &count) != CACHE_OK)
            return false;
        for (size_t i = 0; i < count; i++) {
            if (!look(whole, &rows[i]))
                return false;
            after = rows[i].ino;
        }
    }
    return true;
}

static bool look_through(struct whole *whole,
                         bool (*look)(struct whole *, const struct cache_inode *))
{
    struct cache_inode *rows = calloc(ROWS, sizeof(*rows));
    struct mailboxes all;
    bool good = gather_all(whole, &all) && rows != NULL;

    for (size_t i = 0; i < all.count && good; i++)
        good = look_into(whole, all.directories[i], rows, look);
    free(all.directories);
    free(rows);
    return good;
}

/* Two totals and the rows of the mailboxes: cheap enough for once a second. */
static bool worth_a_look(struct whole *whole)
{
    struct cache_figures figures;
    struct mailboxes all = {0};
    bool worth = cache_figures_get(whole->fs->cache, &figures) == CACHE_OK &&
                 figures.bodies >= figures.messages && gather_all(whole, &all);

    free(all.directories);
    return worth;
}

/* The writer's thread: the body of a message has come. */
static void on_arrived(void *ctx, const struct cache_change *change)
{
    struct whole *whole = ctx;
    struct fs *fs = whole->fs;

    told_directory_changed(fs->told, change->parent);
    notify_directory(fs->notifier, change->parent);
}

/* Names may have been held back: listings that the kernel made meanwhile are not whole. */
static void give_up(struct whole *whole)
{
    struct fs *fs = whole->fs;
    struct mailboxes all;

    atomic_store(&whole->state, ABSENT);
    if (cache_keep_all(fs->cache, NULL, NULL) == CACHE_OK)
        whole->keeping = false;
    gather_all(whole, &all);
    for (size_t i = 0; i < all.count; i++) {
        told_directory_changed(fs->told, all.directories[i]);
        notify_directory(fs->notifier, all.directories[i]);
    }
    free(all.directories);
}

/* True: it is in force. */
static bool begin(struct whole *whole)
{
    bool good;

    if (rooms_in_use(whole->fs) || !worth_a_look(whole))
        return false;
    if (cache_keep_all(whole->fs->cache, on_arrived, whole) != CACHE_OK)
        return false;
    whole->keeping = true;
    good = look_through(whole, first_look);
    if (good) {
        atomic_store(&whole->state, HOLDING);
        /* A room that is looked up from now on sees the state; one before that is seen here. */
        good =
            !rooms_in_use(whole->fs) && answers_settle(whole) && look_through(whole, second_look);
    }
    if (!good) {
        give_up(whole);
        return false;
    }
    atomic_store(&whole->state, IN_FORCE);
    log_info("everything is in the cache: files are opened without asking from now on");
    return true;
}

static void *whole_main(void *arg)
{
    struct whole *whole = arg;

    while (!begin(whole) && pause_ms(whole, LOOK_MS))
        continue;
    return NULL;
}

/* ---- .status ---- */

/* The text of now, or of less than a second ago: who reads it in pieces reads one text. */
static bool status_make_locked(struct whole *whole)
{
    if (whole->status_ms != 0 && clock_ms() - whole->status_ms < STATUS_MS)
        return true;
    buffer_clear(&whole->status);
    if (!sync_status_text(whole->fs->sync, &whole->status))
        return false;
    clock_gettime(CLOCK_REALTIME, &whole->status_at);
    whole->status_ms = clock_ms();
    return true;
}

void whole_status_attr(struct whole *whole, struct stat *st)
{
    pthread_mutex_lock(&whole->status_lock);
    if (status_make_locked(whole)) {
        st->st_size = (off_t)whole->status.len;
        st->st_mtim = st->st_ctim = whole->status_at; /* another text drops the kernel's pages */
    }
    pthread_mutex_unlock(&whole->status_lock);
}

ssize_t whole_status_read(struct whole *whole, off_t offset, char *data, size_t size)
{
    size_t len = 0;

    pthread_mutex_lock(&whole->status_lock);
    if (whole->status_ms == 0 && !status_make_locked(whole)) {
        pthread_mutex_unlock(&whole->status_lock);
        return -1;
    }
    if (offset >= 0 && (uint64_t)offset < whole->status.len) {
        len = whole->status.len - (size_t)offset;
        len = len < size ? len : size;
        memcpy(data, whole->status.data + offset, len);
    }
    pthread_mutex_unlock(&whole->status_lock);
    return (ssize_t)len;
}

/* ---- life ---- */

struct whole *whole_start(struct fs *fs)
{
    struct whole *whole = calloc(1, sizeof(*whole));

    if (whole == NULL)
        return NULL;
    whole->fs = fs;
    buffer_init(&whole->status, FS_STATUS_MAX);
    pthread_mutex_init(&whole->lock, NULL);
    pthread_mutex_init(&whole->status_lock, NULL);
    condition_init(&whole->wake);
    if (pthread_create(&whole->thread, NULL, whole_main, whole) != 0) {
        whole->joined = true;
        whole_stop(&whole);
    }
    return whole;
}

void whole_halt(struct whole *whole)
{
    bool join;

    if (whole == NULL)
        return;
    pthread_mutex_lock(&whole->lock);
    whole->stopping = true;
    join = !whole->joined;
    whole->joined = true;
    pthread_cond_broadcast(&whole->wake);
    pthread_mutex_unlock(&whole->lock);
    if (join)
        pthread_join(whole->thread, NULL);
}

void whole_stop(struct whole **wholep)
{
    struct whole *whole = *wholep;

    if (whole == NULL)
        return;
    whole_halt(whole);
    if (whole->keeping && cache_keep_all(whole->fs->cache, NULL, NULL) != CACHE_OK)
        log_debug("the cache keeps everything until it is closed");
    pthread_cond_destroy(&whole->wake);
    pthread_mutex_destroy(&whole->lock);
    pthread_mutex_destroy(&whole->status_lock);
    buffer_free(&whole->status);
    free(whole);
    *wholep = NULL;
}
