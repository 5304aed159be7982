/*
 * Names. A name that the cache knows is answered at once and for ever; one that it does not know is
 * answered "no" without being cached, except in one case: a mailbox that was never listed. There
 * the first listing is asked for, and the name looked up again when it is done, so that a path from
 * yesterday works right after a mount with an empty cache.
 *
 * Only names that a message can bear wait for it: those are made here (message/name.h), end in
 * ".eml" and never start with a dot. Mailboxes are all known from the mount on. So the probes of
 * shells, file managers and version control (.git, .hidden, autorun.inf) cause no listing.
 */
#include "fs/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

enum cache_error lookup_find(struct fs *fs, uint64_t parent, const char *name,
                             struct cache_inode *inode)
{
    enum cache_error error;

    told_enter(fs->told);
    error = cache_inode_lookup(fs->cache, parent, name, inode);
    if (error == CACHE_OK && whole_holds_back(fs->whole, inode))
        error = CACHE_ERR_ABSENT;
    if (error == CACHE_OK) {
        attr_exact(fs, inode);
        told_inode(fs->told, inode->ino, inode->kind == CACHE_DIRECTORY || inode->size_exact);
    }
    told_leave(fs->told);
    return error;
}

static void reply_found(struct fs *fs, fuse_req_t req, const struct cache_inode *inode)
{
    struct fuse_entry_param entry;

    attr_fill_shown(fs, inode, &entry);
    fuse_reply_entry(req, &entry);
}

/* Looks up and answers. */
static void reply_name(struct fs *fs, fuse_req_t req, uint64_t parent, const char *name)
{
    struct cache_inode inode;
    unsigned turn = whole_answer_begin(fs->whole);
    enum cache_error error = lookup_find(fs, parent, name, &inode);

    if (error == CACHE_OK)
        reply_found(fs, req, &inode);
    else
        fuse_reply_err(req, fs_errno_of_cache(error));
    whole_answer_end(fs->whole, turn);
}

static sync_ticket lookup_ask(struct wait *wait, sync_done_fn *done, void *ctx)
{
    struct request *request = (struct request *)wait;

    return sync_want_listing(request->fs->sync, request->inode.mailbox, done, ctx);
}

static void lookup_resume(struct wait *wait, enum sync_error error)
{
    struct request *request = (struct request *)wait;

    if (error != SYNC_OK)
        fuse_reply_err(request->req, fs_errno(error));
    else
        reply_name(request->fs, request->req, request->inode.ino, request->name);
    wait_free(wait);
}

static bool could_be_message(const char *name)
{
    size_t len = strlen(name);

    return name[0] != '.' && len > 4 && strcmp(name + len - 4, ".eml") == 0;
}

/* Whether a name that is missing in `directory` may come with a first listing. */
static bool may_come(struct fs *fs, const struct cache_inode *directory)
{
    struct cache_mailbox mailbox = {0};
    bool may;

    if (directory->mailbox == 0 ||
        cache_mailbox_get(fs->cache, directory->mailbox, &mailbox) != CACHE_OK)
        return false;
    may = mailbox.selectable && !mailbox.listed;
    cache_mailbox_free(&mailbox);
    return may;
}

/* `name` is not in the cache. */
static void lookup_missing(struct fs *fs, fuse_req_t req, uint64_t parent, const char *name)
{
    struct request *request;
    struct cache_inode directory;

    if (!could_be_message(name) || cache_inode_get(fs->cache, parent, &directory) != CACHE_OK) {
        fuse_reply_err(req, ENOENT);
        return;
    }
    if (!may_come(fs, &directory)) {
        /* The listing may have ended since the name was missed. */
        reply_name(fs, req, parent, name);
        return;
    }
    request = request_new(fs, req);
    if (request == NULL)
        return;
    request->inode = directory;
    snprintf(request->name, sizeof(request->name), "%s", name);
    request->wait.locked = parent;
    request->wait.ask = lookup_ask;
    request->wait.resume = lookup_resume;
    wait_start(&request->wait);
}

void fs_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct fs *fs = fs_of(req);
    struct cache_inode inode;
    enum cache_error error;
    unsigned turn;

    if (status_is(parent, name)) {
        status_reply_entry(fs, req);
        return;
    }
    if (trashcan_lookup(fs, req, parent, name))
        return;
    if (strlen(name) > CACHE_NAME_MAX) {
        fuse_reply_err(req, ENOENT);
        return;
    }
    turn = whole_answer_begin(fs->whole);
    error = lookup_find(fs, parent, name, &inode);
    if (error == CACHE_OK)
        reply_found(fs, req, &inode);
    whole_answer_end(fs->whole, turn);
    if (error == CACHE_OK)
        return;
    if (error == CACHE_ERR_ABSENT)
        lookup_missing(fs, req, parent, name);
    else
        fuse_reply_err(req, fs_errno_of_cache(error));
}

/* An inode is a row: nothing counts lookups, nothing is to be forgotten. */
void fs_forget(fuse_req_t req, fuse_ino_t ino, uint64_t nlookup)
{
    fuse_reply_none(req);
}

void fs_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
    fuse_reply_none(req);
}

/* The server's quota, of the mailbox that was asked about. */
static bool quota_fill(struct fs *fs, uint64_t ino, struct statvfs *st)
{
    struct cache_inode inode = {0};
    uint64_t used, limit;

    if (cache_inode_get(fs->cache, ino, &inode) != CACHE_OK)
        inode.mailbox = 0;
    if (!sync_quota(fs->sync, inode.mailbox, &used, &limit))
        return false;
    st->f_blocks = limit / st->f_frsize;
    st->f_bfree = st->f_bavail = used < limit ? (limit - used) / st->f_frsize : 0;
    return true;
}

/* Where the server has no quota: 1 PiB in all, free what the disk with the cache has. The longest
 * name shown here is 180 bytes, but f_namemax is 255: programs cut or refuse names by it, and those
 * that they try to make are theirs. */
void fs_statfs(fuse_req_t req, fuse_ino_t ino)
{
    struct fs *fs = fs_of(req);
    const unsigned long block = 4096;
    struct statvfs disk, st = {
                             .f_bsize = block,
                             .f_frsize = block,
                             .f_blocks = (fsblkcnt_t)((UINT64_C(1) << 50) / block),
                             .f_namemax = 255,
                         };

    if (!quota_fill(fs, ino, &st) && fs->spool_dir != NULL && statvfs(fs->spool_dir, &disk) == 0) {
        st.f_bavail = disk.f_bavail * (disk.f_frsize / 512) / (block / 512);
        st.f_bfree = st.f_bavail;
    }
    fuse_reply_statfs(req, &st);
}
