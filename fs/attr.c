/*
 * From a cache row to what stat shows (CONTRACT.md section 1). Pure functions but for attr_get,
 * which FUSE's workers call.
 *
 * This version is read-only: files are 0400. Directories have a link count of 1, which tells
 * find(1) and friends that it says nothing of subdirectories (Btrfs does the same): the true count
 * would cost a query for each directory, and a notice to the kernel whenever a mailbox is made
 * anywhere.
 *
 * A row that is gone is ESTALE rather than ENOENT: the VFS then looks the name up again, finds that
 * it is gone, drops what it had cached, and the caller sees ENOENT. So a name that was cached while
 * its message vanished heals itself.
 */
#include "fs/internal.h"

#include <errno.h>
#include <string.h>

enum { BLOCK_SIZE = 128 * 1024 }; /* what programs should read at once */

void attr_fill(const struct fs *fs, const struct cache_inode *inode, struct stat *st)
{
    bool directory = inode->kind == CACHE_DIRECTORY;

    memset(st, 0, sizeof(*st));
    st->st_ino = inode->ino;
    st->st_mode = directory ? S_IFDIR | 0700 : S_IFREG | 0400;
    st->st_nlink = 1;
    st->st_uid = fs->uid;
    st->st_gid = fs->gid;
    st->st_size = directory ? 0 : (off_t)inode->size;
    st->st_blocks = (st->st_size + 511) / 512;
    st->st_blksize = BLOCK_SIZE;
    st->st_mtim.tv_sec = inode->mtime;
    st->st_atim.tv_sec = inode->mtime;
    st->st_ctim.tv_sec = inode->ctime;
}

void attr_fill_entry(const struct fs *fs, const struct cache_inode *inode,
                     struct fuse_entry_param *entry)
{
    memset(entry, 0, sizeof(*entry));
    entry->ino = inode->ino;
    entry->attr_timeout = FS_FOREVER;
    entry->entry_timeout = FS_FOREVER;
    attr_fill(fs, inode, &entry->attr);
}

int attr_get(struct fs *fs, uint64_t ino, struct cache_inode *inode)
{
    enum cache_error error;

    told_enter(fs->told);
    error = cache_inode_get(fs->cache, ino, inode);
    if (error == CACHE_OK)
        told_inode(fs->told, ino, inode->kind == CACHE_DIRECTORY || inode->size_exact);
    told_leave(fs->told);
    if (error == CACHE_ERR_ABSENT)
        return handle_find(fs, ino, inode) ? 0 : ESTALE;
    return fs_errno_of_cache(error);
}

void fs_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct fs *fs = fs_of(req);
    struct cache_inode inode;
    struct stat st;
    int error;

    if (ino == FS_STATUS_INO) {
        status_attr(fs, &st);
        fuse_reply_attr(req, &st, FS_FOREVER);
        return;
    }
    error = attr_get(fs, ino, &inode);
    if (error != 0) {
        fuse_reply_err(req, error);
        return;
    }
    attr_fill(fs, &inode, &st);
    fuse_reply_attr(req, &st, FS_FOREVER);
}

/* Only asked without default_permissions, which is always set; answers the same. */
void fs_access(fuse_req_t req, fuse_ino_t ino, int mask)
{
    fuse_reply_err(req, (mask & 2) != 0 ? EROFS : 0); /* 2: W_OK */
}
