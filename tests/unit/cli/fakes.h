/* sync and fs as test_command.c wants them: they fail as told and touch nothing. */
#ifndef OUTLOOKFS_TESTS_UNIT_CLI_FAKES_H
#define OUTLOOKFS_TESTS_UNIT_CLI_FAKES_H

#include <pthread.h>

#include "cache/journal.h"
#include "sync/sync.h"

extern enum sync_error fake_sync_error; /* what sync_start returns */
extern const char *fake_sync_text;      /* and says */

/* What follows is read on other threads: change it, and look at it, within FAKE(...). */
extern pthread_mutex_t fake_lock;
#define FAKE(...)                                                                                  \
    do {                                                                                           \
        pthread_mutex_lock(&fake_lock);                                                            \
        __VA_ARGS__;                                                                               \
        pthread_mutex_unlock(&fake_lock);                                                          \
    } while (0)

enum { FAKE_ROWS = 4 };
extern bool fake_journal;                   /* whether there is one */
extern struct journal_figures fake_figures; /* what it holds */
extern struct journal_row fake_rows[];     /* ascending; and as rows, of which id and state count */
extern const char *fake_outbox;            /* the same as an array */
extern const char *fake_bytes;             /* of each entry */
extern enum sync_error fake_outbox_error;  /* how retry, drop and save end */
extern const char *fake_outbox_text;       /* and say */
extern enum sync_error fake_settle_error;  /* how sync_settle ends, at once */
extern bool fake_settle_later;             /* or never */
extern unsigned fake_detached;             /* how many of those were */
extern char fake_pinned[];                 /* which mailbox */
extern int64_t fake_retried, fake_dropped; /* which entry */

#endif
