/*
 * sync/jobs.c, dispatch.c and warden.c without a server: who takes which job, who is told what, and
 * that each waiter is told exactly once. The sync object here has workers without threads.
 */
#include "tests/unit/test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "sync/internal.h"

struct told {
    int times;
    enum sync_error error;
};

static void tell(void *ctx, enum sync_error error)
{
    struct told *told = ctx;
    told->times++;
    told->error = error;
}

static struct sync *make(void)
{
    struct sync *sync = calloc(1, sizeof *sync);
    assert_non_null(sync);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&sync->lock, NULL);
    pthread_cond_init(&sync->warden_wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    sync->worker_count = 2;
    for (unsigned i = 0; i < 2; i++)
        sync->workers[i] =
            (struct worker){.sync = sync, .wake_fd = eventfd(0, EFD_NONBLOCK), .cancel_fd = -1};
    return sync;
}

static void unmake(struct sync *sync)
{
    assert_null(sync->jobs);
    for (unsigned i = 0; i < 2; i++)
        close(sync->workers[i].wake_fd);
    pthread_mutex_destroy(&sync->lock);
    pthread_cond_destroy(&sync->warden_wake);
    free(sync);
}

static bool woken(struct worker *w)
{
    eventfd_t count;
    return eventfd_read(w->wake_fd, &count) == 0;
}

static struct job *add(struct sync *sync, enum job_kind kind, int64_t mailbox, int64_t message,
                       struct told *told, int64_t bound_ms, sync_ticket *ticket)
{
    struct waiter waiter = {
        .done = tell, .ctx = told, .bound_ms = bound_ms, .at_bound = SYNC_ERR_UNREACHABLE};
    enum sync_error why;
    pthread_mutex_lock(&sync->lock);
    struct job *job = job_new_locked(sync, kind, mailbox, message);
    sync_ticket given = waiter_add_locked(sync, job, &waiter);
    if (ticket != NULL)
        *ticket = given;
    struct waiter *list = job_dispatch_locked(sync, job, &why);
    pthread_mutex_unlock(&sync->lock);
    waiters_tell(list, why);
    return job;
}

static void test_idle_connection_with_the_mailbox(void **state)
{
    struct sync *sync = make();
    struct told told = {0};
    sync->workers[0].state = sync->workers[1].state = WORKER_READY;
    sync->workers[1].mailbox = 7;
    struct job *job = add(sync, JOB_BODY, 7, 1, &told, 1000, NULL);
    assert_true(woken(&sync->workers[1]));
    assert_false(woken(&sync->workers[0]));
    assert_ptr_equal(job_take(&sync->workers[1]), job);
    assert_null(job_take(&sync->workers[0]));
    job_end(sync, job, SYNC_OK);
    assert_int_equal(told.times, 1);
    assert_int_equal(told.error, SYNC_OK);
    unmake(sync);
}

static void test_another_mailbox_waits_for_an_empty_pipeline(void **state)
{
    struct sync *sync = make();
    struct told told[3] = {{0}};
    sync->workers[0].state = WORKER_READY;
    sync->workers[1].state = WORKER_STOPPED;
    struct job *a = add(sync, JOB_BODY, 7, 1, &told[0], 1000, NULL);
    assert_ptr_equal(job_take(&sync->workers[0]), a);
    struct job *b = add(sync, JOB_BODY, 8, 2, &told[1], 1000, NULL);
    struct job *c = add(sync, JOB_BODY, 7, 3, &told[2], 1000, NULL);
    assert_ptr_equal(job_take(&sync->workers[0]), c);
    assert_null(job_take(&sync->workers[0]));
    job_end(sync, a, SYNC_OK);
    job_end(sync, c, SYNC_OK);
    assert_ptr_equal(job_take(&sync->workers[0]), b);
    job_end(sync, b, SYNC_ERR_GONE);
    assert_int_equal(told[1].error, SYNC_ERR_GONE);
    unmake(sync);
}

/* A crowd in one mailbox does not keep a request for another waiting for ever. */
static void test_nobody_starves(void **state)
{
    struct sync *sync = make();
    struct told told[4] = {{0}};
    struct worker *w = &sync->workers[0];
    w->state = WORKER_READY;
    struct job *a = add(sync, JOB_BODY, 7, 1, &told[0], 30000, NULL);
    assert_ptr_equal(job_take(w), a);
    struct job *other = add(sync, JOB_LISTING, 8, 0, &told[1], 30000, NULL);
    struct job *b = add(sync, JOB_BODY, 7, 2, &told[2], 30000, NULL);
    other->since -= PATIENCE_MS;
    assert_ptr_equal(job_take(w), b); /* the worker has only just come to mailbox 7 */
    struct job *c = add(sync, JOB_BODY, 7, 3, &told[3], 30000, NULL);
    w->turn -= PATIENCE_MS;
    assert_null(job_take(w));
    job_end(sync, a, SYNC_OK);
    job_end(sync, b, SYNC_OK);
    assert_ptr_equal(job_take(w), other);
    assert_null(job_take(w));
    job_end(sync, other, SYNC_OK);
    assert_ptr_equal(job_take(w), c);
    job_end(sync, c, SYNC_OK);
    unmake(sync);
}

/* One that sleeps through its own pause must not be the one that keeps the time. */
static void test_somebody_keeps_the_time(void **state)
{
    struct sync *sync = make();
    struct told told[2] = {{0}};
    sync->workers[0].next_attempt = clock_ms() + 5000;
    sync->limiter_until = clock_ms() + 1000;
    struct job *a = add(sync, JOB_BODY, 7, 1, &told[0], 30000, NULL);
    assert_true(woken(&sync->workers[1]));
    assert_true(sync->workers[1].called && !sync->workers[0].called);
    sync->workers[1].state = WORKER_READY;
    sync->workers[1].mailbox = 7;
    sync->limiter_until = 0;
    assert_ptr_equal(job_take(&sync->workers[1]), a);
    struct job *b = add(sync, JOB_BODY, 8, 2, &told[1], 30000, NULL);
    assert_true(woken(&sync->workers[0])); /* nobody has room: it will connect when it may */
    job_end(sync, a, SYNC_OK);
    assert_ptr_equal(job_take(&sync->workers[1]), b);
    job_end(sync, b, SYNC_OK);
    unmake(sync);
}

/* Who stands in a queue that moves has not been forgotten by the network. */
static void test_a_queue_that_moves_is_progress(void **state)
{
    struct sync *sync = make();
    struct told told[2] = {{0}};
    sync->workers[0].state = WORKER_READY;
    sync->workers[1].state = WORKER_STOPPED;
    struct job *a = add(sync, JOB_LISTING, 7, 0, &told[0], 30000, NULL);
    struct job *b = add(sync, JOB_BODY, 8, 2, &told[1], 30000, NULL);
    assert_ptr_equal(job_take(&sync->workers[0]), b);
    a->progress = b->progress = 0;
    jobs_progress(&sync->workers[0]);
    assert_true(a->progress > 0 && b->progress > 0);
    job_end(sync, b, SYNC_OK);
    assert_ptr_equal(job_take(&sync->workers[0]), a);
    job_end(sync, a, SYNC_OK);
    unmake(sync);
}

static void test_bodies_go_first(void **state)
{
    struct sync *sync = make();
    struct told told[2] = {{0}};
    sync->workers[0].state = WORKER_READY;
    struct job *listing = add(sync, JOB_LISTING, 7, 0, &told[0], 1000, NULL);
    struct job *body = add(sync, JOB_BODY, 9, 1, &told[1], 1000, NULL);
    assert_ptr_equal(job_take(&sync->workers[0]), body);
    job_end(sync, body, SYNC_OK);
    assert_ptr_equal(job_take(&sync->workers[0]), listing);
    job_end(sync, listing, SYNC_OK);
    unmake(sync);
}

static void test_outage_fails_at_once(void **state)
{
    struct sync *sync = make();
    struct told told = {0};
    sync->outage = (struct outage){.error = SYNC_ERR_UNREACHABLE, .until = clock_ms() + 5000};
    add(sync, JOB_BODY, 7, 1, &told, 30000, NULL);
    assert_int_equal(told.times, 1);
    assert_int_equal(told.error, SYNC_ERR_UNREACHABLE);
    unmake(sync);
}

static void test_backoff_longer_than_the_bound(void **state)
{
    struct sync *sync = make();
    struct told patient = {0}, hasty = {0};
    sync->workers[0].state = WORKER_READY;
    sync->limiter_until = clock_ms() + 10000;
    add(sync, JOB_BODY, 7, 1, &hasty, 5000, NULL);
    assert_int_equal(hasty.times, 1);
    assert_int_equal(hasty.error, SYNC_ERR_THROTTLED);
    struct job *job = add(sync, JOB_BODY, 7, 2, &patient, 30000, NULL);
    assert_int_equal(patient.times, 0);
    assert_null(job_take(&sync->workers[0]));
    sync->limiter_until = 0;
    assert_ptr_equal(job_take(&sync->workers[0]), job);
    job_end(sync, job, SYNC_OK);
    assert_int_equal(patient.times, 1);
    unmake(sync);
}

static void test_retry_is_bounded(void **state)
{
    struct sync *sync = make();
    struct told told = {0};
    sync->workers[0].state = WORKER_READY;
    struct job *job = add(sync, JOB_BODY, 7, 1, &told, 30000, NULL);
    for (int i = 0; i < ATTEMPTS_MAX; i++) {
        assert_int_equal(told.times, 0);
        assert_ptr_equal(job_take(&sync->workers[0]), job);
        job_retry(sync, job, IMAP_ERR_CLOSED);
    }
    assert_int_equal(told.times, 1);
    assert_int_equal(told.error, SYNC_ERR_UNREACHABLE);
    assert_int_equal(sync->workers[0].active, 0);
    unmake(sync);
}

static void test_detach(void **state)
{
    struct sync *sync = make();
    struct told a = {0}, b = {0};
    sync_ticket first, second;
    sync->workers[0].state = WORKER_READY;
    add(sync, JOB_BODY, 7, 1, &a, 30000, &first);
    assert_true(sync_detach(sync, first)); /* nobody is left: the pending job goes */
    assert_null(sync->jobs);
    assert_false(sync_detach(sync, first));
    struct job *job = add(sync, JOB_BODY, 7, 2, &b, 30000, &second);
    assert_ptr_equal(job_take(&sync->workers[0]), job);
    assert_true(sync_detach(sync, second)); /* under way: it goes on */
    job_end(sync, job, SYNC_OK);
    assert_int_equal(a.times + b.times, 0);
    unmake(sync);
}

static void test_entries_land(void **state)
{
    struct sync *sync = make();
    struct told early = {0}, late = {0};
    struct waiter waiter = {.done = tell,
                            .bound_ms = 30000,
                            .at_bound = SYNC_ERR_UNREACHABLE,
                            .entries = true,
                            .after = 10};
    pthread_mutex_lock(&sync->lock);
    struct job *job = job_new_locked(sync, JOB_LISTING, 7, 0);
    waiter.ctx = &early;
    waiter_add_locked(sync, job, &waiter);
    waiter.ctx = &late;
    waiter.after = 20;
    waiter_add_locked(sync, job, &waiter);
    pthread_mutex_unlock(&sync->lock);
    job_landed(sync, job, 15);
    assert_int_equal(early.times, 1);
    assert_int_equal(late.times, 0);
    job_end(sync, job, SYNC_ERR_UNREACHABLE);
    assert_int_equal(early.times, 1);
    assert_int_equal(late.times, 1);
    assert_int_equal(late.error, SYNC_ERR_UNREACHABLE);
    unmake(sync);
}

static void *until_told(void *ctx)
{
    struct told *told = ctx;
    for (int i = 0; i < 500 && __atomic_load_n(&told->times, __ATOMIC_ACQUIRE) == 0; i++)
        usleep(10000);
    return NULL;
}

static void tell_atomically(void *ctx, enum sync_error error)
{
    struct told *told = ctx;
    told->error = error;
    __atomic_add_fetch(&told->times, 1, __ATOMIC_RELEASE);
}

static void test_warden_keeps_the_bound(void **state)
{
    struct sync *sync = make();
    struct told told = {0}, grace = {0};
    struct waiter waiter = {
        .done = tell_atomically, .bound_ms = 50, .at_bound = SYNC_ERR_UNREACHABLE, .ctx = &told};
    pthread_t warden;
    assert_int_equal(pthread_create(&warden, NULL, warden_main, sync), 0);
    pthread_mutex_lock(&sync->lock);
    struct job *job = job_new_locked(sync, JOB_BODY, 7, 1);
    struct job *refresh = job_new_locked(sync, JOB_LISTING, 8, 0);
    job_hold_locked(refresh, &sync->workers[0]);
    waiter_add_locked(sync, job, &waiter);
    waiter.ctx = &grace;
    waiter.at_bound = SYNC_OK;
    waiter_add_locked(sync, refresh, &waiter);
    pthread_mutex_unlock(&sync->lock);
    until_told(&told);
    until_told(&grace);
    pthread_mutex_lock(&sync->lock);
    sync->stopping = true;
    pthread_cond_signal(&sync->warden_wake);
    pthread_mutex_unlock(&sync->lock);
    pthread_join(warden, NULL);
    assert_int_equal(told.error, SYNC_ERR_UNREACHABLE);
    assert_int_equal(grace.error, SYNC_OK);
    job_end(sync, refresh,
            SYNC_OK); /* nobody waits any more; it was under way, so it is still there */
    assert_int_equal(told.times, 1);
    assert_int_equal(grace.times, 1);
    unmake(sync);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_idle_connection_with_the_mailbox),
        cmocka_unit_test(test_another_mailbox_waits_for_an_empty_pipeline),
        cmocka_unit_test(test_nobody_starves),
        cmocka_unit_test(test_somebody_keeps_the_time),
        cmocka_unit_test(test_a_queue_that_moves_is_progress),
        cmocka_unit_test(test_bodies_go_first),
        cmocka_unit_test(test_outage_fails_at_once),
        cmocka_unit_test(test_backoff_longer_than_the_bound),
        cmocka_unit_test(test_retry_is_bounded),
        cmocka_unit_test(test_detach),
        cmocka_unit_test(test_entries_land),
        cmocka_unit_test(test_warden_keeps_the_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
