/*
 * The journal as it is found. A damaged one is set aside with a loud line, never deleted; one of a
 * later version is left where it is, because what it holds may not be sent twice and may not be
 * forgotten. Then the outbox and the rows are made to agree, in one transaction (spool.c says what
 * a crash can leave):
 *   - the owner's row is missing: the journal is new, and whatever stands in the outbox has lost
 *     its record: it may have been sent, so it is HELD;
 *   - a spool above the last id ever used: UNFINISHED;
 *   - a row whose bytes are gone or not as many as they were: HELD, unless it is DONE and needs
 *     none. (Nothing here does that; a person or a disk may.)
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "cache/dbfile.h"
#include "cache/directory.h"
#include "cache/journal_internal.h"

enum {
    HASH_BYTES = 8,
    OPEN_TRIES = 3,
    ROWS_DEFAULT = 100000,
    SMALL_DEFAULT = 64 << 10,
    SPOOL_BATCH = 256
};
#define BYTES_DEFAULT (UINT64_C(4) << 30)

static enum cache_error say(char *text, enum cache_error error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static enum cache_error say(char *text, enum cache_error error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(text, JOURNAL_TEXT_MAX, format, args);
    va_end(args);
    return error;
}

/* ---- names and locks ---- */

static bool hash_path(const char *path, char hex[HASH_BYTES * 2 + 1])
{
    struct digest digest = {0};
    uint8_t sha256[DIGEST_SIZE];
    digest_add(&digest, path, strlen(path));
    if (!digest_end(&digest, sha256))
        return false;
    for (int i = 0; i < HASH_BYTES; i++)
        snprintf(hex + i * 2, 3, "%02x", sha256[i]);
    return true;
}

static enum cache_error take_state_dir(struct journal *journal, const char *state_dir, char *text)
{
    if (state_dir[0] == '\0' || strlen(state_dir) > JOURNAL_PATH_MAX - 64)
        return say(text, CACHE_ERR_IO, "the name of the state directory is empty or too long");
    journal->directory = strdup(state_dir);
    if (journal->directory == NULL)
        return say(text, CACHE_ERR_MEMORY, "out of memory");
    if (directory_make(journal->directory) != 0)
        return say(text, errno == ENOSPC ? CACHE_ERR_FULL : CACHE_ERR_IO,
                   "cannot create the state directory %.200s: %s", state_dir, strerror(errno));
    if (directory_open_to_others(state_dir))
        return say(text, CACHE_ERR_IO,
                   "the state directory %.200s is another user's, or others can write to it; "
                   "chmod 700 it",
                   state_dir);
    return CACHE_OK;
}

static enum cache_error lock_journal(struct journal *journal, const char *hash,
                                     const char *cache_dir, char *text)
{
    char path[JOURNAL_PATH_MAX];
    snprintf(path, sizeof path, "%s/journal-%s.lock", journal->directory, hash);
    journal->lock_fd = directory_lock(path);
    if (journal->lock_fd >= 0)
        return CACHE_OK;
    if (errno == EWOULDBLOCK)
        return say(text, CACHE_ERR_BUSY,
                   "the journal of this account and of the cache directory %.200s is in use by "
                   "another mount; give this one its own with -o cache_dir=DIR",
                   cache_dir);
    return say(text, errno == ENOSPC ? CACHE_ERR_FULL : CACHE_ERR_IO, "cannot use %.200s: %s", path,
               strerror(errno));
}

static enum cache_error open_outbox(struct journal *journal, const char *hash, char *text)
{
    char path[JOURNAL_PATH_MAX];
    snprintf(path, sizeof path, "%s/outbox-%s", journal->directory, hash);
    if (mkdir(path, 0700) == 0 || errno == EEXIST)
        journal->outbox_fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (journal->outbox_fd < 0)
        return say(text, errno == ENOSPC ? CACHE_ERR_FULL : CACHE_ERR_IO, "cannot use %.200s: %s",
                   path, strerror(errno));
    if (directory_open_to_others(path))
        return say(text, CACHE_ERR_IO,
                   "the outbox %.200s is another user's, or others can write to it; chmod 700 it",
                   path);
    return CACHE_OK;
}

/* ---- the database ---- */

static enum dbfile_verdict look_at(struct journal *journal, int *code, const char **why)
{
    enum dbfile_verdict verdict =
        dbfile_open(&journal->db, &journal->kind, journal->directory, DB_JOURNAL, code, why);
    return verdict == DBFILE_GOOD ? dbfile_check(&journal->db, code, why) : verdict;
}

static enum cache_error refuse(struct journal *journal, enum dbfile_verdict verdict, int code,
                               const char *why, int system_error, char *text)
{
    if (verdict == DBFILE_NEWER)
        return say(text, CACHE_ERR_IO,
                   "the journal %.200s/%s %s, which alone can go on with it: use that version",
                   journal->directory, journal->file, why);
    bool full = (code & 0xFF) == SQLITE_FULL || system_error == ENOSPC || system_error == EDQUOT;
    return say(text, full ? CACHE_ERR_FULL : CACHE_ERR_IO, "cannot open %.200s/%s: %s",
               journal->directory, journal->file,
               system_error != 0 ? strerror(system_error) : sqlite3_errstr(code));
}

static enum cache_error open_database(struct journal *journal, char *text)
{
    for (int try = 0; try < OPEN_TRIES; try++) {
        int code = SQLITE_OK;
        const char *why = NULL;
        errno = 0;
        enum dbfile_verdict verdict = look_at(journal, &code, &why);
        if (verdict == DBFILE_GOOD)
            return CACHE_OK;
        int system_error =
            journal->db.handle != NULL ? sqlite3_system_errno(journal->db.handle) : errno;
        db_close(&journal->db);
        if (verdict != DBFILE_BAD)
            return refuse(journal, verdict, code, why, system_error, text);
        log_error("journal: %s/%s %s: changes that were not sent yet are lost to it; messages to "
                  "upload are held in the outbox (outlookfs outbox)",
                  journal->directory, journal->file, why);
        journal_salvage(journal);
        if (dbfile_set_aside(journal->directory, &journal->kind, why) != 0)
            break;
    }
    return say(text, CACHE_ERR_IO, "%.200s/%s cannot be used and cannot be set aside",
               journal->directory, journal->file);
}

/* ---- the outbox ---- */

/* What is known of the journal while it is compared with the outbox. */
struct survey {
    struct journal *journal;
    int64_t last; /* the highest id that a row ever had */
    bool fresh;
    unsigned adopted;
};

/* A positive number in plain digits; 0: it is none. */
static int64_t id_of(const char *name)
{
    int64_t id = 0;
    for (const char *at = name; *at != '\0'; at++) {
        if (*at < '0' || *at > '9' || (at == name && *at == '0') || id > (INT64_MAX - 9) / 10)
            return 0;
        id = id * 10 + (*at - '0');
    }
    return id;
}

static enum cache_error adopt(struct survey *survey, int64_t id, uint64_t bytes)
{
    const struct journal_intent intent = {.kind = JOURNAL_APPEND, .size = bytes};
    const struct row_extra extra = {
        .id = id,
        .state = survey->fresh ? JOURNAL_HELD : JOURNAL_UNFINISHED,
        .spool = ROW_FILE,
        .spool_bytes = bytes,
        .reason = survey->fresh ? "its record was lost: it may have been sent or not"
                                : "the machine stopped while it was being saved",
    };
    log_warn("journal: the spool %lld has no record: %s", (long long)id,
             journal_state_name(extra.state));
    survey->adopted++;
    return row_put(survey->journal, &intent, &extra, &id);
}

static void remove_name(const struct survey *survey, const char *name)
{
    if (unlinkat(survey->journal->outbox_fd, name, 0) != 0)
        log_warn("journal: the spool %s does not go: %s", name, strerror(errno));
}

static enum cache_error look_at_name(struct survey *survey, const char *name)
{
    struct journal_row row;
    struct stat st;
    int64_t id = id_of(name);
    if (strncmp(name, "new-", 4) == 0) {
        remove_name(survey, name);
        return CACHE_OK;
    }
    if (id == 0 || fstatat(survey->journal->outbox_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(st.st_mode)) {
        log_warn("journal: the outbox holds %s, which is no spool", name);
        return CACHE_OK;
    }
    enum cache_error error = row_query(survey->journal, INTENT_GET, DB_VALUES(DB_INT(id)), &row);
    journal_row_free(&row);
    if (error != CACHE_ERR_ABSENT)
        return error;
    if ((survey->fresh || id > survey->last) && st.st_size > 0)
        return adopt(survey, id, (uint64_t)st.st_size);
    remove_name(survey, name);
    return CACHE_OK;
}

static enum cache_error look_at_outbox(struct survey *survey)
{
    enum cache_error error = CACHE_OK;
    int fd = openat(survey->journal->outbox_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        log_error("journal: the outbox cannot be read: %s", strerror(errno));
        if (fd >= 0)
            close(fd);
        return CACHE_ERR_IO;
    }
    for (struct dirent *e = readdir(dir); e != NULL && error == CACHE_OK; e = readdir(dir))
        if (e->d_name[0] != '.')
            error = look_at_name(survey, e->d_name);
    closedir(dir);
    return error;
}

/* ---- rows whose bytes are not what they were ---- */

struct claim {
    int64_t id, state;
    uint64_t bytes;
};

static enum cache_error next_claims(struct db *db, int64_t after, struct claim *claims,
                                    size_t *count)
{
    *count = 0;
    enum db_step step = db_query(db, INTENT_SPOOLS, DB_VALUES(DB_INT(after), DB_INT(SPOOL_BATCH)));
    while (step == DB_ROW && *count < SPOOL_BATCH) {
        claims[(*count)++] = (struct claim){.id = db_int(db, INTENT_SPOOLS, 0),
                                            .state = db_int(db, INTENT_SPOOLS, 1),
                                            .bytes = (uint64_t)db_int(db, INTENT_SPOOLS, 2)};
        step = db_next(db, INTENT_SPOOLS);
    }
    if (step == DB_FAILED)
        return db_error(db);
    db_end(db, INTENT_SPOOLS);
    return CACHE_OK;
}

static enum cache_error hold(struct db *db, const struct claim *claim, const char *reason)
{
    log_error("journal: row %lld: %s", (long long)claim->id, reason);
    return db_run(db, INTENT_STATE,
                  DB_VALUES(DB_INT(claim->id), DB_INT(JOURNAL_HELD), DB_INT(EIO), DB_TEXT(reason),
                            DB_INT(clock_wall())));
}

static enum cache_error check_claim(struct survey *survey, const struct claim *claim)
{
    struct db *db = &survey->journal->db;
    struct stat st;
    char name[32];
    spool_file_name(name, claim->id);
    if (claim->state == JOURNAL_DONE)
        return CACHE_OK;
    if (fstatat(survey->journal->outbox_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(st.st_mode))
        return hold(db, claim, "its bytes are gone");
    if ((uint64_t)st.st_size == claim->bytes)
        return CACHE_OK;
    if (claim->state == JOURNAL_UNFINISHED)
        return db_run(db, INTENT_MEASURE,
                      DB_VALUES(DB_INT(claim->id), DB_INT(st.st_size), DB_BLOB(NULL, 0)));
    return hold(db, claim, "its bytes are not as many as they were");
}

static enum cache_error check_claims(struct survey *survey)
{
    struct claim claims[SPOOL_BATCH];
    size_t count = SPOOL_BATCH;
    int64_t after = 0;
    enum cache_error error = CACHE_OK;
    while (error == CACHE_OK && count == SPOOL_BATCH) {
        error = next_claims(&survey->journal->db, after, claims, &count);
        for (size_t i = 0; error == CACHE_OK && i < count; i++) {
            error = check_claim(survey, &claims[i]);
            after = claims[i].id;
        }
    }
    return error;
}

/* ---- all of it ---- */

static enum cache_error read_number(struct db *db, unsigned statement, int column, int64_t *value,
                                    bool *found)
{
    enum db_step step = db_query(db, statement, NULL, 0);
    *found = step == DB_ROW;
    if (*found)
        *value = db_int(db, statement, column);
    db_end(db, statement);
    return step == DB_FAILED ? db_error(db) : CACHE_OK;
}

static enum cache_error agree(struct journal *journal)
{
    struct survey survey = {.journal = journal};
    int64_t ignored = 0;
    bool owned = false, used = false;
    enum cache_error error = read_number(&journal->db, INTENT_OWNER, 0, &ignored, &owned);
    if (error == CACHE_OK)
        error = read_number(&journal->db, INTENT_LAST, 0, &survey.last, &used);
    survey.fresh = !owned;
    if (error == CACHE_OK)
        error = look_at_outbox(&survey);
    if (error == CACHE_OK)
        error = check_claims(&survey);
    if (error == CACHE_OK && !owned)
        error = db_run(&journal->db, INTENT_OWN, DB_VALUES(DB_TEXT(journal->cache_dir)));
    return error;
}

static enum cache_error load_totals(struct journal *journal)
{
    int64_t rows = 0, bytes = 0;
    bool found = false;
    enum cache_error error = read_number(&journal->db, INTENT_TOTALS, 0, &rows, &found);
    if (error == CACHE_OK)
        error = read_number(&journal->db, INTENT_TOTALS, 1, &bytes, &found);
    journal->rows = (uint64_t)rows;
    journal->bytes = (uint64_t)bytes;
    return error;
}

/* The database's own name is on disk before anything in it counts. */
static enum cache_error sync_directory(const struct journal *journal)
{
    int fd = open(journal->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return CACHE_ERR_IO;
    int failed = fsync(fd);
    close(fd);
    return failed == 0 ? CACHE_OK : CACHE_ERR_IO;
}

enum cache_error journal_prepare(struct journal *journal, const char *state_dir,
                                 const char *cache_dir, char *text)
{
    char hash[HASH_BYTES * 2 + 1];
    enum cache_error error = take_state_dir(journal, state_dir, text);
    if (error != CACHE_OK)
        return error;
    journal->cache_dir = realpath(cache_dir, NULL);
    if (journal->cache_dir == NULL)
        return say(text, CACHE_ERR_IO, "cannot use the cache directory %.200s: %s", cache_dir,
                   strerror(errno));
    if (!hash_path(journal->cache_dir, hash))
        return CACHE_ERR_MEMORY;
    snprintf(journal->file, sizeof journal->file, "journal-%s.db", hash);
    journal->kind = journal_db_kind;
    journal->kind.file = journal->file;
    if (journal->limits.rows == 0)
        journal->limits.rows = ROWS_DEFAULT;
    if (journal->limits.bytes == 0)
        journal->limits.bytes = BYTES_DEFAULT;
    if (journal->limits.small == 0)
        journal->limits.small = SMALL_DEFAULT;
    error = lock_journal(journal, hash, cache_dir, text);
    if (error == CACHE_OK)
        error = open_outbox(journal, hash, text);
    if (error == CACHE_OK)
        error = open_database(journal, text);
    if (error == CACHE_OK)
        error = sync_directory(journal);
    if (error == CACHE_OK)
        error = journal_alone(journal, agree);
    return error == CACHE_OK ? load_totals(journal) : error;
}
