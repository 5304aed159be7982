/*
 * What can still be read of the small spools in a damaged database: each becomes a file of the
 * outbox, as a large one is, and is adopted from there (journal_open.c). Nothing of the database is
 * changed: it is set aside as it was found. At open, one thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "cache/journal_internal.h"

static bool save(const struct journal *journal, int64_t id, const char *data, size_t len)
{
    char name[32];
    spool_file_name(name, id);
    int fd = openat(journal->outbox_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno == EEXIST;
    bool good = file_write_all(fd, data, len) && fsync(fd) == 0;
    close(fd);
    if (!good && unlinkat(journal->outbox_fd, name, 0) != 0)
        log_warn("journal: the spool %s does not go: %s", name, strerror(errno));
    return good;
}

/* Its WAL stays beside it as it is; SQLite takes away what it makes itself. */
static int open_as_it_is(const struct journal *journal, struct db *db)
{
    char wal[JOURNAL_PATH_MAX];
    snprintf(wal, sizeof wal, "%s/%s-wal", journal->directory, journal->file);
    bool stays = access(wal, F_OK) == 0;
    int code = db_open(db, &journal->kind, journal->directory);
    return code != SQLITE_OK
               ? code
               : sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, stays, NULL);
}

void journal_salvage(struct journal *journal)
{
    struct db db;
    sqlite3_stmt *statement = NULL;
    unsigned saved = 0;
    if (open_as_it_is(journal, &db) == SQLITE_OK &&
        sqlite3_prepare_v2(db.handle, "SELECT id, bytes FROM small", -1, &statement, NULL) ==
            SQLITE_OK) {
        while (sqlite3_step(statement) == SQLITE_ROW) {
            const char *data = sqlite3_column_blob(statement, 1);
            int len = sqlite3_column_bytes(statement, 1);
            if (len > 0 && sqlite3_column_int64(statement, 0) > 0)
                saved += save(journal, sqlite3_column_int64(statement, 0), data, (size_t)len);
        }
    }
    sqlite3_finalize(statement);
    db_close(&db);
    if (saved > 0 && fsync(journal->outbox_fd) != 0)
        log_error("journal: the outbox does not sync: %s", strerror(errno));
    if (saved > 0)
        log_warn("journal: %u messages were saved from the damaged database", saved);
}
