#include "tests/unit/test.h"

#include <string.h>

#include "imap/utf7.h"

/* Names in both forms, and names that decode but are not what we would write. */
static void decodes(void **state)
{
    static const struct {
        const char *name;
        const char *text;
        bool canonical;
    } cases[] = {
        {"",                                "",                                                                                  true },
        {"INBOX",                           "INBOX",                                                                             true },
        {"Tom &- Jerry",                    "Tom & Jerry",                                                                       true },
        {"&-&-",                            "&&",                                                                                true },
        {"Entw&APw-rfe",                    "Entw\xc3\xbcrfe",                                                                   true },
        {"~peter/mail/&U,BTFw-/&ZeVnLIqe-", /* RFC 3501 section 5.1.3 */
         "~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", true },
        {"&2D3eAA-",                        "\xf0\x9f\x98\x80",                                                                  true },
        {"&AAk-",                           "\t",                                                                                true },
        {"&AH8-",                           "\x7f",                                                                              true },
        {"&AGEAYg-",                        "ab",                                                                                false}, /* needless */
        {"&AOQ-&AOQ-",                      "\xc3\xa4\xc3\xa4",                                                                  false}, /* a superfluous shift */
        {"&ACY-",                           "&",                                                                                 false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buffer out;
        buffer_init(&out, 1000);
        assert_true(buffer_append_text(&out, "x"));
        assert_true(imap_utf7_decode(cases[i].name, strlen(cases[i].name), &out));
        assert_string_equal(out.data + 1, cases[i].text);
        buffer_clear(&out);
        assert_true(imap_utf7_encode(cases[i].text, strlen(cases[i].text), &out));
        if (cases[i].canonical)
            assert_string_equal(out.len > 0 ? out.data : "", cases[i].name);
        buffer_free(&out);
    }
}

static void refuses_to_decode(void **state)
{
    static const char *const names[] = {
        "&",     "a&",     "&AGE",  "&A-",    "&AA-",     "&AGF-",    "&AG/h-",
        "&AG=-", "&AGE=-", "&2D0-", "&3gA-",  "&2D0AYQ-", "&2D3YPQ-", "Entw\xc3\xbcrfe",
        "\x80",  "a\tb",   "\x7f",  "&AGEA-", "&AGEAA-",  "&AG E-",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct buffer out;
        buffer_init(&out, 1000);
        assert_true(buffer_append_text(&out, "kept"));
        if (imap_utf7_decode(names[i], strlen(names[i]), &out))
            fail_msg("%s was taken", names[i]);
        assert_string_equal(out.data, "kept");
        assert_int_equal(out.len, 4);
        buffer_free(&out);
    }
}

static void refuses_to_encode(void **state)
{
    static const char *const texts[] = {
        "\x80",         "\xc3",         "\xc3(",        "\xc0\xaf",
        "\xe0\x80\xaf", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf4\x90\x80\x80",
        "\xf8\x88\x80", "a\xff",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct buffer out;
        buffer_init(&out, 1000);
        assert_true(buffer_append_text(&out, "kept"));
        assert_false(imap_utf7_encode(texts[i], strlen(texts[i]), &out));
        assert_string_equal(out.data, "kept");
        buffer_free(&out);
    }
}

/* Too small a buffer is a refusal, and leaves it as it was. */
static void respects_the_ceiling(void **state)
{
    for (size_t max = 0; max < 20; max++) {
        struct buffer out;
        buffer_init(&out, max);
        bool fits = imap_utf7_encode("Entw\xc3\xbcrfe", 9, &out);
        assert_int_equal(fits, max >= 12);
        assert_int_equal(out.len, fits ? 12 : 0);
        buffer_clear(&out);
        fits = imap_utf7_decode("Entw&APw-rfe", 12, &out);
        assert_int_equal(fits, max >= 9);
        assert_int_equal(out.len, fits ? 9 : 0);
        buffer_free(&out);
    }
}

/* Every character there is, and its neighbours in one name. */
static void round_trips_unicode(void **state)
{
    for (uint32_t c = 1; c < 0x110000; c += c < 0x3000 ? 1 : 97) {
        char text[8] = "a";
        size_t len = 1;
        if (c >= 0xD800 && c < 0xE000)
            continue;
        if (c < 0x80) {
            text[len++] = (char)c;
        } else {
            int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
            text[len++] = (char)((more == 1 ? 0xC0 : more == 2 ? 0xE0 : 0xF0) | c >> (6 * more));
            while (more-- > 0)
                text[len++] = (char)(0x80 | (c >> (6 * more) & 0x3F));
        }
        text[len++] = 'z';
        struct buffer name, again;
        buffer_init(&name, 100);
        buffer_init(&again, 100);
        assert_true(imap_utf7_encode(text, len, &name));
        assert_true(imap_utf7_decode(name.data, name.len, &again));
        assert_int_equal(again.len, len);
        assert_memory_equal(again.data, text, len);
        buffer_free(&name);
        buffer_free(&again);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes),
        cmocka_unit_test(refuses_to_decode),
        cmocka_unit_test(refuses_to_encode),
        cmocka_unit_test(respects_the_ceiling),
        cmocka_unit_test(round_trips_unicode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
