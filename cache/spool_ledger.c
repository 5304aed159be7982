/*
 * What the journal keeps of its spools besides their bytes: how much there is in all, which are
 * being written, and what their files are called (spool.c says when they get their names).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cache/journal_internal.h"

enum { SPOOL_NAMES = 1000 };

enum cache_error spool_error(int code, const char *what)
{
    if (code == ENOSPC || code == EDQUOT || code == EFBIG)
        return CACHE_ERR_FULL;
    log_error("journal: %s: %s", what, strerror(code));
    return code == ENOMEM ? CACHE_ERR_MEMORY : CACHE_ERR_IO;
}

/* ---- how much there is ---- */

enum cache_error usage_take(struct journal *journal, uint64_t bytes)
{
    pthread_mutex_lock(&journal->usage_lock);
    bool room = bytes <= journal->limits.bytes && journal->bytes <= journal->limits.bytes - bytes;
    journal->bytes += room ? bytes : 0;
    pthread_mutex_unlock(&journal->usage_lock);
    return room ? CACHE_OK : CACHE_ERR_LIMIT;
}

void usage_give(struct journal *journal, uint64_t bytes)
{
    pthread_mutex_lock(&journal->usage_lock);
    journal->bytes -= bytes < journal->bytes ? bytes : journal->bytes;
    pthread_mutex_unlock(&journal->usage_lock);
}

/* ---- which are being written ---- */

void spool_enlist(struct journal_spool *spool)
{
    struct journal *journal = spool->journal;
    pthread_mutex_lock(&journal->usage_lock);
    spool->next = journal->spools;
    journal->spools = spool;
    pthread_mutex_unlock(&journal->usage_lock);
}

void spool_delist(struct journal_spool *spool)
{
    struct journal *journal = spool->journal;
    pthread_mutex_lock(&journal->usage_lock);
    struct journal_spool **at = &journal->spools;
    while (*at != NULL && *at != spool)
        at = &(*at)->next;
    if (*at != NULL)
        *at = spool->next;
    pthread_mutex_unlock(&journal->usage_lock);
}

bool spool_live(struct journal *journal, int64_t id)
{
    bool live = false;
    pthread_mutex_lock(&journal->usage_lock);
    for (const struct journal_spool *s = journal->spools; s != NULL && !live; s = s->next)
        live = s->row == id;
    pthread_mutex_unlock(&journal->usage_lock);
    return live;
}

void spool_seal(struct journal_spool *spool)
{
    spool->sealed = true;
    spool_delist(spool);
}

void spool_set_row(struct journal_spool *spool, int64_t id)
{
    pthread_mutex_lock(&spool->journal->usage_lock);
    spool->row = id;
    pthread_mutex_unlock(&spool->journal->usage_lock);
}

/* ---- names ---- */

void spool_file_name(char name[32], int64_t id)
{
    snprintf(name, 32, "%lld", (long long)id);
}

static void new_name(struct journal *journal, char name[32])
{
    pthread_mutex_lock(&journal->usage_lock);
    snprintf(name, 32, "new-%llu", (unsigned long long)++journal->names);
    pthread_mutex_unlock(&journal->usage_lock);
}

int spool_open_nameless(struct journal *journal, char name[32])
{
    name[0] = '\0';
    int fd = openat(journal->outbox_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    for (int try = 0;
         fd < 0 && try < SPOOL_NAMES &&
         (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL || errno == EEXIST);
         try++) {
        new_name(journal, name);
        fd = openat(journal->outbox_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    }
    return fd;
}

enum cache_error spool_link(struct journal_spool *spool, int64_t id)
{
    char name[32], self[64];
    int outbox = spool->journal->outbox_fd, failed = 0;
    spool_file_name(name, id);
    snprintf(self, sizeof self, "/proc/self/fd/%d", spool->fd);
    if (spool->name[0] != '\0')
        failed = linkat(outbox, spool->name, outbox, name, 0);
    else
        failed = linkat(AT_FDCWD, self, outbox, name, AT_SYMLINK_FOLLOW);
    if (failed != 0)
        return spool_error(errno, "a spool does not get its name");
    if (spool->name[0] != '\0' && unlinkat(outbox, spool->name, 0) != 0)
        log_warn("journal: the spool %s does not go: %s", spool->name, strerror(errno));
    spool->name[0] = '\0';
    spool->journal->linked = true;
    return CACHE_OK;
}

/* A file that had a name once cannot be linked from nowhere again, so it gets a passing one. */
void spool_unlink(struct journal_spool *spool, int64_t id)
{
    char name[32];
    int outbox = spool->journal->outbox_fd;
    spool_file_name(name, id);
    new_name(spool->journal, spool->name);
    if (renameat(outbox, name, outbox, spool->name) != 0)
        log_error("journal: the spool %s does not go back: %s", name, strerror(errno));
}
