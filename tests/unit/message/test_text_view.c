/* The text view: fields, which part is shown, charsets, what is broken, and what is hostile. */
#include "tests/unit/test.h"

#include <iconv.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

#include "message/html.h"
#include "message/summary.h"
#include "tests/unit/message/gathered.h"

#define HEAD    "From: a@x.org\r\nSubject: s\r\n"
#define SHOWN   "From: a@x.org\nSubject: s\n\n"
#define TYPE(t) "Content-Type: " t "\r\n"
#define UTF8    TYPE("text/plain; charset=utf-8")
#define BASE64  "Content-Transfer-Encoding: base64\r\n"
#define QP      "Content-Transfer-Encoding: quoted-printable\r\n"
#define MIXED   TYPE("multipart/mixed; boundary=b")
#define ALT     TYPE("multipart/alternative; boundary=a")

static const struct {
    const char *message, *text;
} cases[] = {
  /* fields */
    {"From: =?utf-8?q?J=C3=B6rg?= <j@x.org>\r\nTo: b@x.org,\r\n c@x.org\r\nCc: d@x.org\r\n"
     "Date: Mon, 4 Mar 2024 10:00:00 +0100\r\nSubject: =?koi8-r?B?8NLJ18XU?=\r\nX-Other: "
     "no\r\n\r\nhi\r\n",                                                                       "From: Jörg <j@x.org>\nTo: b@x.org, c@x.org\nCc: d@x.org\n"
     "Date: Mon, 4 Mar 2024 10:00:00 +0100\nSubject: Привет\n\nhi\n"                                                                      },
    {"Subject: \x1b[2Jraw\x07\r\n\r\n",                                                             "Subject: [2Jraw\n\n"                                                    },
    {"Subject: =?utf-8?q?=1B[31m=0Ared?=\r\n\r\n",                                                  "Subject: [31m red\n\n"                                                  },
    {"",                                                                                            "\n"                                                                     },
    {"\r\n",                                                                                        "\n"                                                                     },
    {"no header at all\r\n",                                                                        "\nno header at all\n"                                                   },
    {HEAD "\r\nno line end",                                                                        SHOWN "no line end\n"                                                    },
    {"From x Thu Feb 29 12:00:00 2024\r\n" HEAD "\r\nmbox\r\n",                                     SHOWN "mbox\n"                                                           },
    {HEAD,                                                                                          SHOWN                                                                    },
 /* encodings and charsets */
    {HEAD "\r\none\r\ntwo\rthree\nfour\fend\r\n",                                                   SHOWN "one\ntwo\nthree\nfour\nend\n"                                     },
    {HEAD "\r\n\x1b[31mred\x1b]0;t\x07\x7f\tx\r\n",
     SHOWN "\uFFFD[31mred\uFFFD]0;t\uFFFD\uFFFD\tx\n"                                                                                                                        },
    {HEAD UTF8 "\r\nC1 \xc2\x9b ok \xc3\xa9\r\n",                                                   SHOWN "C1 \uFFFD ok é\n"                                                },
    {HEAD UTF8 "\r\n\xef\xbb\xbfmark\r\n",                                                          SHOWN "mark\n"                                                           },
    {HEAD UTF8 "\r\ncut \xe2\x82",                                                                  SHOWN "cut \uFFFD\n"                                                     },
    {HEAD UTF8 "\r\nGr\xf6\xdf"
               "e\r\n",                                                                        SHOWN "Gr\uFFFD\uFFFDe\n"                                                },
    {HEAD "\r\nGr\xf6\xdf"
          "e\r\n",                                                                             SHOWN "Größe\n"                                                        },
    {HEAD "\r\nGr\xc3\xb6\xc3\x9f"
          "e\r\n",                                                                             SHOWN "Größe\n"                                                        },
    {HEAD TYPE("text/plain; charset=x-klingon") "\r\nGr\xf6\xdf"
                                                "e\r\n",                                       SHOWN "Größe\n"                                                        },
    {HEAD TYPE("text/plain; charset=\"utf-8//TRANSLIT\"") "\r\nGr\xc3\xb6\r\n",                     SHOWN "Grö\n"                                                           },
    {HEAD TYPE("text/plain; charset=iso-8859-1") "\r\n\x93so\x94 \x80\r\n",                         SHOWN "“so” €\n"                                                   },
    {HEAD TYPE("text/plain; charset=gb2312") "\r\n\xbb\xe1 \x80\x81\r\n",
     SHOWN "会 \uFFFD\uFFFD\n"                                                                                                                                              },
    {HEAD TYPE("text/plain; charset=shift_jis") "\r\n\x87\x40\r\n",                                 SHOWN "①\n"                                                            },
    {HEAD TYPE("text/plain; charset=iso-2022-jp") "\r\n\x1b$B2q5D\x1b(B\r\n",                       SHOWN "会議\n"                                                         },
    {HEAD TYPE("text/plain; charset=utf-16le") BASE64 "\r\naQAmBgA=\r\n",                           SHOWN "i\u0626\uFFFD\n"                                                  },
    {HEAD UTF8 BASE64 "\r\nR3LDvMOfZQ==\r\n",                                                       SHOWN "Grüße\n"                                                        },
    {HEAD UTF8 BASE64 "\r\nR3L@Dv\r\nMOfZQ\r\n",                                                    SHOWN "Grüße\n"                                                        },
    {HEAD UTF8 QP "\r\nGr=C3=BC=\r\n=C3=9Fe =ZZ=\r\n",                                              SHOWN "Grüße =ZZ\n"                                                    },
    {HEAD TYPE("garbage") "\r\nplain\r\n",                                                          SHOWN "plain\n"                                                          },
    {HEAD TYPE("multipart/mixed") "\r\nno boundary\r\n",                                            SHOWN "no boundary\n"                                                    },
 /* which part */
    {HEAD ALT "\r\n--a\r\n\r\nplain\r\n--a\r\n" TYPE("text/html") "\r\n<p>html</p>\r\n--a--\r\n",
     SHOWN "plain\n"                                                                                                                                                         },
    {HEAD ALT "\r\n--a\r\n\r\n \r\n--a\r\n" TYPE("text/html") "\r\n<p>html</p>\r\n--a--\r\n",
     SHOWN "html\n"                                                                                                                                                          },
    {HEAD ALT "\r\n--a\r\n" TYPE("text/html") "\r\n<p>html</p>\r\n--a\r\n" TYPE(
         "text/calendar") "\r\nBEGIN\r\n--a--\r\n",
     SHOWN "html\n\nAttachments:\n- unnamed (text/calendar, 5 bytes)\n"                                                                                                      },
    {HEAD MIXED
     "\r\npreamble\r\n--b\r\n\r\none\r\n--b\r\n" TYPE("text/html") "\r\n<b>two</b>\r\n--b\r\n" TYPE(
         "application/pdf; name=\"=?utf-8?q?=C3=9C.pdf?=\"") BASE64
     "\r\nAAAA\r\n--b--\r\nepilogue\r\n",                                                      SHOWN "one\n\ntwo\n\nAttachments:\n- Ü.pdf (application/pdf, 3 bytes)\n"},
    {HEAD MIXED
     "\r\n--b\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\nhidden\r\n--b--\r\n",  SHOWN "Attachments:\n- a.txt (text/plain, 6 bytes)\n"                    },
    {HEAD MIXED "\r\n--b\r\nContent-Disposition: inline; filename=a.txt\r\n\r\nshown\r\n--b--\r\n",
     SHOWN "shown\n\nAttachments:\n- a.txt (text/plain, 5 bytes)\n"                                                                                                          },
    {HEAD MIXED "\r\n--b\r\n\r\nouter\r\n--b\r\n" TYPE(
         "message/rfc822") "\r\nFrom: i@x.org\r\nSubject: inner\r\n\r\ninside\r\n--b--\r\n",
     SHOWN "outer\n\n" MESSAGE_TEXT_NESTED "From: i@x.org\nSubject: inner\n\ninside\n\n"
           "Attachments:\n- unnamed (message/rfc822, 39 bytes)\n"                                                                                                            },
 /* broken multiparts */
    {HEAD TYPE("multipart/digest; boundary=b") "\r\n--b\r\n--b--\r\n",
     SHOWN MESSAGE_TEXT_NESTED "\nAttachments:\n- unnamed (message/rfc822, 0 bytes)\n"                                                                                       },
    {HEAD MIXED "\r\nno part\r\n",                                                                  SHOWN "no part\n"                                                        },
    {HEAD MIXED "\r\n--b\r\n\r\ncut short",                                                         SHOWN "cut short\n"                                                      },
    {HEAD MIXED "\r\n--b\r\nno header here\r\n--b",                                                 SHOWN "no header here\n"                                                 },
    {HEAD MIXED "\r\n--b\r\n--b\r\n--b--\r\n--b\r\nafter\r\n",                                      SHOWN                                                                    },
    {HEAD MIXED "\r\n--b\r\n" ALT "\r\n--a\r\n\r\nunended\r\n--b\r\n\r\nnext\r\n--b--",
     SHOWN "unended\n\nnext\n"                                                                                                                                               },
    {HEAD MIXED "\r\n--bb\r\n\r\nother\r\n--b\r\n\r\nright\r\n--b--",                               SHOWN "right\n"                                                          },
};

static void test_cases(void **state)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = gathered_view(cases[i].message, strlen(cases[i].message));
        assert_string_equal(text, cases[i].text);
        g_free(text);
    }
}

static void test_nul(void **state)
{
    static const char message[] = "Subject: a\0b\r\n\r\nc\0d\r\n";
    char *text = gathered_view(message, sizeof message - 1);
    assert_string_equal(text, "Subject: a b\n\nc\uFFFDd\n");
    g_free(text);
}

/* A field and a body longer than any piece that is read at once, whose characters are cut anywhere.
 */
static void test_long(void **state)
{
    GString *message = g_string_new("To: ");
    GString *wanted = g_string_new("To: ");
    for (int i = 0; i < 6000; i++) {
        g_string_append_printf(message, "%sp%d@x.org", i > 0 ? ",\r\n " : "", i);
        g_string_append_printf(wanted, "%sp%d@x.org", i > 0 ? ", " : "", i);
    }
    g_string_append(message, "\r\n" UTF8 "\r\nx");
    g_string_append(wanted, "\n\nx");
    for (int i = 0; i < 100000; i++) {
        g_string_append(message, "語");
        g_string_append(wanted, "語");
    }
    g_string_append_c(wanted, '\n');
    char *text = gathered_view(message->str, message->len);
    assert_string_equal(text, wanted->str);
    g_free(text);
    g_string_free(message, TRUE);
    g_string_free(wanted, TRUE);
}

/* Of HTML that is longer than what is read of one part the reader learns that there is more. */
static void test_cut(void **state)
{
    static const char cut[] = "\n\n[the rest of this part is not shown]\n";
    for (int over = 0; over < 2; over++) {
        GString *message = g_string_new(HEAD TYPE("text/html; charset=utf-8") "\r\n");
        size_t begin = message->len;
        while (message->len - begin + 10 <= HTML_MAX)
            g_string_append(message, "some text\n");
        g_string_append(message, over ? "and some more than that" : "");
        char *text = gathered_view(message->str, message->len);
        assert_int_equal(g_str_has_suffix(text, cut), over);
        g_free(text);
        g_string_free(message, TRUE);
    }
}

static int find_module(struct dl_phdr_info *info, size_t size, void *name)
{
    return strstr(info->dlpi_name, name) != NULL;
}

/* glibc keeps the module of a charset as long as a converter is open, and for a few others after
 * that: this one stays, as the next mail may have it again. Both a field and a part ask for one. */
static void test_charsets_stay(void **state)
{
    static char field[] = "/KOI8-U.so", part[] = "/KOI8-R.so";
    static const char *const messages[] = {"Subject: =?koi8-u?q?=F0?=\r\n\r\n",
                                           TYPE("text/plain; charset=koi8-r") "\r\n\xF0\r\n"};
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++)
        g_free(gathered_view(messages[i], strlen(messages[i])));
    for (int i = 0; i < 40; i++) {
        char name[16];
        snprintf(name, sizeof name, "ISO-8859-%d", 2 + i % 8);
        iconv_close(iconv_open("UTF-8", name));
    }
    assert_int_equal(dl_iterate_phdr(find_module, field), 1);
    assert_int_equal(dl_iterate_phdr(find_module, part), 1);
}

/* Multiparts, messages and parts without end cost time and memory in proportion, and no more. */
static void test_hostile(void **state)
{
    static const char *const pieces[] = {
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n",
        "Content-Type: message/rfc822\r\n\r\n",
        "--b\r\n\r\n",
        "a:\r\n",
    };
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        GString *message = g_string_new("Content-Type: multipart/mixed; boundary=b\r\n");
        g_string_append(message, i == 2 ? "\r\n" : "");
        for (int n = 0; n < 20000; n++)
            g_string_append(message, pieces[i]);
        char *text = gathered_view(message->str, message->len);
        assert_string_not_equal(text, "(no view)");
        assert_true(strlen(text) < message->len * 2);
        g_free(text);
        g_string_free(message, TRUE);
    }
}

static ssize_t unreadable(void *ctx, uint64_t offset, void *data, size_t len)
{
    return -1;
}

static bool refuse(void *ctx, const char *data, size_t len)
{
    return false;
}

static void test_failures(void **state)
{
    const struct message_sink none = {refuse, NULL};
    struct message_source source = {.read = unreadable, .size = 10};
    assert_int_equal(message_text_view(&source, &none), MESSAGE_UNREADABLE);
    message_source_bytes(&source, HEAD, strlen(HEAD));
    assert_int_equal(message_text_view(&source, &none), MESSAGE_STOPPED);
}

int main(void)
{
    message_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),         cmocka_unit_test(test_nul),
        cmocka_unit_test(test_long),          cmocka_unit_test(test_cut),
        cmocka_unit_test(test_charsets_stay), cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_failures)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
