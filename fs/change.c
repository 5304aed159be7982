/*
 * unlink, mkdir, rmdir, and what is refused: symlinks. Removing a message is sync's word alone (to
 * the trash, or out of it for good); removing a staged file needs no server. What can be seen here
 * is refused before the server is asked: role mailboxes (EBUSY), a directory with entries
 * (ENOTEMPTY), a name that no mailbox may have (EPERM). FUSE's workers and sync's threads.
 */
#include "fs/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void change_resume(struct wait *wait, enum sync_error error)
{
    struct request *r = (struct request *)wait;

    if (error == SYNC_OK)
        staging_unlinked(r->fs, r->inode.ino);
    fuse_reply_err(r->req, fs_errno(error));
    wait_free(wait);
}

/* ---- unlink ---- */

static sync_ticket unlink_ask(struct wait *wait, sync_done_fn *done, void *ctx)
{
    struct request *r = (struct request *)wait;
    struct errand *errand = errand_new(r->fs, done, ctx);

    if (errand == NULL)
        return 0;
    errand_owns(errand, 0, r->inode.parent, r->inode.ino, r->inode.name);
    return errand_sent(errand,
                       r->inode.kind == CACHE_STAGED
                           ? sync_staged_remove(r->fs->sync, r->inode.ino, errand_changed, errand)
                           : sync_remove(r->fs->sync, r->inode.message, errand_changed, errand));
}

static void start(fuse_req_t req, const struct cache_inode *inode,
                  sync_ticket (*ask)(struct wait *, sync_done_fn *, void *))
{
    struct request *r = request_new_change(fs_of(req), req);

    if (r == NULL)
        return;
    r->inode = *inode;
    r->wait.ask = ask;
    r->wait.resume = change_resume;
    wait_start(&r->wait);
}

/* Finds what is to go; 0 or an errno. */
static int find_entry(struct fs *fs, uint64_t parent, const char *name, struct cache_inode *inode)
{
    enum cache_error error;

    if (parent == CACHE_ROOT_INO && (name_is_room(name) || trashcan_is_name(fs, parent, name)))
        return EPERM;
    if (strlen(name) > CACHE_NAME_MAX)
        return ENOENT;
    error = lookup_find(fs, trashcan_real(fs, parent), name, inode);
    return fs_errno_of_cache(error);
}

void fs_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct fs *fs = fs_of(req);
    struct cache_inode inode;
    int error;

    if (parent == FS_TRASHCAN_INFO) {
        trashcan_unlink(fs, req, name);
        return;
    }
    error = find_entry(fs, parent, name, &inode);
    if (error == 0 && inode.kind == CACHE_DIRECTORY)
        error = EISDIR;
    if (error != 0)
        fuse_reply_err(req, error);
    else
        start(req, &inode, unlink_ask);
}

/* ---- rmdir ---- */

bool directory_is_role(struct fs *fs, const struct cache_inode *inode)
{
    static const bool fixed[] = {
        [CACHE_ROLE_INBOX] = true,  [CACHE_ROLE_TRASH] = true, [CACHE_ROLE_SENT] = true,
        [CACHE_ROLE_DRAFTS] = true, [CACHE_ROLE_JUNK] = true,
    };
    struct cache_mailbox row = {0};
    unsigned role;

    if (inode->mailbox == sync_trash(fs->sync))
        return inode->mailbox != 0;
    if (cache_mailbox_get(fs->cache, inode->mailbox, &row) != CACHE_OK)
        return false;
    role = row.role;
    cache_mailbox_free(&row);
    return role < sizeof(fixed) / sizeof(fixed[0]) && fixed[role];
}

static sync_ticket rmdir_ask(struct wait *wait, sync_done_fn *done, void *ctx)
{
    struct request *r = (struct request *)wait;
    struct errand *errand = errand_new(r->fs, done, ctx);

    if (errand == NULL)
        return 0;
    errand_owns(errand, 0, r->inode.parent, r->inode.ino, r->inode.name);
    return errand_sent(errand,
                       sync_mailbox_remove(r->fs->sync, r->inode.mailbox, errand_changed, errand));
}

void fs_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct fs *fs = fs_of(req);
    struct cache_inode inode, entry;
    size_t count = 0;
    int error = trashcan_is(parent) ? EBUSY : find_entry(fs, parent, name, &inode);

    if (error == 0 && inode.kind != CACHE_DIRECTORY)
        error = ENOTDIR;
    if (error == 0 && directory_is_role(fs, &inode))
        error = EBUSY;
    if (error == 0)
        error = fs_errno_of_cache(cache_inode_list(fs->cache, inode.ino, 0, &entry, 1, &count));
    if (error == 0 && count > 0)
        error = ENOTEMPTY;
    if (error != 0)
        fuse_reply_err(req, error);
    else
        start(req, &inode, rmdir_ask);
}

/* ---- mkdir ---- */

static sync_ticket mkdir_ask(struct wait *wait, sync_done_fn *done, void *ctx)
{
    struct request *r = (struct request *)wait;
    struct errand *errand = errand_new(r->fs, done, ctx);

    if (errand == NULL)
        return 0;
    errand->into = &r->result;
    return errand_sent(
        errand, sync_mailbox_create(r->fs->sync, r->inode.mailbox, r->to, errand_changed, errand));
}

/* The directory may bear another name than was asked for (CONTRACT.md section 1). */
static void mkdir_resume(struct wait *wait, enum sync_error error)
{
    struct request *r = (struct request *)wait;
    struct fuse_entry_param entry;

    if (error == SYNC_OK && r->result.ino == 0)
        error = SYNC_ERR_GONE;
    if (error != SYNC_OK) {
        fuse_reply_err(r->req, fs_errno(error));
    } else {
        told_inode(r->fs->told, r->result.ino, true);
        attr_fill_entry(r->fs, &r->result, &entry);
        fuse_reply_entry(r->req, &entry);
        if (strcmp(r->result.name, r->to) != 0)
            notify_gone(r->fs->notifier, r->inode.ino, r->result.ino, r->to);
    }
    wait_free(wait);
}

void fs_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
    struct fs *fs = fs_of(req);
    struct cache_inode directory;
    struct request *r;
    int error = trashcan_is(parent) ? EPERM : attr_get(fs, parent, &directory);

    if (trashcan_is_name(fs, parent, name))
        error = sync_trash(fs->sync) != 0 ? EEXIST : EPERM;
    if (error == 0)
        error = name_check_directory(name);
    r = error == 0 ? request_new_change(fs, req) : NULL;
    if (error != 0)
        fuse_reply_err(req, error);
    if (r == NULL)
        return;
    r->inode = directory;
    snprintf(r->to, sizeof(r->to), "%s", name);
    r->wait.ask = mkdir_ask;
    r->wait.resume = mkdir_resume;
    wait_start(&r->wait);
}

void fs_symlink(fuse_req_t req, const char *link, fuse_ino_t parent, const char *name)
{
    fuse_reply_err(req, EPERM);
}
