/*
 * Mailboxes that another client renames (sync/tree_renamed.c): where it is sure, ids, inodes and
 * bodies stay; where it is not, one goes and another one comes; and a connection may end anywhere.
 */
#include "tests/unit/test.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "message/summary.h"
#include "tests/unit/sync/changing.h"

enum { MESSAGES = 12, POLL_MS = 40 };

/* ---- the other client ---- */

static void make(const char *name, unsigned from, unsigned count)
{
    pthread_mutex_lock(&store.lock);
    size_t free_one = 0;
    while (free_one + 1 < STORE_MAILBOXES && store.boxes[free_one].used)
        free_one++;
    struct store_mailbox *box = &store.boxes[free_one];
    assert_false(box->used);
    memset(box, 0, sizeof *box);
    snprintf(box->name, sizeof box->name, "%s", name);
    box->uidvalidity = (uint32_t)(500 + free_one);
    box->uidnext = 1;
    box->used = true;
    pthread_mutex_unlock(&store.lock);
    for (unsigned i = 0; i < count; i++)
        store_add(name, from + i);
}

/* All at once, as LIST sees it: pairs of names, with what is below. */
static void rename_all(const char *const (*pairs)[2], size_t count)
{
    pthread_mutex_lock(&store.lock);
    for (size_t p = 0; p < count; p++) {
        size_t len = strlen(pairs[p][0]);
        for (size_t i = 0; i < STORE_MAILBOXES; i++) {
            char tail[STORE_NAME];
            struct store_mailbox *box = &store.boxes[i];
            if (!box->used || strncmp(box->name, pairs[p][0], len) != 0 ||
                (box->name[len] != '\0' && box->name[len] != '/'))
                continue;
            snprintf(tail, sizeof tail, "%s", box->name + len);
            snprintf(box->name, sizeof box->name, "%.30s%.30s", pairs[p][1], tail);
        }
    }
    pthread_mutex_unlock(&store.lock);
}

static void rename_one(const char *from, const char *to)
{
    const char *const pair[1][2] = {
        {from, to}
    };
    rename_all(pair, 1);
}

/* ---- what is here ---- */

static bool known(struct rig *rig, const char *name)
{
    struct cache_mailbox row = {0};
    enum cache_error error = cache_mailbox_find(sync_cache(rig->sync), name, &row);
    cache_mailbox_free(&row);
    return error == CACHE_OK;
}

/* Until the cache has `to` and not `from` (NULL: never mind). */
static void wait_for(struct rig *rig, const char *from, const char *to)
{
    int64_t deadline = clock_ms() + RIG_PATIENCE_MS;
    while ((to != NULL && !known(rig, to)) || (from != NULL && known(rig, from))) {
        if (clock_ms() > deadline)
            fail_msg("%s is not %s", from, to);
        usleep(2000);
    }
}

static uint64_t directory_of(struct rig *rig, const char *name)
{
    struct cache_mailbox row = {0};
    assert_int_equal(cache_mailbox_find(sync_cache(rig->sync), name, &row), CACHE_OK);
    uint64_t ino = row.ino;
    cache_mailbox_free(&row);
    return ino;
}

/* What must be the same afterwards. */
struct identity {
    int64_t mailbox, messages[MESSAGES];
    uint64_t ino, inodes[MESSAGES];
    char shown[CACHE_NAME_MAX + 1];
};

static struct identity identity_of(struct rig *rig, const char *name)
{
    struct identity identity = {.mailbox = rig_mailbox(rig, name), .ino = directory_of(rig, name)};
    struct cache_inode inode;
    assert_int_equal(cache_inode_get(sync_cache(rig->sync), identity.ino, &inode), CACHE_OK);
    snprintf(identity.shown, sizeof identity.shown, "%s", inode.name);
    for (unsigned i = 0; i < MESSAGES; i++) {
        if (cache_message_find(sync_cache(rig->sync), identity.mailbox, i + 1, &inode) != CACHE_OK)
            continue;
        identity.messages[i] = inode.message;
        identity.inodes[i] = inode.ino;
    }
    return identity;
}

static bool same(const struct identity *a, const struct identity *b)
{
    return a->mailbox == b->mailbox && a->ino == b->ino &&
           memcmp(a->messages, b->messages, sizeof a->messages) == 0 &&
           memcmp(a->inodes, b->inodes, sizeof a->inodes) == 0;
}

/* Work, Work/Sub and Lone, listed. */
static void begin(struct rig *rig, int64_t poll_ms)
{
    static const char *const names[] = {"Work", "Work/Sub", "Lone"};
    changing_init(rig, 2);
    make("Work", 100, MESSAGES);
    make("Work/Sub", 200, 3);
    make("Lone", 300, 5);
    rig->poll_ms = poll_ms;
    changing_start(rig);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(rig_list(rig, names[i]), SYNC_OK);
}

/* Without polls: who opens a mailbox that is not there has LIST asked for. */
static void look(struct rig *rig, const char *name)
{
    rig_age(rig, name);
    assert_int_equal(rig_list(rig, name), SYNC_ERR_GONE);
}

static void test_all_of_it_stays(void **state)
{
    struct rig rig;
    begin(&rig, POLL_MS);
    struct identity work = identity_of(&rig, "Work"), sub = identity_of(&rig, "Work/Sub");
    assert_int_equal(rig_fetch(&rig, "Work", 3), SYNC_OK);
    rename_one("Work", "Projects");
    wait_for(&rig, "Work", "Projects");
    wait_for(&rig, "Work/Sub", "Projects/Sub");
    struct identity now = identity_of(&rig, "Projects"), below = identity_of(&rig, "Projects/Sub");
    assert_true(same(&work, &now));
    assert_true(same(&sub, &below));
    assert_string_equal(now.shown, "Projects");
    assert_true(rig_body_here(&rig, "Projects", 3));
    /* and it is at work under its new name */
    store_add("Projects", 150);
    rig_age(&rig, "Projects");
    assert_int_equal(rig_list(&rig, "Projects"), SYNC_OK);
    assert_int_equal(rig_count(&rig, "Projects"), MESSAGES + 1);
    assert_int_equal(rig_fetch(&rig, "Projects/Sub", 2), SYNC_OK);
    assert_int_equal(changing_move(&rig, "Projects", 1, "Archive"), SYNC_OK);
    assert_int_equal(store_count("Archive", 100), 1);
    changing_end(&rig);
}

/* To another level, that is new, too; one below goes elsewhere at the same time. */
static void test_levels(void **state)
{
    static const char *const pairs[][2] = {
        {"Work/Sub", "Apart"     },
        {"Work",     "Years/Work"},
    };
    struct rig rig;
    begin(&rig, POLL_MS);
    struct identity work = identity_of(&rig, "Work"), sub = identity_of(&rig, "Work/Sub");
    rename_all(pairs, 2);
    wait_for(&rig, "Work", "Years/Work");
    wait_for(&rig, "Work/Sub", "Apart");
    struct identity now = identity_of(&rig, "Years/Work"), apart = identity_of(&rig, "Apart");
    assert_true(same(&work, &now));
    assert_true(same(&sub, &apart));
    assert_false(known(&rig, "Years/Work/Sub"));
    rename_one("Years", "Old");
    wait_for(&rig, "Years/Work", "Old/Work");
    now = identity_of(&rig, "Old/Work");
    assert_true(same(&work, &now));
    assert_false(known(&rig, "Years"));
    changing_end(&rig);
}

/* Messages that came and went meanwhile. */
static void test_not_quite_as_it_was(void **state)
{
    struct rig rig;
    begin(&rig, 0);
    struct identity work = identity_of(&rig, "Work");
    store_keep("Work", 7);
    store_add("Work", 170);
    rename_one("Work", "Projects");
    look(&rig, "Work");
    wait_for(&rig, "Work", "Projects");
    rig_age(&rig, "Projects");
    assert_int_equal(rig_list(&rig, "Projects"), SYNC_OK);
    assert_int_equal(rig_mailbox(&rig, "Projects"), work.mailbox);
    assert_int_equal(rig_message(&rig, "Projects", 7), work.messages[6]);
    assert_int_equal(rig_count(&rig, "Projects"), 8);
    changing_end(&rig);
}

/* ---- what is not sure ---- */

static void two_gone(void)
{
    static const char *const pairs[][2] = {
        {"Work", "Projects"},
        {"Lone", "Alone"   },
    };
    pthread_mutex_lock(&store.lock);
    store_box("Lone")->uidvalidity = store_box("Work")->uidvalidity;
    pthread_mutex_unlock(&store.lock);
    rename_all(pairs, 2);
}

/* One gone, two come with its UIDVALIDITY. */
static void two_came(void)
{
    pthread_mutex_lock(&store.lock);
    uint32_t uidvalidity = store_box("Work")->uidvalidity;
    pthread_mutex_unlock(&store.lock);
    make("Twin", 100, MESSAGES);
    pthread_mutex_lock(&store.lock);
    store_box("Twin")->uidvalidity = uidvalidity;
    pthread_mutex_unlock(&store.lock);
    rename_one("Work", "Projects");
}

/* Another mailbox stands in its place, by chance with the same numbers. */
static void others(void)
{
    pthread_mutex_lock(&store.lock);
    struct store_mailbox *box = store_box("Work");
    for (size_t i = 0; i < box->count; i++)
        memcpy(strstr(box->messages[i].body, "<m") + 1, "x", 1);
    pthread_mutex_unlock(&store.lock);
    rename_one("Work", "Projects");
}

/* All but one. */
static void one_other(void)
{
    pthread_mutex_lock(&store.lock);
    struct store_mailbox *box = store_box("Work");
    memcpy(strstr(box->messages[MESSAGES - 1].body, "<m") + 1, "x", 1);
    pthread_mutex_unlock(&store.lock);
    rename_one("Work", "Projects");
}

static void another_date(void)
{
    pthread_mutex_lock(&store.lock);
    snprintf(store_box("Work")->messages[0].date, 64, "22-Nov-2026 09:14:02 +0000");
    pthread_mutex_unlock(&store.lock);
    rename_one("Work", "Projects");
}

/* UIDs do not go as far as they did. */
static void younger(void)
{
    pthread_mutex_lock(&store.lock);
    store_box("Work")->uidnext = 5;
    pthread_mutex_unlock(&store.lock);
    store_keep("Work", 4);
    rename_one("Work", "Projects");
}

static void none_is_there(void)
{
    store_keep("Work", 0);
    store_add("Work", 180);
    rename_one("Work", "Projects");
}

static void test_not_sure(void **state)
{
    static void (*const cases[])(void) = {two_gone,     two_came, others,       one_other,
                                          another_date, younger,  none_is_there};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rig rig;
        begin(&rig, 0);
        struct identity work = identity_of(&rig, "Work");
        cases[i]();
        look(&rig, "Work");
        wait_for(&rig, "Work", "Projects");
        if (rig_mailbox(&rig, "Projects") == work.mailbox)
            fail_msg("case %zu", i);
        assert_int_equal(rig_list(&rig, "Projects"), SYNC_OK);
        assert_int_equal(rig_count(&rig, "Projects"), store_total("Projects"));
        assert_int_not_equal(rig_message(&rig, "Projects", 1), work.messages[0]);
        changing_end(&rig);
    }
}

/* ---- a server that refuses, or goes away ---- */

static void test_refused(void **state)
{
    static const char *const verbs[] = {"STATUS", "EXAMINE", "UID FETCH"};
    for (size_t i = 0; i < 3; i++) {
        struct rig rig;
        begin(&rig, 0);
        rename_one("Lone", "Alone");
        store.refuse_verb = verbs[i];
        store.refuse_reply = "NO not now";
        atomic_store(&store.refuse_times, 1000);
        look(&rig, "Lone");
        wait_for(&rig, "Lone", "Alone");
        atomic_store(&store.refuse_times, 0);
        assert_int_equal(rig_list(&rig, "Alone"), SYNC_OK);
        assert_int_equal(rig_count(&rig, "Alone"), 5);
        changing_end(&rig);
    }
}

static atomic_long cut_at = -1;

/* The connection ends so many bytes after the LIST that tells of it. */
static void cut_behind_list(struct store *s, const char *command)
{
    long at = strncmp(command, "LIST", 4) == 0 ? atomic_exchange(&cut_at, -1) : -1;
    if (at >= 0)
        atomic_store(&s->cut_out, at);
}

static void test_cut_anywhere(void **state)
{
    enum { STEP = 61, END = 3200 };
    static const char *const names[] = {"Lone", "Alone"};
    struct rig rig;
    begin(&rig, POLL_MS);
    struct identity before = identity_of(&rig, "Lone");
    store_before(cut_behind_list);
    for (long at = 0, n = 0; at < END; at += STEP, n++) {
        pthread_mutex_lock(&store.lock);
        atomic_store(&cut_at, at);
        pthread_mutex_unlock(&store.lock);
        rename_one(names[n % 2], names[(n + 1) % 2]);
        wait_for(&rig, names[n % 2], names[(n + 1) % 2]);
        struct identity now = identity_of(&rig, names[(n + 1) % 2]);
        if (!same(&before, &now))
            fail_msg("cut after %ld", at);
        atomic_store(&store.cut_out, -1);
    }
    store_before(NULL);
    changing_end(&rig);
}

/* ---- changes that are due ---- */

static void test_changes_afterwards(void **state)
{
    struct rig rig;
    begin(&rig, 0);
    int64_t message = rig_message(&rig, "Work", 4);
    rename_one("Work", "Projects");
    look(&rig, "Work");
    wait_for(&rig, "Work", "Projects");
    assert_int_equal(rig_message(&rig, "Projects", 4), message);
    assert_int_equal(changing_store(&rig, "Projects", 4, "+\\Flagged"), SYNC_OK);
    assert_true(store_flagged("Projects", 4, "\\Flagged"));
    assert_int_equal(changing_publish(&rig, "Projects", 401, 0), SYNC_OK);
    assert_int_equal(changing_move(&rig, "Lone", 1, "Projects"), SYNC_OK);
    assert_int_equal(store_count("Projects", 300), 1);
    assert_int_equal(store_count(NULL, 300), 1);
    assert_int_equal(changing_rows(&rig), 0);
    changing_end(&rig);
}

/* What was asked for while nobody could be reached: out of it, into it, and new. Whether it goes
 * before LIST tells of the name or behind it, each message is there once, or in the outbox. */
static void test_changes_that_wait(void **state)
{
    struct rig rig;
    begin(&rig, POLL_MS);
    rig_stop(&rig);
    rig.by_journal = true;
    assert_int_equal(rig_start(&rig), SYNC_OK);
    atomic_store(&store.down, true);
    assert_int_equal(changing_move(&rig, "Work", 4, "Archive"), SYNC_OK);
    assert_int_equal(changing_move(&rig, "Lone", 2, "Work"), SYNC_OK);
    assert_int_equal(changing_publish(&rig, "Work", 402, 0), SYNC_OK);
    rename_one("Work", "Projects");
    atomic_store(&store.down, false);
    wait_for(&rig, "Work", "Projects");
    (void)!changing_settle(&rig); /* what is refused is its word */
    assert_int_equal(store_count(NULL, 103), 1);
    assert_int_equal(store_count("Archive", 103) + store_count("Projects", 103), 1);
    assert_int_equal(store_count("Lone", 301), 1);
    assert_int_equal(store_count(NULL, 301), 1);
    assert_int_equal(store_count(NULL, 402), 0);
    assert_in_range(changing_rows(&rig), 1, 3);
    static const char *const names[] = {"Projects", "Archive", "Lone"};
    for (size_t i = 0; i < 3; i++) {
        rig_age(&rig, names[i]);
        assert_int_equal(rig_list(&rig, names[i]), SYNC_OK);
        assert_int_equal(rig_count(&rig, names[i]), store_total(names[i]));
    }
    changing_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_of_it_stays),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_not_quite_as_it_was),
        cmocka_unit_test(test_not_sure),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_changes_afterwards),
        cmocka_unit_test(test_changes_that_wait),
    };
    message_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
