/*
 * Exactly one reply: a wait between a fake libfuse and a fake sync, first in every order by hand,
 * then with all parties racing on threads.
 */
#include "tests/unit/test.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs/wait.h"

/* What libfuse keeps of a request. */
struct fake_request {
    pthread_mutex_t lock; /* held while the interrupt function runs */
    struct wait *wait;    /* protected by lock */
    bool interrupted;     /* protected by lock */
    atomic_int replies;
    atomic_int error;   /* of the last reply */
    atomic_int exposed; /* replies while libfuse could still call the wait */
};

/* One question at a time to a fake sync. */
struct fake {
    struct waits waits;
    pthread_mutex_t lock;
    sync_done_fn *done; /* protected by lock, as all below; NULL: nothing asked, or detached */
    void *ctx;
    enum { ASK_LATER, ASK_AT_ONCE, ASK_NO_MEMORY } how;
    sync_ticket ticket;
    struct fake_request request;
    int rounds; /* how often resume asks again */
};

struct fake_wait {
    struct wait wait;
    struct fake *fake;
    int rounds;
};

/* This thread is in the interrupt function, and holds the request's lock. */
static _Thread_local bool interrupting;

static void reply_errno(void *request, int error)
{
    struct fake_request *r = request;

    if (!interrupting) {
        pthread_mutex_lock(&r->lock);
        if (r->wait != NULL)
            atomic_fetch_add(&r->exposed, 1);
        pthread_mutex_unlock(&r->lock);
    }
    atomic_store(&r->error, error);
    atomic_fetch_add(&r->replies, 1);
}

static void on_interrupt(void *request, struct wait *wait)
{
    struct fake_request *r = request;

    pthread_mutex_lock(&r->lock);
    r->wait = wait;
    interrupting = true;
    if (r->interrupted && wait != NULL)
        wait_on_interrupt(wait);
    interrupting = false;
    pthread_mutex_unlock(&r->lock);
}

static void interrupt(struct fake_request *r)
{
    pthread_mutex_lock(&r->lock);
    r->interrupted = true;
    interrupting = true;
    if (r->wait != NULL && atomic_load(&r->replies) == 0)
        wait_on_interrupt(r->wait);
    interrupting = false;
    pthread_mutex_unlock(&r->lock);
}

static bool detach(void *ctx, sync_ticket ticket)
{
    struct fake *f = ctx;
    bool mine;

    pthread_mutex_lock(&f->lock);
    mine = f->done != NULL && f->ticket == ticket;
    if (mine)
        f->done = NULL;
    pthread_mutex_unlock(&f->lock);
    return mine;
}

static sync_ticket ask(struct wait *wait, sync_done_fn *done, void *ctx)
{
    struct fake *f = ((struct fake_wait *)wait)->fake;
    sync_ticket ticket;

    if (f->how == ASK_NO_MEMORY)
        return 0;
    if (f->how == ASK_AT_ONCE) {
        done(ctx, SYNC_OK);
        return 0;
    }
    pthread_mutex_lock(&f->lock);
    f->done = done;
    f->ctx = ctx;
    ticket = ++f->ticket;
    pthread_mutex_unlock(&f->lock);
    return ticket;
}

static bool finish(struct fake *f, enum sync_error error)
{
    sync_done_fn *done;
    void *ctx;

    pthread_mutex_lock(&f->lock);
    done = f->done;
    ctx = f->ctx;
    f->done = NULL;
    pthread_mutex_unlock(&f->lock);
    if (done != NULL)
        done(ctx, error);
    return done != NULL;
}

static void resume(struct wait *wait, enum sync_error error)
{
    struct fake_wait *w = (struct fake_wait *)wait;

    if (error == SYNC_OK && w->rounds-- > 0) {
        wait_start(wait);
        return;
    }
    reply_errno(wait->request, error == SYNC_OK ? 0 : 1000 + (int)error);
    wait_free(wait);
}

static void fake_init(struct fake *f)
{
    const struct wait_ops ops = {
        .reply_errno = reply_errno, .on_interrupt = on_interrupt, .detach = detach, .ctx = f};

    *f = (struct fake){.lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_mutex_init(&f->request.lock, NULL);
    atomic_store(&f->request.error, -1);
    waits_init(&f->waits, &ops);
}

static void begin(struct fake *f)
{
    struct fake_wait *w = wait_new(&f->waits, sizeof(*w), &f->request);

    assert_non_null(w);
    w->fake = f;
    w->rounds = f->rounds;
    w->wait.ask = ask;
    w->wait.resume = resume;
    wait_start(&w->wait);
}

/* Everything is answered once, with `error`, and nothing is left. */
static void check(struct fake *f, int error)
{
    waits_close(&f->waits);
    assert_int_equal(atomic_load(&f->request.replies), 1);
    assert_int_equal(atomic_load(&f->request.error), error);
    assert_int_equal(atomic_load(&f->request.exposed), 0);
    assert_int_equal(f->waits.active, 0);
    assert_null(f->waits.list);
    waits_destroy(&f->waits);
}

static void done_later(void **state)
{
    struct fake f;

    fake_init(&f);
    f.rounds = 3;
    begin(&f);
    for (int i = 0; i < 4; i++)
        assert_true(finish(&f, SYNC_OK));
    assert_false(finish(&f, SYNC_OK));
    check(&f, 0);
}

static void done_at_once(void **state)
{
    struct fake f;

    fake_init(&f);
    f.how = ASK_AT_ONCE;
    f.rounds = 5;
    begin(&f);
    check(&f, 0);
}

static void error_is_handed_on(void **state)
{
    struct fake f;

    fake_init(&f);
    begin(&f);
    finish(&f, SYNC_ERR_GONE);
    check(&f, 1000 + SYNC_ERR_GONE);
}

static void no_memory(void **state)
{
    struct fake f;

    fake_init(&f);
    f.how = ASK_NO_MEMORY;
    begin(&f);
    check(&f, 1000 + SYNC_ERR_MEMORY);
}

static void interrupted_while_waiting(void **state)
{
    struct fake f;

    fake_init(&f);
    begin(&f);
    interrupt(&f.request);
    assert_false(finish(&f, SYNC_OK));
    check(&f, EINTR);
}

static void interrupted_before(void **state)
{
    struct fake f;

    fake_init(&f);
    interrupt(&f.request);
    begin(&f);
    assert_false(finish(&f, SYNC_OK));
    check(&f, EINTR);
}

static void interrupted_between_rounds(void **state)
{
    struct fake f;

    fake_init(&f);
    f.rounds = 1;
    begin(&f);
    assert_true(finish(&f, SYNC_OK));
    interrupt(&f.request);
    assert_false(finish(&f, SYNC_OK));
    check(&f, EINTR);
}

static void closed_while_waiting(void **state)
{
    struct fake f;

    fake_init(&f);
    begin(&f);
    waits_close(&f.waits);
    assert_false(finish(&f, SYNC_OK));
    check(&f, ENOTCONN);
}

static void closed_before(void **state)
{
    struct fake f;

    fake_init(&f);
    waits_close(&f.waits);
    begin(&f);
    check(&f, 1000 + SYNC_ERR_STOPPING);
}

/* ---- races ---- */

static atomic_bool race_over;

static void *race_finisher(void *arg)
{
    struct fake *f = arg;

    while (!atomic_load(&race_over))
        if (!finish(f, SYNC_OK))
            sched_yield();
    return NULL;
}

static void *race_interrupter(void *arg)
{
    struct fake *f = arg;

    for (int i = rand() % 200; i > 0; i--)
        sched_yield();
    interrupt(&f->request);
    return NULL;
}

static void *race_closer(void *arg)
{
    struct fake *f = arg;

    for (int i = rand() % 200; i > 0; i--)
        sched_yield();
    waits_close(&f->waits);
    return NULL;
}

static void all_race(void **state)
{
    for (int i = 0; i < 400; i++) {
        pthread_t threads[3];
        struct fake f;

        fake_init(&f);
        f.rounds = i % 5;
        atomic_store(&race_over, false);
        pthread_create(&threads[0], NULL, race_finisher, &f);
        pthread_create(&threads[1], NULL, race_interrupter, &f);
        if (i % 3 == 0)
            pthread_create(&threads[2], NULL, race_closer, &f);
        begin(&f);
        pthread_join(threads[1], NULL);
        if (i % 3 == 0)
            pthread_join(threads[2], NULL);
        waits_close(&f.waits);
        atomic_store(&race_over, true);
        pthread_join(threads[0], NULL);
        assert_int_equal(atomic_load(&f.request.replies), 1);
        assert_int_equal(atomic_load(&f.request.exposed), 0);
        assert_int_equal(f.waits.active, 0);
        waits_destroy(&f.waits);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(done_later),
        cmocka_unit_test(done_at_once),
        cmocka_unit_test(error_is_handed_on),
        cmocka_unit_test(no_memory),
        cmocka_unit_test(interrupted_while_waiting),
        cmocka_unit_test(interrupted_before),
        cmocka_unit_test(interrupted_between_rounds),
        cmocka_unit_test(closed_while_waiting),
        cmocka_unit_test(closed_before),
        cmocka_unit_test(all_race),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
