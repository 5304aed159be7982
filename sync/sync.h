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
    /* of changes (change.h) */
    SYNC_ERR_READONLY,    /* the mount changes nothing */
    SYNC_ERR_DOWN,        /* offline, and nothing was done (commit=server) */
    SYNC_ERR_INVALID,     /* not a message, not a flag, not a name */
    SYNC_ERR_EXISTS,      /* the name is taken */
    SYNC_ERR_NOT_EMPTY,   /* the mailbox has messages or children */
    SYNC_ERR_PERMISSION,  /* never: a reserved name, no trash, a role mailbox's place */
    SYNC_ERR_UNSUPPORTED, /* a keyword that the server does not keep */
    SYNC_ERR_QUOTA,       /* the mailbox is full */
    SYNC_ERR_DISK,        /* no room for the spool or the journal */
    SYNC_ERR_UNCONFIRMED, /* whether it happened is not known: held in the outbox */
};

enum sync_tls { SYNC_TLS_IMPLICIT, SYNC_TLS_STARTTLS, SYNC_TLS_NONE };
enum sync_commit { SYNC_COMMIT_SERVER, SYNC_COMMIT_JOURNAL };
enum sync_auth { SYNC_AUTH_XOAUTH2, SYNC_AUTH_OAUTHBEARER, SYNC_AUTH_PASSWORD };

/* What is fetched in idle time, besides pinned mailboxes. */
enum sync_prefetch_what {
    SYNC_PREFETCH_NONE,
    SYNC_PREFETCH_HEADERS, /* the listings of all mailboxes; the two below bring them too */
    SYNC_PREFETCH_RECENT,  /* the bodies of messages that came within `days` */
    SYNC_PREFETCH_ALL,     /* all bodies */
};
struct sync_prefetch {
    enum sync_prefetch_what what;
    unsigned days;
};

/* All strings are copied by sync_start. */
struct sync_settings {
    const char *account; /* as the user names it */
    const char *host;
    uint16_t port;
    enum sync_tls tls;
    const char *cafile; /* or NULL */
    bool compress;      /* COMPRESS=DEFLATE where the server offers it */
    enum sync_auth auth;
    const char *username;     /* NULL: the account */
    char *const *secret_argv; /* token_command or password_command as a list, or NULL */
    const char *secret_shell; /* the same as a shell's line, or NULL */
    const char *secret_text;  /* a password that was asked for, or NULL */
    const char *login_dir;    /* where a login is kept (auth/store.h); counts where the three above
                                 are NULL */
    const char *cache_dir;
    uint64_t cache_size;  /* bytes */
    unsigned connections; /* 1 to 16 */
    int timeout_ms;
    int64_t
        poll_ms; /* between two looks at what nobody asked for; 0: there are none, and no watch */
    bool subscribed;       /* the tree is LSUB's */
    bool uid_names;        /* names=uid */
    bool read_only;        /* ro: nothing is changed, no journal is opened */
    const char *state_dir; /* the account's: journal and outbox */
    enum sync_commit commit;
    bool expunge;      /* delete=expunge */
    const char *trash; /* trash=NAME: the shown path of the mailbox, or NULL: by its role */
    bool mark_seen;
    struct sync_prefetch prefetch;
    /* Called within sync_start from when on sync_progress may be called for `sync`; with NULL when
     * it may not any more, since the start failed. May be NULL. */
    void (*opened)(void *ctx, struct sync *sync);
    void *opened_ctx;
};

/* Where a change was made, as far as watchers care. */
enum sync_origin {
    SYNC_ORIGIN_SERVER,  /* elsewhere: the server told of it */
    SYNC_ORIGIN_HERE,    /* by this mount */
    SYNC_ORIGIN_LISTING, /* nowhere: a first listing found it */
};

/* What the kernel must be told of. Called from sync's threads with no lock held. */
struct sync_listener {
    void *ctx;
    /* An entry came, went, or its attributes changed. */
    void (*changed)(void *ctx, const struct cache_change *change, enum sync_origin origin);
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

/* A message was opened whose body was here: who reads a mailbox in order has the next ones fetched
 * ahead of it. Costs nothing where nobody does. */
void sync_body_opened(struct sync *sync, int64_t message);

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

/* A pinned mailbox. */
struct sync_pin {
    uint64_t messages, here; /* here: their bodies are */
    uint64_t failed;         /* did not come when they were asked for last */
    bool done;               /* everything is here, but for what failed */
    enum sync_error error;   /* why nothing comes just now; SYNC_OK: it does */
    char text[SYNC_TEXT_MAX];
};

/*
 * Pins the mailbox at `path` (below the mount): its bodies are fetched, kept, and fetched as mail
 * comes, by this mount and later ones, until sync_unpin. Returns once that stands on the disk; what
 * is fetched sync_pin_look tells. With an error `text` (SYNC_TEXT_MAX) says what is wrong:
 * SYNC_ERR_GONE: no such mailbox; SYNC_ERR_INVALID: it holds no messages, or is (unpin) not pinned;
 * SYNC_ERR_DISK. Blocks for the disk.
 */
enum sync_error sync_pin(struct sync *sync, const char *path, char *text);
enum sync_error sync_unpin(struct sync *sync, const char *path, char *text);
/* How far it is. */
enum sync_error sync_pin_look(struct sync *sync, const char *path, struct sync_pin *pin,
                              char *text);

/* What requests wait for just now: the first of these that applies. */
enum sync_wait {
    SYNC_WAIT_NOTHING,
    SYNC_WAIT_BACKOFF,   /* the server asked not to be asked */
    SYNC_WAIT_SECRET,    /* the token or password is being fetched */
    SYNC_WAIT_CONNECT,   /* connecting and signing in, and no connection stands */
    SYNC_WAIT_SIGN_IN,   /* the sign-in failed; the next attempt */
    SYNC_WAIT_RECONNECT, /* no connection stands; the next attempt */
    SYNC_WAIT_ANSWER,    /* the server says nothing */
};

/* What is worth a line while somebody waits for it. Times are milliseconds. */
struct sync_progress {
    bool busy; /* something is under way or waited for */
    enum sync_wait waiting;
    int64_t left_ms;   /* until it is over, or given up; 0: not known, or with the next request */
    int64_t waited_ms; /* so far; 0: not known, or nobody waits */
    unsigned listings; /* first listings under way; of the one that has most to do: */
    int64_t listing_ms;
    uint32_t landed, total;           /* messages; total 0: not known yet */
    char mailbox[CACHE_NAME_MAX + 1]; /* as shown */
    unsigned bodies;                  /* messages being fetched */
    int64_t bodies_ms;                /* the one that began first */
    uint64_t bytes, bytes_expected;   /* expected: as the server states sizes */
};
void sync_progress(struct sync *sync, struct sync_progress *progress);

/* A descriptor that becomes readable when something is under way again after nothing was, or a wait
 * begins: read it (eventfd) and look. sync's own, good until sync_stop. -1 without one. */
int sync_progress_fd(struct sync *sync);

/* Appends the state of the account as one JSON object (CONTRACT.md section 5, status). */
bool sync_status_json(struct sync *sync, struct buffer *out);
/* The same for people: what `outlookfs status` prints. */
bool sync_status_text(struct sync *sync, struct buffer *out);

#endif
