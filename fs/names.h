/*
 * What a name that a program gives to a new file or directory is (CONTRACT.md section 2). Pure
 * functions, any thread.
 */
#ifndef OUTLOOKFS_FS_NAMES_H
#define OUTLOOKFS_FS_NAMES_H

#include <stdbool.h>

/* A file that is kept here and never uploaded: a leading ".", "#*#", "*~", "*.part",
 * "*.crdownload", "*.tmp", "*.swp", and sedXXXXXX as sed(1) makes it, which has no other mark. */
bool name_is_scratch(const char *name);

/* Whether `name` can be given to a file or to a directory: 0 or an errno. A directory's may not
 * begin with a dot: such names are the hidden rooms', and what tools keep for themselves. */
int name_check_file(const char *name);
int name_check_directory(const char *name);

/* `.status`, `.search` and so on, at the root. */
bool name_is_room(const char *name);

#endif
