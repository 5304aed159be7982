/*
 * From the raw text of a header field to what a person reads. All results are allocated (g_free),
 * valid UTF-8 in NFC, at most MESSAGE_FIELD_MAX bytes, without control characters (each is a
 * space) and without white space at either end; "" where nothing is left. `raw` is NUL-terminated
 * and may hold any other byte. Any thread, after message_init. Internal to message/.
 */
#ifndef OUTLOOKFS_MESSAGE_TEXT_H
#define OUTLOOKFS_MESSAGE_TEXT_H

/* Sets up GMime, once per process. */
void message_text_init(void);

/* How GMime is to read what it is given: leniently. Ours, read-only. */
struct _GMimeParserOptions *message_text_options(void);

/* Encoded words (RFC 2047) decoded; 8-bit bytes are UTF-8 if they can be, else windows-1252. */
char *message_text_decode(const char *raw);

/* The same of any length, and not normalised: as the sender wrote it. */
char *message_text_decode_whole(const char *raw);

/* Nothing decoded. */
char *message_text_clean(const char *raw);

/* From the text of an address field: the first mailbox's display name (a comment in parentheses
 * counts as one), else the local part of its address. Of a group its first member, of an empty one
 * its name. Of a field that is no list of addresses: what stands before "<", or the whole. */
char *message_text_mailbox(const char *raw);

#endif
