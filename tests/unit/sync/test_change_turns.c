/*
 * Changes while the mailboxes change under them, the outbox, the brake, and requests that nobody
 * waits for any more.
 */
#include "tests/unit/test.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "message/summary.h"
#include "tests/unit/sync/changing.h"

/* ---- between intent and command, and between command and outcome ---- */

static const char *at_verb;
static bool happened;

static bool is(const char *command, const char *verb)
{
    return strncasecmp(command, verb, strlen(verb)) == 0;
}

static void once(const char *command, void (*what)(void))
{
    if (happened || !is(command, at_verb))
        return;
    happened = true;
    what();
}

static void new_source(void)
{
    store_box("INBOX")->uidvalidity = 999;
}

static void new_target(void)
{
    store_box("Archive")->uidvalidity = 999;
}

static void target_gone(void)
{
    store_box("Archive")->used = false;
}

static void source_gone(void)
{
    store_box("INBOX")->used = false;
}

static void message_gone(void)
{
    struct store_mailbox *box = store_box("INBOX");
    for (size_t i = 0; i < box->count; i++) {
        if (box->messages[i].uid != 2)
            continue;
        free(box->messages[i].body);
        box->count--;
        memmove(&box->messages[i], &box->messages[i + 1],
                (box->count - i) * sizeof box->messages[0]);
        return;
    }
}

static void (*turn)(void);

static void turn_before(struct store *s, const char *command)
{
    once(command, turn);
}

/* Other mail is never hit: all that INBOX holds besides message 2 is there in the end. */
static void test_turns(void **state)
{
    static const struct {
        const char *name, *verb;
        void (*turn)(void);
        bool after; /* the answer to the verb is lost, and the turn comes then */
        enum sync_error move, copy;
    } rows[] = {
        {"new UIDVALIDITY before SELECT", "SELECT", new_source,   false, SYNC_ERR_GONE,
         SYNC_ERR_GONE                                                                                      },
        {"mailbox gone before SELECT",    "SELECT", source_gone,  false, SYNC_ERR_GONE,        SYNC_ERR_GONE},
        {"message gone before SELECT",    "SELECT", message_gone, false, SYNC_ERR_GONE,        SYNC_ERR_GONE},
        {"message gone before command",   "UID",    message_gone, false, SYNC_ERR_GONE,        SYNC_ERR_GONE},
        {"target gone before command",    "UID",    target_gone,  false, SYNC_ERR_GONE,        SYNC_ERR_GONE},
        {"new target after command",      "UID",    new_target,   true,  SYNC_ERR_UNCONFIRMED,
         SYNC_ERR_UNCONFIRMED                                                                               },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (int copy = 0; copy < 2; copy++) {
            struct rig rig;
            changing_init(&rig, 5);
            rig.connections = 1;
            changing_start(&rig);
            happened = false;
            at_verb = rows[i].verb;
            turn = rows[i].turn;
            if (rows[i].after) {
                store_after(turn_before);
                atomic_store(&store.cut_out, 110); /* behind SELECT's answer */
            } else {
                store_before(turn_before);
            }
            enum sync_error error = copy ? changing_copy(&rig, "INBOX", 2, "Archive")
                                         : changing_move(&rig, "INBOX", 2, "Archive");
            store_before(NULL);
            store_after(NULL);
            if (error != (copy ? rows[i].copy : rows[i].move) || !happened)
                fail_msg("%s, %s: %d", rows[i].name, copy ? "copy" : "move", (int)error);
            bool gone = rows[i].turn == source_gone;
            for (unsigned n = 1; n <= 5 && !gone; n++)
                assert_true(n == 2 || store_count("INBOX", n) == 1);
            changing_end(&rig);
        }
    }
}

/* ---- the outbox ---- */

static int64_t first_row(struct rig *rig)
{
    struct journal_row row;
    size_t count;
    assert_int_equal(journal_list(sync_journal(rig->sync), JOURNAL_NONE, 0, &row, 1, &count),
                     CACHE_OK);
    assert_int_equal(count, 1);
    int64_t id = row.id;
    journal_row_free(&row);
    return id;
}

static void test_outbox(void **state)
{
    struct rig rig;
    char text[SYNC_TEXT_MAX] = "", path[100], bytes[600] = "";
    changing_init(&rig, 2);
    changing_start(&rig);
    store.refuse_verb = "APPEND";
    store.refuse_reply = "NO [OVERQUOTA] full";
    atomic_store(&store.refuse_times, 1);
    assert_int_equal(changing_publish(&rig, "Archive", 100, 0), SYNC_ERR_QUOTA);
    struct buffer out;
    buffer_init(&out, 65536);
    assert_true(sync_outbox_json(rig.sync, &out));
    cJSON *array = cJSON_Parse(out.data), *item = cJSON_GetArrayItem(array, 0);
    assert_string_equal(cJSON_GetObjectItem(item, "state")->valuestring, "refused");
    assert_string_equal(cJSON_GetObjectItem(item, "name")->valuestring, "file-100.eml");
    assert_string_equal(cJSON_GetObjectItem(item, "mailbox")->valuestring, "Archive");
    cJSON_Delete(array);
    buffer_free(&out);
    int64_t id = first_row(&rig);
    snprintf(path, sizeof path, "%s/saved", rig.directory);
    FILE *file = fopen(path, "w+");
    assert_int_equal(sync_outbox_save(rig.sync, id, fileno(file), text), SYNC_OK);
    rewind(file);
    size_t len, got = fread(bytes, 1, sizeof bytes - 1, file);
    fclose(file);
    char *wanted = store_message(100, &len);
    assert_int_equal(got, len);
    assert_memory_equal(bytes, wanted, len);
    free(wanted);
    assert_int_equal(sync_outbox_retry(rig.sync, id, text), SYNC_OK);
    assert_int_equal(changing_settle(&rig), SYNC_OK);
    assert_int_equal(store_count("Archive", 100), 1);
    assert_int_equal(changing_rows(&rig), 0);
    assert_int_not_equal(sync_outbox_retry(rig.sync, id, text), SYNC_OK);
    assert_string_not_equal(text, "");
    atomic_store(&store.refuse_times, 1);
    assert_int_equal(changing_publish(&rig, "Archive", 101, 0), SYNC_ERR_QUOTA);
    assert_int_equal(sync_outbox_drop(rig.sync, first_row(&rig), text), SYNC_OK);
    assert_int_equal(changing_rows(&rig), 0);
    changing_end(&rig);
}

/* ---- commit=journal ---- */

static void test_journal_errors(void **state)
{
    struct rig rig;
    changing_init(&rig, 4);
    rig.by_journal = true;
    changing_start(&rig);
    store.refuse_verb = "APPEND";
    store.refuse_reply = "NO [OVERQUOTA] full";
    atomic_store(&store.refuse_times, 1);
    pthread_mutex_lock(&store.lock);
    message_gone();
    store.delay_ms = 30;
    pthread_mutex_unlock(&store.lock);
    assert_int_equal(changing_publish(&rig, "Archive", 100, 0), SYNC_OK);
    assert_int_equal(changing_publish(&rig, "Archive", 101, 0), SYNC_OK);
    assert_int_equal(changing_move(&rig, "INBOX", 1, "Archive"), SYNC_OK);
    assert_int_equal(changing_move(&rig, "INBOX", 2, "Archive"), SYNC_OK);
    assert_int_not_equal(changing_settle(&rig), SYNC_OK);
    assert_int_equal(store_count("Archive", 1), 1);
    assert_int_equal(store_count("Archive", 100) + store_count("Archive", 101), 1);
    assert_int_equal(changing_rows(&rig), 2);
    changing_end(&rig);
}

static void expect_flags(struct rig *rig, uint32_t uid, const char *flags)
{
    struct cache_message row = {0};
    assert_int_equal(cache_message_get(sync_cache(rig->sync), rig_message(rig, "INBOX", uid), &row),
                     CACHE_OK);
    assert_string_equal(row.flags, flags);
    cache_message_free(&row);
}

/* A file of Archive that is still to be sent shows, and its bytes can be read. */
static void expect_readable(struct rig *rig, const char *name)
{
    struct cache_mailbox row = {0};
    struct cache_inode inode;
    struct journal_spool *spool;
    int64_t copy_of;
    size_t len;
    char *text = store_message(100, &len);
    assert_int_equal(cache_mailbox_get(sync_cache(rig->sync), rig_mailbox(rig, "Archive"), &row),
                     CACHE_OK);
    assert_int_equal(cache_inode_lookup(sync_cache(rig->sync), row.ino, name, &inode), CACHE_OK);
    assert_true(sync_pending(rig->sync, inode.ino, &spool, &copy_of));
    assert_int_equal(journal_spool_size(spool), len);
    assert_int_equal(inode.size, len);
    journal_spool_close(&spool);
    cache_mailbox_free(&row);
    free(text);
}

static void test_journal_offline(void **state)
{
    struct rig rig;
    changing_init(&rig, 4);
    rig.by_journal = true;
    changing_start(&rig);
    atomic_store(&store.down, true);
    assert_int_equal(changing_move(&rig, "INBOX", 1, "Archive"), SYNC_OK);
    assert_int_equal(changing_remove(&rig, "INBOX", 2), SYNC_OK);
    assert_int_equal(changing_copy(&rig, "INBOX", 3, "Archive"), SYNC_OK);
    assert_int_equal(changing_publish(&rig, "Archive", 100, 0), SYNC_OK);
    assert_int_equal(changing_store(&rig, "INBOX", 4, "+\\Flagged"), SYNC_OK);
    assert_int_equal(rig_count(&rig, "INBOX"), 2);
    assert_int_equal(changing_rows(&rig), 5);
    expect_flags(&rig, 4, "\\Flagged");
    expect_readable(&rig, "file-100.eml");
    atomic_store(&store.down, false);
    assert_int_equal(changing_settle(&rig), SYNC_OK);
    assert_int_equal(store_count("Archive", 1), 1);
    assert_int_equal(store_count("Trash", 2), 1);
    assert_int_equal(store_count("Archive", 3), 1);
    assert_int_equal(store_count("Archive", 100), 1);
    assert_int_equal(changing_rows(&rig), 0);
    changing_end(&rig);
}

/* A file that changes again before it was sent is sent once, as it is then; one that is removed is
 * not sent at all. */
static void test_journal_again(void **state)
{
    struct rig rig;
    struct told told;
    changing_init(&rig, 2);
    rig.by_journal = true;
    rig.timeout_ms = 1000;
    changing_start(&rig);
    atomic_store(&store.down, true);
    assert_int_equal(changing_move(&rig, "INBOX", 1, "Archive"), SYNC_OK);
    assert_int_equal(changing_move(&rig, "INBOX", 1, "Trash"), SYNC_OK);
    told_init(&told);
    sync_remove(rig.sync, rig_message(&rig, "INBOX", 1), told_changed, &told);
    assert_int_equal(told_wait(&told), SYNC_OK);
    atomic_store(&store.down, false);
    for (int i = 0; i < 5 && changing_rows(&rig) > 0; i++)
        (void)!changing_settle(&rig);
    assert_int_equal(changing_rows(&rig), 0);
    assert_int_equal(store_count(NULL, 1), 0); /* what is removed in the trash is gone */
    changing_end(&rig);
}

/* ---- the rest ---- */

static void test_brake(void **state)
{
    enum { MANY = 1005 };
    static struct told told[MANY];
    struct rig rig;
    changing_init(&rig, MANY);
    rig.expunge = true;
    changing_start(&rig);
    for (unsigned i = 0; i < MANY; i++) {
        told_init(&told[i]);
        sync_ticket ticket =
            sync_remove(rig.sync, rig_message(&rig, "INBOX", i + 1), told_changed, &told[i]);
        assert_int_not_equal(ticket, 0);
        if (i < 1000)
            assert_int_equal(told_wait(&told[i]), SYNC_OK);
        else
            assert_true(sync_detach(rig.sync, ticket)); /* interrupted */
    }
    assert_int_equal(store_total("INBOX"), 5);
    struct buffer text;
    buffer_init(&text, 65536);
    while (strstr(text.data != NULL ? text.data : "", "deleting:") == NULL) {
        buffer_clear(&text);
        assert_true(sync_status_text(rig.sync, &text));
    }
    buffer_free(&text);
    changing_end(&rig);
}

/* A detached change goes on. */
static void test_detach(void **state)
{
    struct rig rig;
    struct told told;
    changing_init(&rig, 3);
    store.delay_ms = 50;
    changing_start(&rig);
    told_init(&told);
    sync_ticket ticket = sync_move(rig.sync, rig_message(&rig, "INBOX", 1),
                                   rig_mailbox(&rig, "Archive"), NULL, false, told_changed, &told);
    assert_true(sync_detach(rig.sync, ticket));
    assert_false(sync_detach(rig.sync, ticket));
    assert_int_equal(changing_settle(&rig), SYNC_OK);
    assert_int_equal(store_count("Archive", 1), 1);
    assert_int_equal(told.times, 0);
    changing_end(&rig);
}

/* Silence: the bound holds, and what is told is what is. Other connections still answer, unless
 * `dumb`. */
static bool dumb;

static bool quiet(struct session *s, const char *tag, const char *command)
{
    s->mute |= is(command, "APPEND") || is(command, "UID MOVE");
    return s->mute || (dumb && is(command, "EXAMINE")) || store_answer(s, tag, command);
}

static void test_bound(void **state)
{
    for (int i = 0; i < 2; i++) {
        struct rig rig;
        changing_init(&rig, 3);
        rig.timeout_ms = 500;
        changing_start(&rig);
        dumb = i == 1;
        atomic_store(&rig.server.hook, quiet);
        int64_t start = clock_ms();
        enum sync_error error = changing_move(&rig, "INBOX", 1, "Archive");
        assert_true(clock_ms() - start < 3000);
        assert_int_equal(error, dumb ? SYNC_ERR_UNCONFIRMED : SYNC_ERR_DOWN);
        assert_int_equal(changing_state(&rig), dumb ? JOURNAL_HELD : JOURNAL_NONE);
        assert_int_equal(store_count("INBOX", 1), 1);
        changing_end(&rig);
    }
}

static void test_mark_seen(void **state)
{
    struct rig rig;
    changing_init(&rig, 3);
    rig.mark_seen = true;
    changing_start(&rig);
    sync_mark_seen(rig.sync, rig_message(&rig, "INBOX", 2));
    assert_int_equal(changing_settle(&rig), SYNC_OK);
    assert_true(store_flagged("INBOX", 2, "\\Seen"));
    unsigned stores = atomic_load(&store.stores);
    sync_mark_seen(rig.sync, rig_message(&rig, "INBOX", 2));
    assert_int_equal(changing_settle(&rig), SYNC_OK);
    assert_int_equal(atomic_load(&store.stores), stores);
    changing_end(&rig);
}

static void test_quota(void **state)
{
    struct rig rig;
    uint64_t used = 0, limit = 0;
    changing_init(&rig, 1);
    store.quota = true;
    changing_start(&rig);
    int64_t until = clock_ms() + 5000;
    while (!sync_quota(rig.sync, 0, &used, &limit) && clock_ms() < until)
        usleep(1000);
    assert_int_equal(used, 10240);
    assert_int_equal(limit, 102400);
    changing_end(&rig);
}

/* Where a server has no quota, asking for it is a round trip that whoever comes next waits for. */
static void test_quota_is_asked_of_who_has_it(void **state)
{
    for (int has = 0; has < 2; has++) {
        struct rig rig;
        uint64_t used, limit;
        changing_init(&rig, 1);
        rig.connections = 1; /* what is settled then came behind it */
        store.quota = has == 1;
        changing_start(&rig);
        assert_int_equal(changing_settle(&rig), SYNC_OK);
        assert_false(sync_quota(rig.sync, 0, &used, &limit));
        assert_int_equal(changing_settle(&rig), SYNC_OK);
        assert_int_equal(atomic_load(&store.quotas), has);
        changing_end(&rig);
    }
}

static void test_names(void **state)
{
    struct rig rig;
    struct told told;
    struct cache_inode inode;
    struct cache_mailbox row = {0};
    changing_init(&rig, 3);
    changing_start(&rig);
    assert_int_equal(cache_mailbox_get(sync_cache(rig.sync), rig_mailbox(&rig, "INBOX"), &row),
                     CACHE_OK);
    /* Another name where it is: nothing is sent. */
    told_init(&told);
    sync_move(rig.sync, rig_message(&rig, "INBOX", 1), rig_mailbox(&rig, "INBOX"), "a.eml", false,
              told_changed, &told);
    assert_int_equal(told_wait(&told), SYNC_OK);
    assert_string_equal(told.inode.name, "a.eml");
    assert_int_equal(atomic_load(&store.moves), 0);
    /* Over another: that one goes to the trash. */
    told_init(&told);
    sync_move(rig.sync, rig_message(&rig, "INBOX", 2), rig_mailbox(&rig, "INBOX"), "a.eml", true,
              told_changed, &told);
    assert_int_equal(told_wait(&told), SYNC_OK);
    assert_int_equal(store_count("Trash", 1), 1);
    assert_int_equal(cache_inode_lookup(sync_cache(rig.sync), row.ino, "a.eml", &inode), CACHE_OK);
    assert_int_equal(inode.uid, 2);
    /* A taken name, without replacing. */
    told_init(&told);
    sync_move(rig.sync, rig_message(&rig, "INBOX", 3), rig_mailbox(&rig, "INBOX"), "a.eml", false,
              told_changed, &told);
    assert_int_equal(told_wait(&told), SYNC_ERR_EXISTS);
    cache_mailbox_free(&row);
    changing_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_turns),          cmocka_unit_test(test_outbox),
        cmocka_unit_test(test_journal_errors), cmocka_unit_test(test_journal_offline),
        cmocka_unit_test(test_journal_again),  cmocka_unit_test(test_brake),
        cmocka_unit_test(test_detach),         cmocka_unit_test(test_bound),
        cmocka_unit_test(test_mark_seen),      cmocka_unit_test(test_quota),
        cmocka_unit_test(test_names),          cmocka_unit_test(test_quota_is_asked_of_who_has_it),
    };
    message_init();
    log_set_level(LOG_LEVEL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
