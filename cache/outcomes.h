/*
 * What changes do to the cache: the outcomes of commands that were sent, and how things look while
 * an outcome is not known yet.
 *
 * Every call here is [writes] unless it says otherwise (cache.h): it waits for its transaction, so
 * FUSE threads make none. `changed` (may be NULL) is called after the commit, on the calling
 * thread, for each entry that came, went or became another. Everything may be done again, after a
 * crash or because a poll was faster: what is so already changes nothing and is CACHE_OK.
 *
 * A message's inode stands in its mailbox's directory unless it is
 *   - hidden: it keeps its name and its number, open files go on, but no directory shows it;
 *   - pending: hidden, or shown elsewhere, only until the outcome of a change is known. Whatever
 *     is pending when the cache closes, or the process dies, stands where its mailbox is again at
 *     the next open; the journal tells what to make pending anew.
 */
#ifndef OUTLOOKFS_CACHE_OUTCOMES_H
#define OUTLOOKFS_CACHE_OUTCOMES_H

#include "cache/cache.h"

enum { CACHE_SHA256 = 32 };

/* A message on the server. A mailbox whose UIDVALIDITY the cache does not know yet takes it from
 * here; another one than it knows is CACHE_ERR_STALE: cache_mailbox_note it first. */
struct cache_place {
    int64_t mailbox;
    uint32_t uidvalidity, uid;
};

/*
 * Names. NULL keeps the one that the inode has. Where the name is taken, `replace` hides the
 * message that has it (pending: its own way to the trash decides) or removes the staged file; else,
 * and where a directory has it, ours gets its "~UID" form. CACHE_ERR_STATE: not a legal name.
 */

/*
 * The message at `from` is at `to` now. It keeps its inode and body; flags and other facts too,
 * until a listing brings what the server says. When `to` is known already (a poll was faster), the
 * two become one, with the inode of `from`. When only `to` is known, it is done already. `inode`
 * (may be NULL) is what it became. CACHE_ERR_ABSENT: neither is known; refresh the target.
 */
enum cache_error cache_message_moved(struct cache *cache, const struct cache_place *from,
                                     const struct cache_place *to, const char *name, bool replace,
                                     struct cache_inode *inode, cache_change_fn *changed, void *ctx)
    __attribute__((warn_unused_result));

/* The same for a message that is on its way farther: it is hidden, or shown where a later change
 * takes it, and stays so (pending), under its name. */
enum cache_error cache_message_passed(struct cache *cache, const struct cache_place *from,
                                      const struct cache_place *to, struct cache_inode *inode,
                                      cache_change_fn *changed, void *ctx)
    __attribute__((warn_unused_result));

/*
 * A message that came by a change of ours. `staged` is the file whose inode it takes over (0, or
 * one that is gone: a new one, or the one that a poll gave it). A row that a poll made keeps what
 * the server said. The name (NULL: that of the staged file) is an alias and stays; doing it again
 * does not take back a name that the user gave since.
 */
struct cache_arrival {
    struct cache_place place;
    uint64_t staged;
    const char *name;
    bool replace;
};

/*
 * APPEND: `facts` are what is known of it (uid and stem do not matter; the size is an estimate),
 * and what the next listing corrects. There is no body: the bytes are the server's (CONTRACT.md
 * section 2) and are fetched when somebody opens it. `uploaded` (may be NULL) is the SHA-256 of the
 * `uploaded_size` bytes that the user wrote.
 */
enum cache_error cache_message_appended(struct cache *cache, const struct cache_arrival *arrival,
                                        const struct cache_new_message *facts,
                                        const uint8_t *uploaded, uint64_t uploaded_size,
                                        struct cache_inode *inode, cache_change_fn *changed,
                                        void *ctx) __attribute__((warn_unused_result));

/*
 * COPY: the message at `from` also is at arrival->place. Its facts are those of `from`. It has no
 * body of its own until somebody opens it: cache_body_copy. CACHE_ERR_ABSENT: neither is known;
 * refresh the target.
 */
enum cache_error cache_message_copied(struct cache *cache, const struct cache_place *from,
                                      const struct cache_arrival *arrival,
                                      struct cache_inode *inode, cache_change_fn *changed,
                                      void *ctx) __attribute__((warn_unused_result));

/*
 * Makes the body of a copy from that of the message that it is a copy of, on the calling thread,
 * and then is as cache_incoming_commit. CACHE_ERR_ABSENT, and `done` is not called: it is no copy,
 * the other body is not here, or the server states another size for it; fetch it. (A COPY names the
 * same message, RFC 3501 6.4.7; where a server renders it anew, its size is what tells.)
 */
enum cache_error cache_body_copy(struct cache *cache, int64_t message, cache_done_fn *done,
                                 void *ctx) __attribute__((warn_unused_result));

/* ---- names and places ---- */

/*
 * Gives a message or a staged file another name, an alias, in `parent`. In the directory of its
 * mailbox that is all there is to it; in another it is pending. It also shows what was hidden.
 * CACHE_ERR_EXISTS: the name is taken, and `replace` does not help (a directory has it).
 * CACHE_ERR_STATE: a directory, or not a legal name.
 */
enum cache_error cache_inode_rename(struct cache *cache, uint64_t ino, uint64_t parent,
                                    const char *name, bool replace, cache_change_fn *changed,
                                    void *ctx) __attribute__((warn_unused_result));

/* Hides messages: until an outcome is known, or `for_good` (\Deleted, and no way to expunge it
 * alone). Unknown UIDs are ignored. */
enum cache_error cache_messages_hide(struct cache *cache, int64_t mailbox, uint32_t uidvalidity,
                                     const uint32_t *uids, size_t count, bool for_good,
                                     cache_change_fn *changed, void *ctx)
    __attribute__((warn_unused_result));
/* Shows them in their mailbox's directory again, under their name where it is free: after a
 * refusal, or when \Deleted was taken off. */
enum cache_error cache_messages_show(struct cache *cache, int64_t mailbox, uint32_t uidvalidity,
                                     const uint32_t *uids, size_t count, cache_change_fn *changed,
                                     void *ctx) __attribute__((warn_unused_result));

/* ---- staged files ---- */

/*
 * A file that is no message: scratch, or one that is being written. It is an inode of kind
 * CACHE_STAGED with a number that is never used again, which the message made of it takes over
 * (struct cache_arrival). Where it is not `visible`, only the number is reserved. Its bytes are
 * elsewhere. All of them are gone at the next open. CACHE_ERR_EXISTS: the name is taken.
 */
enum cache_error cache_staged_create(struct cache *cache, uint64_t parent, const char *name,
                                     bool visible, uint64_t *ino, cache_change_fn *changed,
                                     void *ctx) __attribute__((warn_unused_result));
/* What stat says of it. */
enum cache_error cache_staged_note(struct cache *cache, uint64_t ino, uint64_t size, int64_t mtime)
    __attribute__((warn_unused_result));
/*
 * Where a staged file stands, and what stat says of it, in one step. A name that cannot be had
 * leaves it where it is. `inode` is its row afterwards. CACHE_ERR_ABSENT: there is none.
 */
struct cache_staged_stand {
    uint64_t ino, parent;
    const char *name;
    bool replace; /* as in cache_inode_rename */
    uint64_t size;
    int64_t mtime;
};
enum cache_error cache_staged_place(struct cache *cache, const struct cache_staged_stand *stand,
                                    struct cache_inode *inode, cache_change_fn *changed, void *ctx)
    __attribute__((warn_unused_result));
enum cache_error cache_staged_remove(struct cache *cache, uint64_t ino, cache_change_fn *changed,
                                     void *ctx) __attribute__((warn_unused_result));

/* ---- mailboxes ---- */

/* CREATE. As one row of cache_tree_replace; *mailbox (may be NULL) is its id. CACHE_ERR_ABSENT: its
 * parent is not known, or the name has no place in a tree. */
enum cache_error cache_mailbox_created(struct cache *cache, const struct cache_tree_entry *entry,
                                       void (*shown_ordinal)(const char *shown, unsigned ordinal,
                                                             char *name),
                                       int64_t *mailbox, cache_change_fn *changed, void *ctx)
    __attribute__((warn_unused_result));

/* DELETE. With children it stays as a level that cannot be selected (RFC 3501 6.3.4). */
enum cache_error cache_mailbox_removed(struct cache *cache, const char *name,
                                       cache_change_fn *changed, void *ctx)
    __attribute__((warn_unused_result));

/*
 * RENAME of a mailbox and all below it: names change, inodes, messages and bodies stay. `parent` is
 * the server's name of the level above the new one (NULL: the root), `shown` the directory's new
 * name. Mailboxes that a LIST brought under the new names meanwhile make way. CACHE_ERR_ABSENT:
 * neither name is known.
 */
enum cache_error
cache_mailbox_renamed(struct cache *cache, const char *from, const char *to, const char *parent,
                      const char *shown,
                      void (*shown_ordinal)(const char *shown, unsigned ordinal, char *name),
                      cache_change_fn *changed, void *ctx) __attribute__((warn_unused_result));

enum cache_error cache_mailbox_subscribed(struct cache *cache, int64_t mailbox, bool subscribed)
    __attribute__((warn_unused_result));

/* ---- bytes that are known (these two only read: any thread) ---- */

/* Whether these bytes are the message's own, or what it was uploaded as: then writing them over it
 * changes nothing. */
enum cache_error cache_message_same(struct cache *cache, int64_t message,
                                    const uint8_t sha256[CACHE_SHA256], uint64_t size, bool *same)
    __attribute__((warn_unused_result));

/* A message with exactly these bytes, and with this INTERNALDATE where one is given: COPY of it
 * spares an upload. Known for every body that was here once, even after it was evicted.
 * CACHE_ERR_ABSENT: none. */
enum cache_error cache_message_with_bytes(struct cache *cache, const uint8_t sha256[CACHE_SHA256],
                                          uint64_t size, const int64_t *internaldate,
                                          struct cache_inode *inode)
    __attribute__((warn_unused_result));

#endif
