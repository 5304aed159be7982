/*
 * `.status` at the root: reachable by name, never listed (CONTRACT.md section 3). Its text is made
 * at open and stays with the handle, so that one reader sees one state. Like a file of /proc it
 * shows size 0, and direct_io has reads come here whatever the size says. Where the kernel opens
 * files without asking (whole.h) there is no handle: the text is made when its size is asked for.
 * FUSE's workers; sync_status_text does not wait for the network.
 */
#include "fs/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

bool status_is(uint64_t parent, const char *name)
{
    return parent == CACHE_ROOT_INO && strcmp(name, FS_STATUS_NAME) == 0;
}

static void status_inode(struct cache_inode *inode)
{
    memset(inode, 0, sizeof(*inode));
    inode->ino = FS_STATUS_INO;
    inode->parent = CACHE_ROOT_INO;
    inode->kind = CACHE_MESSAGE;
    inode->mtime = inode->ctime = time(NULL);
}

void status_attr(const struct fs *fs, struct stat *st)
{
    struct cache_inode inode;

    status_inode(&inode);
    attr_fill(fs, &inode, st);
    if (whole_in_force(fs->whole))
        whole_status_attr(fs->whole, st);
}

void status_reply_entry(const struct fs *fs, fuse_req_t req)
{
    struct fuse_entry_param entry;
    struct cache_inode inode;

    status_inode(&inode);
    attr_fill_entry(fs, &inode, &entry);
    status_attr(fs, &entry.attr);
    entry.attr_timeout = 0;
    fuse_reply_entry(req, &entry);
}

void status_open(struct fs *fs, fuse_req_t req, struct fuse_file_info *fi)
{
    struct cache_inode inode;
    struct handle *handle;

    status_inode(&inode);
    handle = handle_new(fs, &inode);
    if (handle == NULL || !sync_status_text(fs->sync, &handle->text)) {
        handle_free(fs, handle);
        fuse_reply_err(req, ENOMEM);
        return;
    }
    fi->fh = (uintptr_t)handle;
    fi->direct_io = 1;
    fi->noflush = 1;
    if (fuse_reply_open(req, fi) != 0)
        handle_free(fs, handle);
}

/* Answers from a copy: a handle may be released, on another thread, as soon as its answer is out,
 * while writev (as a sanitizer sees it) is still reading. */
/* Without a handle: the kernel opened it without asking. */
static void read_whole(struct fs *fs, fuse_req_t req, size_t size, off_t offset)
{
    char *copy = malloc(size + 1);
    ssize_t len = copy != NULL ? whole_status_read(fs->whole, offset, copy, size) : -1;

    if (len < 0)
        fuse_reply_err(req, ENOMEM);
    else
        fuse_reply_buf(req, copy, (size_t)len);
    free(copy);
}

void status_read(fuse_req_t req, const struct handle *handle, size_t size, off_t offset)
{
    size_t len;
    char *copy;

    if (handle == NULL) {
        read_whole(fs_of(req), req, size, offset);
        return;
    }
    len = handle->text.len;
    if (offset < 0 || (uint64_t)offset >= len) {
        fuse_reply_buf(req, NULL, 0);
        return;
    }
    len -= (size_t)offset;
    len = len < size ? len : size;
    copy = malloc(len);
    if (copy == NULL) {
        fuse_reply_err(req, ENOMEM);
        return;
    }
    memcpy(copy, handle->text.data + offset, len);
    fuse_reply_buf(req, copy, len);
    free(copy);
}
