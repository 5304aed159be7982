/*
 * See dbfile.h. The file is created before SQLite sees it, so that it has its mode from the start;
 * the WAL and the shared memory take theirs from it.
 */
#include "cache/dbfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "cache/schema.h"

enum { DBFILE_CHECK_MAX = 16 << 20 };

/* ---- setting aside ---- */

static int aside_name(char *to, size_t size, const char *path)
{
    char stamp[32];
    time_t now = time(NULL);
    struct tm tm;
    struct stat st;
    gmtime_r(&now, &tm);
    strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &tm);
    snprintf(to, size, "%s.aside-%s", path, stamp);
    for (unsigned n = 2; lstat(to, &st) == 0 && n < 1000; n++)
        snprintf(to, size, "%s.aside-%s-%u", path, stamp, n);
    return lstat(to, &st) == 0 ? -1 : 0;
}

/* The mark goes first and leaves last, so that a crash in between cannot leave a file that looks
 * whole without its WAL. The shared memory file is worth nothing. */
int dbfile_set_aside(const char *directory, const struct db_kind *kind, const char *why)
{
    char path[DBFILE_PATH_MAX], to[DBFILE_PATH_MAX + 64], side[DBFILE_PATH_MAX + 8],
        side_to[DBFILE_PATH_MAX + 80], mark[DBFILE_PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", directory, kind->file);
    snprintf(side, sizeof side, "%s-wal", path);
    db_mark_damaged(directory, kind);
    int failed = aside_name(to, sizeof to, path);
    snprintf(side_to, sizeof side_to, "%s-wal", to);
    if (failed != 0 || (rename(side, side_to) != 0 && errno != ENOENT) || rename(path, to) != 0) {
        log_error("cache: cannot set %s aside: %s", path, strerror(errno));
        return -1;
    }
    snprintf(side, sizeof side, "%s-shm", path);
    unlink(side);
    db_damaged_path(mark, sizeof mark, directory, kind);
    unlink(mark);
    log_warn("cache: %s %s: set aside as %s", kind->file, why, strrchr(to, '/') + 1);
    return 0;
}

/* Creates the file where it is missing, so that it has its mode from the start (the WAL and the
 * shared memory take theirs from it). */
static enum dbfile_verdict touch_file(const char *directory, const struct db_kind *kind,
                                      const char **why)
{
    char path[DBFILE_PATH_MAX];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", directory, kind->file);
    db_damaged_path(path, sizeof path, directory, kind);
    if (lstat(path, &st) == 0) {
        *why = "was found damaged";
        return DBFILE_BAD;
    }
    snprintf(path, sizeof path, "%s/%s", directory, kind->file);
    if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        *why = "is not a plain file";
        return DBFILE_BAD;
    }
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return DBFILE_ERROR;
    close(fd);
    return DBFILE_GOOD;
}

enum dbfile_verdict dbfile_judge(int code, const char **why)
{
    *why = "is damaged";
    switch (code & 0xFF) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR: /* no such table: the schema is not ours after all */
    case SQLITE_CONSTRAINT:
    case SQLITE_FORMAT:
        return DBFILE_BAD;
    default:
        return DBFILE_ERROR;
    }
}

enum dbfile_verdict dbfile_open(struct db *db, const struct db_kind *kind, const char *directory,
                                enum db_role role, int *code, const char **why)
{
    *code = SQLITE_CANTOPEN;
    enum dbfile_verdict verdict = touch_file(directory, kind, why);
    if (verdict != DBFILE_GOOD)
        return verdict;
    *code = db_open(db, kind, directory);
    if (*code != SQLITE_OK)
        return dbfile_judge(*code, why);
    switch (schema_bring_up(db, code)) {
    case SCHEMA_GOOD:
        break;
    case SCHEMA_FOREIGN:
        *why = "is another program's database";
        return DBFILE_BAD;
    case SCHEMA_NEWER:
        *why = "was written by a later version";
        return DBFILE_NEWER;
    case SCHEMA_FAILED:
        return dbfile_judge(*code, why);
    }
    *code = db_prepare(db, role);
    return *code == SQLITE_OK ? DBFILE_GOOD : dbfile_judge(*code, why);
}

enum dbfile_verdict dbfile_check(struct db *db, int *code, const char **why)
{
    int64_t pages = 0;
    sqlite3_stmt *statement = NULL;
    *code = schema_integer(db, "PRAGMA page_count", &pages);
    if (*code != SQLITE_OK || pages * db->kind->page_size > DBFILE_CHECK_MAX)
        return *code == SQLITE_OK ? DBFILE_GOOD : dbfile_judge(*code, why);
    *code = sqlite3_prepare_v2(db->handle, "PRAGMA quick_check(1)", -1, &statement, NULL);
    bool good = *code == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW &&
                sqlite3_stricmp((const char *)sqlite3_column_text(statement, 0), "ok") == 0;
    sqlite3_finalize(statement);
    *why = "is damaged";
    return good ? DBFILE_GOOD : DBFILE_BAD;
}
