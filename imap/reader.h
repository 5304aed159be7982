/*
 * Reads tokens from a response that imap/assembler.h gathered. Inside imap/ only.
 *
 * A reader is a position in a run of bytes that it may change: a quoted string with escapes is
 * unescaped in place, so read each string once. Every function that returns false leaves the
 * position where it was, unless it says otherwise. None looks past `end`; none recurses, so depth
 * costs no stack. All of it is tolerant of more than one space, as Outlook sends them.
 */
#ifndef OUTLOOKFS_IMAP_READER_H
#define OUTLOOKFS_IMAP_READER_H

#include "imap/response.h"

struct imap_reader {
    char *at, *end;
    unsigned depth; /* how deep imap_reader_skip follows parentheses */
};

void imap_reader_init(struct imap_reader *r, char *text, size_t len, unsigned depth);

bool imap_reader_at_end(const struct imap_reader *r);
bool imap_reader_peek(const struct imap_reader *r, char byte);
bool imap_reader_byte(struct imap_reader *r, char byte); /* takes it when it is next */
bool imap_reader_space(struct imap_reader *r);           /* takes all spaces; true when any */
struct imap_span imap_reader_rest(const struct imap_reader *r); /* without spaces at the end */

/* Digits, up to `max`, that end where a token ends. */
bool imap_reader_number(struct imap_reader *r, uint64_t max, uint64_t *value);

/* A run without space, parentheses and quote. Wider than RFC 3501's atom: servers send more. */
bool imap_reader_atom(struct imap_reader *r, struct imap_span *atom);

/* "quoted", or a gathered literal. A streamed body is no string. */
bool imap_reader_string(struct imap_reader *r, struct imap_span *string);
bool imap_reader_astring(struct imap_reader *r, struct imap_span *string); /* or an atom */
bool imap_reader_nstring(struct imap_reader *r, struct imap_span *string); /* or NIL: data NULL */
bool imap_reader_nil(struct imap_reader *r);

/* Takes one value of any kind: list, string, literal, streamed body, atom. False when parentheses
 * or quotes do not match, or nest too deep. */
bool imap_reader_skip(struct imap_reader *r);

/* Takes "(" ... ")" and gives what is between, raw. */
bool imap_reader_list(struct imap_reader *r, struct imap_span *inside);

/* Takes "{n}" and LF, the place of a body that was streamed. */
bool imap_reader_streamed(struct imap_reader *r);

/* Spans: equal to `word` without regard to case; all digits and not empty. */
bool imap_span_is(struct imap_span span, const char *word);
bool imap_span_digits(struct imap_span span);

#endif
