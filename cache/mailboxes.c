/* Mailbox rows: reading them, and noting what SELECT and STATUS said. See cache.h. */
#include <stdlib.h>
#include <string.h>

#include "cache/internal.h"
#include "cache/statements.h"

bool mailbox_from_row(const struct db *db, unsigned statement, struct cache_mailbox *mailbox)
{
    *mailbox = (struct cache_mailbox){
        .id = db_int(db, statement, 0),
        .ino = (uint64_t)db_int(db, statement, 1),
        .name = strdup(db_text(db, statement, 2)),
        .delimiter = (char)db_int(db, statement, 3),
        .role = (enum cache_role)db_int(db, statement, 4),
        .selectable = db_int(db, statement, 5) != 0,
        .subscribed = db_int(db, statement, 6) != 0,
        .uidvalidity = (uint32_t)db_int(db, statement, 7),
        .uidnext = (uint32_t)db_int(db, statement, 8),
        .messages = (uint32_t)db_int(db, statement, 9),
        .unseen = (uint32_t)db_int(db, statement, 10),
        .highestmodseq = (uint64_t)db_int(db, statement, 11),
        .listed = db_int(db, statement, 12) != 0,
        .listed_uid = (uint32_t)db_int(db, statement, 13),
    };
    return mailbox->name != NULL;
}

void cache_mailbox_free(struct cache_mailbox *mailbox)
{
    free(mailbox->name);
    mailbox->name = NULL;
}

enum cache_error mailbox_query(struct db *db, unsigned statement, const struct db_value *values,
                               size_t count, struct cache_mailbox *mailbox)
{
    *mailbox = (struct cache_mailbox){0};
    enum db_step step = db_query(db, statement, values, count);
    if (step != DB_ROW)
        return step == DB_DONE ? CACHE_ERR_ABSENT : db_error(db);
    bool copied = mailbox_from_row(db, statement, mailbox);
    db_end(db, statement);
    return copied ? CACHE_OK : CACHE_ERR_MEMORY;
}

enum cache_error mailbox_check(struct db *index, int64_t mailbox, uint32_t uidvalidity)
{
    struct cache_mailbox row;
    enum cache_error error =
        mailbox_query(index, INDEX_MAILBOX_GET, DB_VALUES(DB_INT(mailbox)), &row);
    if (error != CACHE_OK)
        return error;
    bool same = row.uidvalidity == uidvalidity && uidvalidity != 0;
    cache_mailbox_free(&row);
    return same ? CACHE_OK : CACHE_ERR_STALE;
}

enum cache_error cache_mailbox_get(struct cache *cache, int64_t id, struct cache_mailbox *mailbox)
{
    struct db *db = pool_borrow(&cache->index_readers);
    enum cache_error error = mailbox_query(db, INDEX_MAILBOX_GET, DB_VALUES(DB_INT(id)), mailbox);
    pool_return(&cache->index_readers, db);
    mailbox->checked_ms = checked_get(&cache->checked, id);
    return error;
}

enum cache_error cache_mailbox_find(struct cache *cache, const char *name,
                                    struct cache_mailbox *mailbox)
{
    struct db *db = pool_borrow(&cache->index_readers);
    enum cache_error error =
        mailbox_query(db, INDEX_MAILBOX_FIND, DB_VALUES(DB_TEXT(name)), mailbox);
    pool_return(&cache->index_readers, db);
    mailbox->checked_ms = checked_get(&cache->checked, mailbox->id);
    return error;
}

enum cache_error cache_mailbox_each(struct cache *cache,
                                    bool (*visit)(void *ctx, const struct cache_mailbox *),
                                    void *ctx)
{
    enum cache_error error = CACHE_OK;
    struct db *db = pool_borrow(&cache->index_readers);
    enum db_step step = db_query(db, INDEX_MAILBOX_EACH, NULL, 0);
    bool go_on = true;
    while (step == DB_ROW && go_on) {
        struct cache_mailbox mailbox;
        if (!mailbox_from_row(db, INDEX_MAILBOX_EACH, &mailbox)) {
            error = CACHE_ERR_MEMORY;
            break;
        }
        mailbox.checked_ms = checked_get(&cache->checked, mailbox.id);
        go_on = visit(ctx, &mailbox);
        cache_mailbox_free(&mailbox);
        if (go_on)
            step = db_next(db, INDEX_MAILBOX_EACH);
    }
    if (step == DB_FAILED)
        error = db_error(db);
    db_end(db, INDEX_MAILBOX_EACH);
    pool_return(&cache->index_readers, db);
    return error;
}

/* ---- cache_mailbox_note ---- */

struct note_job {
    struct job job;
    int64_t mailbox;
    const struct cache_mailbox_facts *facts;
    bool more; /* messages of the old UIDVALIDITY are left: once again */
    struct changes changes;
};

/* What the row holds once the facts are in it; false: it is what it was. */
static bool merge_facts(struct cache_mailbox *row, const struct cache_mailbox_facts *facts)
{
    struct cache_mailbox before = *row;
    if (facts->uidvalidity != 0)
        row->uidvalidity = facts->uidvalidity;
    if (facts->uidnext != 0)
        row->uidnext = facts->uidnext;
    if (facts->has_messages)
        row->messages = facts->messages;
    if (facts->has_unseen)
        row->unseen = facts->unseen;
    if (facts->highestmodseq != 0)
        row->highestmodseq = facts->highestmodseq;
    return before.uidvalidity != row->uidvalidity || before.uidnext != row->uidnext ||
           before.messages != row->messages || before.unseen != row->unseen ||
           before.highestmodseq != row->highestmodseq;
}

static bool another_uidvalidity(const struct cache_mailbox *row,
                                const struct cache_mailbox_facts *facts)
{
    return facts->uidvalidity != 0 && row->uidvalidity != 0 &&
           facts->uidvalidity != row->uidvalidity;
}

static enum cache_error store_facts(struct db *index, const struct cache_mailbox *row)
{
    return db_run(index, INDEX_MAILBOX_FACTS,
                  DB_VALUES(DB_INT(row->id), DB_INT(row->uidvalidity), DB_INT(row->uidnext),
                            DB_INT(row->messages), DB_INT(row->unseen),
                            DB_INT(row->highestmodseq)));
}

/* The new UIDVALIDITY is only noted once the last message of the old one is gone; until then the
 * mailbox counts as not listed, under the old one. */
static enum cache_error run_note(struct writer *writer, struct job *job)
{
    struct note_job *note = (struct note_job *)job;
    enum cache_error error = CACHE_OK;
    struct cache_mailbox row = {0};
    struct db *index = writer_index(writer, &error);
    if (index != NULL)
        error = mailbox_query(index, INDEX_MAILBOX_GET, DB_VALUES(DB_INT(note->mailbox)), &row);
    if (error != CACHE_OK)
        goto out;
    note->more = false;
    if (another_uidvalidity(&row, note->facts)) {
        error = removal_some(writer, note->mailbox, REMOVAL_STEP, &note->more, &note->changes);
        if (error == CACHE_OK)
            error = db_run(index, INDEX_MAILBOX_RESET, DB_VALUES(DB_INT(note->mailbox)));
        row.uidnext = row.messages = row.unseen = 0;
        row.highestmodseq = 0;
    }
    if (error == CACHE_OK && !note->more && merge_facts(&row, note->facts))
        error = store_facts(index, &row);
out:
    cache_mailbox_free(&row);
    return error;
}

enum cache_error cache_mailbox_note(struct cache *cache, int64_t mailbox,
                                    const struct cache_mailbox_facts *facts,
                                    cache_change_fn *changed, void *ctx)
{
    struct cache_mailbox row;
    enum cache_error error = cache_mailbox_get(cache, mailbox, &row);
    cache_mailbox_free(&row);
    if (error != CACHE_OK || !merge_facts(&row, facts))
        return error; /* most of what STATUS says is known: no transaction for it */
    bool more = true;
    while (error == CACHE_OK && more) {
        struct note_job note = {
            .job = {.run = run_note, .urgent = true},
            .mailbox = mailbox,
            .facts = facts,
        };
        error = writer_do(&cache->writer, &note.job);
        changes_tell(&note.changes, error == CACHE_OK ? changed : NULL, ctx);
        more = note.more;
    }
    return error;
}
