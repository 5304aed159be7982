/*
 * The helper process that raises inotify events, and what is said between it and the daemon.
 *
 * The kernel tells watchers only of what is done through the mount, so somebody has to do it: for
 * every event the helper makes, removes or touches the name, through the kernel, and the daemon,
 * which has sent it, answers without doing anything (gate.h). It must be a process of its own,
 * without the descriptor of the connection: whoever waits in the kernel for its own file system
 * cannot be killed (FUSE.md, "Invalidation and watchers").
 *
 * One packet a message over a socket pair; the helper answers each order before it takes the next.
 */
#ifndef OUTLOOKFS_FS_RAISER_H
#define OUTLOOKFS_FS_RAISER_H

#include <stdint.h>

/* argv[1] of the helper; argv[2] is the mountpoint, standard input the socket. */
#define RAISER_WORD "--raise-events"

enum raiser_act {
    RAISER_MAKE = 1, /* CREATE of a file */
    RAISER_MAKE_DIRECTORY,
    RAISER_REMOVE, /* DELETE */
    RAISER_REMOVE_DIRECTORY,
    RAISER_TOUCH, /* ATTRIB */
};

enum { RAISER_PATH_MAX = 4096, RAISER_NAME_MAX = 255 };

struct raiser_order {
    uint32_t act;
    uint32_t unused;
    uint64_t nonce;             /* what statfs of the right mount says while this is carried out */
    char path[RAISER_PATH_MAX]; /* of the directory, from the mount's root; "" is the root */
    char name[RAISER_NAME_MAX + 1]; /* in it; "." (RAISER_TOUCH): the directory itself */
};

struct raiser_answer {
    uint64_t nonce;
    int32_t error; /* 0 or an errno */
    int32_t unused;
};

/* The whole of the helper's life, with argv from RAISER_WORD on; returns its exit code. Never in
 * the daemon. */
int raiser_main(int argc, char **argv);

#endif
