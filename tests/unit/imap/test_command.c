#include "tests/unit/test.h"

#include <string.h>

#include "imap/command.h"
#include "imap/error.h"

/* An argument takes the least form that can carry it, and never breaks the line. */
static void quotes_arguments(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *text; /* NULL: the command is broken */
    } cases[] = {
        {"INBOX",        5,  "X INBOX"             },
        {"",             0,  "X \"\""              },
        {"NIL",          3,  "X \"NIL\""           },
        {"nil",          3,  "X \"nil\""           },
        {"nils",         4,  "X nils"              },
        {"Sent Items",   10, "X \"Sent Items\""    },
        {"a(b)",         4,  "X \"a(b)\""          },
        {"a{1}",         4,  "X \"a{1}\""          },
        {"100%*",        5,  "X \"100%*\""         },
        {"[Gmail]",      7,  "X \"[Gmail]\""       },
        {"Entw&APw-rfe", 12, "X Entw&APw-rfe"      },
        {"a\"b",         3,  "X {3}\r\na\"b"       },
        {"a\\b",         3,  "X {3}\r\na\\b"       },
        {"a\r\nB NOOP",  9,  "X {9}\r\na\r\nB NOOP"},
        {"\xc3\xbc",     2,  "X {2}\r\n\xc3\xbc"   },
        {"a\tb",         3,  "X {3}\r\na\tb"       },
        {"a\0b",         3,  NULL                  },
        {NULL,           0,  NULL                  },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct imap_command c;
        imap_command_init(&c, "X");
        imap_command_astring(&c, cases[i].bytes, cases[i].len);
        assert_int_equal(c.broken, cases[i].text == NULL);
        if (cases[i].text != NULL)
            assert_string_equal(c.text.data, cases[i].text);
        bool literal = cases[i].text != NULL && strchr(cases[i].text, '\n') != NULL;
        assert_int_equal(c.literal_count, literal ? 1 : 0);
        if (literal) {
            assert_int_equal(c.literals[0].len, cases[i].len);
            assert_memory_equal(c.text.data + c.literals[0].at, cases[i].bytes, cases[i].len);
            assert_memory_equal(c.text.data + c.literals[0].at - 2, "\r\n", 2);
        }
        imap_command_free(&c);
    }
}

static void builds_commands(void **state)
{
    struct imap_command c;
#define EXPECT(call, expected)                                                                     \
    do {                                                                                           \
        call;                                                                                      \
        assert_false(c.broken);                                                                    \
        assert_string_equal(c.text.data, expected);                                                \
        imap_command_free(&c);                                                                     \
    } while (0)
    EXPECT(imap_command_init(&c, "NOOP"), "NOOP");
    EXPECT(imap_command_select(&c, "INBOX", false), "SELECT INBOX");
    EXPECT(imap_command_select(&c, "a b", true), "EXAMINE \"a b\"");
    EXPECT(imap_command_status(&c, "x", "MESSAGES UIDNEXT"), "STATUS x (MESSAGES UIDNEXT)");
    EXPECT(imap_command_status(&c, "x", "(UNSEEN)"), "STATUS x (UNSEEN)");
    EXPECT(imap_command_list(&c, false, "", "*"), "LIST \"\" \"*\"");
    EXPECT(imap_command_list(&c, true, "a\"", "%"), "LSUB {2}\r\na\" \"%\"");
    EXPECT(imap_command_uid_fetch(&c, "1:4,7", "(UID FLAGS)"), "UID FETCH 1:4,7 (UID FLAGS)");
    EXPECT(imap_command_uid_search(&c, "UNSEEN SINCE 1-Jan-2024"),
           "UID SEARCH UNSEEN SINCE 1-Jan-2024");
    EXPECT(imap_command_id(&c, "outlookfs", "0.1"),
           "ID (\"name\" \"outlookfs\" \"version\" \"0.1\")");
#undef EXPECT
}

/* What cannot be sent is marked once and stays so. */
static void marks_broken(void **state)
{
    struct imap_command c;
    imap_command_init(&c, "X");
    imap_command_raw(&c, "a\r\nB NOOP");
    assert_true(c.broken);
    imap_command_raw(&c, "fine");
    assert_true(c.broken);
    assert_string_equal(c.text.data, "X");
    imap_command_free(&c);

    imap_command_init(&c, "X\nY");
    assert_true(c.broken);
    imap_command_free(&c);

    imap_command_select(&c, NULL, true);
    assert_true(c.broken);
    imap_command_free(&c);

    imap_command_init(&c, "X");
    for (int i = 0; i < IMAP_LITERALS_MAX; i++)
        imap_command_astring(&c, "\"", 1);
    assert_false(c.broken);
    assert_int_equal(c.literal_count, IMAP_LITERALS_MAX);
    imap_command_astring(&c, "\"", 1);
    assert_true(c.broken);
    imap_command_free(&c);
}

/* A long name must not take up the line. */
static void long_names_are_literals(void **state)
{
    static char name[3000];
    struct imap_command c;
    memset(name, 'a', sizeof name - 1);
    imap_command_select(&c, name, true);
    assert_false(c.broken);
    assert_int_equal(c.literal_count, 1);
    assert_memory_equal(c.text.data, "EXAMINE {2999}\r\naaa", 19);
    imap_command_free(&c);
}

static void frees_secrets(void **state)
{
    struct imap_command c;
    imap_command_init(&c, "X");
    c.sensitive = true;
    imap_command_raw(&c, "secret");
    imap_command_free(&c);
    assert_null(c.text.data);
    assert_false(c.sensitive);
}

static void errors_have_words(void **state)
{
    for (int error = IMAP_OK; error <= IMAP_ERR_MEMORY; error++) {
        assert_true(strlen(imap_error_text((enum imap_error)error)) > 3);
        assert_true(imap_error_retry((enum imap_error)error) <= IMAP_RETRY_NEVER);
    }
    assert_int_equal(imap_error_retry(IMAP_ERR_CLOSED), IMAP_RETRY_NOW);
    assert_int_equal(imap_error_retry(IMAP_ERR_THROTTLED), IMAP_RETRY_LATER);
    assert_int_equal(imap_error_retry(IMAP_ERR_CERT), IMAP_RETRY_NEVER);
    assert_string_equal(imap_error_text((enum imap_error)1000), "unknown error");
    assert_int_equal(imap_error_retry((enum imap_error)1000), IMAP_RETRY_NEVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quotes_arguments), cmocka_unit_test(builds_commands),
        cmocka_unit_test(marks_broken),     cmocka_unit_test(long_names_are_literals),
        cmocka_unit_test(frees_secrets),    cmocka_unit_test(errors_have_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
