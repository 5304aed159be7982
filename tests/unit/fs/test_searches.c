/* fs/searches.c and fs/kept.c: who is told what and when, what is remembered, what is kept. */
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/internal.h"
#include "fs/kept.h"
#include "fs/searches.h"
#include "tests/unit/fs/fake_search.h"

static struct fs fs;
static struct searches *searches;
static atomic_int told[4];

static int start(void **state)
{
    for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++)
        atomic_store(&told[i], -1);
    atomic_store(&fake_searches, 0);
    atomic_store(&fake_cancelled, 0);
    atomic_store(&fake_let_go, false);
    searches = searches_new(&fs);
    return searches != NULL ? 0 : -1;
}

static int stop(void **state)
{
    searches_free(&searches);
    return 0;
}

static void tell(void *ctx, enum sync_error error)
{
    atomic_store((atomic_int *)ctx, (int)error);
}

static void until(bool (*holds)(void))
{
    for (int i = 0; i < 5000 && !holds(); i++)
        usleep(1000);
    assert_true(holds());
}

static bool first_told(void)
{
    return atomic_load(&told[0]) != -1;
}

static bool both_told(void)
{
    return first_told() && atomic_load(&told[1]) != -1;
}

static bool one_begun(void)
{
    return atomic_load(&fake_searches) >= 1;
}

static bool one_cancelled(void)
{
    return atomic_load(&fake_cancelled) >= 1;
}

static void test_found(void **state)
{
    uint64_t number = searches_number(searches, "x");
    assert_int_not_equal(number, 0);
    assert_int_equal(searches_number(searches, "x"), number);
    assert_null(searches_found(searches, number));
    assert_int_not_equal(searches_want(searches, number, tell, &told[0]) & SEARCH_TICKET, 0);
    until(first_told);
    assert_int_equal(told[0], SYNC_OK);
    struct found *found = searches_found(searches, number);
    assert_int_equal(found->count, 2);
    assert_int_equal(found->entries[0].ino, 3);
    assert_int_equal(searches_want(searches, number, tell, &told[1]), 0); /* fresh: told at once */
    assert_int_equal(told[1], SYNC_OK);
    assert_int_equal(fake_searches, 1);
    found_drop(&found);
    assert_int_equal(searches_want(searches, 4711, tell, &told[2]), 0);
    assert_int_equal(told[2], SYNC_ERR_GONE);
}

/* Two wait for one run; the first may go, the second is told. */
static void test_shared(void **state)
{
    uint64_t number = searches_number(searches, "wait");
    sync_ticket first = searches_want(searches, number, tell, &told[0]);
    sync_ticket second = searches_want(searches, number, tell, &told[1]);
    until(one_begun);
    assert_true(searches_detach(searches, first));
    assert_false(searches_detach(searches, first));
    assert_int_equal(fake_cancelled, 0);
    atomic_store(&told[0], 0);
    atomic_store(&fake_let_go, true);
    until(both_told);
    assert_int_equal(told[1], SYNC_OK);
    assert_false(searches_detach(searches, second));
    assert_int_equal(fake_searches, 1);
}

/* Nobody waits any more: it ends, and whoever comes then gets a run of its own. */
static void test_cancelled(void **state)
{
    uint64_t number = searches_number(searches, "wait");
    sync_ticket ticket = searches_want(searches, number, tell, &told[0]);
    until(one_begun);
    assert_true(searches_detach(searches, ticket));
    searches_want(searches, number, tell, &told[1]);
    until(one_cancelled);
    atomic_store(&fake_let_go, true);
    atomic_store(&told[0], 0);
    until(both_told);
    assert_int_equal(told[1], SYNC_OK);
}

/* The end does not wait for a server. */
static void test_closed(void **state)
{
    uint64_t number = searches_number(searches, "wait");
    searches_want(searches, number, tell, &told[0]);
    until(one_begun);
    searches_close(searches);
    assert_int_equal(told[0], SYNC_ERR_STOPPING);
    assert_int_equal(searches_want(searches, number, tell, &told[1]), 0);
    assert_int_equal(told[1], SYNC_ERR_STOPPING);
}

static void test_forgotten(void **state)
{
    char text[16];
    uint64_t waiting = searches_number(searches, "wait"), first;
    searches_want(searches, waiting, tell, &told[0]);
    first = searches_number(searches, "first");
    for (int i = 0; i < SEARCHES_MAX; i++) {
        snprintf(text, sizeof(text), "q%d", i);
        assert_true(searches_known(searches, searches_number(searches, text)));
    }
    assert_false(searches_known(searches, first));
    assert_true(searches_known(searches, waiting)); /* somebody wants it */
    assert_int_not_equal(searches_number(searches, "first"), first);
}

static void expect_kept(const char *dir, const char *all, size_t len)
{
    struct buffer queries;
    buffer_init(&queries, KEPT_BYTES_MAX);
    assert_int_equal(kept_list(dir, &queries), 0);
    assert_int_equal(queries.len, len);
    if (len > 0)
        assert_memory_equal(queries.data, all, len);
    buffer_free(&queries);
}

static void test_kept(void **state)
{
    char dir[] = "/tmp/outlookfs-kept-XXXXXX", path[64], name[32];
    assert_non_null(mkdtemp(dir));
    expect_kept(dir, "", 0);
    expect_kept(NULL, "", 0);
    assert_int_equal(kept_add(NULL, "a"), ENOENT);
    assert_int_equal(kept_add(dir, "a"), 0);
    assert_int_equal(kept_add(dir, "a"), EEXIST);
    assert_int_equal(kept_add(dir, "from:b \"c d\""), 0);
    assert_int_equal(kept_add(dir, "e"), 0);
    expect_kept(dir, "a\0from:b \"c d\"\0e", 17);
    assert_true(kept_has(dir, "e"));
    assert_false(kept_has(dir, "c d"));
    assert_int_equal(kept_remove(dir, "from:b \"c d\""), 0);
    assert_int_equal(kept_remove(dir, "from:b \"c d\""), ENOENT);
    expect_kept(dir, "a\0e", 4);
    for (int i = 2; i < KEPT_QUERIES_MAX; i++) {
        snprintf(name, sizeof(name), "query %d", i);
        assert_int_equal(kept_add(dir, name), 0);
    }
    assert_int_equal(kept_add(dir, "one more"), ENOSPC);
    snprintf(path, sizeof(path), "%s/kept-queries", dir);
    int fd = open(path, O_WRONLY | O_TRUNC);
    assert_int_equal(write(fd, "whole\ntorn", 10), 10);
    close(fd);
    expect_kept(dir, "whole", 6);
    unlink(path);
    snprintf(path, sizeof(path), "%s/kept-queries.lock", dir);
    unlink(path);
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_found, start, stop),
        cmocka_unit_test_setup_teardown(test_shared, start, stop),
        cmocka_unit_test_setup_teardown(test_cancelled, start, stop),
        cmocka_unit_test_setup_teardown(test_closed, start, stop),
        cmocka_unit_test_setup_teardown(test_forgotten, start, stop),
        cmocka_unit_test(test_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
