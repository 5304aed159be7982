/* Directory names of mailbox components, as CONTRACT.md section 1 has them. */
#include "tests/unit/test.h"

#include <stdlib.h>
#include <string.h>

#include "message/name.h"

#define BYTES(text) text, sizeof text - 1

static void test_names(void **state)
{
    static const struct {
        const char *component;
        size_t len;
        unsigned ordinal;
        const char *name;
    } cases[] = {
        {BYTES("Deleted Items"),                       0,          "Deleted Items"                      },
        {BYTES("Deleted Items"),                       1,          "Deleted Items"                      },
        {BYTES("Deleted Items"),                       2,          "Deleted Items~2"                    },
        {BYTES("a"),                                   4294967295, "a~4294967295"                       },
        {BYTES("a/b"),                                 0,          "a\u2215b"                           },
        {BYTES("/"),                                   0,          "\u2215"                             },
        {BYTES("."),                                   0,          "\u2024"                             },
        {BYTES(".."),                                  0,          "\u2024."                            },
        {BYTES(".git"),                                0,          "\u2024git"                          },
        {BYTES("a.b."),                                0,          "a.b."                               },
        {BYTES("-rf *$(x)`\\"),                        0,          "-rf *$(x)`\\"                       },
        {BYTES(" a "),                                 0,          " a "                                },
        {BYTES("a\tb\nc\0d\177"),                      0,          "a\uFFFDb\uFFFDc\uFFFDd\uFFFD"       },
        {BYTES("\033[31m"),                            0,          "\uFFFD[31m"                         },
        {BYTES("a\302\205b"),                          0,          "a\uFFFDb"                           },
        {BYTES("a\u202Eb\u2066c\u200Fd"),              0,          "a\uFFFDb\uFFFDc\uFFFDd"             },
        {BYTES("a\u200Bb\uFEFFc\u2028d\u2029e\u3164"), 0,          "a\uFFFDb\uFFFDc\uFFFDd\uFFFDe\uFFFD"},
        {BYTES("\u2764\uFE0F"),                        0,          "\u2764\uFE0F"                       },
        {BYTES("Entwu\u0308rfe"),                      0,          "Entw\u00FCrfe"                      },
        {BYTES("\xFF\xFE"
               "A\xC3"),
         0,                                                        "\uFFFD\uFFFDA\uFFFD"                },
        {BYTES("\xC0\xAE\xC0\xAE"),                    0,          "\uFFFD\uFFFD\uFFFD\uFFFD"           }, /* overlong dots */
        {BYTES("\xED\xA0\x80"),                        0,          "\uFFFD\uFFFD\uFFFD"                 }, /* a lone surrogate */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[MESSAGE_NAME_MAX + 1];
        assert_int_equal(
            message_name_directory(name, cases[i].component, cases[i].len, cases[i].ordinal), 0);
        assert_string_equal(name, cases[i].name);
    }
}

static void test_empty(void **state)
{
    char name[MESSAGE_NAME_MAX + 1];
    assert_int_equal(message_name_directory(name, "", 0, 0), -1);
    assert_int_equal(message_name_directory(name, "", 0, 2), -1);
}

static void test_limit(void **state)
{
    static const struct {
        const char *piece;
        unsigned ordinal;
        size_t len;
    } cases[] = {
        {"x",       0,          180},
        {"x",       2,          180},
        {"x",       4294967295, 180},
        {"\u65E5",  0,          180},
        {"\u65E5",  12,         180},
        {"\u65E5",  2,          179},
        {"/",       0,          180},
        {"\x80",    0,          180},
        {"y\u0323", 0,          180},
        {"q\u0323", 2,          179},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[MESSAGE_NAME_MAX + 1];
        char component[3000] = "";
        for (int k = 0; k < 500; k++)
            strcat(component, cases[i].piece);
        assert_int_equal(
            message_name_directory(name, component, strlen(component), cases[i].ordinal), 0);
        assert_int_equal(strlen(name), cases[i].len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
