/*
 * Directories. An entry's offset is its inode number plus two (one and two are "." and ".."), so
 * that telldir and seekdir hold while entries come and go, and a READDIR is one query: rows with a
 * greater number.
 *
 * A mailbox that was listed is opened after sync has had its chance to bring it up to date (at most
 * a grace period; without a network at once); its entries are cached by the kernel until something
 * changes. A mailbox that never was is opened at once, and read as its rows land: a READDIR that
 * finds none waits for the next ones, and only the end of the first listing ends the directory.
 * When the listing breaks off, READDIR fails: a listing cut short never looks complete.
 *
 * "listed" is read before the rows: the other way round, rows that land in between would be missed.
 */
#include "fs/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROWS_MAX = 128,
    ROUNDS_MAX = 100,      /* wake-ups of one READDIR that bring no entry */
    ENTRY_BYTES = 24 + 48, /* what an entry takes at least, with a shortish name */
    ENTRY_PLUS_BYTES = 152 + 48,
};

off_t dir_offset_of(uint64_t ino)
{
    return (off_t)(ino + 2);
}

uint64_t dir_ino_of(off_t offset)
{
    return offset > 2 ? (uint64_t)offset - 2 : 0;
}

/* One READDIR under way. */
struct filler {
    struct fs *fs;
    fuse_req_t req;
    struct handle *handle;
    char *data;
    size_t size, used;
    bool plus;       /* READDIRPLUS */
    bool attributes; /* entries carry theirs */
    bool full;
    uint64_t directory; /* whose entries they are */
    uint64_t after;     /* last entry that was put in */
};

static bool put(struct filler *f, const char *name, const struct cache_inode *inode, off_t next,
                bool attributes)
{
    struct fuse_entry_param entry;
    size_t room = f->size - f->used, need;

    attr_fill_shown(f->fs, inode, &entry);
    if (f->handle->inode.ino == FS_TRASHCAN_FILES)
        attributes = false;
    if (!f->plus) {
        need = fuse_add_direntry(f->req, f->data + f->used, room, name, &entry.attr, next);
    } else {
        if (!attributes)
            entry.ino = 0; /* "look it up yourself": the kernel makes no inode */
        need = fuse_add_direntry_plus(f->req, f->data + f->used, room, name, &entry, next);
    }
    f->full = need > room;
    if (!f->full)
        f->used += need;
    return !f->full;
}

/* "." and ".."; never with attributes, the kernel counts no lookup for them. */
static void put_dots(struct filler *f, off_t offset)
{
    struct cache_inode up = f->handle->inode;

    if (up.ino != CACHE_ROOT_INO)
        up.ino = up.parent;
    if (offset < 1 && !put(f, ".", &f->handle->inode, 1, false))
        return;
    if (offset < 2)
        put(f, "..", &up, 2, false);
}

static size_t rows_that_fit(const struct filler *f)
{
    size_t rows = (f->size - f->used) / (f->plus ? ENTRY_PLUS_BYTES : ENTRY_BYTES) + 1;

    return rows < ROWS_MAX ? rows : ROWS_MAX;
}

static void put_rows(struct filler *f, const struct cache_inode *rows, size_t count)
{
    bool files = f->handle->inode.ino == FS_TRASHCAN_FILES;

    for (size_t i = 0; i < count && !f->full; i++) {
        bool shown = rows[i].ino != CACHE_ROOT_INO && !(files && rows[i].kind == CACHE_DIRECTORY) &&
                     !whole_holds_back(f->fs->whole, &rows[i]);
        if (shown && !put(f, rows[i].name, &rows[i], dir_offset_of(rows[i].ino), f->attributes))
            return;
        if (f->attributes && shown)
            told_inode(f->fs->told, rows[i].ino,
                       rows[i].kind == CACHE_DIRECTORY || rows[i].size_exact);
        f->after = rows[i].ino;
        atomic_fetch_add(&f->handle->served, 1);
    }
}

/* Puts in entries until the buffer is full or the cache has no more. */
static enum cache_error fill(struct filler *f)
{
    struct cache_inode *rows = calloc(ROWS_MAX, sizeof(*rows));
    enum cache_error error = rows == NULL ? CACHE_ERR_MEMORY : CACHE_OK;
    size_t count = 1;

    while (error == CACHE_OK && count > 0 && !f->full) {
        told_enter(f->fs->told);
        error =
            cache_inode_list(f->fs->cache, f->directory, f->after, rows, rows_that_fit(f), &count);
        for (size_t i = 0; error == CACHE_OK && i < count; i++)
            attr_exact(f->fs, &rows[i]);
        if (error == CACHE_OK)
            put_rows(f, rows, count);
        told_leave(f->fs->told);
    }
    free(rows);
    return error;
}

/* What the mailbox row says of a directory. */
struct standing {
    bool listed; /* or has nothing to list: the root, and levels without messages */
    bool large;
};

static enum cache_error get_standing(struct fs *fs, int64_t mailbox, struct standing *standing)
{
    struct cache_mailbox row = {0};
    enum cache_error error;

    *standing = (struct standing){.listed = true};
    if (mailbox == 0)
        return CACHE_OK;
    error = cache_mailbox_get(fs->cache, mailbox, &row);
    if (error != CACHE_OK)
        return error;
    standing->listed = row.listed || !row.selectable;
    standing->large = row.messages > FS_PLUS_MAX;
    cache_mailbox_free(&row);
    return CACHE_OK;
}

enum outcome { ANSWERED, MUST_WAIT };

/* For a READDIR: C libraries take ENOENT there for the orderly end of the directory, so a listing
 * that failed would look complete, and empty. */
static int readdir_errno(int error)
{
    return error == ENOENT ? ESTALE : error;
}

/* Answers a READDIR from the cache, or says that it must wait for entries above *after. */
static enum outcome answer(const struct request *r, uint64_t *after)
{
    struct filler f = {.fs = r->fs, .req = r->req, .handle = r->handle, .size = r->size};
    struct standing standing;
    enum cache_error error = get_standing(r->fs, r->handle->inode.mailbox, &standing);
    enum outcome outcome = ANSWERED;

    f.data = malloc(r->size);
    f.directory = trashcan_real(r->fs, r->handle->inode.ino);
    f.after = dir_ino_of(r->offset);
    f.plus = r->plus;
    f.attributes = r->plus && !standing.large && atomic_load(&r->handle->served) < FS_PLUS_MAX;
    if (f.data == NULL)
        error = CACHE_ERR_MEMORY;
    if (error == CACHE_OK) {
        put_dots(&f, r->offset);
        error = fill(&f);
    }
    *after = f.after;
    if (error != CACHE_OK && f.used == 0)
        fuse_reply_err(r->req, readdir_errno(fs_errno_of_cache(error)));
    else if (f.used == 0 && f.full)
        fuse_reply_err(r->req, EINVAL); /* a buffer too small for one entry */
    else if (f.used == 0 && !standing.listed)
        outcome = MUST_WAIT;
    else
        fuse_reply_buf(r->req, f.data, f.used);
    free(f.data);
    return outcome;
}

static enum outcome serve(const struct request *r, uint64_t *after)
{
    unsigned turn = whole_answer_begin(r->fs->whole);
    enum outcome outcome = answer(r, after);

    whole_answer_end(r->fs->whole, turn);
    return outcome;
}

static sync_ticket readdir_ask(struct wait *wait, sync_done_fn *done, void *ctx)
{
    struct request *r = (struct request *)wait;

    return sync_want_entries(r->fs->sync, r->handle->inode.mailbox, r->after, done, ctx);
}

static void readdir_resume(struct wait *wait, enum sync_error error)
{
    struct request *r = (struct request *)wait;

    if (error != SYNC_OK) {
        fuse_reply_err(r->req, readdir_errno(fs_errno(error)));
    } else if (serve(r, &r->after) == MUST_WAIT) {
        if (++r->attempts < ROUNDS_MAX) {
            wait_start(wait);
            return;
        }
        fuse_reply_err(r->req, EIO);
    }
    wait_free(wait);
}

static void readdir_any(fuse_req_t req, size_t size, off_t offset, struct fuse_file_info *fi,
                        bool plus)
{
    struct request now = {.fs = fs_of(req),
                          .req = req,
                          .handle = handle_of(fi),
                          .size = size,
                          .offset = offset,
                          .plus = plus};
    struct request *r;
    uint64_t after;

    if (trashcan_is(now.handle->inode.ino) && now.handle->inode.ino != FS_TRASHCAN_FILES) {
        trashcan_readdir(req, size, offset, now.handle, plus);
        return;
    }
    if (serve(&now, &after) == ANSWERED)
        return;
    r = request_new(now.fs, req);
    if (r == NULL)
        return;
    r->handle = now.handle;
    r->size = size;
    r->offset = offset;
    r->plus = plus;
    r->after = after;
    r->wait.locked = now.handle->inode.ino;
    r->wait.ask = readdir_ask;
    r->wait.resume = readdir_resume;
    wait_start(&r->wait);
}

void fs_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                struct fuse_file_info *fi)
{
    readdir_any(req, size, offset, fi, false);
}

void fs_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                    struct fuse_file_info *fi)
{
    readdir_any(req, size, offset, fi, true);
}

/* Answers an OPENDIR. `whole`: what the cache has is the whole directory. */
static void reply_opendir(struct fs *fs, fuse_req_t req, struct fuse_file_info *fi,
                          const struct cache_inode *inode, bool whole)
{
    struct handle *handle = handle_new(fs, inode);

    if (handle == NULL) {
        fuse_reply_err(req, ENOMEM);
        return;
    }
    fi->fh = (uintptr_t)handle;
    whole = whole && !trashcan_is(inode->ino);
    fi->cache_readdir = whole;
    fi->keep_cache = whole && told_directory_opened(fs->told, inode->ino);
    if (fuse_reply_open(req, fi) != 0) {
        /* The caller is gone; the kernel dropped nothing. */
        told_directory_changed(fs->told, inode->ino);
        handle_free(fs, handle);
    }
}

static sync_ticket opendir_ask(struct wait *wait, sync_done_fn *done, void *ctx)
{
    struct request *r = (struct request *)wait;

    return sync_want_listing(r->fs->sync, r->inode.mailbox, done, ctx);
}

/* Whatever kept the refresh from its end, the list that is here stands; but not a mailbox that is
 * gone. */
static void opendir_resume(struct wait *wait, enum sync_error error)
{
    struct request *r = (struct request *)wait;
    struct standing standing;
    enum cache_error found = get_standing(r->fs, r->inode.mailbox, &standing);

    if (error == SYNC_ERR_GONE || error == SYNC_ERR_STOPPING)
        fuse_reply_err(r->req, fs_errno(error));
    else if (found != CACHE_OK)
        fuse_reply_err(r->req, fs_errno_of_cache(found));
    else
        reply_opendir(r->fs, r->req, &r->fi, &r->inode, standing.listed);
    wait_free(wait);
}

void fs_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct fs *fs = fs_of(req);
    struct standing standing;
    struct cache_inode inode;
    struct request *r;
    int error = attr_get(fs, ino, &inode);

    if (error == 0 && inode.kind != CACHE_DIRECTORY)
        error = ENOTDIR;
    if (error == 0)
        error = fs_errno_of_cache(get_standing(fs, inode.mailbox, &standing));
    if (error != 0) {
        fuse_reply_err(req, error);
        return;
    }
    if (!standing.listed) {
        reply_opendir(fs, req, fi, &inode, standing.listed);
        return;
    }
    r = request_new(fs, req);
    if (r == NULL)
        return;
    r->inode = inode;
    r->fi = *fi;
    r->wait.ask = opendir_ask;
    r->wait.resume = opendir_resume;
    wait_start(&r->wait);
}

void fs_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    handle_free(fs_of(req), handle_of(fi));
    fuse_reply_err(req, 0);
}
