/*
 * Spools: the bytes of messages on their way to the server.
 *
 * Most messages are small. Their spools are written in memory (spool_memory.c), and go to the disk
 * with their row, in the journal's database. What grows beyond journal_limits.small, what fsync(2)
 * is to keep while it is written, and what finds no memory is a file in the outbox.
 *
 * Such a file begins without a name (O_TMPFILE), so a crash of a writer's machine leaves nothing of
 * it to explain. It gets its name, the id of its row, in the transaction that makes the row; the
 * bytes are on disk before that, the name is before the commit. So a row never lacks its bytes, and
 * what a crash can leave is, at the next open (journal_open.c):
 *   - a name above every id that was ever committed: the bytes of an intent that was being
 *     published when the machine stopped. Nobody was told that it had worked, but nothing is lost
 *     either: it becomes an UNFINISHED row;
 *   - a name without a row at or below that id: its row went, so it was sent or dropped: removed;
 *   - a name "new-N" (file systems without O_TMPFILE): nobody was promised anything: removed.
 * What fsync(2) promised has a row from the first call on (journal_spool_keep).
 *
 * A sealed spool never changes: it may be on its way to the server at any time. Whoever writes on
 * takes a copy (which shares blocks where the file system can).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "cache/journal_internal.h"

enum { SPOOL_BLOCK = 128 << 10 };

/* ---- handles ---- */

static enum cache_error make_handle(struct journal *journal, struct journal_spool **spool)
{
    *spool = calloc(1, sizeof **spool);
    if (*spool == NULL)
        return CACHE_ERR_MEMORY;
    (*spool)->journal = journal;
    (*spool)->fd = -1;
    return CACHE_OK;
}

enum cache_error journal_spool_create(struct journal *journal, struct journal_spool **spool)
{
    enum cache_error error = make_handle(journal, spool);
    if (error == CACHE_OK)
        spool_enlist(*spool);
    return error;
}

enum cache_error journal_spool_open(struct journal *journal, int64_t id,
                                    struct journal_spool **spool)
{
    struct journal_row row;
    *spool = NULL;
    enum cache_error error = journal_get(journal, id, &row);
    if (error == CACHE_OK && !row.has_spool)
        error = CACHE_ERR_ABSENT;
    if (error == CACHE_OK)
        error = make_handle(journal, spool);
    if (error == CACHE_OK) {
        struct journal_spool *s = *spool;
        s->sealed = s->reading = true;
        s->row = id;
        s->small = row.spool_small;
        s->size = row.spool_bytes;
        error = spool_wake(s);
    }
    journal_row_free(&row);
    if (error != CACHE_OK && *spool != NULL)
        journal_spool_close(spool);
    return error;
}

void journal_spool_close(struct journal_spool **spool)
{
    struct journal_spool *s = *spool;
    *spool = NULL;
    if (s == NULL)
        return;
    if (s->row != 0 && !s->sealed && spool_note_size(s) != CACHE_OK)
        log_warn("journal: the size of row %lld is not what it was", (long long)s->row);
    if (!s->sealed)
        spool_delist(s);
    if (s->row == 0) {
        usage_give(s->journal, s->size);
        if (s->name[0] != '\0' && unlinkat(s->journal->outbox_fd, s->name, 0) != 0)
            log_warn("journal: the spool %s does not go: %s", s->name, strerror(errno));
    }
    if (s->fd >= 0)
        close(s->fd);
    block_drop(s);
    free(s);
}

/* ---- bytes ---- */

/* Memory for so many bytes, where they may stay there: the new ones are zeros. */
static bool fits_memory(struct journal_spool *spool, uint64_t size)
{
    if (spool->fd >= 0 || size > spool->journal->limits.small)
        return false;
    if (size == 0 || (size <= spool->size && !block_shared(spool)))
        return true;
    if (block_reserve(spool, (size_t)size) != CACHE_OK)
        return false;
    if (size > spool->size)
        memset(spool->block->data + spool->size, 0, (size_t)(size - spool->size));
    return true;
}

static enum cache_error cut(struct journal_spool *spool, uint64_t size)
{
    enum cache_error error = fits_memory(spool, size) ? CACHE_OK : spool_spill(spool);
    if (error == CACHE_OK && spool->fd >= 0 && ftruncate(spool->fd, (off_t)size) != 0)
        error = spool_error(errno, "a spool cannot be truncated");
    return error;
}

/* Gives it another size, and the ledger with it. */
static enum cache_error resize(struct journal_spool *spool, uint64_t size)
{
    enum cache_error error =
        size > spool->size ? usage_take(spool->journal, size - spool->size) : CACHE_OK;
    if (error != CACHE_OK)
        return error;
    error = cut(spool, size);
    if (error != CACHE_OK) {
        usage_give(spool->journal, size > spool->size ? size - spool->size : 0);
        return error;
    }
    usage_give(spool->journal, size < spool->size ? spool->size - size : 0);
    spool->size = size;
    return CACHE_OK;
}

static int write_all(int fd, uint64_t offset, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = pwrite(fd, data, len, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        data += n;
        offset += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

enum cache_error spool_spill(struct journal_spool *spool)
{
    if (spool->fd >= 0)
        return CACHE_OK;
    int fd = spool_open_nameless(spool->journal, spool->name);
    if (fd < 0)
        return spool_error(errno, "no spool can be made");
    if (spool->size > 0 && write_all(fd, 0, spool->block->data, (size_t)spool->size) != 0) {
        enum cache_error error = spool_error(errno, "a spool cannot be written");
        close(fd);
        if (spool->name[0] != '\0' && unlinkat(spool->journal->outbox_fd, spool->name, 0) != 0)
            log_warn("journal: the spool %s does not go: %s", spool->name, strerror(errno));
        spool->name[0] = '\0';
        return error;
    }
    spool->fd = fd;
    block_drop(spool);
    return CACHE_OK;
}

static enum cache_error put(struct journal_spool *spool, uint64_t offset, const void *data,
                            size_t len)
{
    uint64_t end = offset + len > spool->size ? offset + len : spool->size;
    if (fits_memory(spool, end)) {
        if (len > 0)
            memcpy(spool->block->data + offset, data, len);
        return CACHE_OK;
    }
    enum cache_error error = spool_spill(spool);
    if (error != CACHE_OK || write_all(spool->fd, offset, data, len) == 0)
        return error;
    error = spool_error(errno, "a spool cannot be written");
    if (ftruncate(spool->fd, (off_t)spool->size) != 0)
        log_error("journal: a spool cannot be cut back: %s", strerror(errno));
    return error;
}

enum cache_error journal_spool_write(struct journal_spool *spool, uint64_t offset, const void *data,
                                     size_t len)
{
    if (spool->sealed)
        return CACHE_ERR_STATE;
    if (offset > INT64_MAX - len)
        return CACHE_ERR_LIMIT;
    uint64_t end = offset + len, grown = end > spool->size ? end - spool->size : 0;
    enum cache_error error = usage_take(spool->journal, grown);
    if (error != CACHE_OK)
        return error;
    spool->digested = false;
    error = put(spool, offset, data, len);
    if (error == CACHE_OK)
        spool->size += grown;
    else
        usage_give(spool->journal, grown);
    return error;
}

enum cache_error journal_spool_truncate(struct journal_spool *spool, uint64_t size)
{
    if (spool->sealed)
        return CACHE_ERR_STATE;
    if (size > INT64_MAX)
        return CACHE_ERR_LIMIT;
    spool->digested = false;
    return resize(spool, size);
}

enum cache_error journal_spool_read(struct journal_spool *spool, uint64_t offset, void *data,
                                    size_t len, size_t *got)
{
    char *at = data;
    *got = 0;
    if (offset > INT64_MAX - len)
        return CACHE_OK;
    enum cache_error error = spool_wake(spool);
    if (error != CACHE_OK)
        return error;
    if (spool->fd < 0) {
        *got = offset >= spool->size ? 0 : (size_t)(spool->size - offset);
        *got = *got < len ? *got : len;
        if (*got > 0)
            memcpy(data, spool->block->data + offset, *got);
        return CACHE_OK;
    }
    while (*got < len) {
        ssize_t n = pread(spool->fd, at + *got, len - *got, (off_t)(offset + *got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return spool_error(errno, "a spool cannot be read");
        if (n == 0)
            break;
        *got += (size_t)n;
    }
    return CACHE_OK;
}

uint64_t journal_spool_size(const struct journal_spool *spool)
{
    return spool->size;
}

bool journal_spool_sealed(const struct journal_spool *spool)
{
    return spool->sealed;
}

static enum cache_error digest_file(struct journal_spool *spool, struct digest *digest)
{
    enum cache_error error = CACHE_OK;
    size_t got = SPOOL_BLOCK;
    char *block = malloc(SPOOL_BLOCK);
    if (block == NULL)
        return CACHE_ERR_MEMORY;
    for (uint64_t at = 0; error == CACHE_OK && got == SPOOL_BLOCK; at += got) {
        error = journal_spool_read(spool, at, block, SPOOL_BLOCK, &got);
        digest_add(digest, block, got);
    }
    free(block);
    return error;
}

static enum cache_error digest_now(struct journal_spool *spool)
{
    struct digest digest = {0};
    enum cache_error error = spool_wake(spool);
    if (error == CACHE_OK && spool->fd >= 0)
        error = digest_file(spool, &digest);
    else if (error == CACHE_OK && spool->size > 0)
        digest_add(&digest, spool->block->data, (size_t)spool->size);
    if (error == CACHE_OK) {
        spool->digested = digest_end(&digest, spool->sha256);
        error = spool->digested ? CACHE_OK : CACHE_ERR_MEMORY;
    }
    digest_free(&digest);
    return error;
}

enum cache_error journal_spool_digest(struct journal_spool *spool, uint8_t sha256[JOURNAL_SHA256])
{
    enum cache_error error = spool->digested ? CACHE_OK : digest_now(spool);
    memcpy(sha256, spool->sha256, JOURNAL_SHA256);
    return error;
}

/* Inside the kernel where it can; else by hand. */
static enum cache_error copy_bytes(struct journal_spool *from, struct journal_spool *to)
{
    loff_t in = 0, out = 0;
    ssize_t n = 1;
    while (n > 0 && (uint64_t)in < from->size)
        n = copy_file_range(from->fd, &in, to->fd, &out, from->size - (uint64_t)in, 0);
    if ((uint64_t)in == from->size)
        return CACHE_OK;
    size_t got = 0;
    enum cache_error error = CACHE_OK;
    char *block = malloc(SPOOL_BLOCK);
    if (block == NULL)
        return CACHE_ERR_MEMORY;
    for (uint64_t at = 0; error == CACHE_OK && at < from->size; at += got) {
        error = journal_spool_read(from, at, block, SPOOL_BLOCK, &got);
        if (error == CACHE_OK && got == 0)
            error = CACHE_ERR_IO;
        if (error == CACHE_OK && write_all(to->fd, at, block, got) != 0)
            error = spool_error(errno, "a spool cannot be copied");
    }
    free(block);
    return error;
}

static enum cache_error copy_into_file(struct journal_spool *from, struct journal_spool *to)
{
    to->size = 0; /* there is nothing to spill */
    enum cache_error error = spool_spill(to);
    to->size = from->size;
    return error != CACHE_OK ? error : copy_bytes(from, to);
}

enum cache_error journal_spool_copy(struct journal_spool *from, struct journal_spool **spool)
{
    enum cache_error error = journal_spool_create(from->journal, spool);
    if (*spool == NULL)
        return error;
    error = usage_take(from->journal, from->size);
    if (error == CACHE_OK) {
        (*spool)->size = from->size;
        error = spool_wake(from);
    }
    if (error == CACHE_OK && from->fd < 0)
        block_share(from, *spool);
    else if (error == CACHE_OK)
        error = copy_into_file(from, *spool);
    (*spool)->digested = from->digested;
    memcpy((*spool)->sha256, from->sha256, sizeof from->sha256);
    if (error != CACHE_OK)
        journal_spool_close(spool);
    return error;
}

/* What did not reach the disk once is not known to be there after a second try that succeeds: the
 * kernel has dropped it. So such a spool stays unfit; its bytes can still be read and copied. */
enum cache_error spool_settle(struct journal_spool *spool, bool digest)
{
    uint8_t sha256[DIGEST_SIZE];
    if (spool->unfit == CACHE_OK && !spool->sealed && spool->fd >= 0 && fsync(spool->fd) != 0)
        spool->unfit = spool_error(errno, "a spool does not sync");
    if (spool->unfit != CACHE_OK)
        return spool->unfit;
    return digest ? journal_spool_digest(spool, sha256) : CACHE_OK;
}
