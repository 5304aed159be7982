/*
 * The journal's thread and its transactions; see journal_internal.h for why. The order within one:
 * the jobs, each in a savepoint; one fsync of the outbox where a spool got its name; the commit;
 * everybody is told; then the names of spools whose rows are gone for certain go.
 */
#include "cache/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/condition.h"
#include "base/log.h"
#include "cache/journal_internal.h"

enum { JOURNAL_IDLE_MS = 1000, JOURNAL_ENDED_FIRST = 64 };

/* ---- what goes ---- */

enum cache_error journal_end_spool(struct journal *journal, int64_t id, uint64_t bytes)
{
    if (journal->ended_count == journal->ended_room) {
        size_t room = journal->ended_room != 0 ? journal->ended_room * 2 : JOURNAL_ENDED_FIRST;
        struct journal_ended *ended = realloc(journal->ended, room * sizeof *ended);
        if (ended == NULL)
            return CACHE_ERR_MEMORY;
        journal->ended = ended;
        journal->ended_room = room;
    }
    journal->ended[journal->ended_count++] = (struct journal_ended){id, bytes};
    return CACHE_OK;
}

/* A crash before this leaves files whose rows are known to have been: the next open removes them.
 */
static void remove_ended(struct journal *journal)
{
    char name[32];
    for (size_t i = 0; i < journal->ended_count; i++) {
        spool_file_name(name, journal->ended[i].id);
        if (journal->ended[i].id != 0 && unlinkat(journal->outbox_fd, name, 0) != 0 &&
            errno != ENOENT)
            log_warn("journal: the spool %s does not go: %s", name, strerror(errno));
        usage_give(journal, journal->ended[i].bytes);
    }
    journal->ended_count = 0;
}

/* ---- one transaction ---- */

static enum cache_error set_durability(struct journal *journal, bool durable)
{
    if (journal->relaxed != durable)
        return CACHE_OK;
    int code = sqlite3_exec(journal->db.handle,
                            durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL",
                            NULL, NULL, NULL);
    if (code != SQLITE_OK)
        return db_error_code(&journal->db, code);
    journal->relaxed = !durable;
    return CACHE_OK;
}

static bool lost_already(struct journal *journal)
{
    return sqlite3_get_autocommit(journal->db.handle) != 0;
}

/* Runs a job that writes in its savepoint; *error is how it ended by itself. Returns an error when
 * the whole transaction is lost. */
static enum cache_error run_saved(struct journal *journal, struct journal_job *job,
                                  enum cache_error *error)
{
    uint64_t rows = journal->rows;
    size_t ended = journal->ended_count;
    enum cache_error lost = db_run(&journal->db, INTENT_SAVE, NULL, 0);
    if (lost != CACHE_OK)
        return lost;
    *error = job->run(journal, job);
    if (lost_already(journal))
        return *error != CACHE_OK ? *error : CACHE_ERR_IO;
    if (*error != CACHE_OK) {
        journal->rows = rows;
        journal->ended_count = ended;
        lost = db_run(&journal->db, INTENT_UNDO, NULL, 0);
    }
    return lost != CACHE_OK ? lost : db_run(&journal->db, INTENT_RELEASE, NULL, 0);
}

/* The names of new spools are on disk before the rows that count on them. */
static enum cache_error sync_outbox(struct journal *journal)
{
    if (!journal->linked)
        return CACHE_OK;
    journal->linked = false;
    if (fsync(journal->outbox_fd) == 0)
        return CACHE_OK;
    log_error("journal: the outbox does not sync: %s", strerror(errno));
    return errno == ENOSPC || errno == EDQUOT ? CACHE_ERR_FULL : CACHE_ERR_IO;
}

static enum cache_error finish_transaction(struct journal *journal, enum cache_error lost,
                                           bool durable)
{
    if (lost == CACHE_OK)
        lost = sync_outbox(journal);
    if (lost == CACHE_OK)
        lost = db_run(&journal->db, INTENT_COMMIT, NULL, 0);
    journal->linked = false;
    if (lost != CACHE_OK) {
        if (!lost_already(journal) && db_run(&journal->db, INTENT_ROLLBACK, NULL, 0) != CACHE_OK)
            log_error("journal: the rollback failed too");
        return lost;
    }
    journal->pending = true;
    journal->unsynced = !durable;
    return CACHE_OK;
}

static enum cache_error run_writers(struct journal *journal, struct journal_job *jobs, bool durable)
{
    uint64_t rows = journal->rows;
    size_t ended = journal->ended_count;
    enum cache_error lost = set_durability(journal, durable);
    if (lost == CACHE_OK)
        lost = db_run(&journal->db, INTENT_BEGIN, NULL, 0);
    if (lost != CACHE_OK)
        return lost;
    for (struct journal_job *job = jobs; job != NULL && lost == CACHE_OK; job = job->next)
        if (job->writes)
            lost = run_saved(journal, job, &job->error);
    lost = finish_transaction(journal, lost, durable);
    if (lost != CACHE_OK) {
        journal->rows = rows;
        journal->ended_count = ended;
    }
    return lost;
}

static void tell(struct journal *journal, struct journal_job *jobs, enum cache_error lost)
{
    while (jobs != NULL) {
        struct journal_job *job = jobs;
        jobs = job->next;
        if (job->writes && job->error == CACHE_OK)
            job->error = lost;
        if (job->ended != NULL)
            job->ended(journal, job, job->error);
        pthread_mutex_lock(&journal->lock);
        job->done = true;
        pthread_cond_signal(&job->over); /* under the lock: after it the waiter's stack is gone */
        pthread_mutex_unlock(&journal->lock);
    }
}

static void run_round(struct journal *journal, struct journal_job *jobs)
{
    bool writes = false, durable = false;
    for (struct journal_job *job = jobs; job != NULL; job = job->next) {
        writes = writes || job->writes;
        durable = durable || (job->writes && job->durable);
    }
    enum cache_error lost = writes ? run_writers(journal, jobs, durable) : CACHE_OK;
    /* Readers after the commit: what they see is there. */
    for (struct journal_job *job = jobs; job != NULL; job = job->next)
        if (!job->writes)
            job->error = job->run(journal, job);
    tell(journal, jobs, lost);
    if (writes && lost == CACHE_OK && !journal->unsynced)
        remove_ended(journal);
}

/* Nobody has wanted anything for a while: the WAL goes to the disk and into the file. */
static void settle(struct journal *journal)
{
    int code =
        sqlite3_wal_checkpoint_v2(journal->db.handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    journal->pending = false;
    if (code != SQLITE_OK) {
        (void)db_error_code(&journal->db, code);
        return;
    }
    journal->unsynced = false;
    remove_ended(journal);
}

/* ---- the thread ---- */

/* Waits for jobs; NULL: there is time to settle, or (*stop) it is over. */
static struct journal_job *take_jobs(struct journal *journal, bool *stop)
{
    int64_t until = journal->pending ? clock_ms() + JOURNAL_IDLE_MS : INT64_MAX;
    pthread_mutex_lock(&journal->lock);
    while (journal->first == NULL && !journal->stopping &&
           condition_wait(&journal->work, &journal->lock, until))
        continue;
    struct journal_job *jobs = journal->first;
    journal->first = journal->last = NULL;
    *stop = journal->stopping && jobs == NULL;
    pthread_mutex_unlock(&journal->lock);
    return jobs;
}

static void *journal_main(void *argument)
{
    struct journal *journal = argument;
    bool stop = false;
    while (!stop) {
        struct journal_job *jobs = take_jobs(journal, &stop);
        if (jobs != NULL)
            run_round(journal, jobs);
        else if (journal->pending)
            settle(journal);
    }
    return NULL;
}

enum cache_error journal_wait(struct journal *journal, struct journal_job *job)
{
    pthread_cond_init(&job->over, NULL);
    pthread_mutex_lock(&journal->lock);
    job->next = NULL;
    if (journal->first == NULL)
        journal->first = job;
    else
        journal->last->next = job;
    journal->last = job;
    pthread_cond_signal(&journal->work);
    while (!job->done)
        pthread_cond_wait(&job->over, &journal->lock);
    pthread_mutex_unlock(&journal->lock);
    pthread_cond_destroy(&job->over);
    return job->error;
}

enum cache_error journal_alone(struct journal *journal, enum cache_error (*run)(struct journal *))
{
    enum cache_error error = db_run(&journal->db, INTENT_BEGIN, NULL, 0);
    if (error != CACHE_OK)
        return error;
    error = finish_transaction(journal, run(journal), true);
    if (error == CACHE_OK)
        remove_ended(journal);
    return error;
}

enum cache_error journal_start(struct journal *journal)
{
    condition_init(&journal->work);
    pthread_mutex_init(&journal->lock, NULL);
    journal->started = pthread_create(&journal->thread, NULL, journal_main, journal) == 0;
    if (journal->started)
        return CACHE_OK;
    pthread_mutex_destroy(&journal->lock);
    pthread_cond_destroy(&journal->work);
    return CACHE_ERR_MEMORY;
}

void journal_stop(struct journal *journal)
{
    if (!journal->started)
        return;
    pthread_mutex_lock(&journal->lock);
    journal->stopping = true;
    pthread_cond_signal(&journal->work);
    pthread_mutex_unlock(&journal->lock);
    pthread_join(journal->thread, NULL);
    journal->started = false;
    pthread_mutex_destroy(&journal->lock);
    pthread_cond_destroy(&journal->work);
}

/* ---- opening and closing ---- */

enum cache_error journal_open(struct journal **journal, const char *state_dir,
                              const char *cache_dir, const struct journal_limits *limits,
                              char *text)
{
    enum cache_error error = CACHE_ERR_MEMORY;
    text[0] = '\0';
    struct journal *j = *journal = calloc(1, sizeof *j);
    if (j != NULL) {
        j->lock_fd = j->outbox_fd = -1;
        j->limits = limits != NULL ? *limits : (struct journal_limits){0};
        pthread_mutex_init(&j->usage_lock, NULL);
        error = journal_prepare(j, state_dir, cache_dir, text);
    }
    if (error == CACHE_OK)
        error = journal_start(j);
    if (error != CACHE_OK && text[0] == '\0')
        snprintf(text, JOURNAL_TEXT_MAX, "cannot open the journal in %.200s: %s", state_dir,
                 error == CACHE_ERR_FULL     ? "the disk is full"
                 : error == CACHE_ERR_MEMORY ? "out of memory"
                                             : "see the log");
    if (error != CACHE_OK)
        journal_close(journal);
    return error;
}

void journal_close(struct journal **journal)
{
    struct journal *j = *journal;
    *journal = NULL;
    if (j == NULL)
        return;
    journal_stop(j); /* it settles before it ends */
    db_close(&j->db);
    if (j->spools != NULL)
        log_error("journal: closed while a spool is being written");
    if (j->outbox_fd >= 0)
        close(j->outbox_fd);
    if (j->lock_fd >= 0)
        close(j->lock_fd);
    pthread_mutex_destroy(&j->usage_lock);
    free(j->ended);
    free(j->directory);
    free(j->cache_dir);
    free(j);
}
