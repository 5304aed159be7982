/*
 * Calls, as the control server keeps them (control.h): a request whose answer may come later and
 * from another thread, while its client waits or has gone.
 *
 * One lock guards all calls of a server; it is never held across `take`, the journal or the network
 * (a cancel, which does not wait, is the exception). A call lasts until it has its answer and the
 * client has collected it, or gone.
 */
#ifndef OUTLOOKFS_CLI_CONTROL_CALL_H
#define OUTLOOKFS_CLI_CONTROL_CALL_H

#include <pthread.h>

#include "cli/control.h"

struct calls {
    pthread_mutex_t lock;
    pthread_cond_t ended;
    int wake; /* eventfd: some call has its answer */
    /* Protected by lock: */
    bool finishing;             /* no new ones */
    unsigned open;              /* without an answer */
    struct control_call *first; /* those of them whose client waits */
};

/* False without memory or descriptors. */
bool calls_init(struct calls *calls) __attribute__((warn_unused_result));
void calls_destroy(struct calls *calls);

/* Ends what can be ended early, and waits until every call has its answer; there are no more. */
void calls_finish(struct calls *calls);

/* A call; NULL without memory, or when there are to be no more. */
struct control_call *call_new(struct calls *calls);
/* The client goes. Without an answer the call is ended early. */
void call_abandon(struct control_call **call);
/* Whether the answer is there. Then `line` (empty) gets it, and the call goes. The line
 * stays empty where there was no memory, or the call was ended early. */
bool call_collect(struct control_call **call, struct buffer *line);

#endif
