/*
 * APPEND: a message is streamed from its source, a "+" releases only the literal it is meant for,
 * and what is refused, or cannot be read, harms nothing else. Each server is a script; see peer.h.
 */
#include "tests/unit/test.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/imap/client.h"
#include "tests/unit/imap/message.h"

/* 18 bytes, and how a peer takes them with the command's last CRLF. */
#define TEXT       "From: a\r\n\r\nhello\r\n"
#define TEXT_LINES "C From: a\nC \nC hello\nC \n"

static void append(struct client *client, const char *mailbox, struct message *message,
                   struct ending *ending)
{
    struct imap_command command;
    message_append(&command, mailbox, message);
    client_submit_command(client, &command, ending);
    assert_null(command.source.read);
}

/* Each way to send one message: at once, after the "+", and by size. The bytes are the same. */
static void a_message_is_streamed(void **state)
{
    static const struct {
        const char *capabilities;
        const char *script;
    } cases[] = {
        {OPENING(" LITERAL+"),
         "C A6 APPEND b {18+}\n" TEXT_LINES "S * 9 EXISTS\nS A6 OK [APPENDUID 424 9] done\n"},
        {OPENING(" LITERAL-"),
         "C A6 APPEND b {18+}\n" TEXT_LINES "S A6 OK [APPENDUID 424 9] done\n"              },
        {OPENING(""),
         "C A6 APPEND b {18}\nQ 50\nS + Ready for additional command text.\n" TEXT_LINES
         "S A6 OK [APPENDUID 424 9] done\n"                                                 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t piece = 0; piece < 8; piece += 7) {
            char script[4096];
            struct client client;
            struct peer peer;
            struct ending ending;
            struct message message = message_of(TEXT);
            message.piece = piece;
            snprintf(script, sizeof script, "%s%s", cases[i].capabilities, cases[i].script);
            client_begin(&client, &peer, script);
            append(&client, "b", &message, &ending);
            assert_int_equal(message.opens, 0);
            assert_int_equal(client_settle(&client), IMAP_OK);
            assert_int_equal(ending.error, IMAP_OK);
            assert_int_equal(ending.outcome, IMAP_OUTCOME_ANSWERED);
            assert_string_equal(ending.uids, "424 9");
            assert_int_equal(message.opens, 1);
            assert_int_equal(message.closes, 1);
            client_end(&client, &peer);
        }
    }
}

/* The name waits for one "+", the message for another. */
static void a_name_may_be_a_literal_too(void **state)
{
    struct client client;
    struct peer peer;
    struct ending ending;
    struct message message = message_of(TEXT);
    client_begin(
        &client, &peer,
        OPENING("") "C A6 APPEND {3}\nQ 20\nS + name\nC a\"b {18}\nQ 20\nS + text\n" TEXT_LINES
                    "S A6 OK done\n");
    append(&client, "a\"b", &message, &ending);
    assert_int_equal(client_settle(&client), IMAP_OK);
    assert_int_equal(ending.error, IMAP_OK);
    assert_string_equal(ending.uids, "");
    client_end(&client, &peer);
}

/* With LITERAL- a message of 4097 bytes waits, and then so does its name: were the name sent at
 * once, a needless "+" for it would release the message. */
static void by_size_all_literals_wait_or_none(void **state)
{
    static char bytes[4097];
    struct client client;
    struct peer peer;
    struct ending endings[2];
    struct message large = {.bytes = bytes, .size = sizeof bytes};
    struct message small = {.bytes = bytes, .size = 4096};
    client_begin(&client, &peer,
                 OPENING(" LITERAL-") "C A6 APPEND {3+}\nC a\"b {4096+}\nL 4096\nC \nS A6 OK\n"
                                      "C A7 APPEND {3}\nQ 20\nS +\nC a\"b {4097}\nQ 20\nS +\n"
                                      "L 4097\nC \nS A7 OK\n");
    append(&client, "a\"b", &small, &endings[0]);
    append(&client, "a\"b", &large, &endings[1]);
    assert_int_equal(client_settle(&client), IMAP_OK);
    assert_int_equal(endings[0].error, IMAP_OK);
    assert_int_equal(endings[1].error, IMAP_OK);
    client_end(&client, &peer);
}

/* NO or BAD in the place of "+": the literal is never sent, and the next command goes out. */
static void refused_before_the_literal(void **state)
{
    struct client client;
    struct peer peer;
    struct ending endings[3];
    struct message messages[2] = {message_of("never sent, nor even opened twice"),
                                  message_of(TEXT)};
    client_begin(
        &client, &peer,
        OPENING("") "C A6 APPEND none {33}\nQ 20\nS A6 NO [TRYCREATE] Folder is not found.\n"
                    "C A7 APPEND b {18}\nS +\n" TEXT_LINES "S A7 OK [APPENDUID 1 2] done\n"
                    "C A8 NOOP\nS A8 OK\n");
    append(&client, "none", &messages[0], &endings[0]);
    append(&client, "b", &messages[1], &endings[1]);
    client_submit(&client, "NOOP", &endings[2]);
    assert_int_equal(client_settle(&client), IMAP_OK);
    assert_int_equal(endings[0].error, IMAP_ERR_NO);
    assert_int_equal(endings[0].refusal, IMAP_REFUSAL_NOT_FOUND);
    assert_int_equal(endings[0].outcome, IMAP_OUTCOME_ANSWERED);
    assert_int_equal(messages[0].taken, 0);
    assert_int_equal(messages[0].closes, messages[0].opens);
    assert_int_equal(endings[1].error, IMAP_OK);
    assert_int_equal(endings[2].error, IMAP_OK);
    client_end(&client, &peer);
}

static void done_closes(void *ctx, const struct imap_completion *completion)
{
    struct message *message = ctx;
    assert_int_equal(message->opens, 1);
    assert_int_equal(message->closes, 1);
    assert_int_equal(completion->refusal, IMAP_REFUSAL_TOO_BIG);
    message->bytes = NULL; /* the caller may give up everything now */
}

/* Refused while a LITERAL+ message is on its way: the server still counts its bytes, so they come,
 * but from nowhere. */
static void refused_within_the_literal(void **state)
{
    enum { SIZE = 20 * 1000 * 1000 };
    char *bytes = calloc(1, SIZE), script[1024];
    struct client client;
    struct peer peer;
    struct ending noop;
    struct message message = {.bytes = bytes, .size = SIZE};
    struct imap_command command;
    assert_non_null(bytes);
    snprintf(script, sizeof script,
             "%sC A6 APPEND b {%d+}\nL 1000\n"
             "S A6 NO Maximum size of appendable message has been exceeded\nP 100\nL %d\nC \n"
             "C A7 NOOP\nS A7 OK\n",
             OPENING(" LITERAL+"), SIZE, SIZE - 1000);
    client_begin(&client, &peer, script);
    message_append(&command, "b", &message);
    assert_int_equal(imap_connection_submit(client.connection, &command, done_closes, &message),
                     IMAP_OK);
    client_submit(&client, "NOOP", &noop);
    assert_int_equal(client_settle(&client), IMAP_OK);
    assert_int_equal(noop.error, IMAP_OK);
    assert_null(message.bytes);
    assert_in_range(message.taken, 1000, SIZE - 1); /* the socket did not take it whole before */
    client_end(&client, &peer);
    free(bytes);
}

/* Accepted before it is there: such a server is believed in nothing. */
static void accepted_too_early(void **state)
{
    struct client client;
    struct peer peer;
    struct ending ending;
    struct message message = message_of(TEXT);
    client_begin(&client, &peer,
                 OPENING("") "C A6 APPEND b {18}\nS A6 OK [APPENDUID 1 2] done\nH\n");
    append(&client, "b", &message, &ending);
    assert_int_equal(client_settle(&client), IMAP_ERR_PROTOCOL);
    assert_int_equal(ending.error, IMAP_ERR_PROTOCOL);
    assert_int_equal(ending.outcome, IMAP_OUTCOME_NOT_WHOLE);
    assert_string_equal(ending.uids, "");
    client_end(&client, &peer);
}

/* A reply to what was not sent yet is a reply to nothing. */
static void answered_before_it_was_sent(void **state)
{
    struct client client;
    struct peer peer;
    struct ending endings[2];
    struct message message = message_of(TEXT);
    client_begin(&client, &peer,
                 OPENING("") "C A6 APPEND b {18}\nS A7 OK what\nQ 20\nS +\n" TEXT_LINES
                             "S A6 OK done\nC A7 NOOP\nS A7 NO really\n");
    append(&client, "b", &message, &endings[0]);
    client_submit(&client, "NOOP", &endings[1]);
    assert_int_equal(client_settle(&client), IMAP_OK);
    assert_int_equal(endings[0].error, IMAP_OK);
    assert_int_equal(endings[1].error, IMAP_ERR_NO);
    client_end(&client, &peer);
}

/* A "+" for a message that was sent without waiting is for nobody: neither the large message behind
 * it (which the server then refuses) nor an IDLE may take it. */
static void a_needless_plus_releases_nothing(void **state)
{
    static char bytes[5000];
    struct client client;
    struct peer peer;
    struct ending endings[3], idle = {0};
    struct message small = message_of(TEXT), large = {.bytes = bytes, .size = sizeof bytes};
    client_begin(&client, &peer,
                 OPENING(" LITERAL-") "C A6 APPEND b {18+}\n" TEXT_LINES
                                      "S + Ready for additional command text.\nQ 50\n"
                                      "S A6 OK [APPENDUID 1 2] done\nC A7 APPEND c {5000}\nQ 50\n"
                                      "S A7 NO [TRYCREATE] Folder is not found.\n"
                                      "C A8 NOOP\nS A8 OK\n"
                                      "C A9 APPEND b {18+}\n" TEXT_LINES "S +\nS +\nQ 50\nS A9 OK\n"
                                      "C A10 IDLE\nQ 50\nS + idling\nC DONE\nS A10 OK\n");
    append(&client, "b", &small, &endings[0]);
    append(&client, "c", &large, &endings[1]);
    client_submit(&client, "NOOP", &endings[2]);
    assert_int_equal(client_settle(&client), IMAP_OK);
    assert_int_equal(endings[0].error, IMAP_OK);
    assert_int_equal(endings[1].error, IMAP_ERR_NO);
    assert_int_equal(large.taken, 0);
    assert_int_equal(endings[2].error, IMAP_OK);
    small = message_of(TEXT);
    append(&client, "b", &small, &endings[0]);
    assert_int_equal(imap_connection_idle(client.connection, client_done, &idle), IMAP_OK);
    assert_int_equal(imap_connection_idle_end(client.connection), IMAP_OK);
    assert_int_equal(client_settle(&client), IMAP_OK);
    assert_int_equal(endings[0].error, IMAP_OK);
    assert_int_equal(idle.error, IMAP_OK);
    client_end(&client, &peer);
}

/* With LITERAL+ everywhere nothing ever waits, whatever "+" comes. */
static void needless_pluses_do_not_hinder(void **state)
{
    struct client client;
    struct peer peer;
    struct ending endings[2];
    struct message messages[2] = {message_of(TEXT), message_of(TEXT)};
    client_begin(&client, &peer,
                 OPENING(" LITERAL+") "C A6 APPEND b {18+}\nS +\n" TEXT_LINES
                                      "S +\nC A7 APPEND b {18+}\n" TEXT_LINES
                                      "S * 9 EXISTS\nS A6 OK\nS +\nS A7 OK\n");
    append(&client, "b", &messages[0], &endings[0]);
    append(&client, "b", &messages[1], &endings[1]);
    assert_int_equal(client_settle(&client), IMAP_OK);
    assert_int_equal(endings[0].error, IMAP_OK);
    assert_int_equal(endings[1].error, IMAP_OK);
    client_end(&client, &peer);
}

/* A source that cannot be opened fails its own command, of which nothing was sent. */
static void a_source_that_is_not_there(void **state)
{
    struct client client;
    struct peer peer;
    struct ending endings[3];
    struct message missing = message_of(TEXT), message = message_of(TEXT);
    missing.open_error = ENOENT;
    client_begin(&client, &peer,
                 OPENING(" LITERAL+") "C A6 NOOP\nC A8 APPEND b {18+}\n" TEXT_LINES
                                      "S A6 OK\nS A8 OK [APPENDUID 1 2] done\n");
    client_submit(&client, "NOOP", &endings[0]);
    append(&client, "b", &missing, &endings[1]);
    append(&client, "b", &message, &endings[2]);
    assert_int_equal(client_settle(&client), IMAP_OK);
    assert_int_equal(endings[0].error, IMAP_OK);
    assert_int_equal(endings[1].error, IMAP_ERR_SOURCE);
    assert_int_equal(endings[1].outcome, IMAP_OUTCOME_NOT_SENT);
    assert_non_null(strstr(endings[1].text, "No such file"));
    assert_int_equal(missing.opens + missing.closes, 0);
    assert_int_equal(endings[2].error, IMAP_OK);
    assert_string_equal(endings[2].uids, "1 2");
    append(&client, "b", &missing, &endings[1]);
    assert_int_equal(imap_connection_step(client.connection, -1, -1), IMAP_OK); /* it returns */
    assert_int_equal(endings[1].count, 1);
    client_end(&client, &peer);
}

/* One that fails or ends midway ends the connection. Its command says why; the others do not bear
 * its error, and what is sure about each stands. */
static void a_source_that_fails_midway(void **state)
{
    static char bytes[200000];
    static const struct {
        const char *capabilities;
        uint64_t fail_at;
        int read_error;
        const char *said;
    } cases[] = {
        {OPENING(" LITERAL+"), 1,      EIO, "Input/output error"},
        {OPENING(" LITERAL+"), 150000, EIO, "Input/output error"},
        {OPENING(" LITERAL+"), 150000, 0,   "shorter"           },
        {OPENING(" LITERAL+"), 199999, 0,   "shorter"           },
        {OPENING(""),          1,      EIO, "Input/output error"},
        {OPENING(""),          150000, 0,   "shorter"           },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool plus = strstr(cases[i].capabilities, "LITERAL+") != NULL;
        char script[4096];
        struct client client;
        struct peer peer;
        struct ending endings[3];
        struct message message = {.bytes = bytes, .size = sizeof bytes};
        message.fail_at = cases[i].fail_at;
        message.read_error = cases[i].read_error;
        snprintf(script, sizeof script, "%sC A6 NOOP\nS A6 OK\nC A7 NOOP\nC A8 APPEND b %s\n%sH\n",
                 cases[i].capabilities, plus ? "{200000+}" : "{200000}", plus ? "" : "S +\n");
        client_begin(&client, &peer, script);
        client_submit(&client, "NOOP", &endings[0]);
        assert_int_equal(client_settle(&client), IMAP_OK);
        client_submit(&client, "NOOP", &endings[0]);
        append(&client, "b", &message, &endings[1]);
        client_submit(&client, "NOOP", &endings[2]);
        assert_int_equal(client_settle(&client), IMAP_ERR_CLOSED);
        assert_int_equal(endings[0].error, IMAP_ERR_CLOSED);
        assert_int_equal(endings[1].error, IMAP_ERR_SOURCE);
        assert_non_null(strstr(endings[1].text, cases[i].said));
        assert_int_equal(endings[2].error, IMAP_ERR_CLOSED);
        assert_int_equal(endings[2].outcome, IMAP_OUTCOME_NOT_SENT);
        assert_true(imap_outcome_is_undone(endings[1].outcome));
        if (cases[i].fail_at > 100000 || !plus) {
            assert_int_equal(endings[0].outcome, IMAP_OUTCOME_UNKNOWN);
            assert_int_equal(endings[1].outcome, IMAP_OUTCOME_NOT_WHOLE);
        }
        assert_int_equal(message.opens, 1);
        assert_int_equal(message.closes, 1);
        imap_connection_close(&client.connection);
        peer_stop(&peer);
        assert_true(peer.received < 300000);
    }
}

/* A thousand of 5 kB on their way at once: a request is small, one source is open at a time. */
static void a_thousand_at_once(void **state)
{
    enum { COUNT = 1000, SIZE = 5000 };
    static char bytes[SIZE], script[256 * 1024];
    static struct ending endings[COUNT];
    static struct message messages[COUNT];
    struct client client;
    struct peer peer;
    int len = snprintf(script, sizeof script, "%s", OPENING(" LITERAL+"));
    for (int i = 0; i < COUNT; i++)
        len += snprintf(script + len, sizeof script - (size_t)len,
                        "C A%d APPEND Archive {5000+}\nL 5000\nC \n", 6 + i);
    for (int i = 0; i < COUNT; i++)
        len += snprintf(script + len, sizeof script - (size_t)len,
                        "S A%d OK [APPENDUID 7 %d] done\n", 6 + i, 100 + i);
    assert_in_range(len, 1, sizeof script - 1);
    memset(bytes, 'm', sizeof bytes);
    client_begin(&client, &peer, script);
    messages_open = messages_open_most = 0;
    size_t before = mallinfo2().uordblks; /* 0 under a sanitizer */
    for (int i = 0; i < COUNT; i++) {
        messages[i] = (struct message){.bytes = bytes, .size = SIZE};
        append(&client, "Archive", &messages[i], &endings[i]);
    }
    assert_in_range(mallinfo2().uordblks - before, 0, 1024 * COUNT);
    assert_int_equal(messages_open_most, 0);
    assert_int_equal(client_settle(&client), IMAP_OK);
    assert_int_equal(messages_open_most, 1);
    assert_int_equal(messages_open, 0);
    for (int i = 0; i < COUNT; i++) {
        char uids[32];
        snprintf(uids, sizeof uids, "7 %d", 100 + i);
        assert_int_equal(endings[i].error, IMAP_OK);
        assert_int_equal(endings[i].order, i);
        assert_string_equal(endings[i].uids, uids);
        assert_int_equal(messages[i].taken, SIZE);
    }
    client_end(&client, &peer);
    assert_true(peer.logged_out);
}

/* The kernel takes the whole message at once; that it drains is progress, for longer than the
 * bound. A peer that takes nothing more is none. */
static void a_slow_upload_goes_on(void **state)
{
    static char bytes[160000];
    static const struct {
        const char *script;
        enum imap_error error;
    } cases[] = {
        {OPENING(" LITERAL+") "C A6 APPEND b {160000+}\nW 160000\nC \nS A6 OK\n", IMAP_OK         },
        {OPENING(" LITERAL+") "C A6 APPEND b {160000+}\nP 2500\nH\n",             IMAP_ERR_TIMEOUT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct client client;
        struct peer peer = {.script = cases[i].script, .cut_after = -1, .narrow = true};
        struct ending ending;
        struct message message = {.bytes = bytes, .size = sizeof bytes};
        peer_start(&peer);
        client_init(&client, &peer);
        client.settings.timeout_ms = 500;
        assert_int_equal(client_open(&client, "t"), IMAP_OK);
        append(&client, "b", &message, &ending);
        assert_int_equal(client_settle(&client), cases[i].error);
        assert_int_equal(ending.error, cases[i].error);
        client_end(&client, &peer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_streamed),
        cmocka_unit_test(a_name_may_be_a_literal_too),
        cmocka_unit_test(by_size_all_literals_wait_or_none),
        cmocka_unit_test(refused_before_the_literal),
        cmocka_unit_test(refused_within_the_literal),
        cmocka_unit_test(accepted_too_early),
        cmocka_unit_test(answered_before_it_was_sent),
        cmocka_unit_test(a_needless_plus_releases_nothing),
        cmocka_unit_test(needless_pluses_do_not_hinder),
        cmocka_unit_test(a_source_that_is_not_there),
        cmocka_unit_test(a_source_that_fails_midway),
        cmocka_unit_test(a_thousand_at_once),
        cmocka_unit_test(a_slow_upload_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
