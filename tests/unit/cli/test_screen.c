/* cli/screen.c and the line of cli/progress.c: what a person gets to see. */
#include "tests/unit/test.h"

#include <stdlib.h>
#include <string.h>

#include "cli/progress.h"
#include "cli/screen.h"

#define EOL "\033[K\r\n"

static void test_draw(void **state)
{
    static const struct {
        const char *text;
        unsigned columns, rows;
        const char *drawn;
    } rows[] = {
        {"",               80, 24, "\033[H\033[J"                                       },
        {"a\nb\n",         80, 24, "\033[Ha" EOL "b" EOL "\033[J"                       },
        {"a\n\nb",         80, 24, "\033[Ha" EOL EOL "b" EOL "\033[J"                   },
        {"0123456789\n",   10, 24, "\033[H012345678" EOL "\033[J"                       },
        {"caf\xc3\xa9s\n", 5,  24, "\033[Hcaf" EOL "\033[J"                             },
        {"a\nb\nc\n",      80, 4,  "\033[Ha" EOL "b" EOL "c" EOL "\033[J"               },
        {"a\nb\nc\nd\n",   80, 4,  "\033[Ha" EOL "b" EOL "... 2 more lines" EOL "\033[J"},
        {"a\nb\n",         80, 1,  "\033[H... 2 more lines" EOL "\033[J"                },
        {"a\nb\n",         5,  1,  "\033[H... " EOL "\033[J"                            },
        {"a\n",            1,  1,  "\033[H" EOL "\033[J"                                },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buffer out;
        buffer_init(&out, 4096);
        assert_true(screen_draw(rows[i].text, rows[i].columns, rows[i].rows, &out));
        assert_string_equal(out.data, rows[i].drawn);
        buffer_free(&out);
    }
}

static void test_line(void **state)
{
    static const struct {
        struct sync_progress progress;
        const char *line; /* its start */
    } rows[] = {
        {{0},                                                                                       ""                                    },
        {{.busy = true, .listings = 1, .listing_ms = 900, .mailbox = "Inbox"},                      ""                                    },
        {{.listings = 1, .listing_ms = 1100, .mailbox = "Inbox"},                                   "outlookfs: listing Inbox"            },
        {{.listings = 1, .listing_ms = 1100, .mailbox = "Inbox", .landed = 12000, .total = 100000},
         "outlookfs: listing Inbox: 12000 of 100000 messages (12 %)"                                                                      },
        {{.listings = 3,
          .listing_ms = 1100,
          .mailbox = "A/B",
          .landed = 4294967295U,
          .total = 4294967295U},
         "outlookfs: listing A/B: 4294967295 of 4294967295 messages (100 %), and 2 more"                                                  },
        {{.bodies = 1, .bodies_ms = 900, .bytes_expected = 5},                                      ""                                    },
        {{.bodies = 1, .bodies_ms = 1100, .bytes = 0, .bytes_expected = 0},
         "outlookfs: fetching 1 message: 0.0 of 0.0 MB (0 %)"                                                                             },
        {{.bodies = 3, .bodies_ms = 1100, .bytes = 3400000, .bytes_expected = 25000000},
         "outlookfs: fetching 3 messages: 3.4 of 25.0 MB (14 %)"                                                                          },
        {{.waiting = SYNC_WAIT_CONNECT, .waited_ms = 900},                                          ""                                    },
        {{.waiting = SYNC_WAIT_CONNECT, .waited_ms = 2100},                                         "outlookfs: connecting to h ... 2 s"  },
        {{.waiting = SYNC_WAIT_SECRET, .waited_ms = 2100},
         "outlookfs: waiting for the token or password ... 2 s"                                                                           },
        {{.waiting = SYNC_WAIT_BACKOFF, .left_ms = 900},                                            ""                                    },
        {{.waiting = SYNC_WAIT_BACKOFF, .left_ms = 42000},                                          "outlookfs: h asked to wait until "   },
        {{.waiting = SYNC_WAIT_SIGN_IN, .left_ms = 8001},
         "outlookfs: not signed in at h, next attempt in 9 s"                                                                             },
        {{.waiting = SYNC_WAIT_RECONNECT, .left_ms = 2000},
         "outlookfs: no connection to h, next attempt in 2 s"                                                                             },
        {{.waiting = SYNC_WAIT_RECONNECT},                                                          ""                                    },
        {{.waiting = SYNC_WAIT_RECONNECT, .waited_ms = 1500},
         "outlookfs: no connection to h, next attempt with the next request"                                                              },
        {{.waiting = SYNC_WAIT_ANSWER, .waited_ms = 12000, .left_ms = 18000},
         "outlookfs: no answer from h for 12 s, given up in 18 s"                                                                         },
        {{.waiting = SYNC_WAIT_ANSWER, .waited_ms = 12000},                                         "outlookfs: no answer from h for 12 s"},
 /* What keeps all the rest waiting comes first. */
        {{.waiting = SYNC_WAIT_ANSWER,
          .waited_ms = 3000,
          .listings = 1,
          .listing_ms = 9000,
          .mailbox = "I"},
         "outlookfs: listing I"                                                                                                           },
        {{.waiting = SYNC_WAIT_ANSWER, .waited_ms = 6000, .listings = 1, .listing_ms = 9000},
         "outlookfs: no answer from h for 6 s"                                                                                            },
        {{.listings = 1, .listing_ms = 1500, .mailbox = "I", .bodies = 1, .bodies_ms = 1500},
         "outlookfs: listing I"                                                                                                           },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char line[PROGRESS_LINE_MAX];
        progress_line(&rows[i].progress, "h", line);
        size_t len = strlen(rows[i].line);
        if (strncmp(line, rows[i].line, len) != 0 || (len == 0 && line[0] != '\0'))
            fail_msg("row %zu: %s", i, line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_draw),
        cmocka_unit_test(test_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
