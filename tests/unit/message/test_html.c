/* HTML as text: words, breaks, lists, tables, links, what is not shown, and what is broken. */
#include "tests/unit/test.h"

#include <string.h>

#include "message/html.h"
#include "message/summary.h"
#include "tests/unit/message/gathered.h"

static char *text_of_part(const char *html, size_t len, bool whole)
{
    GString *text = g_string_new(NULL);
    const struct message_sink sink = {gathered_write, text};
    char *copy = g_strndup(html, len);
    assert_int_equal(html_to_text(copy, len, whole, &sink), MESSAGE_OK);
    g_free(copy);
    return g_string_free(text, FALSE);
}

static char *text_of(const char *html, size_t len)
{
    return text_of_part(html, len, true);
}

static void test_cases(void **state)
{
    static const struct {
        const char *html, *text;
    } cases[] = {
        {"",                                                                            ""                                 },
        {"plain",                                                                       "plain\n"                          },
        {"a <b>b</b>c\n\n d",                                                           "a bc d\n"                         },
        {"<p>one</p><p>two<br>three<br><br>four</p>",                                   "one\n\ntwo\nthree\n\nfour\n"      },
        {"<div>a</div><div><div>b</div></div>",                                         "a\nb\n"                           },
        {"<h1>Head</h1>text",                                                           "Head\n\ntext\n"                   },
        {"a<script>x<y</script><style>p{}</style><!-- c -->b<title>t</title>",          "ab\n"                             },
        {"<head><style>p{}</style><title>t</title></head><body>b</body>",               "b\n"                              },
        {"&uuml;&#252;&#xFC;&amp;&lt;b&gt; &bogus; &",                                  "üüü&<b> &bogus; &\n"           },
        {"a&nbsp;b&shy;c&#8203;d<wbr>e",                                                "a bcde\n"                         },
        {"&#150; &#x9b;31m&#27;&#127;",                                                 "– ›31m\uFFFD\n"               },
        {"<ul><li>a<li>b<ol start=3><li>c</li><li>d</li></ol></ul>e",
         "- a\n- b\n  3. c\n  4. d\n\ne\n"                                                                                 },
        {"<table><tr><th>A</th><th>B</th></tr><tr><td>1<td>2</table>x",                 "A | B\n1 | 2\n\nx\n"              },
        {"<table><tr><td></td><td>only</td><td> </td></tr></table>",                    "only\n"                           },
        {"<blockquote>q<blockquote>qq</blockquote></blockquote>r",                      "> q\n>\n>> qq\n\nr\n"             },
        {"<pre>a  b\n\n c</pre>d",                                                      "a  b\n\n c\n\nd\n"                },
        {"<a href=\"https://x.org/a?b=1&amp;c=2\">here</a>.",                           "here <https://x.org/a?b=1&c=2>.\n"},
        {"<a href=\"https://x.org/\">x.org</a> <a href=\"mailto:a@x.org\">a@x.org</a>",
         "x.org a@x.org\n"                                                                                                 },
        {"<a href=\"#top\">up</a> <a href=\"javascript:x()\">js</a> <a>none</a>",       "up js none\n"                     },
        {"<a href=\"http://x.org/\"><img src=i alt=\" \"></a>",                         "<http://x.org/>\n"                },
        {"a<img alt=\"the logo\" src=x>b<hr>c",
         "a[the logo]b\n\n----------------------------------------\nc\n"                                                   },
        {"<o:p>word</o:p> <unknown>tag</unknown>",                                      "word tag\n"                       },
        {"<p>unclosed <b>bold <i>both",                                                 "unclosed bold both\n"             },
        {"</div></p>x<",                                                                "x<\n"                             },
        {"<div",                                                                        ""                                 },
        {"<![if !mso]>seen<![endif]><!--[if mso]>not<![endif]-->",                      "seen\n"                           },
        {"<meta charset=utf-16><p>h\xc3\xa9</p>",                                       "hé\n"                            },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = text_of(cases[i].html, strlen(cases[i].html));
        assert_string_equal(text, cases[i].text);
        g_free(text);
    }
}

static void test_charset(void **state)
{
    static const struct {
        const char *html, *charset;
    } cases[] = {
        {"<meta charset=utf-8>",                                                 "utf-8" },
        {"<META HTTP-EQUIV=Content-Type content=\"text/html; charset=KOI8-R\">", "koi8-r"},
        {"<meta name=a><meta charset=\"big5\">",                                 "big5"  },
        {"charset=x",                                                            NULL    },
        {"<meta name=a>charset=x",                                               NULL    },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *charset = html_charset(cases[i].html, strlen(cases[i].html));
        if (cases[i].charset == NULL)
            assert_null(charset);
        else
            assert_string_equal(charset, cases[i].charset);
        g_free(charset);
    }
}

#define CUT "[the rest of this part is not shown]\n"

/* What is cut off before its end says so. */
static void test_cut(void **state)
{
    char *text = text_of_part("<p>begin", 8, false);
    assert_string_equal(text, "begin\n\n" CUT);
    g_free(text);
    text = text_of_part("", 0, false);
    assert_string_equal(text, CUT);
    g_free(text);
}

/* Elements in one another without end, and end tags that match none of them. */
static void test_deep(void **state)
{
    static const char *const openers[] = {"<div>", "<b>", "<blockquote>", "<ul><li>",
                                          "<table><tr><td>"};
    for (size_t i = 0; i < sizeof openers / sizeof *openers; i++) {
        GString *html = g_string_new("start");
        for (int n = 0; n < 50000; n++)
            g_string_append(html, openers[i]);
        for (int n = 0; n < 50000; n++)
            g_string_append(html, "</x></p>");
        char *text = text_of(html->str, html->len);
        assert_memory_equal(text, "start", 5);
        assert_true(strlen(text) < html->len);
        assert_true(g_str_has_suffix(text, "\n\n" CUT));
        g_free(text);
        g_string_free(html, TRUE);
    }
}

int main(void)
{
    message_init();
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases), cmocka_unit_test(test_charset),
                                       cmocka_unit_test(test_cut), cmocka_unit_test(test_deep)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
