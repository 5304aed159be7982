/*
 * The daemon's control socket (CONTRACT.md section 5): one Unix socket a mount, 0600, in
 * $XDG_RUNTIME_DIR/outlookfs/, else in the account's state directory. Its name is a hash of the
 * mountpoint's path, so that a client finds it without asking the mount, which may hang.
 *
 * Both sides speak lines of JSON. A request is {"cmd":"status"}, with "format":"text" for text; the
 * answer is one object: the state with "mountpoint" and "pid" added, or {"text":...}, or
 * {"error":...}.
 */
#ifndef OUTLOOKFS_CLI_CONTROL_H
#define OUTLOOKFS_CLI_CONTROL_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/buffer.h"

enum {
    CONTROL_REQUEST_MAX = 4096,   /* bytes of a request line */
    CONTROL_ANSWER_MAX = 1 << 20, /* bytes of an answer line */
    CONTROL_CLIENTS = 16,         /* at once; one more waits in the backlog */
    CONTROL_PATIENCE_MS = 5000,   /* how long a client may take over one exchange */
    CONTROL_NAME_MAX = 32,
};

/* Writes the socket's file name for a mountpoint (real path): 16 hexadecimal digits and ".sock". */
void control_name(const char *mountpoint, char name[CONTROL_NAME_MAX]);

/* Fills `address` so that `name` in the directory open as `dirfd` is meant, however long the path
 * of that directory is (sun_path has 108 bytes). */
struct sockaddr_un;
void control_address(int dirfd, const char *name, struct sockaddr_un *address);

/* ---- the daemon's side ---- */

/* Where answers come from. Each appends to `out`; false without memory. Called from the server's
 * thread. */
struct control_source {
    void *ctx;
    bool (*json)(void *ctx, struct buffer *out); /* one object */
    bool (*text)(void *ctx, struct buffer *out);
};

struct control_server;

/* Makes the socket and starts the thread that serves it. `mountpoint` is copied, `source` too. NULL
 * with the cause in `why` (CLI_TEXT_MAX). */
struct control_server *control_server_start(const char *account, const char *mountpoint,
                                            const struct control_source *source, char *why);

/* From the return on, the source is not called any more; requests are answered with an error. */
void control_server_detach(struct control_server *server);

/* Ends the thread, closes and removes the socket. NULL is allowed. */
void control_server_stop(struct control_server **server);

/* The answer to one request line (without its newline), as one line; for the server and its tests.
 * `source` NULL: the mount is going away. */
bool control_answer(const char *line, size_t len, const char *mountpoint,
                    const struct control_source *source, struct buffer *out)
    __attribute__((warn_unused_result));

/* ---- the client's side ---- */

/* Opens a connection to the daemon of `mountpoint` (real path): a descriptor, or -1 when none
 * answers. *pid (may be NULL) is the daemon's, 0 where the kernel does not say. */
int control_connect(const char *mountpoint, pid_t *pid);

/* Sends `request` (one line, with its newline) and reads the answer's line into `out`, without its
 * newline. False with the cause in `why` (CLI_TEXT_MAX). */
bool control_exchange(int fd, const char *request, struct buffer *out, char *why)
    __attribute__((warn_unused_result));

/* Calls `visit` with a connection to each live daemon of this user; visit closes it. Sockets whose
 * daemon is gone are removed. Returns how many there were. */
unsigned control_each(void (*visit)(void *ctx, int fd), void *ctx);

#endif
