/*
 * Names of messages, as CONTRACT.md section 1 has them. Expected names are written out; where only
 * length matters the text is built.
 */
#include "tests/unit/test.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "message/name.h"

enum { NOON = 1795425242 /* 2026-11-23T09:14:02Z */, STEM_MAX = MESSAGE_NAME_MAX - 4 };

#define DATE "2026-11-23_091402_"

static void test_fields(void **state)
{
    static const struct {
        const char *from;
        const char *subject;
        const char *name;
    } cases[] = {
        {"Jane Doe",      "Quarterly report",                                 DATE "Jane-Doe_Quarterly-report"           },
        {"",              "",                                                 DATE "unknown_no-subject"                  },
        {" \t",           "...",                                              DATE "unknown_no-subject"                  },
        {"-.-",           "?!",                                               DATE "unknown_no-subject"                  },
        {"a",             "Re: [list] what?  (fwd)",                          DATE "a_Re-list-what-fwd"                  },
        {"a",             "--help",                                           DATE "a_help"                              },
        {"a",             ".-.hidden.-.",                                     DATE "a_hidden"                            },
        {"a",             "../../etc/passwd",                                 DATE "a_etc-passwd"                        },
        {"a",             "a..b",                                             DATE "a_a..b"                              },
        {"a",             "a - b -- c",                                       DATE "a_a-b-c"                             },
        {"a_b",           "_x_",                                              DATE "a_b__x_"                             },
        {"j.doe+x@y=z,w", "1,5",                                              DATE "j.doe+x@y=z,w_1,5"                   },
        {"a",             "$(rm -rf ~); `id` \"q\" 'q' \\ * | & < >",         DATE "a_rm-rf-id-q-q"                      },
        {"a",             "line\nbreak\r\n\ttab\033[31mred\177",              DATE "a_line-break-tab-31mred"             },
 /* controls of the C1 block, bidi, zero-width, soft hyphen, byte order mark */
        {"a",             "x\xC2\x85y\u202Eb\u200Bc\u200Dd\u00ADe\uFEFFf",    DATE "a_x-y-b-c-d-e-f"                     },
        {"a",             "\u2066evil\u2069",                                 DATE "a_evil"                              },
        {"a",             "a\U000E0041b",                                     DATE "a_a-b"                               }, /* a tag character */
  /* scripts */
        {"Анна",      "日本語の件名",                               DATE "Анна_日本語の件名"         },
        {"مرحبا",    "١٢٣ हिन्दी",                        DATE "مرحبا_١٢٣-हिन्दी"},
        {"a",             "\u0645\u06CC\u200C\u062E\u0648\u0627\u0647\u0645",
         DATE "a_\u0645\u06CC-\u062E\u0648\u0627\u0647\u0645"                                                            }, /* ZWNJ */
  /* numbers that are no decimal digits, symbols, emoji, private use, unassigned */
        {"a",             "Ⅻ² ½x",                                        DATE "a_x"                                 },
        {"a",             "I \u2764\uFE0F mail \U0001F468\u200D\U0001F469",   DATE "a_I-mail"                            },
        {"a",             "x\uE000y\u0378z",                                  DATE "a_x-y-z"                             },
 /* marks: after a letter, a digit or a mark; NFC */
        {"a",             "u\u0308ber",                                       DATE "a_\u00FCber"                         },
        {"a",             "x\u0323\u0301",                                    DATE "a_x\u0323\u0301"                     },
        {"a",             "x\u0301\u0323",                                    DATE "a_x\u0323\u0301"                     },
        {"a",             "\u0301x",                                          DATE "a_x"                                 },
        {"a",             ".\u0301x",                                         DATE "a_x"                                 },
        {"a",             "x.\u0301y",                                        DATE "a_x.-y"                              },
        {"a",             "a =\u0338 b",                                      DATE "a_a-b"                               },
        {"a",             "1\uFE0F\u20E3",                                    DATE "a_1"                                 },
        {"a",             "x\u034F\u0301y\uFE01z",                            DATE "a_x-y-z"                             },
        {"a",             "a\u3164b\u115Fc\uFFA0d",                           DATE "a_a-b-c-d"                           },
        {"a",             "\u2126 \u212B",                                    DATE "a_\u03A9-\u00C5"                     },
        {"a",             "\u1112\u1161\u11AB",                               DATE "a_\uD55C"                            },
 /* bytes that are no UTF-8 */
        {"J\xF6rg",       "\xC3",                                             DATE "J-rg_no-subject"                     },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char stem[MESSAGE_NAME_MAX + 1];
        message_name_stem(stem, NOON, cases[i].from, cases[i].subject);
        assert_string_equal(stem, cases[i].name);
    }
}

static void test_dates(void **state)
{
    static const struct {
        int64_t when;
        const char *stem;
    } cases[] = {
        {0,            "1970-01-01_000000_a_b"},
        {-1,           "1970-01-01_000000_a_b"},
        {INT64_MIN,    "1970-01-01_000000_a_b"},
        {951782400,    "2000-02-29_000000_a_b"},
        {4294967296,   "2106-02-07_062816_a_b"},
        {253402300799, "9999-12-31_235959_a_b"},
        {253402300800, "9999-12-31_235959_a_b"},
        {INT64_MAX,    "9999-12-31_235959_a_b"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char stem[MESSAGE_NAME_MAX + 1];
        message_name_stem(stem, cases[i].when, "a", "b");
        assert_string_equal(stem, cases[i].stem);
    }
}

/* `piece` repeated up to `len` bytes; freed by the caller. */
static char *repeated(const char *piece, size_t count)
{
    size_t len = strlen(piece);
    char *text = malloc(len * count + 1);
    assert_non_null(text);
    for (size_t i = 0; i < count; i++)
        memcpy(text + i * len, piece, len);
    text[len * count] = '\0';
    return text;
}

/* Lengths of the field made of `piece` over and over, as subject and as sender. */
static void test_cut(void **state)
{
    static const struct {
        const char *piece;
        size_t subject; /* of 156 bytes */
        size_t from;    /* of 60 */
    } cases[] = {
        {"x",             156, 60},
        {"\u00FC",        156, 60},
        {"\u65E5",        156, 60},
        {"\u65E5a",       156, 60},
        {"\U00020000",    156, 60},
        {"x\u0323\u0301", 155, 60},
        {"abc.-",         156, 58},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char stem[MESSAGE_NAME_MAX + 1];
        char *text = repeated(cases[i].piece, 2000);
        message_name_stem(stem, NOON, "f", text);
        assert_int_equal(strlen(stem + sizeof DATE + 1), cases[i].subject);
        message_name_stem(stem, NOON, text, "s");
        assert_int_equal(strlen(stem) - strlen(DATE "_s"), cases[i].from);
        free(text);
    }
}

static void test_long_sender_leaves_the_subject(void **state)
{
    char stem[MESSAGE_NAME_MAX + 1];
    char *from = repeated("x", 300);
    message_name_stem(stem, NOON, from, "The subject is still here");
    assert_non_null(strstr(stem, "_The-subject-is-still-here"));
    free(from);
}

/* More marks than the look-back spans: a cut among them rather than an empty field. */
static void test_only_marks(void **state)
{
    char stem[MESSAGE_NAME_MAX + 1];
    char *marks = repeated("\u0323", 300);
    char *text = malloc(strlen(marks) + 2);
    assert_non_null(text);
    text[0] = 'q';
    strcpy(text + 1, marks);
    message_name_stem(stem, NOON, "f", text);
    assert_in_range(strlen(stem), STEM_MAX - 1, STEM_MAX);
    free(text);
    free(marks);
}

static void test_file(void **state)
{
    static const struct {
        const char *stem;
        uint32_t uid;
        const char *name;
    } cases[] = {
        {DATE "a_b", 0,          DATE "a_b.eml"           },
        {DATE "a_b", 4711,       DATE "a_b~4711.eml"      },
        {DATE "a_b", UINT32_MAX, DATE "a_b~4294967295.eml"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[MESSAGE_NAME_MAX + 1];
        message_name_file(name, cases[i].stem, cases[i].uid);
        assert_string_equal(name, cases[i].name);
    }
}

static void test_file_cut(void **state)
{
    static const struct {
        const char *piece;
        uint32_t uid;
        size_t len;
    } cases[] = {
        {"x",      0,          180},
        {"x",      7,          180},
        {"x",      UINT32_MAX, 180},
        {"\u65E5", 0,          178},
        {"\u65E5", 7,          180},
        {"\u65E5", UINT32_MAX, 180},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char stem[MESSAGE_NAME_MAX + 1];
        char name[MESSAGE_NAME_MAX + 1];
        char *text = repeated(cases[i].piece, 200);
        message_name_stem(stem, NOON, "f", text);
        message_name_file(name, stem, cases[i].uid);
        assert_in_range(strlen(name), 177, MESSAGE_NAME_MAX);
        assert_string_equal(name + strlen(name) - 4, ".eml");
        assert_int_equal(strchr(name, '~') != NULL, cases[i].uid != 0);
        free(text);
    }
}

static void test_file_cut_leaves_no_dash(void **state)
{
    char stem[MESSAGE_NAME_MAX + 1];
    char name[MESSAGE_NAME_MAX + 1];
    char *text = repeated("abc.", 200);
    for (uint32_t uid = 1; uid < 1000000000; uid *= 10) {
        message_name_stem(stem, NOON, "f", text);
        message_name_file(name, stem, uid);
        const char *tilde = strchr(name, '~');
        assert_non_null(tilde);
        assert_true(tilde[-1] != '.' && tilde[-1] != '-');
        assert_true(strlen(name) <= MESSAGE_NAME_MAX);
    }
    free(text);
}

static void test_locale_is_nothing(void **state)
{
    static const char *const locales[] = {"C", "C.UTF-8", "POSIX"};
    for (size_t i = 0; i < sizeof locales / sizeof *locales; i++) {
        char stem[MESSAGE_NAME_MAX + 1];
        assert_non_null(setlocale(LC_ALL, locales[i]));
        message_name_stem(stem, NOON, "J\u00F6rg", "\u0130I \u0456");
        assert_string_equal(stem, DATE "J\u00F6rg_\u0130I-\u0456");
    }
}

int main(void)
{
    setenv("TZ", "Pacific/Auckland", 1); /* names are in UTC whatever the zone */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_long_sender_leaves_the_subject),
        cmocka_unit_test(test_only_marks),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_file_cut),
        cmocka_unit_test(test_file_cut_leaves_no_dash),
        cmocka_unit_test(test_locale_is_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
