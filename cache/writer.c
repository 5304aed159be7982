/*
 * See writer.h. The loop: wait for work, begin, run jobs until none is left or 50 ms are over,
 * upkeep, commit bodies.db, commit index.db, tell everyone. bodies.db goes first, so that whoever
 * finds a body in use by the index finds its bytes; a crash in between leaves a body whose size is
 * not marked as exact, which the next open puts right (reconcile.c).
 */
#include "cache/writer.h"

#include "base/clock.h"
#include "base/condition.h"
#include "base/log.h"
#include "cache/internal.h"
#include "cache/statements.h"

/* Offsets of the six transaction statements from writer_side.begin. */
enum { SIDE_BEGIN, SIDE_COMMIT, SIDE_ROLLBACK, SIDE_SAVE, SIDE_RELEASE, SIDE_UNDO };
_Static_assert(INDEX_UNDO - INDEX_BEGIN == SIDE_UNDO, "same order in both lists");
_Static_assert(BODIES_UNDO - BODIES_BEGIN == SIDE_UNDO, "same order in both lists");

static void queue_push(struct job_queue *queue, struct job *job)
{
    job->next = NULL;
    if (queue->first == NULL)
        queue->first = job;
    else
        queue->last->next = job;
    queue->last = job;
}

static struct job *queue_pop(struct job_queue *queue)
{
    struct job *job = queue->first;
    if (job != NULL)
        queue->first = job->next;
    return job;
}

static bool on_writer(const struct writer *writer)
{
    return pthread_equal(pthread_self(), writer->thread) != 0;
}

void writer_put(struct writer *writer, struct job *job)
{
    pthread_mutex_lock(&writer->lock);
    while (job->weight > 0 && writer->in_flight > 0 && !on_writer(writer) &&
           writer->in_flight + job->weight > WRITER_ROOM)
        pthread_cond_wait(&writer->room, &writer->lock);
    writer->in_flight += job->weight;
    queue_push(job->urgent ? &writer->urgent : &writer->normal, job);
    pthread_cond_signal(&writer->work);
    pthread_mutex_unlock(&writer->lock);
}

void writer_nudge(struct writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    writer->nudged = true;
    pthread_cond_signal(&writer->work);
    pthread_mutex_unlock(&writer->lock);
}

/* One who waits for a job, on the waiter's own stack. */
struct waiter {
    struct job job;
    struct job *inner;
    pthread_cond_t over;
    bool done; /* protected by writer->lock */
};

static enum cache_error run_inner(struct writer *writer, struct job *job)
{
    struct job *inner = ((struct waiter *)job)->inner;
    return inner->run(writer, inner);
}

static void wake_waiter(struct writer *writer, struct job *job, enum cache_error error)
{
    struct waiter *waiter = (struct waiter *)job;
    pthread_mutex_lock(&writer->lock);
    waiter->job.error = error;
    waiter->done = true;
    pthread_cond_signal(&waiter->over); /* under the lock: after it the waiter's stack is gone */
    pthread_mutex_unlock(&writer->lock);
}

enum cache_error writer_do(struct writer *writer, struct job *job)
{
    struct waiter waiter = {
        .job = {.run = run_inner, .finished = wake_waiter, .urgent = job->urgent},
        .inner = job,
    };
    pthread_cond_init(&waiter.over, NULL);
    writer_put(writer, &waiter.job);
    pthread_mutex_lock(&writer->lock);
    while (!waiter.done)
        pthread_cond_wait(&waiter.over, &writer->lock);
    pthread_mutex_unlock(&writer->lock);
    pthread_cond_destroy(&waiter.over);
    return waiter.job.error;
}

static enum cache_error side_run(struct writer_side *side, unsigned what)
{
    return db_run(&side->db, side->begin + what, NULL, 0);
}

/* Transactions are begun when a job first wants them: one over bodies alone leaves index.db be. */
static struct db *side_enter(struct writer_side *side, enum cache_error *error)
{
    *error = CACHE_OK;
    if (!side->begun) {
        *error = side_run(side, SIDE_BEGIN);
        side->begun = *error == CACHE_OK;
        if (side->begun && !side->marked)
            *error = db_run(&side->db, side->clean, DB_VALUES(DB_INT(0)));
    }
    if (*error == CACHE_OK && !side->saved) {
        *error = side_run(side, SIDE_SAVE);
        side->saved = *error == CACHE_OK;
    }
    return *error == CACHE_OK ? &side->db : NULL;
}

struct db *writer_index(struct writer *writer, enum cache_error *error)
{
    return side_enter(&writer->index, error);
}

struct db *writer_bodies(struct writer *writer, enum cache_error *error)
{
    return side_enter(&writer->bodies, error);
}

/* SQLite ends a transaction by itself after some errors (disk full, no memory). */
static bool side_lost(const struct writer_side *side)
{
    return side->begun && sqlite3_get_autocommit(side->db.handle) != 0;
}

/* Keeps what a job did, or undoes it. Returns an error when the transaction is lost. */
static enum cache_error side_leave(struct writer_side *side, enum cache_error result)
{
    if (!side->saved)
        return CACHE_OK;
    side->saved = false;
    if (side_lost(side))
        return result != CACHE_OK ? result : CACHE_ERR_IO;
    enum cache_error error = CACHE_OK;
    if (result != CACHE_OK)
        error = side_run(side, SIDE_UNDO);
    if (error == CACHE_OK)
        error = side_run(side, SIDE_RELEASE);
    return error;
}

/* Runs a job, or upkeep, in its savepoints; *error is how it ended by itself. Returns an error when
 * the whole transaction is lost. */
static enum cache_error run_saved(struct writer *writer, struct job *job, enum cache_error *error)
{
    struct totals before = writer->totals;
    *error = job != NULL ? job->run(writer, job) : upkeep_run(writer);
    if (*error != CACHE_OK)
        writer->totals = before;
    enum cache_error bodies = side_leave(&writer->bodies, *error);
    enum cache_error index = side_leave(&writer->index, *error);
    return bodies != CACHE_OK ? bodies : index;
}

static void side_rollback(struct writer_side *side)
{
    if (side->begun && !side_lost(side) && side_run(side, SIDE_ROLLBACK) != CACHE_OK)
        log_error("cache: %s: the rollback failed too", side->db.kind->file);
    side->begun = false;
    side->saved = false;
}

static enum cache_error side_commit(struct writer_side *side)
{
    if (!side->begun)
        return CACHE_OK;
    enum cache_error error = side_run(side, SIDE_COMMIT);
    if (error != CACHE_OK) {
        side_rollback(side);
        return error;
    }
    side->begun = false;
    side->marked = true;
    return CACHE_OK;
}

/* Commits or rolls back both; the totals follow. */
static enum cache_error finish_transaction(struct writer *writer, enum cache_error lost)
{
    bool any = writer->index.begun || writer->bodies.begun;
    enum cache_error error = lost;
    if (any)
        memo_shut(&writer->cache->memo);
    if (error == CACHE_OK)
        error = side_commit(&writer->bodies);
    if (error == CACHE_OK) {
        writer->stored = writer->totals;
        error = side_commit(&writer->index);
    }
    if (error != CACHE_OK) {
        side_rollback(&writer->bodies);
        side_rollback(&writer->index);
        writer->totals = writer->stored;
        atomic_store(&writer->unsure, true);
    }
    if (any) /* before a body that is gone can be pinned again */
        memo_reopen(&writer->cache->memo);
    pins_forgive(&writer->cache->pins);
    if (any)
        writer->committed_ms = clock_ms();
    return error;
}

enum cache_error writer_settle(struct writer *writer, enum cache_error error)
{
    if (side_leave(&writer->bodies, error) != CACHE_OK ||
        side_leave(&writer->index, error) != CACHE_OK)
        error = error != CACHE_OK ? error : CACHE_ERR_IO;
    return finish_transaction(writer, error);
}

static void tell_all(struct writer *writer, struct job *jobs, enum cache_error lost)
{
    while (jobs != NULL) {
        struct job *job = jobs;
        size_t weight = job->weight;
        jobs = job->next;
        enum cache_error error = job->error != CACHE_OK ? job->error : lost;
        if (job->finished != NULL)
            job->finished(writer, job, error);
        if (weight == 0)
            continue;
        pthread_mutex_lock(&writer->lock);
        writer->in_flight -= weight;
        pthread_cond_broadcast(&writer->room);
        pthread_mutex_unlock(&writer->lock);
    }
}

static struct job *take_job(struct writer *writer, bool want_normal)
{
    pthread_mutex_lock(&writer->lock);
    struct job *job = want_normal ? queue_pop(&writer->normal) : NULL;
    if (job == NULL)
        job = queue_pop(&writer->urgent);
    if (job == NULL)
        job = queue_pop(&writer->normal);
    pthread_mutex_unlock(&writer->lock);
    return job;
}

/* One transaction: jobs for at most 50 ms, then upkeep, then the commit. */
static void run_transaction(struct writer *writer)
{
    struct job_queue ran = {0};
    enum cache_error lost = CACHE_OK;
    int64_t until = clock_ms() + WRITER_SLICE_MS;
    bool late = false, normal_had = false;
    while (lost == CACHE_OK) {
        struct job *job = take_job(writer, late && !normal_had);
        if (job == NULL)
            break;
        normal_had = normal_had || !job->urgent;
        lost = run_saved(writer, job, &job->error);
        queue_push(&ran, job);
        if (late)
            break;
        late = clock_ms() >= until;
        if (late && normal_had)
            break;
    }
    enum cache_error upkeep = CACHE_OK;
    if (lost == CACHE_OK)
        lost = run_saved(writer, NULL, &upkeep);
    if (upkeep != CACHE_OK)
        atomic_store(&writer->unsure, true);
    lost = finish_transaction(writer, lost);
    tell_all(writer, ran.first, lost);
}

static void wait_for_work(struct writer *writer, bool *work, bool *stop)
{
    int delay = upkeep_delay(writer);
    int64_t until = delay < 0 ? INT64_MAX : clock_ms() + delay;
    pthread_mutex_lock(&writer->lock);
    while (writer->urgent.first == NULL && writer->normal.first == NULL && !writer->nudged &&
           !writer->stopping && condition_wait(&writer->work, &writer->lock, until))
        continue;
    *work = writer->urgent.first != NULL || writer->normal.first != NULL;
    *stop = writer->stopping && !*work;
    writer->nudged = false;
    pthread_mutex_unlock(&writer->lock);
}

static void *writer_main(void *argument)
{
    struct writer *writer = argument;
    bool work = false, stop = false;
    while (!stop) {
        wait_for_work(writer, &work, &stop);
        writer->closing = stop;
        run_transaction(writer);
        upkeep_checkpoint(writer, !work);
    }
    return NULL;
}

static int note_wal(void *ctx, sqlite3 *handle, const char *name, int pages)
{
    struct writer_side *side = ctx;
    if (pages < side->wal_tried)
        side->wal_tried = 0; /* the WAL began anew */
    side->wal_pages = pages;
    return SQLITE_OK;
}

enum cache_error writer_start(struct writer *writer, struct cache *cache)
{
    writer->cache = cache;
    writer->grace_ms = WRITER_GRACE_MS;
    writer->stamped_ms = clock_ms();
    sqlite3_wal_hook(writer->index.db.handle, note_wal, &writer->index);
    sqlite3_wal_hook(writer->bodies.db.handle, note_wal, &writer->bodies);
    pthread_mutex_init(&writer->lock, NULL);
    condition_init(&writer->work);
    pthread_cond_init(&writer->room, NULL);
    if (pthread_create(&writer->thread, NULL, writer_main, writer) != 0)
        return CACHE_ERR_MEMORY;
    writer->started = true;
    return CACHE_OK;
}

void writer_stop(struct writer *writer)
{
    if (!writer->started)
        return;
    pthread_mutex_lock(&writer->lock);
    writer->stopping = true;
    pthread_cond_signal(&writer->work);
    pthread_mutex_unlock(&writer->lock);
    pthread_join(writer->thread, NULL);
    writer->started = false;
    pthread_cond_destroy(&writer->room);
    pthread_cond_destroy(&writer->work);
    pthread_mutex_destroy(&writer->lock);
}
