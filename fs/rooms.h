/*
 * The hidden rooms at the root (CONTRACT.md section 3): directories that are reachable by name and
 * never listed, read-only unless their table says otherwise. A room is a table of what it answers;
 * rooms.c knows them all, gives each its share of the inode numbers, and answers for them what they
 * leave out. The other callbacks never see a number of a room's.
 *
 * To add one: a `struct room` with a number of its own in a file of its own, a line in rooms.c.
 */
#ifndef OUTLOOKFS_FS_ROOMS_H
#define OUTLOOKFS_FS_ROOMS_H

#include "fs/internal.h"

/* An inode number in a room: bit 61, the room's number in bits 58 to 60, below that what the room
 * wants. Rows of the cache stay far below, `.status` and `.Trash-UID` have bit 62. */
#define ROOM_BIT         (UINT64_C(1) << 61)
#define ROOM_INNER       ((UINT64_C(1) << 58) - 1)
#define ROOM_INO(n, in)  (ROOM_BIT | (uint64_t)(n) << 58 | ((uint64_t)(in)&ROOM_INNER))
#define ROOM_NUMBER(ino) ((unsigned)((ino) >> 58) & 7)
#define ROOM_OWN(ino)    ((ino)&ROOM_INNER)
#define ROOM_ROOT(n)     ROOM_INO(n, CACHE_ROOT_INO)

enum { ROOM_TEXT = 1, ROOM_PARTS = 2, ROOM_SEARCH = 3 };

/*
 * What a room answers. Callbacks as FUSE's, called with inode numbers of the room alone; each
 * answers its request, at once or later. NULL: what is said there.
 */
struct room {
    unsigned number;  /* 1 to 7, for good: numbers are stable across mounts */
    const char *name; /* at the root, with its dot */
    void (*lookup)(fuse_req_t req, fuse_ino_t parent, const char *name);
    /* NULL or false: only the room itself has attributes, those of a directory. True: answered. */
    bool (*getattr)(fuse_req_t req, fuse_ino_t ino);
    void (*readlink)(fuse_req_t req, fuse_ino_t ino); /* NULL: EINVAL */
    void (*opendir)(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
    /* NULL: nothing is in it. releasedir frees the handle. */
    void (*readdir)(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                    struct fuse_file_info *fi, bool plus);
    /* For reading; release frees the handle. NULL: EISDIR. */
    void (*open)(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
    void (*read)(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                 struct fuse_file_info *fi);
    void (*mkdir)(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode); /* EROFS */
    void (*rmdir)(fuse_req_t req, fuse_ino_t parent, const char *name);              /* EROFS */
    /* An entry of the cache went: tells the kernel of the room's names for it. The notifier's
     * caller: must not block. NULL: nothing. */
    void (*gone)(struct fs *fs, const struct cache_change *change);
};

extern const struct room room_text, room_parts, room_search;

/* `ops` with a guard before each callback that takes an inode number. Static memory. */
const struct fuse_lowlevel_ops *rooms_wrap(const struct fuse_lowlevel_ops *ops, bool read_only);

/* Called with each entry that went; for the names in the rooms. */
void rooms_gone(struct fs *fs, const struct cache_change *change);
/* Whether anybody has been in a room with files: they need their OPEN (whole.h). */
bool rooms_in_use(struct fs *fs);
/* Drops what the kernel has cached of the rooms. The notifier's thread. */
void rooms_forget(struct fs *fs);

/* For rooms: the entry of an inode of theirs, found by LOOKUP. */
void room_reply_entry(fuse_req_t req, const struct cache_inode *inode);
/* A directory's inode that stands for the room itself. */
void room_root_inode(const struct room *room, struct cache_inode *inode);

/* ---- room_mail.c: rooms that show the tree of mailboxes and messages once more ---- */

/* The row that an inode of a room stands for: 0 or an errno (ESTALE: it is gone). */
int room_row(struct fs *fs, uint64_t ino, struct cache_inode *row);
/* Room numbers of the row and its parent in place of its own; `.txt` behind a message's name where
 * `suffix` says so. */
void room_inode(unsigned number, const char *suffix, const struct cache_inode *row,
                struct cache_inode *inode);
/* The row of `name` in the mailbox that `parent` stands for. `suffix` is what names of messages
 * have more ("" or ".txt"); ".eml" may be left out. */
enum cache_error room_find(struct fs *fs, uint64_t parent, const char *name, const char *suffix,
                           struct cache_inode *row);
/* Runs request->attempt with what `now` has; as often as it says false, after a wait for the view
 * that it names. Answers in the end. */
void room_try(const struct request *now);
/* LOOKUP in a mailbox: `reply` gets the row that was found. */
void room_lookup(fuse_req_t req, fuse_ino_t parent, const char *name, const char *suffix,
                 void (*reply)(fuse_req_t req, const struct cache_inode *row));
/* OPENDIR of a mailbox: waits as that of the mailbox itself, and until its first listing is whole.
 */
void room_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
/* READDIR of a mailbox: `fill` makes the room's inode of a row, and says whether its attributes
 * stand. */
void room_readdir(fuse_req_t req, size_t size, off_t offset, struct fuse_file_info *fi, bool plus,
                  void (*fill)(struct fs *fs, const struct cache_inode *row,
                               struct cache_inode *inode));
/* One entry into a READDIR's answer; false: it is full. */
struct room_filler {
    fuse_req_t req;
    char *data;
    size_t size, used;
    bool plus, attributes;
    mode_t type; /* of what is put, in place of the inode's own; 0: that */
};
bool room_put(struct room_filler *filler, const struct cache_inode *inode, const char *name,
              off_t next);
/* "." and ".." where `offset` is before them. */
void room_put_dots(struct room_filler *filler, const struct cache_inode *directory, off_t offset);
void room_answer(struct room_filler *filler); /* and frees its data */

/* An open file of a room whose bytes are `rendered` (a reference, taken over; NULL: the text kept
 * with the body, which is pinned and taken over, too). Answers. */
void room_reply_open(fuse_req_t req, const struct cache_inode *inode, struct fuse_file_info *fi,
                     struct rendered *rendered);
void room_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
               struct fuse_file_info *fi);
/* The inode of an open file of a room; false: none is open. */
bool room_find_open(struct fs *fs, uint64_t ino, struct cache_inode *inode);

#endif
