/*
 * See rooms.h: the table of rooms, and the guard before each callback. FUSE's workers.
 */
#include "fs/rooms.h"

#include <errno.h>
#include <string.h>
#include <time.h>

static const struct room *const rooms[] = {&room_text, &room_parts, &room_search};

enum { ROOMS = sizeof(rooms) / sizeof(rooms[0]) };

/* The callbacks behind the guard: of a mount that is written, and of one that is read. */
static const struct fuse_lowlevel_ops *behind[2];

static const struct fuse_lowlevel_ops *next(fuse_req_t req)
{
    return behind[fs_of(req)->read_only];
}

/* The room of an inode number; NULL: it is in none. */
static const struct room *room_of(uint64_t ino)
{
    if ((ino & ROOM_BIT) == 0 || ino >= FS_STATUS_INO)
        return NULL;
    for (size_t i = 0; i < ROOMS; i++) {
        if (rooms[i]->number == ROOM_NUMBER(ino))
            return rooms[i];
    }
    return NULL;
}

static const struct room *room_named(uint64_t parent, const char *name)
{
    for (size_t i = 0; i < ROOMS && parent == CACHE_ROOT_INO; i++) {
        if (strcmp(rooms[i]->name, name) == 0)
            return rooms[i];
    }
    return NULL;
}

void room_root_inode(const struct room *room, struct cache_inode *inode)
{
    memset(inode, 0, sizeof(*inode));
    inode->ino = ROOM_ROOT(room->number);
    inode->parent = CACHE_ROOT_INO;
    inode->kind = CACHE_DIRECTORY;
    inode->mtime = inode->ctime = time(NULL);
}

void room_reply_entry(fuse_req_t req, const struct cache_inode *inode)
{
    struct fuse_entry_param entry;

    attr_fill_entry(fs_of(req), inode, &entry);
    fuse_reply_entry(req, &entry);
}

void rooms_gone(struct fs *fs, const struct cache_change *change)
{
    for (size_t i = 0; i < ROOMS; i++) {
        if ((atomic_load(&fs->rooms_entered) & 1U << rooms[i]->number) != 0 &&
            rooms[i]->gone != NULL)
            rooms[i]->gone(fs, change);
    }
}

bool rooms_in_use(struct fs *fs)
{
    unsigned files = 0;

    for (size_t i = 0; i < ROOMS; i++)
        files |= rooms[i]->open != NULL ? 1U << rooms[i]->number : 0;
    return (atomic_load(&fs->rooms_entered) & files) != 0;
}

void rooms_forget(struct fs *fs)
{
    for (size_t i = 0; i < ROOMS; i++)
        fuse_lowlevel_notify_inval_entry(fs->session, CACHE_ROOT_INO, rooms[i]->name,
                                         strlen(rooms[i]->name));
}

/* ---- what only reads ---- */

static void guard_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    const struct room *room = room_named(parent, name);
    struct cache_inode inode;

    if (room != NULL) {
        atomic_fetch_or(&fs_of(req)->rooms_entered, 1U << room->number);
        if (room->open != NULL && whole_shuts_rooms(fs_of(req)->whole)) { /* after the bit is set */
            fuse_reply_err(req, ENOENT);
            return;
        }
        room_root_inode(room, &inode);
        room_reply_entry(req, &inode);
        return;
    }
    room = room_of(parent);
    if (room == NULL)
        next(req)->lookup(req, parent, name);
    else if (strlen(name) > CACHE_NAME_MAX)
        fuse_reply_err(req, ENAMETOOLONG);
    else
        room->lookup(req, parent, name);
}

static void guard_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    const struct room *room = room_of(ino);
    struct cache_inode inode;
    struct stat st;

    if (room == NULL) {
        next(req)->getattr(req, ino, fi);
    } else if (ino == ROOM_ROOT(room->number)) {
        room_root_inode(room, &inode);
        attr_fill(fs_of(req), &inode, &st);
        fuse_reply_attr(req, &st, FS_FOREVER);
    } else if (room->getattr == NULL || !room->getattr(req, ino)) {
        fuse_reply_err(req, ESTALE);
    }
}

static void guard_access(fuse_req_t req, fuse_ino_t ino, int mask)
{
    if (room_of(ino) == NULL)
        next(req)->access(req, ino, mask);
    else
        fuse_reply_err(req, (mask & 2) != 0 ? EROFS : 0); /* 2: W_OK */
}

static void guard_readlink(fuse_req_t req, fuse_ino_t ino)
{
    const struct room *room = room_of(ino);

    if (room != NULL && room->readlink != NULL)
        room->readlink(req, ino);
    else
        fuse_reply_err(req, EINVAL);
}

static void reply_opendir(fuse_req_t req, const struct room *room, struct fuse_file_info *fi)
{
    struct cache_inode inode;
    struct handle *handle;

    room_root_inode(room, &inode);
    handle = handle_new(fs_of(req), &inode);
    if (handle == NULL) {
        fuse_reply_err(req, ENOMEM);
        return;
    }
    fi->fh = (uintptr_t)handle;
    if (fuse_reply_open(req, fi) != 0)
        handle_free(fs_of(req), handle);
}

static void guard_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    const struct room *room = room_of(ino);

    if (room == NULL)
        next(req)->opendir(req, ino, fi);
    else if (room->opendir != NULL)
        room->opendir(req, ino, fi);
    else
        reply_opendir(req, room, fi);
}

static void guard_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                          struct fuse_file_info *fi)
{
    const struct room *room = room_of(ino);

    if (room == NULL)
        next(req)->readdir(req, ino, size, offset, fi);
    else if (room->readdir != NULL)
        room->readdir(req, ino, size, offset, fi, false);
    else
        fuse_reply_buf(req, NULL, 0);
}

static void guard_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                              struct fuse_file_info *fi)
{
    const struct room *room = room_of(ino);

    if (room == NULL)
        next(req)->readdirplus(req, ino, size, offset, fi);
    else if (room->readdir != NULL)
        room->readdir(req, ino, size, offset, fi, true);
    else
        fuse_reply_buf(req, NULL, 0);
}

static void guard_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    const struct room *room = room_of(ino);

    if (room == NULL)
        next(req)->open(req, ino, fi);
    else if ((fi->flags & O_ACCMODE) != O_RDONLY || (fi->flags & O_TRUNC) != 0)
        fuse_reply_err(req, EROFS);
    else if (room->open != NULL)
        room->open(req, ino, fi);
    else
        fuse_reply_err(req, EISDIR);
}

static void guard_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                       struct fuse_file_info *fi)
{
    const struct room *room = room_of(ino);

    if (room == NULL)
        next(req)->read(req, ino, size, offset, fi);
    else
        room->read(req, ino, size, offset, fi);
}

static int xattr_errno(const char *name, int other)
{
    return strncmp(name, "user.", 5) == 0 ? other : EOPNOTSUPP;
}

static void guard_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
    if (room_of(ino) == NULL)
        next(req)->getxattr(req, ino, name, size);
    else
        fuse_reply_err(req, xattr_errno(name, ENODATA));
}

static void guard_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
    if (room_of(ino) == NULL)
        next(req)->listxattr(req, ino, size);
    else if (size == 0)
        fuse_reply_xattr(req, 0);
    else
        fuse_reply_buf(req, NULL, 0);
}

/* ---- what would change something ---- */

static bool refused(fuse_req_t req, uint64_t ino)
{
    if (room_of(ino) == NULL)
        return false;
    fuse_reply_err(req, EROFS);
    return true;
}

/* An entry at the root that is a room's name, or one in a room. */
static bool refused_name(fuse_req_t req, uint64_t parent, const char *name)
{
    if (room_named(parent, name) == NULL)
        return refused(req, parent);
    fuse_reply_err(req, EROFS);
    return true;
}

static void guard_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
                          struct fuse_file_info *fi)
{
    if (!refused(req, ino))
        next(req)->setattr(req, ino, attr, to_set, fi);
}

static void guard_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
                        dev_t rdev)
{
    if (!refused_name(req, parent, name))
        next(req)->mknod(req, parent, name, mode, rdev);
}

static void guard_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
    const struct room *room = room_of(parent);

    if (room != NULL && room->mkdir != NULL)
        room->mkdir(req, parent, name, mode);
    else if (!refused_name(req, parent, name))
        next(req)->mkdir(req, parent, name, mode);
}

static void guard_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    if (!refused_name(req, parent, name))
        next(req)->unlink(req, parent, name);
}

static void guard_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    const struct room *room = room_of(parent);

    if (room != NULL && room->rmdir != NULL)
        room->rmdir(req, parent, name);
    else if (!refused_name(req, parent, name))
        next(req)->rmdir(req, parent, name);
}

static void guard_symlink(fuse_req_t req, const char *link, fuse_ino_t parent, const char *name)
{
    if (!refused_name(req, parent, name))
        next(req)->symlink(req, link, parent, name);
}

static void guard_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t newparent,
                         const char *newname, unsigned flags)
{
    if (!refused_name(req, parent, name) && !refused_name(req, newparent, newname))
        next(req)->rename(req, parent, name, newparent, newname, flags);
}

static void guard_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t newparent, const char *newname)
{
    if (!refused(req, ino) && !refused_name(req, newparent, newname))
        next(req)->link(req, ino, newparent, newname);
}

static void guard_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
                         struct fuse_file_info *fi)
{
    if (!refused_name(req, parent, name))
        next(req)->create(req, parent, name, mode, fi);
}

/* Out of a room: the caller copies with read and write. */
static void guard_copy_file_range(fuse_req_t req, fuse_ino_t ino_in, off_t off_in,
                                  struct fuse_file_info *fi_in, fuse_ino_t ino_out, off_t off_out,
                                  struct fuse_file_info *fi_out, size_t len, int flags)
{
    if (room_of(ino_in) != NULL)
        fuse_reply_err(req, EOPNOTSUPP);
    else
        next(req)->copy_file_range(req, ino_in, off_in, fi_in, ino_out, off_out, fi_out, len,
                                   flags);
}

static void guard_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    if (room_of(ino) == NULL)
        next(req)->flush(req, ino, fi);
    else
        fuse_reply_err(req, 0);
}

static void guard_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
    if (room_of(ino) == NULL)
        next(req)->fsync(req, ino, datasync, fi);
    else
        fuse_reply_err(req, 0);
}

static void guard_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
    if (room_of(ino) == NULL)
        next(req)->fsyncdir(req, ino, datasync, fi);
    else
        fuse_reply_err(req, 0);
}

static void guard_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value,
                           size_t size, int flags)
{
    if (room_of(ino) == NULL)
        next(req)->setxattr(req, ino, name, value, size, flags);
    else
        fuse_reply_err(req, xattr_errno(name, EROFS));
}

static void guard_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
    if (room_of(ino) == NULL)
        next(req)->removexattr(req, ino, name);
    else
        fuse_reply_err(req, xattr_errno(name, EROFS));
}

/* Only what is there is guarded: a callback that is missing tells libfuse, and the kernel, that
 * there is no such operation. */
const struct fuse_lowlevel_ops *rooms_wrap(const struct fuse_lowlevel_ops *ops, bool read_only)
{
    static struct fuse_lowlevel_ops guarded[2];
    struct fuse_lowlevel_ops *to = &guarded[read_only];

    behind[read_only] = ops;
    *to = *ops;
    to->lookup = guard_lookup;
    to->getattr = guard_getattr;
    to->access = guard_access;
    to->readlink = guard_readlink;
    to->opendir = guard_opendir;
    to->readdir = guard_readdir;
    to->readdirplus = guard_readdirplus;
    to->open = guard_open;
    to->read = guard_read;
    to->getxattr = guard_getxattr;
    to->listxattr = guard_listxattr;
    to->setattr = guard_setattr;
    to->mknod = guard_mknod;
    to->mkdir = guard_mkdir;
    to->unlink = guard_unlink;
    to->rmdir = guard_rmdir;
    to->symlink = guard_symlink;
    to->rename = guard_rename;
    to->link = guard_link;
    to->create = guard_create;
    to->setxattr = guard_setxattr;
    to->removexattr = guard_removexattr;
    if (ops->copy_file_range != NULL)
        to->copy_file_range = guard_copy_file_range;
    if (ops->flush != NULL)
        to->flush = guard_flush;
    if (ops->fsync != NULL)
        to->fsync = guard_fsync;
    if (ops->fsyncdir != NULL)
        to->fsyncdir = guard_fsyncdir;
    return to;
}
