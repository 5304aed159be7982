/* sync/tree_build.c and roles.c: from LIST's names to the tree that is shown. */
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "sync/internal.h"

struct given {
    const char *name;
    char delimiter;
    unsigned attributes;
    bool subscribed, malformed;
};

/* Writes the tree as lines "SHOWN<PARENT role flags;" for comparison. */
static void build(const struct given *given, size_t count, bool subscribed_only, char *out,
                  size_t size)
{
    struct tree_name *names = calloc(count + 1, sizeof *names);
    struct tree_entries entries = {0};
    size_t left = count;
    assert_non_null(names);
    for (size_t i = 0; i < count; i++)
        names[i] = (struct tree_name){.name = strdup(given[i].name),
                                      .delimiter = given[i].delimiter,
                                      .attributes = given[i].attributes,
                                      .subscribed = given[i].subscribed,
                                      .malformed = given[i].malformed};
    assert_true(tree_build(&names, &left, subscribed_only, &entries));
    size_t at = 0;
    out[0] = '\0';
    for (size_t i = 0; i < entries.count; i++) {
        const struct cache_tree_entry *e = &entries.items[i];
        at += (size_t)snprintf(out + at, size - at, "%s%s%s%s%s%s;", e->shown,
                               e->parent != NULL ? "<" : "", e->parent != NULL ? e->parent : "",
                               e->role != CACHE_ROLE_NONE ? " " : "", role_name(e->role),
                               e->selectable ? "" : " -");
        assert_true(at < size);
    }
    tree_entries_free(&entries);
    for (size_t i = 0; i < left; i++)
        free(names[i].name);
    free(names);
}

static void test_outlook(void **state)
{
    static const struct given given[] = {
        {"Inbox",          '/', IMAP_LIST_HASNOCHILDREN, false, false},
        {"Archive",        '/', 0,                       false, false},
        {"Deleted",        '/', IMAP_LIST_TRASH,         false, false},
        {"Drafts",         '/', IMAP_LIST_DRAFTS,        false, false},
        {"Junk",           '/', IMAP_LIST_JUNK,          false, false},
        {"Sent",           '/', IMAP_LIST_SENT,          false, false},
        {"Inbox/Projects", '/', 0,                       false, false},
    };
    char tree[1024];
    build(given, 7, false, tree, sizeof tree);
    assert_string_equal(
        tree, "Archive archive;Deleted trash;Drafts drafts;Inbox inbox;Junk junk;Sent sent;"
              "Projects<Inbox;");
}

static void test_odd_names(void **state)
{
    static const struct {
        struct given given[4];
        size_t count;
        const char *tree;
    } rows[] = {
        {{{"a/b/c", '/', 0, false, false}},                                              1, "a -;b<a -;c<a/b;"       },
        {{{"a//b", '/', 0, false, false},
          {"/a", '/', 0, false, false},
          {"x", '/', 0, false, false}},
         3,                                                                                 "x;"                     },
        {{{"Public/", '/', 0, false, false}},                                            1, "Public -;"              },
        {{{"..", '/', 0, false, false}},                                                 1, "\u2024.;"               },
        {{{"a/../b", '/', 0, false, false}},                                             1, "a -;\u2024.<a -;b<a/..;"},
        {{{"INBOX", '.', 0, false, false}, {"inbox.x", '.', 0, false, false}},
         2,                                                                                 "Inbox inbox;x<INBOX;"   },
        {{{"Entw&APw-rfe", '/', 0, false, false}},                                       1, "Entw\u00fcrfe;"         },
        {{{"bad &!! name", '/', 0, false, false}},                                       1, "bad &!! name;"          },
        {{{"a&ACI-b", '/', 0, false, false}},                                            1, "a\"b;"                  },
        {{{"tab\there", '/', 0, false, true}},                                           1, "tab\ufffdhere;"         },
        {{{"flat/name", 0, 0, false, false}},                                            1, "flat\u2215name;"        },
        {{{"a", '/', 0, false, false}, {"a", '/', IMAP_LIST_NOSELECT, false, false}},    2, "a;"                     },
        {{{"Trash", '/', 0, false, false}, {"Bin", '/', IMAP_LIST_TRASH, false, false}},
         2,                                                                                 "Bin trash;Trash;"       },
    };
    char tree[1024];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        build(rows[i].given, rows[i].count, false, tree, sizeof tree);
        assert_string_equal(tree, rows[i].tree);
    }
}

static void test_subscribed_only(void **state)
{
    static const struct given given[] = {
        {"INBOX", '/', 0, false, false},
        {"a",     '/', 0, false, false},
        {"a/b",   '/', 0, true,  false},
        {"c",     '/', 0, false, false},
    };
    static const struct given below[] = {
        {"INBOX",   '/', 0, false, false},
        {"INBOX/p", '/', 0, true,  false}
    };
    char tree[1024];
    build(given, 4, true, tree, sizeof tree);
    assert_string_equal(tree, "Inbox inbox;a -;b<a;");
    build(below, 2, true, tree, sizeof tree);
    assert_string_equal(tree, "Inbox inbox;p<INBOX;");
}

static void test_deep(void **state)
{
    char name[1000] = "d", tree[64];
    for (int i = 0; i < 450; i++)
        strcat(name, "/d");
    const struct given given[] = {
        {name, '/', 0, false, false}
    };
    build(given, 1, false, tree, sizeof tree);
    assert_string_equal(tree, "");
}

/* Each of the names implies levels of its own: refused before they fill memory or take minutes. */
static void test_too_deep_together(void **state)
{
    enum { NAMES = 1000, DEPTH = 390 };
    struct tree_name *names = calloc(NAMES, sizeof *names);
    struct tree_entries entries = {0};
    size_t count = NAMES;
    assert_non_null(names);
    log_open("/dev/null"); /* it is warned of */
    for (unsigned i = 0; i < NAMES; i++) {
        char name[4096];
        size_t len = (size_t)snprintf(name, sizeof name, "%u", i);
        for (unsigned level = 1; level < DEPTH; level++)
            len += (size_t)snprintf(name + len, sizeof name - len, "/%u", level);
        names[i] = (struct tree_name){.name = strdup(name), .delimiter = '/'};
    }
    assert_false(tree_build(&names, &count, false, &entries));
    assert_in_range(count, NAMES, TREE_NAMES_MAX);
    for (size_t i = 0; i < count; i++)
        free(names[i].name);
    free(names);
    log_open(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outlook),           cmocka_unit_test(test_odd_names),
        cmocka_unit_test(test_subscribed_only),   cmocka_unit_test(test_deep),
        cmocka_unit_test(test_too_deep_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
