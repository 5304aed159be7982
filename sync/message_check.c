/*
 * Whether bytes are a message that a server can take, and what has to be done to them: they begin
 * with a header field (RFC 5322 section 2.2), hold no NUL (RFC 3501 section 9), and end their lines
 * with CRLF: a bare LF becomes one. From spool to spool, a block at a time. A clerk.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sync/carry.h"

enum { BLOCK = 65536, FIELD_NAME_MAX = 998 };

struct check {
    uint64_t bare; /* LFs without CR */
    bool nul;
    char last;
};

static void count(struct check *check, const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        check->nul |= data[i] == '\0';
        check->bare += data[i] == '\n' && check->last != '\r';
        check->last = data[i];
    }
}

/* A field's name is printable ASCII up to a colon. "From " of an mbox is none. */
static bool starts_with_field(const char *data, size_t len)
{
    size_t i = 0;
    while (i < len && i < FIELD_NAME_MAX && data[i] > ' ' && data[i] < 127 && data[i] != ':')
        i++;
    while (i < len && i > 0 && (data[i] == ' ' || data[i] == '\t')) /* RFC 5322 section 4.5 */
        i++;
    return i > 0 && i < len && data[i] == ':';
}

static size_t mend(char *to, const char *data, size_t len, char *last)
{
    size_t made = 0;
    for (size_t i = 0; i < len; i++) {
        if (data[i] == '\n' && *last != '\r')
            to[made++] = '\r';
        to[made++] = *last = data[i];
    }
    return made;
}

static enum cache_error copy_mended(struct journal_spool *from, struct journal_spool *to,
                                    char *block, size_t room)
{
    char *out = block + room, last = '\0';
    size_t got;
    for (uint64_t at = 0, written = 0;; at += got) {
        enum cache_error error = journal_spool_read(from, at, block, room, &got);
        if (error != CACHE_OK || got == 0)
            return error;
        size_t made = mend(out, block, got, &last);
        error = journal_spool_write(to, written, out, made);
        if (error != CACHE_OK)
            return error;
        written += made;
    }
}

static enum sync_error look_at(struct journal_spool *spool, char *block, size_t room,
                               struct check *check, char *reason)
{
    size_t got;
    for (uint64_t at = 0;; at += got) {
        if (journal_spool_read(spool, at, block, room, &got) != CACHE_OK)
            return SYNC_ERR_CACHE;
        if (at == 0 && !starts_with_field(block, got)) {
            snprintf(reason, JOURNAL_TEXT_MAX,
                     "not a message: it does not begin with a header field such as \"From:\"");
            return SYNC_ERR_INVALID;
        }
        if (got == 0)
            break;
        count(check, block, got);
    }
    if (!check->nul)
        return SYNC_OK;
    snprintf(reason, JOURNAL_TEXT_MAX, "it holds a NUL byte, which no message may");
    return SYNC_ERR_INVALID;
}

enum sync_error message_check(struct journal *journal, struct journal_spool *spool,
                              struct journal_spool **prepared, char *reason)
{
    struct check check = {0};
    *prepared = NULL;
    reason[0] = '\0';
    uint64_t size = journal_spool_size(spool);
    size_t room = size > 0 && size < BLOCK ? (size_t)size : BLOCK; /* most are small */
    char *block = malloc(room * 3);
    if (block == NULL)
        return SYNC_ERR_MEMORY;
    enum sync_error error = look_at(spool, block, room, &check, reason);
    if (error == SYNC_OK && check.bare > 0) {
        enum cache_error made = journal_spool_create(journal, prepared);
        if (made == CACHE_OK)
            made = copy_mended(spool, *prepared, block, room);
        if (made != CACHE_OK)
            journal_spool_close(prepared);
        error = sync_error_of_journal(made);
    }
    free(block);
    return error;
}
