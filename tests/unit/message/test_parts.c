/* The parts of a message: names, bytes, messages in messages, ceilings. */
#include "tests/unit/test.h"

#include <string.h>

#include "message/part_name.h"
#include "message/parts.h"
#include "message/summary.h"
#include "tests/unit/message/gathered.h"

#define MIXED              "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
#define PART(header, body) "\r\n--b\r\n" header "\r\n" body
#define TYPE(t)            "Content-Type: " t "\r\n"

/* "NAME SIZE=BYTES\n" of each entry, indented by its depth; a directory has "/" alone. */
static char *listing(const char *message, size_t len)
{
    struct message_source source;
    struct message_parts *parts;
    GString *out = g_string_new(NULL);
    message_source_bytes(&source, message, len);
    assert_int_equal(message_parts_read(&parts, &source), MESSAGE_OK);
    for (size_t i = 0; i < message_parts_count(parts); i++) {
        const struct message_part *part = message_parts_get(parts, i);
        for (int up = part->parent; up >= 0; up = message_parts_get(parts, (size_t)up)->parent)
            g_string_append(out, "  ");
        g_string_append(out, part->name);
        if (part->directory) {
            g_string_append(out, "/\n");
            continue;
        }
        GString *bytes = g_string_new(NULL);
        const struct message_sink sink = {gathered_write, bytes};
        assert_int_equal(message_parts_write(parts, i, &source, &sink), MESSAGE_OK);
        assert_int_equal(bytes->len, part->size);
        g_string_append_printf(out, " %s\n", bytes->str);
        g_string_free(bytes, TRUE);
    }
    message_parts_free(&parts);
    return g_string_free(out, FALSE);
}

static void test_cases(void **state)
{
    static const struct {
        const char *message, *listing;
    } cases[] = {
        {"Subject: s\r\n\r\nbody\r\n",                                                        "body.txt body\r\n\n"                       },
        {                                                                                  TYPE("text/html") "\r\n<p>",                                                          "body.html <p>\n"                                                                                                                             },
        { "", "body.txt \n"                                                                                   },
        {                                                                                       MIXED PART("",                                                                                                                                              "one") PART("",                                             "two") PART(TYPE("text/html"), "three")
             PART(TYPE("image/png"), "four") PART(TYPE("text/csv"), "five") "\r\n--b--",
         "body.txt one\npart-2.txt two\nbody.html three\npart-4.bin four\npart-5.txt five\n"},
        {                                                     MIXED PART(TYPE("a/b; name=x.bin") "Content-Transfer-Encoding: base64\r\n",                                            "YWJj")
             PART(TYPE("a/b; name=x.bin"),                                                                                   "2") PART(TYPE("a/b; name=x"), "3")
                 PART(TYPE("a/b; name=x"), "4"),
         "x.bin abc\nx~2.bin 2\nx 3\nx~2 4\n"},
        {                                                                                                                                                                                 MIXED PART(
             TYPE("a/b; name=type.bin") "Content-Disposition: attachment; filename=d.bin\r\n",                                                                                                                                                                                                                                                                     "d"),
         "d.bin d\n"},
        {                                                                                                                                                                                                        MIXED PART(TYPE("a/b; name=\"../../etc/passwd\""),                                    "1") PART(TYPE("a/b; name=\"..\""),                                       "2")
             PART(TYPE("a/b; name=\"C:\\\\x\\\\y.exe\""), "3") PART(TYPE("a/b; name=\"/\""), "4"),
         "passwd 1\n\u2024. 2\ny.exe 3\npart-4.bin 4\n"},
        {                                                                                                                    MIXED PART(TYPE("message/rfc822"),                                                                                                                                                                                                                                                             "Subject: i\r\n\r\ninner")
             PART(TYPE("message/rfc822; name=m.EML"),                                            TYPE("message/rfc822") "\r\n\r\nx"),
         "part-1.eml Subject: i\r\n\r\ninner\npart-1/\n  body.txt inner\n"
         "m.eml Content-Type: message/rfc822\r\n\r\n\r\nx\nm/\n  part-1.eml \r\nx\n  part-1/\n"
         "    body.txt x\n"},
        {MIXED PART(TYPE("a/b; name=m"),                                                                                                                                                                                                                                                                                         "1") PART(TYPE("message/rfc822; name=m.eml"), "\r\nx"),
         "m 1\nm~2.eml \r\nx\nm~2/\n  body.txt x\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *list = listing(cases[i].message, strlen(cases[i].message));
        assert_string_equal(list, cases[i].listing);
        g_free(list);
    }
}

static void test_names(void **state)
{
    static const struct {
        const char *wanted;
        unsigned ordinal;
        const char *name;
    } cases[] = {
        {"a.txt",                      1, "a.txt"                       },
        {"a.txt",                      3, "a~3.txt"                     },
        {"a b (1).tar.gz",             2, "a b (1).tar~2.gz"            },
        {".hidden",                    1, "\u2024hidden"                },
        {"a/b",                        1, "b"                           },
        {"\u202Efdp.exe",              1, "\uFFFDfdp.exe"               },
        {"a\x1b[2J\n.txt",             1, "a\uFFFD[2J\uFFFD.txt"        },
        {"Cafe\u0301.txt",             1, "Café.txt"                   },
        {"x.averyverylongextension12", 2, "x.averyverylongextension12~2"},
    };
    char name[MESSAGE_NAME_MAX + 1];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(part_name_make(name, cases[i].wanted, cases[i].ordinal));
        assert_string_equal(name, cases[i].name);
    }
    assert_false(part_name_make(name, "", 1));
    assert_false(part_name_make(name, "a/", 1));
    assert_false(part_name_make(name, "  ", 1));
}

static void test_long_name(void **state)
{
    char name[MESSAGE_NAME_MAX + 1];
    GString *wanted = g_string_new(NULL);
    for (int i = 0; i < 300; i++)
        g_string_append(wanted, "ü");
    g_string_append(wanted, ".pdf");
    assert_true(part_name_make(name, wanted->str, 12));
    assert_true(strlen(name) <= MESSAGE_NAME_MAX && strlen(name) > MESSAGE_NAME_MAX - 3);
    assert_true(g_str_has_suffix(name, "ü~12.pdf"));
    g_string_free(wanted, TRUE);
}

static void test_many(void **state)
{
    GString *message = g_string_new(MIXED);
    for (int i = 0; i < 10000; i++)
        g_string_append(message, PART(TYPE("a/b; name=same.bin"), "x"));
    struct message_source source;
    struct message_parts *parts;
    message_source_bytes(&source, message->str, message->len);
    assert_int_equal(message_parts_read(&parts, &source), MESSAGE_OK);
    size_t count = message_parts_count(parts);
    assert_true(count > 1000 && count <= MESSAGE_PARTS_MAX);
    message_parts_free(&parts);
    g_string_free(message, TRUE);
}

int main(void)
{
    message_init();
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases), cmocka_unit_test(test_names),
                                       cmocka_unit_test(test_long_name),
                                       cmocka_unit_test(test_many)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
