/*
 * What is worth a line while somebody waits (sync.h, struct sync_progress): the short form of
 * status, for whoever looks twice a second. One look under the lock, one name from the cache.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "sync/status.h"

/* A path that does not fit loses levels at its front: the last one says most. */
static void name_of(struct sync *sync, int64_t mailbox, char name[CACHE_NAME_MAX + 1])
{
    char *path = status_path(sync, mailbox);
    const char *at = path;
    while (at != NULL && strlen(at) > CACHE_NAME_MAX) {
        const char *slash = strchr(at, '/');
        at = slash != NULL ? slash + 1 : at + strlen(at);
    }
    snprintf(name, CACHE_NAME_MAX + 1, "%s", at != NULL ? at : "");
    free(path);
}

static uint32_t missing(const struct status_listing *listing)
{
    return listing->total - listing->landed;
}

static void look_at_listings(struct sync *sync, const struct status *s, struct sync_progress *p)
{
    const struct status_listing *most = NULL;
    for (unsigned i = 0; i < s->listing_count; i++) {
        const struct status_listing *listing = &s->listings[i];
        if (!listing->first)
            continue;
        p->listings++;
        if (most == NULL || missing(listing) > missing(most))
            most = listing;
    }
    if (most == NULL)
        return;
    p->listing_ms = most->age_ms;
    p->landed = most->landed;
    p->total = most->total;
    name_of(sync, most->mailbox_id, p->mailbox);
}

void sync_progress(struct sync *sync, struct sync_progress *p)
{
    struct status s;
    status_look(sync, &s);
    bool starting = s.last_contact == 0 && !s.offline;
    *p = (struct sync_progress){
        .busy = starting || s.pending + s.under_way > 0 || s.waiting == SYNC_WAIT_SECRET ||
                s.waiting == SYNC_WAIT_CONNECT || s.left_ms > 0,
        .waiting = s.waiting,
        .left_ms = s.left_ms,
        .waited_ms = s.waited_ms,
        .bodies = s.bodies,
        .bodies_ms = s.bodies_ms,
        .bytes = s.bytes,
        .bytes_expected = s.bytes_expected,
    };
    look_at_listings(sync, &s, p);
}

int sync_progress_fd(struct sync *sync)
{
    pthread_mutex_lock(&sync->lock);
    if (sync->stir_fd <= 0)
        sync->stir_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int fd = sync->stir_fd > 0 ? sync->stir_fd : -1;
    pthread_mutex_unlock(&sync->lock);
    return fd;
}
