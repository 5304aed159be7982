/*
 * What a listing needs to know of a message, from its header fields. GMime decodes (RFC 2047,
 * 8-bit bytes of undeclared charset, broken encodings); everything that comes out is valid UTF-8 in
 * NFC, without control characters but otherwise as the sender wrote it. Any thread, after
 * message_init.
 */
#ifndef OUTLOOKFS_MESSAGE_SUMMARY_H
#define OUTLOOKFS_MESSAGE_SUMMARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The fields to fetch, as they stand in BODY.PEEK[HEADER.FIELDS (...)]. */
#define MESSAGE_SUMMARY_FIELDS "DATE FROM TO SUBJECT MESSAGE-ID"

enum {
    MESSAGE_FIELD_MAX = 4096
}; /* bytes of UTF-8 kept of one field; cut on a character boundary */

/* All strings are allocated, "" where the field is absent or empty. */
struct message_summary {
    char *from_name; /* display name of the first From address, else its local part, else "" */
    char *from;      /* the whole field, decoded */
    char *to;
    char *subject;
    char *date;       /* the Date field as written (decoded, unfolded) */
    char *message_id; /* with its angle brackets, as written */
};

/* Once per process, before threads start: sets up GMime (lenient parsing, fallback charsets) and
 * libxml2. */
void message_init(void);

/* Parses a header block (with or without the blank line at its end; LF or CRLF). Never fails on
 * content; false only without memory. */
bool message_summary_parse(const char *header, size_t len, struct message_summary *summary)
    __attribute__((warn_unused_result));
void message_summary_free(struct message_summary *summary);

/* Whether a message whose header starts with `head` is what Outlook.com sends in place of one that
 * it cannot render (OUTLOOK.md section 3): the subject is exactly "Retrieval using the IMAP4
 * protocol failed for the following message: N" and the subject that the listing gave (`listed`,
 * may be "") is another one. */
bool message_is_placeholder(const char *head, size_t len, const char *listed);

#endif
