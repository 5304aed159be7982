/* cache/near.h: what follows a message in each of the orders, with and without bodies. */
#include "tests/unit/cache/fixture.h"

#include "cache/near.h"

enum { MESSAGES = 1400, MAX = 600 };

static struct cache_near rows[MAX];

static struct cache_dentry place_of(struct fixture *f, uint32_t uid)
{
    struct cache_dentry place;
    assert_int_equal(cache_dentry_of(f->cache, fixture_find(f, uid).message, &place), CACHE_OK);
    return place;
}

static size_t near(struct fixture *f, struct cache_dentry *place, enum cache_order order,
                   enum cache_near_what what, size_t max, bool *end)
{
    size_t count = 0;
    assert_int_equal(cache_near(f->cache, place, order, what, rows, max, &count, end), CACHE_OK);
    assert_true(count <= max);
    return count;
}

/* The fixture's inodes ascend with the UIDs. */
static void test_by_inode(void **state)
{
    struct fixture *f = *state;
    bool end;
    fixture_add(f, 1, 20);
    struct cache_dentry place = place_of(f, 5);
    assert_int_equal(near(f, &place, CACHE_BY_INODE, CACHE_NEAR_ALL, 3, &end), 3);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(rows[i].uid, 6 + i);
    assert_int_equal(rows[0].size, 1006);
    assert_int_equal(rows[0].mailbox, f->inbox);
    assert_int_equal(rows[0].message, fixture_find(f, 6).message);
    assert_int_equal(near(f, &place, CACHE_BY_INODE, CACHE_NEAR_ALL, MAX, &end), 12);
    assert_int_equal(rows[0].uid, 9);
    assert_true(end);
    place = place_of(f, 5);
    assert_int_equal(near(f, &place, CACHE_BY_INODE_BACK, CACHE_NEAR_ALL, MAX, &end), 4);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(rows[i].uid, 4 - i);
    assert_true(end);
    assert_int_equal(near(f, &place, CACHE_BY_INODE_BACK, CACHE_NEAR_ALL, MAX, &end), 0);
    assert_true(end);
}

/* stem-1, stem-10, stem-11 ... stem-19, stem-2, stem-20, stem-3 ...: bytes, then ".eml". */
static void test_by_name(void **state)
{
    struct fixture *f = *state;
    bool end;
    fixture_add(f, 1, 20);
    struct cache_dentry place = place_of(f, 18);
    static const uint32_t up[] = {19, 2, 20, 3}, down[] = {17, 16, 15, 14};
    assert_int_equal(near(f, &place, CACHE_BY_NAME, CACHE_NEAR_ALL, 4, &end), 4);
    for (size_t i = 0; i < 4; i++)
        assert_true(strcmp(place_of(f, up[i]).name, place_of(f, 18).name) > 0);
    for (size_t i = 0; i + 1 < 4; i++)
        assert_true(strcmp(place_of(f, rows[i].uid).name, place_of(f, rows[i + 1].uid).name) < 0);
    place = place_of(f, 18);
    assert_int_equal(near(f, &place, CACHE_BY_NAME_BACK, CACHE_NEAR_ALL, 4, &end), 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(rows[i].uid, down[i]);
}

static void test_without_bodies(void **state)
{
    struct fixture *f = *state;
    bool end, here;
    fixture_add(f, 1, 10);
    for (uint32_t uid = 3; uid <= 7; uid += 2)
        assert_int_equal(fixture_body(f->cache, fixture_find(f, uid).message, uid, 100, 100),
                         CACHE_OK);
    struct cache_dentry place = place_of(f, 1);
    static const uint32_t absent[] = {2, 4, 6, 8, 9, 10};
    assert_int_equal(near(f, &place, CACHE_BY_INODE, CACHE_NEAR_ABSENT, MAX, &end), 6);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(rows[i].uid, absent[i]);
    assert_true(end);
    assert_int_equal(cache_body_here(f->cache, fixture_find(f, 3).message, &here), CACHE_OK);
    assert_true(here);
    assert_int_equal(cache_body_here(f->cache, fixture_find(f, 4).message, &here), CACHE_OK);
    assert_false(here);
}

/* One call looks at CACHE_NEAR_LOOK entries, and the next goes on behind them. */
static void test_goes_on(void **state)
{
    struct fixture *f = *state;
    bool end = false;
    fixture_add(f, 1, MESSAGES);
    struct cache_dentry place = place_of(f, 1);
    uint32_t expected = 2;
    for (int calls = 0; !end; calls++) {
        size_t count = near(f, &place, CACHE_BY_INODE, CACHE_NEAR_ALL, MAX, &end);
        assert_true(calls < 10 && count <= CACHE_NEAR_LOOK);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(rows[i].uid, expected++);
    }
    assert_int_equal(expected, MESSAGES + 1);
}

/* Mailboxes below this one are no messages, and do not end the walk. */
static void test_directories(void **state)
{
    struct fixture *f = *state;
    bool end;
    struct cache_mailbox archive = {0};
    assert_int_equal(cache_mailbox_find(f->cache, "Archive", &archive), CACHE_OK);
    struct cache_dentry place = {.parent = archive.ino};
    cache_mailbox_free(&archive);
    assert_int_equal(near(f, &place, CACHE_BY_INODE, CACHE_NEAR_ALL, MAX, &end), 0);
    assert_true(end);
    assert_int_equal(cache_dentry_of(f->cache, 12345, &place), CACHE_ERR_ABSENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_by_inode, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_by_name, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_without_bodies, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_goes_on, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_directories, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
