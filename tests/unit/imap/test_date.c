#include "tests/unit/test.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "imap/date.h"

static void reads_dates(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds;
    } cases[] = {
        {"01-Jan-1970 00:00:00 +0000", 0           },
        {"17-Jul-1996 02:44:25 -0700", 837596665   },
        {" 7-Feb-2024 02:44:25 -0700", 1707299065  },
        {"7-Feb-2024 02:44:25 -0700",  1707299065  },
        {"07-FEB-2024 02:44:25 -0700", 1707299065  },
        {"29-Feb-2024 23:59:60 +0000", 1709251200  },
        {"31-Dec-1969 23:59:59 +0000", -1          },
        {"01-Jan-1601 00:00:00 +0000", -11644473600},
        {"31-Dec-9999 23:59:59 +0000", 253402300799},
        {"01-Jan-0001 00:00:00 +0000", -62135596800},
        {"01-Jan-2038 00:00:00 +1400", 2145866400  },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t seconds = 1;
        struct imap_span text = {cases[i].text, strlen(cases[i].text)};
        assert_true(imap_date_parse(text, &seconds));
        assert_int_equal(seconds, cases[i].seconds);
    }
}

static void refuses_others(void **state)
{
    static const char *const texts[] = {
        "",
        "never",
        "17-Jul-1996",
        "17-Jul-1996 02:44:25",
        "17-Jul-96 02:44:25 -0700",
        "17-Jux-1996 02:44:25 -0700",
        "0-Jul-1996 02:44:25 -0700",
        "32-Jul-1996 02:44:25 -0700",
        "29-Feb-2023 02:44:25 -0700",
        "29-Feb-1900 02:44:25 -0700",
        "17-Jul-1996 24:00:00 -0700",
        "17-Jul-1996 02:60:00 -0700",
        "17-Jul-1996 02:44:61 -0700",
        "17-Jul-1996 02:44:25 0700",
        "17-Jul-1996 02:44:25 -07000",
        "17-Jul-1996 02:44:25 -2400",
        "17-Jul-1996 02:44:25 PST",
        "17-Jul-0000 02:44:25 -0700",
        "17-Jul-99999 02:44:25 -0700",
        "17-Ju",
    };
    int64_t seconds;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (imap_date_parse((struct imap_span){texts[i], strlen(texts[i])}, &seconds))
            fail_msg("%s was taken", texts[i]);
    }
    assert_false(imap_date_parse((struct imap_span){0}, &seconds));
}

/* Against the C library's calendar, day by day over four centuries. */
static void agrees_with_the_library(void **state)
{
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    for (int64_t day = -47500; day < 98700; day++) {
        char text[64];
        time_t when = day * 86400 + 3723;
        struct tm tm;
        int64_t seconds = 0;
        assert_non_null(gmtime_r(&when, &tm));
        int len = snprintf(text, sizeof text, "%2d-%s-%04d 01:02:03 +0000", tm.tm_mday,
                           months[tm.tm_mon], tm.tm_year + 1900);
        assert_true(imap_date_parse((struct imap_span){text, (size_t)len}, &seconds));
        assert_int_equal(seconds, when);
        char printed[IMAP_DATE_TEXT];
        assert_true(imap_date_print(seconds, printed));
        assert_string_equal(printed, text);
    }
}

static void prints_four_digit_years(void **state)
{
    static const struct {
        int64_t seconds;
        const char *text; /* NULL: none */
    } cases[] = {
        {0,            " 1-Jan-1970 00:00:00 +0000"},
        {-1,           "31-Dec-1969 23:59:59 +0000"},
        {951782400,    "29-Feb-2000 00:00:00 +0000"},
        {253402300799, "31-Dec-9999 23:59:59 +0000"},
        {-62135596800, " 1-Jan-0001 00:00:00 +0000"},
        {253402300800, NULL                        },
        {-62135596801, NULL                        },
        {INT64_MAX,    NULL                        },
        {INT64_MIN,    NULL                        },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[IMAP_DATE_TEXT] = "";
        assert_int_equal(imap_date_print(cases[i].seconds, text), cases[i].text != NULL);
        assert_string_equal(text, cases[i].text != NULL ? cases[i].text : "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_dates),
        cmocka_unit_test(refuses_others),
        cmocka_unit_test(agrees_with_the_library),
        cmocka_unit_test(prints_four_digit_years),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
