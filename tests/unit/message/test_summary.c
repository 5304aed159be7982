/* Header blocks as they come, and as they should not come; and Outlook.com's placeholder. */
#include "tests/unit/test.h"

#include <iconv.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "message/summary.h"

#define BYTES(text) text, sizeof text - 1

static void test_fields(void **state)
{
    static const char header[] =
        "Received: from x\r\n\tby y\r\n"
        "date: Mon, 23 Nov 2026\r\n 09:14:02 +0000 (UTC)\r\n"
        "FROM: Jane Doe <jane@example.org>\r\n"
        "To: =?utf-8?q?J=C3=B6rg?= <j@example.org>,\r\n\t\"B, C\" <b@example.org>\r\n"
        "Subject : Quarterly\r\n report\r\n"
        "Message-Id: <=?utf-8?q?a?=@example.org>\r\n"
        "\r\n"
        "To: body\r\n";
    struct message_summary s;
    assert_true(message_summary_parse(BYTES(header), &s));
    assert_string_equal(s.date, "Mon, 23 Nov 2026 09:14:02 +0000 (UTC)");
    assert_string_equal(s.from_name, "Jane Doe");
    assert_string_equal(s.from, "Jane Doe <jane@example.org>");
    assert_string_equal(s.to, "Jörg <j@example.org>, \"B, C\" <b@example.org>");
    assert_string_equal(s.subject, "Quarterly report");
    assert_string_equal(s.message_id, "<=?utf-8?q?a?=@example.org>");
    message_summary_free(&s);
    assert_null(s.subject);
    message_summary_free(&s);
}

static void test_absent(void **state)
{
    static const struct {
        const char *header;
        size_t len;
    } cases[] = {
        {BYTES("")}, {BYTES("\r\n")}, {BYTES("no colon here")}, {BYTES(" folded\r\n:\r\n")}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct message_summary s;
        assert_true(message_summary_parse(cases[i].header, cases[i].len, &s));
        assert_string_equal(s.from_name, "");
        assert_string_equal(s.from, "");
        assert_string_equal(s.to, "");
        assert_string_equal(s.subject, "");
        assert_string_equal(s.date, "");
        assert_string_equal(s.message_id, "");
        message_summary_free(&s);
    }
}

static void test_subjects(void **state)
{
    static const struct {
        const char *header;
        size_t len;
        const char *subject;
    } cases[] = {
        {BYTES("Subject: plain"),                                                 "plain"                     },
        {BYTES("Subject:plain\n"),                                                "plain"                     },
        {BYTES("Subject:\r\n \r\n later\r\n"),                                    "later"                     },
        {BYTES("Subject: first\r\nSubject: second\r\n"),                          "first"                     },
        {BYTES("Subject:\r\nSubject: second\r\n"),                                ""                          },
        {BYTES("garbage\r\nSubject: x\r\n"),                                      "x"                         },
        {BYTES("X-Subject: y\r\nSubject-X: y\r\n\r\nSubject: body"),              ""                          },
 /* RFC 2047 */
        {BYTES("Subject: =?utf-8?Q?J=C3?=\r\n =?utf-8?Q?=B6rg?=\r\n"),            "Jörg"                     },
        {BYTES("Subject: =?utf-8?B?5pel5g==?= =?utf-8?B?nKw=?="),                 "日本"                    },
        {BYTES("Subject: =?utf-8?B?w7Y?= =?UTF-8?b?w7w?=x"),                      "öüx"                     }, /* no padding */
        {BYTES("Subject: =?utf-8?B?YQ==YQ==?= b =?utf-8?B?Yw==?="),               "aa b c"                    },
        {BYTES("Subject: =?utf-8?B?"
               "?=x =?utf-8?B?=?="),
         "x"                                                                                                  },
        {BYTES("Subject: =?utf-8?B?w7Y=?= =?koi8-r?B?0A==?= =?utf-8?Q?=C3=B6?="), "öпö"                    },
        {BYTES("Subject: =?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?= c"),               "ab c"                      },
        {BYTES("Subject: =?iso-2022-jp?B?GyRCRnxLXBsoQg==?="),                    "日本"                    },
        {BYTES("Subject: =?gb2312?B?xOO6ww==?= =?big5?B?pKQ=?="),                 "你好中"                 },
        {BYTES("Subject: =?windows-1251?Q?=CF=F0=E8?= =?koi8-r?Q?=D0?="),         "Прип"                  },
        {BYTES("Subject: =?euc-kr?B?vsiz5w==?= =?shift_jis?B?k/qWew==?="),        "안녕日本"              },
        {BYTES("Subject: =?utf-8*de?Q?lang?="),                                   "lang"                      },
        {BYTES("Subject: =?utf-8?Q?spaces inside?="),                             "spaces inside"             },
        {BYTES("Subject: Re:=?utf-8?q?glued?=x"),                                 "Re:gluedx"                 },
 /* broken or unknown */
        {BYTES("Subject: =?utf-8?Q?never ends"),                                  "=?utf-8?Q?never ends"      },
        {BYTES("Subject: =?utf-8?X?what?= =?utf-8?="),                            "=?utf-8?X?what?= =?utf-8?="},
        {BYTES("Subject: =?x-unknown?Q?abc?="),                                   "abc"                       },
        {BYTES("Subject: =?utf-8?Q?=F6x?="),                                      "?x"                        },
 /* bytes of no declared charset */
        {BYTES("Subject: J\xC3\xB6rg"),                                           "Jörg"                     },
        {BYTES("Subject: J\xF6rg \x97 x"),                                        "Jörg — x"               },
        {BYTES("Subject: \xF0\xD2\xC9"),                                          "ðÒÉ"                    },
 /* NFC; controls are spaces, bidi stays (names have their own rule) */
        {BYTES("Subject: u\u0308ber"),                                            "\u00FCber"                 },
        {BYTES("Subject: a\0b\rc\033d\te\177f"),                                  "a b c d e f"               },
        {BYTES("Subject: =?utf-8?Q?=0Aa=0D=0Ab=1B=C2=85c=E2=80=AE=00?="),         "a  b  c\u202E?"            },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct message_summary s;
        assert_true(message_summary_parse(cases[i].header, cases[i].len, &s));
        assert_string_equal(s.subject, cases[i].subject);
        message_summary_free(&s);
    }
}

/* A subject of 300 characters comes whole, one of a megabyte cut, both at once. */
static void test_long(void **state)
{
    static const struct {
        const char *piece;
        size_t count;
        size_t len;
    } cases[] = {
        {"x",                       300,     300                  },
        {"\u00FC",                  300,     600                  },
        {"x",                       1 << 20, MESSAGE_FIELD_MAX    },
        {"\u65E5",                  1 << 19, MESSAGE_FIELD_MAX - 1},
        {"\n =?utf-8?q?abcdefgh?=", 1 << 16, MESSAGE_FIELD_MAX    },
        {"\u0301\u0316",            1 << 18, MESSAGE_FIELD_MAX    },
        {"\r\n ,a",                 1 << 18, MESSAGE_FIELD_MAX    },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t piece = strlen(cases[i].piece);
        size_t len = 9 + piece * cases[i].count;
        char *header = malloc(len);
        struct message_summary s;
        assert_non_null(header);
        memcpy(header, "Subject: ", 9);
        for (size_t k = 0; k < cases[i].count; k++)
            memcpy(header + 9 + k * piece, cases[i].piece, piece);
        clock_t begin = clock();
        assert_true(message_summary_parse(header, len, &s));
        assert_true(clock() - begin < CLOCKS_PER_SEC);
        assert_int_equal(strlen(s.subject), cases[i].len);
        message_summary_free(&s);
        memcpy(header, "   From: ", 9);
        begin = clock();
        assert_true(message_summary_parse(header + 3, len - 3, &s));
        assert_true(clock() - begin < CLOCKS_PER_SEC);
        message_summary_free(&s);
        free(header);
    }
}

/* Several connections' answers are read at once: converters of charsets must not be shared. Their
 * modules (GMime reads GB2312 as GBK) are held loaded here, since the thread sanitizer cannot see
 * the loader's own lock. */
static void *parse_often(void *arg)
{
    static const char header[] =
        "Subject: =?koi8-r?B?8NLJ18XU?= =?iso-2022-jp?B?GyRCRnxLXBsoQg==?=\n"
        "From: =?gb2312?B?xOO6ww==?= <j@x.org>\n";
    bool *right = arg;
    *right = true;
    for (int i = 0; i < 1000 && *right; i++) {
        struct message_summary s;
        *right = message_summary_parse(BYTES(header), &s) && strcmp(s.subject, "Привет日本") == 0 &&
                 strcmp(s.from_name, "你好") == 0;
        message_summary_free(&s);
    }
    return NULL;
}

static void test_threads(void **state)
{
    static const char *const charsets[] = {"koi8-r", "iso-2022-jp", "gbk"};
    iconv_t open[3];
    pthread_t threads[4];
    bool right[4];
    for (size_t i = 0; i < 3; i++) {
        open[i] = iconv_open("utf-8", charsets[i]);
        assert_true((intptr_t)open[i] != -1);
    }
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, parse_often, &right[i]), 0);
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_true(right[i]);
    }
    for (size_t i = 0; i < 3; i++)
        iconv_close(open[i]);
}

#define NOTICE "Retrieval using the IMAP4 protocol failed for the following message: "

static void test_placeholder(void **state)
{
    static const struct {
        const char *head;
        const char *listed;
        bool placeholder;
    } cases[] = {
        {"Subject: " NOTICE "42\r\n\r\nThe server",                                                 "Quarterly report", true },
        {"From: x\r\nSubject: " NOTICE "42\r\n",                                                    "",                 true },
        {"Subject: Retrieval using the IMAP4 protocol failed\r\n for the following message: 1\r\n",
         "",                                                                                                            true },
        {"Subject: =?us-ascii?Q?Retrieval_using_the_IMAP4_protocol_failed?=\r\n"
         " =?us-ascii?Q?_for_the_following_message=3A_7?=\r\n",                            "x",                true },
        {"Subject: " NOTICE "42\r\n",                                                               NOTICE "42",        false}, /* it really bears it */
        {"Subject: " NOTICE "42\r\n",                                                               NOTICE "41",        true },
        {"Subject: " NOTICE "\r\n",                                                                 "",                 false},
        {"Subject: " NOTICE "42 x\r\n",                                                             "",                 false},
        {"Subject: " NOTICE "-1\r\n",                                                               "",                 false},
        {"Subject: Re: " NOTICE "42\r\n",                                                           "",                 false},
        {"Subject: x\r\n\r\nSubject: " NOTICE "42\r\n",                                             "",                 false},
        {"Subject: x\r\nSubject: " NOTICE "42\r\n",                                                 "",                 false},
        {"",                                                                                        "",                 false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(
            message_is_placeholder(cases[i].head, strlen(cases[i].head), cases[i].listed),
            cases[i].placeholder);
}

int main(void)
{
    message_init();
    message_init(); /* twice is once */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),   cmocka_unit_test(test_absent),
        cmocka_unit_test(test_subjects), cmocka_unit_test(test_long),
        cmocka_unit_test(test_threads),  cmocka_unit_test(test_placeholder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
