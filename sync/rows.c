/*
 * Messages of a listing on their way to the cache: gathered as FETCH responses come, stored some
 * hundreds at a time. Servers may answer in any order, and names depend on it (the first of two
 * equal ones has the plain name), so rows are put in order of UID before they are stored.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "message/name.h"
#include "message/summary.h"
#include "sync/listing.h"

struct row {
    uint32_t uid;
    uint64_t size;
    int64_t internaldate;
    char *flags;
    struct message_summary summary;
    char stem[MESSAGE_NAME_MAX + 1];
};

struct rows {
    struct row *items;
    size_t count, room;
};

enum { ROWS_FIRST = 512, FLAGS_MAX = 8192 };

struct rows *rows_new(void)
{
    return calloc(1, sizeof(struct rows));
}

static void rows_clear(struct rows *rows)
{
    for (size_t i = 0; i < rows->count; i++) {
        free(rows->items[i].flags);
        message_summary_free(&rows->items[i].summary);
    }
    rows->count = 0;
}

void rows_free(struct rows **rows)
{
    if (*rows == NULL)
        return;
    rows_clear(*rows);
    free((*rows)->items);
    free(*rows);
    *rows = NULL;
}

size_t rows_count(const struct rows *rows)
{
    return rows->count;
}

/* Whether the word is \Recent: a flag of the session, not of the message (RFC 3501 section 2.3.2).
 */
static bool is_recent(const char *word, size_t len)
{
    return len == 7 && strncasecmp(word, "\\Recent", 7) == 0;
}

char *rows_flags(const struct imap_flags *flags)
{
    struct buffer text;
    buffer_init(&text, FLAGS_MAX);
    bool good = buffer_append(&text, "", 0);
    const char *at = flags->text.data, *end = at + flags->text.len;
    while (good && at != NULL && at < end) {
        const char *space = memchr(at, ' ', (size_t)(end - at));
        size_t len = (size_t)((space != NULL ? space : end) - at);
        if (len > 0 && !is_recent(at, len))
            good =
                (text.len == 0 || buffer_append_byte(&text, ' ')) && buffer_append(&text, at, len);
        at += len + 1;
    }
    return text.data;
}

static struct row *row_new(struct rows *rows)
{
    if (rows->count == rows->room) {
        size_t room = rows->room == 0 ? ROWS_FIRST : rows->room * 2;
        struct row *items = realloc(rows->items, room * sizeof *items);
        if (items == NULL)
            return NULL;
        rows->items = items;
        rows->room = room;
    }
    struct row *row = &rows->items[rows->count];
    *row = (struct row){0};
    return row;
}

bool rows_add(struct rows *rows, const struct imap_fetch *fetch, bool uid_names)
{
    struct row *row = row_new(rows);
    if (row == NULL)
        return false;
    row->uid = fetch->uid;
    row->size = fetch->size;
    row->internaldate = fetch->internaldate;
    row->flags = rows_flags(&fetch->flags);
    const char *header = fetch->header.data != NULL ? fetch->header.data : "";
    if (row->flags == NULL || !message_summary_parse(header, fetch->header.len, &row->summary)) {
        free(row->flags);
        return false;
    }
    if (uid_names)
        snprintf(row->stem, sizeof row->stem, "%u", fetch->uid);
    else
        message_name_stem(row->stem, row->internaldate, row->summary.from_name,
                          row->summary.subject);
    rows->count++;
    return true;
}

static int by_uid(const void *a, const void *b)
{
    uint32_t x = ((const struct row *)a)->uid, y = ((const struct row *)b)->uid;
    return x < y ? -1 : x > y;
}

/* A UID that came twice counts once, as it came last. */
static size_t fill(struct cache_new_message *messages, const struct rows *rows)
{
    size_t count = 0;
    for (size_t i = 0; i < rows->count; i++) {
        const struct row *row = &rows->items[i];
        if (count > 0 && messages[count - 1].uid == row->uid)
            count--;
        messages[count++] = (struct cache_new_message){
            .uid = row->uid,
            .size = row->size,
            .internaldate = row->internaldate,
            .flags = row->flags,
            .subject = row->summary.subject,
            .from = row->summary.from,
            .to = row->summary.to,
            .date = row->summary.date,
            .message_id = row->summary.message_id,
            .stem = row->stem,
        };
    }
    return count;
}

enum cache_error rows_store(struct rows *rows, struct sync *sync, int64_t mailbox,
                            uint32_t uidvalidity, uint32_t through_uid, bool complete,
                            cache_change_fn *changed, void *ctx)
{
    struct cache_new_message *messages = malloc((rows->count + 1) * sizeof *messages);
    if (messages == NULL)
        return CACHE_ERR_MEMORY;
    if (rows->count > 0)
        qsort(rows->items, rows->count, sizeof *rows->items, by_uid);
    size_t count = fill(messages, rows);
    enum cache_error error =
        cache_messages_add(sync->cache, mailbox, uidvalidity, messages, count, through_uid,
                           complete, message_name_file, changed, ctx);
    free(messages);
    rows_clear(rows);
    return error;
}
