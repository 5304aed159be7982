/*
 * The parsers for whole responses, one family a file. Inside imap/ only.
 *
 * Each reads from behind its keyword ("* LIST" | here) and fills its part of *p->response. False:
 * the data is not what the keyword promises; the dispatcher then gives the line as it is.
 */
#ifndef OUTLOOKFS_IMAP_PARSE_H
#define OUTLOOKFS_IMAP_PARSE_H

#include "base/buffer.h"
#include "imap/assembler.h"
#include "imap/reader.h"
#include "imap/response.h"

/* A hostile server's lists of namespaces, quotas and the like end here; the rest is left out. */
enum { IMAP_ITEMS_MAX = 64 };

struct imap_parse_context {
    struct imap_response *response;
    const struct imap_assembler *assembler;
    struct buffer *items; /* one array, which the response points to */
};

typedef bool imap_parse_fn(struct imap_parse_context *p, struct imap_reader *r);

imap_parse_fn imap_parse_fetch;
imap_parse_fn imap_parse_list; /* LIST and LSUB */
imap_parse_fn imap_parse_mailbox_status;
imap_parse_fn imap_parse_namespace;
imap_parse_fn imap_parse_search;
imap_parse_fn imap_parse_esearch;
imap_parse_fn imap_parse_vanished;
imap_parse_fn imap_parse_flags_response;
imap_parse_fn imap_parse_words; /* CAPABILITY, ENABLED */
imap_parse_fn imap_parse_id;
imap_parse_fn imap_parse_quota;
imap_parse_fn imap_parse_quotaroot;

/* OK, NO, BAD, BYE, PREAUTH; false when `word` is none of them. */
bool imap_parse_status_word(struct imap_span word, enum imap_status *status);
/* What follows such a word: "[CODE] text". */
void imap_parse_status_text(struct imap_response *response, struct imap_reader *r);
/* "[CODE ...]" at the reader; false, with nothing taken, when there is none. */
bool imap_parse_code(struct imap_reader *r, struct imap_code *code);

/* "(\Seen $Forwarded)" */
bool imap_parse_flags(struct imap_reader *r, struct imap_flags *flags);

/* A hierarchy delimiter: a quoted character, or NIL as 0. */
bool imap_parse_delimiter(struct imap_reader *r, char *delimiter);

/* Appends one element to p->items, up to IMAP_ITEMS_MAX of them; more are dropped. */
void imap_parse_add_item(struct imap_parse_context *p, const void *item, size_t size,
                         size_t *count);

#endif
