/*
 * What somebody looks for: a QUERY (CONTRACT.md section 3) taken apart into terms, all of which a
 * message must meet.
 *
 *     invoice from:jane -subject:"re: old" since:2026-01-01 larger:1M in:Archive unread
 *
 * Words are separated by white space. `key:value` is a term, a word that is a key of its own
 * (unread) too, any other word is `text:`. A leading `-` negates. Quotes group, also within a word
 * (subject:"two words"); in them `\"` and `\\` stand for themselves, and nothing is a key. Keys are
 * known without regard to case. A word before a colon that is no key is refused rather than looked
 * for: it is a typing error more often than text, and quotes make it text.
 *
 * Pure functions; a query is a value that its maker frees. Any thread.
 */
#ifndef OUTLOOKFS_MESSAGE_QUERY_H
#define OUTLOOKFS_MESSAGE_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

enum {
    MESSAGE_QUERY_MAX = 1024, /* bytes of a query */
    MESSAGE_QUERY_TERMS = 32,
    MESSAGE_QUERY_WHY = 200, /* bytes of a reason, with its NUL */
};

enum message_query_key {
    MESSAGE_QUERY_FROM,
    MESSAGE_QUERY_TO,
    MESSAGE_QUERY_CC,
    MESSAGE_QUERY_SUBJECT,
    MESSAGE_QUERY_BODY,
    MESSAGE_QUERY_TEXT,
    MESSAGE_QUERY_HEADER, /* `name` and `value`, which may be "": it is there */
    MESSAGE_QUERY_SINCE,  /* number: days since 1970 */
    MESSAGE_QUERY_BEFORE,
    MESSAGE_QUERY_ON,
    MESSAGE_QUERY_LARGER, /* number: bytes */
    MESSAGE_QUERY_SMALLER,
    MESSAGE_QUERY_IN, /* value: a mailbox, as its path is shown */
    MESSAGE_QUERY_UNREAD,
    MESSAGE_QUERY_READ,
    MESSAGE_QUERY_FLAGGED,
    MESSAGE_QUERY_ANSWERED,
    MESSAGE_QUERY_DRAFT,
    MESSAGE_QUERY_ATTACHMENT,
    MESSAGE_QUERY_KEYS
};

struct message_query_term {
    enum message_query_key key;
    bool negated;
    char *name;     /* of a header field: RFC 5322 ftext; else NULL */
    char *value;    /* valid UTF-8 in NFC, without control characters; NULL where there is none */
    char *folded;   /* the value as message/match.h compares it */
    int64_t number; /* 0 where there is none */
};

struct message_query {
    struct message_query_term terms[MESSAGE_QUERY_TERMS];
    size_t count;
};

/* False, with the reason in `why` (MESSAGE_QUERY_WHY) and nothing to free, where it makes no sense
 * or there is no memory. */
bool message_query_parse(const char *text, size_t len, struct message_query *query, char *why)
    __attribute__((warn_unused_result));
void message_query_free(struct message_query *query);

/* Appends the query in one form for all its spellings: `key:value` with one space between, quoted
 * where need be. It parses to the same terms. False without memory or room. */
bool message_query_print(const struct message_query *query, struct buffer *out)
    __attribute__((warn_unused_result));
/* One term of it. */
bool message_query_print_term(const struct message_query_term *term, struct buffer *out)
    __attribute__((warn_unused_result));

/* Days since 1970 as a date (RFC 5322's calendar). */
void message_query_date(int64_t days, int *year, int *month, int *day);

#endif
