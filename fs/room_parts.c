/*
 * `.parts/MAILBOX/NAME/`: each message as a directory of its decoded parts (message/parts.h). The
 * list of a message's parts is made when its directory is looked into, and again when it is no
 * longer held; nothing of it is stored: it follows from the bytes of the message. Sizes are exact
 * from the list on.
 *
 * An inner number is the message's row, and above it the place of the entry in the list plus one;
 * 0 is the message's directory itself. FUSE's workers; what waited goes on in sync's threads.
 */
#include "fs/rooms.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PART_SHIFT = 46 };

static uint64_t part_of(uint64_t ino)
{
    return ROOM_OWN(ino) >> PART_SHIFT;
}

static uint64_t part_ino(uint64_t row, uint64_t part)
{
    return ROOM_INO(ROOM_PARTS, row | part << PART_SHIFT);
}

/* The directory that an entry is in. */
static uint64_t directory_of(const struct message_part *entry)
{
    return entry->parent < 0 ? 0 : (uint64_t)entry->parent + 1;
}

/* A mailbox, or a message, which is a directory here. */
static void fill(struct fs *fs, const struct cache_inode *row, struct cache_inode *inode)
{
    room_inode(ROOM_PARTS, "", row, inode);
    inode->kind = CACHE_DIRECTORY;
    inode->size = 0;
}

static void fill_part(const struct cache_inode *row, const struct message_parts *parts,
                      uint64_t part, struct cache_inode *inode)
{
    const struct message_part *entry = message_parts_get(parts, part - 1);

    *inode = *row;
    inode->ino = part_ino(row->ino, part);
    inode->parent = part_ino(row->ino, directory_of(entry));
    inode->kind = entry->directory ? CACHE_DIRECTORY : CACHE_MESSAGE;
    inode->size = entry->size;
    inode->size_exact = true;
    snprintf(inode->name, sizeof(inode->name), "%s", entry->name);
}

/* ---- with the list of parts ---- */

static struct rendered *list_of(const struct request *r)
{
    return sync_view(r->fs->sync, RENDERED_LIST, r->inode.message, 0);
}

/* The list is as the kernel knew it: a part that is not in it was never told of. */
static bool has_part(const struct rendered *list, uint64_t part)
{
    return part >= 1 && part <= message_parts_count(list->parts);
}

static bool attempt_lookup(struct request *r)
{
    struct rendered *list = list_of(r);
    struct cache_inode inode;
    uint64_t parent = r->after, part = 0;

    if (list == NULL)
        return false;
    for (size_t i = 0; i < message_parts_count(list->parts) && part == 0; i++) {
        const struct message_part *entry = message_parts_get(list->parts, i);
        if (directory_of(entry) == parent && strcmp(entry->name, r->name) == 0)
            part = i + 1;
    }
    if (part != 0) {
        fill_part(&r->inode, list->parts, part, &inode);
        room_reply_entry(r->req, &inode);
    } else {
        fuse_reply_err(r->req, ENOENT);
    }
    rendered_drop(&list);
    return true;
}

static bool attempt_getattr(struct request *r)
{
    struct rendered *list = list_of(r);
    struct cache_inode inode;
    struct stat st;

    if (list == NULL)
        return false;
    if (has_part(list, r->after)) {
        fill_part(&r->inode, list->parts, r->after, &inode);
        attr_fill(r->fs, &inode, &st);
        fuse_reply_attr(r->req, &st, FS_FOREVER);
    } else {
        fuse_reply_err(r->req, ESTALE);
    }
    rendered_drop(&list);
    return true;
}

static bool attempt_opendir(struct request *r)
{
    struct rendered *list = list_of(r);
    struct cache_inode inode;
    struct handle *handle;

    if (list == NULL)
        return false;
    fill(r->fs, &r->inode, &inode);
    if (has_part(list, r->after))
        fill_part(&r->inode, list->parts, r->after, &inode);
    else if (r->after != 0)
        inode.kind = CACHE_MESSAGE;
    if (inode.kind != CACHE_DIRECTORY) {
        rendered_drop(&list);
        fuse_reply_err(r->req, ENOTDIR);
        return true;
    }
    handle = handle_new(r->fs, &inode);
    if (handle == NULL) {
        rendered_drop(&list);
        fuse_reply_err(r->req, ENOMEM);
        return true;
    }
    handle->rendered = list; /* the list stays the same while the directory is open */
    r->fi.fh = (uintptr_t)handle;
    if (fuse_reply_open(r->req, &r->fi) != 0)
        handle_free(r->fs, handle);
    return true;
}

static bool attempt_open(struct request *r)
{
    struct rendered *list, *bytes;
    struct cache_inode inode;
    bool is_file;

    r->view = RENDERED_LIST;
    list = list_of(r);
    if (list == NULL)
        return false;
    is_file = has_part(list, r->after) && !message_parts_get(list->parts, r->after - 1)->directory;
    if (is_file)
        fill_part(&r->inode, list->parts, r->after, &inode);
    rendered_drop(&list);
    if (!is_file) {
        fuse_reply_err(r->req, EISDIR);
        return true;
    }
    r->view = RENDERED_PART;
    r->part = (uint32_t)(r->after - 1);
    bytes = sync_view(r->fs->sync, RENDERED_PART, r->inode.message, r->part);
    if (bytes == NULL)
        return false;
    room_reply_open(r->req, &inode, &r->fi, bytes);
    return true;
}

/* The request about a message's parts; false: answered, its row is gone. */
static bool part_request(fuse_req_t req, uint64_t ino, bool (*attempt)(struct request *r),
                         struct request *now)
{
    int error;

    *now = (struct request){.fs = fs_of(req),
                            .req = req,
                            .view = RENDERED_LIST,
                            .attempt = attempt,
                            .after = part_of(ino)};
    error = room_row(now->fs, ino, &now->inode);
    if (error != 0)
        fuse_reply_err(req, error);
    return error == 0;
}

/* ---- callbacks ---- */

static void reply_row(fuse_req_t req, const struct cache_inode *row)
{
    struct cache_inode inode;

    fill(fs_of(req), row, &inode);
    room_reply_entry(req, &inode);
}

static void parts_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct request now;

    if (!part_request(req, parent, attempt_lookup, &now))
        return;
    if (now.inode.kind == CACHE_DIRECTORY) {
        room_lookup(req, parent, name, "", reply_row);
        return;
    }
    snprintf(now.name, sizeof(now.name), "%s", name);
    room_try(&now);
}

static bool parts_getattr(fuse_req_t req, fuse_ino_t ino)
{
    struct fs *fs = fs_of(req);
    struct cache_inode inode;
    struct request now;
    struct stat st;

    if (room_find_open(fs, ino, &inode)) { /* also when its message is gone */
        attr_fill(fs, &inode, &st);
        fuse_reply_attr(req, &st, FS_FOREVER);
        return true;
    }
    if (!part_request(req, ino, attempt_getattr, &now))
        return true;
    if (now.after == 0) {
        fill(fs, &now.inode, &inode);
        attr_fill(fs, &inode, &st);
        fuse_reply_attr(req, &st, FS_FOREVER);
    } else {
        room_try(&now);
    }
    return true;
}

static void parts_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct request now;

    if (!part_request(req, ino, attempt_opendir, &now))
        return;
    now.fi = *fi;
    if (now.inode.kind == CACHE_DIRECTORY)
        room_opendir(req, ino, fi);
    else
        room_try(&now);
}

/* Entries of an open directory of parts: an entry's offset is its place in the list plus three. */
static void list_parts(fuse_req_t req, size_t size, off_t offset, const struct handle *handle,
                       bool plus)
{
    struct room_filler f = {
        .req = req, .size = size, .plus = plus, .attributes = plus, .data = malloc(size)};
    const struct message_parts *parts = handle->rendered->parts;
    uint64_t directory = part_of(handle->inode.ino);
    struct cache_inode row = handle->inode, inode;
    bool full = false;

    if (f.data == NULL) {
        fuse_reply_err(req, ENOMEM);
        return;
    }
    row.ino = ROOM_OWN(handle->inode.ino) & ((UINT64_C(1) << PART_SHIFT) - 1);
    room_put_dots(&f, &handle->inode, offset);
    for (uint64_t part = dir_ino_of(offset) + 1; part <= message_parts_count(parts) && !full;
         part++) {
        if (directory_of(message_parts_get(parts, part - 1)) != directory)
            continue;
        fill_part(&row, parts, part, &inode);
        full = !room_put(&f, &inode, inode.name, dir_offset_of(part));
    }
    room_answer(&f);
}

static void parts_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                          struct fuse_file_info *fi, bool plus)
{
    const struct handle *handle = handle_of(fi);

    if (handle->rendered != NULL)
        list_parts(req, size, offset, handle, plus);
    else
        room_readdir(req, size, offset, fi, plus, fill);
}

static void parts_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct request now;

    if (!part_request(req, ino, attempt_open, &now))
        return;
    now.fi = *fi;
    if (now.after == 0)
        fuse_reply_err(req, EISDIR);
    else
        room_try(&now);
}

static void parts_gone(struct fs *fs, const struct cache_change *change)
{
    notify_gone(fs->notifier, ROOM_INO(ROOM_PARTS, change->parent), part_ino(change->ino, 0),
                change->name);
}

const struct room room_parts = {
    .number = ROOM_PARTS,
    .name = ".parts",
    .lookup = parts_lookup,
    .getattr = parts_getattr,
    .opendir = parts_opendir,
    .readdir = parts_readdir,
    .open = parts_open,
    .read = room_read,
    .gone = parts_gone,
};
