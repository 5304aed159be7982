/*
 * The cache directory and its two databases as they are found: who may use them, what is to be set
 * aside, and starting anew. Runs once, in cache_open, before any other thread.
 *
 * A file is set aside when it is not a database, is damaged, foreign or newer, belongs to another
 * account, or was marked as damaged while in use. bodies.db names messages by their ids in index.db
 * (`pair` tells which one), so a new index.db makes the old bodies useless. A full disk or missing
 * permission is no reason to set anything aside: then opening fails.
 *
 * Checks are cheap: SQLite's own of header, size and schema; a whole check (quick_check) runs only
 * after a crash and only on a small file. Damage that shows later is handled in db.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "cache/internal.h"
#include "cache/schema.h"

enum { FILES_PATH_MAX = 4096, FILES_CHECK_MAX = 16 << 20, FILES_TRIES = 3 };

static enum cache_error say(char *text, enum cache_error error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static enum cache_error say(char *text, enum cache_error error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(text, CACHE_TEXT_MAX, format, args);
    va_end(args);
    return error;
}

/* ---- the directory ---- */

/* mkdir -p, 0700. */
static int make_directories(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int failed = mkdir(path, 0700) != 0 && errno != EEXIST;
        *slash = '/';
        if (failed)
            return -1;
    }
    return mkdir(path, 0700) != 0 && errno != EEXIST ? -1 : 0;
}

/* Whether others may write there: they could plant files that would be served as mail. */
static bool open_to_others(const char *directory)
{
    struct stat st;
    return stat(directory, &st) == 0 && S_ISDIR(st.st_mode) &&
           (st.st_uid != geteuid() || (st.st_mode & 022) != 0);
}

enum cache_error files_lock(struct cache *cache, const char *directory, char *text)
{
    char path[FILES_PATH_MAX];
    if (directory[0] == '\0' || strlen(directory) > FILES_PATH_MAX - 64)
        return say(text, CACHE_ERR_IO, "the name of the cache directory is empty or too long");
    cache->directory = strdup(directory);
    if (cache->directory == NULL)
        return say(text, CACHE_ERR_MEMORY, "out of memory");
    if (make_directories(cache->directory) != 0)
        return say(text, CACHE_ERR_IO, "cannot create the cache directory %.200s: %s", directory,
                   strerror(errno));
    if (open_to_others(directory))
        return say(text, CACHE_ERR_IO,
                   "the cache directory %.200s is another user's, or others can write to it; "
                   "chmod 700 it, or give another with -o cache_dir=DIR",
                   directory);
    snprintf(path, sizeof path, "%s/lock", directory);
    cache->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (cache->lock_fd < 0)
        return say(text, errno == ENOSPC ? CACHE_ERR_FULL : CACHE_ERR_IO,
                   "cannot use the cache directory %.200s: %s", directory, strerror(errno));
    if (flock(cache->lock_fd, LOCK_EX | LOCK_NB) != 0)
        return say(text, errno == EWOULDBLOCK ? CACHE_ERR_BUSY : CACHE_ERR_IO,
                   errno == EWOULDBLOCK ? "the cache directory %.200s is in use by another mount; "
                                          "give this one its own with -o cache_dir=DIR"
                                        : "cannot lock the cache directory %.200s",
                   directory);
    return CACHE_OK;
}

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

/* Renames the file, and its WAL with it; the shared memory file is worth nothing. */
static int set_aside(const char *directory, const struct db_kind *kind, const char *why)
{
    char path[FILES_PATH_MAX], to[FILES_PATH_MAX + 64], side[FILES_PATH_MAX + 8],
        side_to[FILES_PATH_MAX + 80];
    snprintf(path, sizeof path, "%s/%s", directory, kind->file);
    if (aside_name(to, sizeof to, path) != 0 || rename(path, to) != 0) {
        log_error("cache: cannot set %s aside: %s", path, strerror(errno));
        return -1;
    }
    snprintf(side, sizeof side, "%s-wal", path);
    snprintf(side_to, sizeof side_to, "%s-wal", to);
    if (rename(side, side_to) != 0 && errno != ENOENT)
        unlink(side);
    snprintf(side, sizeof side, "%s-shm", path);
    unlink(side);
    db_damaged_path(side, sizeof side, directory, kind);
    unlink(side);
    log_warn("cache: %s %s: set aside as %s", kind->file, why, strrchr(to, '/') + 1);
    return 0;
}

/* ---- one file ---- */

/* What to do with a file: use it; set it aside for *why; or give up (SQLite's code in *code). */
enum state { STATE_GOOD, STATE_BAD, STATE_ERROR };

/* Creates the file where it is missing, so that it has its mode from the start (the WAL and the
 * shared memory take theirs from it). */
static enum state touch_file(const char *directory, const struct db_kind *kind, const char **why)
{
    char path[FILES_PATH_MAX];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", directory, kind->file);
    db_damaged_path(path, sizeof path, directory, kind);
    if (lstat(path, &st) == 0) {
        *why = "was found damaged";
        return STATE_BAD;
    }
    snprintf(path, sizeof path, "%s/%s", directory, kind->file);
    if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        *why = "is not a plain file";
        return STATE_BAD;
    }
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return STATE_ERROR;
    close(fd);
    return STATE_GOOD;
}

static enum state judge_code(int code, const char **why)
{
    *why = "is damaged";
    switch (code & 0xFF) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR: /* no such table: the schema is not ours after all */
    case SQLITE_CONSTRAINT:
    case SQLITE_FORMAT:
        return STATE_BAD;
    default:
        return STATE_ERROR;
    }
}

static enum state open_file(struct db *db, const struct db_kind *kind, const char *directory,
                            int *code, const char **why)
{
    *code = SQLITE_CANTOPEN;
    enum state state = touch_file(directory, kind, why);
    if (state != STATE_GOOD)
        return state;
    *code = db_open(db, kind, directory);
    if (*code != SQLITE_OK)
        return judge_code(*code, why);
    switch (schema_bring_up(db, code)) {
    case SCHEMA_GOOD:
        break;
    case SCHEMA_FOREIGN:
        *why = "is another program's database";
        return STATE_BAD;
    case SCHEMA_NEWER:
        *why = "was written by a later version";
        return STATE_BAD;
    case SCHEMA_FAILED:
        return judge_code(*code, why);
    }
    *code = db_prepare(db, DB_WRITER);
    return *code == SQLITE_OK ? STATE_GOOD : judge_code(*code, why);
}

/* After a crash, a whole check of a small file. */
static enum state check_file(struct db *db, bool clean, int *code, const char **why)
{
    int64_t pages = 0;
    sqlite3_stmt *statement = NULL;
    *code = clean ? SQLITE_OK : schema_integer(db, "PRAGMA page_count", &pages);
    if (clean || *code != SQLITE_OK || pages * db->kind->page_size > FILES_CHECK_MAX)
        return *code == SQLITE_OK ? STATE_GOOD : judge_code(*code, why);
    *code = sqlite3_prepare_v2(db->handle, "PRAGMA quick_check(1)", -1, &statement, NULL);
    bool good = *code == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW &&
                sqlite3_stricmp((const char *)sqlite3_column_text(statement, 0), "ok") == 0;
    sqlite3_finalize(statement);
    *why = "is damaged";
    return good ? STATE_GOOD : STATE_BAD;
}

/* ---- both ---- */

struct opening {
    struct cache *cache;
    const char *user, *host;
    int64_t pair;
    bool index_clean, bodies_clean;
    int code;
    const char *why;
};

static int insert_account(struct opening *o, struct db *db)
{
    sqlite3_stmt *statement = NULL;
    if (getrandom(&o->pair, sizeof o->pair, 0) != (ssize_t)sizeof o->pair)
        o->pair = ((int64_t)time(NULL) << 20) ^ getpid();
    int code = sqlite3_prepare_v2(
        db->handle, "INSERT INTO account (id, user, host, pair, clean) VALUES (1, ?1, ?2, ?3, 1)",
        -1, &statement, NULL);
    if (code == SQLITE_OK) {
        sqlite3_bind_text(statement, 1, o->user, -1, SQLITE_STATIC);
        sqlite3_bind_text(statement, 2, o->host, -1, SQLITE_STATIC);
        sqlite3_bind_int64(statement, 3, o->pair);
        code = sqlite3_step(statement);
    }
    sqlite3_finalize(statement);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

static enum state read_account(struct opening *o, struct db *db)
{
    sqlite3_stmt *statement = NULL;
    enum state state = STATE_GOOD;
    o->code = sqlite3_prepare_v2(db->handle, "SELECT user, host, pair, clean FROM account", -1,
                                 &statement, NULL);
    if (o->code == SQLITE_OK)
        o->code = sqlite3_step(statement);
    if (o->code == SQLITE_ROW) {
        const char *user = (const char *)sqlite3_column_text(statement, 0);
        const char *host = (const char *)sqlite3_column_text(statement, 1);
        o->pair = sqlite3_column_int64(statement, 2);
        o->index_clean = sqlite3_column_int(statement, 3) != 0;
        if (user == NULL || host == NULL || strcmp(user, o->user) != 0 ||
            strcasecmp(host, o->host) != 0) {
            o->why = "belongs to another account";
            state = STATE_BAD;
        }
    } else if (o->code == SQLITE_DONE) {
        o->index_clean = true;
        o->code = insert_account(o, db);
        state = o->code == SQLITE_OK ? STATE_GOOD : STATE_ERROR;
    } else {
        state = judge_code(o->code, &o->why);
    }
    sqlite3_finalize(statement);
    return state;
}

static enum state read_state(struct opening *o, struct db *db)
{
    int64_t rows = 0, pair = 0, clean = 0;
    char sql[160];
    o->code = schema_integer(db, "SELECT count(*) FROM state", &rows);
    if (o->code == SQLITE_OK && rows == 0) {
        snprintf(sql, sizeof sql,
                 "INSERT INTO state (id, pair, clean, bodies, bytes) VALUES (1, %lld, 1, 0, 0)",
                 (long long)o->pair);
        o->code = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    }
    if (o->code == SQLITE_OK)
        o->code = schema_integer(db, "SELECT pair FROM state", &pair);
    if (o->code == SQLITE_OK)
        o->code = schema_integer(db, "SELECT clean FROM state", &clean);
    if (o->code != SQLITE_OK)
        return judge_code(o->code, &o->why);
    o->bodies_clean = clean != 0;
    o->why = "belongs to another index";
    return pair == o->pair ? STATE_GOOD : STATE_BAD;
}

static enum state look_at_index(struct opening *o, struct db *db)
{
    enum state state = open_file(db, &db_index_kind, o->cache->directory, &o->code, &o->why);
    if (state == STATE_GOOD)
        state = read_account(o, db);
    return state == STATE_GOOD ? check_file(db, o->index_clean, &o->code, &o->why) : state;
}

static enum state look_at_bodies(struct opening *o, struct db *db)
{
    enum state state = open_file(db, &db_bodies_kind, o->cache->directory, &o->code, &o->why);
    if (state == STATE_GOOD)
        state = read_state(o, db);
    return state == STATE_GOOD ? check_file(db, o->bodies_clean, &o->code, &o->why) : state;
}

/* Opens a file; where it cannot be used, sets it aside and starts anew. */
static enum cache_error settle_file(struct opening *o, struct db *db, const struct db_kind *kind,
                                    enum state (*look)(struct opening *, struct db *), char *text)
{
    for (int try = 0; try < FILES_TRIES; try++) {
        errno = 0;
        enum state state = look(o, db);
        if (state == STATE_GOOD)
            return CACHE_OK;
        int system_error = db->handle != NULL ? sqlite3_system_errno(db->handle) : errno;
        db_close(db);
        if (state == STATE_ERROR) {
            bool full =
                (o->code & 0xFF) == SQLITE_FULL || system_error == ENOSPC || system_error == EDQUOT;
            return say(text, full ? CACHE_ERR_FULL : CACHE_ERR_IO, "cannot open %.200s/%s: %s",
                       o->cache->directory, kind->file,
                       system_error != 0 ? strerror(system_error) : sqlite3_errstr(o->code));
        }
        if (set_aside(o->cache->directory, kind, o->why) != 0)
            break;
    }
    return say(text, CACHE_ERR_IO, "%.200s/%s cannot be used and cannot be set aside",
               o->cache->directory, kind->file);
}

enum cache_error files_open(struct cache *cache, const char *user, const char *host, bool *clean,
                            char *text)
{
    struct opening o = {.cache = cache, .user = user, .host = host};
    enum cache_error error =
        settle_file(&o, &cache->writer.index.db, &db_index_kind, look_at_index, text);
    if (error == CACHE_OK)
        error = settle_file(&o, &cache->writer.bodies.db, &db_bodies_kind, look_at_bodies, text);
    *clean = o.index_clean && o.bodies_clean;
    return error;
}

void files_remove_bodies(const struct cache *cache)
{
    static const char *const tails[] = {"", "-wal", "-shm"};
    char path[FILES_PATH_MAX + 64];
    log_warn("cache: the disk is full: the bodies in %s are removed", cache->directory);
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        snprintf(path, sizeof path, "%s/%s%s", cache->directory, db_bodies_kind.file, tails[i]);
        unlink(path);
    }
}
