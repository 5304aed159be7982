/* What the journal's tests share: a state and a cache directory that go away, intents, spools. */
#ifndef OUTLOOKFS_TESTS_UNIT_CACHE_JOURNAL_FIXTURE_H
#define OUTLOOKFS_TESTS_UNIT_CACHE_JOURNAL_FIXTURE_H

#include "tests/unit/test.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/journal_internal.h"

enum { RIG_PATH = 160 };

struct rig {
    char directory[RIG_PATH], state[RIG_PATH + 16], cache[RIG_PATH + 16];
    struct journal_limits limits;
    struct journal *journal;
};

int rig_setup(void **state);       /* an open journal */
int rig_setup_files(void **state); /* likewise; every spool of more than a byte is a file */
int rig_setup_bare(void **state);
int rig_teardown(void **state);
void rig_open(struct rig *rig);
void rig_reopen(struct rig *rig);
enum cache_error rig_try_open(struct rig *rig, char *text); /* opens and closes */

/* Path of the one file in the state directory that begins with `begins` and ends with `ends`;
 * fails where there is none (static buffer). */
const char *rig_find(struct rig *rig, const char *begins, const char *ends);
unsigned rig_count(struct rig *rig, const char *begins, const char *part); /* in state directory */
unsigned rig_spools(struct rig *rig);                                      /* files in the outbox */

/* A spool of `size` bytes made from `seed`. */
struct journal_spool *rig_spool(struct rig *rig, uint32_t seed, uint64_t size);
bool rig_spool_is(struct rig *rig, int64_t id, uint32_t seed, uint64_t size);
static inline unsigned char rig_byte(uint32_t seed, uint64_t at)
{
    return (unsigned char)((at * 2654435761u + seed * 97u) >> 7);
}

/* Intents with everything filled in, made from a number. */
struct journal_intent rig_append(struct journal_spool *spool, unsigned number);
struct journal_intent rig_move(uint32_t uid);
int64_t rig_add(struct rig *rig, struct journal_intent intent); /* JOURNAL_INTENT */
int64_t rig_add_append(struct rig *rig, uint32_t seed, uint64_t size);
enum cache_error rig_do(struct rig *rig, int64_t id, enum journal_event event);
void rig_brings(struct rig *rig, int64_t id, enum journal_state state); /* from INTENT there */
enum journal_state rig_state(struct rig *rig, int64_t id);              /* JOURNAL_NONE: no row */
struct journal_row rig_row(struct rig *rig, int64_t id);                /* must be there */

#endif
