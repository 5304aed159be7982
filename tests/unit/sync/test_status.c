/*
 * What status and progress tell (sync/status*.c, progress.c), of an account that is held at each of
 * the points that a person may look at: in the middle of a listing, of a body, of a back-off, of an
 * outage, of the sign-in, of a silence.
 */
#include "tests/unit/test.h"

#include <cjson/cJSON.h>
#include <poll.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "message/summary.h"
#include "tests/unit/sync/rig.h"

enum { MANY = 1200, HELD_AT = 700 };

static uint32_t many[MANY];
static const uint32_t few[] = {1, 2, 3};
static sem_t go_on; /* a held server waits for it */

static void hold(void)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += RIG_PATIENCE_MS / 1000;
    sem_timedwait(&go_on, &until);
}

/* ---- looking ---- */

static cJSON *look(struct rig *rig)
{
    struct buffer text;
    buffer_init(&text, 1 << 20);
    assert_true(sync_status_json(rig->sync, &text));
    cJSON *root = cJSON_Parse(text.data);
    buffer_free(&text);
    assert_non_null(root);
    return root;
}

/* The member at a path such as "listings.0.landed"; NULL: there is none. */
static const cJSON *at(const cJSON *root, const char *path)
{
    char copy[128], *rest = NULL;
    snprintf(copy, sizeof copy, "%s", path);
    for (char *word = strtok_r(copy, ".", &rest); word != NULL && root != NULL;
         word = strtok_r(NULL, ".", &rest))
        root = cJSON_IsArray(root) ? cJSON_GetArrayItem(root, (int)strtol(word, NULL, 10))
                                   : cJSON_GetObjectItemCaseSensitive(root, word);
    return root;
}

static double number(const cJSON *root, const char *path)
{
    const cJSON *item = at(root, path);
    if (!cJSON_IsNumber(item))
        fail_msg("no number %s", path);
    return item->valuedouble;
}

static const char *text(const cJSON *root, const char *path)
{
    const cJSON *item = at(root, path);
    return cJSON_IsString(item) ? item->valuestring : "";
}

/* Looks until the number at `path` is at least `least`; the state of that moment. */
static cJSON *look_for(struct rig *rig, const char *path, double least)
{
    int64_t end = clock_ms() + RIG_PATIENCE_MS;
    for (;;) {
        cJSON *root = look(rig);
        const cJSON *item = at(root, path);
        if (cJSON_IsNumber(item) && item->valuedouble >= least)
            return root;
        if (clock_ms() > end)
            fail_msg("%s stays below %g: %s", path, least, cJSON_PrintUnformatted(root));
        cJSON_Delete(root);
        usleep(5000);
    }
}

static void expect_text(struct rig *rig, const char *line)
{
    struct buffer out;
    buffer_init(&out, 1 << 20);
    assert_true(sync_status_text(rig->sync, &out));
    if (strstr(out.data, line) == NULL)
        fail_msg("no \"%s\" in:\n%s", line, out.data);
    buffer_free(&out);
}

/* ---- the tests ---- */

static void test_idle(void **state)
{
    struct rig rig;
    rig_init(&rig, few, 3);
    assert_int_equal(rig_start(&rig), SYNC_OK);
    assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
    cJSON *root = look(&rig);
    assert_string_equal(text(root, "account"), "me");
    assert_string_equal(text(root, "host"), "127.0.0.1");
    assert_int_equal(number(root, "port"), rig.server.port);
    assert_string_equal(text(root, "state"), "online");
    assert_true(cJSON_IsNull(at(root, "waiting")));
    assert_int_equal(number(root, "wait_seconds"), 0);
    assert_string_equal(text(root, "sign_in.source"), "command");
    assert_string_equal(text(root, "sign_in.kept"), "memory");
    assert_true(cJSON_IsNull(at(root, "sign_in.expires")));
    assert_int_equal(number(root, "connections.0.number"), 1);
    assert_string_equal(text(root, "connections.0.state"), "ready");
    assert_string_equal(text(root, "connections.0.doing"), "idle");
    assert_string_equal(text(root, "connections.0.mailbox"), "Inbox");
    assert_string_equal(text(root, "connections.1.state"), "offline");
    assert_int_equal(cJSON_GetArraySize(at(root, "listings")), 0);
    assert_int_equal(number(root, "downloads.messages"), 0);
    assert_int_equal(number(root, "waiters"), 0);
    assert_int_equal(number(root, "mailboxes"), 1);
    assert_int_equal(number(root, "messages"), 3);
    assert_int_equal(number(root, "outbox"), 0);
    cJSON_Delete(root);
    expect_text(&rig, "state:      online\nsign-in:    command, kept in memory alone\n");
    expect_text(&rig, "connected:  1 of 2\n  1         Inbox, idle\n  2         not connected\n");
    expect_text(&rig, "requests:   0 under way, 0 queued\nmailboxes:  1\n");
    expect_text(&rig, "outbox:     empty\n");
    rig_end(&rig);
}

/* Answers windows of a first listing up to HELD_AT, then stops in the middle of one. */
static bool hold_listing(struct session *s, const char *tag, const char *command)
{
    uint32_t first, last;
    if (!command_range(command, &first, &last) || strstr(command, "HEADER") == NULL)
        return false;
    for (uint32_t uid = first; uid <= last && uid <= MANY; uid++) {
        if (uid == HELD_AT + 1)
            hold();
        session_row(s, uid - 1);
    }
    return session_send(s, "%s OK done\r\n", tag) || true;
}

static void test_listing(void **state)
{
    struct rig rig;
    struct told told;
    struct sync_progress progress;
    rig_init(&rig, many, MANY);
    rig.timeout_ms = RIG_PATIENCE_MS;
    assert_int_equal(rig_start(&rig), SYNC_OK);
    int fd = sync_progress_fd(rig.sync);
    struct pollfd stirred = {.fd = fd, .events = POLLIN};
    assert_true(fd >= 0 && poll(&stirred, 1, 0) == 0);
    sync_progress(rig.sync, &progress);
    assert_false(progress.busy);
    atomic_store(&rig.server.hook, hold_listing);
    told_init(&told);
    sync_want_listing(rig.sync, rig_mailbox(&rig, "INBOX"), told_tell, &told);
    assert_int_equal(poll(&stirred, 1, 0), 1);
    /* The count comes with each KiB: a few rows before the one that is held. */
    cJSON *root = look_for(&rig, "listings.0.landed", HELD_AT - 20);
    assert_true(number(root, "listings.0.landed") <= HELD_AT);
    assert_int_equal(number(root, "listings.0.total"), MANY);
    assert_string_equal(text(root, "listings.0.mailbox"), "Inbox");
    assert_true(cJSON_IsTrue(at(root, "listings.0.first")));
    assert_string_equal(text(root, "connections.0.doing"), "listing");
    assert_int_equal(number(root, "waiters"), 1);
    assert_int_equal(number(root, "requests_under_way"), 1);
    cJSON_Delete(root);
    expect_text(&rig, "listing:    Inbox, 6");
    expect_text(&rig, " of 1200 (5");
    expect_text(&rig, "  1         Inbox, listing\n");
    sync_progress(rig.sync, &progress);
    assert_true(progress.busy);
    assert_int_equal(progress.listings, 1);
    assert_string_equal(progress.mailbox, "Inbox");
    assert_int_equal(progress.total, MANY);
    assert_in_range(progress.landed, HELD_AT - 20, HELD_AT);
    sem_post(&go_on);
    assert_int_equal(told_wait(&told), SYNC_OK);
    assert_int_equal(rig_count(&rig, "INBOX"), MANY);
    sync_progress(rig.sync, &progress);
    assert_false(progress.busy);
    assert_int_equal(progress.listings, 0);
    rig_end(&rig);
}

/* A listing that breaks off and goes on counts from where it stopped. */
static bool cut_listing(struct session *s, const char *tag, const char *command)
{
    uint32_t first, last;
    if (!command_range(command, &first, &last) || first <= 500)
        return false;
    session_hang_up(s);
    atomic_store(&s->server->hook, hold_listing);
    return true;
}

static void test_listing_resumed(void **state)
{
    struct rig rig;
    struct told told;
    rig_init(&rig, many, MANY);
    rig.timeout_ms = RIG_PATIENCE_MS;
    assert_int_equal(rig_start(&rig), SYNC_OK);
    atomic_store(&rig.server.hook, cut_listing);
    told_init(&told);
    sync_want_listing(rig.sync, rig_mailbox(&rig, "INBOX"), told_tell, &told);
    cJSON *root = look_for(&rig, "listings.0.landed", HELD_AT - 20);
    assert_true(number(root, "listings.0.landed") <= HELD_AT);
    assert_int_equal(number(root, "listings.0.total"), MANY);
    cJSON_Delete(root);
    sem_post(&go_on);
    assert_int_equal(told_wait(&told), SYNC_OK);
    rig_end(&rig);
}

/* The first half of a body, then the rest. */
static bool hold_body(struct session *s, const char *tag, const char *command)
{
    uint32_t uid, last;
    size_t len;
    if (!command_is_body(command) || !command_range(command, &uid, &last))
        return false;
    char *body = server_body(s->server, uid, &len);
    session_send(s, "* 1 FETCH (UID %u BODY[] {%zu}\r\n", uid, len);
    session_write(s, body, len / 2);
    hold();
    session_write(s, body + len / 2, len - len / 2);
    free(body);
    session_send(s, ")\r\n%s OK done\r\n", tag);
    return true;
}

static void test_body(void **state)
{
    struct rig rig;
    struct told told;
    rig_init(&rig, few, 3);
    rig.server.body_bytes = 2000000;
    rig.timeout_ms = RIG_PATIENCE_MS;
    assert_int_equal(rig_start(&rig), SYNC_OK);
    assert_int_equal(rig_list(&rig, "INBOX"), SYNC_OK);
    atomic_store(&rig.server.hook, hold_body);
    told_init(&told);
    sync_want_body(rig.sync, rig_message(&rig, "INBOX", 2), told_tell, &told);
    size_t len;
    free(server_body(&rig.server, 2, &len));
    cJSON *root = look_for(&rig, "downloads.bytes", (double)len / 2 - 40000);
    assert_int_equal(number(root, "downloads.messages"), 1);
    assert_true(number(root, "downloads.bytes") <= (double)len / 2);
    assert_true(number(root, "downloads.bytes_expected") >= (double)len / 2);
    assert_string_equal(text(root, "connections.0.doing"), "body");
    assert_int_equal(number(root, "connections.0.bodies"), 1);
    cJSON_Delete(root);
    expect_text(&rig, "fetching:   1 message, ");
    expect_text(&rig, "  1         Inbox, fetching 1 message\n");
    sem_post(&go_on);
    assert_int_equal(told_wait(&told), SYNC_OK);
    assert_true(rig_body_right(&rig, "INBOX", 2));
    root = look(&rig);
    assert_int_equal(number(root, "downloads.messages"), 0);
    assert_int_equal(number(root, "downloads.bytes"), 0);
    cJSON_Delete(root);
    rig_end(&rig);
}

static bool throttle(struct session *s, const char *tag, const char *command)
{
    uint32_t first, last;
    if (!command_range(command, &first, &last))
        return false;
    return session_send(
               s, "%s BAD Request is throttled. Suggested Backoff Time: 60000 milliseconds\r\n",
               tag) ||
           true;
}

static void test_back_off(void **state)
{
    struct rig rig;
    struct sync_progress progress;
    rig_init(&rig, few, 3);
    assert_int_equal(rig_start(&rig), SYNC_OK);
    int fd = sync_progress_fd(rig.sync);
    atomic_store(&rig.server.hook, throttle);
    int64_t before = clock_wall();
    assert_int_equal(rig_list(&rig, "INBOX"), SYNC_ERR_THROTTLED);
    cJSON *root = look(&rig);
    assert_string_equal(text(root, "state"), "waiting");
    assert_string_equal(text(root, "waiting.for"), "back-off");
    assert_in_range(number(root, "waiting.seconds"), 40, 60);
    assert_in_range(number(root, "waiting.until"), before + 59, before + 80);
    assert_in_range(number(root, "wait_seconds"), 40, 60);
    cJSON_Delete(root);
    expect_text(&rig, "waiting:    the server asked to wait, until ");
    expect_text(&rig, " s more)\n");
    struct pollfd stirred = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&stirred, 1, 0), 1);
    sync_progress(rig.sync, &progress);
    assert_true(progress.busy);
    assert_int_equal(progress.waiting, SYNC_WAIT_BACKOFF);
    assert_in_range(progress.left_ms, 40000, 60000);
    rig_end(&rig);
}

static bool mute(struct session *s, const char *tag, const char *command)
{
    return true;
}

/* Nothing comes any more: who waits, for how long, and until when. */
static void test_silence(void **state)
{
    struct rig rig;
    struct told told;
    rig_init(&rig, few, 3);
    rig.timeout_ms = 60000;
    assert_int_equal(rig_start(&rig), SYNC_OK);
    atomic_store(&rig.server.hook, mute);
    told_init(&told);
    sync_ticket ticket = sync_want_listing(rig.sync, rig_mailbox(&rig, "INBOX"), told_tell, &told);
    cJSON *root = look_for(&rig, "waiting.waited_seconds", 2);
    assert_string_equal(text(root, "waiting.for"), "answer");
    assert_in_range(number(root, "waiting.seconds"), 40, 58);
    assert_in_range(number(root, "waiting.until"), clock_wall() + 38, clock_wall() + 59);
    assert_int_equal(number(root, "waiters"), 1);
    assert_true(number(root, "longest_wait_seconds") >= 2);
    cJSON_Delete(root);
    expect_text(&rig, "waiting:    for the server's answer, ");
    expect_text(&rig, "; 1 program waiting, for up to ");
    assert_true(sync_detach(rig.sync, ticket));
    rig_end(&rig);
}

/* The server goes away; then it wants another password. */
static void test_outage(void **state)
{
    struct rig rig;
    rig_init(&rig, few, 3);
    assert_int_equal(rig_start(&rig), SYNC_OK);
    rig_stop(&rig);
    server_stop(&rig.server);
    assert_int_equal(rig_start(&rig), SYNC_OK);
    cJSON *root = look(&rig);
    assert_string_equal(text(root, "state"), "offline");
    assert_string_equal(text(root, "waiting.for"), "reconnect");
    assert_true(strlen(text(root, "problem")) > 0);
    cJSON_Delete(root);
    expect_text(&rig, "state:      offline (");
    rig_stop(&rig);
    server_start(&rig.server);
    rig.secret = "exit 7";
    assert_int_equal(rig_start(&rig), SYNC_OK);
    root = look(&rig);
    assert_string_equal(text(root, "waiting.for"), "sign-in");
    assert_in_range(number(root, "waiting.seconds"), 1, 10);
    cJSON_Delete(root);
    expect_text(&rig, "waiting:    to sign in again, not before ");
    rig_end(&rig);
}

/* The start shows itself, and is not looked at any more once it failed. */
struct opened {
    struct sync *sync;
    unsigned times;
    enum sync_wait seen;
};

static void opened(void *ctx, struct sync *sync)
{
    struct opened *opened = ctx;
    struct sync_progress progress;
    opened->times++;
    opened->sync = sync;
    if (sync == NULL)
        return;
    sync_progress(sync, &progress);
    opened->seen = progress.waiting;
}

static void test_opened(void **state)
{
    for (int wrong = 0; wrong < 2; wrong++) {
        struct rig rig;
        struct opened seen = {0};
        rig_init(&rig, few, 3);
        rig.server.password = wrong ? "another" : "secret";
        rig.opened = opened;
        rig.opened_ctx = &seen;
        assert_int_equal(rig_start(&rig), wrong ? SYNC_ERR_AUTH : SYNC_OK);
        assert_int_equal(seen.times, wrong ? 2 : 1);
        assert_ptr_equal(seen.sync, rig.sync);
        rig_end(&rig);
    }
}

/* Status is asked for all the time while messages come and go: for the thread sanitizer. */
static void *ask_again(void *arg)
{
    struct rig *rig = arg;
    for (int i = 0; i < 300; i++) {
        struct sync_progress progress;
        struct buffer out;
        buffer_init(&out, 1 << 20);
        sync_progress(rig->sync, &progress);
        (void)!sync_status_text(rig->sync, &out);
        (void)!sync_status_json(rig->sync, &out);
        buffer_free(&out);
    }
    return NULL;
}

static void test_busy(void **state)
{
    struct rig rig;
    pthread_t thread;
    rig_init(&rig, many, MANY);
    rig.server.mailboxes = 3;
    rig.server.body_bytes = 20000;
    assert_int_equal(rig_start(&rig), SYNC_OK);
    assert_int_equal(pthread_create(&thread, NULL, ask_again, &rig), 0);
    static const char *const mailboxes[] = {"INBOX", "M1", "M2"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(rig_list(&rig, mailboxes[i]), SYNC_OK);
        for (uint32_t uid = 1; uid <= 40; uid++)
            assert_int_equal(rig_fetch(&rig, mailboxes[i], uid), SYNC_OK);
        rig_age(&rig, mailboxes[i]);
        assert_int_equal(rig_list(&rig, mailboxes[i]), SYNC_OK);
    }
    pthread_join(thread, NULL);
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_idle),
        cmocka_unit_test(test_listing),
        cmocka_unit_test(test_listing_resumed),
        cmocka_unit_test(test_body),
        cmocka_unit_test(test_back_off),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_outage),
        cmocka_unit_test(test_opened),
        cmocka_unit_test(test_busy),
    };
    for (uint32_t i = 0; i < MANY; i++)
        many[i] = i + 1;
    sem_init(&go_on, 0, 0);
    message_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
