/*
 * Queries: what they are taken apart into, in the one form that each has, and why some make no
 * sense.
 */
#include "tests/unit/test.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "message/query.h"

static void check_form(const char *text, const char *form)
{
    struct message_query query;
    char why[MESSAGE_QUERY_WHY] = "";
    struct buffer out;
    buffer_init(&out, 8192);
    assert_true(message_query_parse(text, strlen(text), &query, why));
    assert_true(message_query_print(&query, &out));
    assert_string_equal(out.data, form);
    message_query_free(&query);
    buffer_free(&out);
}

static void test_forms(void **state)
{
    static const char *const cases[][2] = {
        {"invoice",                                "text:invoice"                               },
        {"  two\twords ",                          "text:two text:words"                        },
        {"\"two words\"",                          "text:\"two words\""                         },
        {"from:jane To:joe CC:x",                  "from:jane to:joe cc:x"                      },
        {"subject:\"re: old\" body:a",             "subject:\"re: old\" body:a"                 },
        {"sub\"ject:x\"",                          "text:subject:x"                             },
        {"\"from:jane\"",                          "text:from:jane"                             },
        {"\"unread\" UNREAD",                      "text:unread unread"                         },
        {"-unread -from:x -\"a b\"",               "-unread -from:x -text:\"a b\""              },
        {"- -- --x",                               "text:- -text:- -text:-x"                    },
        {"a\\b \"a\\\"b\" \"a\\\\b c\"",           "text:a\\b text:\"a\\\"b\" text:\"a\\\\b c\""},
        {"since:2026-02-28 on:2024-02-29",         "since:2026-02-28 on:2024-02-29"             },
        {"before:1900-01-01",                      "before:1900-01-01"                          },
        {"larger:10 smaller:2k larger:3M",         "larger:10 smaller:2048 larger:3145728"      },
        {"larger:4294967295",                      "larger:4294967295"                          },
        {"header:List-Id:announce",                "header:List-Id:announce"                    },
        {"header:X-A:\"b c\"",                     "header:X-A:\"b c\""                         },
        {"header:X-A:",                            "header:X-A:"                                },
        {"header:X-A:b:c",                         "header:X-A:b:c"                             },
        {"in:\"Deleted Items\" in:a/b",            "in:\"Deleted Items\" in:a/b"                },
        {"12:30 a.b:c",                            "text:12:30 text:a.b:c"                      },
        {"read flagged answered draft attachment", "read flagged answered draft attachment"     },
        {"u\u0308ber",                             "text:\u00FCber"                             },
        {"\"a\tb\"",                               "text:\"a b\""                               },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_form(cases[i][0], cases[i][1]);
        check_form(cases[i][1], cases[i][1]);
    }
}

static void test_reasons(void **state)
{
    static const char *const cases[][2] = {
        {"",                  "the query is empty"                                              },
        {" \t",               "the query is empty"                                              },
        {"\"a",               "a quote is not closed"                                           },
        {"\"\"",              "\"\" says nothing to look for"                                   },
        {"from:",             "\"from:\" says nothing to look for"                              },
        {"from:\"\"",         "\"from:\" says nothing to look for"                              },
        {"form:jane",         "there is no word \"form:jane\"; quotes make text of it"          },
        {"unread:yes",        "\"unread\" stands alone, without a colon"                        },
        {"header:X",          "\"header:X\" is not header:NAME:VALUE"                           },
        {"header::x",         "\"header::x\" is not header:NAME:VALUE"                          },
        {"header:\"a b:c\"",  "\"header:a b:c\" is not header:NAME:VALUE"                       },
        {"since:yesterday",   "\"yesterday\" is not a date, which is written YYYY-MM-DD"        },
        {"on:2026-02-29",     "\"2026-02-29\" is not a date, which is written YYYY-MM-DD"       },
        {"on:2026-13-01",     "\"2026-13-01\" is not a date, which is written YYYY-MM-DD"       },
        {"on:2026-1-01",      "\"2026-1-01\" is not a date, which is written YYYY-MM-DD"        },
        {"on:1899-12-31",     "\"1899-12-31\" is not a date, which is written YYYY-MM-DD"       },
        {"larger:big",        "\"big\" is not a size: bytes, or with K or M, below 4 GiB"       },
        {"larger:1KB",        "\"1KB\" is not a size: bytes, or with K or M, below 4 GiB"       },
        {"larger:-1",         "\"-1\" is not a size: bytes, or with K or M, below 4 GiB"        },
        {"larger:4096M",      "\"4096M\" is not a size: bytes, or with K or M, below 4 GiB"     },
        {"larger:4294967296", "\"4294967296\" is not a size: bytes, or with K or M, below 4 GiB"},
        {"a\001",             "the query has a control character"                               },
        {"a\xff",             "the query is not UTF-8"                                          },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct message_query query;
        char why[MESSAGE_QUERY_WHY] = "";
        assert_false(message_query_parse(cases[i][0], strlen(cases[i][0]), &query, why));
        assert_string_equal(why, cases[i][1]);
        assert_int_equal(query.count, 0);
    }
}

static void check_refused(const char *text, size_t len)
{
    struct message_query query;
    char why[MESSAGE_QUERY_WHY] = "";
    assert_false(message_query_parse(text, len, &query, why));
    assert_int_not_equal(strlen(why), 0);
}

static void test_bounds(void **state)
{
    char text[MESSAGE_QUERY_MAX + 2];
    struct message_query query;
    char why[MESSAGE_QUERY_WHY] = "";
    memset(text, 'a', sizeof text);
    assert_true(message_query_parse(text, MESSAGE_QUERY_MAX, &query, why));
    assert_int_equal(strlen(query.terms[0].value), MESSAGE_QUERY_MAX);
    message_query_free(&query);
    check_refused(text, MESSAGE_QUERY_MAX + 1);
    check_refused("a\0b", 3);
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = i % 2 == 0 ? 'a' : ' ';
    assert_true(message_query_parse(text, (size_t)2 * MESSAGE_QUERY_TERMS, &query, why));
    message_query_free(&query);
    check_refused(text, (size_t)2 * MESSAGE_QUERY_TERMS + 1);
    memset(text, 'x', 500);
    memcpy(text, "form:", 5);
    check_refused(text, 500); /* and its reason keeps to its room */
}

/* Every day of 600 years is the one after the day before. */
static void test_calendar(void **state)
{
    int year = 1900, month = 1, day = 1;
    for (int64_t days = -25567; days < 200000; days++) {
        int y, m, d;
        message_query_date(days, &y, &m, &d);
        bool next = (y == year && m == month && d == day + 1) ||
                    (y == year && m == month + 1 && d == 1) || (y == year + 1 && m == 1 && d == 1);
        assert_true(next || (days == -25567 && y == 1900 && m == 1 && d == 1));
        year = y;
        month = m;
        day = d;
    }
    assert_int_equal(year, 2517);
}

/* A query ends where its length says, at whatever stands behind it: here there is nothing. */
static void test_end(void **state)
{
    static const char *const texts[] = {"invoice", "gr\u00FC\u00DFe", "from:\u65E5\u672C",
                                        "\"open"};
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(pages, MAP_FAILED);
    assert_int_equal(mprotect(pages + page, page, PROT_NONE), 0);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct message_query query;
        char why[MESSAGE_QUERY_WHY] = "";
        size_t len = strlen(texts[i]);
        memcpy(pages + page - len, texts[i], len);
        assert_int_equal(message_query_parse(pages + page - len, len, &query, why),
                         texts[i][0] != '"');
        message_query_free(&query);
    }
    munmap(pages, 2 * page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),  cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_bounds), cmocka_unit_test(test_calendar),
        cmocka_unit_test(test_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
