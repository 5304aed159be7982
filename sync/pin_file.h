/*
 * Which mailboxes are pinned, on disk: a file "pins" in the account's state directory, one name a
 * line, the server's own bytes. No cache knows of it, so none that is deleted takes it along. All
 * mounts of an account share it; it is read anew before it is changed, under a
 * lock (pin_file_lock). Blocks for the disk.
 */
#ifndef OUTLOOKFS_SYNC_PIN_FILE_H
#define OUTLOOKFS_SYNC_PIN_FILE_H

#include <stdbool.h>
#include <stddef.h>

enum { PIN_NAMES_MAX = 1000, PIN_FILE_MAX = 1 << 20 };

struct pin_names {
    char **items; /* malloc, each of them too */
    size_t count;
};

/* Reads the file; one that is not there is an empty list. False with errno (EFBIG: it is no such
 * file), and the list is empty. */
bool pin_file_read(const char *directory, struct pin_names *names)
    __attribute__((warn_unused_result));
/* Waits until nobody else changes the list, in this process or another, and keeps it so until the
 * descriptor is closed; -1 with errno. */
int pin_file_lock(const char *directory) __attribute__((warn_unused_result));
/* Puts the list in the file's place: whole and on the disk, or (false, with errno) not at all. */
bool pin_file_write(const char *directory, const struct pin_names *names)
    __attribute__((warn_unused_result));

bool pin_names_have(const struct pin_names *names, const char *name);
/* False: no memory, too many, or a name that is no line. One that is there already is fine. */
bool pin_names_add(struct pin_names *names, const char *name) __attribute__((warn_unused_result));
/* False: it is not there. */
bool pin_names_drop(struct pin_names *names, const char *name);
void pin_names_free(struct pin_names *names);

#endif
