/*
 * The daemon's control socket (CONTRACT.md section 5): one Unix socket a mount, 0600, in
 * $XDG_RUNTIME_DIR/outlookfs/, else in the account's state directory. Its name is a hash of the
 * mountpoint's path, so that a client finds it without asking the mount, which may hang.
 *
 * Both sides speak lines of JSON, one request at a time: {"cmd":"status"}, and the answer is one
 * object, {"error":...,"code":...} where it went wrong; code is the exit code for a command. What
 * there is to ask is the table in requests.c. An answer may take as long as it takes: the daemon
 * waits for nobody meanwhile, and a client that goes away gives up its request.
 */
#ifndef OUTLOOKFS_CLI_CONTROL_H
#define OUTLOOKFS_CLI_CONTROL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buffer.h"

enum {
    CONTROL_REQUEST_MAX = 4096,   /* bytes of a request line */
    CONTROL_ANSWER_MAX = 1 << 26, /* bytes of an answer line: a journal of 100,000 rows */
    CONTROL_CLIENTS = 16,         /* at once; for one more the one that is idle longest goes */
    CONTROL_PATIENCE_MS = 5000,   /* how long a client may take over its part of an exchange */
    CONTROL_NAME_MAX = 32,
    CONTROL_QUERY_MAX = 1024, /* bytes: SYNC_QUERY_MAX */
    CONTROL_PATH_MAX = 2048,  /* bytes of a mailbox's path */
};

/* Writes the socket's file name for a mountpoint (real path): 16 hexadecimal digits and ".sock". */
void control_name(const char *mountpoint, char name[CONTROL_NAME_MAX]);

/* Fills `address` so that `name` in the directory open as `dirfd` is meant, however long the path
 * of that directory is (sun_path has 108 bytes). */
struct sockaddr_un;
void control_address(int dirfd, const char *name, struct sockaddr_un *address);

/* ---- the daemon's side ---- */

struct control_request {
    char cmd[32];
    char format[8];
    char query[CONTROL_QUERY_MAX + 2]; /* one that is longer is cut to a length that no query has */
    char path[CONTROL_PATH_MAX + 2];   /* likewise */
    int64_t id;                        /* 0: none */
    int fd;                            /* what came with it, or -1; whoever keeps it sets -1 */
};

/* A request under way. It ends with control_call_answer, once, whoever calls it and when. */
struct control_call;

/* Answers with `line`: one JSON object, without a newline; its bytes pass over. Empty: there was no
 * memory. `call` is not valid afterwards. Any thread. */
void control_call_answer(struct control_call *call, struct buffer *line);

/* The same with a cJSON object, which passes over; NULL counts as no memory. */
struct cJSON;
void control_call_answer_object(struct control_call *call, struct cJSON *object);

/* Answers with {"error":...,"code":...}. */
void control_call_fail(struct control_call *call, const char *error, int code);

/*
 * For an answer that takes long: how to end it early, where the client goes away or the server is
 * detached. `cancel` is called with `ctx` and `ticket`, at most once, and only while there is no
 * answer, with the server's lock held: it must not wait nor answer. True: nobody will answer any
 * more; false: somebody does, soon. An answer that was given already is fine. To be called from
 * within `take` alone, where `call` is valid even then.
 */
typedef bool control_cancel_fn(void *ctx, uint64_t ticket);
void control_call_cancel_by(struct control_call *call, control_cancel_fn *cancel, void *ctx,
                            uint64_t ticket);

/* Where answers come from. `take` is called on the server's thread and must not wait. */
struct control_source {
    void *ctx;
    void (*take)(void *ctx, struct control_request *request, struct control_call *call);
};

struct control_server;

/* Makes the socket and starts the thread that serves it. `mountpoint` is copied, `source` too. NULL
 * with the cause in `why` (CLI_TEXT_MAX). */
struct control_server *control_server_start(const char *account, const char *mountpoint,
                                            const struct control_source *source, char *why);

/* Gives up what can be given up and waits for the rest: from the return on, the source is not
 * called any more, and no call is open; requests are answered with an error. NULL is allowed. */
void control_server_detach(struct control_server *server);

/* After detach. Ends the thread, closes and removes the socket. NULL is allowed. */
void control_server_stop(struct control_server **server);

/* Reads one request line (without its newline); NULL, or what is wrong with it. */
const char *control_request_parse(const char *line, size_t len, struct control_request *request);

/* ---- the client's side ---- */

/* Opens a connection to the daemon of `mountpoint` (real path): a descriptor, or -1 when none
 * answers. *pid (may be NULL) is the daemon's, 0 where the kernel does not say. */
int control_connect(const char *mountpoint, pid_t *pid);

/* Sends `request` (one line, with its newline) and, unless -1, the descriptor `pass`. False with
 * the cause in `why` (CLI_TEXT_MAX). */
bool control_send(int fd, const char *request, int pass, char *why)
    __attribute__((warn_unused_result));

/* Reads an answer's line into `out` (empty at first, and to be handed in again after LATER),
 * without its newline. Waits for `ms` at most. */
enum control_got { CONTROL_ANSWER, CONTROL_LATER, CONTROL_LOST };
enum control_got control_receive(int fd, struct buffer *out, int ms, char *why)
    __attribute__((warn_unused_result));

/* Both, for what is answered at once: CONTROL_PATIENCE_MS. */
bool control_exchange(int fd, const char *request, struct buffer *out, char *why)
    __attribute__((warn_unused_result));

/* Calls `visit` with a connection to each live daemon of this user; visit closes it. Sockets whose
 * daemon is gone are removed. Returns how many there were. */
unsigned control_each(void (*visit)(void *ctx, int fd), void *ctx);

#endif
