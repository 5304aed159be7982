/* INTERNALDATE (RFC 3501 section 9, date-time). Inside imap/ only. Any thread. */
#ifndef OUTLOOKFS_IMAP_DATE_H
#define OUTLOOKFS_IMAP_DATE_H

#include "imap/response.h"

/* "17-Jul-1996 02:44:25 -0700" as seconds since 1970, UTC. The day may have one digit, with a space
 * before it or without. False when it is no such date. */
bool imap_date_parse(struct imap_span text, int64_t *seconds) __attribute__((warn_unused_result));

/* The other way, in the zone +0000 and the grammar's fixed width, with the NUL: "17-Jul-1996
 * 09:44:25 +0000". False for a year that has not four digits. */
enum { IMAP_DATE_TEXT = 80 }; /* the compiler counts ten digits for each number */
bool imap_date_print(int64_t seconds, char text[IMAP_DATE_TEXT])
    __attribute__((warn_unused_result));

#endif
