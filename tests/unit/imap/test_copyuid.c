/* APPENDUID and COPYUID reach the command that they are about, in whatever form they come. */
#include "tests/unit/test.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/imap/client.h"
#include "tests/unit/imap/message.h"

/* One UID MOVE, and what comes back for it. */
static void each_form_of_copyuid(void **state)
{
    static const struct {
        const char *said; /* after "C A6 UID MOVE 1:2,31 Archive" */
        const char *uids;
    } cases[] = {
        {"S A6 OK [COPYUID 55 31 6] Done\n",                                   "55 31 6"        },
        {"S * OK [COPYUID 55 31 6]\nS * 1 EXPUNGE\nS A6 OK MOVE completed.\n", "55 31 6"        },
        {"S [COPYUID 55 31 6]\nS * 1 EXPUNGE\nS A6 OK MOVE completed.\n",      "55 31 6"        },
        {"S * 1 EXPUNGE\nS A6 OK MOVE completed.\n",                           ""               },
        {"S * OK [COPYUID 14  ]\nS A6 OK MOVE completed.\n",                   "14  "           },
        {"S A6 OK [COPYUID 14  ] MOVE completed.\n",                           "14  "           },
        {"S [COPYUID 14  ]\nS A6 OK\n",                                        "14  "           },
 /* said twice, in pieces, or over again by an empty one */
        {"S * OK [COPYUID 55 31 6]\nS [COPYUID 55 31 6]\nS A6 OK x\n",         "55 31 6"        },
        {"S * OK [COPYUID 55 31 6]\nS A6 OK [COPYUID 55 31 6] x\n",            "55 31 6"        },
        {"S * OK [COPYUID 55 1:2 6:7]\nS * OK [COPYUID 55 31 8]\nS A6 OK x\n", "55 1:2,31 6:7,8"},
        {"S * OK [COPYUID 55 31 6]\nS A6 OK [COPYUID 14  ] x\n",               "55 31 6"        },
        {"S * OK [COPYUID 55 31 6]\nS * OK [COPYUID 55  ]\nS A6 OK x\n",       "55 31 6"        },
        {"S * OK [COPYUID 55 31 6]\nS * OK [COPYUID 56 1 2]\nS A6 OK x\n",     "56 1 2"         },
 /* what says nothing */
        {"S A6 OK [COPYUID 55 31] x\n",                                        ""               },
        {"S A6 OK [COPYUID 0 31 6] x\n",                                       ""               },
        {"S A6 OK [COPYUID] x\n",                                              ""               },
        {"S A6 OK [APPENDUID 55 6] x\n",                                       ""               },
        {"S * NO [COPYUID 55 31 6]\nS A6 OK x\n",                              ""               },
 /* a refusal too may have moved some */
        {"S * OK [COPYUID 55 31 6]\nS A6 NO half of it\n",                     "55 31 6"        },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int copy = 0; copy < 2; copy++) {
            char script[4096];
            struct client client;
            struct peer peer;
            struct ending ending;
            struct imap_command command;
            snprintf(script, sizeof script, "%sC A6 UID %s 1:2,31 Archive\n%s", OPENING(""),
                     copy ? "COPY" : "MOVE", cases[i].said);
            client_begin(&client, &peer, script);
            if (copy)
                imap_command_uid_copy(&command, "1:2,31", "Archive");
            else
                imap_command_uid_move(&command, "1:2,31", "Archive");
            client_submit_command(&client, &command, &ending);
            assert_int_equal(client_settle(&client), IMAP_OK);
            assert_string_equal(ending.uids, cases[i].uids);
            client_end(&client, &peer);
        }
    }
}

static void each_form_of_appenduid(void **state)
{
    static const struct {
        const char *said;
        const char *uids;
    } cases[] = {
        {"S A6 OK [APPENDUID 424 9] done\n",         "424 9"},
        {"S * OK [APPENDUID 424 9]\nS A6 OK done\n", "424 9"},
        {"S [APPENDUID 424 9]\nS A6 OK done\n",      "424 9"},
        {"S * 9 EXISTS\nS A6 OK done\n",             ""     },
        {"S A6 OK [APPENDUID 424 9:10] done\n",      ""     },
        {"S A6 OK [APPENDUID 424 0] done\n",         ""     },
        {"S A6 OK [APPENDUID 424 ] done\n",          ""     },
        {"S A6 OK [COPYUID 55 31 6] done\n",         ""     },
        {"S * OK [COPYUID 55 31 6]\nS A6 OK done\n", ""     },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char script[4096];
        struct client client;
        struct peer peer;
        struct ending ending;
        struct imap_command command;
        struct message message = message_of("a\r\n");
        snprintf(script, sizeof script, "%sC A6 APPEND b {3+}\nC a\nC \n%s", OPENING(" LITERAL+"),
                 cases[i].said);
        client_begin(&client, &peer, script);
        message_append(&command, "b", &message);
        client_submit_command(&client, &command, &ending);
        assert_int_equal(client_settle(&client), IMAP_OK);
        assert_string_equal(ending.uids, cases[i].uids);
        client_end(&client, &peer);
    }
}

/* Three MOVEs in flight, with others among them; each form in each place. */
static void pipelined_moves_keep_their_own(void **state)
{
    static const char *const forms[3][2] = {
  /* before the reply, in the reply */
        {"",                            "[COPYUID 55 %d %d] "},
        {"S * OK [COPYUID 55 %d %d]\n", ""                   },
        {"S [COPYUID 55 %d %d]\n",      ""                   },
    };
    for (int mix = 0; mix < 27; mix++) {
        char script[8192], before[64], within[64];
        struct client client;
        struct peer peer;
        struct ending moves[3], fetch, noop;
        int len = snprintf(script, sizeof script,
                           "%sC A6 UID MOVE 31 b\nC A7 UID FETCH 1 FLAGS\nC A8 UID MOVE 32 b\n"
                           "C A9 UID MOVE 33 b\nC A10 NOOP\n",
                           OPENING(""));
        for (int i = 0, form = mix; i < 3; i++, form /= 3) {
            static const int tags[] = {6, 8, 9};
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            snprintf(before, sizeof before, forms[form % 3][0], 31 + i, 6 + i);
            snprintf(within, sizeof within, forms[form % 3][1], 31 + i, 6 + i);
#pragma GCC diagnostic pop
            len += snprintf(script + len, sizeof script - (size_t)len,
                            "%sS * 1 EXPUNGE\nS * VANISHED 1\nS A%d OK %sdone\n%s", before, tags[i],
                            within, i == 0 ? "S * 1 FETCH (UID 1 FLAGS ())\nS A7 OK\n" : "");
        }
        snprintf(script + len, sizeof script - (size_t)len, "S A10 OK\n");
        client_begin(&client, &peer, script);
        client_submit(&client, "UID MOVE 31 b", &moves[0]);
        client_submit(&client, "UID FETCH 1 FLAGS", &fetch);
        client_submit(&client, "UID MOVE 32 b", &moves[1]);
        client_submit(&client, "UID MOVE 33 b", &moves[2]);
        client_submit(&client, "NOOP", &noop);
        assert_int_equal(client_settle(&client), IMAP_OK);
        for (int i = 0; i < 3; i++) {
            char uids[32];
            snprintf(uids, sizeof uids, "55 %d %d", 31 + i, 6 + i);
            assert_int_equal(moves[i].error, IMAP_OK);
            assert_string_equal(moves[i].uids, uids);
        }
        assert_string_equal(fetch.uids, "");
        assert_string_equal(noop.uids, "");
        assert_true(client.untagged >= 7); /* EXPUNGE, VANISHED and FETCH went to the handler */
        client_end(&client, &peer);
    }
}

/* Three MOVEs, and everything that a server says before it replies to the first of them: Dovecot
 * carries out all three, then replies. */
static void told_ahead_of_all_replies(void **state)
{
    static const struct {
        const char *sets[3];
        const char *said;
        const char *uids[3];
    } cases[] = {
        {{"1:2", "4", "6:8"},
         "S * OK [COPYUID 5 1:2 2:3]\nS * OK [COPYUID 5 4 4]\nS * OK [COPYUID 5 6:8 5:7]\n",    {"5 1:2 2:3", "5 4 4", "5 6:8 5:7"}                  },
        {{"1:2", "4", "6:8"},
         "S [COPYUID 5 6:8 5:7]\nS * OK [COPYUID 5 2 2]\nS * OK [COPYUID 5 1 9]\n",             {"5 2,1 2,9", "", "5 6:8 5:7"}                       },
        {{"1:9,20", "10:19", "30:39,41:49"},
         "S [COPYUID 5 1,3:5,20 1:5]\nS [COPYUID 5 30,42:44 6:9]\nS [COPYUID 5 10:19 10:19]\n", {"5 1,3:5,20 1:5", "5 10:19 10:19", "5 30,42:44 6:9"}},
 /* of one, partly of another, of none, of two, of nothing, no set */
        {{"1:4", "4:6", "4:8"},
         "S [COPYUID 5 1 1]\nS [COPYUID 5 1,5 2:3]\nS [COPYUID 5 9 4]\nS [COPYUID 5 5 5]\n"
         "S [COPYUID 5  ]\nS [COPYUID 5 1:* 6]\nS [COPYUID 5 40:41 7:8]\n",                     {"5 1 1", "", ""}                                    },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char script[4096];
        struct client client;
        struct peer peer;
        struct ending moves[3];
        struct imap_command command;
        snprintf(script, sizeof script,
                 "%sC A6 UID MOVE %s b\nC A7 UID MOVE %s b\nC A8 UID MOVE %s b\n%s"
                 "S A6 OK\nS A7 OK\nS A8 OK\n",
                 OPENING(""), cases[i].sets[0], cases[i].sets[1], cases[i].sets[2], cases[i].said);
        client_begin(&client, &peer, script);
        for (int k = 0; k < 3; k++) {
            imap_command_uid_move(&command, cases[i].sets[k], "b");
            client_submit_command(&client, &command, &moves[k]);
        }
        assert_int_equal(client_settle(&client), IMAP_OK);
        for (int k = 0; k < 3; k++)
            assert_string_equal(moves[k].uids, cases[i].uids[k]);
        client_end(&client, &peer);
    }
}

/* One that says nothing, between two that do, is given nothing of theirs. */
static void the_silent_one_gets_nothing(void **state)
{
    struct client client;
    struct peer peer;
    struct ending moves[3], noop;
    client_begin(&client, &peer,
                 OPENING("") "C A6 NOOP\nS * OK [COPYUID 55 1 1]\nS A6 OK\nC A7 UID MOVE 31 b\n"
                             "C A8 UID COPY 32 b\nC A9 UID MOVE 33 b\nS * OK [COPYUID 55 31 6]\n"
                             "S * OK [COPYUID 55 33 7]\nS A7 OK\nS A8 OK\nS A9 OK\n");
    client_submit(&client, "NOOP", &noop);
    assert_int_equal(client_settle(&client), IMAP_OK);
    assert_int_equal(client.untagged, 1); /* a COPYUID of no command */
    assert_string_equal(noop.uids, "");
    client_submit(&client, "UID MOVE 31 b", &moves[0]);
    client_submit(&client, "UID COPY 32 b", &moves[1]);
    client_submit(&client, "UID MOVE 33 b", &moves[2]);
    assert_int_equal(client_settle(&client), IMAP_OK);
    assert_string_equal(moves[0].uids, "55 31 6");
    assert_string_equal(moves[1].uids, "");
    assert_string_equal(moves[2].uids, "55 33 7");
    client_end(&client, &peer);
}

/* An APPENDUID outside a reply says nothing of which message it means: with two in flight it is
 * nobody's. */
static void two_appends_are_not_told_apart(void **state)
{
    struct client client;
    struct peer peer;
    struct ending endings[2];
    struct message messages[2] = {message_of("a\r\n"), message_of("b\r\n")};
    struct imap_command command;
    client_begin(&client, &peer,
                 OPENING(" LITERAL+") "C A6 APPEND b {3+}\nC a\nC \nC A7 APPEND b {3+}\nC b\nC \n"
                                      "S * OK [APPENDUID 424 9]\nS A6 OK\n"
                                      "S * OK [APPENDUID 424 10]\nS A7 OK\n");
    for (int i = 0; i < 2; i++) {
        message_append(&command, "b", &messages[i]);
        client_submit_command(&client, &command, &endings[i]);
    }
    assert_int_equal(client_settle(&client), IMAP_OK);
    assert_string_equal(endings[0].uids, "");
    assert_string_equal(endings[1].uids, "424 10");
    client_end(&client, &peer);
}

/* Where the copies are is told though no reply came. */
static void noted_and_then_cut(void **state)
{
    struct client client;
    struct peer peer;
    struct ending move;
    client_begin(&client, &peer, OPENING("") "C A6 UID MOVE 31 b\nS * OK [COPYUID 55 31 6]\nX\n");
    client_submit(&client, "UID MOVE 31 b", &move);
    assert_int_equal(client_settle(&client), IMAP_ERR_CLOSED);
    assert_int_equal(move.outcome, IMAP_OUTCOME_UNKNOWN);
    assert_string_equal(move.uids, "55 31 6");
    client_end(&client, &peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_form_of_copyuid),
        cmocka_unit_test(each_form_of_appenduid),
        cmocka_unit_test(pipelined_moves_keep_their_own),
        cmocka_unit_test(told_ahead_of_all_replies),
        cmocka_unit_test(the_silent_one_gets_nothing),
        cmocka_unit_test(two_appends_are_not_told_apart),
        cmocka_unit_test(noted_and_then_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
