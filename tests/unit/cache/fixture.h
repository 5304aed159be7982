/* What the cache's tests share: a directory that goes away, a small tree, messages by the number.
 */
#ifndef OUTLOOKFS_TESTS_UNIT_CACHE_FIXTURE_H
#define OUTLOOKFS_TESTS_UNIT_CACHE_FIXTURE_H

#include "tests/unit/test.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/internal.h"

enum { FIXTURE_PATH = 128, FIXTURE_UIDVALIDITY = 7 };

struct fixture {
    char directory[FIXTURE_PATH];
    struct cache *cache;
    int64_t inbox; /* mailbox ids */
    uint64_t inbox_ino;
    uint64_t limit; /* body_bytes */
};

/* cmocka setup and teardown: an open cache with INBOX, Archive and Archive/2024 in it. */
int fixture_setup(void **state);
int fixture_teardown(void **state);
/* The same with nothing but an empty directory. */
int fixture_setup_bare(void **state);

void fixture_open(struct fixture *f);
void fixture_reopen(struct fixture *f);
void fixture_tree(struct fixture *f);
/* Adds UIDs first..last to INBOX in calls of 500, stems "stem-UID". */
void fixture_add(struct fixture *f, uint32_t first, uint32_t last);
/* Those are gone from the server. */
void fixture_remove(struct fixture *f, uint32_t first, uint32_t last);
/* The message id and inode of a UID in INBOX. */
struct cache_inode fixture_find(struct fixture *f, uint32_t uid);
/* The inode of the mailbox that the server calls `name`. */
struct cache_inode fixture_directory(struct fixture *f, const char *name);
/* Asserts that `name` in `parent` is inode `ino`; 0: that nothing is there. */
void fixture_expect_at(struct fixture *f, uint64_t parent, const char *name, uint64_t ino);
/* Path of a file in the directory (static buffer). */
const char *fixture_path(struct fixture *f, const char *file);
/* How many files in the directory have `part` in their name. */
unsigned fixture_count_files(struct fixture *f, const char *part);

void fixture_file_name(char *name, const char *stem, uint32_t uid);
void fixture_shown_ordinal(const char *shown, unsigned ordinal, char *name);

/* Byte `at` of body `seed`. */
static inline unsigned char fixture_byte(uint32_t seed, uint64_t at)
{
    return (unsigned char)((at * 2654435761u + seed * 97u) >> 7);
}
/* Stores a body of `size` bytes for `message`, in writes of `piece`; waits; returns what done
 * said. */
enum cache_error fixture_body(struct cache *cache, int64_t message, uint32_t seed, uint64_t size,
                              size_t piece);
/* Pins, compares all bytes in reads of `piece`, unpins; false where a byte differs or it is absent.
 */
bool fixture_body_is(struct cache *cache, int64_t message, uint32_t seed, uint64_t size,
                     size_t piece);

/* A listener that counts. */
struct heard {
    unsigned came, gone;
    char last_came[CACHE_NAME_MAX + 1], last_gone[CACHE_NAME_MAX + 1];
    uint64_t last_ino;
};
void heard_change(void *ctx, const struct cache_change *change);

#endif
