/*
 * `.search/QUERY/`: relative links to the messages that match (CONTRACT.md section 3), named like
 * them. Every query that makes sense is a directory by its name; `.search` lists those that were
 * kept by mkdir. What is in one is searched for when it is opened (searches.h).
 *
 * An inode number holds the query's number above 40 bits and below them the message's own, 0 for
 * the query itself. Nothing is cached by the kernel for longer than a moment: numbers are
 * forgotten, and a kept query is not told from another by its number.
 *
 * mkdir(2) asks for the name before it makes it, and one that is there it refuses by itself. So
 * who is in mkdir is told that a query which is not kept is not there. Where /proc does not say
 * what the caller does (another pid namespace, a strict ptrace_scope), mkdir is EEXIST.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "fs/caller.h"
#include "fs/kept.h"
#include "fs/rooms.h"
#include "fs/searches.h"
#include "message/query.h"
#include "sync/search.h"

enum { NUMBER_SHIFT = 40, LINK_SECONDS = 1, ATTEMPTS = 3 };

#define ROW_BITS ((UINT64_C(1) << NUMBER_SHIFT) - 1)

static uint64_t number_of(uint64_t ino)
{
    return ROOM_OWN(ino) >> NUMBER_SHIFT;
}

static uint64_t ino_of(uint64_t number, uint64_t row)
{
    return ROOM_INO(ROOM_SEARCH, number << NUMBER_SHIFT | row);
}

/* ---- names of queries ---- */

/* `/` is written %2F, `%` %25. */
static void unescape(const char *name, char *query)
{
    for (; *name != '\0'; name++) {
        bool slash = strncasecmp(name, "%2F", 3) == 0;
        if (!slash && strncmp(name, "%25", 3) != 0) {
            *query++ = *name;
            continue;
        }
        *query++ = slash ? '/' : '%';
        name += 2;
    }
    *query = '\0';
}

/* False: it is too long for a name. */
static bool escape(const char *query, char *name)
{
    size_t len = 0;

    for (; *query != '\0' && len < CACHE_NAME_MAX - 3; query++) {
        if (*query == '/' || *query == '%')
            len += (size_t)snprintf(name + len, 4, "%%%02X", (unsigned)*query);
        else
            name[len++] = *query;
    }
    name[len] = '\0';
    return *query == '\0';
}

/* Whether it makes sense; the log says why not. */
static bool makes_sense(const char *query)
{
    struct message_query terms;
    char why[MESSAGE_QUERY_WHY];
    bool good = message_query_parse(query, strlen(query), &terms, why);

    if (good)
        message_query_free(&terms);
    else
        log_info("no search for \"%.200s\": %s", query, why);
    return good;
}

/* ---- attributes ---- */

static void query_inode(uint64_t number, struct cache_inode *inode)
{
    memset(inode, 0, sizeof(*inode));
    inode->ino = ino_of(number, 0);
    inode->parent = ROOM_ROOT(ROOM_SEARCH);
    inode->kind = CACHE_DIRECTORY;
    inode->mtime = inode->ctime = time(NULL);
}

/* The link's target, from within the query's directory. */
static bool target_of(struct fs *fs, const struct cache_inode *row, struct buffer *target)
{
    buffer_init(target, (size_t)64 * 1024);
    return buffer_append_text(target, "../../") && sync_path(fs->sync, row, target);
}

static bool link_stat(struct fs *fs, uint64_t ino, const struct cache_inode *row, struct stat *st)
{
    struct cache_inode shown = *row;
    struct buffer target;
    bool good = target_of(fs, row, &target);

    shown.ino = ino;
    attr_fill(fs, &shown, st);
    st->st_mode = S_IFLNK | 0777;
    st->st_size = good ? (off_t)target.len : 0;
    st->st_blocks = 0;
    buffer_free(&target);
    return good;
}

static void reply_query(fuse_req_t req, uint64_t number)
{
    struct fuse_entry_param entry;
    struct cache_inode inode;

    query_inode(number, &inode);
    attr_fill_entry(fs_of(req), &inode, &entry);
    entry.entry_timeout = entry.attr_timeout = 0;
    fuse_reply_entry(req, &entry);
}

static void reply_link(struct fs *fs, fuse_req_t req, uint64_t number,
                       const struct cache_inode *row)
{
    struct fuse_entry_param entry;
    uint64_t ino = ino_of(number, row->ino);

    memset(&entry, 0, sizeof(entry));
    entry.ino = ino;
    entry.entry_timeout = entry.attr_timeout = LINK_SECONDS;
    if (link_stat(fs, ino, row, &entry.attr))
        fuse_reply_entry(req, &entry);
    else
        fuse_reply_err(req, ENOENT);
}

/* The row of a link's message; false: it is gone. */
static bool link_row(struct fs *fs, uint64_t ino, struct cache_inode *row)
{
    uint64_t own = ROOM_OWN(ino) & ROW_BITS;

    return own != 0 && cache_inode_get(fs->cache, own, row) == CACHE_OK && !row->hidden &&
           row->kind == CACHE_MESSAGE;
}

static bool search_getattr(fuse_req_t req, fuse_ino_t ino)
{
    struct fs *fs = fs_of(req);
    struct cache_inode inode;
    struct stat st;
    bool directory = (ROOM_OWN(ino) & ROW_BITS) == 0;

    if (directory && searches_known(fs->searches, number_of(ino))) {
        query_inode(number_of(ino), &inode);
        attr_fill(fs, &inode, &st);
        fuse_reply_attr(req, &st, 0);
        return true;
    }
    if (directory || !link_row(fs, ino, &inode) || !link_stat(fs, ino, &inode, &st))
        return false;
    fuse_reply_attr(req, &st, LINK_SECONDS);
    return true;
}

static void search_readlink(fuse_req_t req, fuse_ino_t ino)
{
    struct fs *fs = fs_of(req);
    struct cache_inode row;
    struct buffer target;

    buffer_init(&target, 0);
    if (link_row(fs, ino, &row) && target_of(fs, &row, &target))
        fuse_reply_readlink(req, target.data);
    else
        fuse_reply_err(req, ESTALE);
    buffer_free(&target);
}

/* ---- waiting for a search ---- */

static sync_ticket search_ask(struct wait *wait, sync_done_fn *done, void *ctx)
{
    struct request *r = (struct request *)wait;

    return searches_want(r->fs->searches, number_of(r->inode.ino), done, ctx);
}

/* A query about a mailbox that is not there makes no sense. */
static int search_errno(enum sync_error error)
{
    return error == SYNC_ERR_INVALID ? ENOENT : error == SYNC_ERR_GONE ? ESTALE : fs_errno(error);
}

static struct request *start(fuse_req_t req, uint64_t ino,
                             void (*resume)(struct wait *wait, enum sync_error error))
{
    struct request *r = request_new(fs_of(req), req);

    if (r == NULL)
        return NULL;
    r->inode.ino = ino;
    r->wait.locked = ino;
    r->wait.ask = search_ask;
    r->wait.resume = resume;
    return r;
}

/* ---- lookup ---- */

static void lookup_query(fuse_req_t req, const char *name)
{
    struct fs *fs = fs_of(req);
    char query[CACHE_NAME_MAX + 1];
    uint64_t number;

    unescape(name, query);
    if (!makes_sense(query) ||
        (caller_makes_directory(fuse_req_ctx(req)->pid) && !kept_has(fs->state_dir, query))) {
        fuse_reply_err(req, ENOENT);
        return;
    }
    number = searches_number(fs->searches, query);
    if (number != 0)
        reply_query(req, number);
    else
        fuse_reply_err(req, ENOMEM);
}

/* Answers from what was found last; false: the name is not in it. */
static bool lookup_link(struct fs *fs, fuse_req_t req, uint64_t parent, const char *name)
{
    struct found *found = searches_found(fs->searches, number_of(parent));
    struct cache_inode row;
    bool there = found != NULL && found_lookup(fs, found, name, &row) != NULL;

    if (there)
        reply_link(fs, req, number_of(parent), &row);
    found_drop(&found);
    return there;
}

static void lookup_resume(struct wait *wait, enum sync_error error)
{
    struct request *r = (struct request *)wait;

    if (error != SYNC_OK)
        fuse_reply_err(r->req, search_errno(error));
    else if (!lookup_link(r->fs, r->req, r->inode.ino, r->name))
        fuse_reply_err(r->req, ENOENT);
    wait_free(wait);
}

static void search_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct request *r;

    if (parent == ROOM_ROOT(ROOM_SEARCH)) {
        lookup_query(req, name);
        return;
    }
    if (lookup_link(fs_of(req), req, parent, name))
        return;
    r = start(req, parent, lookup_resume);
    if (r == NULL)
        return;
    snprintf(r->name, sizeof(r->name), "%s", name);
    wait_start(&r->wait);
}

/* ---- reading ---- */

static void reply_opendir(struct fs *fs, fuse_req_t req, struct fuse_file_info *fi,
                          struct handle *handle)
{
    if (handle == NULL) {
        fuse_reply_err(req, ENOMEM);
        return;
    }
    fi->fh = (uintptr_t)handle;
    if (fuse_reply_open(req, fi) != 0)
        handle_free(fs, handle);
}

/* The names that are kept stand in the handle's text. */
static void open_root(fuse_req_t req, struct fuse_file_info *fi)
{
    struct fs *fs = fs_of(req);
    struct cache_inode inode;
    struct handle *handle;
    int error;

    room_root_inode(&room_search, &inode);
    handle = handle_new(fs, &inode);
    error = handle != NULL ? kept_list(fs->state_dir, &handle->text) : 0;
    if (error == 0) {
        reply_opendir(fs, req, fi, handle);
        return;
    }
    handle_free(fs, handle);
    fuse_reply_err(req, error);
}

static void opendir_resume(struct wait *wait, enum sync_error error)
{
    struct request *r = (struct request *)wait;
    struct found *found =
        error == SYNC_OK ? searches_found(r->fs->searches, number_of(r->inode.ino)) : NULL;
    struct cache_inode inode;
    struct handle *handle;

    if (found == NULL) {
        fuse_reply_err(r->req, error != SYNC_OK ? search_errno(error) : ESTALE);
    } else {
        query_inode(number_of(r->inode.ino), &inode);
        handle = handle_new(r->fs, &inode);
        if (handle != NULL)
            handle->found = found;
        else
            found_drop(&found);
        reply_opendir(r->fs, r->req, &r->fi, handle);
    }
    wait_free(wait);
}

static void search_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct request *r;

    if (ino == ROOM_ROOT(ROOM_SEARCH)) {
        open_root(req, fi);
        return;
    }
    r = start(req, ino, opendir_resume);
    if (r == NULL)
        return;
    r->fi = *fi;
    wait_start(&r->wait);
}

/* An entry's offset is its place, from 1 on, behind the two dots. */
static void put_kept(struct room_filler *filler, const struct buffer *queries, uint64_t after)
{
    struct cache_inode inode;
    char name[CACHE_NAME_MAX + 1];
    uint64_t place = 0;

    query_inode(0, &inode);
    for (size_t at = 0; at < queries->len; at += strlen(queries->data + at) + 1) {
        inode.ino = ino_of(++place, 0); /* not its own: that comes with a LOOKUP */
        if (place > after && escape(queries->data + at, name) &&
            !room_put(filler, &inode, name, dir_offset_of(place)))
            return;
    }
}

static void put_found(struct fs *fs, struct room_filler *filler, const struct handle *handle,
                      uint64_t after)
{
    const struct found *found = handle->found;

    for (uint64_t place = after; place < found->count; place++) {
        struct cache_inode inode;
        char name[CACHE_NAME_MAX + 1];
        if (!found_name(fs, &found->entries[place], name, &inode))
            continue;
        inode.ino = ino_of(number_of(handle->inode.ino), inode.ino);
        inode.kind = CACHE_MESSAGE;
        if (!room_put(filler, &inode, name, dir_offset_of(place + 1)))
            return;
    }
}

static void search_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                           struct fuse_file_info *fi, bool plus)
{
    const struct handle *handle = handle_of(fi);
    struct room_filler filler = {
        .req = req, .data = malloc(size), .size = size, .plus = plus, .attributes = false};

    if (filler.data == NULL) {
        fuse_reply_err(req, ENOMEM);
        return;
    }
    room_put_dots(&filler, &handle->inode, offset);
    filler.type = handle->found != NULL ? S_IFLNK | 0777 : 0;
    if (handle->found != NULL)
        put_found(fs_of(req), &filler, handle, dir_ino_of(offset));
    else
        put_kept(&filler, &handle->text, dir_ino_of(offset));
    room_answer(&filler);
}

/* ---- keeping ---- */

static void search_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
    struct fs *fs = fs_of(req);
    char query[CACHE_NAME_MAX + 1];
    uint64_t number = 0;
    int error = parent != ROOM_ROOT(ROOM_SEARCH) ? EROFS
                : strlen(name) > CACHE_NAME_MAX  ? ENAMETOOLONG
                                                 : 0;

    if (error == 0) {
        unescape(name, query);
        error = makes_sense(query) ? kept_add(fs->state_dir, query) : EINVAL;
    }
    if (error == 0) {
        number = searches_number(fs->searches, query);
        error = number == 0 ? ENOMEM : 0;
    }
    if (error == 0)
        reply_query(req, number);
    else
        fuse_reply_err(req, error);
}

static void search_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    char query[CACHE_NAME_MAX + 1];
    int error = parent != ROOM_ROOT(ROOM_SEARCH) ? ENOTDIR
                : strlen(name) > CACHE_NAME_MAX  ? ENAMETOOLONG
                                                 : 0;

    if (error == 0) {
        unescape(name, query);
        error = kept_remove(fs_of(req)->state_dir, query);
    }
    fuse_reply_err(req, error);
}

const struct room room_search = {
    .number = ROOM_SEARCH,
    .name = ".search",
    .lookup = search_lookup,
    .getattr = search_getattr,
    .readlink = search_readlink,
    .opendir = search_opendir,
    .readdir = search_readdir,
    .mkdir = search_mkdir,
    .rmdir = search_rmdir,
};
