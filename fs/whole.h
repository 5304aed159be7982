/*
 * `-o ro,prefetch=all`: once everything is here, the kernel is told to open files without asking.
 *
 * ENOSYS to an OPEN holds for the whole connection and for good: no OPEN, no RELEASE, READ without
 * a handle. So it may only come when nothing is left that an open does for a reader: every mailbox
 * is listed, every body is in the cache and stays there, and the kernel believes no estimated size.
 * And it must stay so: a message that comes later shows only once its body is here.
 *
 * A thread of its own looks once a second whether it is so; then, in this order:
 *
 *   1. the cache evicts nothing any more; every message's body is looked for;
 *   2. HOLDING: names whose size is an estimate are not told any more. When every answer that was
 *      begun before is out, no estimate is on its way to the kernel;
 *   3. every message once more: its body is here, or nobody was told of it; where the kernel may
 *      believe an estimate, its attributes are dropped;
 *   4. IN_FORCE: OPEN is answered ENOSYS.
 *
 * Files of hidden rooms are made when they are opened, so they and this exclude each other: where
 * such a room was looked up, it never begins, and where it begins, those rooms are not there.
 *
 * What fails before 4 leaves everything as it was. OPENDIR is still asked, and answered as ever:
 * it is where a listing is brought up to date, and costs nothing beside the files.
 *
 * In force, `.status` is a text that stands for a second, with its size (whole_status_*).
 */
#ifndef OUTLOOKFS_FS_WHOLE_H
#define OUTLOOKFS_FS_WHOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

struct cache_inode;
struct fs;
struct whole;

/* Starts the thread. NULL without memory or threads. */
struct whole *whole_start(struct fs *fs);
/* Ends the thread; what is in force stays. May be called twice; NULL is fine. */
void whole_halt(struct whole *whole);
/* And frees it; the cache evicts again. */
void whole_stop(struct whole **whole);

/* `whole` may be NULL in all of these. Any thread. */

/* Whether OPEN is to be answered ENOSYS. */
bool whole_in_force(const struct whole *whole);
/* Whether rooms with files are not there. */
bool whole_shuts_rooms(const struct whole *whole);
/* Whether this entry must not be told: its body is not here yet. */
bool whole_holds_back(const struct whole *whole, const struct cache_inode *inode);
/* Around reading rows and answering with their attributes: the same thread, in pairs. */
unsigned whole_answer_begin(struct whole *whole);
void whole_answer_end(struct whole *whole, unsigned turn);

/* In force: the size and time of the text of `.status` that is read now. */
void whole_status_attr(struct whole *whole, struct stat *st);
/* Up to `size` bytes of it. Returns how many, or -1 without memory. */
ssize_t whole_status_read(struct whole *whole, off_t offset, char *data, size_t size);

#endif
