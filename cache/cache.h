/*
 * What is known of an account, on disk. The cache is the state: the kernel asks, SQLite answers,
 * and no table of inodes or messages lives in memory.
 *
 * Two databases in one directory: index.db (mailboxes, messages, inodes and their names) and
 * bodies.db (message bodies in chunks, 16 KiB pages). WAL. One writer thread with a queue owns both
 * write connections: it runs what is queued in one transaction of at most 50 ms, urgent jobs first,
 * commits, and then tells those who wait. Everyone else only reads, each call on a connection
 * borrowed from a pool that was opened at the start; no read statement stays open across a call.
 *
 * Any thread may call anything here unless a prototype says otherwise. Calls marked [writes] wait
 * for their transaction, so FUSE threads never make them. Ids and inode numbers are row ids that
 * are never reused within a cache (AUTOINCREMENT). The mutable rest: a crash loses at most the last
 * transactions, never the consistency between the two files: a body counts only once it is whole.
 */
#ifndef OUTLOOKFS_CACHE_CACHE_H
#define OUTLOOKFS_CACHE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct cache;

enum cache_error {
    CACHE_OK = 0,
    CACHE_ERR_ABSENT, /* no such row, or the body is not here */
    CACHE_ERR_BUSY,   /* the directory is in use by another process */
    CACHE_ERR_STALE, /* the mailbox's UIDVALIDITY is no longer the one given: nothing was changed */
    CACHE_ERR_FULL,  /* the disk is full */
    CACHE_ERR_IO,    /* the disk or SQLite failed; details are in the log */
    CACHE_ERR_MEMORY,
    CACHE_ERR_EXISTS, /* the name is taken */
    CACHE_ERR_STATE,  /* not possible as things stand with this row or spool */
    CACHE_ERR_LIMIT,  /* the journal holds as many rows or bytes as it may */
};

/* Bytes of a name: any that a user gives; what is made of a mailbox or a message is shorter
 * (CONTRACT.md section 1). */
enum { CACHE_NAME_MAX = 255, CACHE_SHOWN_MAX = 180, CACHE_ROOT_INO = 1 };

/*
 * Opens the cache in `directory` (created 0700 where missing) for `user` at `host`, and takes a
 * lock on it. A damaged database, one of a newer schema, or one that belongs to another host or
 * user is set aside (renamed to NAME.aside-TIMESTAMP, with a line in the log) and started anew; an
 * older schema is upgraded in place. Bodies that no message refers to are removed. `body_bytes` is
 * the room for bodies (LRU eviction above it). On error `text` (400 bytes) holds one line for a
 * person.
 */
enum cache_error cache_open(struct cache **cache, const char *directory, const char *user,
                            const char *host, uint64_t body_bytes, char *text)
    __attribute__((warn_unused_result));

/* Finishes queued writes, checkpoints, closes. No call may be running or follow. */
void cache_close(struct cache **cache);

/* ---- inodes: what the file system shows ---- */

enum cache_kind {
    CACHE_DIRECTORY = 1,
    CACHE_MESSAGE = 2,
    CACHE_STAGED = 3 /* a file that is no message (yet): outcomes.h */
};

/* One directory entry and what stat needs. A value: copy it freely. */
struct cache_inode {
    uint64_t ino;
    uint64_t parent;
    enum cache_kind kind;
    int64_t mailbox; /* the mailbox that a directory shows (0: the root), or that a message is in */
    int64_t message; /* 0 for all but a message, as uid */
    uint32_t uid;
    uint64_t
        size; /* of a message: exact once its body was here, else RFC822.SIZE; 0 for a directory */
    bool size_exact;
    int64_t mtime; /* seconds: INTERNALDATE; a directory's last change of entries */
    int64_t ctime; /* seconds: last change known */
    bool hidden;   /* it keeps its name, but no directory shows it (outcomes.h) */
    bool pending;  /* hidden or moved here only until an outcome is known */
    bool alias;    /* the name is one that the user gave */
    char name[CACHE_NAME_MAX + 1];
};

/* The root is always there: CACHE_ROOT_INO. */
enum cache_error cache_inode_get(struct cache *cache, uint64_t ino, struct cache_inode *inode);
enum cache_error cache_inode_lookup(struct cache *cache, uint64_t parent, const char *name,
                                    struct cache_inode *inode);

/*
 * Reads entries of directory `parent` in their fixed order (ascending inode number), starting after
 * the entry whose number is `after` (0: from the start), at most `max` of them, into `inodes`. An
 * entry's directory offset is its inode number, so an offset stays good while entries come and go.
 * *count == 0: the end, as far as the cache knows.
 */
enum cache_error cache_inode_list(struct cache *cache, uint64_t parent, uint64_t after,
                                  struct cache_inode *inodes, size_t max, size_t *count);

/* Directories below `parent` (for st_nlink) and messages in it. */
enum cache_error cache_inode_count(struct cache *cache, uint64_t parent, uint64_t *directories,
                                   uint64_t *messages);

/* ---- mailboxes ---- */

enum cache_role {
    CACHE_ROLE_NONE,
    CACHE_ROLE_INBOX,
    CACHE_ROLE_TRASH,
    CACHE_ROLE_SENT,
    CACHE_ROLE_DRAFTS,
    CACHE_ROLE_JUNK,
    CACHE_ROLE_ARCHIVE,
    CACHE_ROLE_ALL,
    CACHE_ROLE_FLAGGED,
};

struct cache_mailbox {
    int64_t id;
    uint64_t ino;
    char *name;     /* the server's own bytes: what commands are made of */
    char delimiter; /* 0: none */
    enum cache_role role;
    bool selectable;
    bool subscribed;
    uint32_t uidvalidity; /* 0: never selected */
    uint32_t uidnext;     /* as of the last listing or refresh; 0: unknown */
    uint32_t messages;    /* EXISTS or STATUS MESSAGES, as last heard */
    uint32_t unseen;
    uint64_t highestmodseq;
    bool listed;         /* the first listing came to its end: what is here is the whole mailbox */
    uint32_t listed_uid; /* every message up to this UID is known, first listing or later */
    int64_t checked_ms;  /* clock_ms of the last listing or refresh in this process; 0: not yet. Not
                            on disk. */
};
void cache_mailbox_free(struct cache_mailbox *mailbox); /* frees what it points to, not itself */

enum cache_error cache_mailbox_get(struct cache *cache, int64_t id, struct cache_mailbox *mailbox);
/* The mailbox with the server's own name `name` (exact bytes). */
enum cache_error cache_mailbox_find(struct cache *cache, const char *name,
                                    struct cache_mailbox *mailbox);
/* Whether the server's name of a mailbox stands below another one's. */
bool cache_name_is_below(const char *name, const char *above, char delimiter);
/* Notes that the mailbox was listed or refreshed at `now_ms` (clock_ms): what checked_ms tells. In
 * memory only; costs nothing. */
void cache_mailbox_checked(struct cache *cache, int64_t mailbox, int64_t now_ms);
/* All of them, by id: calls `visit` for each until it returns false. `visit` must not call the
 * cache. */
enum cache_error cache_mailbox_each(struct cache *cache,
                                    bool (*visit)(void *ctx, const struct cache_mailbox *),
                                    void *ctx);

/* What LIST told of one mailbox or of one \Noselect or implied parent level. */
struct cache_tree_entry {
    const char *name;   /* server's own bytes, unique within the list */
    const char *parent; /* server's own bytes of the level above, which must stand earlier in the
                           list; NULL: the root */
    const char
        *shown; /* the directory name without ordinal (message/name.h); collisions get one here */
    char delimiter;
    enum cache_role role;
    bool selectable;
    bool subscribed;
};

/* A change that the kernel has to hear of: an entry came or went in `parent`, or what it shows
 * changed. */
struct cache_change {
    uint64_t parent;
    uint64_t ino;
    bool gone;
    bool came;    /* a row that was not there before */
    bool bytes;   /* the file is another message's now: what was read of it is good no more */
    bool settled; /* a change made here is known in full now: nothing for those who watch */
    bool directory;
    char name[CACHE_NAME_MAX + 1];
};
typedef void cache_change_fn(void *ctx, const struct cache_change *change);

/*
 * [writes] Makes the tree equal to the list: new mailboxes get rows, inodes and names ("~2" where
 * taken; names shown before stay), missing ones go with their messages. `number` shown names:
 * `shown_ordinal` builds the name for ordinal 2 and up. `changed` (may be NULL) is called after the
 * commit.
 */
enum cache_error
cache_tree_replace(struct cache *cache, const struct cache_tree_entry *entries, size_t count,
                   void (*shown_ordinal)(const char *shown, unsigned ordinal, char *name),
                   cache_change_fn *changed, void *ctx);

/* [writes] Notes what SELECT, EXAMINE or STATUS said. A UIDVALIDITY other than the one known drops
 * the mailbox's messages, bodies and listing state, and nothing else; `changed` hears of each. 0
 * means "not said". */
struct cache_mailbox_facts {
    uint32_t uidvalidity, uidnext, messages, unseen;
    bool has_messages, has_unseen;
    uint64_t highestmodseq;
};
enum cache_error cache_mailbox_note(struct cache *cache, int64_t mailbox,
                                    const struct cache_mailbox_facts *facts,
                                    cache_change_fn *changed, void *ctx);

/* ---- messages ---- */

/* The text fields are for xattrs and search; NULL reads as "". Strings given are copied. */
struct cache_message {
    int64_t id;
    int64_t mailbox;
    uint32_t uid;
    uint64_t size;        /* RFC822.SIZE */
    int64_t internaldate; /* seconds since 1970 UTC */
    char *flags;          /* "\Seen $Forwarded", space-separated, without \Recent */
    char *subject, *from, *to, *date, *message_id;
};
void cache_message_free(struct cache_message *message);

enum cache_error cache_message_get(struct cache *cache, int64_t id, struct cache_message *message);

/* Messages of a mailbox without \Seen, counted: as right as the flags that are known. */
enum cache_error cache_message_unseen(struct cache *cache, int64_t mailbox, uint64_t *unseen);

/* UIDs of a mailbox above `after`, ascending, at most `max`. */
enum cache_error cache_message_uids(struct cache *cache, int64_t mailbox, uint32_t after,
                                    uint32_t *uids, size_t max, size_t *count);

/* What a search looks at of one message. The texts are good during the visit alone. */
struct cache_row {
    int64_t id, mailbox;
    uint32_t uid;
    uint64_t size;
    int64_t internaldate;
    const char *flags, *subject, *from, *to;
};
/* Messages of a mailbox, ascending by UID from above `after`, at most `max`: calls `visit` for each
 * until it returns false. `visit` must not call the cache. *last is the UID of the last one
 * visited, 0 where there was none. */
enum cache_error cache_message_scan(struct cache *cache, int64_t mailbox, uint32_t after,
                                    size_t max, bool (*visit)(void *ctx, const struct cache_row *),
                                    void *ctx, uint32_t *last);

/* A message as a listing brings it. `stem` is the file name without ".eml" (message/name.h). */
struct cache_new_message {
    uint32_t uid;
    uint64_t size;
    int64_t internaldate;
    const char *flags, *subject, *from, *to, *date, *message_id;
    const char *stem;
};

/*
 * [writes] Adds messages, ascending by UID, in one transaction: a UID that is known already keeps
 * its row, inode and name and takes the new flags. `file_name` makes "STEM.eml" or "STEM~UID.eml"
 * (message_name_file). Afterwards every message up to `through_uid` counts as known (0: leaves that
 * as it is); `complete` marks the listing as whole. `uidvalidity` must be the mailbox's own, else
 * CACHE_ERR_STALE.
 */
enum cache_error cache_messages_add(struct cache *cache, int64_t mailbox, uint32_t uidvalidity,
                                    const struct cache_new_message *messages, size_t count,
                                    uint32_t through_uid, bool complete,
                                    void (*file_name)(char *name, const char *stem, uint32_t uid),
                                    cache_change_fn *changed, void *ctx);

/* [writes] New flags for known messages (unknown UIDs are ignored). `changed` hears of those that
 * differ. */
struct cache_new_flags {
    uint32_t uid;
    const char *flags;
    uint64_t modseq;
};
enum cache_error cache_messages_flags(struct cache *cache, int64_t mailbox, uint32_t uidvalidity,
                                      const struct cache_new_flags *flags, size_t count,
                                      cache_change_fn *changed, void *ctx);

/* [writes] The same, but which of them still count is asked in the writer's turn, so that no other
 * write comes in between: `still` keeps those at the front of `flags` and returns how many they
 * are. It runs in the writer's thread, must not call the cache, and may be called several times,
 * each time with some of `flags`, which it may reorder. */
typedef size_t cache_flags_still_fn(void *ctx, struct cache_new_flags *flags, size_t count);
enum cache_error cache_messages_flags_if(struct cache *cache, int64_t mailbox, uint32_t uidvalidity,
                                         struct cache_new_flags *flags, size_t count,
                                         cache_flags_still_fn *still, void *still_ctx,
                                         cache_change_fn *changed, void *ctx);

/* [writes] Messages that are no longer on the server. Their bodies go when nobody has them open. */
enum cache_error cache_messages_gone(struct cache *cache, int64_t mailbox, uint32_t uidvalidity,
                                     const uint32_t *uids, size_t count, cache_change_fn *changed,
                                     void *ctx);
/*
 * [writes] The same for messages that a refresh does not find any more, where others came in it,
 * with UIDs above `after`: a server may give a message another UID (OUTLOOK.md section 2). What
 * went and what came are one where Message-Id, size and date are the same and no third is like
 * them: the inode and its name stay, for the message that came. Nothing says that its bytes are the
 * same, so there is no body (cache_change.bytes), and a file that is open stays what it is: then
 * one goes and the other one comes.
 */
enum cache_error cache_messages_renumbered(struct cache *cache, int64_t mailbox,
                                           uint32_t uidvalidity, const uint32_t *uids, size_t count,
                                           uint32_t after, cache_change_fn *changed, void *ctx);

/* The row of (mailbox, uid). */
enum cache_error cache_message_find(struct cache *cache, int64_t mailbox, uint32_t uid,
                                    struct cache_inode *inode);

/* ---- bodies ---- */

/*
 * A body on its way in. The caller gives chunks as they arrive; they gather to 128 KiB and go to
 * the writer's queue, which is bounded: a fast server waits for the disk, not memory for the
 * server. Belongs to one thread until commit or abort.
 */
struct cache_incoming;
enum cache_error cache_incoming_begin(struct cache *cache, struct cache_incoming **incoming);
enum cache_error cache_incoming_write(struct cache_incoming *incoming, const void *data,
                                      size_t len);
/* The first bytes given so far (at most 8 KiB), for a look at the header. */
const char *cache_incoming_head(const struct cache_incoming *incoming, size_t *len);
uint64_t cache_incoming_size(const struct cache_incoming *incoming);

/*
 * Hands the body over as that of message `message`: once the transaction stands, it is whole,
 * readable and its size exact, and `done` is called on the writer's thread (quickly: it may queue,
 * reply or signal, not write). *incoming becomes NULL. When the body was there already, this one is
 * dropped and it counts as done.
 */
typedef void cache_done_fn(void *ctx, enum cache_error error, uint64_t size);
void cache_incoming_commit(struct cache_incoming **incoming, int64_t message, cache_done_fn *done,
                           void *ctx);
void cache_incoming_abort(struct cache_incoming **incoming);

/*
 * Pins the body of `message` for reading: it is not evicted until every pin is gone, even when the
 * message goes. CACHE_ERR_ABSENT when it is not here. FUSE threads may call all of these.
 */
enum cache_error cache_body_pin(struct cache *cache, int64_t message, uint64_t *size);
void cache_body_unpin(struct cache *cache, int64_t message);
/* cache_inode_get and cache_body_pin in one, for an open: as long as nothing is written, most calls
 * cost no look into the databases. `inode` lacks the name, and its size is the body's; size_exact
 * is false where the row had another. CACHE_ERR_ABSENT: no such row, not a message, or the body is
 * not here; nothing is pinned then. FUSE threads may call it. */
enum cache_error cache_message_pin(struct cache *cache, uint64_t ino, struct cache_inode *inode);
/* Whether the body is pinned, and its size. A row may still have an estimate by then: what is
 * fetched ahead can be opened as soon as bodies.db has it, a moment before index.db does. */
bool cache_body_pinned(struct cache *cache, int64_t message, uint64_t *size);
/* Reads up to `len` bytes at `offset` of a pinned body. *got < len only at its end. */
enum cache_error cache_body_read(struct cache *cache, int64_t message, uint64_t offset, void *data,
                                 size_t len, size_t *got);

/* The messages whose bodies are here: ids above `after`, ascending, at most `max`. No use is noted.
 */
enum cache_error cache_body_messages(struct cache *cache, int64_t after, int64_t *messages,
                                     size_t max, size_t *count);

/*
 * [writes] With `arrived`: once this returns, no body is evicted, however many there are, and
 * `arrived` is called with parent and number of the inode of each message whose body has come, on
 * the writer's thread (as cache_done_fn: quickly). With NULL: as before; nobody is called any more
 * once this returns. Not for good: each open of the cache begins without.
 */
enum cache_error cache_keep_all(struct cache *cache, cache_change_fn *arrived, void *ctx);

/*
 * [writes] From now on the bodies of these mailboxes go last: only when nothing else can be evicted
 * any more. `mailboxes` is copied. `fewer`: some that were kept before are not any more. Not for
 * good: each open of the cache begins without.
 */
enum cache_error cache_keep_mailboxes(struct cache *cache, const int64_t *mailboxes, size_t count,
                                      bool fewer);

/* ---- figures for status ---- */
struct cache_figures {
    uint64_t mailboxes, messages, bodies, body_bytes;
    uint64_t indexed, envelopes_indexed; /* bodies, messages that the search index knows */
    uint64_t index_bytes;                /* its file */
};
enum cache_error cache_figures_get(struct cache *cache, struct cache_figures *figures);

#endif
