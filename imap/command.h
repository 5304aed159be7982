/*
 * Commands as bytes (RFC 3501 section 6), without tag.
 *
 * A command is text in which some arguments are literals. The connection adds the tag, sends each
 * literal as LITERAL+ where the server has it (RFC 7888) or after the server's "+", and holds lines
 * under 4 kB (OUTLOOK.md section 3). A builder that runs out of memory or room, or is given what
 * must not be sent, marks the command as broken; imap_connection_submit then refuses it, so that
 * callers check once.
 *
 * One argument, the message of an APPEND, may be a literal whose bytes are not in the text: the
 * connection pulls them from a source as the socket takes them.
 *
 * A command belongs to its builder until submit, which takes its content. Any thread, one at a
 * time. The builders of commands that change mail are in imap/change.h.
 */
#ifndef OUTLOOKFS_IMAP_COMMAND_H
#define OUTLOOKFS_IMAP_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/types.h>

#include "base/buffer.h"
#include "imap/response.h"

enum { IMAP_LINE_MAX = 4000, IMAP_LITERALS_MAX = 8 };

/*
 * Where the bytes of a streamed literal come from. Called from the connection's thread, within step
 * or close; may wait for a disk, never for the network.
 *
 * One source is open at a time however many commands are queued: `open` is called when the
 * command's turn has come and before its first byte goes out, `close` once after an `open` that
 * succeeded, when nothing more will be read, and always before the command's done function. A
 * source that cannot be opened fails its command alone (IMAP_ERR_SOURCE, not sent). One that fails
 * later, or ends before `size`, ends the connection: the server counts on bytes that do not come.
 */
struct imap_literal_source {
    void *ctx;
    uint64_t size;          /* bytes, 1 to 4 GiB - 1 (RFC 3501 section 9, number) */
    int (*open)(void *ctx); /* 0, or an errno; NULL: nothing to open */
    /* Up to `len` bytes at `offset`, which only ever goes forward: their number, 0 at the end, or
     * an errno below zero. */
    ssize_t (*read)(void *ctx, uint64_t offset, char *to, size_t len);
    void (*close)(void *ctx); /* NULL: nothing to close */
};

struct imap_command {
    struct buffer text; /* the command; a literal's bytes stand in it, after its {n} CRLF */
    struct {
        size_t at; /* offset in text where the literal's bytes start */
        size_t len;
    } literals[IMAP_LITERALS_MAX];
    unsigned literal_count;
    struct imap_literal_source
        source; /* of the last literal; read == NULL: its bytes are in text */
    bool broken;
    bool sensitive; /* carries a secret: wiped after sending, never logged */
};

/* "NOOP", "CHECK", "CLOSE", "UNSELECT", "CAPABILITY", "NAMESPACE", "LOGOUT", ... */
void imap_command_init(struct imap_command *c, const char *verb);
void imap_command_free(struct imap_command *c);

/* Appends a space and `text` as it is (trusted, no CR or LF). */
void imap_command_raw(struct imap_command *c, const char *text);

/* Appends a space and `bytes` as atom, quoted string or literal, whichever can carry them
 * (RFC 3501 astring). For mailbox names: the server's own bytes, from the cache row. */
void imap_command_astring(struct imap_command *c, const char *bytes, size_t len);

/* Appends a space and a literal that is streamed. It is the command's last argument. */
void imap_command_source(struct imap_command *c, const struct imap_literal_source *source);

/* The commands that need more than a verb. `mailbox` is the server's own name. */
void imap_command_select(struct imap_command *c, const char *mailbox,
                         bool read_only); /* SELECT or EXAMINE */
/* Has SELECT or EXAMINE tell what happened since `modseq` (RFC 7162 section 3.2.5) to UIDs up to
 * `known`, none of them 0: VANISHED (EARLIER), and FETCH with flags. Nothing comes where the
 * UIDVALIDITY is another one. For a connection that imap_connection_resyncs is true of. */
void imap_command_resync(struct imap_command *c, uint32_t uidvalidity, uint64_t modseq,
                         uint32_t known);
void imap_command_status(struct imap_command *c, const char *mailbox,
                         const char *items); /* "MESSAGES UIDNEXT" */
void imap_command_list(struct imap_command *c, bool subscribed, const char *reference,
                       const char *pattern);
void imap_command_uid_fetch(struct imap_command *c, const char *set,
                            const char *items); /* items with parentheses */
void imap_command_uid_search(struct imap_command *c, const char *criteria);
void imap_command_id(struct imap_command *c, const char *name, const char *version);

/* Appends `uid` to the set being written in `set` ("1:4,7"), joining runs; uids must ascend.
 * `first`/`last` hold the open run between calls and start at 0; imap_uidset_end writes it out.
 * False when `set` is full: the caller sends what it has and starts a new one. */
struct imap_uidset {
    struct buffer text;
    uint32_t first, last;
};
void imap_uidset_init(struct imap_uidset *set, size_t max_bytes);
void imap_uidset_free(struct imap_uidset *set);
bool imap_uidset_add(struct imap_uidset *set, uint32_t uid) __attribute__((warn_unused_result));
/* The set as text, valid until the next change; NULL when it is empty or memory ran out. */
const char *imap_uidset_text(struct imap_uidset *set);

/* Walks a set such as "4,7:9,12" as the server sent it; reversed ranges are put right.
 * *at starts at 0; false at the end or at the first thing that is not a set. */
bool imap_uidset_next(struct imap_span set, size_t *at, uint32_t *first, uint32_t *last);

/*
 * Walks COPYUID's two sets in step (RFC 4315 section 3): the n-th UID of `source` became the n-th
 * of `target`. Ranges ascend, whichever way round they were written.
 *
 * init looks at both sets as a whole and returns false, with nothing to walk, when either is no
 * set, when they differ in length, or when they name more than `max` messages: a caller gives the
 * number that it asked to be copied, so that "1:4294967295" costs nothing. Two empty sets are a
 * walk of no steps. The sets' bytes must outlive the walk.
 */
struct imap_uidpairs {
    struct imap_span source, target;
    size_t source_at, target_at;
    uint32_t source_next, source_last; /* what is left of the open runs */
    uint32_t target_next, target_last;
    size_t left; /* pairs to come */
};
bool imap_uidpairs_init(struct imap_uidpairs *pairs, struct imap_span source,
                        struct imap_span target, size_t max) __attribute__((warn_unused_result));
/* The next pair; false at the end. */
bool imap_uidpairs_next(struct imap_uidpairs *pairs, uint32_t *source, uint32_t *target);

#endif
