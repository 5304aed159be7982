/*
 * Whether a change has a chance, asked before it begins: create and open for writing fail with
 * ENETDOWN offline, rather than close() after the user has written (CONTRACT.md section 2). Whether
 * the network is there is not known before somebody tried to connect, so this may wait.
 */
#include "fs/internal.h"

#include <errno.h>

#include "sync/change.h"

sync_ticket reach_ask(struct wait *wait, sync_done_fn *done, void *ctx)
{
    const struct request *request = (const struct request *)wait;

    return sync_reach(request->fs->sync, done, ctx);
}

int reach_errno(enum sync_error error)
{
    return error == SYNC_ERR_UNREACHABLE ? ENETDOWN : fs_errno(error);
}
