/*
 * A resumable parser for what an IMAP server sends (RFC 3501 section 7 and 9, with the extensions
 * that imap/response.h names, and the malformed forms of OUTLOOK.md).
 *
 * Bytes go in as they arrive, in pieces of any size; responses come out one at a time. A response
 * is a line plus its literals. The line and small literals gather in one buffer with a ceiling, and
 * are parsed when the response is whole; the literal of a message body (BODY[]) never gathers: its
 * bytes go to the sink as they arrive, so a 100 MB message costs no memory. Since FETCH items come
 * in any order (OUTLOOK.md section 3: "by name, not by place"), a body may stream before its UID is
 * known: the FETCH response that follows the last byte says which message it was.
 *
 * One parser belongs to one connection and its thread.
 */
#ifndef OUTLOOKFS_IMAP_PARSER_H
#define OUTLOOKFS_IMAP_PARSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "imap/response.h"

struct imap_parser;

/* Where the bytes of a BODY[] literal go. Called from within imap_parser_next. A false return
 * means that the bytes are not wanted (cache full, nobody asked): the rest of this body is read and
 * dropped, and `end` is not called for it. */
struct imap_body_sink {
    void *ctx;
    bool (*begin)(void *ctx, uint32_t sequence, uint64_t length);
    bool (*chunk)(void *ctx, const char *data, size_t len);
    void (*end)(void *ctx); /* all `length` bytes were delivered; the FETCH response follows */
};

struct imap_parser_limits {
    size_t response;    /* ceiling for a response's line and gathered literals, bytes */
    uint64_t body;      /* ceiling for a streamed body, bytes */
    unsigned depth;     /* nesting of parentheses */
    size_t inline_body; /* BODY[] literals up to this many bytes are gathered, not streamed; 0:
                           stream all */
};

/* 16 MiB (a SEARCH of a million UIDs is 8), 4 GiB, 64, 0. */
extern const struct imap_parser_limits imap_parser_default_limits;

/* Returns NULL without memory. Both arguments are copied; the sink's ctx must outlive the parser.
 */
struct imap_parser *imap_parser_new(const struct imap_parser_limits *limits,
                                    const struct imap_body_sink *sink);
void imap_parser_free(struct imap_parser **parser);

enum imap_parse {
    IMAP_PARSE_MORE,      /* all bytes used, no whole response yet */
    IMAP_PARSE_RESPONSE,  /* *response is set; call again with the bytes not used */
    IMAP_PARSE_BAD,       /* not IMAP: the connection is of no further use */
    IMAP_PARSE_TOO_LARGE, /* a ceiling was passed: likewise */
};

/* Feeds `len` bytes; *used says how many were taken. */
enum imap_parse imap_parser_next(struct imap_parser *parser, const char *data, size_t len,
                                 size_t *used, const struct imap_response **response);

/* Whether the parser is between two responses (a connection that ends elsewhere was cut). */
bool imap_parser_idle(const struct imap_parser *parser);

#endif
