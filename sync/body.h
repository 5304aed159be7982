/*
 * Bodies on their way: body.c takes the bytes, body_set.c asks for them.
 *
 * A set is the jobs of one UID FETCH. It lives until the tagged reply; its jobs are the worker's
 * until their bytes are here, or until it is known that they do not come. The worker's thread.
 */
#ifndef OUTLOOKFS_SYNC_BODY_H
#define OUTLOOKFS_SYNC_BODY_H

#include "sync/internal.h"

enum { SET_BODIES = 128 }; /* a UID set of as many stays under IMAP_LINE_MAX */

struct body_set {
    struct worker *worker;
    bool anew; /* the mailbox is opened again, whether it is or not */
    size_t count;
    struct job *jobs[SET_BODIES]; /* of one mailbox and UIDVALIDITY, held by the worker */
};

/* Empty; NULL without memory. */
struct body_set *body_set_new(struct worker *w);
void body_set_free(struct body_set *set);
/* Opens the mailbox where it is not open, and asks for the bodies. Takes the set; where nothing can
 * be sent, its jobs are given back. */
void body_set_send(struct body_set *set);

/* The server said OK, or refused, and sent nothing for the job. `w` holds it. */
void body_did_not_come(struct worker *w, struct job *job, enum imap_error error, bool alone);

#endif
