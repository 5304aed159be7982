/*
 * What the kernel has been told, as far as it must be remembered to keep its caches right. Fixed
 * memory, whatever the size of the mailbox. Any thread.
 */
#ifndef OUTLOOKFS_FS_TOLD_H
#define OUTLOOKFS_FS_TOLD_H

#include <stdbool.h>
#include <stdint.h>

struct told;

struct told *told_new(void);
void told_free(struct told **told);

/* Around reading rows from the cache and noting with told_inode what the answer will say. */
void told_enter(struct told *told);
void told_leave(struct told *told);

/* The attributes of `ino` are on their way to the kernel, with an exact size or an estimate. */
void told_inode(struct told *told, uint64_t ino, bool exact);

/* Whether the kernel may know `ino`: false only where it was never told of it. */
bool told_knows(struct told *told, uint64_t ino);

/* The cache knows the exact size of `ino`: may the kernel believe an estimate? False only when it
 * surely does not. */
bool told_suspect(struct told *told, uint64_t ino);
/* The kernel's attributes of `ino` were invalidated after the exact size was in the cache. */
void told_settled(struct told *told, uint64_t ino);

/* The bytes of `ino` are not what they were, or not what the kernel holds of them. */
void told_written(struct told *told, uint64_t ino);
/* `ino` is being opened: whether the kernel may keep the pages that it has. If not, it drops them
 * with this open. */
bool told_pages_good(struct told *told, uint64_t ino);

/* An entry of `directory` came, went or changed. */
void told_directory_changed(struct told *told, uint64_t directory);
/* `directory` is being opened, nothing of it was read yet through this handle: whether the entries
 * that the kernel cached are still good. */
bool told_directory_opened(struct told *told, uint64_t directory);

#endif
