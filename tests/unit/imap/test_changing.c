/*
 * What keeps a change from hitting the wrong mail, and how a server's refusals are told apart: the
 * guard before UID commands, PERMANENTFLAGS, and the table of refusals.
 */
#include "tests/unit/test.h"

#include <stdio.h>
#include <string.h>

#include "imap/failure.h"
#include "imap/flags.h"
#include "tests/unit/imap/client.h"

#define SELECTED(validity)                                                                         \
    "S * 3 EXISTS\nS * OK [UIDVALIDITY " validity "] UIDs valid\nS * OK [UIDNEXT 9] next\n"

static void select_mailbox(struct client *client, const char *name, bool read_only,
                           struct ending *ending)
{
    struct imap_command command;
    imap_command_select(&command, name, read_only);
    client_submit_command(client, &command, ending);
}

static enum imap_error submit_changing(struct client *client, const char *mailbox,
                                       uint32_t uidvalidity, struct ending *ending)
{
    struct imap_command command;
    imap_command_init(&command, "UID EXPUNGE 7");
    *ending = (struct ending){0};
    enum imap_error error = imap_connection_submit_changing(
        client->connection, mailbox, uidvalidity, &command, client_done, ending);
    assert_null(command.text.data);
    return error;
}

/* One SELECT or EXAMINE, then a change that goes out or does not. */
static void the_guard(void **state)
{
    static const struct {
        const char *name, *said; /* of the selected mailbox */
        bool read_only;
        const char *mailbox; /* that the change is for */
        uint32_t uidvalidity;
        bool goes;
    } cases[] = {
        {"b",     SELECTED("14") "S A6 OK [READ-WRITE] done\n",                              false, "b",     14, true },
        {"b",     SELECTED("14") "S A6 OK done\n",                                           false, "b",     14, true },
        {"INBOX", SELECTED("14") "S A6 OK [READ-WRITE] done\n",                              false, "Inbox", 14, true },
        {"b",     SELECTED("15") "S A6 OK [READ-WRITE] done\n",                              false, "b",     14, false},
        {"b",     SELECTED("14") "S A6 OK [READ-WRITE] done\n",                              false, "B",     14, false},
        {"b",     SELECTED("14") "S A6 OK [READ-WRITE] done\n",                              false, "c",     14, false},
        {"b",     SELECTED("14") "S A6 OK [READ-WRITE] done\n",                              false, NULL,    14, false},
        {"b",     SELECTED("14") "S A6 OK [READ-ONLY] done\n",                               false, "b",     14, false},
        {"b",     SELECTED("14") "S A6 OK [READ-ONLY] done\n",                               true,  "b",     14, false},
        {"b",     SELECTED("14") "S A6 OK done\n",                                           true,  "b",     14, false},
        {"b",     SELECTED("14") "S A6 NO not now\n",                                        false, "b",     14, false},
        {"b",     "S * 3 EXISTS\nS A6 OK [READ-WRITE] done\n",                               false, "b",     0,  false},
        {"b",     "S * 3 EXISTS\nS A6 OK [READ-WRITE] done\n",                               false, "b",     1,  false},
        {"b",     SELECTED("0") "S A6 OK [READ-WRITE] done\n",                               false, "b",     0,  false},
 /* the server changes its mind later in the session */
        {"b",     SELECTED("14") "S A6 OK [READ-WRITE] done\nS * OK [UIDVALIDITY 15] new\n", false, "b",
         14,                                                                                                     false},
        {"b",     SELECTED("14") "S A6 OK [READ-WRITE] done\nS * OK [READ-ONLY] now\n",      false, "b",     14,
         false                                                                                                        },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char script[4096];
        struct client client;
        struct peer peer;
        struct ending selecting, noop, change;
        snprintf(script, sizeof script, "%sC A6 %s %s\nC A7 NOOP\n%sS A7 OK done\n%s", OPENING(""),
                 cases[i].read_only ? "EXAMINE" : "SELECT", cases[i].name, cases[i].said,
                 cases[i].goes ? "C A8 UID EXPUNGE 7\nS A8 OK\n" : "");
        client_begin(&client, &peer, script);
        assert_int_equal(submit_changing(&client, "b", 14, &change), IMAP_ERR_STALE);
        select_mailbox(&client, cases[i].name, cases[i].read_only, &selecting);
        client_submit(&client, "NOOP", &noop);
        assert_int_equal(client_settle(&client), IMAP_OK);
        enum imap_error error =
            submit_changing(&client, cases[i].mailbox, cases[i].uidvalidity, &change);
        if (error != (cases[i].goes ? IMAP_OK : IMAP_ERR_STALE))
            fail_msg("case %zu: %s", i, imap_error_text(error));
        assert_int_equal(client_settle(&client), IMAP_OK);
        assert_int_equal(change.count, cases[i].goes ? 1 : 0);
        client_end(&client, &peer);
    }
}

/* What a change is given in a SELECT's own done function, as the header says. */
struct chain {
    struct client *client;
    const char *mailbox;
    struct ending change;
    enum imap_error submitted;
};

static void on_selected(void *ctx, const struct imap_completion *completion)
{
    struct chain *chain = ctx;
    assert_int_equal(completion->error, IMAP_OK);
    assert_string_equal(imap_connection_selected(chain->client->connection)->name, chain->mailbox);
    chain->submitted = submit_changing(chain->client, chain->mailbox, 14, &chain->change);
}

static void select_then_change(struct chain *chain)
{
    struct imap_command command;
    imap_command_select(&command, chain->mailbox, false);
    assert_int_equal(
        imap_connection_submit(chain->client->connection, &command, on_selected, chain), IMAP_OK);
}

/* Nothing goes out behind a command that changes the selection: not even where the mailbox that is
 * selected at that moment looks right. */
static void the_guard_waits_for_what_is_in_flight(void **state)
{
    struct client client;
    struct peer peer;
    struct chain passing = {.client = &client, .mailbox = "c"};
    struct chain lasting = {.client = &client, .mailbox = "b"};
    struct ending unselect, late;
    // clang-format off
    client_begin(&client, &peer,
                 OPENING("")
                 "C A6 SELECT c\nC A7 SELECT b\n"
                 SELECTED("14") "S A6 OK [READ-WRITE] done\n"
                 SELECTED("14") "S A7 OK [READ-WRITE] done\n"
                 "C A8 UID EXPUNGE 7\nS A8 OK done\n"
                 "C A9 UID EXPUNGE 7\nC A10 UNSELECT\nS A9 OK done\nS A10 OK done\n");
    // clang-format on
    select_then_change(&passing);
    select_then_change(&lasting);
    assert_int_equal(submit_changing(&client, "b", 14, &late), IMAP_ERR_STALE);
    assert_int_equal(client_settle(&client), IMAP_OK);
    assert_int_equal(passing.submitted, IMAP_ERR_STALE);
    assert_int_equal(lasting.submitted, IMAP_OK);
    assert_int_equal(lasting.change.error, IMAP_OK);
    assert_int_equal(submit_changing(&client, "c", 14, &late), IMAP_ERR_STALE);
    assert_int_equal(submit_changing(&client, "b", 14, &lasting.change), IMAP_OK);
    client_submit(&client, "UNSELECT", &unselect);
    assert_int_equal(submit_changing(&client, "b", 14, &late), IMAP_ERR_STALE);
    assert_int_equal(client_settle(&client), IMAP_OK);
    assert_int_equal(lasting.change.error, IMAP_OK);
    assert_int_equal(submit_changing(&client, "b", 14, &late), IMAP_ERR_STALE);
    client_end(&client, &peer);
}

/* ---- PERMANENTFLAGS ---- */

static void what_may_be_stored(void **state)
{
    static const struct {
        const char *said; /* between SELECT and its OK */
        const char *may, *may_not;
    } cases[] = {
        {"S * OK [PERMANENTFLAGS (\\Seen \\Deleted $MDNSent)] x\n",
         "\\Seen \\deleted $MDNSent $mdnsent",                                                      "\\Flagged $Forwarded \\* \\Recent $MDN \\Odd"},
        {"S * OK [PERMANENTFLAGS (\\Seen \\*)] x\n",                "\\Seen $Forwarded anything",
         "\\Flagged \\Odd \\Recent \\* a]b"                                                                                                       },
        {"S * OK [PERMANENTFLAGS (\\Seen \\Odd \\Recent)] x\n",     "\\Odd",                        "$Forwarded \\Recent"                         },
        {"S * OK [PERMANENTFLAGS ()] x\n",                          "",                             "\\Seen $Forwarded"                           },
        {"S * FLAGS (\\Seen)\n",                                    "\\Flagged \\Draft $Forwarded", "\\Odd \\Recent \\*"                          },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char script[4096];
        struct client client;
        struct peer peer;
        struct ending ending;
        snprintf(script, sizeof script, "%sC A6 SELECT b\n%sS A6 OK [READ-WRITE] done\n",
                 OPENING(""), cases[i].said);
        client_begin(&client, &peer, script);
        const struct imap_selected *selected = imap_connection_selected(client.connection);
        assert_false(imap_selected_permits(selected, "\\Seen"));
        select_mailbox(&client, "b", false, &ending);
        assert_int_equal(client_settle(&client), IMAP_OK);
        for (int denied = 0; denied < 2; denied++) {
            const char *text = denied ? cases[i].may_not : cases[i].may;
            struct imap_span list = {text, strlen(text)}, flag;
            for (size_t at = 0; imap_flag_next(list, &at, &flag);) {
                char word[32];
                snprintf(word, sizeof word, "%.*s", (int)flag.len, flag.data);
                if (imap_selected_permits(selected, word) != !denied)
                    fail_msg("case %zu: %s", i, word);
            }
        }
        assert_false(imap_selected_permits(selected, ""));
        client_end(&client, &peer);
    }
}

static void nothing_may_be_stored_after_examine(void **state)
{
    struct client client;
    struct peer peer;
    struct ending ending;
    client_begin(&client, &peer,
                 OPENING("") "C A6 EXAMINE b\nS * OK [PERMANENTFLAGS (\\Seen \\*)] x\n"
                             "S A6 OK [READ-ONLY] done\n");
    select_mailbox(&client, "b", true, &ending);
    assert_int_equal(client_settle(&client), IMAP_OK);
    assert_false(imap_selected_permits(imap_connection_selected(client.connection), "\\Seen"));
    client_end(&client, &peer);
}

/* ---- refusals ---- */

/* A reply to a command, and what the caller learns. */
static void each_refusal_has_its_reason(void **state)
{
    static const struct {
        const char *command, *reply;
        enum imap_error error;
        enum imap_refusal refusal;
    } cases[] = {
        {"APPEND b",   "NO Maximum size of appendable message has been exceeded",          IMAP_ERR_NO,
         IMAP_REFUSAL_TOO_BIG                                                                                                            },
        {"APPEND b",   "NO [TOOBIG] no",                                                   IMAP_ERR_NO,          IMAP_REFUSAL_TOO_BIG    },
        {"APPEND b",   "NO [APPENDLIMIT 35000000] no",                                     IMAP_ERR_NO,          IMAP_REFUSAL_TOO_BIG    },
        {"APPEND b",   "BAD Command Error. 10",                                            IMAP_ERR_BAD,         IMAP_REFUSAL_LINE       },
        {"UID MOVE 1", "BAD Command Error. 10",                                            IMAP_ERR_BAD,         IMAP_REFUSAL_NONE       },
        {"APPEND b",   "BAD Command Error. 12",                                            IMAP_ERR_BAD,         IMAP_REFUSAL_NONE       },
        {"APPEND b",   "NO [OVERQUOTA] no",                                                IMAP_ERR_NO,          IMAP_REFUSAL_QUOTA      },
        {"UID COPY 1", "NO Quota exceeded (mailbox for user is full)",                     IMAP_ERR_NO,
         IMAP_REFUSAL_QUOTA                                                                                                              },
        {"APPEND b",   "NO [TRYCREATE] Folder is not found.",                              IMAP_ERR_NO,          IMAP_REFUSAL_NOT_FOUND  },
        {"UID MOVE 1", "NO X doesn't exist.",                                              IMAP_ERR_NO,          IMAP_REFUSAL_NOT_FOUND  },
        {"DELETE b",   "NO [NONEXISTENT] no",                                              IMAP_ERR_NO,          IMAP_REFUSAL_NOT_FOUND  },
        {"RENAME b c", "NO folder is NOT found",                                           IMAP_ERR_NO,          IMAP_REFUSAL_NOT_FOUND  },
        {"UID COPY 1", "NO [EXPUNGEISSUED] no",                                            IMAP_ERR_NO,          IMAP_REFUSAL_GONE       },
        {"CREATE b",   "NO Mailbox already exists.",                                       IMAP_ERR_NO,          IMAP_REFUSAL_EXISTS     },
        {"CREATE b",   "NO [ALREADYEXISTS] no",                                            IMAP_ERR_NO,          IMAP_REFUSAL_EXISTS     },
        {"CREATE b",   "NO Folder name is reserved",                                       IMAP_ERR_NO,          IMAP_REFUSAL_NOT_ALLOWED},
        {"CREATE b",   "NO [CANNOT] no",                                                   IMAP_ERR_NO,          IMAP_REFUSAL_NOT_ALLOWED},
        {"DELETE b",   "NO [NOPERM] no",                                                   IMAP_ERR_NO,          IMAP_REFUSAL_NOT_ALLOWED},
        {"DELETE b",   "NO [INUSE] no",                                                    IMAP_ERR_NO,          IMAP_REFUSAL_IN_USE     },
        {"EXPUNGE",    "NO EXPUNGE failed",                                                IMAP_ERR_NO,          IMAP_REFUSAL_NONE       },
        {"UID MOVE 1", "NO [X-NEW] Mailbox already exists",                                IMAP_ERR_NO,          IMAP_REFUSAL_EXISTS     },
        {"UID MOVE 1", "NO [NOPERM] Mailbox already exists",                               IMAP_ERR_NO,          IMAP_REFUSAL_NOT_ALLOWED},
        {"UID MOVE 1", "OK [TRYCREATE] odd",                                               IMAP_OK,              IMAP_REFUSAL_NONE       },
        {"APPEND b",   "BAD Request is throttled. Suggested Backoff Time: 5 milliseconds",
         IMAP_ERR_THROTTLED,                                                                                     IMAP_REFUSAL_NONE       },
        {"APPEND b",   "NO [OVERQUOTA] Request is throttled.",                             IMAP_ERR_THROTTLED,   IMAP_REFUSAL_NONE       },
        {"APPEND b",   "NO [UNAVAILABLE] later",                                           IMAP_ERR_UNAVAILABLE, IMAP_REFUSAL_NONE       },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char script[4096];
        struct client client;
        struct peer peer;
        struct ending ending;
        snprintf(script, sizeof script, "%sC A6 %s\nS A6 %s\n", OPENING(""), cases[i].command,
                 cases[i].reply);
        client_begin(&client, &peer, script);
        client_submit(&client, cases[i].command, &ending);
        assert_int_equal(client_settle(&client), IMAP_OK);
        if (ending.error != cases[i].error || ending.refusal != cases[i].refusal)
            fail_msg("%s: %d, %d", cases[i].reply, (int)ending.error, (int)ending.refusal);
        if (ending.refusal != IMAP_REFUSAL_NONE) { /* the cause, and the server's words */
            assert_null(strstr(ending.text, "the server refused it"));
            assert_non_null(strchr(ending.text, '('));
        }
        client_end(&client, &peer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_guard),
        cmocka_unit_test(the_guard_waits_for_what_is_in_flight),
        cmocka_unit_test(what_may_be_stored),
        cmocka_unit_test(nothing_may_be_stored_after_examine),
        cmocka_unit_test(each_refusal_has_its_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
