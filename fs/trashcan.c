/*
 * `.Trash-UID` at the root, where file managers put what is deleted (the trash specification of
 * freedesktop.org): reachable by name, never listed, always there where the account has a trash.
 *
 *     .Trash-UID/files   the trash mailbox once more: a rename into it is a move to the trash, one
 *                        out of it a move back, unlink in it is for good
 *     .Trash-UID/info    scratch: a NAME.trashinfo for each file that was put there in this mount
 *
 * `files` has a number of its own, because the kernel keeps one name for a directory; its entries
 * are those of the mailbox, without its directories, and nothing of it is cached: changes in the
 * mailbox are told under the mailbox's own number. What is in `info` has a number, and no row: its
 * name is with the staged file.
 */
#include "fs/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static bool own_name(const struct fs *fs, const char *name)
{
    char own[32];

    snprintf(own, sizeof(own), ".Trash-%lu", (unsigned long)fs->uid);
    return strcmp(name, own) == 0;
}

bool trashcan_is_name(const struct fs *fs, uint64_t parent, const char *name)
{
    return parent == CACHE_ROOT_INO && own_name(fs, name);
}

bool trashcan_reserved(const char *name)
{
    return strncmp(name, ".Trash", 6) == 0 && (name[6] == '\0' || name[6] == '-');
}

bool trashcan_is(uint64_t ino)
{
    return ino == FS_TRASHCAN_INO || ino == FS_TRASHCAN_FILES || ino == FS_TRASHCAN_INFO;
}

/* The trash mailbox's directory; false: there is none. */
static bool find_trash(struct fs *fs, struct cache_inode *inode)
{
    struct cache_mailbox row = {0};
    int64_t trash = fs->read_only ? 0 : sync_trash(fs->sync);
    bool found;

    if (trash == 0 || cache_mailbox_get(fs->cache, trash, &row) != CACHE_OK)
        return false;
    found = cache_inode_get(fs->cache, row.ino, inode) == CACHE_OK;
    cache_mailbox_free(&row);
    return found;
}

uint64_t trashcan_real(struct fs *fs, uint64_t ino)
{
    struct cache_inode inode;

    return ino == FS_TRASHCAN_FILES && find_trash(fs, &inode) ? inode.ino : ino;
}

bool trashcan_inode(struct fs *fs, uint64_t ino, struct cache_inode *inode)
{
    static const char *const names[] = {"", "files", "info"};
    struct cache_inode trash;

    if (!trashcan_is(ino) || !find_trash(fs, &trash))
        return false;
    memset(inode, 0, sizeof(*inode));
    inode->ino = ino;
    inode->parent = ino == FS_TRASHCAN_INO ? CACHE_ROOT_INO : FS_TRASHCAN_INO;
    inode->kind = CACHE_DIRECTORY;
    inode->mtime = trash.mtime;
    inode->ctime = trash.ctime;
    if (ino == FS_TRASHCAN_FILES)
        inode->mailbox = trash.mailbox;
    snprintf(inode->name, sizeof(inode->name), "%s", names[ino - FS_TRASHCAN_INO]);
    return true;
}

/* ---- lookup ---- */

static void reply_entry(struct fs *fs, fuse_req_t req, const struct cache_inode *inode)
{
    struct fuse_entry_param entry;

    attr_fill_shown(fs, inode, &entry);
    entry.entry_timeout = 0;
    if (inode->kind == CACHE_DIRECTORY)
        entry.attr_timeout = 0;
    fuse_reply_entry(req, &entry);
}

static bool find_info(struct fs *fs, const char *name, struct cache_inode *inode)
{
    struct staged *staged = staged_find_info(fs, name);

    if (staged == NULL)
        return false;
    pthread_mutex_lock(&staged->io);
    *inode = staged->inode;
    pthread_mutex_unlock(&staged->io);
    staged_drop(staged);
    return true;
}

static bool find_below(struct fs *fs, uint64_t parent, const char *name, struct cache_inode *inode)
{
    if (parent == FS_TRASHCAN_INFO)
        return find_info(fs, name, inode);
    if (parent == FS_TRASHCAN_FILES)
        return lookup_find(fs, trashcan_real(fs, parent), name, inode) == CACHE_OK &&
               inode->kind != CACHE_DIRECTORY;
    if (strcmp(name, "files") == 0)
        return trashcan_inode(fs, FS_TRASHCAN_FILES, inode);
    return strcmp(name, "info") == 0 && trashcan_inode(fs, FS_TRASHCAN_INFO, inode);
}

bool trashcan_lookup(struct fs *fs, fuse_req_t req, uint64_t parent, const char *name)
{
    struct cache_inode inode;
    bool found;

    if (fs->read_only)
        return false;
    if (trashcan_is_name(fs, parent, name))
        found = trashcan_inode(fs, FS_TRASHCAN_INO, &inode);
    else if (trashcan_is(parent))
        found = find_below(fs, parent, name, &inode);
    else
        return false;
    if (found)
        reply_entry(fs, req, &inode);
    else
        fuse_reply_err(req, ENOENT);
    return true;
}

/* ---- readdir of `.Trash-UID` and info ---- */

static bool next_entry(struct fs *fs, uint64_t directory, uint64_t after, struct cache_inode *inode)
{
    struct staged *staged;

    if (directory == FS_TRASHCAN_INO) {
        uint64_t next = after < FS_TRASHCAN_FILES ? FS_TRASHCAN_FILES : after + 1;
        return next <= FS_TRASHCAN_INFO && trashcan_inode(fs, next, inode);
    }
    staged = staged_next_info(fs, after);
    if (staged == NULL)
        return false;
    pthread_mutex_lock(&staged->io);
    *inode = staged->inode;
    pthread_mutex_unlock(&staged->io);
    staged_drop(staged);
    return true;
}

void trashcan_readdir(fuse_req_t req, size_t size, off_t offset, const struct handle *handle,
                      bool plus)
{
    struct fs *fs = fs_of(req);
    uint64_t after = dir_ino_of(offset);
    struct cache_inode inode;
    size_t used = 0, need = 0;
    char *data = malloc(size);

    while (data != NULL && next_entry(fs, handle->inode.ino, after, &inode)) {
        struct fuse_entry_param entry;
        attr_fill_entry(fs, &inode, &entry);
        after = inode.ino;
        entry.ino = 0; /* to be looked up: nothing of this is cached */
        need = plus ? fuse_add_direntry_plus(req, data + used, size - used, inode.name, &entry,
                                             dir_offset_of(after))
                    : fuse_add_direntry(req, data + used, size - used, inode.name, &entry.attr,
                                        dir_offset_of(after));
        if (need > size - used)
            break;
        used += need;
    }
    if (data == NULL)
        fuse_reply_err(req, ENOMEM);
    else
        fuse_reply_buf(req, data, used);
    free(data);
}

/* ---- changes in info ---- */

void trashcan_unlink(struct fs *fs, fuse_req_t req, const char *name)
{
    struct cache_inode inode;
    bool found = find_info(fs, name, &inode);

    if (found)
        staging_unlinked(fs, inode.ino);
    fuse_reply_err(req, found ? 0 : ENOENT);
}

/* Within info alone; out of it or into it a program may copy. */
void trashcan_rename(struct fs *fs, fuse_req_t req, uint64_t parent, const char *name,
                     uint64_t newparent, const char *newname, unsigned flags)
{
    struct cache_inode inode, other;
    struct staged *staged;
    int error = parent == newparent ? 0 : EXDEV;
    bool taken = find_info(fs, newname, &other);

    if (error == 0 && !find_info(fs, name, &inode))
        error = ENOENT;
    if (error == 0 && taken && (flags & 1) != 0) /* RENAME_NOREPLACE */
        error = EEXIST;
    staged = error == 0 ? staged_find(fs, inode.ino) : NULL;
    if (staged != NULL && taken && other.ino != inode.ino)
        staging_unlinked(fs, other.ino);
    if (staged != NULL)
        staged_rename_info(staged, newname);
    staged_drop(staged);
    fuse_reply_err(req, error);
}
