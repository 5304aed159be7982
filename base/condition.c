/*
 * See condition.h. Conditions know no CLOCK_BOOTTIME, which clock_ms goes by, so what is left is
 * put on CLOCK_MONOTONIC: the two differ by the time that the machine was suspended.
 */
#include "base/condition.h"

#include <errno.h>
#include <time.h>

#include "base/clock.h"

void condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

bool condition_wait(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t until)
{
    if (until == INT64_MAX) {
        pthread_cond_wait(condition, lock);
        return true;
    }
    int64_t left = (int64_t)clock_until(until) + 1; /* the time has come, not nearly */
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += left / 1000;
    at.tv_nsec += left % 1000 * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return pthread_cond_timedwait(condition, lock, &at) != ETIMEDOUT;
}
