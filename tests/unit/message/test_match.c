/*
 * What a query finds in a message: texts as they are compared, then whole messages, with needles
 * across the places where the text is cut to be looked at.
 */
#include "tests/unit/test.h"

#include <stdlib.h>
#include <string.h>

#include "message/examine.h"
#include "message/folded.h"
#include "message/match.h"
#include "message/summary.h"
#include "tests/unit/message/gathered.h"

static int setup(void **state)
{
    message_init();
    return 0;
}

static void test_fold(void **state)
{
    static const char *const cases[][2] = {
        {"",                   ""                  },
        {"Hello \t\r\n World", "hello world"       },
        {"STRASSE",            "strasse"           },
        {"Stra\u00DFe",        "strasse"           },
        {"\u0391\u03A3\u03A3", "\u03B1\u03C3\u03C3"},
        {"\u041F\u0440\u0418", "\u043F\u0440\u0438"},
        {"bad\xff!",           "bad\uFFFD!"        },
        {"\u65E5 \n \u672C",   "\u65E5 \u672C"     },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *folded = message_fold(cases[i][0], strlen(cases[i][0]));
        assert_string_equal(folded, cases[i][1]);
        free(folded);
    }
}

static void test_header(void **state)
{
    static const char header[] = "Received: one\r\nX-A: =?utf-8?q?caf=C3=A9?=\r\n two\r\n"
                                 "received: TWO\r\n\r\nX-B: body\r\n";
    static const struct {
        const char *name, *needle;
        bool has;
    } cases[] = {
        {"Received", "one",           true },
        {"Received", "two",           true },
        {"X-A",      "caf\u00E9 two", true },
        {"x-a",      "",              true },
        {"X-A",      "three",         false},
        {"X-B",      "",              false},
        {"X",        "",              false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(
            message_header_has(header, sizeof header - 1, cases[i].name, cases[i].needle),
            cases[i].has);
}

static bool meets(const char *message, size_t len, const char *text)
{
    struct message_query query;
    struct message_source source;
    char why[MESSAGE_QUERY_WHY];
    bool met = false;
    assert_true(message_query_parse(text, strlen(text), &query, why));
    message_source_bytes(&source, message, len);
    assert_int_equal(message_examine(&query, &source, &met), MESSAGE_OK);
    message_query_free(&query);
    return met;
}

static const char mail[] =
    "From: Jane Doe <jane@example.org>\r\nTo: joe@example.org\r\nCc: =?utf-8?q?Ren=C3=A9?= "
    "<r@x>\r\n"
    "Subject: Quarterly report\r\nX-Note: hidden\r\nMIME-Version: 1.0\r\n"
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    "--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    "R3LDvMOfZSBhdXMKS8O2bG4=\r\n" /* Gruesse aus, Koeln, with their own letters */
    "--b\r\nContent-Type: text/html\r\n\r\n<p>Of <b>HT</b>ML <script>never</script></p>\r\n"
    "--b\r\nContent-Type: application/pdf\r\n"
    "Content-Disposition: attachment; filename=plan.pdf\r\n\r\nJVBERi0=\r\n--b--\r\n";

static void test_messages(void **state)
{
    static const struct {
        const char *query;
        bool met;
    } cases[] = {
        {"GR\u00DCSSE",                   true },
        {"\"aus k\u00F6ln\"",             true },
        {"text:jane body:k\u00F6ln",      true },
        {"body:jane",                     false},
        {"body:quarterly",                false},
        {"-body:quarterly",               true },
        {"text:hidden",                   false},
        {"header:x-note:HIDDEN",          true },
        {"header:x-note: -header:x-no:",  true },
        {"-header:x-note:",               false},
        {"cc:ren\u00E9",                  true },
        {"-cc:jane cc:r@x",               true },
        {"html",                          true },
        {"never",                         false},
        {"plan.pdf attachment",           true },
        {"-attachment",                   false},
        {"k\u00F6ln -jane",               false},
        {"unread from:nobody in:nowhere", true }, /* not asked of the message */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (meets(mail, sizeof mail - 1, cases[i].query) != cases[i].met)
            fail_msg("%s", cases[i].query);
    }
    assert_false(meets("", 0, "a"));
    assert_false(meets("", 0, "header:x:"));
    assert_false(meets("", 0, "cc:a"));
    assert_true(meets("", 0, "-header:x: -cc:a"));
    assert_true(meets("", 0, "-a"));
    assert_true(meets("\r\nword", 6, "body:WORD"));
}

/* What an index is made of is the view, folded as needles are: whole, or not at all. */
static void check_folded(const char *message, size_t len)
{
    char *view = gathered_view(message, len);
    char *whole = message_fold(view, strlen(view));
    struct message_source source;
    struct buffer folded;
    message_source_bytes(&source, message, len);
    for (size_t room = strlen(whole); room + 2 > strlen(whole); room--) {
        bool fits = room >= strlen(whole);
        buffer_init(&folded, room);
        assert_int_equal(message_folded_view(&source, &folded),
                         fits ? MESSAGE_OK : MESSAGE_STOPPED);
        if (fits)
            assert_string_equal(folded.data, whole);
        buffer_free(&folded);
    }
    free(whole);
    g_free(view);
}

/* Long ones are cut between characters, and within runs of white space. */
static void test_folded(void **state)
{
    check_folded(mail, sizeof mail - 1);
    for (int shift = 0; shift < 4; shift++) {
        GString *message =
            g_string_new("Subject: s\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n");
        g_string_append_len(message, "xxxx", shift);
        for (int i = 0; i < 20000; i++)
            g_string_append(message, i % 2 == 0 ? "\u00C4\u20AC" : " \t ");
        check_folded(message->str, message->len);
        g_string_free(message, TRUE);
    }
}

/* A needle at every place around the first two cuts. */
static void test_cuts(void **state)
{
    enum { LEN = 80 * 1024 };
    static const char head[] = "From: a@b\n\n";
    char *text = malloc(LEN);
    for (size_t cut = 32 * 1024; cut <= 64 * 1024; cut += 32 * 1024) {
        for (size_t at = cut - 40; at < cut + 8; at++) {
            memset(text, 'x', LEN);
            memcpy(text, head, sizeof head - 1);
            for (size_t i = 99; i < LEN; i += 100)
                text[i] = '\n';
            memcpy(text + at, "needle\u00E9in", strlen("needle\u00E9in"));
            text[at - 1] = text[at + strlen("needle\u00E9in")] = ' ';
            assert_true(meets(text, LEN, "body:needle\u00C9in"));
            assert_true(meets(text, LEN, "needle\u00C9in -needlex"));
        }
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fold),     cmocka_unit_test(test_header),
        cmocka_unit_test(test_messages), cmocka_unit_test(test_folded),
        cmocka_unit_test(test_cuts),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
