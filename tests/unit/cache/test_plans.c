/* SQLite's plan of every prepared statement: none walks messages, inodes, bodies or chunks. */
#include "tests/unit/cache/fixture.h"

#include "cache/statements.h"

/* The exceptions: the walk of reconcile.c after a crash, the eviction order, which is an index, and
 * the count of messages, for which SQLite only counts the entries of an index's pages. */
static bool allowed(const struct db_kind *kind, unsigned n, const char *plan)
{
    if (kind == &db_bodies_kind && n == BODIES_OLDEST)
        return strstr(plan, "SCAN body USING") != NULL || strstr(plan, "SEARCH body") != NULL;
    if (kind == &db_index_kind && n == INDEX_MESSAGE_COUNT)
        return strstr(plan, "SCAN message USING COVERING INDEX") != NULL;
    static const char *const small[] = {"SCAN mailbox", "SCAN state", "SCAN account",
                                        "SCAN sqlite_sequence", "SCAN origin"};
    for (size_t i = 0; i < sizeof small / sizeof *small; i++)
        if (strstr(plan, small[i]) != NULL)
            return true;
    return strstr(plan, "SCAN") == NULL && strstr(plan, "TEMP B-TREE") == NULL;
}

static unsigned check_kind(struct fixture *f, const struct db_kind *kind)
{
    sqlite3 *db = NULL;
    unsigned explained = 0;
    assert_int_equal(sqlite3_open(fixture_path(f, kind->file), &db), SQLITE_OK);
    for (unsigned n = 0; n < kind->all; n++) {
        char sql[2048];
        sqlite3_stmt *statement = NULL;
        assert_non_null(kind->queries[n]);
        snprintf(sql, sizeof sql, "EXPLAIN QUERY PLAN %s", kind->queries[n]);
        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
        while (sqlite3_step(statement) == SQLITE_ROW) {
            const char *plan = (const char *)sqlite3_column_text(statement, 3);
            explained++;
            if (!allowed(kind, n, plan))
                fail_msg("%s: %s", kind->queries[n], plan);
        }
        sqlite3_finalize(statement);
    }
    sqlite3_close(db);
    return explained;
}

static void test_no_scans(void **state)
{
    struct fixture *f = *state;
    assert_true(check_kind(f, &db_index_kind) > 20);
    assert_true(check_kind(f, &db_bodies_kind) > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_no_scans, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
