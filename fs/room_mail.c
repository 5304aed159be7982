/*
 * What the rooms share that show the tree of mailboxes and messages once more: a name in them is a
 * name of the tree, an inode a row of it with other high bits, so nothing is kept here. The kernel
 * keeps names and attributes for ever, as of the tree itself, and hears of the same changes; but no
 * listing is cached, so new entries need no notice.
 */
#include "fs/rooms.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/texts.h"

enum { ROWS_MAX = 128, ATTEMPTS_MAX = 4 };

/* Of an inner number: the row's; above it: the part's. */
#define ROW_BITS ((UINT64_C(1) << 46) - 1)

int room_row(struct fs *fs, uint64_t ino, struct cache_inode *row)
{
    enum cache_error error = cache_inode_get(fs->cache, ROOM_OWN(ino) & ROW_BITS, row);

    if (error == CACHE_OK && row->kind != CACHE_DIRECTORY && row->kind != CACHE_MESSAGE)
        error = CACHE_ERR_ABSENT;
    return error == CACHE_ERR_ABSENT ? ESTALE : fs_errno_of_cache(error);
}

void room_inode(unsigned number, const char *suffix, const struct cache_inode *row,
                struct cache_inode *inode)
{
    *inode = *row;
    inode->ino = ROOM_INO(number, row->ino);
    inode->parent = row->ino == CACHE_ROOT_INO ? CACHE_ROOT_INO : ROOM_INO(number, row->parent);
    if (row->kind == CACHE_MESSAGE)
        snprintf(inode->name, sizeof(inode->name), "%.*s%s", (int)(CACHE_NAME_MAX - strlen(suffix)),
                 row->name, suffix);
}

static bool is_shown(const struct cache_inode *row)
{
    return row->kind == CACHE_MESSAGE || row->kind == CACHE_DIRECTORY;
}

/* A message called `name`, or `name` with ".eml". */
static enum cache_error find_message(struct fs *fs, uint64_t directory, const char *name,
                                     struct cache_inode *row)
{
    char whole[CACHE_NAME_MAX + 8];
    enum cache_error error = cache_inode_lookup(fs->cache, directory, name, row);

    if (error == CACHE_OK && row->kind == CACHE_MESSAGE)
        return error;
    if (error != CACHE_OK && error != CACHE_ERR_ABSENT)
        return error;
    snprintf(whole, sizeof(whole), "%s.eml", name);
    error = strlen(whole) > CACHE_NAME_MAX ? CACHE_ERR_ABSENT
                                           : cache_inode_lookup(fs->cache, directory, whole, row);
    return error == CACHE_OK && row->kind != CACHE_MESSAGE ? CACHE_ERR_ABSENT : error;
}

enum cache_error room_find(struct fs *fs, uint64_t parent, const char *name, const char *suffix,
                           struct cache_inode *row)
{
    uint64_t directory = ROOM_OWN(parent) & ROW_BITS;
    size_t len = strlen(name), more = strlen(suffix);
    char stem[CACHE_NAME_MAX + 1];
    enum cache_error error = cache_inode_lookup(fs->cache, directory, name, row);

    if (error == CACHE_OK && row->ino != CACHE_ROOT_INO && row->kind == CACHE_DIRECTORY)
        return error;
    if (error != CACHE_OK && error != CACHE_ERR_ABSENT)
        return error;
    if (len <= more || strcmp(name + len - more, suffix) != 0)
        return CACHE_ERR_ABSENT;
    snprintf(stem, sizeof(stem), "%.*s", (int)(len - more), name);
    return find_message(fs, directory, stem, row);
}

/* ---- waits ---- */

static sync_ticket view_ask(struct wait *wait, sync_done_fn *done, void *ctx)
{
    struct request *r = (struct request *)wait;

    return sync_want_view(r->fs->sync, r->view, r->inode.message, r->part, done, ctx);
}

static void view_resume(struct wait *wait, enum sync_error error)
{
    struct request *r = (struct request *)wait;

    if (error != SYNC_OK) {
        fuse_reply_err(r->req, fs_errno(error));
    } else if (!r->attempt(r)) {
        if (++r->attempts < ATTEMPTS_MAX) {
            wait_start(wait);
            return;
        }
        fuse_reply_err(r->req, EIO);
    }
    wait_free(wait);
}

void room_try(const struct request *now)
{
    struct request first = *now, *r;

    if (first.attempt(&first))
        return;
    r = request_new(now->fs, now->req);
    if (r == NULL)
        return;
    first.wait = r->wait;
    *r = first;
    r->wait.ask = view_ask;
    r->wait.resume = view_resume;
    wait_start(&r->wait);
}

static sync_ticket listing_ask(struct wait *wait, sync_done_fn *done, void *ctx)
{
    struct request *r = (struct request *)wait;

    return sync_want_listing(r->fs->sync, r->inode.mailbox, done, ctx);
}

/* Whether the mailbox was never listed to the end. */
static bool is_unlisted(struct fs *fs, int64_t mailbox)
{
    struct cache_mailbox row = {0};
    bool unlisted;

    if (mailbox == 0 || cache_mailbox_get(fs->cache, mailbox, &row) != CACHE_OK)
        return false;
    unlisted = row.selectable && !row.listed;
    cache_mailbox_free(&row);
    return unlisted;
}

/* ---- lookup ---- */

struct lookup {
    struct request request; /* first */
    const char *suffix;
    void (*reply)(fuse_req_t req, const struct cache_inode *row);
    uint64_t parent;
};

static void lookup_resume(struct wait *wait, enum sync_error error)
{
    struct lookup *l = (struct lookup *)wait;
    struct cache_inode row;
    enum cache_error found;

    if (error != SYNC_OK) {
        fuse_reply_err(l->request.req, fs_errno(error));
    } else {
        found = room_find(l->request.fs, l->parent, l->request.name, l->suffix, &row);
        if (found == CACHE_OK)
            l->reply(l->request.req, &row);
        else
            fuse_reply_err(l->request.req, fs_errno_of_cache(found));
    }
    wait_free(wait);
}

void room_lookup(fuse_req_t req, fuse_ino_t parent, const char *name, const char *suffix,
                 void (*reply)(fuse_req_t req, const struct cache_inode *row))
{
    struct fs *fs = fs_of(req);
    struct cache_inode row, directory;
    enum cache_error error = room_find(fs, parent, name, suffix, &row);
    struct lookup *l;

    if (error == CACHE_OK) {
        reply(req, &row);
        return;
    }
    if (error != CACHE_ERR_ABSENT || name[0] == '.' || room_row(fs, parent, &directory) != 0 ||
        !is_unlisted(fs, directory.mailbox)) {
        fuse_reply_err(req, fs_errno_of_cache(error));
        return;
    }
    l = wait_new(&fs->waits, sizeof(*l), req);
    if (l == NULL) {
        fuse_reply_err(req, ENOMEM);
        return;
    }
    l->request.fs = fs;
    l->request.req = req;
    l->request.inode = directory;
    snprintf(l->request.name, sizeof(l->request.name), "%s", name);
    l->suffix = suffix;
    l->reply = reply;
    l->parent = parent;
    l->request.wait.locked = parent;
    l->request.wait.ask = listing_ask;
    l->request.wait.resume = lookup_resume;
    wait_start(&l->request.wait);
}

/* ---- directories ---- */

static void reply_opendir(struct fs *fs, fuse_req_t req, struct fuse_file_info *fi,
                          const struct cache_inode *row, uint64_t ino)
{
    struct cache_inode inode;
    struct handle *handle;

    room_inode(ROOM_NUMBER(ino), "", row, &inode);
    handle = handle_new(fs, &inode);
    if (handle == NULL) {
        fuse_reply_err(req, ENOMEM);
        return;
    }
    fi->fh = (uintptr_t)handle;
    if (fuse_reply_open(req, fi) != 0)
        handle_free(fs, handle);
}

/* A listing that is whole may be read whatever a refresh says; one that is not, not at all. */
static void opendir_resume(struct wait *wait, enum sync_error error)
{
    struct request *r = (struct request *)wait;
    bool unlisted = is_unlisted(r->fs, r->inode.mailbox);

    if (error == SYNC_ERR_GONE || error == SYNC_ERR_STOPPING || (error != SYNC_OK && unlisted))
        fuse_reply_err(r->req, fs_errno(error));
    else if (unlisted)
        fuse_reply_err(r->req, EIO);
    else
        reply_opendir(r->fs, r->req, &r->fi, &r->inode, r->after);
    wait_free(wait);
}

void room_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct fs *fs = fs_of(req);
    struct cache_inode row;
    struct request *r;
    int error = room_row(fs, ino, &row);

    if (error == 0 && row.kind != CACHE_DIRECTORY)
        error = ENOTDIR;
    if (error != 0) {
        fuse_reply_err(req, error);
        return;
    }
    r = request_new(fs, req);
    if (r == NULL)
        return;
    r->inode = row;
    r->fi = *fi;
    r->after = ino;
    r->wait.ask = listing_ask;
    r->wait.resume = opendir_resume;
    wait_start(&r->wait);
}

bool room_put(struct room_filler *f, const struct cache_inode *inode, const char *name, off_t next)
{
    struct fuse_entry_param entry;
    size_t room = f->size - f->used, need;

    attr_fill_entry(fs_of(f->req), inode, &entry);
    if (f->type != 0)
        entry.attr.st_mode = f->type;
    if (!f->plus) {
        need = fuse_add_direntry(f->req, f->data + f->used, room, name, &entry.attr, next);
    } else {
        if (!f->attributes)
            entry.ino = 0;
        need = fuse_add_direntry_plus(f->req, f->data + f->used, room, name, &entry, next);
    }
    if (need > room)
        return false;
    f->used += need;
    return true;
}

void room_put_dots(struct room_filler *f, const struct cache_inode *directory, off_t offset)
{
    struct cache_inode up = *directory;
    bool attributes = f->attributes;

    up.ino = directory->parent;
    f->attributes = false;
    if (offset >= 1 || room_put(f, directory, ".", 1)) {
        if (offset < 2)
            (void)room_put(f, &up, "..", 2);
    }
    f->attributes = attributes;
}

void room_answer(struct room_filler *f)
{
    fuse_reply_buf(f->req, f->data, f->used);
    free(f->data);
}

/* Rows from `after` on, until it is full or there are no more. */
static enum cache_error put_rows(struct room_filler *f, struct handle *handle, uint64_t after,
                                 void (*fill)(struct fs *fs, const struct cache_inode *row,
                                              struct cache_inode *inode))
{
    struct fs *fs = fs_of(f->req);
    struct cache_inode *rows = calloc(ROWS_MAX, sizeof(*rows));
    enum cache_error error = rows == NULL ? CACHE_ERR_MEMORY : CACHE_OK;
    size_t count = 1;
    bool full = false;

    while (error == CACHE_OK && count > 0 && !full) {
        size_t fit = (f->size - f->used) / 160 + 1;
        error = cache_inode_list(fs->cache, ROOM_OWN(handle->inode.ino) & ROW_BITS, after, rows,
                                 fit < ROWS_MAX ? fit : ROWS_MAX, &count);
        for (size_t i = 0; error == CACHE_OK && i < count && !full; i++) {
            struct cache_inode inode;
            if (is_shown(&rows[i]) && rows[i].ino != CACHE_ROOT_INO) {
                fill(fs, &rows[i], &inode);
                full = !room_put(f, &inode, inode.name, dir_offset_of(rows[i].ino));
                if (!full && f->attributes)
                    told_inode(fs->rooms_told, inode.ino,
                               inode.kind == CACHE_DIRECTORY || inode.size_exact);
                atomic_fetch_add(&handle->served, full ? 0 : 1);
            }
            after = full ? after : rows[i].ino;
        }
    }
    free(rows);
    return error;
}

void room_readdir(fuse_req_t req, size_t size, off_t offset, struct fuse_file_info *fi, bool plus,
                  void (*fill)(struct fs *fs, const struct cache_inode *row,
                               struct cache_inode *inode))
{
    struct handle *handle = handle_of(fi);
    struct room_filler f = {.req = req, .size = size, .plus = plus, .data = malloc(size)};
    enum cache_error error = CACHE_ERR_MEMORY;

    f.attributes = plus && atomic_load(&handle->served) < FS_PLUS_MAX;
    if (f.data != NULL) {
        room_put_dots(&f, &handle->inode, offset);
        error = put_rows(&f, handle, dir_ino_of(offset), fill);
    }
    if (error == CACHE_OK || f.used > 0) {
        room_answer(&f);
        return;
    }
    fuse_reply_err(req, error == CACHE_ERR_ABSENT ? ESTALE : fs_errno_of_cache(error));
    free(f.data);
}

/* ---- open files ---- */

bool room_find_open(struct fs *fs, uint64_t ino, struct cache_inode *inode)
{
    bool found = false;

    pthread_mutex_lock(&fs->handles_lock);
    for (const struct handle *h = fs->handles; h != NULL && !found; h = h->next) {
        found = h->inode.ino == ino && h->inode.kind == CACHE_MESSAGE;
        if (found)
            *inode = h->inode;
    }
    pthread_mutex_unlock(&fs->handles_lock);
    return found;
}

void room_reply_open(fuse_req_t req, const struct cache_inode *inode, struct fuse_file_info *fi,
                     struct rendered *rendered)
{
    struct fs *fs = fs_of(req);
    struct handle *handle = handle_new(fs, inode);

    if (handle == NULL) {
        if (rendered == NULL)
            cache_body_unpin(fs->cache, inode->message);
        rendered_drop(&rendered);
        fuse_reply_err(req, ENOMEM);
        return;
    }
    pthread_mutex_lock(&fs->handles_lock);
    handle->rendered = rendered;
    handle->kept_text = handle->pinned = rendered == NULL;
    pthread_mutex_unlock(&fs->handles_lock);
    fi->fh = (uintptr_t)handle;
    fi->keep_cache = 1; /* a view never changes */
    fi->noflush = 1;
    if (fuse_reply_open(req, fi) != 0)
        handle_free(fs, handle);
}

void room_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi)
{
    const struct handle *handle = handle_of(fi);
    uint64_t whole = handle->inode.size;
    char *data;
    size_t got = 0;
    bool good;

    if (offset < 0 || (uint64_t)offset >= whole) {
        fuse_reply_buf(req, NULL, 0);
        return;
    }
    if (size > whole - (uint64_t)offset)
        size = (size_t)(whole - (uint64_t)offset);
    data = malloc(size);
    if (data == NULL) {
        fuse_reply_err(req, ENOMEM);
        return;
    }
    if (handle->kept_text)
        good = cache_text_read(fs_of(req)->cache, handle->inode.message, whole, (uint64_t)offset,
                               data, size, &got) == CACHE_OK &&
               got == size;
    else
        good = rendered_read(handle->rendered, (uint64_t)offset, data, size) == (ssize_t)size;
    if (good)
        fuse_reply_buf(req, data, size);
    else
        fuse_reply_err(req, EIO);
    free(data);
}
