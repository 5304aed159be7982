/* base/buffer.h: growth, the ceiling, consuming from the front. */
#include "tests/unit/test.h"

#include <string.h>

#include "base/buffer.h"

static void test_append_grows(void **state)
{
    struct buffer b;
    buffer_init(&b, 100000);
    for (int i = 0; i < 10000; i++)
        assert_true(buffer_append(&b, "0123456789", 10));
    assert_int_equal(b.len, 100000);
    assert_int_equal(b.data[100000], '\0');
    assert_memory_equal(b.data + 99990, "0123456789", 10);
    buffer_free(&b);
}

static void test_ceiling_leaves_content(void **state)
{
    struct buffer b;
    buffer_init(&b, 10);
    assert_true(buffer_append_text(&b, "12345678"));
    assert_false(buffer_append_text(&b, "abc"));
    assert_false(buffer_printf(&b, "%d", 123));
    assert_string_equal(b.data, "12345678");
    assert_true(buffer_printf(&b, "%d", 90));
    assert_string_equal(b.data, "1234567890");
    assert_false(buffer_append_byte(&b, 'x'));
    assert_null(buffer_reserve(&b, SIZE_MAX));
    buffer_free(&b);
    assert_int_equal(b.max, 10);
}

static void test_consume(void **state)
{
    struct buffer b;
    buffer_init(&b, 100);
    buffer_consume(&b, 0);
    assert_true(buffer_append_text(&b, "hello world"));
    buffer_consume(&b, 6);
    assert_string_equal(b.data, "world");
    buffer_consume(&b, 5);
    assert_int_equal(b.len, 0);
    buffer_wipe(&b);
    assert_null(b.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append_grows),
        cmocka_unit_test(test_ceiling_leaves_content),
        cmocka_unit_test(test_consume),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
