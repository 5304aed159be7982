/*
 * Gathers one response from bytes that come in pieces of any size: a line, and the literals that
 * it announces (RFC 3501 section 4.3). Inside imap/ only; imap/parser.h is the face.
 *
 * What stands in `text` when the response is whole, as imap/reader.h reads it:
 *   - the line without its CRLF;
 *   - a gathered literal as "{n}" CR LF and its n bytes;
 *   - a streamed body as "{n}" LF and nothing else.
 * No other LF is in there outside a gathered literal's bytes, since a LF ends the line; so a reader
 * can tell the forms apart and a peer cannot forge one.
 */
#ifndef OUTLOOKFS_IMAP_ASSEMBLER_H
#define OUTLOOKFS_IMAP_ASSEMBLER_H

#include "base/buffer.h"
#include "imap/parser.h"

enum imap_assembler_state {
    IMAP_ASSEMBLER_LINE,    /* in the line */
    IMAP_ASSEMBLER_LITERAL, /* in a literal that gathers, `left` bytes to come */
    IMAP_ASSEMBLER_BODY,    /* in a literal that goes to the sink */
    IMAP_ASSEMBLER_DROP,    /* in a body that nobody wants */
};

/* What a line is, which decides whether it may hold literals. */
enum imap_line_kind {
    IMAP_LINE_UNKNOWN, /* not looked at yet */
    IMAP_LINE_TEXT,    /* a status, a continuation, or not IMAP: free text, no literals */
    IMAP_LINE_DATA,
    IMAP_LINE_FETCH,
};

struct imap_assembler {
    struct imap_parser_limits limits;
    struct imap_body_sink sink;
    struct buffer text;
    size_t segment; /* where the line goes on in text after the last literal */
    enum imap_line_kind kind;
    uint32_t sequence; /* of a FETCH; 0 when out of range */
    enum imap_assembler_state state;
    uint64_t left;
    bool cr; /* the line's last byte so far was CR: held back until it is known not to end it */
    /* The response's streamed body; later ones in the same response are dropped. */
    bool streamed;        /* there was one */
    bool delivered;       /* the sink took all of it */
    size_t streamed_at;   /* where its "{n}" LF stands in text */
    uint64_t body_length; /* as announced */
};

void imap_assembler_init(struct imap_assembler *a, const struct imap_parser_limits *limits,
                         const struct imap_body_sink *sink);
void imap_assembler_free(struct imap_assembler *a);

/* Forgets the response that was gathered, before the next one. */
void imap_assembler_reset(struct imap_assembler *a);

/* Takes bytes until the response is whole or the bytes end; *used says how many.
 * IMAP_PARSE_RESPONSE: `text` is whole. The other values as in parser.h. */
enum imap_parse imap_assembler_feed(struct imap_assembler *a, const char *data, size_t len,
                                    size_t *used);

#endif
