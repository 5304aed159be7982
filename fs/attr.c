/*
 * From a cache row to what stat shows (CONTRACT.md section 1). Pure functions but for attr_get,
 * which FUSE's workers call.
 *
 * Directories have a link count of 1, which tells
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
    st->st_mode = directory ? S_IFDIR | 0700 : S_IFREG | (fs->read_only ? 0400 : 0600);
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

bool attr_fill_shown(struct fs *fs, const struct cache_inode *inode, struct fuse_entry_param *entry)
{
    struct cache_inode shown = *inode;
    bool passing = staging_overlay(fs, &shown);

    moved_told(fs, inode->ino, true);
    attr_fill_entry(fs, &shown, entry);
    if (passing)
        entry->attr_timeout = entry->entry_timeout = 0;
    return passing;
}

void attr_exact(struct fs *fs, struct cache_inode *inode)
{
    uint64_t size = 0;

    if (inode->kind != CACHE_MESSAGE || inode->size_exact ||
        !cache_body_pinned(fs->cache, inode->message, &size))
        return;
    inode->size = size;
    inode->size_exact = true;
}

int attr_get(struct fs *fs, uint64_t ino, struct cache_inode *inode)
{
    enum cache_error error;

    if (moved_on(fs, ino, false))
        return ESTALE;
    told_enter(fs->told);
    error = cache_inode_get(fs->cache, ino, inode);
    if (error == CACHE_OK) {
        attr_exact(fs, inode);
        told_inode(fs->told, ino, inode->kind == CACHE_DIRECTORY || inode->size_exact);
    }
    told_leave(fs->told);
    if (error == CACHE_ERR_ABSENT)
        return trashcan_inode(fs, ino, inode) || staged_find_open(fs, ino, inode) ||
                       handle_find(fs, ino, inode)
                   ? 0
                   : ESTALE;
    return fs_errno_of_cache(error);
}

void fs_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct fs *fs = fs_of(req);
    struct cache_inode inode;
    struct stat st;
    unsigned turn;
    int error;

    if (ino == FS_STATUS_INO) {
        status_attr(fs, &st);
        fuse_reply_attr(req, &st, fs->whole != NULL ? 0 : FS_FOREVER);
        return;
    }
    turn = whole_answer_begin(fs->whole);
    error = attr_get(fs, ino, &inode);
    if (error != 0)
        fuse_reply_err(req, error);
    else
        attr_reply(fs, req, &inode);
    whole_answer_end(fs->whole, turn);
}

void attr_reply(struct fs *fs, fuse_req_t req, const struct cache_inode *inode)
{
    struct cache_inode shown = *inode;
    struct stat st;
    bool passing = staging_overlay(fs, &shown) || trashcan_is(inode->ino);

    attr_fill(fs, &shown, &st);
    fuse_reply_attr(req, &st, passing ? 0 : FS_FOREVER);
}

/* Only asked without default_permissions, which is always set; answers the same. */
void fs_access(fuse_req_t req, fuse_ino_t ino, int mask)
{
    fuse_reply_err(req, (mask & 2) != 0 && fs_of(req)->read_only ? EROFS : 0); /* 2: W_OK */
}
