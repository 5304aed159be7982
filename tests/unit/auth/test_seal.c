/*
 * Sealing: what comes back, what is refused, a vector that others computed, and that no two seals
 * are alike. And base64, in which it is written.
 */
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/base64.h"
#include "auth/seal.h"

static const unsigned char key[AUTH_SEAL_KEY] = "0123456789abcdef0123456789abcde";
static const char bound[] = "outlookfs login 1 jane@example.org";

static struct buffer bytes(const void *data, size_t len)
{
    struct buffer b;
    buffer_init(&b, AUTH_SEAL_MAX + 64);
    assert_true(buffer_append(&b, data, len));
    return b;
}

static struct buffer seal(const void *data, size_t len)
{
    struct buffer plain = bytes(data, len);
    struct buffer sealed = bytes("", 0);
    assert_true(auth_seal_close(key, bound, &plain, &sealed));
    assert_int_equal(sealed.len, AUTH_SEAL_NONCE + len + AUTH_SEAL_TAG);
    buffer_free(&plain);
    return sealed;
}

static bool opens(const unsigned char *with, const char *for_whom, const struct buffer *sealed)
{
    struct buffer plain = bytes("kept", 4);
    bool opened = auth_seal_open(with, for_whom, sealed, &plain);
    if (!opened) /* nothing of what was not authenticated is left */
        assert_memory_equal(plain.data, "kept", 5);
    buffer_free(&plain);
    return opened;
}

static void test_round_trips(void **state)
{
    static const size_t lengths[] = {0, 1, 15, 16, 17, 255, 4096, AUTH_SEAL_MAX};
    char *text = malloc(AUTH_SEAL_MAX);
    assert_non_null(text);
    memset(text, 'x', AUTH_SEAL_MAX);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct buffer sealed = seal(text, lengths[i]);
        struct buffer plain = bytes("", 0);
        assert_true(auth_seal_open(key, bound, &sealed, &plain));
        assert_int_equal(plain.len, lengths[i]);
        assert_memory_equal(plain.data, text, lengths[i]);
        buffer_free(&plain);
        buffer_free(&sealed);
    }
    free(text);
}

static void test_each_byte_counts(void **state)
{
    struct buffer sealed = seal("a refresh token", 15);
    for (size_t i = 0; i < sealed.len * 8; i++) {
        sealed.data[i / 8] = (char)(sealed.data[i / 8] ^ (1 << i % 8));
        assert_false(opens(key, bound, &sealed));
        sealed.data[i / 8] = (char)(sealed.data[i / 8] ^ (1 << i % 8));
    }
    assert_true(opens(key, bound, &sealed));
    for (size_t len = sealed.len; len-- > 0;) {
        struct buffer cut = bytes(sealed.data, len);
        assert_false(opens(key, bound, &cut));
        buffer_free(&cut);
    }
    assert_true(buffer_append_byte(&sealed, 'x'));
    assert_false(opens(key, bound, &sealed));
    buffer_free(&sealed);
}

static void test_key_and_owner_count(void **state)
{
    struct buffer sealed = seal("a refresh token", 15);
    unsigned char other[AUTH_SEAL_KEY];
    char whose[sizeof bound + 1] = "";
    for (size_t i = 0; i < sizeof other; i++) {
        memcpy(other, key, sizeof other);
        other[i] ^= 1;
        assert_false(opens(other, bound, &sealed));
    }
    for (size_t i = 0; i < sizeof bound - 1; i++) {
        memcpy(whose, bound, sizeof bound);
        whose[i] ^= 1;
        assert_false(opens(key, whose, &sealed));
    }
    assert_false(opens(key, "", &sealed));
    snprintf(whose, sizeof whose, "%sx", bound);
    assert_false(opens(key, whose, &sealed));
    buffer_free(&sealed);
}

static void test_never_alike(void **state)
{
    enum { SEALS = 1000 };
    struct buffer all = bytes("", 0);
    for (int i = 0; i < SEALS; i++) {
        struct buffer sealed = seal("same", 4);
        for (size_t at = 0; at < all.len; at += AUTH_SEAL_NONCE)
            assert_memory_not_equal(all.data + at, sealed.data, AUTH_SEAL_NONCE);
        assert_true(buffer_append(&all, sealed.data, AUTH_SEAL_NONCE));
        buffer_free(&sealed);
    }
    buffer_free(&all);
}

/* Test case 14 of the GCM specification (McGrew, Viega): zeros all around. It has no bound text. */
static void test_vector(void **state)
{
    static const unsigned char zeros[AUTH_SEAL_KEY];
    static const unsigned char sealed_bytes[] = {
        0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    /* nonce */
        0xce, 0xa7, 0x40, 0x3d, 0x4d, 0x60, 0x6b, 0x6e, 0x07, 0x4e, 0xc5, 0xd3, /* data */
        0xba, 0xf3, 0x9d, 0x18, 0xd0, 0xd1, 0xc8, 0xa7, 0x99, 0x99, 0x6b, 0xf0, /* and tag */
        0x26, 0x5b, 0x98, 0xb5, 0xd4, 0x8a, 0xb9, 0x19};
    struct buffer sealed = bytes(sealed_bytes, sizeof sealed_bytes);
    struct buffer plain = bytes("", 0);
    assert_true(auth_seal_open(zeros, "", &sealed, &plain));
    assert_int_equal(plain.len, 16);
    assert_memory_equal(plain.data, zeros, 16);
    buffer_free(&plain);
    buffer_free(&sealed);
}

static void test_ceilings(void **state)
{
    struct buffer small;
    struct buffer plain = bytes("a refresh token", 15);
    struct buffer sealed = seal("a refresh token", 15);
    buffer_init(&small, 15 + AUTH_SEAL_NONCE + AUTH_SEAL_TAG - 1);
    assert_false(auth_seal_close(key, bound, &plain, &small));
    assert_int_equal(small.len, 0);
    buffer_free(&small);
    buffer_init(&small, 14);
    assert_false(auth_seal_open(key, bound, &sealed, &small));
    assert_int_equal(small.len, 0);
    buffer_free(&small);
    while (plain.len <= AUTH_SEAL_MAX)
        assert_true(buffer_append_byte(&plain, 'x'));
    assert_false(auth_seal_close(key, bound, &plain, &sealed));
    buffer_free(&plain);
    buffer_free(&sealed);
}

static void test_base64(void **state)
{
    static const struct {
        const char *plain, *text; /* plain NULL: refused */
    } cases[] = {
        {"",       ""            },
        {"f",      "Zg=="        },
        {"fo",     "Zm8="        },
        {"foo",    "Zm9v"        },
        {"foob",   "Zm9vYg=="    },
        {"foobar", "Zm9vYmFy"    }, /* RFC 4648 section 10 */
        {NULL,     "Z"           },
        {NULL,     "Zg"          },
        {NULL,     "Zg="         },
        {NULL,     "Zh=="        }, /* bits that count for nothing */
        {NULL,     "Zm9="        },
        {NULL,     "===="        },
        {NULL,     "Z==="        },
        {NULL,     "Zg==Zg=="    },
        {NULL,     " Zg=="       },
        {NULL,     "Zg==\n"      },
        {NULL,     "Zm9v\n\n\n\n"},
        {NULL,     "Zm-_"        }, /* another alphabet */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer out = bytes("", 0);
        bool taken = auth_base64_decode(cases[i].text, strlen(cases[i].text), &out);
        assert_int_equal(taken, cases[i].plain != NULL);
        assert_string_equal(out.data, taken ? cases[i].plain : "");
        buffer_clear(&out);
        if (taken) {
            assert_true(auth_base64_encode(cases[i].plain, strlen(cases[i].plain), &out));
            assert_string_equal(out.data, cases[i].text);
        }
        buffer_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_each_byte_counts),
        cmocka_unit_test(test_key_and_owner_count),
        cmocka_unit_test(test_never_alike),
        cmocka_unit_test(test_vector),
        cmocka_unit_test(test_ceilings),
        cmocka_unit_test(test_base64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
