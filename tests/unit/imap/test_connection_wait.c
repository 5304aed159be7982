/*
 * A connection over time: IDLE, bounds, cancelling, waking and closing. Each server is a script;
 * see peer.h.
 */
#include "tests/unit/test.h"

#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/unit/imap/client.h"

static void idle_starts_and_ends(void **state)
{
    (void)state;
    struct ending idle = {0}, noop;
    struct imap_command command;
    struct client client;
    struct peer peer;
    client_begin(
        &client, &peer,
        OPENING("") "C A6 IDLE\nS * 1521 EXISTS\nS + IDLE accepted, awaiting DONE command.\n"
                    "P 500\nS * 1522 EXISTS\nC DONE\nS A6 OK IDLE completed.\nC A7 NOOP\n"
                    "S A7 OK\n");
    assert_int_equal(imap_connection_idle(client.connection, client_done, &idle), IMAP_OK);
    assert_int_equal(imap_connection_idle(client.connection, client_done, &idle), IMAP_ERR_BAD);
    imap_command_init(&command, "NOOP");
    assert_int_equal(imap_connection_submit(client.connection, &command, client_done, NULL),
                     IMAP_ERR_BAD);
    while (client.untagged < 2)
        assert_int_equal(imap_connection_step(client.connection, 50, -1), IMAP_OK);
    assert_int_equal(idle.count, 0);
    assert_int_equal(imap_connection_idle_end(client.connection), IMAP_OK);
    assert_int_equal(imap_connection_idle_end(client.connection), IMAP_OK);
    client_submit(&client, "NOOP", &noop);
    assert_int_equal(client_settle(&client), IMAP_OK);
    assert_int_equal(idle.count, 1);
    assert_int_equal(idle.error, IMAP_OK);
    assert_int_equal(noop.error, IMAP_OK);
    client_end(&client, &peer);
}

/* IDLE has no bound; the moment before the server confirms it, and after DONE, have. */
static void idle_has_no_bound(void **state)
{
    (void)state;
    struct ending idle = {0};
    struct client client;
    struct peer peer;
    peer = (struct peer){.script = OPENING("") "C A6 IDLE\nS + idling\nH\n", .cut_after = -1};
    peer_start(&peer);
    client_init(&client, &peer);
    client.settings.timeout_ms = 200;
    assert_int_equal(client_open(&client, "t"), IMAP_OK);
    assert_int_equal(imap_connection_idle(client.connection, client_done, &idle), IMAP_OK);
    int64_t start = clock_ms();
    while (clock_ms() - start < 600)
        assert_int_equal(imap_connection_step(client.connection, 100, -1), IMAP_OK);
    assert_int_equal(imap_connection_idle_end(client.connection), IMAP_OK);
    assert_int_equal(client_settle(&client), IMAP_ERR_TIMEOUT);
    assert_int_equal(idle.error, IMAP_ERR_TIMEOUT);
    client_end(&client, &peer);
}

static void idle_end_before_the_plus_waits_for_it(void **state)
{
    (void)state;
    struct ending idle = {0};
    struct client client;
    struct peer peer;
    client_begin(&client, &peer, OPENING("") "C A6 IDLE\nP 100\nS + idling\nC DONE\nS A6 OK\n");
    assert_int_equal(imap_connection_idle(client.connection, client_done, &idle), IMAP_OK);
    assert_int_equal(imap_connection_idle_end(client.connection), IMAP_OK);
    assert_int_equal(client_settle(&client), IMAP_OK);
    assert_int_equal(idle.error, IMAP_OK);
    client_end(&client, &peer);
}

/* 1.5 KiB every 150 ms with a bound of 400 ms: slow, but real. */
static void a_slow_download_goes_on(void **state)
{
    (void)state;
    static char script[8192];
    struct ending fetch;
    struct client client;
    struct peer peer;
    int len = snprintf(script, sizeof script, "%sC A6 UID FETCH 7 BODY.PEEK[]\n%s", OPENING(""),
                       "S * 1 FETCH (UID 7 BODY[] {15000}\n");
    for (int i = 0; i < 10; i++)
        len += snprintf(script + len, sizeof script - (size_t)len, "F 1500\nP 150\n");
    snprintf(script + len, sizeof script - (size_t)len, "S )\nS A6 OK done\n");
    peer = (struct peer){.script = script, .cut_after = -1};
    peer_start(&peer);
    client_init(&client, &peer);
    client.settings.timeout_ms = 400;
    assert_int_equal(client_open(&client, "t"), IMAP_OK);
    client_submit(&client, "UID FETCH 7 BODY.PEEK[]", &fetch);
    assert_int_equal(client_settle(&client), IMAP_OK);
    assert_int_equal(fetch.error, IMAP_OK);
    assert_int_equal(client.body_bytes, 15000);
    assert_int_equal(client.untagged, 1);
    client_end(&client, &peer);
}

/* The wake descriptor ends a wait at once, and is seen under a flood too. */
static void the_wake_descriptor_ends_a_step(void **state)
{
    (void)state;
    struct ending fetch;
    struct client client;
    struct peer peer;
    int wake = eventfd(1, EFD_CLOEXEC);
    client_begin(&client, &peer,
                 OPENING("") "C A6 UID FETCH 7 BODY.PEEK[]\nS * 1 FETCH (UID 7 BODY[] {8000000}\n"
                             "F 8000000\nS )\nS A6 OK done\n");
    int64_t start = clock_ms();
    assert_int_equal(imap_connection_step(client.connection, 5000, wake), IMAP_OK);
    assert_in_range(clock_ms() - start, 0, 1000);
    client_submit(&client, "UID FETCH 7 BODY.PEEK[]", &fetch);
    size_t before = 0;
    while (imap_connection_in_flight(client.connection) > 0) {
        assert_int_equal(imap_connection_step(client.connection, 1000, -1), IMAP_OK);
        assert_in_range(client.body_bytes - before, 0, 1024 * 1024 + 64 * 1024);
        before = client.body_bytes;
    }
    assert_int_equal(client.body_bytes, 8000000);
    close(wake);
    client_end(&client, &peer);
}

static void cancelling_ends_a_step(void **state)
{
    (void)state;
    struct ending ending;
    struct client client;
    struct peer peer = {.script = OPENING("") "H\n", .cut_after = -1};
    int cancel = eventfd(0, EFD_CLOEXEC);
    peer_start(&peer);
    client_init(&client, &peer);
    client.settings.cancel_fd = cancel;
    assert_int_equal(client_open(&client, "t"), IMAP_OK);
    client_submit(&client, "NOOP", &ending);
    eventfd_write(cancel, 1);
    assert_int_equal(imap_connection_step(client.connection, -1, -1), IMAP_ERR_CANCELLED);
    assert_int_equal(ending.error, IMAP_ERR_CANCELLED);
    client_end(&client, &peer);
    close(cancel);
}

static void closing_cancels_what_is_in_flight(void **state)
{
    (void)state;
    struct ending ending, idle = {0};
    struct client client;
    struct peer peer;
    client_begin(&client, &peer, OPENING("") "H\n");
    client_submit(&client, "NOOP", &ending);
    int64_t start = clock_ms();
    client_end(&client, &peer);
    assert_in_range(clock_ms() - start, 0, 900);
    assert_int_equal(ending.count, 1);
    assert_int_equal(ending.error, IMAP_ERR_CANCELLED);
    client_begin(&client, &peer, OPENING("") "C A6 IDLE\nS + idling\nS * 1 EXISTS\nC DONE\n");
    assert_int_equal(imap_connection_idle(client.connection, client_done, &idle), IMAP_OK);
    while (client.untagged == 0)
        assert_int_equal(imap_connection_step(client.connection, 1000, -1), IMAP_OK);
    client_end(&client, &peer);
    assert_int_equal(idle.error, IMAP_ERR_CANCELLED);
    assert_true(peer.logged_out);
}

static void nothing_in_flight_has_no_bound(void **state)
{
    (void)state;
    struct client client;
    struct peer peer = {.script = OPENING("") "P 500\nS * 3 EXISTS\n", .cut_after = -1};
    peer_start(&peer);
    client_init(&client, &peer);
    client.settings.timeout_ms = 200;
    assert_int_equal(client_open(&client, "t"), IMAP_OK);
    while (client.untagged == 0)
        assert_int_equal(imap_connection_step(client.connection, -1, -1), IMAP_OK);
    client_end(&client, &peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idle_starts_and_ends),
        cmocka_unit_test(idle_has_no_bound),
        cmocka_unit_test(idle_end_before_the_plus_waits_for_it),
        cmocka_unit_test(a_slow_download_goes_on),
        cmocka_unit_test(the_wake_descriptor_ends_a_step),
        cmocka_unit_test(cancelling_ends_a_step),
        cmocka_unit_test(closing_cancels_what_is_in_flight),
        cmocka_unit_test(nothing_in_flight_has_no_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
