/*
 * Making files and writing them: create, mknod, write. What is written goes to a staged file's
 * spool (staging.h) on FUSE's own thread: that is the disk. Only a write that comes while sync
 * works on the file (its publication, an fsync) waits.
 *
 * A write with O_APPEND goes to the staged end, whatever its offset says: the kernel computes it
 * from a size that may have been an estimate (FUSE.md, "Traps seen"). What the kernel writes back
 * from mapped pages says where it belongs.
 */
#include "fs/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/caller.h"

/* How long the kernel may believe that a file which was just made is empty: it knows what it writes
 * itself, and asks again after that. */
#define CREATED_SECONDS 1.0

/* ---- create ---- */

int create_check(struct fs *fs, const struct cache_inode *directory, const char *name)
{
    int error = name_check_file(name);

    if (error != 0 || directory->ino == FS_TRASHCAN_INFO)
        return error;
    if (directory->kind != CACHE_DIRECTORY)
        return ENOTDIR;
    if (directory->ino == FS_TRASHCAN_INO)
        return EPERM;
    if (directory->ino == CACHE_ROOT_INO && (name_is_room(name) || trashcan_reserved(name)))
        return EPERM;
    if (name_is_scratch(name))
        return 0;
    if (staging_mailbox(fs, directory->ino) == 0)
        return EPERM;
    return sync_can_change(fs->sync) ? 0 : ENETDOWN;
}

/* In `.Trash-UID/info` only the number is a row's. */
static sync_ticket create_ask(struct wait *wait, sync_done_fn *done, void *ctx)
{
    struct request *r = (struct request *)wait;
    bool info = r->inode.ino == FS_TRASHCAN_INFO;
    struct errand *errand = errand_new(r->fs, done, ctx);

    if (errand == NULL)
        return 0;
    errand->into = &r->result;
    return errand_sent(errand, sync_staged_create(r->fs->sync, info ? CACHE_ROOT_INO : r->inode.ino,
                                                  r->name, !info, errand_changed, errand));
}

static void open_created(struct request *r, struct staged *staged, struct fuse_entry_param *entry)
{
    struct handle *handle = handle_new(r->fs, &r->result);

    if (handle == NULL || !staged_attach(staged, handle)) {
        handle_free(r->fs, handle);
        fuse_reply_err(r->req, ENOMEM);
        return;
    }
    handle->opener = caller_process(fuse_req_ctx(r->req)->pid);
    entry->attr_timeout = CREATED_SECONDS;
    r->fi.fh = (uintptr_t)handle;
    r->fi.keep_cache = 0;
    if (fuse_reply_create(r->req, entry, &r->fi) != 0)
        handle_free(r->fs, handle);
}

static void reply_created(struct request *r)
{
    struct fuse_entry_param entry;
    struct staged *staged;

    r->result.kind = CACHE_STAGED;
    r->result.parent = r->inode.ino;
    snprintf(r->result.name, sizeof(r->result.name), "%s", r->name);
    staged = staged_get(r->fs, &r->result);
    if (staged == NULL) {
        fuse_reply_err(r->req, ENOMEM);
        return;
    }
    if (r->inode.ino == FS_TRASHCAN_INFO)
        staged_enter_info(staged);
    told_inode(r->fs->told, r->result.ino, true);
    attr_fill_shown(r->fs, &r->result, &entry);
    if (r->plus)
        fuse_reply_entry(r->req, &entry);
    else
        open_created(r, staged, &entry);
    staged_drop(staged);
}

/* The name is taken though the kernel did not know: ESTALE has it look again. */
static void create_resume(struct wait *wait, enum sync_error error)
{
    struct request *r = (struct request *)wait;

    if (error == SYNC_OK)
        reply_created(r);
    else if (error == SYNC_ERR_EXISTS && (r->fi.flags & O_EXCL) == 0 && !r->plus)
        fuse_reply_err(r->req, ESTALE);
    else
        fuse_reply_err(r->req, fs_errno(error));
    wait_free(wait);
}

static void create_reached(struct wait *wait, enum sync_error error)
{
    struct request *r = (struct request *)wait;

    if (error == SYNC_OK) {
        wait->ask = create_ask;
        wait->resume = create_resume;
        wait_start(wait);
        return;
    }
    fuse_reply_err(r->req, reach_errno(error));
    wait_free(wait);
}

/* `fi` NULL: mknod. */
static void create_any(fuse_req_t req, uint64_t parent, const char *name,
                       const struct fuse_file_info *fi)
{
    struct fs *fs = fs_of(req);
    struct cache_inode directory;
    struct request *r;
    int error = attr_get(fs, trashcan_real(fs, parent), &directory);

    if (error == 0)
        error = create_check(fs, &directory, name);
    if (error != 0) {
        fuse_reply_err(req, error);
        return;
    }
    r = request_new_change(fs, req);
    if (r == NULL)
        return;
    r->inode = directory;
    snprintf(r->name, sizeof(r->name), "%s", name);
    r->plus = fi == NULL;
    if (fi != NULL)
        r->fi = *fi;
    bool stays = name_is_scratch(name) || directory.ino == FS_TRASHCAN_INFO;
    r->wait.ask = stays ? create_ask : reach_ask;
    r->wait.resume = stays ? create_resume : create_reached;
    wait_start(&r->wait);
}

void fs_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
               struct fuse_file_info *fi)
{
    create_any(req, parent, name, fi);
}

void fs_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
    if (S_ISREG(mode))
        create_any(req, parent, name, NULL);
    else
        fuse_reply_err(req, EPERM);
}

/* ---- write ---- */

/* 0 or an errno; EAGAIN: it is busy. */
static int write_now(struct handle *handle, const char *data, size_t size, off_t offset, int flags,
                     bool writeback)
{
    struct staged *staged = handle->staged;
    uint64_t at = (uint64_t)offset;
    bool had_date;
    int error;

    pthread_mutex_lock(&staged->io);
    had_date = staged->has_date;
    if ((flags & O_APPEND) != 0 && !writeback)
        at = staged_size(staged);
    if (staged->busy)
        error = EAGAIN;
    else if (staged->failed != 0)
        error = staged->failed;
    else
        error = staged_write(staged, at, data, size);
    if (error == 0) {
        staged->has_date = had_date && writeback;
        atomic_store(&handle->wrote, true);
    }
    pthread_mutex_unlock(&staged->io);
    return error;
}

static sync_ticket write_ask(struct wait *wait, sync_done_fn *done, void *ctx)
{
    struct request *r = (struct request *)wait;

    return staged_want(r->staged, done, ctx);
}

static void write_resume(struct wait *wait, enum sync_error error)
{
    struct request *r = (struct request *)wait;
    int failed = fs_errno(error);

    if (failed == 0)
        failed = write_now(r->handle, r->data, r->size, r->offset, r->fi.flags, r->writeback);
    if (failed == EAGAIN && error == SYNC_OK) {
        wait_start(wait);
        return;
    }
    if (failed != 0)
        fuse_reply_err(r->req, failed);
    else
        fuse_reply_write(r->req, r->size);
    wait_free(wait);
}

static void write_later(fuse_req_t req, struct handle *handle, const char *data, size_t size,
                        off_t offset, const struct fuse_file_info *fi)
{
    struct request *r = request_new_change(fs_of(req), req);

    if (r == NULL)
        return;
    r->data = malloc(size);
    if (r->data == NULL) {
        fuse_reply_err(req, ENOMEM);
        wait_free(&r->wait);
        return;
    }
    memcpy(r->data, data, size);
    staged_hold(handle->staged);
    r->staged = handle->staged;
    r->handle = handle;
    r->size = size;
    r->offset = offset;
    r->fi = *fi;
    r->writeback = fi->writepage;
    r->wait.ask = write_ask;
    r->wait.resume = write_resume;
    wait_start(&r->wait);
}

void fs_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t offset,
              struct fuse_file_info *fi)
{
    struct handle *handle = handle_of(fi);
    int error;

    if (handle->staged == NULL) {
        fuse_reply_err(req, EBADF);
        return;
    }
    error = write_now(handle, data, size, offset, fi->flags, fi->writepage);
    if (error == EAGAIN)
        write_later(req, handle, data, size, offset, fi);
    else if (error != 0)
        fuse_reply_err(req, error);
    else
        fuse_reply_write(req, size);
}
