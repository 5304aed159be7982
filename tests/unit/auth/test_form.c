/* auth/form.c and returned.c: what goes to a sign-in server, and what a browser brings back. */
#include "tests/unit/test.h"

#include <string.h>

#include "auth/form.h"
#include "auth/listener.h"

static void test_add(void **state)
{
    struct buffer form;
    buffer_init(&form, AUTH_FORM_MAX);
    assert_true(auth_form_add(&form, "scope", "https://x/IMAP.AccessAsUser.All offline_access"));
    assert_true(auth_form_add(&form, "code", "a+b/c=\xC3\xA9&~-._"));
    assert_string_equal(form.data, "scope=https%3A%2F%2Fx%2FIMAP.AccessAsUser.All%20offline_access"
                                   "&code=a%2Bb%2Fc%3D%C3%A9%26~-._");
    buffer_free(&form);
    assert_true(buffer_append_text(&form, "https://x/authorize?"));
    assert_true(auth_form_add(&form, "a", "1"));
    assert_true(auth_form_add(&form, "b", "2"));
    assert_string_equal(form.data, "https://x/authorize?a=1&b=2");
    buffer_free(&form);
}

static void test_find(void **state)
{
    static const struct {
        const char *query, *name, *value; /* value NULL: refused */
    } rows[] = {
        {"code=abc&state=xyz",   "code",  "abc"     },
        {"code=abc&state=xyz",   "state", "xyz"     },
        {"state=xyz&code=a%20b", "code",  "a b"     },
        {"code=a+b%2B",          "code",  "a b+"    },
        {"code=",                "code",  ""        },
        {"xcode=1&codex=2",      "code",  NULL      },
        {"code",                 "code",  NULL      },
        {"",                     "code",  NULL      },
        {"code=1&code=2",        "code",  NULL      },
        {"code=%",               "code",  NULL      },
        {"code=%4",              "code",  NULL      },
        {"code=%zz",             "code",  NULL      },
        {"code=%00",             "code",  NULL      },
        {"code=a%0D%0Ab",        "code",  "a\r\nb"  },
        {"&&code=1&&",           "code",  "1"       },
        {"code=%C3%A9",          "code",  "\xC3\xA9"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buffer value;
        buffer_init(&value, 64);
        bool found = auth_form_find(rows[i].query, strlen(rows[i].query), rows[i].name, &value);
        assert_int_equal(found, rows[i].value != NULL);
        if (found)
            assert_string_equal(value.len > 0 ? value.data : "", rows[i].value);
        buffer_free(&value);
    }
}

static void test_ceiling(void **state)
{
    struct buffer value;
    buffer_init(&value, 4);
    assert_false(auth_form_find("code=12345", 10, "code", &value));
    assert_true(auth_form_find("code=1234", 9, "code", &value));
    buffer_free(&value);
}

static void test_returned(void **state)
{
    static const struct {
        const char *query, *code, *error; /* both NULL: not an answer */
        long number;
    } rows[] = {
        {"code=abc&state=S",                                                      "abc", NULL,            0    },
        {"state=S&code=abc&session_state=1",                                      "abc", NULL,            0    },
        {"error=access_denied&state=S",                                           NULL,  "access_denied", 0    },
        {"error=access_denied&error_description=AADSTS65004%3A+declined&state=S", NULL,
         "access_denied",                                                                                 65004},
        {"code=abc&state=T",                                                      NULL,  NULL,            0    },
        {"code=abc&state=SS",                                                     NULL,  NULL,            0    },
        {"code=abc&state=",                                                       NULL,  NULL,            0    },
        {"code=abc",                                                              NULL,  NULL,            0    },
        {"state=S",                                                               NULL,  NULL,            0    },
        {"code=&state=S",                                                         NULL,  NULL,            0    },
        {"error=x",                                                               NULL,  NULL,            0    },
        {"code=abc&state=S&state=S",                                              NULL,  NULL,            0    },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct auth_returned returned = {0};
        buffer_init(&returned.code, 1024);
        bool good = auth_returned_read(rows[i].query, strlen(rows[i].query), "S", &returned);
        assert_int_equal(good, rows[i].code != NULL || rows[i].error != NULL);
        if (rows[i].code != NULL)
            assert_string_equal(returned.code.data, rows[i].code);
        if (rows[i].error != NULL) {
            assert_string_equal(returned.error, rows[i].error);
            assert_int_equal(returned.number, rows[i].number);
        }
        buffer_free(&returned.code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_ceiling),
        cmocka_unit_test(test_returned),
    };
    return cmocka_run_group_tests_name("auth_form", tests, NULL, NULL);
}
