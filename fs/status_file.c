/*
 * `.status` at the root: reachable by name, never listed (CONTRACT.md section 3). Its text is made
 * at open and stays with the handle, so that one reader sees one state. Like a file of /proc it
 * shows size 0, and direct_io has reads come here whatever the size says. FUSE's workers;
 * sync_status_text does not wait for the network.
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
}

void status_reply_entry(const struct fs *fs, fuse_req_t req)
{
    struct fuse_entry_param entry;
    struct cache_inode inode;

    status_inode(&inode);
    attr_fill_entry(fs, &inode, &entry);
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
void status_read(fuse_req_t req, const struct handle *handle, size_t size, off_t offset)
{
    size_t len = handle->text.len;
    char *copy;

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
