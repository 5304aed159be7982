/* Flags and keywords of messages (RFC 3501 section 2.3.2). Any thread. */
#ifndef OUTLOOKFS_IMAP_FLAGS_H
#define OUTLOOKFS_IMAP_FLAGS_H

#include "imap/connection.h"

/* The IMAP_FLAG_x bit of a system flag or of "\*", in any case; 0 for every other word. */
unsigned imap_flag_bit(struct imap_span word);

/* Whether `flag` may be sent in STORE and APPEND: one atom, or one behind a backslash (RFC 3501
 * section 9, flag and flag-keyword). Not "\Recent", which is the server's alone, and not "\*". */
bool imap_flag_valid(struct imap_span flag);

/* The next word of a list that is separated by spaces; *at starts at 0. False at the end. */
bool imap_flag_next(struct imap_span list, size_t *at, struct imap_span *flag);

/* Whether a list, as text that is separated by spaces, names this flag, in any case. */
bool imap_flag_listed(const char *list, struct imap_span flag);

/*
 * Whether the mailbox that is selected keeps `flag`: a system flag by its bit, a keyword because
 * PERMANENTFLAGS names it or allows new ones with "\*". Without PERMANENTFLAGS all system flags and
 * keywords are kept (RFC 3501 section 7.1). False for what imap_flag_valid refuses, and for
 * everything where no mailbox is selected, or only by EXAMINE, whose PERMANENTFLAGS say nothing.
 */
bool imap_selected_permits(const struct imap_selected *selected, const char *flag);

#endif
