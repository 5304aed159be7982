/*
 * What the daemon does with each request of the control socket (control.h):
 *
 *     {"cmd":"status"}             the state, with "mountpoint" and "pid" added;
 *                                  with "format":"text" {"text":...}
 *     {"cmd":"pending"}            {"pending":...,"refused":...,"unfinished":...,"held":...}
 *     {"cmd":"sync"}               {}, when every change asked for so far has its outcome
 *     {"cmd":"failed"}             {"failed":...,"first":...}: how many changes failed that nobody
 *                                  was told of (failed.h), and the id of the first
 *     {"cmd":"pin","path":...}     {}: the mailbox at that path below the mount is pinned
 *     {"cmd":"unpin","path":...}   {}: it is not any more
 *     {"cmd":"pinned","path":...}  {"messages":...,"here":...,"failed":...,"done":...,
 *                                  "outcome":...,"problem":...}: how far it is; outcome is an exit
 *                                  code, problem why nothing comes just now
 *     {"cmd":"outbox"}             {"outbox":[...]}
 *     {"cmd":"retry","id":N}       {}, when it is queued; "drop" likewise, when it is gone
 *     {"cmd":"save","id":N}        {}, when the bytes are in the socket that came with the request
 *     {"cmd":"search","query":...} {"found":...,"partial":...,"note":...}, when it is done; the
 * paths go to the socket that came with it, as they are found, each with a NUL at its end
 *     {"cmd":"explain","query":...} what sync_search_explain makes of it
 *
 * The first is answered on the server's thread. "sync" is answered by sync's. The others wait for
 * the journal or the cache, and so for the disk, or for the server; each runs on a thread of its
 * own, and there are no more of these than clients.
 */
#ifndef OUTLOOKFS_CLI_REQUESTS_H
#define OUTLOOKFS_CLI_REQUESTS_H

#include "cli/control.h"
#include "cli/failed.h"
#include "sync/sync.h"

struct requests {
    struct sync *sync;
    const char *mountpoint;
    bool silent; /* whoever changes something is not told what becomes of it: commit=journal */
    struct failed failed;
};

/* `mountpoint` is kept. What failed in an earlier mount counts as told: mount says so. */
void requests_init(struct requests *requests, struct sync *sync, const char *mountpoint,
                   bool silent);
void requests_destroy(struct requests *requests);

/* control_source.take with a struct requests, which must last until the server is detached. */
void requests_take(void *requests, struct control_request *request, struct control_call *call);

/* How many changes are in the journal, by what is to become of them. */
struct pending {
    uint64_t under_way, refused, unfinished, held;
};
/* False where there is no journal: the mount is read-only. Waits for the disk. */
bool requests_pending(struct sync *sync, struct pending *pending);

#endif
