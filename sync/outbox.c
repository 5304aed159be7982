/*
 * The outbox as `outlookfs outbox` shows it: the rows of the journal, sent again, dropped or saved
 * at the user's word. Called by the control socket's thread; waits for the journal.
 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "sync/carry.h"

enum { ROWS_AT_ONCE = 100, JSON_MAX = 64 << 20, BLOCK_BYTES = 65536 };

static void add_row(cJSON *array, const struct journal_row *row)
{
    const struct journal_intent *intent = &row->intent;
    const char *mailbox = intent->target[0] != '\0' ? intent->target : intent->mailbox;
    cJSON *item = cJSON_CreateObject();
    cJSON_AddNumberToObject(item, "id", (double)row->id);
    cJSON_AddStringToObject(item, "kind", journal_kind_name(intent->kind));
    cJSON_AddStringToObject(item, "state", journal_state_name(row->state));
    cJSON_AddStringToObject(item, "mailbox", mailbox);
    cJSON_AddStringToObject(item, "name", intent->name);
    cJSON_AddNumberToObject(item, "size",
                            (double)(row->has_spool ? row->spool_bytes : intent->size));
    cJSON_AddStringToObject(item, "reason", row->reason);
    cJSON_AddNumberToObject(item, "since", (double)row->created);
    cJSON_AddItemToArray(array, item);
}

bool sync_outbox_json(struct sync *sync, struct buffer *out)
{
    struct journal_row rows[ROWS_AT_ONCE];
    size_t count = 0;
    if (sync->journal == NULL)
        return buffer_append_text(out, "[]");
    cJSON *array = cJSON_CreateArray();
    int64_t after = 0;
    do {
        if (journal_list(sync->journal, JOURNAL_NONE, after, rows, ROWS_AT_ONCE, &count) !=
            CACHE_OK)
            break;
        for (size_t i = 0; i < count; i++) {
            add_row(array, &rows[i]);
            after = rows[i].id;
            journal_row_free(&rows[i]);
        }
    } while (count > 0);
    char *text = cJSON_PrintUnformatted(array);
    bool good = text != NULL && strlen(text) < JSON_MAX && buffer_append_text(out, text);
    cJSON_free(text);
    cJSON_Delete(array);
    return good;
}

static enum sync_error outbox_error(enum cache_error error, int64_t id, char *text)
{
    const char *why = error == CACHE_ERR_ABSENT  ? "there is no such entry; see outlookfs outbox"
                      : error == CACHE_ERR_BUSY  ? "the file is still being written"
                      : error == CACHE_ERR_STATE ? "the entry is on its way already"
                      : error == CACHE_ERR_FULL  ? "the disk is full"
                                                 : "the journal cannot be used; see the log";
    if (error != CACHE_OK)
        snprintf(text, SYNC_TEXT_MAX, "%lld: %s", (long long)id, why);
    return error == CACHE_ERR_STATE ? SYNC_ERR_BUSY : sync_error_of_journal(error);
}

static enum sync_error no_journal(char *text)
{
    snprintf(text, SYNC_TEXT_MAX, "the mount is read-only and has no outbox");
    return SYNC_ERR_READONLY;
}

/* What was held may have happened: it counts as sent, so that it is looked for first, where the
 * mailbox still is the one that was noted. */
static enum cache_error look_first(struct sync *sync, const struct journal_row *row)
{
    const struct journal_intent *intent = &row->intent;
    struct cache_mailbox target = {0};
    uint32_t uidvalidity = 0, uidnext = 0;
    if (row->state != JOURNAL_HELD || intent->kind > JOURNAL_MOVE ||
        cache_mailbox_find(sync->cache, intent->target, &target) != CACHE_OK)
        return CACHE_OK;
    bool known = bearings_get(sync, target.id, &uidvalidity, &uidnext);
    cache_mailbox_free(&target);
    if (!known || uidvalidity != intent->target_uidvalidity || intent->target_uidnext == 0)
        return CACHE_OK;
    struct journal_move move = {.id = row->id,
                                .event = JOURNAL_DO_SEND,
                                .target_uidvalidity = uidvalidity,
                                .target_uidnext = intent->target_uidnext};
    return journal_do(sync->journal, &move, 1, true);
}

enum sync_error sync_outbox_retry(struct sync *sync, int64_t id, char *text)
{
    struct journal_row row;
    if (sync->journal == NULL)
        return no_journal(text);
    held_abandon(sync, id);
    enum cache_error error = journal_get(sync->journal, id, &row);
    if (error == CACHE_OK) {
        error = journal_retry(sync->journal, id);
        if (error == CACHE_OK)
            error = look_first(sync, &row);
        journal_row_free(&row);
    }
    if (error == CACHE_OK)
        error = journal_get(sync->journal, id, &row);
    if (error != CACHE_OK)
        return outbox_error(error, id, text);
    return change_resume(sync, &row) ? SYNC_OK : SYNC_ERR_MEMORY;
}

enum sync_error sync_outbox_drop(struct sync *sync, int64_t id, char *text)
{
    if (sync->journal == NULL)
        return no_journal(text);
    if (change_under_way(sync, id))
        return outbox_error(CACHE_ERR_STATE, id, text);
    held_abandon(sync, id);
    struct journal_move move = {.id = id, .event = JOURNAL_DO_DROP};
    return outbox_error(journal_do(sync->journal, &move, 1, true), id, text);
}

enum sync_error sync_outbox_save(struct sync *sync, int64_t id, int fd, char *text)
{
    struct journal_spool *spool = NULL;
    char block[BLOCK_BYTES];
    size_t got = 0;
    if (sync->journal == NULL)
        return no_journal(text);
    enum cache_error error = journal_spool_open(sync->journal, id, &spool);
    for (uint64_t at = 0; error == CACHE_OK; at += got) {
        error = journal_spool_read(spool, at, block, sizeof block, &got);
        if (error != CACHE_OK || got == 0)
            break;
        if (!file_write_all(fd, block, got)) {
            snprintf(text, SYNC_TEXT_MAX, "%s", strerror(errno));
            journal_spool_close(&spool);
            return SYNC_ERR_DISK;
        }
    }
    if (spool != NULL)
        journal_spool_close(&spool);
    return outbox_error(error, id, text);
}
