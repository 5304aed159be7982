/*
 * What the two files hold, version by version, and how an older file becomes a current one.
 */
#ifndef OUTLOOKFS_CACHE_SCHEMA_H
#define OUTLOOKFS_CACHE_SCHEMA_H

#include "cache/db.h"

enum { SCHEMA_INDEX_VERSION = 3, SCHEMA_BODIES_VERSION = 3 };
extern const char *const schema_index_steps[SCHEMA_INDEX_VERSION];
extern const char *const schema_bodies_steps[SCHEMA_BODIES_VERSION];

/* What a file turned out to be. */
enum schema_verdict {
    SCHEMA_GOOD,    /* current, perhaps after an upgrade or because it was empty */
    SCHEMA_FOREIGN, /* another program's database */
    SCHEMA_NEWER,   /* written by a later version of this program */
    SCHEMA_FAILED   /* *code tells why */
};

/* Looks at the open file `db` and brings it to the current version, in one transaction; an empty
 * file is one of version 0. A file that is not good is not changed. */
enum schema_verdict schema_bring_up(struct db *db, int *code);

/* Runs one statement that yields one integer. Returns SQLite's code. */
int schema_integer(struct db *db, const char *sql, int64_t *value);

#endif
