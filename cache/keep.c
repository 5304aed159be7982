/*
 * Whether bodies are evicted, and who hears of those that come: see cache_keep_all and
 * cache_keep_mailboxes in cache.h.
 *
 * A kept body that eviction comes to is moved to the end of its order, with a stamp that no hour
 * has (KEPT_HOUR); so the next round does not look at it again, and what it meets there at last is
 * what nothing else helps against.
 */
#include <stdlib.h>
#include <string.h>

#include "base/order.h"
#include "cache/internal.h"
#include "cache/statements.h"

struct keep_job {
    struct job job;
    struct keep keep;
};

static enum cache_error run_keep(struct writer *writer, struct job *job)
{
    writer->keep = ((struct keep_job *)job)->keep;
    return CACHE_OK;
}

enum cache_error cache_keep_all(struct cache *cache, cache_change_fn *arrived, void *ctx)
{
    struct keep_job keep = {
        .job = {.run = run_keep,    .urgent = true},
          .keep = {.arrived = arrived, .ctx = ctx    }
    };
    return writer_do(&cache->writer, &keep.job);
}

void keep_tell(const struct writer *writer, uint64_t parent, uint64_t ino)
{
    struct cache_change change = {.parent = parent, .ino = ino};
    if (writer->keep.arrived != NULL)
        writer->keep.arrived(writer->keep.ctx, &change);
}

/* ---- mailboxes ---- */

struct kept_job {
    struct job job;
    struct kept kept;
    bool fewer;
};

static enum cache_error run_keep_mailboxes(struct writer *writer, struct job *job)
{
    struct kept_job *wanted = (struct kept_job *)job;
    enum cache_error error = CACHE_OK;
    struct db *bodies = wanted->fewer ? writer_bodies(writer, &error) : NULL;
    if (bodies != NULL)
        error = db_run(bodies, BODIES_LET_GO, DB_VALUES(DB_INT(body_hour()), DB_INT(KEPT_HOUR)));
    if (error != CACHE_OK)
        return error;
    struct kept before = writer->kept;
    writer->kept = wanted->kept;
    wanted->kept = before;
    return CACHE_OK;
}

enum cache_error cache_keep_mailboxes(struct cache *cache, const int64_t *mailboxes, size_t count,
                                      bool fewer)
{
    struct kept_job job = {
        .job = {.run = run_keep_mailboxes, .urgent = true},
          .fewer = fewer
    };
    job.kept.count = count;
    if (count > 0) {
        job.kept.mailboxes = calloc(count, sizeof *mailboxes);
        if (job.kept.mailboxes == NULL)
            return CACHE_ERR_MEMORY;
        memcpy(job.kept.mailboxes, mailboxes, count * sizeof *mailboxes);
        qsort(job.kept.mailboxes, count, sizeof *mailboxes, order_i64);
    }
    enum cache_error error = writer_do(&cache->writer, &job.job);
    free(job.kept.mailboxes); /* those of before, or those that were not taken */
    return error;
}

enum cache_error keep_asks(struct writer *writer, int64_t message, bool *kept)
{
    struct cache_inode inode = {0};
    *kept = false;
    if (writer->kept.count == 0)
        return CACHE_OK;
    enum cache_error error = CACHE_OK;
    struct db *index = writer_index(writer, &error);
    if (index != NULL)
        error = inode_query(index, INDEX_INODE_OF_MESSAGE, DB_VALUES(DB_INT(message)), &inode);
    if (error == CACHE_ERR_ABSENT) /* its message is gone, or on its way to another mailbox */
        return CACHE_OK;
    *kept = error == CACHE_OK && bsearch(&inode.mailbox, writer->kept.mailboxes, writer->kept.count,
                                         sizeof inode.mailbox, order_i64) != NULL;
    return error;
}
