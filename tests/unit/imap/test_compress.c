/*
 * COMPRESS=DEFLATE on a connection: when it is asked for, what each answer means, and that all that
 * is true of a connection in clear stays true of a compressed one. Each server is a script; see
 * peer.h.
 */
#include "tests/unit/test.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "imap/pipeline.h"
#include "tests/unit/imap/client.h"
#include "tests/unit/imap/message.h"

#define OFFERED " LITERAL+ COMPRESS=DEFLATE"
#define ASKED   OPENING(OFFERED) "C A6 COMPRESS DEFLATE\n"
#define PACKED  ASKED "Z A6 OK Begin compression.\n"

static long budget = -1; /* bytes that the client's socket will still take; -1: any number */
static _Thread_local bool is_client;

ssize_t __real_send(int fd, const void *from, size_t len, int flags);
ssize_t __wrap_send(int fd, const void *from, size_t len, int flags);

/* The linker puts it in the place of send. */
ssize_t __wrap_send(int fd, const void *from, size_t len, int flags)
{
    if (!is_client || budget < 0)
        return __real_send(fd, from, len, flags);
    if (budget == 0) {
        shutdown(fd, SHUT_RDWR);
        errno = EPIPE;
        return -1;
    }
    ssize_t sent = __real_send(fd, from, len < (size_t)budget ? len : (size_t)budget, flags);
    budget -= sent > 0 ? sent : 0;
    return sent;
}

/* Bytes that cannot be compressed. */
static void make_noise(char *to, size_t len)
{
    unsigned random = 1;
    for (size_t i = 0; i < len; i++) {
        random = random * 1103515245 + 12345;
        to[i] = (char)(random >> 16);
    }
}

static enum imap_error begin(struct client *client, struct peer *peer, const char *script)
{
    peer->script = script;
    if (peer->cut_after == 0)
        peer->cut_after = -1;
    peer_start(peer);
    client_init(client, peer);
    client->settings.compress = true;
    return client_open(client, "t");
}

/* The rest of the conversation is in clear, or compressed, as the row says. */
static void it_is_asked_for_where_both_want_it(void **state)
{
    (void)state;
    static const struct {
        const char *name, *script;
        bool unwanted;
        enum imap_error error;
    } rows[] = {
        {"taken",             PACKED "C A7 NOOP\nS A7 OK\n",                                false, IMAP_OK        },
        {"refused",           ASKED "S A6 NO [COMPRESSIONACTIVE] no\nC A7 NOOP\nS A7 OK\n", false, IMAP_OK        },
        {"not known",         ASKED "S A6 BAD what\nC A7 NOOP\nS A7 OK\n",                  false, IMAP_OK        },
        {"not offered",       OPENING(" LITERAL+") "C A6 NOOP\nS A6 OK\n",                  false, IMAP_OK        },
        {"not wanted",        OPENING(OFFERED) "C A6 NOOP\nS A6 OK\n",                      true,  IMAP_OK        },
        {"offered only then",
         SIGN_IN(CAPS) PROBE(CAPS OFFERED) "C A6 COMPRESS DEFLATE\nQ 50\nZ A6 OK\n"
                                           "C A7 NOOP\nS A7 OK\n",                          false, IMAP_OK        },
        {"refused only then",
         SIGN_IN(CAPS) PROBE(CAPS OFFERED) "C A6 COMPRESS DEFLATE\nS A6 NO\n"
                                           "C A7 NOOP\nS A7 OK\n",                          false, IMAP_OK        },
        {"the end instead",   ASKED "X\n",                                                  false, IMAP_ERR_CLOSED},
        {"back-off instead",
         ASKED "S A6 BAD Request is throttled. Suggested Backoff Time: 7 milliseconds\n",   false,
         IMAP_ERR_THROTTLED                                                                                       },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct client client;
        struct ending ending;
        struct peer peer = {.script = rows[i].script, .cut_after = -1};
        peer_start(&peer);
        client_init(&client, &peer);
        client.settings.compress = !rows[i].unwanted;
        enum imap_error error = client_open(&client, "t");
        if (error != rows[i].error)
            print_error("%s: %d, %s\n", rows[i].name, (int)error, client.failure.text);
        assert_int_equal(error, rows[i].error);
        if (error == IMAP_OK) {
            client_submit(&client, "NOOP", &ending);
            assert_int_equal(client_settle(&client), IMAP_OK);
            assert_int_equal(ending.error, IMAP_OK);
        }
        client_end(&client, &peer);
        assert_true(peer.logged_out || error != IMAP_OK);
    }
}

/* Nothing may follow COMPRESS before its OK, and what follows the OK may come with it. */
static void what_comes_with_the_ok_is_compressed(void **state)
{
    (void)state;
    struct client client;
    struct ending ending;
    struct peer peer = {0};
    assert_int_equal(begin(&client, &peer,
                           ASKED "Q 100\nZ A6 OK|* 12 EXISTS\nC A7 NOOP\nS * 13 EXISTS\nS A7 OK\n"),
                     IMAP_OK);
    client_submit(&client, "NOOP", &ending);
    assert_int_equal(client_settle(&client), IMAP_OK);
    /* The first came within the opening, whose handler nobody is; the second is written with words
     * of the first, and could not be read without it. */
    assert_int_equal(client.untagged, 1);
    client_end(&client, &peer);
}

/* A body of 3 MB, of few bytes on the wire, and a message on its way out. */
static void mail_goes_both_ways(void **state)
{
    (void)state;
    static char bytes[100000];
    memset(bytes, 'm', sizeof bytes);
    struct message message = {.bytes = bytes, .size = sizeof bytes};
    struct imap_command command;
    struct client client;
    struct ending endings[3];
    struct peer peer = {0};
    assert_int_equal(begin(&client, &peer,
                           PACKED "C A7 APPEND b {100000+}\nL 100000\nC \nS A7 OK\n"
                                  "C A8 UID FETCH 7 (BODY.PEEK[])\n"
                                  "S * 1 FETCH (UID 7 BODY[] {3145728}\nF 3145728\nS )\nS A8 OK\n"
                                  "C A9 IDLE\nS + idling\nS * 4 EXISTS\nC DONE\nS A9 OK\n"),
                     IMAP_OK);
    message_append(&command, "b", &message);
    client_submit_command(&client, &command, &endings[0]);
    client_submit(&client, "UID FETCH 7 (BODY.PEEK[])", &endings[1]);
    assert_int_equal(client_settle(&client), IMAP_OK);
    assert_int_equal(endings[0].error, IMAP_OK);
    assert_int_equal(client.body_bytes, 3145728);
    assert_int_equal(imap_connection_idle(client.connection, client_done, &endings[2]), IMAP_OK);
    size_t before = client.untagged;
    while (client.untagged == before)
        assert_int_equal(imap_connection_step(client.connection, 1000, -1), IMAP_OK);
    assert_int_equal(imap_connection_idle_end(client.connection), IMAP_OK);
    assert_int_equal(client_settle(&client), IMAP_OK);
    client_end(&client, &peer);
    assert_true(peer.logged_out);
    assert_in_range(peer.received, 1, 3000);
    assert_in_range(peer.sent, 1, 30000);
}

static void what_cannot_be_inflated_ends_it(void **state)
{
    (void)state;
    static const char *const scripts[] = {
        ASKED "Z A6 OK\nC A7 NOOP\nB * OK in clear\nH\n",
        ASKED "Z A6 OK\nC A7 NOOP\nS * 3 EXISTS\nB * OK in clear\nH\n",
    };
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        struct client client;
        struct ending ending;
        struct peer peer = {0};
        assert_int_equal(begin(&client, &peer, scripts[i]), IMAP_OK);
        client_submit(&client, "NOOP", &ending);
        assert_int_equal(client_settle(&client), IMAP_ERR_PROTOCOL);
        assert_int_equal(ending.error, IMAP_ERR_PROTOCOL);
        assert_non_null(strstr(ending.text, "compress=no"));
        assert_int_equal(client.untagged, i);
        client_end(&client, &peer);
    }
}

/* Blocks that inflate to nothing are no progress, and do not keep the client busy for ever. */
static void empty_blocks_are_no_progress(void **state)
{
    (void)state;
    struct client client;
    struct ending ending;
    struct peer peer = {0};
    peer.script = PACKED "C A7 NOOP\nE 5000\nH\n";
    peer.cut_after = -1;
    peer_start(&peer);
    client_init(&client, &peer);
    client.settings.compress = true;
    client.settings.timeout_ms = 400;
    assert_int_equal(client_open(&client, "t"), IMAP_OK);
    client_submit(&client, "NOOP", &ending);
    assert_int_equal(client_settle(&client), IMAP_ERR_TIMEOUT);
    client_end(&client, &peer);
}

/* Wherever the server's bytes end, the commands end once, with an error that is true. */
static void cut_at_each_byte(void **state)
{
    (void)state;
    static const char script[] =
        ASKED "Z A6 OK|* 5 EXISTS\nC A7 CHECK\nC A8 NOOP\nS * 1 FETCH (UID 7 BODY[] {5}\nS abc\n"
              "S )\nS A7 OK\nS A8 OK\n";
    struct client client;
    struct ending endings[2];
    struct peer peer = {0};
    assert_int_equal(begin(&client, &peer, script), IMAP_OK);
    client_submit(&client, "CHECK", &endings[0]);
    client_submit(&client, "NOOP", &endings[1]);
    assert_int_equal(client_settle(&client), IMAP_OK);
    client_end(&client, &peer);
    for (long cut = peer.sent - 90; cut < peer.sent - (long)sizeof "* BYE signing off."; cut++) {
        struct peer other = {.cut_after = cut};
        if (begin(&client, &other, script) == IMAP_OK) {
            client_submit(&client, "CHECK", &endings[0]);
            client_submit(&client, "NOOP", &endings[1]);
            enum imap_error error = client_settle(&client);
            for (int i = 0; i < 2; i++) {
                assert_int_equal(endings[i].count, 1);
                assert_true(endings[i].error == IMAP_OK || endings[i].error == IMAP_ERR_CLOSED);
            }
            assert_true(error == IMAP_OK || error == IMAP_ERR_CLOSED);
            assert_true(endings[1].error != IMAP_OK || endings[0].error == IMAP_OK);
        }
        imap_connection_close(&client.connection);
        peer_stop(&other);
    }
}

/* Claims about commands whose connection broke, at many a byte of the wire, against what the peer
 * has really inflated: the one before the message, the message, and the one behind it. */
static void what_is_claimed_is_true(void **state)
{
    (void)state;
    enum { SIZE = 80000, LITERAL = 9 + sizeof "A8 APPEND b {80000+}\r\n" - 1 };
    static char noise[SIZE];
    unsigned seen = 0;
    make_noise(noise, SIZE);
    for (long wire = 0; wire < SIZE + 4000; wire += 3001) {
        struct message message = {.bytes = noise, .size = SIZE};
        struct imap_command command;
        struct client client;
        struct ending endings[3];
        struct peer peer = {0};
        assert_int_equal(begin(&client, &peer, PACKED "H\n"), IMAP_OK);
        budget = wire;
        client_submit(&client, "NOOP", &endings[0]);
        message_append(&command, "b", &message);
        client_submit_command(&client, &command, &endings[1]);
        client_submit(&client, "CHECK", &endings[2]);
        enum imap_error error = IMAP_OK;
        while (error == IMAP_OK && imap_sending_wants_write(client.connection))
            error = imap_connection_step(client.connection, 100, -1);
        budget = 0;
        imap_connection_close(&client.connection);
        budget = -1;
        peer_stop(&peer);
        for (int i = 0; i < 3; i++)
            seen |= 1U << (4 * i + (int)endings[i].outcome);
        if (endings[0].outcome == IMAP_OUTCOME_NOT_SENT)
            assert_int_equal(peer.inflated, 0);
        if (endings[1].outcome == IMAP_OUTCOME_NOT_SENT)
            assert_true(peer.inflated <= 9);
        if (endings[1].outcome == IMAP_OUTCOME_NOT_WHOLE)
            assert_true(peer.inflated < LITERAL + SIZE);
        if (endings[2].outcome == IMAP_OUTCOME_NOT_SENT)
            assert_true(peer.inflated <= LITERAL + SIZE + 2);
    }
    assert_true((seen & 1U << (4 + IMAP_OUTCOME_NOT_WHOLE)) != 0);
    assert_true((seen & 1U << (4 + IMAP_OUTCOME_UNKNOWN)) != 0);
    assert_true((seen & 1U << (8 + IMAP_OUTCOME_NOT_SENT)) != 0);
}

static void a_slow_upload_goes_on(void **state)
{
    (void)state;
    enum { SIZE = 160000 };
    static char noise[SIZE];
    make_noise(noise, SIZE);
    struct message message = {.bytes = noise, .size = SIZE};
    struct imap_command command;
    struct client client;
    struct ending ending;
    struct peer peer = {.script = PACKED "C A7 APPEND b {160000+}\nW 160000\nC \nS A7 OK\n",
                        .cut_after = -1,
                        .narrow = true};
    peer_start(&peer);
    client_init(&client, &peer);
    client.settings.compress = true;
    client.settings.timeout_ms = 500;
    assert_int_equal(client_open(&client, "t"), IMAP_OK);
    message_append(&command, "b", &message);
    client_submit_command(&client, &command, &ending);
    assert_int_equal(client_settle(&client), IMAP_OK);
    assert_int_equal(ending.error, IMAP_OK);
    client_end(&client, &peer);
}

int main(void)
{
    is_client = true;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_asked_for_where_both_want_it),
        cmocka_unit_test(what_comes_with_the_ok_is_compressed),
        cmocka_unit_test(mail_goes_both_ways),
        cmocka_unit_test(what_cannot_be_inflated_ends_it),
        cmocka_unit_test(empty_blocks_are_no_progress),
        cmocka_unit_test(cut_at_each_byte),
        cmocka_unit_test(what_is_claimed_is_true),
        cmocka_unit_test(a_slow_upload_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
