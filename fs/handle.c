/*
 * Open files and directories, and waiting requests: the only state that a callback leaves behind.
 *
 * Handles stand in one list, which is short (what is open right now), for two reasons: the kernel
 * sends no release when a connection is cut, so the end of the mount frees what is left; and an
 * open file whose message is gone from the mailbox still has attributes.
 */
#include "fs/internal.h"
#include "fs/searches.h"

#include <errno.h>
#include <stdlib.h>

struct handle *handle_new(struct fs *fs, const struct cache_inode *inode)
{
    struct handle *handle = calloc(1, sizeof(*handle));

    if (handle == NULL)
        return NULL;
    handle->inode = *inode;
    buffer_init(&handle->text, FS_STATUS_MAX);
    pthread_mutex_lock(&fs->handles_lock);
    handle->next = fs->handles;
    if (handle->next != NULL)
        handle->next->previous = handle;
    fs->handles = handle;
    pthread_mutex_unlock(&fs->handles_lock);
    return handle;
}

void handle_free(struct fs *fs, struct handle *handle)
{
    if (handle == NULL)
        return;
    pthread_mutex_lock(&fs->handles_lock);
    if (handle->previous != NULL)
        handle->previous->next = handle->next;
    else
        fs->handles = handle->next;
    if (handle->next != NULL)
        handle->next->previous = handle->previous;
    pthread_mutex_unlock(&fs->handles_lock);
    staged_detach(handle);
    if (handle->pinned)
        cache_body_unpin(fs->cache, handle->inode.message);
    buffer_free(&handle->text);
    rendered_drop(&handle->rendered);
    found_drop(&handle->found);
    free(handle);
}

bool handle_find(struct fs *fs, uint64_t ino, struct cache_inode *inode)
{
    bool found = false;

    pthread_mutex_lock(&fs->handles_lock);
    for (const struct handle *h = fs->handles; h != NULL && !found; h = h->next) {
        found = h->pinned && h->inode.ino == ino;
        if (found)
            *inode = h->inode;
    }
    pthread_mutex_unlock(&fs->handles_lock);
    return found;
}

struct request *request_new(struct fs *fs, fuse_req_t req)
{
    struct request *request = wait_new(&fs->waits, sizeof(*request), req);

    if (request == NULL) {
        fuse_reply_err(req, ENOMEM);
        return NULL;
    }
    request->fs = fs;
    request->req = req;
    return request;
}

static void release_change(struct wait *wait)
{
    struct request *request = (struct request *)wait;

    free(request->data);
    if (request->staged != NULL)
        staged_settle(request->staged);
    staged_drop(request->staged);
}

struct request *request_new_change(struct fs *fs, fuse_req_t req)
{
    struct request *request = request_new(fs, req);

    if (request != NULL)
        request->wait.release = release_change;
    return request;
}
