/*
 * A database file as it is found: use it, set it aside, or give up. Of use to whoever opens one of
 * this room's databases (files.c, journal_open.c); runs before other threads do.
 *
 * A full disk or missing permission is no reason to set anything aside. Checks are cheap: SQLite's
 * own of header, size and schema; a whole check (quick_check) is made of a small file alone. Damage
 * that shows later is handled in db.c.
 */
#ifndef OUTLOOKFS_CACHE_DBFILE_H
#define OUTLOOKFS_CACHE_DBFILE_H

#include "cache/db.h"

enum { DBFILE_PATH_MAX = 4096 };

/* DBFILE_BAD, DBFILE_NEWER: *why ends a sentence that begins with the file's name. DBFILE_ERROR:
 * *code is SQLite's. */
enum dbfile_verdict { DBFILE_GOOD, DBFILE_BAD, DBFILE_NEWER, DBFILE_ERROR };

/* Opens the file (created 0600 where missing), brings its schema up to date and prepares the
 * statements of `role`. `db` wants db_close in any case. */
enum dbfile_verdict dbfile_open(struct db *db, const struct db_kind *kind, const char *directory,
                                enum db_role role, int *code, const char **why)
    __attribute__((warn_unused_result));

/* What an error of SQLite's says about the file. */
enum dbfile_verdict dbfile_judge(int code, const char **why);

/* A whole check of a small file. */
enum dbfile_verdict dbfile_check(struct db *db, int *code, const char **why)
    __attribute__((warn_unused_result));

/* Renames the closed file, and its WAL with it, to NAME.aside-TIMESTAMP, with a line in the log. */
int dbfile_set_aside(const char *directory, const struct db_kind *kind, const char *why)
    __attribute__((warn_unused_result));

#endif
