/* The sender's name, from everything that stands in a From field. */
#include "tests/unit/test.h"

#include <string.h>

#include "message/summary.h"

static void test_names(void **state)
{
    static const struct {
        const char *from;
        const char *name;
    } cases[] = {
        {"Jane Doe <j@x.org>",                           "Jane Doe"               },
        {"j@x.org",                                      "j"                      },
        {"<j@x.org>",                                    "j"                      },
        {"\"\" <j@x.org>",                               "j"                      },
        {"\" \" <j@x.org>",                              "j"                      },
        {"j@x.org (Jane Doe)",                           "Jane Doe"               },
        {"\"Doe, Jane\" <j@x.org>",                      "Doe, Jane"              },
        {"=?utf-8?q?Doe=2C_J=C3=B6rg?= <j@x.org>",       "Doe, Jörg"             },
        {"\"=?utf-8?q?J=C3=B6rg?=\" <j@x.org>",          "Jörg"                  },
        {"=?utf-8?Q?J=C3?= =?utf-8?Q?=B6rg?= <j@x.org>", "Jörg"                  },
        {"=?koi8-r?B?8NLJ18XU?= <j@x.org>",              "Привет"           },
        {"\"Q \\\"x\\\"\" <q@x.org>",                    "Q \"x\""                },
        {"J\xF6rg M\xFCller <j@x.org>",                  "Jörg Müller"          },
        {"J\u00F6rg <j@x.org>",                          "Jörg"                  },
        {"J. R. Doe <j@x.org>, B <b@x.org>",             "J. R. Doe"              },
        {"Friends: Jane <j@x.org>, b@x.org;",            "Jane"                   },
        {"Friends: b@x.org;",                            "b"                      },
        {"undisclosed-recipients:;",                     "undisclosed-recipients" },
        {"=?utf-8?q?bad <j@x.org>",                      "=?utf-8?q?bad"          },
 /* malformed: what can be read */
        {"",                                             ""                       },
        {"<>",                                           ""                       },
        {"Jane",                                         "Jane"                   },
        {"Jane Doe",                                     "Jane Doe"               },
        {"Jane Doe <j@x.org",                            "Jane Doe"               },
        {"\"unclosed <j@x.org>",                         "unclosed"               },
        {"[x] foo <a@x.org>",                            "[x] foo"                },
        {"\"[x]\" [y] <a@x.org>",                        "[x]  [y]"               },
        {"Jane <mailto:j@x.org>",                        "Jane"                   },
        {"<@a,@b:j@x.org>",                              "j"                      },
        {"\"j q\"@x.org",                                "j q"                    },
        {"jane at example dot com",                      "jane at example dot com"},
        {"a b c@d.e",                                    "a b c@d.e"              },
        {"=?utf-8?q?a=0Ab=1B=C2=85c?= <j@x.org>",        "a b  c"                 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct message_summary summary;
        char header[512] = "From: ";
        strcat(header, cases[i].from);
        assert_true(message_summary_parse(header, strlen(header), &summary));
        assert_string_equal(summary.from_name, cases[i].name);
        message_summary_free(&summary);
    }
}

int main(void)
{
    message_init();
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
