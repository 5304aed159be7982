/*
 * The memory of small spools. A block belongs to the spools that share it, and changes only while
 * one has it alone: a copy costs nothing until somebody writes. All blocks together are bounded
 * (SPOOL_MEMORY): whoever finds no room writes a file instead, and sealed spools, whose bytes the
 * database has, give theirs back.
 *
 * Any thread, one at a time for a spool that is written; sealed ones are woken by all who read
 * them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/journal_internal.h"

enum { SPOOL_MEMORY = 16 << 20, BLOCK_FIRST = 8 << 10 };

/* ---- blocks ---- */

static bool memory_take(struct journal *journal, size_t bytes, bool bounded)
{
    pthread_mutex_lock(&journal->usage_lock);
    bool room = !bounded || journal->held + bytes <= SPOOL_MEMORY;
    journal->held += room ? bytes : 0;
    pthread_mutex_unlock(&journal->usage_lock);
    return room;
}

static void memory_give(struct journal *journal, size_t bytes)
{
    pthread_mutex_lock(&journal->usage_lock);
    journal->held -= bytes;
    pthread_mutex_unlock(&journal->usage_lock);
}

static struct spool_block *block_new(struct journal *journal, size_t room, bool bounded,
                                     enum cache_error *error)
{
    *error = CACHE_ERR_LIMIT;
    if (!memory_take(journal, room, bounded))
        return NULL;
    struct spool_block *block = malloc(sizeof *block + room);
    *error = block != NULL ? CACHE_OK : CACHE_ERR_MEMORY;
    if (block != NULL)
        *block = (struct spool_block){.references = 1, .room = room};
    else
        memory_give(journal, room);
    return block;
}

void block_drop(struct journal_spool *spool)
{
    struct journal *journal = spool->journal;
    pthread_mutex_lock(&journal->usage_lock);
    struct spool_block *block = spool->block;
    spool->block = NULL;
    bool last = block != NULL && --block->references == 0;
    journal->held -= last ? block->room : 0;
    pthread_mutex_unlock(&journal->usage_lock);
    if (last)
        free(block);
}

void block_share(struct journal_spool *from, struct journal_spool *to)
{
    pthread_mutex_lock(&from->journal->usage_lock);
    to->block = from->block;
    if (to->block != NULL)
        to->block->references++;
    pthread_mutex_unlock(&from->journal->usage_lock);
}

bool block_shared(struct journal_spool *spool)
{
    pthread_mutex_lock(&spool->journal->usage_lock);
    bool shared = spool->block != NULL && spool->block->references > 1;
    pthread_mutex_unlock(&spool->journal->usage_lock);
    return shared;
}

enum cache_error block_reserve(struct journal_spool *spool, size_t size)
{
    enum cache_error error;
    size_t room = spool->block != NULL ? spool->block->room : BLOCK_FIRST;
    if (spool->block != NULL && room >= size && !block_shared(spool))
        return CACHE_OK;
    while (room < size)
        room *= 2;
    struct spool_block *block = block_new(spool->journal, room, true, &error);
    if (block == NULL)
        return error;
    if (spool->block != NULL)
        memcpy(block->data, spool->block->data, spool->size < room ? (size_t)spool->size : room);
    block_drop(spool);
    spool->block = block;
    return CACHE_OK;
}

/* ---- rest ---- */

static bool awake(struct journal_spool *spool)
{
    pthread_mutex_lock(&spool->journal->usage_lock);
    bool is = !spool->sealed || spool->row == 0 || spool->fd >= 0 || spool->block != NULL ||
              (spool->small && spool->size == 0);
    pthread_mutex_unlock(&spool->journal->usage_lock);
    return is;
}

/* What another reader was faster with is given back. */
static void take(struct journal_spool *spool, int fd, struct spool_block *block)
{
    struct journal *journal = spool->journal;
    pthread_mutex_lock(&journal->usage_lock);
    bool first = spool->fd < 0 && spool->block == NULL;
    if (first) {
        spool->fd = fd;
        spool->block = block;
    } else if (block != NULL) {
        journal->held -= block->room;
    }
    pthread_mutex_unlock(&journal->usage_lock);
    if (first)
        return;
    if (fd >= 0)
        close(fd);
    free(block);
}

static enum cache_error wake_file(struct journal_spool *spool)
{
    char name[32];
    struct stat st;
    spool_file_name(name, spool->row);
    int fd = openat(spool->journal->outbox_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &st) != 0) {
        enum cache_error error =
            errno == ENOENT ? CACHE_ERR_ABSENT : spool_error(errno, "a spool does not open");
        if (fd >= 0)
            close(fd);
        return error;
    }
    if (spool->reading) /* of an unfinished one, the row may not know */
        spool->size = (uint64_t)st.st_size;
    take(spool, fd, NULL);
    return CACHE_OK;
}

struct wake_job {
    struct journal_job job;
    int64_t id;
    char *data;
    size_t size;
};

static enum cache_error run_wake(struct journal *journal, struct journal_job *job)
{
    struct wake_job *wake = (struct wake_job *)job;
    enum db_step step = db_query(&journal->db, INTENT_BYTES, DB_VALUES(DB_INT(wake->id)));
    if (step != DB_ROW)
        return step == DB_DONE ? CACHE_ERR_ABSENT : db_error(&journal->db);
    bool whole = db_blob(&journal->db, INTENT_BYTES, 0, wake->data, wake->size);
    db_end(&journal->db, INTENT_BYTES);
    return whole ? CACHE_OK : CACHE_ERR_IO;
}

static enum cache_error wake_small(struct journal_spool *spool)
{
    enum cache_error error;
    struct spool_block *block = block_new(spool->journal, (size_t)spool->size, false, &error);
    if (block == NULL)
        return error;
    struct wake_job wake = {
        .job = {.run = run_wake},
        .id = spool->row,
        .data = block->data,
        .size = (size_t)spool->size,
    };
    error = journal_wait(spool->journal, &wake.job);
    if (error == CACHE_OK) {
        take(spool, -1, block);
        return CACHE_OK;
    }
    memory_give(spool->journal, block->room);
    free(block);
    return error;
}

enum cache_error spool_wake(struct journal_spool *spool)
{
    if (awake(spool))
        return CACHE_OK;
    return spool->small ? wake_small(spool) : wake_file(spool);
}

void journal_spool_rest(struct journal_spool *spool)
{
    if (!spool->sealed || spool->row == 0)
        return;
    if (spool->small && !block_shared(spool))
        block_drop(spool);
    if (!spool->small && spool->fd >= 0) {
        close(spool->fd);
        spool->fd = -1;
    }
}

void spool_rest_if_full(struct journal_spool *spool)
{
    pthread_mutex_lock(&spool->journal->usage_lock);
    bool full = spool->journal->held > SPOOL_MEMORY / 2;
    pthread_mutex_unlock(&spool->journal->usage_lock);
    if (!spool->small || full)
        journal_spool_rest(spool);
}
