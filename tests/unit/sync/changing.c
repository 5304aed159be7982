/* See changing.h. */
#include "tests/unit/test.h"

#include "tests/unit/sync/changing.h"

#include <stdio.h>
#include <stdlib.h>

void changing_init(struct rig *rig, unsigned messages)
{
    store_init();
    for (unsigned i = 1; i <= messages; i++)
        store_add("INBOX", i);
    rig_init(rig, NULL, 0);
    rig->writable = true;
    atomic_store(&rig->server.hook, store_answer);
}

void changing_start(struct rig *rig)
{
    static const char *const names[] = {"INBOX", "Trash", "Archive"};
    enum sync_error error = rig_start(rig);
    if (error != SYNC_OK)
        fail_msg("start: %d %s", (int)error, rig->text);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(rig_list(rig, names[i]), SYNC_OK);
}

void changing_end(struct rig *rig)
{
    rig_end(rig);
    store_free();
}

enum sync_error changing_move(struct rig *rig, const char *from, uint32_t uid, const char *to)
{
    struct told told;
    told_init(&told);
    sync_move(rig->sync, rig_message(rig, from, uid), rig_mailbox(rig, to), NULL, false,
              told_changed, &told);
    return told_wait(&told);
}

enum sync_error changing_copy(struct rig *rig, const char *from, uint32_t uid, const char *to)
{
    struct told told;
    told_init(&told);
    sync_copy(rig->sync, rig_message(rig, from, uid), rig_mailbox(rig, to), NULL, false,
              told_changed, &told);
    return told_wait(&told);
}

enum sync_error changing_remove(struct rig *rig, const char *mailbox, uint32_t uid)
{
    struct told told;
    told_init(&told);
    sync_remove(rig->sync, rig_message(rig, mailbox, uid), told_changed, &told);
    return told_wait(&told);
}

enum sync_error changing_store(struct rig *rig, const char *mailbox, uint32_t uid,
                               const char *flags)
{
    struct told told;
    told_init(&told);
    sync_store(rig->sync, rig_message(rig, mailbox, uid), flags, told_changed, &told);
    return told_wait(&told);
}

enum sync_error changing_bytes(struct rig *rig, const char *mailbox, const char *bytes, size_t len,
                               const char *name, int64_t replaces)
{
    struct told told, made;
    struct journal_spool *spool;
    struct cache_mailbox row = {0};
    int64_t id = rig_mailbox(rig, mailbox);
    assert_int_equal(cache_mailbox_get(sync_cache(rig->sync), id, &row), CACHE_OK);
    told_init(&made);
    sync_staged_create(rig->sync, row.ino, name, false, told_changed, &made);
    cache_mailbox_free(&row);
    assert_int_equal(told_wait(&made), SYNC_OK);
    assert_int_equal(journal_spool_create(sync_journal(rig->sync), &spool), CACHE_OK);
    assert_int_equal(journal_spool_write(spool, 0, bytes, len), CACHE_OK);
    const struct sync_publication publication = {.mailbox = id,
                                                 .name = name,
                                                 .staged = made.inode.ino,
                                                 .spool = spool,
                                                 .replaces = replaces,
                                                 .keep = true};
    told_init(&told);
    assert_int_not_equal(sync_publish(rig->sync, &publication, told_changed, &told), 0);
    return told_wait(&told);
}

enum sync_error changing_publish(struct rig *rig, const char *mailbox, unsigned number,
                                 int64_t replaces)
{
    size_t len;
    char *text = store_message(number, &len), name[32];
    snprintf(name, sizeof name, "file-%u.eml", number);
    enum sync_error error = changing_bytes(rig, mailbox, text, len, name, replaces);
    free(text);
    return error;
}

enum sync_error changing_settle(struct rig *rig)
{
    struct told told;
    told_init(&told);
    sync_settle(rig->sync, 0, told_changed, &told);
    return told_wait(&told);
}

size_t changing_rows(struct rig *rig)
{
    struct journal_row rows[64];
    size_t count;
    assert_int_equal(journal_list(sync_journal(rig->sync), JOURNAL_NONE, 0, rows, 64, &count),
                     CACHE_OK);
    for (size_t i = 0; i < count; i++)
        journal_row_free(&rows[i]);
    return count;
}

enum journal_state changing_state(struct rig *rig)
{
    struct journal_row row;
    size_t count;
    assert_int_equal(journal_list(sync_journal(rig->sync), JOURNAL_NONE, 0, &row, 1, &count),
                     CACHE_OK);
    enum journal_state state = count > 0 ? row.state : JOURNAL_NONE;
    if (count > 0)
        journal_row_free(&row);
    return state;
}
