/*
 * Commands as bytes (RFC 3501 section 6), without tag.
 *
 * A command is text in which some arguments are literals. The connection adds the tag, sends each
 * literal as LITERAL+ where the server has it (RFC 7888) or after the server's "+", and holds lines
 * under 4 kB (OUTLOOK.md section 3). A builder that runs out of memory or room marks the command
 * as broken; imap_connection_submit then refuses it, so that callers check once.
 *
 * A command belongs to its builder until submit, which takes its content. Any thread, one at a
 * time.
 */
#ifndef OUTLOOKFS_IMAP_COMMAND_H
#define OUTLOOKFS_IMAP_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "imap/response.h"

enum { IMAP_LINE_MAX = 4000, IMAP_LITERALS_MAX = 8 };

struct imap_command {
    struct buffer text; /* the command; a literal's bytes stand in it, after its {n} CRLF */
    struct {
        size_t at; /* offset in text where the literal's bytes start */
        size_t len;
    } literals[IMAP_LITERALS_MAX];
    unsigned literal_count;
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

/* The commands that need more than a verb. `mailbox` is the server's own name. */
void imap_command_select(struct imap_command *c, const char *mailbox,
                         bool read_only); /* SELECT or EXAMINE */
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

#endif
