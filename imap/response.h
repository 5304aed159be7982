/*
 * What a server says, as values. imap/parser.h makes them.
 *
 * All pointers in a response point into the parser's memory and are valid until the next call of
 * imap_parser_next: who wants to keep something copies it. Text is the server's own bytes: not
 * NUL-terminated, not checked, not UTF-8 (RFC 3501 section 4.3). Numbers that the server left out,
 * or that are out of range, read as 0 with the matching IMAP_FETCH_x or IMAP_STATUS_x bit clear.
 */
#ifndef OUTLOOKFS_IMAP_RESPONSE_H
#define OUTLOOKFS_IMAP_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A run of bytes. data == NULL: absent, or NIL. */
struct imap_span {
    const char *data;
    size_t len;
};

enum imap_response_kind {
    IMAP_RESPONSE_CONTINUE,       /* + text                          -> status.text */
    IMAP_RESPONSE_STATUS,         /* OK NO BAD BYE PREAUTH, tagged or not -> tag, status */
    IMAP_RESPONSE_CAPABILITY,     /* -> capability (the words after CAPABILITY, unsplit) */
    IMAP_RESPONSE_LIST,           /* -> list */
    IMAP_RESPONSE_LSUB,           /* -> list */
    IMAP_RESPONSE_MAILBOX_STATUS, /* STATUS -> mailbox_status */
    IMAP_RESPONSE_SEARCH,         /* SEARCH and ESEARCH -> search */
    IMAP_RESPONSE_FLAGS,          /* -> flags */
    IMAP_RESPONSE_EXISTS,         /* -> number */
    IMAP_RESPONSE_RECENT,         /* -> number */
    IMAP_RESPONSE_EXPUNGE,        /* -> number (a sequence number) */
    IMAP_RESPONSE_VANISHED,       /* -> vanished */
    IMAP_RESPONSE_FETCH,          /* -> fetch */
    IMAP_RESPONSE_NAMESPACE,      /* -> namespaces */
    IMAP_RESPONSE_ID,             /* -> id */
    IMAP_RESPONSE_QUOTA,          /* -> quota */
    IMAP_RESPONSE_QUOTAROOT,      /* -> quotaroot */
    IMAP_RESPONSE_ENABLED,        /* -> capability */
    IMAP_RESPONSE_OTHER,          /* well-formed untagged data that we do not know -> line */
    IMAP_RESPONSE_BARE,           /* a line that is not IMAP, such as "Server Unavailable. 15" or
                                     "[COPYUID 55 31 6]" (OUTLOOK.md sections 3, 4) -> line, and code when
                                     there is one */
};

enum imap_status {
    IMAP_STATUS_OK,
    IMAP_STATUS_NO,
    IMAP_STATUS_BAD,
    IMAP_STATUS_BYE,
    IMAP_STATUS_PREAUTH
};

enum imap_code_kind {
    IMAP_CODE_NONE,
    IMAP_CODE_ALERT,
    IMAP_CODE_BADCHARSET,
    IMAP_CODE_CAPABILITY, /* -> text: the words */
    IMAP_CODE_PARSE,
    IMAP_CODE_PERMANENTFLAGS, /* -> text: what is between the parentheses */
    IMAP_CODE_READ_ONLY,
    IMAP_CODE_READ_WRITE,
    IMAP_CODE_TRYCREATE,
    IMAP_CODE_UIDNEXT,     /* -> number */
    IMAP_CODE_UIDVALIDITY, /* -> number */
    IMAP_CODE_UNSEEN,      /* -> number */
    IMAP_CODE_APPENDUID,   /* RFC 4315 -> number (UIDVALIDITY), source (the UID set) */
    IMAP_CODE_COPYUID, /* RFC 4315 -> number (UIDVALIDITY), source, target; Outlook sends empty sets
                          too */
    IMAP_CODE_UIDNOTSTICKY,
    IMAP_CODE_HIGHESTMODSEQ, /* RFC 7162 -> number */
    IMAP_CODE_NOMODSEQ,
    IMAP_CODE_MODIFIED, /* -> source */
    IMAP_CODE_CLOSED,
    IMAP_CODE_OVERQUOTA, /* RFC 5530, and the rest of it that matters to us */
    IMAP_CODE_ALREADYEXISTS,
    IMAP_CODE_NONEXISTENT,
    IMAP_CODE_NOPERM,
    IMAP_CODE_INUSE,
    IMAP_CODE_LIMIT,
    IMAP_CODE_UNAVAILABLE,
    IMAP_CODE_AUTHENTICATIONFAILED,
    IMAP_CODE_EXPIRED,
    IMAP_CODE_TOOBIG,
    IMAP_CODE_APPENDLIMIT, /* RFC 7889 -> number */
    IMAP_CODE_CANNOT,
    IMAP_CODE_EXPUNGEISSUED,
    IMAP_CODE_NOTIFICATIONOVERFLOW, /* RFC 5465 */
    IMAP_CODE_OTHER,                /* -> text: the whole code */
};

struct imap_code {
    enum imap_code_kind kind;
    uint64_t number;
    struct imap_span source; /* a UID set as sent, maybe empty */
    struct imap_span target;
    struct imap_span text;
};

/* Mailbox attributes and roles (RFC 3501 7.2.2, RFC 5258, RFC 6154), as bits. */
enum {
    IMAP_LIST_NOINFERIORS = 1 << 0,
    IMAP_LIST_NOSELECT = 1 << 1, /* also set for \NonExistent */
    IMAP_LIST_MARKED = 1 << 2,
    IMAP_LIST_UNMARKED = 1 << 3,
    IMAP_LIST_HASCHILDREN = 1 << 4,
    IMAP_LIST_HASNOCHILDREN = 1 << 5,
    IMAP_LIST_NONEXISTENT = 1 << 6,
    IMAP_LIST_SUBSCRIBED = 1 << 7,
    IMAP_LIST_ALL = 1 << 8,
    IMAP_LIST_ARCHIVE = 1 << 9,
    IMAP_LIST_DRAFTS = 1 << 10,
    IMAP_LIST_FLAGGED = 1 << 11,
    IMAP_LIST_JUNK = 1 << 12,
    IMAP_LIST_SENT = 1 << 13,
    IMAP_LIST_TRASH = 1 << 14,
};

struct imap_list {
    unsigned attributes;
    char delimiter;        /* 0: NIL, a flat name */
    struct imap_span name; /* the server's own bytes, unquoted; still modified UTF-7 */
    bool malformed; /* the name was not an astring (Outlook's raw TAB): name is the rest of the line
                     */
};

enum {
    IMAP_STATUS_MESSAGES = 1 << 0,
    IMAP_STATUS_UIDNEXT = 1 << 1,
    IMAP_STATUS_UIDVALIDITY = 1 << 2,
    IMAP_STATUS_UNSEEN = 1 << 3,
    IMAP_STATUS_HIGHESTMODSEQ = 1 << 4,
    IMAP_STATUS_SIZE = 1 << 5,
    IMAP_STATUS_APPENDLIMIT = 1 << 6,
};

struct imap_mailbox_status {
    struct imap_span name;
    unsigned present; /* IMAP_STATUS_x bits */
    uint32_t messages, uidnext, uidvalidity, unseen;
    uint64_t highestmodseq, size, appendlimit;
};

/* The system flags as bits; keywords stay text. */
enum {
    IMAP_FLAG_SEEN = 1 << 0,
    IMAP_FLAG_ANSWERED = 1 << 1,
    IMAP_FLAG_FLAGGED = 1 << 2,
    IMAP_FLAG_DELETED = 1 << 3,
    IMAP_FLAG_DRAFT = 1 << 4,
    IMAP_FLAG_RECENT = 1 << 5,
    IMAP_FLAG_ANY_KEYWORD = 1 << 6, /* \* in PERMANENTFLAGS */
};

struct imap_flags {
    unsigned system;       /* IMAP_FLAG_x bits */
    struct imap_span text; /* the list as sent, between the parentheses */
};

enum {
    IMAP_FETCH_UID = 1 << 0,
    IMAP_FETCH_FLAGS = 1 << 1,
    IMAP_FETCH_INTERNALDATE = 1 << 2,
    IMAP_FETCH_SIZE = 1 << 3,
    IMAP_FETCH_MODSEQ = 1 << 4,
    IMAP_FETCH_HEADER = 1 << 5, /* BODY[HEADER] or BODY[HEADER.FIELDS ...] */
    IMAP_FETCH_BODY = 1 << 6,   /* BODY[], whole or from `body_origin` */
    IMAP_FETCH_ENVELOPE = 1 << 7,
};

/* How the bytes of BODY[] came. */
enum imap_body_form {
    IMAP_BODY_NIL,      /* BODY[] NIL */
    IMAP_BODY_INLINE,   /* a quoted string or a small literal: in `body` */
    IMAP_BODY_STREAMED, /* went to the sink of imap/parser.h, `body_length` bytes */
};

struct imap_fetch {
    uint32_t sequence;
    unsigned present; /* IMAP_FETCH_x bits */
    uint32_t uid;
    struct imap_flags flags;
    int64_t internaldate; /* seconds since 1970, UTC */
    uint64_t size;        /* RFC822.SIZE */
    uint64_t modseq;
    struct imap_span header;
    enum imap_body_form body_form;
    struct imap_span body;
    uint64_t body_length;
    bool body_partial; /* the answer carried an origin: BODY[]<n> */
    uint64_t body_origin;
    struct imap_span envelope; /* raw, between its parentheses */
};

struct imap_search {
    const uint32_t *numbers; /* SEARCH; NULL for ESEARCH */
    size_t count;
    bool extended;            /* ESEARCH (RFC 4731) */
    bool uid;                 /* ESEARCH said UID */
    struct imap_span all;     /* ESEARCH ALL: a set, as sent */
    uint32_t min, max, total; /* ESEARCH MIN MAX COUNT; 0 when absent */
    uint64_t modseq;
};

struct imap_namespace {
    struct imap_span prefix;
    char delimiter;
    unsigned kind; /* 0 personal, 1 other users', 2 shared */
};

struct imap_quota_resource {
    struct imap_span name; /* STORAGE is in units of 1024 bytes */
    uint64_t usage, limit;
};

struct imap_response {
    enum imap_response_kind kind;
    struct imap_span tag; /* IMAP_RESPONSE_STATUS: NULL when untagged */
    struct {
        enum imap_status status;
        struct imap_code code;
        struct imap_span text; /* without the code */
    } status;
    struct imap_span capability;
    struct imap_list list;
    struct imap_mailbox_status mailbox_status;
    struct imap_search search;
    struct imap_flags flags;
    uint32_t number;
    struct {
        bool earlier;
        struct imap_span uids;
    } vanished;
    struct imap_fetch fetch;
    struct {
        const struct imap_namespace *items;
        size_t count;
    } namespaces;
    struct {
        const struct imap_span *items; /* key, value, key, value ...; value may be NIL */
        size_t count;
    } id;
    struct {
        struct imap_span root;
        const struct imap_quota_resource *items;
        size_t count;
    } quota;
    struct {
        struct imap_span mailbox;
        const struct imap_span *roots;
        size_t count;
    } quotaroot;
    struct imap_span line; /* the whole line, for OTHER and BARE */
};

#endif
