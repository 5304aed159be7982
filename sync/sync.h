/*
 * The one room that sees both server and cache: it keeps them in step and decides who waits for
 * what.
 *
 * A sync object is one mounted account. It owns the cache, the secret, the connections (each one a
 * thread with a place in the work queue) and the limiter. What the file system wants from the
 * network it asks for here, with a callback; nothing here blocks a FUSE thread. What the cache
 * knows, the file system reads from the cache itself (sync_cache).
 *
 * Callbacks come from a connection's thread or the cache's writer thread, exactly once for each
 * request, unless the request was detached before. A callback may reply to FUSE; it must not call
 * back into sync's blocking functions (start, stop).
 */
#ifndef OUTLOOKFS_SYNC_SYNC_H
#define OUTLOOKFS_SYNC_SYNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "cache/cache.h"

struct sync;

/* How anything in sync ends. fs/errmap.c makes an errno of it, cli an exit code. */
enum sync_error {
    SYNC_OK = 0,
    SYNC_ERR_UNREACHABLE, /* no network, no server, no answer within the bound */
    SYNC_ERR_AUTH,        /* sign-in needed */
    SYNC_ERR_REFUSED,     /* the server said NO for good */
    SYNC_ERR_GONE,        /* the mailbox or message is no longer there */
    SYNC_ERR_UNFETCHABLE, /* the server has the message and does not give it (OUTLOOK.md 3) */
    SYNC_ERR_THROTTLED,   /* the server's back-off exceeds the bound */
    SYNC_ERR_TOO_LARGE,
    SYNC_ERR_CACHE,    /* the disk is full or broken */
    SYNC_ERR_BUSY,     /* another mount uses this cache directory */
    SYNC_ERR_CONFIG,   /* an option makes no sense */
    SYNC_ERR_STOPPING, /* the mount is going away */
    SYNC_ERR_MEMORY,
};

enum sync_tls { SYNC_TLS_IMPLICIT, SYNC_TLS_STARTTLS, SYNC_TLS_NONE };
enum sync_auth { SYNC_AUTH_XOAUTH2, SYNC_AUTH_OAUTHBEARER, SYNC_AUTH_PASSWORD };

/* All strings are copied by sync_start. */
struct sync_settings {
    const char *account; /* as the user names it */
    const char *host;
    uint16_t port;
    enum sync_tls tls;
    const char *cafile; /* or NULL */
    enum sync_auth auth;
    const char *username;     /* NULL: the account */
    char *const *secret_argv; /* token_command or password_command as a list, or NULL */
    const char *secret_shell; /* the same as a shell's line, or NULL */
    const char *cache_dir;
    uint64_t cache_size;  /* bytes */
    unsigned connections; /* 1 to 16 */
    int timeout_ms;
    bool subscribed; /* the tree is LSUB's */
    bool uid_names;  /* names=uid */
};

/* What the kernel must be told of. Called from sync's threads with no lock held. */
struct sync_listener {
    void *ctx;
    void (*changed)(
        void *ctx,
        const struct cache_change *change); /* an entry came, went, or its attributes changed */
};

enum { SYNC_TEXT_MAX = 500 };

/*
 * Opens the cache, connects, signs in and reads the tree. With a tree in the cache already, an
 * unreachable server is a warning and SYNC_OK (the threads go on trying). On error `text`
 * (SYNC_TEXT_MAX) holds one line: the cause and the next step. At most about 10 s, and what the
 * secret command takes. Blocks. message_init (message/summary.h) must have been called.
 */
enum sync_error sync_start(struct sync **sync, const struct sync_settings *settings, char *text)
    __attribute__((warn_unused_result));

/* From here on the listener hears of changes. Once, before requests are made. */
void sync_listen(struct sync *sync, const struct sync_listener *listener);

/* Fails every request with SYNC_ERR_STOPPING, logs out, closes the cache. Blocks, a second or two.
 */
void sync_stop(struct sync **sync);

struct cache *sync_cache(struct sync *sync);

/* A request under way: for detach alone. 0 is no request. */
typedef uint64_t sync_ticket;
typedef void sync_done_fn(void *ctx, enum sync_error error);

/* Asks for the body of `message`; done with SYNC_OK means that cache_body_pin finds it. Requests
 * for the same body share one fetch. Returns the ticket, or 0 when there is no memory (done is not
 * called). */
sync_ticket sync_want_body(struct sync *sync, int64_t message, sync_done_fn *done, void *ctx);

/*
 * Asks that the listing of `mailbox` (0, or one without messages: the tree) be good enough to read
 * from: at once (done is called from within, and 0 is returned) when it is whole and fresh, or the
 * network cannot be had; otherwise when it is. While a first listing runs, entries show in the
 * cache as they land: sync_want_entries waits for more.
 */
sync_ticket sync_want_listing(struct sync *sync, int64_t mailbox, sync_done_fn *done, void *ctx);

/* Asks for entries of `mailbox` with an inode number above `after`, or for the end of its first
 * listing, whichever comes first; an error when the listing broke off. For readdir of a mailbox
 * that is still being listed. */
sync_ticket sync_want_entries(struct sync *sync, int64_t mailbox, uint64_t after,
                              sync_done_fn *done, void *ctx);

/* The caller of a request is gone: its done is not called any more, unless it is being called right
 * now; true: it will not be; false: it was, or is being, called. The work itself goes on where
 * others want it. */
bool sync_detach(struct sync *sync, sync_ticket ticket);

/* Appends the state of the account as one JSON object (CONTRACT.md section 5, status). */
bool sync_status_json(struct sync *sync, struct buffer *out);
/* The same for people: what `outlookfs status` prints. */
bool sync_status_text(struct sync *sync, struct buffer *out);

#endif
