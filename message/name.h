/*
 * File and directory names made from what a message or a server says: CONTRACT.md section 1, to the
 * letter. Pure functions: the same input gives the same name on every machine. Any thread.
 */
#ifndef OUTLOOKFS_MESSAGE_NAME_H
#define OUTLOOKFS_MESSAGE_NAME_H

#include <stddef.h>
#include <stdint.h>

enum { MESSAGE_NAME_MAX = 180 }; /* bytes of a whole name, ".eml" and any "~UID" included */

/*
 * Writes DATE_TIME_FROM_SUBJECT without ".eml" to `stem` (MESSAGE_NAME_MAX + 1 bytes): at most
 * MESSAGE_NAME_MAX - 4 bytes, cut on a character boundary. `internaldate` is seconds since 1970
 * UTC; from_name and subject are decoded UTF-8 ("" gives "unknown" and "no-subject", as does a
 * value of which nothing is left).
 */
void message_name_stem(char *stem, int64_t internaldate, const char *from_name,
                       const char *subject);

/* The name for a stem: "STEM.eml", or "STEM~UID.eml" where uid is not 0, the stem cut further so
 * that the whole stays within MESSAGE_NAME_MAX. `name` has MESSAGE_NAME_MAX + 1 bytes. */
void message_name_file(char *name, const char *stem, uint32_t uid);

/* The directory name for one component of a mailbox name, decoded to UTF-8 (invalid bytes allowed):
 * '/' becomes U+2215, controls and bidi characters U+FFFD, a leading dot U+2024; NFC; at most
 * MESSAGE_NAME_MAX bytes. `ordinal` 2 and up appends "~2", "~3" for names that collide, within the
 * limit. Returns 0, or -1 for a component that has no name (empty). "." and ".." come out with the
 * leading dot replaced. */
int message_name_directory(char *name, const char *component, size_t len, unsigned ordinal);

#endif
