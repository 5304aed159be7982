/*
 * `.text/MAILBOX/NAME.txt`: each message as a person reads it (message/text_view.h). The size is an
 * estimate, the message's own, until the text was made once; open makes it, or finds it kept with
 * the body, and settles the size before it answers, as the open of a message does (file.c). mtime
 * is the message's. FUSE's workers; what waited goes on in sync's threads.
 */
#include "fs/rooms.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/texts.h"
#include "message/text_view.h"

enum { AHEAD = 24, NEAR = 1000 };

static const char suffix[] = ".txt";

/* The exact size of the text, if anybody knows it. */
static bool find_size(struct fs *fs, const struct cache_inode *row, uint64_t *size)
{
    struct cache_inode open;
    struct rendered *rendered;

    if (cache_text_find(fs->cache, row->message, MESSAGE_TEXT_VERSION, size) == CACHE_OK)
        return true;
    rendered = sync_view(fs->sync, RENDERED_TEXT, row->message, 0);
    if (rendered != NULL) {
        *size = rendered->size;
        rendered_drop(&rendered);
        return true;
    }
    if (!room_find_open(fs, ROOM_INO(ROOM_TEXT, row->ino), &open))
        return false;
    *size = open.size;
    return true;
}

static void fill(struct fs *fs, const struct cache_inode *row, struct cache_inode *inode)
{
    room_inode(ROOM_TEXT, suffix, row, inode);
    if (row->kind != CACHE_DIRECTORY)
        inode->size_exact = find_size(fs, row, &inode->size);
}

static void reply_row(fuse_req_t req, const struct cache_inode *row)
{
    struct fs *fs = fs_of(req);
    struct cache_inode inode;

    fill(fs, row, &inode);
    told_inode(fs->rooms_told, inode.ino, inode.kind == CACHE_DIRECTORY || inode.size_exact);
    room_reply_entry(req, &inode);
}

static void text_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    room_lookup(req, parent, name, suffix, reply_row);
}

static bool text_getattr(fuse_req_t req, fuse_ino_t ino)
{
    struct fs *fs = fs_of(req);
    struct cache_inode row, inode;
    struct stat st;

    if (!room_find_open(fs, ino, &inode)) { /* also when its message is gone */
        if (room_row(fs, ino, &row) != 0)
            return false;
        fill(fs, &row, &inode);
        told_inode(fs->rooms_told, ino, inode.kind == CACHE_DIRECTORY || inode.size_exact);
    }
    attr_fill(fs, &inode, &st);
    fuse_reply_attr(req, &st, FS_FOREVER);
    return true;
}

static void text_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                         struct fuse_file_info *fi, bool plus)
{
    room_readdir(req, size, offset, fi, plus, fill);
}

/* The text that is kept with the body: pins it. */
static bool pin_kept(struct fs *fs, int64_t message, uint64_t *size)
{
    uint64_t body;

    if (cache_body_pin(fs->cache, message, &body) != CACHE_OK)
        return false;
    if (cache_text_find(fs->cache, message, MESSAGE_TEXT_VERSION, size) == CACHE_OK)
        return true;
    cache_body_unpin(fs->cache, message);
    return false;
}

/* Who reads texts in the order of the directory that are not made yet finds the next ones made. */
static void foresee(struct fs *fs, const struct cache_inode *row)
{
    uint64_t last = atomic_exchange(&fs->text_last, row->ino);
    uint64_t ahead = atomic_load(&fs->text_ahead);
    struct cache_inode *rows;
    int64_t messages[AHEAD];
    size_t count = 0, wanted = 0;

    if (row->ino == last) /* it waited for the view */
        return;
    if (row->ino <= last || row->ino - last > NEAR)
        ahead = 0; /* somewhere else, or the first */
    else if (ahead > row->ino + AHEAD / 2)
        return;
    if (ahead < row->ino)
        ahead = row->ino;
    rows = calloc(AHEAD, sizeof(*rows));
    if (rows != NULL && last != 0)
        (void)cache_inode_list(fs->cache, row->parent, ahead, rows, AHEAD, &count);
    for (size_t i = 0; i < count; i++) {
        ahead = rows[i].ino;
        if (rows[i].kind == CACHE_MESSAGE)
            messages[wanted++] = rows[i].message;
    }
    atomic_store(&fs->text_ahead, ahead);
    free(rows);
    sync_foresee_texts(fs->sync, messages, wanted);
}

static bool attempt_open(struct request *r)
{
    struct fs *fs = r->fs;
    struct cache_inode inode;
    struct rendered *rendered = sync_view(fs->sync, RENDERED_TEXT, r->inode.message, 0);
    uint64_t size = 0;
    bool kept = rendered == NULL && pin_kept(fs, r->inode.message, &size);

    if (!kept)
        foresee(fs, &r->inode);
    if (!kept && rendered == NULL)
        return false;
    if (!kept)
        size = rendered->size;
    room_inode(ROOM_TEXT, suffix, &r->inode, &inode);
    inode.size = size;
    inode.size_exact = true;
    if (told_suspect(fs->rooms_told, inode.ino)) {
        fuse_lowlevel_notify_inval_inode(fs->session, inode.ino, -1, 0);
        told_settled(fs->rooms_told, inode.ino);
    }
    room_reply_open(r->req, &inode, &r->fi, rendered);
    return true;
}

static void text_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct request now = {
        .fs = fs_of(req), .req = req, .fi = *fi, .view = RENDERED_TEXT, .attempt = attempt_open};
    int error = room_row(now.fs, ino, &now.inode);

    if (error == 0 && now.inode.kind == CACHE_DIRECTORY)
        error = EISDIR;
    if (error != 0)
        fuse_reply_err(req, error);
    else
        room_try(&now);
}

static void text_gone(struct fs *fs, const struct cache_change *change)
{
    char name[CACHE_NAME_MAX + sizeof(suffix)];
    uint64_t parent = ROOM_INO(ROOM_TEXT, change->parent);
    uint64_t ino = ROOM_INO(ROOM_TEXT, change->ino);

    /* Of the two forms the kernel knows one, or none. */
    notify_gone(fs->notifier, parent, ino, change->name);
    if (strlen(change->name) + sizeof(suffix) <= CACHE_NAME_MAX + 1) {
        strcpy(name, change->name);
        strcat(name, suffix);
        notify_gone(fs->notifier, parent, ino, name);
    }
}

const struct room room_text = {
    .number = ROOM_TEXT,
    .name = ".text",
    .lookup = text_lookup,
    .getattr = text_getattr,
    .opendir = room_opendir,
    .readdir = text_readdir,
    .open = text_open,
    .read = room_read,
    .gone = text_gone,
};
