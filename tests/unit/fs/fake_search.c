/* See fake_search.h. */
#include "tests/unit/fs/fake_search.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sync/search.h"

atomic_uint fake_searches, fake_cancelled;
atomic_bool fake_let_go;

struct sync_search {
    char query[SYNC_QUERY_MAX + 1];
    atomic_bool cancelled;
};

struct sync_search *sync_search_new(struct sync *sync, const char *query, size_t len,
                                    enum sync_error *error, char *why)
{
    struct sync_search *search = calloc(1, sizeof(*search));

    *error = search != NULL ? SYNC_OK : SYNC_ERR_MEMORY;
    if (search != NULL)
        snprintf(search->query, sizeof(search->query), "%.*s", (int)len, query);
    return search;
}

void sync_search_free(struct sync_search **search)
{
    free(*search);
    *search = NULL;
}

const char *sync_search_query(const struct sync_search *search)
{
    return search->query;
}

void sync_search_cancel(struct sync_search *search)
{
    atomic_store(&search->cancelled, true);
}

enum sync_error sync_search_run(struct sync_search *search,
                                bool (*hit)(void *ctx, const struct cache_inode *inode), void *ctx,
                                struct sync_search_end *end)
{
    *end = (struct sync_search_end){0};
    atomic_fetch_add(&fake_searches, 1);
    while (strncmp(search->query, "wait", 4) == 0 && !atomic_load(&search->cancelled) &&
           !atomic_load(&fake_let_go))
        usleep(1000);
    if (atomic_load(&search->cancelled)) {
        atomic_fetch_add(&fake_cancelled, 1);
        return SYNC_ERR_STOPPING;
    }
    for (uint64_t ino = 3; ino > 1; ino--) {
        struct cache_inode inode = {.ino = ino, .kind = CACHE_MESSAGE};
        snprintf(inode.name, sizeof(inode.name), "%llu.eml", (unsigned long long)ino);
        end->found++;
        if (!hit(ctx, &inode))
            break;
    }
    return SYNC_OK;
}

bool sync_path(struct sync *sync, const struct cache_inode *inode, struct buffer *out)
{
    return buffer_printf(out, "Inbox/%s", inode->name);
}
