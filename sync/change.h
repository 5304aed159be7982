/*
 * What the file system asks for when it changes something (CONTRACT.md section 2). The other half
 * of sync.h.
 *
 * Every change is an intent in the journal first, then a command, then an outcome in the cache
 * (ARCHITECTURE.md, "Changes are intents first"). With commit=server a request is done when the
 * server has it and the cache shows it; with commit=journal when intent and spool are on disk and
 * the cache shows what is to come. In both, an error means refused or unconfirmed: the bytes are in
 * the outbox, the tree shows what the server has, and nothing is sent again by itself.
 *
 * Requests may come from any thread, FUSE's too: none of these functions waits for disk or network.
 * `done` is called exactly once, unless the request was detached first (sync_detach); from sync's
 * threads, with no lock held. A request that was detached goes on; nobody hears of its end. Strings
 * and structs given are copied; a spool passes over with the call, whatever becomes of it, unless 0
 * is returned (no memory: nothing was taken, done is not called).
 *
 * The mount is read-only where sync_settings.read_only says so: every request is then
 * SYNC_ERR_READONLY.
 */
#ifndef OUTLOOKFS_SYNC_CHANGE_H
#define OUTLOOKFS_SYNC_CHANGE_H

#include "cache/journal.h"
#include "sync/sync.h"

/* The journal of this mount: for spools (journal_spool_create, _write, _read), which the file
 * system writes itself, and which a FUSE thread may write: that is the disk, not a transaction. */
struct journal *sync_journal(struct sync *sync);

/* Whether a change asked for now has a chance: false on a read-only mount, and offline with
 * commit=server, where it would end in SYNC_ERR_DOWN. For the file system to refuse before anything
 * happened, at create and at open for writing. Does not wait. */
bool sync_can_change(struct sync *sync);

/* Done once there is a connection (at once where one stands, or with commit=journal): whether the
 * network is there is not known before somebody has tried. Else with the error, within the bound.
 */
sync_ticket sync_reach(struct sync *sync, sync_done_fn *done, void *ctx);

/* The mailbox that rm moves to: by its role, or trash=NAME. 0: there is none. Does not wait for the
 * network. */
int64_t sync_trash(struct sync *sync);

/* How a change ended. `inode` is what it made or moved (0 as ino: nothing, or not known yet).
 * `reason` is for the log and for status: one line, "" where there is none; valid during the call.
 */
struct sync_changed {
    enum sync_error error;
    struct cache_inode inode;
    const char *reason;
};
typedef void sync_changed_fn(void *ctx, const struct sync_changed *changed);

/* ---- messages ---- */

/*
 * A file is published: APPEND of `spool` to `mailbox`, or, where `clone_of` names a message, COPY
 * of that (`spool` is then NULL). Where a cached message has exactly these bytes and this date, it
 * is a COPY, too. The bytes are checked and prepared here: a header field at the start, no NUL,
 * bare LF to CRLF; else SYNC_ERR_INVALID, and `spool` goes to the outbox as unfinished where `keep`
 * says so. `replaces` (a message's id, 0: none) is the version that goes to the trash once the new
 * one stands, and whose flags and date the new one takes; bytes that equal it, or what it was
 * uploaded as, change nothing: done at once with its inode.
 */
struct sync_publication {
    int64_t mailbox;
    const char *name;  /* the alias */
    uint64_t staged;   /* the staged file whose inode number the message takes over */
    bool replace_name; /* a message of this name in the mailbox goes to the trash, too */
    struct journal_spool *spool;
    int64_t clone_of;
    bool has_date;
    int64_t internaldate; /* seconds since 1970 */
    const char *flags;    /* or NULL */
    int64_t replaces;
    bool keep;
};
sync_ticket sync_publish(struct sync *sync, const struct sync_publication *publication,
                         sync_changed_fn *done, void *ctx);

/* UID MOVE (or its fallback) of `message` to `mailbox` under `name` (NULL: its own). `replace`: a
 * message that has the name there goes to the trash. To the mailbox that it is in: the alias
 * alone. */
sync_ticket sync_move(struct sync *sync, int64_t message, int64_t mailbox, const char *name,
                      bool replace, sync_changed_fn *done, void *ctx);

/* UID COPY. */
sync_ticket sync_copy(struct sync *sync, int64_t message, int64_t mailbox, const char *name,
                      bool replace, sync_changed_fn *done, void *ctx);

/* To the trash; or STORE \Deleted and UID EXPUNGE, in the trash and with delete=expunge.
 * SYNC_ERR_PERMISSION: there is no trash. */
sync_ticket sync_remove(struct sync *sync, int64_t message, sync_changed_fn *done, void *ctx);

/* STORE: `flags` as setfattr gave them: a whole list, "+\Seen" or "-\Flagged" (one sign for all
 * that follow it). SYNC_ERR_UNSUPPORTED: PERMANENTFLAGS does not allow one. SYNC_ERR_INVALID: not
 * flags. */
sync_ticket sync_store(struct sync *sync, int64_t message, const char *flags, sync_changed_fn *done,
                       void *ctx);

/* The same for a file that was published with commit=journal and is not on the server yet: `ino` is
 * its number. SYNC_ERR_GONE: nothing is under way that would make a message of it. */
sync_ticket sync_store_pending(struct sync *sync, uint64_t ino, const char *flags,
                               sync_changed_fn *done, void *ctx);

/* mark_seen: \Seen without anybody waiting, where it is not set. */
void sync_mark_seen(struct sync *sync, int64_t message);

/* ---- mailboxes (0: the root) ---- */

/* CREATE and SUBSCRIBE of a child named `shown` (as the user wrote it, UTF-8). SYNC_ERR_EXISTS,
 * SYNC_ERR_INVALID (a name that the server's hierarchy cannot have), SYNC_ERR_PERMISSION. */
sync_ticket sync_mailbox_create(struct sync *sync, int64_t parent, const char *shown,
                                sync_changed_fn *done, void *ctx);
/* DELETE, where the server says that it is empty and has no children: SYNC_ERR_NOT_EMPTY. A role
 * mailbox is SYNC_ERR_BUSY. */
sync_ticket sync_mailbox_remove(struct sync *sync, int64_t mailbox, sync_changed_fn *done,
                                void *ctx);
/* RENAME. Into itself: SYNC_ERR_INVALID. An existing target: SYNC_ERR_EXISTS. */
sync_ticket sync_mailbox_rename(struct sync *sync, int64_t mailbox, int64_t parent,
                                const char *shown, sync_changed_fn *done, void *ctx);
sync_ticket sync_mailbox_subscribe(struct sync *sync, int64_t mailbox, bool subscribed,
                                   sync_changed_fn *done, void *ctx);

/* ---- what stays here ---- */

/* Makes a staged file's inode (cache_staged_create), visible or not, in `parent` (an inode number).
 */
sync_ticket sync_staged_create(struct sync *sync, uint64_t parent, const char *name, bool visible,
                               sync_changed_fn *done, void *ctx);
sync_ticket sync_staged_note(struct sync *sync, uint64_t ino, uint64_t size, int64_t mtime,
                             sync_changed_fn *done, void *ctx);
/* Another name or directory for a staged file (cache_inode_rename). */
sync_ticket sync_staged_rename(struct sync *sync, uint64_t ino, uint64_t parent, const char *name,
                               bool replace, sync_changed_fn *done, void *ctx);
sync_ticket sync_staged_remove(struct sync *sync, uint64_t ino, sync_changed_fn *done, void *ctx);

/* fsync(2), and a writer that was killed: the bytes survive as an unfinished entry of the outbox
 * (journal_spool_keep), destined for `mailbox` under `name`. The spool stays the caller's. */
sync_ticket sync_spool_keep(struct sync *sync, struct journal_spool *spool, int64_t mailbox,
                            const char *name, const char *reason, sync_changed_fn *done, void *ctx);
/* Takes that back. */
sync_ticket sync_spool_forget(struct sync *sync, struct journal_spool *spool, sync_changed_fn *done,
                              void *ctx);

/* The bytes of a staged file that was published with commit=journal and is not on the server yet:
 * a spool to read from, which the caller closes, or the message that it is a copy of. False: it is
 * not (any more): look at the inode again. Waits for the disk at most. */
bool sync_pending(struct sync *sync, uint64_t ino, struct journal_spool **spool, int64_t *copy_of);

/* ---- all that is pending ---- */

/* Done when every change asked for before is on the server or in the outbox for good; then NOOP or
 * CHECK. `mailbox` 0: all. The error is the first that a pending change of this call met. */
sync_ticket sync_settle(struct sync *sync, int64_t mailbox, sync_changed_fn *done, void *ctx);

/* The server's quota for `mailbox` (0: INBOX), bytes, as last heard; false: it has none, or nothing
 * was heard yet (then it is asked for, for the next time). Does not wait. */
bool sync_quota(struct sync *sync, int64_t mailbox, uint64_t *used, uint64_t *limit);

/* ---- the outbox (cli/, over the control socket); these wait for the journal, not the network ----
 */

/* Appends a JSON array of what is in the journal (id, kind, state, mailbox, name, size, reason,
 * since). */
bool sync_outbox_json(struct sync *sync, struct buffer *out);
/* Sends the entry again (outbox retry), forgets it (drop): SYNC_OK or the error with `text`
 * (SYNC_TEXT_MAX). retry returns when it is queued; sync_settle tells its end. */
enum sync_error sync_outbox_retry(struct sync *sync, int64_t id, char *text);
enum sync_error sync_outbox_drop(struct sync *sync, int64_t id, char *text);
/* The bytes of an entry, written to the descriptor `fd`. */
enum sync_error sync_outbox_save(struct sync *sync, int64_t id, int fd, char *text);

#endif
