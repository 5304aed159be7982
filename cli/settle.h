/*
 * Waiting for a mount's pending changes: what `sync`, `umount` and `outbox retry` have in common.
 * The daemon is asked on one connection to say when it has settled. On a terminal, a second one
 * asks how much is left. Ctrl-C ends the wait with a line, never the work. For processes without
 * threads.
 */
#ifndef OUTLOOKFS_CLI_SETTLE_H
#define OUTLOOKFS_CLI_SETTLE_H

#include "cli/ask.h"

enum settled {
    SETTLED,        /* each pending change is on the server */
    SETTLED_FAILED, /* one is not, or the server could not be asked */
    SETTLED_LATE,   /* the bound has passed */
};

struct settle_end {
    enum cli_exit code; /* of SETTLED_FAILED */
    bool answered;      /* the daemon said so: it can be asked more */
    char why[CLI_TEXT_MAX];
};

/* Waits, for at most `bound_ms` (-1: without a bound). `interrupted` is what Ctrl-C says, a line.
 */
enum settled settle(const struct ask *ask, int64_t bound_ms, const char *interrupted,
                    struct settle_end *end) __attribute__((warn_unused_result));

struct settle_left {
    unsigned long long pending, refused, unfinished, held;
};
/* What there is at this moment. False where nobody says: nothing is reported. */
bool settle_left(const struct ask *ask, struct settle_left *left)
    __attribute__((warn_unused_result));

#endif
