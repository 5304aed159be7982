/*
 * What a completion says is sure about a command whose connection broke, at each byte.
 *
 * On the way out the socket is made to take exactly so many bytes and then to fail: the linker puts
 * __wrap_imap_stream_write in the place of imap_stream_write. On the way in the peer hangs up after
 * so many bytes. The peer counts what it got, so the claims are held against what is true.
 */
#include "tests/unit/test.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "imap/stream.h"
#include "tests/unit/imap/client.h"
#include "tests/unit/imap/message.h"

#define TEXT       "From: a\r\n\r\nhello\r\n"
#define TEXT_LINES "C From: a\nC \nC hello\nC \n"

static long budget = -1; /* bytes that the socket will still take; -1: any number */

enum imap_error __real_imap_stream_write(struct imap_stream *stream, const char *from, size_t len,
                                         size_t *sent);
enum imap_error __wrap_imap_stream_write(struct imap_stream *stream, const char *from, size_t len,
                                         size_t *sent);

enum imap_error __wrap_imap_stream_write(struct imap_stream *stream, const char *from, size_t len,
                                         size_t *sent)
{
    *sent = 0;
    if (budget < 0)
        return __real_imap_stream_write(stream, from, len, sent);
    if (budget == 0) {
        shutdown(imap_stream_fd(stream), SHUT_RDWR);
        return IMAP_ERR_CLOSED;
    }
    enum imap_error error =
        __real_imap_stream_write(stream, from, len < (size_t)budget ? len : (size_t)budget, sent);
    budget -= (long)*sent;
    if (budget == 0)
        shutdown(imap_stream_fd(stream), SHUT_RDWR);
    return error;
}

/* One command of a dialogue: where it begins, where its last literal ends (0: none), where it ends,
 * in bytes that the client sends. */
struct span {
    long begins, literal, ends;
};

static enum imap_outcome expected(const struct span *span, long sent)
{
    if (sent <= span->begins)
        return IMAP_OUTCOME_NOT_SENT;
    return sent < span->literal ? IMAP_OUTCOME_NOT_WHOLE : IMAP_OUTCOME_UNKNOWN;
}

/* Runs the three commands of a dialogue with a socket that takes `sent` bytes of them. Returns how
 * many bytes the peer got in all. */
static long run(const char *script, long sent, struct ending endings[3])
{
    struct client client;
    struct peer peer;
    struct message message = message_of(TEXT);
    struct imap_command command;
    client_begin(&client, &peer, script);
    budget = sent;
    client_submit(&client, "NOOP", &endings[0]);
    message_append(&command, "b", &message);
    client_submit_command(&client, &command, &endings[1]);
    imap_command_uid_move(&command, "31", "a\"b");
    client_submit_command(&client, &command, &endings[2]);
    assert_int_equal(client_settle(&client), IMAP_ERR_CLOSED);
    budget = -1;
    for (int i = 0; i < 3; i++)
        assert_int_equal(endings[i].count, 1);
    assert_int_equal(message.opens, message.closes);
    imap_connection_close(&client.connection);
    peer_stop(&peer);
    return peer.received;
}

static void walk(const char *script, const struct span spans[3])
{
    struct ending endings[3];
    long opening = run(script, 0, endings);
    for (long sent = 0; sent <= spans[2].ends; sent++) {
        assert_int_equal(run(script, sent, endings), opening + sent);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(endings[i].error, IMAP_ERR_CLOSED);
            if (endings[i].outcome != expected(&spans[i], sent))
                fail_msg("command %d, %ld bytes: outcome %d", i, sent, (int)endings[i].outcome);
        }
    }
}

#define NOOP_LEN 9 /* "A6 NOOP" CRLF */

static void cut_on_the_way_out_at_once(void **state)
{
    static const char append[] = "A7 APPEND b {18+}\r\n", move[] = "A8 UID MOVE 31 {3+}\r\n";
    long text = NOOP_LEN + (long)strlen(append) + 18, second = text + 2;
    long name = second + (long)strlen(move) + 3;
    const struct span spans[3] = {
        {0,        0,    NOOP_LEN},
        {NOOP_LEN, text, second  },
        {second,   name, name + 2}
    };
    walk(OPENING(" LITERAL+") "H\n", spans);
}

static void cut_on_the_way_out_by_turns(void **state)
{
    static const char append[] = "A7 APPEND b {18}\r\n", move[] = "A8 UID MOVE 31 {3}\r\n";
    long text = NOOP_LEN + (long)strlen(append) + 18, second = text + 2;
    long name = second + (long)strlen(move) + 3;
    const struct span spans[3] = {
        {0,        0,    NOOP_LEN},
        {NOOP_LEN, text, second  },
        {second,   name, name + 2}
    };
    walk(OPENING("") "C A6 NOOP\nC A7 APPEND b {18}\nS + go\n" TEXT_LINES
                     "C A8 UID MOVE 31 {3}\nS + go\nH\n",
         spans);
}

/* Appends one message while the peer hangs up after `cut` bytes of its script; -1: at the end. */
static struct ending hear(const char *script, long cut, long *sent)
{
    struct client client;
    struct peer peer = {.script = script, .cut_after = cut};
    struct ending ending;
    struct message message = message_of(TEXT);
    struct imap_command command;
    peer_start(&peer);
    client_init(&client, &peer);
    assert_int_equal(client_open(&client, "t"), IMAP_OK);
    message_append(&command, "b", &message);
    client_submit_command(&client, &command, &ending);
    while (imap_connection_step(client.connection, 1000, -1) == IMAP_OK)
        ;
    assert_int_equal(ending.count, 1);
    assert_int_equal(message.opens, message.closes);
    imap_connection_close(&client.connection);
    peer_stop(&peer);
    if (sent != NULL)
        *sent = peer.sent;
    return ending;
}

#define ANSWER     "S * 9 EXISTS\nS A6 OK [APPENDUID 424 9] done\n"
#define ANSWER_LEN ((long)sizeof "* 9 EXISTS\r\nA6 OK [APPENDUID 424 9] done\r\n" - 1)

static void cut_on_the_way_in(void **state)
{
    static const struct {
        const char *script;
        long go; /* bytes of the "+" line */
    } cases[] = {
        {OPENING(" LITERAL+") "C A6 APPEND b {18+}\n" TEXT_LINES ANSWER "X\n", 0},
        {OPENING("") "C A6 APPEND b {18}\nS + go\n" TEXT_LINES ANSWER "X\n",   6},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        long total = 0, go = cases[i].go, answer = go + ANSWER_LEN;
        struct ending ending = hear(cases[i].script, -1, &total);
        assert_int_equal(ending.outcome, IMAP_OUTCOME_ANSWERED);
        for (long cut = 1; cut <= answer; cut++) { /* at 0 with a "+" the opening is cut */
            ending = hear(cases[i].script, total - answer + cut, NULL);
            bool answered = cut == answer;
            assert_int_equal(ending.error, answered ? IMAP_OK : IMAP_ERR_CLOSED);
            assert_string_equal(ending.uids, answered ? "424 9" : "");
            if (answered)
                assert_int_equal(ending.outcome, IMAP_OUTCOME_ANSWERED);
            else if (cut < go)
                assert_int_equal(ending.outcome, IMAP_OUTCOME_NOT_WHOLE);
            else if (cut > go) /* at the very end of the "+" it depends on who is quicker */
                assert_int_equal(ending.outcome, IMAP_OUTCOME_UNKNOWN);
        }
    }
}

/* The caller closes the connection: the same rules, and LOGOUT follows nothing half said. */
static void closed_by_the_caller(void **state)
{
    struct client client;
    struct peer peer;
    struct ending noop, append;
    struct message message = message_of(TEXT);
    struct imap_command command;
    client_begin(&client, &peer, OPENING("") "C A6 NOOP\nC A7 APPEND b {18}\nH\n");
    client_submit(&client, "NOOP", &noop);
    message_append(&command, "b", &message);
    client_submit_command(&client, &command, &append);
    assert_int_equal(imap_connection_step(client.connection, 20, -1), IMAP_OK);
    imap_connection_close(&client.connection);
    peer_finish(&peer);
    assert_int_equal(noop.error, IMAP_ERR_CANCELLED);
    assert_int_equal(noop.outcome, IMAP_OUTCOME_UNKNOWN);
    assert_int_equal(append.error, IMAP_ERR_CANCELLED);
    assert_int_equal(append.outcome, IMAP_OUTCOME_NOT_WHOLE);
    assert_false(peer.logged_out);

    client_begin(&client, &peer, OPENING(""));
    client_submit(&client, "NOOP", &noop);
    imap_connection_close(&client.connection);
    peer_finish(&peer);
    assert_int_equal(noop.outcome, IMAP_OUTCOME_NOT_SENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_on_the_way_out_at_once),
        cmocka_unit_test(cut_on_the_way_out_by_turns),
        cmocka_unit_test(cut_on_the_way_in),
        cmocka_unit_test(closed_by_the_caller),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
