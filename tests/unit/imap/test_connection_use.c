/*
 * A connection in use: the pipeline, literals, the selected mailbox, and every way in which a
 * server ends it. Each server is a script; see peer.h.
 */
#include "tests/unit/test.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "tests/unit/imap/client.h"

/* What a reply to one command, or the end of the connection, means. */
static const struct fault {
    const char *name, *script; /* after "C A6 CHECK" */
    enum imap_error command, connection;
    int64_t backoff_ms;
} faults[] = {
    {"OK",                      "S A6 OK CHECK completed.\n",                                                  IMAP_OK,              IMAP_OK,              0       },
    {"NO",                      "S A6 NO not now\n",                                                           IMAP_ERR_NO,          IMAP_OK,              0       },
    {"BAD",                     "S A6 BAD Command Argument Error. 11\n",                                       IMAP_ERR_BAD,         IMAP_OK,              0       },
    {"throttled NO",            "S A6 NO Request is throttled. Suggested Backoff Time: 92415 milliseconds\n",
     IMAP_ERR_THROTTLED,                                                                                                             IMAP_OK,              92415   },
    {"throttled BAD",           "S A6 BAD Request is throttled. Suggested Backoff Time: 7 milliseconds\n",
     IMAP_ERR_THROTTLED,                                                                                                             IMAP_OK,              7       },
    {"absurd back-off",
     "S A6 BAD Request is throttled. Suggested Backoff Time: 99999999999999999999999 ms\n",                    IMAP_ERR_THROTTLED,   IMAP_OK,              86400000},
    {"bare throttled line",     "S Request is throttled. Suggested Backoff Time: 5 milliseconds\n",
     IMAP_ERR_THROTTLED,                                                                                                             IMAP_ERR_THROTTLED,   5       },
    {"throttled, then BYE",
     "S * BAD Request is throttled. Suggested Backoff Time: 6 milliseconds\n"
     "S * BYE Connection closed. 14\n",                                                                        IMAP_ERR_THROTTLED,   IMAP_ERR_THROTTLED,   6       },
    {"throttled, then the end",
     "S * NO Request is throttled. Suggested Backoff Time: 8 milliseconds\nX\n",                               IMAP_ERR_THROTTLED,
     IMAP_ERR_THROTTLED,                                                                                                                                   8       },
    {"throttled BYE",           "S * BYE Request is throttled. Suggested Backoff Time: 9 milliseconds\n",
     IMAP_ERR_THROTTLED,                                                                                                             IMAP_ERR_THROTTLED,   9       },
    {"bare unavailable",        "S Server Unavailable. 15\n",                                                  IMAP_ERR_UNAVAILABLE, IMAP_ERR_UNAVAILABLE,
     0                                                                                                                                                             },
    {"unavailable NO",          "S A6 NO Server Unavailable. 15\n",                                            IMAP_ERR_UNAVAILABLE, IMAP_OK,              0       },
    {"unusable",                "S A6 BAD User is authenticated but not connected.\n",                         IMAP_ERR_UNUSABLE,
     IMAP_ERR_UNUSABLE,                                                                                                                                    0       },
    {"expired",                 "S * BYE Session invalidated - AccessTokenExpired\n",                          IMAP_ERR_EXPIRED,
     IMAP_ERR_EXPIRED,                                                                                                                                     0       },
    {"BYE",                     "S * BYE Connection closed. 14\n",                                             IMAP_ERR_CLOSED,      IMAP_ERR_CLOSED,      0       },
    {"the end",                 "X\n",                                                                         IMAP_ERR_CLOSED,      IMAP_ERR_CLOSED,      0       },
    {"cut in a literal",        "R * 1 FETCH (UID 7 BODY[] {100}\nX\n",                                        IMAP_ERR_CLOSED,      IMAP_ERR_CLOSED,
     0                                                                                                                                                             },
    {"a reply to nobody",       "S A99 OK what\nS A6 OK CHECK completed.\n",                                   IMAP_OK,              IMAP_OK,              0       },
    {"a + for nobody",          "S + what\nS A6 OK CHECK completed.\n",                                        IMAP_OK,              IMAP_OK,              0       },
    {"silence",                 "H\n",                                                                         IMAP_ERR_TIMEOUT,     IMAP_ERR_TIMEOUT,     0       },
    {"dribble",                 "D 30 * OK this will take longer than the bound, but one byte at a time\nH\n",
     IMAP_ERR_TIMEOUT,                                                                                                               IMAP_ERR_TIMEOUT,     0       },
};

static void each_fault_has_its_error(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        const struct fault *f = &faults[i];
        char script[4096];
        struct client client;
        struct peer peer;
        struct ending ending = {0};
        snprintf(script, sizeof script, "%sC A6 CHECK\n%s", OPENING(""), f->script);
        peer = (struct peer){.script = script, .cut_after = -1};
        peer_start(&peer);
        client_init(&client, &peer);
        client.settings.timeout_ms = 600;
        assert_int_equal(client_open(&client, "t"), IMAP_OK);
        client_submit(&client, "CHECK", &ending);
        int64_t start = clock_ms();
        enum imap_error error = client_settle(&client);
        assert_in_range(clock_ms() - start, 0,
                        1500); /* a dribble takes 2.1 s, and counts for nothing */
        /* UNUSABLE is answered first, and the end of the connection seen with the same step. */
        if (error != f->connection || ending.error != f->command || ending.count != 1 ||
            ending.backoff_ms != f->backoff_ms)
            print_error("%s: connection %d, command %d (%d times), back-off %ld\n", f->name,
                        (int)error, (int)ending.error, ending.count, (long)ending.backoff_ms);
        assert_int_equal(error, f->connection);
        assert_int_equal(ending.error, f->command);
        assert_int_equal(ending.count, 1);
        assert_int_equal(ending.backoff_ms, f->backoff_ms);
        if (error != IMAP_OK) {
            assert_int_equal(imap_connection_step(client.connection, 0, -1), error);
            assert_int_equal(imap_connection_failure(client.connection)->error, error);
            assert_int_equal(imap_connection_failure(client.connection)->backoff_ms, f->backoff_ms);
        }
        client_end(&client, &peer);
    }
}

static void a_hundred_commands_at_once(void **state)
{
    (void)state;
    enum { COUNT = 100 };
    static char script[64 * 1024];
    struct ending endings[COUNT];
    struct client client;
    struct peer peer;
    int len = snprintf(script, sizeof script, "%s", OPENING(""));
    for (int i = 0; i < COUNT; i++)
        len += snprintf(script + len, sizeof script - (size_t)len, "C A%d NOOP\n", 6 + i);
    for (int i = 0; i < COUNT; i++)
        len += snprintf(script + len, sizeof script - (size_t)len, "S * %d EXISTS\nS A%d %s\n", i,
                        6 + i, i % 10 == 3 ? "NO no" : "OK done");
    client_begin(&client, &peer, script);
    for (int i = 0; i < COUNT; i++)
        client_submit(&client, "NOOP", &endings[i]);
    assert_int_equal(imap_connection_in_flight(client.connection), COUNT);
    assert_int_equal(client_settle(&client), IMAP_OK);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(endings[i].count, 1);
        assert_int_equal(endings[i].order, i);
        assert_int_equal(endings[i].error, i % 10 == 3 ? IMAP_ERR_NO : IMAP_OK);
    }
    assert_int_equal(client.untagged, COUNT);
    client_end(&client, &peer);
    assert_true(peer.logged_out);
}

static void replies_go_by_tag(void **state)
{
    (void)state;
    struct ending first, second;
    struct client client;
    struct peer peer;
    client_begin(&client, &peer,
                 OPENING("") "C A6 NOOP\nC A7 CHECK\nS A7 NO second\nS A6 OK first\n");
    client_submit(&client, "NOOP", &first);
    client_submit(&client, "CHECK", &second);
    assert_int_equal(client_settle(&client), IMAP_OK);
    assert_int_equal(first.error, IMAP_OK);
    assert_int_equal(second.error, IMAP_ERR_NO);
    assert_non_null(strstr(second.text, "CHECK"));
    assert_true(second.order < first.order);
    client_end(&client, &peer);
}

struct chain {
    struct client *client;
    int left;
    enum imap_error refused;
};

static void submit_next(void *ctx, const struct imap_completion *completion)
{
    struct chain *chain = ctx;
    struct imap_command command;
    (void)completion;
    if (chain->left-- == 0)
        return;
    imap_command_init(&command, "NOOP");
    chain->refused =
        imap_connection_submit(chain->client->connection, &command, submit_next, chain);
}

static void a_callback_may_submit(void **state)
{
    (void)state;
    struct client client;
    struct peer peer;
    struct chain chain = {&client, 3, IMAP_OK};
    client_begin(&client, &peer,
                 OPENING("") "C A6 NOOP\nS A6 OK\nC A7 NOOP\nS A7 OK\nC A8 NOOP\nX\n");
    submit_next(&chain, NULL);
    assert_int_equal(client_settle(&client), IMAP_ERR_CLOSED);
    assert_int_equal(chain.refused, IMAP_OK);
    assert_int_equal(chain.left, -1);
    client_end(&client, &peer);
}

static void a_dead_connection_takes_no_command(void **state)
{
    (void)state;
    struct client client;
    struct peer peer;
    struct chain chain = {&client, 9, IMAP_OK};
    client_begin(&client, &peer, OPENING("") "C A6 NOOP\nX\n");
    submit_next(&chain, NULL);
    assert_int_equal(client_settle(&client), IMAP_ERR_CLOSED);
    assert_int_equal(chain.refused, IMAP_ERR_CLOSED);
    assert_int_equal(imap_connection_in_flight(client.connection), 0);
    client_end(&client, &peer);
}

static void literals_wait_and_so_does_what_follows(void **state)
{
    (void)state;
    struct imap_command command;
    struct ending ends[3];
    struct client client;
    struct peer peer;
    client_begin(
        &client, &peer,
        OPENING("") "C A6 NOOP\nC A7 CREATE {3}\nP 100\nS A6 OK\nS + go\nC a\"b\nC A8 NOOP\n"
                    "S A7 OK\nS A8 OK\n");
    client_submit(&client, "NOOP", &ends[0]);
    imap_command_init(&command, "CREATE");
    imap_command_astring(&command, "a\"b", 3);
    ends[1] = (struct ending){0};
    assert_int_equal(imap_connection_submit(client.connection, &command, client_done, &ends[1]),
                     IMAP_OK);
    assert_null(command.text.data);
    client_submit(&client, "NOOP", &ends[2]);
    assert_int_equal(client_settle(&client), IMAP_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(ends[i].error, IMAP_OK);
    client_end(&client, &peer);
}

static void a_refused_literal_is_not_sent(void **state)
{
    (void)state;
    struct imap_command command;
    struct ending ends[2];
    struct client client;
    struct peer peer;
    client_begin(&client, &peer,
                 OPENING("") "C A6 CREATE {3}\nS A6 NO never\nC A7 NOOP\nS A7 OK\n");
    imap_command_init(&command, "CREATE");
    imap_command_astring(&command, "a\"b", 3);
    ends[0] = (struct ending){0};
    assert_int_equal(imap_connection_submit(client.connection, &command, client_done, &ends[0]),
                     IMAP_OK);
    client_submit(&client, "NOOP", &ends[1]);
    assert_int_equal(client_settle(&client), IMAP_OK);
    assert_int_equal(ends[0].error, IMAP_ERR_NO);
    assert_int_equal(ends[1].error, IMAP_OK);
    client_end(&client, &peer);
}

static void long_and_broken_lines_are_refused(void **state)
{
    (void)state;
    char name[IMAP_LINE_MAX + 1];
    struct imap_command command;
    struct client client;
    struct peer peer;
    client_begin(&client, &peer, OPENING(" LITERAL+") "");
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    imap_command_init(&command, "NOOP");
    imap_command_raw(&command, name);
    assert_int_not_equal(imap_connection_submit(client.connection, &command, client_done, NULL),
                         IMAP_OK);
    assert_null(command.text.data);
    imap_command_init(&command, "NOOP");
    command.broken = true;
    assert_int_not_equal(imap_connection_submit(client.connection, &command, client_done, NULL),
                         IMAP_OK);
    assert_int_equal(imap_connection_in_flight(client.connection), 0);
    client_end(&client, &peer);
}

#define SELECTED                                                                                   \
    "S * 12 EXISTS\nS * 0 RECENT\nS * FLAGS (\\Seen \\Deleted)\n"                                  \
    "S * OK [PERMANENTFLAGS (\\Seen \\Deleted $MDNSent)] Permanent flags\n"                        \
    "S * OK [UIDVALIDITY 14] UIDVALIDITY value\nS * OK [UIDNEXT 4491] The next unique\n"

static void the_selected_mailbox_is_followed(void **state)
{
    (void)state;
    struct imap_command command;
    struct ending ends[4];
    struct client client;
    struct peer peer;
    client_begin(
        &client, &peer,
        OPENING("") "C A6 EXAMINE \"Sent Items\"\nC A7 NOOP\n" SELECTED
                    "S A6 OK [READ-ONLY] EXAMINE completed.\nS * 3 EXPUNGE\nS * 15 EXISTS\n"
                    "S * 1 EXPUNGE\nS * VANISHED 4:5,9\nS * VANISHED (EARLIER) 1:3\n"
                    "S A7 OK done\nC A8 SELECT Nowhere\nS A8 NO gone\nC A9 UNSELECT\nS A9 OK\n");
    const struct imap_selected *selected = imap_connection_selected(client.connection);
    imap_command_select(&command, "Sent Items", true);
    assert_int_equal(imap_connection_submit(client.connection, &command, client_done, &ends[0]),
                     IMAP_OK);
    assert_null(selected->name);
    client_submit(&client, "NOOP", &ends[1]);
    assert_int_equal(client_settle(&client), IMAP_OK);
    assert_string_equal(selected->name, "Sent Items");
    assert_true(selected->read_only);
    assert_int_equal(selected->uidvalidity, 14);
    assert_int_equal(selected->uidnext, 4491);
    assert_int_equal(selected->exists, 11);
    assert_int_equal(selected->permanent_flags, IMAP_FLAG_SEEN | IMAP_FLAG_DELETED);
    assert_string_equal(selected->permanent_keywords, "\\Seen \\Deleted $MDNSent");
    imap_command_select(&command, "Nowhere", false);
    assert_int_equal(imap_connection_submit(client.connection, &command, client_done, &ends[2]),
                     IMAP_OK);
    assert_null(selected->name);
    assert_int_equal(client_settle(&client), IMAP_OK);
    assert_null(selected->name);
    client_submit(&client, "UNSELECT", &ends[3]);
    assert_int_equal(client_settle(&client), IMAP_OK);
    client_end(&client, &peer);
}

/* RFC 7162: what was enabled is what ENABLED names, and [CLOSED] parts the mailbox that was open
 * from the one that is being opened. */
static void a_resync_is_told_apart(void **state)
{
    (void)state;
    for (int enabled = 0; enabled < 2; enabled++) {
        char script[4096];
        struct imap_command command;
        struct ending ends[2];
        struct client client;
        struct peer peer;
        snprintf(
            script, sizeof script,
            "%sC A3 CAPABILITY\nC A4 ID (\"name\" \"outlookfs\" \"version\" ...\nC A5 NAMESPACE\n"
            "C A6 ENABLE QRESYNC\nS A3 OK\nS A4 OK\nS * NAMESPACE ((\"\" \"/\")) NIL NIL\n"
            "S A5 OK\n%sC A7 EXAMINE a\nS * 3 EXISTS\nS A7 OK done\n"
            "C A8 EXAMINE b (QRESYNC (14 90060115205545359 1:4294967295))\nS * VANISHED 1:2\n"
            "S * 9 EXISTS\nS * OK [UIDVALIDITY 3] x\nS * OK [CLOSED] Previous mailbox closed.\n"
            "S * VANISHED (EARLIER) 41,43:116\nS * 12 EXISTS\nS A8 OK done\n",
            SIGN_IN(CAPS " QRESYNC"),
            enabled ? "S * ENABLED CONDSTORE QRESYNC\nS A6 OK\n"
                    : "S * ENABLED\nS A6 NO not now\n");
        client_begin(&client, &peer, script);
        const struct imap_selected *selected = imap_connection_selected(client.connection);
        assert_int_equal(imap_connection_resyncs(client.connection), enabled);
        imap_command_select(&command, "a", true);
        assert_int_equal(imap_connection_submit(client.connection, &command, client_done, &ends[0]),
                         IMAP_OK);
        assert_int_equal(client_settle(&client), IMAP_OK);
        assert_int_equal(selected->exists, 3);
        imap_command_select(&command, "b", true);
        imap_command_resync(&command, 14, 90060115205545359, UINT32_MAX);
        assert_int_equal(imap_connection_submit(client.connection, &command, client_done, &ends[1]),
                         IMAP_OK);
        assert_int_equal(client_settle(&client), IMAP_OK);
        assert_int_equal(selected->exists, 12);
        assert_int_equal(selected->uidvalidity, 0);
        assert_true(selected->read_only);
        client_end(&client, &peer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_fault_has_its_error),
        cmocka_unit_test(a_hundred_commands_at_once),
        cmocka_unit_test(replies_go_by_tag),
        cmocka_unit_test(a_callback_may_submit),
        cmocka_unit_test(a_dead_connection_takes_no_command),
        cmocka_unit_test(literals_wait_and_so_does_what_follows),
        cmocka_unit_test(a_refused_literal_is_not_sent),
        cmocka_unit_test(long_and_broken_lines_are_refused),
        cmocka_unit_test(the_selected_mailbox_is_followed),
        cmocka_unit_test(a_resync_is_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
