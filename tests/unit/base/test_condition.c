/* A condition that is waited for by clock_ms. */
#include "tests/unit/test.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/condition.h"

struct meeting {
    pthread_mutex_t lock;
    pthread_cond_t come;
    bool here; /* protected by lock */
};

static void *arrive(void *ctx)
{
    struct meeting *meeting = ctx;
    pthread_mutex_lock(&meeting->lock);
    meeting->here = true;
    pthread_cond_signal(&meeting->come);
    pthread_mutex_unlock(&meeting->lock);
    return NULL;
}

static void test_the_time_comes(void **state)
{
    struct meeting meeting = {.lock = PTHREAD_MUTEX_INITIALIZER};
    condition_init(&meeting.come);
    pthread_mutex_lock(&meeting.lock);
    int64_t until = clock_ms() + 50;
    while (condition_wait(&meeting.come, &meeting.lock, until))
        continue;
    assert_true(clock_ms() >= until);
    while (condition_wait(&meeting.come, &meeting.lock, until - 1000)) /* long past */
        continue;
    pthread_mutex_unlock(&meeting.lock);
    pthread_cond_destroy(&meeting.come);
}

static void test_it_is_signalled(void **state)
{
    const int64_t bounds[] = {INT64_MAX, clock_ms() + 60000};
    for (size_t i = 0; i < 2; i++) {
        struct meeting meeting = {.lock = PTHREAD_MUTEX_INITIALIZER};
        pthread_t thread;
        bool in_time = true;
        condition_init(&meeting.come);
        pthread_mutex_lock(&meeting.lock);
        assert_int_equal(pthread_create(&thread, NULL, arrive, &meeting), 0);
        while (!meeting.here && in_time)
            in_time = condition_wait(&meeting.come, &meeting.lock, bounds[i]);
        assert_true(meeting.here);
        pthread_mutex_unlock(&meeting.lock);
        pthread_join(thread, NULL);
        pthread_cond_destroy(&meeting.come);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_time_comes),
        cmocka_unit_test(test_it_is_signalled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
