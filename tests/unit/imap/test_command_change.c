/* The commands that change mail, byte by byte, and that nothing from outside can break their line.
 */
#include "tests/unit/test.h"

#include <string.h>

#include "tests/unit/imap/message.h"

#define EXPECT(call, expected)                                                                     \
    do {                                                                                           \
        call;                                                                                      \
        assert_false(c.broken);                                                                    \
        assert_string_equal(c.text.data, expected);                                                \
        imap_command_free(&c);                                                                     \
    } while (0)

#define REFUSE(call)                                                                               \
    do {                                                                                           \
        call;                                                                                      \
        assert_true(c.broken);                                                                     \
        imap_command_free(&c);                                                                     \
    } while (0)

static void builds_each_command(void **state)
{
    struct imap_command c;
    EXPECT(imap_command_uid_copy(&c, "4,7:9", "Archive"), "UID COPY 4,7:9 Archive");
    EXPECT(imap_command_uid_move(&c, "1", "Deleted Items"), "UID MOVE 1 \"Deleted Items\"");
    EXPECT(imap_command_uid_move(&c, "1", "a\"b"), "UID MOVE 1 {3}\r\na\"b");
    EXPECT(imap_command_uid_store(&c, "1:3", IMAP_STORE_ADD, false, "\\Seen"),
           "UID STORE 1:3 +FLAGS (\\Seen)");
    EXPECT(imap_command_uid_store(&c, "1", IMAP_STORE_ADD, true, "\\Deleted"),
           "UID STORE 1 +FLAGS.SILENT (\\Deleted)");
    EXPECT(imap_command_uid_store(&c, "1", IMAP_STORE_REMOVE, false, " $Forwarded  Junk "),
           "UID STORE 1 -FLAGS ($Forwarded Junk)");
    EXPECT(imap_command_uid_store(&c, "1", IMAP_STORE_REMOVE, true, "\\Flagged"),
           "UID STORE 1 -FLAGS.SILENT (\\Flagged)");
    EXPECT(imap_command_uid_store(&c, "1", IMAP_STORE_SET, false, "\\Seen \\recent a"),
           "UID STORE 1 FLAGS (\\Seen a)");
    EXPECT(imap_command_uid_store(&c, "1", IMAP_STORE_SET, true, NULL),
           "UID STORE 1 FLAGS.SILENT ()");
    EXPECT(imap_command_uid_expunge(&c, "5:6"), "UID EXPUNGE 5:6");
    EXPECT(imap_command_create(&c, "Archive/2024"), "CREATE Archive/2024");
    EXPECT(imap_command_delete(&c, ""), "DELETE \"\"");
    EXPECT(imap_command_rename(&c, "a b", "c\xc3\xbc"), "RENAME \"a b\" {3}\r\nc\xc3\xbc");
    EXPECT(imap_command_subscribe(&c, "a", true), "SUBSCRIBE a");
    EXPECT(imap_command_subscribe(&c, "a", false), "UNSUBSCRIBE a");
    EXPECT(imap_command_quotaroot(&c, "INBOX"), "GETQUOTAROOT INBOX");
}

static void builds_append(void **state)
{
    struct imap_command c;
    struct message message = message_of("From: a\r\n\r\nb\r\n");
    struct imap_literal_source source = message_source(&message);
    int64_t date = 837596665, unwritable = INT64_MAX;
    EXPECT(imap_command_append(&c, "Archive", NULL, NULL, &source), "APPEND Archive {14}\r\n");
    EXPECT(imap_command_append(&c, "Archive", " ", NULL, &source), "APPEND Archive {14}\r\n");
    EXPECT(imap_command_append(&c, "a b", "\\Seen $x", &date, &source),
           "APPEND \"a b\" (\\Seen $x) \"17-Jul-1996 09:44:25 +0000\" {14}\r\n");
    EXPECT(imap_command_append(&c, "a", NULL, &unwritable, &source), "APPEND a {14}\r\n");
    source.size = UINT32_MAX;
    EXPECT(imap_command_append(&c, "a\"", NULL, NULL, &source),
           "APPEND {2}\r\na\" {4294967295}\r\n");
    imap_command_append(&c, "a\"", NULL, NULL, &source);
    assert_int_equal(c.literal_count, 2);
    assert_int_equal(c.literals[1].at, c.text.len);
    imap_command_raw(&c, "more"); /* the message is the last argument */
    assert_true(c.broken);
    imap_command_free(&c);
    assert_null(c.source.read);
    source.size = (uint64_t)UINT32_MAX + 1;
    REFUSE(imap_command_append(&c, "a", NULL, NULL, &source));
    source.size = 0;
    REFUSE(imap_command_append(&c, "a", NULL, NULL, &source));
    source = (struct imap_literal_source){.size = 1};
    REFUSE(imap_command_append(&c, "a", NULL, NULL, &source));
    assert_int_equal(message.opens, 0);
}

static void refuses_what_is_no_set(void **state)
{
    static const char *const sets[] = {
        "", "*", "1:*", "0", "1,", ",1", "1 2", "1\r\nA NOOP", "1)", "4294967296", "a", NULL,
    };
    struct imap_command c;
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        REFUSE(imap_command_uid_copy(&c, sets[i], "a"));
        REFUSE(imap_command_uid_move(&c, sets[i], "a"));
        REFUSE(imap_command_uid_store(&c, sets[i], IMAP_STORE_ADD, false, "\\Seen"));
        REFUSE(imap_command_uid_expunge(&c, sets[i]));
    }
    REFUSE(imap_command_uid_copy(&c, "1", NULL));
    REFUSE(imap_command_create(&c, NULL));
    REFUSE(imap_command_rename(&c, "a", NULL));
}

static void refuses_what_is_no_flag(void **state)
{
    static const struct {
        const char *flag;
        bool valid;
    } cases[] = {
        {"\\Seen",     true },
        {"\\seen",     true },
        {"$Forwarded", true },
        {"NonJunk",    true },
        {"a[b",        true },
        {"a/b+c-d.e",  true },
        {"\\X-Odd",    true },
        {"\\*",        false},
        {"*",          false},
        {"\\",         false},
        {"",           false},
        {"\\Recent",   false},
        {"\\RECENT",   false},
        {"a b",        false},
        {"a(b",        false},
        {"a)b",        false},
        {"a{b",        false},
        {"a%b",        false},
        {"a\"b",       false},
        {"a\\b",       false},
        {"\\\\Seen",   false},
        {"a]b",        false},
        {"a\rb",       false},
        {"a\nA NOOP",  false},
        {"a\tb",       false},
        {"a\x7f",      false},
        {"\xc3\xbc",   false},
    };
    struct imap_command c;
    struct message message = message_of("a");
    struct imap_literal_source source = message_source(&message);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct imap_span flag = {cases[i].flag, strlen(cases[i].flag)};
        if (imap_flag_valid(flag) != cases[i].valid)
            fail_msg("%s", cases[i].flag);
        /* a blank only parts two flags, and "\Recent" or nothing is left out */
        if (cases[i].valid || flag.len == 0 || strchr(cases[i].flag, ' ') != NULL ||
            strcasecmp(cases[i].flag, "\\Recent") == 0)
            continue;
        REFUSE(imap_command_uid_store(&c, "1", IMAP_STORE_SET, false, cases[i].flag));
        REFUSE(imap_command_append(&c, "a", cases[i].flag, NULL, &source));
    }
    REFUSE(imap_command_uid_store(&c, "1", IMAP_STORE_ADD, false, "\\Recent"));
    REFUSE(imap_command_uid_store(&c, "1", IMAP_STORE_REMOVE, false, ""));
}

/* The command list that the project was given: each has a builder, or is sent by connect.c. */
static void each_command_of_the_service_can_be_sent(void **state)
{
    struct imap_command c;
    static const char *const verbs[] = {"CHECK", "NOOP",       "EXPUNGE",
                                        "CLOSE", "CAPABILITY", "LOGOUT"};
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        EXPECT(imap_command_init(&c, verbs[i]), verbs[i]);
    EXPECT(imap_command_select(&c, "a", false), "SELECT a");
    EXPECT(imap_command_select(&c, "a", true), "EXAMINE a");
    EXPECT(imap_command_list(&c, false, "", "*"), "LIST \"\" \"*\"");
    EXPECT(imap_command_list(&c, true, "", "*"), "LSUB \"\" \"*\"");
    EXPECT(imap_command_uid_search(&c, "DELETED"), "UID SEARCH DELETED");
    EXPECT(imap_command_uid_fetch(&c, "1", "(FLAGS)"), "UID FETCH 1 (FLAGS)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(builds_each_command),
        cmocka_unit_test(builds_append),
        cmocka_unit_test(refuses_what_is_no_set),
        cmocka_unit_test(refuses_what_is_no_flag),
        cmocka_unit_test(each_command_of_the_service_can_be_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
