/* A message that the server gave another UID keeps its inode, and nobody reads the bytes of one for
 * those of the other (cache/renumbered.c). */
#include "tests/unit/cache/fixture.h"

struct came {
    uint32_t uid;
    const char *message_id;
    uint64_t size;
    int64_t date;
};

static void add(struct fixture *f, const struct came *came)
{
    const struct cache_new_message one = {.uid = came->uid,
                                          .size = came->size,
                                          .internaldate = came->date,
                                          .message_id = came->message_id,
                                          .flags = "",
                                          .stem = "mail"};
    assert_int_equal(cache_messages_add(f->cache, f->inbox, FIXTURE_UIDVALIDITY, &one, 1, came->uid,
                                        true, fixture_file_name, NULL, NULL),
                     CACHE_OK);
}

struct told {
    unsigned gone, changed, bytes;
    uint64_t ino; /* whose bytes */
};

static void tell(void *ctx, const struct cache_change *change)
{
    struct told *told = ctx;
    told->gone += change->gone;
    told->changed += !change->gone;
    told->bytes += change->bytes;
    if (change->bytes)
        told->ino = change->ino;
}

static struct told renumber(struct fixture *f, const uint32_t *uids, size_t count, uint32_t after)
{
    struct told told = {0};
    assert_int_equal(cache_messages_renumbered(f->cache, f->inbox, FIXTURE_UIDVALIDITY, uids, count,
                                               after, tell, &told),
                     CACHE_OK);
    return told;
}

static uint64_t messages(struct fixture *f)
{
    uint64_t directories, count = 0;
    assert_int_equal(cache_inode_count(f->cache, f->inbox_ino, &directories, &count), CACHE_OK);
    return count;
}

static bool absent(struct fixture *f, uint32_t uid)
{
    struct cache_inode inode;
    return cache_message_find(f->cache, f->inbox, uid, &inode) == CACHE_ERR_ABSENT;
}

static void test_the_inode_stays(void **state)
{
    struct fixture *f = *state;
    const uint32_t uid = 1;
    uint64_t size;
    add(f, &(struct came){1, "<a@x>", 500, 1000});
    struct cache_inode before = fixture_find(f, 1);
    assert_int_equal(fixture_body(f->cache, before.message, 1, 400, 400), CACHE_OK);
    add(f, &(struct came){2, "<b@x>", 500, 1000});
    add(f, &(struct came){5, "<a@x>", 500, 1000});
    uint64_t other = fixture_find(f, 5).ino;
    struct told told = renumber(f, &uid, 1, 2);
    struct cache_inode after = fixture_find(f, 5);
    assert_int_equal(after.ino, before.ino);
    assert_string_equal(after.name, "mail.eml");
    assert_int_equal(after.size, 500);
    assert_false(after.size_exact);
    assert_int_equal(cache_body_pin(f->cache, after.message, &size), CACHE_ERR_ABSENT);
    assert_int_equal(cache_body_pin(f->cache, before.message, &size), CACHE_ERR_ABSENT);
    assert_true(absent(f, 1));
    assert_int_equal(messages(f), 2);
    assert_int_equal(told.gone, 1);
    assert_int_equal(told.changed, 1);
    assert_int_equal(told.bytes, 1);
    assert_int_equal(told.ino, before.ino);
    struct cache_inode gone;
    assert_int_equal(cache_inode_get(f->cache, other, &gone), CACHE_ERR_ABSENT);
    assert_int_equal(fixture_body(f->cache, after.message, 2, 700, 700), CACHE_OK);
    assert_true(fixture_body_is(f->cache, after.message, 2, 700, 700));
    fixture_reopen(f);
    assert_int_equal(fixture_find(f, 5).ino, before.ino);
    assert_int_equal(messages(f), 2);
}

/* Each is what went, or what came, by itself. */
static void test_only_what_is_sure(void **state)
{
    static const struct {
        struct came before[2], came[2];
    } cases[] = {
        {{{1, "<a@x>", 5, 9}},                     {{7, "<a@x>", 6, 9}}                    },
        {{{1, "<a@x>", 5, 9}},                     {{7, "<a@x>", 5, 8}}                    },
        {{{1, "<a@x>", 5, 9}},                     {{7, "<b@x>", 5, 9}}                    },
        {{{1, "", 5, 9}},                          {{7, "", 5, 9}}                         },
        {{{1, "<a@x>", 5, 9}, {2, "<a@x>", 5, 9}}, {{7, "<a@x>", 5, 9}}                    },
        {{{1, "<a@x>", 5, 9}},                     {{7, "<a@x>", 5, 9}, {8, "<a@x>", 5, 9}}},
        {{{1, "<a@x>", 5, 9}, {2, "<a@x>", 5, 9}}, {{7, "<a@x>", 5, 9}, {8, "<a@x>", 5, 9}}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture *f;
        uint32_t uids[2];
        size_t count = 0, came = 0;
        uint64_t inos[2] = {0};
        assert_int_equal(fixture_setup((void **)&f), 0);
        for (; count < 2 && cases[i].before[count].uid != 0; count++) {
            add(f, &cases[i].before[count]);
            uids[count] = cases[i].before[count].uid;
        }
        for (; came < 2 && cases[i].came[came].uid != 0; came++) {
            add(f, &cases[i].came[came]);
            inos[came] = fixture_find(f, cases[i].came[came].uid).ino;
        }
        struct told told = renumber(f, uids, count, 6);
        assert_int_equal(told.bytes, 0);
        assert_int_equal(told.gone, count);
        assert_int_equal(messages(f), came);
        for (size_t n = 0; n < came; n++)
            assert_int_equal(fixture_find(f, cases[i].came[n].uid).ino, inos[n]);
        fixture_teardown((void **)&f);
    }
}

/* Who reads it reads on, and the file that he has is another than the new one. */
static void test_not_under_a_reader(void **state)
{
    struct fixture *f = *state;
    const uint32_t uid = 1;
    uint64_t size;
    unsigned char byte;
    size_t got;
    add(f, &(struct came){1, "<a@x>", 500, 1000});
    struct cache_inode before = fixture_find(f, 1);
    assert_int_equal(fixture_body(f->cache, before.message, 1, 400, 400), CACHE_OK);
    assert_int_equal(cache_body_pin(f->cache, before.message, &size), CACHE_OK);
    add(f, &(struct came){5, "<a@x>", 500, 1000});
    uint64_t ino = fixture_find(f, 5).ino;
    struct told told = renumber(f, &uid, 1, 1);
    assert_int_equal(told.bytes, 0);
    assert_int_equal(told.gone, 1);
    assert_true(absent(f, 1));
    assert_int_equal(fixture_find(f, 5).ino, ino);
    assert_int_equal(cache_body_read(f->cache, before.message, 399, &byte, 1, &got), CACHE_OK);
    assert_int_equal(byte, fixture_byte(1, 399));
    cache_body_unpin(f->cache, before.message);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_the_inode_stays),
        cmocka_unit_test(test_only_what_is_sure),
        CASE(test_not_under_a_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
