/* The small parts of a connection: SASL messages, capability words, what a server's text means. */
#include "tests/unit/test.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/buffer.h"
#include "imap/capability.h"
#include "imap/connection.h"
#include "imap/failure.h"
#include "imap/sasl.h"

static struct imap_span span(const char *text)
{
    return (struct imap_span){text, strlen(text)};
}

/* Whether `encoded` is the base64 of the `len` bytes at `plain`; wipes it. */
static bool is_base64_of(struct buffer *encoded, const char *plain, size_t len)
{
    char wanted[1024];
    int n = EVP_EncodeBlock((unsigned char *)wanted, (const unsigned char *)plain, (int)len);
    bool same = encoded->len == (size_t)n && memcmp(encoded->data, wanted, encoded->len) == 0;
    buffer_wipe(encoded);
    return same;
}

static void sasl_messages(void **state)
{
    (void)state;
    static const char plain[] = "\0me@example.com\0pass word";
    struct buffer out;
    buffer_init(&out, IMAP_SASL_MAX);
    assert_true(imap_sasl_xoauth2(&out, "someuser@example.com", "ya29.vF9dft4qmTc2Nvb3RlckBh"));
    static const char xoauth2[] =
        "user=someuser@example.com\001auth=Bearer ya29.vF9dft4qmTc2Nvb3RlckBh\001\001";
    assert_true(is_base64_of(&out, xoauth2, sizeof xoauth2 - 1));
    assert_true(imap_sasl_oauthbearer(&out, "a,b=c@example.com", "t0k", "h.example.com", 993));
    static const char bearer[] = "n,a=a=2Cb=3Dc@example.com,\001host=h.example.com\001port=993\001"
                                 "auth=Bearer t0k\001\001";
    assert_true(is_base64_of(&out, bearer, sizeof bearer - 1));
    assert_true(imap_sasl_plain(&out, "me@example.com", "pass word"));
    assert_true(is_base64_of(&out, plain, sizeof plain - 1));
}

static void sasl_takes_no_field_ends(void **state)
{
    (void)state;
    static const char *const bad[] = {"a\001b", "a\rb", "a\nb"};
    struct buffer out;
    buffer_init(&out, IMAP_SASL_MAX);
    for (size_t i = 0; i < 3; i++) {
        assert_false(imap_sasl_xoauth2(&out, "u", bad[i]));
        assert_false(imap_sasl_xoauth2(&out, bad[i], "t"));
        assert_false(imap_sasl_oauthbearer(&out, "u", bad[i], "h", 1));
        assert_false(imap_sasl_oauthbearer(&out, bad[i], "t", "h", 1));
    }
    assert_int_equal(out.len, 0);
}

static void capability_words(void **state)
{
    (void)state;
    static const struct {
        const char *words;
        unsigned bits;
    } rows[] = {
        {"",                                       0                                                      },
        {"IMAP4rev1 IMAP4rev2 CHILDREN X-UIDPLUS", 0                                                      },
        {"auth=plain Auth=XOauth2",                IMAP_CAP_AUTH_PLAIN | IMAP_CAP_AUTH_XOAUTH2            },
        {"  ID  MOVE ",                            IMAP_CAP_ID | IMAP_CAP_MOVE                            },
        {"IDLE2 IDL",                              0                                                      },
        {"LITERAL+ LITERAL-",                      IMAP_CAP_LITERAL_PLUS | IMAP_CAP_LITERAL_MINUS         },
        {"APPENDLIMIT=35000000",                   IMAP_CAP_APPENDLIMIT                                   },
        {"APPENDLIMIT",                            IMAP_CAP_APPENDLIMIT                                   },
        {"APPENDLIMIT=",                           0                                                      },
        {"QRESYNC",                                IMAP_CAP_QRESYNC | IMAP_CAP_CONDSTORE | IMAP_CAP_ENABLE},
        {"LOGINDISABLED STARTTLS",                 IMAP_CAP_LOGINDISABLED | IMAP_CAP_STARTTLS             },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(imap_capability_parse(span(rows[i].words)), rows[i].bits);
    assert_int_equal(imap_capability_parse((struct imap_span){NULL, 0}), 0);
}

static void what_a_text_means(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum imap_error error;
        int64_t backoff_ms;
    } rows[] = {
        {"Request is throttled. Suggested Backoff Time: 92415 milliseconds", IMAP_ERR_THROTTLED,
         92415                                                                                             },
        {"request is THROTTLED.",                                            IMAP_ERR_THROTTLED,   0       },
        {"Suggested Backoff Time:",                                          IMAP_ERR_THROTTLED,   0       },
        {"Suggested Backoff Time: -5",                                       IMAP_ERR_THROTTLED,   0       },
        {"Suggested Backoff Time: 18446744073709551617",                     IMAP_ERR_THROTTLED,   86400000},
        {"Server Unavailable. 15",                                           IMAP_ERR_UNAVAILABLE, 0       },
        {"User is authenticated but not connected.",                         IMAP_ERR_UNUSABLE,    0       },
        {"Session invalidated - AccessTokenExpired",                         IMAP_ERR_EXPIRED,     0       },
        {"Basic authentication is disabled.",                                IMAP_ERR_AUTH_BASIC,  0       },
        {"Connection closed. 14",                                            IMAP_OK,              0       },
        {"",                                                                 IMAP_OK,              0       },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(imap_failure_classify(span(rows[i].text)), rows[i].error);
        assert_int_equal(imap_failure_backoff(span(rows[i].text)), rows[i].backoff_ms);
    }
    assert_int_equal(imap_failure_classify((struct imap_span){NULL, 0}), IMAP_OK);
    assert_int_equal(imap_failure_backoff((struct imap_span){"Backoff Time: 123", 16}), 12);
}

static void texts_are_one_harmless_line(void **state)
{
    (void)state;
    char long_text[2000];
    struct imap_failure failure;
    memset(long_text, 'x', sizeof long_text);
    imap_failure_from_server(&failure, IMAP_ERR_NO, "host", "SELECT",
                             (struct imap_span){long_text, sizeof long_text});
    assert_true(strlen(failure.text) < sizeof failure.text);
    imap_failure_from_server(&failure, IMAP_ERR_NO, "host", "SELECT",
                             span("a\r\nb\033[2J\xC2\x9B"));
    assert_null(strpbrk(failure.text, "\r\n\033\x9B"));
    assert_non_null(strstr(failure.text, "host: SELECT: "));
    imap_failure_from_server(&failure, IMAP_ERR_UNUSABLE, "imap-mail.outlook.com", "CAPABILITY",
                             span("User is authenticated but not connected."));
    assert_non_null(strstr(failure.text, "not connected.)")); /* the longest advice still fits */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sasl_messages),
        cmocka_unit_test(sasl_takes_no_field_ends),
        cmocka_unit_test(capability_words),
        cmocka_unit_test(what_a_text_means),
        cmocka_unit_test(texts_are_one_harmless_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
