/*
 * Conditions that are waited for until a time of clock_ms. Any thread.
 */
#ifndef OUTLOOKFS_BASE_CONDITION_H
#define OUTLOOKFS_BASE_CONDITION_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* For condition_wait; pthread_cond_destroy ends it. */
void condition_init(pthread_cond_t *condition);

/* Waits, with `lock` held, until the condition is signalled or `until` (clock_ms; INT64_MAX: no
 * bound) has come, and a millisecond at least. False: the time has come. As with pthread_cond_wait,
 * true may mean nothing. */
bool condition_wait(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t until);

#endif
