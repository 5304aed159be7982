#include "tests/unit/test.h"

#include <stdlib.h>
#include <string.h>

#include "imap/command.h"

static void writes_runs(void **state)
{
    static const struct {
        uint32_t uids[8];
        const char *text;
    } cases[] = {
        {{0},                      NULL                   },
        {{7},                      "7"                    },
        {{1, 2, 3, 4},             "1:4"                  },
        {{1, 3, 5},                "1,3,5"                },
        {{1, 2, 4, 5, 6, 9},       "1:2,4:6,9"            },
        {{4, 4, 5, 5},             "4:5"                  },
        {{4294967294, 4294967295}, "4294967294:4294967295"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct imap_uidset set;
        imap_uidset_init(&set, 100);
        for (const uint32_t *uid = cases[i].uids; *uid != 0; uid++)
            assert_true(imap_uidset_add(&set, *uid));
        const char *text = imap_uidset_text(&set);
        if (cases[i].text == NULL)
            assert_null(text);
        else
            assert_string_equal(text, cases[i].text);
        imap_uidset_free(&set);
    }
}

/* Asking for the text does not end the set, and UIDs that do not ascend are refused. */
static void goes_on_after_text(void **state)
{
    struct imap_uidset set;
    imap_uidset_init(&set, 100);
    assert_false(imap_uidset_add(&set, 0));
    assert_true(imap_uidset_add(&set, 5));
    assert_string_equal(imap_uidset_text(&set), "5");
    assert_true(imap_uidset_add(&set, 6));
    assert_string_equal(imap_uidset_text(&set), "5:6");
    assert_true(imap_uidset_add(&set, 8));
    assert_false(imap_uidset_add(&set, 7));
    assert_string_equal(imap_uidset_text(&set), "5:6,8");
    imap_uidset_free(&set);
    assert_null(imap_uidset_text(&set));
}

/* For each ceiling: what was accepted is written within it, and what was refused would not fit. */
static void ceiling_counts_the_open_run(void **state)
{
    for (size_t max = 0; max < 60; max++) {
        struct imap_uidset set, wide;
        imap_uidset_init(&set, max);
        imap_uidset_init(&wide, 1000);
        uint32_t uid = 98;
        while (imap_uidset_add(&set, uid)) {
            assert_true(imap_uidset_add(&wide, uid));
            const char *text = imap_uidset_text(&set);
            assert_non_null(text);
            assert_true(strlen(text) <= max);
            assert_string_equal(text, imap_uidset_text(&wide));
            uid += uid % 4 == 2 ? 1 : uid % 4 == 3 ? 5 : 2;
        }
        assert_true(imap_uidset_add(&wide, uid));
        assert_true(strlen(imap_uidset_text(&wide)) > max);
        imap_uidset_free(&set);
        imap_uidset_free(&wide);
    }
}

static void walks_sets(void **state)
{
    static const struct {
        const char *set;
        const char *seen; /* "first-last;" for each run */
    } cases[] = {
        {"",                             ""              },
        {"7",                            "7-7;"          },
        {"4,7:9,12",                     "4-4;7-9;12-12;"},
        {"9:7",                          "7-9;"          },
        {"1:4294967295",                 "1-4294967295;" },
        {"1,4294967296",                 "1-1;"          },
        {"1,0",                          "1-1;"          },
        {"1,,2",                         "1-1;"          },
        {"1,2:",                         "1-1;"          },
        {"1:*",                          ""              },
        {"*",                            ""              },
        {",1",                           ""              },
        {"1 2",                          ""              },
        {"1,2,",                         "1-1;2-2;"      },
        {"1,99999999999999999999999999", "1-1;"          },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct imap_span set = {cases[i].set, strlen(cases[i].set)};
        struct buffer seen;
        buffer_init(&seen, 1000);
        assert_true(buffer_append_text(&seen, ""));
        uint32_t first, last;
        for (size_t at = 0; imap_uidset_next(set, &at, &first, &last);)
            assert_true(buffer_printf(&seen, "%u-%u;", first, last));
        assert_string_equal(seen.data, cases[i].seen);
        buffer_free(&seen);
    }
    size_t at = 0;
    uint32_t first, last;
    assert_false(imap_uidset_next((struct imap_span){0}, &at, &first, &last));
}

static void walks_pairs(void **state)
{
    static const struct {
        const char *source, *target;
        size_t max;
        const char *seen; /* "source-target;" for each pair; NULL: refused */
    } cases[] = {
        {"31",           "6",            1,    "31-6;"                 },
        {"31,33:34",     "6:8",          3,    "31-6;33-7;34-8;"       },
        {"1:3,9",        "5,7:8,2",      4,    "1-5;2-7;3-8;9-2;"      },
        {"3:1",          "7:9",          3,    "1-7;2-8;3-9;"          },
        {"",             "",             0,    ""                      },
        {"",             "",             9,    ""                      },
        {"4294967295",   "4294967294",   1,    "4294967295-4294967294;"},
        {"31,33:34",     "6:8",          2,    NULL                    },
        {"31,33:34",     "6:7",          9,    NULL                    },
        {"31",           "6:7",          9,    NULL                    },
        {"31",           "",             9,    NULL                    },
        {"",             "6",            9,    NULL                    },
        {"1:4294967295", "1:4294967295", 1000, NULL                    },
        {"1,1:*",        "1,2",          9,    NULL                    },
        {"1,",           "1",            9,    NULL                    },
        {"1,0",          "1,2",          9,    NULL                    },
        {"1 ",           "1",            9,    NULL                    },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct imap_span source = {cases[i].source, strlen(cases[i].source)};
        struct imap_span target = {cases[i].target, strlen(cases[i].target)};
        struct imap_uidpairs pairs;
        struct buffer seen;
        uint32_t from, to;
        buffer_init(&seen, 1000);
        assert_true(buffer_append_text(&seen, ""));
        assert_int_equal(imap_uidpairs_init(&pairs, source, target, cases[i].max),
                         cases[i].seen != NULL);
        while (imap_uidpairs_next(&pairs, &from, &to))
            assert_true(buffer_printf(&seen, "%u-%u;", from, to));
        assert_string_equal(seen.data, cases[i].seen != NULL ? cases[i].seen : "");
        buffer_free(&seen);
    }
    struct imap_uidpairs pairs;
    struct imap_span all = {"1:4294967295", 12};
    assert_true(imap_uidpairs_init(&pairs, all, all, SIZE_MAX));
    assert_int_equal(pairs.left, UINT32_MAX);
    assert_true(imap_uidpairs_init(&pairs, (struct imap_span){0}, (struct imap_span){0}, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_runs),
        cmocka_unit_test(goes_on_after_text),
        cmocka_unit_test(ceiling_counts_the_open_run),
        cmocka_unit_test(walks_sets),
        cmocka_unit_test(walks_pairs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
