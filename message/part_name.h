/*
 * File names of the parts of a message. Any thread. Internal to message/.
 */
#ifndef OUTLOOKFS_MESSAGE_PART_NAME_H
#define OUTLOOKFS_MESSAGE_PART_NAME_H

#include <stdbool.h>

/*
 * Writes the file name `wanted` (UTF-8, any other character) to `name` (MESSAGE_NAME_MAX + 1
 * bytes), made safe: what stands before the last slash or backslash goes, controls, bidi controls
 * and other hidden characters become U+FFFD, a leading dot U+2024; NFC, at most MESSAGE_NAME_MAX
 * bytes, of which the last extension stays. `ordinal` 2 and up puts "~2" before the extension.
 * False where nothing is left of it.
 */
bool part_name_make(char *name, const char *wanted, unsigned ordinal);

#endif
