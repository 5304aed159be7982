/*
 * Which changes failed without anybody having been told: with commit=journal, close() and rename()
 * succeed before the server says no. Each `outlookfs sync` tells of those that it is the first to
 * see; after that they are what the outbox lists, and no reason to fail again. Any thread.
 */
#ifndef OUTLOOKFS_CLI_FAILED_H
#define OUTLOOKFS_CLI_FAILED_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct journal;

struct failed {
    pthread_mutex_t lock;
    int64_t *told; /* rows, ascending; protected by lock, as the line below */
    size_t count;
};

void failed_init(struct failed *failed);
void failed_destroy(struct failed *failed);

/* Looks at the rows that are refused or held now, waiting for the disk: how many are new since the
 * last look, and which is the first. False when that cannot be said. */
bool failed_look(struct failed *failed, struct journal *journal, size_t *count, int64_t *first)
    __attribute__((warn_unused_result));

#endif
