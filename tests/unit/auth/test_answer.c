/* auth/answer.c and advice.c: what a sign-in server says, and what a person is told. */
#include "tests/unit/test.h"

#include <stdio.h>
#include <string.h>

#include "auth/answer.h"
#include "base/clock.h"

static struct auth_reply reply_of(long status, const char *body)
{
    struct auth_reply reply = {.status = status};
    buffer_init(&reply.body, AUTH_REPLY_MAX);
    assert_true(buffer_append_text(&reply.body, body));
    return reply;
}

static enum auth_verdict tokens(long status, const char *body, struct auth_login *login, char *text)
{
    struct auth_reply reply = reply_of(status, body);
    enum auth_verdict verdict =
        auth_answer_tokens(&reply, "https://login.example/token", "me@x", login, text);
    buffer_free(&reply.body);
    return verdict;
}

static void test_lifetimes(void **state)
{
    static const struct {
        const char *member;
        long seconds;
    } rows[] = {
        {"\"expires_in\":3599",                           3599      },
        {"\"expires_in\":\"3600\"",                       3600      },
        {"\"expires_in\":59.9",                           59        },
        {"\"expires_in\":-5",                             3600      },
        {"\"expires_in\":0",                              3600      },
        {"\"expires_in\":\"\"",                           3600      },
        {"\"expires_in\":\"12x\"",                        3600      },
        {"\"expires_in\":\"-1\"",                         3600      },
        {"\"expires_in\":null",                           3600      },
        {"\"expires_in\":1e300",                          30 * 86400},
        {"\"expires_in\":\"99999999999999999999999999\"", 30 * 86400},
        {"\"x\":1",                                       3600      },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char body[256], text[AUTH_TEXT_MAX] = "";
        struct auth_login login;
        auth_login_init(&login);
        snprintf(body, sizeof body, "{\"access_token\":\"A\",%s}", rows[i].member);
        int64_t before = clock_wall();
        assert_int_equal(tokens(200, body, &login, text), AUTH_VERDICT_GIVEN);
        int64_t lifetime = login.expires - before;
        assert_in_range(lifetime, rows[i].seconds, rows[i].seconds + 1);
        auth_login_free(&login);
    }
}

static void test_rotation(void **state)
{
    char text[AUTH_TEXT_MAX] = "";
    struct auth_login login;
    auth_login_init(&login);
    assert_int_equal(
        tokens(200, "{\"access_token\":\"A1\",\"refresh_token\":\"R1\"}", &login, text),
        AUTH_VERDICT_GIVEN);
    assert_int_equal(tokens(200, "{\"access_token\":\"A2\"}", &login, text), AUTH_VERDICT_GIVEN);
    assert_string_equal(login.access.data, "A2");
    assert_string_equal(login.refresh.data, "R1");
    auth_login_free(&login);
}

/* A token too many leaves both as they were: a renewal that fails has lost nothing. */
static void test_both_or_none(void **state)
{
    char text[AUTH_TEXT_MAX] = "";
    struct auth_login login;
    auth_login_init(&login);
    assert_int_equal(
        tokens(200, "{\"access_token\":\"A1\",\"refresh_token\":\"R1\"}", &login, text),
        AUTH_VERDICT_GIVEN);
    int64_t expires = login.expires = 7;
    login.refresh.max = 2; /* stands for a lack of memory */
    assert_int_equal(
        tokens(200, "{\"access_token\":\"A2\",\"refresh_token\":\"R22\"}", &login, text),
        AUTH_VERDICT_NONSENSE);
    assert_string_equal(login.access.data, "A1");
    assert_string_equal(login.refresh.data, "R1");
    assert_int_equal(login.expires, expires);
    auth_login_free(&login);
}

static void test_verdicts(void **state)
{
    static const struct {
        long status;
        const char *body;
        enum auth_verdict verdict;
        const char *told; /* part of the text, or NULL */
    } rows[] = {
        {400, "{\"error\":\"authorization_pending\"}",                    AUTH_VERDICT_PENDING,   NULL                         },
        {400, "{\"error\":\"slow_down\"}",                                AUTH_VERDICT_SLOW_DOWN, NULL                         },
        {400, "{\"error\":\"authorization_declined\"}",                   AUTH_VERDICT_REFUSED,   "declined"                   },
        {400, "{\"error\":\"expired_token\"}",                            AUTH_VERDICT_REFUSED,   "not entered in time"        },
        {400, "{\"error\":\"bad_verification_code\"}",                    AUTH_VERDICT_REFUSED,   "login me@x"                 },
        {400, "{\"error\":\"server_error\"}",                             AUTH_VERDICT_TROUBLE,   "try again later"            },
        {503, "{\"error\":\"temporarily_unavailable\"}",                  AUTH_VERDICT_TROUBLE,   NULL                         },
        {400, "{\"error\":\"invalid_grant\",\"error_codes\":[70008]}",    AUTH_VERDICT_REFUSED,
         "AADSTS70008, invalid_grant"                                                                                          },
        {400,
         "{\"error\":\"invalid_grant\",\"error_description\":\"AADSTS700082: The refresh token "
         "S3CRET has expired\"}",                                         AUTH_VERDICT_REFUSED,   "AADSTS700082, invalid_grant"},
        {401, "{\"error\":\"invalid_client\",\"error_codes\":[7000218]}", AUTH_VERDICT_REFUSED,
         "Allow public client flows"                                                                                           },
        {400, "{\"error\":\"\\u001b[31mred\"}",                           AUTH_VERDICT_REFUSED,   "an unknown error"           },
        {400, "{\"error\":5}",                                            AUTH_VERDICT_REFUSED,   "an unknown error"           },
        {200, "{\"error\":\"invalid_grant\",\"access_token\":\"A\"}",     AUTH_VERDICT_REFUSED,   NULL                         },
        {400, "{\"error\":\"x\",\"error_codes\":[-1,\"y\"]}",             AUTH_VERDICT_REFUSED,   "(x)"                        },
        {200, "<html>Sign in</html>",                                     AUTH_VERDICT_TROUBLE,   "does not answer as one"     },
        {200, "",                                                         AUTH_VERDICT_TROUBLE,   "does not answer as one"     },
        {200, "[]",                                                       AUTH_VERDICT_TROUBLE,   NULL                         },
        {200, "{}",                                                       AUTH_VERDICT_NONSENSE,  NULL                         },
        {200, "{\"access_token\":\"\"}",                                  AUTH_VERDICT_NONSENSE,  NULL                         },
        {200, "{\"access_token\":5}",                                     AUTH_VERDICT_NONSENSE,  NULL                         },
        {200, "{\"access_token\":\"a\\nb\"}",                             AUTH_VERDICT_NONSENSE,  NULL                         },
        {200, "{\"access_token\":\"a\\u0000b\"}",                         AUTH_VERDICT_TROUBLE,   NULL                         },
        {200, "{\"access_token\":\"A\",\"refresh_token\":\"R\\u0000S\"}", AUTH_VERDICT_TROUBLE,
         NULL                                                                                                                  },
        {200, "{\"access_token\":\"A\",\"refresh_token\":\"R\\nS\"}",     AUTH_VERDICT_NONSENSE,  NULL                         },
        {200, "{\"error\":null,\"access_token\":\"A\"}",                  AUTH_VERDICT_GIVEN,     NULL                         },
        {404, "{\"access_token\":\"A\"}",                                 AUTH_VERDICT_TROUBLE,   "HTTP 404"                   },
        {200, "{\"access_token\":\"A",                                    AUTH_VERDICT_TROUBLE,   NULL                         },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[AUTH_TEXT_MAX] = "";
        struct auth_login login;
        auth_login_init(&login);
        enum auth_verdict verdict = tokens(rows[i].status, rows[i].body, &login, text);
        if (verdict != rows[i].verdict)
            fail_msg("%s: %d: %s", rows[i].body, verdict, text);
        if (rows[i].told != NULL && strstr(text, rows[i].told) == NULL)
            fail_msg("%s: %s", rows[i].body, text);
        assert_null(strstr(text, "S3CRET"));
        assert_null(strchr(text, '\x1b'));
        auth_login_free(&login);
    }
}

/* The codes that OUTLOOK.md lists each have a step of their own. */
static void test_codes(void **state)
{
    static const long codes[] = {50020, 16000,  700016, 9002332, 50011,  65001,   65004, 90094,
                                 70008, 700082, 70000,  53003,   530035, 7000218, 700025};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        char text[AUTH_TEXT_MAX], expected[32];
        auth_answer_explain("x", codes[i], "me@outlook.com", text);
        snprintf(expected, sizeof expected, "(AADSTS%ld, x)", codes[i]);
        assert_non_null(strstr(text, expected));
        assert_null(strstr(text, "the server refuses"));
        assert_true(strlen(text) < AUTH_TEXT_MAX - 1);
    }
}

static void test_device(void **state)
{
    static const struct {
        const char *body;
        enum auth_verdict verdict;
        long expires_in, interval;
    } rows[] = {
        {"{\"user_code\":\"YZMYLD4K\",\"device_code\":\"D\",\"verification_uri\":"
         "\"https://www.microsoft.com/link\",\"expires_in\":900,\"interval\":5}",         AUTH_VERDICT_GIVEN,   900, 5},
        {"{\"user_code\":\"Y\",\"device_code\":\"D\",\"verification_uri\":\"https://x/l\"}",
         AUTH_VERDICT_GIVEN,                                                                                             900, 5},
        {"{\"user_code\":\"Y\",\"device_code\":\"D\",\"verification_uri\":\"https://x/l\","
         "\"expires_in\":\"60\",\"interval\":0}",                                         AUTH_VERDICT_GIVEN,   60,  5},
        {"{\"user_code\":\"Y\",\"device_code\":\"D\",\"verification_uri\":\"http://x/l\"}",
         AUTH_VERDICT_TROUBLE,                                                                                           0,   0},
        {"{\"user_code\":\"Y\",\"device_code\":\"D\",\"verification_uri\":\"--help\"}",
         AUTH_VERDICT_TROUBLE,                                                                                           0,   0},
        {"{\"user_code\":\"Y\\u001b\",\"device_code\":\"D\",\"verification_uri\":\"https://x/\"}",
         AUTH_VERDICT_TROUBLE,                                                                                           0,   0},
        {"{\"user_code\":\"Y\",\"verification_uri\":\"https://x/l\"}",                             AUTH_VERDICT_TROUBLE, 0,   0},
        {"{\"error\":\"unauthorized_client\",\"error_codes\":[700016]}",                           AUTH_VERDICT_REFUSED, 0,
         0                                                                                                                     },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[AUTH_TEXT_MAX] = "";
        struct auth_device device = {0};
        struct auth_reply reply = reply_of(200, rows[i].body);
        buffer_init(&device.device_code, AUTH_TOKEN_MAX);
        enum auth_verdict verdict =
            auth_answer_device(&reply, "https://login.example/d", "me@x", &device, text);
        if (verdict != rows[i].verdict)
            fail_msg("%s: %d: %s", rows[i].body, verdict, text);
        assert_int_equal(device.expires_in, rows[i].expires_in);
        assert_int_equal(device.interval, rows[i].interval);
        buffer_free(&reply.body);
        buffer_free(&device.device_code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lifetimes),    cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_both_or_none), cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_codes),        cmocka_unit_test(test_device),
    };
    return cmocka_run_group_tests_name("auth_answer", tests, NULL, NULL);
}
