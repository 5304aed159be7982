/* Capability words (RFC 3501 section 7.2.1) as IMAP_CAP_x bits. Any thread. */
#ifndef OUTLOOKFS_IMAP_CAPABILITY_H
#define OUTLOOKFS_IMAP_CAPABILITY_H

#include "imap/response.h"

/* The IMAP_CAP_x bits of the words in `words`, which are separated by spaces. Unknown words count
 * for nothing; QRESYNC brings CONDSTORE and ENABLE with it (RFC 7162 section 3.2.3). */
unsigned imap_capability_parse(struct imap_span words);

#endif
