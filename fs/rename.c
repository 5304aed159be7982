/*
 * rename and link (CONTRACT.md section 2).
 *
 * What a rename is follows from what is renamed and to what:
 *
 *     message    to a plain name           its alias, in one directory; else a MOVE
 *                to a scratch name         EXDEV: mv(1) and editors copy, and remove the original
 *     scratch    to a scratch name         here alone
 *                to a plain name           published, in place of a message that has the name: how
 *                                          rsync, gedit and sed -i save
 *     unwritten  to any name               here alone; never over a message
 *     directory                            RENAME of the mailbox
 *
 * The kernel gives the new name to the inode once it has its answer; where the cache had to choose
 * another one, it is told that this was wrong.
 *
 * A hard link of a message is a copy of it, as if cp(1) had made it: it has an inode of its own.
 */
#include "fs/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1U
#endif

/* A rename under way: `inode` is renamed, `other` is what has the name now (ino 0: nothing), and
 * `to` is the new name in directory `after`. */

static int64_t target_mailbox(const struct request *r)
{
    return staging_mailbox(r->fs, r->after);
}

static struct errand *errand_for(struct request *r, sync_done_fn *done, void *ctx)
{
    struct errand *errand = errand_new(r->fs, done, ctx);

    if (errand == NULL)
        return NULL;
    errand->into = &r->result;
    errand_owns(errand, 0, r->inode.parent, r->inode.ino, r->inode.name);
    if (r->other.ino != 0)
        errand_owns(errand, 1, r->after, r->other.ino, r->to);
    return errand;
}

/* ---- the ends ---- */

/* The name that the kernel now believes in may not be the one. */
static void check_name(struct request *r)
{
    if (r->result.ino != 0 && strcmp(r->result.name, r->to) != 0)
        notify_gone(r->fs->notifier, r->after, r->inode.ino, r->to);
}

/* The staged file of what was renamed learns where it is; the one in the way is gone. */
static void settle_staged(struct request *r)
{
    struct staged *staged = staged_find(r->fs, r->inode.ino);

    if (staged != NULL && r->result.ino == r->inode.ino) {
        pthread_mutex_lock(&staged->io);
        staged->inode = r->result;
        pthread_mutex_unlock(&staged->io);
    }
    staged_drop(staged);
    if (r->other.ino != 0 && r->other.ino != r->result.ino)
        staging_unlinked(r->fs, r->other.ino);
}

static void rename_resume(struct wait *wait, enum sync_error error)
{
    struct request *r = (struct request *)wait;

    if (error == SYNC_OK && r->again) {
        wait_start(wait);
        return;
    }
    if (error == SYNC_OK)
        settle_staged(r);
    fuse_reply_err(r->req, fs_errno(error));
    if (error == SYNC_OK)
        check_name(r);
    wait_free(wait);
}

/* ---- messages ---- */

/* Into the trash over a message that has the name there: that one would be expunged, which nobody
 * asked for. So there ours gets a name beside it. */
static sync_ticket move_ask(struct wait *wait, sync_done_fn *done, void *ctx)
{
    struct request *r = (struct request *)wait;
    struct errand *errand = errand_for(r, done, ctx);
    int64_t mailbox = target_mailbox(r);
    bool same = strcmp(r->to, r->inode.name) == 0;
    bool replace = r->replace && r->other.ino != 0 && mailbox != sync_trash(r->fs->sync);

    if (errand == NULL)
        return 0;
    if (mailbox == r->inode.mailbox)
        replace = r->replace;
    return errand_sent(errand,
                       sync_move(r->fs->sync, r->inode.message, mailbox,
                                 same && !replace ? NULL : r->to, replace, errand_changed, errand));
}

static int check_message(struct request *r)
{
    if (name_is_scratch(r->to) || r->after == FS_TRASHCAN_INFO)
        return EXDEV;
    return target_mailbox(r) == 0 ? EPERM : 0;
}

/* ---- staged files ---- */

static sync_ticket publish_as(struct request *r, sync_done_fn *done, void *ctx)
{
    const struct staged_target target = {
        .parent = r->after,
        .mailbox = target_mailbox(r),
        .name = r->to,
        .replace = r->replace,
        .replaced = r->other.ino,
        .message = r->other.message,
        .keep = true,
    };

    staged_hold(r->staged);
    return staged_publish(r->staged, &target, done, ctx, &r->result);
}

static bool local_ended(struct errand *errand, const struct sync_changed *changed)
{
    staged_end(errand->staged);
    return false;
}

static sync_ticket rename_here(struct request *r, sync_done_fn *done, void *ctx)
{
    struct errand *errand = errand_for(r, done, ctx);

    if (errand == NULL) {
        staged_end(r->staged);
        return 0;
    }
    staged_hold(r->staged);
    errand->staged = r->staged;
    errand->ended = local_ended;
    sync_ticket at_sync = sync_staged_rename(r->fs->sync, r->inode.ino, r->after, r->to, r->replace,
                                             errand_changed, errand);
    if (at_sync == 0)
        staged_end(r->staged);
    return errand_sent(errand, at_sync);
}

/* Content under a plain name is published: when it leaves scratch, or takes a message's place. */
static bool must_publish(struct request *r)
{
    bool content, scratch;

    pthread_mutex_lock(&r->staged->io);
    content = staged_size(r->staged) > 0 && !r->staged->published;
    scratch = staged_is_scratch(r->staged);
    pthread_mutex_unlock(&r->staged->io);
    return content && !name_is_scratch(r->to) && (scratch || r->other.ino != 0);
}

static enum sync_error check_here(const struct request *r)
{
    bool on_its_way;

    pthread_mutex_lock(&r->staged->io);
    on_its_way = r->staged->published && !r->staged->dirty; /* sync has it wait until it is one */
    pthread_mutex_unlock(&r->staged->io);
    if (r->other.ino != 0 && r->other.kind != CACHE_STAGED && !on_its_way)
        return SYNC_ERR_INVALID; /* an empty file in a message's place: the message stands */
    if (!name_is_scratch(r->to) && target_mailbox(r) == 0)
        return SYNC_ERR_PERMISSION;
    return SYNC_OK;
}

static sync_ticket staged_ask(struct wait *wait, sync_done_fn *done, void *ctx)
{
    struct request *r = (struct request *)wait;
    enum sync_error error;
    sync_ticket ticket = 0;

    r->again = true;
    if (!staged_begin(r->staged, done, ctx, &ticket))
        return ticket;
    r->again = false;
    if (must_publish(r)) {
        if (target_mailbox(r) != 0 && sync_can_change(r->fs->sync))
            return publish_as(r, done, ctx);
        error = target_mailbox(r) == 0 ? SYNC_ERR_PERMISSION : SYNC_ERR_DOWN;
    } else {
        error = check_here(r);
        if (error == SYNC_OK)
            return rename_here(r, done, ctx);
    }
    staged_end(r->staged);
    done(ctx, error);
    return 0;
}

/* ---- directories ---- */

static sync_ticket directory_ask(struct wait *wait, sync_done_fn *done, void *ctx)
{
    struct request *r = (struct request *)wait;
    struct cache_inode parent;
    struct errand *errand;

    if (cache_inode_get(r->fs->cache, r->after, &parent) != CACHE_OK)
        parent.mailbox = 0;
    errand = errand_for(r, done, ctx);
    if (errand == NULL)
        return 0;
    return errand_sent(errand, sync_mailbox_rename(r->fs->sync, r->inode.mailbox, parent.mailbox,
                                                   r->to, errand_changed, errand));
}

static int check_directory(struct request *r)
{
    struct cache_inode entry;
    size_t count = 0;
    int error = name_check_directory(r->to);

    if (error == 0 && trashcan_is(r->after))
        error = EPERM;
    if (error == 0)
        error = directory_is_role(r->fs, &r->inode) ? EBUSY : 0;
    if (error != 0 || r->other.ino == 0)
        return error;
    if (r->other.kind != CACHE_DIRECTORY)
        return ENOTDIR;
    cache_inode_list(r->fs->cache, r->other.ino, 0, &entry, 1, &count);
    return count > 0 ? ENOTEMPTY : EEXIST;
}

/* ---- rename ---- */

static int prepare(struct request *r)
{
    if (strlen(r->to) > CACHE_NAME_MAX - 0 || name_check_file(r->to) != 0)
        return ENAMETOOLONG;
    if (r->after == FS_TRASHCAN_INO ||
        (r->after == CACHE_ROOT_INO && (name_is_room(r->to) || trashcan_reserved(r->to))))
        return EPERM;
    if (r->inode.kind == CACHE_DIRECTORY) {
        r->wait.ask = directory_ask;
        return check_directory(r);
    }
    if (r->other.ino != 0 && r->other.kind == CACHE_DIRECTORY)
        return EISDIR;
    if (r->inode.kind == CACHE_MESSAGE) {
        r->wait.ask = move_ask;
        return check_message(r);
    }
    r->wait.ask = staged_ask;
    r->staged = staged_get(r->fs, &r->inode);
    return r->staged == NULL ? ENOMEM : 0;
}

static int find_both(struct request *r, uint64_t parent, const char *name, unsigned flags)
{
    enum cache_error error = lookup_find(r->fs, parent, name, &r->inode);

    if (error != CACHE_OK)
        return fs_errno_of_cache(error);
    error = lookup_find(r->fs, r->after, r->to, &r->other);
    if (error == CACHE_OK && (flags & RENAME_NOREPLACE) != 0)
        return EEXIST;
    if (error == CACHE_ERR_ABSENT)
        r->other.ino = 0;
    else if (error != CACHE_OK)
        return fs_errno_of_cache(error);
    r->replace = (flags & RENAME_NOREPLACE) == 0;
    return 0;
}

void fs_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t newparent,
               const char *newname, unsigned flags)
{
    struct fs *fs = fs_of(req);
    struct request *r;
    int error;

    if ((flags & ~RENAME_NOREPLACE) != 0) {
        fuse_reply_err(req, EINVAL);
        return;
    }
    if (strlen(newname) > CACHE_NAME_MAX || strlen(name) > CACHE_NAME_MAX) {
        fuse_reply_err(req, ENAMETOOLONG);
        return;
    }
    if (parent == FS_TRASHCAN_INFO || newparent == FS_TRASHCAN_INFO) {
        trashcan_rename(fs, req, parent, name, newparent, newname, flags);
        return;
    }
    r = request_new_change(fs, req);
    if (r == NULL)
        return;
    r->after = trashcan_real(fs, newparent);
    snprintf(r->to, sizeof(r->to), "%s", newname);
    r->wait.resume = rename_resume;
    error = find_both(r, trashcan_real(fs, parent), name, flags);
    if (error == 0 && r->other.ino == r->inode.ino)
        error = -1; /* two names of one file (`files/` and the trash): nothing to do */
    else if (error == 0)
        error = prepare(r);
    if (error != 0) {
        fuse_reply_err(req, error < 0 ? 0 : error);
        wait_free(&r->wait);
        return;
    }
    wait_start(&r->wait);
}

/* ---- link ---- */

static sync_ticket link_ask(struct wait *wait, sync_done_fn *done, void *ctx)
{
    struct request *r = (struct request *)wait;
    struct errand *errand = errand_new(r->fs, done, ctx);

    if (errand == NULL)
        return 0;
    errand->into = &r->result;
    return errand_sent(errand, sync_copy(r->fs->sync, r->inode.message, target_mailbox(r), r->to,
                                         false, errand_changed, errand));
}

static void link_resume(struct wait *wait, enum sync_error error)
{
    struct request *r = (struct request *)wait;
    struct fuse_entry_param entry;

    if (error == SYNC_OK && r->result.ino == 0)
        error = SYNC_ERR_GONE;
    if (error != SYNC_OK) {
        fuse_reply_err(r->req, fs_errno(error));
    } else {
        attr_fill_shown(r->fs, &r->result, &entry);
        told_inode(r->fs->told, r->result.ino, r->result.size_exact);
        fuse_reply_entry(r->req, &entry);
        if (strcmp(r->result.name, r->to) != 0)
            notify_gone(r->fs->notifier, r->after, r->result.ino, r->to);
    }
    wait_free(wait);
}

void fs_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t newparent, const char *newname)
{
    struct fs *fs = fs_of(req);
    struct cache_inode inode, directory, other;
    struct request *r;
    int error = attr_get(fs, ino, &inode);

    if (error == 0)
        error = attr_get(fs, trashcan_real(fs, newparent), &directory);
    if (error == 0 && (inode.kind != CACHE_MESSAGE || name_is_scratch(newname)))
        error = EPERM; /* what programs take for "no hard links": they rename, or copy */
    if (error == 0)
        error = create_check(fs, &directory, newname);
    if (error == 0 && lookup_find(fs, directory.ino, newname, &other) == CACHE_OK)
        error = EEXIST;
    r = error == 0 ? request_new_change(fs, req) : NULL;
    if (error != 0)
        fuse_reply_err(req, error);
    if (r == NULL)
        return;
    r->inode = inode;
    r->after = directory.ino;
    snprintf(r->to, sizeof(r->to), "%s", newname);
    r->wait.ask = link_ask;
    r->wait.resume = link_resume;
    wait_start(&r->wait);
}
