/*
 * Jobs gather what came and went here, in copies, because the callback that hears of it must run
 * after the commit and on the thread that asked.
 */
#include <stdlib.h>
#include <string.h>

#include "cache/internal.h"

enum { CHANGES_FIRST = 64 };

enum cache_error changes_add(struct changes *changes, const struct cache_inode *inode, bool gone)
{
    if (changes->count == changes->room) {
        size_t room = changes->room != 0 ? changes->room * 2 : CHANGES_FIRST;
        struct cache_change *list = realloc(changes->list, room * sizeof *list);
        if (list == NULL)
            return CACHE_ERR_MEMORY;
        changes->list = list;
        changes->room = room;
    }
    struct cache_change *change = &changes->list[changes->count++];
    change->parent = inode->parent;
    change->ino = inode->ino;
    change->gone = gone;
    change->came = change->settled = change->bytes = false;
    change->directory = inode->kind == CACHE_DIRECTORY;
    memcpy(change->name, inode->name, sizeof change->name);
    return CACHE_OK;
}

enum cache_error changes_add_new(struct changes *changes, const struct cache_inode *inode)
{
    enum cache_error error = changes_add(changes, inode, false);
    if (error == CACHE_OK)
        changes->list[changes->count - 1].came = true;
    return error;
}

void changes_free(struct changes *changes)
{
    free(changes->list);
    *changes = (struct changes){0};
}

void changes_tell(struct changes *changes, cache_change_fn *changed, void *ctx)
{
    for (size_t i = 0; changed != NULL && i < changes->count; i++)
        changed(ctx, &changes->list[i]);
    changes_free(changes);
}
