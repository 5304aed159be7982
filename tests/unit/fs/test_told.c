/* What the kernel was told: sizes and directories. */
#include "tests/unit/test.h"

#include "fs/told.h"

static int setup(void **state)
{
    *state = told_new();
    return *state == NULL;
}

static int teardown(void **state)
{
    struct told *told = *state;

    told_free(&told);
    return told != NULL;
}

static void estimates_are_suspect(void **state)
{
    struct told *told = *state;

    assert_false(told_suspect(told, 10));
    told_inode(told, 10, true);
    assert_false(told_suspect(told, 10));
    told_inode(told, 11, false);
    assert_true(told_suspect(told, 11));
    assert_false(told_suspect(told, 12));
    told_settled(told, 11);
    assert_false(told_suspect(told, 11));
}

/* An inode that was settled is another message's since, of which the size is not known again. */
static void an_estimate_unsettles(void **state)
{
    struct told *told = *state;
    uint64_t other = 11 + (UINT64_C(1) << 40);

    told_inode(told, 11, false);
    told_settled(told, 11);
    told_inode(told, 11, true);
    assert_false(told_suspect(told, 11));
    told_inode(told, other, false);
    assert_false(told_suspect(told, 11));
    told_inode(told, 11, false);
    assert_true(told_suspect(told, 11));
    told_settled(told, 11);
    assert_false(told_suspect(told, 11));
}

/* A place that another inode takes over must lead back to suspicion, never away from it. */
static void places_collide(void **state)
{
    struct told *told = *state;
    uint64_t other = 11 + (UINT64_C(1) << 40);

    told_inode(told, 11, false);
    told_settled(told, 11);
    assert_true(told_suspect(told, other));
    told_settled(told, other);
    assert_false(told_suspect(told, other));
    assert_true(told_suspect(told, 11));
}

static void readers_make_all_suspect(void **state)
{
    struct told *told = *state;

    assert_false(told_knows(told, 5));
    told_enter(told);
    assert_true(told_suspect(told, 5));
    assert_true(told_knows(told, 5));
    told_leave(told);
    assert_false(told_suspect(told, 5));
}

static void knows_what_was_told(void **state)
{
    struct told *told = *state;

    told_inode(told, 20, true);
    told_inode(told, 7, true);
    assert_true(told_knows(told, 20));
    assert_true(told_knows(told, 9));
    assert_false(told_knows(told, 21));
}

static void directories(void **state)
{
    struct told *told = *state;

    assert_false(told_directory_opened(told, 3));
    assert_true(told_directory_opened(told, 3));
    told_directory_changed(told, 3);
    assert_false(told_directory_opened(told, 3));
    assert_true(told_directory_opened(told, 3));
    told_directory_changed(told, 4);
    assert_true(told_directory_opened(told, 3));
    assert_false(told_directory_opened(told, 3 + 1024));
    assert_false(told_directory_opened(told, 3));
    told_directory_changed(told, 3 + 1024);
    assert_false(told_directory_opened(told, 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        CASE(estimates_are_suspect),    CASE(an_estimate_unsettles), CASE(places_collide),
        CASE(readers_make_all_suspect), CASE(knows_what_was_told),   CASE(directories),
#undef CASE
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
