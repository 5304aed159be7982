/*
 * The way in of the helper that raises events (raiser.h): a thin layer over the callbacks.
 *
 * A request from anybody else passes through untouched. One from the helper's process is answered
 * here, and never reaches sync: what belongs to the event that was ordered, as the state of the
 * cache allows at that moment; anything else is EPERM. So whoever could speak with the helper's
 * voice could raise false events for what happened on the server, and do nothing to any mail.
 */
#ifndef OUTLOOKFS_FS_GATE_H
#define OUTLOOKFS_FS_GATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct event;
struct fuse_lowlevel_ops;
struct gate;

struct gate *gate_new(void);
void gate_free(struct gate **gate);

/* Which process is the helper, as the kernel numbers it for this mount; 0: none. It must be told
 * before such a process is reaped, so that its number means no other. */
void gate_helper(struct gate *gate, pid_t pid);

/* `event`, which is copied, is being raised; `nonce` is what statfs tells the helper meanwhile. */
void gate_expect(struct gate *gate, const struct event *event, uint64_t nonce);
/* It is no more. True: the helper did what was expected, and got a yes. */
bool gate_done(struct gate *gate);

/* Puts the layer over callbacks that change things. */
void gate_cover(struct fuse_lowlevel_ops *ops);

#endif
